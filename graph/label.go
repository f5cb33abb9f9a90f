package graph

import (
	"cmp"
	"math"
	"math/bits"
	"slices"
	"sync"
)

// joinMax bounds the combinations that one new support makes with those of the
// other needs of a step (and is twice Max where that is more: a step with two
// needs is never cut by it); the most probable are kept, the rest counts as cut.
const joinMax = 256

// sizeMax is the most facts in a support; larger ones count as cut. It bounds
// what a long chain of sure facts costs, and the size's share of a heap key.
const sizeMax = 1 << 12

// labeller finds labels in one pass, as Dijkstra finds distances (Knuth, A
// generalization of Dijkstra's algorithm, 1977). Candidates (vertex, support)
// leave a heap in the order of falling probability, then rising size. All that
// a candidate is derived from comes no later in that order, as do its subsets
// at the same vertex: dropping a factor of at most 1 never lowers a product,
// rounding included. So what leaves the heap and contains no support of its
// label is minimal for good, and no label is ever corrected. Sets of equal
// rank go by a hash of their facts, which does not depend on the order of
// steps as the numbers of candidates would.
type labeller struct {
	g     *Graph
	p     []float64
	floor float64
	max   int
	keep  *Set    // vertices that matter; nil: all
	known *labels // supports that are known to begin with; label holds only what they don't cover

	label [][]entry // by vertex, in the order of settling
	lost  []float64 // by vertex, what max cut off
	cut   []Vertex  // those with a loss
	arena []Fact    // the facts of all entries and candidates
	cands []candidate
	heap  []ranked

	// Working space of one step.
	scratch []Fact
	partial []entry
	next    []entry
	residue []Fact
	spare   []Fact
}

// entry is a set of facts: arena[at:at+n].
type entry struct {
	sign uint64 // one bit a fact, of 64: a subset's bits are in its superset's
	p    float64
	at   int32
	n    int32
}

// labels are the finished supports of a run, to begin others with.
type labels struct {
	rows  [][]entry // by vertex
	arena []Fact
	lost  []loss
}

// candidate is a support that v may come to have. With step >= 0 it is a new
// support of v, a need of that step, still to be combined with those of the
// other needs: its facts are joined by those of the step.
type candidate struct {
	entry
	v    Vertex
	step Step
}

// pool keeps labellers for the next call: their arrays are large.
type pool struct{ idle sync.Pool }

func (p *pool) get(g *Graph) *labeller {
	if l, ok := p.idle.Get().(*labeller); ok {
		return l
	}
	return &labeller{g: g, label: make([][]entry, g.vertices), lost: make([]float64, g.vertices)}
}

func (p *pool) put(l *labeller) {
	for v := range l.label {
		l.label[v] = l.label[v][:0]
	}
	for _, v := range l.cut {
		l.lost[v] = 0
	}
	l.cut, l.arena, l.cands, l.heap = l.cut[:0], l.arena[:0], l.cands[:0], l.heap[:0]
	l.p, l.keep, l.known = nil, nil, nil
	p.idle.Put(l)
}

// setUp begins with what holds in any case; known, which may be nil, are the
// supports from vertices that are certain given from.
func (l *labeller) setUp(from []Vertex, opt Options, keep *Set, known *labels) {
	l.keep, l.known = keep, known
	l.p, l.floor, l.max = opt.P, opt.Floor, opt.Max
	if l.p == nil {
		l.p = l.g.p
	}
	if l.floor == 0 {
		l.floor = DefaultFloor
	}
	l.floor = max(l.floor, math.SmallestNonzeroFloat64)
	if l.max <= 0 {
		l.max = DefaultMax
	}
	for _, v := range from {
		l.settle(v, entry{p: 1})
	}
	for _, s := range l.g.starters() {
		if h := l.g.head[s]; l.open(h) {
			l.offer(h, entry{}, l.g.Rests(s), l.g.sign[s])
		}
	}
}

// run settles candidates until none is left.
func (l *labeller) run() {
	for len(l.heap) > 0 {
		if c, ok := l.pop(); ok {
			l.settle(c.v, c.entry)
		}
	}
}

// pop takes the best candidate; not ok means that it joins no label.
func (l *labeller) pop() (candidate, bool) {
	c := l.cands[l.take()]
	if c.step >= 0 {
		l.join(c)
		return c, false
	}
	if l.covered(c.v, c.sign, l.facts(c.entry)) {
		return c, false
	}
	if len(l.label[c.v]) >= l.max {
		l.lose(c.v, c.p)
		return c, false
	}
	return c, true
}

