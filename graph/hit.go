package graph

import (
	"cmp"
	"math"
	"slices"
)

// hitNodes bounds the branches that HittingSet looks into.
const hitNodes = 1 << 14

// HittingSet picks elements, ascending, of which every set holds at least
// one, at the lowest total cost: the smallest fix, when sets are derivations
// and elements the changes that break them. Elements index cost; one whose
// cost is negative, infinite or not a number is never picked. A set without
// any other element can't be hit: then pick is nil, total and bound +Inf.
//
// It branches and bounds up to a fixed budget. Bound is a proven lower bound
// (to rounding) on the cost of every solution: total itself when the search
// was finished, else total-bound is how much too dear pick may be.
func HittingSet(sets [][]int, cost []float64) (pick []int, total, bound float64) {
	rows, ok := hitRows(sets, cost)
	if !ok {
		return nil, math.Inf(1), math.Inf(1)
	}
	elements := slices.Sorted(slices.Values(slices.Concat(rows...)))
	elements = slices.Compact(elements)
	h := newHitter(rows, elements, cost)
	h.best = h.greedy()
	h.total = h.sum(h.best)
	h.branch()
	slices.Sort(h.best)
	for _, e := range h.best {
		pick = append(pick, elements[e])
	}
	total = h.sum(h.best)
	return pick, total, min(total, h.open)
}

// hitRows leaves the elements that may be picked in each set, and of sets
// that contain each other the smallest.
func hitRows(sets [][]int, cost []float64) (rows [][]int, ok bool) {
	for _, set := range sets {
		var row []int
		for _, e := range set {
			if e >= 0 && e < len(cost) && cost[e] >= 0 && !math.IsInf(cost[e], 1) {
				row = append(row, e)
			}
		}
		if len(row) == 0 {
			return nil, false
		}
		slices.Sort(row)
		rows = append(rows, slices.Compact(row))
	}
	slices.SortFunc(rows, func(a, b []int) int {
		return cmp.Or(cmp.Compare(len(a), len(b)), slices.Compare(a, b))
	})
	out := rows[:0]
	for _, row := range rows {
		if !slices.ContainsFunc(out, func(less []int) bool { return subset(less, row) }) {
			out = append(out, row)
		}
	}
	return out, true
}

// hitter numbers the elements that occur anew, in their order.
type hitter struct {
	cost []float64
	rows [][]int // sorted by length
	in   [][]int // by element: the rows that hold it

	hits   []int  // by row: picked elements in it
	banned []bool // by element: decided against
	picked []int
	spent  float64

	best  []int
	total float64 // of best
	open  float64 // the least bound of a branch that the budget left out
	nodes int
	slack []float64 // working space of lower
}

func newHitter(rows [][]int, elements []int, cost []float64) *hitter {
	n := len(elements)
	h := &hitter{
		cost: make([]float64, n), in: make([][]int, n), banned: make([]bool, n), slack: make([]float64, n),
		hits: make([]int, len(rows)), open: math.Inf(1),
	}
	for i, e := range elements {
		h.cost[i] = cost[e]
	}
	for r, row := range rows {
		var renamed []int
		for _, e := range row {
			i, _ := slices.BinarySearch(elements, e)
			renamed = append(renamed, i)
			h.in[i] = append(h.in[i], r)
		}
		h.rows = append(h.rows, renamed)
	}
	return h
}

// sum adds up costs in the order of elements.
func (h *hitter) sum(pick []int) float64 {
	total := 0.0
	for _, e := range slices.Sorted(slices.Values(pick)) {
		total += h.cost[e]
	}
	return total
}

// gain counts the rows that e would newly hit.
func (h *hitter) gain(e int) int {
	n := 0
	for _, r := range h.in[e] {
		if h.hits[r] == 0 {
			n++
		}
	}
	return n
}

// cheaper orders elements by cost per newly hit row, then by number.
func (h *hitter) cheaper(a, b int) int {
	return cmp.Or(cmp.Compare(h.cost[a]*float64(h.gain(b)), h.cost[b]*float64(h.gain(a))), cmp.Compare(a, b))
}

// greedy picks the cheapest element per row that it hits until all are hit,
// and then drops, the dearest first, what is not needed.
func (h *hitter) greedy() []int {
	var pick []int
	for {
		best := -1
		for e := range h.cost {
			if h.gain(e) > 0 && (best < 0 || h.cheaper(e, best) < 0) {
				best = e
			}
		}
		if best < 0 {
			break
		}
		pick = append(pick, best)
		h.mark(best, 1)
	}
	slices.SortFunc(pick, func(a, b int) int { return cmp.Or(cmp.Compare(h.cost[b], h.cost[a]), cmp.Compare(a, b)) })
	var kept []int
	for _, e := range pick {
		if slices.ContainsFunc(h.in[e], func(r int) bool { return h.hits[r] == 1 }) {
			kept = append(kept, e)
			continue
		}
		h.mark(e, -1)
	}
	for _, e := range kept {
		h.mark(e, -1)
	}
	return kept
}

func (h *hitter) mark(e, by int) {
	for _, r := range h.in[e] {
		h.hits[r] += by
	}
}

// lower bounds what hitting the open rows costs: a solution of the dual linear
// program, found by raising one row after the other until an element of it is
// paid for. It also finds the open row with the fewest elements left, -1 for none.
func (h *hitter) lower() (bound float64, row int) {
	copy(h.slack, h.cost)
	row, fewest := -1, math.MaxInt
	for r, set := range h.rows {
		if h.hits[r] > 0 {
			continue
		}
		left, raise := 0, math.Inf(1)
		for _, e := range set {
			if !h.banned[e] {
				left++
				raise = min(raise, h.slack[e])
			}
		}
		if left < fewest {
			row, fewest = r, left
		}
		if left == 0 {
			return math.Inf(1), r
		}
		for _, e := range set {
			h.slack[e] -= raise
		}
		bound += raise
	}
	return bound, row
}

// branch improves best over all solutions that extend picked without what is
// banned: one case for each element of the shortest open row, the earlier
// ones banned in the later cases.
func (h *hitter) branch() {
	bound, row := h.lower()
	switch {
	case h.spent+bound >= h.total*(1-1e-12): // no better than best, but for rounding
		return
	case row < 0:
		h.best, h.total = slices.Clone(h.picked), h.spent
		return
	case h.nodes >= hitNodes:
		h.open = min(h.open, h.spent+bound)
		return
	}
	h.nodes++
	var elements []int
	for _, e := range h.rows[row] {
		if !h.banned[e] {
			elements = append(elements, e)
		}
	}
	slices.SortFunc(elements, h.cheaper)
	for _, e := range elements {
		before := h.spent
		h.mark(e, 1)
		h.picked, h.spent = append(h.picked, e), before+h.cost[e]
		h.branch()
		h.picked, h.spent = h.picked[:len(h.picked)-1], before
		h.mark(e, -1)
		h.banned[e] = true
	}
	for _, e := range elements {
		h.banned[e] = false
	}
}
