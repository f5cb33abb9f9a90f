package trial_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/scantling/scantling/rule"
	"github.com/scantling/scantling/runtime/trial"
)

// FuzzParse holds that a file is either read, or refused with places; and that
// a test that was read runs to the same outcome twice.
func FuzzParse(f *testing.F) {
	f.Add("tests:\n- {name: t, events: [{base: exec, set: {verb: list}}], expect: [{rule: exec, count: 0}]}" + bases)
	f.Add("tests:\n- {name: t, events: [{base: pod, remove: [requestObject.spec.containers], every: 1s, times: 3}], expect: [{rule: privileged, unknown: true}]}" + bases)
	f.Add("rules: ours\nstart: 2026-01-01T00:00:00Z\ntests: [{name: t, log: cri, events: [{line: '{time} stdout F x', at: +5s}], expect: []}]")
	f.Add("tests: [{name: t, events: [{event: '{\"a\": [1, 2.5, null]}', at: 5s}], expect: [{rule: a, at: 1s, fields: {a: b}, assets: [pod x]}]}]")
	prog := program(f)
	f.Fuzz(func(t *testing.T, text string) {
		if strings.Contains(text, "file") {
			return // what a machine has is no property of the parser
		}
		file, errs := trial.Parse("t", []byte(text))
		if (file == nil) == (len(errs) == 0) {
			t.Fatalf("file %v, errors %v", file, errs)
		}
		for _, err := range errs {
			var p *rule.Problem
			if !errors.As(err, &p) || p.Line < 1 {
				t.Errorf("no place: %v", err)
			}
		}
		if file == nil {
			return
		}
		for _, test := range file.Tests[:min(3, len(file.Tests))] {
			one, err := file.Run(context.Background(), prog, test)
			two, again := file.Run(context.Background(), prog, test)
			if (err == nil) != (again == nil) || len(one.Differences) != len(two.Differences) {
				t.Errorf("twice: %v %v, %v %v", one, err, two, again)
			}
		}
	})
}
