package estate

import (
	"fmt"

	"github.com/scantling/scantling/graph"
	"github.com/scantling/scantling/model"
)

// Merge puts the attack graphs of several clusters beside each other. Nothing
// leads from one to the other: identities that two clusters share are not
// known yet.
func Merge(attacks []Attack) (Attack, error) {
	switch len(attacks) {
	case 0:
		return Attack{}, nil
	case 1:
		return attacks[0], nil
	}
	b := graph.NewBuilder()
	var out Attack
	var owner []part // by step of the whole
	for _, a := range attacks {
		v0, f0, s0 := len(out.Vertices), len(out.Facts), len(owner)
		for range a.Vertices {
			b.Vertex()
		}
		for _, f := range a.Facts {
			b.Fact(f.P)
		}
		out.Vertices = append(out.Vertices, a.Vertices...)
		out.Facts = append(out.Facts, a.Facts...)
		for i := range a.Graph.NumSteps() {
			st := graph.Step(i)
			b.Step(a.Graph.Head(st)+graph.Vertex(v0), shifted(a.Graph.Needs(st), v0), shifted(a.Graph.Rests(st), f0))
			owner = append(owner, part{a.Step, s0})
		}
	}
	g, err := b.Build()
	if err != nil {
		return Attack{}, fmt.Errorf("putting %d attack graphs together: %w", len(attacks), err)
	}
	out.Graph = g
	out.Step = func(st graph.Step) model.Step { return owner[st].step(st - graph.Step(owner[st].first)) }
	return out, nil
}

// part says which graph a step of the whole comes from.
type part struct {
	step  func(graph.Step) model.Step
	first int
}

func shifted[T ~int32](list []T, by int) []T {
	out := make([]T, len(list))
	for i, x := range list {
		out[i] = x + T(by)
	}
	return out
}
