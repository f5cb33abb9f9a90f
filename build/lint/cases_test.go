package lint

import (
	"testing"

	"github.com/scantling/scantling/model"
	"github.com/scantling/scantling/rule"
	"github.com/scantling/scantling/rules"
)

func catalogue(t testing.TB) *rule.Catalogue {
	t.Helper()
	cat, errs := rule.Load(rules.FS, "rules")
	for _, err := range errs {
		t.Error(err)
	}
	return cat
}

func TestRuleCases(t *testing.T) {
	cat := catalogue(t)
	build := cat.Stage(model.Build)
	if len(build) < 26 {
		t.Fatalf("%d build rules, want at least 26", len(build))
	}
	results := rule.RunCases(cat, build, Cases(cat))
	for _, res := range results {
		if !res.OK() {
			t.Error(res)
		}
	}
	t.Logf("%d cases of %d rules", len(results), len(build))
}
