package report

import (
	"cmp"
	"io"
	"path"
	"path/filepath"

	"github.com/scantling/scantling/model"
)

// GitLab writes findings as a Code Quality report, which GitLab shows in
// merge requests: a list of issues with a fingerprint each. The format knows
// no verdicts, so unknowns say so in their text, and what was not read is an
// issue too. Suppressed findings are left out.
func (d Findings) GitLab(w io.Writer) error {
	issues := []gitlabIssue{}
	for _, f := range d.Findings {
		if f.Suppressed != nil {
			continue
		}
		issues = append(issues, gitlabIssue{
			Description: Clean(f.Message + state(f)), Check: f.Rule, Fingerprint: f.ID, Severity: gitlabSeverity[f.Severity],
			Location: gitlabPlace(cmp.Or(f.Position.File, f.Asset.Key), f.Position.Line),
		})
	}
	for _, x := range d.Incomplete {
		issues = append(issues, gitlabIssue{
			Description: "not read: " + Clean(x.Why), Check: "incomplete", Severity: gitlabSeverity[model.High],
			Fingerprint: model.Fingerprint("incomplete", x.What, x.Why), Location: gitlabPlace(x.What, 0),
		})
	}
	return JSON(w, issues)
}

var gitlabSeverity = map[model.Severity]string{
	model.Critical: "blocker", model.High: "critical", model.Medium: "major", model.Low: "minor", model.Info: "info",
}

// gitlabPlace wants a line of every issue; the first stands for the whole file.
func gitlabPlace(file string, line int) gitlabLocation {
	return gitlabLocation{Path: Clean(path.Clean(filepath.ToSlash(file))), Lines: gitlabLines{max(line, 1)}}
}

type gitlabIssue struct {
	Description string         `json:"description"`
	Check       string         `json:"check_name"`
	Fingerprint string         `json:"fingerprint"`
	Severity    string         `json:"severity"`
	Location    gitlabLocation `json:"location"`
}

type gitlabLocation struct {
	Path  string      `json:"path"`
	Lines gitlabLines `json:"lines"`
}

type gitlabLines struct {
	Begin int `json:"begin"`
}
