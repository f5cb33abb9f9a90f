package cli

import (
	"io"
	"strings"

	"github.com/charmbracelet/x/ansi"

	"github.com/scantling/scantling/report"
)

// table writes rows in aligned columns, one space between them. Each is as
// wide as its widest cell, and at least as its entry in least says; a negative
// entry puts the column to the right. Width is that on a screen: a wide letter
// takes two. On a terminal of known width a longer line is cut, elsewhere
// nothing is.
func (a *app) table(w io.Writer, indent string, least []int, rows [][]string) error {
	width := make([]int, len(least))
	for i, n := range least {
		width[i] = max(n, -n)
	}
	for _, row := range rows {
		for i, cell := range row {
			row[i] = report.Clean(cell)
			width[i] = max(width[i], ansi.StringWidth(row[i]))
		}
	}
	for _, row := range rows {
		var line strings.Builder
		line.WriteString(indent)
		for i, cell := range row {
			if i > 0 {
				line.WriteByte(' ')
			}
			space := strings.Repeat(" ", width[i]-ansi.StringWidth(cell))
			if least[i] < 0 {
				cell, space = space, cell
			}
			line.WriteString(cell + space)
		}
		text := strings.TrimRight(line.String(), " ")
		if a.Width > 0 {
			text = ansi.Truncate(text, a.Width, "…")
		}
		if _, err := io.WriteString(w, text+"\n"); err != nil {
			return err
		}
	}
	return nil
}
