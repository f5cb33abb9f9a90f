package network

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// object writes a policy as its API has it.
func (p *adminPolicy) object(name string) map[string]any {
	spec := map[string]any{"subject": p.subject.object()}
	version := "policy.networking.k8s.io/v1alpha1"
	if p.kind == "ClusterNetworkPolicy" {
		version = "policy.networking.k8s.io/v1alpha2"
		spec["tier"] = map[bool]string{false: "Admin", true: "Baseline"}[p.baseline]
	}
	if p.kind == "BaselineAdminNetworkPolicy" {
		name = "default"
	} else {
		spec["priority"] = p.priority
	}
	for d, rules := range p.rules {
		var list []any
		for _, r := range rules {
			list = append(list, p.rule(r, d))
		}
		if list != nil {
			spec[[]string{"ingress", "egress"}[d]] = list
		}
	}
	return map[string]any{"apiVersion": version, "kind": p.kind, "metadata": map[string]any{"name": name}, "spec": spec}
}

func (p *adminPolicy) rule(r adminOracleRule, d int) map[string]any {
	rule := map[string]any{"action": r.action}
	if r.action == "Accept" && p.kind != "ClusterNetworkPolicy" {
		rule["action"] = "Allow"
	}
	var peers, ports []any
	for _, peer := range r.peers {
		peers = append(peers, peer.object())
	}
	rule[[]string{"from", "to"}[d]] = peers
	for _, port := range r.ports {
		ports = append(ports, port.object(p.kind == "ClusterNetworkPolicy"))
	}
	if ports != nil {
		rule[map[bool]string{true: "protocols", false: "ports"}[p.kind == "ClusterNetworkPolicy"]] = ports
	}
	return rule
}

func (s adminSelector) object() map[string]any {
	if s.pods == nil {
		return map[string]any{"namespaces": s.namespaces}
	}
	return map[string]any{"pods": map[string]any{"namespaceSelector": s.namespaces, "podSelector": s.pods}}
}

func (p adminOraclePeer) object() map[string]any {
	switch {
	case p.namespaces != nil:
		return p.adminSelector.object()
	case p.nodes != nil:
		return map[string]any{"nodes": p.nodes}
	case p.domains != nil:
		return map[string]any{"domainNames": p.domains}
	}
	return map[string]any{"networks": p.networks}
}

func (p adminOraclePort) object(cluster bool) map[string]any {
	span := map[string]any{"start": p.low, "end": p.high}
	switch {
	case p.name != "" && cluster:
		return map[string]any{"destinationNamedPort": p.name}
	case p.name != "":
		return map[string]any{"namedPort": p.name}
	case cluster && p.low == p.high:
		return map[string]any{strings.ToLower(p.protocol): map[string]any{"destinationPort": map[string]any{"number": p.low}}}
	case cluster:
		return map[string]any{strings.ToLower(p.protocol): map[string]any{"destinationPort": map[string]any{"range": span}}}
	case p.low == p.high:
		return map[string]any{"portNumber": map[string]any{"protocol": p.protocol, "port": p.low}}
	}
	span["protocol"] = p.protocol
	return map[string]any{"portRange": span}
}

func (d dice) adminSelector() adminSelector {
	s := adminSelector{namespaces: d.selector()}
	if d.IntN(2) == 0 {
		s.namespaces = &metav1.LabelSelector{}
	}
	if d.IntN(2) == 0 {
		s.pods = d.selector()
	}
	return s
}

func (d dice) adminPeer(egress, domains bool) adminOraclePeer {
	if !egress {
		return adminOraclePeer{adminSelector: d.adminSelector()}
	}
	switch d.IntN(6) {
	case 0:
		return adminOraclePeer{nodes: pick(d, &metav1.LabelSelector{}, &metav1.LabelSelector{MatchLabels: map[string]string{"role": "a"}})}
	case 1, 2:
		return adminOraclePeer{networks: pick(d, []string{"0.0.0.0/0"}, []string{"10.0.0.0/24", "fd00::/16"}, []string{"8.8.8.0/24"}, []string{"0.0.0.0/0", "::/0"}, []string{"10.0.0.2/31"})}
	case 3:
		if domains {
			return adminOraclePeer{domains: []string{"*.example.com"}}
		}
	}
	return adminOraclePeer{adminSelector: d.adminSelector()}
}

func (d dice) adminPorts() []adminOraclePort {
	var list []adminOraclePort
	for range d.IntN(3) {
		if d.IntN(4) == 0 {
			list = append(list, adminOraclePort{name: pick(d, "web", "dns")})
			continue
		}
		p := adminOraclePort{protocol: pick(d, protocols[:]...), low: pick(d, 1, 53, 80, 8080)}
		p.high = p.low + pick(d, 0, 1, 30)
		list = append(list, p)
	}
	return list
}

func (d dice) adminPolicy(kind string) *adminPolicy {
	p := &adminPolicy{kind: kind, subject: d.adminSelector()}
	actions := []string{"Accept", "Deny", "Pass"}
	switch kind {
	case "BaselineAdminNetworkPolicy":
		p.baseline, actions = true, actions[:2]
	case "ClusterNetworkPolicy":
		p.baseline = d.IntN(3) == 0
		fallthrough
	default:
		p.priority = pick(d, 0, 5, 5, 10, 1000)
	}
	for direction := range p.rules {
		for range d.IntN(4) {
			r := adminOracleRule{action: pick(d, actions...), ports: d.adminPorts()}
			for range 1 + d.IntN(2) {
				r.peers = append(r.peers, d.adminPeer(direction == 1, r.action == "Accept" && kind != "BaselineAdminNetworkPolicy"))
			}
			p.rules[direction] = append(p.rules[direction], r)
		}
	}
	return p
}

// adminWorld makes a cluster with policies of all kinds, as objects and as
// the text of a list.
func (d dice) adminWorld(t *testing.T) (*oracleWorld, string) {
	t.Helper()
	var list struct {
		APIVersion string `json:"apiVersion"`
		Kind       string `json:"kind"`
		Items      []any  `json:"items"`
	}
	w := &oracleWorld{}
	var text string
	w.pods, w.policies, text = d.world(t)
	if err := json.Unmarshal([]byte(text), &list); err != nil {
		t.Fatal(err)
	}
	for i, name := range []string{"n1", "n2"} {
		n := &corev1.Node{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Node"}, ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{"role": pick(d, "a", "b")}}}
		n.Status.Addresses = []corev1.NodeAddress{{Type: corev1.NodeInternalIP, Address: fmt.Sprintf("10.200.0.%d", i+1)}}
		w.nodes = append(w.nodes, n)
		list.Items = append(list.Items, n)
	}
	kinds := pick(d, []string{"ClusterNetworkPolicy"}, []string{"AdminNetworkPolicy"})
	for i := range d.IntN(4) {
		p := d.adminPolicy(pick(d, kinds...))
		w.admin = append(w.admin, p)
		list.Items = append(list.Items, p.object(fmt.Sprintf("admin%d", i)))
	}
	if kinds[0] == "AdminNetworkPolicy" && d.IntN(2) == 0 {
		p := d.adminPolicy("BaselineAdminNetworkPolicy")
		w.admin = append(w.admin, p)
		list.Items = append(list.Items, p.object(""))
	}
	whole, err := json.Marshal(list)
	if err != nil {
		t.Fatal(err)
	}
	return w, string(whole)
}
