package network

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/scantling/scantling/infrastructure/kube"
)

// The oracle evaluates policies pod by pod and port by port, straight from
// the text of the API, without classes, atoms or sets.

type oraclePod struct {
	*corev1.Pod
	namespaceLabels map[string]string
}

// oracleEnd is a pod or an address.
type oracleEnd struct {
	pod *oraclePod
	ip  netip.Addr
}

func oracleSelects(s *metav1.LabelSelector, labels map[string]string) bool {
	for k, v := range s.MatchLabels {
		if labels[k] != v || v == "" && !hasKey(labels, k) {
			return false
		}
	}
	for _, e := range s.MatchExpressions {
		value, has := labels[e.Key], hasKey(labels, e.Key)
		listed := false
		for _, v := range e.Values {
			listed = listed || has && v == value
		}
		ok := map[metav1.LabelSelectorOperator]bool{
			metav1.LabelSelectorOpIn:           listed,
			metav1.LabelSelectorOpNotIn:        !listed,
			metav1.LabelSelectorOpExists:       has,
			metav1.LabelSelectorOpDoesNotExist: !has,
		}[e.Operator]
		if !ok {
			return false
		}
	}
	return true
}

func hasKey(m map[string]string, k string) bool {
	_, has := m[k]
	return has
}

func oraclePeer(p networkingv1.NetworkPolicyPeer, policyNamespace string, end oracleEnd, hosts bool) bool {
	if p.IPBlock != nil {
		var ips []netip.Addr
		if end.pod == nil {
			ips = []netip.Addr{end.ip}
		} else {
			for _, ip := range end.pod.Status.PodIPs {
				ips = append(ips, netip.MustParseAddr(ip.IP))
			}
		}
		for _, ip := range ips {
			in := netip.MustParsePrefix(p.IPBlock.CIDR).Contains(ip)
			for _, e := range p.IPBlock.Except {
				in = in && !netip.MustParsePrefix(e).Contains(ip)
			}
			if in {
				return true
			}
		}
		return false
	}
	if end.pod == nil || end.pod.Spec.HostNetwork && !hosts {
		return false
	}
	if p.NamespaceSelector == nil && end.pod.Namespace != policyNamespace {
		return false
	}
	if p.NamespaceSelector != nil && !oracleSelects(p.NamespaceSelector, end.pod.namespaceLabels) {
		return false
	}
	return p.PodSelector == nil || oracleSelects(p.PodSelector, end.pod.Labels)
}

func oraclePort(p networkingv1.NetworkPolicyPort, protocol corev1.Protocol, port int, destination oracleEnd) bool {
	want := corev1.ProtocolTCP
	if p.Protocol != nil {
		want = *p.Protocol
	}
	switch {
	case want != protocol:
		return false
	case p.Port == nil:
		return true
	case p.Port.Type == intstr.String:
		if destination.pod == nil {
			return false
		}
		for _, c := range destination.pod.Spec.Containers {
			for _, cp := range c.Ports {
				if cp.Name == p.Port.StrVal && cp.Protocol == protocol && int(cp.ContainerPort) == port {
					return true
				}
			}
		}
		return false
	case p.EndPort != nil:
		return port >= p.Port.IntValue() && port <= int(*p.EndPort)
	}
	return port == p.Port.IntValue()
}

func oracleRule(peers []networkingv1.NetworkPolicyPeer, ports []networkingv1.NetworkPolicyPort, namespace string, other, destination oracleEnd, protocol corev1.Protocol, port int, hosts bool) bool {
	peerOK, portOK := len(peers) == 0, len(ports) == 0
	for _, p := range peers {
		peerOK = peerOK || oraclePeer(p, namespace, other, hosts)
	}
	for _, p := range ports {
		portOK = portOK || oraclePort(p, protocol, port, destination)
	}
	return peerOK && portOK
}

