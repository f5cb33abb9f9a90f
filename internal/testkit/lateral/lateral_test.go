package lateral_test

import (
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/scantling/scantling/infrastructure/kube"
	"github.com/scantling/scantling/internal/testkit/lateral"
)

func TestShape(t *testing.T) {
	for _, n := range []int{100, 1000} {
		s := lateral.Estate{Seed: 1, Workloads: n}.Snapshot()
		pods := 0
		for _, w := range s.Workloads {
			pods += len(w.Pods)
		}
		got := []int{len(s.Workloads), pods, len(s.ByKind("NetworkPolicy")), len(s.ByKind("Role")) + len(s.ByKind("ClusterRole")), len(s.Incomplete)}
		if want := []int{n, 10 * n, n / 2, 2 * n, 0}; !cmp.Equal(got, want) {
			t.Errorf("workloads, pods, policies, roles, gaps: %v, want %v", got, want)
		}
	}
}

// TestSame holds the objects of two runs against each other, and what a reader
// makes of them decoded and as YAML.
func TestSame(t *testing.T) {
	e := lateral.Estate{Seed: 7, Workloads: 60}
	if diff := cmp.Diff(e.Objects(), e.Objects()); diff != "" {
		t.Fatalf("two runs differ: %s", diff)
	}
	dir := t.TempDir()
	if err := e.Write(dir); err != nil {
		t.Fatal(err)
	}
	read, err := kube.Reader{}.Read(context.Background(), "bench", []string{dir})
	if err != nil {
		t.Fatal(err)
	}
	made := e.Snapshot()
	if len(read.Incomplete) > 0 || read.Read != made.Read {
		t.Errorf("%d objects read, %d made, gaps %v", read.Read, made.Read, read.Incomplete)
	}
	if diff := cmp.Diff(loads(made), loads(read)); diff != "" {
		t.Errorf("decoded and read workloads differ: %s", diff)
	}
}

// loads are the workloads without the objects that they are from, which differ
// in their positions.
func loads(s *kube.Snapshot) []kube.Workload {
	var out []kube.Workload
	for _, w := range s.Workloads {
		own := *w
		own.Object, own.Pods = nil, nil
		for _, p := range w.Pods {
			p.Object = nil
			own.Pods = append(own.Pods, p)
		}
		out = append(out, own)
	}
	return out
}
