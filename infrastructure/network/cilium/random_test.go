package cilium_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"testing"

	"github.com/scantling/scantling/infrastructure/network/cilium"
	"github.com/scantling/scantling/infrastructure/network/policy"
)

// worlds is how many random worlds are compared: a fraction, unless
// SCANTLING_WHOLE is set, as make worlds does.
func worlds() uint64 {
	if os.Getenv("SCANTLING_WHOLE") != "" {
		return 10_000
	}
	return 300
}

// sections are the lists of rules of each direction.
var sections = [2][2]string{{"ingress", "ingressDeny"}, {"egress", "egressDeny"}}

// dice makes random worlds.
type dice struct{ *rand.Rand }

func pick[T any](d dice, of ...T) T { return of[d.IntN(len(of))] }

func (d dice) one(in int) bool { return d.IntN(in) == 0 }

func (d dice) list(most int, make func() any) []any {
	list := []any{}
	for range d.IntN(most + 1) {
		list = append(list, make())
	}
	return list
}

func (d dice) labels() map[string]string {
	m := map[string]string{}
	for _, k := range []string{"app", "tier", "kubernetes.io/x", "app.kubernetes.io/y"} {
		if !d.one(3) {
			m[k] = pick(d, "a", "b", "")
		}
	}
	return m
}

func (d dice) world() *testWorld {
	w := &testWorld{namespaces: map[string]map[string]string{}}
	for _, n := range []string{"one", "two"} {
		w.namespaces[n] = map[string]string{"team": pick(d, "a", "b"), "kubernetes.io/metadata.name": n}
	}
	for i, n := range []string{"n1", "n2", "n3"} {
		w.nodes = append(w.nodes, &testNode{n, map[string]string{"role": pick(d, "a", "b")}, netip.AddrFrom4([4]byte{10, 0, 0, byte(i + 1)})})
	}
	for i := range 2 + d.IntN(5) {
		node := pick(d, w.nodes...)
		p := &testPod{
			namespace: pick(d, "one", "two"), name: fmt.Sprintf("pod%d", i), account: pick(d, "default", "a"), node: node.name,
			labels: d.labels(), host: d.one(5), ip: netip.AddrFrom4([4]byte{10, 1, 0, byte(i + 1)}), ports: map[string]int{},
		}
		if p.host {
			p.ip = node.ip
		}
		if d.one(2) {
			p.ports["web"] = pick(d, 80, 81, 8080)
		}
		w.pods = append(w.pods, p)
	}
	return w
}

// selector looks at everything that a selector may look at.
func (d dice) selector(peer bool) any {
	key := func() (string, []string) {
		switch d.IntN(9) {
		case 0:
			return "io.kubernetes.pod.namespace", []string{"one", "two"}
		case 1:
			return "io.cilium.k8s.namespace.labels.team", []string{"a", "b"}
		case 2:
			return "io.cilium.k8s.policy.serviceaccount", []string{"default", "a"}
		case 3:
			if peer {
				return "reserved:" + pick(d, "world", "host", "remote-node", "world-ipv4", "health"), []string{""}
			}
		case 4:
			return pick(d, "kubernetes.io/x", "app.kubernetes.io/y", "none"), []string{"a", ""}
		}
		return pick(d, "app", "tier"), []string{"a", "b", ""}
	}
	prefixed := func(k string) string {
		if len(k) > 9 && k[:9] == "reserved:" {
			return k
		}
		return pick(d, "", "k8s:", "any:", "") + k
	}
	s := map[string]any{}
	if !d.one(3) {
		k, values := key()
		s["matchLabels"] = map[string]any{prefixed(k): pick(d, values...)}
	}
	if d.one(3) {
		k, values := key()
		e := map[string]any{"key": prefixed(k), "operator": pick(d, "In", "NotIn", "Exists", "DoesNotExist")}
		if e["operator"] == "In" || e["operator"] == "NotIn" {
			e["values"] = []any{pick(d, values...), pick(d, values...)}
		}
		s["matchExpressions"] = []any{e}
	}
	return s
}

var randomCIDRs = []string{"0.0.0.0/0", "10.0.0.0/8", "10.1.0.0/16", "8.8.8.0/24", "8.8.8.8/32", "::/0", "2001:db8::/32"}

