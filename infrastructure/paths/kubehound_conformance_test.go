package paths

import (
	"cmp"
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/scantling/scantling/graph"
	"github.com/scantling/scantling/infrastructure/identity"
	"github.com/scantling/scantling/infrastructure/kube"
	"github.com/scantling/scantling/infrastructure/network"
	"github.com/scantling/scantling/model"
)

// corpus is the folder of KubeHound's attack manifests.
func corpus(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(cmp.Or(os.Getenv("SCANTLING_CORPORA"), "../../../shared/corpora"), "kubehound")
	if _, err := os.Stat(dir); err != nil {
		t.Skipf("no public corpora (%v): set SCANTLING_CORPORA to their folder", err)
	}
	return dir
}

func kubehound(t *testing.T) *Model {
	t.Helper()
	s, err := kube.Reader{}.Read(context.Background(), "kubehound.test.local", []string{filepath.Join(corpus(t), "test/setup/test-cluster/attacks")})
	if err != nil {
		t.Fatal(err)
	}
	m, err := Build(s, network.Build(s), identity.Build(s))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// leads reports whether a pod of namespace default leads to a vertex without
// the network.
func leads(m *Model, pod string, to func(key) bool) bool {
	from, ok := m.Entry("kubehound.test.local/default/Pod/" + pod)
	if !ok {
		return false
	}
	for v := range m.graph.Reach([]graph.Vertex{from}, quiet(m)).All() {
		if v != int(from) && to(m.keys[v]) {
			return true
		}
	}
	return false
}

// TestKubeHoundSilence gates on what must not be there: the harmless pod, the
// bindings that KubeHound's authors marked as failing, and a namespaced
// impersonation of cluster-scoped users lead to nothing but an identity
// without power.
func TestKubeHoundSilence(t *testing.T) {
	m := kubehound(t)
	for _, pod := range []string{
		"control-pod", "netadmin-pod", "impersonate-pod", "rolebind-pod-crb-cr-crb-r-fail", "rolebind-pod-rb-cr-crb-cr-fail", "rolebind-pod-rb-r-crb-cr-fail",
		"sharedps-pod1", "sharedps-pod2",
	} {
		if _, ok := m.Entry("kubehound.test.local/default/Pod/" + pod); !ok {
			t.Errorf("%s was not read", pod)
		}
		own := 0
		powerful := leads(m, pod, func(k key) bool {
			if k.sort == held && k.a == "ServiceAccount" {
				own++
				return false
			}
			return k.sort <= admin
		})
		if powerful || own > 1 {
			t.Errorf("%s leads on", pod)
		}
	}
	for _, pod := range []string{"rolebind-pod-crb-cr-crb-cr", "rolebind-pod-crb-cr-rb-cr"} {
		if !leads(m, pod, func(k key) bool { return k.sort == admin }) {
			t.Errorf("%s does not lead to cluster admin", pod)
		}
	}
}

// TestKubeHoundEdges counts on which of the expected edges between pods,
// nodes and identities we agree. Two kinds are KubeHound's own view and left
// out: tokens in Secrets that no cluster has since 1.24 (they must be absent
// here), and edges between permission sets.
func TestKubeHoundEdges(t *testing.T) {
	m := kubehound(t)
	text, err := os.ReadFile(filepath.Join(corpus(t), "EXPECTED_EDGES.tsv"))
	if err != nil {
		t.Fatal(err)
	}
	agree, differ, absent := 0, []string{}, 0
	for _, line := range strings.Split(strings.TrimSpace(string(text)), "\n")[1:] {
		row := strings.Split(line, "\t")
		edge, srcClass, src, dst := row[1], row[2], row[3], row[5]
		pod := strings.Replace(strings.Replace(src, "-container", "-pod", 1), "umh-core-container", "umh-core-pod", 1)
		var got bool
		switch {
		case strings.HasPrefix(edge, "CE_"), edge == "POD_CREATE", strings.HasPrefix(edge, "EXPLOIT_HOST_"):
			if edge == "POD_CREATE" {
				pod = "pod-create-pod"
			}
			if !strings.HasSuffix(pod, "-pod") && !strings.HasSuffix(pod, "-container") {
				pod = holderOf(row)
			}
			got = leads(m, pod, func(k key) bool { return k.sort == root })
		case edge == "IDENTITY_ASSUME" && srcClass == "Container":
			got = leads(m, pod, func(k key) bool { return k.sort == held && k.c == dst })
		case edge == "IDENTITY_ASSUME":
			node, ok := m.Find(key{sort: root, a: anyNode}.ref("kubehound.test.local"))
			group, ok2 := m.Find(model.Ref{Kind: model.Identity, Key: "kubehound.test.local//group:" + dst})
			got = ok && ok2 && m.graph.Reach([]graph.Vertex{node}, nil).Has(int(group))
		case edge == "POD_EXEC" || edge == "POD_PATCH":
			pod = map[string]string{"POD_EXEC": "pod-exec-pod", "POD_PATCH": "pod-patch-pod"}[edge]
			got = pod == dst || leads(m, pod, func(k key) bool { return k.sort == control && k.c == dst })
		case edge == "TOKEN_LIST" || edge == "TOKEN_BRUTEFORCE":
			pod = map[string]string{"TOKEN_LIST": "tokenlist-pod", "TOKEN_BRUTEFORCE": "tokenget-pod"}[edge]
			if leads(m, pod, func(k key) bool { return k.sort == held && k.c == dst && k.c != strings.Replace(pod, "-pod", "-sa", 1) }) {
				t.Errorf("%s leads to %s without any token Secret", pod, dst)
			}
			absent++
			continue
		default:
			continue
		}
		if got {
			agree++
		} else {
			differ = append(differ, edge+" "+src+" -> "+dst)
		}
	}
	slices.Sort(differ)
	t.Logf("agree on %d of %d edges; differ on %d: %s; %d token edges of before 1.24 rightly absent", agree, agree+len(differ), len(differ), strings.Join(differ, "; "), absent)
	if rate := float64(agree) / float64(agree+len(differ)); rate < 0.95 {
		t.Errorf("agreement %.2f, want 0.95", rate)
	}
}

// holderOf names the pod of an edge whose source is a volume.
func holderOf(row []string) string {
	if strings.Contains(row[1], "WRITE") {
		return "host-write-exploit-pod"
	}
	return "host-read-exploit-pod"
}
