package risk

import (
	"math"

	"github.com/scantling/scantling/graph"
	"github.com/scantling/scantling/model"
)

// floor leaves out derivations less probable than this. A fixed floor keeps
// reach monotone where "the k best" does not (docs/decisions/001): raising a
// probability or adding a fact only ever lets derivations in. One support at
// the floor is worth at most 1e-4 points.
const floor = 1e-7

// Supports kept of one pair of workload and jewel: as many as the budget for
// all pairs allows, between least and most. A support weighs some 100 bytes
// here and in the frozen objective, so that the budget holds an estate of
// 1,000 workloads in a few hundred megabytes. What is cut off is said.
const (
	budget = 400_000
	least  = 8
	most   = 256
)

// state says what holds in a world, with every number that follows from it.
// It is changed in place by apply; only what a change touches is recomputed,
// and each sum is taken again in full and in order, so that a state does not
// depend on the way that led to it.
type state struct {
	world      *world
	weakGone   []bool
	leafGone   []bool
	inputsGone map[string]bool
	sight      sight

	p, q  []float64 // by leaf: probability, and probability unseen
	rates []float64 // by workload: L
	reach []float64 // by pair: (1-rho)·Reach(p) + rho·Reach(q)
	worth []float64 // by workload: sum over jewels of V·reach
	exact bool      // every union so far was computed exactly
}

// state is the world as it was read.
func (w *world) state() *state {
	s := &state{
		world:    w,
		weakGone: make([]bool, len(w.weakP)), leafGone: make([]bool, len(w.leaves)),
		inputsGone: map[string]bool{}, sight: newSight(w),
		p: make([]float64, len(w.leaves)), q: make([]float64, len(w.leaves)),
		rates: make([]float64, len(w.workloads)), reach: make([]float64, len(w.pairs)),
		worth: make([]float64, len(w.workloads)), exact: true,
	}
	for i := range w.workloads {
		s.rates[i] = s.rate(i)
	}
	for f := range w.leaves {
		s.leaf(graph.Fact(f))
	}
	s.recomputeAll()
	return s
}

// clone copies a state, to try a change without keeping it.
func (s *state) clone() *state {
	c := s.sketch()
	c.reach = append([]float64(nil), s.reach...)
	c.worth = append([]float64(nil), s.worth...)
	return c
}

// sketch copies what holds, without the reach that follows from it: cheap
// enough to be made for every candidate.
func (s *state) sketch() *state {
	c := *s
	c.reach, c.worth = nil, nil
	c.weakGone, c.leafGone = append([]bool(nil), s.weakGone...), append([]bool(nil), s.leafGone...)
	c.inputsGone = map[string]bool{}
	for k := range s.inputsGone {
		c.inputsGone[k] = true
	}
	c.sight = s.sight.clone()
	c.p, c.q = append([]float64(nil), s.p...), append([]float64(nil), s.q...)
	c.rates = append([]float64(nil), s.rates...)
	return &c
}

// load is the sum over all workloads and jewels.
func (s *state) load() float64 {
	sum := 0.0
	for i := range s.world.workloads {
		sum += s.loss(i)
	}
	return sum
}

// loss of one workload over all jewels.
func (s *state) loss(i int) float64 {
	return s.world.workloads[i].x * s.rates[i] * s.worth[i]
}

// rate is L of workload i in this state.
func (s *state) rate(i int) float64 {
	rate := s.world.rate(i, s.weakGone)
	for _, f := range s.world.workloads[i].inputs {
		if s.inputsGone[f.ID()] {
			rate -= lambda(f.P)
		}
	}
	return rate
}

// leaf sets p and q of one fact and reports whether they changed.
func (s *state) leaf(f graph.Fact) bool {
	l := s.world.leaves[f]
	p := l.p
	switch {
	case s.leafGone[f]:
		p = 0
	case l.exploit >= 0:
		p = s.world.exploit(s.rates[l.exploit])
	}
	q := p * (1 - s.sight.seen(s.world.estate.Attack.Facts[f].Attack))
	changed := p != s.p[f] || q != s.q[f]
	s.p[f], s.q[f] = p, q
	return changed
}

func (s *state) recomputeAll() {
	for i := range s.world.pairs {
		s.pair(i)
	}
	for i := range s.world.workloads {
		s.sum(i)
	}
}

// pair recomputes the reach of one pair. The supports are those at or above
// the floor now, seen or not.
func (s *state) pair(i int) {
	pr := &s.world.pairs[i]
	open := make([][]graph.Fact, 0, len(pr.supports))
	for _, facts := range pr.supports {
		if product(facts, s.p) >= floor {
			open = append(open, facts)
		}
	}
	any, exact := graph.Union(open, s.p)
	unseen, exactUnseen := graph.Union(open, s.q)
	rho := s.sight.rho
	s.reach[i] = (1-rho)*any + rho*unseen
	s.exact = s.exact && exact && exactUnseen
}

// sum recomputes the worth of what workload i reaches.
func (s *state) sum(i int) {
	wl := s.world.workloads[i]
	sum := 0.0
	for k := wl.first; k < wl.last; k++ {
		sum += s.world.jewels[s.world.pairs[k].jewel].value * s.reach[k]
	}
	s.worth[i] = sum
}