func (d dice) cidrSet() any {
	if d.one(6) {
		return map[string]any{"cidrGroupRef": pick(d, "ours", "gone")}
	}
	c := map[string]any{"cidr": pick(d, "0.0.0.0/0", "8.0.0.0/8", "8.8.8.0/24")}
	if d.one(2) {
		c["except"] = []any{pick(d, "8.8.8.8/32", "8.8.8.0/25")}
		if c["cidr"] == "0.0.0.0/0" {
			c["except"] = append(c["except"].([]any), "8.9.0.0/16")
		}
	}
	return c
}

// rule makes a member of a section; one that allows has more fields.
func (d dice) rule(direction policy.Direction, allows bool) any {
	r := map[string]any{}
	prefix := []string{"from", "to"}[direction]
	text := func(of ...string) func() any { return func() any { return pick(d, of...) } }
	switch d.IntN(12) {
	case 0, 1, 2, 3:
		r[prefix+"Endpoints"] = d.list(2, func() any { return d.selector(true) })
	case 4, 5:
		r[prefix+"Entities"] = d.list(2, text("all", "world", "world-ipv4", "world-ipv6", "cluster", "host", "remote-node", "kube-apiserver", "ingress", "none", "health"))
	case 6:
		r[prefix+"CIDR"] = d.list(2, text(append(randomCIDRs, "8.8.8.9")...))
	case 7, 8:
		r[prefix+"CIDRSet"] = d.list(2, d.cidrSet)
	case 9:
		r[prefix+"Nodes"] = []any{map[string]any{"matchLabels": map[string]any{"role": pick(d, "a", "b")}}}
	case 10:
		switch {
		case direction == policy.Egress && allows && d.one(2):
			r["toFQDNs"] = []any{map[string]any{"matchName": "example.org"}}
		case direction == policy.Egress:
			r["toServices"] = []any{map[string]any{"k8sService": map[string]any{"serviceName": pick(d, "svc", "gone"), "namespace": pick(d, "one", "two")}}}
		}
	}
	switch d.IntN(5) {
	case 0, 1:
		r["toPorts"] = d.list(2, func() any { return d.ports(allows) })
	case 2:
		if d.one(4) {
			r["icmps"] = []any{map[string]any{"fields": []any{map[string]any{"type": 8}}}}
		}
	}
	if allows && d.one(12) {
		r["authentication"] = map[string]any{"mode": pick(d, "required", "disabled")}
	}
	return r
}

func (d dice) ports(allows bool) any {
	list := []any{}
	for range 1 + d.IntN(2) {
		p := map[string]any{"port": pick(d, "80", "53", "0", "web", "8080"), "protocol": pick(d, "TCP", "UDP", "ANY", "SCTP")}
		if d.one(4) {
			p["port"], p["endPort"] = "80", pick(d, 80, 82, 8080)
		}
		list = append(list, p)
	}
	out := map[string]any{"ports": list}
	if allows && d.one(6) {
		out["rules"] = map[string]any{"http": []any{map[string]any{"path": "/"}}}
	}
	return out
}

func (d dice) spec() map[string]any {
	s := map[string]any{"endpointSelector": d.selector(false)}
	if d.one(3) {
		s["endpointSelector"] = map[string]any{}
	}
	for direction, names := range sections {
		if d.one(2) {
			s[names[0]] = d.list(2, func() any { return d.rule(policy.Direction(direction), true) })
		}
		if d.one(4) {
			s[names[1]] = d.list(2, func() any { return d.rule(policy.Direction(direction), false) })
		}
		if d.one(6) {
			s["enableDefaultDeny"] = map[string]any{names[0]: d.one(2)}
		}
	}
	rules := 0
	for _, names := range sections {
		for _, n := range names {
			list, _ := s[n].([]any)
			rules += len(list)
		}
	}
	if rules == 0 {
		s["ingress"] = []any{map[string]any{}}
	}
	return s
}

func (d dice) policy(i int) map[string]any {
	p := map[string]any{"apiVersion": "cilium.io/v2", "kind": "CiliumClusterwideNetworkPolicy", "metadata": map[string]any{"name": fmt.Sprint("p", i)}}
	if !d.one(3) {
		p["kind"], p["metadata"].(map[string]any)["namespace"] = "CiliumNetworkPolicy", pick(d, "one", "two")
	}
	if d.one(4) {
		p["specs"] = []any{d.spec(), d.spec()}
	} else {
		p["spec"] = d.spec()
	}
	return p
}

