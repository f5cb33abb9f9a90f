package report

import (
	"fmt"
	"io"

	"github.com/scantling/scantling/model"
)

// Findings is what every command that judges prints.
type Findings struct {
	Schema     int                `json:"schema"`
	Tool       Tool               `json:"tool"`
	Findings   []model.Finding    `json:"findings"`
	Incomplete []model.Incomplete `json:"incomplete"`
	Summary    Summary            `json:"summary"`
}

// Summary counts findings by verdict; suppressed ones are counted apart. Read
// counts inputs.
type Summary struct {
	Fail       int `json:"fail"`
	Unknown    int `json:"unknown"`
	Suppressed int `json:"suppressed"`
	Read       int `json:"read"`
}

// NewFindings fills in the counts. Nil lists become empty ones.
func NewFindings(tool Tool, findings []model.Finding, incomplete []model.Incomplete, read int) Findings {
	doc := Findings{
		Schema: Schema, Tool: tool, Findings: listed(findings), Incomplete: orEmpty(incomplete),
		Summary: Summary{Read: read},
	}
	for _, f := range findings {
		switch {
		case f.Suppressed != nil:
			doc.Summary.Suppressed++
		case f.Verdict == model.Fail:
			doc.Summary.Fail++
		case f.Verdict == model.Unknown:
			doc.Summary.Unknown++
		}
	}
	return doc
}

// listed gives every finding its empty lists, so that scripts never meet null.
func listed(findings []model.Finding) []model.Finding {
	out := make([]model.Finding, len(findings))
	for i, f := range findings {
		f.Aliases = orEmpty(f.Aliases)
		f.Evidence = orEmpty(f.Evidence)
		out[i] = f
	}
	return out
}

func orEmpty[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}

// Text prints one finding a line, its fix below, then the counts.
func (d Findings) Text(w io.Writer, paint Paint) error {
	p := &printer{w: w, paint: paint}
	for _, f := range d.Findings {
		p.finding(f)
	}
	p.incomplete(d.Incomplete)
	if len(d.Findings) > 0 || len(d.Incomplete) > 0 {
		p.line("")
	}
	p.summary(d)
	return p.err
}

func (p *printer) summary(d Findings) {
	p.line("%s read: %s, %d unknown, %d suppressed", plural(d.Summary.Read, "input", "inputs"), plural(d.Summary.Fail, "finding", "findings"), d.Summary.Unknown, d.Summary.Suppressed)
}

func (p *printer) finding(f model.Finding) {
	p.line("%s: %s %s: %s", place(f), p.paint(severityRole(f), f.Severity.String()), f.Rule, Clean(f.Message)+state(f))
	if f.Fix != nil && f.Suppressed == nil {
		p.line("    %s", p.paint(Faint, Clean(f.Fix.Text)))
	}
}

// place is file:line where known, else the asset.
func place(f model.Finding) string {
	switch {
	case f.Position.File == "":
		return Clean(string(f.Asset.Kind) + " " + f.Asset.Name)
	case f.Position.Line == 0:
		return Clean(f.Position.File)
	}
	return fmt.Sprintf("%s:%d", Clean(f.Position.File), f.Position.Line)
}

func state(f model.Finding) string {
	switch {
	case f.Suppressed != nil:
		return " [" + acceptedBy(*f.Suppressed) + "]"
	case f.Verdict == model.Unknown:
		return " [unknown]"
	}
	return ""
}

// acceptedBy says who accepted a finding, until when, and why. What a VEX
// statement suppresses has no end.
func acceptedBy(s model.Suppression) string {
	text := "accepted by " + Clean(s.Owner)
	if s.Expires != model.NoEnd {
		text += " until " + Clean(s.Expires)
	}
	return text + ": " + Clean(s.Reason)
}

func severityRole(f model.Finding) Role {
	switch {
	case f.Suppressed != nil:
		return Faint
	case f.Severity >= model.High:
		return Bad
	case f.Severity == model.Medium:
		return Caution
	}
	return Faint
}
