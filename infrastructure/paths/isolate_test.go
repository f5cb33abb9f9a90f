package paths

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/scantling/scantling/graph"
	"github.com/scantling/scantling/infrastructure/identity"
	"github.com/scantling/scantling/infrastructure/kube"
	"github.com/scantling/scantling/infrastructure/network"
	"github.com/scantling/scantling/model"
)

// randomTown writes three namespaces of pods with labels that overlap, some
// without any and some with equal ones, policies for some of them, ports that
// are served to everybody, and an Ingress with its controller.
func randomTown(r *rand.Rand) string {
	pick := func(from ...string) string { return from[r.IntN(len(from))] }
	var b strings.Builder
	doc := func(format string, args ...any) { fmt.Fprintf(&b, "---\n"+format+"\n", args...) }
	for _, ns := range []string{"shop", "other", "edge"} {
		for i := range 2 + r.IntN(4) {
			name := fmt.Sprintf("p%d", i)
			labels := pick("", "app: a", "app: b", "app: a, tier: x", "app: b, tier: x", "tier: z", "id: "+name, "id: "+name, "app: a, id: "+name, "controller-uid: u"+name)
			host := pick("", "", "", "", "", "hostNetwork: true, ")
			ports := pick("", "", "", "{containerPort: 80}", "{containerPort: 80, name: web}", "{containerPort: 9, hostPort: 9, protocol: UDP}")
			doc("{apiVersion: v1, kind: Pod, metadata: {name: %s, namespace: %s, labels: {%s}}, spec: {automountServiceAccountToken: false, %scontainers: [{name: c, image: i, ports: [%s]}]}}", name, ns, labels, host, ports)
		}
		for i := range r.IntN(3) {
			doc("{apiVersion: v1, kind: Service, metadata: {name: s%d, namespace: %s}, spec: {type: %s, selector: {%s}, ports: [{port: 80, targetPort: %s}, {port: 53, protocol: UDP}]}}",
				i, ns, pick("ClusterIP", "ClusterIP", "ClusterIP", "NodePort", "LoadBalancer"), pick("app: a", "app: b", "tier: x", "id: p0", "controller-uid: up1"), pick("80", "8080", "web"))
			if r.IntN(2) == 0 {
				doc("{apiVersion: networking.k8s.io/v1, kind: Ingress, metadata: {name: i%d, namespace: %s}, spec: {rules: [{http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: s%d, port: {number: 80}}}}]}}]}}", i, ns, i)
			}
		}
		for i := range r.IntN(3) {
			doc("{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: %s, namespace: %s}, spec: {podSelector: {%s}, %s}}",
				pick("isolate", "p0-isolate", "p1-ingress", "q")+strings.Repeat("x", i), ns,
				pick("matchLabels: {app: a}", "matchLabels: {tier: x}", "matchLabels: {id: p1}", "matchExpressions: [{key: app, operator: DoesNotExist}]", "matchLabels: {none: here}"),
				pick("policyTypes: [Ingress]", "policyTypes: [Egress]", "ingress: [{from: [{podSelector: {}}]}]", "ingress: [{from: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: edge}}}]}]", "ingress: [{}]"))
		}
	}
	if r.IntN(2) == 0 {
		doc("{apiVersion: v1, kind: Pod, metadata: {name: ingress, namespace: edge, labels: {app: ingress}}, spec: {automountServiceAccountToken: false, containers: [{name: c, image: i}]}}")
	}
	return b.String()
}

// town is one reading of manifests.
type town struct {
	s *kube.Snapshot
	n *network.Engine
	m *Model
}

func newTown(t *testing.T, text string) town {
	t.Helper()
	s, err := kube.ReadFrom(context.Background(), "c", "town.yaml", strings.NewReader(text))
	if err != nil || len(s.Incomplete) > 0 {
		t.Fatal(err, s.Incomplete, text)
	}
	n := network.Build(s)
	m, err := Build(s, n, identity.Build(s))
	if err != nil || len(n.Incomplete) > 0 {
		t.Fatal(err, n.Incomplete)
	}
	return town{s, n, m}
}

// controls lists the workloads among what a set of vertices leads to.
func (w town) controls(from []graph.Vertex, gone *graph.Set) []string {
	var out []string
	for v := range w.m.graph.Reach(from, gone).All() {
		if w.m.keys[v].sort == control {
			out = append(out, w.m.refs[v].Key)
		}
	}
	slices.Sort(out)
	return out
}

