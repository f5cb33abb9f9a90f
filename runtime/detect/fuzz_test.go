package detect_test

import (
	"errors"
	"io/fs"
	"testing"
	"unicode/utf8"

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
		if len(prog.Rules())+len(more) != len(sources) {
			t.Errorf("%d sources gave %d rules and %d errors", len(sources), len(prog.Rules()), len(more))
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
	for _, r := range cat.Stage(model.Runtime) {
		for _, c := range cat.Cases(r.ID) {
			f.Add(c.Data)
		}
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		r := detect.NewResults(prog)
		r.Add(model.Event{Source: "kubernetes-audit", Raw: raw})
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
