// Package report renders results as text, as JSON, as the formats that CI
// servers read (SARIF, JUnit, GitHub, GitLab), and as a page and drawings. It
// judges nothing: every surface shows the same values, and the shapes are
// those that docs/interfaces.md promises to scripts.
package report

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"unicode"

	"github.com/scantling/scantling/model"
)

// Schema is the version of every JSON object.
const Schema = 1

// Tool names who made a report.
type Tool struct {
	Name    string `json:"name"`
	Version string `json:"version"`
	Ruleset string `json:"ruleset"`
}

// Role is what a piece of text means, for a surface that has colours.
type Role int

// The roles that text is painted in.
const (
	Title Role = iota
	Good
	Bad
	Caution
	Faint
)

// Paint decorates text; Plain leaves it alone.
type Paint func(Role, string) string

// Plain is the Paint of a pipe or a file.
func Plain(_ Role, text string) string { return text }

// JSON writes v indented, with a newline at the end.
func JSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(v); err != nil {
		return fmt.Errorf("writing JSON: %w", err)
	}
	return nil
}

// printer writes lines and keeps the first error, so that rendering reads
// from top to bottom.
type printer struct {
	w     io.Writer
	paint Paint
	err   error
}

func (p *printer) line(format string, args ...any) {
	if p.err != nil {
		return
	}
	text := strings.TrimRight(fmt.Sprintf(format, args...), " ")
	_, p.err = io.WriteString(p.w, text+"\n")
}

func (p *printer) title(text string) {
	p.line("")
	p.line("%s", p.paint(Title, text))
}

// incomplete lists what was not read or not judged.
func (p *printer) incomplete(list []model.Incomplete) {
	if len(list) == 0 {
		return
	}
	p.title(fmt.Sprintf("NOT READ (%d)", len(list)))
	for _, x := range list {
		p.line("  %s: %s", p.paint(Caution, Clean(x.What)), Clean(x.Why))
	}
}

// Clean keeps control characters of hostile input off the terminal, and those
// that turn a text around: file names and what files hold may carry escape
// sequences.
func Clean(s string) string {
	return strings.Map(func(r rune) rune {
		if r < 0x20 && r != '\t' || r == 0x7f || r >= 0x80 && r < 0xa0 || unicode.Is(unicode.Bidi_Control, r) {
			return '�'
		}
		return r
	}, s)
}

func plural(n int, one, many string) string {
	if n == 1 {
		return fmt.Sprintf("%d %s", n, one)
	}
	return fmt.Sprintf("%d %s", n, many)
}
