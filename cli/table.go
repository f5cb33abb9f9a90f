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
// takes two. On a terminal that is too narrow the columns get no more than
// their cells need, and what is still too long is cut; elsewhere nothing is.
func (a *app) table(w io.Writer, indent string, least []int, rows [][]string) error {
	need := make([]int, len(least))
	for _, row := range rows {
		for i, cell := range row {
			row[i] = report.Clean(cell)
			need[i] = max(need[i], ansi.StringWidth(row[i]))
		}
	}
	width, total := make([]int, len(least)), ansi.StringWidth(indent)+len(least)-1
	for i, n := range least {
		width[i] = max(n, -n, need[i])
		total += width[i]
	}
	if a.Width > 0 && total > a.Width {
		width = need
	}
	for _, row := range rows {
		text := indent + aligned(row, width, least)
		if a.Width > 0 {
			text = ansi.Truncate(text, a.Width, "…")
		}
		if _, err := io.WriteString(w, text+"\n"); err != nil {
			return err
		}
	}
	return nil
}

// aligned is one row, each cell filled up to the width of its column.
func aligned(row []string, width, least []int) string {
	var line strings.Builder
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
	return strings.TrimRight(line.String(), " ")
}
