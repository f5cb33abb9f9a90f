//go:build !scanner

package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/scantling/scantling/model"
	"github.com/scantling/scantling/report"
	"github.com/scantling/scantling/rule"
	"github.com/scantling/scantling/runtime/detect"
	"github.com/scantling/scantling/runtime/trial"
)

func (a *app) detectTestCommand() *cobra.Command {
	var rules string
	cmd := &cobra.Command{
		Use:   "test FILE…",
		Short: "Run the tests of Sigma rules",
		Long: "Test runs files that give events and say which alerts they raise (NAME.test.yaml; a folder\n" +
			"stands for those below it). It ends with 3 where a test failed, with 2 where a file of tests\n" +
			"is none, and with 4 where a rule could not be compiled. --rules names rules to test in place\n" +
			"of those that the files name.",
		Example: "  scantling detect test my-sigma-rules\n  scantling detect test exec.test.yaml --rules my-sigma-rules --format junit",
		Args:    cobra.MinimumNArgs(1),
		RunE: a.checked(func(ctx context.Context, args []string) error {
			return a.detectTest(ctx, args, rules)
		}, "junit"),
	}
	cmd.Flags().StringVar(&rules, "rules", "", "Sigma rules to test (file or folder), or a selection of ours, in place of those that the tests name")
	return cmd
}

// trialsReport is what `detect test` prints.
type trialsReport struct {
	Schema     int                `json:"schema"`
	Tool       report.Tool        `json:"tool"`
	Tests      []trialDoc         `json:"tests"`
	Passed     int                `json:"passed"`
	Failed     int                `json:"failed"`
	Rules      int                `json:"rules"`
	Untested   []untestedDoc      `json:"untested"`
	Incomplete []model.Incomplete `json:"incomplete"`
}

type trialDoc struct {
	File        string          `json:"file"`
	Line        int             `json:"line"`
	Name        string          `json:"name"`
	Passed      bool            `json:"passed"`
	Differences []differenceDoc `json:"differences"`
}

type differenceDoc struct {
	Line     int    `json:"line"`
	Expected string `json:"expected"`
	Found    string `json:"found"`
}

type untestedDoc struct {
	Rule  string   `json:"rule"`
	Lacks []string `json:"lacks"` // attack, benign
}

// trials are the tests of one set of rules: coverage is judged over all files
// that name the same.
type trials struct {
	program *detect.Program
	results []trial.Result
}

func (a *app) detectTest(ctx context.Context, args []string, rules string) error {
	files, err := testFiles(args)
	if err != nil {
		return err
	}
	var parsed []*trial.File
	var bad []error
	for _, name := range files {
		f, errs := trial.Read(name)
		if len(errs) == 0 && rules == "" && !f.Ours && len(f.Rules) == 0 {
			errs = []error{&rule.Problem{File: name, Line: 1, Text: "rules is missing: name a path, or ours, or give --rules"}}
		}
		bad = append(bad, errs...)
		parsed = append(parsed, f)
	}
	if len(bad) > 0 {
		return &failure{exitUsage, errors.Join(bad...)}
	}
	doc := trialsReport{Schema: report.Schema, Tool: a.tool(), Tests: []trialDoc{}, Untested: []untestedDoc{}, Incomplete: []model.Incomplete{}}
	sets := map[string]*trials{}
	var order []*trials
	for _, f := range parsed {
		key := fmt.Sprint(rules, f.Ours, f.Rules)
		if sets[key] == nil {
			d, err := a.rulesUnderTest(f, rules)
			if err != nil {
				return err
			}
			doc.Incomplete = append(doc.Incomplete, d.broken...)
			sets[key] = &trials{program: d.program}
			order = append(order, sets[key])
		}
		if err := doc.run(ctx, f, sets[key]); err != nil {
			return err
		}
	}
	for _, set := range order {
		doc.cover(set)
	}
	a.outcome(nil, len(doc.Incomplete), doc.Failed > 0)
	return a.show(doc, doc.text, rendering{"junit", func(w io.Writer) error {
		return report.JUnitTests(w, doc.Tool, doc.cases(), doc.Incomplete)
	}})
}

// run runs the tests of one file.
func (d *trialsReport) run(ctx context.Context, f *trial.File, set *trials) error {
	for _, t := range f.Tests {
		res, err := f.Run(ctx, set.program, t)
		var bad *rule.Problem
		if errors.As(err, &bad) {
			return &failure{exitUsage, bad}
		}
		if err != nil {
			return failed("%w", err)
		}
		set.results = append(set.results, res)
		one := trialDoc{File: f.Name, Line: t.Line, Name: t.Name, Passed: len(res.Differences) == 0, Differences: []differenceDoc{}}
		for _, x := range res.Differences {
			one.Differences = append(one.Differences, differenceDoc(x))
		}
		d.Tests = append(d.Tests, one)
		if one.Passed {
			d.Passed++
		} else {
			d.Failed++
		}
	}
	return nil
}

