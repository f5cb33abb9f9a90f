package kubernetes

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/scantling/scantling/infrastructure/kube"
	"github.com/scantling/scantling/infrastructure/network/policy"
	"github.com/scantling/scantling/model"
)

// Read returns every policy of a snapshot that is of the kinds of this
// package, and names those that the API server would refuse. Before holds what
// was read of objects that may be in the snapshot still, which is taken over;
// it may be nil.
func Read(s *kube.Snapshot, before map[*kube.Object]policy.Policy) ([]policy.Policy, []model.Incomplete) {
	var list []policy.Policy
	var incomplete []model.Incomplete
	add := func(p policy.Policy, tier float64, err error) {
		if err != nil {
			why := fmt.Sprintf("%s %s is not valid: %v", p.Object.Kind, p.String(), err)
			incomplete = append(incomplete, model.Incomplete{What: where(p.Object), Why: why + "; answers that it could change depend on it"})
			p = policy.Unknown(p.Object, policy.Network, tier, ofNamespace(p.Object), why)
		}
		list = append(list, p)
	}
	for _, o := range s.ByKind("NetworkPolicy") {
		group, _, _ := strings.Cut(o.APIVersion, "/")
		if group != "networking.k8s.io" && group != "extensions" {
			continue
		}
		if o.Typed == nil { // package kube has said why
			list = append(list, policy.Unknown(o, policy.Network, policy.Standard, ofNamespace(o), fmt.Sprintf("NetworkPolicy %s/%s can't be decoded", o.Namespace, o.Name)))
			continue
		}
		if p, known := before[o]; known && !refused(&p) {
			list = append(list, p)
			continue
		}
		p, err := networkPolicy(o)
		add(p, policy.Standard, err)
	}
	for _, f := range adminForms {
		for _, o := range s.ByKind(f.kind) {
			if group, _, _ := strings.Cut(o.APIVersion, "/"); group == adminGroup {
				p, err := f.policy(o)
				add(p, policy.Admin, err)
			}
		}
	}
	return list, incomplete
}

// refused reports whether a policy stands for an object that can't be read.
func refused(p *policy.Policy) bool {
	return slices.ContainsFunc(p.Sides[:], func(s *policy.Side) bool { return s != nil && s.Depends != "" })
}

// ofNamespace selects what an object can at most select.
func ofNamespace(o *kube.Object) policy.Expr {
	if o.Namespace == "" {
		return nil
	}
	return policy.InNamespace(o.Namespace)
}

// where is "file:line" of an object.
func where(o *kube.Object) string { return o.Position.File + ":" + strconv.Itoa(o.Position.Line) }

// prefix reads a CIDR; an IPv4 address written as IPv6 is IPv4.
func prefix(text string) (netip.Prefix, error) {
	p, err := netip.ParsePrefix(text)
	if err != nil {
		return p, err
	}
	if p.Addr().Is4In6() && p.Bits() >= 96 {
		return netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96), nil
	}
	return p, nil
}

var protocols = []string{"TCP", "UDP", "SCTP"}

// protocol checks a protocol's name; "" is TCP.
func protocol(name string) (string, error) {
	if name == "" {
		return "TCP", nil
	}
	if slices.Contains(protocols, name) {
		return name, nil
	}
	return "", fmt.Errorf("protocol %q is none of TCP, UDP and SCTP", name)
}

// ports is a range of one protocol, checked.
func ports(protocol string, low, high int) (policy.Port, error) {
	if low < 1 || high > 65535 || high < low {
		return policy.Port{}, fmt.Errorf("ports %d-%d are out of order or range", low, high)
	}
	return policy.Port{Protocol: protocol, Low: low, High: high}, nil
}
