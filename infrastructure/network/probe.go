package network

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/scantling/scantling/model"
)

// Answer says whether a connection may be made.
type Answer string

// The answers. Depends means that a policy that is not evaluated, or can't
// be, decides.
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
	Policy   string         `json:"policy"` // namespace/name
	Field    string         `json:"field"`  // as "spec.ingress[0]"
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

// Probe answers whether from may connect to to on port. Both ends are
// "namespace/name" or "namespace/name[Kind]" of a pod or, where no pod has the
// name, of a workload, or an IP address; port is "tcp/80", "udp/NAME" or a bare
// TCP port. A workload's answer is that of its pods: allowed where any of them
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
	if strings.Trim(port, "0123456789") != "" {
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
	return nil, fmt.Errorf("%q is no pod or workload of the snapshot, and no address: use namespace/name", text)
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

func (e *Engine) probe(s, d party, spec portSpec) Verdict {
	v := Verdict{Answer: Denied, Egress: Half{Answer: Denied}, Ingress: Half{Answer: Denied}, Notes: e.notes(s, d)}
	if s.end != nil && (s.end == d.end || d.end != nil && podsShareNode(s.end, d.end)) {
		text := "a pod always reaches itself"
		if s.end != d.end {
			text = "traffic between a pod and its own node is always allowed, and one end shares the node's network"
		}
		v.Answer = Allowed
		v.Egress = Half{Allowed, []Reason{{Allows: true, Text: text}}}
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
		out := e.explain(egress, s, d, atom)
		in := e.explain(ingress, d, s, atom)
		answer := e.judge(out.Answer == Allowed && in.Answer == Allowed, s.peer, d.peer)
		if v.Egress.Reasons == nil || rank(answer) > rank(v.Answer) {
			v.Answer, v.Egress, v.Ingress = answer, out, in
		}
	}
	return v
}

// judge lowers an answer to Depends where other policies may change it.
func (e *Engine) judge(allowed bool, a, b int) Answer {
	doubt := max(e.doubtOf(a), e.doubtOf(b))
	switch {
	case doubt == mayChange, doubt == mayDeny && allowed:
		return Depends
	case allowed:
		return Allowed
	}
	return Denied
}

// notes lists the assumptions that an answer rests on.
func (e *Engine) notes(s, d party) []string {
	notes := []string{}
	for _, p := range []party{s, d} {
		if p.end != nil && p.end.host {
			notes = append(notes, p.name+" uses the host's network: policies are assumed not to select it, as with most network plugins")
		}
	}
	if s.end != nil && d.end != nil && (len(s.end.ips) > 0 || len(d.end.ips) > 0) && len(e.addresses.blocks) > 2 {
		notes = append(notes, "an ipBlock that holds a pod's address is assumed to select the pod")
	}
	if max(e.doubtOf(s.peer), e.doubtOf(d.peer)) != certain {
		notes = append(notes, "policies of other kinds, or ones that can't be read, may decide otherwise")
	}
	return notes
}

// explain goes through the policies of own, rule by rule.
func (e *Engine) explain(d direction, own, other party, atom int) Half {
	if own.end == nil {
		return Half{Allowed, []Reason{{Allows: true, Text: own.name + " is outside the cluster: no policy selects it"}}}
	}
	side := e.sides[d][own.peer]
	if side.open {
		return Half{Allowed, []Reason{{Allows: true, Text: fmt.Sprintf("no policy selects %s for %s", own.name, d)}}}
	}
	half := Half{Answer: Denied}
	for _, i := range side.policies {
		p := e.policies[i]
		if len(p.rules[d]) == 0 {
			half.Reasons = append(half.Reasons, p.reason("spec."+d.String(), false, fmt.Sprintf("selects %s and has no %s rule", own.name, d)))
		}
		for n, r := range p.rules[d] {
			allows, text := true, "allows it"
			switch {
			case !e.peersOf(p, r).has(other.peer):
				allows, text = false, other.name+" is not among its peers"
			case !e.rulePorts(d, r, own.peer, other.peer).has(atom):
				allows, text = false, "the port is not among its ports"
			default:
				half.Answer = Allowed
			}
			half.Reasons = append(half.Reasons, p.reason(fmt.Sprintf("spec.%s[%d]", d, n), allows, text))
		}
	}
	// The rules that allow decide; without any, all of them do.
	if half.Answer == Allowed {
		half.Reasons = slices.DeleteFunc(half.Reasons, func(r Reason) bool { return !r.Allows })
	}
	return half
}

func (p *policy) reason(field string, allows bool, text string) Reason {
	return Reason{Policy: p.String(), Field: field, Allows: allows, Text: text, Position: p.object.Position}
}

// rulePorts returns the ports of one rule between its pod and one peer.
func (e *Engine) rulePorts(d direction, r rule, own, other int) set {
	ports := e.numbered(d, r, own).clone()
	if d == egress {
		for _, n := range r.names {
			for atom, classes := range e.namedAt[n] {
				if classes.has(other) {
					ports.add(atom)
				}
			}
		}
	}
	return ports
}
