package report

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/scantling/scantling/estate"
	"github.com/scantling/scantling/ladder"
	"github.com/scantling/scantling/model"
	"github.com/scantling/scantling/risk"
)

// Assessment is what `assess` and `plan` print.
type Assessment struct {
	Schema     int                `json:"schema"`
	Tool       Tool               `json:"tool"`
	Estate     string             `json:"estate"`
	Load       *risk.Points       `json:"load"` // null: unknown
	Line       *risk.Points       `json:"line"`
	Accepted   risk.Points        `json:"accepted"`
	Ladder     []ladder.Control   `json:"ladder"`
	Plan       []PlanStep         `json:"plan"`
	Stability  *Stability         `json:"stability"`
	Stages     []estate.Stage     `json:"stages"`
	Unplaced   []estate.Unplaced  `json:"unplaced"`
	Findings   []model.Finding    `json:"findings"`
	Alerts     []model.Alert      `json:"alerts"`
	Notes      []string           `json:"notes"`
	Incomplete []model.Incomplete `json:"incomplete"`

	ranked *risk.Assessment
	asOf   time.Time
	steps  int // that bring the load under the line
	hours  float64
	under  bool
}

// PlanStep is one action of the plan. Removes and After are null where the
// model can't value the action.
type PlanStep struct {
	N        int              `json:"n"`
	Lane     risk.Lane        `json:"lane"`
	Action   model.Action     `json:"action"`
	Removes  *risk.Points     `json:"removes"`
	Hours    float64          `json:"hours"`
	Due      *string          `json:"due"` // YYYY-MM-DD
	Evidence []model.Evidence `json:"evidence"`
	After    *risk.Points     `json:"after"`
	With     string           `json:"with,omitempty"` // the closed bundle it belongs to
}

// Stability says how many of the first five actions stay among the first five
// when every default is halved and doubled.
type Stability struct {
	Kept    int      `json:"kept"`
	Of      int      `json:"of"`
	Halved  []string `json:"halved"`
	Doubled []string `json:"doubled"`
}

// NewAssessment joins what the ranking and the ladder found.
func NewAssessment(tool Tool, e *estate.Estate, a *risk.Assessment, controls []ladder.Control, asOf time.Time) Assessment {
	d := Assessment{
		Schema: Schema, Tool: tool, Estate: e.Name,
		Load: a.Load, Line: a.Line, Accepted: a.Accepted,
		Ladder: controls, Plan: []PlanStep{},
		Stages: e.Stages, Unplaced: orEmpty(e.Unplaced), Findings: listed(e.Findings), Alerts: orEmpty(e.Alerts),
		Notes: orEmpty(a.Notes), Incomplete: orEmpty(e.Incomplete), ranked: a, asOf: asOf,
	}
	if a.Idle > 0 {
		d.Notes = append(d.Notes, plural(a.Idle, "action removes nothing measurable and is left out", "actions remove nothing measurable and are left out"))
	}
	if s := a.Stability; s != nil {
		d.Stability = &Stability{Kept: s.Kept, Of: s.Of, Halved: orEmpty(s.Halved), Doubled: orEmpty(s.Doubled)}
	}
	for _, s := range a.Plan {
		step := PlanStep{
			N: s.N, Lane: s.Lane, Action: s.Action, Removes: s.Removes, Hours: s.Hours,
			Evidence: orEmpty(s.Evidence), After: s.After, With: s.With,
		}
		step.Action.Assets = orEmpty(step.Action.Assets)
		if !s.Due.IsZero() {
			due := s.Due.Format(time.DateOnly)
			step.Due = &due
		}
		d.Plan = append(d.Plan, step)
	}
	d.steps, d.hours, d.under = a.Under()
	return d
}

// Judged is the part of an assessment that is findings, for the formats that
// know nothing else. Read counts the inputs of all stages.
func (d Assessment) Judged() Findings {
	read := 0
	for _, s := range d.Stages {
		read += s.Read
	}
	return NewFindings(d.Tool, d.Findings, d.Incomplete, read)
}

// Text prints stages, load and line, plan, ladder, and what was not read.
// atMost bounds the printed steps of each lane; 0 prints all.
func (d Assessment) Text(w io.Writer, paint Paint, atMost int) error {
	p := &printer{w: w, paint: paint}
	p.stages(d)
	p.alerts(d.Alerts, atMost)
	p.load(d)
	p.plan(d, atMost)
	p.ladder(d.Ladder)
	p.unplaced(d.Unplaced)
	p.incomplete(d.Incomplete)
	p.notes(d.Notes)
	return p.err
}

// PlanText prints load, line and plan alone, and what was not read: the plan
// may miss what stands there.
func (d Assessment) PlanText(w io.Writer, paint Paint, atMost int) error {
	p := &printer{w: w, paint: paint}
	p.load(d)
	p.plan(d, atMost)
	p.incomplete(d.Incomplete)
	p.notes(d.Notes)
	return p.err
}

func (p *printer) stages(d Assessment) {
	p.line("%s", p.paint(Title, "estate "+Clean(d.Estate)))
	for _, s := range d.Stages {
		if s.State == "read" {
			p.line("  %-15s read %d", s.Stage, s.Read)
			continue
		}
		p.line("  %-15s %s: %s", s.Stage, p.paint(Caution, "unknown"), Clean(s.Why))
	}
	counts := map[model.Verdict]int{}
	for _, f := range d.Findings {
		if f.Suppressed == nil {
			counts[f.Verdict]++
		}
	}
	p.line("  %-15s %d fail, %d unknown", "findings", counts[model.Fail], counts[model.Unknown])
}

