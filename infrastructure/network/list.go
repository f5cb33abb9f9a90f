package network

import (
	"cmp"
	"slices"
	"strings"
)

// Connection is what one workload or address range may open to another. Src
// and Dst are "namespace/name[Kind]" or "first-last" of an address range, Conn
// is "TCP 80,443,8080-8090,UDP 53" or "All Connections".
type Connection struct {
	Src     string `json:"src"`
	Dst     string `json:"dst"`
	Conn    string `json:"conn"`
	Depends bool   `json:"-"` // a policy that is not evaluated may decide otherwise
}

// String is one line of `cluster network list`.
func (c Connection) String() string { return c.Src + " => " + c.Dst + " : " + c.Conn }

// List returns all connections between different workloads and between
// workloads and addresses outside, sorted. A pair that may not connect at all
// is absent; ports are those on which any pod of the one reaches any pod of
// the other. Connections about which other policies may decide otherwise are
// those that the evaluated policies allow, or all where they may allow more.
func (e *Engine) List() []Connection {
	var list []Connection
	names := make([]string, len(e.world.byLoad))
	peers := make([][]int, len(e.world.byLoad))
	for i, load := range e.world.snapshot.Workloads {
		names[i] = load.Namespace + "/" + load.Name + "[" + load.Kind + "]"
		peers[i] = e.classesOf(i)
	}
	add := func(source, destination string, ports set, depends bool) {
		if !ports.empty() {
			list = append(list, Connection{source, destination, e.ports.format(ports), depends})
		}
	}
	outside := [2][]outsideRange{e.outside(ingress), e.outside(egress)}
	for i := range names {
		for j := range names {
			if i != j {
				ports, depends := e.workloads(i, j)
				add(names[i], names[j], ports, depends)
			}
		}
		for _, r := range outside[ingress] {
			ports, depends := e.union([]int{r.peer}, peers[i])
			add(r.name, names[i], ports, depends)
		}
		for _, r := range outside[egress] {
			ports, depends := e.union(peers[i], []int{r.peer})
			add(names[i], r.name, ports, depends)
		}
	}
	slices.SortFunc(list, func(a, b Connection) int {
		return cmp.Or(strings.Compare(a.Src, b.Src), strings.Compare(a.Dst, b.Dst))
	})
	return list
}

// workloads returns the ports on which any pod of one workload may connect to
// any pod of another.
func (e *Engine) workloads(source, destination int) (ports set, depends bool) {
	if e.shareNode(source, destination) {
		return e.ports.all, false
	}
	return e.union(e.classesOf(source), e.classesOf(destination))
}

// union returns the ports that any of some peers may open to any of others,
// with those in doubt.
func (e *Engine) union(from, to []int) (ports set, depends bool) {
	ports = e.ports.none()
	for _, s := range from {
		for _, d := range to {
			switch max(e.doubtOf(s), e.doubtOf(d)) {
			case mayChange:
				return e.ports.all, true
			case mayDeny:
				depends = true
			}
			ports.or(e.between(s, d))
		}
	}
	return ports, depends
}

// classesOf returns the classes of a workload's pods, each once.
func (e *Engine) classesOf(workload int) []int {
	var list []int
	for _, at := range e.world.byLoad[workload] {
		if c := e.world.endpoints[at].class; !slices.Contains(list, c) {
			list = append(list, c)
		}
	}
	return list
}

// outsideRange is a range of addresses that the policies of one direction
// treat alike, with one of its blocks.
type outsideRange struct {
	name string
	peer int
}

// outside joins the blocks that no policy of the direction cuts. IPv6 is left
// out where neither a policy nor a pod has an address of it.
func (e *Engine) outside(d direction) []outsideRange {
	var list []outsideRange
	end := len(e.addresses.blocks)
	if !e.hasV6 {
		end = e.addresses.v6
	}
	for i := 0; i < end; {
		joined := e.addresses.blocks[i]
		at := i
		for i++; i < end && !e.addresses.blocks[i].cut[d]; i++ {
			joined.last = e.addresses.blocks[i].last
		}
		list = append(list, outsideRange{joined.String(), e.block(at)})
	}
	return list
}
