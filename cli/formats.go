package cli

import (
	"io"

	"github.com/scantling/scantling/report"
)

// ciFormats are what CI servers read, for every command whose result is
// findings.
var ciFormats = []string{"sarif", "junit", "github", "gitlab"}

// forCI renders findings in each of ciFormats.
func (a *app) forCI(d report.Findings) []rendering {
	return []rendering{
		{"sarif", func(w io.Writer) error { return d.SARIF(w, a.ruleTexts()) }},
		{"junit", d.JUnit},
		{"github", d.GitHub},
		{"gitlab", d.GitLab},
	}
}

// ruleTexts describes the rules that this run judged by.
func (a *app) ruleTexts() []report.Rule {
	var out []report.Rule
	for _, r := range a.judgedBy {
		out = append(out, report.Rule{
			ID: r.ID, Slug: r.Slug, Title: r.Title, Why: r.Why, Fix: r.Fix, Cites: r.Cites, Attack: r.Attack, Severity: r.Severity,
		})
	}
	return out
}
