package report

import (
	"fmt"
	"io"
	"strings"

	"github.com/scantling/scantling/model"
)

// GitHub writes findings as workflow commands, which the runner turns into
// annotations of the changed files: high and critical as errors, medium and
// all unknowns as warnings, the rest as notices. The runner shows at most ten
// of each level for a step, so the worst come first. Suppressed findings are
// left out. The counts close the output as plain text.
func (d Findings) GitHub(w io.Writer) error {
	p := &printer{w: w, paint: Plain}
	for _, level := range []string{"error", "warning", "notice"} {
		for _, f := range d.Findings {
			if f.Suppressed == nil && githubLevel(f) == level {
				p.line("%s", githubCommand(level, f))
			}
		}
		if level != "warning" {
			continue
		}
		for _, x := range d.Incomplete {
			p.line("::warning title=%s::%s", githubProperty("not read"), githubData(x.What+": "+x.Why))
		}
	}
	p.summary(d)
	return p.err
}

func githubLevel(f model.Finding) string {
	switch {
	case f.Verdict == model.Unknown || f.Severity == model.Medium:
		return "warning"
	case f.Severity >= model.High:
		return "error"
	}
	return "notice"
}

func githubCommand(level string, f model.Finding) string {
	properties := "title=" + githubProperty(fmt.Sprintf("%s %s", f.Rule, f.Title))
	if at := f.Position; at.File != "" {
		properties = "file=" + githubProperty(at.File) + "," + properties
		for _, n := range []struct {
			name  string
			value int
		}{{"line", at.Line}, {"endLine", at.EndLine}, {"col", at.Column}, {"endColumn", at.EndColumn}} {
			if n.value > 0 {
				properties += fmt.Sprintf(",%s=%d", n.name, n.value)
			}
		}
	}
	text := f.Message + state(f)
	if f.Fix != nil {
		text += "\n" + f.Fix.Text
	}
	return "::" + level + " " + properties + "::" + githubData(text)
}

// githubData escapes the text of a command: a line end would end it.
func githubData(s string) string {
	s = strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A").Replace(s)
	return Clean(s)
}

// githubProperty escapes a property, which a colon or comma would end too.
func githubProperty(s string) string {
	return strings.NewReplacer(":", "%3A", ",", "%2C").Replace(githubData(s))
}