// oracleSide answers one direction for the pod own.
func oracleSide(policies []*networkingv1.NetworkPolicy, d networkingv1.PolicyType, own, other, destination oracleEnd, protocol corev1.Protocol, port int, hosts bool) bool {
	if own.pod == nil || own.pod.Spec.HostNetwork && !hosts {
		return true
	}
	isolated := false
	for _, p := range policies {
		types := p.Spec.PolicyTypes
		if len(types) == 0 {
			types = []networkingv1.PolicyType{networkingv1.PolicyTypeIngress}
			if len(p.Spec.Egress) > 0 {
				types = append(types, networkingv1.PolicyTypeEgress)
			}
		}
		if p.Namespace != own.pod.Namespace || !slices.Contains(types, d) || !oracleSelects(&p.Spec.PodSelector, own.pod.Labels) {
			continue
		}
		isolated = true
		if d == networkingv1.PolicyTypeIngress {
			for _, r := range p.Spec.Ingress {
				if oracleRule(r.From, r.Ports, p.Namespace, other, destination, protocol, port, hosts) {
					return true
				}
			}
			continue
		}
		for _, r := range p.Spec.Egress {
			if oracleRule(r.To, r.Ports, p.Namespace, other, destination, protocol, port, hosts) {
				return true
			}
		}
	}
	return !isolated
}

// oracle answers one connection: ingress, egress, both. Hosts says whether
// policies see pods of the host's network.
func oracle(policies []*networkingv1.NetworkPolicy, s, d oracleEnd, protocol corev1.Protocol, port int, hosts bool) [3]bool {
	if s.pod != nil && d.pod != nil {
		sameNode := s.pod.Spec.NodeName != "" && s.pod.Spec.NodeName == d.pod.Spec.NodeName
		if s.pod == d.pod || sameNode && !hosts && (s.pod.Spec.HostNetwork || d.pod.Spec.HostNetwork) {
			return [3]bool{true, true, true}
		}
	}
	in := oracleSide(policies, networkingv1.PolicyTypeIngress, d, s, d, protocol, port, hosts)
	out := oracleSide(policies, networkingv1.PolicyTypeEgress, s, d, d, protocol, port, hosts)
	return [3]bool{in, out, in && out}
}

// dice makes random worlds.
type dice struct{ *rand.Rand }

func pick[T any](d dice, of ...T) T { return of[d.IntN(len(of))] }

func (d dice) labels() map[string]string {
	m := map[string]string{}
	for _, k := range []string{"app", "tier"} {
		if d.IntN(3) > 0 {
			m[k] = pick(d, "a", "b", "")
		}
	}
	return m
}

func (d dice) selector() *metav1.LabelSelector {
	s := &metav1.LabelSelector{}
	if d.IntN(2) == 0 {
		s.MatchLabels = map[string]string{pick(d, "app", "tier"): pick(d, "a", "b", "")}
	}
	if d.IntN(3) == 0 {
		e := metav1.LabelSelectorRequirement{Key: pick(d, "app", "tier", "none"), Operator: pick(d, metav1.LabelSelectorOpIn, metav1.LabelSelectorOpNotIn, metav1.LabelSelectorOpExists, metav1.LabelSelectorOpDoesNotExist)}
		if e.Operator == metav1.LabelSelectorOpIn || e.Operator == metav1.LabelSelectorOpNotIn {
			e.Values = []string{pick(d, "a", "b"), pick(d, "a", "b", "c")}
		}
		s.MatchExpressions = append(s.MatchExpressions, e)
	}
	return s
}

