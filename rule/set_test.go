package rule

import (
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
)

const goodSet = "title: A set\nwhy: To test.\nrules: [B103]\n"

func TestSetsAreLoaded(t *testing.T) {
	edit := func(old, new string) string { return strings.Replace(goodSet, old, new, 1) }
	for name, tc := range map[string]struct {
		file, text string
		want       []string
	}{
		"good":          {"sets/my-set.yaml", goodSet, nil},
		"no set at all": {"sets/README.md", "x", nil},
		"bad name":      {"sets/My.yaml", goodSet, []string{"r/sets/My.yaml: a set is named by small letters, digits and dashes, as cis-docker"}},
		"name of all":   {"sets/all.yaml", goodSet, []string{"r/sets/all.yaml: a set is named by small letters, digits and dashes, as cis-docker"}},
		"no rules":      {"sets/my-set.yaml", edit("[B103]", "[]"), []string{"r/sets/my-set.yaml: a set has a title, a why, and rules: a list of ids"}},
		"no id":         {"sets/my-set.yaml", edit("B103", "x"), []string{`r/sets/my-set.yaml: "x" is no id of a rule`}},
		"twice":         {"sets/my-set.yaml", edit("B103", "B103, B103"), []string{"r/sets/my-set.yaml: B103 stands in it twice"}},
		"unknown key":   {"sets/my-set.yaml", goodSet + "name: x\n", []string{"r/sets/my-set.yaml:4: field name not found in type rule.Set"}},
		"no YAML":       {"sets/my-set.yaml", "a: [", []string{"r/sets/my-set.yaml:1: did not find expected node content"}},
		"empty":         {"sets/my-set.yaml", "", []string{"r/sets/my-set.yaml: EOF"}},
	} {
		t.Run(name, func(t *testing.T) {
			fsys := folder(map[string]string{"build/B103-x": goodRule})
			fsys[tc.file] = &fstest.MapFile{Data: []byte(tc.text)}
			cat, errs := Load(fsys, "r")
			if diff := cmp.Diff(tc.want, texts(errs)); diff != "" {
				t.Errorf("problems differ (-want +got):\n%s", diff)
			}
			if len(cat.Rules) != 1 {
				t.Errorf("%d rules: a bad set took the rule with it", len(cat.Rules))
			}
		})
	}
}

func TestSelectBySets(t *testing.T) {
	other := strings.NewReplacer("B103", "B104", "2026.1", "2026.2").Replace(goodRule)
	off := strings.Replace(strings.Replace(goodRule, "B103", "B105", 1), "why:", "off: It is noisy.\nwhy:", 1)
	fsys := folder(map[string]string{"build/B103-x": goodRule, "build/B104-y": other, "build/B105-z": off})
	fsys["sets/mine.yaml"] = &fstest.MapFile{Data: []byte("title: A set\nwhy: To test.\nrules: [B105, B104]\n")}
	fsys["sets/lost.yaml"] = &fstest.MapFile{Data: []byte("title: A set\nwhy: To test.\nrules: [B109]\n")}
	cat, errs := Load(fsys, "r")
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	for spec, want := range map[string]string{
		"": "B103 B104", "2026.1": "B103", "all": "B103 B104 B105", "mine": "B104 B105", "mine,B103": "B103 B104 B105", "2026.1, mine": "B103 B104 B105",
		"min":    `error: no rule has the id "min"; did you mean "mine"?`,
		"lost":   `error: set lost of r/sets/lost.yaml: no rule has the id "B109"; did you mean "B103"?`,
		"2026.3": `error: no rule set is named "2026.3": there is 2026.1, 2026.2`,
		"mine,":  `error: no rule has the id ""`,
	} {
		got := ""
		chosen, err := cat.Select(spec)
		if err != nil {
			got = "error: " + err.Error()
		} else {
			for _, r := range chosen.Rules {
				got = strings.TrimSpace(got + " " + r.ID)
			}
		}
		if got != want {
			t.Errorf("%q selects %s, want %s", spec, got, want)
		}
	}
	if merged, errs := cat.Merge(cat); len(merged.NamedSets()) != 2 || len(errs) != 5 {
		t.Errorf("merging with itself: %d sets, %v", len(merged.NamedSets()), errs)
	}
}
