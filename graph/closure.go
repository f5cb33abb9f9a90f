package graph

import "math/bits"

// closureWords bounds the memory of Closure's shared sets, in words of 8
// bytes: 256 MB, which 46,000 vertices fill. Above it every vertex is
// searched alone.
const closureWords = 32 << 20

// Closure is the Reach of each vertex of from alone, in the same order: its
// blast radius. Vertices that reach each other share one set, so the sets are
// read only.
//
// Vertices are condensed into strongly connected components over the steps
// with one open premise, and a component starts from the finished sets of
// those that it leads to; only steps with more premises, met in one set for
// the first time, are left for the worklist.
func (g *Graph) Closure(from []Vertex, gone *Set) []*Set {
	out := make([]*Set, len(from))
	if g.vertices*(g.vertices/64+1) > closureWords {
		for i, v := range from {
			out[i] = g.Reach([]Vertex{v}, gone)
		}
		return out
	}
	c := newCloser(g, gone)
	for i, v := range from {
		switch {
		case c.base.Has(int(v)):
			out[i] = c.base
			continue
		case c.index[v] == 0:
			c.visit(v)
		}
		out[i] = c.sets[c.comp[v]]
	}
	return out
}

type closer struct {
	g    *Graph
	base *Set    // what holds without any vertex
	rest []int32 // by step: premises outside of base; 0 when the step adds nothing

	// Tarjan, with the recursion kept in frames.
	index, low []int32 // from 1; 0 is unseen
	comp       []int32 // -1 while open
	stack      []Vertex
	frames     []frame
	seen       int32

	sets  []*Set // by component, finished
	sizes []int
	queue []Vertex
}

// frame is a vertex whose steps before next have been followed.
type frame struct {
	v    Vertex
	next int
}

func newCloser(g *Graph, gone *Set) *closer {
	c := &closer{
		g: g, base: g.Reach(nil, gone), rest: make([]int32, len(g.head)),
		index: make([]int32, g.vertices), low: make([]int32, g.vertices), comp: make([]int32, g.vertices),
	}
	for v := range c.comp {
		c.comp[v] = -1
	}
	for s, head := range g.head {
		if g.never.Has(s) || c.base.Has(int(head)) || !g.holds(Step(s), gone) {
			continue
		}
		for _, v := range g.Needs(Step(s)) {
			if !c.base.Has(int(v)) {
				c.rest[s]++
			}
		}
	}
	return c
}

// visit finishes the components of root and of everything that it leads to.
func (c *closer) visit(root Vertex) {
	c.open(root)
	for len(c.frames) > 0 {
		f := &c.frames[len(c.frames)-1]
		v := f.v
		if next, ok := c.follow(f); ok {
			c.open(next)
			continue
		}
		c.frames = c.frames[:len(c.frames)-1]
		if n := len(c.frames); n > 0 {
			parent := c.frames[n-1].v
			c.low[parent] = min(c.low[parent], c.low[v])
		}
		if c.low[v] == c.index[v] {
			c.close(v)
		}
	}
}

func (c *closer) open(v Vertex) {
	c.seen++
	c.index[v], c.low[v] = c.seen, c.seen
	c.stack = append(c.stack, v)
	c.frames = append(c.frames, frame{v: v})
}

// follow finds the next unseen vertex that f leads to.
func (c *closer) follow(f *frame) (Vertex, bool) {
	uses := c.g.usesOf(f.v)
	for f.next < len(uses) {
		s := uses[f.next]
		f.next++
		if c.rest[s] != 1 {
			continue
		}
		h := c.g.head[s]
		if c.index[h] == 0 {
			return h, true
		}
		if c.comp[h] < 0 {
			c.low[f.v] = min(c.low[f.v], c.index[h])
		}
	}
	return 0, false
}

// close takes the component of its first vertex off the stack and finishes its set.
func (c *closer) close(first Vertex) {
	at := len(c.stack) - 1
	for c.stack[at] != first {
		at--
	}
	members := c.stack[at:]
	c.stack = c.stack[:at]
	set := c.start(members)
	for len(c.queue) > 0 {
		v := c.queue[len(c.queue)-1]
		c.queue = c.queue[:len(c.queue)-1]
		for _, s := range c.g.usesOf(v) {
			if c.rest[s] > 0 && !set.Has(int(c.g.head[s])) && c.met(s, set) {
				c.add(set, c.g.head[s])
			}
		}
	}
	for _, v := range members {
		c.comp[v] = int32(len(c.sets))
	}
	c.sets = append(c.sets, set)
	c.sizes = append(c.sizes, set.Len())
}

// start joins the sets that the members lead to, and queues what the largest
// of them lacks: a step can only fire anew on one of those.
func (c *closer) start(members []Vertex) *Set {
	largest := -1
	var next []Vertex
	for _, v := range members {
		for _, s := range c.g.usesOf(v) {
			if h := c.g.head[s]; c.rest[s] == 1 && c.comp[h] >= 0 {
				next = append(next, h)
				if k := int(c.comp[h]); largest < 0 || c.sizes[k] > c.sizes[largest] {
					largest = k
				}
			}
		}
	}
	set := c.base.Clone()
	if largest >= 0 {
		set = c.sets[largest].Clone()
	}
	for _, v := range append(next, members...) {
		c.add(set, v)
	}
	return set
}

// add puts v and, where it is known, all that follows from v into the set,
// and queues what is new.
func (c *closer) add(set *Set, v Vertex) {
	if set.Has(int(v)) {
		return
	}
	if c.comp[v] < 0 {
		set.Add(int(v))
		c.queue = append(c.queue, v)
		return
	}
	for k, w := range c.sets[c.comp[v]].words {
		w &^= set.words[k]
		set.words[k] |= w
		for ; w != 0; w &= w - 1 {
			c.queue = append(c.queue, Vertex(k<<6|bits.TrailingZeros64(w)))
		}
	}
}

func (c *closer) met(s Step, set *Set) bool {
	for _, v := range c.g.Needs(s) {
		if !set.Has(int(v)) {
			return false
		}
	}
	return true
}