// TestPoliciesDoWhatTheyPromise applies the patch of each add-policy action to
// the manifests of random clusters, and compares the new graph with the old
// one without the facts that the action says it removes.
func TestPoliciesDoWhatTheyPromise(t *testing.T) {
	actions, mixed, kept, admitted := 0, 0, 0, 0
	for seed := range uint64(200) {
		text := randomTown(rand.New(rand.NewPCG(seed, 11)))
		before := newTown(t, text)
		for _, a := range before.m.Actions() {
			if a.Type != model.AddPolicy {
				continue
			}
			after := newTown(t, text+"---\n"+a.Patch)
			gone := graph.NewSet(len(before.m.facts))
			for f, fact := range before.m.facts {
				if slices.Contains(a.Removes, fact.ID()) {
					gone.Add(f)
				}
			}
			if have, was := len(after.s.ByKind("NetworkPolicy")), len(before.s.ByKind("NetworkPolicy")); gone.Len() != 1 || have != was+strings.Count(a.Patch, "kind: NetworkPolicy") {
				t.Fatalf("seed %d: %s removes %d facts, and of %d policies leaves %d", seed, a.Title, gone.Len(), was, have)
			}
			for _, f := range after.m.facts {
				if slices.Contains(a.Removes, f.ID()) {
					t.Fatalf("seed %d: %s leaves its fact true: %v\n%s\n%s", seed, a.Title, f.Evidence, text, a.Patch)
				}
			}
			actions++
			if strings.Contains(a.Patch, "-isolate") {
				mixed++
			}
			kept += strings.Count(a.Patch, "-served")
			admitted += compareTowns(t, fmt.Sprintf("seed %d: %s\n%s\n%s", seed, a.Title, text, a.Patch), before, after, gone)
		}
	}
	t.Logf("%d patches applied, %d of them in namespaces with isolated workloads, %d served workloads, %d admissions of ingress controllers", actions, mixed, kept, admitted)
	if actions < 300 || mixed < 50 || kept < 50 || admitted < 40 {
		t.Error("the random clusters are lopsided")
	}
}

// compareTowns compares the reach of every entry, and returns how many pairs
// only an ingress controller's way into what an Ingress leads to explains.
func compareTowns(t *testing.T, what string, before, after town, gone *graph.Set) int {
	t.Helper()
	services := readServices(before.s)
	controllers := services.controllers
	if len(controllers) == 0 {
		controllers = []string{"ingress-nginx"}
	}
	var ways [][2]int // from a controller's namespace to the target of an Ingress
	for i := range before.m.loads {
		src := &before.m.loads[i]
		for j := range before.m.loads {
			dst := &before.m.loads[j]
			rules, _ := services.fromIngress(dst)
			toController := slices.Contains(controllers, src.Namespace) && len(rules) > 0
			if toController && after.n.CanReach(i, j) {
				ways = append(ways, [2]int{i, j})
			}
			lost := before.n.CanReach(i, j) && !after.n.CanReach(i, j)
			if lost && (src.Namespace == dst.Namespace && !src.host || len(dst.served) > 0) {
				t.Fatalf("%s\n%s can't reach %s any more", what, nameOfLoad(src.Workload), nameOfLoad(dst.Workload))
			}
			if !before.n.CanReach(i, j) && after.n.CanReach(i, j) {
				t.Fatalf("%s\n%s now reaches %s", what, nameOfLoad(src.Workload), nameOfLoad(dst.Workload))
			}
		}
	}
	admitted := 0
	for i := range before.m.loads {
		entry, _ := after.m.Entry(before.s.Key(before.s.Workloads[i]))
		got := after.controls([]graph.Vertex{entry}, nil)
		entry, _ = before.m.Entry(before.s.Key(before.s.Workloads[i]))
		from := []graph.Vertex{entry}
		want := before.controls(from, gone)
		for at := 0; at < len(ways); at++ {
			src, dst := before.s.Key(before.s.Workloads[ways[at][0]]), before.s.Key(before.s.Workloads[ways[at][1]])
			if slices.Contains(want, src) && !slices.Contains(want, dst) {
				v, _ := before.m.Entry(dst)
				from = append(from, v)
				want = before.controls(from, gone)
				admitted, at = admitted+1, -1
			}
		}
		// Each reading of policies about the host's network alone would let less
		// through than both together, so a promise may be too small there.
		if slices.ContainsFunc(before.m.loads, func(l load) bool { return l.host }) {
			want = slices.DeleteFunc(want, func(k string) bool { return !slices.Contains(got, k) })
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("%s\nfrom %s (-promised +done):\n%s", what, before.s.Key(before.s.Workloads[i]), diff)
		}
	}
	return admitted
}
