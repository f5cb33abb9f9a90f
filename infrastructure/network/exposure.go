package network

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"

	"github.com/scantling/scantling/model"
)

// The levels of exposure, which are the values of model.Exposed.
const (
	Public = "public" // from outside the cluster
	Inside = "inside" // from other pods or the cluster's own network
	Hidden = "hidden" // from nowhere that the snapshot knows
)

// Exposure says from where a workload may be reached. Origin is Default where
// the answer rests on an assumption, which Evidence names.
type Exposure struct {
	Level    string
	Origin   model.Origin
	Evidence []model.Evidence
}

// Exposure finds from where a workload, by index, may be reached. Public needs
// a way in (Service of type LoadBalancer or NodePort, externalIPs, Ingress,
// Gateway route, host port) and policies that let its traffic through.
func (e *Engine) Exposure(workload int) Exposure { return e.exposure(e.findEntries(), workload) }

func (e *Engine) exposure(x *entries, workload int) Exposure {
	result := Exposure{Level: Hidden, Origin: model.Measured}
	assumed, doubtful := false, false
	for _, way := range x.of(workload) {
		by := e.admits(x, way, workload)
		if len(by.ports) == 0 {
			doubtful = doubtful || by.assumed != ""
			result.Evidence = append(result.Evidence, model.Evidence{What: way.what + ", but " + by.text, Where: way.where, Value: e.describe(way.ports)})
			continue
		}
		why := way.what
		if by.assumed != "" {
			why += " (" + by.assumed + ")"
		}
		if result.Level != Public {
			result.Evidence = nil // ways that are shut don't matter any more
		}
		assumed = by.assumed != "" && (assumed || result.Level != Public)
		result.Level = Public
		result.Evidence = append(result.Evidence, model.Evidence{What: why + "; " + by.text, Where: way.where, Value: e.describe(by.ports)})
	}
	if result.Level != Public {
		assumed = doubtful
		if why := e.insideBy(workload); why != "" {
			result.Level = Inside
			result.Evidence = append(result.Evidence, model.Evidence{What: why, Where: e.position(workload)})
		} else {
			result.Evidence = append(result.Evidence, model.Evidence{What: "its policies let nobody in that the snapshot knows", Where: e.position(workload)})
		}
	}
	if assumed || e.inDoubt(workload) {
		result.Origin = model.Default
	}
	return result
}

// openWay is what of a way from outside the policies of a workload let through.
type openWay struct {
	what  string
	ports []portRange
}

// open lists the ways into a workload that its policies let through.
func (e *Engine) open(x *entries, workload int) []openWay {
	var list []openWay
	for _, way := range x.of(workload) {
		if by := e.admits(x, way, workload); len(by.ports) > 0 {
			list = append(list, openWay{way.what, by.ports})
		}
	}
	return list
}

func (e *Engine) position(workload int) string {
	if o := e.world.snapshot.Workloads[workload].Object; o != nil {
		return where(o)
	}
	return ""
}

// describe writes exact ports, which need not be atoms.
func (e *Engine) describe(ports []portRange) string {
	space := newPortSpace(ports)
	all := space.none()
	for _, p := range ports {
		space.add(all, p)
	}
	return space.format(all)
}

func (e *Engine) inDoubt(workload int) bool {
	return slices.ContainsFunc(e.standIns(workload), func(c int) bool { return e.sides[ingress][c].doubtful || e.sides[egress][c].doubtful })
}

// admission says which ports of a way the policies let in, and by what or why
// not. Where it rests on an assumption, assumed names that.
type admission struct {
	ports   []portRange
	text    string
	assumed string
}

// admits asks the workload's policies about the traffic of a way.
func (e *Engine) admits(x *entries, way entry, workload int) admission {
	switch {
	case way.shut != "":
		return admission{text: way.shut}
	case len(way.ports) == 0:
		return admission{text: "it leads to no port of the pods"}
	case way.proxied && len(way.via) > 0:
		return e.admitsServer(x, way, workload)
	case way.proxied:
		return e.admitsUnseen(way, workload)
	}
	return e.admitsClients(x, way, workload)
}

// among returns those of some ports, each a single one, that a set of atoms
// holds.
func (e *Engine) among(ports []portRange, atoms set) []portRange {
	return slices.DeleteFunc(slices.Clone(ports), func(p portRange) bool { return !atoms.has(e.ports.atom(p.protocol, p.low)) })
}

// admitsServer is for ways through controllers of the snapshot: one must be
// let in, and be reached from outside itself.
func (e *Engine) admitsServer(x *entries, way entry, workload int) admission {
	result := admission{text: "no policy lets its controller in", assumed: way.assumed}
	for _, c := range way.via {
		ports := e.among(way.ports, e.reach(c, workload))
		if c == workload || len(ports) == 0 {
			continue
		}
		led, assumed := x.reached(c)
		if !led {
			result.text = "its controller " + e.name(c) + " has no way in from outside"
			continue
		}
		return admission{ports, "its controller " + e.name(c) + " may connect", cmp.Or(way.assumed, assumed)}
	}
	return result
}

