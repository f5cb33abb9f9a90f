package drawing

import (
	"cmp"
	"fmt"
	"math"
)

// Staircase is a plan as steps that go down: each as wide as its hours and as
// high as what it takes off the load. ID begins the ids inside of the drawing.
type Staircase struct {
	ID       string
	Title    string
	Desc     string
	Load     float64 // before the first step
	Line     float64
	LineName string
	Steps    []Step
	Stop     int    // steps that bring the load under the line; 0: none is needed, or all don't
	StopName string // what to say there
	Lanes    [2]string
	More     string // what is not drawn
}

// Step is one action. Steps of the second lane are hatched. One with an Href
// takes the focus and leads there.
type Step struct {
	Name   string
	Tip    string
	Href   string
	Second bool
	Hours  float64
	After  float64 // load after it
}

// Rooms around the plot, in pixels.
const (
	plotTop    = 30
	plotRight  = 10
	plotBottom = 84
)

// plot turns hours and load into pixels.
type plot struct {
	left, right, top, bottom float64
	hours, load              float64
}

func (p plot) x(hours float64) float64 { return p.left + (p.right-p.left)*hours/p.hours }
func (p plot) y(load float64) float64  { return p.bottom - (p.bottom-p.top)*load/p.load }

// Draw draws the staircase in a given width of at least 240 pixels.
func (s Staircase) Draw(w float64) Picture {
	w = max(w, 240)
	h := math.Round(min(max(w*.42, 300), 420))
	p := plot{right: w - plotRight, top: plotTop, bottom: h - plotBottom, load: max(s.Load, s.Line*1.05)}
	for _, st := range s.Steps {
		p.hours += st.Hours
		p.load = max(p.load, st.After)
	}
	p.hours, p.load = cmp.Or(p.hours, 1), cmp.Or(p.load, 1)
	p.left = 16
	for _, v := range ticks(p.load, 5) {
		p.left = max(p.left, width(tick(v), 11)+14)
	}
	c := &canvas{}
	c.open("group", s.ID, s.Title, s.Desc, w, h)
	c.hatch(s.ID)
	c.axes(p)
	c.blocks(s, p)
	c.limit(s, p)
	c.names(s, p)
	c.stop(s, p)
	c.key(s, p, h)
	return c.done(w, h)
}

// hatch is the pattern of the second lane.
func (c *canvas) hatch(id string) {
	c.add(`<defs><pattern id="`, escape(id), `-h" width="5" height="5" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">`,
		`<rect class="hatch-ground" width="5" height="5"/><path class="hatch-line" d="M0 0V5"/></pattern></defs>`, "\n")
}

// ticks are round numbers from 0 to at most most, about so many.
func ticks(most float64, about int) []float64 {
	raw := most / float64(about)
	unit := math.Pow(10, math.Floor(math.Log10(raw)))
	for _, f := range []float64{1, 2, 5, 10} {
		if f*unit >= raw {
			unit *= f
			break
		}
	}
	var out []float64
	for i := 0; float64(i)*unit <= most && i <= 2*about; i++ {
		out = append(out, float64(i)*unit)
	}
	return out
}

func tick(v float64) string { return fmt.Sprintf("%.6g", v) }

func (c *canvas) axes(p plot) {
	for _, v := range ticks(p.load, 5) {
		c.line("axis", p.left, p.y(v), p.right, p.y(v))
		c.text(p.left-6, p.y(v)+4, "tick", "end", tick(v))
	}
	about := int(max((p.right-p.left)/90, 2))
	for _, v := range ticks(p.hours, about) {
		if p.x(v) < p.right-14 {
			c.text(p.x(v), p.bottom+16, "tick", "middle", tick(v))
		}
	}
	c.text(p.right, p.bottom+16, "tick", "end", "h")
	c.add("\n")
}

