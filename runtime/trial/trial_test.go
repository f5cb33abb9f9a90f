package trial_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/scantling/scantling/runtime/detect"
	"github.com/scantling/scantling/runtime/trial"
)

// rules under test: execs, a burst of denials, secrets in bodies.
const rules = `
title: Exec
id: exec
level: high
tags: [attack.t1609]
logsource: {product: kubernetes, service: audit}
detection:
  selection: {verb: [create, get], objectRef.resource: pods, objectRef.subresource: exec}
  refused: {annotations.authorization.k8s.io/decision: forbid}
  condition: selection and not refused
---
title: Denied
id: denied
name: denied
level: low
logsource: {product: kubernetes, service: audit}
detection:
  selection: {responseStatus.code: 403}
  condition: selection
---
title: Many denied
id: many-denied
level: medium
correlation:
  type: event_count
  rules: denied
  group-by: [user.username]
  timespan: 1m
  condition: {gte: 5}
---
title: Privileged
id: privileged
level: high
logsource: {product: kubernetes, service: audit}
detection:
  selection: {objectRef.resource: pods, requestObject.spec.containers.securityContext.privileged: true}
  condition: selection
---
title: Trail stopped
id: trail
level: high
logsource: {product: aws, service: cloudtrail}
detection:
  selection: {eventName: StopLogging}
  condition: selection
`

func program(t testing.TB) *detect.Program {
	t.Helper()
	sources, errs := detect.Parse("rules.yml", []byte(rules))
	prog, more := detect.Compile(sources)
	for _, err := range append(errs, more...) {
		t.Fatal(err)
	}
	return prog
}

const bases = `
bases:
  pod:
    verb: create
    user: {username: alice}
    objectRef: {resource: pods, namespace: shop, name: web, apiVersion: v1}
    responseStatus: {code: 201}
    annotations: {authorization.k8s.io/decision: allow}
    requestObject: {spec: {containers: [{name: a, securityContext: {privileged: true}}, {name: b}]}}
  exec: '{"verb":"create","user":{"username":"alice"},"objectRef":{"resource":"pods","subresource":"exec","namespace":"shop","name":"web","apiVersion":"v1"},"responseStatus":{"code":101}}'
`

// outcome runs one test of a file and writes its differences, a line each.
func outcome(t *testing.T, dir, test string) string {
	t.Helper()
	name := filepath.Join(dir, "a.test.yaml")
	f, errs := trial.Parse(name, []byte("tests:\n- name: t\n  "+strings.ReplaceAll(strings.TrimSpace(test), "\n", "\n  ")+bases))
	if len(errs) > 0 {
		return fmt.Sprint(errs)
	}
	res, err := f.Run(context.Background(), program(t), f.Tests[0])
	if err != nil {
		return strings.ReplaceAll(err.Error(), dir+string(filepath.Separator), "")
	}
	var out []string
	for _, d := range res.Differences {
		out = append(out, fmt.Sprintf("%d: %s | %s", d.Line, d.Expected, d.Found))
	}
	return strings.Join(out, "\n")
}

