package policy

import (
	"math"
	"net/netip"

	"github.com/scantling/scantling/infrastructure/kube"
)

// Layer is what enforces a policy. Layers judge one after the other.
type Layer int

const (
	Network Layer = iota // the network plugin
	Mesh                 // a service mesh, on what the network lets through
)

// The tiers of the kinds that several readers know. Calico's own tiers have the
// numbers that their objects give; these are the ones that it reserves.
const (
	Admin    = 1_000      // AdminNetworkPolicy, ClusterNetworkPolicy of tier Admin
	Standard = 1_000_000  // NetworkPolicy, Cilium's policies, Calico's default tier
	Baseline = 10_000_000 // BaselineAdminNetworkPolicy, ClusterNetworkPolicy of tier Baseline
)

// Direction of traffic, seen from the pod that a policy selects.
type Direction int

const (
	Ingress Direction = iota
	Egress
)

func (d Direction) String() string { return [...]string{"ingress", "egress"}[d] }

// Policy is one object of whatever kind.
type Policy struct {
	Object  *kube.Object
	Layer   Layer
	Subject Expr // the pods that it selects
	Hosts   bool // it selects pods of the host's network as well
	// Its API leaves open whether it sees pods of the host's network, as
	// subjects and among Peers.Pods: the engine evaluates both readings.
	Unsettled bool
	Sides     [2]*Side // by Direction; nil where it says nothing
}

// Unknown is a policy that exists and can't be read: what it selects may be
// allowed and may be denied in both directions, whatever its tier says else. A
// nil Subject means every pod.
func Unknown(o *kube.Object, layer Layer, tier float64, subject Expr, why string) Policy {
	if subject == nil {
		subject = All{}
	}
	p := Policy{Object: o, Layer: layer, Subject: subject, Unsettled: true}
	for d := range p.Sides {
		p.Sides[d] = &Side{Tier: tier, Depends: why, Rules: []Rule{
			{Action: Accept, Order: math.Inf(-1), Field: "spec", Depends: why},
			{Action: Deny, Order: math.Inf(-1), Field: "spec", Depends: why},
		}}
	}
	return p
}

// Marker says what a reader knows of a pod, or where pod is nil of the pods
// that a workload would have: the values of Mark keys, by Name. Readers that
// use Mark keys export func Marks(*kube.Snapshot, []Policy) Marker, of what they read.
type Marker func(load *kube.Workload, pod *kube.Pod) map[string]string

// String is "namespace/name", or "name" of a cluster-scoped kind.
func (p *Policy) String() string {
	if p.Object.Namespace == "" {
		return p.Object.Name
	}
	return p.Object.Namespace + "/" + p.Object.Name
}

// Side is what a policy says about one direction.
type Side struct {
	Tier     float64
	Isolates bool // what no rule of the tier matches is denied to the pods selected
	Rules    []Rule
	Depends  string // not "": the side itself may or may not be in force, and why
}

// Action is what a rule does with what it matches.
type Action int

const (
	Accept Action = iota
	Deny
	Pass // go on with the next tier
)

// Rule matches connections with some peers on some ports.
type Rule struct {
	Action  Action
	Order   float64 // within the tier, lowest first
	Turn    int     // among the rules of one side with one Order, lowest first: see the package comment
	Peers   []Peer  // matches one of them; nil: everybody
	Ports   []Port  // on one of them; nil: all
	Field   string  // where it stands in the object, as "spec.ingress[0]"
	Depends string  // not "": what it matches may or may not be decided so, and why (names of the DNS, HTTP, groups of a cloud)
}

// Peer is a set of the other ends of connections: pods, or addresses, or
// nodes. Exactly one of Pods, Nodes and Block is set.
type Peer struct {
	Pods    Expr // pods that are not on the host's network, unless Hosts
	Hosts   bool // Pods also matches pods on the host's network
	Nodes   Expr // nodes by their labels (PodLabel keys): their addresses, and pods on their network
	Block   netip.Prefix
	Except  []netip.Prefix
	Outside bool // Block holds only addresses that are not a pod's or a node's
	NoPods  bool // Block holds only addresses that are not a pod's
	Unknown bool // Block also matches pods whose addresses aren't known: it holds every address that a pod can have
}

// Port is a range of numbers or a name under one protocol. A name stands for
// the number that it has at the destination.
type Port struct {
	Protocol  string // "TCP", "UDP", "SCTP"; others are not modelled
	Low, High int    // 1 to 65535, both ends in it; 0 where Name is set
	Name      string
}