// alerts say what the logs show to have happened: look there first.
func (p *printer) alerts(list []model.Alert, atMost int) {
	if len(list) == 0 {
		return
	}
	p.title(fmt.Sprintf("ALERTS (%d): what the logs show", len(list)))
	for i, a := range list {
		if atMost > 0 && i == atMost {
			p.line("  … and %s: scantling detect run prints them", plural(len(list)-i, "alert more", "alerts more"))
			break
		}
		role := Caution
		if a.Level >= model.High {
			role = Bad
		}
		p.line("  %s  %s  %s %s · %s", a.Time.UTC().Format(time.DateTime), p.paint(role, a.Level.String()), a.Rule, Clean(a.Title), Clean(a.Fields["actor"]))
	}
}

func (p *printer) load(d Assessment) {
	p.line("")
	if d.Load == nil {
		p.line("load %s: no cluster was read, so nobody knows what can be reached", p.paint(Caution, "unknown"))
		return
	}
	where := p.paint(Good, "under the line")
	if *d.Load > *d.Line {
		where = p.paint(Bad, "over the line")
	}
	p.line("load %s   line %s   %s", d.Load, d.Line, where)
	if d.Accepted > 0 {
		p.line("of which accepted: %s", d.Accepted)
	}
}

func (p *printer) plan(d Assessment, atMost int) {
	if len(d.Plan) == 0 {
		p.title("PLAN: nothing that can be done was found")
		return
	}
	for _, lane := range []risk.Lane{risk.Must, risk.Buy} {
		p.lane(d, lane, atMost)
	}
	p.verdict(d)
}

// lane prints the steps of one lane, at most so many of them.
func (p *printer) lane(d Assessment, lane risk.Lane, atMost int) {
	shown, left := 0, 0
	for _, s := range d.Plan {
		switch {
		case s.Lane != lane:
			continue
		case atMost > 0 && shown == atMost:
			left++
			continue
		case shown == 0:
			p.title(laneTitle(lane))
		}
		p.step(d, s)
		shown++
	}
	if left > 0 {
		p.line("      … and %s: --all prints them", plural(left, "action more", "actions more"))
	}
}

func laneTitle(l risk.Lane) string {
	if l == risk.Must {
		return "MUST: dates that are not ours to relax"
	}
	return "BUY: most risk removed for an hour"
}

func (p *printer) step(d Assessment, s PlanStep) {
	removes := "       ?"
	if s.Removes != nil {
		removes = fmt.Sprintf("%8s", "-"+s.Removes.String())
	}
	due := ""
	if s.Due != nil {
		due = "due " + *s.Due
		if *s.Due < d.asOf.Format(time.DateOnly) {
			due = p.paint(Bad, "overdue since "+*s.Due)
		}
	}
	p.line("%4d  %s  %5.4gh  %s  %s  %s", s.N, p.paint(Good, removes), s.Hours, s.Action.Type, Clean(s.Action.Title), due)
	for i, e := range s.Evidence {
		if i == 2 {
			p.line("            %s", p.paint(Faint, fmt.Sprintf("… %d more: scantling why %d", len(s.Evidence)-i, s.N)))
			break
		}
		p.line("            %s", p.paint(Faint, evidence(e)))
	}
}

func evidence(e model.Evidence) string {
	text := Clean(e.What)
	if e.Where != "" {
		text += " · " + Clean(e.Where)
	}
	if e.Value != "" {
		text += " · " + Clean(e.Value)
	}
	return text
}

// verdict is the sentence below the plan: when may I stop?
func (p *printer) verdict(d Assessment) {
	p.line("")
	switch {
	case d.Load == nil:
		p.line("The worth of these actions is unknown until a cluster is read.")
	case d.under && d.steps == 0:
		p.line("The load is under the line.")
	case d.under:
		p.line("Do %d of %d (%.4g h): load %s, under the line.", d.steps, len(d.Plan), d.hours, d.Plan[d.steps-1].After)
	default:
		p.line("All %s (%.4g h) don't bring the load under the line.", plural(d.steps, "action", "actions"), d.hours)
	}
	if s := d.Stability; s != nil && s.Of > 0 {
		p.line("Stability: %d of the first %d stay among the first when every default is halved and doubled.", s.Kept, s.Of)
	}
}

func (p *printer) ladder(controls []ladder.Control) {
	p.title("LADDER")
	for _, c := range controls {
		level, bar := "?", "····"
		if c.Level != nil {
			level = fmt.Sprint(*c.Level)
			bar = strings.Repeat("█", *c.Level) + strings.Repeat("·", 4-*c.Level)
		}
		p.line("  %-9s %s %s  %s", c.ID, level, bar, next(c))
	}
}

// next says what is missing, naming the first asset.
func next(c ladder.Control) string {
	if c.Next == "" {
		return "complete"
	}
	text := "next: " + c.Next
	if len(c.Blockers) > 0 {
		b := c.Blockers[0]
		who := Clean(b.Asset)
		if who != "" {
			who += " "
		}
		text += " (" + who + Clean(b.Why)
		if n := len(c.Blockers) - 1; n > 0 {
			text += fmt.Sprintf(", and %d more", n)
		}
		text += ")"
	}
	return text
}

func (p *printer) unplaced(list []estate.Unplaced) {
	if len(list) == 0 {
		return
	}
	p.title(fmt.Sprintf("UNPLACED (%d)", len(list)))
	for _, u := range list {
		p.line("  %s %s: %s", u.Kind, Clean(u.Key), Clean(u.Why))
	}
}

func (p *printer) notes(list []string) {
	if len(list) == 0 {
		return
	}
	p.title("NOTES")
	for _, n := range list {
		p.line("  %s", Clean(n))
	}
}
