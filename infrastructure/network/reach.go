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

// rows holds, for each workload, the workloads that may connect to it on any
// port, itself left out.
type rows struct{ sources []set }

// Hubs returns who may connect to whom, workloads with the same sources
// together: the vertices through which a graph stays small. A workload is in
// the Destinations of one hub at most, and never counts as its own source
// unless another one shares the hub. What depends on anything counts as
// reachable.
func (e *Engine) Hubs() []Hub {
	byRow := map[string]int{}
	var hubs []Hub
	for w, row := range e.indexed().sources {
		// A workload reaches itself: that alone makes two destinations of one
		// hub differ, so it is added for the comparison.
		whole := row.clone()
		whole.add(w)
		key := whole.key()
		at, known := byRow[key]
		if !known {
			at = len(hubs)
			byRow[key] = at
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
// Connection.Conn writes them; "" for none. What depends on anything counts.
func (e *Engine) Ports(source, destination int) string {
	return e.ports.format(e.reach(source, destination))
}

func members(s set) []int {
	list := make([]int, 0, s.count())
	s.each(func(i int) { list = append(list, i) })
	return list
}

func (e *Engine) indexed() *rows {
	e.once.Do(func() { e.rows = e.newRows() })
	return e.rows
}

func (e *Engine) newRows() *rows {
	classes := e.sourceClasses()
	spread := e.newSpread()
	r := &rows{sources: make([]set, len(e.world.byLoad))}
	memo := map[string]set{}
	for w := range r.sources {
		row := newSet(len(e.world.byLoad))
		for _, c := range e.standIns(w) {
			key := classes[c].key()
			if memo[key] == nil {
				memo[key] = spread.of(classes[c])
			}
			row.or(memo[key])
		}
		r.sources[w] = row
	}
	e.addNodeMates(r)
	for w := range r.sources {
		r.sources[w].remove(w)
	}
	return r
}

// addNodeMates joins the pairs of which one shares the other's node.
func (e *Engine) addNodeMates(r *rows) {
	if !slices.ContainsFunc(e.readings, e.opensNode) {
		return
	}
	onNode := map[string][]int{}
	for w := range e.nodes {
		for _, n := range e.nodes[w].all {
			onNode[n] = append(onNode[n], w)
		}
	}
	for a := range e.nodes {
		for _, n := range e.nodes[a].host {
			for _, b := range onNode[n] {
				r.sources[a].add(b)
				r.sources[b].add(a)
			}
		}
	}
}

// sourceClasses returns, for each class, the classes that may connect to it.
//
// A source reaches a destination where a grant of its egress side and one of
// the destination's ingress side share a port. So for every set of ports that
// egress grants name, the matrix of its grants (from source to destinations)
// is transposed, 64 by 64, and each column that comes out meets the
// destination's grants as a whole.
func (e *Engine) sourceClasses() []set {
	n := len(e.world.classes)
	rows := make([]set, n)
	for d := range rows {
		rows[d] = newSet(n)
	}
	for _, out := range e.egressGrants() {
		e.meet(out, rows)
	}
	for d, row := range rows {
		// Pods on the host's network are seen by all policies or by none.
		switch c := e.world.classes[d]; {
		case len(e.readings) == 1 && e.readings[0] == written, c.host && !c.ghost:
			row.andNot(e.world.ghosts[:len(row)])
		case len(e.readings) == 1, c.ghost:
			row.andNot(e.world.hosts[:len(row)])
		}
	}
	return rows
}

// outward is every grant of egress on one set of ports.
type outward struct {
	ports  set
	blocks []sourceBlock
}

// sourceBlock holds the grants of 64 classes in a row.
type sourceBlock struct {
	word  int // of a set of classes
	peers [64]set
}

// egressGrants gathers the grants of all classes by their ports.
func (e *Engine) egressGrants() []*outward {
	var list []*outward
	byPorts := map[*uint64]*outward{}
	for c, s := range e.sides[egress] {
		for _, g := range s.grants {
			out := byPorts[&g.ports[0]]
			if out == nil {
				out = &outward{ports: g.ports}
				byPorts[&g.ports[0]] = out
				list = append(list, out)
			}
			if last := len(out.blocks) - 1; last < 0 || out.blocks[last].word != c/64 {
				out.blocks = append(out.blocks, sourceBlock{word: c / 64})
			}
			out.blocks[len(out.blocks)-1].peers[c%64] = g.peers
		}
	}
	return list
}

// meet adds the sources that reach destinations on the ports of out.
func (e *Engine) meet(out *outward, rows []set) {
	shares := map[*uint64]bool{} // with the ports of an ingress grant
	meeting := make([][]set, len(rows))
	for d := range rows {
		for _, g := range e.sides[ingress][d].grants {
			has, known := shares[&g.ports[0]]
			if !known {
				has = g.ports.intersects(out.ports)
				shares[&g.ports[0]] = has
			}
			if has {
				meeting[d] = append(meeting[d], g.peers)
			}
		}
	}
	var square [64]uint64
	for b := range out.blocks {
		from := &out.blocks[b]
		for word := 0; word*64 < len(rows); word++ {
			if !from.gather(word, &square) {
				continue
			}
			transpose(&square)
			for d := word * 64; d < min(len(rows), word*64+64); d++ {
				if square[d%64] == 0 {
					continue
				}
				for _, peers := range meeting[d] {
					rows[d][from.word] |= square[d%64] & peers[from.word]
				}
			}
		}
	}
}

// gather fills a square with the bits of 64 sources about 64 destinations, and
// reports whether there are any.
func (b *sourceBlock) gather(word int, square *[64]uint64) bool {
	found := uint64(0)
	for i, peers := range &b.peers {
		square[i] = 0
		if peers != nil {
			square[i] = peers[word]
			found |= peers[word]
		}
	}
	return found != 0
}

// spread turns sets of classes into sets of workloads. Where classes in a row
// have one workload each, in the same order, their bits are copied as they
// stand.
type spread struct {
	size int
	runs []span
	rest []int // classes that are in no run
	workloads [][]int
}

// span is a row of classes that are workloads in a row.
type span struct{ class, workload, length int }

func (e *Engine) newSpread() *spread {
	s := &spread{size: len(e.world.byLoad), workloads: make([][]int, len(e.world.classes))}
	for c, cl := range e.world.classes {
		for _, m := range cl.members {
			if w := e.world.endpoints[m].workload; len(s.workloads[c]) == 0 || s.workloads[c][len(s.workloads[c])-1] != w {
				s.workloads[c] = append(s.workloads[c], w)
			}
		}
	}
	for c := 0; c < len(s.workloads); {
		length := 0
		for c+length < len(s.workloads) && len(s.workloads[c+length]) == 1 && s.workloads[c+length][0] == s.workloads[c][0]+length {
			length++
		}
		if length > 0 {
			s.runs = append(s.runs, span{c, s.workloads[c][0], length})
			c += length
			continue
		}
		s.rest = append(s.rest, c)
		c++
	}
	return s
}

func (s *spread) of(classes set) set {
	out := newSet(s.size)
	for _, r := range s.runs {
		out.copyBits(r.workload, classes, r.class, r.length)
	}
	for _, c := range s.rest {
		if classes.has(c) {
			for _, w := range s.workloads[c] {
				out.add(w)
			}
		}
	}
	return out
}
