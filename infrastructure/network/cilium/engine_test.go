package cilium_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/scantling/scantling/infrastructure/network"
	"github.com/scantling/scantling/infrastructure/network/policy"
)

// manifests writes a world as the objects of a cluster.
func (w *testWorld) manifests(t testing.TB) string {
	t.Helper()
	type object = map[string]any
	items := []any{}
	for name, labels := range w.namespaces {
		items = append(items, object{"apiVersion": "v1", "kind": "Namespace", "metadata": object{"name": name, "labels": labels}})
	}
	for _, n := range w.nodes {
		items = append(items, object{
			"apiVersion": "v1", "kind": "Node", "metadata": object{"name": n.name, "labels": n.labels},
			"status": object{"addresses": []any{object{"type": "InternalIP", "address": n.ip.String()}}},
		})
	}
	for _, p := range w.pods {
		var ports []any
		for name, number := range p.ports {
			ports = append(ports, object{"name": name, "containerPort": number})
		}
		items = append(items, object{
			"apiVersion": "v1", "kind": "Pod", "metadata": object{"name": p.name, "namespace": p.namespace, "labels": p.labels},
			"spec": object{
				"nodeName": p.node, "hostNetwork": p.host, "serviceAccountName": p.account,
				"containers": []any{object{"name": "c", "image": "i", "ports": ports}},
			},
			"status": object{"podIPs": []any{object{"ip": p.ip.String()}}},
		})
	}
	text, err := json.Marshal(object{"apiVersion": "v1", "kind": "List", "items": items})
	if err != nil {
		t.Fatal(err)
	}
	return "# a world\n" + string(text) // not JSON from its first byte on, so that documents may follow
}

// mates reports whether two ends are a pod and one on the network of its node,
// between which the engine lets everything through.
func mates(a, b end) bool {
	return a.pod != nil && b.pod != nil && (a.pod.host || b.pod.host) && a.pod.node == b.pod.node
}

// engine asks the network engine about one side of a connection.
type engine struct {
	t     testing.TB
	world *testWorld
	built *network.Engine
}

func nameOf(e end) string {
	if e.pod != nil {
		return e.pod.namespace + "/" + e.pod.name
	}
	return e.ip.String()
}

func (e engine) judge(q question) answer {
	e.t.Helper()
	from, to := q.self, q.other
	if q.direction == policy.Ingress {
		from, to = to, from
	}
	v, err := e.built.Probe(nameOf(from), nameOf(to), fmt.Sprintf("%s/%d", strings.ToLower(q.protocol), q.port))
	if err != nil {
		e.t.Fatal(err)
	}
	half := v.Egress
	if q.direction == policy.Ingress {
		half = v.Ingress
	}
	return map[network.Answer]answer{network.Allowed: yes, network.Denied: no, network.Depends: maybe}[half.Answer]
}

// withoutMates takes the wanted answer for the questions about mates.
func (w *testWorld) withoutMates(t testing.TB, got, want string) string {
	t.Helper()
	out, wanted := strings.Fields(got), strings.Fields(want)
	for i, q := range wanted {
		from, to, _ := strings.Cut(q[:strings.LastIndexByte(q, ':')], ">")
		if mates(w.end(t, from), w.end(t, to)) {
			out[i] = q
		}
	}
	return strings.Join(out, " ")
}

// netpol makes a NetworkPolicy, and what says the same in Cilium's words.
func (d dice) netpol(t *testing.T, i int) (text string, same map[string]any) {
	t.Helper()
	type object = map[string]any
	selector := func() object {
		if d.one(3) {
			return object{}
		}
		return object{"matchLabels": object{pick(d, "app", "tier"): pick(d, "a", "b")}}
	}
	meta := object{"name": fmt.Sprint("np", i), "namespace": pick(d, "one", "two")}
	subject := selector()
	np := object{"podSelector": subject, "policyTypes": []any{}}
	cnp := object{"endpointSelector": subject}
	for at, field := range []string{"ingress", "egress"} {
		if at == 0 && d.one(2) {
			continue
		}
		np["policyTypes"] = append(np["policyTypes"].([]any), []string{"Ingress", "Egress"}[at])
		prefix := []string{"from", "to"}[at]
		rules, sames := []any{}, []any{object{}} // which isolates
		for range d.IntN(3) {
			rule, like := object{}, object{prefix + "Entities": []any{"all"}}
			if d.one(2) {
				peer := selector()
				rule[prefix] = []any{object{"podSelector": peer}}
				like = object{prefix + "Endpoints": []any{peer}}
			}
			if d.one(2) {
				rule["ports"] = []any{object{"port": 80, "endPort": 81}, object{"port": "web"}}
				like["toPorts"] = []any{object{"ports": []any{object{"port": "80", "endPort": 81, "protocol": "TCP"}, object{"port": "web", "protocol": "TCP"}}}}
			}
			rules, sames = append(rules, rule), append(sames, like)
		}
		np[field], cnp[field] = rules, sames
	}
	out, err := json.Marshal(object{"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": meta, "spec": np})
	if err != nil {
		t.Fatal(err)
	}
	return "# a policy\n" + string(out), object{"kind": "CiliumNetworkPolicy", "metadata": meta, "spec": cnp}
}

// TestWorldsAsAnswered asks the network engine about random worlds: all
// pairs of pods, and some addresses. In some, NetworkPolicies are among the
// policies.
func TestWorldsAsAnswered(t *testing.T) {
	ports := []string{}
	for _, protocol := range []string{"TCP", "UDP", "SCTP"} {
		for _, port := range testPorts {
			ports = append(ports, fmt.Sprintf("%s/%d", strings.ToLower(protocol), port))
		}
	}
	for seed := range worlds() {
		d := dice{rand.New(rand.NewPCG(seed, 64))}
		w := d.world()
		docs, text := d.policies(t)
		manifests := []string{w.manifests(t), text}
		mixed := d.one(3)
		for i := range 2 {
			if mixed {
				own, same := d.netpol(t, i)
				manifests, docs = append(manifests, own), append(docs, same)
			}
		}
		built := network.Build(snapshot(t, manifests...))
		if len(built.Incomplete) > 0 {
			t.Fatalf("seed %d: %v", seed, built.Incomplete)
		}
		o := d.oracle(w, docs)
		m, err := built.Matrix(ports)
		if err != nil {
			t.Fatal(err)
		}
		asking := engine{t, w, built}
		w.each(func(q question) {
			if t.Failed() || mates(q.self, q.other) || mixed && (q.self.pod.host || w.nodeOf(q.other) != nil) {
				return // NetworkPolicy leaves open what it says of the host's network
			}
			var got answer
			if q.other.pod == nil {
				if q.port != testPorts[int(seed)%len(testPorts)] {
					return
				}
				got = asking.judge(q)
			} else {
				self, other := slices.Index(m.Pods, nameOf(q.self)), slices.Index(m.Pods, nameOf(q.other))
				at := slices.Index(ports, fmt.Sprintf("%s/%d", strings.ToLower(q.protocol), q.port))
				got = answer(m.Allowed.Ingress[other][self][at])
				if q.direction == policy.Egress {
					got = answer(m.Allowed.Egress[self][other][at])
				}
			}
			if want := o.judge(q); got != want {
				t.Errorf("seed %d: %s: engine %s, oracle %s\n%s", seed, w.text(q), got, want, text)
			}
		})
		if t.Failed() {
			t.FailNow()
		}
	}
}
