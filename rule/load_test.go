package rule

import (
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/scantling/scantling/model"
)

const goodRule = `id: B103
title: Image runs as root
severity: medium
since: 2026.1
control: hygiene
why: A process that escapes starts as uid 0.
fix: Add a USER.
cites: [CIS-Docker-4.1]
match: user == "root"
`

const goodCases = "-- fail/a --\nroot\n-- pass/b --\n10001\n"

// folder makes a file system of rule folders, each with its rule.yaml and the
// same good cases.
func folder(rules map[string]string) fstest.MapFS {
	fsys := fstest.MapFS{}
	for dir, text := range rules {
		fsys[dir+"/rule.yaml"] = &fstest.MapFile{Data: []byte(text)}
		fsys[dir+"/cases.txtar"] = &fstest.MapFile{Data: []byte(goodCases)}
	}
	return fsys
}

func texts(errs []error) []string {
	var out []string
	for _, e := range errs {
		out = append(out, e.Error())
	}
	return out
}

func TestDecodeReportsEveryProblem(t *testing.T) {
	edit := func(old, new string) string {
		if !strings.Contains(goodRule, old) {
			t.Fatalf("the good rule has no %q", old)
		}
		return strings.Replace(goodRule, old, new, 1)
	}
	for name, tc := range map[string]struct {
		text string
		want []string // without "r/build/B103-x/rule.yaml"
	}{
		"good":             {goodRule, nil},
		"unknown key":      {goodRule + "tittle: x\n", []string{`:10: unknown key "tittle"; did you mean "title"?`}},
		"key twice":        {goodRule + "title: x\n", []string{`:10: key "title" is given twice`}},
		"missing key":      {edit("why: A process that escapes starts as uid 0.\n", ""), []string{`:1: key "why" is missing`}},
		"empty text":       {edit("Add a USER.", `" "`), []string{":7: fix is empty"}},
		"number for text":  {edit("title: Image runs as root", "title: 7"), []string{":2: title must be text"}},
		"bad severity":     {edit("medium", "grave"), []string{`:3: unknown severity "grave": use info, low, medium, high or critical`}},
		"bad set":          {edit("2026.1", "soon"), []string{":4: since must be the name of a rule set, as 2026.1"}},
		"bad control":      {edit("hygiene", "magic"), []string{`:5: control "magic" is not one of ` + strings.Join(Controls, ", ")}},
		"empty list":       {edit("[CIS-Docker-4.1]", "[]"), []string{":8: cites must be a list with at least one entry"}},
		"scalar for list":  {edit("[CIS-Docker-4.1]", "CIS"), []string{":8: cites must be a list with at least one entry"}},
		"entry twice":      {edit("[CIS-Docker-4.1]", "[a, a]"), []string{`:8: cites has "a" twice`}},
		"bad technique":    {goodRule + "attack: [T16]\n", []string{`:10: "T16" is not an ATT&CK id, as T1611 or T1078.004`}},
		"other id":         {edit("id: B103", "id: B104"), []string{`:1: id "B104" is not that of its folder, "B103"`}},
		"no logic":         {edit("match: user == \"root\"\n", ""), []string{":1: a rule has exactly one of match, check, and logsource with detection"}},
		"two logics":       {goodRule + "check: x\n", []string{":1: a rule has exactly one of match, check, and logsource with detection"}},
		"sigma in build":   {edit("match: user == \"root\"\n", "logsource: {product: x}\ndetection: {a: {b: c}, condition: a}\n"), []string{":10: Sigma rules belong to the runtime stage"}},
		"half sigma":       {edit("match: user == \"root\"\n", "detection: {a: {b: c}, condition: a}\n"), []string{":9: detection without logsource", ":9: Sigma rules belong to the runtime stage"}},
		"stray sigma":      {goodRule + "logsource: {product: x}\n", []string{":10: logsource is of use in a Sigma rule only"}},
		"each with check":  {edit("match: user == \"root\"\n", "check: x\neach: y\n"), []string{":10: each is of use with match only"}},
		"alias":            {edit("[CIS-Docker-4.1]", "&a [b]") + "aliases: *a\n", []string{":8: anchors and aliases are not allowed in a rule", ":10: anchors and aliases are not allowed in a rule", ":10: aliases must be a list with at least one entry"}},
		"two documents":    {goodRule + "---\na: b\n", []string{": a rule file holds one document"}},
		"empty":            {"", []string{": the file is empty"}},
		"not a mapping":    {"- a\n", []string{":1: a rule is a mapping of keys to values"}},
		"not yaml":         {"id: B103\ntitle: [\n", []string{":2: did not find expected node content"}},
		"bad variable":     {goodRule + "variables: [{name: A b, expression: x}, {name: c}, d]\n", []string{`:10: a variable's name must be one word, as podSpec`, ":10: a variable has a name and an expression", ":10: a variable has a name and an expression", ":10: a variable has a name and an expression"}},
		"problems of each": {"id: B103\nseverity: 3\n", []string{`:1: key "title" is missing`, `:1: key "since" is missing`, `:1: key "why" is missing`, `:1: key "fix" is missing`, `:1: key "cites" is missing`, `:1: key "control" is missing`, ":1: a rule has exactly one of match, check, and logsource with detection", ":2: severity must be text"}},
	} {
		t.Run(name, func(t *testing.T) {
			cat, errs := Load(folder(map[string]string{"build/B103-x": tc.text, "build/B104-y": strings.Replace(goodRule, "B103", "B104", 1)}), "r")
			var want []string
			for _, w := range tc.want {
				want = append(want, "r/build/B103-x/rule.yaml"+w)
			}
			if diff := cmp.Diff(want, texts(errs)); diff != "" {
				t.Errorf("problems differ (-want +got):\n%s", diff)
			}
			if _, err := cat.Rule("B104"); err != nil {
				t.Errorf("the good rule beside it was lost: %v", err)
			}
		})
	}
}

