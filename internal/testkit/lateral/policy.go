package lateral

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

const (
	in  = networkingv1.PolicyTypeIngress
	out = networkingv1.PolicyTypeEgress
)

// makePolicies makes the NetworkPolicies: first those of namespaces as a
// whole, then, up to the number asked for, those of single workloads, more of
// them where there are more.
func (m *maker) makePolicies() {
	left := m.Policies
	for _, s := range m.spaces {
		if s.isolated && left >= 3 {
			left -= m.isolate(s)
		}
	}
	for i := range left {
		m.allow(one(m, m.loads), i)
	}
}

// isolate denies what comes in, in four of ten namespaces also what goes out,
// but for DNS. Six of ten let their own pods talk to each other.
func (m *maker) isolate(s *space) int {
	types, count := []networkingv1.PolicyType{in}, 1
	if m.chance(40) {
		types = append(types, out)
		dns := networkingv1.NetworkPolicyPeer{NamespaceSelector: byName(systemNamespace), PodSelector: app("coredns")}
		m.policy(s, "dns", networkingv1.NetworkPolicySpec{PolicyTypes: []networkingv1.PolicyType{out}, Egress: []networkingv1.NetworkPolicyEgressRule{{
			To:    []networkingv1.NetworkPolicyPeer{dns},
			Ports: []networkingv1.NetworkPolicyPort{number(corev1.ProtocolUDP, 53), number(corev1.ProtocolTCP, 53)},
		}}})
		count++
	}
	m.policy(s, "deny", networkingv1.NetworkPolicySpec{PolicyTypes: types})
	if s.name != systemNamespace && m.chance(60) {
		own := []networkingv1.NetworkPolicyPeer{{PodSelector: &metav1.LabelSelector{}}}
		spec := networkingv1.NetworkPolicySpec{PolicyTypes: types, Ingress: []networkingv1.NetworkPolicyIngressRule{{From: own}}}
		if len(types) > 1 {
			spec.Egress = []networkingv1.NetworkPolicyEgressRule{{To: own}}
		}
		m.policy(s, "own", spec)
		count++
	}
	return count
}

func (m *maker) policy(s *space, name string, spec networkingv1.NetworkPolicySpec) {
	m.add(&networkingv1.NetworkPolicy{TypeMeta: kind("networking.k8s.io/v1", "NetworkPolicy"), ObjectMeta: named(s.name, name), Spec: spec})
}

// allow makes one policy for a workload, of a random sort.
func (m *maker) allow(l *load, i int) {
	spec := networkingv1.NetworkPolicySpec{PodSelector: *app(l.name)}
	peers, ports := m.peers(l), m.ports(l)
	if m.chance(70) {
		spec.PolicyTypes = []networkingv1.PolicyType{in}
		spec.Ingress = []networkingv1.NetworkPolicyIngressRule{{From: peers, Ports: ports}}
	} else {
		spec.PolicyTypes = []networkingv1.PolicyType{out}
		spec.Egress = []networkingv1.NetworkPolicyEgressRule{{To: peers, Ports: ports}}
	}
	if m.chance(5) { // a tier of the namespace at once
		spec.PodSelector = metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{
			{Key: "tier", Operator: metav1.LabelSelectorOpIn, Values: []string{l.tier, "web"}},
		}}
	}
	m.policy(l.space, fmt.Sprintf("%s-%d", l.name, i), spec)
}

// peers are the other ends of a policy: mostly other workloads of the
// namespace, or a namespace, or addresses.
func (m *maker) peers(l *load) []networkingv1.NetworkPolicyPeer {
	var peers []networkingv1.NetworkPolicyPeer
	for range 1 + m.IntN(3) {
		other := one(m, m.spaces)
		switch r := m.IntN(100); {
		case r < 50:
			peers = append(peers, networkingv1.NetworkPolicyPeer{PodSelector: app(one(m, l.space.loads).name)})
		case r < 60:
			peers = append(peers, networkingv1.NetworkPolicyPeer{NamespaceSelector: byName(other.name)})
		case r < 65:
			peers = append(peers, networkingv1.NetworkPolicyPeer{NamespaceSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"team": other.team}}})
		case r < 75 && len(other.loads) > 0:
			peers = append(peers, networkingv1.NetworkPolicyPeer{NamespaceSelector: byName(other.name), PodSelector: app(one(m, other.loads).name)})
		case r < 85:
			peers = append(peers, networkingv1.NetworkPolicyPeer{NamespaceSelector: byName(ingressNamespace)})
		default:
			peers = append(peers, networkingv1.NetworkPolicyPeer{IPBlock: m.block()})
		}
	}
	return peers
}

// block is the Internet without what is inside, a range of a partner, or, by
// mistake and seldom, the pods of one node.
func (m *maker) block() *networkingv1.IPBlock {
	switch r := m.IntN(100); {
	case r < 40:
		return &networkingv1.IPBlock{CIDR: "0.0.0.0/0", Except: []string{"10.0.0.0/8", "192.168.0.0/16", "169.254.169.254/32"}}
	case r < 95:
		first := m.IntN(200)
		return &networkingv1.IPBlock{CIDR: fmt.Sprintf("172.%d.%d.0/24", 16+first%16, first), Except: []string{fmt.Sprintf("172.%d.%d.128/25", 16+first%16, first)}}
	}
	return &networkingv1.IPBlock{CIDR: podRange(m.IntN(m.nodes))}
}

func (m *maker) ports(l *load) []networkingv1.NetworkPolicyPort {
	switch r := m.IntN(10); {
	case r < 5:
		return []networkingv1.NetworkPolicyPort{number(corev1.ProtocolTCP, l.port)}
	case r < 7:
		return []networkingv1.NetworkPolicyPort{{Protocol: new(corev1.ProtocolTCP), Port: new(intstr.FromString(one(m, []string{"main", "metrics"})))}}
	case r < 8:
		p := number(corev1.ProtocolTCP, int32(30000+100*m.IntN(20)))
		p.EndPort = new(p.Port.IntVal + 99)
		return []networkingv1.NetworkPolicyPort{p}
	case r < 9:
		return []networkingv1.NetworkPolicyPort{number(corev1.ProtocolTCP, 443), number(corev1.ProtocolTCP, 5432)}
	}
	return nil
}

func app(name string) *metav1.LabelSelector {
	return &metav1.LabelSelector{MatchLabels: map[string]string{"app": name}}
}

func byName(namespace string) *metav1.LabelSelector {
	return &metav1.LabelSelector{MatchLabels: map[string]string{"kubernetes.io/metadata.name": namespace}}
}

func number(protocol corev1.Protocol, port int32) networkingv1.NetworkPolicyPort {
	return networkingv1.NetworkPolicyPort{Protocol: &protocol, Port: new(intstr.FromInt32(port))}
}
