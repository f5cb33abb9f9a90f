package siege

import (
	"fmt"
	"net/http"
	"time"

	"github.com/scantling/scantling/test/e2e/plane"
)

// workers are everybody of the background. Their habits are routine: nothing
// of it is meant to look like an attack. What is, is a twin.
func workers() []worker {
	var list []worker
	for ns, names := range team {
		for i, name := range names {
			list = append(list, worker{person(name, fmt.Sprintf("127.51.100.%d", 10*len(ns)+i)), developing(ns)})
		}
	}
	for i, name := range operators {
		list = append(list, worker{person(name, fmt.Sprintf("127.51.100.%d", 200+i)), keeping()})
	}
	for i, n := range allNodes() {
		list = append(list, kubelet(n, fmt.Sprintf("127.20.0.%d", 11+i)))
	}
	return append(list, programs()...)
}

// programs are the company's and its vendors'.
func programs() []worker {
	return []worker{
		{program("gitops/controller", "gitops-controller/v2.7.1", "127.42.1.10"), []habit{{15 * time.Second, reconcile}, {2 * time.Second, lead("gitops", "controller")}, {90 * time.Second, discover}}},
		{program("ci/deployer", kubectl, "127.42.1.11"), []habit{{40 * time.Second, release}, {50 * time.Second, restart}, {30 * time.Second, scale}}},
		{program("monitoring/prometheus", "Prometheus/3.5.0", "127.42.1.12"), []habit{
			{30 * time.Second, follow("pods", "nodes", "services", "endpoints")}, {3 * time.Second, scrapeNode},
		}},
		{program("monitoring/kube-state-metrics", "kube-state-metrics/v2.16.0 (linux/amd64) kubernetes/v0.33.1", "127.42.1.13"), []habit{
			{45 * time.Second, follow("secrets", "configmaps", "pods", "nodes", "services", "resourcequotas")},
		}},
		{program("monitoring/node-reporter", "node-reporter/1.4.0", "127.42.2.14"), []habit{{20 * time.Second, follow("nodes")}, {10 * time.Second, scrapeNode}}},
		{program("ingress/controller", "ingress-controller/1.13.0 (linux/amd64)", "127.42.1.15"), []habit{
			{40 * time.Second, follow("secrets", "services", "configmaps")}, {2 * time.Second, lead("ingress", "controller")},
		}},
		{program("cert-manager/cert-manager", "cert-manager-controller/v1.18.2 (linux/amd64)", "127.42.2.16"), []habit{
			{40 * time.Second, follow("secrets")}, {8 * time.Second, renew}, {2 * time.Second, lead("cert-manager", "controller")},
		}},
		{program("cert-manager/cainjector", "cert-manager-cainjector/v1.18.2 (linux/amd64)", "127.42.2.17"), []habit{
			{60 * time.Second, follow("secrets")}, {2 * time.Second, lead("cert-manager", "cainjector")},
		}},
		{program("external-secrets/external-secrets", "external-secrets/v0.19.2 (linux/amd64)", "127.42.3.18"), []habit{
			{50 * time.Second, follow("secrets")}, {6 * time.Second, renew}, {2 * time.Second, lead("external-secrets", "controller")},
		}},
		{program("platform/operator", "operator/v0.9.3 (linux/amd64) kubernetes/v0.34.1", "127.42.3.19"), []habit{
			{4 * time.Second, operate}, {45 * time.Second, follow("configmaps", "secrets")}, {2 * time.Second, lead("platform", "operator")},
		}},
		{program("platform/vault", "vault/1.20.0", "127.42.3.20"), []habit{{6 * time.Second, review}}},
		{program("dashboard/dashboard", "dashboard/v7.13.0", "127.42.1.21"), []habit{{20 * time.Second, draw}}},
		{program("kube-system/log-agent", "log-agent/4.0.7", "127.42.2.22"), []habit{{15 * time.Second, follow("pods", "namespaces")}}},
		{program("kube-system/coredns", "coredns/1.12.3", "127.42.2.23"), []habit{{45 * time.Second, follow("services", "namespaces")}}},
		{program("web/storefront", "storefront/6.2.0", "127.42.1.24"), []habit{{6 * time.Second, readSettings("web")}}},
		{program("payments/api", "payments-api/7.4.1", "127.42.3.25"), []habit{{8 * time.Second, readSettings("payments")}, {30 * time.Second, readSecret("payments", "session-key")}}},
		{program("orders/batch", "batch/2.4.0 (linux/amd64) kubernetes/v0.35.0", "127.42.2.26"), []habit{{25 * time.Second, runJob}}},
		{program("data/report", "report/1.1.0", "127.42.3.27"), []habit{{20 * time.Second, readSecret("data", "database")}, {20 * time.Second, readSettings("data")}}},
		{program("data/notebook", "OpenAPI-Generator/33.1.0/python", "127.42.3.28"), []habit{{15 * time.Second, follow("pods")}}},
		{identity{nobody, "kube-probe/1.37", "127.20.0.2"}, []habit{{4 * time.Second, probe}}},
		{identity{nobody, "Mozilla/5.0 zgrab/0.x", "127.0.113.77"}, []habit{{60 * time.Second, stray}}},
		{identity{expired, "old-cronjob/0.3", "127.42.3.29"}, []habit{{30 * time.Second, func(a *actor) { a.get(core("orders", "pods")) }}}},
	}
}

