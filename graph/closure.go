package graph

import "math/bits"

// closureWords bounds what Closure keeps beside its answers, in words of 8
// bytes: 256 MB. It finds them without, in more time.
const closureWords = 32 << 20

// Closure is the Reach of each vertex of from alone, in the same order: its
// blast radius. Vertices that reach each other share one set, so the sets are
// read only.
//
// Vertices are condensed into strongly connected components over the steps
// with one open premise, and a component starts from the finished sets of
// those that it leads to; only steps with more premises, met in one set for
// the first time, are left for the worklist. Sets that are no answer are kept
// only where they join others, and as long as there is room.
func (g *Graph) Closure(from []Vertex, gone *Set) []*Set { return g.closure(from, gone, closureWords) }

// closure is Closure that keeps words of sets beside its answers.
func (g *Graph) closure(from []Vertex, gone *Set, words int) []*Set {
	out := make([]*Set, len(from))
	c := newCloser(g, gone)
	c.room = words
	for _, v := range from {
		c.asked.Add(int(v))
	}
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
	many *Set    // vertices on which a step with more premises rests

	// Tarjan, with the recursion kept in frames.
	index, low []int32 // from 1; 0 is unseen
	comp       []int32 // -1 while open
	stack      []Vertex
	frames     []frame
	seen       int32

	sets   []*Set  // by component, finished; nil where it isn't kept
	sizes  []int   // by component, of the sets that are kept
	weight []int32 // by component: vertices to follow where its set isn't kept
	asked  *Set    // vertices whose sets are answers
	room   int     // words for sets that are none
	next   []Vertex
	queue  []Vertex
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
		many: NewSet(g.vertices), asked: NewSet(g.vertices),
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
		if c.rest[s] > 1 {
			for _, v := range g.Needs(Step(s)) {
				c.many.Add(int(v))
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
	var set *Set
	if heavy, answer := c.lead(members); answer || heavy && c.room >= len(c.base.words) {
		set = c.reach(members)
		if !answer {
			c.room -= len(set.words)
		}
	}
	for _, v := range members {
		c.comp[v] = int32(len(c.sets))
	}
	c.sets, c.sizes = append(c.sets, set), append(c.sizes, set.Len())
}

// light is how many vertices may have to be followed anew in place of a set.
const light = 32

// lead lists where the steps of the members lead to outside of them. A
// component is heavy when these are several or when following them is long;
// it is an answer when a member is asked for.
func (c *closer) lead(members []Vertex) (heavy, answer bool) {
	c.next = c.next[:0]
	last, weight := int32(-1), int32(len(members))
	for _, v := range members {
		answer = answer || c.asked.Has(int(v))
		for _, s := range c.g.usesOf(v) {
			k := c.comp[c.g.head[s]]
			if c.rest[s] != 1 || k < 0 || k == last {
				continue
			}
			heavy, last = heavy || last >= 0, k
			c.next = append(c.next, c.g.head[s])
			if c.sets[k] == nil {
				weight += c.weight[k]
			}
		}
	}
	heavy = heavy || weight > light
	c.weight = append(c.weight, min(weight, light+1))
	return heavy, answer
}

// reach is the set of what follows from the members, whose steps lead to next.
// It starts from the largest set of those: a step can only fire anew on what
// that one lacks.
func (c *closer) reach(members []Vertex) *Set {
	set, most := c.base, -1
	for _, v := range c.next {
		if known := c.sets[c.comp[v]]; known != nil && c.sizes[c.comp[v]] > most {
			set, most = known, c.sizes[c.comp[v]]
		}
	}
	set = set.Clone()
	for _, v := range c.next {
		c.add(set, v)
	}
	for _, v := range members {
		c.add(set, v)
	}
	for len(c.queue) > 0 {
		v := c.queue[len(c.queue)-1]
		c.queue = c.queue[:len(c.queue)-1]
		for _, s := range c.g.usesOf(v) {
			if c.rest[s] > 0 && !set.Has(int(c.g.head[s])) && c.met(s, set) {
				c.add(set, c.g.head[s])
			}
		}
	}
	return set
}

// add puts v and, where it is known, all that follows from v into the set,
// and queues what may add more: of a finished set that is what rests on other
// vertices as well.
func (c *closer) add(set *Set, v Vertex) {
	if set.Has(int(v)) {
		return
	}
	var known *Set
	if k := c.comp[v]; k >= 0 {
		known = c.sets[k]
	}
	if known == nil {
		set.Add(int(v))
		c.queue = append(c.queue, v)
		return
	}
	into, many := set.words[:len(known.words)], c.many.words[:len(known.words)]
	for k, w := range known.words {
		fresh := w &^ into[k]
		if fresh == 0 {
			continue
		}
		into[k] |= fresh
		for w := fresh & many[k]; w != 0; w &= w - 1 {
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
