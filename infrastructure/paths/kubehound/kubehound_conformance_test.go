package kubehound

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/scantling/scantling/infrastructure/identity"
	"github.com/scantling/scantling/infrastructure/kube"
)

func corpus(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(cmp.Or(os.Getenv("SCANTLING_CORPORA"), "../../../../shared/corpora"), "kubehound")
	if _, err := os.Stat(dir); err != nil {
		t.Skipf("no public corpora (%v): set SCANTLING_CORPORA to their folder", err)
	}
	return dir
}

func testCluster(t *testing.T) []Edge {
	t.Helper()
	// The folder has kind's configuration beside the attacks: it tells the nodes.
	s, err := kube.Reader{}.Read(context.Background(), "kubehound.test.local", []string{filepath.Join(corpus(t), "test/setup/test-cluster")})
	if err != nil {
		t.Fatal(err)
	}
	return Edges(s, identity.Build(s))
}

// row is one line of the corpus' table.
type row struct{ test, edge, srcClass, src, dstClass, dst, assertion string }

func rows(t *testing.T) []row {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(corpus(t), "EXPECTED_EDGES.tsv"))
	if err != nil {
		t.Fatal(err)
	}
	var out []row
	for _, line := range strings.Split(strings.TrimSpace(string(text)), "\n")[1:] {
		f := strings.Split(line, "\t")
		out = append(out, row{f[0], f[1], f[2], f[3], f[4], f[5], f[6]})
	}
	return out
}

// names are the words by which rows name a vertex: containers by their own
// name or their pod's.
func names(v Vertex) []string {
	if v.Class == Container {
		return []string{v.Name, v.Pod}
	}
	return []string{v.Name}
}

// TestEveryExpectedEdge holds each row, and of an exact query the whole set.
func TestEveryExpectedEdge(t *testing.T) {
	edges := testCluster(t)
	exact := map[string]map[string]bool{} // query -> edges that it expects
	for _, r := range rows(t) {
		if strings.Contains(r.edge, ">") || strings.Contains(r.edge, "then") || strings.HasPrefix(r.assertion, "count") || r.edge == "(any)" || r.src == "*" || r.srcClass == "Endpoint" {
			continue // TestQueries has them
		}
		found := slices.ContainsFunc(edges, func(e Edge) bool {
			to := slices.Contains(names(e.To), r.dst) || strings.HasPrefix(r.dst, "any worker") && strings.Contains(e.To.Name, "worker")
			from := slices.Contains(names(e.From), r.src) || r.src == "(projected token volume)"
			return e.Type == r.edge && string(e.From.Class) == r.srcClass && string(e.To.Class) == r.dstClass && from && to
		})
		if !found {
			t.Errorf("%s: no edge %s -> %s", r.edge, r.src, r.dst)
		}
		if strings.HasPrefix(r.assertion, "exact") {
			if exact[r.test] == nil {
				exact[r.test] = map[string]bool{}
			}
			exact[r.test][r.src+" -> "+r.dst] = true
		}
	}
	rolebind := func(e Edge) bool { return strings.HasPrefix(e.To.Name, "rolebind") }
	for test, query := range map[string]func(e Edge) bool{
		"TestEdge_POD_PATCH":           func(e Edge) bool { return e.Type == "POD_PATCH" && e.From.Namespace == "default" },
		"TestEdge_POD_EXEC":            func(e Edge) bool { return e.Type == "POD_EXEC" && e.From.Namespace == "default" },
		"TestEdge_PERMISSION_DISCOVER": func(e Edge) bool { return e.Type == "PERMISSION_DISCOVER" && e.From.Namespace == "default" },
		"TestEdge_TOKEN_BRUTEFORCE":    func(e Edge) bool { return e.Type == "TOKEN_BRUTEFORCE" && e.From.Namespace == "default" },
		"TestEdge_TOKEN_LIST":          func(e Edge) bool { return e.Type == "TOKEN_LIST" && e.From.Namespace == "default" },
		"TestEdge_TOKEN_STEAL":         func(e Edge) bool { return e.Type == "TOKEN_STEAL" && e.To.Namespace == "default" },
		"TestEdge_SHARE_PS_NAMESPACE":  func(e Edge) bool { return e.Type == "SHARE_PS_NAMESPACE" },
		"TestEdge_ROLE_BIND_CASE_1": func(e Edge) bool {
			return e.Type == "ROLE_BIND" && !e.From.Namespaced && !e.To.Namespaced && rolebind(e)
		},
		"TestEdge_ROLE_BIND_CASE_2": func(e Edge) bool {
			return e.Type == "ROLE_BIND" && !e.From.Namespaced && !e.To.Namespaced && rolebind(e)
		},
		"TestEdge_ROLE_BIND_CASE_3": func(e Edge) bool { return e.Type == "ROLE_BIND" && e.From.Namespaced && e.To.Namespaced && rolebind(e) },
	} {
		got := map[string]bool{}
		for _, e := range edges {
			if query(e) {
				from := e.From.Name
				if e.Type == "TOKEN_STEAL" {
					from = "(projected token volume)"
				}
				got[from+" -> "+e.To.Name] = true
			}
		}
		want := exact[test]
		delete(exact, test)
		if diff := gocmp.Diff(slices.Sorted(maps.Keys(want)), slices.Sorted(maps.Keys(got))); diff != "" {
			t.Errorf("%s (-want +got):\n%s", test, diff)
		}
	}
	delete(exact, "TestEdge_EXPLOIT_HOST_TRAVERSE") // in TestQueries
	if len(exact) > 0 {
		t.Errorf("exact queries that nobody asks: %v", slices.Sorted(maps.Keys(exact)))
	}
}

