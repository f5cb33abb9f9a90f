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

// TestStagesAlone: a stage that is read alone has the rules that it has among
// all, is selected by every word that is known to all, and knows as many sets.
func TestStagesAlone(t *testing.T) {
	all, _ := rule.Load(FS, "rules")
	words := append([]string{"", rule.AllRules}, all.Sets()...)
	for _, s := range all.NamedSets() {
		words = append(words, s.Name)
	}
	for _, r := range all.Rules {
		words = append(words, r.ID)
	}
	byStage := slices.CompactFunc(slices.Clone(all.Rules), func(a, b *rule.Rule) bool { return a.Stage == b.Stage })
	if len(byStage) != 4 {
		t.Errorf("rules of %d stages, sorted by id", len(byStage))
	}
	for _, first := range byStage {
		stage := first.Stage
		alone, errs := rule.Load(FS, "rules", stage)
		if len(errs) > 0 || len(alone.Rules) == 0 || len(alone.Rules) != len(alone.Stage(stage)) {
			t.Errorf("%s: %d rules, %d of the stage, %v", stage, len(alone.Rules), len(alone.Stage(stage)), errs)
		}
		if diff := cmp.Diff(all.Sets(), alone.Sets()); diff != "" {
			t.Errorf("%s: other sets (-all +alone):\n%s", stage, diff)
		}
		for _, word := range words {
			want, err := all.Select(word)
			got, err2 := alone.Select(word)
			if err != nil || err2 != nil {
				t.Errorf("%s: %q: %v, alone %v", stage, word, err, err2)
				continue
			}
			if diff := cmp.Diff(ids(want.Stage(stage)), ids(got.Rules)); diff != "" {
				t.Errorf("%s: %q selects others (-all +alone):\n%s", stage, word, diff)
			}
		}
		for _, bad := range []string{"2020.1", "D1O1", "no-such-set"} {
			if _, err := alone.Select(bad); err == nil {
				t.Errorf("%s: %q is taken for a word", stage, bad)
			}
		}
	}
}

func ids(list []*rule.Rule) []string {
	var out []string
	for _, r := range list {
		out = append(out, r.ID)
	}
	return out
}