func TestLoadRefusesFolders(t *testing.T) {
	cases := func(text string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(text)} }
	good := cases(goodRule)
	for name, tc := range map[string]struct {
		fsys fstest.MapFS
		want []string
	}{
		"stray files":    {fstest.MapFS{"README.md": cases("x"), "build/README.md": cases("x")}, nil},
		"no stage":       {fstest.MapFS{"bild/B103-x/rule.yaml": good}, []string{"r/bild: not a stage: rules are in build, registry, infrastructure and runtime"}},
		"bad name":       {fstest.MapFS{"build/runs-as-root/rule.yaml": good}, []string{"r/build/runs-as-root: a rule's folder is named <ID>-<slug>, as B103-runs-as-root"}},
		"stage of id":    {fstest.MapFS{"runtime/B103-x/rule.yaml": good}, []string{"r/runtime/B103-x: id B103 belongs to the build stage"}},
		"no rule":        {fstest.MapFS{"build/B103-x/cases.txtar": cases(goodCases)}, []string{"r/build/B103-x/rule.yaml: reading the rule: open build/B103-x/rule.yaml: file does not exist"}},
		"no cases":       {fstest.MapFS{"build/B103-x/rule.yaml": good}, []string{"r/build/B103-x/cases.txtar: a rule has cases: one that fails and one that passes at least"}},
		"empty cases":    {fstest.MapFS{"build/B103-x/rule.yaml": good, "build/B103-x/cases.txtar": cases("")}, []string{"r/build/B103-x/cases.txtar: no case that must fail"}},
		"no passing":     {fstest.MapFS{"build/B103-x/rule.yaml": good, "build/B103-x/cases.txtar": cases("-- fail/a --\n")}, []string{"r/build/B103-x/cases.txtar: no case that must pass"}},
		"case twice":     {fstest.MapFS{"build/B103-x/rule.yaml": good, "build/B103-x/cases.txtar": cases("-- fail/a --\n-- fail/a --\n")}, []string{`r/build/B103-x/cases.txtar: case "fail/a" is given twice`}},
		"case's verdict": {fstest.MapFS{"build/B103-x/rule.yaml": good, "build/B103-x/cases.txtar": cases("-- maybe/a --\n")}, []string{`r/build/B103-x/cases.txtar: case "maybe/a" is not named fail/NAME, pass/NAME or unknown/NAME`}},
		"id twice": {folder(map[string]string{"build/B103-a": goodRule, "build/B103-b": goodRule}), []string{
			"r/build/B103-b/rule.yaml: id B103 is taken by r/build/B103-a/rule.yaml",
		}},
		"links": {fstest.MapFS{"build": &fstest.MapFile{Mode: fs.ModeSymlink, Data: []byte("runtime")}, "runtime/T101-x": &fstest.MapFile{Mode: fs.ModeSymlink, Data: []byte("../build")}}, []string{
			"r/build: a link: not followed", "r/runtime/T101-x: a link: not followed",
		}},
		"too large": {fstest.MapFS{"build/B103-x/rule.yaml": cases(strings.Repeat("#", maxRuleFile+1)), "build/B103-x/cases.txtar": cases(goodCases)}, []string{"r/build/B103-x/rule.yaml: reading the rule: larger than 262144 bytes"}},
	} {
		t.Run(name, func(t *testing.T) {
			_, errs := Load(tc.fsys, "r")
			if diff := cmp.Diff(tc.want, texts(errs)); diff != "" {
				t.Errorf("problems differ (-want +got):\n%s", diff)
			}
		})
	}
}

