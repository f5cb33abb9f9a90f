package detect_test

import (
	"slices"
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
		t.Log(err) // another stage's rules are its own tests' affair
	}
	prog, errs := detect.Compile(detect.FromCatalogue(cat))
	for _, err := range errs {
		t.Error(err)
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
	if len(list) < 4 {
		t.Fatalf("%d runtime rules, want at least 4", len(list))
	}
	for _, c := range rule.RunCases(cat, list, prog.Judge()) {
		if !c.OK() {
			t.Error(c)
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
		if !r.Tested || len(r.Kinds) != 1 || len(r.Attack) == 0 {
			t.Errorf("%s: tested %t, kinds %v, attack %v", r.ID, r.Tested, r.Kinds, r.Attack)
		}
	}
}
