package risk

import (
	"cmp"
	"container/heap"
	"math"
	"slices"

	"github.com/scantling/scantling/graph"
	"github.com/scantling/scantling/model"
)

// frozen is the objective that ranks: one term per workload, component and
// support, its weight taken once from the state at the start, each action a
// factor in [0,1] on every term. What a set of actions removes is then
//
//	f(A) = sum of weight(t) · (1 - product over a in A of factor(a,t))
//
// which is monotone and submodular, so that greedy by gain per hour, compared
// with the best single candidate, is at least half of (1-1/e) of the best for
// any budget (Khuller, Moss, Naor 1999). The true load is none of this: reach
// is an *or*, so what is printed is always recomputed exactly.
//
// A term's weight is a product of a rate (component) and a worth (support),
// and so is each factor, so terms are kept as two lists a workload and never
// multiplied out.
type frozen struct {
	world    *world
	rates    []term    // by workload, then component
	worths   []term    // by workload, then support
	rateSum  []float64 // by workload: of weight·left
	worthSum []float64
	ratesOf  map[int32][]int32      // part -> indexes into rates
	worthsOf map[graph.Fact][]int32 // leaf -> indexes into worths
	supports [][]graph.Fact         // by index of worths
	chances  []float64              // of them at the start
	base     *state
}

// term is one summand and what is left of it.
type term struct {
	workload int32
	weight   float64
	left     float64
}

// effect is what a candidate does to the frozen terms, as factors.
type effect struct {
	rates  []factor
	worths []factor
}

type factor struct {
	term int32
	by   float64
}

// freeze takes the weights from a state.
func freeze(s *state) *frozen {
	w := s.world
	f := &frozen{
		world: w, base: s,
		rateSum: make([]float64, len(w.workloads)), worthSum: make([]float64, len(w.workloads)),
		ratesOf: map[int32][]int32{}, worthsOf: map[graph.Fact][]int32{},
	}
	for i := range w.workloads {
		f.addRates(int32(i))
		f.addWorths(int32(i))
	}
	return f
}

func (f *frozen) addRates(i int32) {
	wl := f.world.workloads[i]
	rest := f.base.rates[i]
	for _, p := range wl.parts {
		weight := f.world.parts[p].u * lambda(f.world.worst(&f.world.parts[p], f.base.weakGone))
		rest -= weight
		f.ratesOf[p] = append(f.ratesOf[p], int32(len(f.rates)))
		f.rates = append(f.rates, term{i, weight, 1})
	}
	f.rates = append(f.rates, term{i, math.Max(rest, 0), 1}) // unknown flaws and inputs
	f.rateSum[i] = f.base.rates[i]
}

func (f *frozen) addWorths(i int32) {
	wl := f.world.workloads[i]
	for k := wl.first; k < wl.last; k++ {
		pr := f.world.pairs[k]
		for _, facts := range pr.supports {
			if product(facts, f.base.p) < floor {
				continue
			}
			chance := f.base.chance(facts)
			weight := f.world.jewels[pr.jewel].value * chance
			for _, leaf := range facts {
				f.worthsOf[leaf] = append(f.worthsOf[leaf], int32(len(f.worths)))
			}
			f.worths = append(f.worths, term{i, weight, 1})
			f.supports, f.chances = append(f.supports, facts), append(f.chances, chance)
			f.worthSum[i] += weight
		}
	}
}

// effect of a candidate on the terms, from the state at the start.
func (f *frozen) effect(c candidate) effect {
	ch := f.world.change(c.actions...)
	after := f.base.sketch()
	parts := slices.Clone(ch.parts)
	slices.Sort(parts)
	leaves := slices.Clone(ch.leaves)
	for _, leaf := range ch.leaves {
		after.leafGone[leaf] = true
	}
	for _, i := range after.applyWeaknesses(ch) {
		after.rates[i] = after.rate(int(i))
		leaves = append(leaves, f.world.workloads[i].exploit...)
	}
	sighted := len(ch.adds) > 0 && after.sight.add(ch.adds)
	if sighted {
		leaves = leaves[:0]
		for leaf := range f.world.leaves {
			leaves = append(leaves, graph.Fact(leaf))
		}
	}
	var e effect
	for _, p := range slices.Compact(parts) {
		before := lambda(f.world.worst(&f.world.parts[p], f.base.weakGone))
		now := lambda(f.world.worst(&f.world.parts[p], after.weakGone))
		for _, t := range f.ratesOf[p] {
			e.rates = append(e.rates, factor{t, now / before})
		}
	}
	e.worths = f.worthFactors(after, leaves)
	return e
}