// reached reports whether a controller is reached from outside. One that no
// Service of the snapshot leads to is assumed to be.
func (x *entries) reached(controller int) (led bool, assumed string) {
	load := x.engine.world.snapshot.Workloads[controller]
	ways := x.hostPorts(load)
	served := false
	for _, s := range x.services[load.Namespace] {
		if x.selects(s, controller) {
			served = true
			ways = append(ways, x.direct(s, controller)...)
		}
	}
	if !served && len(ways) == 0 {
		return true, "no Service of the snapshot leads to its controller: assumed to be reached"
	}
	for _, way := range ways {
		if by := x.engine.admits(x, way, controller); len(by.ports) > 0 {
			if by.assumed == "" {
				return true, ""
			}
			led, assumed = true, by.assumed
		}
	}
	return led, assumed
}

// admitsUnseen is for ways through a controller that the snapshot doesn't
// hold: any peer that is let in may be it.
func (e *Engine) admitsUnseen(way entry, workload int) admission {
	for _, c := range e.standIns(workload) {
		if e.sides[ingress][c].open {
			return admission{way.ports, "no policy keeps it out", way.assumed}
		}
		atoms := e.ports.none()
		for _, g := range e.sides[ingress][c].grants {
			atoms.or(g.ports)
		}
		if ports := e.among(way.ports, atoms); len(ports) > 0 {
			return admission{ports, "its policies let some peers in, which may be the controller", way.assumed}
		}
	}
	return admission{text: "no policy lets its traffic in"}
}

// admitsClients is for ways that lead clients in under their own address, or
// under that of the node that they come in by.
func (e *Engine) admitsClients(x *entries, way entry, workload int) admission {
	kept, masked, private := e.ports.none(), e.ports.none(), false
	for _, c := range e.standIns(workload) {
		if e.sides[ingress][c].open {
			return admission{way.ports, "no policy keeps it out", way.assumed}
		}
		for i, b := range e.addresses.blocks {
			_, atoms := e.half(ingress, e.block(i), c)
			if clients(b, way.from) {
				kept.or(atoms)
			}
			private = private || !b.public() && len(e.among(way.ports, atoms)) > 0
		}
		for _, ip := range x.nodeIPs {
			_, atoms := e.half(ingress, e.block(e.addresses.of(ip)), c)
			masked.or(atoms)
		}
	}
	if ports := e.among(way.ports, kept); len(ports) > 0 {
		return admission{ports, "its policies let public addresses in", way.assumed}
	}
	if ports := e.among(way.ports, masked); way.masked && len(ports) > 0 {
		return admission{ports, "its policies let the nodes in", cmp.Or(way.assumed, "clients are assumed to come in under a node's address, which externalTrafficPolicy Local would prevent")}
	}
	result := admission{text: "no policy lets its traffic in"}
	if way.masked && private && x.noNodes {
		result.assumed = "the addresses that are let in may be those of nodes"
		result.text += " (" + result.assumed + ", under which clients may come in)"
	}
	return result
}

// clients reports whether a block holds public addresses that a way lets in.
func clients(b block, from []netip.Prefix) bool {
	if len(from) == 0 {
		return b.public()
	}
	return slices.ContainsFunc(from, func(p netip.Prefix) bool {
		first, last := p.Masked().Addr(), lastOf(p)
		if first.Is4() != b.first.Is4() || last.Less(b.first) || b.last.Less(first) {
			return false
		}
		if first.Less(b.first) {
			first = b.first
		}
		if b.last.Less(last) {
			last = b.last
		}
		return (block{first: first, last: last}).public()
	})
}

func (e *Engine) name(workload int) string {
	load := e.world.snapshot.Workloads[workload]
	return load.Namespace + "/" + load.Name
}

// insideBy says by what a workload is reachable inside; "" when it isn't.
func (e *Engine) insideBy(workload int) string {
	for _, c := range e.standIns(workload) {
		side := e.sides[ingress][c]
		if side.open {
			return "no policy isolates it for ingress: every pod may connect"
		}
		for _, g := range side.grants {
			for i, b := range e.addresses.blocks {
				if g.peers.has(e.block(i)) {
					return "its policies let addresses in: " + b.String()
				}
			}
		}
	}
	if sources := e.Sources(workload); len(sources) > 0 {
		return fmt.Sprintf("%d workloads may connect, among them %s", len(sources), e.name(sources[0]))
	}
	return ""
}
