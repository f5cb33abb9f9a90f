package graph

import (
	"math"
	"slices"
	"testing"
)

func hitsAll(sets [][]int, pick []int) bool {
	return !slices.ContainsFunc(sets, func(set []int) bool {
		return !slices.ContainsFunc(set, func(e int) bool { return slices.Contains(pick, e) })
	})
}

// naiveHit tries every subset of the elements.
func naiveHit(sets [][]int, cost []float64) float64 {
	best := math.Inf(1)
	for mask := range 1 << len(cost) {
		var pick []int
		total := 0.0
		for e := range cost {
			if mask>>e&1 == 1 {
				pick = append(pick, e)
				total += cost[e]
			}
		}
		if total < best && hitsAll(sets, pick) {
			best = total
		}
	}
	return best
}

func TestHittingSetAgainstEnumeration(t *testing.T) {
	r := seeded(40)
	for n := range 1500 {
		cost := make([]float64, 1+r.IntN(12))
		for e := range cost {
			cost[e] = []float64{0, .25, .5, 1, 1, 2, 4, math.Inf(1)}[r.IntN(8)]
		}
		var sets [][]int
		for range r.IntN(14) {
			var set []int
			for range 1 + r.IntN(4) {
				set = append(set, r.IntN(len(cost)))
			}
			sets = append(sets, set)
		}
		pick, total, bound := HittingSet(sets, cost)
		want := naiveHit(sets, cost)
		if total != want || bound != want {
			t.Fatalf("case %d: %v with %v costs %v, bound %v, want %v", n, sets, cost, total, bound, want)
		}
		if math.IsInf(want, 1) {
			if pick != nil {
				t.Fatalf("case %d: picked %v where nothing is possible", n, pick)
			}
			continue
		}
		sum := 0.0
		for _, e := range pick {
			sum += cost[e]
		}
		if !hitsAll(sets, pick) || sum != total || !slices.IsSorted(pick) {
			t.Fatalf("case %d: %v does not hit %v for %v", n, pick, sets, total)
		}
	}
}

func TestHittingSetCases(t *testing.T) {
	inf := math.Inf(1)
	for name, tc := range map[string]struct {
		sets         [][]int
		cost         []float64
		want         []int
		total, bound float64
	}{
		"nothing to hit":             {nil, []float64{1}, nil, 0, 0},
		"an empty set":               {[][]int{{0}, {}}, []float64{1}, nil, inf, inf},
		"only impossible elements":   {[][]int{{0, 1, 2, 7, -1}}, []float64{inf, -1, math.NaN()}, nil, inf, inf},
		"shared beats two":           {[][]int{{0, 2}, {1, 2}}, []float64{1, 1, 1.5}, []int{2}, 1.5, 1.5},
		"two beat a dear shared one": {[][]int{{0, 2}, {1, 2}}, []float64{1, 1, 2.5}, []int{0, 1}, 2, 2},
		"greedy would err":           {[][]int{{0, 2}, {0, 3}, {1, 2}, {1, 3}, {1, 4}, {0, 4}}, []float64{3, 3, 2.1, 2.1, 2.1}, []int{0, 1}, 6, 6},
	} {
		t.Run(name, func(t *testing.T) {
			pick, total, bound := HittingSet(tc.sets, tc.cost)
			if !slices.Equal(pick, tc.want) || total != tc.total || bound != tc.bound {
				t.Errorf("%v for %v, bound %v; want %v for %v, bound %v", pick, total, bound, tc.want, tc.total, tc.bound)
			}
		})
	}
}

// Beyond the budget the answer still hits all, and the bound is below it.
func TestHittingSetBeyondBudget(t *testing.T) {
	r := seeded(41)
	cost := make([]float64, 120)
	for e := range cost {
		cost[e] = 1 + r.Float64()
	}
	var sets [][]int
	for range 400 {
		var set []int
		for range 5 {
			set = append(set, r.IntN(len(cost)))
		}
		sets = append(sets, set)
	}
	pick, total, bound := HittingSet(sets, cost)
	t.Logf("%d elements for %.2f, bound %.2f", len(pick), total, bound)
	if !hitsAll(sets, pick) || bound <= 0 || bound >= total {
		t.Errorf("%v for %v, bound %v", pick, total, bound)
	}
	for i := range pick {
		if hitsAll(sets, slices.Delete(slices.Clone(pick), i, i+1)) {
			t.Errorf("%d is not needed", pick[i])
		}
	}
}