func TestOutcomes(t *testing.T) {
	dir := t.TempDir()
	line := `{"kind":"Event","apiVersion":"audit.k8s.io/v1","level":"Request","auditID":"x","stage":"ResponseComplete","verb":"get","user":{"username":"bob"},"objectRef":{"resource":"pods","subresource":"exec","namespace":"shop","name":"web"},"requestReceivedTimestamp":"2026-03-01T10:00:00.000000Z"}` + "\n"
	for name, text := range map[string]string{"exec.jsonl": line, "cut.jsonl": line + `{"kind":`, "empty.jsonl": ""} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	outside := filepath.Join(t.TempDir(), "outside.jsonl")
	if err := os.WriteFile(outside, []byte(line), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(outside, filepath.Join(dir, "link.jsonl")); err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct{ test, want string }{
		"an alert": {"events: [{base: exec, at: 5s}]\nexpect: [{rule: exec, at: 5s, level: high, fields: {verb: create, user: alice}, assets: [workload cluster/shop/Pod/web]}]", ""},
		"none expected": {
			"events: [{base: exec}]\nexpect: []",
			"2:  | exec at 0s by the event of line 3 level high actor=alice auditID=event-1 code=101 name=web namespace=shop resource=pods/exec stage=ResponseComplete user=alice verb=create on workload cluster/shop/Pod/web on identity cluster//user:alice",
		},
		"none found":           {"events: [{base: exec, set: {verb: list}}]\nexpect: [{rule: exec}]", "4: exec | nothing"},
		"near miss":            {"events: [{base: exec, set: {annotations.authorization.k8s.io/decision: forbid}}]\nexpect: [{rule: exec, count: 0}]", ""},
		"zero but found":       {"events: [{base: exec}]\nexpect: [{rule: exec, count: 0, at: 0s}]", "4: no exec at 0s | exec at 0s by the event of line 3 level high actor=alice auditID=event-1 code=101 name=web namespace=shop resource=pods/exec stage=ResponseComplete user=alice verb=create on workload cluster/shop/Pod/web on identity cluster//user:alice"},
		"others are allowed":   {"others: true\nevents: [{base: exec}]\nexpect: []", ""},
		"repeats are requests": {"events: [{base: exec, every: 10s, times: 3}]\nexpect: [{rule: exec, count: 3}]", ""},
		"one of three at 20s":  {"events: [{base: exec, every: 10s, times: 3}]\nexpect: [{rule: exec, count: 2}, {rule: exec, at: 20s}]", ""},
		"the general one must not take the special one's": {
			"events: [{base: exec}, {base: exec, at: 9s}]\nexpect: [{rule: exec}, {rule: exec, at: 0s}]", "",
		},
		"too many to compare": {"events: [{base: exec, every: 1s, times: 1001}]\nexpect: [{rule: exec, count: 1001}]", "2:  | 1001 alerts, more than 1000: they are not compared"},
		"as many as can be":   {"events: [{base: exec, every: 1s, times: 1000}]\nexpect: [{rule: exec, count: 999}, {rule: exec, at: 0s}]", ""},
		"too few":             {"events: [{base: exec, every: 1s, times: 2}]\nexpect: [{rule: exec, count: 3}]", "4: exec 3 times | 2 of them"},
		"stages of one request": {
			"events:\n- {base: exec, set: {auditID: one, stage: ResponseStarted}}\n- {base: exec, set: {auditID: one}}\nexpect: [{rule: exec}]", "",
		},
		"an id that a client chose twice": {
			"events:\n- {base: exec, set: {auditID: one}}\n- {base: exec, at: +1s, set: {auditID: one}}\nexpect: [{rule: exec, count: 2}]", "",
		},
		"correlation": {"events: [{base: pod, remove: [requestObject], set: {responseStatus.code: 403}, every: 10s, times: 5}]\nexpect: [{rule: many-denied, at: 40s, fields: {value: \"5\"}}]", ""},
		"correlation misses the window": {
			"events: [{base: pod, remove: [requestObject], set: {responseStatus.code: 403}, every: 16s, times: 5}]\nexpect: [{rule: many-denied, count: 0}]", "",
		},
		"relative times add up": {
			"events:\n- {base: pod, remove: [requestObject], set: {responseStatus.code: 403}, at: 10s, every: 1s, times: 2}\n- {base: exec, at: +30s}\n- {base: exec, at: 1m}\nexpect: [{rule: exec, at: 41s}, {rule: exec, at: 1m}]", "",
		},
		"body of the base":       {"events: [{base: pod}]\nexpect: [{rule: privileged}]", ""},
		"place in a list":        {"events: [{base: pod, set: {requestObject.spec.containers.0.securityContext.privileged: false}}]\nexpect: [{rule: privileged, count: 0}]", ""},
		"past the end of a list": {"events: [{base: pod, set: {requestObject.spec.containers.0.securityContext.privileged: false, requestObject.spec.containers.2: {securityContext: {privileged: true}}}}]\nexpect: [{rule: privileged}]", ""},
		"unknown is told": {
			"events: [{base: pod, remove: [requestObject], set: {level: Metadata}}]\nexpect: [{rule: privileged}]",
			"4: privileged | privileged can't tell: could not tell on 1 requests, first events of kubernetes-audit#0: the audit log has them below level Request\n2:  | privileged can't tell: could not tell on 1 requests, first events of kubernetes-audit#0: the audit log has them below level Request",
		},
		"unknown is expected": {"events: [{base: pod, remove: [requestObject], set: {level: Metadata}}]\nexpect: [{rule: privileged, unknown: true}]", ""},
		"unknown and it can":  {"events: [{base: pod}]\nexpect: [{rule: privileged, unknown: true}, {rule: privileged}]", "4: privileged can't tell | it can tell"},
		"other kind":          {"log: cloudtrail\nevents: [{event: {eventName: StopLogging, eventSource: cloudtrail.amazonaws.com, eventVersion: '1.08'}, at: 3s}]\nexpect: [{rule: trail, at: 3s}]", ""},
		"two kinds in a test": {"events: [{base: exec}, {log: cloudtrail, event: {eventName: StopLogging, eventSource: x, eventVersion: '1.08'}}]\nexpect: [{rule: trail}, {rule: exec}]", ""},
		"a file":              {"events: [{file: exec.jsonl}]\nexpect: [{rule: exec, fields: {user: bob}}]", ""},
		"a line":              {"events:\n- at: 7s\n  line: '" + strings.TrimSpace(strings.ReplaceAll(line, "2026-03-01T10:00:00.000000Z", "{time}")) + "'\nexpect: [{rule: exec, at: 7s}]", ""},
		"a rule that isn't":   {"events: [{base: exec}]\nothers: true\nexpect: [{rule: exex}]", `5: exex | no rule "exex" among those that are tested: did you mean "exec"?`},

		"damaged file":      {"events: [{file: cut.jsonl}]\nexpect: []", "a.test.yaml:3: cut.jsonl:2: record is cut off: it does not end with a bracket"},
		"empty file":        {"events: [{file: empty.jsonl}]\nexpect: []", "a.test.yaml:3: empty.jsonl holds no record"},
		"no file":           {"events: [{file: none.jsonl}]\nexpect: []", "a.test.yaml:3: none.jsonl: no such file or directory"},
		"link leads out":    {"events: [{file: link.jsonl}]\nexpect: []", "a.test.yaml:3: link.jsonl: path escapes from parent"},
		"not of its kind":   {"events:\n- {base: exec}\n- {event: {kind: Pod, apiVersion: v1}}\nexpect: []", "a.test.yaml:5: the event is no record of kubernetes-audit: not an audit event: kind Pod"},
		"no place for time": {"log: journald\nevents: [{event: {MESSAGE: x}, at: 5s}]\nexpect: []", "a.test.yaml:4: where journald has its time is not known: mark it by {time}, {micros} or {nanos}"},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, outcome(t, dir, tc.test)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestParseReports(t *testing.T) {
	test := func(body string) string { return "tests: [{name: a, " + body + "}]" }
	for name, tc := range map[string]struct{ text, want string }{
		"empty":            {"", "[t:1: the file is empty]"},
		"no YAML":          {"tests: [", "[t:1: did not find expected node content]"},
		"two documents":    {"tests: []\n---\na: 1", "[t:1: a file of tests holds one document]"},
		"alias":            {"bases: {a: &x {b: 1}, c: *x}\ntests: []", "[t:1: anchors and aliases are not allowed: name the event in bases]"},
		"unknown key":      {"test: []", `[t:1: a file of tests has no key "test": did you mean "tests"? t:1: tests is missing]`},
		"no tests":         {"tests: []", "[t:1: tests is a list of 1 to 1000 entries]"},
		"nothing in it":    {"tests: [{}]", "[t:1: a test has name t:1: a test has events t:1: a test has expect]"},
		"twice":            {"tests:\n- {name: a, events: [{line: x}], expect: []}\n- {name: a, events: [{line: x}], expect: []}", `[t:3: test "a" is already in line 2]`},
		"key twice":        {test("name: b, events: [{line: x}], expect: []"), `[t:1: key "name" is given twice]`},
		"path leaves":      {"rules: ../x\n" + test("events: [{file: /etc/passwd}], expect: []"), `[t:1: "../x" leaves the folder of the test file t:2: "/etc/passwd" leaves the folder of the test file]`},
		"forms":            {test("events: [{line: x, file: y}, {at: 1s}], expect: []"), "[t:1: an event is one of event, base, line and file t:1: an event is one of event, base, line and file]"},
		"no base":          {test("events: [{base: x}], expect: []"), `[t:1: there is no base "x"]`},
		"set without base": {test("events: [{event: {}, set: {a: 1}}], expect: []"), "[t:1: set and remove are changes of a base]"},
		"set through text": {"bases: {b: {a: x}}\n" + test("events: [{base: b, set: {a.c: 1}}], expect: []"), "[t:2: a.c can't be set: there is a value on the way]"},
		"set past the end": {"bases: {b: {a: [1]}}\n" + test("events: [{base: b, set: {a.2: 1}}], expect: []"), `[t:2: a.2 can't be set: "2" is no place in a list of 1]`},
		"remove nothing":   {"bases: {b: {a: [1]}}\n" + test("events: [{base: b, remove: [c]}], expect: []"), `[t:2: base "b" has no c to remove]`},
		"times of a file":  {test("events: [{file: x, at: 1s}], expect: []"), "[t:1: a file has times of its own: at, every and times are of use with other events]"},
		"times alone":      {test("events: [{line: x, times: 2}], expect: []"), "[t:1: every and times belong together]"},
		"too many":         {test("events: [{line: x, every: 1s, times: 6000}, {line: x, every: 1s, times: 6000}], expect: []"), "[t:1: more than 10000 events in one test]"},
		"times of none":    {test("events: [{line: x, every: 1s, times: 0}], expect: []"), "[t:1: times is a number from 1 to 10000]"},
		"bad duration":     {test("events: [{base: x, at: soon}], expect: []"), "[t:1: at is a duration as 90s, 5m or 1h30m, at most 87600h0m0s t:1: there is no base \"x\"]"},
		"unmarked line":    {test("events: [{line: x, at: 5s}], expect: []"), "[t:1: mark where the line has its time by {time}, {micros} or {nanos}]"},
		"kind":             {test("log: cloudtrial, events: [{line: x}], expect: []"), `[t:1: "cloudtrial" is no kind of log: did you mean "cloudtrail"?]`},
		"JSON as text":     {test("events: [{event: '{\"a\":'}], expect: []"), "[t:1: event is a mapping, or one JSON object as text]"},
		"number":           {test("events: [{event: {a: .inf}}], expect: []"), "[t:1: .inf is no number that JSON can write: quote it, or write it in decimals]"},
		"rule is missing":  {test("events: [{line: x}], expect: [{count: 1}]"), "[t:1: an expectation has rule]"},
		"unknown and more": {test("events: [{line: x}], expect: [{rule: a, unknown: true, count: 1}]"), "[t:1: of a rule that can't tell nothing else is known]"},
		"level":            {test("events: [{line: x}], expect: [{rule: a, level: hihg}]"), `[t:1: unknown severity "hihg": use info, low, medium, high or critical: the nearest is "high"]`},
	} {
		t.Run(name, func(t *testing.T) {
			_, errs := trial.Parse("t", []byte(tc.text))
			if got := fmt.Sprint(errs); got != tc.want {
				t.Errorf("got  %s\nwant %s", got, tc.want)
			}
		})
	}
}

func TestCover(t *testing.T) {
	run := func(prog *detect.Program, tests ...string) []trial.Untested {
		f, errs := trial.Parse("t", []byte("tests:\n- "+strings.Join(tests, "\n- ")+bases))
		if len(errs) > 0 {
			t.Fatal(errs)
		}
		var results []trial.Result
		for _, one := range f.Tests {
			res, err := f.Run(context.Background(), prog, one)
			if err != nil {
				t.Fatal(err)
			}
			results = append(results, res)
		}
		return trial.Cover(prog, results)
	}
	attack := "{name: a, events: [{base: exec}], expect: [{rule: exec}]}"
	benign := "{name: b, events: [{base: exec, set: {verb: list}}], expect: [{rule: exec, count: 0}]}"
	quiet := "{name: c, events: [{base: exec, set: {verb: list}}], expect: []}"
	failing := "{name: d, events: [{base: exec}], expect: [{rule: exec, count: 2}]}"
	others := []trial.Untested{{"privileged", true, true}, {"trail", true, true}, {"many-denied", true, true}}
	for name, tc := range map[string]struct {
		tests []string
		exec  []trial.Untested
	}{
		"both":           {[]string{attack, benign}, nil},
		"attack alone":   {[]string{attack}, []trial.Untested{{"exec", false, true}}},
		"benign alone":   {[]string{benign}, []trial.Untested{{"exec", true, false}}},
		"quiet is none":  {[]string{attack, quiet}, []trial.Untested{{"exec", false, true}}},
		"failed is none": {[]string{failing, benign}, []trial.Untested{{"exec", true, false}}},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(append(tc.exec, others...), run(program(t), tc.tests...)); diff != "" {
				t.Error(diff)
			}
		})
	}
	one, errs := detect.Parse("rules.yml", []byte(strings.Split(rules, "---")[0]))
	prog, more := detect.Compile(one)
	if len(errs)+len(more) > 0 {
		t.Fatal(errs, more)
	}
	if got := run(prog, attack, quiet); got != nil {
		t.Errorf("of one rule alone a quiet test is its own: %v", got)
	}
}