// blocks draws what each step takes off, and below it what is left.
func (c *canvas) blocks(s Staircase, p plot) {
	hours, load := 0.0, s.Load
	for _, st := range s.Steps {
		x, w := p.x(hours), p.x(hours+st.Hours)-p.x(hours)
		top, bottom := p.y(max(load, st.After)), p.y(min(load, st.After))
		c.add(fmt.Sprintf(`<rect class="rest" x="%s" y="%s" width="%s" height="%s"/>`, num(x), num(bottom), num(w), num(p.bottom-bottom)))
		lane, fill := "step", ""
		if st.Second {
			lane, fill = "step buy", ` fill="url(#`+escape(s.ID)+`-h)"`
		}
		end := "</g>\n"
		if st.Href != "" {
			end = "</a>\n"
			c.add(`<a class="`, lane, `" href="`, escape(st.Href), `" aria-label="`, escape(st.Tip), `">`)
		} else {
			c.add(`<g class="`, lane, `">`)
		}
		c.title(st.Tip)
		c.add(fmt.Sprintf(`<rect class="block"%s x="%s" y="%s" width="%s" height="%s"/>`, fill, num(x), num(top), num(w), num(bottom-top)))
		c.add(fmt.Sprintf(`<rect class="hit" x="%s" y="%s" width="%s" height="%s"/>`, num(x), num(p.top), num(w), num(p.bottom-p.top)))
		c.add(`<g aria-hidden="true">`)
		c.text(p.left, 16, "tip", "", fit(st.Tip, 12, p.right-p.left))
		c.add("</g>", end)
		hours, load = hours+st.Hours, st.After
	}
}

// limit draws the line that the load has to come under.
func (c *canvas) limit(s Staircase, p plot) {
	y := p.y(s.Line)
	c.line("limit", p.left, y, p.right, y)
	c.text(p.right, y-6, "limit-name", "end", s.LineName)
	c.add("\n")
}

// names writes the name of a step to its right, where the stairs have gone
// down and left room: as high as the step, so that no two names meet.
func (c *canvas) names(s Staircase, p plot) {
	hours, load := 0.0, s.Load
	for _, st := range s.Steps {
		hours += st.Hours
		if st.After > load {
			return // it goes up: below here the room is taken
		}
		top, bottom, x := p.y(load), p.y(st.After), p.x(hours)+6
		load = st.After
		if bottom-top < 16 {
			continue
		}
		y := (top+bottom)/2 + 4
		if line := p.y(s.Line); math.Abs(y-4-line) < 10 && bottom-top > 44 {
			y = top + 14
			if math.Abs(y-4-line) < 10 {
				y = bottom - 8
			}
		}
		right := p.right
		if math.Abs(y-(p.y(s.Line)-6)) < 16 {
			right -= width(s.LineName, 12) + 12
		}
		if right-x < 60 {
			continue
		}
		c.add(`<g class="step">`)
		c.text(x, y, "name", "", fit(st.Name, 12, right-x))
		c.add("</g>\n")
	}
}

// stop says below the hours where the load is under the line.
func (c *canvas) stop(s Staircase, p plot) {
	if s.Stop < 1 || s.Stop > len(s.Steps) {
		return
	}
	hours := 0.0
	for _, st := range s.Steps[:s.Stop] {
		hours += st.Hours
	}
	x, y := p.x(hours), p.bottom+22
	c.add(fmt.Sprintf(`<path class="level" d="M%s %sl-5 9h10z"/>`, num(x), num(y)))
	half := width(s.StopName, 12) / 2
	x = min(max(x, p.left+half-12), p.right-half)
	c.text(x, y+22, "label", "middle", fit(s.StopName, 12, p.right))
	c.add("\n")
}

// key says which lane is which, and what is not drawn.
func (c *canvas) key(s Staircase, p plot, h float64) {
	x, y := p.left, h-14
	for lane, name := range s.Lanes {
		class, fill := "step", ""
		if lane == 1 {
			class, fill = "step buy", ` fill="url(#`+escape(s.ID)+`-h)"`
		}
		if name == "" {
			continue
		}
		c.add(fmt.Sprintf(`<g class="%s"><rect class="block"%s x="%s" y="%s" width="14" height="11"/></g>`, class, fill, num(x), num(y-10)))
		c.text(x+20, y, "label", "", name)
		x += 20 + width(name, 12) + 16
	}
	if room := p.right - x; s.More != "" && room > 80 {
		c.text(p.right, y, "note", "end", fit(s.More, 11, room))
	}
	c.add("\n")
}
