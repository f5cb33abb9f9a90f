package record

import (
	"fmt"
	"slices"
	"time"
)

// Resources that the day's calls name.
func pods(ns, name string) objectRef {
	return objectRef{Resource: "pods", Namespace: ns, Name: name, APIVersion: "v1"}
}

func core(resource, ns, name string) objectRef {
	return objectRef{Resource: resource, Namespace: ns, Name: name, APIVersion: "v1"}
}

func grouped(group, resource, ns, name string) objectRef {
	return objectRef{Resource: resource, Namespace: ns, Name: name, APIGroup: group, APIVersion: "v1"}
}

func (o objectRef) sub(name string) objectRef {
	o.Subresource = name
	return o
}

// traffic is everything that happens on any other day too.
func traffic() []call {
	return slices.Concat(heartbeats(), newsletter(), runnerJobs(), deploys(), scrapes(), people())
}

// heartbeats are leases and node status, as far as the audit policy keeps
// them.
func heartbeats() []call {
	var calls []call
	for h := 6; h <= 18; h += 3 {
		for i, n := range nodes {
			at := clock(h, 3+7*i, 11*i)
			lease := grouped("coordination.k8s.io", "leases", "kube-node-lease", n)
			calls = append(calls,
				call{at: at, who: node(n), verb: "update", on: lease, query: "?timeout=10s", code: 200, body: current{}},
				call{at: at.Add(19 * time.Second), who: node(n), verb: "patch", on: core("nodes", "", n).sub("status"), query: "?timeout=10s", code: 200, body: nodeReady()})
		}
		for i, c := range []string{"kube-scheduler", "kube-controller-manager"} {
			calls = append(calls, call{at: clock(h, 41+i, 17), who: component(c), verb: "update", on: grouped("coordination.k8s.io", "leases", "kube-system", c), code: 200})
		}
		calls = append(calls, call{at: clock(h, 48, 5), who: ingress, verb: "list", on: grouped("networking.k8s.io", "ingresses", "", ""), query: "?limit=500&resourceVersion=0", code: 200})
	}
	return calls
}

// started is what follows the creation of a pod on a node: a place, a token
// where it mounts one, and a status.
func started(at time.Time, n, ns, pod, account string) []call {
	calls := []call{{at: at.Add(time.Second), who: component("kube-scheduler"), verb: "create", on: pods(ns, pod).sub("binding"), code: 201}}
	if account != "" {
		calls = append(calls, call{at: at.Add(2 * time.Second), who: node(n), verb: "create", on: core("serviceaccounts", ns, account).sub("token"), code: 201, body: tokenFor{pod}, before: nodeMayAsk(n, ns, account)})
	}
	return append(calls, call{at: at.Add(4 * time.Second), who: node(n), verb: "patch", on: pods(ns, pod).sub("status"), code: 200, body: running{}})
}

// placed is the node of a pod.
func placed(pod string) string { return nodes[number("place", pod)%int64(len(nodes))] }

// made is a pod that a controller creates for an owner, whose name it extends.
func made(at time.Time, by, ns, owner, pod string) call {
	return call{at: at, who: controller(by), verb: "create", on: pods(ns, pod), generated: owner, code: 201}
}

// newsletter is the mailer's CronJob.
func newsletter() []call {
	job := "mailer-29793990"
	pod := job + "-" + suffix(job)
	n := placed(pod)
	at := clock(6, 30, 0)
	calls := []call{
		{at: at, who: controller("cronjob-controller"), verb: "create", on: grouped("batch", "jobs", "shop", job), generated: "mailer", code: 201, node: n, before: cronJobDue},
		made(at.Add(time.Second), "job-controller", "shop", job, pod),
	}
	return append(calls, started(at.Add(time.Second), n, "shop", pod, "")...)
}

