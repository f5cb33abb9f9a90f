package network

import "slices"

// How many sides of classes may be new before all rows are made anew, which
// takes 64 of them at a time: fewChanged, or one of each part of the classes.
const (
	fewChanged  = 64
	partChanged = 16
)

// changeRows makes the rows of an engine of the rows of the one before it,
// which differs in the sides that aren't kept: rows of the destinations with
// new sides for ingress, and in all others the columns of the sources with new
// sides for egress.
func (e *Engine) changeRows(before *rows, kept *[2][]*side) *rows {
	var fresh [2][]int
	for d := range kept {
		for c, s := range kept[d] {
			if s == nil {
				fresh[d] = append(fresh[d], c)
			}
		}
	}
	if len(fresh[ingress])+len(fresh[egress]) > max(fewChanged, len(e.world.classes)/partChanged) {
		return e.newRows()
	}
	r := &rows{classes: slices.Clone(before.classes), sources: slices.Clone(before.sources)}
	changed := map[int]bool{} // rows that are no longer shared with the engine before
	for _, d := range fresh[ingress] {
		r.classes[d] = e.sourcesOf(d)
		changed[d] = true
	}
	for _, c := range fresh[egress] {
		for d := range r.classes {
			may := e.meets(c, d)
			if may == r.classes[d].has(c) {
				continue
			}
			if !changed[d] {
				r.classes[d], changed[d] = r.classes[d].clone(), true
			}
			if may {
				r.classes[d].add(c)
			} else {
				r.classes[d].remove(c)
			}
		}
	}
	turn := e.newTurner(r.classes)
	for w := range r.sources {
		if slices.ContainsFunc(e.standIns(w), func(c int) bool { return changed[c] }) {
			r.sources[w] = turn.sources(w)
		}
	}
	return r
}

// sourcesOf returns the classes that may connect to one.
func (e *Engine) sourcesOf(destination int) set {
	row := newSet(len(e.world.classes))
	for c := range e.world.classes {
		if e.meets(c, destination) {
			row.add(c)
		}
	}
	return row
}

// meets reports whether one class may connect to another on any port.
func (e *Engine) meets(source, destination int) bool {
	if unseen := e.unseenBy(destination); unseen != nil && unseen.has(source) {
		return false
	}
	for _, out := range e.sides[egress][source].grants {
		if !out.peers.has(destination) {
			continue
		}
		for _, in := range e.sides[ingress][destination].grants {
			if in.peers.has(source) && in.ports.intersects(out.ports) {
				return true
			}
		}
	}
	return false
}