// lead holds the lease of a leader: it is read and renewed.
func lead(ns, name string) func(*actor) {
	path := grouped(leases, ns, "leases", name+"-leader")
	return func(a *actor) {
		var lease object
		if err := a.get(path).Decode(&lease); err != nil {
			lease = named(leases, "Lease", ns, name+"-leader", nil)
			lease["spec"] = object{"holderIdentity": name + "-0", "leaseDurationSeconds": 15}
			a.create(grouped(leases, ns, "leases"), lease)
			return
		}
		lease["spec"].(object)["renewTime"] = time.Now().UTC().Format("2006-01-02T15:04:05.000000Z")
		a.update(path, lease)
	}
}

// follow keeps caches of resources of the core group, as client libraries do.
func follow(resources ...string) func(*actor) {
	return func(a *actor) {
		for _, r := range resources {
			a.watch(core("", r), time.Duration(30+a.dice.IntN(60))*time.Second)
		}
	}
}

// reconcile compares every app with its manifest, by a server-side apply of
// which most change nothing.
func reconcile(a *actor) {
	for _, app := range deployed {
		if app.account != "" {
			continue
		}
		if a.get(app.path()).Code == http.StatusOK && a.dice.IntN(3) == 0 {
			body := app.manifest("1.0.0")
			delete(body["spec"].(object), "replicas") // others scale
			a.do(plane.Request{
				Verb: http.MethodPatch, Path: app.path() + "?dryRun=All&fieldManager=gitops-controller&force=true", Type: "application/apply-patch+yaml", Body: body,
			})
		}
	}
}

// discover asks for what the API has.
func discover(a *actor) {
	for _, path := range []string{"/version", "/api", "/apis", "/api/v1", "/apis/apps/v1", "/apis/batch/v1", "/apis/" + rbac, "/openapi/v3"} {
		a.get(path)
	}
}

// free are the apps that are released, restarted and scaled.
func (a *actor) free() app {
	for {
		if x := deployed[a.dice.IntN(len(deployed))]; x.account == "" && x.kind == "deployments" {
			return x
		}
	}
}

// release applies a new image and waits for the rollout.
func release(a *actor) {
	x := a.free()
	body := x.manifest(fmt.Sprintf("1.%d.%d", a.dice.IntN(40), a.dice.IntN(10)))
	delete(body["spec"].(object), "replicas")
	a.apply(x.path(), "kubectl", body)
	for range 4 {
		a.get(x.path())
		if !a.wait(2 * time.Second) {
			return
		}
	}
}

func restart(a *actor) {
	a.patch(a.free().path()+"?fieldManager=kubectl-rollout", object{"spec": object{"template": object{"metadata": object{"annotations": object{"kubectl.kubernetes.io/restartedAt": time.Now().UTC().Format(time.RFC3339)}}}}})
}

func scale(a *actor) {
	a.patch(a.free().path()+"/scale", object{"spec": object{"replicas": 1 + a.dice.IntN(5)}})
}

// scrapeNode reads a kubelet's metrics, through the API server.
func scrapeNode(a *actor) {
	a.get(core("", "nodes", a.pick(allNodes()...), a.pick("proxy/metrics", "proxy/metrics/cadvisor", "proxy/metrics/resource")))
}

