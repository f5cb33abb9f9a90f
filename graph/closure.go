package graph

import (
	"math/bits"
	"slices"
)

// closureWords bounds what Closure keeps beside its answers, in words of 8
// bytes: 256 MB. It finds them without, in more time.
const closureWords = 32 << 20

// fewMost is how many vertices an answer lists beside a set that it shares.
const fewMost = 128

// mostBeyond is for how many pairs of sets it is kept what one has and the other
// lacks: some 30 MB at most.
const mostBeyond = 1 << 16

// Closure is the Reach of each vertex of from alone, in the same order: its
// blast radius. What vertices have in common they share, so that many of which
// each reaches little of its own cost little: the answers are read only.
//
// Vertices are condensed into strongly connected components over the steps
// with one open premise, and a component starts from the finished sets of
// those that it leads to; only steps with more premises, met in one set for
// the first time, are left for the worklist. Sets that are no answer are kept
// only where they join others, and as long as there is room.
func (g *Graph) Closure(from []Vertex, gone *Set) []Reached {
	return g.closure(from, gone, closureWords, fewMost)
}

// closure is Closure that keeps words of sets beside its answers, and lists at
// most few vertices in one.
func (g *Graph) closure(from []Vertex, gone *Set, words, few int) []Reached {
	out := make([]Reached, len(from))
	c := newCloser(g, gone)
	// A list that takes more room than the set is none.
	c.room, c.most = words, min(few, 2*len(c.base.words))
	for _, v := range from {
		c.asked.Add(int(v))
	}
	for i, v := range from {
		switch {
		case c.base.Has(int(v)):
			out[i] = Reached{Shared: c.base}
			continue
		case c.index[v] == 0:
			c.visit(v)
		}
		out[i] = *c.sets[c.comp[v]]
	}
	return out
}

type closer struct {
	g    *Graph
	base *Set    // what holds without any vertex
	rest []int32 // by step: premises outside of base; 0 when the step adds nothing
	many *Set    // vertices on which a step with more premises rests

	leads rows[Vertex] // by vertex: where steps lead that have it as their only open premise

	// Tarjan, with the recursion kept in frames.
	index, low []int32 // from 1; 0 is unseen
	comp       []int32 // -1 while open
	stack      []Vertex
	frames     []frame
	seen       int32

	sets   []*Reached // by component, finished; nil where it isn't kept
	weight []int32    // by component: vertices to follow where its set isn't kept
	asked  *Set       // vertices whose sets are answers
	room   int        // words for sets that are none
	next   []Vertex

	// The set that is being made: shared, until it is a set of its own, and few.
	shared *Set
	own    bool
	few    []Vertex
	size   int
	most   int            // that few may be
	listed []int32        // by vertex: number of the list that it was put on
	list   int32          // number of few
	joined map[*Set]int32 // number of the set that it was last added to
	number int32          // of the set
	queue  []Vertex       // whose edges have to be followed
	joint  []Vertex       // whose steps with more premises have to be looked at

	lens   map[*Set]int         // of shared sets
	beyond map[[2]*Set][]Vertex // what the first has and the second lacks; one more than most where it is more
}

// frame is a vertex whose edges before next have been followed.
type frame struct {
	v    Vertex
	next int
}

func newCloser(g *Graph, gone *Set) *closer {
	c := &closer{
		g: g, base: g.Reach(nil, gone), rest: make([]int32, len(g.head)),
		index: make([]int32, g.vertices), low: make([]int32, g.vertices), comp: make([]int32, g.vertices),
		many: NewSet(g.vertices), asked: NewSet(g.vertices), listed: make([]int32, g.vertices), joined: map[*Set]int32{},
		lens: map[*Set]int{}, beyond: map[[2]*Set][]Vertex{},
	}
	for v := range c.comp {
		c.comp[v] = -1
	}
	c.sort(gone)
	return c
}

