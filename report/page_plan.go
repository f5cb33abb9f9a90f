package report

import (
	"fmt"
	"html/template"
	"io"
	"strings"
	"time"

	"github.com/scantling/scantling/model"
	"github.com/scantling/scantling/report/drawing"
	"github.com/scantling/scantling/risk"
)

// planTable is the plan by lanes.
type planTable struct {
	Total int
	Lanes []planLane
}

type planLane struct {
	Name     string
	Total    int
	Steps    []planRow
	Rest     []planRow // folded away
	RestName string
	More     string
}

// planRow is one action with what its row opens to.
type planRow struct {
	N                             int
	Title, Type, ID, With, Due    string
	Removes, Hours, Leaves, Patch string
	Evidence                      []string
	Scenarios                     []chain
	Why                           string // what is not shown here
	Stop                          bool   // after it the load is under the line
}

// chain is one scenario: a workload, a jewel, the factors and the way.
type chain struct {
	From, To, Before, After string
	Factors                 []factorRow
	Links                   []linkRow
}

type factorRow struct{ Name, Value, Origin, Source string }

type linkRow struct {
	Cut                    bool
	Edge, From, To, Attack string
	Why                    []string
}

// planTable takes the first steps of each lane, as many as fit in a page, and
// the reasons of the first few of them.
func (d Assessment) planTable() planTable {
	t := planTable{Total: len(d.Plan)}
	reasons := d.reasons()
	size := 0
	for _, lane := range []risk.Lane{risk.Must, risk.Buy} {
		l := planLane{Name: laneTitle(lane)}
		left := risk.Points(0)
		for _, s := range d.Plan {
			if s.Lane != lane {
				continue
			}
			l.Total++
			if len(l.Steps) == pageSteps || size > pagePlan {
				if s.Removes != nil {
					left += *s.Removes
				}
				continue
			}
			row := d.planRow(s, reasons)
			size += row.size()
			l.Steps = append(l.Steps, row)
		}
		if n := l.Total - len(l.Steps); n > 0 {
			l.More = fmt.Sprintf("… and %s, which remove %s in all: see --format json", plural(n, "action more", "actions more"), left)
		}
		l.fold()
		if l.Total > 0 {
			t.Lanes = append(t.Lanes, l)
		}
	}
	return t
}

// fold puts away what comes after the first steps of a lane, if it can after
// the one that brings the load under the line.
func (l *planLane) fold() {
	open := pageOpen
	for i, s := range l.Steps {
		if s.Stop && i < 2*pageOpen {
			open = max(open, i+1)
		}
	}
	if len(l.Steps) > open+2 {
		l.Steps, l.Rest = l.Steps[:open], l.Steps[open:]
		l.RestName = fmt.Sprintf("Actions %d to %d", l.Rest[0].N, l.Rest[len(l.Rest)-1].N)
	}
}

// reasons explains the first steps of each lane.
func (d Assessment) reasons() map[int]risk.Reasons {
	if d.ranked == nil {
		return nil
	}
	var ns []int
	count := map[risk.Lane]int{}
	for _, s := range d.Plan {
		if count[s.Lane] < pageReasons {
			count[s.Lane]++
			ns = append(ns, s.N)
		}
	}
	out := map[int]risk.Reasons{}
	for i, r := range d.ranked.Whys(ns...) {
		out[ns[i]] = r
	}
	return out
}

func (d Assessment) planRow(s PlanStep, reasons map[int]risk.Reasons) planRow {
	row := planRow{
		N: s.N, Title: clip(s.Action.Title), Type: string(s.Action.Type), ID: clip(s.Action.ID), With: clip(s.With),
		Removes: "unknown", Hours: fmt.Sprintf("%.4g", s.Hours), Due: d.dueText(s),
		Stop: d.under && s.N == d.steps,
	}
	if s.Removes != nil {
		row.Removes, row.Leaves = s.Removes.String(), s.After.String()
	}
	for i, e := range s.Evidence {
		if i == pageEvidence {
			row.Evidence = append(row.Evidence, fmt.Sprintf("… and %d more", len(s.Evidence)-i))
			break
		}
		row.Evidence = append(row.Evidence, clip(evidence(e)))
	}
	row.Patch = clipPatch(s.Action.Patch)
	r, ok := reasons[s.N]
	for _, sc := range r.Scenarios[:min(len(r.Scenarios), pageScenes)] {
		row.Scenarios = append(row.Scenarios, chainOf(sc, true))
	}
	more := r.More + len(r.Scenarios) - len(row.Scenarios)
	switch {
	case !ok && s.Removes != nil:
		row.Why = fmt.Sprintf("Factors and chain: scantling why %d", s.N)
	case more > 0:
		row.Why = fmt.Sprintf("… and %s: scantling why %d", plural(more, "smaller scenario", "smaller scenarios"), s.N)
	}
	return row
}

// size is about how many bytes a row takes.
func (r planRow) size() int {
	n := 700 + cost(r.Title, r.ID, r.With, r.Patch) + cost(r.Evidence...)
	for _, sc := range r.Scenarios {
		for _, f := range sc.Factors {
			n += 80 + cost(f.Source)
		}
		for _, l := range sc.Links {
			n += 120 + cost(l.From, l.To) + cost(l.Why...)
		}
	}
	return n
}

func (d Assessment) dueText(s PlanStep) string {
	switch {
	case s.Due == nil:
		return ""
	case *s.Due < d.asOf.Format(time.DateOnly):
		return "overdue since " + *s.Due
	}
	return "due " + *s.Due
}

