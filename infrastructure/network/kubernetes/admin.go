package kubernetes

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"regexp"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/scantling/scantling/infrastructure/kube"
	"github.com/scantling/scantling/infrastructure/network/policy"
	"github.com/scantling/scantling/infrastructure/network/raw"
)

// adminGroup is the API group of the policies of administrators.
const adminGroup = "policy.networking.k8s.io"

// adminForm says how one kind of the group writes what all three say.
type adminForm struct {
	kind     string
	version  string
	actions  map[string]policy.Action
	rules    int    // at most, in one direction
	peers    int    // at most, in one rule
	priority bool   // it has one
	tiers    bool   // it names its tier
	name     string // of its only object, "" where there may be many
}

var adminForms = []adminForm{
	{"AdminNetworkPolicy", "v1alpha1", map[string]policy.Action{"Allow": policy.Accept, "Deny": policy.Deny, "Pass": policy.Pass}, 100, 100, true, false, ""},
	{"BaselineAdminNetworkPolicy", "v1alpha1", map[string]policy.Action{"Allow": policy.Accept, "Deny": policy.Deny}, 100, 100, false, false, "default"},
	{"ClusterNetworkPolicy", "v1alpha2", map[string]policy.Action{"Accept": policy.Accept, "Deny": policy.Deny, "Pass": policy.Pass}, 25, 25, true, true, ""},
}

// fields are those of the kind's spec.
func (f *adminForm) fields() raw.Fields {
	pods := raw.Fields{"namespaceSelector": raw.Selector, "podSelector": raw.Selector}
	peer := raw.Fields{"namespaces": raw.Selector, "pods": pods, "nodes": raw.Selector, "networks": nil, "domainNames": nil}
	ingress := raw.Fields{"name": nil, "action": nil, "from": peer}
	egress := raw.Fields{"name": nil, "action": nil, "to": peer}
	for _, rule := range []raw.Fields{ingress, egress} {
		if f.tiers {
			one := raw.Fields{"destinationPort": {"number": nil, "range": raw.Names("start", "end")}}
			rule["protocols"] = raw.Fields{"tcp": one, "udp": one, "sctp": one, "destinationNamedPort": nil}
			continue
		}
		rule["ports"] = raw.Fields{"portNumber": raw.Names("protocol", "port"), "namedPort": nil, "portRange": raw.Names("protocol", "start", "end")}
	}
	known := raw.Fields{"subject": {"namespaces": raw.Selector, "pods": pods}, "ingress": ingress, "egress": egress}
	if f.priority {
		known["priority"] = nil
	}
	if f.tiers {
		known["tier"] = nil
	}
	return known
}

// adminObject holds the fields of all three kinds that decide about
// connections.
type adminObject struct {
	Spec struct {
		Tier     string
		Priority *int
		Subject  struct {
			Namespaces *metav1.LabelSelector
			Pods       *namespacedPods
		}
		Ingress []adminRule
		Egress  []adminRule
	}
}

type namespacedPods struct {
	NamespaceSelector metav1.LabelSelector
	PodSelector       metav1.LabelSelector
}

type adminRule struct {
	Name      string
	Action    string
	From      []adminPeer
	To        []adminPeer
	Ports     *[]adminPort     // v1alpha1
	Protocols *[]adminProtocol // v1alpha2
}

type adminPeer struct {
	Namespaces  *metav1.LabelSelector
	Pods        *namespacedPods
	Nodes       *metav1.LabelSelector
	Networks    []string
	DomainNames []string
}

type adminPort struct {
	PortNumber *struct {
		Protocol string
		Port     int
	}
	NamedPort *string
	PortRange *struct {
		Protocol   string
		Start, End int
	}
}

type adminProtocol struct {
	TCP, UDP, SCTP       *destination
	DestinationNamedPort string
}

type destination struct {
	DestinationPort *struct {
		Number int
		Range  *struct{ Start, End int }
	}
}

