package coverage

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/scantling/scantling/rule"
	"github.com/scantling/scantling/rules"
	"github.com/scantling/scantling/runtime/detect"
)

// TestTechniquesHaveRules holds that every technique which a log can show is
// looked for by a rule, or that a reason why not is written down.
func TestTechniquesHaveRules(t *testing.T) {
	cat, _ := rule.Load(rules.FS, "rules")
	prog, errs := detect.Compile(detect.FromCatalogue(cat))
	for _, err := range errs {
		t.Error(err)
	}
	shown, seen := 0, 0
	for _, technique := range slices.Sorted(maps.Keys(signals)) {
		has := len(rulesFor(prog.Rules(), technique)) > 0
		if strings.ContainsAny(signals[technique], "ABCLR") {
			shown++
			if has {
				seen++
			}
		}
		switch {
		case has && unseen[technique] != "":
			t.Errorf("%s has a rule, and a reason why it has none", technique)
		case has || unseen[technique] != "":
		default:
			t.Errorf("%s (%s) has neither a rule nor a reason why not", technique, signals[technique])
		}
	}
	t.Logf("a rule looks for %d of the %d techniques that a log can show", seen, shown)
	page := Matrix(prog.Rules())
	if !strings.Contains(page, "| [T1609](https://attack.mitre.org/techniques/T1609/) | ARS | [D101](D101.md)") {
		t.Error("the page does not show D101 beside T1609")
	}
}

func TestEveryKindIsOfALog(t *testing.T) {
	cat, _ := rule.Load(rules.FS, "rules")
	prog, _ := detect.Compile(detect.FromCatalogue(cat))
	for _, r := range prog.Rules() {
		for _, kind := range r.Kinds {
			if logOf(kind) == kind && kind != KubernetesAudit {
				t.Errorf("%s reads %s, which is of no log of the table", r.ID, kind)
			}
		}
	}
}
