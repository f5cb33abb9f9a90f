package graph

import "slices"

// ranked orders the heap: lower rank, then lower tie, comes first.
type ranked struct {
	rank uint64 // the complement of the bits of the probability
	tie  uint64 // size, then hash
	cand int32
}

// less orders candidates; equal hashes of different sets fall back to the sets.
func (l *labeller) less(a, b ranked) bool {
	if a.rank != b.rank {
		return a.rank < b.rank
	}
	if a.tie != b.tie {
		return a.tie < b.tie
	}
	x, y := &l.cands[a.cand], &l.cands[b.cand]
	if x.at == y.at && x.n == y.n { // one set, as steps without facts pass it on
		return x.v < y.v
	}
	if c := slices.Compare(l.facts(x.entry), l.facts(y.entry)); c != 0 {
		return c < 0
	}
	return x.v < y.v
}

func (l *labeller) push(r ranked) {
	l.heap = append(l.heap, r)
	i := len(l.heap) - 1
	for i > 0 {
		up := (i - 1) / 4
		if !l.less(r, l.heap[up]) {
			break
		}
		l.heap[i] = l.heap[up]
		i = up
	}
	l.heap[i] = r
}

// take removes the first candidate of the heap, in which each has four below it.
func (l *labeller) take() int32 {
	first, end := l.heap[0].cand, len(l.heap)-1
	r := l.heap[end]
	l.heap = l.heap[:end]
	i := 0
	for 4*i+1 < end {
		best := 4*i + 1
		for k := best + 1; k < min(4*i+5, end); k++ {
			if l.less(l.heap[k], l.heap[best]) {
				best = k
			}
		}
		if !l.less(l.heap[best], r) {
			break
		}
		l.heap[i] = l.heap[best]
		i = best
	}
	if end > 0 {
		l.heap[i] = r
	}
	return first
}
