package drawing

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Graph is a directed graph. ID begins the ids inside of the drawing and has
// to be unique in a page.
type Graph struct {
	ID    string
	Title string
	Desc  string
	Nodes []Node
	Edges []Edge
}

// Role is the part of a node in a drawing. It sets the shape.
type Role int

// The roles: Plain is a box, Start has round ends, Goal a heavy border, Group
// a dashed one: it stands for what has no name of its own.
const (
	Plain Role = iota
	Start
	Goal
	Group
)

// Node is one box: a small caption, a label on at most two lines, and a title
// with all that doesn't fit.
type Node struct {
	Role    Role
	Caption string
	Label   string
	Tip     string
}

// Edge is one arrow, by the indexes of its nodes. Cut marks it with a cross.
type Edge struct {
	From, To int
	Label    string
	Cut      bool
	Tip      string
}

// Sizes of text in pixels.
const (
	labelPx   = 13
	captionPx = 11
	edgePx    = 11.5
	lineHigh  = 17
	boxMost   = 210 // width of a label
	edgeMost  = 170
)

// Draw draws the graph from top to bottom. What is beyond the bounds of this
// package is left out and counted below the drawing.
func (g Graph) Draw() Picture {
	nodes, edges, left := g.bounded()
	lines := make([][]string, len(nodes))
	boxes := make([]size, len(nodes))
	for i, n := range nodes {
		lines[i] = wrap(n.Label, labelPx, boxMost, 2)
		boxes[i] = boxSize(fit(n.Caption, captionPx, boxMost), lines[i], n.Role)
	}
	labels, arrows := make([]size, len(edges)), make([][2]int, len(edges))
	for i, e := range edges {
		arrows[i] = [2]int{e.From, e.To}
		edges[i].Label = fit(e.Label, edgePx, edgeMost)
		labels[i] = labelSize(edges[i])
	}
	l := arrange(boxes, arrows, labels)
	more := ""
	if left > 0 {
		more = fmt.Sprintf("… and %d more boxes and arrows", left)
		l.w, l.h = max(l.w, width(more, edgePx)+2*margin), l.h+lineHigh
	}
	c := &canvas{}
	c.open("img", g.ID, g.Title, g.Desc, l.w, l.h)
	for i, e := range edges {
		c.arrow(l, i, e)
	}
	for i, n := range nodes {
		c.box(l.cells[i], n, lines[i])
	}
	if left > 0 {
		c.text(margin, l.h-margin, "note", "", more)
	}
	return c.done(l.w, l.h)
}

// bounded drops what is beyond the bounds and counts it. Of equal arrows one
// stays, cut if each was; loops and arrows to no box of this graph go.
func (g Graph) bounded() (nodes []Node, edges []Edge, left int) {
	nodes = g.Nodes[:min(len(g.Nodes), maxNodes)]
	left = len(g.Nodes) - len(nodes)
	at := map[[2]int]map[string]int{}
	for _, e := range g.Edges {
		if e.From == e.To || min(e.From, e.To) < 0 || max(e.From, e.To) >= len(g.Nodes) {
			continue
		}
		ends := [2]int{e.From, e.To}
		if i, ok := at[ends][e.Label]; ok {
			edges[i].Cut = edges[i].Cut && e.Cut
			continue
		}
		if len(edges) == maxEdges || max(e.From, e.To) >= len(nodes) {
			left++
			continue
		}
		if at[ends] == nil {
			at[ends] = map[string]int{}
		}
		at[ends][e.Label] = len(edges)
		edges = append(edges, e)
	}
	return nodes, edges, left
}

func boxSize(caption string, lines []string, role Role) size {
	s := size{w: width(caption, captionPx), h: float64(len(lines))*lineHigh + 12}
	for _, line := range lines {
		s.w = max(s.w, width(line, labelPx))
	}
	if caption != "" {
		s.h += 14
	}
	if role == Goal { // its letters are bold
		s.w *= 1.08
	}
	s.w = max(s.w+24, 72)
	return s
}

func labelSize(e Edge) size {
	if e.Label == "" && !e.Cut {
		return size{}
	}
	s := size{w: width(e.Label, edgePx) + 8, h: 18}
	if e.Cut {
		s.w += crossRoom
	}
	return s
}

// crossRoom is the width of the mark of a cut arrow beside its label.
const crossRoom = 18

