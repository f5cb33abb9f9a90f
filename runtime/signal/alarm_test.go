package signal_test

import (
	"slices"
	"testing"

	"github.com/scantling/scantling/model"
	"github.com/scantling/scantling/rule"
	"github.com/scantling/scantling/rules"
	"github.com/scantling/scantling/runtime/signal"
)

func catalogue(t testing.TB) *rule.Catalogue {
	t.Helper()
	cat, errs := rule.Load(rules.FS, "rules")
	for _, err := range errs {
		t.Log(err) // another stage's rules are its own tests' affair
	}
	return cat
}

func TestCatalogueCases(t *testing.T) {
	cat := catalogue(t)
	list := slices.DeleteFunc(cat.Stage(model.Runtime), func(r *rule.Rule) bool { return r.Check == "" })
	if len(list) < 9 {
		t.Fatalf("%d alarms, want at least 9", len(list))
	}
	for _, c := range rule.RunCases(cat, list, signal.Cases(cat)) {
		if !c.OK() {
			t.Error(c)
		}
	}
}
