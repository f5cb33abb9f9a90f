// Package policytest evaluates policies in the common form one connection at a
// time, straight from the text of package policy: an oracle for readers that
// shares nothing with the engine.
package policytest

import (
	"cmp"
	"net/netip"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/scantling/scantling/infrastructure/kube"
	"github.com/scantling/scantling/infrastructure/network/policy"
)

// Answer is a set of what may become of a connection.
type Answer int

const (
	Allowed Answer = 1 << iota
	Denied
	Depends = Allowed | Denied
)

func (a Answer) String() string {
	return [...]string{"nothing", "allowed", "denied", "depends"}[a]
}

// End is a pod, what a workload's pods would be where Pod is nil, or an address
// where Load is nil.
type End struct {
	Load *kube.Workload
	Pod  *kube.Pod
	IP   netip.Addr
}

// World is a snapshot with its policies.
type World struct {
	Snapshot *kube.Snapshot
	Policies []policy.Policy
	Markers  []policy.Marker
}

// Ends lists every pod and every workload without pods.
func Ends(s *kube.Snapshot) []End {
	var list []End
	for _, load := range s.Workloads {
		if len(load.Pods) == 0 {
			list = append(list, End{Load: load})
		}
		for i := range load.Pods {
			list = append(list, End{Load: load, Pod: &load.Pods[i]})
		}
	}
	return list
}

// Connection answers for one connection, in every layer and at both ends. That a
// pod reaches itself and a node its pods is not part of it.
func (w *World) Connection(source, destination End, protocol string, port int) Answer {
	result := Allowed
	for _, layer := range []policy.Layer{policy.Network, policy.Mesh} {
		for d, own := range [2]End{policy.Ingress: destination, policy.Egress: source} {
			other := source
			if policy.Direction(d) == policy.Egress {
				other = destination
			}
			result = both(result, w.side(layer, policy.Direction(d), own, other, destination, protocol, port))
		}
	}
	return result
}

func both(a, b Answer) Answer {
	return a&b&Allowed | (a|b)&Denied
}

// candidate is a rule that matches.
type candidate struct {
	rule    *policy.Rule
	depends bool
}

// stage is what one tier says.
type stage struct {
	tier              float64
	rules             []candidate
	isolates, mayShut bool
}

func (w *World) side(layer policy.Layer, d policy.Direction, own, other, destination End, protocol string, port int) Answer {
	if own.Load == nil {
		return Allowed
	}
	stages := map[float64]*stage{}
	for i := range w.Policies {
		p := &w.Policies[i]
		side := p.Sides[d]
		if p.Layer != layer || side == nil || host(own) && !p.Hosts || !p.Subject.Match(w.value(own)) {
			continue
		}
		s := stages[side.Tier]
		if s == nil {
			s = &stage{tier: side.Tier}
			stages[side.Tier] = s
		}
		s.isolates = s.isolates || side.Isolates && side.Depends == ""
		s.mayShut = s.mayShut || side.Isolates
		for j := range side.Rules {
			r := &side.Rules[j]
			if w.peers(r, other) && ports(r, destination, protocol, port) {
				s.rules = append(s.rules, candidate{r, r.Depends != "" || side.Depends != ""})
			}
		}
	}
	var order []*stage
	for _, s := range stages {
		slices.SortStableFunc(s.rules, func(a, b candidate) int { return cmp.Compare(a.rule.Order, b.rule.Order) })
		order = append(order, s)
	}
	slices.SortFunc(order, func(a, b *stage) int { return cmp.Compare(a.tier, b.tier) })
	return decide(order)
}

func decide(stages []*stage) Answer {
	if len(stages) == 0 {
		return Allowed
	}
	s := stages[0]
	var result Answer
	for from := 0; from < len(s.rules); {
		to := from
		certain := false
		for to < len(s.rules) && s.rules[to].rule.Order == s.rules[from].rule.Order {
			switch s.rules[to].rule.Action {
			case policy.Accept:
				result |= Allowed
			case policy.Deny:
				result |= Denied
			case policy.Pass:
				result |= decide(stages[1:])
			}
			certain = certain || !s.rules[to].depends
			to++
		}
		if certain {
			return result
		}
		from = to
	}
	if s.mayShut {
		result |= Denied
	}
	if !s.isolates {
		result |= decide(stages[1:])
	}
	return result
}

