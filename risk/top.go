package risk

import (
	"cmp"
	"slices"

	"github.com/scantling/scantling/graph"
	"github.com/scantling/scantling/model"
)

// Top lists the most costly scenario of each workload, at most so many,
// largest first. Before is the loss as the estate was read; After, and which
// links are cut, is what the first steps of the plan leave of it.
func (a *Assessment) Top(most, steps int) []Scenario {
	if a.Load == nil {
		return nil
	}
	after := a.base.clone()
	for _, s := range a.Plan[:min(steps, len(a.Plan))] {
		after.apply(a.world.change(s.Action))
	}
	var worst []int // a pair of each workload
	for _, wl := range a.world.workloads {
		best := -1
		for i := wl.first; i < wl.last; i++ {
			if FromFloat(a.base.pairLoss(i)) > 0 && (best < 0 || a.base.pairLoss(i) > a.base.pairLoss(best)) {
				best = i
			}
		}
		if best >= 0 {
			worst = append(worst, best)
		}
	}
	slices.SortStableFunc(worst, func(i, j int) int { return cmp.Compare(a.base.pairLoss(j), a.base.pairLoss(i)) })
	var out []Scenario
	for _, i := range worst[:min(most, len(worst))] {
		out = append(out, a.scenario(i, a.base, after))
	}
	return out
}

// Blast is what one compromised workload leads to, however unlikely, the
// workload itself left out. Loss is its part of the load.
type Blast struct {
	Workload  model.Ref
	Loss      Points
	Workloads int
	Secrets   int
	Nodes     int
	Cluster   bool // authority over a whole cluster
}

// Blasts lists the workloads of the attack graph: those that cost most first,
// and of equal ones those that reach more.
func (a *Assessment) Blasts() []Blast {
	attack := a.world.estate.Attack
	if attack.Graph == nil {
		return nil
	}
	var from []graph.Vertex
	var out []Blast
	for i, wl := range a.world.workloads {
		if wl.placed {
			from = append(from, wl.vertex)
			out = append(out, Blast{Workload: wl.ref, Loss: FromFloat(a.base.loss(i))})
		}
	}
	for i, reach := range attack.Graph.Closure(from, nil) {
		for v := range reach.All() {
			if v != from[i] {
				out[i].count(attack.Vertices[v].Kind)
			}
		}
	}
	slices.SortStableFunc(out, func(a, b Blast) int {
		return cmp.Or(cmp.Compare(b.Loss, a.Loss), cmp.Compare(b.Workloads, a.Workloads), a.Workload.Compare(b.Workload))
	})
	return out
}

func (b *Blast) count(kind model.Kind) {
	switch kind {
	case model.Workload:
		b.Workloads++
	case model.Secret:
		b.Secrets++
	case model.Node:
		b.Nodes++
	case model.Cluster:
		b.Cluster = true
	}
}

// Reached is something that a compromised workload leads to. From holds the
// indexes of earlier entries that its step needs. Ref is zero where it is no
// asset but a right or a state; Name then says it in words.
type Reached struct {
	Ref  model.Ref
	Name string
	Edge string
	From []int
}

// Spread lists what a workload leads to, in the order in which an attacker
// may come there; the workload itself comes first. It is nil for a workload
// that the attack graph doesn't have.
func (a *Assessment) Spread(workload model.Ref) []Reached {
	attack := a.world.estate.Attack
	if attack.Graph == nil {
		return nil
	}
	from, ok := attack.Vertex(workload)
	if !ok {
		return nil
	}
	at := map[graph.Vertex]int{}
	var out []Reached
	for i, d := range attack.Graph.Spread(from) {
		at[d.Vertex] = i
		r := Reached{Ref: attack.Vertices[d.Vertex], Name: workload.String()}
		if d.Step >= 0 {
			step := attack.Step(d.Step)
			r.Name, r.Edge = step.To, step.Edge
			for _, v := range attack.Graph.Needs(d.Step) {
				if n, ok := at[v]; ok {
					r.From = append(r.From, n)
				}
			}
		}
		out = append(out, r)
	}
	return out
}
