package drawing

import "slices"

// Bounds of one drawing: more can't be read.
const (
	maxNodes = 150
	maxEdges = 400
)

// Distances in pixels.
const (
	margin   = 8
	beside   = 22 // between boxes of one layer
	lineGap  = 14 // between an arrow that only passes and its neighbours
	layerGap = 14 // between layers
)

// sweeps is how often the layers are put in order, down and up in turn.
// Crossings hardly ever fall after a dozen.
const sweeps = 16

// cell is a member of a layer: a box, the label of an arrow, or the place
// where an arrow passes.
type cell struct {
	node  int // index of the box, else -1
	edge  int // index of the arrow of a label or a passage, else -1
	layer int
	w, h  float64
	x, y  float64 // top left
}

func (c *cell) middle() float64 { return c.x + c.w/2 }

// link ties two cells of adjacent layers, the upper one first.
type link struct{ up, down int }

// layout is a graph in layers: every link goes from one layer to the next.
type layout struct {
	cells  []cell
	layers [][]int // cells by layer, from left to right
	links  []link
	above  [][]int // by cell: cells one layer up
	below  [][]int
	chains [][]int // by arrow: its cells from top to bottom, boxes included
	back   []bool  // by arrow: it points up, against the layers
	w, h   float64
}

// size is the room that a box or a label takes; zero for an arrow without one.
type size struct{ w, h float64 }

// arrange lays out boxes and arrows. Layers are those of the longest path,
// with a layer between any two for the labels of arrows; crossings are reduced
// by barycentre sweeps; places within a layer are the nearest to those of the
// neighbours that keep order and distance (Sugiyama, Tagawa and Toda, 1981).
func arrange(boxes []size, arrows [][2]int, labels []size) *layout {
	l := &layout{back: backward(len(boxes), arrows)}
	depth := l.depths(len(boxes), arrows)
	for i, b := range boxes {
		l.cells = append(l.cells, cell{node: i, edge: -1, layer: 2 * depth[i], w: b.w, h: b.h})
	}
	into := make([]int, len(boxes))
	for _, a := range arrows {
		into[a[1]]++
	}
	for i, a := range arrows {
		l.chain(i, a, labels[i], into[a[1]] == 1)
	}
	l.index()
	l.order()
	l.across()
	l.down()
	return l
}

// backward finds the arrows that close a cycle, in depth-first order: they
// are laid out as if they pointed the other way.
func backward(n int, arrows [][2]int) []bool {
	out := make([]bool, len(arrows))
	leaves := make([][]int, n)
	for i, a := range arrows {
		leaves[a[0]] = append(leaves[a[0]], i)
	}
	const open, done = 1, 2
	state := make([]int, n)
	var visit func(v int)
	visit = func(v int) { // as deep as there are boxes, which are bounded
		state[v] = open
		for _, i := range leaves[v] {
			switch to := arrows[i][1]; state[to] {
			case open:
				out[i] = true
			case 0:
				visit(to)
			}
		}
		state[v] = done
	}
	for v := range n {
		if state[v] == 0 {
			visit(v)
		}
	}
	return out
}

// ends are the upper and the lower box of an arrow.
func (l *layout) ends(i int, a [2]int) (up, down int) {
	if l.back[i] {
		return a[1], a[0]
	}
	return a[0], a[1]
}

// depths are the lengths of the longest paths that end in each box; a box that
// nothing leads to stands just above the first that it leads to.
func (l *layout) depths(n int, arrows [][2]int) []int {
	depth := make([]int, n)
	for range n {
		changed := false
		for i, a := range arrows {
			if up, down := l.ends(i, a); depth[down] < depth[up]+1 {
				depth[down], changed = depth[up]+1, true
			}
		}
		if !changed {
			break
		}
	}
	entered, nearest := make([]bool, n), make([]int, n)
	for i, a := range arrows {
		up, down := l.ends(i, a)
		entered[down] = true
		if nearest[up] == 0 || depth[down] < nearest[up] {
			nearest[up] = depth[down]
		}
	}
	for v := range depth {
		if !entered[v] && nearest[v] > 0 {
			depth[v] = nearest[v] - 1
		}
	}
	return depth
}

