package detect_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/scantling/scantling/model"
	"github.com/scantling/scantling/rule"
	"github.com/scantling/scantling/rules"
	"github.com/scantling/scantling/runtime/detect"
)

// ours compiles the runtime rules of the catalogue.
func ours(t testing.TB) (*detect.Program, *rule.Catalogue) {
	t.Helper()
	cat, errs := rule.Load(rules.FS, "rules")
	for _, err := range errs {
		if strings.HasPrefix(err.Error(), "rules/runtime/") {
			t.Error(err)
			continue
		}
		t.Log(err) // another stage's rules are its own tests' affair
	}
	prog, errs := detect.Compile(detect.FromCatalogue(cat))
	for _, err := range append(errs, prog.Warnings()...) {
		t.Error(err) // a rule that names what its log never has is dead
	}
	return prog, cat
}

// detections are the runtime rules in Sigma: alarms are those of runtime/signal.
func detections(cat *rule.Catalogue) []*rule.Rule {
	return slices.DeleteFunc(cat.Stage(model.Runtime), func(r *rule.Rule) bool { return r.Sigma == nil })
}

func TestCatalogueCases(t *testing.T) {
	prog, cat := ours(t)
	list := detections(cat)
	if len(list) < 59 {
		t.Fatalf("%d runtime rules, want at least 59", len(list))
	}
	passed := map[string]int{}
	for _, c := range rule.RunCases(cat, list, prog.Judge()) {
		if !c.OK() {
			t.Error(c)
		}
		if c.Want == model.Pass {
			passed[c.Rule.ID]++
		}
	}
	for _, r := range list { // that one is an attack the catalogue demands itself
		if passed[r.ID] < 2 {
			t.Errorf("%s: %d cases that pass, want an ordinary event and a near miss", r.ID, passed[r.ID])
		}
	}
}

func TestCatalogueNeeds(t *testing.T) {
	prog, _ := ours(t)
	want := map[string]string{"D101": "Metadata", "D102": "Request", "D103": "Metadata", "D104": "Request"}
	for _, r := range prog.Rules() {
		if w, ok := want[r.ID]; ok && r.Needs != w {
			t.Errorf("%s needs %s, want %s", r.ID, r.Needs, w)
		}
		passes := r.ID == "D340" || r.ID == "D341" || r.ID == "D342" // its alerts have the techniques of others
		if !r.Tested || len(r.Kinds) == 0 || (len(r.Attack) == 0) != passes {
			t.Errorf("%s: tested %t, kinds %v, attack %v", r.ID, r.Tested, r.Kinds, r.Attack)
		}
	}
}
