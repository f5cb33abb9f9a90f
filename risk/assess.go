package risk

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/scantling/scantling/estate"
	"github.com/scantling/scantling/model"
)

// Assessment is the estate ranked: its load, the line, and the plan.
type Assessment struct {
	Load      *Points // nil: unknown, because no cluster was read
	Line      *Points
	Accepted  Points // part of the load that rests on accepted weaknesses
	Plan      []Step
	Idle      int // actions that remove nothing measurable and are left out
	Stability *Stability
	Notes     []string

	world *world
	base  *state
}

// Lane says why an action stands where it does.
type Lane string

// The two lanes: dates that are not ours to relax, then the best buys.
const (
	Must Lane = "must"
	Buy  Lane = "buy"
)

// Step is one action of the plan. Removes is the drop after steps 1…N-1, so
// After(N) = After(N-1) - Removes(N) exactly; both are nil where the model
// can't value the action.
type Step struct {
	N        int
	Lane     Lane
	Action   model.Action
	Removes  *Points
	Hours    float64
	Due      time.Time // zero: no date
	Evidence []model.Evidence
	After    *Points
	With     string // id of the bundle that the step belongs to; empty for a single action
}

// Stability is how the first five actions fare when every default is halved
// or doubled: the ids in their order then, and how many of ours remain.
type Stability struct {
	Halved  []string
	Doubled []string
	Kept    int // of the first five, in both
	Of      int
}

// first is how many actions stability compares.
const first = 5

// Assess ranks an estate.
func Assess(e *estate.Estate, s Settings) *Assessment {
	w := build(e, s)
	a := &Assessment{world: w, base: w.state()}
	a.Notes = append(slices.Clone(w.notes), w.acceptNotes()...)
	a.Plan, a.Idle = w.plan(a.base, 0)
	if e.Attack.Graph == nil {
		a.forget()
		return a
	}
	load := FromFloat(a.base.load())
	a.Load = &load
	a.Line = s.Line
	if a.Line == nil {
		third := load / 3
		a.Line = &third
	}
	a.Accepted = w.acceptedLoad(a.base)
	a.Stability = w.stability(a.Plan)
	if !a.base.exact {
		a.Notes = append(a.Notes, "some reach has too many derivations to sum exactly: an upper bound stands in its place")
	}
	return a
}

// forget takes away all values: without a cluster there is no load.
func (a *Assessment) forget() {
	for i := range a.Plan {
		a.Plan[i].Removes, a.Plan[i].After = nil, nil
	}
}

// Over reports whether the load is over the line; an unknown load is not.
func (a *Assessment) Over() bool { return a.Load != nil && *a.Load > *a.Line }

// Under returns how many steps and hours bring the load under the line, and
// whether the plan gets there.
func (a *Assessment) Under() (steps int, hours float64, ok bool) {
	if a.Load == nil {
		return 0, 0, false
	}
	if !a.Over() {
		return 0, 0, true
	}
	for _, s := range a.Plan {
		if s.After == nil {
			continue
		}
		steps, hours = s.N, hours+s.Hours
		if *s.After <= *a.Line {
			return steps, hours, true
		}
	}
	return steps, hours, false
}

// must is one action with a date.
type must struct {
	action   model.Action
	due      time.Time
	deadline Deadline
	gain     float64 // frozen, for an hour
	evidence model.Evidence
}

// plan orders all actions: Must by date, then Buy by frozen gain per hour,
// then what the model can't value. limit bounds the number of steps (0: no
// limit). idle counts the actions that are left out.
func (w *world) plan(base *state, limit int) (steps []Step, idle int) {
	cands := w.candidates(base)
	f := freeze(base)
	musts := w.musts(cands, f)
	taken := make([]model.Action, len(musts))
	s := base.clone()
	before := FromFloat(s.load())
	add := func(lane Lane, a model.Action, due time.Time, with string, extra ...model.Evidence) {
		s.apply(w.change(a))
		after := FromFloat(s.load())
		removes := before - after
		steps = append(steps, Step{
			N: len(steps) + 1, Lane: lane, Action: a, Removes: &removes, Hours: Hours(a.Type), Due: due,
			Evidence: append(extra, a.Evidence...), After: &after, With: with,
		})
		before = after
	}
	for i, m := range musts {
		taken[i] = m.action
		add(Must, m.action, m.due, "", m.evidence)
	}
	if limit > 0 {
		limit = max(limit-len(steps), 1)
	}
	for _, c := range f.greedy(cands, taken, limit) {
		with := ""
		if len(c.actions) > 1 {
			with = c.id
		}
		for _, a := range c.actions {
			if !slices.ContainsFunc(steps, func(x Step) bool { return x.Action.ID == a.ID }) {
				add(Buy, a, time.Time{}, with)
			}
		}
	}
	for _, c := range cands {
		if len(c.actions) > 1 || slices.ContainsFunc(steps, func(x Step) bool { return x.Action.ID == c.id }) {
			continue
		}
		a := c.actions[0]
		if len(a.Removes) > 0 || len(a.Adds) > 0 {
			idle++
			continue
		}
		steps = append(steps, Step{N: len(steps) + 1, Lane: Buy, Action: a, Hours: Hours(a.Type), Evidence: a.Evidence})
	}
	return steps, idle
}

