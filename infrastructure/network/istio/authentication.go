package istio

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/scantling/scantling/infrastructure/kube"
	"github.com/scantling/scantling/infrastructure/network/ends"
	"github.com/scantling/scantling/infrastructure/network/policy"
)

// The modes of mutual TLS.
const (
	unset      = "UNSET"
	strict     = "STRICT"
	permissive = "PERMISSIVE"
	disable    = "DISABLE"
)

// peerAuthentication is a PeerAuthentication that was read.
type peerAuthentication struct {
	object    *kube.Object
	namespace string
	labels    map[string]string // of its selector
	mode      string
	ports     map[int]string // modes by port
	made      string         // creationTimestamp, "" in manifests
}

// readAuthentications reads those that are valid, oldest first.
func (m *mesh) readAuthentications() {
	for _, o := range m.objects("PeerAuthentication") {
		a, err := readAuthentication(o)
		if err != nil {
			m.refused = append(m.refused, m.refuse(o, err))
			continue
		}
		m.authentications[a.namespace] = append(m.authentications[a.namespace], &a)
	}
	for _, list := range m.authentications {
		slices.SortStableFunc(list, func(a, b *peerAuthentication) int {
			return cmp.Or(strings.Compare(a.made, b.made), strings.Compare(a.object.Name, b.object.Name))
		})
	}
}

func readAuthentication(o *kube.Object) (peerAuthentication, error) {
	a := peerAuthentication{object: o, namespace: namespaceOf(o), ports: map[int]string{}}
	var spec authentication
	if err := decode(o, authenticationFields, &spec); err != nil {
		return a, err
	}
	meta, _ := o.Raw["metadata"].(map[string]any)
	a.made, _ = meta["creationTimestamp"].(string)
	a.labels = spec.Selector.MatchLabels
	var err error
	if a.mode, err = modeOf(spec.MTLS); err != nil {
		return a, fmt.Errorf("spec.mtls: %w", err)
	}
	for text, tls := range spec.PortLevelMTLS {
		port, err := strconv.Atoi(text)
		if err != nil || port < 1 || port > ends.MaxPort {
			return a, fmt.Errorf("spec.portLevelMtls: port %q is none", text)
		}
		if a.ports[port], err = modeOf(tls); err != nil {
			return a, fmt.Errorf("spec.portLevelMtls[%d]: %w", port, err)
		}
	}
	return a, nil
}

func modeOf(tls mutualTLS) (string, error) {
	mode := cmp.Or(tls.Mode, unset)
	if !slices.Contains([]string{unset, strict, permissive, disable}, mode) {
		return "", fmt.Errorf("mode %q is none", mode)
	}
	return mode, nil
}

// chain is what holds for a pod: the PeerAuthentications of the mesh, of its
// namespace and of itself, each nil where there is none.
type chain struct {
	levels [3]*peerAuthentication
	unsure bool // of several of one level the oldest counts, and ages aren't known
}

// chainOf finds what holds for a pod. One with a selector in the root namespace
// holds for none.
func (m *mesh) chainOf(e *end) chain {
	var c chain
	for _, a := range slices.Concat(m.authentications[m.root], m.authentications[e.namespace]) {
		level := 0
		switch {
		case len(a.labels) > 0 && a.namespace != m.root && selects(a.labels, e.labels):
			level = 2
		case len(a.labels) == 0 && a.namespace == m.root:
		case len(a.labels) == 0:
			level = 1
		default:
			continue
		}
		switch first := c.levels[level]; {
		case first == nil:
			c.levels[level] = a
		case first.made == a.made && !first.same(a):
			c.unsure = true
		}
	}
	return c
}

func (a *peerAuthentication) same(b *peerAuthentication) bool {
	return a.mode == b.mode && fmt.Sprint(a.ports) == fmt.Sprint(b.ports)
}

// key is a text for the chain, "" for an empty one.
func (c *chain) key() string {
	texts := make([]string, 0, len(c.levels))
	for _, a := range c.levels {
		if a != nil {
			texts = append(texts, a.namespace+"/"+a.object.Name)
		}
	}
	return strings.Join(texts, " ")
}

// object is the object of the chain that is closest to the pod.
func (c *chain) object() *kube.Object {
	for _, a := range slices.Backward(c.levels[:]) {
		if a != nil {
			return a.object
		}
	}
	return nil
}

// portsOf gives the ports at which a mode is in force.
func (c *chain) portsOf(mode string) []ends.Span {
	base := permissive
	for _, a := range c.levels {
		if a != nil && a.mode != unset {
			base = a.mode
		}
	}
	var own, others []ends.Span
	if a := c.levels[2]; a != nil {
		for port, at := range a.ports {
			if at == unset {
				at = base
			}
			if at == mode {
				own = append(own, ends.Span{Low: port, High: port})
			} else {
				others = append(others, ends.Span{Low: port, High: port})
			}
		}
	}
	if base == mode {
		return ends.Without(ends.AllPorts, others)
	}
	return ends.Merge(own)
}

// strict denies what comes without an identity where mutual TLS is strict.
func (c *chain) strict() (policy.Policy, bool) {
	spans := c.portsOf(strict)
	if len(spans) == 0 {
		return policy.Policy{}, false
	}
	outside := ends.Match{Not: inMesh}
	side := &policy.Side{Rules: []policy.Rule{{
		Action: policy.Deny, Order: orderDeny, Field: "spec.mtls", Peers: outside.Peers().Sure, Ports: ends.Ports("TCP", spans),
	}}}
	if c.unsure {
		side.Depends = "which PeerAuthentication is the oldest, for that one counts"
	}
	p := policy.Policy{Object: c.object(), Layer: policy.Mesh, Subject: policy.All{inMesh, is(chainMark, c.key())}}
	p.Sides[policy.Ingress] = side
	return p, true
}