// open says whether supports of v are of use and not all known: what is
// certain needs no other.
func (l *labeller) open(v Vertex) bool {
	if l.keep != nil && !l.keep.Has(int(v)) {
		return false
	}
	return !certain(l.label[v]) && !certain(l.known.of(v))
}

func certain(label []entry) bool { return len(label) > 0 && label[0].n == 0 }

// settle puts e into the label of v and offers what follows from it.
func (l *labeller) settle(v Vertex, e entry) {
	l.label[v] = append(l.label[v], e)
	for _, s := range l.g.usesOf(v) {
		h := l.g.head[s]
		if !l.open(h) {
			continue
		}
		if len(l.g.Needs(s)) == 1 {
			l.offer(h, e, l.g.Rests(s), l.g.sign[s])
		} else {
			l.combine(s, v, e)
		}
	}
}

// combine arranges for the head of s to be offered every union of its facts,
// of e, which v has just got, and of one support of each other need.
//
// Unions with more facts than those of s and e can wait until the heap has
// come down to what they may be at best. By then the other needs have more
// of their supports, and the small unions with one that is like e (because
// both come the same way) spare those with all the rest, which contain them.
// No union is missed: of two supports the later one finds the earlier.
func (l *labeller) combine(s Step, v Vertex, e entry) {
	needs := l.g.Needs(s)
	for _, u := range needs {
		if len(l.label[u])+len(l.known.of(u)) == 0 {
			return
		}
	}
	before := len(l.arena)
	first, ok := l.union(&l.arena, l.facts(e), l.g.Rests(s), e.sign|l.g.sign[s])
	if !ok {
		return
	}
	complete := true
	for _, u := range needs {
		if u != v && !l.covered(u, first.sign, l.facts(first)) {
			complete = false
		}
	}
	if complete {
		l.arena = l.arena[:before]
		l.offer(l.g.head[s], e, l.g.Rests(s), l.g.sign[s])
		return
	}
	l.cands = append(l.cands, candidate{entry: first, v: v, step: s})
	l.push(ranked{rank: ^math.Float64bits(first.p), tie: uint64(first.n+1) << 48, cand: int32(len(l.cands) - 1)})
}

// join offers the unions that a candidate of combine stands for.
func (l *labeller) join(c candidate) {
	head := l.g.head[c.step]
	if l.covered(head, c.sign, l.facts(c.entry)) {
		return
	}
	l.scratch = append(l.scratch[:0], l.facts(c.entry)...)
	c.at = 0
	l.partial = append(l.partial[:0], c.entry)
	for _, u := range l.g.Needs(c.step) {
		if u != c.v {
			l.widen(u, head)
		}
	}
	for _, part := range l.partial {
		l.offer(head, entry{}, l.part(part), part.sign)
	}
}

// widen replaces the partial unions by theirs with each support of u.
func (l *labeller) widen(u, head Vertex) {
	l.next = l.next[:0]
	for _, part := range l.partial {
		// Where u follows from the part itself, all other unions contain it.
		if l.covered(u, part.sign, l.part(part)) {
			l.next = append(l.next, part)
			continue
		}
		l.residue = l.residue[:0]
		l.nearest(part, l.label[u], l.arena)
		if l.known != nil {
			l.nearest(part, l.known.rows[u], l.known.arena)
			l.extend(part, l.known.rows[u], l.known.arena)
		}
		l.extend(part, l.label[u], l.arena)
		if both, ok := l.union(&l.scratch, l.part(part), l.residue, part.sign|signatures(l.residue)); ok {
			l.next = append(l.next, both)
		}
	}
	if limit := max(joinMax, 2*l.max); len(l.next) > limit {
		slices.SortFunc(l.next, func(a, b entry) int {
			return cmp.Or(cmp.Compare(b.p, a.p), cmp.Compare(a.n, b.n), slices.Compare(l.part(a), l.part(b)))
		})
		l.next = slices.CompactFunc(l.next, func(a, b entry) bool { return slices.Equal(l.part(a), l.part(b)) })
		for _, e := range l.next[min(limit, len(l.next)):] {
			l.lose(head, e.p)
		}
		l.next = l.next[:min(limit, len(l.next))]
	}
	l.partial, l.next = l.next, l.partial
}

