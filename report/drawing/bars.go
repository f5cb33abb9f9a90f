package drawing

import (
	"fmt"
	"slices"
)

// Level draws a level of so many as filled squares, or dashed ones where it is
// unknown (below 0). It says nothing to a screen reader: its text stands
// beside it.
func Level(level, of int) Picture {
	const side, gap = 14, 3
	w := float64(of*(side+gap) - gap + 2)
	c := &canvas{}
	c.add(fmt.Sprintf(`<svg xmlns="http://www.w3.org/2000/svg" class="drawing" aria-hidden="true" viewBox="0 0 %s 16" width="%s" height="16">`, num(w), num(w)))
	for i := range of {
		class := "level-open"
		switch {
		case level < 0:
			class = "level-unknown"
		case i < level:
			class = "level"
		}
		c.add(fmt.Sprintf(`<rect class="%s" x="%d" y="1" width="%d" height="14" rx="2"/>`, class, 1+i*(side+gap), side))
	}
	return c.done(w, 16)
}

// Bars are rows with a name, a bar and a text. ID begins the ids inside.
type Bars struct {
	ID    string
	Title string
	Desc  string
	Most  float64 // the value of a full bar
	Rows  []Bar
}

// Bar is one row.
type Bar struct {
	Name  string
	Value float64
	Text  string
}

// Draw draws the rows in a given width.
func (b Bars) Draw(w float64) Picture {
	const row = 24
	h := float64(len(b.Rows))*row + 2*margin
	name, text := 0.0, 0.0
	for _, r := range b.Rows {
		name, text = max(name, width(bounded(r.Name), 12)), max(text, width(bounded(r.Text), 11))
	}
	name, text = min(name, w*.4), min(text, w*.35)
	left := margin + name + 12
	room := max(w-left-text-12-margin, 20)
	c := &canvas{}
	c.open("img", b.ID, b.Title, b.Desc, w, h)
	for i, r := range b.Rows {
		y := margin + float64(i)*row
		c.add("<g>")
		c.title(r.Name + ": " + r.Text)
		c.text(margin, y+16, "label", "", fit(r.Name, 12, name))
		c.add(fmt.Sprintf(`<rect class="track" x="%s" y="%s" width="%s" height="12" rx="2"/>`, num(left), num(y+6), num(room)))
		full := 0.0
		if b.Most > 0 {
			full = min(max(r.Value/b.Most, 0), 1)
		}
		c.add(fmt.Sprintf(`<rect class="bar" x="%s" y="%s" width="%s" height="12" rx="2"/>`, num(left), num(y+6), num(room*full)))
		c.text(left+room+12, y+16, "tick", "", fit(r.Text, 11, text))
		c.add("</g>\n")
	}
	return c.done(w, h)
}

// Part is a drawing of a sheet with what stands above it; empty lines are left
// out.
type Part struct {
	Heading string
	Lines   []string
	Picture Picture
}

// Sheet puts several drawings below each other.
func Sheet(id, title, desc string, parts ...Part) Picture {
	parts = slices.Clone(parts)
	w, h := 480.0, float64(margin)
	for i := range parts {
		p := &parts[i]
		p.Lines = slices.DeleteFunc(slices.Clone(p.Lines), func(line string) bool { return line == "" })
		w = max(w, p.Picture.W+2*margin, width(p.Heading, 16)+4*margin)
		h += 40 + float64(len(p.Lines))*18 + p.Picture.H
	}
	c := &canvas{}
	c.open("img", id, title, desc, w, h)
	y := float64(margin)
	for _, p := range parts {
		y += 24
		c.text(2*margin, y, "heading", "", fit(p.Heading, 16, w-4*margin))
		for _, line := range p.Lines {
			y += 18
			c.text(2*margin, y, "label", "", fit(line, 12, w-4*margin))
		}
		y += 16
		c.add(fmt.Sprintf(`<g transform="translate(%d %s)">`, margin, num(y)), "\n", p.Picture.SVG, "</g>\n")
		y += p.Picture.H
	}
	return c.done(w, h)
}