// policies makes policies, and the text of a list of them and of what they
// refer to.
func (d dice) policies(t *testing.T) (list []map[string]any, text string) {
	t.Helper()
	items := []any{
		map[string]any{"apiVersion": "cilium.io/v2", "kind": "CiliumCIDRGroup", "metadata": map[string]any{"name": "ours"}, "spec": map[string]any{"externalCIDRs": []any{"8.8.8.0/25", "2001:db8::/48"}}},
		map[string]any{"apiVersion": "v1", "kind": "Service", "metadata": map[string]any{"name": "svc", "namespace": "one"}, "spec": map[string]any{"selector": map[string]any{"app": "a"}}},
	}
	for i := range 1 + d.IntN(4) {
		p := d.policy(i)
		list, items = append(list, p), append(items, p)
	}
	out, err := json.Marshal(map[string]any{"apiVersion": "v1", "kind": "List", "items": items})
	if err != nil {
		t.Fatal(err)
	}
	return list, string(out)
}

// oracle is told what the policies refer to.
func (d dice) oracle(w *testWorld, docs []map[string]any) *oracle {
	o := newOracle(w, docs)
	o.groups = map[string][]string{"ours": {"8.8.8.0/25", "2001:db8::/48"}}
	o.services = map[[2]string]map[string]string{{"one", "svc"}: {"app": "a"}}
	return o
}

// TestWorldsAsRead compares what is read with the oracle, for every pod, peer
// and port of random worlds. Where the oracle tells a pod's own node from
// others, which the form can't, what is certain has to agree.
func TestWorldsAsRead(t *testing.T) {
	answers := map[answer]int{}
	for seed := range worlds() {
		d := dice{rand.New(rand.NewPCG(seed, 63))}
		w := d.world()
		docs, text := d.policies(t)
		policies, gaps := cilium.Read(snapshot(t, text))
		if len(gaps) > 0 {
			t.Fatalf("seed %d: %v\n%s", seed, gaps, text)
		}
		o := d.oracle(w, docs)
		exact := *o
		exact.exact = true
		w.each(func(q question) {
			if t.Failed() {
				return
			}
			got, want := (form{w, policies}).judge(q), o.judge(q)
			answers[got]++
			if got != want {
				t.Errorf("seed %d: %s: read %s, oracle %s", seed, w.text(q), got, want)
			}
			node := w.nodeOf(q.other)
			if sure := exact.judge(q); got != maybe && got != sure && (node == nil || node.name != q.self.pod.node) {
				t.Errorf("seed %d: %s: read %s, exact oracle %s", seed, w.text(q), got, sure)
			}
		})
		if t.Failed() {
			t.Fatalf("seed %d: %s", seed, text)
		}
	}
	t.Logf("%v", answers)
	for _, a := range []answer{yes, no, maybe} {
		if answers[a] == 0 {
			t.Errorf("no answer is %s", a)
		}
	}
}

var testPorts = []int{1, 53, 80, 81, 82, 8080}

// each calls f with what is asked of a world.
func (w *testWorld) each(f func(question)) {
	ends := []end{}
	for _, p := range w.pods {
		ends = append(ends, end{pod: p})
	}
	for _, text := range []string{"10.0.0.1", "10.0.0.3", "8.8.8.8", "8.8.8.9", "8.8.8.200", "10.1.9.9", "9.9.9.9", "2001:db8::1", "2001:db9::1"} {
		ends = append(ends, end{ip: netip.MustParseAddr(text)})
	}
	for _, p := range w.pods {
		for _, other := range ends {
			if other.pod == p {
				continue
			}
			for _, protocol := range []string{"TCP", "UDP", "SCTP"} {
				for _, port := range testPorts {
					for _, direction := range []policy.Direction{policy.Ingress, policy.Egress} {
						f(question{end{pod: p}, other, direction, protocol, port})
					}
				}
			}
		}
	}
}

func (w *testWorld) text(q question) string {
	other := q.other.ip.String()
	if q.other.pod != nil {
		other = fmt.Sprintf("%+v", *q.other.pod)
	}
	return fmt.Sprintf("%s of %+v (namespaces %v), other end %s, %s/%d", q.direction, *q.self.pod, w.namespaces, other, q.protocol, q.port)
}
