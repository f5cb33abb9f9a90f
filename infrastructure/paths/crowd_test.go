package paths

import (
	"slices"
	"strconv"
	"testing"

	"github.com/scantling/scantling/graph"
	"github.com/scantling/scantling/infrastructure/identity"
	"github.com/scantling/scantling/infrastructure/network"
	"github.com/scantling/scantling/internal/testkit/lateral"
)

// TestCrowdsAgainstHubs walks back from each hub of the network to workloads:
// these must be the sources that the network engine lists, whatever crowds lie
// between.
func TestCrowdsAgainstHubs(t *testing.T) {
	for seed := range uint64(3) {
		s := lateral.Estate{Seed: seed, Workloads: 400, NoPods: true}.Snapshot()
		for i, w := range s.Workloads {
			w.Spec.HostNetwork = i%7 == 0
		}
		n := network.Build(s)
		m, err := Build(s, n, identity.Build(s))
		if err != nil {
			t.Fatal(err)
		}
		if !slices.ContainsFunc(m.keys, func(k key) bool { return k.sort == sends }) {
			t.Error("no crowd saves anything")
		}
		admitting, direct := m.admitting(), 0
		for _, h := range n.Hubs() {
			direct += len(h.Sources)
		}
		if admitting > direct {
			t.Errorf("%d steps where %d would do", admitting, direct)
		}
		w := newWalker(m)
		for at, h := range n.Hubs() {
			number := strconv.Itoa(at + 1)
			if got := w.sources(key{sort: arrives, a: number}); !slices.Equal(got, h.Sources) {
				t.Fatalf("seed %d, hub %s: sources %v, want %v", seed, number, got, h.Sources)
			}
			w.checkNear(t, number, h)
		}
	}
}

// admitting counts the steps into hubs of the network and into crowds.
func (m *Model) admitting() int {
	n := 0
	for s := range graph.Step(m.graph.NumSteps()) {
		if k := m.keys[m.graph.Head(s)]; k.sort == sends || k.sort == arrives && k.b == "" {
			n++
		}
	}
	return n
}

func (w *walker) checkNear(t *testing.T, number string, h network.Hub) {
	for _, d := range h.Destinations {
		if !w.loads[d].open {
			continue
		}
		space := w.loads[d].Namespace
		want := slices.DeleteFunc(slices.Clone(h.Sources), func(l int) bool { return w.loads[l].Namespace != space })
		if got := w.sources(key{sort: arrives, a: number, b: space}); !slices.Equal(got, want) {
			t.Fatalf("hub %s in %s: sources %v, want %v", number, space, got, want)
		}
	}
}

// walker goes back over steps.
type walker struct {
	*Model
	into map[graph.Vertex][]graph.Step
	load map[key]int
}

func newWalker(m *Model) *walker {
	w := &walker{m, map[graph.Vertex][]graph.Step{}, map[key]int{}}
	for s := range graph.Step(m.graph.NumSteps()) {
		w.into[m.graph.Head(s)] = append(w.into[m.graph.Head(s)], s)
	}
	for i := range m.loads {
		w.load[m.loads[i].key] = i
	}
	return w
}

// sources lists the workloads that lead to a hub through crowds alone.
func (w *walker) sources(hub key) []int {
	v, ok := w.vertices[hub]
	if !ok {
		return nil
	}
	var out []int
	seen := map[graph.Vertex]bool{v: true}
	for queue := []graph.Vertex{v}; len(queue) > 0; queue = queue[1:] {
		for _, s := range w.into[queue[0]] {
			from := w.graph.Needs(s)[0]
			if k := w.keys[from]; k.sort == control {
				out = append(out, w.load[k])
			} else if !seen[from] {
				seen[from] = true
				queue = append(queue, from)
			}
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}