func clipPatch(patch string) string {
	patch = strings.TrimRight(patch, "\n")
	if len(patch) <= pagePatch {
		return patch
	}
	cut := strings.LastIndexByte(patch[:pagePatch], '\n')
	if cut < 0 {
		cut = pagePatch
	}
	return strings.ToValidUTF8(patch[:cut], "") + "\n… the rest: scantling why"
}

// chainOf turns a scenario into text; factors only where asked for.
func chainOf(sc risk.Scenario, factors bool) chain {
	c := chain{From: clip(sc.Workload.Key), To: clip(sc.Jewel.String()), Before: sc.Before.String(), After: sc.After.String()}
	for _, f := range sc.Factors {
		if !factors {
			break
		}
		value := fmt.Sprintf("%.4g", f.Value)
		if f.After != f.Value {
			value += fmt.Sprintf(" → %.4g", f.After)
		}
		c.Factors = append(c.Factors, factorRow{f.Name, value, string(f.Origin), clip(f.Source)})
	}
	for _, l := range sc.Chain {
		row := linkRow{Cut: l.Cut, Edge: l.Step.Edge, From: clip(l.Step.From), To: clip(l.Step.To), Attack: l.Step.Attack}
		for _, p := range l.Step.Why {
			row.Why = append(row.Why, clip(proof(p)))
		}
		c.Links = append(c.Links, row)
	}
	return c
}

func proof(p model.Proof) string {
	return strings.TrimSpace(strings.Join([]string{p.Object, p.Field, p.Rule}, "  "))
}

// What the staircase draws at most: what is far beyond the line would only
// make the first steps thin.
const (
	stairsLeast = 60
	stairsMost  = 120
	stairsFocus = 12 // steps that take the focus
	stairsText  = 160
)

// stairs is the staircase for one width of the screen.
type stairs struct {
	Class   string
	Drawing template.HTML
}

// Widths of the staircase on a desk, which is also that of a file, on a
// tablet and on a phone. The style shows one of them.
const (
	stairsWide   = 1088
	stairsMiddle = 720
	stairsNarrow = 328
)

// stairs draws the staircase for each width.
func (d Assessment) stairs(p *page) {
	s, why := d.staircase(true)
	if p.NoStairs = why; why != "" {
		return
	}
	for _, v := range []struct {
		class string
		width float64
	}{{"wide-stairs", stairsWide}, {"middle-stairs", stairsMiddle}, {"narrow-stairs", stairsNarrow}} {
		s.ID = v.class
		p.Stairs = append(p.Stairs, stairs{v.class, drawn(s.Draw(v.width))})
	}
}

// SVG writes the staircase as a drawing of its own. Where there is none to
// draw the drawing says why.
func (d Assessment) SVG(w io.Writer) error {
	s, why := d.staircase(false)
	if why != "" {
		_, err := drawing.Sheet("stairs", "Staircase of "+d.Estate, why, drawing.Part{Heading: "Staircase of " + d.Estate, Lines: []string{why, d.caution()}}).WriteTo(w)
		return err
	}
	s.ID = "stairs"
	sheet := drawing.Sheet("sheet", s.Title, s.Desc, drawing.Part{Heading: d.headline(), Lines: []string{d.caution()}, Picture: s.Draw(stairsWide)})
	_, err := sheet.WriteTo(w)
	return err
}

// staircase is the plan as steps, or why there is none.
func (d Assessment) staircase(linked bool) (drawing.Staircase, string) {
	if d.Load == nil {
		return drawing.Staircase{}, "No staircase: the worth of the actions is unknown until a cluster is read."
	}
	s := drawing.Staircase{
		Title: "Staircase of " + d.Estate, Desc: d.headline(),
		Load: inPoints(*d.Load), Line: inPoints(*d.Line), LineName: "line " + d.Line.String(),
		Lanes: [2]string{"must: a date", "buy: most for an hour"},
	}
	most := min(max(stairsLeast, 2*d.steps), stairsMost)
	left, leftHours, more := risk.Points(0), 0.0, 0
	for _, step := range d.Plan {
		switch {
		case step.Removes == nil:
			continue
		case len(s.Steps) == most:
			left, leftHours, more = left+*step.Removes, leftHours+step.Hours, more+1
			continue
		}
		title := clipTo(step.Action.Title, stairsText)
		one := drawing.Step{
			Name:   fmt.Sprintf("%d  %s", step.N, title),
			Tip:    fmt.Sprintf("%d  −%s in %.4g h, leaves %s: %s", step.N, step.Removes, step.Hours, step.After, title),
			Second: step.Lane == risk.Buy, Hours: step.Hours, After: inPoints(*step.After),
		}
		if linked && len(s.Steps) < stairsFocus {
			one.Href = fmt.Sprintf("#step-%d", step.N)
		}
		s.Steps = append(s.Steps, one)
	}
	if len(s.Steps) == 0 {
		return s, "No staircase: there is no action of a known worth."
	}
	if d.under && d.steps > 0 {
		s.Stop, s.StopName = d.steps, fmt.Sprintf("under the line after %s, %.4g h", plural(d.steps, "action", "actions"), d.hours)
	}
	if more > 0 {
		s.More = fmt.Sprintf("%s (%.4g h) that remove %s are not drawn", plural(more, "action more", "actions more"), leftHours, left)
	}
	return s, ""
}

func inPoints(p risk.Points) float64 { return float64(p) / 1000 }
