package graph

// Derived is a vertex that follows from another, by the step that derives it
// first. Round is the least number of steps one after the other that it takes,
// 0 for what is given.
type Derived struct {
	Vertex Vertex
	Round  int
	Step   Step // -1 for what is given
}

// Spread is the Reach of one vertex in the order in which it comes to hold:
// round by round, each by the lowest step that the rounds before allow.
// What holds without it is no consequence of it and left out.
func (g *Graph) Spread(from Vertex) []Derived {
	out := []Derived{{from, 0, -1}}
	given := g.Reach(nil, nil)
	if given.Has(int(from)) {
		return out
	}
	held := NewSet(g.vertices)
	missing := make([]int32, len(g.head))
	for s := range missing {
		for _, v := range g.Needs(Step(s)) {
			if !given.Has(int(v)) {
				missing[s]++
			}
		}
	}
	held.Add(int(from))
	for first := 0; first < len(out); {
		last := len(out)
		by := NewSet(len(g.head))
		for _, d := range out[first:last] {
			for _, s := range g.usesOf(d.Vertex) {
				if missing[s]--; missing[s] == 0 {
					by.Add(int(s))
				}
			}
		}
		for s := range by.All() {
			if v := g.head[s]; !held.Has(int(v)) && !given.Has(int(v)) {
				held.Add(int(v))
				out = append(out, Derived{v, out[first].Round + 1, Step(s)})
			}
		}
		first = last
	}
	return out
}