// apply makes a change true.
func (s *state) apply(c change) {
	rates := s.applyWeaknesses(c)
	var touched []graph.Fact
	for _, f := range c.leaves {
		s.leafGone[f] = true
		touched = append(touched, f)
	}
	for _, i := range rates {
		s.rates[i] = s.rate(int(i))
		touched = append(touched, s.world.workloads[i].exploit...)
	}
	if len(c.adds) > 0 && s.sight.add(c.adds) {
		for f := range s.world.leaves {
			s.leaf(graph.Fact(f))
		}
		s.recomputeAll()
		return
	}
	pairs := map[int32]bool{}
	for _, f := range touched {
		if !s.leaf(f) {
			continue
		}
		for _, i := range s.world.pairsOf[f] {
			pairs[i] = true
		}
	}
	workloads := map[int32]bool{}
	for i := range pairs {
		s.pair(int(i))
		workloads[s.world.pairs[i].workload] = true
	}
	for i := range workloads {
		s.sum(int(i))
	}
}

// applyWeaknesses marks what is gone and returns the workloads whose rate
// may have changed.
func (s *state) applyWeaknesses(c change) []int32 {
	touched := map[int32]bool{}
	for _, i := range c.weaknesses {
		s.weakGone[i] = true
	}
	for _, p := range c.parts {
		for _, i := range s.world.partUsers[p] {
			touched[i] = true
		}
	}
	for _, id := range c.inputs {
		s.inputsGone[id] = true
		for i, wl := range s.world.workloads {
			for _, f := range wl.inputs {
				if f.ID() == id {
					touched[int32(i)] = true
				}
			}
		}
	}
	out := make([]int32, 0, len(touched))
	for i := range touched {
		out = append(out, i)
	}
	return out
}

func product(facts []graph.Fact, p []float64) float64 {
	v := 1.0
	for _, f := range facts {
		v *= p[f]
	}
	return v
}

// change is what an action does to a world, in its integers.
type change struct {
	weaknesses []int32
	parts      []int32 // that have one of the weaknesses
	leaves     []graph.Fact
	inputs     []string
	adds       []model.Fact
}

// change resolves the ids of an action. An id that names nothing changes
// nothing: the fact was not there.
func (w *world) change(actions ...model.Action) change {
	var c change
	weak := map[int32]bool{}
	for _, a := range actions {
		for _, id := range a.Removes {
			t, ok := w.ids[id]
			switch {
			case !ok:
			case t.input:
				c.inputs = append(c.inputs, id)
			case t.weakness >= 0:
				weak[int32(t.weakness)] = true
				c.weaknesses = append(c.weaknesses, int32(t.weakness))
			}
			c.leaves = append(c.leaves, t.leaves...)
		}
		c.adds = append(c.adds, a.Adds...)
	}
	if len(weak) == 0 {
		return c
	}
	for i, p := range w.parts {
		for _, k := range p.weaknesses {
			if weak[k] {
				c.parts = append(c.parts, int32(i))
				break
			}
		}
	}
	return c
}

// sight is what would be seen, and what follows from seeing it.
type sight struct {
	defaults *Defaults
	logs     map[string]bool
	rules    map[string][]rule  // by technique
	known    map[string]float64 // d by technique, as far as asked for
	rho      float64
}

type rule struct {
	log    string
	tested bool
}

func newSight(w *world) sight {
	s := sight{defaults: w.defaults, logs: map[string]bool{}, rules: map[string][]rule{}, known: map[string]float64{}, rho: w.defaults.Rho}
	for _, kind := range []model.FactKind{model.LogRead, model.RuleFor, model.RuleTested, model.PlaybookTested} {
		s.add(w.estate.FactsOf(kind))
	}
	return s
}

func (s sight) clone() sight {
	c := s
	c.logs, c.rules, c.known = map[string]bool{}, map[string][]rule{}, map[string]float64{}
	for k, v := range s.logs {
		c.logs[k] = v
	}
	for k, v := range s.rules {
		c.rules[k] = append([]rule(nil), v...)
	}
	return c
}

// add takes in facts about sight and response and reports whether anything
// is new. Facts of other kinds change nothing here.
func (s *sight) add(facts []model.Fact) bool {
	changed := false
	for _, f := range facts {
		switch f.Kind {
		case model.LogRead:
			changed = changed || !s.logs[f.Asset.Key]
			s.logs[f.Asset.Key] = true
		case model.RuleFor:
			changed = s.rule(f.Asset.Key, rule{log: f.Object.Key}) || changed
		case model.RuleTested:
			changed = s.rule(f.Asset.Key, rule{log: f.Object.Key, tested: true}) || changed
		case model.PlaybookTested:
			changed = changed || s.rho != s.defaults.RhoTested
			s.rho = math.Max(s.defaults.RhoTested, s.defaults.Rho)
		}
	}
	if changed {
		clear(s.known)
	}
	return changed
}

func (s *sight) rule(technique string, r rule) bool {
	for _, old := range s.rules[technique] {
		if old == r {
			return false
		}
	}
	s.rules[technique] = append(s.rules[technique], r)
	return true
}

// seen is d: the chance that the use of a fact is seen, from the best rule
// whose log is received.
func (s *sight) seen(technique string) float64 {
	if d, ok := s.known[technique]; ok {
		return d
	}
	d := 0.0
	hasRule, tested := map[string]bool{}, map[string]bool{}
	for _, r := range s.rules[technique] {
		hasRule[r.log] = hasRule[r.log] || !r.tested
		tested[r.log] = tested[r.log] || r.tested
	}
	for log := range hasRule {
		switch {
		case !s.logs[log] || !hasRule[log]:
		case tested[log]:
			d = math.Max(d, s.defaults.SeenTested)
		default:
			d = math.Max(d, s.defaults.SeenRule)
		}
	}
	s.known[technique] = d
	return d
}