func TestSigmaKeepsItsLines(t *testing.T) {
	text := strings.Replace(goodRule, "B103", "T101", 1)
	text = strings.Replace(text, "match: user == \"root\"\n", "logsource:\n  product: kubernetes\ndetection:\n  one: {verb: create}\n  condition: one\n", 1)
	cat, errs := Load(folder(map[string]string{"runtime/T101-x": text}), "r")
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	r := cat.Rules[0]
	var got struct {
		Logsource map[string]string
		Detection map[string]any
	}
	if err := r.Sigma.Decode(&got); err != nil {
		t.Fatal(err)
	}
	if got.Logsource["product"] != "kubernetes" || got.Detection["condition"] != "one" {
		t.Errorf("decoded %+v", got)
	}
	if line := r.Sigma.Content[3].Content[0].Line; line != 12 || r.Line != 12 {
		t.Errorf("detection is on line %d, rule says %d, want 12", line, r.Line)
	}
}

func TestSelect(t *testing.T) {
	rules := map[string]string{}
	for _, r := range []struct{ id, since, off string }{
		{"B101", "2026.1", ""},
		{"B102", "2026.2", ""},
		{"B103", "2026.10", ""},
		{"B104", "2026.1", "off: It is a matter of taste.\n"},
	} {
		text := strings.Replace(goodRule, "B103", r.id, 1) + r.off
		rules["build/"+r.id+"-x"] = strings.Replace(text, "2026.1", r.since, 1)
	}
	cat, errs := Load(folder(rules), "r")
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	if diff := cmp.Diff([]string{"2026.1", "2026.2", "2026.10"}, cat.Sets()); diff != "" {
		t.Errorf("sets differ:\n%s", diff)
	}
	for spec, tc := range map[string]struct {
		want []string
		err  string
	}{
		"":           {want: []string{"B101", "B102", "B103"}},
		"all":        {want: []string{"B101", "B102", "B103", "B104"}},
		"2026.1":     {want: []string{"B101"}},
		"2026.2":     {want: []string{"B101", "B102"}},
		"2026.10":    {want: []string{"B101", "B102", "B103"}},
		"B104, B101": {want: []string{"B101", "B104"}},
		"2025.1":     {err: `no rule set is named "2025.1": there is 2026.1, 2026.2, 2026.10`},
		"B101,B1O1":  {err: `no rule has the id "B1O1"; did you mean "B101"?`},
		"b104":       {err: `no rule has the id "b104"; B104 (x) does`},
		"zzzzzzz":    {err: `no rule has the id "zzzzzzz"`},
	} {
		t.Run(spec, func(t *testing.T) {
			got, err := cat.Select(spec)
			if err != nil || tc.err != "" {
				if err == nil || err.Error() != tc.err {
					t.Fatalf("error %v, want %s", err, tc.err)
				}
				return
			}
			var ids []string
			for _, r := range got.Rules {
				ids = append(ids, r.ID)
			}
			if diff := cmp.Diff(tc.want, ids); diff != "" {
				t.Errorf("selection differs:\n%s", diff)
			}
		})
	}
}

