package graph

import (
	"cmp"
	"slices"
)

// The defaults of [Options].
const (
	// DefaultFloor leaves out what is less likely than one in ten million:
	// four network hops of .02, the lowest of the model's step defaults, are
	// 1.6e-7, five are under it.
	DefaultFloor = 1e-7
	// DefaultMax bounds time and memory where alternatives multiply (two hubs
	// with 30 ways to each already make 900 supports). The 64 best hold
	// nearly all of a sum whose terms fall by factors.
	DefaultMax = 64
)

// Support is a minimal set of facts from which a vertex follows.
type Support struct {
	Facts []Fact  // ascending; none: the vertex is certain; shared, read only
	P     float64 // product of the facts' probabilities, in that order
}

// Options of [Graph.Supports]; the zero value works.
type Options struct {
	// P is the probability of each fact, 0 to 1; nil: the graph's own. A fact
	// whose probability in the graph is 0 never holds, whatever P says.
	P []float64
	// Floor is the least probability of a support; 0: DefaultFloor. A
	// negative one leaves out nothing but what rounds to 0.
	Floor float64
	// Max is the number of supports kept for a vertex; 0: DefaultMax.
	Max int
	// To names the vertices whose supports are wanted; nil: all. It saves the
	// time and memory of those that lead to none of them. All others than To
	// have no supports in the result, derivable or not.
	To []Vertex
}

// Supports are the minimal supports of every vertex, from one vertex. Safe
// for concurrent use.
type Supports struct {
	g      *Graph
	p      []float64
	wanted *Set     // the vertices of Options.To; nil: all
	at     []Vertex // those with supports of their own, ascending
	start  []int32  // of each of them, into all
	all    []Support
	lost   []loss
	known  *labels // more supports, shared by several
}

// loss is the sum of the probabilities of the supports that Max cut off at a vertex.
type loss struct {
	at  Vertex
	sum float64
}

// Supports finds, for every vertex, the sets of facts from which it follows
// given from, that are minimal (none contains another) and as probable as the
// floor. Where there are more than Max, the most probable are kept; among
// equals the smaller, then the lower in a fixed order of sets. Supports of more
// than 4096 facts count as cut.
func (g *Graph) Supports(from Vertex, opt Options) *Supports {
	l := g.idle.get(g)
	defer g.idle.put(l)
	l.setUp([]Vertex{from}, opt, g.before(opt.To), nil)
	l.run()
	return l.result(listed(opt.To), nil)
}

// Of lists the supports of v, the most probable first, ties by their facts.
// Nil: v does not follow, or only under the floor. The slice may be shared: read only.
func (s *Supports) Of(v Vertex) []Support {
	if s.wanted != nil && !s.wanted.Has(int(v)) {
		return nil
	}
	var own []Support
	if i, ok := slices.BinarySearch(s.at, v); ok {
		own = s.all[s.start[i]:s.start[i+1]:s.start[i+1]]
	}
	known := s.known.of(v)
	if len(known) == 0 {
		return own
	}
	out := make([]Support, 0, len(own)+len(known))
	out = append(out, own...)
	for _, e := range known {
		facts := s.known.facts(e)
		if !slices.ContainsFunc(own, func(less Support) bool { return subset(less.Facts, facts) }) {
			out = append(out, Support{Facts: facts, P: e.p})
		}
	}
	slices.SortFunc(out, compareSupports)
	return out
}

func compareSupports(a, b Support) int {
	return cmp.Or(cmp.Compare(b.P, a.P), slices.Compare(a.Facts, b.Facts))
}

// Cut says whether Max (or size) left out supports of v, or of vertices that v may
// follow from. The bound is on the probability that v follows by supports as
// probable as the floor while none of those kept holds: the sum of the
// probabilities of all that was left out, there and before, and never more
// than the sum over the steps to v of the probability of their facts. It is 0
// where nothing was cut, and says nothing about what the floor left out.
func (s *Supports) Cut(v Vertex) (cut bool, bound float64) {
	if len(s.lost) == 0 {
		return false, 0
	}
	before := s.g.before([]Vertex{v})
	for _, l := range s.lost {
		if before.Has(int(l.at)) {
			cut = true
			bound += l.sum
		}
	}
	steps := 0.0
	for _, into := range s.g.intoOf(v) {
		p := 1.0
		for _, f := range s.g.Rests(into) {
			p *= s.p[f]
		}
		steps += p
	}
	return cut, min(bound, steps, 1)
}

// listed is a set of the vertices, nil for nil.
func listed(to []Vertex) *Set {
	if to == nil {
		return nil
	}
	out := &Set{}
	for _, v := range to {
		out.Add(int(v))
	}
	return out
}

// result copies the labels of the wanted vertices (nil: all) out of the
// working space; what the labeller began with is shared.
func (l *labeller) result(wanted *Set, known *labels) *Supports {
	out := &Supports{g: l.g, p: l.p, wanted: wanted, known: known, lost: l.losses()}
	facts, supports := 0, 0
	for v, label := range l.label {
		if len(label) == 0 || wanted != nil && !wanted.Has(v) {
			continue
		}
		out.at, out.start = append(out.at, Vertex(v)), append(out.start, int32(supports))
		supports += len(label)
		for _, e := range label {
			facts += int(e.n)
		}
	}
	out.start = append(out.start, int32(supports))
	out.all = make([]Support, 0, supports)
	flat := make([]Fact, 0, facts)
	for i, v := range out.at {
		for _, e := range l.label[v] {
			at := len(flat)
			flat = append(flat, l.facts(e)...)
			out.all = append(out.all, Support{Facts: flat[at:len(flat):len(flat)], P: e.p})
		}
		slices.SortFunc(out.all[out.start[i]:], compareSupports)
	}
	return out
}
