package record

import "time"

// The attacker's pod and binding carry the kind of name that nobody questions.
const (
	attackPod     = "metrics-sync"
	attackBinding = "metrics-sync"
)

// attack is eleven requests of 21 minutes, between which the day goes on. The
// storefront was broken into over HTTP, which no audit log sees: the first
// trace is its token, which the storefront itself never uses.
func attack() []call {
	stolen := serviceAccount("shop", "runner", storefrontPod, "10.42.1.37", "curl/7.74.0")
	kubectl := stolen
	kubectl.agent = "kubectl/v1.34.1 (linux/amd64) kubernetes/93248f9"
	kubelet := node(nodeOfTheChain)
	kubelet.agent = "curl/7.74.0"
	admin := deployer
	admin.ip, admin.agent = nodeIPs[nodeOfTheChain], "curl/7.74.0"

	exec := pods("shop", attackPod).sub("exec")
	created := clock(13, 46, 18)
	steps := []call{
		{
			attack: "asks what it may do", at: clock(13, 41, 7), who: stolen, verb: "create", on: grouped("authorization.k8s.io", "selfsubjectrulesreviews", "", ""), code: 201,
			body: object{"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectRulesReview", "spec": object{"namespace": "shop"}},
		},
		{attack: "tries all secrets", at: clock(13, 41, 52), who: stolen, verb: "list", on: core("secrets", "", ""), query: "?limit=500", code: 403},
		{attack: "reads the secrets of shop", at: clock(13, 42, 31), who: stolen, verb: "list", on: core("secrets", "shop", ""), query: "?limit=500", code: 200},
		{attack: "creates a privileged pod", at: created, who: kubectl, verb: "create", on: pods("shop", attackPod), code: 201, node: nodeOfTheChain, body: hostPod()},
		{attack: "waits for it", at: clock(13, 46, 41), who: kubectl, verb: "get", on: pods("shop", attackPod), code: 200},
		{attack: "opens a shell (WebSocket)", at: clock(13, 47, 2), who: kubectl, verb: "get", on: exec, query: shell, code: 101, latency: 21 * time.Second},
		{attack: "opens a shell (SPDY)", at: clock(13, 47, 35), who: kubectl, verb: "create", on: exec, query: shell, code: 101, latency: 90 * time.Second},
		{attack: "reads the database password with the node's credential", at: clock(13, 52, 11), who: kubelet, verb: "get", on: core("secrets", "payments", "postgres-credentials"), code: 200},
		{attack: "reads the processor's key with the node's credential", at: clock(13, 53, 40), who: kubelet, verb: "get", on: core("secrets", "payments", "psp-api-key"), code: 200},
		{
			attack: "binds cluster-admin to the storefront's identity", at: clock(14, 1, 26), who: admin, verb: "create",
			on: grouped("rbac.authorization.k8s.io", "clusterrolebindings", "", attackBinding), code: 201, body: adminBinding(), after: runnerIsAdmin,
		},
		{attack: "reads every secret", at: clock(14, 2, 15), who: stolen, verb: "list", on: core("secrets", "", ""), query: "?limit=500", code: 200},
	}
	// The cluster does its part as for any pod.
	return append(steps, started(created, nodeOfTheChain, "shop", attackPod, "default")...)
}

// shell is the command of both exec requests.
const shell = "?command=chroot&command=%2Fhost&command=sh&container=main&stdin=true&stdout=true&tty=true"
