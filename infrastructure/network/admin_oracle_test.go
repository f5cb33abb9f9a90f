package network

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/scantling/scantling/infrastructure/kube"
)

// adminPolicy is an AdminNetworkPolicy, BaselineAdminNetworkPolicy or
// ClusterNetworkPolicy as the generator makes it and the oracle reads it,
// apart from any code of the readers.
type adminPolicy struct {
	kind     string
	baseline bool
	priority int
	subject  adminSelector
	rules    [2][]adminOracleRule // ingress, egress
}

type adminSelector struct {
	namespaces *metav1.LabelSelector
	pods       *metav1.LabelSelector // with namespaces
}

type adminOracleRule struct {
	action string // "Accept", "Deny", "Pass"
	peers  []adminOraclePeer
	ports  []adminOraclePort
}

type adminOraclePeer struct {
	adminSelector
	nodes    *metav1.LabelSelector
	networks []string
	domains  []string
}

type adminOraclePort struct {
	protocol  string
	low, high int
	name      string
}

// outcome is a set of what may come out.
type outcome struct{ allow, deny bool }

func (s adminSelector) holds(end oracleEnd) bool {
	if end.pod == nil || end.pod.Spec.HostNetwork {
		return false
	}
	return oracleSelects(s.namespaces, end.pod.namespaceLabels) && (s.pods == nil || oracleSelects(s.pods, end.pod.Labels))
}

// addresses are those of an end; known says whether there are any to know.
func addresses(end oracleEnd) []netip.Addr {
	if end.pod == nil {
		return []netip.Addr{end.ip}
	}
	var list []netip.Addr
	for _, ip := range end.pod.Status.PodIPs {
		list = append(list, netip.MustParseAddr(ip.IP))
	}
	return list
}

// holds says whether a peer matches: no, perhaps, yes.
func (p adminOraclePeer) holds(end oracleEnd, nodes []*corev1.Node) (may, sure bool) {
	switch {
	case p.namespaces != nil:
		is := p.adminSelector.holds(end)
		return is, is
	case p.nodes != nil:
		return holdsNode(p.nodes, end, nodes)
	case p.domains != nil:
		return len(addresses(end)) > 0, false
	}
	for _, text := range p.networks {
		if text == "0.0.0.0/0" && len(addresses(end)) == 0 {
			return true, true // every pod has an address
		}
		for _, ip := range addresses(end) {
			if netip.MustParsePrefix(text).Contains(ip) {
				return true, true
			}
		}
	}
	return false, false
}

func holdsNode(selector *metav1.LabelSelector, end oracleEnd, nodes []*corev1.Node) (may, sure bool) {
	if end.pod != nil && !end.pod.Spec.HostNetwork {
		return false, false
	}
	if end.pod != nil && end.pod.Spec.NodeName == "" {
		return true, false
	}
	for _, n := range nodes {
		at := end.pod != nil && end.pod.Spec.NodeName == n.Name || end.pod == nil && n.Status.Addresses[0].Address == end.ip.String()
		if at && oracleSelects(selector, n.Labels) {
			return true, true
		}
	}
	return false, false
}

func (r adminOracleRule) holds(other, destination oracleEnd, nodes []*corev1.Node, protocol string, port int) (may, sure bool) {
	if len(r.ports) > 0 && !slices.ContainsFunc(r.ports, func(p adminOraclePort) bool { return p.holds(destination, protocol, port) }) {
		return false, false
	}
	for _, p := range r.peers {
		a, b := p.holds(other, nodes)
		may, sure = may || a, sure || b
	}
	return may, sure
}

func (p adminOraclePort) holds(destination oracleEnd, protocol string, port int) bool {
	if p.name == "" {
		return p.protocol == protocol && p.low <= port && port <= p.high
	}
	return destination.pod != nil && slices.ContainsFunc(destination.pod.Spec.Containers, func(c corev1.Container) bool {
		return slices.ContainsFunc(c.Ports, func(cp corev1.ContainerPort) bool {
			return cp.Name == p.name && string(cp.Protocol) == protocol && int(cp.ContainerPort) == port
		})
	})
}

