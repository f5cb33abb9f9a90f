package report

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/scantling/scantling/model"
	"github.com/scantling/scantling/report/drawing"
)

//go:embed page
var pageFiles embed.FS

var pageTemplate = sync.OnceValue(func() *template.Template {
	return template.Must(template.New("page.html").Funcs(template.FuncMap{"soft": soft}).ParseFS(pageFiles, "page/page.html"))
})

// soft lets a long name break after a slash.
func soft(s string) template.HTML {
	return template.HTML(strings.ReplaceAll(template.HTMLEscapeString(s), "/", "/<wbr>")) // escaped here
}

// What one page holds at most. What is beyond is counted, never dropped
// without a word.
const (
	pageAlerts   = 20
	pageSteps    = 100     // of each lane
	pageOpen     = 12      // of each lane: steps that are not folded away
	pageReasons  = 8       // of each lane: steps with their scenarios
	pageScenes   = 1       // scenarios of one step
	pageEvidence = 8       // of each step
	pagePatch    = 8000    // bytes of one change
	pagePlan     = 400_000 // bytes of all steps together
	pageFindings = 700_000 // bytes of all findings together
	pagePairs    = 100_000 // bytes of each closing list
	pageBlasts   = 12
	pageBlockers = 2 // of each control
	pageText     = 400
)

// page is what the template shows. Text in it is as it was read: the template
// escapes it, and masked takes away what is left of its power.
type page struct {
	Policy    string
	Style     template.CSS
	Script    template.JS
	Estate    string
	AsOf      string
	Tool      string
	Whole     bool // all of an assessment, not the plan alone
	Contents  []anchor
	Headline  string
	Caution   string
	Facts     []fact
	Stages    []stageLine
	Alerts    *alertList
	Stairs    []stairs
	NoStairs  string
	Stability string
	Plan      planTable
	Ladder    []area
	Paths     template.HTML
	PathsText string
	NoPaths   string
	Chains    []chain
	Blast     []blastRow
	BlastMore string
	Spread    *spread
	Findings  findingTable
	Unplaced  *pairs
	Missed    *pairs
	Notes     *pairs
}

type anchor struct{ ID, Name string }

type fact struct{ Name, Value, Note string }

// HTML writes the whole assessment as one page that needs nothing else.
func (d Assessment) HTML(w io.Writer) error {
	p := d.page()
	p.Whole = true
	p.Stages = stageLines(d.Stages)
	p.Alerts = alertsOf(d.Alerts)
	p.Ladder = areas(d.Ladder)
	d.paths(&p)
	p.Findings = findingsOf(d.Findings)
	p.Unplaced = pairsOf("unplaced", "Unplaced", "What could not be tied to the rest. It counts for less than it should.", unplacedRows(d.Unplaced))
	return p.write(w)
}

// PlanHTML writes load, line and plan alone, and what was not read.
func (d Assessment) PlanHTML(w io.Writer) error {
	p := d.page()
	return p.write(w)
}

// page holds what both pages show.
func (d Assessment) page() page {
	p := page{
		Estate: d.Estate, Tool: strings.Join([]string{d.Tool.Name, d.Tool.Version, "rules " + d.Tool.Ruleset}, " "),
		Headline: d.headline(), Facts: d.facts(), Plan: d.planTable(), Stability: d.stability(),
	}
	if !d.asOf.IsZero() {
		p.AsOf = d.asOf.Format(time.DateOnly)
	}
	p.Caution = d.caution()
	d.stairs(&p)
	p.Missed = pairsOf("not-read", "Not read", "What was named and could not be read or judged. It is unknown, not clean.", missedRows(d.Incomplete))
	if len(d.Incomplete) == 0 {
		p.Missed = &pairs{ID: "not-read", Title: "Not read", Text: "Everything that was named was read."}
	}
	p.Notes = pairsOf("notes", "Notes", "", noteRows(d.Notes))
	return p
}

// write renders the page. The policy lets nothing run and nothing load but the
// page's own style and script, by their digests.
func (p page) write(w io.Writer) error {
	style, err := pageFiles.ReadFile("page/page.css")
	if err != nil {
		return fmt.Errorf("reading the style of the page: %w", err)
	}
	script, err := pageFiles.ReadFile("page/page.js")
	if err != nil {
		return fmt.Errorf("reading the script of the page: %w", err)
	}
	p.Style = template.CSS(drawing.Palette() + drawing.Style() + string(style))
	p.Script = template.JS(script)
	p.Policy = fmt.Sprintf("default-src 'none'; style-src '%s'; script-src '%s'; base-uri 'none'; form-action 'none'", digest(string(p.Style)), digest(string(p.Script)))
	p.contents()
	var b bytes.Buffer
	if err := pageTemplate().Execute(&b, p); err != nil {
		return fmt.Errorf("rendering the page: %w", err)
	}
	_, err = io.WriteString(w, strings.Map(drawing.Mask, b.String()))
	return err
}

