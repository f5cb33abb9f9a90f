package graph

import (
	"cmp"
	"encoding/binary"
	"math/bits"
	"slices"
)

// unionNodes bounds the cases that Union may tell apart.
const unionNodes = 1 << 13

// Union is the probability that all facts of at least one support hold, facts
// being independent and p their probabilities. It is exact (to rounding)
// wherever telling cases apart stays under a fixed budget.
//
// Beyond that, the cases left open are counted as 1 - Π(1 - P(support)), and
// exact is false: then prob is an upper bound. "This support fails" can only
// become less likely when facts hold more often, and such events are
// positively correlated (Harris 1960; Fortuin, Kasteleyn and Ginibre 1971), so
// that all supports fail at least as often as if they were independent.
func Union(supports [][]Fact, p []float64) (prob float64, exact bool) {
	u := unioner{memo: map[string]float64{}, left: unionNodes}
	f, certain := u.formula(supports, p)
	if certain {
		return 1, true
	}
	prob = min(u.solve(f), apart(f, u.product))
	return prob, u.left >= 0
}

// formula is a disjunction of conjunctions, none of which contains another:
// a row is the set of its facts, as bits.
type formula [][]uint64

type unioner struct {
	p    []float64 // by bit
	memo map[string]float64
	left int // nodes; below 0: some were bounded instead
	key  []byte
}

// formula reads the supports: facts that are sure drop out, supports with an
// impossible one too. Certain means that one of them is left without facts.
func (u *unioner) formula(supports [][]Fact, p []float64) (f formula, certain bool) {
	size := 0
	for _, s := range supports {
		size += len(s)
	}
	sets, all := make([][]Fact, 0, len(supports)), make([]Fact, 0, size) // sets are parts of all
	for _, s := range supports {
		first := len(all)
		possible := true
		for _, x := range s {
			possible = possible && p[x] > 0
			if p[x] < 1 {
				all = append(all, x)
			}
		}
		switch {
		case !possible:
			all = all[:first]
			continue
		case len(all) == first:
			return nil, true
		}
		sets = append(sets, all[first:])
	}
	facts := slices.Clone(all)
	slices.Sort(facts)
	facts = slices.Compact(facts)
	u.p = make([]float64, len(facts))
	for i, x := range facts {
		u.p[i] = p[x]
	}
	words := (len(facts) + 63) / 64
	rows := make([]uint64, len(sets)*words)
	f = make(formula, 0, len(sets))
	for k, set := range sets {
		row := rows[k*words : (k+1)*words : (k+1)*words]
		for _, x := range set {
			i, _ := slices.BinarySearch(facts, x)
			row[i>>6] |= 1 << (i & 63)
		}
		f = append(f, row)
	}
	return minimal(f), false
}

// minimal sorts the rows, by size and then by bits, and drops those that contain another.
func minimal(f formula) formula {
	slices.SortFunc(f, compareRows)
	out := f[:0]
	for _, row := range f {
		if !slices.ContainsFunc(out, func(less []uint64) bool { return within(less, row) }) {
			out = append(out, row)
		}
	}
	return out
}

func compareRows(a, b []uint64) int {
	return cmp.Or(cmp.Compare(count(a), count(b)), slices.Compare(a, b))
}

// solve is the probability of f, which is minimal and has no empty row.
func (u *unioner) solve(f formula) float64 {
	switch len(f) {
	case 0:
		return 0
	case 1:
		return u.product(f[0])
	}
	common := slices.Clone(f[0])
	for _, row := range f[1:] {
		for k := range common {
			common[k] &= row[k]
		}
	}
	if count(common) > 0 {
		return u.product(common) * u.solve(without(f, common))
	}
	if parts := split(f); len(parts) > 1 {
		return apart(parts, u.solve)
	}
	slices.SortFunc(f, compareRows)
	key := u.encode(f)
	if p, ok := u.memo[key]; ok {
		return p
	}
	if u.left <= 0 {
		u.left = -1
		return apart(f, u.product)
	}
	u.left--
	fact := u.pivot(f)
	yes, no := condition(f, fact)
	p := u.p[fact]*u.solve(yes) + (1-u.p[fact])*u.solve(no)
	u.memo[key] = min(p, 1)
	return u.memo[key]
}

// apart is the probability that at least one of independent events holds. It
// adds up instead of multiplying complements: 1 - (1-x) loses a small x.
func apart[E any](events []E, prob func(E) float64) float64 {
	sum := 0.0
	for _, e := range events {
		sum += (1 - sum) * prob(e)
	}
	return min(sum, 1)
}

// product is the probability that all facts of row hold.
func (u *unioner) product(row []uint64) float64 {
	p := 1.0
	for k, w := range row {
		for ; w != 0; w &= w - 1 {
			p *= u.p[k<<6|bits.TrailingZeros64(w)]
		}
	}
	return p
}

// encode makes a key of a sorted formula; all rows of one Union are equally long.
func (u *unioner) encode(f formula) string {
	u.key = u.key[:0]
	for _, row := range f {
		for _, w := range row {
			u.key = binary.LittleEndian.AppendUint64(u.key, w)
		}
	}
	return string(u.key)
}

// pivot is the fact that most rows share; the lowest of equals.
func (u *unioner) pivot(f formula) int {
	counts := make([]int, len(u.p))
	for _, row := range f {
		for k, w := range row {
			for ; w != 0; w &= w - 1 {
				counts[k<<6|bits.TrailingZeros64(w)]++
			}
		}
	}
	best := 0
	for i, n := range counts {
		if n > counts[best] {
			best = i
		}
	}
	return best
}

// condition is f given that the fact holds, and given that it does not. A row
// may only come to be contained in another when that other has lost the fact.
func condition(f formula, fact int) (yes, no formula) {
	k, bit := fact>>6, uint64(1)<<(fact&63)
	for _, row := range f {
		if row[k]&bit == 0 {
			no = append(no, row)
			continue
		}
		row = slices.Clone(row)
		row[k] &^= bit
		yes = append(yes, row)
	}
	shorter := yes
	for _, row := range no {
		if !slices.ContainsFunc(shorter, func(less []uint64) bool { return within(less, row) }) {
			yes = append(yes, row)
		}
	}
	return yes, no
}

// split parts f into formulas that share no fact, in the order of their first rows.
func split(f formula) []formula {
	var masks [][]uint64
	var parts []formula
	for _, row := range f {
		mask, part := slices.Clone(row), formula{}
		at := len(masks) // where the joined part goes: the first that it meets
		for i := 0; i < len(masks); {
			if !meet(masks[i], row) {
				i++
				continue
			}
			for k := range mask {
				mask[k] |= masks[i][k]
			}
			part = append(part, parts[i]...)
			masks, parts = slices.Delete(masks, i, i+1), slices.Delete(parts, i, i+1)
			at = min(at, i)
		}
		masks = slices.Insert(masks, min(at, len(masks)), mask)
		parts = slices.Insert(parts, min(at, len(parts)), append(part, row))
	}
	return parts
}

func without(f formula, facts []uint64) formula {
	out := make(formula, len(f))
	for i, row := range f {
		out[i] = slices.Clone(row)
		for k := range facts {
			out[i][k] &^= facts[k]
		}
	}
	return out
}

func within(a, b []uint64) bool {
	for k := range a {
		if a[k]&^b[k] != 0 {
			return false
		}
	}
	return true
}

func meet(a, b []uint64) bool {
	for k := range a {
		if a[k]&b[k] != 0 {
			return true
		}
	}
	return false
}

func count(row []uint64) int {
	n := 0
	for _, w := range row {
		n += bits.OnesCount64(w)
	}
	return n
}
