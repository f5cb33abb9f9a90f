package network

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/scantling/scantling/infrastructure/kube"
	"github.com/scantling/scantling/infrastructure/network/policy"
	"github.com/scantling/scantling/model"
)

// Engine holds the reachability of one snapshot. It is immutable and safe to
// share.
type Engine struct {
	// Incomplete names the policies that can't be evaluated.
	Incomplete []model.Incomplete

	world     *world
	ports     portSpace
	addresses addressSpace
	policies  []policy.Policy
	parts     [2][]*part            // sides of policies, in the order in which they are asked
	namedAt   map[named]map[int]set // classes where a name is an atom
	sides     [2][]*side            // of each class
	readings  []reading             // that answers are given for, the first is that of List
	unsettled bool                  // some policy leaves open whether it sees the host's network
	hasV6     bool
	mentioned mentions
	nodes     []nodes // of each workload
	interned  map[string]set

	once sync.Once
	rows atomic.Pointer[rows]
}

const (
	ingress = policy.Ingress
	egress  = policy.Egress
)

// part is one side of one policy, ready to be evaluated.
type part struct {
	policy  *policy.Policy
	side    *policy.Side
	subject set        // classes
	rules   []compiled // by order and turn
}

type compiled struct {
	*policy.Rule
	peers set // that it matches
	maybe set // that it may match besides; nil for none
	ports set // without those of a name
	names []named
}

// Build computes who may connect to whom. It does no I/O and never fails:
// policies that can't be evaluated are in Incomplete, and answers that they
// could change are Depends.
func Build(s *kube.Snapshot) *Engine {
	policies, marks, incomplete := read(s, nil)
	return evaluate(s, policies, marks, incomplete)
}

func evaluate(s *kube.Snapshot, policies []policy.Policy, marks []policy.Marker, incomplete []model.Incomplete) *Engine {
	e := &Engine{world: newWorld(s, marks), policies: policies, readings: []reading{written, unseen}, interned: map[string]set{}}
	m := collect(policies)
	m.addNodes(e.world.nodes)
	e.mentioned = m
	e.addresses = newAddressSpace(m.cidrs)
	e.world.classify(&m, &e.addresses)
	e.splitPorts(&m)
	e.compile(nil)
	e.fillSides(nil)
	e.findNodes()
	e.tell(&m, incomplete)
	return e
}

// tell notes what is known of the policies as a whole.
func (e *Engine) tell(m *mentions, incomplete []model.Incomplete) {
	e.Incomplete = incomplete
	if (m.nodes[ingress] || m.nodes[egress]) && len(e.world.nodes) == 0 {
		e.Incomplete = append(e.Incomplete, model.Incomplete{What: "network nodes", Why: "policies name nodes, and there is no Node in the snapshot: such rules match none"})
	}
	if what := e.beyond(); what != "" {
		e.Incomplete = append(e.Incomplete, model.Incomplete{What: "network policies", Why: fmt.Sprintf("those that select %s have too many rules on too many ports (more than %d asked): what they say isn't evaluated, and depends", what, maxAsked)})
	}
	e.hasV6 = slices.ContainsFunc(m.cidrs, func(c cidr) bool { return !c.prefix.Addr().Is4() }) ||
		slices.ContainsFunc(e.world.endpoints, func(p endpoint) bool { return slices.ContainsFunc(p.ips, netip.Addr.Is6) })
	e.unsettled = slices.ContainsFunc(e.policies, func(p policy.Policy) bool { return p.Unsettled })
}

// beyond names a pod whose policies have more rules than are asked; "" for none.
func (e *Engine) beyond() string {
	for i, c := range e.world.classes {
		if e.sides[ingress][i].beyond || e.sides[egress][i].beyond {
			return e.party(c.member).name
		}
	}
	return ""
}

// splitPorts makes the port atoms, and finds the classes at which each port
// name that a rule mentions stands for an atom.
func (e *Engine) splitPorts(m *mentions) {
	ranges := m.ranges
	e.namedAt = make(map[named]map[int]set, len(m.names))
	for _, n := range m.names {
		e.namedAt[n] = map[int]set{}
	}
	each := func(f func(c int, n named, number int)) {
		for i, c := range e.world.classes {
			for n, numbers := range e.world.endpoints[c.member].ports {
				if e.namedAt[n] == nil {
					continue
				}
				for _, number := range numbers {
					f(i, n, number)
				}
			}
		}
	}
	each(func(_ int, n named, number int) { ranges = append(ranges, portRange{n.protocol, number, number}) })
	e.ports = newPortSpace(ranges)
	each(func(c int, n named, number int) {
		atom := e.ports.atom(n.protocol, number)
		if e.namedAt[n][atom] == nil {
			e.namedAt[n][atom] = e.world.none()
		}
		e.namedAt[n][atom].add(c)
	})
}

