package cilium

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/scantling/scantling/infrastructure/network/policy"
)

const (
	maxPort  = 65535
	maxPorts = 40 // in one member of toPorts, as Cilium has it
)

// protocols are those that the form knows. Without one, a port is one of all.
var protocols = []string{"TCP", "UDP", "SCTP"}

// portSet is a set of ports that depend on the same, if on anything.
type portSet struct {
	ports   []policy.Port // nil for all
	depends string
}

// portsOf reads toPorts and icmps. It returns nothing where only protocols
// are named that are not modelled; named reports whether any are named.
func portsOf(o object, action policy.Action) (sets []portSet, named bool, err error) {
	list, _, err := o.objects("toPorts")
	if err != nil {
		return nil, false, err
	}
	icmps, _, err := o.objects("icmps")
	switch {
	case err != nil:
		return nil, false, err
	case len(icmps) > 0 && len(list) > 0:
		return nil, false, fmt.Errorf("%s has both icmps and toPorts", o.path)
	case len(icmps) > 0:
		return nil, true, nil
	case len(list) == 0:
		return []portSet{{}}, false, nil
	}
	var plain portSet
	for _, item := range list {
		set, err := newPortSet(item, action)
		switch {
		case err != nil:
			return nil, false, err
		case set.depends != "":
			sets = append(sets, set)
		default:
			plain.ports = append(plain.ports, set.ports...)
		}
	}
	if len(plain.ports) > 0 {
		sets = append(sets, plain)
	}
	return sets, true, nil
}

// newPortSet reads one member of toPorts.
func newPortSet(o object, action policy.Action) (portSet, error) {
	var set portSet
	list, _, err := o.objects("ports")
	if err != nil {
		return set, err
	}
	if len(list) > maxPorts {
		return set, fmt.Errorf("%s has more than %d ports", o.path, maxPorts)
	}
	for _, item := range list {
		ports, depends, err := newPorts(item)
		if err != nil {
			return set, err
		}
		set.ports = append(set.ports, ports...)
		set.depends = join(set.depends, depends)
	}
	if action == policy.Deny {
		set.depends = join(set.depends, o.unknown("ports"))
	} else {
		set.depends = join(set.depends, beyondPorts(o))
	}
	switch {
	case len(list) == 0:
		set.depends = join(set.depends, o.path+" names no ports")
	case len(set.ports) == 0: // only protocols that are not modelled
		return portSet{}, nil
	}
	return set, nil
}

// beyondPorts says what besides the port decides.
func beyondPorts(o object) string {
	var reasons []string
	for _, field := range strings.Fields("terminatingTLS originatingTLS serverNames listener") {
		if o.fields[field] != nil {
			reasons = append(reasons, o.at(field)+" counts")
		}
	}
	if layer7, is := o.fields["rules"].(map[string]any); is {
		if field := firstField(layer7); field != "" && !everyName(layer7) {
			reasons = append(reasons, o.at("rules."+field)+" counts")
		}
	} else if o.fields["rules"] != nil {
		reasons = append(reasons, o.at("rules")+" counts")
	}
	return join(append(reasons, o.unknown("ports rules terminatingTLS originatingTLS serverNames listener"))...)
}

func firstField(fields map[string]any) string {
	first := ""
	for field, v := range fields {
		if v != nil && (first == "" || field < first) {
			first = field
		}
	}
	return short(first)
}

// everyName reports whether layer 7 rules only let names of the DNS through,
// and all of them.
func everyName(layer7 map[string]any) bool {
	list, _ := layer7["dns"].([]any)
	if len(layer7) != 1 {
		return false
	}
	for _, v := range list {
		if rule, _ := v.(map[string]any); len(rule) == 1 && rule["matchPattern"] == "*" {
			return true
		}
	}
	return false
}

// newPorts reads a port under one protocol, or under all of them.
func newPorts(o object) (ports []policy.Port, depends string, err error) {
	text, err := o.text("port")
	if err != nil {
		return nil, "", err
	}
	protocol, err := o.text("protocol")
	if err != nil {
		return nil, "", err
	}
	end, err := o.number("endPort")
	if err != nil {
		return nil, "", err
	}
	under := []string{strings.ToUpper(protocol)}
	switch under[0] {
	case "", "ANY":
		under = protocols
	case "TCP", "UDP", "SCTP":
	case "ICMP", "ICMPV6", "VRRP", "IGMP":
		return nil, "", nil
	default:
		return nil, "", fmt.Errorf("%s: the protocol %q is not known", o.path, short(protocol))
	}
	port, err := newPort(o, text)
	if err != nil {
		return nil, "", err
	}
	depends = o.unknown("port protocol endPort")
	switch {
	case end == 0 || port.Name != "" || end == port.Low && port.High == port.Low:
	case port.High > port.Low || end < port.Low: // all of them, or none
		depends = join(depends, fmt.Sprintf("%s %d counts, which is no end of the port %s", o.at("endPort"), end, text))
	default:
		port.High = end
	}
	for _, p := range under {
		port.Protocol = p
		ports = append(ports, port)
	}
	return ports, depends, nil
}

// newPort reads a name or a number, of which 0 is all.
func newPort(o object, text string) (policy.Port, error) {
	if isServiceName(text) {
		return policy.Port{Name: strings.ToLower(text)}, nil
	}
	number, err := strconv.ParseUint(text, 0, 16)
	switch {
	case err != nil:
		return policy.Port{}, fmt.Errorf("%s: the port %q is neither a name nor a number up to %d", o.path, short(text), maxPort)
	case number == 0:
		return policy.Port{Low: 1, High: maxPort}, nil
	}
	return policy.Port{Low: int(number), High: int(number)}, nil
}

// isServiceName reports whether a port is a name in the form of RFC 6335: up to
// 15 letters, digits and hyphens, a letter among them, no hyphen at the ends or
// beside another.
func isServiceName(text string) bool {
	lower := strings.ToLower(text)
	return len(text) <= 15 && strings.ContainsAny(lower, "abcdefghijklmnopqrstuvwxyz") &&
		strings.Trim(lower, "abcdefghijklmnopqrstuvwxyz0123456789-") == "" &&
		!strings.HasPrefix(text, "-") && !strings.HasSuffix(text, "-") && !strings.Contains(text, "--")
}
