package graph

import (
	"fmt"
	"math"
	"slices"
)

// Vertex is the number of something that may come to hold, from 0 in the
// order of [Builder.Vertex].
type Vertex int32

// Fact is the number of an independent leaf, from 0 in the order of [Builder.Fact].
type Fact int32

// Step is the number of an inference, from 0 in the order of [Builder.Step].
type Step int32

// Builder collects a graph; its methods only append, and check nothing until
// Build. Use NewBuilder. Not safe for concurrent use.
type Builder struct {
	vertices int
	p        []float64
	head     []Vertex
	needs    rows[Vertex]
	facts    rows[Fact]
}

// NewBuilder makes an empty builder.
func NewBuilder() *Builder {
	return &Builder{needs: newRows[Vertex](0), facts: newRows[Fact](0)}
}

// Vertex adds a vertex.
func (b *Builder) Vertex() Vertex {
	b.vertices++
	return Vertex(b.vertices - 1)
}

// Fact adds a fact that holds with probability p, 0 to 1, independently of
// every other one. At 0 it never holds. At 1 it always does, and stays part
// of supports, because removing it matters.
func (b *Builder) Fact(p float64) Fact {
	b.p = append(b.p, p)
	return Fact(len(b.p) - 1)
}

// Step adds an inference: head follows when all needs and all facts hold.
// Both may be empty, and repeated members count once. A step that needs its
// own head keeps its number and derives nothing. The slices are copied.
func (b *Builder) Step(head Vertex, needs []Vertex, facts []Fact) Step {
	b.head = append(b.head, head)
	b.needs.add(needs)
	b.facts.add(facts)
	return Step(len(b.head) - 1)
}

// Build checks the graph and freezes it. Errors name the first fact or step
// that has an unknown id, or a probability that is not a number from 0 to 1.
// The builder may go on; the graph does not see it.
func (b *Builder) Build() (*Graph, error) {
	if err := b.check(); err != nil {
		return nil, err
	}
	g := &Graph{
		vertices: b.vertices,
		p:        slices.Clone(b.p),
		head:     slices.Clone(b.head),
		needs:    newRows[Vertex](len(b.head)),
		facts:    newRows[Fact](len(b.head)),
		never:    NewSet(len(b.head)),
		sign:     make([]uint64, len(b.head)),
	}
	for s, head := range b.head {
		needs, facts := g.needs.addSet(b.needs.of(s)), g.facts.addSet(b.facts.of(s))
		if slices.Contains(needs, head) {
			g.never.Add(s)
		}
		for _, f := range facts {
			g.sign[s] |= signature(f)
			if g.p[f] == 0 {
				g.never.Add(s)
			}
		}
	}
	g.index()
	return g, nil
}

func (b *Builder) check() error {
	if n := max(b.vertices, len(b.p), len(b.head), len(b.needs.flat), len(b.facts.flat)); n >= math.MaxInt32 {
		return fmt.Errorf("building graph: %d vertices, facts, steps or members of steps are too many for 32 bits", n)
	}
	for f, p := range b.p {
		if !(p >= 0 && p <= 1) {
			return fmt.Errorf("building graph: fact %d has probability %v, not 0 to 1", f, p)
		}
	}
	for s, head := range b.head {
		if head < 0 || int(head) >= b.vertices {
			return fmt.Errorf("building graph: step %d leads to vertex %d of %d", s, head, b.vertices)
		}
		for _, v := range b.needs.of(s) {
			if v < 0 || int(v) >= b.vertices {
				return fmt.Errorf("building graph: step %d needs vertex %d of %d", s, v, b.vertices)
			}
		}
		for _, f := range b.facts.of(s) {
			if f < 0 || int(f) >= len(b.p) {
				return fmt.Errorf("building graph: step %d rests on fact %d of %d", s, f, len(b.p))
			}
		}
	}
	return nil
}