func (d dice) peers() []networkingv1.NetworkPolicyPeer {
	var list []networkingv1.NetworkPolicyPeer
	for range d.IntN(3) {
		var p networkingv1.NetworkPolicyPeer
		switch d.IntN(5) {
		case 0:
			p.PodSelector = d.selector()
		case 1:
			p.NamespaceSelector = d.selector()
		case 2:
			p.NamespaceSelector, p.PodSelector = d.selector(), d.selector()
		case 3:
			p.IPBlock = &networkingv1.IPBlock{CIDR: pick(d, "0.0.0.0/0", "10.0.0.0/24", "10.0.0.2/31", "8.8.8.0/24", "10.0.0.0/8")}
			d.except(p.IPBlock, "10.0.0.2/32", "10.0.0.1/32", "10.0.0.4/30", "8.8.8.8/32", "10.0.0.0/25")
		default:
			p.IPBlock = &networkingv1.IPBlock{CIDR: pick(d, "::/0", "fd00::/16", "2001:db8::/32")}
			d.except(p.IPBlock, "fd00::2/128", "2001:db8::/64")
		}
		list = append(list, p)
	}
	return list
}

// except takes one of some blocks out of another one, if it is part of that.
func (d dice) except(block *networkingv1.IPBlock, list ...string) {
	out := netip.MustParsePrefix(pick(d, list...))
	if whole := netip.MustParsePrefix(block.CIDR); d.IntN(2) == 0 && whole.Contains(out.Addr()) && whole.Bits() < out.Bits() {
		block.Except = []string{out.String()}
	}
}

func (d dice) ports() []networkingv1.NetworkPolicyPort {
	var list []networkingv1.NetworkPolicyPort
	for range d.IntN(3) {
		var p networkingv1.NetworkPolicyPort
		if d.IntN(3) > 0 {
			protocol := pick(d, corev1.ProtocolTCP, corev1.ProtocolUDP, corev1.ProtocolSCTP)
			p.Protocol = &protocol
		}
		switch d.IntN(4) {
		case 0:
		case 1:
			port := intstr.FromString(pick(d, "web", "dns"))
			p.Port = &port
		default:
			port := intstr.FromInt32(pick[int32](d, 1, 53, 80, 8080))
			p.Port = &port
			if d.IntN(2) == 0 {
				end := port.IntVal + pick[int32](d, 0, 1, 30)
				if d.IntN(5) == 0 {
					end = 65535
				}
				p.EndPort = &end
			}
		}
		list = append(list, p)
	}
	return list
}

func (d dice) policy(i int, namespaces []string) *networkingv1.NetworkPolicy {
	p := &networkingv1.NetworkPolicy{
		TypeMeta:   metav1.TypeMeta{APIVersion: "networking.k8s.io/v1", Kind: "NetworkPolicy"},
		ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("p%d", i), Namespace: pick(d, namespaces...)},
	}
	p.Spec.PodSelector = *d.selector()
	if d.IntN(3) == 0 {
		p.Spec.PodSelector = metav1.LabelSelector{}
	}
	p.Spec.PolicyTypes = pick(d, nil, []networkingv1.PolicyType{networkingv1.PolicyTypeIngress}, []networkingv1.PolicyType{networkingv1.PolicyTypeEgress},
		[]networkingv1.PolicyType{networkingv1.PolicyTypeIngress, networkingv1.PolicyTypeEgress})
	for range d.IntN(3) {
		p.Spec.Ingress = append(p.Spec.Ingress, networkingv1.NetworkPolicyIngressRule{From: d.peers(), Ports: d.ports()})
	}
	for range d.IntN(3) {
		p.Spec.Egress = append(p.Spec.Egress, networkingv1.NetworkPolicyEgressRule{To: d.peers(), Ports: d.ports()})
	}
	return p
}

func (d dice) pod(i int, namespace string) *corev1.Pod {
	p := &corev1.Pod{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Pod"},
		ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("pod%d", i), Namespace: namespace, Labels: d.labels()},
	}
	p.Spec.HostNetwork = d.IntN(6) == 0
	p.Spec.NodeName = pick(d, "", "n1", "n2")
	c := corev1.Container{Name: "c"}
	if d.IntN(2) == 0 {
		c.Ports = append(c.Ports, corev1.ContainerPort{Name: "web", ContainerPort: pick[int32](d, 80, 8080, 81), Protocol: pick(d, corev1.ProtocolTCP, corev1.ProtocolUDP)})
	}
	if d.IntN(2) == 0 {
		c.Ports = append(c.Ports, corev1.ContainerPort{Name: "dns", ContainerPort: pick[int32](d, 53, 54), Protocol: corev1.ProtocolUDP})
	}
	p.Spec.Containers = []corev1.Container{c}
	switch d.IntN(3) {
	case 0:
		p.Status.PodIPs = []corev1.PodIP{{IP: fmt.Sprintf("10.0.0.%d", i+1)}}
	case 1:
		p.Status.PodIPs = []corev1.PodIP{{IP: fmt.Sprintf("10.0.0.%d", i+1)}, {IP: fmt.Sprintf("fd00::%d", i+1)}}
	}
	return p
}