// block returns the peer number of an address block.
func (e *Engine) block(i int) int { return len(e.world.classes) + i }

// compile resolves what policies say to sets, and puts their sides in order.
// Known holds, by index, the sides of policies that were compiled before.
func (e *Engine) compile(known map[int][2]*part) {
	for i := range e.policies {
		p := &e.policies[i]
		for d, side := range p.Sides {
			switch {
			case side == nil:
			case known[i][d] != nil:
				e.parts[d] = append(e.parts[d], known[i][d])
			default:
				e.parts[d] = append(e.parts[d], e.newPart(p, side))
			}
		}
	}
	for d := range e.parts {
		slices.SortStableFunc(e.parts[d], func(a, b *part) int {
			return cmp.Or(cmp.Compare(a.policy.Layer, b.policy.Layer), cmp.Compare(a.side.Tier, b.side.Tier))
		})
	}
}

func (e *Engine) newPart(p *policy.Policy, side *policy.Side) *part {
	t := &part{policy: p, side: side, subject: e.world.seen(p.Subject, p.Hosts, p.Unsettled)}
	for i := range side.Rules {
		r := &side.Rules[i]
		c := compiled{Rule: r, ports: e.ports.all}
		c.peers, c.maybe = e.peersOf(p, r)
		if r.Ports != nil {
			c.ports = e.ports.none()
		}
		for _, port := range r.Ports {
			protocol := protocolIndex(port.Protocol)
			switch {
			case protocol < 0:
			case port.Name != "":
				c.names = append(c.names, named{port.Name, protocol})
			default:
				e.ports.add(c.ports, portRange{protocol, port.Low, port.High})
			}
		}
		c.ports = e.intern(c.ports)
		t.rules = append(t.rules, c)
	}
	slices.SortStableFunc(t.rules, func(a, b compiled) int { return cmp.Or(cmp.Compare(a.Order, b.Order), cmp.Compare(a.Turn, b.Turn)) })
	return t
}

// intern returns one set for equal ones, which can be compared by same.
func (e *Engine) intern(s set) set {
	key := s.key()
	if e.interned[key] == nil {
		e.interned[key] = s
	}
	return e.interned[key]
}

// same compares interned sets.
func same(a, b set) bool { return &a[0] == &b[0] }

// fillSides computes both sides of each class, once for each set of parts
// (and of the numbers of named ports, where an ingress rule names them). Known
// holds the sides of classes that no change touches.
func (e *Engine) fillSides(known *[2][]*side) {
	for d := range e.parts {
		e.sides[d] = make([]*side, len(e.world.classes))
		if known != nil {
			copy(e.sides[d], known[d])
		}
		selecting := make([][]int, len(e.world.classes))
		for i, p := range e.parts[d] {
			p.subject.each(func(c int) {
				if e.sides[d][c] == nil {
					selecting[c] = append(selecting[c], i)
				}
			})
		}
		shared := map[string]*side{}
		var key []byte
		for c, list := range selecting {
			if e.sides[d][c] != nil {
				continue
			}
			key = e.sideKey(key[:0], policy.Direction(d), list, c)
			if shared[string(key)] == nil {
				shared[string(key)] = e.newSide(policy.Direction(d), list, c)
			}
			e.sides[d][c] = shared[string(key)]
		}
	}
}

func (e *Engine) sideKey(key []byte, d policy.Direction, parts []int, c int) []byte {
	key = binary.AppendUvarint(key, uint64(len(parts)))
	for _, i := range parts {
		key = binary.AppendUvarint(key, uint64(i))
	}
	if d == egress {
		return key
	}
	ports := e.world.endpoints[e.world.classes[c].member].ports
	for _, i := range parts {
		for _, r := range e.parts[d][i].rules {
			for _, n := range r.names {
				key = append(key, 0)
				for _, number := range ports[n] {
					key = binary.AppendUvarint(key, uint64(number))
				}
			}
		}
	}
	return key
}
