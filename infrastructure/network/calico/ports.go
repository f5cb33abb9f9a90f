package calico

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/scantling/scantling/infrastructure/kube"
	"github.com/scantling/scantling/infrastructure/network/ends"
	"github.com/scantling/scantling/infrastructure/network/policy"
)

// protocols are those that are modelled, with their numbers.
var protocols = []struct {
	name   string
	number string
}{{"TCP", "6"}, {"UDP", "17"}, {"SCTP", "132"}}

// others are the names of protocols that are not modelled.
var others = []string{"ICMP", "ICMPV6", "UDPLITE"}

// portSet is what a rule says of protocols and destination ports.
type portSet struct {
	all     bool          // every protocol and port; sure is nil then
	nothing bool          // nothing that is modelled
	sure    []policy.Port // the rule matches these
	unsure  []policy.Port // and may match these
}

// portsOf reads protocols and destination ports of a rule.
func (r *reader) portsOf(spec *ruleSpec) (portSet, error) {
	set, err := protocolsOf(spec)
	if err != nil {
		return portSet{}, err
	}
	only, not := spec.Destination.Ports, spec.Destination.NotPorts
	ported := len(only)+len(not)+len(spec.Source.Ports)+len(spec.Source.NotPorts) > 0
	switch {
	case ported && (spec.Protocol == nil || len(set) != 1):
		return portSet{}, fmt.Errorf("ports without a protocol that has them: TCP, UDP or SCTP")
	case len(set) == 0 || present(spec.ICMP) || present(spec.NotICMP):
		return portSet{nothing: true}, nil
	case len(only)+len(not) > 0:
		return r.narrowPorts(set[0], only, not)
	case len(set) == len(protocols):
		return portSet{all: true}, nil
	}
	var on portSet
	for _, name := range set {
		on.sure = append(on.sure, ends.Ports(name, ends.AllPorts)...)
	}
	return on, nil
}

// protocolsOf lists the modelled protocols that a rule is for.
func protocolsOf(spec *ruleSpec) ([]string, error) {
	var set []string
	for _, p := range protocols {
		is, err := spec.Protocol.names(p.name, p.number)
		if err != nil {
			return nil, fmt.Errorf("protocol: %w", err)
		}
		not, err := spec.NotProtocol.names(p.name, p.number)
		if err != nil {
			return nil, fmt.Errorf("notProtocol: %w", err)
		}
		if (spec.Protocol == nil || is) && !not {
			set = append(set, p.name)
		}
	}
	return set, nil
}

// names reports whether a protocol is the one of a name and a number; it is
// false for none.
func (s *scalar) names(name, number string) (bool, error) {
	if s == nil {
		return false, nil
	}
	text := strings.ToUpper(string(*s))
	if n, err := strconv.Atoi(text); err == nil && n >= 0 && n <= 255 {
		return strconv.Itoa(n) == number, nil
	}
	for _, p := range protocols {
		if p.name == text {
			return text == name, nil
		}
	}
	if !slices.Contains(others, text) {
		return false, fmt.Errorf("%q is none", short(string(*s)))
	}
	return false, nil
}

var portNamePattern = regexp.MustCompile(`^[a-zA-Z0-9_.-]{1,128}$`)

// readPorts splits a list of ports into numbers and names. Port 0 is none.
func readPorts(list []scalar) (numbers []ends.Span, names []string, err error) {
	for _, s := range list {
		text := string(s)
		low, high, isRange := strings.Cut(text, ":")
		if !isRange {
			high = low
		}
		from, errLow := strconv.Atoi(low)
		to, errHigh := strconv.Atoi(high)
		switch {
		case errLow == nil && errHigh == nil && from >= 0 && from <= to && to <= ends.MaxPort:
			if to > 0 {
				numbers = append(numbers, ends.Span{Low: max(from, 1), High: to})
			}
		case errLow != nil && !isRange && portNamePattern.MatchString(text):
			names = append(names, text)
		default:
			return nil, nil, fmt.Errorf("port %q is neither a number, a range nor a name", short(text))
		}
	}
	return numbers, names, nil
}

// restricts reports whether a list of ports is about fewer than all.
func restricts(list []scalar) bool {
	numbers, _, err := readPorts(list)
	return len(list) > 0 && (err != nil || len(ends.Without(ends.AllPorts, numbers)) > 0)
}

