package network

import (
	"slices"

	"github.com/scantling/scantling/infrastructure/network/policy"
)

// reading is a way in which a network plugin takes policies that leave open
// whether they see pods of the host's network.
type reading int

const (
	written reading = iota // it sees them like all others, as the policies are written
	unseen                 // it doesn't: such a pod's traffic is its node's
)

// Settled answers for one kind of network plugin instead of for both: one
// that lets NetworkPolicies select pods of the host's network like others, or
// one that doesn't. The engine itself stays as it is.
func (e *Engine) Settled(selected bool) *Engine {
	r := unseen
	if selected {
		r = written
	}
	return &Engine{
		Incomplete: e.Incomplete, world: e.world, ports: e.ports, addresses: e.addresses, policies: e.policies, parts: e.parts, namedAt: e.namedAt,
		sides: e.sides, readings: []reading{r}, unsettled: e.unsettled, hasV6: e.hasV6, nodes: e.nodes, interned: e.interned, mentioned: e.mentioned,
	}
}

// as is the peer that stands for a peer in a reading.
func (e *Engine) as(r reading, peer int) int {
	if r == unseen && peer < len(e.world.classes) {
		return e.world.classes[peer].shadow
	}
	return peer
}

// opensNode reports whether a pod's own node, and so a pod on its network,
// always reaches it. Where policies see such pods they are no part of a node.
func (e *Engine) opensNode(r reading) bool { return r == unseen || !e.unsettled }

// half returns the ports that one direction surely and possibly allows between
// two peers of a reading: the policies of the destination for ingress, of the
// source for egress. An address has no policies.
func (e *Engine) half(d policy.Direction, source, destination int) (sure, may set) {
	own, other := destination, source
	if d == egress {
		own, other = source, destination
	}
	if own >= len(e.world.classes) {
		return e.ports.all, e.ports.all
	}
	s := e.sides[d][own]
	if s.open {
		return e.ports.all, e.ports.all
	}
	sure, may = e.ports.none(), e.ports.none()
	s.allowed(other, sure, may)
	return sure, may
}

// allows is half for one port.
func (e *Engine) allows(d policy.Direction, source, destination, atom int) (sure, may bool) {
	own, other := destination, source
	if d == egress {
		own, other = source, destination
	}
	if own >= len(e.world.classes) || e.sides[d][own].open {
		return true, true
	}
	for _, g := range e.sides[d][own].grants {
		if g.ports.has(atom) {
			return g.sure.has(other), g.peers.has(other)
		}
	}
	return false, false
}

// between returns the ports on which source surely and possibly may connect
// to destination; both are peers of a reading. The sets are the caller's.
func (e *Engine) between(source, destination int) (sure, may set) {
	outSure, outMay := e.half(egress, source, destination)
	if outMay.empty() {
		return e.ports.none(), e.ports.none()
	}
	inSure, inMay := e.half(ingress, source, destination)
	sure, may = outSure.clone(), outMay.clone()
	sure.and(inSure)
	may.and(inMay)
	return sure, may
}

// verdict holds the ports between two sets of peers: those of the first
// reading, those allowed in every case, and those allowed in some.
type verdict struct{ plain, sure, may set }

func (v verdict) depends() bool { return !v.sure.equal(v.may) }

// union joins what any of some peers may open to any of others. Mates share a
// node's network.
func (e *Engine) union(from, to []int, mates bool) verdict {
	var v verdict
	for _, r := range e.readings {
		sure, may := e.ports.none(), e.ports.none()
		if mates && e.opensNode(r) {
			sure, may = e.ports.all, e.ports.all
		} else {
			for _, s := range from {
				for _, d := range to {
					betweenSure, betweenMay := e.between(e.as(r, s), e.as(r, d))
					sure.or(betweenSure)
					may.or(betweenMay)
				}
			}
		}
		if v.plain == nil {
			v = verdict{may, sure.clone(), may.clone()}
			if !mates && !e.onHost(from) && !e.onHost(to) {
				break // all readings agree
			}
			continue
		}
		v.sure.and(sure)
		v.may.or(may)
	}
	return v
}

// onHost reports whether some of some peers are of the host's network.
func (e *Engine) onHost(peers []int) bool {
	for _, p := range peers {
		if p < len(e.world.classes) && e.world.classes[p].host {
			return true
		}
	}
	return false
}

// pair is the verdict on two workloads.
func (e *Engine) pair(source, destination int) verdict {
	return e.union(e.classesOf(source), e.classesOf(destination), e.shareNode(source, destination))
}

// reach returns the ports on which any pod of one workload may, or might,
// connect to any pod of another.
func (e *Engine) reach(source, destination int) set { return e.pair(source, destination).may }

// classesOf returns the classes of a workload's pods, each once.
func (e *Engine) classesOf(workload int) []int {
	var list []int
	last := -1
	for _, at := range e.world.byLoad[workload] {
		c := e.world.endpoints[at].class
		if c == last {
			continue
		}
		last = c
		if !slices.Contains(list, c) {
			list = append(list, c)
		}
	}
	return list
}

// standIns returns the classes that stand for a workload's pods in any of the
// readings.
func (e *Engine) standIns(workload int) []int {
	var list []int
	for _, c := range e.classesOf(workload) {
		for _, r := range e.readings {
			if s := e.as(r, c); !slices.Contains(list, s) {
				list = append(list, s)
			}
		}
	}
	return list
}
