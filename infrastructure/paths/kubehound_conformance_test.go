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

// kindNodes are the nodes of KubeHound's test cluster.
const kindNodes = `
{apiVersion: v1, kind: Node, metadata: {name: kubehound.test.local-control-plane, labels: {node-role.kubernetes.io/control-plane: ""}}, spec: {taints: [{key: node-role.kubernetes.io/control-plane, effect: NoSchedule}]}}
---
{apiVersion: v1, kind: Node, metadata: {name: kubehound.test.local-worker}}
---
{apiVersion: v1, kind: Node, metadata: {name: kubehound.test.local-worker2}}
`

func kubehound(t *testing.T) *Model {
	t.Helper()
	nodes := filepath.Join(t.TempDir(), "nodes.yaml")
	if err := os.WriteFile(nodes, []byte(kindNodes), 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := kube.Reader{}.Read(context.Background(), "kubehound.test.local", []string{filepath.Join(corpus(t), "test/setup/test-cluster/attacks"), nodes})
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

// Why a row of KubeHound's is no edge of ours.
const (
	noSecret  = "no ServiceAccount has a token Secret since Kubernetes 1.24, and the manifests show none"
	oneVertex = "the containers of a pod and its volumes are one vertex, the workload: what one of them can do the workload can"
	otherKind = "bind on roles doesn't let anyone bind a ClusterRole"
)

// question is a row of KubeHound's as we would put it: whether the answer is
// yes, and if it must be no, why.
type question struct {
	edge, src, dst string
	m              *Model
}

// podOf names the pod of a row's container.
func podOf(name string) string {
	switch name {
	case "umh-core-container":
		return "umh-core-pod"
	case "varlog-container":
		return "varlog-pod"
	}
	return name
}

func (q question) ask() (got bool, differs string) {
	isNode := func(k key) bool { return k.sort == root }
	isWho := func(k key) bool { return k.sort == held && k.c == q.dst }
	switch q.edge {
	case "CE_VAR_LOG_SYMLINK":
		return leads(q.m, podOf(q.src), func(k key) bool { return k.sort == files }), ""
	case "IDENTITY_ASSUME":
		if strings.HasPrefix(q.src, "kubehound.test.local") {
			return q.fromNode(isWho), ""
		}
		return leads(q.m, podOf(q.src), isWho), ""
	case "POD_CREATE":
		return leads(q.m, "pod-create-pod", func(k key) bool { return isNode(k) && k.a == q.dst }), ""
	case "POD_EXEC", "POD_PATCH":
		pod := map[string]string{"POD_EXEC": "pod-exec-pod", "POD_PATCH": "pod-patch-pod"}[q.edge]
		return pod == q.dst || leads(q.m, pod, func(k key) bool { return k.sort == control && k.c == q.dst }), ""
	case "POD_ATTACH":
		return q.fromNode(func(k key) bool { return k.sort == control && k.c == "control-pod" }), ""
	case "PERMISSION_DISCOVER":
		role, binding, _ := strings.Cut(q.dst, "::")
		return slices.ContainsFunc(q.m.identity.Direct(identity.Account("default", q.src)), func(g identity.Grant) bool {
			return g.Binding.Name == binding && g.Bound.Name == role
		}), ""
	case "TOKEN_LIST", "TOKEN_BRUTEFORCE":
		pod := map[string]string{"TOKEN_LIST": "tokenlist-pod", "TOKEN_BRUTEFORCE": "tokenget-pod"}[q.edge]
		own := strings.Replace(pod, "-pod", "-sa", 1) // it has this one without any Secret
		return q.dst != own && leads(q.m, pod, isWho), noSecret
	case "TOKEN_STEAL":
		return slices.ContainsFunc(q.m.Edges(), func(s model.Step) bool { return s.Edge == "token" && strings.HasSuffix(s.To, "/default/"+q.dst) }), ""
	case "CONTAINER_ATTACH", "VOLUME_ACCESS", "VOLUME_DISCOVER", "SHARE_PS_NAMESPACE":
		return slices.ContainsFunc(q.m.keys, func(k key) bool { return k.sort == control && k.c == q.src }), oneVertex
	case "ENDPOINT_EXPLOIT":
		from, _ := q.m.Entry("kubehound.test.local/default/Pod/control-pod")
		to, _ := q.m.Entry("kubehound.test.local/default/Pod/endpoints-pod")
		return q.m.graph.Reach([]graph.Vertex{from}, nil).Has(int(to)), ""
	case "VOLUME_DISCOVER>EXPLOIT_HOST_TRAVERSE>TOKEN_STEAL":
		return leads(q.m, q.src, func(k key) bool { return k.sort == held && k.c == "varlog-sa" }), ""
	case "ROLE_BIND":
		return q.bind()
	case "(any)":
		return leads(q.m, "control-pod", func(k key) bool { return k.sort <= admin && k != subjectKey(identity.Account("default", "default")) }), "it must have none"
	}
	return leads(q.m, podOf(q.src), isNode), ""
}

// fromNode reports whether root on some node leads to a vertex.
func (q question) fromNode(to func(key) bool) bool {
	return slices.ContainsFunc(q.m.nodes, func(n node) bool { return q.from(key{sort: root, a: n.name}, to) })
}

// bind looks for a role that the holder of a permission set can give himself:
// cluster-admin, or a Role of the namespace.
func (q question) bind() (got bool, differs string) {
	if q.src == "*" {
		return leads(q.m, "rolebind-pod-rb-r-crb-cr-fail", func(k key) bool { return k.sort == admin }), "it must have none"
	}
	_, binding, _ := strings.Cut(q.src, "::")
	role, _, _ := strings.Cut(q.dst, "::")
	pod := strings.Replace(strings.Replace(binding, "pod-bind-role", "rolebind-pod", 1), "pod-bind-rola", "rolebind-pod", 1)
	to := func(k key) bool { return k == key{granted, "default", role, "default"} }
	reached := func() bool { return leads(q.m, pod, to) }
	// Bindings of the same Role to a group and to a user, whom no pod is.
	for suffix, s := range map[string]identity.Subject{"-g": identity.Group("group-rb-r-rb-r"), "-u": identity.User("user-rb-r-rb-r")} {
		if strings.HasSuffix(binding, suffix) {
			reached = func() bool { return q.from(subjectKey(s), to) }
		}
	}
	switch {
	case strings.HasPrefix(pod, "rolebind-pod-crb-"):
		return leads(q.m, pod, func(k key) bool { return k.sort == admin }), ""
	case strings.Contains(role, "-rb-cr-"):
		to = func(k key) bool { return k.sort == granted && k.a == "" && k.b == role && k.c == "default" }
		return reached(), otherKind
	}
	return reached(), ""
}

// from reports whether one vertex leads to another.
func (q question) from(start key, to func(key) bool) bool {
	v, ok := q.m.vertices[start]
	if !ok {
		return false
	}
	for v := range q.m.graph.Reach([]graph.Vertex{v}, quiet(q.m)).All() {
		if to(q.m.keys[v]) {
			return true
		}
	}
	return false
}

// TestKubeHoundEdges puts every expected edge to the default profile: it has
// it, in its own words, or there is a reason why not, and then it must not.
func TestKubeHoundEdges(t *testing.T) {
	m := kubehound(t)
	text, err := os.ReadFile(filepath.Join(corpus(t), "EXPECTED_EDGES.tsv"))
	if err != nil {
		t.Fatal(err)
	}
	agree, differ := 0, map[string]int{}
	for _, line := range strings.Split(strings.TrimSpace(string(text)), "\n")[1:] {
		row := strings.Split(line, "\t")
		q := question{edge: row[1], src: row[3], dst: row[5], m: m}
		got, reason := q.ask()
		switch {
		case got && reason == "":
			agree++
		case !got && reason != "":
			differ[reason]++
		case got:
			t.Errorf("%s %s -> %s is there, although %s", q.edge, q.src, q.dst, reason)
		default:
			t.Errorf("no %s %s -> %s, and no reason why", q.edge, q.src, q.dst)
		}
	}
	t.Logf("agree on %d rows; differ: %v", agree, differ)
	if agree < 140 {
		t.Errorf("agree on %d rows only", agree)
	}
}
