package siege

import (
	"fmt"
	"net/http"
	"time"
)

// developing is a developer's day in a namespace.
func developing(ns string) []habit {
	return []habit{
		{15 * time.Second, func(a *actor) {
			a.get(a.pick(core(ns, "pods"), grouped(apps, ns, "deployments"), core(ns, "services"), core(ns, "events"), grouped(batch, ns, "jobs"), core(ns, "configmaps")) + "?limit=500")
		}},
		{25 * time.Second, func(a *actor) { readLog(a, ns) }},
		{40 * time.Second, func(a *actor) { describe(a, ns) }},
		{90 * time.Second, func(a *actor) { applyApp(a, ns) }},
		{2 * time.Minute, func(a *actor) { a.watch(core(ns, "pods"), time.Minute) }},
		{2 * time.Minute, func(a *actor) { a.create(grouped(authz, "", "selfsubjectaccessreviews"), mayI(ns, "create", "pods")) }},
		{3 * time.Minute, discover},
		{3 * time.Minute, func(a *actor) { // looks where there is nothing to see
			a.get(core(a.pick("kube-system", "gitops", "backup"), a.pick("pods", "configmaps")) + "?limit=500")
		}},
		{3 * time.Minute, func(a *actor) { a.get(core(ns, "pods", "mistyped")) }},
		{4 * time.Minute, func(a *actor) { a.get(core(ns, "secrets", a.pick(secretNames...))) }},
		{5 * time.Minute, func(a *actor) { // the one that hangs
			if p := somePod(a, ns); p != "" {
				a.remove(core(ns, "pods", p))
			}
		}},
	}
}

// somePod is a pod of the namespace that calls no API: the others hold tokens
// that people of the script use.
func somePod(a *actor, ns string) string {
	var list struct{ Items []pod }
	if err := a.get(core(ns, "pods") + "?limit=500").Decode(&list); err != nil {
		return ""
	}
	var names []string
	for _, p := range list.Items {
		if p.Spec.ServiceAccountName == "default" && p.Status.Phase == "Running" {
			names = append(names, p.Metadata.Name)
		}
	}
	if len(names) == 0 {
		return ""
	}
	return a.pick(names...)
}

func readLog(a *actor, ns string) {
	if p := somePod(a, ns); p != "" {
		a.get(core(ns, "pods", p, "log") + "?container=main&tailLines=200")
	}
}

func describe(a *actor, ns string) {
	if p := somePod(a, ns); p != "" {
		a.get(core(ns, "pods", p))
		a.get(core(ns, "events") + "?fieldSelector=involvedObject.name%3D" + p + "&limit=500")
	}
}

// applyApp is kubectl apply of one's own app: it is read, compared, patched.
func applyApp(a *actor, ns string) {
	for _, x := range deployed {
		if x.ns != ns || x.account != "" || x.kind != "deployments" {
			continue
		}
		if a.get(x.path()).Code == http.StatusOK {
			a.patch(x.path()+"?fieldManager=kubectl-client-side-apply&fieldValidation=Strict", object{"metadata": object{"annotations": object{"company.example/change": fmt.Sprint(a.dice.IntN(1e6))}}})
		}
		return
	}
}

// keeping is the day of those who keep the cluster.
func keeping() []habit {
	return []habit{
		{20 * time.Second, func(a *actor) {
			a.get(a.pick(core("", "nodes"), core("", "pods"), core("", "events"), core("kube-system", "pods"), grouped(apps, "", "deployments"), grouped(rbac, "", "clusterrolebindings")) + "?limit=500")
		}},
		{time.Minute, func(a *actor) { describe(a, a.pick(namespaces()...)) }},
		{2 * time.Minute, func(a *actor) {
			a.patch(core("", "nodes", a.pick(allNodes()...)), object{"metadata": object{"annotations": object{"company.example/seen": fmt.Sprint(a.dice.IntN(1e6))}}})
		}},
		{3 * time.Minute, discover},
	}
}