// narrowPorts gives the ports of one protocol that are among only (all where
// it is empty), and not among not. Of a name that is excluded, only where it
// stands for which number is known: there the port is unsure.
func (r *reader) narrowPorts(protocol string, only, not []scalar) (portSet, error) {
	numbers, names, err := readPorts(only)
	if err != nil {
		return portSet{}, fmt.Errorf("ports: %w", err)
	}
	holes, notNames, err := readPorts(not)
	if err != nil {
		return portSet{}, fmt.Errorf("notPorts: %w", err)
	}
	if len(only) == 0 {
		numbers = ends.AllPorts
	}
	sure := ends.Without(numbers, holes)
	if len(notNames) > 0 && r.names == nil {
		r.names = portNames(r.snapshot)
	}
	var excluded []ends.Span
	for _, name := range notNames {
		for _, n := range r.names[portName{name, protocol}] {
			excluded = append(excluded, ends.Span{Low: n, High: n})
		}
	}
	var on portSet
	on.sure = ends.Ports(protocol, ends.Without(sure, excluded))
	on.unsure = ends.Ports(protocol, ends.Without(sure, ends.Without(sure, excluded)))
	for _, name := range names {
		p := policy.Port{Protocol: protocol, Name: name}
		if len(not) > 0 {
			on.unsure = append(on.unsure, p)
		} else {
			on.sure = append(on.sure, p)
		}
	}
	on.nothing = len(on.sure)+len(on.unsure) == 0
	return on, nil
}

// portName is the name of a port under one protocol.
type portName struct{ name, protocol string }

// portNames lists the numbers that each name stands for in some pod.
func portNames(s *kube.Snapshot) map[portName][]int {
	names := map[portName][]int{}
	add := func(spec *corev1.PodSpec) {
		for _, c := range slices.Concat(spec.InitContainers, spec.Containers) {
			for _, p := range c.Ports {
				protocol := strings.ToUpper(string(p.Protocol))
				if protocol == "" {
					protocol = "TCP"
				}
				key, number := portName{p.Name, protocol}, int(p.ContainerPort)
				if p.Name != "" && !slices.Contains(names[key], number) {
					names[key] = append(names[key], number)
				}
			}
		}
	}
	for _, load := range s.Workloads {
		add(&load.Spec)
		for _, p := range load.Pods {
			if p.Object == nil {
				continue
			}
			if pod, is := p.Object.Typed.(*corev1.Pod); is {
				add(&pod.Spec)
			}
		}
	}
	return names
}

// service gives the endpoints of a Service. Seen from egress only their own
// ports count, so it narrows on.
func (r *reader) service(p *readPolicy, spec *ruleSpec, of *serviceMatch, on *portSet) (ends.Peers, string) {
	namespace := of.Namespace
	if namespace == "" {
		namespace = p.namespace
	}
	var svc *corev1.Service
	if o := r.snapshot.Get("Service", namespace, of.Name); o != nil {
		svc, _ = o.Typed.(*corev1.Service)
	}
	if svc == nil || len(svc.Spec.Selector) == 0 {
		return ends.Peers{Everybody: true}, fmt.Sprintf("the endpoints of Service %s/%s, which aren't known", namespace, of.Name)
	}
	labels, err := policy.Labels(policy.PodLabel, &metav1.LabelSelector{MatchLabels: svc.Spec.Selector})
	if err != nil {
		return ends.Peers{Everybody: true}, fmt.Sprintf("Service %s/%s, whose selector is not valid", namespace, of.Name)
	}
	peers := ends.Peers{Sure: []policy.Peer{{Pods: policy.All{policy.InNamespace(namespace), labels}, Hosts: true}}}
	if spec.Destination.Services == of {
		r.servicePorts(svc, on)
	}
	if spec.IPVersion != nil {
		return peers, "the IP version of a Service's endpoints"
	}
	return peers, ""
}

// servicePorts narrows on, which names protocols alone, to the target ports.
func (r *reader) servicePorts(svc *corev1.Service, on *portSet) {
	var list []policy.Port
	for _, port := range svc.Spec.Ports {
		protocol := strings.ToUpper(string(port.Protocol))
		if protocol == "" {
			protocol = "TCP"
		}
		among := on.all || slices.ContainsFunc(on.sure, func(p policy.Port) bool { return p.Protocol == protocol })
		target := port.TargetPort
		switch {
		case !among:
		case target.StrVal != "":
			list = append(list, policy.Port{Protocol: protocol, Name: target.StrVal})
		case target.IntVal != 0:
			list = append(list, policy.Port{Protocol: protocol, Low: int(target.IntVal), High: int(target.IntVal)})
		default:
			list = append(list, policy.Port{Protocol: protocol, Low: int(port.Port), High: int(port.Port)})
		}
	}
	*on = portSet{sure: list, nothing: on.nothing || len(list) == 0}
}