// chain adds the cells of one arrow: one a layer between its boxes, of which
// one carries the label. It stands near the box that it alone leads to, else
// near the box that it comes from.
func (l *layout) chain(i int, a [2]int, label size, alone bool) {
	up, down := l.ends(i, a)
	from, to := l.cells[up].layer, l.cells[down].layer
	at := from + 1
	if alone != l.back[i] {
		at = to - 1
	}
	row := []int{up}
	for layer := from + 1; layer < to; layer++ {
		c := cell{node: -1, edge: i, layer: layer, w: 2}
		if layer == at && label.w > 0 {
			c.w, c.h = label.w, label.h
		}
		row = append(row, len(l.cells))
		l.cells = append(l.cells, c)
	}
	row = append(row, down)
	for k := range row[1:] {
		l.links = append(l.links, link{row[k], row[k+1]})
	}
	l.chains = append(l.chains, row)
}

// index fills layers and neighbours; the first order is that of a walk from
// the top, which keeps what belongs together side by side.
func (l *layout) index() {
	l.above, l.below = make([][]int, len(l.cells)), make([][]int, len(l.cells))
	deepest := 0
	for _, k := range l.links {
		l.above[k.down] = append(l.above[k.down], k.up)
		l.below[k.up] = append(l.below[k.up], k.down)
	}
	for _, c := range l.cells {
		deepest = max(deepest, c.layer)
	}
	l.layers = make([][]int, deepest+1)
	seen := make([]bool, len(l.cells))
	var visit func(c int)
	visit = func(c int) {
		if seen[c] {
			return
		}
		seen[c] = true
		at := l.cells[c].layer
		l.layers[at] = append(l.layers[at], c)
		for _, d := range l.below[c] {
			visit(d)
		}
	}
	for c := range l.cells {
		if len(l.above[c]) == 0 {
			visit(c)
		}
	}
}

// order reduces crossings and keeps the best order found.
func (l *layout) order() {
	best, fewest := l.copied(), l.crossings()
	for n := range sweeps {
		if fewest == 0 {
			break
		}
		if n%2 == 0 {
			for i := 1; i < len(l.layers); i++ {
				l.sortBy(l.layers[i], l.above)
			}
		} else {
			for i := len(l.layers) - 2; i >= 0; i-- {
				l.sortBy(l.layers[i], l.below)
			}
		}
		if c := l.crossings(); c < fewest {
			best, fewest = l.copied(), c
		}
	}
	l.layers = best
}

func (l *layout) copied() [][]int {
	out := make([][]int, len(l.layers))
	for i, row := range l.layers {
		out[i] = slices.Clone(row)
	}
	return out
}

// ranks are the places of all cells in their layers.
func (l *layout) ranks() []int {
	out := make([]int, len(l.cells))
	for _, row := range l.layers {
		for i, c := range row {
			out[c] = i
		}
	}
	return out
}

// sortBy orders one layer by the mean place of the neighbours on one side;
// what has none keeps its place.
func (l *layout) sortBy(row []int, neighbours [][]int) {
	rank := l.ranks()
	mean := make(map[int]float64, len(row))
	for i, c := range row {
		mean[c] = float64(i)
		if n := len(neighbours[c]); n > 0 {
			sum := 0
			for _, d := range neighbours[c] {
				sum += rank[d]
			}
			mean[c] = float64(sum) / float64(n)
		}
	}
	slices.SortStableFunc(row, func(a, b int) int {
		switch {
		case mean[a] < mean[b]:
			return -1
		case mean[a] > mean[b]:
			return 1
		}
		return 0
	})
}

// crossings counts pairs of links between the same layers that cross.
func (l *layout) crossings() int {
	rank := l.ranks()
	gaps := make([][]link, len(l.layers))
	for _, k := range l.links {
		at := l.cells[k.up].layer
		gaps[at] = append(gaps[at], link{rank[k.up], rank[k.down]})
	}
	n := 0
	for _, gap := range gaps {
		for i, a := range gap {
			for _, b := range gap[i+1:] {
				if (a.up-b.up)*(a.down-b.down) < 0 {
					n++
				}
			}
		}
	}
	return n
}