// renew reads a Secret and writes it back, as those do who keep them.
func renew(a *actor) {
	path := core(a.pick(namespaces()...), "secrets", a.pick("tls", "database", "session-key"))
	var secret object
	if err := a.get(path).Decode(&secret); err != nil {
		return
	}
	meta := secret["metadata"].(object)
	meta["annotations"] = object{"renewed": time.Now().UTC().Format(time.RFC3339Nano)}
	a.update(path, secret)
}

// operate keeps a database: its settings, its StatefulSet. Sometimes it writes
// what somebody else has changed meanwhile.
func operate(a *actor) {
	a.get(grouped(apps, "orders", "statefulsets", "queue"))
	path := core("orders", "configmaps", "queue-state")
	var state object
	if err := a.get(path).Decode(&state); err != nil {
		a.create(core("orders", "configmaps"), named("v1", "ConfigMap", "orders", "queue-state", nil))
		return
	}
	state["data"] = object{"leader": a.pick("queue-0", "queue-1", "queue-2"), "term": fmt.Sprint(a.dice.IntN(1000))}
	if a.dice.IntN(8) == 0 {
		state["metadata"].(object)["resourceVersion"] = "1"
	}
	a.update(path, state)
}

// review asks whose a token is and what its holder may do.
func review(a *actor) {
	a.create("/apis/authentication.k8s.io/v1/tokenreviews", object{"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": object{"token": "nothing"}})
	a.create("/apis/authorization.k8s.io/v1/subjectaccessreviews", object{"apiVersion": authz, "kind": "SubjectAccessReview", "spec": object{
		"user": email("ada"), "resourceAttributes": object{"verb": "get", "resource": "pods", "namespace": "web"},
	}})
}

// draw is one page of a dashboard.
func draw(a *actor) {
	ns := a.pick(namespaces()...)
	for _, path := range []string{
		core(ns, "pods"), core(ns, "services"), core(ns, "configmaps"), core(ns, "events"), grouped(apps, ns, "deployments"), grouped(apps, ns, "replicasets"), grouped(batch, ns, "jobs"),
	} {
		a.get(path + "?limit=100")
	}
	a.create(grouped(authz, "", "selfsubjectaccessreviews"), mayI(ns, "delete", "pods"))
}

func mayI(ns, verb, resource string) object {
	return object{"apiVersion": authz, "kind": "SelfSubjectAccessReview", "spec": object{"resourceAttributes": object{"verb": verb, "resource": resource, "namespace": ns}}}
}

func readSettings(ns string) func(*actor) {
	return func(a *actor) { a.get(core(ns, "configmaps", "settings")) }
}

func readSecret(ns, name string) func(*actor) {
	return func(a *actor) { a.get(core(ns, "secrets", name)) }
}

// runJob runs a job, waits for it, reads its log, and removes it.
func runJob(a *actor) {
	name := fmt.Sprintf("import-%08x", a.dice.Uint32())
	spec := app{"orders", "import", "", 1, ""}.podSpec("2.4.0")
	spec["restartPolicy"] = "Never"
	body := named(batch, "Job", "orders", name, nil)
	body["spec"] = object{"template": object{"metadata": object{"labels": object{"job": name}}, "spec": spec}}
	if !a.create(grouped(batch, "orders", "jobs"), body).OK() {
		return
	}
	for range 3 {
		if !a.wait(3 * time.Second) {
			return
		}
		var list struct{ Items []pod }
		if err := a.get(core("orders", "pods") + "?labelSelector=job%3D" + name).Decode(&list); err == nil && len(list.Items) > 0 {
			a.get(core("orders", "pods", list.Items[0].Metadata.Name, "log") + "?container=main")
		}
	}
	a.remove(grouped(batch, "orders", "jobs", name) + "?propagationPolicy=Background")
}

// probe is a load balancer that asks whether the API server lives.
func probe(a *actor) { a.get(a.pick("/readyz", "/livez", "/healthz")) }

// stray is somebody on the net who looks what answers.
func stray(a *actor) { a.get(a.pick("/", "/api", "/version", "/robots.txt", "/api/v1/pods", "/login")) }
