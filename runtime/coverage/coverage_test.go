package coverage_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/scantling/scantling/model"
	"github.com/scantling/scantling/runtime/coverage"
	"github.com/scantling/scantling/runtime/detect"
)

func audit(id, needs string, tested bool, attack ...string) detect.Rule {
	return detect.Rule{ID: id, Title: "title of " + id, File: id + ".yml", Line: 1, Kinds: []string{"kubernetes-audit"}, Needs: needs, Tested: tested, Attack: attack}
}

var (
	execRule   = audit("D1", "Metadata", true, "T1609")
	podRule    = audit("D2", "Request", true, "T1610", "T1611")
	secretRule = audit("D3", "Metadata", false, "T1552.007")
	deadRule   = detect.Rule{ID: "D4", Attack: []string{"T1190"}}
)

func facts(list []model.Fact) []string {
	var out []string
	for _, f := range list {
		out = append(out, strings.TrimSpace(fmt.Sprintf("%s %s %s %s", f.Kind, f.Asset.Key, f.Object.Key, f.Value)))
	}
	return out
}

func actions(list []model.Action) map[string][]string {
	out := map[string][]string{}
	for _, a := range list {
		keys := []string{string(a.Type)}
		for _, r := range a.Assets {
			keys = append(keys, r.Key)
		}
		change := facts(a.Adds)
		for _, id := range a.Removes {
			change = append(change, "without "+id)
		}
		out[strings.Join(keys, " ")] = change
	}
	return out
}

const k = " kubernetes-audit "

func TestReading(t *testing.T) {
	ladder := func(audit, application, runtime string) []string {
		return []string{
			application + " application  detect.logs", runtime + " container-runtime  detect.logs", audit + " kubernetes-audit  detect.audit",
		}
	}
	all := []detect.Rule{execRule, podRule, secretRule, deadRule}
	for name, tc := range map[string]struct {
		in      coverage.Input
		facts   []string
		actions map[string][]string
		blind   int
	}{
		"nothing": {
			coverage.Input{},
			ladder("lacks", "lacks", "lacks"),
			map[string][]string{"enable-log kubernetes-audit": {"log-read kubernetes-audit  Request"}},
			0,
		},
		"rules, log with bodies": {
			coverage.Input{Rules: all, Logs: map[string]string{"kubernetes-audit": "RequestResponse"}},
			append(
				ladder("meets", "lacks", "lacks"),
				"rule-for T1552.007"+k+"D3", "rule-for T1609"+k+"D1", "rule-for T1610"+k+"D2", "rule-for T1611"+k+"D2",
				"rule-tested T1609"+k+"D1", "rule-tested T1610"+k+"D2", "rule-tested T1611"+k+"D2"),
			map[string][]string{"test-rule T1552.007 kubernetes-audit": {"rule-tested T1552.007" + k + "D3"}},
			1,
		},
		"rules, log without bodies": {
			coverage.Input{Rules: []detect.Rule{execRule, podRule}, Logs: map[string]string{"kubernetes-audit": "Metadata"}},
			append(ladder("meets", "lacks", "lacks"), "rule-for T1609"+k+"D1", "rule-tested T1609"+k+"D1"),
			map[string][]string{"enable-log kubernetes-audit": {
				"log-read kubernetes-audit  Request", "rule-for T1610" + k + "D2", "rule-tested T1610" + k + "D2", "rule-for T1611" + k + "D2", "rule-tested T1611" + k + "D2",
				"without log-read|log|kubernetes-audit|||Metadata",
			}},
			1,
		},
		"rules, log not read": {
			coverage.Input{Rules: []detect.Rule{podRule}},
			append(ladder("lacks", "lacks", "lacks"), "rule-for T1610"+k+"D2", "rule-for T1611"+k+"D2", "rule-tested T1610"+k+"D2", "rule-tested T1611"+k+"D2"),
			map[string][]string{"enable-log kubernetes-audit": {"log-read kubernetes-audit  Request"}},
			0,
		},
		"needed steps": {
			coverage.Input{
				Rules: []detect.Rule{execRule}, Needed: []string{"T1190", "T1609", "T1528", "T1068", "T1528", "T9999"},
				Logs: map[string]string{"kubernetes-audit": "Metadata", "container-runtime": ""},
			},
			append(ladder("meets", "lacks", "meets"), "rule-for T1609"+k+"D1", "rule-tested T1609"+k+"D1"),
			map[string][]string{
				"enable-log application":          {"log-read application"},
				"add-rule T1190 application":      {"rule-for T1190 application a new rule"},
				"add-rule T1528 kubernetes-audit": {"rule-for T1528" + k + "a new rule"},
			},
			0,
		},
		"needed step that needs bodies": {
			coverage.Input{Needed: []string{"T1098.006"}, Logs: map[string]string{"kubernetes-audit": "Metadata"}},
			ladder("meets", "lacks", "lacks"),
			map[string][]string{"add-rule T1098.006 kubernetes-audit": {
				"rule-for T1098.006" + k + "a new rule", "log-read kubernetes-audit  Request", "without log-read|log|kubernetes-audit|||Metadata",
			}},
			0,
		},
		"tested by another rule": {
			coverage.Input{Rules: []detect.Rule{execRule, audit("D9", "Metadata", false, "T1609")}, Logs: map[string]string{"kubernetes-audit": "Metadata"}},
			append(ladder("meets", "lacks", "lacks"), "rule-for T1609"+k+"D1", "rule-for T1609"+k+"D9", "rule-tested T1609"+k+"D1"),
			map[string][]string{},
			0,
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := coverage.Reading(tc.in)
			slices.Sort(tc.facts)
			got := facts(r.Facts)
			slices.Sort(got)
			if diff := cmp.Diff(tc.facts, got); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff(tc.actions, actions(r.Actions)); diff != "" {
				t.Error(diff)
			}
			if n := len(coverage.Blind(tc.in)); n != tc.blind {
				t.Errorf("%d blind rules, want %d", n, tc.blind)
			}
			slices.Reverse(tc.in.Rules)
			slices.Reverse(tc.in.Needed)
			if diff := cmp.Diff(r, coverage.Reading(tc.in)); diff != "" {
				t.Errorf("order of input shows: %s", diff)
			}
		})
	}
}

