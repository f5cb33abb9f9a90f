package risk

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/scantling/scantling/graph"
	"github.com/scantling/scantling/model"
)

// Reasons explain one step of the plan: the scenarios that it changes most,
// each with its factors and the chain that leads to the jewel.
type Reasons struct {
	Step      Step
	Scenarios []Scenario // at most shown, largest change first
	More      int        // further scenarios that change
}

// Scenario is one workload and one jewel, before and after the step.
type Scenario struct {
	Workload model.Ref
	Jewel    model.Ref
	Before   Points
	After    Points
	Factors  []Factor
	Chain    []Link // the most probable derivation before the step
}

// Factor is one number of the product, with where it comes from.
type Factor struct {
	Name   string // as in the formula: V, x, L, Reach, unseen, rho
	Value  float64
	After  float64
	Origin model.Origin
	Source string
}

// Link is one step of a derivation with the facts that it rests on.
type Link struct {
	Step  model.Step
	Facts []model.Fact // P as used here
	Cut   bool         // the action makes one of the facts false, or less likely
}

// shown bounds the scenarios of one explanation.
const shown = 3

// Why explains step n of the plan, counted from 1.
func (a *Assessment) Why(n int) (Reasons, error) {
	if n < 1 || n > len(a.Plan) {
		return Reasons{}, fmt.Errorf("the plan has no step %d: it has 1 to %d", n, len(a.Plan))
	}
	return a.Whys(n)[0], nil
}

// Whys explains several steps of the plan, given in ascending order. The plan
// is gone through once, however many are asked for.
func (a *Assessment) Whys(ns ...int) []Reasons {
	out := make([]Reasons, len(ns))
	before, done := a.base.clone(), 0
	for i, n := range ns {
		out[i].Step = a.Plan[n-1]
		if a.Load == nil || out[i].Step.Removes == nil {
			continue
		}
		for ; done < n-1; done++ {
			before.apply(a.world.change(a.Plan[done].Action))
		}
		after := before.clone()
		after.apply(a.world.change(out[i].Step.Action))
		a.explain(&out[i], before, after)
	}
	return out
}

// explain adds the scenarios that differ most between two states.
func (a *Assessment) explain(r *Reasons, before, after *state) {
	changed := a.changed(before, after)
	for _, i := range changed[:min(shown, len(changed))] {
		r.Scenarios = append(r.Scenarios, a.scenario(i, before, after))
	}
	r.More = len(changed) - len(r.Scenarios)
}

// Alone is the load after step n without the steps before it, nil where the
// model can't value it.
func (a *Assessment) Alone(n int) *Points {
	if n < 1 || n > len(a.Plan) || a.Plan[n-1].Removes == nil {
		return nil
	}
	s := a.base.clone()
	s.apply(a.world.change(a.Plan[n-1].Action))
	load := FromFloat(s.load())
	return &load
}

// Find returns the number of the step whose action has this id.
func (a *Assessment) Find(id string) (int, bool) {
	i := slices.IndexFunc(a.Plan, func(s Step) bool { return s.Action.ID == id })
	return i + 1, i >= 0
}

// changed lists the pairs whose loss differs, largest difference first.
func (a *Assessment) changed(before, after *state) []int {
	var out []int
	drop := make([]float64, len(a.world.pairs))
	for i := range a.world.pairs {
		drop[i] = before.pairLoss(i) - after.pairLoss(i)
		if FromFloat(drop[i]) != 0 {
			out = append(out, i)
		}
	}
	slices.SortFunc(out, func(i, j int) int { return cmp.Or(cmp.Compare(drop[j], drop[i]), cmp.Compare(i, j)) })
	return out
}

func (s *state) pairLoss(i int) float64 {
	p := s.world.pairs[i]
	return s.world.workloads[p.workload].x * s.rates[p.workload] * s.world.jewels[p.jewel].value * s.reach[i]
}

func (a *Assessment) scenario(i int, before, after *state) Scenario {
	p := a.world.pairs[i]
	wl, j := a.world.workloads[p.workload], a.world.jewels[p.jewel]
	sc := Scenario{
		Workload: wl.ref, Jewel: j.ref,
		Before: FromFloat(before.pairLoss(i)), After: FromFloat(after.pairLoss(i)),
	}
	sc.Factors = a.factors(i, before, after)
	best := -1
	for k, facts := range p.supports {
		if best < 0 || product(facts, before.p) > product(p.supports[best], before.p) {
			best = k
		}
	}
	if best >= 0 {
		sc.Chain = a.chain(wl.vertex, j.vertex, p.supports[best], before, after)
	}
	return sc
}

