package rule

import (
	"fmt"
	"slices"
	"strings"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/scantling/scantling/model"
)

// Case is one input of a rule with the verdict that it must get: the file
// fail/NAME, pass/NAME or unknown/NAME of cases.txtar.
type Case struct {
	Name string // as in the archive, as "fail/no-user.Dockerfile"
	Want model.Verdict
	Data []byte
}

// Base is the case's name without its verdict, as "no-user.Dockerfile".
func (c Case) Base() string { return strings.TrimPrefix(c.Name, string(c.Want)+"/") }

// Cases returns the cases of a rule in the order of its archive.
func (c *Catalogue) Cases(id string) []Case { return c.box[id] }

// parseCases reads a txtar archive; it must have a case that fails and one
// that passes.
func parseCases(data []byte) ([]Case, error) {
	var out []Case
	seen := map[string]bool{}
	for _, f := range txtar.Parse(data).Files {
		verdict, name, ok := strings.Cut(f.Name, "/")
		v := model.Verdict(verdict)
		if !ok || name == "" || (v != model.Fail && v != model.Pass && v != model.Unknown) {
			return nil, fmt.Errorf("case %q is not named fail/NAME, pass/NAME or unknown/NAME", f.Name)
		}
		if seen[f.Name] {
			return nil, fmt.Errorf("case %q is given twice", f.Name)
		}
		seen[f.Name] = true
		out = append(out, Case{Name: f.Name, Want: v, Data: f.Data})
	}
	for _, want := range []model.Verdict{model.Fail, model.Pass} {
		if !slices.ContainsFunc(out, func(c Case) bool { return c.Want == want }) {
			return nil, fmt.Errorf("no case that must %s", want)
		}
	}
	return out, nil
}

// CaseResult says how one case ended. Err is why it could not be judged.
type CaseResult struct {
	Rule   *Rule
	Name   string // of the case; empty when the rule has none
	Want   model.Verdict
	Got    model.Verdict
	Reason string // as the judge gave it
	Err    error
}

// OK reports whether the case got the verdict that it must get.
func (r CaseResult) OK() bool { return r.Err == nil && r.Got == r.Want }

// String is one line for people: "ok B103 fail/x.Dockerfile", or what differs.
func (r CaseResult) String() string {
	switch {
	case r.Err != nil:
		return fmt.Sprintf("FAIL %s %s: %v", r.Rule.ID, r.Name, r.Err)
	case !r.OK():
		return fmt.Sprintf("FAIL %s %s: got %s, want %s: %s", r.Rule.ID, r.Name, r.Got, r.Want, r.Reason)
	}
	return fmt.Sprintf("ok %s %s", r.Rule.ID, r.Name)
}

// Judge gives the verdict of one rule on one case's data, with the reason.
// name is the case's base name, which a reader may need for its extension.
type Judge func(ruleID, name string, data []byte) (model.Verdict, string, error)

// RunCases judges every case of the given rules, in order. A rule without
// cases is a result with an error: an empty case folder proves nothing.
func RunCases(cat *Catalogue, rules []*Rule, judge Judge) []CaseResult {
	var out []CaseResult
	for _, r := range rules {
		cases := cat.Cases(r.ID)
		if len(cases) == 0 {
			out = append(out, CaseResult{Rule: r, Err: fmt.Errorf("no cases beside %s", r.File)})
		}
		for _, c := range cases {
			res := CaseResult{Rule: r, Name: c.Name, Want: c.Want}
			res.Got, res.Reason, res.Err = judge(r.ID, c.Base(), c.Data)
			out = append(out, res)
		}
	}
	return out
}
