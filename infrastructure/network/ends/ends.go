// Package ends brings conditions on one end of a connection, on what it is and
// on the address that it has, to the peers and conditions of the common form.
//
// Calico and Istio let a rule ask for both at once: pods of a label in a range
// of addresses, or everybody but some. The common form knows pods by conditions
// and addresses by blocks. What a pod's address lies in is therefore a mark of
// the pod (see Marks), which a condition can ask for.
//
// A pod whose address isn't known may lie in any range of private use; what
// depends on that is told apart (Peers.Unsure). It is taken to have some IPv4
// address, so that 0.0.0.0/0 holds it, and none of the public internet. A pod
// with addresses of both families counts with either: which of them a
// connection uses isn't modelled.
package ends

import (
	"net/netip"
	"slices"

	"github.com/scantling/scantling/infrastructure/network/policy"
)

// Match is a condition on an end of a connection. All of its parts must hold;
// the zero value holds for everybody.
type Match struct {
	Pods   policy.Expr      // it is a pod, not on the host's network, that this holds for; nil: no such condition
	Sets   []netip.Prefix   // or, where Pods is set, its address lies in one of these
	Not    policy.Expr      // it is no pod that this holds for; nil: no such condition
	NotIn  []netip.Prefix   // its address lies in none of these
	Within [][]netip.Prefix // its address lies in each of these lists; an empty list holds for nobody
}

// Peers are what a Match comes to. Everybody says that there is no condition;
// otherwise no peers at all means nobody.
type Peers struct {
	Everybody bool
	Sure      []policy.Peer
	Unsure    []policy.Peer // may match or not, for WhyUnsure
}

// WhyUnsure is what Peers.Unsure depend on.
const WhyUnsure = "the addresses of pods, which aren't known"

// Peers gives the ends that m holds for.
func (m *Match) Peers() Peers {
	if m.Pods == nil && m.Not == nil && !m.addressed() {
		return Peers{Everybody: true}
	}
	p := Peers{Sure: m.blocks()}
	switch {
	case m.Not != nil: // of pods only those that m holds for, and those on the host's network, which are none for Not
		for i := range p.Sure {
			p.Sure[i].NoPods = true
		}
		p.Sure = append(p.Sure, policy.Peer{Pods: m.Expr()})
		m.addHosts(&p)
	case m.Pods != nil: // blocks hold the pods of Sets by their addresses
		p.Sure = append(p.Sure, policy.Peer{Pods: m.expr(m.Pods)})
	case m.holdsUnknown():
		for i := range p.Sure {
			p.Sure[i].Unknown = p.Sure[i].Block == all4
		}
	}
	if unsure := m.Unsure(); unsure != nil {
		p.Unsure = append(p.Unsure, policy.Peer{Pods: unsure, Hosts: m.Pods == nil && m.Not == nil})
	}
	return p
}

// addHosts adds the pods on the host's network whose addresses m holds for.
func (m *Match) addHosts(p *Peers) {
	byAddress := Match{Within: m.Within, NotIn: m.NotIn}
	if m.Pods != nil {
		byAddress.Within = append(slices.Clip(m.Within), m.Sets)
	}
	p.Sure = append(p.Sure, policy.Peer{Pods: policy.All{onHost, byAddress.Expr()}, Hosts: true})
	if unsure := byAddress.Unsure(); unsure != nil {
		p.Unsure = append(p.Unsure, policy.Peer{Pods: policy.All{onHost, unsure}, Hosts: true})
	}
}

// addressed reports whether m is about addresses, whatever it asks of pods.
func (m *Match) addressed() bool {
	return len(m.Within)+len(m.NotIn) > 0 || m.Pods != nil && m.Not != nil && len(m.Sets) > 0
}

// Expr is the condition m on pods that are not on the host's network. It asks
// for marks of this package where addresses count.
func (m *Match) Expr() policy.Expr {
	if m.Pods == nil || len(m.Sets) == 0 {
		return m.expr(m.Pods)
	}
	return m.expr(policy.Any{m.Pods, in(m.Sets)})
}

// expr is the condition with another one in the place of Pods and Sets.
func (m *Match) expr(pods policy.Expr) policy.Expr {
	all := policy.All{}
	if pods != nil {
		all = append(all, pods)
	}
	if m.Not != nil {
		all = append(all, policy.Not{Expr: m.Not})
	}
	for _, list := range m.Within {
		all = append(all, in(list))
	}
	if len(m.NotIn) > 0 {
		all = append(all, policy.Not{Expr: in(m.NotIn)})
		if unknownIn(m.NotIn) == maybe {
			all = append(all, known)
		}
	}
	if len(all) == 1 {
		return all[0]
	}
	return all
}

// Unsure is the condition on pods of unknown addresses for which Expr doesn't
// hold and might, were their addresses known; nil where there can't be any.
func (m *Match) Unsure() policy.Expr {
	all := policy.All{policy.Not{Expr: known}}
	open := false
	if m.Pods != nil && unknownIn(m.Sets) == maybe {
		open = true
	} else if m.Pods != nil {
		all = append(all, m.Pods)
	}
	if m.Not != nil {
		all = append(all, policy.Not{Expr: m.Not})
	}
	for _, list := range m.Within {
		switch unknownIn(list) {
		case no:
			return nil
		case maybe:
			open = true
		}
	}
	switch unknownIn(m.NotIn) {
	case yes:
		return nil
	case maybe:
		open = true
	}
	if !open {
		return nil
	}
	return all
}

// holdsUnknown reports whether every condition on the address holds for that
// of a pod whose address isn't known.
func (m *Match) holdsUnknown() bool {
	for _, list := range m.Within {
		if unknownIn(list) != yes {
			return false
		}
	}
	return unknownIn(m.NotIn) == no
}
