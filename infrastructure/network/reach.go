package network

import (
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

// rows holds who may connect to whom on any port. Sets are not changed once
// they are in it, so that a later engine may share them.
type rows struct {
	classes []set // by class: the classes that may connect to it
	sources []set // by workload: the workloads that may connect to it, itself left out
}

// Hubs returns who may connect to whom, workloads with the same sources
// together: the vertices through which a graph stays small. A workload is in
// the Destinations of one hub at most, and never counts as its own source
// unless another one shares the hub. What depends on anything counts as
// reachable.
func (e *Engine) Hubs() []Hub {
	sources := e.indexed().sources
	byHash := map[uint64][]int{} // hubs
	var hubs []Hub
	for w, row := range sources {
		hash := row.hashWith(w)
		at := slices.IndexFunc(byHash[hash], func(h int) bool {
			first := hubs[h].Destinations[0]
			return row.equalWith(w, sources[first], first)
		})
		if at < 0 {
			byHash[hash] = append(byHash[hash], len(hubs))
			hubs = append(hubs, Hub{Destinations: []int{w}})
			continue
		}
		h := &hubs[byHash[hash][at]]
		h.Destinations = append(h.Destinations, w)
	}
	hubs = slices.DeleteFunc(hubs, func(h Hub) bool { // only itself
		return len(h.Destinations) == 1 && sources[h.Destinations[0]].empty()
	})
	for i := range hubs {
		// A workload reaches itself: that alone makes two destinations of one
		// hub differ.
		first := hubs[i].Destinations[0]
		hubs[i].Sources = sources[first].membersWith(first)
	}
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
	e.once.Do(func() {
		if e.rows.Load() == nil { // else With made them of those of the engine before
			e.rows.Store(e.newRows())
		}
	})
	return e.rows.Load()
}

func (e *Engine) newRows() *rows {
	r := &rows{classes: e.sourceClasses(), sources: make([]set, len(e.world.byLoad))}
	turn := e.newTurner(r.classes)
	for w := range r.sources {
		r.sources[w] = turn.sources(w)
	}
	return r
}

// turner turns the sources of classes into those of workloads.
type turner struct {
	e      *Engine
	rows   []set
	spread *spread
	memo   map[string]set      // workloads, by classes: many have the same
	mates  bool                // pods on a node and on its network reach each other
	onNode map[string][2][]int // workloads on a node, and those of them on its network
}

func (e *Engine) newTurner(rows []set) *turner {
	t := &turner{e: e, rows: rows, spread: e.newSpread(), memo: map[string]set{}, mates: slices.ContainsFunc(e.readings, e.opensNode)}
	if !t.mates {
		return t
	}
	t.onNode = map[string][2][]int{}
	for w, n := range e.nodes {
		for _, name := range n.all {
			on := t.onNode[name]
			on[0] = append(on[0], w)
			t.onNode[name] = on
		}
		for _, name := range n.host {
			on := t.onNode[name]
			on[1] = append(on[1], w)
			t.onNode[name] = on
		}
	}
	return t
}

// sources is the row of one workload.
func (t *turner) sources(workload int) set {
	row := newSet(len(t.e.world.byLoad))
	for _, c := range t.e.standIns(workload) {
		key := t.rows[c].key()
		if t.memo[key] == nil {
			t.memo[key] = t.spread.of(t.rows[c])
		}
		row.or(t.memo[key])
	}
	if t.mates {
		for _, name := range t.e.nodes[workload].host {
			row.addAll(t.onNode[name][0])
		}
		for _, name := range t.e.nodes[workload].all {
			row.addAll(t.onNode[name][1])
		}
	}
	row.remove(workload)
	return row
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
		if unseen := e.unseenBy(d); unseen != nil {
			row.andNot(unseen[:len(row)])
		}
	}
	return rows
}

// unseenBy returns the classes that are no sources of one, nil for none: pods
// on the host's network are seen by all policies or by none.
func (e *Engine) unseenBy(destination int) set {
	switch c := e.world.classes[destination]; {
	case len(e.readings) == 1 && e.readings[0] == written, c.host && !c.ghost:
		return e.world.ghosts
	case len(e.readings) == 1, c.ghost:
		return e.world.hosts
	}
	return nil
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
			out.addAll(s.workloads[c])
		}
	}
	return out
}
