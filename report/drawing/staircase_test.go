package drawing

import (
	"encoding/xml"
	"math"
	"strconv"
	"strings"
	"testing"
)

// rects reads the rectangles of one class, in order.
func rects(t *testing.T, svg, class string) []map[string]float64 {
	t.Helper()
	var out []map[string]float64
	dec := xml.NewDecoder(strings.NewReader(svg))
	for {
		tok, err := dec.Token()
		if err != nil {
			return out
		}
		el, ok := tok.(xml.StartElement)
		if !ok || el.Name.Local != "rect" {
			continue
		}
		at, is := map[string]float64{}, false
		for _, a := range el.Attr {
			is = is || a.Name.Local == "class" && a.Value == class
			if v, err := strconv.ParseFloat(a.Value, 64); err == nil {
				at[a.Name.Local] = v
			}
		}
		if is {
			out = append(out, at)
		}
	}
}

// Heights are to each other as what the steps remove, widths as their hours,
// and the steps lie side by side from the first hour to the last.
func TestStaircaseSums(t *testing.T) {
	r := seeded(5)
	for n := range 200 {
		s := Staircase{ID: "s", Load: 100 + 1000*r.Float64()}
		s.Line = s.Load * r.Float64()
		left := s.Load
		for range 1 + r.IntN(30) {
			left -= left * r.Float64() * .4
			s.Steps = append(s.Steps, Step{Name: "a", Tip: "b", Hours: .25 + 4*r.Float64(), After: left, Second: r.IntN(2) == 0})
		}
		w := 240 + 1000*r.Float64()
		p := s.Draw(w)
		wellFormed(t, p.SVG)
		blocks := rects(t, p.SVG, "block") // those of the key have no lane name here
		if len(blocks) != len(s.Steps) {
			t.Fatalf("staircase %d: %d blocks of %d steps", n, len(blocks), len(s.Steps))
		}
		high, wide, hours, drop := 0.0, 0.0, 0.0, s.Load-left
		for i, b := range blocks {
			high, wide, hours = high+b["height"], wide+b["width"], hours+s.Steps[i].Hours
			if i > 0 {
				prev := blocks[i-1]
				if math.Abs(prev["x"]+prev["width"]-b["x"]) > .05 || math.Abs(prev["y"]+prev["height"]-b["y"]) > .05 {
					t.Errorf("staircase %d: step %d doesn't begin where the one before ends", n, i+1)
				}
			}
			if b["x"] < 0 || b["x"]+b["width"] > p.W || b["y"] < 0 || b["y"]+b["height"] > p.H {
				t.Errorf("staircase %d: step %d leaves the drawing", n, i+1)
			}
		}
		before := s.Load
		for i, b := range blocks {
			if d := b["height"]/high - (before-s.Steps[i].After)/drop; math.Abs(d) > .01 {
				t.Errorf("staircase %d: step %d is %v of the height too high", n, i+1, d)
			}
			if d := b["width"]/wide - s.Steps[i].Hours/hours; math.Abs(d) > .01 {
				t.Errorf("staircase %d: step %d is %v of the width too wide", n, i+1, d)
			}
			before = s.Steps[i].After
		}
	}
}

// What is odd is still drawn inside of its borders.
func TestStaircaseEdges(t *testing.T) {
	for name, s := range map[string]Staircase{
		"nothing":          {},
		"no hours":         {Load: 5, Line: 1, Steps: []Step{{After: 4}}},
		"goes up":          {Load: 5, Line: 1, Steps: []Step{{Hours: 1, After: 9}, {Hours: 1, After: 1}}, Stop: 2, StopName: "here"},
		"line far above":   {Load: 5, Line: 500, Steps: []Step{{Hours: 1, After: 4}}},
		"huge":             {Load: 1e12, Line: 1, Steps: []Step{{Hours: 1e6, After: 0}}},
		"stop is no step":  {Load: 5, Line: 1, Steps: []Step{{Hours: 1, After: 4}}, Stop: 9},
		"smaller than one": {Load: .004, Line: .001, Steps: []Step{{Hours: .25, After: .002}}},
	} {
		t.Run(name, func(t *testing.T) {
			for _, w := range []float64{0, 328, 1088} {
				p := s.Draw(w)
				wellFormed(t, p.SVG)
				if strings.Contains(p.SVG, "NaN") || strings.Contains(p.SVG, "Inf") {
					t.Errorf("no number: %s", p.SVG)
				}
				for _, b := range rects(t, p.SVG, "block") {
					if b["y"] < 0 || b["y"]+b["height"] > p.H || b["x"]+b["width"] > p.W {
						t.Errorf("a block at %v leaves %v × %v", b, p.W, p.H)
					}
				}
			}
		})
	}
}

func TestLanesDifferWithoutColour(t *testing.T) {
	s := Staircase{ID: "s", Load: 3, Line: 1, Steps: []Step{{Hours: 1, After: 2}, {Hours: 1, After: 1, Second: true}}, Lanes: [2]string{"must", "buy"}}
	svg := s.Draw(600).SVG
	if strings.Count(svg, `fill="url(#s-h)"`) != 2 || strings.Count(svg, `id="s-h"`) != 1 {
		t.Errorf("the second lane isn't hatched in step and key: %s", svg)
	}
}

func TestLevel(t *testing.T) {
	for level, want := range map[int]string{-1: "level-unknown", 0: "level-open", 4: "level"} {
		if svg := Level(level, 4).SVG; strings.Count(svg, `class="`+want+`"`) != 4 {
			t.Errorf("level %d: %s", level, svg)
		}
	}
	if svg := Level(2, 4).SVG; strings.Count(svg, `class="level"`) != 2 || strings.Count(svg, `class="level-open"`) != 2 {
		t.Error(svg)
	}
}

// contrast is that of WCAG 2.2 between two colours as #rrggbb.
func contrast(a, b string) float64 {
	light := func(c string) float64 {
		sum := 0.0
		for i, weight := range []float64{.2126, .7152, .0722} {
			v, _ := strconv.ParseInt(c[1+2*i:3+2*i], 16, 32)
			s := float64(v) / 255
			if s <= .04045 {
				s /= 12.92
			} else {
				s = math.Pow((s+.055)/1.055, 2.4)
			}
			sum += weight * s
		}
		return sum
	}
	x, y := light(a), light(b)
	return (max(x, y) + .05) / (min(x, y) + .05)
}

func TestPaletteContrast(t *testing.T) {
	of := map[string]colour{}
	for _, c := range palette {
		of[c.name] = c
	}
	for _, tc := range []struct {
		names, grounds string
		least          float64
	}{
		{"ink soft link line must", "page surface sunk", 4.5},
		{"edge line must buy", "page surface", 3},
	} {
		for name := range strings.FieldsSeq(tc.names) {
			for ground := range strings.FieldsSeq(tc.grounds) {
				a, b := of[name], of[ground]
				if c := contrast(a.light, b.light); c < tc.least {
					t.Errorf("%s on %s by day: %.2f", name, ground, c)
				}
				if c := contrast(a.dark, b.dark); c < tc.least {
					t.Errorf("%s on %s by night: %.2f", name, ground, c)
				}
			}
		}
	}
	for _, m := range variable.FindAllStringSubmatch(rules, -1) {
		if of[m[2]].name == "" {
			t.Errorf("no colour %s in the palette", m[2])
		}
	}
}
