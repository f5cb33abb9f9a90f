package paths

import (
	"testing"

	"github.com/scantling/scantling/graph"
	"github.com/scantling/scantling/model"
)

// Every path to the whole cluster that the fixes end has a step that they cut,
// and a step is cut only by a fact that one of them removes.
func TestPathsKnowWhatTheFixesCut(t *testing.T) {
	m := build(t, shop)
	r := m.Report(5)
	if len(r.Fixes) == 0 {
		t.Fatal("no fixes")
	}
	goal := model.Ref{Kind: model.Cluster, Key: m.snapshot.Cluster}.String()
	gone := map[string]bool{}
	for _, fix := range r.Fixes {
		for _, f := range fix.facts {
			gone[m.facts[f].ID()] = true
		}
	}
	toCluster, uncut := 0, 0
	for _, p := range r.Paths {
		if len(p.Cut) != len(p.Steps) {
			t.Fatalf("%d marks of %d steps", len(p.Cut), len(p.Steps))
		}
		any := false
		for i, cut := range p.Cut {
			any = any || cut
			if cut != m.restsOn(p.Steps[i], gone) {
				t.Errorf("%s → %s: %s is cut: %v", p.Steps[i].From, p.Steps[i].To, p.Steps[i].Edge, cut)
			}
		}
		if p.To == goal {
			toCluster++
			if !any {
				uncut++
			}
		}
	}
	if last := r.Fixes[len(r.Fixes)-1]; last.Cuts == 100 && (toCluster == 0 || uncut > 0) {
		t.Errorf("the fixes cut all, yet %d of %d paths to the cluster have no cut step", uncut, toCluster)
	}
}

// restsOn finds the step among all of the graph by what is shown of it, and
// says whether one of its facts is gone.
func (m *Model) restsOn(shown model.Step, gone map[string]bool) bool {
	for s := range m.graph.NumSteps() {
		step := m.Step(graph.Step(s))
		if step.Edge != shown.Edge || step.From != shown.From || step.To != shown.To || len(step.Why) != len(shown.Why) || len(step.Why) > 0 && step.Why[0] != shown.Why[0] {
			continue
		}
		for _, f := range m.graph.Rests(graph.Step(s)) {
			if gone[m.facts[f].ID()] {
				return true
			}
		}
	}
	return false
}
