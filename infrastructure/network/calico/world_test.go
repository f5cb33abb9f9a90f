package calico_test

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
)

type object = map[string]any

// about says whose labels a selector names.
type about int

const (
	endpoints about = iota
	namespaces
	accounts
)

// dice makes random worlds.
type dice struct {
	*rand.Rand
	meaning map[string]func(labels map[string]string) bool // of selectors
}

func pick[T any](d *dice, of ...T) T { return of[d.IntN(len(of))] }

// chance is true n times of a hundred.
func (d *dice) chance(n int) bool { return d.IntN(100) < n }

// term makes a selector over keys and what it means.
func (d *dice) term(depth int, keys ...string) (string, func(map[string]string) bool) {
	if depth > 0 && d.chance(35) {
		a, meansA := d.term(depth-1, keys...)
		b, meansB := d.term(depth-1, keys...)
		switch d.IntN(3) {
		case 0:
			return "(" + a + ") && (" + b + ")", func(l map[string]string) bool { return meansA(l) && meansB(l) }
		case 1:
			return "(" + a + ") || (" + b + ")", func(l map[string]string) bool { return meansA(l) || meansB(l) }
		}
		return "!(" + a + ")", func(l map[string]string) bool { return !meansA(l) }
	}
	key, value := pick(d, keys...), pick(d, "a", "b", "ab", "")
	quote := pick(d, "'", `"`)
	text := quote + value + quote
	switch d.IntN(8) {
	case 0:
		return key + "==" + text, func(l map[string]string) bool { v, has := l[key]; return has && v == value }
	case 1:
		return key + " != " + text, func(l map[string]string) bool { v, has := l[key]; return !has || v != value }
	case 2:
		return "has(" + key + ")", func(l map[string]string) bool { _, has := l[key]; return has }
	case 3:
		return "! has( " + key + " )", func(l map[string]string) bool { _, has := l[key]; return !has }
	case 4:
		return key + " in {" + text + ", 'b'}", func(l map[string]string) bool { v, has := l[key]; return has && (v == value || v == "b") }
	case 5:
		return key + "  not  in { " + text + " }", func(l map[string]string) bool { v, has := l[key]; return !has || v != value }
	case 6:
		return key + " starts with " + text, func(l map[string]string) bool { v, has := l[key]; return has && strings.HasPrefix(v, value) }
	}
	if d.chance(50) {
		return key + " contains 'b'", func(l map[string]string) bool { return strings.Contains(l[key], "b") }
	}
	return key + " ends  with " + text, func(l map[string]string) bool { v, has := l[key]; return has && strings.HasSuffix(v, value) }
}

// selector makes a selector of one kind; the same text may mean other things
// in another.
func (d *dice) selector(of about) string {
	keys := map[about][]string{
		endpoints:  {"app", "tier", "app", "projectcalico.org/namespace", "pcns.team", "pcsa.role"},
		namespaces: {"team", "projectcalico.org/name", "kubernetes.io/metadata.name"},
		accounts:   {"role", "projectcalico.org/name"},
	}[of]
	text, means := d.term(2, keys...)
	switch {
	case of == namespaces && d.chance(10):
		text, means = "all()", func(l map[string]string) bool { _, has := l["projectcalico.org/namespace"]; return has }
	case of == endpoints && d.chance(10):
		text, means = "all()", func(map[string]string) bool { return true }
	case of == namespaces:
		means = prefixed("pcns.", means)
	case of == accounts:
		means = prefixed("pcsa.", means)
	}
	d.meaning[strconv.Itoa(int(of))+text] = means
	return text
}

// prefixed lets a selector see only the labels of a prefix.
func prefixed(prefix string, means func(map[string]string) bool) func(map[string]string) bool {
	return func(labels map[string]string) bool {
		own := map[string]string{}
		for k, v := range labels {
			if name, is := strings.CutPrefix(k, prefix); is {
				own[name] = v
			}
		}
		return means(own)
	}
}

func (d *dice) labels() map[string]string {
	m := map[string]string{}
	for _, k := range []string{"app", "tier"} {
		if d.chance(70) {
			m[k] = pick(d, "a", "b", "ab", "")
		}
	}
	return m
}

var someNets = []string{"10.0.0.0/8", "10.0.0.2", "10.0.0.4/30", "0.0.0.0/0", "203.0.113.0/24", "203.0.113.7/32", "2001:db8::/32", "192.168.0.0/16"}

func (d *dice) nets() []any {
	var list []any
	for range 1 + d.IntN(2) {
		list = append(list, pick(d, someNets...))
	}
	return list
}

