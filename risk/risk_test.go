package risk

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/scantling/scantling/graph"
	"github.com/scantling/scantling/model"
)

// worlds is how many random estates each property is tried on.
const worlds = 400

func each(t *testing.T, property func(t *testing.T, r *rand.Rand, s *sketch)) {
	t.Helper()
	for seed := range uint64(worlds) {
		r := rand.New(rand.NewPCG(seed, 7))
		property(t, r, randomSketch(r))
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

func loadOf(s *sketch) float64 {
	return build(s.estate(nil), Settings{AsOf: asOf}).state().load()
}

// naive is the load by its definition: every world of facts in which each one
// holds or doesn't, with its probability, and a plain fixpoint in each.
func naive(s *sketch) float64 {
	w := build(s.estate(nil), Settings{AsOf: asOf})
	base := w.state()
	g := w.estate.Attack.Graph
	sum := 0.0
	for i, wl := range w.workloads {
		for _, j := range w.jewels {
			reach := func(p []float64) float64 { return enumerate(g, wl.vertex, j.vertex, p) }
			rho := base.sight.rho
			sum += j.value * wl.x * base.rates[i] * ((1-rho)*reach(base.p) + rho*reach(base.q))
		}
	}
	return sum
}

func enumerate(g *graph.Graph, from, to graph.Vertex, p []float64) float64 {
	sum := 0.0
	for world := range 1 << len(p) {
		weight := 1.0
		gone := graph.NewSet(len(p))
		for f := range p {
			if world>>f&1 == 1 {
				weight *= p[f]
			} else {
				weight *= 1 - p[f]
				gone.Add(f)
			}
		}
		if weight > 0 && g.Reach([]graph.Vertex{from}, gone).Has(int(to)) {
			sum += weight
		}
	}
	return sum
}

func TestLoadAgainstEnumeration(t *testing.T) {
	tried := 0
	each(t, func(t *testing.T, r *rand.Rand, s *sketch) {
		if len(s.leaves) > 9 {
			return
		}
		tried++
		if got, want := loadOf(s), naive(s); math.Abs(got-want) > 1e-9*(1+want) {
			t.Errorf("load %v, by enumeration %v", got, want)
		}
	})
	if tried < worlds/4 {
		t.Errorf("only %d worlds were small enough", tried)
	}
}

// noLower and noHigher allow for the last bits of floating point.
func noLower(t *testing.T, what string, before, after float64) {
	t.Helper()
	if after < before-1e-9*(1+before) {
		t.Errorf("%s lowers the load from %v to %v", what, before, after)
	}
}

func TestMonotone(t *testing.T) {
	each(t, func(t *testing.T, r *rand.Rand, s *sketch) {
		before := loadOf(s)
		if len(s.weaknesses) > 0 {
			k := r.IntN(len(s.weaknesses))
			old := s.weaknesses[k]
			s.weaknesses[k].KEV = true
			noLower(t, "a KEV entry", before, loadOf(s))
			s.weaknesses[k] = old
		}
		w := s.assets[r.IntN(len(s.assets))].Ref
		s.facts = append(s.facts, model.Fact{Kind: model.Exposed, Asset: w, Value: "public", P: 1})
		noLower(t, "an exposure", before, loadOf(s))
		s.facts = s.facts[:len(s.facts)-1]
		for _, f := range []model.Fact{
			{Kind: model.LogRead, Asset: ref(model.Log, "kubernetes-audit"), P: 1},
			{Kind: model.RuleFor, Asset: ref(model.Technique, "T1610"), Object: ref(model.Log, "kubernetes-audit"), Value: "D9", P: 1},
			{Kind: model.RuleTested, Asset: ref(model.Technique, "T1611"), Object: ref(model.Log, "kubernetes-audit"), P: 1},
			{Kind: model.PlaybookTested, Asset: ref(model.Cluster, "c"), P: 1},
		} {
			s.facts = append(s.facts, f)
			noLower(t, "taking away "+f.ID(), loadOf(s), before)
			s.facts = s.facts[:len(s.facts)-1]
		}
		if len(s.leaves) > 0 {
			s.dead[s.leaves[r.IntN(len(s.leaves))].ID()] = true
			noLower(t, "putting a fact back", loadOf(s), before)
		}
	})
}

// What apply recomputes in part must be what a new world gives in full.
func TestApplyEqualsRebuild(t *testing.T) {
	each(t, func(t *testing.T, r *rand.Rand, s *sketch) {
		w := build(s.estate(nil), Settings{AsOf: asOf})
		st := w.state()
		for _, f := range s.leaves {
			if r.IntN(3) == 0 {
				st.apply(w.change(model.Action{Removes: []string{f.ID()}}))
				s.dead[f.ID()] = true
			}
		}
		s.weaknesses = slices.DeleteFunc(s.weaknesses, func(k model.Weakness) bool {
			drop := r.IntN(3) == 0
			if drop {
				st.apply(w.change(model.Action{Removes: []string{k.ID()}}))
			}
			return drop
		})
		if got, want := st.load(), loadOf(s); math.Abs(got-want) > 1e-9*(1+want) {
			t.Errorf("applied %v, rebuilt %v", got, want)
		}
	})
}

func TestTelescopes(t *testing.T) {
	each(t, func(t *testing.T, r *rand.Rand, s *sketch) {
		a := Assess(s.estate(nil), Settings{AsOf: asOf})
		after := *a.Load
		for i, step := range a.Plan {
			if step.N != i+1 {
				t.Errorf("step %d is numbered %d", i+1, step.N)
			}
			if step.Removes == nil {
				continue
			}
			after -= *step.Removes
			if after != *step.After {
				t.Errorf("step %d: after %v, the sum says %v", step.N, *step.After, after)
			}
			if *step.Removes < 0 {
				t.Errorf("step %d adds %v", step.N, *step.Removes)
			}
		}
		if _, _, ok := a.Under(); ok != (after <= *a.Line) {
			t.Errorf("under the line: %v, but the plan ends at %v with the line at %v", ok, after, *a.Line)
		}
	})
}

func TestNoOpRemovesNothing(t *testing.T) {
	each(t, func(t *testing.T, r *rand.Rand, s *sketch) {
		w := build(s.estate(nil), Settings{AsOf: asOf})
		st := w.state()
		before := st.load()
		st.apply(w.change(model.Action{Removes: []string{"right|of|nobody"}, Adds: []model.Fact{{Kind: model.Runs}}}))
		if st.load() != before {
			t.Errorf("a no-op changes the load from %v to %v", before, st.load())
		}
	})
}

func TestInputOrderChangesNothing(t *testing.T) {
	each(t, func(t *testing.T, r *rand.Rand, s *sketch) {
		a, b := Assess(s.estate(nil), Settings{AsOf: asOf}), Assess(s.estate(r), Settings{AsOf: asOf})
		// The sums run over differently numbered facts, so the last bit of a
		// thousandth may differ; the order of the plan may not.
		if d := *a.Load - *b.Load; d < -1 || d > 1 {
			t.Errorf("load %v, and %v in another order", a.Load, b.Load)
		}
		for i := range a.Plan {
			if i >= len(b.Plan) || a.Plan[i].Action.ID != b.Plan[i].Action.ID {
				t.Errorf("plan %v, in another order %v", planIDs(a), planIDs(b))
				return
			}
		}
	})
}

func planIDs(a *Assessment) []string {
	var ids []string
	for _, s := range a.Plan {
		ids = append(ids, s.Action.ID)
	}
	return ids
}

func TestReplicasChangeNothing(t *testing.T) {
	each(t, func(t *testing.T, r *rand.Rand, s *sketch) {
		before := loadOf(s)
		s.facts = append(s.facts, s.facts...) // every pod says the same again
		s.assets = append(s.assets, s.assets...)
		if after := loadOf(s); after != before {
			t.Errorf("load %v, with replicas %v", before, after)
		}
	})
}

// Greedy by gain per hour, compared with the best single candidate, is at
// least half of (1-1/e) of the best for any budget, in the frozen weights.
func TestGreedyBound(t *testing.T) {
	tried := 0
	each(t, func(t *testing.T, r *rand.Rand, s *sketch) {
		w := build(s.estate(nil), Settings{AsOf: asOf})
		st := w.state()
		cands := slices.DeleteFunc(w.candidates(st), func(c candidate) bool { return len(c.actions) > 1 })
		if len(cands) == 0 || len(cands) > 12 || tried >= 40 {
			return
		}
		tried++
		for _, budget := range []float64{1, 2, 3.5, 6, 12} {
			best := 0.0
			for set := range 1 << len(cands) {
				var chosen []candidate
				cost := 0.0
				for i, c := range cands {
					if set>>i&1 == 1 {
						chosen, cost = append(chosen, c), cost+c.hours
					}
				}
				if cost <= budget {
					best = math.Max(best, frozenValue(st, chosen))
				}
			}
			if got, least := withinBudget(st, cands, budget), best*(1-1/math.E)/2; got < least-1e-9 {
				t.Errorf("budget %v: greedy %v, the bound is %v of %v", budget, got, least, best)
			}
		}
	})
	if tried < 20 {
		t.Errorf("only %d worlds had few enough candidates", tried)
	}
}

// withinBudget is what the plan's order removes in frozen weights when it is
// followed as far as the budget goes, or the best single candidate.
func withinBudget(st *state, cands []candidate, budget float64) float64 {
	single := 0.0
	var affordable []candidate
	for _, c := range cands {
		if c.hours <= budget {
			single = math.Max(single, frozenValue(st, []candidate{c}))
			affordable = append(affordable, c)
		}
	}
	var taken []candidate
	cost := 0.0
	for _, c := range freeze(st).greedy(affordable, nil, 0) {
		if cost+c.hours <= budget {
			taken, cost = append(taken, c), cost+c.hours
		}
	}
	return math.Max(single, frozenValue(st, taken))
}

func frozenValue(st *state, chosen []candidate) float64 {
	f := freeze(st)
	sum := 0.0
	for _, c := range chosen {
		e := f.effect(c)
		sum += f.gain(e)
		f.take(e)
	}
	return sum
}

// In frozen weights the order of taking never matters and gains only fall.
func TestFrozenIsSubmodular(t *testing.T) {
	each(t, func(t *testing.T, r *rand.Rand, s *sketch) {
		w := build(s.estate(nil), Settings{AsOf: asOf})
		st := w.state()
		cands := w.candidates(st)
		if len(cands) < 2 {
			return
		}
		mix(r, cands)
		f := freeze(st)
		last := cands[len(cands)-1]
		gain := f.gain(f.effect(last))
		for _, c := range cands[:len(cands)-1] {
			f.take(f.effect(c))
			now := f.gain(f.effect(last))
			if now > gain+1e-9 || now < -1e-9 {
				t.Errorf("the gain of %s goes from %v to %v", last.id, gain, now)
			}
			gain = now
		}
	})
}

// The join: split-identity exists only while an advisory, the exposure and
// the right are seen together.
func TestSplitNeedsAllThree(t *testing.T) {
	chain := func(weak, public, right, shared bool) *sketch {
		s := &sketch{dead: map[string]bool{}}
		web, runner := ref(model.Workload, "c/shop/Deployment/web"), ref(model.Workload, "c/shop/Deployment/runner")
		image, id, cluster := ref(model.Image, "sha256:web"), ref(model.Identity, "c/shop/runner"), ref(model.Cluster, "c")
		s.assets = []model.Asset{{Ref: web, Name: "web"}, {Ref: runner, Name: "runner"}, {Ref: image, Name: "web"}}
		s.vertices = []model.Ref{web, runner, id, cluster}
		s.facts = []model.Fact{{Kind: model.Runs, Asset: web, Object: image, P: 1}, {Kind: model.ActsAs, Asset: web, Object: id, P: 1}}
		if shared {
			s.facts = append(s.facts, model.Fact{Kind: model.ActsAs, Asset: runner, Object: id, P: 1})
		}
		if public {
			s.facts = append(s.facts, model.Fact{Kind: model.Exposed, Asset: web, Value: "public", P: 1, Origin: model.Measured})
		}
		if weak {
			s.weaknesses = []model.Weakness{{Advisory: "CVE-1", Image: image, Component: "pkg:deb/x@1", KEV: true}}
		}
		s.move(id, []model.Ref{web}, s.leaf(model.Fact{Kind: model.Token, Asset: web, Object: id, P: 1}))
		r := s.leaf(model.Fact{Kind: model.Right, Asset: ref(model.Binding, "c/shop/RoleBinding/b"), Object: id, Value: "create pods", P: .95})
		s.move(cluster, []model.Ref{id}, r)
		if !right {
			s.dead[r] = true
		}
		return s
	}
	for name, tc := range map[string]struct {
		weak, public, right, shared bool
		want                        bool
	}{
		"all":           {true, true, true, true, true},
		"no advisory":   {false, true, true, true, false},
		"not public":    {true, false, true, true, false},
		"no right":      {true, true, false, true, false},
		"its own alone": {true, true, true, false, false},
	} {
		a := Assess(chain(tc.weak, tc.public, tc.right, tc.shared).estate(nil), Settings{AsOf: asOf})
		_, ok := a.Find(model.ActionID(model.SplitIdentity, ref(model.Workload, "c/shop/Deployment/web"), ref(model.Identity, "c/shop/runner")))
		if ok != tc.want {
			t.Errorf("%s: split-identity %v, want %v (plan %v)", name, ok, tc.want, planIDs(a))
		}
	}
}

func TestUses(t *testing.T) {
	const role = "Role shop/r rules[0]: "
	for name, tc := range map[string]struct {
		binding, grant, used, namespace string
		want                            bool
	}{
		"the very right":             {"c/shop/RoleBinding/b", role + "create,get on /pods", "create /pods", "c/shop", true},
		"another verb":               {"c/shop/RoleBinding/b", role + "get on /pods", "create /pods", "c/shop", false},
		"another group":              {"c/shop/RoleBinding/b", role + "create on batch/jobs", "create /jobs", "c/shop", false},
		"a subresource is another":   {"c/shop/RoleBinding/b", role + "create on /pods", "create /pods/exec", "c/shop", false},
		"that subresource":           {"c/shop/RoleBinding/b", role + "create on /pods,/pods/exec", "create /pods/exec", "c/shop", true},
		"that subresource of all":    {"c/shop/RoleBinding/b", role + "update on apps/*/scale", "update apps/deployments/scale", "c/shop", true},
		"wildcards":                  {"c//ClusterRoleBinding/b", "ClusterRole x rules[0]: * on */*", "delete apps/deployments", "c/any", true},
		"named objects":              {"c/shop/RoleBinding/b", role + "get on /secrets named a,b", "get /secrets", "c/shop", true},
		"a role binding elsewhere":   {"c/shop/RoleBinding/b", role + "create on /pods", "create /pods", "c/other", false},
		"a cluster-wide binding":     {"c//ClusterRoleBinding/b", "ClusterRole x rules[0]: create on /pods", "create /pods", "c/other", true},
		"a value that isn't a grant": {"c/shop/RoleBinding/b", "create pods", "create /pods", "c/shop", false},
	} {
		right := model.Fact{Kind: model.Right, Asset: ref(model.Binding, "%s", tc.binding), Value: tc.grant}
		used := model.Fact{Kind: model.UsedRight, Value: tc.used, Object: ref(model.Namespace, "%s", tc.namespace)}
		if got := uses(right, used); got != tc.want {
			t.Errorf("%s: %v, want %v", name, got, tc.want)
		}
	}
}

// A binding whose right is in use is not to be deleted.
func TestUsedRightsStay(t *testing.T) {
	s := &sketch{dead: map[string]bool{}}
	w, id, cluster := ref(model.Workload, "c/shop/Deployment/w"), ref(model.Identity, "c/shop/w"), ref(model.Cluster, "c")
	binding := ref(model.Binding, "c/shop/RoleBinding/b")
	s.assets = []model.Asset{{Ref: w, Name: "w"}}
	s.vertices = []model.Ref{w, id, cluster}
	s.move(id, []model.Ref{w}, s.leaf(model.Fact{Kind: model.Token, Asset: w, Object: id, P: 1}))
	right := s.leaf(model.Fact{Kind: model.Right, Asset: binding, Object: id, Value: "Role shop/r rules[0]: create on /pods", P: .95})
	s.move(cluster, []model.Ref{id}, right)
	s.act(model.DeleteBinding, binding, right)
	_, before := Assess(s.estate(nil), Settings{AsOf: asOf}).Find(model.ActionID(model.DeleteBinding, binding))
	s.facts = append(s.facts, model.Fact{Kind: model.UsedRight, Asset: id, Value: "create /pods", Object: ref(model.Namespace, "c/shop"), P: 1})
	_, after := Assess(s.estate(nil), Settings{AsOf: asOf}).Find(model.ActionID(model.DeleteBinding, binding))
	if !before || after {
		t.Errorf("proposed %v before and %v after the log shows the use", before, after)
	}
}

func TestNoClusterIsUnknown(t *testing.T) {
	s := &sketch{}
	s.weaknesses = []model.Weakness{{Advisory: "CVE-1", Image: ref(model.Image, "sha256:1"), Component: "c", KEV: true}}
	s.actions = []model.Action{{ID: "up", Type: model.UpgradeComponent, Removes: []string{s.weaknesses[0].ID()}}}
	e := s.estate(nil)
	e.Attack.Graph = nil
	a := Assess(e, Settings{AsOf: asOf})
	if a.Load != nil || a.Over() {
		t.Errorf("load %v, want unknown", a.Load)
	}
	if len(a.Plan) == 0 || a.Plan[0].Lane != Must || a.Plan[0].Removes != nil || a.Plan[0].Due.IsZero() {
		t.Errorf("plan %+v: the date holds although the worth is unknown", a.Plan)
	}
	for _, step := range a.Plan {
		if step.After != nil {
			t.Errorf("step %d has an after of %v", step.N, step.After)
		}
	}
}

func TestAccept(t *testing.T) {
	for seed := range uint64(50) {
		s := randomSketch(rand.New(rand.NewPCG(seed, 1)))
		if len(s.weaknesses) == 0 {
			continue
		}
		weak := s.weaknesses[0]
		weak.KEV = true
		s.weaknesses[0] = weak
		accept := func(expires string) *Assessment {
			x := model.Exception{Advisory: weak.Advisory, Reason: "r", Owner: "o", Expires: expires}
			return Assess(s.estate(nil), Settings{AsOf: asOf, Accept: []model.Exception{x}})
		}
		valid, past := accept("2027-01-01"), accept("2026-01-01")
		if *valid.Load != *past.Load {
			t.Errorf("seed %d: an acceptance changes the load from %v to %v", seed, past.Load, valid.Load)
		}
		for _, step := range valid.Plan {
			if slices.Contains(step.Action.Removes, weak.ID()) && len(step.Action.Removes) == 1 {
				t.Errorf("seed %d: an action for an accepted weakness alone is proposed", seed)
			}
		}
		if past.Accepted != 0 || len(past.Notes) == 0 {
			t.Errorf("seed %d: an expired acceptance counts %v and says %v", seed, past.Accepted, past.Notes)
		}
	}
}

func TestWhy(t *testing.T) {
	found := 0
	each(t, func(t *testing.T, r *rand.Rand, s *sketch) {
		a := Assess(s.estate(nil), Settings{AsOf: asOf})
		for _, step := range a.Plan {
			why, err := a.Why(step.N)
			if err != nil {
				t.Fatal(err)
			}
			sum := Points(0)
			for _, sc := range why.Scenarios {
				sum += sc.Before - sc.After
				found += len(sc.Chain)
				if len(sc.Factors) < 6 {
					t.Errorf("step %d: factors %v", step.N, sc.Factors)
				}
			}
			if step.Removes != nil && why.More == 0 {
				if d := sum - *step.Removes; d < -3 || d > 3 {
					t.Errorf("step %d removes %v, its scenarios %v", step.N, step.Removes, sum)
				}
			}
		}
		var all []int
		for _, step := range a.Plan {
			all = append(all, step.N)
		}
		for i, why := range a.Whys(all...) {
			alone, err := a.Why(i + 1)
			if d := cmp.Diff(alone, why); err != nil || d != "" {
				t.Errorf("step %d is explained otherwise among others: %v\n%s", i+1, err, d)
			}
		}
		if _, err := a.Why(len(a.Plan) + 1); err == nil {
			t.Error("a step beyond the plan was explained")
		}
	})
	if found == 0 {
		t.Error("no chain was ever shown")
	}
}

func TestJewelsSumToTheTotal(t *testing.T) {
	each(t, func(t *testing.T, r *rand.Rand, s *sketch) {
		set := Settings{AsOf: asOf, Jewels: []Jewel{{Name: "mine", Match: ref(model.Secret, "c/ns/s0"), Value: 500}, {Name: "none", Match: ref(model.Secret, "c/no/where"), Value: 100}}}
		w := build(s.estate(nil), set)
		sum := 0.0
		for _, j := range w.jewels {
			sum += j.value
		}
		if math.Abs(sum-total) > 1e-6 {
			t.Errorf("jewels sum to %v", sum)
		}
		if len(w.notes) == 0 {
			t.Error("a jewel that isn't there was not said")
		}
	})
}

func TestPoints(t *testing.T) {
	for text, want := range map[string]Points{"0.000": 0, "812.345": 812345, "-0.001": -1, "1000.000": 1000000} {
		if got := want.String(); got != text {
			t.Errorf("%d prints %s, want %s", int64(want), got, text)
		}
		var back Points
		if err := json.Unmarshal([]byte(text), &back); err != nil || back != want {
			t.Errorf("%s reads as %v, %v", text, back, err)
		}
	}
	var p Points
	for _, bad := range []string{`"x"`, `1e99`, `null1`} {
		if json.Unmarshal([]byte(bad), &p) == nil {
			t.Errorf("%s was read as %v", bad, p)
		}
	}
}

func TestStabilityIsShown(t *testing.T) {
	each(t, func(t *testing.T, r *rand.Rand, s *sketch) {
		a := Assess(s.estate(nil), Settings{AsOf: asOf})
		st := a.Stability
		if st == nil || st.Kept > st.Of || st.Of != min(first, len(a.Plan)) {
			t.Errorf("stability %+v of a plan of %d", st, len(a.Plan))
		}
	})
	d := Standard().Scaled(2)
	if diff := cmp.Diff([]float64{.02, .04, .97, 1}, []float64{d.NoEPSS, d.Exploit, d.SeenTested, d.Public}); diff != "" {
		t.Error(diff)
	}
}