// Graph is a frozen AND/OR graph in compressed sparse rows. Safe for
// concurrent use.
type Graph struct {
	vertices int
	p        []float64
	head     []Vertex
	needs    rows[Vertex] // by step, ascending
	facts    rows[Fact]   // by step, ascending
	uses     rows[Step]   // by vertex: the steps that need it and can fire; row NumVertices: those that need nothing
	into     rows[Step]   // by vertex: the steps that lead to it and can fire
	never    *Set         // steps that can't fire: they need their head, or rest on a fact of probability 0
	sign     []uint64     // by step: the signature of its facts
	idle     pool
}

// NumVertices counts the vertices.
func (g *Graph) NumVertices() int { return g.vertices }

// NumFacts counts the facts.
func (g *Graph) NumFacts() int { return len(g.p) }

// NumSteps counts the steps.
func (g *Graph) NumSteps() int { return len(g.head) }

// Head is the vertex that s derives.
func (g *Graph) Head(s Step) Vertex { return g.head[s] }

// Needs lists the vertices that s needs, ascending; shared, read only.
func (g *Graph) Needs(s Step) []Vertex { return g.needs.of(int(s)) }

// Rests lists the facts that s rests on, ascending; shared, read only.
func (g *Graph) Rests(s Step) []Fact { return g.facts.of(int(s)) }

// P is the probability of f.
func (g *Graph) P(f Fact) float64 { return g.p[f] }

// index fills uses and into, by counting and placing.
func (g *Graph) index() {
	uses, into := make([]int32, g.vertices+2), make([]int32, g.vertices+1)
	g.fire(func(v int, _ Step) { uses[v+1]++ }, func(v int, _ Step) { into[v+1]++ })
	g.uses, g.into = placed[Step](uses), placed[Step](into)
	usesAt, intoAt := slices.Clone(g.uses.start), slices.Clone(g.into.start)
	g.fire(
		func(v int, s Step) { g.uses.flat[usesAt[v]] = s; usesAt[v]++ },
		func(v int, s Step) { g.into.flat[intoAt[v]] = s; intoAt[v]++ },
	)
}

// fire visits every step that can fire: by the vertices that it needs
// (NumVertices standing for none), then by its head.
func (g *Graph) fire(use, lead func(v int, s Step)) {
	for i := range g.head {
		if g.never.Has(i) {
			continue
		}
		needs := g.needs.of(i)
		for _, v := range needs {
			use(int(v), Step(i))
		}
		if len(needs) == 0 {
			use(g.vertices, Step(i))
		}
		lead(int(g.head[i]), Step(i))
	}
}

func (g *Graph) usesOf(v Vertex) []Step { return g.uses.of(int(v)) }
func (g *Graph) intoOf(v Vertex) []Step { return g.into.of(int(v)) }

// starters are the steps that need no vertex.
func (g *Graph) starters() []Step { return g.uses.of(g.vertices) }

// rows is a list of lists in one piece: row i is flat[start[i]:start[i+1]].
type rows[T ~int32] struct {
	start []int32
	flat  []T
}

func newRows[T ~int32](n int) rows[T] {
	r := rows[T]{start: make([]int32, 1, n+1)}
	return r
}

// placed makes empty rows whose lengths are counts[1:], of which it sums up in place.
func placed[T ~int32](counts []int32) rows[T] {
	for i := 1; i < len(counts); i++ {
		counts[i] += counts[i-1]
	}
	return rows[T]{start: counts, flat: make([]T, counts[len(counts)-1])}
}

func (r *rows[T]) of(i int) []T {
	return r.flat[r.start[i]:r.start[i+1]:r.start[i+1]]
}

func (r *rows[T]) add(row []T) {
	r.flat = append(r.flat, row...)
	r.start = append(r.start, int32(len(r.flat)))
}

// addSet adds a row sorted and without repeats, and returns it.
func (r *rows[T]) addSet(row []T) []T {
	r.add(row)
	i := len(r.start) - 2
	last := r.of(i)
	slices.Sort(last)
	last = slices.Compact(last)
	r.flat = r.flat[:int(r.start[i])+len(last)]
	r.start[i+1] = int32(len(r.flat))
	return r.of(i)
}
