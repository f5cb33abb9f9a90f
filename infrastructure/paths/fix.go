package paths

import (
	"cmp"
	"slices"
	"strings"

	"github.com/scantling/scantling/graph"
)

// The states of a fix.
const (
	Verified   = "verified"   // with the patches applied nothing is connected, and without any one of them something is
	Unverified = "unverified" // it could not be shown: Why says what stood in the way
	Unchecked  = "unchecked"  // nobody asked
)

// FixSet says of the fixes as a whole what they part and how good they are.
type FixSet struct {
	To       []string `json:"to"`      // what they keep from being reached
	Pairs    int      `json:"pairs"`   // of an entry and one of To, connected before
	Cost     float64  `json:"cost"`    // of all changes: 1 each, more for what an application is likely to miss
	Bound    float64  `json:"bound"`   // proven: no set costs less
	Optimal  bool     `json:"optimal"` // cost and bound are equal
	State    string   `json:"state"`
	Why      string   `json:"why,omitempty"`      // it is not verified
	Open     []Open   `json:"open"`               // pairs that no set of changes parts, at most maxOpen
	OpenMore int      `json:"openMore,omitempty"` // of them that Open leaves out
}

// Open is a pair that stays connected whatever is changed.
type Open struct {
	From string   `json:"from"`
	To   string   `json:"to"`
	Why  []string `json:"why"` // for each fact of one derivation
}

// Fix is one change of the smallest set found that parts the ends. Cuts is the
// share of pairs that this change and those before it part, in percent.
type Fix struct {
	Change string  `json:"change"`
	Cuts   float64 `json:"cuts"`
	Patch  string  `json:"patch"` // documents for kubectl patch (strategic) or apply, or a command

	facts []graph.Fact // that it removes
}

const (
	maxOpen    = 20
	fixRounds  = 12      // models that are built to find a set that holds
	pruneWork  = 150_000 // vertices built anew, at most, to look which change can be left out
	rankTries  = 200     // Closures that putting the fixes in order may take
	paretoMost = 10
)

// fixer looks for the smallest set of changes between some ends.
type fixer struct {
	m       *Model
	ends    graph.Ends
	near    *graph.Graph // what matters between the ends
	changes []change
	fix     graph.Fix
	forced  []int    // changes that only the cluster built anew showed to be needed
	picked  []change // of the fix, those of one object joined
	total   int      // pairs
	set     FixSet
}

func (m *Model) newFixer(e graph.Ends) *fixer {
	e.Except = map[graph.Pair]bool{}
	f := &fixer{m: m, ends: e, near: m.graph.Toward(e), changes: m.changes(), set: FixSet{State: Unchecked, Open: []Open{}, To: []string{}}}
	f.solve()
	f.total = len(f.fix.Pairs)
	for _, p := range f.fix.Open {
		f.stays(p, m, p)
	}
	return f
}

// priced are the changes as package graph takes them.
func (f *fixer) priced() []graph.Change {
	out := make([]graph.Change, len(f.changes))
	for i, c := range f.changes {
		out[i] = graph.Change{Facts: c.facts, Cost: c.cost}
	}
	return out
}

// solve finds the set for all pairs but those that are known to stay.
func (f *fixer) solve() {
	f.fix = f.near.Fix(f.ends, f.priced())
	f.picked = nil
	for i := range f.changes {
		if slices.Contains(f.fix.Pick, i) || slices.Contains(f.forced, i) {
			f.picked = append(f.picked, f.changes[i])
		}
	}
	f.picked = joined(f.picked)
}

// stays notes a pair that no set parts, with the reason in a model in which
// nothing parts it, where it has another number.
func (f *fixer) stays(p graph.Pair, in *Model, there graph.Pair) {
	f.ends.Except[p] = true
	if len(f.set.Open) == maxOpen {
		f.set.OpenMore++
		return
	}
	f.set.Open = append(f.set.Open, Open{From: f.m.end(p.From), To: f.m.end(p.To), Why: in.whyOpen(there)})
}

// verify applies the patches and builds everything anew. Then what the whole
// doesn't need is left out.
func (f *fixer) verify() {
	for range fixRounds {
		left := f.near.Pairs(f.ends, nil)
		after, err := f.m.after(f.picked)
		if err != nil {
			f.set.State, f.set.Why = Unverified, err.Error()
			return
		}
		open := f.m.connected(after, left)
		if len(open) == 0 {
			f.set.State = Verified
			f.prune(left)
			return
		}
		if !f.correct(after) && !f.extend(after, open) {
			p := open[0].there
			f.set.State, f.set.Why = Unverified, "with the patches applied "+after.end(p.From)+" still leads to "+after.end(p.To)
			return
		}
		f.solve()
		for _, p := range f.fix.Open {
			f.stays(p, f.m, p)
		}
	}
	f.set.State, f.set.Why = Unverified, "no set was found in time whose patches do what was expected of them"
}

