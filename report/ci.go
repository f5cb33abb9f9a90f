package report

import (
	"encoding/json"
	"fmt"
	"io"

	"github.com/scantling/scantling/model"
	"github.com/scantling/scantling/risk"
)

// Ratchet is what `ci` prints: the load against a bound and an earlier
// assessment.
type Ratchet struct {
	Schema      int                `json:"schema"`
	Tool        Tool               `json:"tool"`
	Estate      string             `json:"estate"`
	Load        RatchetLoad        `json:"load"`
	Raised      *bool              `json:"raised"` // over what is allowed; null: unknown
	NewSteps    []PlanStep         `json:"newSteps"`
	NewFindings []model.Finding    `json:"newFindings"`
	NewMissed   []model.Incomplete `json:"newIncomplete"`
	Notes       []string           `json:"notes"`
	Incomplete  []model.Incomplete `json:"incomplete"`

	compared bool
}

// RatchetLoad is the load of both runs, null where unknown. Before and
// Difference are null without a baseline, too.
type RatchetLoad struct {
	Before     *risk.Points `json:"before"`
	After      *risk.Points `json:"after"`
	Difference *risk.Points `json:"difference"`
	Allowed    *risk.Points `json:"allowed"` // the highest load that passes
}

// Baseline is the part of an earlier assessment that is compared.
type Baseline struct {
	Schema int          `json:"schema"`
	Estate string       `json:"estate"`
	Load   *risk.Points `json:"load"`
	Tool   Tool         `json:"tool"`
	Plan   *[]struct {
		Action struct {
			ID string `json:"id"`
		} `json:"action"`
	} `json:"plan"`
	Findings []struct {
		ID string `json:"id"`
	} `json:"findings"`
	Incomplete []model.Incomplete `json:"incomplete"`
}

// ReadBaseline reads what `assess --format json` printed.
func ReadBaseline(text []byte) (*Baseline, error) {
	var b Baseline
	if err := json.Unmarshal(text, &b); err != nil {
		return nil, fmt.Errorf("not the JSON of an assessment: %w", err)
	}
	if b.Schema != Schema || b.Plan == nil {
		return nil, fmt.Errorf("not the JSON of an assessment of this program: schema %d, want %d with a plan", b.Schema, Schema)
	}
	return &b, nil
}

// NewRatchet compares an assessment with a baseline, which may be nil. Raise
// says that allowed is counted from the baseline's load.
func NewRatchet(d Assessment, base *Baseline, allowed risk.Points, raise bool) Ratchet {
	r := Ratchet{
		Schema: Schema, Tool: d.Tool, Estate: d.Estate, Load: RatchetLoad{After: d.Load},
		NewSteps: []PlanStep{}, NewFindings: []model.Finding{}, NewMissed: []model.Incomplete{}, Notes: []string{}, Incomplete: d.Incomplete,
	}
	if !raise {
		r.Load.Allowed = &allowed
	}
	if base != nil {
		r.compare(d, base)
		if r.Load.Before = base.Load; raise && base.Load != nil {
			sum := *base.Load + allowed
			r.Load.Allowed = &sum
		}
	}
	if r.Load.Before != nil && r.Load.After != nil {
		change := *r.Load.After - *r.Load.Before
		r.Load.Difference = &change
	}
	if r.Load.After != nil && r.Load.Allowed != nil {
		raised := *r.Load.After > *r.Load.Allowed
		r.Raised = &raised
	}
	return r
}

// compare lists what the baseline doesn't have, by id.
func (r *Ratchet) compare(d Assessment, base *Baseline) {
	r.compared = true
	steps, findings := map[string]bool{}, map[string]bool{}
	for _, s := range *base.Plan {
		steps[s.Action.ID] = true
	}
	for _, f := range base.Findings {
		findings[f.ID] = true
	}
	for _, s := range d.Plan {
		if !steps[s.Action.ID] {
			r.NewSteps = append(r.NewSteps, s)
		}
	}
	for _, f := range d.Findings {
		if !findings[f.ID] && f.Suppressed == nil {
			r.NewFindings = append(r.NewFindings, f)
		}
	}
	missed := make(map[model.Incomplete]bool, len(base.Incomplete)) // a baseline may have millions
	for _, x := range base.Incomplete {
		missed[x] = true
	}
	for _, x := range d.Incomplete {
		if !missed[x] {
			r.NewMissed = append(r.NewMissed, x)
		}
	}
	if base.Estate != d.Estate {
		r.Notes = append(r.Notes, fmt.Sprintf("the baseline is of estate %q, this is %q", base.Estate, d.Estate))
	}
	if base.Tool.Version != d.Tool.Version || base.Tool.Ruleset != d.Tool.Ruleset {
		r.Notes = append(r.Notes, fmt.Sprintf("the baseline was made by version %s with rules %s, this is %s with %s", base.Tool.Version, base.Tool.Ruleset, d.Tool.Version, d.Tool.Ruleset))
	}
}

// Text prints the loads, then what is new.
func (r Ratchet) Text(w io.Writer, paint Paint) error {
	p := &printer{w: w, paint: paint}
	p.line("%s", paint(Title, "estate "+Clean(r.Estate)))
	if r.compared {
		p.line("load before   %s", points(r.Load.Before))
	}
	p.line("load now      %s", points(r.Load.After))
	if r.Load.Difference != nil {
		sign := ""
		if *r.Load.Difference > 0 {
			sign = "+"
		}
		p.line("difference    %10s", sign+r.Load.Difference.String())
	}
	p.line("allowed       %s", points(r.Load.Allowed))
	p.ratchetVerdict(r)
	if len(r.NewSteps) > 0 {
		p.title(fmt.Sprintf("NEW IN THE PLAN (%d)", len(r.NewSteps)))
		for _, s := range r.NewSteps {
			removes := "?"
			if s.Removes != nil {
				removes = "-" + s.Removes.String()
			}
			p.line("%4d  %8s  %s  %s", s.N, removes, s.Action.ID, Clean(s.Action.Title))
		}
	}
	if len(r.NewFindings) > 0 {
		p.title(fmt.Sprintf("NEW FINDINGS (%d)", len(r.NewFindings)))
		for _, f := range r.NewFindings {
			p.line("  %s  %s: %s %s: %s", f.ID, place(f), paint(severityRole(f), f.Severity.String()), f.Rule, Clean(f.Message)+state(f))
		}
	}
	if len(r.NewMissed) > 0 {
		p.title(fmt.Sprintf("NEWLY NOT READ (%d)", len(r.NewMissed)))
		for _, x := range r.NewMissed {
			p.line("  %s: %s", paint(Caution, Clean(x.What)), Clean(x.Why))
		}
	}
	p.incomplete(r.Incomplete)
	p.notes(r.Notes)
	return p.err
}

func (p *printer) ratchetVerdict(r Ratchet) {
	switch {
	case r.Raised == nil:
		p.line("%s", p.paint(Caution, "unknown: one of the loads is not known, so nothing can be said"))
	case *r.Raised:
		p.line("%s", p.paint(Bad, "raised: the load is over what is allowed"))
	default:
		p.line("%s", p.paint(Good, "held: the load is not over what is allowed"))
	}
}

func points(p *risk.Points) string {
	if p == nil {
		return "unknown"
	}
	return fmt.Sprintf("%10s", p.String())
}
