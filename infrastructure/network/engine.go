package network

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"

	networkingv1 "k8s.io/api/networking/v1"

	"github.com/scantling/scantling/infrastructure/kube"
	"github.com/scantling/scantling/model"
)

// Engine holds the reachability of one snapshot. It is immutable and safe to
// share.
type Engine struct {
	// Incomplete names the policies that are not evaluated.
	Incomplete []model.Incomplete

	world     *world
	ports     portSpace
	addresses addressSpace
	policies  []*policy
	namedAt   map[named]map[int]set // classes where a name is an atom
	sides     [2][]*side            // of each class
	doubt     []doubt               // of each class
	hasV6     bool
	nodes     []nodes // of each workload

	once sync.Once
	rows *rows
}

// side is what the policies that select a class allow it in one direction.
// Classes that the same policies select share one.
type side struct {
	open     bool  // no policy selects: everything is allowed
	policies []int // that select
	grants   []grant
}

// grant allows a set of peers on a set of ports.
type grant struct {
	ports set
	peers set
}

// Build computes who may connect to whom. It does no I/O and never fails:
// policies that can't be evaluated are in Incomplete, and answers about the
// pods that they may select are Depends.
func Build(s *kube.Snapshot) *Engine {
	e := &Engine{world: newWorld(s)}
	spaceOf := make(map[string]int, len(e.world.spaces))
	for i, n := range e.world.spaces {
		spaceOf[n.Name] = i
	}
	var refused []*kube.Object
	for _, o := range s.ByKind("NetworkPolicy") {
		np, is := o.Typed.(*networkingv1.NetworkPolicy)
		if !is {
			if strings.HasPrefix(o.APIVersion, "networking.k8s.io/") || strings.HasPrefix(o.APIVersion, "extensions/") {
				refused = append(refused, o) // kube has said why
			}
			continue
		}
		p, err := newPolicy(o, np, spaceOf[o.Namespace])
		if err != nil {
			refused = append(refused, o)
			e.Incomplete = append(e.Incomplete, model.Incomplete{
				What: where(o), Why: fmt.Sprintf("NetworkPolicy %s/%s is not valid, not evaluated: %v", o.Namespace, o.Name, err),
			})
			continue
		}
		e.policies = append(e.policies, p)
	}
	m := collect(e.policies)
	e.addresses = newAddressSpace(m.cidrs)
	e.world.classify(m.keys, m.names, &e.addresses)
	e.splitPorts(m)
	e.findDoubts(refused)
	for _, p := range e.policies {
		p.selects = e.world.pods(p.space, nil, p.pods)
	}
	e.fillSides()
	e.findNodes()
	e.hasV6 = slices.ContainsFunc(m.cidrs, func(c cidr) bool { return !c.prefix.Addr().Is4() }) ||
		slices.ContainsFunc(e.world.endpoints, func(p endpoint) bool {
			return slices.ContainsFunc(p.ips, netip.Addr.Is6)
		})
	return e
}

// where is "file:line" of an object.
func where(o *kube.Object) string {
	return o.Position.File + ":" + strconv.Itoa(o.Position.Line)
}

// splitPorts makes the port atoms, and finds the classes at which each port
// name that a rule mentions stands for an atom.
func (e *Engine) splitPorts(m mentions) {
	ranges := m.ranges
	for _, n := range m.names {
		for _, c := range e.world.classes {
			for _, number := range e.world.endpoints[c.member].ports[n] {
				ranges = append(ranges, portRange{n.protocol, number, number})
			}
		}
	}
	e.ports = newPortSpace(ranges)
	e.namedAt = make(map[named]map[int]set, len(m.names))
	for _, n := range m.names {
		at := map[int]set{}
		for i, c := range e.world.classes {
			for _, number := range e.world.endpoints[c.member].ports[n] {
				atom := e.ports.atom(n.protocol, number)
				if at[atom] == nil {
					at[atom] = e.world.none()
				}
				at[atom].add(i)
			}
		}
		e.namedAt[n] = at
	}
}

// block returns the peer number of an address block.
func (e *Engine) block(i int) int { return len(e.world.classes) + i }

// fillSides computes both sides of each class, once for each set of policies
// (and of the numbers of named ports, where an ingress rule names them).
func (e *Engine) fillSides() {
	selecting := [2][][]int{make([][]int, len(e.world.classes)), make([][]int, len(e.world.classes))}
	for i, p := range e.policies {
		for d := range p.applies {
			if p.applies[d] {
				p.selects.each(func(c int) { selecting[d][c] = append(selecting[d][c], i) })
			}
		}
	}
	for d := range selecting {
		shared := map[string]*side{}
		e.sides[d] = make([]*side, len(e.world.classes))
		for c, policies := range selecting[d] {
			key := e.sideKey(direction(d), policies, c)
			if shared[key] == nil {
				shared[key] = e.newSide(direction(d), policies, c)
			}
			e.sides[d][c] = shared[key]
		}
	}
}

