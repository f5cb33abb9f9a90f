//go:build !scanner

package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/scantling/scantling/model"
	"github.com/scantling/scantling/report"
	"github.com/scantling/scantling/runtime/detect"
	"github.com/scantling/scantling/runtime/signal"
)

func (a *app) detectCoverageCommand() *cobra.Command {
	var rules, policy string
	cmd := &cobra.Command{
		Use:   "coverage",
		Short: "What an audit policy gives each detection, and which it can't feed",
		Long: "Coverage reads the audit policy of an API server and says of every rule of the audit log which\n" +
			"requests it is about, at which level it needs them, and at which the policy logs them. It ends\n" +
			"with 3 where the policy can't feed a rule.",
		Example: "  scantling detect coverage --audit-policy policy.yaml\n  scantling detect coverage --audit-policy policy.yaml --rules my-sigma-rules --format json",
		Args:    cobra.NoArgs,
		RunE: a.checked(func(context.Context, []string) error {
			return a.detectCoverage(policy, rules)
		}),
	}
	cmd.Flags().StringVar(&policy, "audit-policy", "", "the audit policy of the API server (audit.k8s.io/v1)")
	cmd.Flags().StringVar(&rules, "rules", "", "Sigma rules to ask about instead of ours (file or folder), or a selection of ours")
	return cmd
}

// coverageReport is what `detect coverage` prints.
type coverageReport struct {
	Schema     int                `json:"schema"`
	Tool       report.Tool        `json:"tool"`
	Policy     string             `json:"policy"`
	Rules      []fedRule          `json:"rules"`
	Techniques []fedTechnique     `json:"techniques"`
	Others     int                `json:"otherLogs"`
	Incomplete []model.Incomplete `json:"incomplete"`
}

type fedRule struct {
	Rule     string     `json:"rule"`
	Title    string     `json:"title"`
	Attack   []string   `json:"attack"`
	Verdict  string     `json:"verdict"`
	Requests []fedGiven `json:"requests"`
	Problems []string   `json:"problems"`
}

type fedGiven struct {
	Request string         `json:"request"`
	Needs   string         `json:"needs"`
	Level   string         `json:"level"`
	Line    int            `json:"line"`
	Fed     bool           `json:"fed"`
	Except  []fedException `json:"except"`
}

type fedException struct {
	Who   string `json:"who"`
	Level string `json:"level"`
	Line  int    `json:"line"`
}

// fedTechnique is the best that any rule of a technique gets.
type fedTechnique struct {
	Technique string   `json:"technique"`
	Verdict   string   `json:"verdict"`
	Rules     []string `json:"rules"`
}

func (a *app) detectCoverage(policyFile, rules string) error {
	if policyFile == "" {
		return usage("--audit-policy is missing: the policy that the API server was started with")
	}
	policy, err := readPolicy(policyFile)
	if err != nil {
		return err
	}
	d, err := a.detectorFor(rules)
	if err != nil {
		return err
	}
	doc := newCoverageReport(policy, d.program)
	doc.Tool, doc.Incomplete = a.tool(), append(doc.Incomplete, d.broken...)
	starved := slices.ContainsFunc(doc.Rules, func(r fedRule) bool { return len(r.Problems) > 0 })
	a.talkIncomplete(doc.Incomplete[:len(doc.Incomplete)-len(d.broken)])
	a.outcome(nil, len(doc.Incomplete), starved)
	return a.show(doc, func(w io.Writer, paint report.Paint) error { return a.coverageText(w, paint, doc) })
}

// readPolicy reads an audit policy; what is none is wrong usage.
func readPolicy(name string) (*signal.Policy, error) {
	data, err := readNamed("--audit-policy", name)
	if err != nil {
		return nil, err
	}
	policy, errs := signal.ParsePolicy(name, data)
	if len(errs) > 0 {
		return nil, &failure{exitUsage, errors.Join(errs...)}
	}
	return policy, nil
}

