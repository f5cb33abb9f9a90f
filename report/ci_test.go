package report

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/scantling/scantling/model"
	"github.com/scantling/scantling/risk"
)

func pts(v float64) *risk.Points {
	p := risk.FromFloat(v)
	return &p
}

// assessment has a load, and steps, findings and gaps with the given ids.
func assessment(load *risk.Points, steps, findings, missed string) Assessment {
	d := Assessment{Schema: Schema, Tool: Tool{Name: "scantling"}, Estate: "e", Load: load, Plan: []PlanStep{}, Findings: []model.Finding{}}
	for _, id := range strings.Fields(steps) {
		d.Plan = append(d.Plan, PlanStep{Action: model.Action{ID: id}})
	}
	for _, id := range strings.Fields(findings) {
		f := model.Finding{ID: strings.TrimSuffix(id, "!")}
		if strings.HasSuffix(id, "!") {
			f.Suppressed = &model.Suppression{}
		}
		d.Findings = append(d.Findings, f)
	}
	for _, what := range strings.Fields(missed) {
		d.Incomplete = append(d.Incomplete, model.Incomplete{What: what})
	}
	return d
}

// baselineOf goes the way of a file.
func baselineOf(t *testing.T, d Assessment) *Baseline {
	t.Helper()
	var text strings.Builder
	if err := JSON(&text, d); err != nil {
		t.Fatal(err)
	}
	b, err := ReadBaseline([]byte(text.String()))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestRatchet(t *testing.T) {
	for name, tc := range map[string]struct {
		before, after *risk.Points
		bare          bool // no baseline
		allowed       float64
		raise         bool
		raised        string // "" for unknown
		difference    string
	}{
		"the same":            {before: pts(5), after: pts(5), raise: true, raised: "false", difference: "0.000"},
		"a thousandth more":   {before: pts(5), after: pts(5.001), raise: true, raised: "true", difference: "0.001"},
		"less":                {before: pts(5), after: pts(4), raise: true, raised: "false", difference: "-1.000"},
		"room":                {before: pts(5), after: pts(7), allowed: 2, raise: true, raised: "false", difference: "2.000"},
		"a bound":             {before: pts(5), after: pts(7), allowed: 6, raised: "true", difference: "2.000"},
		"a bound alone":       {bare: true, after: pts(7), allowed: 7, raised: "false"},
		"unknown before":      {after: pts(0), raise: true},
		"unknown now":         {before: pts(5), raise: true},
		"unknown now, bound":  {before: pts(5), allowed: 100},
		"unknown before, but": {after: pts(7), allowed: 8, raised: "false"},
	} {
		t.Run(name, func(t *testing.T) {
			var base *Baseline
			if !tc.bare {
				base = baselineOf(t, assessment(tc.before, "", "", ""))
			}
			r := NewRatchet(assessment(tc.after, "", "", ""), base, risk.FromFloat(tc.allowed), tc.raise)
			raised, difference := "", ""
			if r.Raised != nil {
				raised = fmt.Sprint(*r.Raised)
			}
			if r.Load.Difference != nil {
				difference = r.Load.Difference.String()
			}
			if raised != tc.raised || difference != tc.difference {
				t.Errorf("raised %q, difference %q, want %q, %q", raised, difference, tc.raised, tc.difference)
			}
		})
	}
}

func TestRatchetNames(t *testing.T) {
	base := baselineOf(t, assessment(pts(1), "a b", "f g", "x"))
	base.Estate, base.Tool.Version = "other", "0.9"
	r := NewRatchet(assessment(pts(1), "b c", "g h i!", "x y"), base, 0, true)
	var got []string
	for _, s := range r.NewSteps {
		got = append(got, s.Action.ID)
	}
	for _, f := range r.NewFindings {
		got = append(got, f.ID)
	}
	for _, x := range r.NewMissed {
		got = append(got, x.What)
	}
	if diff := cmp.Diff([]string{"c", "h", "y"}, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if len(r.Notes) != 2 {
		t.Errorf("notes %q, want one on the estate and one on the version", r.Notes)
	}
}

// FuzzReadBaseline: whatever a file holds, it is compared or refused.
func FuzzReadBaseline(f *testing.F) {
	f.Add(`{"schema": 1, "load": 5, "plan": [{"action": {"id": "a"}}], "findings": [{"id": "f"}]}`)
	f.Add(`{"schema": 1, "load": null, "plan": []}`)
	f.Add(`{"schema": 2, "plan": []}`)
	f.Add(`{"schema": 1, "load": 1e300, "plan": []}`)
	f.Fuzz(func(t *testing.T, text string) {
		b, err := ReadBaseline([]byte(text))
		if err != nil {
			return
		}
		r := NewRatchet(assessment(pts(3), "a", "f", ""), b, 0, true)
		if (r.Raised == nil) != (b.Load == nil) {
			t.Errorf("raised %v of a baseline with load %v", r.Raised, b.Load)
		}
		if r.Raised != nil && *r.Raised != (*b.Load < 3000) {
			t.Errorf("raised %v from %s to 3", *r.Raised, b.Load)
		}
	})
}