// policy translates one object. An error says why the API server would
// refuse it.
func (f *adminForm) policy(o *kube.Object) (policy.Policy, error) {
	p := policy.Policy{Object: o}
	if o.APIVersion != adminGroup+"/"+f.version {
		return p, fmt.Errorf("the version %s isn't known", o.APIVersion)
	}
	if stray := raw.Stray("spec", o.Raw["spec"], f.fields()); stray != "" {
		return p, fmt.Errorf("the field %s isn't known", stray)
	}
	var a adminObject
	text, err := json.Marshal(o.Raw)
	if err != nil {
		return p, err
	}
	if err := json.Unmarshal(text, &a); err != nil {
		return p, err
	}
	tier, err := f.tier(&a)
	if err != nil {
		return p, err
	}
	priority := 0
	switch {
	case f.priority && (a.Spec.Priority == nil || *a.Spec.Priority < 0 || *a.Spec.Priority > 1000):
		return p, fmt.Errorf("spec.priority: has to be from 0 to 1000")
	case f.priority:
		priority = *a.Spec.Priority
	case f.name != "" && o.Name != f.name:
		return p, fmt.Errorf("metadata.name: has to be %q", f.name)
	}
	if p.Subject, err = podsOf(a.Spec.Subject.Namespaces, a.Spec.Subject.Pods); err != nil {
		return p, fmt.Errorf("spec.subject: %w", err)
	}
	for d, rules := range [2][]adminRule{policy.Ingress: a.Spec.Ingress, policy.Egress: a.Spec.Egress} {
		if len(rules) == 0 {
			continue
		}
		side, err := f.side(policy.Direction(d), rules, tier, priority)
		if err != nil {
			return p, err
		}
		p.Sides[d] = side
	}
	return p, nil
}

func (f *adminForm) tier(a *adminObject) (float64, error) {
	switch {
	case f.tiers && a.Spec.Tier == "Admin", f.kind == "AdminNetworkPolicy":
		return policy.Admin, nil
	case f.tiers && a.Spec.Tier == "Baseline", f.kind == "BaselineAdminNetworkPolicy":
		return policy.Baseline, nil
	}
	return 0, fmt.Errorf("spec.tier: %q is neither Admin nor Baseline", a.Spec.Tier)
}

// side translates the rules of one direction. Policies of one priority are
// peers; each goes through its rules in turn.
func (f *adminForm) side(d policy.Direction, rules []adminRule, tier float64, priority int) (*policy.Side, error) {
	if len(rules) > f.rules {
		return nil, fmt.Errorf("spec.%s: %d rules, at most %d", d, len(rules), f.rules)
	}
	side := &policy.Side{Tier: tier}
	for i, r := range rules {
		field := fmt.Sprintf("spec.%s[%d]", d, i)
		translated, err := f.rule(d, r, field)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", field, err)
		}
		for _, t := range translated {
			t.Field, t.Order, t.Turn = field, float64(priority), i
			side.Rules = append(side.Rules, t)
		}
	}
	return side, nil
}

// rule translates one rule: to two where it has domain names.
func (f *adminForm) rule(d policy.Direction, r adminRule, field string) ([]policy.Rule, error) {
	action, known := f.actions[r.Action]
	if !known {
		return nil, fmt.Errorf("action %q is not one of this kind", r.Action)
	}
	if len(r.Name) > 100 {
		return nil, fmt.Errorf("name is longer than 100 characters")
	}
	peers := r.From
	if d == policy.Egress {
		peers = r.To
	}
	if len(peers) < 1 || len(peers) > f.peers {
		return nil, fmt.Errorf("%d peers, has to have 1 to %d", len(peers), f.peers)
	}
	on, err := f.ports(r)
	if err != nil {
		return nil, err
	}
	certain := policy.Rule{Action: action, Ports: on}
	named := policy.Rule{Action: action, Ports: on}
	for i, from := range peers {
		translated, err := f.peer(d, from, action)
		if err != nil {
			return nil, fmt.Errorf("peer %d: %w", i, err)
		}
		if len(from.DomainNames) > 0 {
			named.Peers = append(named.Peers, translated...)
			named.Depends = fmt.Sprintf("the addresses of %s are known to the DNS alone", from.DomainNames[0])
			continue
		}
		certain.Peers = append(certain.Peers, translated...)
	}
	var rules []policy.Rule
	if len(certain.Peers) > 0 {
		rules = append(rules, certain)
	}
	if len(named.Peers) > 0 {
		rules = append(rules, named)
	}
	return rules, nil
}

