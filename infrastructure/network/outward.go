package network

import "net/netip"

// Outward is what policies say about connections that a workload makes to an
// address outside of the cluster.
type Outward struct {
	Answer  Answer   // denied where no pod surely or possibly may
	Open    bool     // no policy for egress selects any of its pods
	Reasons []Reason // rule by rule, for the pod with the most freedom
}

// Outward answers for the pods of a workload, those on the host's network left
// out, whether they may connect to an address on a TCP port. Where there are no
// others the answer is denied, without a reason.
func (e *Engine) Outward(workload int, to netip.Addr, port int) Outward {
	d := party{name: to.String(), peer: e.block(e.addresses.of(to))}
	atom := e.ports.atom(protocolIndex("tcp"), port)
	out := Outward{Answer: Denied, Open: true}
	var best party
	seen := map[int]bool{}
	for _, at := range e.world.byLoad[workload] {
		s := e.party(at)
		if s.end.host || seen[s.peer] {
			continue
		}
		seen[s.peer] = true
		out.Open = out.Open && e.sides[egress][s.peer].open
		if got := e.answers(s, d, atom)[1]; best.end == nil || rank(got) > rank(out.Answer) {
			best, out.Answer = s, got
		}
	}
	if best.end != nil {
		out.Reasons = e.explain(egress, best, d, atom)
	}
	out.Open = out.Open && best.end != nil
	return out
}
