package rules

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/scantling/scantling/rule"
)

// TestCatalogue: every rule loads, has cases, and reads well. That its cases
// come out as they must is tested by the package that judges its stage.
func TestCatalogue(t *testing.T) {
	cat, errs := rule.Load(FS, "rules")
	for _, err := range errs {
		t.Error(err)
	}
	if len(cat.Rules) == 0 {
		t.Fatal("no rules")
	}
	titles := map[string]string{}
	for _, r := range cat.Rules {
		if len(cat.Cases(r.ID)) < 2 {
			t.Errorf("%s: fewer than two cases", r.File)
		}
		for name, text := range map[string]string{"why": r.Why, "fix": r.Fix} {
			if !strings.HasSuffix(text, ".") {
				t.Errorf("%s: %s is no sentence: %q", r.File, name, text)
			}
		}
		if strings.HasSuffix(r.Title, ".") || len(r.Title) > 80 {
			t.Errorf("%s: a title is short and has no period: %q", r.File, r.Title)
		}
		if other, twice := titles[r.Title]; twice {
			t.Errorf("%s has the title of %s", r.File, other)
		}
		titles[r.Title] = r.File
	}
	t.Logf("%d rules", len(cat.Rules))
}

// TestFirstSet: the rules of the first released set are on unless they say why
// not, and none is newer than the newest set.
func TestFirstSet(t *testing.T) {
	cat, _ := rule.Load(FS, "rules")
	set, err := cat.Select("2026.1")
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range cat.Rules {
		_, err := set.Rule(r.ID)
		on := err == nil
		if want := r.Off == "" && r.Since == "2026.1"; on != want {
			t.Errorf("%s: in 2026.1 %v, want %v", r.ID, on, want)
		}
	}
}

// TestReferencesAreWellFormed: a URL among the citations is a whole one.
func TestReferencesAreWellFormed(t *testing.T) {
	cat, _ := rule.Load(FS, "rules")
	whole := regexp.MustCompile(`^https://[^ ]+$`)
	for _, r := range cat.Rules {
		for _, c := range r.Cites {
			if strings.Contains(c, "://") && !whole.MatchString(c) {
				t.Errorf("%s: %q is not a whole https address", r.File, c)
			}
		}
	}
}

// TestSetsAreWhole: a set that is named after a source holds every rule of its
// stage that cites the source, and no other; the other sets go by control.
func TestSetsAreWhole(t *testing.T) {
	cat, errs := rule.Load(FS, "rules")
	for _, err := range errs {
		t.Error(err)
	}
	cites := func(source string, stages ...string) func(*rule.Rule) bool {
		return func(r *rule.Rule) bool {
			return slices.Contains(stages, string(r.Stage)) && slices.ContainsFunc(r.Cites, func(c string) bool {
				return strings.HasPrefix(strings.ToLower(c), strings.ToLower(source))
			})
		}
	}
	belongs := map[string]func(*rule.Rule) bool{
		"cis-docker":     cites("CIS-Docker", "build", "registry"),
		"cis-kubernetes": cites("CIS-Kubernetes", "infrastructure"),
		"nsa-cisa":       cites("NSA/CISA", "infrastructure"),
		"pss-baseline":   cites("Pod Security Standards, baseline", "infrastructure"),
		"pss-restricted": cites("Pod Security Standards", "infrastructure"),
		"rbac":           func(r *rule.Rule) bool { return r.Stage == "infrastructure" && r.Control == "identity" },
		"supply-chain": func(r *rule.Rule) bool {
			return r.Stage == "build" && (r.Control == "base" || r.Control == "deps")
		},
	}
	for _, set := range cat.NamedSets() {
		var want []string
		for _, r := range cat.Rules {
			if belongs[set.Name] != nil && belongs[set.Name](r) {
				want = append(want, r.ID)
			}
		}
		if diff := cmp.Diff(want, set.Rules); diff != "" {
			t.Errorf("%s: should be (-), is (+):\n%s", set.File, diff)
		}
		delete(belongs, set.Name)
	}
	for name := range belongs {
		t.Errorf("there is no set %s", name)
	}
}
