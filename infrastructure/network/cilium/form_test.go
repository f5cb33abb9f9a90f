package cilium_test

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/scantling/scantling/infrastructure/kube"
	"github.com/scantling/scantling/infrastructure/network/policy"
)

// What a world holds, as both evaluators see it.
type (
	testPod struct {
		namespace, name, account, node string
		labels                         map[string]string
		host                           bool // on the network of its node
		ip                             netip.Addr
		ports                          map[string]int // named ports, TCP
	}
	testNode struct {
		name   string
		labels map[string]string
		ip     netip.Addr
	}
	testWorld struct {
		namespaces map[string]map[string]string
		pods       []*testPod
		nodes      []*testNode
	}
	// end is one end of a connection: a pod, or an address.
	end struct {
		pod *testPod
		ip  netip.Addr
	}
	// question is one connection, asked at one of its ends.
	question struct {
		self, other end
		direction   policy.Direction
		protocol    string
		port        int
	}
)

func (w *testWorld) node(name string) *testNode {
	at := slices.IndexFunc(w.nodes, func(n *testNode) bool { return n.name == name })
	if at < 0 {
		return nil
	}
	return w.nodes[at]
}

// nodeOf returns the node whose network an end is on.
func (w *testWorld) nodeOf(e end) *testNode {
	if e.pod != nil {
		if e.pod.host {
			return w.node(e.pod.node)
		}
		return nil
	}
	for _, n := range w.nodes {
		if n.ip == e.ip {
			return n
		}
	}
	return nil
}

// target is the end that the port belongs to.
func (q question) target() end {
	if q.direction == policy.Ingress {
		return q.self
	}
	return q.other
}

// answer is what one side of a connection says.
type answer string

const (
	yes   answer = "."
	no    answer = "X"
	maybe answer = "?"
)

// combine asks both ends; the one that denies decides.
func combine(a, b answer) answer {
	switch {
	case a == no || b == no:
		return no
	case a == maybe || b == maybe:
		return maybe
	}
	return yes
}

// connect answers a connection with a judge of one side.
func (w *testWorld) connect(judge func(question) answer, from, to end, protocol string, port int) answer {
	out := judge(question{from, to, policy.Egress, protocol, port})
	return combine(out, judge(question{to, from, policy.Ingress, protocol, port}))
}

// form evaluates policies as the comment of package policy says, on single
// pods and addresses.
type form struct {
	world    *testWorld
	policies []policy.Policy
}

// lookup gives the values of a pod's keys.
func (f form) lookup(p *testPod) func(policy.Key) (string, bool) {
	return func(k policy.Key) (string, bool) {
		switch k.Of {
		case policy.PodLabel:
			v, has := p.labels[k.Name]
			return v, has
		case policy.NamespaceLabel:
			v, has := f.world.namespaces[p.namespace][k.Name]
			return v, has
		case policy.NamespaceName:
			return p.namespace, true
		case policy.Account:
			return p.account, true
		case policy.Mark: // the only one is the node of a pod on its network
			return p.node, p.host
		}
		return "", false
	}
}

func (f form) judge(q question) answer {
	if q.self.pod == nil {
		return yes
	}
	byOrder := map[float64][]policy.Rule{}
	isolated, perhaps := false, false
	for _, p := range f.policies {
		side := p.Sides[q.direction]
		if side == nil || q.self.pod.host && !p.Hosts || !p.Subject.Match(f.lookup(q.self.pod)) {
			continue
		}
		own := false // whether the side itself decides, if it is in force
		for _, r := range side.Rules {
			if f.matches(r, q) {
				own = own || r.Depends == ""
				r.Depends += side.Depends
				byOrder[r.Order] = append(byOrder[r.Order], r)
			}
		}
		isolated = isolated || side.Isolates && side.Depends == ""
		perhaps = perhaps || side.Isolates && !own
	}
	var orders []float64
	for o := range byOrder {
		orders = append(orders, o)
	}
	slices.Sort(orders)
	may := map[answer]bool{}
	for _, o := range orders {
		decided := false
		for _, r := range byOrder[o] {
			decided = decided || r.Depends == ""
			may[[]answer{policy.Accept: yes, policy.Deny: no}[r.Action]] = true
		}
		if decided {
			return only(may)
		}
	}
	may[yes] = may[yes] || !isolated
	may[no] = may[no] || perhaps
	return only(may)
}

func only(may map[answer]bool) answer {
	switch {
	case may[yes] && may[no]:
		return maybe
	case may[no]:
		return no
	}
	return yes
}

func (f form) matches(r policy.Rule, q question) bool {
	peers := r.Peers == nil || slices.ContainsFunc(r.Peers, func(p policy.Peer) bool { return f.isPeer(p, q.other) })
	return peers && (r.Ports == nil || slices.ContainsFunc(r.Ports, func(p policy.Port) bool {
		if p.Protocol != q.protocol {
			return false
		}
		if p.Name != "" {
			to := q.target().pod
			return to != nil && q.protocol == "TCP" && to.ports[p.Name] == q.port
		}
		return p.Low <= q.port && q.port <= p.High
	}))
}

func (f form) isPeer(p policy.Peer, e end) bool {
	node := f.world.nodeOf(e)
	switch {
	case p.Pods != nil:
		return e.pod != nil && (p.Hosts || !e.pod.host) && p.Pods.Match(f.lookup(e.pod))
	case p.Nodes != nil:
		return node != nil && p.Nodes.Match(func(k policy.Key) (string, bool) {
			v, has := node.labels[k.Name]
			return v, has
		})
	}
	ip := e.ip
	if e.pod != nil {
		ip = e.pod.ip
	}
	outside := e.pod == nil && node == nil
	return ip.IsValid() && (outside || !p.Outside) && p.Block.Contains(ip) &&
		!slices.ContainsFunc(p.Except, func(x netip.Prefix) bool { return x.Contains(ip) })
}

// snapshot reads manifests as the commands do.
func snapshot(t testing.TB, manifests ...string) *kube.Snapshot {
	t.Helper()
	s, err := kube.ReadFrom(t.Context(), "prod", "in.yaml", strings.NewReader(strings.Join(manifests, "\n---\n")))
	if err != nil {
		t.Fatal(err)
	}
	for _, gap := range s.Incomplete {
		if !strings.HasPrefix(gap.What, "kind ") {
			t.Fatalf("%s: %s", gap.What, gap.Why)
		}
	}
	return s
}