func (c *canvas) box(at cell, n Node, lines []string) {
	class := [...]string{"box", "box start", "box goal", "box group"}[min(max(n.Role, Plain), Group)]
	radius := 4.0
	if n.Role == Start {
		radius = at.h / 2
	}
	c.add(`<g class="`, class, `">`)
	c.title(cmp.Or(n.Tip, strings.TrimSpace(n.Caption+" "+n.Label)))
	c.add(fmt.Sprintf(`<rect x="%s" y="%s" width="%s" height="%s" rx="%s"/>`, num(at.x), num(at.y), num(at.w), num(at.h), num(radius)))
	y := at.y + 6
	if n.Caption != "" {
		y += 12
		c.text(at.middle(), y, "caption", "middle", fit(n.Caption, captionPx, boxMost))
		y += 2
	}
	for _, line := range lines {
		y += lineHigh
		c.text(at.middle(), y-4, "label", "middle", line)
	}
	c.add("</g>\n")
}

// arrow draws the pieces of one arrow between its cells; a label interrupts
// it.
func (c *canvas) arrow(l *layout, i int, e Edge) {
	class := "arrow"
	if e.Cut {
		class = "arrow cut"
	}
	c.add(`<g class="`, class, `">`)
	c.title(cmp.Or(e.Tip, e.Label))
	row := l.chains[i]
	var d strings.Builder
	last := len(row) - 2
	for k := range row[1:] {
		up, down := l.cells[row[k]], l.cells[row[k+1]]
		from, to := l.port(i, k, true), l.port(i, k, false)
		if k > 0 && up.h == 0 { // goes on through a place that it only passes
			fmt.Fprintf(&d, "L%s %s", num(from), num(up.y))
		} else {
			fmt.Fprintf(&d, "M%s %s", num(from), num(up.y+up.h))
		}
		top, bottom := l.floor(up), l.ceiling(down)
		bend := (bottom - top) / 2
		fmt.Fprintf(&d, "L%s %sC%s %s %s %s %s %sL%s %s", num(from), num(top),
			num(from), num(top+bend), num(to), num(bottom-bend), num(to), num(bottom), num(to), num(down.y))
	}
	c.add(`<path d="`, d.String(), `"/>`)
	tip, low := l.cells[row[last+1]], true
	x := l.port(i, last, false)
	y := tip.y
	if l.back[i] {
		head := l.cells[row[0]]
		x, y, low = l.port(i, 0, true), head.y+head.h, false
	}
	c.head(x, y, low)
	c.edgeLabel(l, row, e)
	c.add("</g>\n")
}

// head draws the point of an arrow that ends at a place from above or below.
func (c *canvas) head(x, y float64, fromAbove bool) {
	back := -7.0
	if !fromAbove {
		back = 7
	}
	c.add(fmt.Sprintf(`<path class="head" d="M%s %sL%s %sL%s %sZ"/>`, num(x), num(y), num(x-4), num(y+back), num(x+4), num(y+back)))
}

// edgeLabel writes the label in the cell that was kept for it, with a cross
// before it if the arrow is cut.
func (c *canvas) edgeLabel(l *layout, row []int, e Edge) {
	for _, k := range row[1 : len(row)-1] {
		at := l.cells[k]
		if at.h == 0 {
			continue
		}
		x := at.x + 4
		if e.Cut {
			cx, cy := at.x+9, at.y+at.h/2
			c.add(fmt.Sprintf(`<path class="cross" d="M%s %sl9 9m0 -9l-9 9"/>`, num(cx-4.5), num(cy-4.5)))
			x += crossRoom
		}
		if e.Label != "" {
			c.text(x, at.y+13, "edge", "", e.Label)
		}
	}
}

// port is where link k of an arrow leaves its upper cell or meets its lower
// one: the arrows of a box share its middle part, in the order of where they
// go.
func (l *layout) port(i, k int, upper bool) float64 {
	row := l.chains[i]
	at, other, neighbours := row[k], row[k+1], l.below
	if !upper {
		at, other, neighbours = row[k+1], row[k], l.above
	}
	c := l.cells[at]
	if c.node < 0 {
		return c.middle()
	}
	all := slices.Clone(neighbours[at])
	slices.SortStableFunc(all, func(a, b int) int { return cmp.Compare(l.cells[a].middle(), l.cells[b].middle()) })
	place := slices.Index(all, other)
	return c.x + c.w*(.2+.6*(float64(place)+.5)/float64(len(all)))
}

// floor is the lower border of the layer of a cell, ceiling the upper one:
// between them no box stands in the way.
func (l *layout) floor(c cell) float64 {
	y := 0.0
	for _, k := range l.layers[c.layer] {
		y = max(y, l.cells[k].y+l.cells[k].h)
	}
	return y
}

func (l *layout) ceiling(c cell) float64 {
	y := c.y
	for _, k := range l.layers[c.layer] {
		y = min(y, l.cells[k].y)
	}
	return y
}