func (d *dice) entity(namespaced bool) object {
	e := object{}
	if d.chance(20) {
		e["nets"] = d.nets()
	}
	if d.chance(10) {
		e["notNets"] = d.nets()
	}
	if d.chance(35) {
		e["selector"] = d.selector(endpoints)
	}
	if d.chance(15) {
		e["notSelector"] = d.selector(endpoints)
	}
	if d.chance(20) {
		e["namespaceSelector"] = d.selector(namespaces)
		if d.chance(15) {
			e["namespaceSelector"] = "global()"
		}
	}
	if d.chance(15) {
		match := object{}
		if d.chance(60) {
			match["names"] = []any{pick(d, "default", "robot"), "robot"}
		}
		if d.chance(50) {
			match["selector"] = d.selector(accounts)
		}
		e["serviceAccounts"] = match
	}
	return e
}

func (d *dice) ports() []any {
	var list []any
	for range 1 + d.IntN(2) {
		list = append(list, pick[any](d, 80, "80", "79:81", "8000:9000", "web", 53, 0))
	}
	return list
}

func (d *dice) rule(ingress bool) object {
	r := object{"action": pick(d, "Allow", "Allow", "Deny", "Pass", "Log")}
	peer, own := d.entity(true), object{}
	if d.chance(15) {
		own = d.entity(true)
	}
	source, destination := peer, own
	if !ingress {
		source, destination = own, peer
		if d.chance(8) {
			destination = object{"services": object{"name": "web", "namespace": "one"}}
		}
	} else if d.chance(5) {
		source = object{"services": object{"name": "web", "namespace": "one"}}
	}
	switch d.IntN(6) {
	case 0:
		r["protocol"] = pick[any](d, "TCP", "udp", 6, "ICMP", "17")
	case 1:
		r["notProtocol"] = pick[any](d, "TCP", 17, "ICMPv6")
	case 2, 3:
		r["protocol"] = pick(d, "TCP", "UDP")
		if _, is := destination["services"]; !is {
			destination["ports"] = d.ports()
			if d.chance(30) {
				destination["ports"] = []any{80, "8000:8443"}
				destination["notPorts"] = []any{pick[any](d, 80, "8080:8081", "1:65535")}
			} else if d.chance(20) {
				delete(destination, "ports")
				destination["notPorts"] = []any{pick[any](d, 80, "79:8080")}
			}
		}
	}
	if source["services"] == nil && destination["services"] == nil && d.chance(8) {
		r["ipVersion"] = pick(d, 4, 6)
	}
	if len(source) > 0 {
		r["source"] = source
	}
	if len(destination) > 0 {
		r["destination"] = destination
	}
	return r
}

func (d *dice) policy(i int) object {
	spec := object{}
	o := object{"apiVersion": pick(d, "projectcalico.org/v3", "crd.projectcalico.org/v1"), "kind": "GlobalNetworkPolicy"}
	meta := object{"name": fmt.Sprintf("p%d", d.IntN(3)*10+i)}
	namespaced := d.chance(50)
	if namespaced {
		o["kind"], meta["namespace"] = "NetworkPolicy", pick(d, "one", "two")
	} else if d.chance(25) {
		spec["namespaceSelector"] = d.selector(namespaces)
	}
	if d.chance(70) {
		spec["selector"] = d.selector(endpoints)
	}
	if d.chance(15) {
		spec["serviceAccountSelector"] = d.selector(accounts)
	}
	if d.chance(60) {
		spec["tier"] = pick(d, "default", "first", "second", "passing", "unordered")
	}
	if d.chance(70) {
		spec["order"] = pick[any](d, 1, 2, 999.5, 1000, 1001, -3)
	}
	if d.chance(40) {
		spec["types"] = pick(d, []any{"Ingress"}, []any{"Egress"}, []any{"Ingress", "Egress"})
	}
	for _, direction := range []string{"ingress", "egress"} {
		var rules []any
		for range d.IntN(4) {
			rules = append(rules, d.rule(direction == "ingress"))
		}
		if len(rules) > 0 {
			spec[direction] = rules
		}
	}
	o["metadata"], o["spec"] = meta, spec
	return o
}