// musts are the single actions that clear a weakness with a date. The earliest
// come first; what is overdue is due today, however long it was. Of one day,
// the shorter deadline goes first, then the higher gain for an hour.
func (w *world) musts(cands []candidate, f *frozen) []must {
	accepted := w.accepted()
	var out []must
	for _, c := range cands {
		if len(c.actions) != 1 {
			continue
		}
		if m, ok := w.must(c.actions[0], accepted); ok {
			m.gain = f.gain(f.effect(c)) / c.hours
			out = append(out, m)
		}
	}
	today := w.settings.AsOf.UTC().Truncate(24 * time.Hour)
	day := func(m must) time.Time {
		if m.due.Before(today) {
			return today
		}
		return m.due
	}
	slices.SortFunc(out, func(a, b must) int {
		return cmp.Or(
			day(a).Compare(day(b)), a.deadline.compare(b.deadline),
			-cmp.Compare(a.gain, b.gain), cmp.Compare(a.action.ID, b.action.ID),
		)
	})
	return out
}

// must finds the strictest date among the weaknesses that an action clears.
func (w *world) must(a model.Action, accepted map[string]bool) (must, bool) {
	m := must{action: a}
	for _, id := range a.Removes {
		t, ok := w.ids[id]
		if !ok || t.weakness < 0 || t.input || accepted[id] {
			continue
		}
		weak := w.estate.Weaknesses[t.weakness]
		if !w.running(weak.Image) {
			continue
		}
		public := w.public(weak.Image)
		due, deadline := Due(weak, public, w.settings.AsOf)
		if due.IsZero() {
			continue
		}
		if m.due.IsZero() || cmp.Or(deadline.compare(m.deadline), due.Compare(m.due)) < 0 {
			m.due, m.deadline, m.evidence = due, deadline, dueEvidence(weak, public, deadline)
		}
	}
	return m, !m.due.IsZero()
}

func dueEvidence(weak model.Weakness, public model.Tri, d Deadline) model.Evidence {
	say := func(t model.Tri) string { return cmp.Or(string(t), "unknown (strictest)") }
	assumed := ""
	if weak.Assumed {
		assumed = " (from CVSS)"
	}
	kev := model.No
	if weak.KEV {
		kev = model.Yes
	}
	return model.Evidence{
		What: "CISA BOD 26-04: " + d.String(), Where: weak.Advisory,
		Value: fmt.Sprintf("KEV %s, public %s, automatable %s%s, total impact %s%s; SSVC deployer: %s", kev, say(public),
			say(weak.Automatable), assumed, say(weak.TotalImpact), assumed, SSVC(weak, public)),
	}
}

// stability ranks again under halved and doubled defaults.
func (w *world) stability(plan []Step) *Stability {
	ids := func(k float64) []string {
		scaled := w.scaled(k)
		steps, _ := scaled.plan(scaled.state(), first)
		return firstIDs(steps)
	}
	out := &Stability{Halved: ids(.5), Doubled: ids(2)}
	ours := firstIDs(plan)
	out.Of = len(ours)
	for _, id := range ours {
		if slices.Contains(out.Halved, id) && slices.Contains(out.Doubled, id) {
			out.Kept++
		}
	}
	return out
}

func firstIDs(plan []Step) []string {
	var ids []string
	for _, s := range plan[:min(first, len(plan))] {
		ids = append(ids, s.Action.ID)
	}
	return ids
}
