package siege

import (
	"crypto/x509/pkix"
	"fmt"
	"net/http"
	"time"
)

// twins are legitimate work that looks like a step of an attack. Some can't be
// told from it by the log alone: a detection that alerts on those is not
// wrong, and counts as a false alert all the same.
func twins() []scripted {
	return []scripted{
		{"developer's shell in a pod", person("ada", "127.51.100.30"), func(p *script) {
			p.step("opens a shell", "").want(101, p.stream(http.MethodGet, core("web", "pods", p.victim("web", "cache"), "exec")+shell))
		}},
		{"developer forwards a port", person("dora", "127.51.100.60"), func(p *script) {
			p.step("forwards a port", "").want(101, p.stream(http.MethodGet, core("orders", "pods", p.victim("orders", "queue"), "portforward")+"?ports=5672"))
		}},
		{"developer debugs with a container", person("gita", "127.51.100.41"), func(p *script) {
			name := fmt.Sprintf("debugger-%05x", p.dice.IntN(1<<20))
			p.step("adds a container", "").answered(200, p.patch(core("data", "pods", p.victim("data", "notebook"), "ephemeralcontainers"), tools(name, registry+"tools/debug:3")))
		}},
		{"developer asks what they may do", person("emil", "127.51.100.61"), func(p *script) {
			p.step("lists their rights", "").want(201, p.create(grouped(authz, "", "selfsubjectrulesreviews"), rulesReview("orders")).Code)
		}},
		{"developer deletes the pods of an app", person("chris", "127.51.100.32"), func(p *script) {
			p.step("deletes them", "").want(200, p.remove(core("web", "pods")+"?labelSelector=app%3Dsearch").Code)
		}},
		{"dashboard asks what it may do", program("dashboard/dashboard", "dashboard/v7.13.0", "127.42.1.21"), func(p *script) {
			p.step("lists its rights", "").want(201, p.create(grouped(authz, "", "selfsubjectrulesreviews"), rulesReview("web")).Code)
		}},
		{"notebook's script", program("data/notebook", "python-requests/2.32.4", "127.42.3.28"), func(p *script) {
			p.step("lists pods", "").want(200, p.get(core("data", "pods")).Code)
		}},
		{"start script of a container", program("payments/api", curl, "127.42.3.25"), func(p *script) {
			p.step("reads its settings", "").want(200, p.get(core("payments", "configmaps", "settings")).Code)
		}},
		{"backup of everything", program("backup/backup", "backup/v1.16.2 (linux/amd64)", "127.42.1.33"), backup},
		{"pipeline reads a secret with kubectl", program("ci/deployer", kubectl, "127.42.1.11"), func(p *script) {
			p.step("reads a pull secret", "").want(200, p.get(core("web", "secrets", "registry-pull")).Code)
		}},
		{"preview comes and goes", program("ci/deployer", kubectl, "127.42.1.11"), preview},
		{"secret store logs in with a token", program("external-secrets/external-secrets", "external-secrets/v0.19.2 (linux/amd64)", "127.42.3.18"), func(p *script) {
			p.step("asks for a token", "").want(201, p.create(core("data", "serviceaccounts", "report", "token"), object{
				"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": object{"audiences": []string{"vault"}, "expirationSeconds": 600},
			}).Code)
		}},
		{"operator schedules a backup", program("platform/operator", "operator/v0.9.3 (linux/amd64) kubernetes/v0.34.1", "127.42.3.19"), func(p *script) {
			name := fmt.Sprintf("queue-backup-%05x", p.dice.IntN(1<<20))
			p.made("orders", name)
			p.step("creates a CronJob", "").answered(201, p.create(grouped(batch, "orders", "cronjobs"), clockwork("orders", name, "0 3 * * *", app{"orders", "dump", "", 1, ""}.podSpec("1.0.0"))))
		}},
		{"certificates' manager renews its webhook", program("cert-manager/cainjector", "cert-manager-cainjector/v1.18.2 (linux/amd64)", "127.42.2.17"), func(p *script) {
			p.step("patches the webhook", "").answered(200, p.do(merge(grouped(hooks, "", "validatingwebhookconfigurations", "cert-manager"), object{"metadata": object{"annotations": object{"renewed": time.Now().UTC().Format(time.RFC3339)}}})))
		}},
		{"GitOps installs a node agent", program("gitops/controller", "gitops-controller/v2.7.1", "127.42.1.10"), nodeAgent},
		{"GitOps installs a policy engine", program("gitops/controller", "gitops-controller/v2.7.1", "127.42.1.10"), func(p *script) {
			name := fmt.Sprintf("policy-%05x", p.dice.IntN(1<<20))
			p.step("applies its webhook", "").answered(201, p.apply(grouped(hooks, "", "validatingwebhookconfigurations", name), "gitops-controller", webhook("ValidatingWebhookConfiguration", name, "https://127.0.0.1:1/validate", "ingresses")))
		}},
		{"GitOps removes an app's policy", program("gitops/controller", "gitops-controller/v2.7.1", "127.42.1.10"), func(p *script) {
			old := named(nets, "NetworkPolicy", "web", "old-front", nil)
			old["spec"] = object{"podSelector": object{"matchLabels": object{"app": "old-front"}}, "policyTypes": []string{"Ingress"}}
			p.step("applies it", "").answered(201, p.apply(grouped(nets, "web", "networkpolicies", "old-front"), "gitops-controller", old))
			p.step("removes it", "").want(200, p.remove(grouped(nets, "web", "networkpolicies", "old-front")).Code)
		}},
		{"GitOps changes how names lead", program("gitops/controller", "gitops-controller/v2.7.1", "127.42.1.10"), func(p *script) {
			p.step("applies coredns's settings", "").answered(200, p.do(merge(core("kube-system", "configmaps", "coredns"), object{"data": object{"Corefile": ".:53 { cache 30\n forward . /etc/resolv.conf }"}})))
		}},
		{"administrator gives a team its namespace", identity{email("olga"), mac, "127.51.100.200"}, onboard},
		{"administrator drains a node", identity{email("olga"), mac, "127.51.100.200"}, drain},
		{"administrator looks as a developer", identity{email("pavel"), mac, "127.51.100.201"}, func(p *script) {
			p.header = http.Header{"Impersonate-User": {email("ada")}, "Impersonate-Group": {"team:web", "system:authenticated"}}
			p.step("asks as somebody else", "").want(201, p.create(grouped(authz, "", "selfsubjectaccessreviews"), mayI("web", "delete", "pods")).Code)
			p.step("lists as somebody else", "").want(200, p.get(core("web", "pods")+"?limit=500").Code)
		}},
		{"administrator reads a secret", identity{email("pavel"), mac, "127.51.100.201"}, func(p *script) {
			p.step("lists the names", "").want(200, p.get(core("platform", "secrets")+"?limit=500").Code)
			p.step("reads it", "").want(200, p.get(core("platform", "secrets", "tls")).Code)
		}},
		{"node gets its certificate", identity{"system:node:node-5", "kubelet/v1.37.2 (linux/amd64) kubernetes/cf8b7a2", "127.20.0.15"}, nodeCertificate},
		{"node that joins", identity{nobody, "kubeadm/v1.37.2 (linux/amd64)", "127.20.0.17"}, func(p *script) {
			p.step("asks for what everybody may read", "").want(200, p.get(core("kube-public", "configmaps", "cluster-info")+"?timeout=10s").Code)
			p.step("asks for the version", "").want(200, p.get("/version").Code)
		}},
	}
}