func digest(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "sha256-" + base64.StdEncoding.EncodeToString(sum[:])
}

func (p *page) contents() {
	add := func(shown bool, id, name string) {
		if shown {
			p.Contents = append(p.Contents, anchor{id, name})
		}
	}
	add(p.Alerts != nil, "alerts", "Alerts")
	add(true, "stairs", "Staircase")
	add(true, "plan", "Plan")
	add(p.Whole, "ladder", "Ladder")
	add(p.Whole, "paths", "Attack paths")
	add(p.Whole, "blast", "Blast radius")
	add(p.Whole, "findings", "Findings")
	add(p.Unplaced != nil, "unplaced", "Unplaced")
	add(p.Missed != nil, "not-read", "Not read")
	add(p.Notes != nil, "notes", "Notes")
}

// clip bounds one piece of text.
func clip(s string) string { return clipTo(s, pageText) }

func clipTo(s string, most int) string {
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}

// cost is how many bytes pieces of text take in the page.
func cost(texts ...string) int {
	n := 0
	for _, s := range texts {
		n += len(soft(s))
	}
	return n
}

// drawn hands a drawing to the template: it is escaped already.
func drawn(p drawing.Picture) template.HTML { return template.HTML(p.SVG) }

// headline answers the question of the page: what to do, and when to stop.
func (d Assessment) headline() string {
	if d.Load == nil {
		return "The load is unknown: no cluster was read, so nobody knows what can be reached."
	}
	switch {
	case d.under && d.steps == 0:
		return fmt.Sprintf("The load of %s is under the line %s.", d.Load, d.Line)
	case d.under:
		return fmt.Sprintf("Do %s (%.4g h): the load falls from %s to %s, under the line %s.", plural(d.steps, "action", "actions"), d.hours, d.Load, d.Plan[d.steps-1].After, d.Line)
	case d.steps == 0:
		return fmt.Sprintf("The load of %s is over the line %s, and no action of a known worth was found.", d.Load, d.Line)
	}
	return fmt.Sprintf("All %s (%.4g h) bring the load from %s to %s: still over the line %s.", plural(d.steps, "action", "actions"), d.hours, d.Load, d.Plan[d.steps-1].After, d.Line)
}

// caution says above everything else what the answer doesn't rest on.
func (d Assessment) caution() string {
	var out []string
	var stages []string
	for _, s := range d.Stages {
		if s.State != "read" {
			stages = append(stages, string(s.Stage))
		}
	}
	if len(stages) > 0 {
		out = append(out, "Without any input, so unknown: "+strings.Join(stages, ", ")+".")
	}
	switch n := len(d.Incomplete); n {
	case 0:
	case 1:
		out = append(out, "1 thing that was named could not be read or judged.")
	default:
		out = append(out, fmt.Sprintf("%d things that were named could not be read or judged.", n))
	}
	if len(out) > 0 {
		out = append(out, "The answer may miss the worst.")
	}
	return strings.Join(out, " ")
}

func (d Assessment) facts() []fact {
	out := []fact{{"Load now", "unknown", ""}, {"Line", "unknown", ""}}
	if d.Load != nil {
		out[0].Value, out[1].Value = d.Load.String(), d.Line.String()
		out[1].Note = "accepted, in points"
		if d.steps > 0 {
			out = append(out, fact{"Load after " + plural(d.steps, "action", "actions"), d.Plan[d.steps-1].After.String(), fmt.Sprintf("%.4g h", d.hours)})
		}
	}
	if d.Accepted > 0 {
		out = append(out, fact{"Of it accepted", d.Accepted.String(), ""})
	}
	counts := map[model.Verdict]int{}
	for _, f := range d.Findings {
		if f.Suppressed == nil {
			counts[f.Verdict]++
		}
	}
	return append(out,
		fact{"Findings", fmt.Sprint(counts[model.Fail]), fmt.Sprintf("and %d unknown", counts[model.Unknown])},
		fact{"Not read", fmt.Sprint(len(d.Incomplete)), ""})
}

func (d Assessment) stability() string {
	s := d.Stability
	if s == nil || s.Of == 0 {
		return ""
	}
	return fmt.Sprintf("%d of the first %d stay among the first when every default is halved and doubled.", s.Kept, s.Of)
}
