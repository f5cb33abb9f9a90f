package main

import "fmt"

// actor is who calls the API server, from where, with what.
type actor struct {
	user   user
	ip     string
	agent  string
	reason string // why the authorizer allows what this actor does
}

// Where things run on the day of the log.
const (
	controlPlane   = "10.20.0.5"
	storefrontPod  = "storefront-6f7c9d8b54-q2xmk"
	runnerPod      = "runner-58d6c7f9b-7tkzp"
	deployerPod    = "ci-deployer-7c5b8f6d9-hn4wd"
	nodeOfTheChain = "node-b"
)

var nodeIPs = map[string]string{"node-a": "10.20.0.11", "node-b": "10.20.0.12", "node-c": "10.20.0.13"}

// nodes in a fixed order.
var nodes = []string{"node-a", "node-b", "node-c"}

// serviceAccount is a pod calling with its mounted token.
func serviceAccount(ns, name, pod, node, ip, agent, reason string) actor {
	return actor{
		user: user{
			Username: "system:serviceaccount:" + ns + ":" + name, UID: uuid("sa", ns, name),
			Groups: []string{"system:serviceaccounts", "system:serviceaccounts:" + ns, "system:authenticated"},
			Extra: map[string][]string{
				"authentication.kubernetes.io/credential-id": {"JTI=" + uuid("token", pod)},
				"authentication.kubernetes.io/node-name":     {node},
				"authentication.kubernetes.io/node-uid":      {uuid("node", node)},
				"authentication.kubernetes.io/pod-name":      {pod},
				"authentication.kubernetes.io/pod-uid":       {uuid("pod", pod)},
			},
		},
		ip: ip, agent: agent, reason: reason,
	}
}

// bound is the reason that RBAC gives for a namespaced binding.
func bound(role, ns, account string) string {
	return fmt.Sprintf("RBAC: allowed by RoleBinding %q of Role %q to ServiceAccount %q", role+"/"+ns, role, account+"/"+ns)
}

// clusterBound is the same for a cluster-wide one.
func clusterBound(binding, role, account, ns string) string {
	return fmt.Sprintf("RBAC: allowed by ClusterRoleBinding %q of ClusterRole %q to ServiceAccount %q", binding, role, account+"/"+ns)
}

// node is a kubelet.
func node(name string) actor {
	return actor{
		user: user{Username: "system:node:" + name, Groups: []string{"system:nodes", "system:authenticated"}},
		ip:   nodeIPs[name], agent: "kubelet/v1.34.3 (linux/amd64) kubernetes/8a9b1e5",
	}
}

// controller is one of kube-controller-manager's service accounts, which
// share its process and so carry no pod.
func controller(name string) actor {
	return actor{
		user: user{
			Username: "system:serviceaccount:kube-system:" + name, UID: uuid("sa", "kube-system", name),
			Groups: []string{"system:serviceaccounts", "system:serviceaccounts:kube-system", "system:authenticated"},
		},
		ip: controlPlane, agent: "kube-controller-manager/v1.34.3 (linux/amd64) kubernetes/8a9b1e5/system:serviceaccount:kube-system:" + name,
		reason: clusterBound("system:controller:"+name, "system:controller:"+name, name, "kube-system"),
	}
}

// component is a control plane component with a client certificate.
func component(name string) actor {
	return actor{
		user: user{Username: "system:" + name, Groups: []string{"system:authenticated"}},
		ip:   controlPlane, agent: name + "/v1.34.3 (linux/amd64) kubernetes/8a9b1e5/leader-election",
		reason: fmt.Sprintf("RBAC: allowed by ClusterRoleBinding %q of ClusterRole %q to User %q", "system:"+name, "system:"+name, "system:"+name),
	}
}

// person is a developer with kubectl.
func person(name, ip string) actor {
	return actor{
		user: user{Username: name + "@shop.example", Groups: []string{"shop:developers", "system:authenticated"}},
		ip:   ip, agent: "kubectl/v1.34.1 (darwin/arm64) kubernetes/93248f9",
		reason: `RBAC: allowed by RoleBinding "developers/shop" of ClusterRole "view" to Group "shop:developers"`,
	}
}

var (
	runner = serviceAccount("shop", "runner", runnerPod, "node-c", "10.42.3.21",
		"runner/v2.4.0 (linux/amd64) kubernetes/v0.37.2", bound("runner", "shop", "runner"))
	deployer = serviceAccount("ci", "ci-deployer", deployerPod, nodeOfTheChain, "10.42.2.14",
		"kubectl/v1.34.1 (linux/amd64) kubernetes/93248f9", clusterBound("ci-deployer", "cluster-admin", "ci-deployer", "ci"))
	prometheus = serviceAccount("monitoring", "prometheus", "prometheus-5d4f8c7b6-zr8vl", "node-c", "10.42.3.40",
		"Prometheus/3.5.0", clusterBound("prometheus", "prometheus", "prometheus", "monitoring"))
	ingress = serviceAccount("platform", "ingress-controller", "ingress-controller-66b9d5c8f-4jqmc", "node-a", "10.42.1.9",
		"ingress-controller/1.9.0 (linux/amd64)", clusterBound("ingress-controller", "ingress-controller", "ingress-controller", "platform"))
)