// verdicts are the actions that a policy may take, and whether it surely takes
// one: the first rule that matches.
func (p *adminPolicy) verdicts(d int, own, other, destination oracleEnd, nodes []*corev1.Node, protocol string, port int) (actions []string, sure bool) {
	if own.pod == nil || !p.subject.holds(own) {
		return nil, false
	}
	for _, r := range p.rules[d] {
		may, certain := r.holds(other, destination, nodes, protocol, port)
		if may {
			actions = append(actions, r.action)
		}
		if certain {
			return actions, true
		}
	}
	return actions, false
}

// oraclePriorities are all that the generator gives, rising.
var oraclePriorities = []int{0, 5, 10, 1000}

// oracleWorld is what connections are judged by.
type oracleWorld struct {
	pods     []*oraclePod
	nodes    []*corev1.Node
	policies []*networkingv1.NetworkPolicy
	admin    []*adminPolicy
}

// tier asks the policies of a tier by rising priority; of those with one
// priority any may be the one that is applied. Next is what comes after it.
func (w *oracleWorld) tier(baseline bool, d int, own, other, destination oracleEnd, protocol string, port int, next func() outcome) outcome {
	var all outcome
	for _, priority := range oraclePriorities {
		decided := false
		for _, p := range w.admin {
			if p.baseline != baseline || p.priority != priority {
				continue
			}
			actions, sure := p.verdicts(d, own, other, destination, w.nodes, protocol, port)
			decided = decided || sure
			for _, a := range actions {
				switch a {
				case "Accept":
					all.allow = true
				case "Deny":
					all.deny = true
				default:
					after := next()
					all.allow, all.deny = all.allow || after.allow, all.deny || after.deny
				}
			}
		}
		if decided {
			return all
		}
	}
	after := next()
	return outcome{all.allow || after.allow, all.deny || after.deny}
}

// side answers one direction.
func (w *oracleWorld) side(d int, own, other, destination oracleEnd, protocol string, port int, hosts bool) outcome {
	if own.pod == nil {
		return outcome{allow: true}
	}
	direction := []networkingv1.PolicyType{networkingv1.PolicyTypeIngress, networkingv1.PolicyTypeEgress}[d]
	standard := func() outcome {
		if oracleIsolates(w.policies, direction, own, hosts) {
			ok := oracleSide(w.policies, direction, own, other, destination, corev1.Protocol(protocol), port, hosts)
			return outcome{ok, !ok}
		}
		return w.tier(true, d, own, other, destination, protocol, port, func() outcome { return outcome{allow: true} })
	}
	return w.tier(false, d, own, other, destination, protocol, port, standard)
}

// oracleIsolates reports whether a NetworkPolicy selects a pod.
func oracleIsolates(policies []*networkingv1.NetworkPolicy, d networkingv1.PolicyType, own oracleEnd, hosts bool) bool {
	for _, p := range policies {
		empty := p.DeepCopy() // without rules nothing is allowed that isolates
		empty.Spec.PolicyTypes = p.Spec.PolicyTypes
		if len(p.Spec.PolicyTypes) == 0 {
			empty.Spec.PolicyTypes = []networkingv1.PolicyType{networkingv1.PolicyTypeIngress}
			if len(p.Spec.Egress) > 0 {
				empty.Spec.PolicyTypes = append(empty.Spec.PolicyTypes, networkingv1.PolicyTypeEgress)
			}
		}
		empty.Spec.Ingress, empty.Spec.Egress = nil, nil
		if !oracleSide([]*networkingv1.NetworkPolicy{empty}, d, own, oracleEnd{}, oracleEnd{}, corev1.ProtocolTCP, 1, hosts) {
			return true
		}
	}
	return false
}

// connection answers ingress, egress and both, under one reading.
func (w *oracleWorld) connection(s, d oracleEnd, protocol string, port int, hosts bool) [3]outcome {
	open := outcome{allow: true}
	if s.pod != nil && d.pod != nil {
		mates := s.pod.Spec.NodeName != "" && s.pod.Spec.NodeName == d.pod.Spec.NodeName && (s.pod.Spec.HostNetwork || d.pod.Spec.HostNetwork)
		if s.pod == d.pod || mates && (!hosts || len(w.policies) == 0) {
			return [3]outcome{open, open, open}
		}
	}
	in := w.side(0, d, s, d, protocol, port, hosts)
	out := w.side(1, s, d, d, protocol, port, hosts)
	return [3]outcome{in, out, {in.allow && out.allow, in.deny || out.deny}}
}

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