// backup lists everything, secrets too, without a cache.
func backup(p *script) {
	p.step("asks for what the API has", "").want(200, p.get("/apis").Code)
	p.pause /= 10
	for _, path := range []string{
		core("", "namespaces"), core("", "secrets"), core("", "configmaps"), core("", "services"), core("", "serviceaccounts"), core("", "pods"),
		grouped(apps, "", "deployments"), grouped(apps, "", "statefulsets"), grouped(apps, "", "daemonsets"), grouped(batch, "", "cronjobs"),
		grouped(rbac, "", "roles"), grouped(rbac, "", "rolebindings"), grouped(rbac, "", "clusterroles"), grouped(rbac, "", "clusterrolebindings"), grouped(nets, "", "networkpolicies"),
	} {
		p.step("lists everything", "").want(200, p.get(path+"?limit=1000").Code)
	}
}

// preview is a namespace for one change, which goes when the change is in.
func preview(p *script) {
	ns := fmt.Sprintf("preview-%05x", p.dice.IntN(1<<20))
	p.step("creates a namespace", "").want(201, p.create(core("", "namespaces"), named("v1", "Namespace", "", ns, nil)).Code)
	p.step("creates its settings", "").want(201, p.create(core(ns, "configmaps"), named("v1", "ConfigMap", ns, "settings", nil)).Code)
	p.step("deploys", "").answered(201, p.create(grouped(apps, ns, "deployments"), app{ns, "front", "deployments", 1, ""}.manifest("0.0.1")))
	p.step("deletes the namespace", "").want(200, p.remove(core("", "namespaces", ns)).Code)
}