// nearest sets residue to the smallest set of facts that one of the label has
// and the part has not, if it is smaller than the residue so far.
func (l *labeller) nearest(part entry, label []entry, arena []Fact) {
	for i := range label {
		t := &label[i]
		if n := len(l.residue); n > 0 && bits.OnesCount64(t.sign&^part.sign) >= n {
			continue // one bit at least for a fact, so no fewer facts
		}
		l.spare = minus(l.spare[:0], arena[t.at:t.at+t.n], l.part(part))
		if n := len(l.residue); n == 0 || len(l.spare) < n {
			l.residue, l.spare = l.spare, l.residue
		}
	}
}

// extend makes the next parts: unions of the part with those of the label that
// do not contain the residue.
func (l *labeller) extend(part entry, label []entry, arena []Fact) {
	sign := signatures(l.residue)
	for i := range label {
		t := &label[i]
		facts := arena[t.at : t.at+t.n]
		if sign&^t.sign == 0 && subset(l.residue, facts) {
			continue
		}
		if both, ok := l.union(&l.scratch, l.part(part), facts, part.sign|t.sign); ok {
			l.next = append(l.next, both)
		}
	}
}

// part gives the facts of a partial union.
func (l *labeller) part(e entry) []Fact { return l.scratch[e.at : e.at+e.n] }

// offer makes the union of e and facts a candidate of h, unless it is too
// improbable, contains a support that h has, finds the label full, or is too large.
func (l *labeller) offer(h Vertex, e entry, facts []Fact, sign uint64) {
	before := len(l.arena)
	u, ok := l.union(&l.arena, l.facts(e), facts, e.sign|sign)
	if !ok {
		return
	}
	set := l.facts(u)
	switch {
	case l.covered(h, u.sign, set):
		l.arena = l.arena[:before]
	case len(l.label[h]) >= l.max || u.n > sizeMax:
		l.arena = l.arena[:before]
		l.lose(h, u.p)
	default:
		if u.n == e.n { // nothing new: share e's facts
			l.arena = l.arena[:before]
			u.at = e.at
		}
		l.cands = append(l.cands, candidate{entry: u, v: h, step: -1})
		l.push(ranked{rank: ^math.Float64bits(u.p), tie: uint64(u.n)<<48 | hash(set)>>16, cand: int32(len(l.cands) - 1)})
	}
}

// union merges two ascending sets into the arena; not ok, and nothing kept,
// under the floor.
func (l *labeller) union(arena *[]Fact, a, b []Fact, sign uint64) (entry, bool) {
	out, at := *arena, len(*arena)
	p, i, j := 1.0, 0, 0
	for i < len(a) || j < len(b) {
		var f Fact
		switch {
		case j == len(b) || i < len(a) && a[i] < b[j]:
			f = a[i]
			i++
		case i == len(a) || b[j] < a[i]:
			f = b[j]
			j++
		default:
			f = a[i]
			i, j = i+1, j+1
		}
		out = append(out, f)
		p *= l.p[f]
	}
	if !(p >= l.floor) { // also when p is not a number
		*arena = out[:at]
		return entry{}, false
	}
	*arena = out
	return entry{sign: sign, p: p, at: int32(at), n: int32(len(out) - at)}, true
}

// covered says whether v has a support that is a subset of set.
func (l *labeller) covered(v Vertex, sign uint64, set []Fact) bool {
	return covered(l.label[v], l.arena, sign, set) || l.known != nil && covered(l.known.rows[v], l.known.arena, sign, set)
}

func covered(label []entry, arena []Fact, sign uint64, set []Fact) bool {
	for i := range label {
		e := &label[i]
		if e.sign&^sign == 0 && int(e.n) <= len(set) && subset(arena[e.at:e.at+e.n], set) {
			return true
		}
	}
	return false
}

func (k *labels) facts(e entry) []Fact { return k.arena[e.at : e.at+e.n] }

func (k *labels) of(v Vertex) []entry {
	if k == nil {
		return nil
	}
	return k.rows[v]
}

func (l *labeller) facts(e entry) []Fact { return l.arena[e.at : e.at+e.n] }

func (l *labeller) lose(v Vertex, p float64) {
	if l.lost[v] == 0 {
		l.cut = append(l.cut, v)
	}
	l.lost[v] += p
}

func (l *labeller) losses() []loss {
	slices.Sort(l.cut)
	var out []loss
	if l.known != nil {
		out = append(out, l.known.lost...)
	}
	for _, v := range l.cut {
		out = append(out, loss{v, l.lost[v]})
	}
	return out
}
