package graph

// Reach is the set of vertices that follow from those in from when all facts
// hold but those in gone (nil: none) and those of probability 0: the least
// fixpoint, from itself included. It takes time linear in the graph's size
// (Dowling and Gallier, Linear-time algorithms for testing the satisfiability
// of propositional Horn formulae, 1984).
func (g *Graph) Reach(from []Vertex, gone *Set) *Set {
	out := NewSet(g.vertices)
	missing := make([]int32, len(g.head)) // needs that are not reached yet
	for s := range missing {
		missing[s] = g.needs.start[s+1] - g.needs.start[s]
	}
	var queue []Vertex
	reach := func(v Vertex) {
		if !out.Has(int(v)) {
			out.Add(int(v))
			queue = append(queue, v)
		}
	}
	for _, v := range from {
		reach(v)
	}
	for _, s := range g.starters() {
		if g.holds(s, gone) {
			reach(g.head[s])
		}
	}
	for len(queue) > 0 {
		v := queue[len(queue)-1]
		queue = queue[:len(queue)-1]
		for _, s := range g.usesOf(v) {
			missing[s]--
			if missing[s] == 0 && !out.Has(int(g.head[s])) && g.holds(s, gone) {
				reach(g.head[s])
			}
		}
	}
	return out
}

// holds says whether none of the facts of s, a step that can fire, is gone.
func (g *Graph) holds(s Step, gone *Set) bool {
	if gone == nil {
		return true
	}
	for _, f := range g.Rests(s) {
		if gone.Has(int(f)) {
			return false
		}
	}
	return true
}

// before is the set of vertices from which any of to may follow: a derivation
// of one of them passes through no others. Nil for no to at all: every vertex.
func (g *Graph) before(to []Vertex) *Set {
	if to == nil {
		return nil
	}
	out := NewSet(g.vertices)
	var queue []Vertex
	add := func(v Vertex) {
		if !out.Has(int(v)) {
			out.Add(int(v))
			queue = append(queue, v)
		}
	}
	for _, v := range to {
		add(v)
	}
	for len(queue) > 0 {
		v := queue[len(queue)-1]
		queue = queue[:len(queue)-1]
		for _, s := range g.intoOf(v) {
			for _, u := range g.Needs(s) {
				add(u)
			}
		}
	}
	return out
}