// sort tells the steps with one open premise, which are edges, from those with
// more.
func (c *closer) sort(gone *Set) {
	g := c.g
	counts := make([]int32, g.vertices+1)
	only := make([]Vertex, len(g.head)) // by step that is an edge: its open premise
	for s, head := range g.head {
		if g.never.Has(s) || c.base.Has(int(head)) || !g.holds(Step(s), gone) {
			continue
		}
		for _, v := range g.Needs(Step(s)) {
			if !c.base.Has(int(v)) {
				c.rest[s]++
				only[s] = v
			}
		}
		if c.rest[s] == 1 {
			counts[only[s]+1]++
		}
		if c.rest[s] > 1 {
			for _, v := range g.Needs(Step(s)) {
				c.many.Add(int(v))
			}
		}
	}
	c.leads = placed[Vertex](counts)
	at := slices.Clone(c.leads.start)
	for s, head := range g.head {
		if c.rest[s] == 1 {
			c.leads.flat[at[only[s]]] = head
			at[only[s]]++
		}
	}
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
	leads := c.leads.of(int(f.v))
	for f.next < len(leads) {
		h := leads[f.next]
		f.next++
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
	var set *Reached
	if heavy, answer := c.lead(members); answer || heavy && c.room >= c.most/2 {
		set = c.reach(members)
		switch {
		case answer:
		case c.own:
			c.room -= len(set.Shared.words)
		default:
			c.room -= len(set.Few)/2 + 1
		}
	}
	for _, v := range members {
		c.comp[v] = int32(len(c.sets))
	}
	c.sets = append(c.sets, set)
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
		for _, h := range c.leads.of(int(v)) {
			k := c.comp[h]
			if k < 0 || k == last {
				continue
			}
			heavy, last = heavy || last >= 0, k
			c.next = append(c.next, h)
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
// It starts from the largest set of those: a step can only fire
// anew on what that one lacks.
func (c *closer) reach(members []Vertex) *Reached {
	most := -1
	start := &Reached{Shared: c.base}
	for _, v := range c.next {
		known := c.sets[c.comp[v]]
		if known == nil {
			continue
		}
		if size := c.lens[known.Shared] + len(known.Few); size > most {
			start, most = known, size
		}
	}
	c.number++
	c.begin(start.Shared)
	for _, v := range start.Few {
		c.put(v)
	}
	for _, v := range c.next {
		c.add(v)
	}
	for _, v := range members {
		c.add(v)
	}
	c.spread()
	if c.own {
		c.lens[c.shared] = c.size
		return &Reached{Shared: c.shared}
	}
	few := slices.Clone(c.few)
	slices.Sort(few)
	return &Reached{c.shared, few}
}

// spread adds what follows from what was added: over edges from vertices of no
// finished set, and over steps with more premises.
func (c *closer) spread() {
	for len(c.queue)+len(c.joint) > 0 {
		for len(c.queue) > 0 {
			v := c.queue[len(c.queue)-1]
			c.queue = c.queue[:len(c.queue)-1]
			for _, h := range c.leads.of(int(v)) {
				c.add(h)
			}
		}
		if len(c.joint) == 0 {
			return
		}
		v := c.joint[len(c.joint)-1]
		c.joint = c.joint[:len(c.joint)-1]
		for _, s := range c.g.usesOf(v) {
			if c.rest[s] > 1 && !c.has(c.g.head[s]) && c.met(s) {
				c.add(c.g.head[s])
			}
		}
	}
}

// begin makes the set one that is shared.
func (c *closer) begin(shared *Set) {
	c.shared, c.own, c.few, c.size = shared, false, c.few[:0], c.lens[shared]
	c.list++
}

func (c *closer) has(v Vertex) bool { return c.shared.Has(int(v)) || !c.own && c.listed[v] == c.list }

// put adds a vertex that is missing. When the list is full the set becomes one
// of its own.
func (c *closer) put(v Vertex) {
	c.size++
	if !c.own && len(c.few) < c.most {
		c.few = append(c.few, v)
		c.listed[v] = c.list
		return
	}
	if !c.own {
		c.shared, c.own = c.shared.Clone(), true
		for _, v := range c.few {
			c.shared.Add(int(v))
		}
	}
	c.shared.Add(int(v))
}

// add puts v and, where it is known, all that follows from v into the set,
// and queues what may add more: of a finished set that is what rests on other
// vertices as well.
func (c *closer) add(v Vertex) {
	if c.has(v) {
		return
	}
	var known *Reached
	if k := c.comp[v]; k >= 0 {
		known = c.sets[k]
	}
	if known == nil {
		c.put(v)
		c.queue = append(c.queue, v)
		c.share(v)
		return
	}
	c.join(known.Shared)
	for _, v := range known.Few {
		c.fresh(v)
	}
}

// fresh adds one vertex of a finished set.
func (c *closer) fresh(v Vertex) {
	if c.has(v) {
		return
	}
	c.put(v)
	c.share(v)
}

// share queues a vertex on which steps with more premises rest.
func (c *closer) share(v Vertex) {
	if c.many.Has(int(v)) {
		c.joint = append(c.joint, v)
	}
}

// join adds a set that finished ones share, once. The larger of the two is kept
// and the rest of the other added; where that is much, words are joined.
func (c *closer) join(other *Set) {
	if c.shared == other || c.joined[other] == c.number {
		return
	}
	c.joined[other] = c.number
	if c.lens[other] > c.size {
		if own := c.lacks(other, c.shared); len(own) <= c.most {
			own = append(own, c.few...)
			c.begin(other)
			for _, v := range own {
				c.fresh(v)
			}
			return
		}
	}
	if !c.own {
		if beyond := c.lacks(c.shared, other); len(beyond) <= c.most {
			for _, v := range beyond {
				c.fresh(v)
			}
			return
		}
	}
	for k, w := range other.words {
		for fresh := w &^ c.shared.words[k]; fresh != 0; fresh &= fresh - 1 {
			c.fresh(Vertex(k<<6 | bits.TrailingZeros64(fresh)))
		}
	}
}

// lacks lists what one set has and the set lacks, one more than most where it
// is more. Of finished sets it is found once.
func (c *closer) lacks(set, other *Set) []Vertex {
	if c.own {
		return other.without(set, c.most+1)
	}
	found, known := c.beyond[[2]*Set{other, set}]
	if !known {
		found = other.without(set, c.most+1)
		if len(c.beyond) < mostBeyond {
			c.beyond[[2]*Set{other, set}] = found
		}
	}
	return slices.Clip(found)
}

func (c *closer) met(s Step) bool {
	for _, v := range c.g.Needs(s) {
		if !c.has(v) {
			return false
		}
	}
	return true
}
