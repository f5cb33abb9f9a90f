//go:build !scanner

package cli

import (
	"fmt"
	"io"

	"github.com/scantling/scantling/infrastructure/identity"
	"github.com/scantling/scantling/model"
	"github.com/scantling/scantling/report"
)

// printer keeps the first error of many lines.
type printer struct {
	w     io.Writer
	paint report.Paint
	err   error
}

func (p *printer) line(format string, args ...any) {
	if p.err == nil {
		_, p.err = fmt.Fprintf(p.w, format+"\n", args...)
	}
}

func (p *printer) title(text string) { p.line("\n%s", p.paint(report.Title, text)) }

func (p *printer) table(a *app, widths []int, rows [][]string) {
	if p.err == nil {
		p.err = a.table(p.w, "", widths, rows)
	}
}

// proofs prints each on a line of its own.
func (p *printer) proofs(proofs []identity.Proof) {
	for _, x := range proofs {
		p.line("    %s", p.paint(report.Faint, report.Clean(x.String())))
	}
}

// missed says what was not read.
func (p *printer) missed(list []model.Incomplete) {
	for _, x := range list {
		p.line("not read: %s", report.Clean(x.What+": "+x.Why))
	}
}
