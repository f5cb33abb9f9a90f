package trial

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/scantling/scantling/model"
)

// findings are what the rules said of a test's events.
type findings struct {
	alerts  []model.Alert
	unknown []model.Incomplete // "rule ID" and why it can't tell
	missed  []model.Incomplete // what correlations missed
	start   time.Time
	places  map[place]string
	known   map[string]bool // rules that compiled
}

// maxAlerts is how many alerts of one test are compared: to give them to
// expectations takes time that grows with their square.
const maxAlerts = 1000

// compare lists what was expected and not found, then what was found and not
// expected.
func (t Test) compare(f findings) []Difference {
	if n := len(f.alerts); n > maxAlerts {
		return []Difference{{Line: t.Line, Found: fmt.Sprintf("%d alerts, more than %d: they are not compared", n, maxAlerts)}}
	}
	given, taken := t.match(f)
	var out []Difference
	for i, e := range t.expect {
		if d, ok := e.difference(f, given[i]); !ok {
			out = append(out, d)
		}
	}
	if t.others {
		return out
	}
	for i, a := range f.alerts {
		if !taken[i] && !t.denies(a, f.start) {
			out = append(out, Difference{Line: t.Line, Found: f.describe(a)})
		}
	}
	for _, u := range f.unknown {
		id := strings.TrimPrefix(u.What, "rule ")
		if !slices.ContainsFunc(t.expect, func(e Expectation) bool { return e.Unknown && e.Rule == id }) {
			out = append(out, Difference{Line: t.Line, Found: fmt.Sprintf("%s can't tell: %s", id, u.Why)})
		}
	}
	for _, m := range f.missed {
		out = append(out, Difference{Line: t.Line, Found: m.What + ": " + m.Why})
	}
	return out
}

// denies reports whether a count of 0 is about an alert, which it then tells.
func (t Test) denies(a model.Alert, start time.Time) bool {
	return slices.ContainsFunc(t.expect, func(e Expectation) bool { return e.Count == 0 && e.about(a, start) })
}

// match gives alerts to expectations so that as many as possible get theirs:
// an expectation of any alert of a rule must not take the one that another
// describes. given counts by expectation, taken says which alerts were.
func (t Test) match(f findings) (given []int, taken []bool) {
	given, taken = make([]int, len(t.expect)), make([]bool, len(f.alerts))
	holder := make([]int, len(f.alerts)) // expectation of an alert that is taken
	fits := make([][]int, len(t.expect)) // alerts that an expectation is about
	for e := range t.expect {
		for i, a := range f.alerts {
			if t.expect[e].about(a, f.start) {
				fits[e] = append(fits[e], i)
			}
		}
	}
	var seek func(e int, tried []bool) bool
	seek = func(e int, tried []bool) bool {
		for _, i := range fits[e] {
			if tried[i] {
				continue
			}
			tried[i] = true
			if !taken[i] || seek(holder[i], tried) {
				holder[i], taken[i] = e, true
				return true
			}
		}
		return false
	}
	for e := range t.expect {
		for range min(t.expect[e].Count, len(f.alerts)) {
			if t.expect[e].Unknown || !seek(e, make([]bool, len(f.alerts))) {
				break
			}
			given[e]++
		}
	}
	return given, taken
}

// about reports whether an alert is as described.
func (e Expectation) about(a model.Alert, start time.Time) bool {
	if e.Rule != a.Rule || e.level != nil && *e.level != a.Level || e.at != nil && !a.Time.Equal(start.Add(*e.at)) {
		return false
	}
	for k, v := range e.fields {
		if got, there := a.Fields[k]; !there || got != v {
			return false
		}
	}
	for _, want := range e.assets {
		if !slices.ContainsFunc(a.Assets, func(r model.Ref) bool { return r.String() == want }) {
			return false
		}
	}
	return true
}

// difference is what an expectation lacks, given how many alerts it got.
func (e Expectation) difference(f findings, got int) (Difference, bool) {
	d := Difference{Line: e.Line, Expected: e.String()}
	if !f.known[e.Rule] {
		near := model.Nearest(e.Rule, slices.Sorted(maps.Keys(f.known)))
		if near != "" {
			near = fmt.Sprintf(": did you mean %q?", near)
		}
		d.Found = fmt.Sprintf("no rule %q among those that are tested%s", e.Rule, near)
		return d, false
	}
	if e.Unknown {
		d.Found = "it can tell"
		return d, slices.ContainsFunc(f.unknown, func(u model.Incomplete) bool { return u.What == "rule "+e.Rule })
	}
	if e.Count > 0 {
		d.Found = e.closest(f, got)
		return d, got == e.Count
	}
	for _, a := range f.alerts {
		if e.about(a, f.start) {
			d.Found = f.describe(a)
			return d, false
		}
	}
	return d, true
}

// closest says what there is in place of the alerts that an expectation lacks.
func (e Expectation) closest(f findings, got int) string {
	var others []string
	for _, a := range f.alerts {
		if a.Rule == e.Rule && !e.about(a, f.start) && len(others) < 3 {
			others = append(others, f.describe(a))
		}
	}
	for _, u := range f.unknown {
		if u.What == "rule "+e.Rule {
			others = append(others, e.Rule+" can't tell: "+u.Why)
		}
	}
	if got > 0 {
		others = append([]string{fmt.Sprintf("%d of them", got)}, others...)
	}
	return cmp.Or(strings.Join(others, "; "), "nothing")
}

// String is the expectation in the words of the file.
func (e Expectation) String() string {
	if e.Unknown {
		return e.Rule + " can't tell"
	}
	words := []string{e.Rule}
	switch e.Count {
	case 0:
		words = []string{"no", e.Rule}
	case 1:
	default:
		words = append(words, fmt.Sprintf("%d times", e.Count))
	}
	if e.at != nil {
		words = append(words, "at "+e.at.String())
	}
	if e.level != nil {
		words = append(words, "level "+e.level.String())
	}
	for _, k := range slices.Sorted(maps.Keys(e.fields)) {
		words = append(words, k+"="+e.fields[k])
	}
	for _, a := range e.assets {
		words = append(words, "on "+a)
	}
	return strings.Join(words, " ")
}

// describe is an alert in the words of a file of tests.
func (f findings) describe(a model.Alert) string {
	where := cmp.Or(f.places[place{a.Source, a.Index}], fmt.Sprintf("record %d of %s", a.Index, a.Source))
	words := []string{a.Rule}
	if !a.Time.IsZero() {
		words = append(words, "at "+a.Time.Sub(f.start).String())
	}
	words = append(words, "by the event of "+where, "level "+a.Level.String())
	for _, k := range slices.Sorted(maps.Keys(a.Fields)) {
		words = append(words, k+"="+a.Fields[k])
	}
	for _, r := range a.Assets {
		words = append(words, "on "+r.String())
	}
	return strings.Join(words, " ")
}