// TestActionsComplete holds that an action's effect is what a second reading
// would find, had it been carried out.
func TestActionsComplete(t *testing.T) {
	rules := []detect.Rule{execRule, podRule}
	before := coverage.Reading(coverage.Input{Rules: rules, Logs: map[string]string{"kubernetes-audit": "Metadata"}})
	after := coverage.Reading(coverage.Input{Rules: rules, Logs: map[string]string{"kubernetes-audit": "Request"}})
	have := map[string]bool{}
	for _, f := range before.Facts {
		have[f.ID()] = true
	}
	for _, a := range before.Actions {
		for _, f := range a.Adds {
			have[f.ID()] = true
		}
	}
	for _, f := range after.Facts {
		if !have[f.ID()] {
			t.Errorf("%s is found afterwards, and no action adds it", f.ID())
		}
	}
	if len(after.Actions) > 0 {
		t.Errorf("an action is left: %v", actions(after.Actions))
	}
}

func TestShows(t *testing.T) {
	for _, tc := range []struct {
		kind, technique string
		want            bool
	}{
		{"kubernetes-audit", "T1609", true},
		{"kubernetes-audit", "T1611", true},
		{"kubernetes-audit", "T1068", false},
		{"application", "T1190", true},
		{"container-runtime", "T1609", true},
		{"container-runtime", "T1528", false},
		{"kubernetes-audit", "T1613.999", true},
		{"kubernetes-audit", "T9999", false},
		{"syscall", "T1068", false},
	} {
		if got := coverage.Shows(tc.kind, tc.technique); got != tc.want {
			t.Errorf("Shows(%s, %s) = %t, want %t", tc.kind, tc.technique, got, tc.want)
		}
	}
}

func TestLogs(t *testing.T) {
	log := func(kind, level string) model.Fact {
		return model.Fact{Kind: model.LogRead, Asset: model.Ref{Kind: model.Log, Key: kind}, Value: level}
	}
	got := coverage.Logs([]model.Fact{
		log("kubernetes-audit", "Request"), log("kubernetes-audit", "Metadata"), log("application", ""), {Kind: model.Meets, Asset: model.Ref{Key: "x"}},
	})
	if diff := cmp.Diff(map[string]string{"kubernetes-audit": "Request", "application": ""}, got); diff != "" {
		t.Error(diff)
	}
}
