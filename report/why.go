package report

import (
	"fmt"
	"io"
	"strings"

	"github.com/scantling/scantling/model"
	"github.com/scantling/scantling/risk"
)

// Why is what `why` prints: one action's reasons.
type Why struct {
	Schema     int                `json:"schema"`
	Tool       Tool               `json:"tool"`
	Step       PlanStep           `json:"step"`
	Patch      string             `json:"patch,omitempty"`
	Scenarios  []Scenario         `json:"scenarios"`
	More       int                `json:"more"`
	Incomplete []model.Incomplete `json:"incomplete"`
}

// Scenario is one workload and one jewel before and after the action.
type Scenario struct {
	Workload string      `json:"workload"`
	Jewel    string      `json:"jewel"`
	Before   risk.Points `json:"before"`
	After    risk.Points `json:"after"`
	Factors  []Factor    `json:"factors"`
	Chain    []Link      `json:"chain"`
}

// Factor is one number of the product with its origin.
type Factor struct {
	Name   string       `json:"name"`
	Value  float64      `json:"value"`
	After  float64      `json:"after"`
	Origin model.Origin `json:"origin"`
	Source string       `json:"source"`
}

// Link is one step of the chain with its facts.
type Link struct {
	model.Step
	Cut   bool         `json:"cut"`
	Facts []model.Fact `json:"facts"`
}

// NewWhy takes the reasons of step n of an assessment.
func NewWhy(d Assessment, r risk.Reasons) Why {
	out := Why{
		Schema: Schema, Tool: d.Tool, Step: d.Plan[r.Step.N-1], Patch: r.Step.Action.Patch,
		Scenarios: []Scenario{}, More: r.More, Incomplete: d.Incomplete,
	}
	for _, s := range r.Scenarios {
		sc := Scenario{Workload: s.Workload.Key, Jewel: s.Jewel.String(), Before: s.Before, After: s.After, Factors: []Factor{}, Chain: []Link{}}
		for _, f := range s.Factors {
			sc.Factors = append(sc.Factors, Factor(f))
		}
		for _, l := range s.Chain {
			link := Link{Step: l.Step, Cut: l.Cut, Facts: orEmpty(l.Facts)}
			link.Needs, link.Why = orEmpty(l.Step.Needs), orEmpty(l.Step.Why)
			sc.Chain = append(sc.Chain, link)
		}
		out.Scenarios = append(out.Scenarios, sc)
	}
	return out
}

// Text prints the action, its evidence, and each scenario as a product and a
// chain.
func (d Why) Text(w io.Writer, paint Paint) error {
	p := &printer{w: w, paint: paint}
	s := d.Step
	p.line("%s", paint(Title, fmt.Sprintf("%d  %s  %s", s.N, s.Action.Type, Clean(s.Action.Title))))
	p.line("   id %s", s.Action.ID)
	if s.Removes == nil {
		p.line("   removes: the model can't value this action")
	} else {
		p.line("   removes %s of the load, %.4g h, leaves %s", s.Removes, s.Hours, s.After)
	}
	if s.Due != nil {
		p.line("   due %s", *s.Due)
	}
	p.title("EVIDENCE")
	for _, e := range s.Evidence {
		p.line("  %s", evidence(e))
	}
	for _, sc := range d.Scenarios {
		p.scenario(sc)
	}
	if d.More > 0 {
		p.line("")
		p.line("… and %s", plural(d.More, "smaller scenario", "smaller scenarios"))
	}
	if d.Patch != "" {
		p.title("CHANGE")
		for line := range strings.Lines(strings.TrimRight(d.Patch, "\n")) {
			p.line("%s", Clean(strings.TrimRight(line, "\n")))
		}
	}
	p.incomplete(d.Incomplete)
	return p.err
}

func (p *printer) scenario(s Scenario) {
	p.title(fmt.Sprintf("%s → %s: %s becomes %s", Clean(s.Workload), Clean(s.Jewel), s.Before, s.After))
	for _, f := range s.Factors {
		value := fmt.Sprintf("%.4g", f.Value)
		if f.After != f.Value {
			value += fmt.Sprintf(" → %.4g", f.After)
		}
		p.line("  %-13s %-20s %s · %s", f.Name, value, f.Origin, Clean(f.Source))
	}
	for i, l := range s.Chain {
		mark := " "
		if l.Cut {
			mark = p.paint(Good, "✂")
		}
		p.line("  %s %d  %s  %s → %s  %s", mark, i+1, p.paint(Caution, l.Edge), Clean(l.From), Clean(l.To), l.Attack)
		for _, proof := range l.Why {
			p.line("         %s", p.paint(Faint, strings.TrimSpace(Clean(proof.Object+"  "+proof.Field+"  "+proof.Rule))))
		}
		for _, f := range l.Facts {
			p.line("         p %.4g (%s) %s %s", f.P, f.Origin, f.Kind, Clean(f.Value))
		}
	}
}
