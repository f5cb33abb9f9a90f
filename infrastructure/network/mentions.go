package network

import (
	"maps"
	"net/netip"
	"slices"

	"github.com/scantling/scantling/infrastructure/network/policy"
)

// mentions is what policies look at: keys of pods, port names, port ranges
// and address blocks. Nothing else can tell two pods, ports or addresses apart.
type mentions struct {
	keys   map[policy.Key]bool
	names  []named // sorted
	ranges []portRange
	cidrs  []cidr
	nodes  [2]bool // by direction: nodes' addresses matter
}

// collect returns what all policies mention, each once.
func collect(policies []policy.Policy) mentions {
	m := mentions{keys: map[policy.Key]bool{}}
	names := map[named]bool{}
	key := func(k policy.Key) { m.keys[k] = true }
	for i := range policies {
		policies[i].Subject.Keys(key)
		for d, side := range policies[i].Sides {
			if side == nil {
				continue
			}
			for r := range side.Rules {
				m.peers(policy.Direction(d), side.Rules[r].Peers, key)
				m.ports(side.Rules[r].Ports, names)
			}
		}
	}
	m.names = slices.SortedFunc(maps.Keys(names), compareNamed)
	return m
}

// marks reports whether policies look at what only readers can tell of a pod.
func (m *mentions) marks() bool {
	for k := range m.keys {
		if k.Of == policy.Mark {
			return true
		}
	}
	return false
}

func (m *mentions) ports(ports []policy.Port, names map[named]bool) {
	for _, p := range ports {
		protocol := protocolIndex(p.Protocol)
		switch {
		case protocol < 0:
		case p.Name != "":
			names[named{p.Name, protocol}] = true
		default:
			m.ranges = append(m.ranges, portRange{protocol, p.Low, p.High})
		}
	}
}

func (m *mentions) peers(d policy.Direction, peers []policy.Peer, key func(policy.Key)) {
	for i := range peers {
		p := &peers[i]
		switch {
		case p.Pods != nil:
			p.Pods.Keys(key)
		case p.Nodes != nil:
			m.nodes[d] = true
		default:
			m.nodes[d] = m.nodes[d] || p.Outside
			m.cidrs = append(m.cidrs, cidr{p.Block, d})
			for _, except := range p.Except {
				m.cidrs = append(m.cidrs, cidr{except, d})
			}
		}
	}
}

// addNodes lets the addresses of nodes be told apart where a rule of the
// direction speaks of nodes.
func (m *mentions) addNodes(nodes []node) {
	for d, matter := range m.nodes {
		if !matter {
			continue
		}
		for _, n := range nodes {
			for _, ip := range n.ips {
				m.cidrs = append(m.cidrs, cidr{netip.PrefixFrom(ip, ip.BitLen()), policy.Direction(d)})
			}
		}
	}
}
