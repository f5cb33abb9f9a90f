package detect_test

import (
	"os"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/scantling/scantling/model"
	"github.com/scantling/scantling/rule"
	"github.com/scantling/scantling/runtime/detect"
)

const counting = `id: D901
title: Three pods read
severity: high
since: 2026.1
control: detect
why: W.
fix: F.
cites: [here]
attack: [T1613]
logsource: {product: kubernetes, service: audit}
detection:
  selection: {verb: get, objectRef.resource: pods}
  condition: selection
`

// ruleOf compiles a catalogue of one runtime rule.
func ruleOf(t *testing.T, text string) (*detect.Program, []error) {
	t.Helper()
	files := fstest.MapFS{
		"runtime/D901-three-pods/rule.yaml":   {Data: []byte(text)},
		"runtime/D901-three-pods/cases.txtar": {Data: []byte("-- fail/a.json --\n{}\n-- pass/b.json --\n{}\n")},
	}
	cat, errs := rule.Load(files, "rules")
	prog, more := detect.Compile(detect.FromCatalogue(cat))
	return prog, append(errs, more...)
}

func podRead(name string, second int64) model.Event {
	ev := audit(`{"level":"Metadata","verb":"get","auditID":"` + name + `","user":{"username":"alice"},"objectRef":{"resource":"pods","name":"` + name + `"}}`)
	ev.Key, ev.Time = name, time.Unix(second, 0)
	return ev
}

func TestRuleOfTheCatalogueCountsItsMatches(t *testing.T) {
	prog, errs := ruleOf(t, counting+`correlation:
  type: value_count
  group-by: [user.username]
  timespan: 1m
  condition: {field: objectRef.name, gte: 3}
`)
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	var ids []string
	for _, r := range prog.Rules() {
		ids = append(ids, r.ID)
		if r.Silent != (r.ID != "D901") || !r.Tested || r.Level != model.High || r.Needs != "Metadata" {
			t.Errorf("%+v", r)
		}
	}
	if diff := cmp.Diff([]string{"D901.matches", "D901"}, ids); diff != "" {
		t.Error(diff)
	}
	for want, events := range map[int][]model.Event{
		0: {podRead("a", 1), podRead("b", 2), podRead("b", 3), podRead("c", 90)},
		1: {podRead("a", 1), podRead("b", 2), podRead("c", 3)},
	} {
		got := detect.Run(prog, events)
		if len(got) != want {
			t.Errorf("%d alerts, want %d", len(got), want)
		}
		for _, a := range got {
			if a.Rule != "D901" || a.Fields["group.user.username"] != "alice" || cmp.Diff(a.Attack, []string{"T1613"}) != "" {
				t.Errorf("%+v", a)
			}
		}
	}
}

func TestCorrelationOfTheCatalogueIsChecked(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		"names rules itself": {"correlation: {type: event_count, rules: [D101], timespan: 1m, condition: {gte: 2}}\n", `"rules" is given twice`},
		"no mapping":         {"correlation: [event_count]\n", "is a mapping"},
		"no timespan":        {"correlation: {type: event_count, condition: {gte: 2}}\n", "timespan is missing"},
	} {
		_, errs := ruleOf(t, counting+c.text)
		if len(errs) != 1 || !strings.Contains(errs[0].Error(), c.want) || !strings.Contains(errs[0].Error(), "rule.yaml:14") {
			t.Errorf("%s: got %v, want one error with %q on line 14", name, errs, c.want)
		}
	}
	text, _, _ := strings.Cut(counting, "logsource")
	if _, errs := ruleOf(t, text+"correlation: {type: event_count}\n"); len(errs) == 0 || !strings.Contains(errs[0].Error(), "exactly one of") {
		t.Errorf("a correlation without a detection: %v", errs)
	}
}

func TestAnyKeyOfAnObject(t *testing.T) {
	sources, errs := detect.Parse("any.yml", []byte(`title: any key
logsource: {product: kubernetes, service: audit}
detection:
  selection: {'requestObject.data.*|contains': secret}
  condition: selection
`))
	prog, more := detect.Compile(sources)
	if errs = append(errs, more...); len(errs) > 0 {
		t.Fatal(errs)
	}
	for body, want := range map[string]int{
		`{"data":{"a":"x","b.c":"my secret"}}`: 1,
		`{"data":{"a":["x","secret"]}}`:        1,
		`[{"data":{"a":"secret"}}]`:            1,
		`{"data":{"a":{"b":"secret"}}}`:        0,
		`{"data":{"secret":"x"}}`:              0,
		`{"data":{}}`:                          0,
		`{"data":"secret"}`:                    0,
		`{}`:                                   0,
	} {
		ev := audit(`{"level":"Request","verb":"create","requestObject":` + body + `}`)
		if got := len(detect.Run(prog, []model.Event{ev})); got != want {
			t.Errorf("%s: %d alerts, want %d", body, got, want)
		}
	}
}

// TestApprovedRegistries holds what docs/guide/write-a-rule.md says of its
// example.
func TestApprovedRegistries(t *testing.T) {
	text, err := os.ReadFile("../../examples/registries/registries.yml")
	if err != nil {
		t.Fatal(err)
	}
	sources, errs := detect.Parse("registries.yml", text)
	prog, more := detect.Compile(sources)
	if errs = slices.Concat(errs, more, prog.Warnings()); len(errs) > 0 {
		t.Fatal(errs)
	}
	for images, want := range map[string]int{
		`{"image":"registry.example/web:1"}`:                         0,
		`{"image":"docker.io/web:1"}`:                                1,
		`{"image":"docker.io/web:1"},{"image":"registry.example/x"}`: 0, // told in the guide
	} {
		ev := audit(`{"level":"Request","verb":"create","objectRef":{"resource":"pods"},"requestObject":{"spec":{"containers":[` + images + `]}}}`)
		if got := len(detect.Run(prog, []model.Event{ev})); got != want {
			t.Errorf("%s: %d alerts, want %d", images, got, want)
		}
	}
}
