package graph

import (
	"cmp"
	"slices"
)

// Ends are the two sides of a question about ways: an attacker holds one
// vertex of From alone and wants one of To. A vertex that is on both sides is
// no pair with itself.
type Ends struct {
	From, To []Vertex
	Except   map[Pair]bool // pairs that Pairs, Fix and Pareto leave out
}

// Pair is one vertex of From and one of To.
type Pair struct {
	From, To Vertex
}

// Pairs lists the pairs of which the second follows from the first without the
// facts in gone (nil: none), in the order of the ends. What holds without any
// vertex is no consequence of one, and left out.
func (g *Graph) Pairs(e Ends, gone *Set) []Pair {
	given := g.Reach(nil, gone)
	return pairsOf(e, g.Closure(e.From, gone), given)
}

// proper leaves out ends that hold without any vertex. Without facts fewer do,
// and none of those that are left.
func (g *Graph) proper(e Ends, gone *Set) Ends {
	given := g.Reach(nil, gone)
	e.To = slices.DeleteFunc(slices.Clone(e.To), func(v Vertex) bool { return given.Has(int(v)) })
	return e
}

func pairsOf(e Ends, reach []Reached, given *Set) []Pair {
	var out []Pair
	for i, from := range e.From {
		for _, to := range e.To {
			if to != from && reach[i].Has(to) && !given.Has(int(to)) && !e.Except[Pair{from, to}] {
				out = append(out, Pair{from, to})
			}
		}
	}
	return out
}

// Toward is the graph with the steps alone that a derivation between the ends
// may need: those that lead to where one of To may follow from, and, where To
// is one vertex, that don't need it. Questions about the ends have the same
// answers there, sooner. All numbers stay.
func (g *Graph) Toward(e Ends) *Graph {
	behind := g.before(e.To)
	return g.view(func(s Step) bool {
		return behind.Has(int(g.head[s])) && !(len(e.To) == 1 && slices.Contains(g.Needs(s), e.To[0]))
	})
}

// view is the graph with some steps alone. It shares all but what can fire.
func (g *Graph) view(keep func(Step) bool) *Graph {
	h := &Graph{vertices: g.vertices, p: g.p, head: g.head, needs: g.needs, facts: g.facts, never: g.never.Clone(), sign: g.sign}
	for s := range g.head {
		if !keep(Step(s)) {
			h.never.Add(s)
		}
	}
	h.index()
	return h
}

// Way is a derivation with its ends.
type Way struct {
	Pair
	Derivation
}

// Best lists the k most probable derivations over all pairs of the ends; gone
// facts (nil: none) do not hold. Ties go by the order of the ends, then by
// facts. Its limits are those of [Graph.KBest], which it asks once, on a graph
// with one vertex more on each side: each vertex of From follows from the
// first by a fact of its own, so that a derivation tells where it began.
// Derivations that would begin at two are none of one pair, and are passed over.
func (g *Graph) Best(e Ends, k int, gone *Set) []Way {
	e = g.proper(e, gone)
	if k <= 0 || len(e.From) == 0 || len(e.To) == 0 {
		return nil
	}
	g = g.Toward(e)
	joined, source, sink := g.joined(e)
	var out []Way
	for ask, before := k, -1; ; ask *= 2 {
		found := joined.KBest(source, sink, ask, gone)
		out = out[:0]
		for _, d := range found {
			if w, ok := g.wayOf(e, d); ok {
				out = append(out, w)
			}
		}
		if len(out) >= k || len(found) < ask || len(found) == before || ask >= kBestMax {
			break
		}
		before = len(found)
	}
	slices.SortStableFunc(out, func(a, b Way) int { return cmp.Compare(b.P, a.P) })
	return out[:min(k, len(out))]
}

// joined is the graph with a source before From and a sink behind To. Facts
// from NumFacts on are the choice of a vertex of From, then that of one of To.
func (g *Graph) joined(e Ends) (joined *Graph, source, sink Vertex) {
	b := NewBuilder()
	for range g.vertices {
		b.Vertex()
	}
	for _, p := range g.p {
		b.Fact(p)
	}
	for s := range g.head {
		if !g.never.Has(s) {
			b.Step(g.head[s], g.Needs(Step(s)), g.Rests(Step(s)))
		}
	}
	source, sink = b.Vertex(), b.Vertex()
	for _, v := range e.From {
		b.Step(v, []Vertex{source}, []Fact{b.Fact(1)})
	}
	for _, v := range e.To {
		b.Step(sink, []Vertex{v}, []Fact{b.Fact(1)})
	}
	out, err := b.Build()
	if err != nil { // the graph itself was built, and the ends are its own
		panic(err)
	}
	return out, source, sink
}

// wayOf takes the choices out of a derivation of the joined graph; not ok
// where it begins or ends at more than one vertex, or at one and the same.
func (g *Graph) wayOf(e Ends, d Derivation) (Way, bool) {
	at, _ := slices.BinarySearch(d.Facts, Fact(len(g.p)))
	chosen := d.Facts[at:]
	if len(chosen) != 2 {
		return Way{}, false
	}
	from, to := int(chosen[0])-len(g.p), int(chosen[1])-len(g.p)-len(e.From)
	if from >= len(e.From) || to < 0 || e.From[from] == e.To[to] {
		return Way{}, false
	}
	pair := Pair{e.From[from], e.To[to]}
	facts := d.Facts[:at:at]
	steps := g.Proof(pair.From, pair.To, facts)
	return Way{pair, Derivation{Support{facts, d.P}, steps}}, steps != nil
}
