package network

import (
	"cmp"
	"math/bits"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
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
// the destination's ingress side share a port. Classes share sides, so for
// every set of ports that egress grants name, the matrix of the grants of
// sides (from side to destinations) is transposed, 64 by 64, and the classes
// of each side that comes out meet the destination's grants as a whole.
func (e *Engine) sourceClasses() []set {
	n := len(e.world.classes)
	rows := make([]set, n)
	for d := range rows {
		rows[d] = newSet(n)
	}
	classes := e.classesOfSides()
	ofSide, lists := e.ingressGrants()
	for _, out := range e.egressGrants(classes) {
		meeting := make([][]set, len(lists)) // peers that share a port, by ingress side
		for i, grants := range lists {
			for _, g := range grants {
				if g.ports.intersects(out.ports) {
					meeting[i] = append(meeting[i], g.peers)
				}
			}
		}
		e.meet(out, func(d int) []set { return meeting[ofSide[d]] }, rows)
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

// crew is the classes that share one egress side.
type crew struct {
	side *side
	list []int
	all  set
}

// classesOfSides groups the classes by their egress sides.
func (e *Engine) classesOfSides() []*crew {
	var crews []*crew
	at := map[*side]*crew{}
	for c, s := range e.sides[egress] {
		if at[s] == nil {
			at[s] = &crew{side: s}
			crews = append(crews, at[s])
		}
		at[s].list = append(at[s].list, c)
	}
	for _, c := range crews {
		if len(c.list) > len(e.world.classes)/64 { // else they are asked one by one
			c.all = newSet(len(e.world.classes))
			for _, k := range c.list {
				c.all.add(k)
			}
		}
	}
	return crews
}

// ingressGrants numbers the ingress sides: that of each class, and the grants
// of each.
func (e *Engine) ingressGrants() (ofSide []int, grants [][]grant) {
	number := map[*side]int{}
	for _, s := range e.sides[ingress] {
		at, known := number[s]
		if !known {
			at = len(grants)
			number[s] = at
			grants = append(grants, s.grants)
		}
		ofSide = append(ofSide, at)
	}
	return ofSide, grants
}

// outward is every grant of egress on one set of ports.
type outward struct {
	ports  set
	blocks []crewBlock
}

// crewBlock holds the grants of up to 64 sides.
type crewBlock struct {
	crews []*crew
	peers []set
}

// egressGrants gathers the grants of all sides by their ports.
func (e *Engine) egressGrants(crews []*crew) []*outward {
	var list []*outward
	byPorts := map[*uint64]*outward{}
	for _, c := range crews {
		for _, g := range c.side.grants {
			out := byPorts[&g.ports[0]]
			if out == nil {
				out = &outward{ports: g.ports}
				byPorts[&g.ports[0]] = out
				list = append(list, out)
			}
			if last := len(out.blocks) - 1; last < 0 || len(out.blocks[last].crews) == 64 {
				out.blocks = append(out.blocks, crewBlock{})
			}
			b := &out.blocks[len(out.blocks)-1]
			b.crews, b.peers = append(b.crews, c), append(b.peers, g.peers)
		}
	}
	return list
}

// meet adds the sources that reach destinations on the ports of out, whose
// grants there are those of meeting. Processors share the destinations.
func (e *Engine) meet(out *outward, meeting func(d int) []set, rows []set) {
	var words atomic.Int64
	var work sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		work.Go(func() {
			var square [64]uint64
			for {
				word := int(words.Add(1)) - 1
				if word*64 >= len(rows) {
					return
				}
				for b := range out.blocks {
					out.blocks[b].meet(word, &square, meeting, rows)
				}
			}
		})
	}
	work.Wait()
}

// meet adds the sources of the block to 64 destinations.
func (b *crewBlock) meet(word int, square *[64]uint64, meeting func(d int) []set, rows []set) {
	if !b.gather(word, square) {
		return
	}
	transpose(square)
	for i := range min(64, len(rows)-word*64) {
		d := word*64 + i
		for sides := square[i]; sides != 0; sides &= sides - 1 {
			from := b.crews[bits.TrailingZeros64(sides)]
			for _, peers := range meeting(d) {
				from.pass(peers, rows[d])
			}
		}
	}
}

// pass adds those of the classes that are among some peers.
func (c *crew) pass(peers, row set) {
	if c.all == nil {
		for _, k := range c.list {
			if peers.has(k) {
				row.add(k)
			}
		}
		return
	}
	for k, w := range c.all {
		row[k] |= w & peers[k]
	}
}

// gather fills a square with the bits of the sides about 64 destinations, and
// reports whether there are any.
func (b *crewBlock) gather(word int, square *[64]uint64) bool {
	*square = [64]uint64{}
	found := uint64(0)
	for i, peers := range b.peers {
		square[i] = peers[word]
		found |= peers[word]
	}
	return found != 0
}

// spread turns sets of classes into sets of workloads. Where classes in a row
// have one workload each, in the same order, their bits are copied as they
// stand.
type spread struct {
	size      int
	runs      []span
	rest      []int // classes that are in no run
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
