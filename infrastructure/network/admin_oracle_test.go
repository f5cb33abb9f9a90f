package network

import (
	"context"
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

// worlds is how many random worlds a property test makes: a sample, or all
// with SCANTLING_WHOLE as make worlds sets it.
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
