package network

import (
	"cmp"
	"slices"
)

// Hub is a part of the reachability of a cluster: every workload of Sources
// may connect to every one of Destinations on some port. Both are indexes
// into Snapshot.Workloads, sorted.
type Hub struct {
	Sources      []int
	Destinations []int
}

// rows holds, for each class, the classes that may connect to it on any port.
type rows struct {
	sources []set // of workloads, for each workload
}

// Hubs returns who may connect to whom, workloads with the same sources
// together: the vertices through which a graph stays small. A workload is in
// the Destinations of one hub at most, and never counts as its own source
// unless another one shares the hub. What depends on policies that are not
// evaluated counts as reachable.
func (e *Engine) Hubs() []Hub {
	byRow := map[string]int{}
	var hubs []Hub
	for w, row := range e.indexed().sources {
		// A workload reaches itself: that alone makes two destinations of one
		// hub differ, so it is added for the comparison.
		whole := row.clone()
		whole.add(w)
		at, known := byRow[whole.key()]
		if !known {
			at = len(hubs)
			byRow[whole.key()] = at
			hubs = append(hubs, Hub{Sources: members(whole)})
		}
		hubs[at].Destinations = append(hubs[at].Destinations, w)
	}
	hubs = slices.DeleteFunc(hubs, func(h Hub) bool { return len(h.Sources) == 1 }) // only itself
	slices.SortFunc(hubs, func(a, b Hub) int { return cmp.Compare(a.Destinations[0], b.Destinations[0]) })
	return hubs
}

// Sources returns the workloads, by index, that may connect to a workload on
// any port, itself left out.
func (e *Engine) Sources(destination int) []int { return members(e.indexed().sources[destination]) }

// CanReach reports whether any pod of one workload may connect to any pod of
// another on any port. A workload reaches itself.
func (e *Engine) CanReach(source, destination int) bool {
	return source == destination || e.indexed().sources[destination].has(source)
}

// Ports returns the ports on which source may connect to destination, as
// Connection.Conn writes them; "" for none.
func (e *Engine) Ports(source, destination int) string {
	ports, _ := e.workloads(source, destination)
	return e.ports.format(ports)
}

func members(s set) []int {
	var list []int
	s.each(func(i int) { list = append(list, i) })
	return list
}

func (e *Engine) indexed() *rows {
	e.once.Do(func() { e.rows = e.newRows() })
	return e.rows
}

func (e *Engine) newRows() *rows {
	classes := e.sourceClasses()
	loads := make([]set, len(e.world.classes)) // workloads of each class
	for c, cl := range e.world.classes {
		loads[c] = newSet(len(e.world.byLoad))
		for _, m := range cl.members {
			loads[c].add(e.world.endpoints[m].workload)
		}
	}
	r := &rows{sources: make([]set, len(e.world.byLoad))}
	memo := map[string]set{}
	for w := range r.sources {
		own := e.classesOf(w)
		row := newSet(len(e.world.byLoad))
		for _, c := range own {
			key := classes[c].key()
			if memo[key] == nil {
				sum := newSet(len(e.world.byLoad))
				classes[c].each(func(s int) { sum.or(loads[s]) })
				memo[key] = sum
			}
			row.or(memo[key])
		}
		r.sources[w] = row
	}
	e.addNodeMates(r)
	for w := range r.sources {
		r.sources[w][w/64] &^= 1 << (w % 64)
	}
	return r
}

// addNodeMates joins the pairs of which one shares the other's node.
func (e *Engine) addNodeMates(r *rows) {
	for a := range e.nodes {
		if len(e.nodes[a].host) == 0 {
			continue
		}
		for b := range e.nodes {
			if e.shareNode(a, b) {
				r.sources[a].add(b)
				r.sources[b].add(a)
			}
		}
	}
}

// sourceClasses returns, for each class, the classes that may connect to it.
// Only pairs that neither side allows on all ports need their ports compared.
func (e *Engine) sourceClasses() []set {
	n := len(e.world.classes)
	some, whole := e.egressColumns()
	everyone := fill(n)
	doubtful := newSet(n)
	for c := range n {
		if e.doubt[c] == mayChange {
			doubtful.add(c)
		}
	}
	rows := make([]set, n)
	for d := range n {
		if doubtful.has(d) {
			rows[d] = everyone
			continue
		}
		inSome, inWhole := e.classPart(e.sides[ingress][d])
		row := inWhole.clone()
		row.and(some[d])
		inSome.and(some[d])
		wide := inSome.clone()
		wide.and(whole[d])
		row.or(wide)
		inSome.andNot(row)
		inSome.each(func(s int) {
			if !e.between(s, d).empty() {
				row.add(s)
			}
		})
		row.or(doubtful)
		rows[d] = row
	}
	return rows
}

// classPart returns the classes that a side allows on some port, and those on
// every port.
func (e *Engine) classPart(s *side) (some, whole set) {
	n := len(e.world.classes)
	if s.open {
		return fill(n), fill(n)
	}
	some, whole = newSet(n), newSet(n)
	for _, g := range s.grants {
		into := []set{some}
		if g.ports.equal(e.ports.all) {
			into = append(into, whole)
		}
		for _, set := range into {
			for c := range set { // the classes come first in a set of peers
				set[c] |= g.peers[c]
			}
		}
	}
	// The last word of a set of peers may go on with address blocks.
	all := fill(n)
	some.and(all)
	whole.and(all)
	return some, whole
}

// egressColumns returns, for each class, the classes whose policies let them
// out to it on some port, and on every port.
func (e *Engine) egressColumns() (some, whole []set) {
	n := len(e.world.classes)
	some, whole = make([]set, n), make([]set, n)
	open := newSet(n)
	for c, s := range e.sides[egress] {
		if s.open {
			open.add(c)
		}
	}
	for c := range n {
		some[c], whole[c] = open.clone(), open.clone()
	}
	for s, side := range e.sides[egress] {
		if side.open {
			continue
		}
		outSome, outWhole := e.classPart(side)
		outSome.each(func(d int) { some[d].add(s) })
		outWhole.each(func(d int) { whole[d].add(s) })
	}
	return some, whole
}
