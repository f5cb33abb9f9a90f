package main

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
			calls = append(calls,
				call{at: at, who: node(n), verb: "update", on: grouped("coordination.k8s.io", "leases", "kube-node-lease", n), query: "?timeout=10s", code: 200},
				call{at: at.Add(19 * time.Second), who: node(n), verb: "patch", on: core("nodes", "", n).sub("status"), query: "?timeout=10s", code: 200})
		}
		for i, c := range []string{"kube-scheduler", "kube-controller-manager"} {
			calls = append(calls, call{at: clock(h, 41+i, 17), who: component(c), verb: "update", on: grouped("coordination.k8s.io", "leases", "kube-system", c), query: "?timeout=5s", code: 200})
		}
		calls = append(calls, call{at: clock(h, 48, 5), who: ingress, verb: "list", on: grouped("networking.k8s.io", "ingresses", "", ""), query: "?limit=500&resourceVersion=0", code: 200})
	}
	return calls
}

// started is what follows the creation of a pod: a place, a token where it
// mounts one, and a status. The node is picked by name.
func started(at time.Time, ns, pod, account string) []call {
	n := nodes[number("place", pod)%int64(len(nodes))]
	return startedOn(at, n, ns, pod, account)
}

func startedOn(at time.Time, n, ns, pod, account string) []call {
	calls := []call{{at: at.Add(time.Second), who: component("kube-scheduler"), verb: "create", on: pods(ns, pod).sub("binding"), code: 201}}
	if account != "" {
		calls = append(calls, call{at: at.Add(2 * time.Second), who: node(n), verb: "create", on: core("serviceaccounts", ns, account).sub("token"), code: 201})
	}
	return append(calls, call{at: at.Add(4 * time.Second), who: node(n), verb: "patch", on: pods(ns, pod).sub("status"), code: 200})
}

// newsletter is the mailer's CronJob.
func newsletter() []call {
	job := "mailer-29793990"
	pod := job + "-" + suffix(job)
	at := clock(6, 30, 0)
	calls := []call{
		{at: at, who: controller("cronjob-controller"), verb: "create", on: grouped("batch", "jobs", "shop", job), code: 201},
		createPod(at.Add(time.Second), controller("job-controller"), "shop", pod, "Job", job, "registry.example/shop/mailer:2.1.0", "default"),
	}
	return append(calls, started(at.Add(time.Second), "shop", pod, "")...)
}

// runnerJobs is the runner at work: an import every 50 minutes, as a job, and
// in between an export, as a bare pod. This is why its rights can't go.
func runnerJobs() []call {
	var calls []call
	for i, at := 0, clock(7, 10, 0); at.Before(clock(17, 50, 0)); i, at = i+1, at.Add(50*time.Minute) {
		job := fmt.Sprintf("import-%04d", 1180+i)
		pod := job + "-" + suffix(job)
		calls = append(calls,
			call{at: at, who: runner, verb: "get", on: core("secrets", "shop", "supplier-feed"), code: 200},
			call{at: at.Add(2 * time.Second), who: runner, verb: "create", on: grouped("batch", "jobs", "shop", job), code: 201},
			createPod(at.Add(3*time.Second), controller("job-controller"), "shop", pod, "Job", job, "registry.example/shop/runner:2.4.0", "default"))
		calls = append(calls, started(at.Add(3*time.Second), "shop", pod, "default")...)
		calls = append(calls,
			call{at: at.Add(4 * time.Minute), who: runner, verb: "get", on: pods("shop", pod).sub("log"), query: "?container=main", code: 200},
			call{at: at.Add(4*time.Minute + 3*time.Second), who: runner, verb: "delete", on: grouped("batch", "jobs", "shop", job), code: 200})
		if i%3 != 1 {
			continue
		}
		export := fmt.Sprintf("export-%04d", 310+i)
		at := at.Add(21 * time.Minute)
		calls = append(calls, createPod(at, runner, "shop", export, "", "", "registry.example/shop/runner:2.4.0", "default"))
		calls = append(calls, started(at, "shop", export, "default")...)
		calls = append(calls,
			call{at: at.Add(time.Minute), who: runner, verb: "list", on: pods("shop", ""), query: "?labelSelector=app%3Dexport", code: 200},
			call{at: at.Add(3 * time.Minute), who: runner, verb: "delete", on: pods("shop", export), code: 200})
	}
	return calls
}

