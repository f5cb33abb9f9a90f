//go:build !scanner

package cli

import (
	"context"
	"fmt"
	"io"

	"github.com/scantling/scantling/infrastructure/identity"
	"github.com/scantling/scantling/infrastructure/paths/kubehound"
	"github.com/scantling/scantling/model"
	"github.com/scantling/scantling/report"
)

// compatReport is the answer of `cluster paths --compat`: edges as another
// tool names them.
type compatReport struct {
	Schema     int                `json:"schema"`
	Tool       report.Tool        `json:"tool"`
	Compat     string             `json:"compat"`
	Edges      []kubehound.Edge   `json:"edges"`
	Incomplete []model.Incomplete `json:"incomplete"`
}

// compat lists the edges of a cluster under the names of another tool.
func (a *app) compat(ctx context.Context, args []string, tool string) error {
	if tool != compatKubeHound {
		return usage("--compat %q: use %s", tool, compatKubeHound)
	}
	if a.format == "svg" || a.format == "dot" {
		return usage("--compat prints text or JSON, no drawing")
	}
	s, err := a.snapshot(ctx, args)
	if err != nil {
		return err
	}
	id := identity.Build(s)
	missed := missedOf(s, id.Incomplete())
	doc := compatReport{Schema: report.Schema, Tool: a.tool(), Compat: compatKubeHound, Edges: kubehound.Edges(s, id), Incomplete: missed}
	a.outcome(nil, len(missed), false)
	return a.show(doc, func(w io.Writer, p report.Paint) error { return compatText(w, p, doc) })
}

// compatKubeHound is the one value of --compat.
const compatKubeHound = "kubehound"

// compatText prints an edge a line, and below it what makes it.
func compatText(w io.Writer, paint report.Paint, d compatReport) error {
	p := &printer{w: w, paint: paint}
	for _, e := range d.Edges {
		p.line("%s", report.Clean(fmt.Sprintf("%-22s %s → %s  %s", e.Type, compatName(e.From), compatName(e.To), e.Attack)))
		for _, y := range e.Proof {
			p.line("    %s", paint(report.Faint, report.Clean(y.Object+"  "+y.Field)))
		}
	}
	p.missed(d.Incomplete)
	return p.err
}

// compatName writes a vertex as "Class namespace/name".
func compatName(v kubehound.Vertex) string {
	name := string(v.Class) + " "
	if v.Namespace != "" {
		name += v.Namespace + "/"
	}
	if v.Pod != "" && v.Pod != v.Name {
		name += v.Pod + "/"
	}
	name += v.Name
	if v.Exposure != "" {
		name += fmt.Sprintf(":%d (%s)", v.Port, v.Exposure)
	}
	return name
}
