package network

import (
	"fmt"
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
	assumed := false
	for _, way := range x.of(workload) {
		by, ok := e.admits(x, way, workload)
		if !ok {
			result.Evidence = append(result.Evidence, model.Evidence{What: way.what + ", but " + by, Where: way.where, Value: e.describe(way.ports)})
			continue
		}
		why := way.what
		if way.assumed != "" {
			why += " (" + way.assumed + ")"
		}
		if result.Level != Public {
			result.Evidence = nil // ways that are shut don't matter any more
		}
		assumed = way.assumed != "" && (assumed || result.Level != Public)
		result.Level = Public
		result.Evidence = append(result.Evidence, model.Evidence{What: why + "; " + by, Where: way.where, Value: e.describe(way.ports)})
	}
	if result.Level != Public {
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

// atomsOf returns the atoms that hold any of some ports.
func (e *Engine) atomsOf(ports []portRange) set {
	atoms := e.ports.none()
	for _, p := range ports {
		for i := e.ports.atom(p.protocol, p.low); i <= e.ports.atom(p.protocol, p.high); i++ {
			atoms.add(i)
		}
	}
	return atoms
}

// admits reports whether the workload's policies let the traffic of a way in,
// and by what, or why not.
func (e *Engine) admits(x *entries, way entry, workload int) (by string, ok bool) {
	if len(way.ports) == 0 {
		return "it leads to no port of the pods", false
	}
	ports := e.atomsOf(way.ports)
	if way.proxied && len(x.controllers) > 0 {
		for _, c := range x.controllers {
			if c != workload && e.reach(c, workload).intersects(ports) {
				return "its controller " + e.name(c) + " may connect", true
			}
		}
		return "no policy lets its controller in", false
	}
	for _, c := range e.standIns(workload) {
		side := e.sides[ingress][c]
		if side.open {
			return "no policy keeps it out", true
		}
		for _, g := range side.grants {
			if !g.ports.intersects(ports) {
				continue
			}
			if way.proxied {
				return "its policies let some peers in, which may be the controller", true
			}
			for i, b := range e.addresses.blocks {
				if g.peers.has(e.block(i)) && b.public() {
					return "its policies let public addresses in", true
				}
			}
		}
	}
	return "no policy lets its traffic in", false
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
