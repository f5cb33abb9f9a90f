package cilium

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/scantling/scantling/infrastructure/network/policy"
)

// peers collects the other ends that a rule names.
type peers struct {
	everyone bool
	sure     []policy.Peer
	doubtful []peerSet
}

// peerSet is a set of peers that depend on the same, if on anything.
type peerSet struct {
	peers   []policy.Peer // nil for everybody
	depends string
}

// maxReasons is how many reasons of one rule are told apart.
const maxReasons = 16

// nobody are peers that don't exist.
var nobody = []policy.Peer{{Pods: policy.Any{}}}

func (p *peers) add(depends string, list ...policy.Peer) {
	if depends == "" {
		p.sure = append(p.sure, list...)
		return
	}
	at := slices.IndexFunc(p.doubtful, func(s peerSet) bool { return s.depends == depends })
	switch {
	case at < 0 && len(p.doubtful) > maxReasons:
		at = maxReasons
	case at < 0:
		if len(p.doubtful) == maxReasons {
			depends = fmt.Sprintf("more than %d other things count", maxReasons)
		}
		at = len(p.doubtful)
		p.doubtful = append(p.doubtful, peerSet{depends: depends})
	}
	p.doubtful[at].peers = append(p.doubtful[at].peers, list...)
}

// groups returns the sets, at least one.
func (p *peers) groups() []peerSet {
	if p.everyone {
		return []peerSet{{}}
	}
	var list []peerSet
	if len(p.sure) > 0 {
		list = append(list, peerSet{peers: p.sure})
	}
	list = append(list, p.doubtful...)
	if len(list) == 0 {
		return []peerSet{{peers: nobody}}
	}
	return list
}

// member is a field of a rule that names peers.
type member struct {
	name   string // without from or to
	read   func(*reader, object, string, scope, *peers) (found int, err error)
	closed bool // an empty list of it selects nothing; of others it is as none
}

// members are the fields of which a rule may have one.
var members = []member{
	{"Endpoints", (*reader).endpoints, true},
	{"CIDR", (*reader).cidrs, true},
	{"CIDRSet", (*reader).cidrSets, true},
	{"Entities", (*reader).entities, true},
	{"Nodes", (*reader).nodes, true},
	{"Groups", (*reader).cloudGroups, false},
	{"Services", (*reader).services, false},
	{"FQDNs", (*reader).names, false},
}

// peersOf reads the peers of a rule. One that names none is for everybody if it
// names ports, and else matches nothing: that is how isolation alone is
// written. With a field that isn't known it may be for everybody.
func (r *reader) peersOf(o object, d policy.Direction, sc scope, ports, unknown bool) (*peers, error) {
	ends := &peers{}
	named, nothing := "", false
	for _, m := range members {
		field := prefixes[d] + m.name
		if m.name == "Services" && d == policy.Ingress || m.name == "FQDNs" && d == policy.Ingress || o.fields[field] == nil {
			continue
		}
		found, err := m.read(r, o, field, sc, ends)
		if err != nil {
			return nil, err
		}
		if err := r.spend(found + len(ends.sure)); err != nil {
			return nil, fmt.Errorf("%s: %w", o.at(field), err)
		}
		switch {
		case found == 0:
			nothing = nothing || m.closed
		case named != "":
			return nil, fmt.Errorf("%s has both %s and %s", o.path, named, field)
		default:
			named = field
		}
	}
	switch {
	case nothing:
		return &peers{}, nil
	case named == "":
		ends.everyone = ports || unknown
	}
	return ends, nil
}

// scoped keeps a selector of peers to where it looks: one that names no
// namespace to the policy's own, or for a cluster-wide policy to pods. One that looks
// at reserved labels is for identities that have no namespace.
func (r *reader) scoped(s selector, sc scope) selector {
	switch {
	case s.reserved("") || s.names(isNamespace):
		return s
	case sc.namespace != "":
		if s.names(isNamespaceLabel) {
			return s
		}
		return s.in(sc.namespace)
	case !sc.init:
		s.all = append(slices.Clip(s.all), requirement{source: "k8s", key: namespaceKey, op: "Exists"})
	}
	return s
}

