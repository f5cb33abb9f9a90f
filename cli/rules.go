package cli

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/scantling/scantling/build/lint"
	"github.com/scantling/scantling/model"
	"github.com/scantling/scantling/registry/advisory"
	"github.com/scantling/scantling/report"
	"github.com/scantling/scantling/rule"
)

// rulesCommand has more commands where the edition has them.
func (a *app) rulesCommand(more ...*cobra.Command) *cobra.Command {
	cmd := group(&cobra.Command{Use: "rules", Short: aboutRules, Example: "  scantling rules list\n  scantling rules show B101"},
		&cobra.Command{
			Use: "list", Short: "One line a rule", Example: "  scantling rules list --rules 2026.1",
			Args: cobra.NoArgs, RunE: a.checked(func(context.Context, []string) error { return a.rulesList() }),
		},
		&cobra.Command{
			Use: "show ID", Short: "Why a rule exists, what it matches and how to fix what it finds", Example: "  scantling rules show B101",
			Args: cobra.ExactArgs(1), RunE: a.checked(func(_ context.Context, args []string) error { return a.rulesShow(args[0]) }),
			ValidArgsFunction: a.completeRules(false),
		},
		&cobra.Command{
			Use: "test [ID…]", Short: "Run the cases that stand beside the rules", Example: "  scantling rules test\n  scantling rules test B101 --rules-dir my-rules",
			RunE: a.checked(func(_ context.Context, args []string) error { return a.rulesTest(args) }), ValidArgsFunction: a.completeRules(false),
		},
		a.rulesNewCommand(),
	)
	cmd.AddCommand(more...)
	return cmd
}

// ruleDoc is one rule as `rules list` and `rules show` print it.
type ruleDoc struct {
	ID       string         `json:"id"`
	Title    string         `json:"title"`
	Stage    model.Stage    `json:"stage"`
	Control  string         `json:"control"`
	Severity model.Severity `json:"severity"`
	Since    string         `json:"since"`
	Why      string         `json:"why"`
	Fix      string         `json:"fix"`
	Cites    []string       `json:"cites"`
	Aliases  []string       `json:"aliases"`
	Attack   []string       `json:"attack"`
	Off      string         `json:"off,omitempty"`
}

func newRuleDoc(r *rule.Rule) ruleDoc {
	return ruleDoc{
		ID: r.ID, Title: r.Title, Stage: r.Stage, Control: r.Control, Severity: r.Severity, Since: r.Since,
		Why: r.Why, Fix: r.Fix, Off: r.Off,
		Cites: append([]string{}, r.Cites...), Aliases: append([]string{}, r.Aliases...), Attack: append([]string{}, r.Attack...),
	}
}

// rulesReport is what the rules commands print.
type rulesReport struct {
	Schema     int                `json:"schema"`
	Tool       report.Tool        `json:"tool"`
	Rules      []ruleDoc          `json:"rules"`
	Incomplete []model.Incomplete `json:"incomplete"`
}

func (a *app) rulesReport(missed []model.Incomplete, rules ...*rule.Rule) rulesReport {
	doc := rulesReport{Schema: report.Schema, Tool: a.tool(), Rules: []ruleDoc{}, Incomplete: append([]model.Incomplete{}, missed...)}
	for _, r := range rules {
		doc.Rules = append(doc.Rules, newRuleDoc(r))
	}
	a.outcome(nil, len(missed), false)
	return doc
}

func (a *app) rulesList() error {
	cat, missed, err := a.catalogue("", nil)
	if err != nil {
		return err
	}
	doc := a.rulesReport(missed, cat.Rules...)
	return a.show(doc, func(w io.Writer, _ report.Paint) error {
		rows := make([][]string, len(doc.Rules))
		for i, r := range doc.Rules {
			rows[i] = []string{r.ID, string(r.Stage), r.Control, r.Severity.String(), r.Title}
		}
		return a.table(w, "", []int{5, 15, 9, 8, 0}, rows)
	})
}