func (e *Engine) sideKey(d direction, policies []int, c int) string {
	var b strings.Builder
	for _, i := range policies {
		b.WriteString(strconv.Itoa(i) + " ")
		if d == egress {
			continue
		}
		for _, r := range e.policies[i].rules[d] {
			for _, n := range r.names {
				fmt.Fprintf(&b, "%v ", e.world.endpoints[e.world.classes[c].member].ports[n])
			}
		}
	}
	return b.String()
}

func (e *Engine) newSide(d direction, policies []int, c int) *side {
	s := &side{policies: policies, open: len(policies) == 0}
	byPorts := map[string]int{}
	add := func(ports, peers set) {
		if ports.empty() || peers.empty() {
			return
		}
		at, known := byPorts[ports.key()]
		if !known {
			at = len(s.grants)
			byPorts[ports.key()] = at
			s.grants = append(s.grants, grant{ports: ports, peers: e.world.none()})
		}
		s.grants[at].peers.or(peers)
	}
	for _, i := range policies {
		for _, r := range e.policies[i].rules[d] {
			peers := e.peersOf(e.policies[i], r)
			add(e.numbered(d, r, c), peers)
			if d == egress {
				e.eachNamed(r, peers, add)
			}
		}
	}
	return s
}

// peersOf returns the classes and address blocks that a rule lets in or out.
func (e *Engine) peersOf(p *policy, r rule) set {
	if r.anyone {
		return e.world.all
	}
	peers := e.world.none()
	for _, from := range r.peers {
		if !from.block.IsValid() {
			peers.or(e.world.pods(p.space, from.namespaces, from.pods))
			continue
		}
		peers.or(e.blockPeers(from))
	}
	return peers
}

// blockPeers returns the address blocks of an ipBlock without its exceptions,
// and the classes whose pods have an address there.
func (e *Engine) blockPeers(from peer) set {
	blocks := newSet(len(e.addresses.blocks))
	mark := func(first, end int, in bool) {
		for i := first; i < end; i++ {
			blocks[i/64] &^= 1 << (i % 64)
			if in {
				blocks.add(i)
			}
		}
	}
	first, end := e.addresses.within(from.block)
	mark(first, end, true)
	for _, prefix := range from.except {
		first, end := e.addresses.within(prefix)
		mark(first, end, false)
	}
	peers := e.world.none()
	blocks.each(func(i int) { peers.add(e.block(i)) })
	for c, cl := range e.world.classes {
		if slices.ContainsFunc(cl.blocks, blocks.has) {
			peers.add(c)
		}
	}
	return peers
}

// numbered returns the ports of a rule that don't depend on the peer: for
// ingress that includes the named ones, which are those of the selected pod.
func (e *Engine) numbered(d direction, r rule, c int) set {
	if r.all {
		return e.ports.all
	}
	ports := e.ports.none()
	for _, p := range r.ports {
		e.ports.add(ports, p)
	}
	if d == ingress {
		for _, n := range r.names {
			for atom, classes := range e.namedAt[n] {
				if classes.has(c) {
					ports.add(atom)
				}
			}
		}
	}
	return ports
}

// eachNamed grants the named ports of an egress rule, each to the peers at
// which the name stands for that port. Addresses have no named ports.
func (e *Engine) eachNamed(r rule, peers set, add func(ports, peers set)) {
	for _, n := range r.names {
		for atom, classes := range e.namedAt[n] {
			ports, at := e.ports.none(), peers.clone()
			ports.add(atom)
			at.and(classes)
			add(ports, at)
		}
	}
}

// allowed adds the ports that s allows with a peer to into.
func (s *side) allowed(peer int, all, into set) {
	if s.open {
		into.or(all)
		return
	}
	for _, g := range s.grants {
		if g.peers.has(peer) {
			into.or(g.ports)
		}
	}
}

// half returns the ports that one direction allows between two peers: the
// policies of the destination for ingress, of the source for egress. An
// address has no policies.
func (e *Engine) half(d direction, source, destination int) set {
	own, other := destination, source
	if d == egress {
		own, other = source, destination
	}
	if own >= len(e.world.classes) {
		return e.ports.all
	}
	side := e.sides[d][own]
	if side.open {
		return e.ports.all
	}
	ports := e.ports.none()
	side.allowed(other, e.ports.all, ports)
	return ports
}

// between returns the ports on which source may connect to destination; both
// are classes or address blocks.
func (e *Engine) between(source, destination int) set {
	out := e.half(egress, source, destination)
	if out.empty() {
		return out
	}
	in := e.half(ingress, source, destination).clone()
	in.and(out)
	return in
}