// worlds is how many random worlds a property test makes: a sample, or all
// with SCANTLING_WHOLE as make exhaustive sets it.
func worlds() uint64 {
	if os.Getenv("SCANTLING_WHOLE") != "" {
		return 10_000
	}
	return 100
}

// TestPoliciesAgainstNaive compares random worlds with policies of all kinds
// with the naive evaluation, pod by pod and port by port, in both readings
// about the host's network and in both together.
func TestPoliciesAgainstNaive(t *testing.T) {
	var c comparison
	for seed := range worlds() {
		d := dice{rand.New(rand.NewPCG(seed, 60))}
		w, text := d.adminWorld(t)
		s, err := kube.ReadFrom(context.Background(), "", "world.json", strings.NewReader(text))
		if err != nil || len(s.Incomplete) > 0 {
			t.Fatalf("seed %d: %v %v\n%s", seed, err, s.Incomplete, text)
		}
		e := Build(s)
		if len(e.Incomplete) > 0 {
			t.Fatalf("seed %d: %v\n%s", seed, e.Incomplete, text)
		}
		c.world(t, e, s, w)
		if t.Failed() {
			t.Fatalf("seed %d: %s", seed, text)
		}
	}
	t.Logf("%d answers agree, %d of them depend", c.answers, c.depends)
	if c.depends*100 < c.answers {
		t.Error("the random worlds are lopsided")
	}
}

// comparison counts.
type comparison struct{ answers, depends int }

func (c *comparison) world(t *testing.T, e *Engine, s *kube.Snapshot, w *oracleWorld) {
	t.Helper()
	ends := []oracleEnd{}
	names := []string{}
	for _, p := range w.pods {
		ends, names = append(ends, oracleEnd{pod: p}), append(names, p.Namespace+"/"+p.Name)
	}
	for _, a := range []string{"8.8.8.8", "10.0.0.200", "10.200.0.1", "10.200.0.2", "2001:db8::1", "fd00::ffff"} {
		ends, names = append(ends, oracleEnd{ip: netip.MustParseAddr(a)}), append(names, a)
	}
	engines := [3]*Engine{e.Settled(false), e.Settled(true), e}
	for i, a := range ends {
		for j, b := range ends {
			if a.pod == nil && b.pod == nil {
				continue
			}
			reach := c.pair(t, engines, w, a, b, names[i], names[j])
			if a.pod == nil || b.pod == nil || i == j {
				continue
			}
			from, to := workloadAt(s, a.pod.Pod), workloadAt(s, b.pod.Pod)
			if got := e.CanReach(from, to); got != reach {
				t.Errorf("%s -> %s on any port: engine %v, oracle %v", names[i], names[j], got, reach)
			}
		}
	}
}

// pair compares the answers about two ends, and reports whether the oracle
// may allow any port.
func (c *comparison) pair(t *testing.T, engines [3]*Engine, w *oracleWorld, a, b oracleEnd, from, to string) (reach bool) {
	t.Helper()
	var ends [2]party
	for i, name := range []string{from, to} {
		found, err := engines[0].parties(name)
		if err != nil || len(found) != 1 {
			t.Fatal(name, err)
		}
		ends[i] = found[0]
	}
	for _, protocol := range protocols {
		for _, port := range oraclePorts {
			var want [3][3]outcome
			for i := range 2 {
				want[i] = w.connection(a, b, protocol, port, i == 1)
			}
			for at := range want[2] {
				want[2][at] = outcome{want[0][at].allow || want[1][at].allow, want[0][at].deny || want[1][at].deny}
			}
			reach = reach || want[2][2].allow
			for i, e := range engines {
				atom := e.ports.atom(protocolIndex(protocol), port)
				for at, got := range e.answers(ends[0], ends[1], atom) {
					text := map[outcome]Answer{{true, false}: Allowed, {false, true}: Denied, {true, true}: Depends}[want[i][at]]
					if got != text {
						t.Errorf("%s -> %s %s/%d, reading %d, answer %d: engine %s, oracle %s", from, to, protocol, port, i, at, got, text)
					}
					c.answers++
					if text == Depends {
						c.depends++
					}
				}
			}
		}
	}
	return reach
}