// worthFactors compares each support that rests on one of the leaves.
func (f *frozen) worthFactors(after *state, leaves []graph.Fact) []factor {
	touched := graph.NewSet(len(f.worths))
	for _, leaf := range leaves {
		if after.leaf(leaf) {
			for _, t := range f.worthsOf[leaf] {
				touched.Add(int(t))
			}
		}
	}
	if after.sight.rho != f.base.sight.rho {
		for t := range f.worths {
			touched.Add(t)
		}
	}
	out := make([]factor, 0, touched.Len())
	for t := range touched.All() {
		out = append(out, factor{int32(t), math.Min(1, after.chance(f.supports[t])/f.chances[t])})
	}
	return out
}

// chance is that of all the leaves of one support, seen or not.
func (s *state) chance(facts []graph.Fact) float64 {
	return (1-s.sight.rho)*product(facts, s.p) + s.sight.rho*product(facts, s.q)
}

// gain is what an effect removes on top of what was taken so far.
func (f *frozen) gain(e effect) float64 {
	rate, worth := f.drops(e)
	gain := 0.0
	for _, i := range sortedKeys(rate, worth) {
		before := f.rateSum[i] * f.worthSum[i]
		after := (f.rateSum[i] - rate[i]) * (f.worthSum[i] - worth[i])
		gain += f.world.workloads[i].x * (before - after)
	}
	return gain
}

// drops are the losses of the two sums, by workload.
func (f *frozen) drops(e effect) (rate, worth map[int32]float64) {
	rate, worth = map[int32]float64{}, map[int32]float64{}
	for _, x := range e.rates {
		t := f.rates[x.term]
		rate[t.workload] += t.weight * t.left * (1 - x.by)
	}
	for _, x := range e.worths {
		t := f.worths[x.term]
		worth[t.workload] += t.weight * t.left * (1 - x.by)
	}
	return rate, worth
}

// take applies an effect.
func (f *frozen) take(e effect) {
	rate, worth := f.drops(e)
	for i, d := range rate {
		f.rateSum[i] -= d
	}
	for i, d := range worth {
		f.worthSum[i] -= d
	}
	for _, x := range e.rates {
		f.rates[x.term].left *= x.by
	}
	for _, x := range e.worths {
		f.worths[x.term].left *= x.by
	}
}

func sortedKeys(a, b map[int32]float64) []int32 {
	keys := make([]int32, 0, len(a)+len(b))
	for k := range a {
		keys = append(keys, k)
	}
	for k := range b {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return slices.Compact(keys)
}

// negligible is a gain, in points, that no one would act for.
const negligible = 5e-4

// queue holds candidates by their last known gain per hour, best first. As
// gains only ever fall, a candidate that stays on top after being looked at
// again is the best (Minoux 1978). Effects are worked out anew each time: held
// for all candidates, those of a log or a rule would fill the memory.
type queue []ranked

type ranked struct {
	candidate candidate
	gain      float64
	at        int // how many picks had been made when gain was computed
}

func (q queue) Len() int      { return len(q) }
func (q queue) Swap(i, j int) { q[i], q[j] = q[j], q[i] }
func (q queue) Less(i, j int) bool {
	a, b := q[i].gain/q[i].candidate.hours, q[j].gain/q[j].candidate.hours
	return cmp.Or(-cmp.Compare(a, b), cmp.Compare(q[i].candidate.id, q[j].candidate.id)) < 0
}
func (q *queue) Push(x any) { *q = append(*q, x.(ranked)) }
func (q *queue) Pop() any {
	last := (*q)[len(*q)-1]
	*q = (*q)[:len(*q)-1]
	return last
}

// greedy orders candidates by frozen gain per hour until none gains anything
// or limit picks are made (0: no limit). taken actions count as done.
func (f *frozen) greedy(cands []candidate, taken []model.Action, limit int) []candidate {
	done := map[string]bool{}
	if len(taken) > 0 {
		f.take(f.effect(candidate{actions: taken}))
		for _, a := range taken {
			done[a.ID] = true
		}
	}
	var q queue
	for _, c := range cands {
		q = append(q, ranked{c, f.gain(f.effect(c)), 0})
	}
	heap.Init(&q)
	var picks []candidate
	for q.Len() > 0 && (limit == 0 || len(picks) < limit) {
		top := heap.Pop(&q).(ranked)
		if rest := remaining(top.candidate, done); len(rest) < len(top.candidate.actions) {
			if len(rest) == 0 {
				continue
			}
			top.candidate, top.at = bundle(rest), -1
		}
		if top.at != len(picks) {
			top.gain, top.at = f.gain(f.effect(top.candidate)), len(picks)
			if top.gain >= negligible {
				heap.Push(&q, top)
			}
			continue
		}
		if top.gain < negligible {
			break
		}
		f.take(f.effect(top.candidate))
		for _, a := range top.candidate.actions {
			done[a.ID] = true
		}
		picks = append(picks, top.candidate)
	}
	return picks
}

// remaining are the actions of a candidate that are not done yet.
func remaining(c candidate, done map[string]bool) []model.Action {
	var rest []model.Action
	for _, a := range c.actions {
		if !done[a.ID] {
			rest = append(rest, a)
		}
	}
	return rest
}
