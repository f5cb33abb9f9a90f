package graph

import (
	"iter"
	"slices"
)

// Reached is a set of vertices of which most are in a set that it may share
// with others. It is read only.
type Reached struct {
	Shared *Set
	Few    []Vertex // beside it, rising, none of them in it
}

// Has says whether v is in the set.
func (r *Reached) Has(v Vertex) bool {
	if r.Shared.Has(int(v)) {
		return true
	}
	_, found := slices.BinarySearch(r.Few, v)
	return found
}

// Len counts the members.
func (r *Reached) Len() int { return r.Shared.Len() + len(r.Few) }

// All yields the members in ascending order.
func (r *Reached) All() iter.Seq[Vertex] {
	return func(yield func(Vertex) bool) {
		few := r.Few
		for v := range r.Shared.All() {
			for ; len(few) > 0 && int(few[0]) < v; few = few[1:] {
				if !yield(few[0]) {
					return
				}
			}
			if !yield(Vertex(v)) {
				return
			}
		}
		for _, v := range few {
			if !yield(v) {
				return
			}
		}
	}
}