func (w *World) peers(r *policy.Rule, other End) bool {
	if r.Peers == nil {
		return true
	}
	return slices.ContainsFunc(r.Peers, func(p policy.Peer) bool {
		switch {
		case p.Pods != nil:
			return other.Load != nil && (p.Hosts || !host(other)) && p.Pods.Match(w.value(other))
		case p.Nodes != nil:
			return other.Load != nil && host(other)
		case (p.Outside || p.NoPods) && other.Load != nil:
			return false
		case p.Unknown && len(Addresses(other)) == 0:
			return true
		}
		return slices.ContainsFunc(Addresses(other), func(a netip.Addr) bool {
			return p.Block.Contains(a) && !slices.ContainsFunc(p.Except, func(e netip.Prefix) bool { return e.Contains(a) })
		})
	})
}

func ports(r *policy.Rule, destination End, protocol string, port int) bool {
	if r.Ports == nil {
		return true
	}
	return slices.ContainsFunc(r.Ports, func(p policy.Port) bool {
		if p.Protocol != protocol {
			return false
		}
		if p.Name == "" {
			return p.Low <= port && port <= p.High
		}
		return destination.Load != nil && slices.Contains(Numbers(destination, p.Name, protocol), port)
	})
}

// Numbers are the numbers that the name of a port stands for at an end.
func Numbers(e End, name, protocol string) []int {
	var list []int
	for _, c := range spec(e).Containers {
		for _, p := range c.Ports {
			if p.Name == name && cmp.Or(string(p.Protocol), "TCP") == protocol {
				list = append(list, int(p.ContainerPort))
			}
		}
	}
	return list
}

// Addresses are those of an end that are known.
func Addresses(e End) []netip.Addr {
	switch {
	case e.Load == nil:
		return []netip.Addr{e.IP}
	case e.Pod == nil:
		return nil
	}
	var list []netip.Addr
	for _, text := range e.Pod.IPs {
		list = append(list, netip.MustParseAddr(text))
	}
	return list
}

func spec(e End) *corev1.PodSpec {
	if e.Pod != nil && e.Pod.Object != nil {
		if pod, is := e.Pod.Object.Typed.(*corev1.Pod); is {
			return &pod.Spec
		}
	}
	return &e.Load.Spec
}

func host(e End) bool { return e.Load != nil && spec(e).HostNetwork }

// value looks up what a condition asks of an end with a Load.
func (w *World) value(e End) func(policy.Key) (string, bool) {
	marks := map[string]string{}
	for _, m := range w.Markers {
		for k, v := range m(e.Load, e.Pod) {
			marks[k] = v
		}
	}
	labels := e.Load.Labels
	if e.Pod != nil {
		labels = e.Pod.Labels
	}
	account := cmp.Or(e.Load.ServiceAccount, "default")
	var spaceLabels, accountLabels map[string]string
	for _, n := range w.Snapshot.Namespaces() {
		if n.Name == e.Load.Namespace {
			spaceLabels = n.Labels
		}
	}
	if o := w.Snapshot.Get("ServiceAccount", e.Load.Namespace, account); o != nil {
		accountLabels = o.Labels()
	}
	return func(k policy.Key) (string, bool) {
		switch k.Of {
		case policy.NamespaceName:
			return e.Load.Namespace, true
		case policy.Account:
			return account, true
		}
		v, has := map[policy.Of]map[string]string{
			policy.PodLabel: labels, policy.NamespaceLabel: spaceLabels, policy.AccountLabel: accountLabels, policy.Mark: marks,
		}[k.Of][k.Name]
		return v, has
	}
}
