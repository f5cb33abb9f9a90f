package cli

import (
	"slices"
	"testing"

	"github.com/scantling/scantling/rule"
	"github.com/scantling/scantling/rules"
	"github.com/scantling/scantling/runtime/coverage"
	"github.com/scantling/scantling/runtime/detect"
	"github.com/scantling/scantling/runtime/signal"
)

// TestProposedPolicyFeeds asks the audit policy that a plan proposes of every
// rule of the catalogue.
func TestProposedPolicyFeeds(t *testing.T) {
	cat, _ := rule.Load(rules.FS, "rules")
	program, _ := detect.Compile(detect.FromCatalogue(cat))
	actions := coverage.Reading(coverage.Input{Rules: program.Rules()}).Actions
	policy, errs := signal.ParsePolicy("policy.yaml", []byte(actions[0].Patch))
	for _, err := range errs {
		t.Fatal(err)
	}
	blind := []string{"D124", "D129"} // look into ConfigMaps and Secrets
	var starved []string
	for _, f := range policy.Feeds(program) {
		if f.Verdict == signal.Fed {
			continue
		}
		starved = append(starved, f.Rule.ID)
		if !slices.Contains(blind, f.Rule.ID) {
			t.Error(policy.Problems(f))
		}
	}
	if !slices.Equal(starved, blind) {
		t.Errorf("not fed: %v, want %v", starved, blind)
	}
}