// cover lists the rules of one set that lack a test.
func (d *trialsReport) cover(set *trials) {
	for _, r := range set.program.Rules() {
		if !r.Silent {
			d.Rules++
		}
	}
	for _, u := range trial.Cover(set.program, set.results) {
		one := untestedDoc{Rule: u.Rule}
		if u.Attack {
			one.Lacks = append(one.Lacks, "attack")
		}
		if u.Benign {
			one.Lacks = append(one.Lacks, "benign")
		}
		d.Untested = append(d.Untested, one)
	}
}

// maxUntested is how many rules without a test the text names.
const maxUntested = 20

func (d trialsReport) text(w io.Writer, paint report.Paint) error {
	var b strings.Builder
	for _, t := range d.Tests {
		if t.Passed {
			fmt.Fprintf(&b, "PASS  %s\n", report.Clean(t.Name))
			continue
		}
		fmt.Fprintf(&b, "%s  %s  %s:%d\n", paint(report.Bad, "FAIL"), report.Clean(t.Name), report.Clean(t.File), t.Line)
		for _, x := range t.Differences {
			switch {
			case x.Expected == "":
				fmt.Fprintf(&b, "      unexpected  %s\n", report.Clean(x.Found))
			default:
				fmt.Fprintf(&b, "      expected    %s  (line %d)\n      found       %s\n", report.Clean(x.Expected), x.Line, report.Clean(x.Found))
			}
		}
	}
	fmt.Fprintf(&b, "\n%d tests: %d passed, %d failed\n", len(d.Tests), d.Passed, d.Failed)
	fmt.Fprintf(&b, "rules that lack a test of an attack, or of something benign: %d of %d\n", len(d.Untested), d.Rules)
	for _, u := range d.Untested[:min(len(d.Untested), maxUntested)] {
		fmt.Fprintf(&b, "      %s  lacks %s\n", report.Clean(u.Rule), strings.Join(u.Lacks, ", "))
	}
	if more := len(d.Untested) - maxUntested; more > 0 {
		fmt.Fprintf(&b, "      and %d more\n", more)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// cases are the tests as JUnit has them.
func (d trialsReport) cases() []report.TestCase {
	var out []report.TestCase
	for _, t := range d.Tests {
		var differs []string
		for _, x := range t.Differences {
			text := "unexpected " + x.Found
			if x.Expected != "" {
				text = fmt.Sprintf("line %d: expected %s, found %s", x.Line, x.Expected, x.Found)
			}
			differs = append(differs, text)
		}
		out = append(out, report.TestCase{File: t.File, Line: t.Line, Name: t.Name, Failure: strings.Join(differs, "; ")})
	}
	return out
}

// rulesUnderTest compiles the rules that a file of tests names, or those of
// --rules.
func (a *app) rulesUnderTest(f *trial.File, rules string) (*detector, error) {
	if rules != "" || f.Ours {
		return a.detectorFor(rules)
	}
	d := &detector{app: a}
	var sources []detect.Source
	for _, p := range f.Rules {
		problem := &rule.Problem{File: f.Name, Line: p.Line}
		if err := inside(filepath.Dir(f.Name), p.Name); err != nil {
			problem.Text = fmt.Sprintf("rules: %s: %s", p.Name, cause(err))
			return nil, &failure{exitUsage, problem}
		}
		found, errs := detect.Load(p.Name)
		sources = append(sources, found...)
		for _, err := range errs {
			d.broken = append(d.broken, a.broken(err))
		}
	}
	program, errs := detect.Compile(sources)
	for _, w := range program.Warnings() {
		a.say("warning: %v", w)
	}
	for _, err := range errs {
		d.broken = append(d.broken, a.broken(err))
	}
	d.program = program
	return d, nil
}

// inside reports why a path below a folder can't be opened without leaving it,
// by a link or otherwise.
func inside(dir, name string) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	below, err := filepath.Rel(dir, name)
	if err != nil {
		return err
	}
	_, err = root.Stat(below)
	return err
}

// testFiles expands folders into the files of tests below them.
func testFiles(args []string) ([]string, error) {
	var out []string
	for _, name := range args {
		info, err := os.Stat(name)
		if err != nil {
			return nil, failed("%s: %s", name, cause(err))
		}
		if !info.IsDir() {
			out = append(out, name)
			continue
		}
		before := len(out)
		err = filepath.WalkDir(name, func(path string, d fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			if d.Type().IsRegular() && (strings.HasSuffix(path, ".test.yaml") || strings.HasSuffix(path, ".test.yml")) {
				out = append(out, path)
			}
			return nil
		})
		if err != nil {
			return nil, failed("%s: %s", name, cause(err))
		}
		if len(out) == before {
			return nil, failed("%s: no NAME.test.yaml was found", name)
		}
	}
	slices.Sort(out)
	return slices.Compact(out), nil
}