// world makes a cluster.
func (d *dice) world() []object {
	list := []object{
		{"apiVersion": "projectcalico.org/v3", "kind": "Tier", "metadata": object{"name": "first"}, "spec": object{"order": 10}},
		{"apiVersion": "projectcalico.org/v3", "kind": "Tier", "metadata": object{"name": "second"}, "spec": object{"order": 10.0}},
		{"apiVersion": "projectcalico.org/v3", "kind": "Tier", "metadata": object{"name": "passing"}, "spec": object{"order": 2_000_000, "defaultAction": "Pass"}},
		{"apiVersion": "projectcalico.org/v3", "kind": "Tier", "metadata": object{"name": "unordered"}, "spec": object{}},
		{
			"apiVersion": "v1", "kind": "Service", "metadata": object{"name": "web", "namespace": "one"},
			"spec": object{"selector": object{"app": "a"}, "ports": []any{object{"port": 443, "targetPort": "web"}, object{"port": 80}}},
		},
	}
	for _, n := range []string{"one", "two", "three"} {
		list = append(list, object{"apiVersion": "v1", "kind": "Namespace", "metadata": object{"name": n, "labels": object{"team": pick(d, "a", "b")}}})
		for _, a := range []string{"default", "robot"} {
			list = append(list, object{"apiVersion": "v1", "kind": "ServiceAccount", "metadata": object{"name": a, "namespace": n, "labels": object{"role": pick(d, "a", "b", "ab")}}})
		}
	}
	for i := range 3 + d.IntN(4) {
		spec := object{"nodeName": "n1", "serviceAccountName": pick(d, "default", "robot"), "containers": []any{object{"name": "c"}}}
		ip := fmt.Sprintf("10.0.0.%d", i+1)
		if d.chance(50) {
			spec["containers"] = []any{object{"name": "c", "ports": []any{object{"name": "web", "containerPort": pick(d, 80, 8080)}}}}
		}
		if d.chance(12) {
			spec["hostNetwork"], spec["nodeName"], ip = true, fmt.Sprintf("h%d", i), fmt.Sprintf("192.168.0.%d", i+1)
		}
		list = append(list, object{
			"apiVersion": "v1", "kind": "Pod", "metadata": object{"name": fmt.Sprintf("pod%d", i), "namespace": pick(d, "one", "two", "three"), "labels": d.labels()},
			"spec": spec, "status": object{"podIP": ip},
		})
	}
	for i := range d.IntN(3) {
		o := object{"apiVersion": "projectcalico.org/v3", "kind": "GlobalNetworkSet", "metadata": object{"name": fmt.Sprintf("s%d", i), "labels": d.labels()}, "spec": object{"nets": d.nets()}}
		if d.chance(50) {
			o["kind"] = "NetworkSet"
			o["metadata"].(object)["namespace"] = pick(d, "one", "two")
		}
		list = append(list, o)
	}
	for i := range 1 + d.IntN(5) {
		list = append(list, d.policy(i))
	}
	if d.chance(40) {
		list = append(list, d.networkPolicy())
	}
	d.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
	return list
}

// networkPolicy makes one of Kubernetes' own.
func (d *dice) networkPolicy() object {
	return object{
		"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": object{"name": "plain", "namespace": pick(d, "one", "two")},
		"spec": object{
			"podSelector": object{"matchLabels": object{"app": pick(d, "a", "b")}}, "policyTypes": []any{"Ingress"},
			"ingress": []any{object{"from": []any{object{"podSelector": object{"matchLabels": object{"tier": pick(d, "a", "b")}}}}, "ports": []any{object{"port": pick(d, 80, 8080)}}}},
		},
	}
}

// asCalico is how Calico takes it: order 1000 in the default tier.
func (d *dice) asCalico(np object) object {
	selector := func(of object) string {
		text := fmt.Sprint(of)
		d.meaning["0"+text] = func(labels map[string]string) bool {
			for k, v := range of["matchLabels"].(object) {
				if labels[k] != v {
					return false
				}
			}
			return labels["projectcalico.org/orchestrator"] == "k8s" // a podSelector is about pods, and no network set
		}
		return text
	}
	spec := np["spec"].(object)
	rule := asList(spec["ingress"])[0].(object)
	return object{
		"kind": "NetworkPolicy", "metadata": object{"name": "knp.default.plain", "namespace": text(np, "metadata", "namespace")},
		"spec": object{"order": 1000, "selector": selector(spec["podSelector"].(object)), "types": []any{"Ingress"}, "ingress": []any{object{
			"action": "Allow", "protocol": "TCP", "source": object{"selector": selector(asList(rule["from"])[0].(object)["podSelector"].(object))},
			"destination": object{"ports": []any{asList(rule["ports"])[0].(object)["port"]}},
		}}},
	}
}