// randomWorld is a cluster as objects and as the text of a list.
func (d dice) world(t *testing.T) (pods []*oraclePod, policies []*networkingv1.NetworkPolicy, text string) {
	t.Helper()
	var items []any
	namespaces := []string{"one", "two", "three"}
	labels := map[string]map[string]string{}
	for _, n := range namespaces {
		labels[n] = d.labels()
		labels[n]["kubernetes.io/metadata.name"] = n
		items = append(items, &corev1.Namespace{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Namespace"}, ObjectMeta: metav1.ObjectMeta{Name: n, Labels: labels[n]}})
	}
	for i := range 2 + d.IntN(6) {
		namespace := pick(d, namespaces...)
		p := d.pod(i, namespace)
		pods = append(pods, &oraclePod{p, labels[namespace]})
		items = append(items, p)
	}
	for i := range d.IntN(6) {
		p := d.policy(i, namespaces)
		policies = append(policies, p)
		items = append(items, p)
	}
	d.Shuffle(len(items), func(i, j int) { items[i], items[j] = items[j], items[i] })
	list, err := json.Marshal(map[string]any{"apiVersion": "v1", "kind": "List", "items": items})
	if err != nil {
		t.Fatal(err)
	}
	return pods, policies, string(list)
}

var oraclePorts = []int{1, 2, 31, 52, 53, 54, 79, 80, 81, 82, 110, 111, 8079, 8080, 8081, 8110, 65535}

// TestAgreesWithOracle compares whole random worlds with the naive evaluation.
func TestAgreesWithOracle(t *testing.T) {
	answers := 0
	for seed := range uint64(400) {
		d := dice{rand.New(rand.NewPCG(seed, 7))}
		pods, policies, text := d.world(t)
		s, err := kube.ReadFrom(context.Background(), "", "world.json", strings.NewReader(text))
		if err != nil || len(s.Incomplete) > 0 {
			t.Fatalf("seed %d: %v %v\n%s", seed, err, s.Incomplete, text)
		}
		e := Build(s)
		if len(e.Incomplete) > 0 {
			t.Fatalf("seed %d: %v\n%s", seed, e.Incomplete, text)
		}
		answers += compareMatrix(t, seed, e, s, pods, policies)
		answers += compareOutside(t, seed, e, pods, policies)
		if t.Failed() {
			t.Fatalf("seed %d: %s", seed, text)
		}
	}
	t.Logf("%d answers agree", answers)
}

func compareMatrix(t *testing.T, seed uint64, e *Engine, s *kube.Snapshot, pods []*oraclePod, policies []*networkingv1.NetworkPolicy) int {
	t.Helper()
	var ports []string
	for _, protocol := range protocols {
		for _, port := range oraclePorts {
			ports = append(ports, fmt.Sprintf("%s/%d", strings.ToLower(protocol), port))
		}
	}
	var m [3]Matrix
	for i, e := range []*Engine{e.Settled(false), e.Settled(true), e} {
		var err error
		if m[i], err = e.Matrix(ports); err != nil {
			t.Fatal(err)
		}
	}
	answers := 0
	for _, a := range pods {
		for _, b := range pods {
			i, j := slices.Index(m[0].Pods, a.Namespace+"/"+a.Name), slices.Index(m[0].Pods, b.Namespace+"/"+b.Name)
			anyPort := false
			for n := range ports {
				var want [2][3]bool
				for hosts := range want {
					want[hosts] = oracle(policies, oracleEnd{pod: a}, oracleEnd{pod: b}, corev1.Protocol(protocols[n/len(oraclePorts)]), oraclePorts[n%len(oraclePorts)], hosts == 1)
					anyPort = anyPort || want[hosts][2]
				}
				for at, of := range []func(m Matrix) [][]string{
					func(m Matrix) [][]string { return m.Allowed.Ingress },
					func(m Matrix) [][]string { return m.Allowed.Egress },
					func(m Matrix) [][]string { return m.Allowed.Combined },
				} {
					text := map[[2]bool]string{{false, false}: "XXX", {true, true}: "...", {true, false}: ".X?", {false, true}: "X.?"}[[2]bool{want[0][at], want[1][at]}]
					if got := string([]byte{of(m[0])[i][j][n], of(m[1])[i][j][n], of(m[2])[i][j][n]}); got != text {
						t.Errorf("seed %d: %s -> %s %s, table %d: engine %s, oracle %s", seed, a.Name, b.Name, ports[n], at, got, text)
					}
					answers++
				}
			}
			from, to := workloadAt(s, a.Pod), workloadAt(s, b.Pod)
			if got := e.CanReach(from, to); got != anyPort {
				t.Errorf("seed %d: %s -> %s on any port: engine %v, oracle %v", seed, a.Name, b.Name, got, anyPort)
			}
			if got := inHub(e.Hubs(), from, to); from != to && got != anyPort {
				t.Errorf("seed %d: %s -> %s by hubs: engine %v, oracle %v", seed, a.Name, b.Name, got, anyPort)
			}
		}
	}
	return answers
}

func workloadAt(s *kube.Snapshot, p *corev1.Pod) int {
	return slices.IndexFunc(s.Workloads, func(w *kube.Workload) bool { return w.Namespace == p.Namespace && w.Name == p.Name })
}

func inHub(hubs []Hub, from, to int) bool {
	return slices.ContainsFunc(hubs, func(h Hub) bool { return slices.Contains(h.Sources, from) && slices.Contains(h.Destinations, to) })
}

func compareOutside(t *testing.T, seed uint64, e *Engine, pods []*oraclePod, policies []*networkingv1.NetworkPolicy) int {
	t.Helper()
	answers := 0
	for _, address := range []string{"8.8.8.8", "8.8.8.9", "10.0.0.200", "10.200.0.1", "255.255.255.255", "0.0.0.0", "2001:db8::1", "2001:db8:1::1", "fd00::ffff", "fe80::1"} {
		outside := oracleEnd{ip: netip.MustParseAddr(address)}
		for _, p := range pods {
			name := p.Namespace + "/" + p.Name
			for _, port := range []int{1, 53, 80, 8080} {
				for _, protocol := range []corev1.Protocol{corev1.ProtocolTCP, corev1.ProtocolUDP} {
					text := fmt.Sprintf("%s/%d", strings.ToLower(string(protocol)), port)
					for _, hosts := range []bool{false, true} {
						e := e.Settled(hosts)
						in, err := e.Probe(address, name, text)
						if err != nil {
							t.Fatal(err)
						}
						if want := oracle(policies, outside, oracleEnd{pod: p}, protocol, port, hosts)[2]; (in.Answer == Allowed) != want {
							t.Errorf("seed %d: %s -> %s %s: engine %v, oracle %v", seed, address, name, text, in.Answer, want)
						}
						out, err := e.Probe(name, address, text)
						if err != nil {
							t.Fatal(err)
						}
						if want := oracle(policies, oracleEnd{pod: p}, outside, protocol, port, hosts)[2]; (out.Answer == Allowed) != want {
							t.Errorf("seed %d: %s -> %s %s: engine %v, oracle %v", seed, name, address, text, out.Answer, want)
						}
					}
					answers += 2
				}
			}
		}
	}
	return answers
}
