package paths

import (
	"context"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/util/json"
	"k8s.io/apimachinery/pkg/util/strategicpatch"
	"sigs.k8s.io/yaml"

	"github.com/scantling/scantling/graph"
	"github.com/scantling/scantling/infrastructure/identity"
	"github.com/scantling/scantling/infrastructure/kube"
	"github.com/scantling/scantling/infrastructure/network"
)

// applied makes the changes that the printed patches describe, as somebody
// with kubectl would: a document is merged into the object that it names, or
// is a new one; a command deletes.
func applied(t *testing.T, s *kube.Snapshot, fixes []Fix) *kube.Snapshot {
	t.Helper()
	changed, added := map[*kube.Object]map[string]any{}, []map[string]any{}
	for _, fix := range fixes {
		for part := range strings.SplitSeq(fix.Patch, "---\n") {
			if command, ok := strings.CutPrefix(part, "kubectl delete "); ok {
				words := append(strings.Fields(command), "", "")
				found := 0
				for _, o := range s.Objects {
					if strings.EqualFold(o.Kind, words[0]) && o.Name == words[1] && o.Namespace == words[3] {
						changed[o] = nil
						found++
					}
				}
				if found != 1 {
					t.Fatalf("%s deletes %d objects", part, found)
				}
				continue
			}
			text, err := yaml.YAMLToJSON([]byte(part))
			var doc map[string]any
			if err == nil {
				err = json.Unmarshal(text, &doc)
			}
			if err != nil {
				t.Fatalf("%v\n%s", err, part)
			}
			meta, _ := doc["metadata"].(map[string]any)
			name, _ := meta["name"].(string)
			space, _ := meta["namespace"].(string)
			o := s.Get(doc["kind"].(string), space, name)
			if o == nil {
				added = append(added, doc)
				continue
			}
			old, again := changed[o]
			if !again {
				old = o.Document()
			}
			if changed[o], err = strategicpatch.StrategicMergeMapPatch(old, doc, o.Typed); err != nil {
				t.Fatalf("%v\n%s", err, part)
			}
		}
	}
	out, err := s.With(changed, added)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func modelOf(t *testing.T, s *kube.Snapshot) *Model {
	t.Helper()
	m, err := Build(s, network.Build(s), identity.Build(s))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// holds checks a fix by nothing but its printed patches: with all of them none
// of the pairs that it claims to part is connected, and without any one of
// them some is. It returns the number of changes.
func holds(t *testing.T, m *Model, e Ends) int {
	t.Helper()
	f := m.newFixer(m.goal(Query{Ends: e, Fix: true}))
	f.verify()
	fixes, set, pairs := f.ranked(), f.finish(), f.near.Pairs(f.ends, nil)
	for _, x := range set.Open {
		if len(x.Why) == 0 {
			t.Errorf("%s stays connected to %s, and nothing says why", x.From, x.To)
		}
	}
	if set.State != Verified || set.Why != "" {
		t.Errorf("%s: %s", set.State, set.Why)
	}
	open := func(fixes []Fix) int { return len(m.connected(modelOf(t, applied(t, m.snapshot, fixes)), pairs)) }
	if n := open(fixes); n > 0 {
		t.Errorf("%d of %d pairs are connected after all %d changes", n, len(pairs), len(fixes))
	}
	for i := range fixes {
		if open(slices.Delete(slices.Clone(fixes), i, i+1)) == 0 {
			t.Errorf("not needed: %s", fixes[i].Change)
		}
	}
	if !set.Optimal {
		t.Logf("gap: cost %v, bound %v", set.Cost, set.Bound)
	}
	return len(fixes)
}

// removable wants for each fact a change that removes it, or the reason why
// there is none.
func removable(t *testing.T, m *Model) {
	t.Helper()
	for f := range m.facts {
		if changes, why := m.Removal(graph.Fact(f)); len(changes) == 0 && why == "" {
			t.Errorf("nothing removes %s, and nothing says why", m.facts[f].ID())
		}
	}
}

// TestFixesHold: see holds and removable.
func TestFixesHold(t *testing.T) {
	read := func(t *testing.T, path string) *Model {
		t.Helper()
		s, err := kube.Reader{}.Read(context.Background(), "c", []string{path})
		if err != nil {
			t.Fatal(err)
		}
		return modelOf(t, s)
	}
	check := func(t *testing.T, m *Model) {
		t.Helper()
		removable(t, m)
		all := m.AllEnds()
		admin, err := m.Ends(nil, nil, []string{ClusterAdmin})
		if err != nil {
			t.Fatal(err)
		}
		nodes := all
		nodes.NamedTo, nodes.To = true, nil
		for v, k := range m.keys {
			if k.sort == root {
				nodes.To = append(nodes.To, graph.Vertex(v))
			}
		}
		every := all // of the assets: workloads and identities as well
		every.NamedTo, every.To = true, nil
		for v := range m.keys {
			if !m.refs[v].IsZero() {
				every.To = append(every.To, graph.Vertex(v))
			}
		}
		t.Logf("changes: %d for the cluster, %d for the nodes, %d for everything", holds(t, m, admin), holds(t, m, nodes), holds(t, m, every))
	}
	t.Run("shop", func(t *testing.T) { check(t, read(t, "../../examples/shop/k8s")) })
	t.Run("made up", func(t *testing.T) { check(t, build(t, shop)) })
	t.Run("random", func(t *testing.T) {
		for seed := range uint64(40) {
			check(t, build(t, randomCluster(rand.New(rand.NewPCG(seed, 73)))))
		}
	})
	t.Run("kubehound", func(t *testing.T) {
		files, err := filepath.Glob(filepath.Join(corpus(t), "test/setup/test-cluster/attacks/*.yaml"))
		if err != nil || len(files) < 20 {
			t.Fatalf("%d manifests, %v", len(files), err)
		}
		for _, file := range files {
			t.Run(strings.TrimSuffix(filepath.Base(file), ".yaml"), func(t *testing.T) { check(t, read(t, file)) })
		}
		t.Run("all", func(t *testing.T) {
			check(t, read(t, filepath.Dir(files[0])))
		})
	})
}
