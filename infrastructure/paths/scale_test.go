package paths

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/scantling/scantling/graph"
	"github.com/scantling/scantling/infrastructure/identity"
	"github.com/scantling/scantling/infrastructure/kube"
	"github.com/scantling/scantling/infrastructure/network"
)

// city writes a cluster of ten workloads a namespace: each with an account of
// its own that may read the Secrets of its namespace, one that may exec, and
// one privileged agent in all. Every other namespace is isolated.
func city(namespaces int) string {
	var b strings.Builder
	doc := func(format string, args ...any) { fmt.Fprintf(&b, "---\n"+format+"\n", args...) }
	doc("{apiVersion: apps/v1, kind: DaemonSet, metadata: {name: agent, namespace: kube-system}, spec: {selector: {matchLabels: {app: agent}}, template: {metadata: {labels: {app: agent}}, spec: {containers: [{name: c, image: i, securityContext: {privileged: true}}]}}}}")
	for n := range namespaces {
		doc("{apiVersion: v1, kind: Node, metadata: {name: node%d}}", n)
		ns := fmt.Sprintf("ns%d", n)
		doc("{apiVersion: v1, kind: Secret, metadata: {name: key, namespace: %s}}", ns)
		if n%2 == 0 {
			doc("{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: p, namespace: %s}, spec: {podSelector: {}, ingress: [{from: [{podSelector: {}}]}]}}", ns)
		}
		doc(`{apiVersion: rbac.authorization.k8s.io/v1, kind: Role, metadata: {name: r, namespace: %s}, rules: [{apiGroups: [""], resources: [secrets], verbs: [get]}, {apiGroups: [""], resources: [pods], verbs: [list]}]}`, ns)
		doc(`{apiVersion: rbac.authorization.k8s.io/v1, kind: RoleBinding, metadata: {name: exec, namespace: %s}, roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: edit}, subjects: [{kind: ServiceAccount, name: w0}]}`, ns)
		for i := range 10 {
			doc("{apiVersion: apps/v1, kind: Deployment, metadata: {name: w%d, namespace: %s}, spec: {selector: {matchLabels: {app: w%d}}, template: {metadata: {labels: {app: w%d}}, spec: {serviceAccountName: w%d, containers: [{name: c, image: i, envFrom: [{secretRef: {name: s%d}}]}]}}}}", i, ns, i, i, i, i)
			doc("{apiVersion: rbac.authorization.k8s.io/v1, kind: RoleBinding, metadata: {name: b%d, namespace: %s}, roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: r}, subjects: [{kind: ServiceAccount, name: w%d}]}", i, ns, i)
		}
	}
	return b.String()
}

func TestThousandWorkloads(t *testing.T) {
	if testing.Short() {
		t.Skip("builds a cluster of 1,000 workloads")
	}
	s, err := kube.ReadFrom(context.Background(), "c", "city.yaml", strings.NewReader(city(100)))
	if err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	n, id := network.Build(s), identity.Build(s)
	hubs := len(n.Hubs())
	judged := time.Now()
	m, err := Build(s, n, id)
	if err != nil {
		t.Fatal(err)
	}
	built := time.Now()
	g := m.Graph()
	t.Logf("%d workloads: network (%d hubs) and identity %v, paths %v: %d vertices, %d facts, %d steps", len(s.Workloads), hubs,
		judged.Sub(start).Round(time.Millisecond), built.Sub(judged).Round(time.Millisecond), g.NumVertices(), g.NumFacts(), g.NumSteps())
	if pairs := len(s.Workloads) * len(s.Workloads); g.NumSteps() > pairs/10 {
		t.Errorf("%d steps: pairs are being written out", g.NumSteps())
	}
	if d := built.Sub(judged); d > 3*time.Second { // measured 0.1 s; the rest is for a busy machine
		t.Errorf("building took %v", d)
	}
}

func TestReportOfThousandWorkloads(t *testing.T) {
	if testing.Short() {
		t.Skip("reports on a cluster of 1,000 workloads")
	}
	text := city(100) + "---\n{apiVersion: v1, kind: Node, metadata: {name: cp, labels: {node-role.kubernetes.io/control-plane: ''}}}\n"
	s, err := kube.ReadFrom(context.Background(), "c", "city.yaml", strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	m, err := Build(s, network.Build(s), identity.Build(s))
	if err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	r := m.Report(10)
	reported := time.Since(start)
	t.Logf("report: %v, %d paths, %d fixes", reported.Round(time.Millisecond), len(r.Paths), len(r.Fixes))
	if len(r.Paths) != maxPaths || len(r.Blast) != 1001 || len(r.Fixes) == 0 {
		t.Errorf("%d paths, %d blast radii, %d fixes", len(r.Paths), len(r.Blast), len(r.Fixes))
	}
}

// TestSupports measures what ranking needs: the minimal supports of every
// jewel from every workload. Where nobody controls a whole namespace and no
// container leads to a node those of 1,000 workloads must all come out; where
// edit is bound everywhere each of its rules is another way, in each namespace,
// times the ways behind it, and those are more than anyone keeps.
func TestSupports(t *testing.T) {
	var calm []string
	for _, doc := range strings.Split(city(100), "---\n") {
		if !strings.Contains(doc, "name: exec") && !strings.Contains(doc, "name: agent") {
			calm = append(calm, doc)
		}
	}
	for _, tc := range []struct{ name, text string }{{"calm", strings.Join(calm, "---\n")}, {"edit everywhere", city(10)}} {
		m := build(t, tc.text)
		entries := m.entries()
		var jewels []graph.Vertex
		for _, j := range m.Jewels() {
			jewels = append(jewels, m.byRef[j])
		}
		start := time.Now()
		each := m.graph.SupportsEach(entries, graph.Options{Max: 256, To: jewels})
		took := time.Since(start)
		pairs, cut, most, all := 0, 0, 0, 0
		for _, s := range each {
			for _, j := range jewels {
				n := len(s.Of(j))
				if n == 0 {
					continue
				}
				pairs, all, most = pairs+1, all+n, max(most, n)
				if is, _ := s.Cut(j); is {
					cut++
				}
			}
		}
		t.Logf("%s: %d workloads, %d jewels: supports in %v; %d pairs, %d cut, %.1f supports a pair, %d at most",
			tc.name, len(entries), len(jewels), took.Round(time.Millisecond), pairs, cut, float64(all)/float64(max(pairs, 1)), most)
		if tc.name == "calm" && (cut > 0 || pairs < 400_000) {
			t.Errorf("%d pairs, %d cut", pairs, cut)
		}
	}
}
