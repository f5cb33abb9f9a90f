package kubernetes

import (
	"fmt"

	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/scantling/scantling/infrastructure/kube"
	"github.com/scantling/scantling/infrastructure/network/policy"
	"github.com/scantling/scantling/infrastructure/network/raw"
)

// networkFields are those of a NetworkPolicy's spec.
var networkFields = func() raw.Fields {
	peer := raw.Fields{"podSelector": raw.Selector, "namespaceSelector": raw.Selector, "ipBlock": raw.Names("cidr", "except")}
	ports := raw.Names("protocol", "port", "endPort")
	return raw.Fields{
		"podSelector": raw.Selector, "policyTypes": nil,
		"ingress": {"from": peer, "ports": ports}, "egress": {"to": peer, "ports": ports},
	}
}()

// networkPolicy translates one NetworkPolicy: Accept rules that isolate. An
// error says why the API server would refuse it.
func networkPolicy(o *kube.Object) (policy.Policy, error) {
	p := policy.Policy{Object: o, Unsettled: true}
	np, is := o.Typed.(*networkingv1.NetworkPolicy)
	if !is {
		return p, fmt.Errorf("it is of no known type")
	}
	if stray := raw.Stray("spec", o.Raw["spec"], networkFields); stray != "" {
		return p, fmt.Errorf("the field %s isn't known", stray)
	}
	pods, err := policy.Labels(policy.PodLabel, &np.Spec.PodSelector)
	if err != nil {
		return p, fmt.Errorf("spec.podSelector: %w", err)
	}
	p.Subject = policy.All{policy.InNamespace(o.Namespace), pods}
	applies, err := directions(&np.Spec)
	if err != nil {
		return p, err
	}
	var rules [2][]policy.Rule
	for i, r := range np.Spec.Ingress {
		translated, err := acceptRule(o.Namespace, fmt.Sprintf("spec.ingress[%d]", i), r.From, r.Ports)
		if err != nil {
			return p, err
		}
		rules[policy.Ingress] = append(rules[policy.Ingress], translated)
	}
	for i, r := range np.Spec.Egress {
		translated, err := acceptRule(o.Namespace, fmt.Sprintf("spec.egress[%d]", i), r.To, r.Ports)
		if err != nil {
			return p, err
		}
		rules[policy.Egress] = append(rules[policy.Egress], translated)
	}
	for d := range applies {
		if applies[d] {
			p.Sides[d] = &policy.Side{Tier: policy.Standard, Isolates: true, Rules: rules[d]}
		}
	}
	return p, nil
}

// directions says for which directions a policy isolates. Where it doesn't
// say so itself it is ingress, and egress where it has such rules.
func directions(spec *networkingv1.NetworkPolicySpec) (applies [2]bool, err error) {
	for _, t := range spec.PolicyTypes {
		switch t {
		case networkingv1.PolicyTypeIngress:
			applies[policy.Ingress] = true
		case networkingv1.PolicyTypeEgress:
			applies[policy.Egress] = true
		default:
			return applies, fmt.Errorf("spec.policyTypes: %q is neither Ingress nor Egress", t)
		}
	}
	if len(spec.PolicyTypes) == 0 {
		applies = [2]bool{true, len(spec.Egress) > 0}
	}
	return applies, nil
}

func acceptRule(namespace, field string, peers []networkingv1.NetworkPolicyPeer, ports []networkingv1.NetworkPolicyPort) (policy.Rule, error) {
	r := policy.Rule{Action: policy.Accept, Field: field}
	for i, from := range peers {
		p, err := networkPeer(namespace, from)
		if err != nil {
			return r, fmt.Errorf("%s: peer %d: %w", field, i, err)
		}
		r.Peers = append(r.Peers, p)
	}
	for i, port := range ports {
		p, err := networkPort(port)
		if err != nil {
			return r, fmt.Errorf("%s: ports[%d]: %w", field, i, err)
		}
		r.Ports = append(r.Ports, p)
	}
	return r, nil
}

func networkPeer(namespace string, from networkingv1.NetworkPolicyPeer) (policy.Peer, error) {
	var p policy.Peer
	selects := from.NamespaceSelector != nil || from.PodSelector != nil
	switch {
	case from.IPBlock == nil && !selects:
		return p, fmt.Errorf("names neither a selector nor an ipBlock")
	case from.IPBlock != nil && selects:
		return p, fmt.Errorf("names an ipBlock together with a selector")
	case from.IPBlock != nil:
		return blockPeer(from.IPBlock)
	}
	in := policy.InNamespace(namespace)
	if from.NamespaceSelector != nil {
		var err error
		if in, err = policy.Labels(policy.NamespaceLabel, from.NamespaceSelector); err != nil {
			return p, fmt.Errorf("namespaceSelector: %w", err)
		}
	}
	p.Pods = in
	if from.PodSelector != nil {
		pods, err := policy.Labels(policy.PodLabel, from.PodSelector)
		if err != nil {
			return p, fmt.Errorf("podSelector: %w", err)
		}
		p.Pods = policy.All{in, pods}
	}
	return p, nil
}

func blockPeer(block *networkingv1.IPBlock) (policy.Peer, error) {
	var p policy.Peer
	var err error
	if p.Block, err = prefix(block.CIDR); err != nil {
		return p, fmt.Errorf("ipBlock.cidr: %w", err)
	}
	for _, text := range block.Except {
		except, err := prefix(text)
		if err != nil {
			return p, fmt.Errorf("ipBlock.except: %w", err)
		}
		if except.Addr().Is4() != p.Block.Addr().Is4() {
			return p, fmt.Errorf("ipBlock.except: %s is of the other address family", text)
		}
		if except.Bits() <= p.Block.Bits() || !p.Block.Contains(except.Addr()) {
			return p, fmt.Errorf("ipBlock.except: %s is no part of %s", text, block.CIDR)
		}
		p.Except = append(p.Except, except)
	}
	return p, nil
}

func networkPort(port networkingv1.NetworkPolicyPort) (policy.Port, error) {
	proto := "TCP"
	if port.Protocol != nil {
		var err error
		if proto, err = protocol(string(*port.Protocol)); err != nil {
			return policy.Port{}, err
		}
	}
	switch {
	case port.Port == nil && port.EndPort != nil:
		return policy.Port{}, fmt.Errorf("endPort without port")
	case port.Port == nil:
		return ports(proto, 1, 65535)
	case port.Port.Type == intstr.String && port.EndPort != nil:
		return policy.Port{}, fmt.Errorf("endPort with a named port")
	case port.Port.Type == intstr.String:
		if wrong := validation.IsValidPortName(port.Port.StrVal); len(wrong) > 0 {
			return policy.Port{}, fmt.Errorf("port %q: %s", port.Port.StrVal, wrong[0])
		}
		return policy.Port{Protocol: proto, Name: port.Port.StrVal}, nil
	}
	low, high := port.Port.IntValue(), port.Port.IntValue()
	if port.EndPort != nil {
		high = int(*port.EndPort)
	}
	return ports(proto, low, high)
}
