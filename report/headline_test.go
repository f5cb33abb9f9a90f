package report

import (
	"testing"

	"github.com/scantling/scantling/risk"
)

func TestHeadline(t *testing.T) {
	p := func(v risk.Points) *risk.Points { return &v }
	plan := []PlanStep{{N: 1, After: p(90_000)}, {N: 2, After: p(5_000)}}
	for name, tc := range map[string]struct {
		d    Assessment
		want string
	}{
		"unknown":    {Assessment{}, "The load is unknown: no cluster was read, so nobody knows what can be reached."},
		"under":      {Assessment{Load: p(5_000), Line: p(6_000), under: true}, "The load of 5.000 is under the line 6.000."},
		"falls":      {Assessment{Load: p(99_000), Line: p(6_000), under: true, steps: 2, hours: 2.5, Plan: plan}, "Do 2 actions (2.5 h): the load falls from 99.000 to 5.000, under the line 6.000."},
		"not enough": {Assessment{Load: p(99_000), Line: p(1_000), steps: 2, hours: 2.5, Plan: plan}, "All 2 actions (2.5 h) bring the load from 99.000 to 5.000: still over the line 1.000."},
		"no plan":    {Assessment{Load: p(99_000), Line: p(1_000)}, "The load of 99.000 is over the line 1.000, and no action of a known worth was found."},
	} {
		t.Run(name, func(t *testing.T) {
			if got := tc.d.headline(); got != tc.want {
				t.Errorf("%q, want %q", got, tc.want)
			}
		})
	}
}
