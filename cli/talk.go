package cli

import (
	"fmt"
	"strings"

	"github.com/charmbracelet/x/ansi"

	"github.com/scantling/scantling/report"
)

// say writes one line of talk to standard error.
func (a *app) say(format string, args ...any) {
	if !a.quiet {
		fmt.Fprintln(a.Err, report.Clean(fmt.Sprintf(format, args...)))
	}
}

// bar shows how far long work has come: redrawn in place on a terminal, one
// line at the end elsewhere.
type bar struct {
	app   *app
	name  string
	total int
	done  int
}

// progress starts a bar of total steps; 0 is a stage without anything to do.
func (a *app) progress(name string, total int) *bar {
	b := &bar{app: a, name: name, total: total}
	b.draw()
	return b
}

// step says that one more is done.
func (b *bar) step() {
	b.done++
	b.draw()
}

const barWidth = 20

func (b *bar) draw() {
	if !b.app.Terminal || b.app.quiet || b.total == 0 {
		return
	}
	full := min(barWidth*b.done/b.total, barWidth)
	fmt.Fprintf(b.app.Err, "\r\x1b[K  %-15s %s%s %d/%d", b.name, strings.Repeat("█", full), strings.Repeat("░", barWidth-full), b.done, b.total)
}

// clear takes the bar away: where the result follows there is nothing to add.
func (b *bar) clear() {
	if b.app.Terminal && !b.app.quiet {
		fmt.Fprint(b.app.Err, "\r\x1b[K")
	}
}

// end replaces the bar by what came of it.
func (b *bar) end(format string, args ...any) {
	b.clear()
	b.app.say("  %-15s %s", b.name, fmt.Sprintf(format, args...))
}

// paint is the colouring of standard output.
func (a *app) paint() report.Paint {
	if !a.Colour {
		return report.Plain
	}
	styles := map[report.Role]ansi.Style{
		report.Title:   ansi.NewStyle().Bold(),
		report.Good:    ansi.NewStyle().ForegroundColor(ansi.Green),
		report.Bad:     ansi.NewStyle().Bold().ForegroundColor(ansi.Red),
		report.Caution: ansi.NewStyle().ForegroundColor(ansi.Yellow),
		report.Faint:   ansi.NewStyle().Faint(),
	}
	return func(role report.Role, text string) string { return styles[role].Styled(text) }
}
