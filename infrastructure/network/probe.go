package network

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/scantling/scantling/infrastructure/network/policy"
	"github.com/scantling/scantling/model"
)

// Answer says whether a connection may be made.
type Answer string

// The answers. Depends means that something decides that isn't known: which
// of two policies of one priority goes first, what a name stands for, how the
// network plugin takes pods of the host's network, under whose address a Service
// lets a client in, a policy that can't be read.
const (
	Allowed Answer = "allowed"
	Denied  Answer = "denied"
	Depends Answer = "depends"
)

// Verdict is the answer about one connection with its reasons.
type Verdict struct {
	From    string   `json:"from"`
	To      string   `json:"to"`
	Port    string   `json:"port"`
	Answer  Answer   `json:"answer"`
	Egress  Half     `json:"egress"`  // the source's side
	Ingress Half     `json:"ingress"` // the destination's side
	Notes   []string `json:"notes"`   // assumptions that the answer rests on
}

// Half is what one direction says.
type Half struct {
	Answer  Answer   `json:"answer"`
	Reasons []Reason `json:"reasons"`
}

// Reason is one policy's, or one rule's, part in an answer. Policy is empty
// where no policy has a part.
type Reason struct {
	Policy   string         `json:"policy"` // namespace/name, or name
	Kind     string         `json:"kind,omitempty"`
	Tier     string         `json:"tier,omitempty"`   // "admin", "standard", "baseline", "mesh" or a number
	Action   string         `json:"action,omitempty"` // of the rule: "accept", "deny", "pass"
	Field    string         `json:"field"`            // as "spec.ingress[0]"
	Allows   bool           `json:"allows"`
	Text     string         `json:"text"`
	Position model.Position `json:"position"`
}

// party is one end of a probe: an endpoint, or an address block.
type party struct {
	name string
	end  *endpoint // nil for an address
	peer int
}

// is reports whether both are one pod, which no policy keeps from itself.
func (p party) is(o party) bool { return p.end != nil && p.end == o.end && p.name == o.name }

// Probe answers whether from may connect to to on port. Both ends are
// "namespace/name" or "namespace/name[Kind]" of a pod or, where no pod has the
// name, of a workload, or an IP address; NAME-0 and on are pods of a StatefulSet
// whose pods aren't in the snapshot. Port is "tcp/80", "udp/NAME" or a bare TCP
// port. A workload's answer is that of its pods: allowed where any of them
// is. The error is about ends that the snapshot doesn't have and ports that
// can't be read.
func (e *Engine) Probe(from, to, port string) (Verdict, error) {
	spec, err := parsePort(port)
	if err != nil {
		return Verdict{}, err
	}
	sources, err := e.parties(from)
	if err != nil {
		return Verdict{}, err
	}
	destinations, err := e.parties(to)
	if err != nil {
		return Verdict{}, err
	}
	var best Verdict
	for _, s := range sources {
		for _, d := range destinations {
			v := e.probe(s, d, spec)
			if best.Answer == "" || rank(v.Answer) > rank(best.Answer) {
				best = v
			}
		}
	}
	best.From, best.To, best.Port = from, to, port
	return best, nil
}

func rank(a Answer) int { return slices.Index([]Answer{Denied, Depends, Allowed}, a) }

// portSpec is a port as a user names it.
type portSpec struct {
	named
	number int // 0 for a name
}

func parsePort(text string) (portSpec, error) {
	protocol, port, split := strings.Cut(text, "/")
	if !split {
		protocol, port = "tcp", text
	}
	spec := portSpec{named: named{port, protocolIndex(protocol)}}
	if spec.protocol < 0 {
		return spec, fmt.Errorf("port %q: use tcp, udp or sctp, as in tcp/80", text)
	}
	if len(validation.IsValidPortName(port)) == 0 {
		return spec, nil
	}
	number, err := strconv.Atoi(port)
	if err != nil || number < 1 || number > maxPort {
		return spec, fmt.Errorf("port %q: use a number from 1 to %d or a name, as in tcp/80", text, maxPort)
	}
	spec.number = number
	return spec, nil
}

// parties finds what a name or an address stands for.
func (e *Engine) parties(text string) ([]party, error) {
	if ip, err := netip.ParseAddr(text); err == nil {
		ip = ip.Unmap().WithZone("")
		for i := range e.world.endpoints {
			if p := &e.world.endpoints[i]; slices.Contains(p.ips, ip) && !p.host {
				return []party{e.party(i)}, nil
			}
		}
		return []party{{name: text, peer: e.block(e.addresses.of(ip))}}, nil
	}
	name, kind, _ := strings.Cut(strings.TrimSuffix(text, "]"), "[")
	var pods, loads []party
	for i := range e.world.endpoints {
		p := &e.world.endpoints[i]
		load := e.world.snapshot.Workloads[p.workload]
		if p.pod != "" && name == load.Namespace+"/"+p.pod && (kind == "" || kind == "Pod") {
			pods = append(pods, e.party(i))
		}
		if name == load.Namespace+"/"+load.Name && (kind == "" || kind == load.Kind) {
			loads = append(loads, e.party(i))
		}
	}
	switch {
	case len(pods) > 0:
		return pods, nil
	case len(loads) > 0:
		return loads, nil
	}
	if pods := e.numbered(name, kind); len(pods) > 0 {
		return pods, nil
	}
	return nil, fmt.Errorf("%q is no pod or workload of the snapshot, and no address: use namespace/name", text)
}