// podsOf is the condition of what both subjects and peers write alike.
func podsOf(namespaces *metav1.LabelSelector, pods *namespacedPods) (policy.Expr, error) {
	if (namespaces == nil) == (pods == nil) {
		return nil, fmt.Errorf("has to name either namespaces or pods")
	}
	if namespaces != nil {
		return policy.Labels(policy.NamespaceLabel, namespaces)
	}
	in, err := policy.Labels(policy.NamespaceLabel, &pods.NamespaceSelector)
	if err != nil {
		return nil, fmt.Errorf("namespaceSelector: %w", err)
	}
	which, err := policy.Labels(policy.PodLabel, &pods.PodSelector)
	if err != nil {
		return nil, fmt.Errorf("podSelector: %w", err)
	}
	return policy.All{in, which}, nil
}

// domainName is the pattern of the API.
var domainName = regexp.MustCompile(`^(\*\.)?([a-zA-Z0-9]([-a-zA-Z0-9_]*[a-zA-Z0-9])?\.)+[a-zA-Z0-9]([-a-zA-Z0-9_]*[a-zA-Z0-9])?\.?$`)

// maxNetworks bounds networks, and domain names, of one peer.
const maxNetworks = 25

func (f *adminForm) peer(d policy.Direction, from adminPeer, action policy.Action) ([]policy.Peer, error) {
	set := 0
	for _, has := range []bool{from.Namespaces != nil, from.Pods != nil, from.Nodes != nil, from.Networks != nil, from.DomainNames != nil} {
		if has {
			set++
		}
	}
	outside := from.Nodes != nil || from.Networks != nil || from.DomainNames != nil
	switch {
	case set != 1:
		return nil, fmt.Errorf("has to have exactly one of its fields, has %d", set)
	case d == policy.Ingress && outside:
		return nil, fmt.Errorf("nodes, networks and domainNames are for egress alone")
	case len(from.Networks) > maxNetworks || len(from.DomainNames) > maxNetworks:
		return nil, fmt.Errorf("more than %d networks or domainNames", maxNetworks)
	case from.DomainNames != nil && (action != policy.Accept || f.kind == "BaselineAdminNetworkPolicy"):
		return nil, fmt.Errorf("domainNames are for rules that allow, and not of the baseline kind")
	case !outside:
		pods, err := podsOf(from.Namespaces, from.Pods)
		return []policy.Peer{{Pods: pods}}, err
	case from.Nodes != nil:
		nodes, err := policy.Labels(policy.PodLabel, from.Nodes)
		return []policy.Peer{{Nodes: nodes}}, err
	}
	var list []policy.Peer
	for _, text := range from.Networks {
		block, err := prefix(text)
		if err != nil {
			return nil, fmt.Errorf("networks: %w", err)
		}
		// The API has all traffic between pods match the block of all addresses.
		list = append(list, policy.Peer{Block: block, Unknown: block.Bits() == 0 && block.Addr().Is4()})
	}
	for _, name := range from.DomainNames {
		if !domainName.MatchString(name) {
			return nil, fmt.Errorf("domainNames: %q is none", name)
		}
		list = append(list, policy.Peer{Block: netip.PrefixFrom(netip.IPv4Unspecified(), 0)}, policy.Peer{Block: netip.PrefixFrom(netip.IPv6Unspecified(), 0)})
	}
	if len(list) == 0 {
		return nil, fmt.Errorf("networks or domainNames name nothing")
	}
	return list, nil
}

