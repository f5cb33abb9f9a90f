package network

import (
	"fmt"
	"net/netip"
	"slices"
)

// mask lets the answer to an address depend where a Service leads it to the pod
// and may do so under a node's address (SNAT), for which the answer is another.
// Source: kubernetes.io/docs/reference/networking/virtual-ips#external-traffic-policy.
func (e *Engine) mask(v *Verdict, s, d party, atoms []int) {
	ip, err := netip.ParseAddr(s.name)
	ip = ip.Unmap().WithZone("")
	if s.end != nil || d.end == nil || err != nil || v.Answer == Depends {
		return
	}
	x := e.findEntries()
	if slices.Contains(x.nodeIPs, ip) {
		return
	}
	for _, way := range x.of(d.end.workload) {
		leads := way.masked && !way.proxied && way.shut == "" &&
			(len(way.from) == 0 || slices.ContainsFunc(way.from, func(p netip.Prefix) bool { return p.Contains(ip) }))
		if !leads {
			continue
		}
		for _, atom := range atoms {
			through := slices.ContainsFunc(way.ports, func(p portRange) bool { return e.ports.atom(p.protocol, p.low) == atom })
			if through && e.unlikeNodes(x, ip.Is4(), v.Answer, d, atom) {
				v.Answer, v.Ingress.Answer = Depends, Depends
				v.Notes = append(v.Notes, fmt.Sprintf("%s, and may lead %s in under a node's address (SNAT), which externalTrafficPolicy Local would prevent: for such an address the answer is another", way.what, ip))
				return
			}
		}
	}
}

// unlikeNodes reports whether a node's address of a family would get another
// answer. Where nodes aren't known, any private address may be one's.
func (e *Engine) unlikeNodes(x *entries, v4 bool, answer Answer, d party, atom int) bool {
	other := func(block int) bool { return e.answers(party{peer: e.block(block)}, d, atom)[2] != answer }
	if !x.noNodes {
		return slices.ContainsFunc(x.nodeIPs, func(ip netip.Addr) bool { return ip.Is4() == v4 && other(e.addresses.of(ip)) })
	}
	for i, b := range e.addresses.blocks {
		if b.first.Is4() == v4 && !b.public() && other(i) {
			return true
		}
	}
	return false
}