// numbered finds the StatefulSet that has a pod of a name, however many it is
// scaled to, where the snapshot holds none of its pods.
func (e *Engine) numbered(name, kind string) []party {
	at := strings.LastIndexByte(name, '-')
	if at < 0 || kind != "" && kind != "Pod" {
		return nil
	}
	if n, err := strconv.ParseUint(name[at+1:], 10, 31); err != nil || strconv.FormatUint(n, 10) != name[at+1:] {
		return nil
	}
	for i := range e.world.endpoints {
		p := &e.world.endpoints[i]
		load := e.world.snapshot.Workloads[p.workload]
		if p.pod == "" && load.Kind == "StatefulSet" && name[:at] == load.Namespace+"/"+load.Name {
			return []party{{name: name, end: p, peer: p.class}}
		}
	}
	return nil
}

func (e *Engine) party(i int) party {
	p := &e.world.endpoints[i]
	load := e.world.snapshot.Workloads[p.workload]
	name := load.Namespace + "/" + p.pod
	if p.pod == "" {
		name = load.Namespace + "/" + load.Name
	}
	return party{name: name, end: p, peer: p.class}
}

// atoms returns the port atoms that a port stands for at a destination.
func (e *Engine) atoms(spec portSpec, destination party) []int {
	if spec.number > 0 {
		return []int{e.ports.atom(spec.protocol, spec.number)}
	}
	var list []int
	if destination.end != nil {
		for _, number := range destination.end.ports[spec.named] {
			list = append(list, e.ports.atom(spec.protocol, number))
		}
	}
	return list
}

// probe answers for one pair. The rules that it names are those of the first
// reading.
func (e *Engine) probe(s, d party, spec portSpec) Verdict {
	v := Verdict{Answer: Denied, Egress: Half{Answer: Denied}, Ingress: Half{Answer: Denied}, Notes: e.notes(s, d)}
	if s.is(d) {
		v.Answer = Allowed
		v.Egress = Half{Allowed, []Reason{{Allows: true, Text: "a pod always reaches itself"}}}
		v.Ingress = v.Egress
		return v
	}
	atoms := e.atoms(spec, d)
	if len(atoms) == 0 {
		reason := []Reason{{Text: fmt.Sprintf("%s has no port named %q for %s", d.name, spec.name, protocols[spec.protocol])}}
		v.Egress.Reasons, v.Ingress.Reasons = reason, reason
		return v
	}
	for _, atom := range atoms {
		answers := e.answers(s, d, atom)
		if v.Egress.Reasons != nil && rank(answers[2]) <= rank(v.Answer) {
			continue
		}
		v.Answer = answers[2]
		v.Ingress = Half{answers[0], e.explain(ingress, d, s, atom)}
		v.Egress = Half{answers[1], e.explain(egress, s, d, atom)}
	}
	e.mask(&v, s, d, atoms)
	return v
}

// answers are those of ingress, of egress, and of both together.
func (e *Engine) answers(s, d party, atom int) [3]Answer {
	if s.is(d) {
		return [3]Answer{Allowed, Allowed, Allowed}
	}
	mates := s.end != nil && d.end != nil && podsShareNode(s.end, d.end)
	var sure, may [3]bool
	for i, r := range e.readings {
		one := [2]bool{true, true} // surely
		two := [2]bool{true, true} // possibly
		if !mates || !e.opensNode(r) {
			for at, half := range []policy.Direction{ingress, egress} {
				one[at], two[at] = e.allows(half, e.as(r, s.peer), e.as(r, d.peer), atom)
			}
		}
		for at, is := range [3]bool{one[0], one[1], one[0] && one[1]} {
			sure[at] = is && (i == 0 || sure[at])
		}
		for at, is := range [3]bool{two[0], two[1], two[0] && two[1]} {
			may[at] = may[at] || is
		}
	}
	var list [3]Answer
	for at := range list {
		list[at] = Depends
		if sure[at] == may[at] {
			list[at] = map[bool]Answer{true: Allowed, false: Denied}[may[at]]
		}
	}
	return list
}

// notes lists the assumptions that an answer rests on.
func (e *Engine) notes(s, d party) []string {
	notes := []string{}
	mates := s.end != nil && d.end != nil && s.end != d.end && podsShareNode(s.end, d.end)
	for _, p := range []party{s, d} {
		if p.end == nil || !p.end.host || !e.unsettled {
			continue
		}
		switch {
		case len(e.readings) > 1:
			notes = append(notes, p.name+" uses the host's network: the API leaves to the network plugin whether policies select it; the rules are given as if they did")
		case e.readings[0] == written:
			notes = append(notes, p.name+" uses the host's network: policies are assumed to select it like any other pod")
		default:
			notes = append(notes, p.name+" uses the host's network: policies are assumed not to select it")
		}
	}
	if mates {
		notes = append(notes, "traffic between a pod and its own node is always allowed, and one end shares the node's network"+map[bool]string{true: ", unless policies select it there"}[e.unsettled])
	}
	if s.end != nil && d.end != nil && (len(s.end.ips) > 0 || len(d.end.ips) > 0) && len(e.addresses.blocks) > 2 {
		notes = append(notes, "an address block that holds a pod's address is assumed to select the pod")
		for _, p := range []party{s, d} {
			if p.end != nil && len(p.end.ips) > 1 {
				notes = append(notes, p.name+" has several addresses, and counts with any of them")
			}
		}
	}
	return notes
}

// rulePorts returns the ports of one rule between its pod and one peer.
func (e *Engine) rulePorts(d policy.Direction, r *compiled, own, other int) set {
	ports := e.portsOf(d, r, own)
	if d == ingress || len(r.names) == 0 {
		return ports
	}
	ports = ports.clone()
	for _, n := range r.names {
		for atom, classes := range e.namedAt[n] {
			if classes.has(other) {
				ports.add(atom)
			}
		}
	}
	return ports
}
