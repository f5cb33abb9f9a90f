package network

import (
	"fmt"
	"net/netip"
	"slices"

	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/scantling/scantling/infrastructure/kube"
)

// direction of traffic, seen from the pod that a policy selects.
type direction int

const (
	ingress direction = iota
	egress
)

func (d direction) String() string { return [...]string{"ingress", "egress"}[d] }

// policy is one NetworkPolicy in a form that both directions share.
type policy struct {
	object  *kube.Object
	space   int
	pods    *metav1.LabelSelector
	applies [2]bool
	rules   [2][]rule
	selects set // classes
}

// rule allows peers on ports. No peers at all means everybody, no ports at
// all means every port.
type rule struct {
	peers  []peer
	ports  []portRange
	names  []named
	anyone bool
	all    bool
}

// peer is either selectors or an address block.
type peer struct {
	namespaces *metav1.LabelSelector
	pods       *metav1.LabelSelector
	block      netip.Prefix // valid where this is an ipBlock
	except     []netip.Prefix
}

func (p *policy) String() string { return p.object.Namespace + "/" + p.object.Name }

// newPolicy checks and translates one policy. An error says why the API
// server would refuse it; it then can't be evaluated.
func newPolicy(o *kube.Object, np *networkingv1.NetworkPolicy, space int) (*policy, error) {
	p := &policy{object: o, space: space, pods: &np.Spec.PodSelector}
	if err := checkSelector(p.pods); err != nil {
		return nil, fmt.Errorf("spec.podSelector: %w", err)
	}
	for _, t := range np.Spec.PolicyTypes {
		switch t {
		case networkingv1.PolicyTypeIngress:
			p.applies[ingress] = true
		case networkingv1.PolicyTypeEgress:
			p.applies[egress] = true
		default:
			return nil, fmt.Errorf("spec.policyTypes: %q is neither Ingress nor Egress", t)
		}
	}
	if len(np.Spec.PolicyTypes) == 0 {
		p.applies = [2]bool{true, len(np.Spec.Egress) > 0}
	}
	for i, r := range np.Spec.Ingress {
		translated, err := newRule(r.From, r.Ports)
		if err != nil {
			return nil, fmt.Errorf("spec.ingress[%d]: %w", i, err)
		}
		p.rules[ingress] = append(p.rules[ingress], translated)
	}
	for i, r := range np.Spec.Egress {
		translated, err := newRule(r.To, r.Ports)
		if err != nil {
			return nil, fmt.Errorf("spec.egress[%d]: %w", i, err)
		}
		p.rules[egress] = append(p.rules[egress], translated)
	}
	return p, nil
}

func newRule(peers []networkingv1.NetworkPolicyPeer, ports []networkingv1.NetworkPolicyPort) (rule, error) {
	r := rule{anyone: len(peers) == 0, all: len(ports) == 0}
	for i, from := range peers {
		p, err := newPeer(from)
		if err != nil {
			return r, fmt.Errorf("peer %d: %w", i, err)
		}
		r.peers = append(r.peers, p)
	}
	for i, port := range ports {
		if err := r.addPort(port); err != nil {
			return r, fmt.Errorf("ports[%d]: %w", i, err)
		}
	}
	return r, nil
}

func newPeer(from networkingv1.NetworkPolicyPeer) (peer, error) {
	p := peer{namespaces: from.NamespaceSelector, pods: from.PodSelector}
	selects := p.namespaces != nil || p.pods != nil
	switch {
	case from.IPBlock == nil && !selects:
		return p, fmt.Errorf("names neither a selector nor an ipBlock")
	case from.IPBlock != nil && selects:
		return p, fmt.Errorf("names an ipBlock together with a selector")
	}
	if err := checkSelector(p.namespaces); err != nil {
		return p, fmt.Errorf("namespaceSelector: %w", err)
	}
	if err := checkSelector(p.pods); err != nil {
		return p, fmt.Errorf("podSelector: %w", err)
	}
	if from.IPBlock == nil {
		return p, nil
	}
	var err error
	if p.block, err = parsePrefix(from.IPBlock.CIDR); err != nil {
		return p, fmt.Errorf("ipBlock.cidr: %w", err)
	}
	for _, text := range from.IPBlock.Except {
		except, err := parsePrefix(text)
		if err != nil {
			return p, fmt.Errorf("ipBlock.except: %w", err)
		}
		if except.Addr().Is4() != p.block.Addr().Is4() {
			return p, fmt.Errorf("ipBlock.except: %s is of the other address family", text)
		}
		p.except = append(p.except, except)
	}
	return p, nil
}

func (r *rule) addPort(port networkingv1.NetworkPolicyPort) error {
	protocol := protocolIndex("TCP")
	if port.Protocol != nil {
		if protocol = protocolIndex(string(*port.Protocol)); protocol < 0 {
			return fmt.Errorf("protocol %q is none of TCP, UDP and SCTP", *port.Protocol)
		}
	}
	switch {
	case port.Port == nil && port.EndPort != nil:
		return fmt.Errorf("endPort without port")
	case port.Port == nil:
		r.ports = append(r.ports, portRange{protocol, 1, maxPort})
	case port.Port.Type == intstr.String && port.EndPort != nil:
		return fmt.Errorf("endPort with a named port")
	case port.Port.Type == intstr.String:
		r.names = append(r.names, named{port.Port.StrVal, protocol})
	default:
		low, high := port.Port.IntValue(), port.Port.IntValue()
		if port.EndPort != nil {
			high = int(*port.EndPort)
		}
		if low < 1 || high > maxPort || high < low {
			return fmt.Errorf("ports %d-%d are out of order or range", low, high)
		}
		r.ports = append(r.ports, portRange{protocol, low, high})
	}
	return nil
}

// mentions collects what the policies look at: label keys, port names, port
// ranges and address blocks.
type mentions struct {
	keys   []string
	names  []named
	ranges []portRange
	cidrs  []cidr
}

func (m *mentions) selector(s *metav1.LabelSelector) {
	if s == nil {
		return
	}
	for k := range s.MatchLabels {
		m.keys = append(m.keys, k)
	}
	for _, r := range s.MatchExpressions {
		m.keys = append(m.keys, r.Key)
	}
}

func (m *mentions) policy(p *policy) {
	m.selector(p.pods)
	for d := range p.rules {
		for _, r := range p.rules[d] {
			m.ranges = append(m.ranges, r.ports...)
			m.names = append(m.names, r.names...)
			for _, from := range r.peers {
				m.selector(from.pods)
				if !from.block.IsValid() {
					continue
				}
				for _, prefix := range append([]netip.Prefix{from.block}, from.except...) {
					m.cidrs = append(m.cidrs, cidr{prefix, direction(d)})
				}
			}
		}
	}
}

// collect returns what all policies mention, each once, sorted.
func collect(policies []*policy) mentions {
	var m mentions
	for _, p := range policies {
		m.policy(p)
	}
	slices.Sort(m.keys)
	m.keys = slices.Compact(m.keys)
	slices.SortFunc(m.names, compareNamed)
	m.names = slices.Compact(m.names)
	return m
}
