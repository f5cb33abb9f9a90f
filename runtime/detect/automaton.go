package detect

import "slices"

// Bounds of one automaton. Needles are cut to the longest of these lengths, in
// bytes, with which the table has room; what is cut only points at a test.
var needleLengths = []int{32, 16, 8, 4, 2}

// maxCells is the size of an automaton's table, four bytes each.
const maxCells = 4 << 20

// needle is a text that a predicate looks for in the folded values of a field.
type needle struct {
	text string // folded, never empty
	use  needleUse
}

// needleUse says what it means for a predicate that its needle was found.
type needleUse struct {
	pred  int32
	where where
}

// where in a value a needle must stand for its predicate to hold.
type where uint8

const (
	anywhere where = iota
	atStart
	atEnd
	within // anywhere, and then the predicate has to be tested
)

// automaton finds all its needles in one pass over a value, as Aho and Corasick
// did: a state for each beginning of a needle, in a dense table over classes of
// bytes. It is immutable.
type automaton struct {
	class  [256]uint8
	stride uint32
	// next[state+class] is the next state, as the place of its row, twice, and
	// one more where needles end there.
	next  []uint32
	found []ending // by state
}

// ending is what ends at a state.
type ending struct {
	length int32       // of the needle, cut as it is
	uses   []needleUse // of the needle that is the whole of the state
	rest   int32       // state of the longest shorter needle that ends here too; 0: none
}

// newAutomaton builds the automaton of some needles; nil for none.
func newAutomaton(needles []needle) *automaton {
	if len(needles) == 0 {
		return nil
	}
	for _, most := range needleLengths {
		if a := buildAutomaton(needles, most); a != nil {
			return a
		}
	}
	return nil // two bytes always have room: see buildAutomaton
}

// buildAutomaton returns nil where the table would be too large. With two bytes
// a needle there are at most 1+256+65,536 states, but no more classes than the
// needles have different bytes, so that the last length is not refused.
func buildAutomaton(needles []needle, most int) *automaton {
	a := &automaton{stride: 1}
	t := &needleTrie{kids: []map[uint8]int32{{}}, found: []ending{{}}}
	for _, n := range needles {
		if len(n.text) > most {
			n = needle{text: n.text[len(n.text)-most:], use: needleUse{n.use.pred, within}}
		}
		for i := range len(n.text) {
			if b := n.text[i]; a.class[b] == 0 && a.stride < 256 {
				a.class[b] = uint8(a.stride)
				a.stride++
			}
		}
		t.add(a, n)
		if most > needleLengths[len(needleLengths)-1] && len(t.kids)*int(a.stride) > maxCells {
			return nil
		}
	}
	a.found = t.found
	a.fill(t)
	return a
}

// needleTrie is an automaton that knows no way back yet.
type needleTrie struct {
	kids  []map[uint8]int32 // by state, then by class
	found []ending
}

func (t *needleTrie) add(a *automaton, n needle) {
	at := int32(0)
	for i := range len(n.text) {
		c := a.class[n.text[i]]
		next, ok := t.kids[at][c]
		if !ok {
			next = int32(len(t.kids))
			t.kids = append(t.kids, nil)
			t.found = append(t.found, ending{})
			if t.kids[at] == nil {
				t.kids[at] = map[uint8]int32{}
			}
			t.kids[at][c] = next
		}
		at = next
	}
	e := &t.found[at]
	e.length = int32(len(n.text))
	if !slices.Contains(e.uses, n.use) {
		e.uses = append(e.uses, n.use)
	}
}

// fill writes the table breadth first: where a state has no way on, its
// longest proper suffix that is a state has.
func (a *automaton) fill(t *needleTrie) {
	stride := int32(a.stride)
	a.next = make([]uint32, len(t.kids)*int(stride))
	suffix := make([]int32, len(t.kids))
	queue := make([]int32, 1, len(t.kids))
	for len(queue) > 0 {
		s := queue[0]
		queue = queue[1:]
		back := suffix[s]
		if len(a.found[back].uses) > 0 {
			a.found[s].rest = back
		} else {
			a.found[s].rest = a.found[back].rest
		}
		copy(a.next[s*stride:(s+1)*stride], a.next[back*stride:(back+1)*stride])
		for c, kid := range t.kids[s] {
			if s != 0 {
				suffix[kid] = int32(a.next[s*stride+int32(c)] / 2 / a.stride)
			}
			queue = append(queue, kid)
		}
		for c, kid := range t.kids[s] {
			a.next[s*stride+int32(c)] = uint32(kid*stride) * 2
		}
	}
	for i, to := range a.next {
		if e := &a.found[to/2/a.stride]; len(e.uses) > 0 || e.rest != 0 {
			a.next[i] |= 1
		}
	}
}
