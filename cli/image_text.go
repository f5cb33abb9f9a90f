package cli

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/scantling/scantling/estate"
	"github.com/scantling/scantling/model"
	"github.com/scantling/scantling/registry/advisory"
	"github.com/scantling/scantling/report"
	"github.com/scantling/scantling/risk"
)

// What is printed without --all.
const (
	shownPackages = 60 // of an image: those of one that holds a program and little else
	shownMatches  = 12 // of a lane
	shownSteps    = 12 // of the plan, and of the packages without a fix
)

// imageText prints the packages by layer, the matches by lane, the fix plan,
// what has no fix, what VEX says, and all other findings.
func (a *app) imageText(w io.Writer, paint report.Paint, d imageReport) error {
	t := &imageTables{app: a, w: w, paint: paint, doc: d, today: time.Now().UTC().Format(time.DateOnly)}
	for _, img := range d.Images {
		t.packages(img)
	}
	t.lane(risk.Must, "MUST", t.mustTitle())
	t.lane(risk.Buy, "BUY", "no date: fix with the next upgrade")
	t.plan()
	t.unfixed()
	t.statements()
	rest := d.Findings
	rest.Findings = slices.DeleteFunc(slices.Clone(rest.Findings), isMatch)
	if len(rest.Findings) > 0 || len(rest.Incomplete) == 0 { // what was not read begins with a line of its own
		t.line("")
	}
	if t.err != nil {
		return t.err
	}
	return rest.Text(w, paint)
}

// imageTables writes the parts of an image's report and keeps the first error.
type imageTables struct {
	app   *app
	w     io.Writer
	paint report.Paint
	doc   imageReport
	today string
	err   error
}

func (t *imageTables) line(format string, args ...any) {
	if t.err == nil {
		_, t.err = fmt.Fprintf(t.w, format+"\n", args...)
	}
}

func (t *imageTables) title(format string, args ...any) {
	t.line("")
	t.line("%s", t.paint(report.Title, report.Clean(fmt.Sprintf(format, args...))))
}

func (t *imageTables) table(least []int, rows [][]string) {
	if t.err == nil {
		t.err = t.app.table(t.w, "  ", least, rows)
	}
}

// more says how many rows are left out; --all prints them.
func (t *imageTables) more(n int, one, many string) {
	if n > 0 {
		t.line("  … and %s: --all prints them", several(n, one, many))
	}
}

