package report

import (
	"cmp"
	"fmt"
	"html/template"
	"slices"
	"strings"

	"github.com/scantling/scantling/model"
	"github.com/scantling/scantling/report/drawing"
	"github.com/scantling/scantling/risk"
)

// pagePaths is how many paths are drawn together: more can't be told apart.
const pagePaths = 5

type blastRow struct{ Workload, Reaches, Loss string }

type spread struct {
	Name    string
	Drawing template.HTML
}

// paths draws the most costly path of the worst workloads, and what the worst
// of them leads to.
func (d Assessment) paths(p *page) {
	p.NoPaths = "Unknown: no cluster was read, so nobody knows what can be reached."
	if d.ranked == nil || d.Load == nil {
		return
	}
	p.NoPaths = "No path to anything of worth was found in what was read."
	if top := d.ranked.Top(pagePaths, d.steps); len(top) > 0 {
		p.Paths = drawn(pathsGraph(top).Draw())
		p.PathsText = d.pathsText(len(top))
		for _, sc := range top {
			p.Chains = append(p.Chains, chainOf(sc, false))
		}
	}
	blasts := d.ranked.Blasts()
	for i, b := range blasts {
		if i == pageBlasts {
			p.BlastMore = fmt.Sprintf("… and %s", plural(len(blasts)-i, "workload more", "workloads more"))
			break
		}
		p.Blast = append(p.Blast, blastRow{clip(b.Workload.Key), reaches(b), b.Loss.String()})
	}
	if len(blasts) > 0 {
		worst := blasts[0].Workload
		p.Spread = &spread{clip(worst.Key), drawn(spreadGraph(worst, d.ranked.Spread(worst)).Draw())}
	}
}

func (d Assessment) pathsText(n int) string {
	text := fmt.Sprintf("The most costly path of the worst %s.", plural(n, "workload", "workloads"))
	if d.steps > 0 {
		text += " A dashed arrow with a cross is one that the plan takes away or makes less likely on its way under the line."
		if !d.under {
			text = strings.Replace(text, " on its way under the line", "", 1)
		}
	}
	return text
}

func reaches(b risk.Blast) string {
	var out []string
	for _, part := range []struct {
		n         int
		one, many string
	}{{b.Workloads, "workload", "workloads"}, {b.Secrets, "secret", "secrets"}, {b.Nodes, "node", "nodes"}} {
		if part.n > 0 {
			out = append(out, plural(part.n, part.one, part.many))
		}
	}
	if b.Cluster {
		out = append(out, "the whole cluster")
	}
	return cmp.Or(strings.Join(out, ", "), "nothing else")
}

// Ways is a drawing of ways through a cluster: each from a start to a goal,
// as steps whose ends are named "kind key", or by words.
type Ways struct {
	Title, Desc string
	Ways        []Way
}

// Way is one of them. Cut, by index of the steps, may be shorter.
type Way struct {
	From, To string // as the steps name them
	Steps    []model.Step
	Cut      []bool
}

// Graph merges the ways: what they share is drawn once.
func (w Ways) Graph(id string) drawing.Graph {
	var names []string
	for _, way := range w.Ways {
		names = append(names, way.From, way.To)
	}
	g := newGraph(id, w.Title, w.Desc, names)
	for _, way := range w.Ways {
		g.node(way.From, drawing.Start)
		for i, s := range way.Steps {
			g.edge(s.From, s.To, label(s), i < len(way.Cut) && way.Cut[i])
		}
		g.node(way.To, drawing.Goal)
	}
	return g.Graph
}

// graphOf collects nodes by name.
type graphOf struct {
	drawing.Graph
	at     map[string]int
	prefix string // of every key: the only cluster
}

func newGraph(id, title, desc string, names []string) *graphOf {
	g := &graphOf{Graph: drawing.Graph{ID: id, Title: title, Desc: desc}, at: map[string]int{}}
	for i, n := range names {
		_, key := splitName(n)
		cluster, _, _ := strings.Cut(key, "/")
		if i > 0 && g.prefix != cluster+"/" {
			g.prefix = ""
			break
		}
		g.prefix = cluster + "/"
	}
	return g
}

// label names a step; one that merely follows has none.
func label(s model.Step) string {
	if s.Edge == "implied" {
		return ""
	}
	return strings.TrimSpace(s.Edge + " " + s.Attack)
}

var kinds = []model.Kind{
	model.Source, model.Image, model.Workload, model.Identity, model.Node, model.Secret,
	model.Binding, model.Namespace, model.Object, model.Cluster, model.CloudRole,
}

// splitName parts "kind key"; what begins with no kind is all key.
func splitName(name string) (kind, key string) {
	kind, key, ok := strings.Cut(name, " ")
	if !ok || !slices.Contains(kinds, model.Kind(kind)) {
		return "", name
	}
	return kind, key
}

// node adds a node once. A role other than Plain stays.
func (g *graphOf) node(name string, role drawing.Role) int {
	kind, key := splitName(name)
	i, ok := g.at[name]
	if !ok {
		i = len(g.Nodes)
		g.at[name] = i
		n := drawing.Node{Caption: kind, Label: strings.TrimPrefix(key, g.prefix), Tip: name}
		if kind == "" {
			n.Role = drawing.Group
		}
		g.Nodes = append(g.Nodes, n)
	}
	if role != drawing.Plain {
		g.Nodes[i].Role = role
	}
	return i
}