// runnerJobs is the runner at work: an import every 50 minutes, as a job, and
// in between an export, as a bare pod. This is why its rights can't go.
func runnerJobs() []call {
	var calls []call
	for i, at := 0, clock(7, 10, 0); at.Before(clock(17, 50, 0)); i, at = i+1, at.Add(50*time.Minute) {
		job := fmt.Sprintf("import-%04d", 1180+i)
		pod := job + "-" + suffix(job)
		n := placed(pod)
		calls = append(calls,
			call{at: at, who: runner, verb: "get", on: core("secrets", "shop", "supplier-feed"), code: 200},
			call{at: at.Add(2 * time.Second), who: runner, verb: "create", on: grouped("batch", "jobs", "shop", job), code: 201, node: n, body: importJob(job)},
			made(at.Add(3*time.Second), "job-controller", "shop", job, pod))
		calls = append(calls, started(at.Add(3*time.Second), n, "shop", pod, "default")...)
		calls = append(calls,
			call{at: at.Add(4 * time.Minute), who: runner, verb: "get", on: pods("shop", pod).sub("log"), query: "?container=main", code: 200},
			call{at: at.Add(4*time.Minute + 3*time.Second), who: runner, verb: "delete", on: grouped("batch", "jobs", "shop", job), code: 200})
		if i%3 != 1 {
			continue
		}
		export := fmt.Sprintf("export-%04d", 310+i)
		n, at := placed(export), at.Add(21*time.Minute)
		calls = append(calls, call{at: at, who: runner, verb: "create", on: pods("shop", export), code: 201, node: n, body: exportPod(export)})
		calls = append(calls, started(at, n, "shop", export, "default")...)
		calls = append(calls,
			call{at: at.Add(time.Minute), who: runner, verb: "list", on: pods("shop", ""), query: "?labelSelector=app%3Dexport", code: 200},
			call{at: at.Add(3 * time.Minute), who: runner, verb: "delete", on: pods("shop", export), code: 200})
	}
	return calls
}

// release is one deployment through CI. The cluster runs the image old before,
// and what the manifest says after it.
type release struct {
	at              time.Time
	ns, app         string
	old, image      string
	account         string // empty: no token
	node, set, gone string // gone is what the names of the old pods begin with
}

func releases() []release {
	return []release{
		{clock(9, 32, 0), "shop", "search", "registry.example/shop/search:0.30.4", "registry.example/shop/search:0.31.0", "", "node-c", "5b7d9c8f46", "search-7d9f6b5c4"},
		{
			clock(11, 14, 0), "payments", "payments-api", "registry.example/shop/payments-api:7.4.0",
			"registry.example/shop/payments-api@sha256:edb325dcb183d2d20331b81519cee6fd927328a56f9f9761564aad7f40ed0517", "",
			nodeOfTheChain, "86c4f9d75b", "payments-api-5f6d7c8b9",
		},
		{clock(15, 47, 0), "shop", "catalog", "registry.example/shop/catalog:1.14.1", "registry.example/shop/catalog:1.14.2", "catalog", "node-a", "74d8b6c9f5", "catalog-6c8d9f7b5"},
	}
}

// deploys are three releases. A rolling update of two replicas goes one by one.
func deploys() []call {
	var calls []call
	for _, r := range releases() {
		set := r.app + "-" + r.set
		calls = append(calls,
			call{at: r.at, who: deployer, verb: "get", on: grouped("apps", "deployments", r.ns, r.app), code: 200},
			call{at: r.at.Add(time.Second), who: deployer, verb: "patch", on: grouped("apps", "deployments", r.ns, r.app), query: "?fieldManager=ci", code: 200, node: r.node, body: newImage(r.app, r.image)},
			call{at: r.at.Add(2 * time.Second), who: controller("deployment-controller"), verb: "create", on: grouped("apps", "replicasets", r.ns, set), generated: r.app, code: 201})
		for p := range 2 {
			at := r.at.Add(time.Duration(4+20*p) * time.Second)
			pod := set + "-" + suffix(set, p)
			old := r.gone + "-" + suffix(r.gone, p)
			if r.app == "catalog" && p == 0 {
				old = catalogPod
			}
			calls = append(calls, made(at, "replicaset-controller", r.ns, set, pod))
			calls = append(calls, started(at, r.node, r.ns, pod, r.account)...)
			calls = append(calls,
				call{at: at.Add(12 * time.Second), who: controller("endpointslice-controller"), verb: "update", on: grouped("discovery.k8s.io", "endpointslices", r.ns, r.app+"-x7k2p"), generated: r.app, code: 200},
				call{at: at.Add(14 * time.Second), who: controller("replicaset-controller"), verb: "delete", on: pods(r.ns, old), generated: r.app, code: 200})
		}
		calls = append(calls, call{at: r.at.Add(70 * time.Second), who: deployer, verb: "get", on: grouped("apps", "deployments", r.ns, r.app), code: 200})
	}
	return calls
}

