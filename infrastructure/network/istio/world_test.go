package istio_test

import (
	"fmt"
	"math/rand/v2"
)

type object = map[string]any

type dice struct{ *rand.Rand }

func pick[T any](d dice, of ...T) T { return of[d.IntN(len(of))] }

func (d dice) chance(n int) bool { return d.IntN(100) < n }

func (d dice) some(of ...string) []any {
	list := []any{pick(d, of...)}
	if d.chance(40) {
		list = append(list, pick(d, of...))
	}
	return list
}

var somePrincipals = []string{
	"cluster.local/ns/one/sa/default", "cluster.local/ns/two/sa/robot", "*", "*/sa/robot", "cluster.local/ns/one/*", "td.example/ns/one/sa/robot", "*robot",
}

func (d dice) source() object {
	s := object{}
	set := func(n int, key string, of ...string) {
		if d.chance(n) {
			s[key] = d.some(of...)
		}
	}
	if d.chance(25) {
		set(70, "serviceAccounts", "default", "two/robot", "one/default")
		set(50, "notServiceAccounts", "default", "two/robot")
	} else {
		set(40, "principals", somePrincipals...)
		set(20, "notPrincipals", somePrincipals...)
		set(30, "namespaces", "one", "two", "t*", "*e", "*")
		set(15, "notNamespaces", "one", "two", "t*")
	}
	set(20, "ipBlocks", "10.0.0.0/30", "10.0.0.2", "203.0.113.0/24", "0.0.0.0/0")
	set(10, "notIpBlocks", "10.0.0.0/30", "203.0.113.7")
	set(8, "requestPrincipals", "*")
	set(4, "remoteIpBlocks", "10.0.0.0/8")
	if len(s) == 0 {
		s["namespaces"] = []any{"one"}
	}
	return s
}

func (d dice) operation() object {
	o := object{}
	if d.chance(60) {
		o["ports"] = d.some("80", "8080")
	}
	if d.chance(20) {
		o["notPorts"] = d.some("80", "9090")
	}
	if d.chance(15) || len(o) == 0 {
		o[pick(d, "methods", "paths", "hosts", "notMethods")] = []any{"GET"}
	}
	return o
}

func (d dice) when() object {
	c := object{}
	of := []string{"80", "8080"}
	c["key"] = pick(d, "source.ip", "source.namespace", "source.principal", "destination.port", "destination.port", "request.headers[x]")
	switch c["key"] {
	case "source.ip":
		of = []string{"10.0.0.0/30", "203.0.113.7"}
	case "source.namespace":
		of = []string{"one", "t*"}
	case "source.principal":
		of = somePrincipals
	}
	c["values"] = d.some(of...)
	if d.chance(30) {
		delete(c, "values")
		c["notValues"] = d.some(of...)
	}
	return c
}

func (d dice) rule() object {
	r := object{}
	if d.chance(60) {
		from := []any{object{"source": d.source()}}
		if d.chance(40) {
			from = append(from, object{"source": d.source()})
		}
		r["from"] = from
	}
	if d.chance(40) {
		to := []any{object{"operation": d.operation()}}
		if d.chance(40) {
			to = append(to, object{"operation": d.operation()})
		}
		r["to"] = to
	}
	if d.chance(25) {
		r["when"] = []any{d.when()}
	}
	return r
}

func (d dice) authorization(i int) object {
	spec := object{}
	if d.chance(70) {
		spec["action"] = pick(d, "ALLOW", "DENY", "DENY", "AUDIT", "CUSTOM")
	}
	if spec["action"] == "CUSTOM" {
		spec["provider"] = object{"name": "ext"}
	}
	if d.chance(50) {
		spec["selector"] = object{"matchLabels": object{"app": pick(d, "a", "b")}}
	}
	var rules []any
	for range d.IntN(3) {
		rules = append(rules, d.rule())
	}
	if len(rules) > 0 {
		spec["rules"] = rules
	}
	meta := object{"name": fmt.Sprintf("a%d", i), "namespace": pick(d, "one", "two", "three", "root")}
	if d.chance(8) {
		meta["annotations"] = object{"istio.io/dry-run": "true"}
	}
	return object{"apiVersion": pick(d, "security.istio.io/v1", "security.istio.io/v1beta1"), "kind": "AuthorizationPolicy", "metadata": meta, "spec": spec}
}

func (d dice) authentication(i int) object {
	mode := func() object { return object{"mode": pick(d, "STRICT", "PERMISSIVE", "DISABLE", "UNSET")} }
	spec := object{}
	if d.chance(85) {
		spec["mtls"] = mode()
	}
	if d.chance(50) {
		spec["selector"] = object{"matchLabels": object{"app": pick(d, "a", "b")}}
		if d.chance(60) {
			spec["portLevelMtls"] = object{"80": mode(), "9090": mode()}
		}
	}
	return object{
		"apiVersion": "security.istio.io/v1", "kind": "PeerAuthentication", "spec": spec,
		"metadata": object{"name": fmt.Sprintf("m%d-%d", d.IntN(9), i), "namespace": pick(d, "one", "two", "root"), "creationTimestamp": fmt.Sprintf("2026-01-0%dT00:00:00Z", i+1)},
	}
}

func (d dice) world() []object {
	list := []object{{
		"apiVersion": "v1", "kind": "ConfigMap", "metadata": object{"name": "istio", "namespace": "istio-system"},
		"data": object{"mesh": "rootNamespace: root\ntrustDomain: td.example\n"},
	}}
	for _, n := range []string{"one", "two", "three"} {
		list = append(list, object{"apiVersion": "v1", "kind": "Namespace", "metadata": object{"name": n, "labels": pick(d, object{}, object{"istio.io/dataplane-mode": "ambient"}, object{"istio-injection": "enabled"})}})
	}
	for i := range 3 + d.IntN(4) {
		spec := object{"nodeName": fmt.Sprintf("n%d", i), "serviceAccountName": pick(d, "default", "robot"), "containers": []any{object{"name": "c"}}}
		labels, annotations := object{"app": pick(d, "a", "b")}, object{}
		switch d.IntN(8) {
		case 0:
			spec["hostNetwork"] = true
		case 1, 2:
			spec["containers"] = []any{object{"name": "c"}, object{"name": "istio-proxy"}}
			if d.chance(30) {
				annotations["traffic.sidecar.istio.io/excludeInboundPorts"] = "8080, 22"
			}
		case 3:
			spec["initContainers"] = []any{object{"name": "istio-proxy", "restartPolicy": "Always"}}
		case 4:
			labels["istio.io/dataplane-mode"] = pick(d, "ambient", "none")
		}
		list = append(list, object{
			"apiVersion": "v1", "kind": "Pod", "spec": spec, "status": object{"podIP": fmt.Sprintf("10.0.0.%d", i+1)},
			"metadata": object{"name": fmt.Sprintf("pod%d", i), "namespace": pick(d, "one", "two", "three"), "labels": labels, "annotations": annotations},
		})
	}
	for i := range d.IntN(5) {
		list = append(list, d.authorization(i))
	}
	for i := range d.IntN(4) {
		list = append(list, d.authentication(i))
	}
	d.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
	return list
}
