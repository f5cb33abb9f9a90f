package graph

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// naiveUnion adds up the probabilities of all worlds in which a support holds.
func naiveUnion(supports [][]Fact, p []float64) float64 {
	sum := 0.0
	for world := range 1 << len(p) {
		holds := slices.ContainsFunc(supports, func(s []Fact) bool {
			return !slices.ContainsFunc(s, func(f Fact) bool { return world>>f&1 == 0 })
		})
		if !holds {
			continue
		}
		q := 1.0
		for f := range p {
			if world>>f&1 == 1 {
				q *= p[f]
			} else {
				q *= 1 - p[f]
			}
		}
		sum += q
	}
	return sum
}

func randomSupports(r *rand.Rand, n, facts, size int) [][]Fact {
	out := make([][]Fact, n)
	for i := range out {
		for range 1 + r.IntN(size) {
			out[i] = append(out[i], Fact(r.IntN(facts)))
		}
	}
	return out
}

func TestUnionAgainstEnumeration(t *testing.T) {
	r := seeded(30)
	for n := range 4000 {
		facts := 1 + r.IntN(12)
		p := make([]float64, facts)
		for f := range p {
			p[f] = probabilities[r.IntN(len(probabilities))]
			if r.IntN(2) == 0 {
				p[f] = r.Float64()
			}
		}
		supports := randomSupports(r, r.IntN(14), facts, 4)
		want := naiveUnion(supports, p)
		got, exact := Union(supports, p)
		if !exact || math.Abs(got-want) > 1e-12 || got < 0 || got > 1 {
			t.Fatalf("case %d: P(%v) with %v is %v (exact %v), want %v", n, supports, p, got, exact, want)
		}
		r.Shuffle(len(supports), func(i, k int) { supports[i], supports[k] = supports[k], supports[i] })
		for _, s := range supports {
			r.Shuffle(len(s), func(i, k int) { s[i], s[k] = s[k], s[i] })
		}
		if again, _ := Union(supports, p); again != got {
			t.Fatalf("case %d: another order gives %v instead of %v", n, again, got)
		}
	}
}

func TestUnionCases(t *testing.T) {
	for name, tc := range map[string]struct {
		supports [][]Fact
		p        []float64
		want     float64
	}{
		"none":                       {nil, nil, 0},
		"the empty support is sure":  {[][]Fact{{0}, {}}, []float64{.5}, 1},
		"certain facts only":         {[][]Fact{{0}, {1}}, []float64{.5, 1}, 1},
		"impossible":                 {[][]Fact{{0, 1}}, []float64{.5, 0}, 0},
		"a superset adds nothing":    {[][]Fact{{0}, {0, 1}}, []float64{.25, .5}, .25},
		"a common fact counts once":  {[][]Fact{{0, 1}, {0, 2}}, []float64{.5, .5, .5}, .375},
		"small ones are not rounded": {[][]Fact{{0}, {1}}, []float64{1e-20, 2e-20}, 3e-20},
		"small common ones neither":  {[][]Fact{{0, 1}, {0, 2}, {1, 2}}, []float64{1e-12, 1e-12, 1e-12}, 3e-24},
	} {
		t.Run(name, func(t *testing.T) {
			got, exact := Union(tc.supports, tc.p)
			if !exact || math.Abs(got-tc.want) > 1e-10*tc.want {
				t.Errorf("probability is %v (exact %v), want %v", got, exact, tc.want)
			}
		})
	}
}

// grid is rows×columns of facts; a support takes one fact of each row.
func grid(rows, columns int, p float64) (supports [][]Fact, ps []float64, want float64) {
	supports = [][]Fact{{}}
	want = 1
	for range rows {
		var longer [][]Fact
		for _, s := range supports {
			for c := range columns {
				longer = append(longer, append(slices.Clone(s), Fact(len(ps)+c)))
			}
		}
		for range columns {
			ps = append(ps, p)
		}
		supports = longer
		want *= 1 - math.Pow(1-p, float64(columns))
	}
	return supports, ps, want
}

func TestUnionOfHundreds(t *testing.T) {
	supports, p, want := grid(3, 8, .02)
	got, exact := Union(supports, p)
	if !exact || math.Abs(got-want) > 1e-14 {
		t.Errorf("%d supports: %v (exact %v), want %v", len(supports), got, exact, want)
	}
}

// Beyond the budget the answer is an upper bound, and no worse than the plain one.
func TestUnionBeyondBudget(t *testing.T) {
	r := seeded(31)
	const facts, tries = 90, 20000
	supports := randomSupports(r, 400, facts, 6)
	p := make([]float64, facts)
	for f := range p {
		p[f] = .1 + .4*r.Float64()
	}
	supports = slices.DeleteFunc(supports, func(s []Fact) bool { return len(s) < 4 })
	got, exact := Union(supports, p)
	if exact {
		t.Fatal("this was meant to be too hard; make it harder")
	}
	plain := 1.0
	for _, s := range supports {
		slices.Sort(s)
		q := 1.0
		for _, f := range slices.Compact(slices.Clone(s)) {
			q *= p[f]
		}
		plain *= 1 - q
	}
	hits := 0
	for range tries {
		var holds [facts]bool
		for f := range holds {
			holds[f] = r.Float64() < p[f]
		}
		if slices.ContainsFunc(supports, func(s []Fact) bool {
			return !slices.ContainsFunc(s, func(f Fact) bool { return !holds[f] })
		}) {
			hits++
		}
	}
	sampled := float64(hits) / tries
	t.Logf("sampled %.3f, bound %.3f, plain bound %.3f", sampled, got, 1-plain)
	if got > 1-plain || got < sampled-4*math.Sqrt(.25/tries) {
		t.Errorf("bound %v is not between the truth, about %v, and the plain bound %v", got, sampled, 1-plain)
	}
}

func BenchmarkUnion(b *testing.B) {
	threeHubs, p, _ := grid(3, 8, .02)
	threeHubs, q := threeHubs[:256], seeded(32)
	random, rp := randomSupports(q, 64, 60, 8), make([]float64, 60)
	for f := range rp {
		rp[f] = q.Float64()
	}
	hard := randomSupports(q, 400, 60, 8)
	for name, tc := range map[string]struct {
		supports [][]Fact
		p        []float64
	}{"hubs256": {threeHubs, p}, "random64": {random, rp}, "random400": {hard, rp}} {
		b.Run(name, func(b *testing.B) {
			exact := false
			for b.Loop() {
				_, exact = Union(tc.supports, tc.p)
			}
			if exact {
				b.ReportMetric(1, "exact")
			}
		})
	}
}
