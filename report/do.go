package report

import (
	"fmt"
	"io"
	"strings"

	"github.com/scantling/scantling/model"
	"github.com/scantling/scantling/risk"
)

// Do is what `do` prints: what carrying out an action changes, or changed.
type Do struct {
	Schema     int                `json:"schema"`
	Tool       Tool               `json:"tool"`
	Step       PlanStep           `json:"step"`
	DryRun     bool               `json:"dryRun"`
	Done       bool               `json:"done"`
	Files      []FileChange       `json:"files"`
	Commands   []Command          `json:"commands"` // for a cluster
	ByHand     []string           `json:"byHand"`   // what a person has to do
	Undo       []string           `json:"undo"`
	Load       DoLoad             `json:"load"`
	Incomplete []model.Incomplete `json:"incomplete"`
}

// FileChange is one file of the estate with the difference. Values of Secrets
// are masked in it.
type FileChange struct {
	File    string `json:"file"`
	Removed bool   `json:"removed"` // nothing was left in it
	Diff    string `json:"diff"`
}

// Command changes one object of a cluster. Input goes to its standard input.
type Command struct {
	Object string `json:"object"`
	Run    string `json:"run"`
	Input  string `json:"input,omitempty"`
	Why    string `json:"why,omitempty"` // why no file was edited instead
}

// DoLoad is the load around one action: before it, as the plan has it after
// this action alone, and as it was found when the estate was read again.
type DoLoad struct {
	Before   *risk.Points `json:"before"`
	Expected *risk.Points `json:"expected"`
	After    *risk.Points `json:"after"`
}

// AsPlanned reports whether the load is what the plan said, or nobody knows.
func (l DoLoad) AsPlanned() bool {
	return l.After == nil || l.Expected == nil || *l.After == *l.Expected
}

// Missed reports whether a load that was to fall didn't.
func (l DoLoad) Missed() bool {
	return !l.AsPlanned() && l.Before != nil && *l.After >= *l.Before
}

// Text prints the differences as a patch, then what is left to a person, the
// load and the way back.
func (d Do) Text(w io.Writer, paint Paint) error {
	p := &printer{w: w, paint: paint}
	s := d.Step
	p.line("%s", paint(Title, fmt.Sprintf("%d  %s  %s", s.N, s.Action.Type, Clean(s.Action.Title))))
	p.line("   id %s", s.Action.ID)
	for _, f := range d.Files {
		p.line("")
		for line := range strings.Lines(f.Diff) {
			p.diffLine(strings.TrimRight(line, "\n"))
		}
	}
	if len(d.Commands) > 0 {
		p.title("IN THE CLUSTER")
	}
	for _, c := range d.Commands {
		if c.Why != "" {
			p.line("  # %s", Clean(c.Why))
		}
		p.line("  %s", Clean(c.Run))
		for line := range strings.Lines(c.Input) {
			p.line("    %s", Clean(strings.TrimRight(line, "\n")))
		}
	}
	if len(d.ByHand) > 0 {
		p.title("TO DO BY HAND")
	}
	for _, t := range d.ByHand {
		p.line("  %s", Clean(t))
	}
	p.line("")
	p.doLoad(d)
	for _, u := range d.Undo {
		p.line("undo: %s", Clean(u))
	}
	p.incomplete(d.Incomplete)
	return p.err
}

func (p *printer) diffLine(line string) {
	role := Faint
	switch {
	case strings.HasPrefix(line, "+++"), strings.HasPrefix(line, "---"), strings.HasPrefix(line, "@@"):
		role = Title
	case strings.HasPrefix(line, "+"):
		role = Good
	case strings.HasPrefix(line, "-"):
		role = Bad
	}
	p.line("%s", p.paint(role, Clean(line)))
}

func (p *printer) doLoad(d Do) {
	switch l := d.Load; {
	case l.Before == nil:
		p.line("load unknown: no cluster was read, so nobody knows what can be reached")
	case l.After == nil && l.Expected == nil:
		p.line("load %s: the model can't value this action", l.Before)
	case l.After == nil:
		p.line("load %s → %s by this action alone", l.Before, l.Expected)
	case l.AsPlanned():
		p.line("load %s → %s, as planned", l.Before, l.After)
	default:
		p.line("load %s → %s, %s", l.Before, l.After, p.paint(Bad, "the plan said "+l.Expected.String()))
	}
	switch {
	case d.Done:
		p.line("done in %s", plural(len(d.Files), "file", "files"))
	case d.DryRun && len(d.Files) > 0:
		p.line("dry run: nothing was changed")
	default:
		p.line("nothing was changed")
	}
}