// deploys are three releases through CI.
func deploys() []call {
	var calls []call
	for i, d := range []struct {
		at           time.Time
		ns, app, old string
		image        string
		account      string
	}{
		{clock(9, 32, 0), "shop", "search", "search-7d9f6b5c4", "registry.example/shop/search:0.31.0", ""},
		{clock(11, 14, 0), "payments", "payments-api", "payments-api-5f6d7c8b9", "registry.example/shop/payments-api:7.4.1", ""},
		{clock(15, 47, 0), "shop", "catalog", "catalog-6c8d9f7b5", "registry.example/shop/catalog:1.14.2", "catalog"},
	} {
		set := d.app + "-" + suffix("set", i) + "9c8d"
		calls = append(calls,
			call{at: d.at, who: deployer, verb: "get", on: grouped("apps", "deployments", d.ns, d.app), code: 200},
			call{at: d.at.Add(time.Second), who: deployer, verb: "patch", on: grouped("apps", "deployments", d.ns, d.app), query: "?fieldManager=ci", code: 200},
			call{at: d.at.Add(2 * time.Second), who: controller("deployment-controller"), verb: "create", on: grouped("apps", "replicasets", d.ns, set), code: 201})
		for p := range 2 {
			at := d.at.Add(time.Duration(4+20*p) * time.Second)
			pod := set + "-" + suffix(set, p)
			old := d.old + "-" + suffix(d.old, p)
			calls = append(calls, createPod(at, controller("replicaset-controller"), d.ns, pod, "ReplicaSet", set, d.image, d.account))
			calls = append(calls, started(at, d.ns, pod, d.account)...)
			calls = append(calls,
				call{at: at.Add(12 * time.Second), who: controller("endpointslice-controller"), verb: "update", on: grouped("discovery.k8s.io", "endpointslices", d.ns, d.app+"-x7k2p"), code: 200},
				call{at: at.Add(14 * time.Second), who: controller("replicaset-controller"), verb: "delete", on: pods(d.ns, old), code: 200})
		}
		calls = append(calls, call{at: d.at.Add(70 * time.Second), who: deployer, verb: "get", on: grouped("apps", "deployments", d.ns, d.app), code: 200})
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
		agent := serviceAccount("platform", "log-agent", "log-agent-"+suffix("log", n), n, fmt.Sprintf("10.42.%d.5", i+1), "log-agent/0.9.1",
			clusterBound("log-agent", "log-agent", "log-agent", "platform"))
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
		{at: clock(8, 53, 0), who: lena, verb: "get", on: pods("shop", "catalog-6c8d9f7b5-"+suffix("catalog-6c8d9f7b5", 0)).sub("log"), query: "?tailLines=200", code: 200},
		{at: clock(9, 36, 0), who: tomas, verb: "list", on: grouped("apps", "deployments", "shop", ""), query: "?limit=500", code: 200},
		{at: clock(9, 37, 0), who: tomas, verb: "watch", on: pods("shop", ""), query: "?watch=true", code: 200},
		{at: clock(10, 44, 0), who: lena, verb: "list", on: pods("payments", ""), query: "?limit=500", code: 403},
		{at: clock(11, 2, 0), who: lena, verb: "get", on: core("configmaps", "shop", "storefront"), code: 200},
		{at: clock(13, 5, 0), who: tomas, verb: "get", on: grouped("batch", "jobs", "shop", "import-1187"), code: 200},
		{at: clock(13, 44, 0), who: tomas, verb: "list", on: core("events", "shop", ""), query: "?limit=500", code: 200},
		{at: clock(15, 50, 0), who: lena, verb: "list", on: pods("shop", ""), query: "?labelSelector=app%3Dcatalog&limit=500", code: 200},
		{at: clock(15, 51, 0), who: lena, verb: "get", on: grouped("apps", "deployments", "shop", "catalog"), code: 200},
		{at: clock(17, 20, 0), who: tomas, verb: "list", on: grouped("networking.k8s.io", "ingresses", "shop", ""), query: "?limit=500", code: 200},
	}
}
