// Package ladder measures the fourteen controls of docs/model.md from
// evidence, never from a questionnaire. The conditions are data (see table.go)
// over the model.Meets and model.Lacks facts that the stages hand over.
package ladder

import (
	"cmp"
	"slices"

	"github.com/scantling/scantling/model"
)

// Control is one of the fourteen, measured. Level is nil where the evidence
// for the first level is missing: unknown, and counted as 0 in no sum.
type Control struct {
	ID       string    `json:"control"`
	Name     string    `json:"name"`
	Area     string    `json:"area"`
	Level    *int      `json:"level"`
	Next     string    `json:"next"` // what the next level asks for; empty at the top
	Blockers []Blocker `json:"blockers"`
}

// Blocker is an asset that keeps a control from its next level: it lacks a
// condition, or nobody knows.
type Blocker struct {
	Asset string `json:"asset"`
	Why   string `json:"why"`
}

// Measure reads the level of every control, in the order of the table. subjects
// are the estate's assets; facts are the Meets and Lacks among its facts.
func Measure(subjects []model.Asset, facts []model.Fact) []Control {
	ev := newEvidence(subjects, facts)
	out := make([]Control, 0, len(Controls))
	for _, spec := range Controls {
		out = append(out, measure(spec, ev))
	}
	return out
}

// measure climbs from the first level while every condition holds.
func measure(spec Spec, ev evidence) Control {
	c := Control{ID: spec.ID, Name: spec.Name, Area: spec.Area, Blockers: []Blocker{}}
	for i, level := range spec.Levels {
		state, blockers := ev.level(level)
		if state == model.Pass {
			reached := i + 1
			c.Level = &reached
			continue
		}
		c.Next, c.Blockers = level.Text, blockers
		if i == 0 && state == model.Fail {
			zero := 0
			c.Level = &zero
		}
		return c
	}
	return c
}

// evidence answers, for one condition, which subjects meet and lack it.
type evidence struct {
	byKind map[model.Kind][]model.Ref
	names  map[model.Ref]string
	meets  map[string]map[model.Ref]bool
	lacks  map[string]map[model.Ref]string
}

func newEvidence(subjects []model.Asset, facts []model.Fact) evidence {
	ev := evidence{
		byKind: map[model.Kind][]model.Ref{}, names: map[model.Ref]string{},
		meets: map[string]map[model.Ref]bool{}, lacks: map[string]map[model.Ref]string{},
	}
	for _, a := range subjects {
		ev.byKind[a.Kind] = append(ev.byKind[a.Kind], a.Ref)
		ev.names[a.Ref] = cmp.Or(a.Name, a.Key)
	}
	for _, f := range facts {
		switch f.Kind {
		case model.Meets:
			if ev.meets[f.Value] == nil {
				ev.meets[f.Value] = map[model.Ref]bool{}
			}
			ev.meets[f.Value][f.Asset] = true
		case model.Lacks:
			if ev.lacks[f.Value] == nil {
				ev.lacks[f.Value] = map[model.Ref]string{}
			}
			ev.lacks[f.Value][f.Asset] = reason(f)
		}
	}
	return ev
}

// level judges all conditions of one level: Pass when every subject meets
// every one, Fail when one is lacked, Unknown when nobody can tell.
func (ev evidence) level(l Level) (model.Verdict, []Blocker) {
	verdict := model.Pass
	var blockers []Blocker
	for _, c := range l.Conditions {
		v, b := ev.condition(c)
		blockers = append(blockers, b...)
		if v == model.Fail || v == model.Unknown && verdict == model.Pass {
			verdict = v
		}
	}
	slices.SortFunc(blockers, func(a, b Blocker) int {
		return cmp.Or(cmp.Compare(a.Asset, b.Asset), cmp.Compare(a.Why, b.Why))
	})
	return verdict, slices.Compact(blockers)
}

// condition judges one condition over all its subjects. A subject with both
// answers lacks it: evidence against outweighs.
func (ev evidence) condition(c Condition) (model.Verdict, []Blocker) {
	subjects := slices.Clone(ev.byKind[c.Of])
	if c.Of == "" { // the estate as a whole: whoever speaks of it
		for ref := range ev.meets[c.Name] {
			subjects = append(subjects, ref)
		}
		for ref := range ev.lacks[c.Name] {
			subjects = append(subjects, ref)
		}
		slices.SortFunc(subjects, model.Ref.Compare)
		subjects = slices.Compact(subjects)
	}
	if len(subjects) == 0 {
		return model.Unknown, []Blocker{{Asset: "", Why: c.Name + ": no evidence"}}
	}
	verdict := model.Pass
	var blockers []Blocker
	for _, ref := range subjects {
		name := cmp.Or(ev.names[ref], ref.Key)
		why, lacks := ev.lacks[c.Name][ref]
		switch {
		case lacks:
			verdict = model.Fail
			blockers = append(blockers, Blocker{name, c.Name + ": " + why})
		case !ev.meets[c.Name][ref]:
			if verdict == model.Pass {
				verdict = model.Unknown
			}
			blockers = append(blockers, Blocker{name, c.Name + ": unknown"})
		}
	}
	return verdict, blockers
}

// reason is the first evidence of a fact in one line.
func reason(f model.Fact) string {
	if len(f.Evidence) == 0 {
		return "not met"
	}
	e := f.Evidence[0]
	return cmp.Or(e.What, "not met") + suffix(e.Value)
}

func suffix(value string) string {
	if value == "" {
		return ""
	}
	return ": " + value
}