// nodeAgent is a DaemonSet of the kind that needs the node: metrics of the
// host.
func nodeAgent(p *script) {
	name := fmt.Sprintf("node-exporter-%05x", p.dice.IntN(1<<20))
	p.made("monitoring", name)
	body := app{"monitoring", name, "daemonsets", 0, ""}.manifest("1.9.1")
	spec := body["spec"].(object)["template"].(object)["spec"].(object)
	spec["hostPID"], spec["hostNetwork"] = true, true
	spec["volumes"] = []any{object{"name": "root", "hostPath": object{"path": "/"}}}
	spec["containers"].([]any)[0].(object)["volumeMounts"] = []any{object{"name": "root", "mountPath": "/host", "readOnly": true}}
	p.step("applies a node agent", "").answered(201, p.apply(grouped(apps, "monitoring", "daemonsets", name), "gitops-controller", body))
}

// onboard makes a namespace for a team and gives it rights there, and the
// right to look at nodes.
func onboard(p *script) {
	ns := fmt.Sprintf("team-%05x", p.dice.IntN(1<<20))
	p.step("creates the namespace", "").want(201, p.create(core("", "namespaces"), named("v1", "Namespace", "", ns, nil)).Code)
	p.step("gives the team its rights", "").answered(201, p.create(grouped(rbac, ns, "rolebindings"), binding(ns, "ClusterRole", "admin", "group:team:"+ns, "admins")))
	role := named(rbac, "ClusterRole", "", "look-at-nodes-"+ns, nil)
	role["rules"] = ruleList([]rights{{"", "nodes", look}})
	p.step("makes a role to look at nodes", "").answered(201, p.create(grouped(rbac, "", "clusterroles"), role))
	p.step("binds it", "").answered(201, p.create(grouped(rbac, "", "clusterrolebindings"), binding("", "ClusterRole", "look-at-nodes-"+ns, "group:team:"+ns, "look-at-nodes-"+ns)))
}

// drain empties a node of the apps' pool and fills it again. A budget may
// refuse.
func drain(p *script) {
	node := p.pick(nodes["apps"]...)
	p.step("cordons the node", "").answered(200, p.patch(core("", "nodes", node), object{"spec": object{"unschedulable": true}}))
	var list struct{ Items []pod }
	p.took(p.step("looks at its pods", "").answered(200, p.get(core("", "pods")+"?fieldSelector=spec.nodeName%3D"+node)).Decode(&list))
	p.pause /= 10
	for _, x := range list.Items {
		if x.Spec.ServiceAccountName != "default" {
			continue // of a DaemonSet
		}
		p.step("evicts a pod", "")
		p.create(core(x.Metadata.Namespace, "pods", x.Metadata.Name, "eviction"), object{"apiVersion": "policy/v1", "kind": "Eviction", "metadata": object{"name": x.Metadata.Name, "namespace": x.Metadata.Namespace}})
	}
	p.step("uncordons the node", "").answered(200, p.patch(core("", "nodes", node), object{"spec": object{"unschedulable": nil}}))
}

// nodeCertificate: a kubelet asks for its serving certificate, which a program
// of the platform approves.
func nodeCertificate(p *script) {
	name := fmt.Sprintf("csr-%05x", p.dice.IntN(1<<20))
	body := signing(name, askFor(p, pkix.Name{CommonName: "system:node:node-5", Organization: []string{"system:nodes"}}, "node-5").csr, "kubernetes.io/kubelet-serving")
	var csr object
	p.took(p.step("asks for a certificate", "").answered(201, p.create(grouped(certs, "", "certificatesigningrequests"), body)).Decode(&csr))
	p.as(program("kube-system/csr-approver", "csr-approver/1.2.9", "127.42.2.34"))
	p.step("approves it", "").answered(200, p.approve(csr))
}
