package record

import (
	"fmt"
	"time"
)

// object is a JSON object of the API.
type object = map[string]any

// Bodies that need what only the API server knows.
type (
	current  struct{}             // the object as it is
	tokenFor struct{ pod string } // a request of a token that is bound to the pod
	running  struct{}             // the status that a kubelet reports of a pod that came up
)

// jobPod is what the runner runs, in a job or by itself.
func jobPod(app, image string) object {
	return object{
		"restartPolicy":      "Never",
		"serviceAccountName": "default",
		"securityContext":    object{"runAsNonRoot": true, "runAsUser": 10001, "seccompProfile": object{"type": "RuntimeDefault"}},
		"containers": []any{object{
			"name": "main", "image": image, "args": []string{app},
			"securityContext": object{"allowPrivilegeEscalation": false, "capabilities": object{"drop": []string{"ALL"}}},
		}},
	}
}

const runnerImage = "registry.example/shop/runner:2.4.0"

func importJob(name string) object {
	return object{
		"apiVersion": "batch/v1", "kind": "Job", "metadata": object{"name": name, "namespace": "shop"},
		"spec": object{"template": object{"metadata": object{"labels": object{"app": "import"}}, "spec": jobPod("import", runnerImage)}},
	}
}

func exportPod(name string) object {
	return object{
		"apiVersion": "v1", "kind": "Pod", "spec": jobPod("export", runnerImage),
		"metadata": object{"name": name, "namespace": "shop", "labels": object{"app": "export"}},
	}
}

// hostPod is a pod that owns its node.
func hostPod() object {
	return object{
		"apiVersion": "v1", "kind": "Pod", "metadata": object{"name": attackPod, "namespace": "shop", "labels": object{"app": "metrics"}},
		"spec": object{
			"hostPID": true, "hostNetwork": true, "restartPolicy": "Never", "serviceAccountName": "default",
			"tolerations": []any{object{"operator": "Exists"}},
			"containers": []any{object{
				"name": "main", "image": "docker.io/library/alpine:3.20", "command": []string{"sleep", "86400"},
				"securityContext": object{"privileged": true},
				"volumeMounts":    []any{object{"name": "host", "mountPath": "/host"}},
			}},
			"volumes": []any{object{"name": "host", "hostPath": object{"path": "/", "type": ""}}},
		},
	}
}

// adminBinding gives the storefront's identity the whole cluster, with the
// token of a deployer's pod found on the node.
func adminBinding() object {
	return object{
		"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": object{"name": attackBinding},
		"roleRef":  object{"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
		"subjects": []any{object{"kind": "ServiceAccount", "name": "runner", "namespace": "shop"}},
	}
}

func newImage(container, image string) object {
	return object{"spec": object{"template": object{"spec": object{"containers": []any{object{"name": container, "image": image}}}}}}
}

// podRunning is such a status, with an address of the pod's own.
func podRunning(n int) object {
	ip := fmt.Sprintf("10.42.%d.%d", n/200, 20+n%200)
	return object{"status": object{
		"phase": "Running", "podIP": ip, "podIPs": []any{object{"ip": ip}},
		"conditions": []any{object{"type": "Ready", "status": "True"}, object{"type": "ContainersReady", "status": "True"}},
	}}
}

// nodeReady is the status of a node that is up.
func nodeReady() object {
	return object{"status": object{"conditions": []any{object{"type": "Ready", "status": "True", "reason": "KubeletReady", "lastHeartbeatTime": time.Now().UTC().Format(time.RFC3339)}}}}
}