func newCoverageReport(policy *signal.Policy, program *detect.Program) coverageReport {
	doc := coverageReport{Schema: report.Schema, Policy: policy.File, Rules: []fedRule{}, Techniques: []fedTechnique{}, Incomplete: []model.Incomplete{}}
	for _, r := range program.Rules() {
		if !r.Silent {
			doc.Others++
		}
	}
	best := map[string]*fedTechnique{}
	for _, f := range policy.Feeds(program) {
		doc.Others--
		one := fedRule{Rule: f.Rule.ID, Title: f.Rule.Title, Attack: append([]string{}, f.Rule.Attack...), Verdict: f.Verdict, Requests: []fedGiven{}, Problems: append([]string{}, policy.Problems(f)...)}
		for _, g := range f.Given {
			given := fedGiven{Request: g.Request, Needs: g.Needs, Level: g.Level, Line: g.Line, Fed: g.Fed, Except: []fedException{}}
			for _, x := range g.Except {
				given.Except = append(given.Except, fedException(x))
			}
			one.Requests = append(one.Requests, given)
		}
		if f.Verdict == signal.Unknown {
			doc.Incomplete = append(doc.Incomplete, model.Incomplete{What: "rule " + f.Rule.ID, Why: "it matches no request that is known: whether it is fed can't be told"})
		}
		if f.Cut {
			doc.Incomplete = append(doc.Incomplete, model.Incomplete{What: "rule " + f.Rule.ID, Why: "it is about more kinds of request than are told"})
		}
		doc.Rules = append(doc.Rules, one)
		for _, t := range f.Rule.Attack {
			if best[t] == nil {
				best[t] = &fedTechnique{Technique: t, Verdict: signal.Starved}
			}
			best[t].Rules = append(best[t].Rules, f.Rule.ID)
			if worth := []string{signal.Starved, signal.Unknown, signal.Partly, signal.Fed}; slices.Index(worth, f.Verdict) > slices.Index(worth, best[t].Verdict) {
				best[t].Verdict = f.Verdict
			}
		}
	}
	for _, t := range best {
		doc.Techniques = append(doc.Techniques, *t)
	}
	slices.SortFunc(doc.Techniques, func(a, b fedTechnique) int { return strings.Compare(a.Technique, b.Technique) })
	return doc
}

// coverageText prints a row for each rule and level, then what is not fed, then
// what the policy takes out.
func (a *app) coverageText(w io.Writer, paint report.Paint, doc coverageReport) error {
	var rows [][]string
	var problems []string
	for _, r := range doc.Rules {
		rows = append(rows, r.rows()...)
		problems = append(problems, r.Problems...)
	}
	if err := a.table(w, "", []int{12, 5, 8, 8, 5, 0}, append([][]string{{"technique", "rule", "needs", "given", "fed", "requests"}}, rows...)); err != nil {
		return err
	}
	var b strings.Builder
	for _, section := range []struct {
		title string
		lines []string
	}{{"NOT FED", problems}, {"LEFT OUT", doc.exceptions()}} {
		if len(section.lines) > 0 {
			fmt.Fprintf(&b, "\n%s\n", paint(report.Title, fmt.Sprintf("%s (%d)", section.title, len(section.lines))))
		}
		for _, line := range section.lines {
			fmt.Fprintf(&b, "  %s\n", report.Clean(line))
		}
	}
	count := map[string]int{}
	for _, r := range doc.Rules {
		count[r.Verdict]++
	}
	fmt.Fprintf(&b, "\n%d rules of the audit log: %d fed, %d in part, %d not; %d rules of other logs\n",
		len(doc.Rules), count[signal.Fed], count[signal.Partly], count[signal.Starved], doc.Others)
	_, err := io.WriteString(w, b.String())
	return err
}

// rows join the requests of a rule that get the same.
func (r fedRule) rows() [][]string {
	type same struct {
		needs, level string
		fed          bool
	}
	var order []same
	requests := map[same][]string{}
	for _, g := range r.Requests {
		k := same{g.Needs, g.Level, g.Fed}
		if requests[k] == nil {
			order = append(order, k)
		}
		requests[k] = append(requests[k], g.Request)
	}
	var out [][]string
	for _, k := range order {
		fed, list := "yes", requests[k]
		if !k.fed {
			fed = "no"
		}
		out = append(out, []string{strings.Join(r.Attack, " "), r.Rule, k.needs, k.level, fed, signal.Join(list)})
	}
	return out
}

// exceptions says by rule of the policy what it takes from detections that are
// fed otherwise.
func (d coverageReport) exceptions() []string {
	type hole struct {
		line  int
		level string
		who   string
	}
	rules := map[hole][]string{}
	var order []hole
	for _, r := range d.Rules {
		for _, g := range r.Requests {
			for _, x := range g.Except {
				h := hole{x.Line, x.Level, x.Who}
				if rules[h] == nil {
					order = append(order, h)
				}
				if !slices.Contains(rules[h], r.Rule) {
					rules[h] = append(rules[h], r.Rule)
				}
			}
		}
	}
	slices.SortFunc(order, func(a, b hole) int { return a.line - b.line })
	var out []string
	for _, h := range order {
		out = append(out, fmt.Sprintf("%s:%d logs %s of %s: too low for %s", d.Policy, h.line, h.level, h.who, strings.Join(rules[h], " ")))
	}
	return out
}

// maxFields is how many fields that no event has are named.
const maxFields = 10

// talkFields names the fields that rules ask for and no event had.
func (a *app) talkFields(never []signal.Never) {
	for _, n := range never[:min(len(never), maxFields)] {
		a.say("note: %s", n)
	}
	if more := len(never) - maxFields; more > 0 {
		a.say("note: %d more fields that rules ask for are in no event", more)
	}
}