// correct takes from each picked change the facts that are still there after
// it, because it does less than it said, and reports whether there were any.
func (f *fixer) correct(after *Model) bool {
	there := make(map[string]bool, len(after.facts))
	for i := range after.facts {
		there[after.facts[i].ID()] = true
	}
	found := false
	for _, i := range f.fix.Pick {
		before := len(f.changes[i].facts)
		f.changes[i].facts = slices.DeleteFunc(slices.Clone(f.changes[i].facts), func(x graph.Fact) bool { return there[f.m.facts[x].ID()] })
		found = found || len(f.changes[i].facts) < before
	}
	return found
}

// extend deals with pairs that are connected after the changes by a way that
// was not there before: policies that isolate a namespace must let its ingress
// controller in. What would part them then is forced into the set; pairs that
// nothing would part stay. It is false where neither was found.
func (f *fixer) extend(after *Model, open []pairIn) bool {
	var e graph.Ends
	for _, p := range open {
		e.From, e.To = append(e.From, p.there.From), append(e.To, p.there.To)
	}
	e.From, e.To = unique(e.From), unique(e.To)
	changes := after.changes()
	sub := &fixer{m: after, changes: changes}
	fix := after.graph.Fix(e, sub.priced())
	found := false
	for _, p := range open {
		if slices.Contains(fix.Open, p.there) {
			f.stays(p.Pair, after, p.there)
			found = true
		}
	}
	if found {
		return true
	}
	for _, i := range fix.Pick {
		at := slices.IndexFunc(f.changes, func(c change) bool { return c.title == changes[i].title })
		if at >= 0 && !slices.Contains(f.forced, at) {
			f.forced = append(f.forced, at)
			found = true
		}
	}
	return found
}

// prune leaves out changes that the others make needless although the graph
// does not show it: a change may do more than it says.
func (f *fixer) prune(pairs []graph.Pair) {
	if len(f.picked)*f.m.graph.NumVertices() > pruneWork {
		f.set.Why = "too large to build anew without each change in turn: that none is needless was shown on the graph alone"
		return
	}
	order := slices.Clone(f.picked)
	slices.SortStableFunc(order, func(a, b change) int { return cmp.Compare(b.cost, a.cost) })
	for _, c := range order {
		less := slices.DeleteFunc(slices.Clone(f.picked), func(x change) bool { return x.title == c.title })
		if after, err := f.m.after(less); err == nil && len(f.m.connected(after, pairs)) == 0 {
			f.picked = less
		}
	}
}

// finish fills in what is told of the set.
func (f *fixer) finish() FixSet {
	f.set.Pairs = f.total
	for _, c := range f.picked {
		f.set.Cost += c.cost
	}
	f.set.Cost, f.set.Bound = round(f.set.Cost), round(min(f.fix.Bound, f.set.Cost))
	f.set.Optimal = f.set.Cost == f.set.Bound
	return f.set
}

// whyOpen says, of a pair that all changes together leave connected, why each
// fact of a derivation stays.
func (m *Model) whyOpen(p graph.Pair) []string {
	out := []string{}
	for _, d := range m.graph.KBest(p.From, p.To, 1, gone(m.changes()...)) {
		for _, x := range d.Facts {
			if why := m.unremovable(m.facts[x]); why != "" && !slices.Contains(out, why) {
				out = append(out, why)
			}
		}
		if len(d.Facts) == 0 {
			out = append(out, "each step follows from the one before by the rules of Kubernetes")
		}
	}
	return out
}

// ranked puts the changes in the order in which to make them: each time the one
// after which the fewest pairs are connected. Large sets would take too many
// trials for that; what is left then keeps the order of what each does alone.
func (f *fixer) ranked() []Fix {
	out := []Fix{}
	all, rest := f.total, f.total-len(f.near.Pairs(f.ends, nil)) // what stays is never parted
	open := func(done []change, c change) int {
		return rest + len(f.near.Pairs(f.ends, gone(append(slices.Clip(done), c)...)))
	}
	left, alone := slices.Clone(f.picked), map[string]int{}
	if len(left) <= rankTries {
		for _, c := range left {
			alone[c.title] = open(nil, c)
		}
	}
	slices.SortFunc(left, func(a, b change) int {
		return cmp.Or(cmp.Compare(alone[a.title], alone[b.title]), strings.Compare(a.title, b.title))
	})
	var done []change
	for tries := 0; len(left) > 0; {
		best, remain := 0, open(done, left[0])
		if tries += len(left); tries <= rankTries {
			for i := range left[1:] {
				if n := open(done, left[i+1]); n < remain {
					best, remain = i+1, n
				}
			}
		}
		c := left[best]
		done = append(done, c)
		left = slices.Delete(left, best, best+1)
		out = append(out, Fix{Change: c.title, Cuts: percent(all-remain, all), Patch: patchText(c.edits), facts: c.facts})
	}
	return out
}

// gone is the set of facts that some changes remove.
func gone(changes ...change) *graph.Set {
	out := &graph.Set{}
	for _, c := range changes {
		for _, x := range c.facts {
			out.Add(int(x))
		}
	}
	return out
}

func percent(part, all int) float64 { return round(100 * float64(part) / float64(max(all, 1))) }