// ports translates the ports of v1alpha1 and the protocols of v1alpha2. None
// means all. Only the experimental channel of the API refuses names of ports
// together with networks and nodes, which have none and so never match.
func (f *adminForm) ports(r adminRule) ([]policy.Port, error) {
	switch {
	case f.tiers && r.Protocols != nil && (len(*r.Protocols) < 1 || len(*r.Protocols) > f.peers):
		return nil, fmt.Errorf("%d protocols, has to have 1 to %d", len(*r.Protocols), f.peers)
	case !f.tiers && r.Ports != nil && (len(*r.Ports) < 1 || len(*r.Ports) > f.peers):
		return nil, fmt.Errorf("%d ports, has to have 1 to %d", len(*r.Ports), f.peers)
	}
	var list []policy.Port
	if f.tiers && r.Protocols != nil {
		for i, p := range *r.Protocols {
			translated, err := p.ports()
			if err != nil {
				return nil, fmt.Errorf("protocols[%d]: %w", i, err)
			}
			list = append(list, translated...)
		}
	}
	if !f.tiers && r.Ports != nil {
		for i, p := range *r.Ports {
			translated, err := p.ports()
			if err != nil {
				return nil, fmt.Errorf("ports[%d]: %w", i, err)
			}
			list = append(list, translated...)
		}
	}
	return list, nil
}

// anyProtocol are the ports of a name, which the API gives without protocol.
func anyProtocol(name string) []policy.Port {
	var list []policy.Port
	for _, p := range protocols {
		list = append(list, policy.Port{Protocol: p, Name: name})
	}
	return list
}

func (p *adminPort) ports() ([]policy.Port, error) {
	set := 0
	for _, has := range []bool{p.PortNumber != nil, p.NamedPort != nil, p.PortRange != nil} {
		if has {
			set++
		}
	}
	switch {
	case set != 1:
		return nil, fmt.Errorf("has to have exactly one of its fields, has %d", set)
	case p.NamedPort != nil:
		return anyProtocol(*p.NamedPort), nil
	case p.PortNumber != nil:
		return span(p.PortNumber.Protocol, p.PortNumber.Port, p.PortNumber.Port)
	case p.PortRange.Start >= p.PortRange.End:
		return nil, fmt.Errorf("start %d is not below end %d", p.PortRange.Start, p.PortRange.End)
	}
	return span(p.PortRange.Protocol, p.PortRange.Start, p.PortRange.End)
}

func span(name string, low, high int) ([]policy.Port, error) {
	name, err := protocol(name)
	if err != nil {
		return nil, err
	}
	p, err := ports(name, low, high)
	return []policy.Port{p}, err
}

func (p *adminProtocol) ports() ([]policy.Port, error) {
	var list []policy.Port
	set := 0
	for _, of := range []struct {
		protocol string
		*destination
	}{{"TCP", p.TCP}, {"UDP", p.UDP}, {"SCTP", p.SCTP}} {
		if of.destination == nil {
			continue
		}
		set++
		translated, err := of.ports(of.protocol)
		if err != nil {
			return nil, err
		}
		list = append(list, translated...)
	}
	if p.DestinationNamedPort != "" {
		set++
		list = anyProtocol(p.DestinationNamedPort)
	}
	if set != 1 {
		return nil, fmt.Errorf("has to have exactly one of its fields, has %d", set)
	}
	return list, nil
}

func (d *destination) ports(protocol string) ([]policy.Port, error) {
	port := d.DestinationPort
	switch {
	case port == nil:
		return nil, fmt.Errorf("names no destinationPort")
	case (port.Number == 0) == (port.Range == nil):
		return nil, fmt.Errorf("has to have either number or range")
	case port.Range == nil:
		return span(protocol, port.Number, port.Number)
	case port.Range.Start >= port.Range.End:
		return nil, fmt.Errorf("start %d is not below end %d", port.Range.Start, port.Range.End)
	}
	return span(protocol, port.Range.Start, port.Range.End)
}