func (g *graphOf) edge(from, to, label string, cut bool) {
	a := g.node(from, drawing.Plain)
	b := g.node(to, drawing.Plain)
	g.Edges = append(g.Edges, drawing.Edge{From: a, To: b, Label: label, Cut: cut, Tip: from + " → " + to + ": " + cmp.Or(label, "implied")})
}

// outside is where every path begins.
const outside = "someone outside"

// pathsGraph draws scenarios together. The first arrow of each is the break-in,
// and cut where fewer are expected after the steps.
func pathsGraph(top []risk.Scenario) drawing.Graph {
	var names []string
	for _, sc := range top {
		names = append(names, sc.Workload.String())
	}
	g := newGraph("paths-drawing", "Attack paths", fmt.Sprintf("The most costly path of %s, from a break-in to what is lost.", plural(len(top), "workload", "workloads")), names)
	g.node(outside, drawing.Start)
	for _, sc := range top {
		text, cut := breakIn(sc)
		g.edge(outside, sc.Workload.String(), text, cut)
		for _, l := range sc.Chain {
			g.edge(l.Step.From, l.Step.To, label(l.Step), l.Cut)
		}
		g.node(sc.Jewel.String(), drawing.Goal)
	}
	return g.Graph
}

// breakIn says how a workload is exposed and how many break-ins are expected
// of it, from the factors of the scenario.
func breakIn(sc risk.Scenario) (text string, cut bool) {
	exposed := "break in"
	for _, f := range sc.Factors {
		switch f.Name {
		case "x":
			if word, _, ok := strings.Cut(f.Source, ":"); ok {
				exposed = word
			}
		case "L":
			return fmt.Sprintf("%s, rate %.3g", exposed, f.Value), f.After < f.Value
		}
	}
	return exposed, false
}

// What the drawing of a blast radius tells apart at most, and names in a title.
const (
	spreadBoxes = 36
	spreadNames = 20
)

// spreadGraph draws what a workload leads to. Assets of one kind that follow
// from the same by the same move share a box; rights and states between them
// are passed through.
func spreadGraph(from model.Ref, reached []risk.Reached) drawing.Graph {
	g := drawing.Graph{ID: "spread-drawing", Title: "Blast radius of " + from.Key, Desc: "What it leads to, step by step."}
	cluster, _, _ := strings.Cut(from.Key, "/")
	groups := groupsOf(reached)
	var dropped []*group
	for _, grp := range groups {
		if len(g.Nodes) == spreadBoxes {
			dropped = append(dropped, grp)
			continue
		}
		g.Nodes = append(g.Nodes, grp.node(cluster+"/"))
		for _, p := range grp.parents {
			g.Edges = append(g.Edges, drawing.Edge{From: p.box, To: grp.box, Label: grp.edge})
		}
	}
	if len(dropped) > 0 {
		n := 0
		for _, grp := range dropped {
			n += len(grp.names)
		}
		g.Nodes = append(g.Nodes, drawing.Node{Role: drawing.Group, Label: fmt.Sprintf("… and %d more, further away", n)})
	}
	if len(g.Nodes) > 0 {
		g.Nodes[0].Role = drawing.Start
	}
	return g
}

// group is a box of a blast radius.
type group struct {
	kind    model.Kind
	edge    string
	parents []*group
	names   []string
	box     int // its place among all
}

// spreadParents bounds the arrows into one box.
const spreadParents = 2

func groupsOf(reached []risk.Reached) []*group {
	var out []*group
	byKey := map[string]*group{}
	ways := make([]way, len(reached)) // by entry: where one comes from through what has no name
	for i, r := range reached {
		var w way
		for _, k := range r.From {
			w = w.join(ways[k])
		}
		w.edge = cmp.Or(w.edge, strings.TrimSuffix(r.Edge, "implied"))
		if r.Ref.IsZero() {
			ways[i] = w
			continue
		}
		parents := w.groups[:min(len(w.groups), spreadParents)]
		key := fmt.Sprintf("%s|%s", r.Ref.Kind, w.edge)
		for _, p := range parents {
			key += fmt.Sprintf("|%d", p.box)
		}
		grp := byKey[key]
		if grp == nil || i == 0 {
			grp = &group{kind: r.Ref.Kind, edge: w.edge, parents: parents, box: len(out)}
			byKey[key] = grp
			out = append(out, grp)
		}
		grp.names = append(grp.names, r.Ref.Key)
		ways[i] = way{groups: []*group{grp}}
	}
	return out
}

// way is how one comes to an entry: from which boxes, by which first move.
type way struct {
	groups []*group
	edge   string
}

func (w way) join(o way) way {
	for _, g := range o.groups {
		if !slices.Contains(w.groups, g) {
			w.groups = append(slices.Clip(w.groups), g)
		}
	}
	w.edge = cmp.Or(w.edge, o.edge)
	return w
}

func (g *group) node(prefix string) drawing.Node {
	if len(g.names) == 1 {
		n := drawing.Node{Caption: string(g.kind), Label: strings.TrimPrefix(g.names[0], prefix)}
		if g.kind == model.Cluster {
			n.Role = drawing.Goal
		}
		return n
	}
	names := g.names[:min(len(g.names), spreadNames)]
	tip := strings.Join(names, "\n")
	if n := len(g.names) - len(names); n > 0 {
		tip += fmt.Sprintf("\n… and %d more", n)
	}
	plural := map[model.Kind]string{model.Identity: "identities"}[g.kind]
	return drawing.Node{Role: drawing.Group, Label: fmt.Sprintf("%d %s", len(g.names), cmp.Or(plural, string(g.kind)+"s")), Tip: tip}
}