func (a *app) rulesShow(id string) error {
	cat, missed, err := a.catalogue("all", nil)
	if err != nil {
		return err
	}
	r, err := cat.Rule(id)
	if err != nil {
		return &failure{exitUsage, err}
	}
	doc := a.rulesReport(missed, r)
	return a.show(doc, func(w io.Writer, paint report.Paint) error {
		d := doc.Rules[0]
		_, err := fmt.Fprintf(w, "%s\n%s, %s, since %s, control %s\n\nwhy      %s\nfix      %s\ncites    %s\naliases  %s\nattack   %s\ncases    %d\n",
			paint(report.Title, d.ID+" "+d.Title), d.Stage, d.Severity, d.Since, d.Control, d.Why, d.Fix,
			strings.Join(d.Cites, "; "), strings.Join(d.Aliases, ", "), strings.Join(d.Attack, ", "), len(cat.Cases(r.ID)))
		return err
	})
}

// rulesTest runs the cases of all rules, or of those named. A failed case is
// a finding of sorts: exit code 3.
func (a *app) rulesTest(ids []string) error {
	cat, missed, err := a.catalogue("all", nil)
	if err != nil {
		return err
	}
	chosen := cat.Rules
	if len(ids) > 0 {
		chosen = nil
		for _, id := range ids {
			r, err := cat.Rule(id)
			if err != nil {
				return &failure{exitUsage, err}
			}
			chosen = append(chosen, r)
		}
	}
	judges, errs := caseJudges(cat)
	for _, err := range errs {
		missed = append(missed, a.broken(err))
	}
	doc := casesReport{Schema: report.Schema, Tool: a.tool(), Rules: len(chosen), Failed: []failedCase{}, Incomplete: append([]model.Incomplete{}, missed...)}
	unjudged := map[model.Stage]int{}
	for _, r := range chosen {
		judge, ok := judges[r.Stage]
		if !ok {
			unjudged[r.Stage]++
			doc.Rules--
			continue
		}
		for _, c := range rule.RunCases(cat, []*rule.Rule{r}, judge) {
			doc.Cases++
			if !c.OK() {
				doc.Failed = append(doc.Failed, failedCase{r.ID, c.Name, c.String()})
			}
		}
	}
	for _, stage := range slices.Sorted(maps.Keys(unjudged)) {
		m := model.Incomplete{What: string(stage), Why: several(unjudged[stage], "rule", "rules") + " of this stage: the complete program runs their cases"}
		fmt.Fprintf(a.Err, "not run: %s: %s\n", m.What, m.Why)
		doc.Incomplete = append(doc.Incomplete, m)
	}
	a.outcome(nil, len(doc.Incomplete), len(doc.Failed) > 0)
	return a.show(doc, doc.text)
}

// casesReport is what `rules test` prints: how many cases ran, and those that
// failed.
type casesReport struct {
	Schema     int                `json:"schema"`
	Tool       report.Tool        `json:"tool"`
	Rules      int                `json:"rules"`
	Cases      int                `json:"cases"`
	Failed     []failedCase       `json:"failed"`
	Incomplete []model.Incomplete `json:"incomplete"`
}

type failedCase struct {
	Rule string `json:"rule"`
	Case string `json:"case"`
	Why  string `json:"why"`
}

// text prints a line for each failed case, then the counts.
func (d casesReport) text(w io.Writer, _ report.Paint) error {
	for _, f := range d.Failed {
		if _, err := fmt.Fprintln(w, report.Clean(f.Why)); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintf(w, "%d cases of %d rules: %d passed, %d failed\n", d.Cases, d.Rules, d.Cases-len(d.Failed), len(d.Failed))
	return err
}

// caseJudges are the functions that judge a case, by stage.
func caseJudges(cat *rule.Catalogue) (map[model.Stage]rule.Judge, []error) {
	registry, errs := advisory.Compile(cat)
	judges := map[model.Stage]rule.Judge{model.Build: lint.Cases(cat), model.Registry: registry.Case}
	return judges, append(errs, addJudges(judges, cat)...)
}
