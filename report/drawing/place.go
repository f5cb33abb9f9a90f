package drawing

import "math"

// rounds is how often the places across are drawn to their neighbours.
const rounds = 12

// across finds the horizontal place of every cell.
func (l *layout) across() {
	for _, row := range l.layers {
		at := 0.0
		for i, c := range row {
			if i > 0 {
				at += l.between(row[i-1], c)
			}
			l.cells[c].x = at
			at += l.cells[c].w
		}
	}
	for n := range rounds {
		if n%2 == 0 {
			for i := 1; i < len(l.layers); i++ {
				l.pull(l.layers[i], l.above)
			}
		} else {
			for i := len(l.layers) - 2; i >= 0; i-- {
				l.pull(l.layers[i], l.below)
			}
		}
	}
	left := math.Inf(1)
	for i := range l.cells {
		left = min(left, l.cells[i].x)
	}
	for i := range l.cells {
		c := &l.cells[i]
		c.x = math.Round(c.x-left) + margin
		l.w = max(l.w, c.x+c.w+margin)
	}
}

// between is the distance that two neighbours of a layer keep.
func (l *layout) between(a, b int) float64 {
	if l.cells[a].h == 0 || l.cells[b].h == 0 {
		return lineGap
	}
	return beside
}

// pull moves the cells of a layer as near as order and distance allow to the
// middle of their neighbours on one side: the least sum of squares, by pooling
// adjacent violators. Arrows that only pass weigh more, so that they go
// straight.
func (l *layout) pull(row []int, neighbours [][]int) {
	type block struct {
		sum, weight float64
		n           int
	}
	blocks := make([]block, 0, len(row))
	offset := make([]float64, len(row)) // of the left edge, if all stood side by side
	for i, c := range row {
		if i > 0 {
			offset[i] = offset[i-1] + l.cells[row[i-1]].w + l.between(row[i-1], c)
		}
		want, weight := l.cells[c].x, .1
		if n := len(neighbours[c]); n > 0 {
			sum := 0.0
			for _, d := range neighbours[c] {
				sum += l.cells[d].middle()
			}
			want, weight = sum/float64(n)-l.cells[c].w/2, 1
			if l.cells[c].node < 0 {
				weight = 3
			}
		}
		b := block{(want - offset[i]) * weight, weight, 1}
		for len(blocks) > 0 {
			last := blocks[len(blocks)-1]
			if last.sum/last.weight <= b.sum/b.weight {
				break
			}
			b = block{b.sum + last.sum, b.weight + last.weight, b.n + last.n}
			blocks = blocks[:len(blocks)-1]
		}
		blocks = append(blocks, b)
	}
	i := 0
	for _, b := range blocks {
		for range b.n {
			l.cells[row[i]].x = b.sum/b.weight + offset[i]
			i++
		}
	}
}

// down finds the vertical place of every cell: layers one below the other, each
// as high as its highest member, which the others are centred on.
func (l *layout) down() {
	at := float64(margin)
	for i, row := range l.layers {
		high := 0.0
		for _, c := range row {
			high = max(high, l.cells[c].h)
		}
		if i > 0 {
			at += l.gap(i)
		}
		for _, c := range row {
			l.cells[c].y = at + (high-l.cells[c].h)/2
		}
		at += high
	}
	l.h = at + margin
}

// gap is the room above a layer: more where arrows go far across.
func (l *layout) gap(layer int) float64 {
	far := 0.0
	for _, c := range l.layers[layer] {
		for _, d := range l.above[c] {
			far = max(far, math.Abs(l.cells[c].middle()-l.cells[d].middle()))
		}
	}
	return math.Round(min(layerGap+far/10, 3*layerGap))
}
