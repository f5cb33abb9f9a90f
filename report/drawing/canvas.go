package drawing

import (
	_ "embed"
	"fmt"
	"io"
	"regexp"
	"strings"
)

// Picture is a finished drawing: an svg element and its size in pixels.
type Picture struct {
	SVG  string
	W, H float64
}

// WriteTo writes the drawing as a file of its own, which brings its style
// along.
func (p Picture) WriteTo(w io.Writer) (int64, error) {
	head, rest, _ := strings.Cut(p.SVG, "\n")
	n, err := fmt.Fprintf(w, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n%s\n<style>\n%s%s.drawing{background:var(--page)}\n</style>\n%s", head, Palette(), Style(), rest)
	return int64(n), err
}

// canvas collects the text of a drawing.
type canvas struct{ b strings.Builder }

func (c *canvas) add(parts ...string) {
	for _, p := range parts {
		c.b.WriteString(p)
	}
}

func (c *canvas) done(w, h float64) Picture {
	c.add("</svg>\n")
	return Picture{c.b.String(), w, h}
}

// open begins a drawing. Its role is img, or group where parts of it take the
// focus. The first line holds nothing but the opening tag.
func (c *canvas) open(role, id, title, desc string, w, h float64) {
	id = escape(id)
	c.add(fmt.Sprintf(`<svg xmlns="http://www.w3.org/2000/svg" class="drawing" role="%s" aria-labelledby="%s-t %s-d" viewBox="0 0 %s %s" width="%s" height="%s">`,
		role, id, id, num(w), num(h), num(w), num(h)), "\n")
	c.add(`<title id="`, id, `-t">`, escape(title), `</title><desc id="`, id, `-d">`, escape(desc), "</desc>\n")
}

func (c *canvas) title(text string) {
	if text != "" {
		c.add("<title>", escape(text), "</title>")
	}
}

// text writes one line; anchor is empty, "middle" or "end".
func (c *canvas) text(x, y float64, class, anchor, text string) {
	if anchor != "" {
		anchor = ` text-anchor="` + anchor + `"`
	}
	c.add(fmt.Sprintf(`<text class="%s" x="%s" y="%s"%s>`, class, num(x), num(y), anchor), escape(text), "</text>")
}

// line draws a straight line.
func (c *canvas) line(class string, x1, y1, x2, y2 float64) {
	c.add(fmt.Sprintf(`<line class="%s" x1="%s" y1="%s" x2="%s" y2="%s"/>`, class, num(x1), num(y1), num(x2), num(y2)))
}

// colour is one colour of the palette by day and by night. Every pair of text
// and ground keeps a contrast of 4.5 at least, and lines that say something
// one of 3.
type colour struct{ name, light, dark string }

var palette = []colour{
	{"page", "#fafaf8", "#14171a"},
	{"surface", "#ffffff", "#1c2024"},
	{"sunk", "#f0f1ef", "#23282d"},
	{"ink", "#1c2127", "#e6e9ec"},
	{"soft", "#566069", "#a4aeb8"},
	{"rule", "#d9dcdf", "#363d44"},
	{"edge", "#7b858f", "#7c8792"},
	{"link", "#1d5a96", "#86b9ea"},
	{"must", "#2c5f8f", "#6ea6dc"},
	{"buy", "#5b87ae", "#94b6d6"},
	{"rest", "#e6ecf1", "#262e36"},
	{"line", "#c4281c", "#ff7468"},
}

// Palette is CSS that gives the colours to a page or to a drawing that stands
// alone: by day, by night, or by the attribute data-theme of the root.
func Palette() string {
	var day, both strings.Builder
	for _, c := range palette {
		fmt.Fprintf(&day, "--%s:%s;", c.name, c.light)
		fmt.Fprintf(&both, "--%s:light-dark(%s,%s);", c.name, c.light, c.dark)
	}
	return ":root{" + day.String() + "}\n@supports (color:light-dark(#000,#fff)){:root{color-scheme:light dark;" + both.String() +
		"}\n:root[data-theme=light]{color-scheme:light}\n:root[data-theme=dark]{color-scheme:dark}}\n"
}

//go:embed drawing.css
var rules string

var variable = regexp.MustCompile(`([a-z-]+):var\(--([a-z]+)\)`)

// Style is CSS for the classes of all drawings. Viewers of images that know no
// variables take the colours of the day.
func Style() string {
	return variable.ReplaceAllStringFunc(rules, func(decl string) string {
		m := variable.FindStringSubmatch(decl)
		for _, c := range palette {
			if c.name == m[2] {
				return m[1] + ":" + c.light + ";" + decl
			}
		}
		return decl
	})
}