func TestMerge(t *testing.T) {
	ours, _ := Load(folder(map[string]string{"build/B103-x": goodRule}), "ours")
	theirs, _ := Load(folder(map[string]string{"build/B103-y": goodRule, "build/B999-z": strings.Replace(goodRule, "B103", "B999", 1)}), "theirs")
	shut, _ := Load(folder(map[string]string{"build/B103-x": goodRule}), "ours", model.Runtime)
	if only, errs := shut.Merge(theirs); len(only.Rules) != 1 || len(errs) != 1 || !strings.Contains(errs[0].Error(), "taken by ours/build/B103-x/rule.yaml") {
		t.Errorf("beside an id that was not read: %d rules, %v", len(only.Rules), errs)
	}
	if all, errs := theirs.Merge(shut); len(errs) != 1 || !strings.Contains(errs[0].Error(), "ours/build/B103-x/rule.yaml: id B103 is taken by theirs") {
		t.Errorf("an id that was not read beside it: %v", errs)
	} else if one, err := all.Select("B103"); err != nil || len(one.Rules) != 1 {
		t.Errorf("of it is selected %v, error %v", one, err)
	}
	both, errs := ours.Merge(theirs)
	if diff := cmp.Diff([]string{"theirs/build/B103-y/rule.yaml:1: id B103 is taken by ours/build/B103-x/rule.yaml"}, texts(errs)); diff != "" {
		t.Errorf("problems differ:\n%s", diff)
	}
	if len(both.Rules) != 2 || both.Rules[0].Slug != "x" || len(both.Cases("B999")) != 2 {
		t.Errorf("merged %d rules, first %q, %d cases of B999", len(both.Rules), both.Rules[0].Slug, len(both.Cases("B999")))
	}
	if len(ours.Rules) != 1 {
		t.Error("Merge changed its receiver")
	}
}

func TestRunCases(t *testing.T) {
	cat, errs := Load(folder(map[string]string{"build/B103-x": goodRule}), "r")
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	results := RunCases(cat, cat.Rules, func(id, name string, data []byte) (model.Verdict, string, error) {
		return model.Pass, "says " + name, nil
	})
	var got []string
	for _, r := range append(results, RunCases(&Catalogue{}, cat.Rules, nil)...) {
		got = append(got, r.String())
	}
	want := []string{"FAIL B103 fail/a: got pass, want fail: says a", "ok B103 pass/b", "FAIL B103 : no cases beside r/build/B103-x/rule.yaml"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("results differ:\n%s", diff)
	}
}

// FuzzDecode: whatever the bytes, there is either a rule or a problem, a
// problem names a line of the file, and a rule that loads has what every rule
// must have.
func FuzzDecode(f *testing.F) {
	f.Add([]byte(goodRule))
	f.Add([]byte(goodRule + "variables: [{name: a, expression: b}]\neach: c\nkinds: [Pod]\nneeds: graph\n"))
	f.Add([]byte("id: &a B103\ntitle: *a\n"))
	f.Add([]byte("match: |\n  a\n  b\nid: 7\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) > 4096 {
			return
		}
		r, problems := decode("f", "B103", "x", model.Build, data)
		if (r == nil) != (len(problems) > 0) {
			t.Fatalf("rule %v with problems %v", r, problems)
		}
		lines := strings.Count(string(data), "\n") + strings.Count(string(data), "\r") + 2
		for _, p := range problems {
			if p.Line < 0 || p.Line > lines {
				t.Errorf("line %d of %d: %s", p.Line, lines, p.Text)
			}
		}
		if r == nil {
			return
		}
		if r.ID != "B103" || r.Title == "" || r.Why == "" || r.Fix == "" || len(r.Cites) == 0 || r.Control == "" || (r.Match == "") == (r.Check == "") {
			t.Errorf("incomplete rule %+v", r)
		}
	})
}
