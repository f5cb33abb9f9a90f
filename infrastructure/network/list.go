package network

import (
	"cmp"
	"slices"
	"strings"

	"github.com/scantling/scantling/infrastructure/network/policy"
)

// Connection is what one workload or address range may open to another. Src
// and Dst are "namespace/name[Kind]" or "first-last" of an address range, Conn
// is "TCP 80,443,8080-8090,UDP 53" or "All Connections".
type Connection struct {
	Src     string `json:"src"`
	Dst     string `json:"dst"`
	Conn    string `json:"conn"`
	Depends bool   `json:"-"` // something that isn't known may decide otherwise
}

// String is one line of `cluster network list`.
func (c Connection) String() string { return c.Src + " => " + c.Dst + " : " + c.Conn }

// List returns all connections between different workloads and between
// workloads and addresses outside, sorted. A pair that may not connect at all
// is absent; ports are those on which any pod of the one reaches any pod of
// the other, those included that depend on something. Where network plugins
// take pods of the host's network differently, it lists what policies say of
// them as they are written; see Unlisted.
func (e *Engine) List() []Connection {
	return e.connections(func(v verdict) set { return v.plain })
}

// Unlisted returns the connections that List leaves out and that are allowed
// all the same where the network plugin lets no policy select pods of the
// host's network. They all depend on that.
func (e *Engine) Unlisted() []Connection {
	return e.connections(func(v verdict) set {
		if v.plain.empty() {
			return v.may
		}
		return nil
	})
}

// connections lists the pairs for which choose returns some ports.
func (e *Engine) connections(choose func(verdict) set) []Connection {
	var list []Connection
	names := make([]string, len(e.world.byLoad))
	peers := make([][]int, len(e.world.byLoad))
	for i, load := range e.world.snapshot.Workloads {
		names[i] = load.Namespace + "/" + load.Name + "[" + load.Kind + "]"
		peers[i] = e.classesOf(i)
	}
	add := func(source, destination string, v verdict) {
		if ports := choose(v); !ports.empty() {
			list = append(list, Connection{source, destination, e.ports.format(ports), v.depends()})
		}
	}
	outside := [2][]outsideRange{e.outside(ingress), e.outside(egress)}
	for i := range names {
		for j := range names {
			if i != j {
				add(names[i], names[j], e.union(peers[i], peers[j], e.shareNode(i, j)))
			}
		}
		for _, r := range outside[ingress] {
			add(r.name, names[i], e.union([]int{r.peer}, peers[i], false))
		}
		for _, r := range outside[egress] {
			add(names[i], r.name, e.union(peers[i], []int{r.peer}, false))
		}
	}
	slices.SortFunc(list, func(a, b Connection) int {
		return cmp.Or(strings.Compare(a.Src, b.Src), strings.Compare(a.Dst, b.Dst))
	})
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
func (e *Engine) outside(d policy.Direction) []outsideRange {
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