func several(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

// packages prints those of one image, the lowest layer first. Many are counted
// by layer and ecosystem.
func (t *imageTables) packages(img imageRow) {
	if len(t.doc.Images) > 1 {
		t.line("%s", t.paint(report.Title, report.Clean(strings.TrimSpace("image "+img.Name+" "+img.Platform+" "+img.Key))))
	}
	by := map[string][]advisory.PackageRow{}
	layers := slices.Clone(img.Layers)
	for _, p := range img.packages {
		if !slices.Contains(layers, p.Layer) {
			layers = append(layers, p.Layer)
		}
		by[p.Layer] = append(by[p.Layer], p)
	}
	short := !t.doc.all && len(img.packages) > shownPackages
	for _, layer := range layers {
		list := by[layer]
		if len(list) == 0 {
			continue
		}
		name := t.paint(report.Title, "layer "+report.Clean(cmp.Or(layer, "unknown")))
		if short {
			t.line("%s  %s", name, report.Clean(census(list)))
			continue
		}
		t.line("%s", name)
		var rows [][]string
		for _, p := range list {
			rows = append(rows, []string{p.Name, p.Version, p.Ecosystem})
		}
		t.table([]int{32, 28, 0}, rows)
	}
	if short {
		t.line("  %s: --all lists them", several(len(img.packages), "package", "packages"))
	}
}

// census counts packages by ecosystem.
func census(list []advisory.PackageRow) string {
	n := map[string]int{}
	var names []string
	for _, p := range list {
		name := cmp.Or(p.Ecosystem, "of an unknown system")
		if n[name]++; n[name] == 1 {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for i, name := range names {
		names[i] = strconv.Itoa(n[name]) + " " + name
	}
	return strings.Join(names, ", ")
}

func (t *imageTables) mustTitle() string {
	text := "dates of CISA BOD 26-04"
	if t.doc.Exposed == "unknown" {
		return text + "; exposure is unknown and taken as the strictest: --exposed yes or no tells it"
	}
	return text + "; exposed: " + t.doc.Exposed
}

// matchLine is one advisory on one package, in however many images.
type matchLine struct {
	advisory.MatchRow
	name   string
	images int
}

// lane prints the matches of a lane, the most urgent first.
func (t *imageTables) lane(lane risk.Lane, name, why string) {
	list := t.lines(func(m advisory.MatchRow) bool { return m.Lane == string(lane) })
	if len(list) == 0 {
		return
	}
	t.title("%s (%d): %s", name, len(list), why)
	shown := list
	if !t.doc.all {
		shown = list[:min(len(list), shownMatches)]
	}
	var rows [][]string
	for _, m := range shown {
		rows = append(rows, t.match(m))
	}
	t.table([]int{0, 8, 3, 24, 16, 14, 0, 0, 0}, rows)
	t.more(len(list)-len(shown), "match", "matches")
}

// lines gathers the matches that are wanted: those of one package of several
// images are one line.
func (t *imageTables) lines(want func(advisory.MatchRow) bool) []matchLine {
	names := map[string]string{}
	for _, p := range t.doc.Packages {
		names[p.PURL] = p.Name + " " + p.Version
	}
	type key struct{ purl, advisory string }
	at := map[key]int{}
	var out []matchLine
	for _, m := range t.doc.Matches {
		if !want(m) {
			continue
		}
		k := key{m.Package, m.Advisory}
		if i, ok := at[k]; ok {
			out[i].images++
			continue
		}
		at[k] = len(out)
		out = append(out, matchLine{m, names[m.Package], 1})
	}
	slices.SortStableFunc(out, func(a, b matchLine) int {
		return cmp.Or(
			cmp.Compare(t.day(a.Due), t.day(b.Due)), boolFirst(a.KEV, b.KEV), -cmp.Compare(a.Severity, b.Severity),
			-cmp.Compare(value(a.EPSS), value(b.EPSS)), cmp.Compare(a.name, b.name), cmp.Compare(a.Advisory, b.Advisory),
		)
	})
	return out
}

// day is when something is due: what is overdue is due today.
func (t *imageTables) day(due string) string {
	if due == "" {
		return "9999"
	}
	return max(due, t.today)
}

func boolFirst(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return -1
	}
	return 1
}

func value(p *float64) float64 {
	if p == nil {
		return -1
	}
	return *p
}

// match is one line of a lane.
func (t *imageTables) match(m matchLine) []string {
	due, kev, fixed, step, epss := m.Due, "", "no fix known", "", ""
	switch {
	case due == "":
		due = "no date"
	case due < t.today:
		due = "overdue since " + due
	default:
		due = "due " + due
	}
	if m.KEV {
		kev = "KEV"
	}
	if m.Fixed != "" {
		fixed = "→ " + m.Fixed
	}
	if m.Step > 0 {
		step = fmt.Sprintf("step %d", m.Step)
	}
	if m.EPSS != nil {
		epss = fmt.Sprintf("EPSS %.1f%%", *m.EPSS*100)
	}
	id := m.Advisory
	if i := slices.IndexFunc(m.CVEs, func(cve string) bool { return !strings.HasSuffix(id, cve) }); i >= 0 {
		id += " " + m.CVEs[i]
		if n := len(m.CVEs) - 1; n > 0 {
			id += fmt.Sprintf(" +%d", n)
		}
	}
	if m.images > 1 {
		step = strings.TrimSpace(step + fmt.Sprintf(" in %d images", m.images))
	}
	return []string{due, m.Severity.String(), kev, m.name, fixed, id, epss, m.SSVC, step}
}

// plan prints the steps with what they clear.
func (t *imageTables) plan() {
	if len(t.doc.Plan) == 0 {
		return
	}
	fixable := advisory.Clears{}
	for _, s := range t.doc.Plan {
		fixable.Matches += s.Clears.Matches
	}
	t.title("FIX PLAN: %s for %s of %d", several(len(t.doc.Plan), "step", "steps"), several(fixable.Matches, "match", "matches"), t.doc.Counts.Matches)
	shown := t.doc.Plan
	if !t.doc.all {
		shown = shown[:min(len(shown), shownSteps)]
	}
	for _, s := range shown {
		due := ""
		switch {
		case s.Due != "" && s.Due < t.today:
			due = "  " + t.paint(report.Bad, "overdue since "+s.Due)
		case s.Due != "":
			due = "  due " + s.Due
		}
		where := ""
		if len(t.doc.Images) > 1 {
			where = " in " + several(len(s.Images), "image", "images")
		}
		t.line("%4d  %s%s: clears %s%s", s.N, t.paint(report.Good, report.Clean(s.Title)), where, clearsText(s.Clears), due)
		t.line("      %s", t.paint(report.Faint, report.Clean(s.Why)))
		if s.Patch != "" {
			t.line("      %s", t.paint(report.Faint, report.Clean(s.Patch)))
		}
	}
	t.more(len(t.doc.Plan)-len(shown), "step", "steps")
}

// clearsText counts matches, and names the worst among them.
func clearsText(c advisory.Clears) string {
	text := several(c.Matches, "match", "matches")
	var worst []string
	for _, part := range []struct {
		n    int
		name string
	}{{c.KEV, "KEV"}, {c.Critical, "critical"}, {c.High, "high"}} {
		if part.n > 0 {
			worst = append(worst, fmt.Sprintf("%d %s", part.n, part.name))
		}
	}
	if len(worst) > 0 {
		text += " (" + strings.Join(worst, ", ") + ")"
	}
	return text
}

// unfixed prints the packages that no step clears, with the reason.
func (t *imageTables) unfixed() {
	if len(t.doc.Unfixed) == 0 {
		return
	}
	t.title("NO FIX: what no step clears")
	shown := t.doc.Unfixed
	if !t.doc.all {
		shown = shown[:min(len(shown), shownSteps)]
	}
	var rows [][]string
	for _, u := range shown {
		rows = append(rows, []string{u.Package, u.Version, several(u.Matches, "match", "matches"), u.Why})
	}
	t.table([]int{24, 20, 0, 0}, rows)
	t.more(len(t.doc.Unfixed)-len(shown), "package", "packages")
}

// statements prints every match of which a VEX document says something, and
// what came of the documents.
func (t *imageTables) statements() {
	v := t.doc.VEX
	if v == nil {
		return
	}
	t.title("VEX (%d): said by %s", v.Matches, several(v.Documents, "document", "documents"))
	var rows [][]string
	for _, m := range t.lines(func(m advisory.MatchRow) bool { return m.Statement != nil }) {
		s := m.Statement
		rows = append(rows, []string{s.Status, m.name, m.Advisory, cmp.Or(s.Justification, s.Impact, s.Action), "says " + cmp.Or(s.Author, "an author without a name")})
	}
	t.table([]int{13, 24, 14, 0, 0}, rows)
	t.line("  %s: %d of vulnerabilities that no match is of; %s can't be placed",
		several(v.Statements, "statement", "statements"), v.Unknown, several(v.Unplaced, "product", "products"))
}

// isMatch knows the findings that stand in the lanes already.
func isMatch(f model.Finding) bool {
	return slices.ContainsFunc(f.Evidence, func(e model.Evidence) bool { return e.What == estate.AdvisoryEvidence })
}