// TestQueries asks what is no plain edge: chains, counts, and what must not be.
func TestQueries(t *testing.T) {
	edges := testCluster(t)
	all := map[Class]map[Vertex]bool{}
	incoming := map[string]map[Vertex]bool{}
	for _, e := range edges {
		for _, v := range []Vertex{e.From, e.To} {
			if all[v.Class] == nil {
				all[v.Class] = map[Vertex]bool{}
			}
			all[v.Class][v] = true
		}
		if incoming[e.Type] == nil {
			incoming[e.Type] = map[Vertex]bool{}
		}
		incoming[e.Type][e.To] = true
		if e.From.Class == Container && e.From.Name == "control-pod" {
			t.Errorf("the control pod has an edge: %+v", e)
		}
		if e.Type == "ROLE_BIND" && e.From.Namespaced && !e.To.Namespaced {
			t.Errorf("a namespace binds for the cluster: %+v", e)
		}
		if len(e.Proof) == 0 || e.Proof[0].Object == "" || e.Proof[0].Field == "" || e.Attack == "" {
			t.Errorf("edge without proof: %+v", e)
		}
	}
	for _, r := range []struct {
		edge string
		to   Class
	}{{"CONTAINER_ATTACH", Container}, {"POD_ATTACH", Pod}, {"VOLUME_ACCESS", Volume}, {"VOLUME_DISCOVER", Volume}} {
		for v := range all[r.to] {
			if !incoming[r.edge][v] {
				t.Errorf("no %s to %+v", r.edge, v)
			}
		}
		if len(all[r.to]) < 20 {
			t.Errorf("only %d of class %s", len(all[r.to]), r.to)
		}
	}
	for _, want := range [][2]string{{"jmx", "ClusterIP"}, {"host-port-svc", "NodeIP"}, {"webproxy-service", "External"}} {
		if !slices.ContainsFunc(edges, func(e Edge) bool {
			return e.Type == "ENDPOINT_EXPLOIT" && e.From.Name == want[0] && e.From.Exposure == want[1] && e.To.Name == "endpoints-pod"
		}) {
			t.Errorf("no endpoint %v", want)
		}
	}
	for pod, chain := range map[string][2]string{"host-read-exploit-pod": {"EXPLOIT_HOST_READ", "host-ssh"}, "host-write-exploit-pod": {"EXPLOIT_HOST_WRITE", "hostroot"}} {
		volumes := next(edges, "VOLUME_DISCOVER", func(v Vertex) bool { return v.Pod == pod })
		found := slices.ContainsFunc(volumes, func(v Vertex) bool {
			return v.Name == chain[1] && len(next(edges, chain[0], func(from Vertex) bool { return from == v })) > 0
		})
		if !found {
			t.Errorf("no %s by %s of %s", chain[0], chain[1], pod)
		}
	}
}

// next lists where edges of a kind lead from some vertices.
func next(edges []Edge, kind string, from func(Vertex) bool) []Vertex {
	var out []Vertex
	for _, e := range edges {
		if e.Type == kind && from(e.From) {
			out = append(out, e.To)
		}
	}
	return out
}

// TestTraverse compares, for both pods with the host's folders, the tokens
// found there with the identities of the containers on the same nodes.
func TestTraverse(t *testing.T) {
	edges := testCluster(t)
	for _, pod := range []string{"host-read-exploit-pod", "host-write-exploit-pod"} {
		got := map[string]bool{}
		for _, v := range next(edges, "VOLUME_DISCOVER", func(v Vertex) bool { return v.Pod == pod }) {
			for _, child := range next(edges, "EXPLOIT_HOST_TRAVERSE", func(from Vertex) bool { return from == v }) {
				for _, who := range next(edges, "TOKEN_STEAL", func(from Vertex) bool { return from == child }) {
					got[who.Name] = true
				}
			}
		}
		want := map[string]bool{}
		for _, e := range edges {
			if e.Type == "POD_ATTACH" && e.To.Name == pod {
				for _, mate := range next(edges, "POD_ATTACH", func(n Vertex) bool { return n == e.From }) {
					for _, who := range next(edges, "IDENTITY_ASSUME", func(c Vertex) bool { return c.Pod == mate.Name && c.Class == Container }) {
						want[who.Name] = true
					}
				}
			}
		}
		if len(want) < 10 {
			t.Errorf("%s stands beside %d identities", pod, len(want))
		}
		if diff := gocmp.Diff(slices.Sorted(maps.Keys(want)), slices.Sorted(maps.Keys(got))); diff != "" {
			t.Errorf("%s (-want +got):\n%s", pod, diff)
		}
	}
}

// TestKinds counts the kinds of edges: the corpus shows each one.
func TestKinds(t *testing.T) {
	seen := map[string]int{}
	for _, e := range testCluster(t) {
		seen[e.Type]++
	}
	for kind := range attacks {
		if seen[kind] == 0 {
			t.Errorf("no %s", kind)
		}
	}
	if len(seen) != len(attacks) || len(attacks) != 24 {
		t.Errorf("%d kinds seen, %d known", len(seen), len(attacks))
	}
	t.Log(fmt.Sprint(seen))
}
