package graph

import (
	"iter"
	"math/bits"
	"slices"
)

// Set is a set of small integers (vertices, facts or steps) kept as bits. Its
// zero value and nil are empty; a nil Set can be read and not added to. Safe
// for concurrent readers.
type Set struct {
	words []uint64
}

// NewSet makes an empty set with room for 0 to n-1; Add makes more room.
func NewSet(n int) *Set {
	return &Set{words: make([]uint64, (n+63)/64)}
}

// Has says whether i is in the set; no i outside of it is, negative ones included.
func (s *Set) Has(i int) bool {
	return s != nil && uint(i)>>6 < uint(len(s.words)) && s.words[i>>6]&(1<<(i&63)) != 0
}

// Add puts i, which must not be negative, into the set.
func (s *Set) Add(i int) {
	for i>>6 >= len(s.words) {
		s.words = append(s.words, 0)
	}
	s.words[i>>6] |= 1 << (i & 63)
}

// Len counts the members.
func (s *Set) Len() int {
	if s == nil {
		return 0
	}
	n := 0
	for _, w := range s.words {
		n += bits.OnesCount64(w)
	}
	return n
}

// Common counts the members that are in o as well.
func (s *Set) Common(o *Set) int {
	if s == nil || o == nil {
		return 0
	}
	n := 0
	for k := range min(len(s.words), len(o.words)) {
		n += bits.OnesCount64(s.words[k] & o.words[k])
	}
	return n
}

// All yields the members in ascending order.
func (s *Set) All() iter.Seq[int] {
	return func(yield func(int) bool) {
		if s == nil {
			return
		}
		for k, w := range s.words {
			for ; w != 0; w &= w - 1 {
				if !yield(k<<6 | bits.TrailingZeros64(w)) {
					return
				}
			}
		}
	}
}

// Clone copies the set.
func (s *Set) Clone() *Set {
	if s == nil {
		return &Set{}
	}
	return &Set{words: slices.Clone(s.words)}
}

// without lists members that o lacks, rising, and at most n of them.
func (s *Set) without(o *Set, n int) []Vertex {
	var out []Vertex
	for k, w := range s.words {
		if k < len(o.words) {
			w &^= o.words[k]
		}
		for ; w != 0 && len(out) < n; w &= w - 1 {
			out = append(out, Vertex(k<<6|bits.TrailingZeros64(w)))
		}
	}
	return out
}