// factors are the numbers of one scenario, in the order of the formula.
func (a *Assessment) factors(i int, before, after *state) []Factor {
	p := a.world.pairs[i]
	wl, j := a.world.workloads[p.workload], a.world.jewels[p.jewel]
	xOrigin, xSource := model.Default, "no way to it was seen"
	if wl.exposure.Value != "" {
		xOrigin, xSource = wl.exposure.Origin, wl.exposure.Value+": "+firstEvidence(wl.exposure)
	}
	out := []Factor{
		{"V", j.value, j.value, j.origin, "value of " + j.ref.String()},
		{"x", wl.x, wl.x, xOrigin, xSource},
		{"L", before.rates[p.workload], after.rates[p.workload], model.Measured, "sum over the components below and an unknown flaw"},
	}
	out = append(out, a.components(int(p.workload), before, after)...)
	anyBefore, _ := graph.Union(p.supports, before.p)
	anyAfter, _ := graph.Union(p.supports, after.p)
	unseenBefore, _ := graph.Union(p.supports, before.q)
	unseenAfter, _ := graph.Union(p.supports, after.q)
	return append(out,
		Factor{"Reach", anyBefore, anyAfter, model.Measured, plural(len(p.supports), "derivation", "derivations")},
		Factor{"Reach unseen", unseenBefore, unseenAfter, model.Measured, "the same, with the chance that every use goes unseen"},
		Factor{"rho", before.sight.rho, after.sight.rho, model.Default, "share of a seen loss that response averts"},
	)
}

// components are the parts of L, largest first, at most shown of them.
func (a *Assessment) components(i int, before, after *state) []Factor {
	var out []Factor
	for _, k := range a.world.workloads[i].parts {
		p := &a.world.parts[k]
		was := p.u * lambda(a.world.worst(p, before.weakGone))
		if was == 0 {
			continue
		}
		out = append(out, Factor{
			Name: "lambda·u", Value: was, After: p.u * lambda(a.world.worst(p, after.weakGone)),
			Origin: model.Measured, Source: a.partSource(p, before),
		})
	}
	slices.SortStableFunc(out, func(x, y Factor) int { return cmp.Compare(y.Value, x.Value) })
	return out[:min(shown, len(out))]
}

// partSource names the worst advisory of a part and where its p is from.
func (a *Assessment) partSource(p *part, s *state) string {
	for _, i := range p.weaknesses {
		if s.weakGone[i] || a.world.weakP[i] != a.world.worst(p, s.weakGone) {
			continue
		}
		weak := a.world.estate.Weaknesses[i]
		from := "no EPSS: default"
		switch {
		case weak.KEV:
			from = "in KEV"
		case weak.HasEPSS:
			from = "EPSS"
		}
		return fmt.Sprintf("%s %s: %s, p %.4g (%s), in use %.2g (%s)", weak.Package, weak.Version, weak.Advisory, a.world.weakP[i], from, p.u, p.use)
	}
	return p.component
}

// chain proves one support step by step.
func (a *Assessment) chain(from, to graph.Vertex, facts []graph.Fact, before, after *state) []Link {
	attack := a.world.estate.Attack
	steps := attack.Graph.Proof(from, to, facts)
	at := map[graph.Step]int{}
	var out []Link
	for n, st := range steps {
		at[st] = n
		l := Link{Step: attack.Step(st)}
		for _, need := range attack.Graph.Needs(st) {
			for _, earlier := range steps[:n] {
				if attack.Graph.Head(earlier) == need {
					l.Step.Needs = append(l.Step.Needs, at[earlier])
				}
			}
		}
		for _, f := range attack.Graph.Rests(st) {
			fact := attack.Facts[f]
			fact.P = before.p[f]
			l.Facts = append(l.Facts, fact)
			l.Cut = l.Cut || after.p[f] < before.p[f]
		}
		out = append(out, l)
	}
	return out
}
