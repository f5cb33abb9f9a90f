package network

import (
	"slices"
	"strconv"

	"github.com/scantling/scantling/infrastructure/network/policy"
)

// seen returns the classes for which a condition holds, of those that one
// sees who sees the host's network always, never, or in one of the readings.
// The set is shared: it must not be changed.
func (w *world) seen(x policy.Expr, hosts, unsettled bool) set {
	key := strconv.FormatBool(hosts) + strconv.FormatBool(unsettled) + x.String()
	if found, known := w.selected[key]; known {
		return found
	}
	result := w.none()
	result.or(w.holding(x))
	if !hosts {
		result.andNot(w.ghosts)
		if !unsettled {
			result.andNot(w.hosts)
		}
	}
	w.selected[key] = result
	return result
}

// holding returns a new set of the classes for which a condition holds.
func (w *world) holding(x policy.Expr) set {
	switch x := x.(type) {
	case policy.All:
		s := w.pods.clone()
		for _, part := range x {
			if s.empty() {
				break
			}
			s.and(w.holding(part))
		}
		return s
	case policy.Any:
		s := w.none()
		for _, part := range x {
			s.or(w.holding(part))
		}
		return s
	case policy.Not:
		s := w.pods.clone()
		s.andNot(w.holding(x.Expr))
		return s
	case policy.Test:
		return w.testing(x)
	}
	s := w.none()
	for i, c := range w.classes {
		if x.Match(func(k policy.Key) (string, bool) { return w.value(&w.endpoints[c.member], k) }) {
			s.add(i)
		}
	}
	return s
}

func (w *world) testing(t policy.Test) set {
	s := w.none()
	byValue := w.postings[t.Key]
	if t.Op == policy.In {
		for _, v := range t.Values {
			for _, c := range byValue[v] {
				s.add(c)
			}
		}
		return s
	}
	for v, classes := range byValue {
		if !t.Match(func(policy.Key) (string, bool) { return v, true }) {
			continue
		}
		for _, c := range classes {
			s.add(c)
		}
	}
	return s
}

// peersOf returns the classes and address blocks that a rule of a policy
// matches, and those that it may match besides. Both are shared.
func (e *Engine) peersOf(p *policy.Policy, r *policy.Rule) (sure, may set) {
	if r.Peers == nil {
		return e.world.all, nil
	}
	if len(r.Peers) == 1 && r.Peers[0].Pods != nil {
		return e.world.seen(r.Peers[0].Pods, r.Peers[0].Hosts, p.Unsettled), nil
	}
	sure = e.world.none()
	for i := range r.Peers {
		from := &r.Peers[i]
		switch {
		case from.Pods != nil:
			sure.or(e.world.seen(from.Pods, from.Hosts, p.Unsettled))
		case from.Nodes != nil:
			may = e.addNodes(sure, may, from.Nodes)
		default:
			e.addBlocks(sure, from)
		}
	}
	return sure, may
}

// addNodes adds the addresses of nodes, and the pods on their network. Pods
// on the network of a node that isn't known are only possible peers.
func (e *Engine) addNodes(sure, may set, x policy.Expr) set {
	for _, n := range e.world.nodes {
		if !x.Match(func(k policy.Key) (string, bool) {
			v, has := n.labels[k.Name]
			return v, has && k.Of == policy.PodLabel
		}) {
			continue
		}
		for _, ip := range n.ips {
			sure.add(e.block(e.addresses.of(ip)))
		}
		for _, c := range e.world.onNode[n.name] {
			sure.add(c)
		}
	}
	for name, classes := range e.world.onNode {
		if e.knowsNode(name) {
			continue
		}
		if may == nil {
			may = e.world.none()
		}
		for _, c := range classes {
			may.add(c)
		}
	}
	return may
}

func (e *Engine) knowsNode(name string) bool {
	return slices.ContainsFunc(e.world.nodes, func(n node) bool { return n.name == name })
}

// addBlocks adds the address blocks of a peer without its exceptions, and the
// classes whose pods have an address there.
func (e *Engine) addBlocks(peers set, from *policy.Peer) {
	blocks := newSet(len(e.addresses.blocks))
	mark := func(first, end int, in bool) {
		for i := first; i < end; i++ {
			blocks[i/64] &^= 1 << (i % 64)
			if in {
				blocks.add(i)
			}
		}
	}
	first, end := e.addresses.within(from.Block)
	mark(first, end, true)
	for _, prefix := range from.Except {
		first, end := e.addresses.within(prefix)
		mark(first, end, false)
	}
	if from.Outside {
		for _, n := range e.world.nodes {
			for _, ip := range n.ips {
				at := e.addresses.of(ip)
				mark(at, at+1, false)
			}
		}
	}
	blocks.each(func(i int) {
		peers.add(e.block(i))
		if from.Outside {
			return
		}
		for _, c := range e.world.atBlock[i] {
			peers.add(c)
		}
	})
	if from.Unknown {
		for _, c := range e.world.unplaced {
			peers.add(c)
		}
	}
}
