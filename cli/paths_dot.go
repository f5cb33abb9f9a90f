//go:build !scanner

package cli

import (
	"bufio"
	"io"
	"slices"
	"strings"

	"github.com/scantling/scantling/infrastructure/paths"
	"github.com/scantling/scantling/model"
	"github.com/scantling/scantling/report"
)

// dot draws the paths that --most allows in one graph of Graphviz: what they
// share is drawn once. A step that needs several things passes through a point.
// Steps that the smallest fix cuts are dashed.
func (d pathsReport) dot(w io.Writer) error {
	out := &dotted{w: bufio.NewWriter(w), nodes: map[string]bool{}, edges: map[string]bool{}}
	out.text("digraph paths {\n  rankdir=LR;\n  node [shape=box, fontname=\"sans-serif\"];\n  edge [fontname=\"sans-serif\"];\n")
	for _, p := range d.Paths[:min(d.most, len(d.Paths))] {
		out.path(p)
	}
	out.text("}\n")
	if out.err != nil {
		return out.err
	}
	return out.w.Flush()
}

type dotted struct {
	w            *bufio.Writer
	nodes, edges map[string]bool
	err          error
}

func (o *dotted) text(s string) {
	if o.err == nil {
		_, o.err = o.w.WriteString(s)
	}
}

// quoted is a string of the DOT language.
func quoted(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(report.Clean(s)) + `"`
}

func (o *dotted) path(p paths.Path) {
	from := startOf(p)
	o.node(from, "style=filled, fillcolor=\"#fde2c8\"")
	o.node(p.To, "style=filled, fillcolor=\"#f8c8c8\"")
	for i, s := range p.Steps {
		o.step(premises(p, s, from), s, i < len(p.Cut) && p.Cut[i])
	}
}

// startOf is the start of a path as its steps name it.
func startOf(p paths.Path) string {
	ref := model.Ref{Kind: model.Workload, Key: p.From}.String()
	if slices.ContainsFunc(p.Steps, func(s model.Step) bool { return strings.Contains(s.From, ref) }) {
		return ref
	}
	return p.From
}

// premises are what a step needs: the ends of the steps that it names, and the
// start.
func premises(p paths.Path, s model.Step, from string) []string {
	var out []string
	for _, n := range s.Needs {
		out = append(out, p.Steps[n].To)
	}
	rest := s.From
	for _, name := range out {
		rest = strings.Replace(rest, name, "", 1)
	}
	if strings.Contains(rest, from) {
		out = append(out, from)
	}
	return out
}

func (o *dotted) node(name, style string) {
	if o.nodes[name] {
		return
	}
	o.nodes[name] = true
	if style != "" {
		style = " [" + style + "]"
	}
	o.text("  " + quoted(name) + style + ";\n")
}

func (o *dotted) step(needs []string, s model.Step, cut bool) {
	slices.Sort(needs)
	id := strings.Join(append(slices.Clone(needs), s.Edge, s.To), "\x00")
	if o.edges[id] {
		return
	}
	o.edges[id] = true
	style := "label=" + quoted(strings.TrimSpace(s.Edge+" "+s.Attack))
	if cut {
		style += ", style=dashed, color=\"#b00020\""
	}
	for _, name := range append(needs, s.To) {
		o.node(name, "")
	}
	tail := ""
	if len(needs) == 1 {
		tail = quoted(needs[0])
	} else {
		tail = quoted("and: " + strings.Join(append(needs, s.Edge, s.To), ", "))
		o.text("  " + tail + " [shape=point];\n")
		for _, name := range needs {
			o.text("  " + quoted(name) + " -> " + tail + " [arrowhead=none];\n")
		}
	}
	o.text("  " + tail + " -> " + quoted(s.To) + " [" + style + "];\n")
}
