//go:build !scanner

package cli

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/scantling/scantling/infrastructure/paths"
	"github.com/scantling/scantling/report"
)

// printedBreaks is how many changes that end a path the text names.
const printedBreaks = 3

// pathsText prints the paths as chains, each with what ends it, then the choke
// points, the blast radius, the fixes and what fewer of them do.
func (a *app) pathsText(w io.Writer, paint report.Paint, d pathsReport) error {
	p := &printer{w: w, paint: paint}
	for i, path := range d.Paths {
		if i == d.most {
			p.line("… %d more paths: --most", len(d.Paths)-i)
			break
		}
		p.path(path, "")
	}
	if len(d.Paths) == 0 {
		p.line("No path was found in what was read.")
	}
	if s := d.Shortest; s != nil && !slices.ContainsFunc(d.Paths[:min(d.most, len(d.Paths))], func(x paths.Path) bool { return len(x.Steps) <= len(s.Steps) }) {
		p.title("SHORTEST of all")
		p.path(*s, "")
	}
	a.chokesText(p, d)
	a.blastText(p, d)
	p.fixes(d)
	a.paretoText(p, d)
	p.missed(d.Incomplete)
	return p.err
}

func (p *printer) path(path paths.Path, indent string) {
	p.line("%s%s", indent, p.paint(report.Title, report.Clean(fmt.Sprintf("%s → %s  p %.3g", path.From, path.To, path.Probability))))
	for _, s := range path.Steps {
		p.line("%s  %-22s %s", indent, s.Edge, report.Clean(s.From+" → "+s.To+"  "+s.Attack))
		for _, y := range s.Why {
			p.line("%s      %s", indent, p.paint(report.Faint, report.Clean(y.Object+"  "+y.Field+"  "+y.Rule)))
		}
	}
	if len(path.Breaks) == 0 {
		p.line("%s  no change ends it", indent)
		return
	}
	for i, b := range path.Breaks {
		switch {
		case i == printedBreaks && len(path.Breaks) > i+1:
			p.line("%s  … or one of %d more changes", indent, len(path.Breaks)-i)
			return
		case i == 0:
			p.line("%s  ends with: %s", indent, report.Clean(b))
		default:
			p.line("%s         or: %s", indent, report.Clean(b))
		}
	}
}

// chokesText lists what every path between some pairs passes through.
func (a *app) chokesText(p *printer, d pathsReport) {
	if len(d.Chokes) == 0 {
		return
	}
	p.title(fmt.Sprintf("CHOKE POINTS on every path of some of the %d pairs that lead to %s", d.FixSet.Pairs, ends(d.FixSet.To)))
	rows := make([][]string, len(d.Chokes))
	for i, c := range d.Chokes {
		rows[i] = []string{fmt.Sprintf("%.0f %% ", c.Cuts), c.Kind, c.What}
	}
	p.table(a, []int{-6, 10, 0}, rows)
}

func (a *app) blastText(p *printer, d pathsReport) {
	p.title("BLAST RADIUS  workloads secrets nodes cluster-admin")
	rows := make([][]string, len(d.Blast))
	for i, b := range d.Blast {
		last := strconv.FormatBool(b.Reaches.ClusterAdmin)
		if b.Reaches.CloudRoles != nil {
			last += fmt.Sprintf("  cloud roles %d", *b.Reaches.CloudRoles)
		}
		rows[i] = []string{
			fmt.Sprintf("%.1f ", b.Score), b.Workload, strconv.Itoa(b.Reaches.Workloads), strconv.Itoa(b.Reaches.Secrets),
			strconv.Itoa(b.Reaches.Nodes) + " ", last,
		}
	}
	p.table(a, []int{-7, 48, -5, -5, -6, 0}, rows)
}

// fixes prints the set, and with --fix its patches.
func (p *printer) fixes(d pathsReport) {
	p.title("SMALLEST FIX for " + ends(d.FixSet.To))
	if d.FixSet.Pairs == 0 {
		p.line("  nothing leads there")
		return
	}
	for i, f := range d.Fixes {
		p.line("%3d  %-70s cuts %.0f %%", i+1, report.Clean(f.Change), f.Cuts)
		if d.patches {
			for line := range strings.Lines(f.Patch) {
				p.line("     | %s", report.Clean(strings.TrimRight(line, "\n")))
			}
		}
	}
	set := d.FixSet
	if len(d.Fixes) > 0 {
		worth := "no set costs less"
		if !set.Optimal {
			worth = fmt.Sprintf("the least may cost %.4g", set.Bound)
		}
		state := map[string]string{
			paths.Verified: "verified: judged anew with the patches applied", paths.Unverified: "not verified: " + set.Why, paths.Unchecked: "not verified yet: --fix does",
		}[set.State]
		p.line("     cost %.4g, %s; %s", set.Cost, worth, report.Clean(state))
		if set.State == paths.Verified && set.Why != "" {
			p.line("     %s", report.Clean(set.Why))
		}
	}
	for _, o := range set.Open {
		p.line("     stays: %s", report.Clean(o.From+" → "+o.To+": "+strings.Join(o.Why, "; ")))
	}
	if set.OpenMore > 0 {
		p.line("     and %d more pairs stay", set.OpenMore)
	}
}

// paretoText lists what fewer changes than the fix do; for a single one
// there is nothing to weigh.
func (a *app) paretoText(p *printer, d pathsReport) {
	if len(d.Pareto) < 2 {
		return
	}
	p.title("WITH FEWER CHANGES  paths, probability")
	var rows [][]string
	for _, x := range d.Pareto {
		most, mass := "", ""
		if x.Bound > x.Cuts {
			most = fmt.Sprintf(" (at most %.0f)", x.Bound)
		}
		if x.Mass != nil {
			mass = fmt.Sprintf("%.0f %% ", *x.Mass)
		}
		for k, change := range x.Changes {
			if k == 0 {
				rows = append(rows, []string{strconv.Itoa(len(x.Changes)) + " ", fmt.Sprintf("%.0f %%%s ", x.Cuts, most), mass, change})
			} else {
				rows = append(rows, []string{"", "", "", change})
			}
		}
	}
	p.table(a, []int{-4, -6, -6, 0}, rows)
}

// ends names what the fixes keep from being reached.
func ends(to []string) string {
	switch {
	case len(to) == 1 && strings.HasPrefix(to[0], "cluster "):
		return "cluster admin"
	case len(to) == 1:
		return report.Clean(to[0])
	}
	return fmt.Sprintf("%d targets", len(to))
}
