package graph

import (
	"cmp"
	"container/heap"
	"math"
)

// Shortest finds steps that derive a vertex of To from one of From, in an order
// in which each step's needs come before it: a derivation with the fewest steps
// over all pairs, a step counted as often as it is used (Knuth, 1977; to count
// it once is NP-hard). Ties go to the earlier ends, then to the lower step.
// Not ok where no pair is connected; gone facts (nil: none) do not hold. What
// holds without any vertex is no end.
func (g *Graph) Shortest(e Ends, gone *Set) (best Pair, steps []Step, ok bool) {
	given := g.Reach(nil, gone)
	g = g.Toward(e)
	least := int64(math.MaxInt64)
	for _, from := range e.From {
		k := knuth{g: g, gone: gone, size: make([]int64, g.vertices), by: make([]Step, g.vertices), missing: make([]int32, len(g.head))}
		to, size := k.run(from, e.To, given, least)
		if size < least {
			least, best, steps, ok = size, Pair{from, to}, derivation(g, from, to, k.by, k.size), true
		}
	}
	return best, steps, ok
}

// knuth settles vertices in the order of the size of their least derivation.
type knuth struct {
	g       *Graph
	gone    *Set
	size    []int64 // by vertex, from 1: one more than the steps; 0: not settled
	by      []Step
	missing []int32 // by step: needs that are not settled, 0 before the first
	heap    sized
}

// run settles until one of to is, or none is smaller than least.
func (k *knuth) run(from Vertex, to []Vertex, given *Set, least int64) (Vertex, int64) {
	wanted := listed(to)
	heap.Push(&k.heap, reached{from, 0, -1})
	for _, s := range k.g.starters() {
		k.offer(s)
	}
	for len(k.heap) > 0 {
		r := heap.Pop(&k.heap).(reached)
		if k.size[r.v] > 0 {
			continue
		}
		if r.size >= least {
			break
		}
		k.size[r.v], k.by[r.v] = r.size+1, r.by
		if r.v != from && wanted.Has(int(r.v)) && !given.Has(int(r.v)) {
			return r.v, r.size
		}
		for _, s := range k.g.usesOf(r.v) {
			if k.missing[s]++; int(k.missing[s]) == len(k.g.Needs(s)) {
				k.offer(s)
			}
		}
	}
	return 0, math.MaxInt64
}

// offer puts the head of a step whose needs are settled on the heap. Sizes
// double at most with each step, so they are held below what overflows.
func (k *knuth) offer(s Step) {
	h := k.g.head[s]
	if k.size[h] > 0 || !k.g.holds(s, k.gone) {
		return
	}
	size := int64(1)
	for _, v := range k.g.Needs(s) {
		size = min(size+k.size[v]-1, math.MaxInt64/4)
	}
	heap.Push(&k.heap, reached{h, size, s})
}

// reached is a vertex with the size of a derivation and its last step.
type reached struct {
	v    Vertex
	size int64
	by   Step
}

// sized is a heap of them, the smallest first, then the lower step.
type sized []reached

func (h sized) Len() int { return len(h) }
func (h sized) Less(i, j int) bool {
	return cmp.Or(cmp.Compare(h[i].size, h[j].size), cmp.Compare(h[i].by, h[j].by)) < 0
}
func (h sized) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h *sized) Push(x any)   { *h = append(*h, x.(reached)) }
func (h *sized) Pop() any {
	old := *h
	last := old[len(old)-1]
	*h = old[:len(old)-1]
	return last
}