// special are the identities besides those of pods, by their reserved labels
// and the entity that says what they are. The last two have addresses that are
// also those of the world or of nodes, and count only where they are named.
var special = []struct {
	entity string
	labels []string
	named  bool
}{
	{"host", []string{"host"}, false},
	{"remote-node", []string{"remote-node"}, false},
	{"world-ipv4", []string{"world", "world-ipv4"}, false},
	{"world-ipv6", []string{"world", "world-ipv6"}, false},
	{"kube-apiserver", []string{"kube-apiserver"}, true},
	{"ingress", []string{"ingress"}, true},
}

func (r *reader) endpoints(o object, field string, sc scope, to *peers) (int, error) {
	list, _, err := o.objects(field)
	if err != nil {
		return 0, err
	}
	for _, item := range list {
		s, err := newSelector(item)
		if err != nil {
			return 0, err
		}
		s = r.scoped(s, sc)
		expr, depends := r.pods(s)
		to.add(depends, policy.Peer{Pods: expr})
		for _, identity := range special {
			match, depends := s.special(identity.labels...)
			if !match || identity.named && !s.reserved(identity.entity) {
				continue
			}
			if depends == "" {
				r.entity(identity.entity, to)
				continue
			}
			var found peers
			r.entity(identity.entity, &found)
			for _, set := range found.groups() {
				to.add(join(depends, set.depends), set.peers...)
			}
		}
	}
	return len(list), nil
}

func (r *reader) entities(o object, field string, _ scope, to *peers) (int, error) {
	list, _, err := o.texts(field)
	if err != nil {
		return 0, err
	}
	seen := map[string]bool{} // a list may repeat what stands for many addresses
	for _, name := range list {
		if !seen[name] && !r.entity(name, to) {
			return 0, fmt.Errorf("%s: %q is no entity", o.at(field), short(name))
		}
		seen[name] = true
	}
	return len(list), nil
}

// outside are all addresses that are neither a pod's nor a node's.
var outside = []policy.Peer{
	{Block: netip.PrefixFrom(netip.IPv4Unspecified(), 0), Outside: true},
	{Block: netip.PrefixFrom(netip.IPv6Unspecified(), 0), Outside: true},
}

var allNodes = policy.Peer{Nodes: policy.All{}}

// entity adds what an entity stands for; it is false for one that isn't known.
func (r *reader) entity(name string, to *peers) bool {
	switch name {
	case "all":
		to.everyone = true
	case "world":
		to.add("", outside...)
	case "world-ipv4":
		to.add("", outside[0])
	case "world-ipv6":
		to.add("", outside[1])
	case "cluster":
		to.add("", policy.Peer{Pods: policy.All{}, Hosts: true}, allNodes)
		to.add("", r.apiServer()...)
	case "host":
		to.add("the entity host is only the node that the pod runs on", allNodes)
	case "remote-node":
		to.add("", allNodes)
	case "kube-apiserver":
		if blocks := r.apiServer(); len(blocks) > 0 {
			to.add("", blocks...)
		} else {
			to.add("the addresses of the API server were not read", append(slices.Clone(outside), allNodes)...)
		}
	case "ingress":
		to.add("the entity ingress is only what comes through Cilium's proxy", outside...)
	case "init", "health", "unmanaged", "none":
	default:
		return false
	}
	return true
}

// cloudGroups are sets of addresses that a cloud's API knows.
func (r *reader) cloudGroups(o object, field string, _ scope, to *peers) (int, error) {
	list, _, err := o.objects(field)
	if len(list) > 0 {
		to.add(o.at(field)+" are addresses that the cloud knows", outside...)
	}
	return len(list), err
}

// names are addresses that the DNS knows. Those of pods and nodes don't count.
func (r *reader) names(o object, field string, _ scope, to *peers) (int, error) {
	list, _, err := o.objects(field)
	if len(list) > 0 {
		to.add(o.at(field)+" are addresses that the DNS knows", outside...)
	}
	return len(list), err
}
