package drawing

import (
	"encoding/xml"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

func seeded(n uint64) *rand.Rand { return rand.New(rand.NewPCG(n, 7)) }

// randomGraph has edges forward mostly, some back, double and looping ones.
func randomGraph(r *rand.Rand) Graph {
	g := Graph{ID: "g", Title: "t", Desc: "d"}
	for i := range 1 + r.IntN(30) {
		g.Nodes = append(g.Nodes, Node{
			Role: Role(r.IntN(4)), Caption: []string{"", "workload"}[r.IntN(2)],
			Label: fmt.Sprintf("%d/%s", i, strings.Repeat("some-part/", r.IntN(9))),
		})
	}
	n := len(g.Nodes)
	for range r.IntN(3 * n) {
		a, b := r.IntN(n), r.IntN(n)
		if a > b && r.IntN(8) > 0 {
			a, b = b, a
		}
		g.Edges = append(g.Edges, Edge{From: a, To: b, Label: []string{"", "token", "create-pods T1610"}[r.IntN(3)], Cut: r.IntN(5) == 0})
	}
	return g
}

// laid lays out a graph as Draw does.
func laid(g Graph) (*layout, []Edge) {
	nodes, edges, _ := g.bounded()
	boxes, labels, arrows := make([]size, len(nodes)), make([]size, len(edges)), make([][2]int, len(edges))
	for i, n := range nodes {
		boxes[i] = boxSize(n.Caption, wrap(n.Label, labelPx, boxMost, 2), n.Role)
	}
	for i, e := range edges {
		arrows[i], labels[i] = [2]int{e.From, e.To}, labelSize(e)
	}
	return arrange(boxes, arrows, labels), edges
}

func TestLayout(t *testing.T) {
	r := seeded(1)
	back := 0
	for n := range 400 {
		g := randomGraph(r)
		l, edges := laid(g)
		for i, a := range l.cells {
			if a.x < margin-1 || a.y < margin-1 || a.x+a.w > l.w || a.y+a.h > l.h {
				t.Errorf("graph %d: cell %d at %v %v leaves the drawing of %v × %v", n, i, a.x, a.y, l.w, l.h)
			}
			for k, b := range l.cells[i+1:] {
				if a.x < b.x+b.w && b.x < a.x+a.w && a.y < b.y+b.h && b.y < a.y+a.h {
					t.Errorf("graph %d: cells %d and %d overlap", n, i, i+1+k)
				}
			}
		}
		for i, row := range l.chains {
			top, bottom := edges[i].From, edges[i].To
			if l.back[i] {
				top, bottom = bottom, top
				back++
			}
			if row[0] != top || row[len(row)-1] != bottom {
				t.Errorf("graph %d: arrow %d runs from %d to %d", n, i, row[0], row[len(row)-1])
			}
			shown := labelSize(edges[i]).w == 0
			for k := range row[1:] {
				up, down := l.cells[row[k]], l.cells[row[k+1]]
				if down.layer != up.layer+1 || down.y <= up.y {
					t.Errorf("graph %d: arrow %d goes from layer %d to %d", n, i, up.layer, down.layer)
				}
				if down.node < 0 && down.h > 0 {
					if shown {
						t.Errorf("graph %d: arrow %d has two labels, or one of nothing", n, i)
					}
					shown = true
				}
			}
			if !shown {
				t.Errorf("graph %d: arrow %d has lost its label", n, i)
			}
		}
	}
	if back == 0 {
		t.Error("no graph had a cycle")
	}
}

// Without cycles no arrow is turned, and a chain stays in one column.
func TestLayoutOfChain(t *testing.T) {
	g := Graph{ID: "g"}
	for i := range 9 {
		g.Nodes = append(g.Nodes, Node{Label: fmt.Sprintf("node %d", i)})
		if i > 0 {
			g.Edges = append(g.Edges, Edge{From: i - 1, To: i, Label: "next"})
		}
	}
	l, _ := laid(g)
	for _, c := range l.cells {
		if d := c.middle() - l.cells[0].middle(); d < -1.5 || d > 1.5 {
			t.Errorf("a cell stands %v aside", d)
		}
	}
	if slices.Contains(l.back, true) || l.crossings() != 0 {
		t.Errorf("turned %v, %d crossings", l.back, l.crossings())
	}
}

// The sweeps untie what can be untied, and never make it worse.
func TestCrossings(t *testing.T) {
	tree := Graph{ID: "g", Nodes: make([]Node, 15)}
	for _, i := range []int{14, 3, 8, 1, 12, 5, 10, 7, 2, 9, 4, 11, 6, 13} {
		tree.Edges = append(tree.Edges, Edge{From: (i - 1) / 2, To: i})
	}
	if l, _ := laid(tree); l.crossings() != 0 {
		t.Errorf("a tree has %d crossings", l.crossings())
	}
	r := seeded(2)
	better := 0
	for range 200 {
		g := randomGraph(r)
		l, _ := laid(g)
		first := &layout{cells: l.cells, links: l.links, chains: l.chains}
		first.index()
		if was, now := first.crossings(), l.crossings(); now > was {
			t.Errorf("crossings rise from %d to %d", was, now)
		} else if now < was {
			better++
		}
	}
	if better == 0 {
		t.Error("no sweep ever helped")
	}
}

// wellFormed reads a drawing strictly and counts its elements by name.
func wellFormed(t *testing.T, svg string) map[string]int {
	t.Helper()
	count := map[string]int{}
	dec := xml.NewDecoder(strings.NewReader(svg))
	for {
		tok, err := dec.Token()
		if err == io.EOF {
			return count
		}
		if err != nil {
			t.Fatalf("not well-formed: %v\n%.2000s", err, svg)
		}
		if el, ok := tok.(xml.StartElement); ok {
			count[el.Name.Local]++
			for _, a := range el.Attr {
				if strings.HasPrefix(a.Name.Local, "on") || a.Name.Local == "style" {
					t.Errorf("attribute %s", a.Name.Local)
				}
			}
		}
	}
}

func TestGraphDraw(t *testing.T) {
	r := seeded(3)
	for n := range 100 {
		g := randomGraph(r)
		p := g.Draw()
		if again := g.Draw(); again != p {
			t.Fatalf("graph %d is drawn differently each time", n)
		}
		count := wellFormed(t, p.SVG)
		if _, edges, left := g.bounded(); count["rect"] != len(g.Nodes) || left != 0 || strings.Count(p.SVG, `class="head"`) != len(edges) {
			t.Errorf("graph %d: %d boxes of %d, %d left", n, count["rect"], len(g.Nodes), left)
		}
	}
}

// A drawing of anything stays small, and says what it leaves out.
func TestGraphBounds(t *testing.T) {
	g := Graph{ID: "g"}
	for i := range 2 * maxNodes {
		g.Nodes = append(g.Nodes, Node{Label: strings.Repeat(fmt.Sprint(i), 5000)})
		for k := range 5 {
			g.Edges = append(g.Edges, Edge{From: i, To: i/2 + k, Label: strings.Repeat("x", 5000)})
		}
	}
	p := g.Draw()
	if len(p.SVG) > 4<<20 || wellFormed(t, p.SVG)["rect"] != maxNodes || !strings.Contains(p.SVG, "more boxes and arrows") {
		t.Errorf("%d bytes, %v", len(p.SVG), wellFormed(t, p.SVG))
	}
	g.Nodes[0].Label = "a"
	if empty := (Graph{ID: "e"}).Draw(); wellFormed(t, empty.SVG)["rect"] != 0 {
		t.Errorf("an empty graph: %s", empty.SVG)
	}
}

const hostile = "<script>alert(1)</script>\" onload='x' &amp; ]]>\x00\x1b[31m\xff\u202eevil\u2066\nline"

func TestHostileText(t *testing.T) {
	g := Graph{ID: hostile, Title: hostile, Desc: hostile, Nodes: []Node{{Label: hostile, Caption: hostile, Tip: hostile}, {Label: ""}}, Edges: []Edge{{From: 0, To: 1, Label: hostile, Tip: hostile, Cut: true}, {From: 0, To: 7}, {From: -1, To: 0}}}
	s := Staircase{ID: hostile, Title: hostile, Desc: hostile, Load: 10, Line: 3, LineName: hostile, Steps: []Step{{Name: hostile, Tip: hostile, Href: hostile, Hours: 1, After: 2, Second: true}}, Stop: 1, StopName: hostile, Lanes: [2]string{hostile, hostile}, More: hostile}
	b := Bars{ID: hostile, Title: hostile, Desc: hostile, Rows: []Bar{{hostile, 1, hostile}}}
	for name, p := range map[string]Picture{
		"graph": g.Draw(), "staircase": s.Draw(600), "bars": b.Draw(400),
		"sheet": Sheet(hostile, hostile, hostile, Part{hostile, []string{hostile}, g.Draw()}),
	} {
		count := wellFormed(t, p.SVG)
		if count["script"] > 0 || strings.ContainsAny(p.SVG, "\x00\x1b\u202e\u2066") || strings.Contains(p.SVG, "<script") {
			t.Errorf("%s lets hostile text through: %v", name, count)
		}
		var alone strings.Builder
		if _, err := p.WriteTo(&alone); err != nil {
			t.Fatal(err)
		}
		if count := wellFormed(t, alone.String()); count["style"] != 1 {
			t.Errorf("%s as a file: %v", name, count)
		}
	}
}

func TestWrapAndFit(t *testing.T) {
	for name, tc := range map[string]struct {
		in   string
		most float64
		want []string
	}{
		"short":        {"abc", 100, []string{"abc"}},
		"at a slash":   {"payments/Deployment/payments-api", 165, []string{"payments/Deployment/", "payments-api"}},
		"no break":     {"aaaaaaaaaaaaaaaaaaaa", 80, []string{"aaaaaaaaaa", "aaaaaaaaaa"}},
		"cut":          {"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", 80, []string{"aaaaaaaaaa", "aa…aaaaaa"}},
		"empty":        {"", 80, []string{""}},
		"no room":      {"abc", 1, []string{"…"}},
		"ideographs":   {"漢字漢字", 1000, []string{"漢字漢字"}},
		"control bits": {"a\x00b", 1000, []string{"a\uFFFDb"}},
	} {
		t.Run(name, func(t *testing.T) {
			got := wrap(tc.in, labelPx, tc.most, 2)
			if !slices.Equal(got, tc.want) {
				t.Errorf("%q, want %q", got, tc.want)
			}
			for _, line := range got {
				if w := width(line, labelPx); w > tc.most && line != "…" {
					t.Errorf("%q is %v wide of %v", line, w, tc.most)
				}
			}
		})
	}
}
