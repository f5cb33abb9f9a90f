package detect_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/scantling/scantling/model"
	"github.com/scantling/scantling/rule"
	"github.com/scantling/scantling/rules"
	"github.com/scantling/scantling/runtime/detect"
)

// FuzzCompile holds that any text either compiles to rules that run, or gives
// an error that names file and line, and that compiling is repeatable.
func FuzzCompile(f *testing.F) {
	if err := fs.WalkDir(rules.FS, "runtime", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := fs.ReadFile(rules.FS, name)
		f.Add(string(text))
		return err
	}); err != nil {
		f.Fatal(err)
	}
	f.Add(pipelineText + "---\n" + sigma("s: {User|expand: '%admins%', a|hour|gte: 3}\ncondition: s"))
	f.Add(simple("a")[0] + "---\n" + correlationRule("c", "type: value_count\nrules: [a]\ntimespan: 1m\ncondition: {field: [x, y], gte: 2}"))
	f.Add(simple("a")[0] + "---\nid: f\nlogsource: {product: kubernetes}\nfilter:\n  rules: [a]\n  s: {u: x}\n  condition: not s\n")
	f.Add(sigma("x: &x {a: &y [1.0, 2]}\ns: {<<: *x, b: *y}\nt: [*x, {<<: [*x, *x], c: 1}]\ncondition: s or t") + "---\n")
	f.Add(sigma("s: {a|base64offset|contains: [x, y], '|re': z}\nt: [k, {b: null}]\ncondition: 1 of them and not (s or t)"))
	f.Fuzz(func(t *testing.T, text string) {
		sources, errs := detect.Parse("f.yml", []byte(text))
		prog, more := detect.Compile(sources)
		for _, err := range append(errs, more...) {
			var p *rule.Problem
			if !errors.As(err, &p) || p.File != "f.yml" || p.Line < 1 || p.Text == "" {
				t.Errorf("error without a place: %#v", err)
			}
		}
		want := 0
		for _, src := range sources {
			if src.Form == detect.Detection || src.Form == detect.Correlation {
				want++
			}
		}
		if n := len(prog.Rules()); n > want || n+len(more) < want {
			t.Errorf("%d sources gave %d rules and %d errors", len(sources), n, len(more))
		}
		events := []model.Event{audit(`{"level":"Request","verb":"create","a":["x",{"b":1}],"userAgent":"k","requestObject":{}}`)}
		first := detect.Run(prog, events)
		again, _ := detect.Compile(sources)
		if second := detect.Run(again, events); len(first) != len(second) {
			t.Errorf("%d alerts, then %d", len(first), len(second))
		}
	})
}

// FuzzMatch holds that no record makes the engine panic, that a record gives
// at most one alert a rule, and that what alerts show is UTF-8.
func FuzzMatch(f *testing.F) {
	cat, _ := rule.Load(rules.FS, "rules")
	prog, _ := detect.Compile(detect.FromCatalogue(cat))
	for _, r := range detections(cat) {
		for _, c := range cat.Cases(r.ID) {
			f.Add(c.Data)
		}
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		r := detect.NewResults(prog)
		r.Add(model.Event{Source: "kubernetes-audit", Time: time.Unix(1, 0), Raw: raw}) // correlations name what has no time
		alerts := r.Alerts()
		if len(alerts) > 0 && len(r.Incomplete()) > 0 {
			t.Error("an unreadable record gave an alert")
		}
		if len(alerts) > len(prog.Rules()) {
			t.Errorf("%d alerts of %d rules", len(alerts), len(prog.Rules()))
		}
		for _, a := range alerts {
			for k, v := range a.Fields {
				if !utf8.ValidString(v) || len(v) > 1024 {
					t.Errorf("field %s: %q", k, v)
				}
			}
		}
	})
}

// FuzzCondition holds that a condition means the same in brackets, and the
// opposite behind not, on every event.
func FuzzCondition(f *testing.F) {
	for _, text := range []string{"s and not t or u", "1 of s*", "all of them and not (t or u)", "not not s", "s1 or", "((s))", "any of *"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		written := func(id, condition string) []detect.Source {
			quoted, _ := json.Marshal(condition)
			body := "title: t\nid: " + id + "\nlogsource: {product: kubernetes}\ndetection: {s: {s: 1}, s1: {s1: 1}, t: {t: 1}, u: {u: 1}, condition: " + string(quoted) + "}\n"
			sources, _ := detect.Parse("f.yml", []byte(body))
			return sources
		}
		sources := slices.Concat(written("plain", text), written("brackets", "("+text+")"), written("opposite", "not ("+text+")"))
		if len(sources) != 3 {
			return // YAML doesn't take such characters
		}
		prog, errs := detect.Compile(sources)
		if len(errs) > 0 {
			for _, err := range errs {
				var p *rule.Problem
				if !errors.As(err, &p) || p.Line != 4 {
					t.Errorf("error without a place: %v", err)
				}
			}
			return
		}
		for i := range 16 {
			raw := fmt.Sprintf(`{"s":%d,"s1":%d,"t":%d,"u":%d}`, i&1, i>>1&1, i>>2&1, i>>3&1)
			got := map[string]bool{}
			for _, a := range detect.Run(prog, []model.Event{audit(raw)}) {
				got[a.Rule] = true
			}
			if got["plain"] != got["brackets"] || got["plain"] == got["opposite"] {
				t.Errorf("%q on %s: %v", text, raw, got)
			}
		}
	})
}

// FuzzCorrelation holds that a correlation either compiles and finds the same
// in whatever order events come, or gives an error that names its place.
func FuzzCorrelation(f *testing.F) {
	for _, body := range []string{
		"type: event_count\nrules: [a]\ngroup-by: [u]\ntimespan: 60s\ncondition: {gte: 2}",
		"type: value_percentile\nrules: [a, b]\ntimespan: 1M\ncondition: {field: n, percentile: 5, lt: 9}",
		"type: temporal_ordered\nrules: [a, b]\ntimespan: 1h\naliases: {u: {a: x, b: y}}\ncondition: a and not b",
		"type: temporal\ntimespan: 5s\ngroup-by: [u]\ncondition: (a or b) and c",
	} {
		f.Add(body)
	}
	rules, _ := detect.Parse("rules.yml", []byte(strings.Join(simple("a", "b", "c"), "---\n")))
	events := timeline(f, "0s a u=x n=1; 3s b u=x n=2; 3s a+b n=x; 4s c u=y n=3; 70s a u=x n=1/2; 71s b u=y; 2h c n=9")
	backwards := slices.Clone(events)
	slices.Reverse(backwards)
	f.Fuzz(func(t *testing.T, body string) {
		sources, errs := detect.Parse("f.yml", []byte(correlationRule("corr", body)))
		prog, more := detect.Compile(append(slices.Clone(rules), sources...))
		for _, err := range append(errs, more...) {
			var p *rule.Problem
			if !errors.As(err, &p) || p.Line < 1 || p.Text == "" {
				t.Errorf("error without a place: %#v", err)
			}
		}
		if diff := cmp.Diff(detect.Run(prog, events), detect.Run(prog, backwards)); diff != "" {
			t.Error(diff)
		}
	})
}