// scrapes are Prometheus and the log agents.
func scrapes() []call {
	var calls []call
	for h := 6; h <= 17; h++ {
		calls = append(calls, call{at: clock(h, 20, 30), who: prometheus, verb: "list", on: core("pods", "", ""), query: "?limit=500&resourceVersion=0", code: 200})
		switch h % 3 {
		case 0:
			calls = append(calls, call{at: clock(h, 20, 33), who: prometheus, verb: "list", on: core("services", "", ""), query: "?limit=500&resourceVersion=0", code: 200})
		case 1:
			calls = append(calls, call{at: clock(h, 20, 36), who: prometheus, verb: "get", on: core("secrets", "monitoring", "scrape-credentials"), code: 200})
		default:
			calls = append(calls, call{at: clock(h, 20, 39), who: prometheus, verb: "list", on: core("nodes", "", ""), query: "?limit=500&resourceVersion=0", code: 200})
		}
	}
	for i, n := range nodes {
		agent := logAgent(n)
		calls = append(calls,
			call{at: clock(6, 5, 2*i), who: agent, verb: "list", on: core("namespaces", "", ""), code: 200},
			call{at: clock(6, 5, 2*i+1), who: agent, verb: "watch", on: core("pods", "", ""), query: "?fieldSelector=spec.nodeName%3D" + n + "&watch=true", code: 200})
	}
	return calls
}

// people are two developers, one of whom looks where she may not.
func people() []call {
	lena, tomas := person("lena", "198.51.100.23"), person("tomas", "198.51.100.71")
	return []call{
		{at: clock(8, 52, 0), who: lena, verb: "list", on: pods("shop", ""), query: "?limit=500", code: 200},
		{at: clock(8, 53, 0), who: lena, verb: "get", on: pods("shop", catalogPod).sub("log"), query: "?tailLines=200", code: 200},
		{at: clock(9, 36, 0), who: tomas, verb: "list", on: grouped("apps", "deployments", "shop", ""), query: "?limit=500", code: 200},
		{at: clock(9, 37, 0), who: tomas, verb: "watch", on: pods("shop", ""), query: "?watch=true", code: 200},
		{at: clock(10, 44, 0), who: lena, verb: "list", on: pods("payments", ""), query: "?limit=500", code: 403},
		{at: clock(11, 2, 0), who: lena, verb: "get", on: core("configmaps", "shop", "storefront"), code: 200},
		{at: clock(13, 2, 0), who: tomas, verb: "get", on: grouped("batch", "jobs", "shop", "import-1187"), code: 200},
		{at: clock(13, 44, 0), who: tomas, verb: "list", on: core("events", "shop", ""), query: "?limit=500", code: 200},
		{at: clock(15, 50, 0), who: lena, verb: "list", on: pods("shop", ""), query: "?labelSelector=app%3Dcatalog&limit=500", code: 200},
		{at: clock(15, 51, 0), who: lena, verb: "get", on: grouped("apps", "deployments", "shop", "catalog"), code: 200},
		{at: clock(17, 20, 0), who: tomas, verb: "list", on: grouped("networking.k8s.io", "ingresses", "shop", ""), query: "?limit=500", code: 200},
	}
}
