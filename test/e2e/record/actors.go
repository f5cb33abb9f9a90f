package record

// actor is who calls the API server, from where, with what.
type actor struct {
	name    string // of the user
	ip      string
	agent   string // empty for an actor that is awaited
	pod     string // whose token a service account shows
	awaited bool   // a part of the control plane, which acts by itself
}

// Where things run on the day of the log.
const (
	controlPlane   = "10.20.0.5"
	storefrontPod  = "storefront-6f7c9d8b54-q2xmk"
	runnerPod      = "runner-58d6c7f9b-7tkzp"
	deployerPod    = "ci-deployer-7c5b8f6d9-hn4wd"
	prometheusPod  = "prometheus-5d4f8c7b6-zr8vl"
	ingressPod     = "ingress-controller-66b9d5c8f-4jqmc"
	catalogPod     = "catalog-6c8d9f7b5-w8s4c"
	nodeOfTheChain = "node-b"
)

// nodes in a fixed order.
var nodes = []string{"node-a", "node-b", "node-c"}

var nodeIPs = map[string]string{"node-a": "10.20.0.11", "node-b": "10.20.0.12", "node-c": "10.20.0.13"}

// homes is where pods run whose node shows in the log, by namespace/app. The
// others go where the scheduler likes.
var homes = map[string]string{
	"shop/storefront": "node-a", "shop/runner": "node-c", "ci/ci-deployer": nodeOfTheChain,
	"monitoring/prometheus": "node-c", "platform/ingress-controller": "node-a",
}

// acting is the pod of a home that shows in the log, by namespace/app.
var acting = map[string]string{
	"shop/storefront": storefrontPod, "shop/runner": runnerPod, "ci/ci-deployer": deployerPod,
	"monitoring/prometheus": prometheusPod, "platform/ingress-controller": ingressPod,
}

// serviceAccount is a pod calling with its mounted token.
func serviceAccount(ns, name, pod, ip, agent string) actor {
	return actor{name: "system:serviceaccount:" + ns + ":" + name, ip: ip, agent: agent, pod: pod}
}

// node is a kubelet.
func node(name string) actor {
	return actor{name: "system:node:" + name, ip: nodeIPs[name], agent: "kubelet/v1.37.2 (linux/amd64) kubernetes/unknown"}
}

// controller is one of kube-controller-manager's service accounts.
func controller(name string) actor {
	return actor{name: "system:serviceaccount:kube-system:" + name, ip: controlPlane, awaited: true}
}

// component is a part of the control plane.
func component(name string) actor {
	return actor{name: "system:" + name, ip: controlPlane, awaited: true}
}

// person is a developer with kubectl.
func person(name, ip string) actor {
	return actor{name: name + "@shop.example", ip: ip, agent: "kubectl/v1.34.1 (darwin/arm64) kubernetes/93248f9"}
}

var (
	runner     = serviceAccount("shop", "runner", runnerPod, "10.42.3.21", "runner/v2.4.0 (linux/amd64) kubernetes/v0.37.2")
	deployer   = serviceAccount("ci", "ci-deployer", deployerPod, "10.42.2.14", "kubectl/v1.34.1 (linux/amd64) kubernetes/93248f9")
	prometheus = serviceAccount("monitoring", "prometheus", prometheusPod, "10.42.3.40", "Prometheus/3.5.0")
	ingress    = serviceAccount("platform", "ingress-controller", ingressPod, "10.42.1.9", "ingress-controller/1.9.0 (linux/amd64)")
)

// logAgent is the log agent of a node.
func logAgent(n string) actor {
	ip := map[string]string{"node-a": "10.42.1.5", "node-b": "10.42.2.5", "node-c": "10.42.3.5"}[n]
	return serviceAccount("platform", "log-agent", "log-agent-"+suffix("log", n), ip, "log-agent/0.9.1")
}
