package istio

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/scantling/scantling/infrastructure/network/ends"
	"github.com/scantling/scantling/infrastructure/network/policy"
)

// The conditions that a connection alone can answer, and those that it can't.
const (
	sourceIP        = "source.ip"
	sourceNamespace = "source.namespace"
	sourcePrincipal = "source.principal"
	destinationPort = "destination.port"
	destinationIP   = "destination.ip"
	connectionSNI   = "connection.sni"
)

// ofRequests are the other conditions; a name that ends with [ or . has more
// to follow.
var ofRequests = []string{
	"remote.ip", "request.auth.principal", "request.auth.audiences", "request.auth.presenter",
	"request.headers[", "request.auth.claims[", "experimental.",
}

// check refuses what Istio's validation refuses.
func (r *rule) check() error {
	for i, from := range r.From {
		s := from.Source
		if s == nil || !s.looksAtConnection() && s.looksAtHTTP() == "" && len(s.unknown) == 0 {
			return fmt.Errorf("from[%d]: it names no source", i)
		}
		if len(s.ServiceAccounts)+len(s.NotServiceAccounts) > 0 && len(s.Principals)+len(s.NotPrincipals)+len(s.Namespaces)+len(s.NotNamespaces) > 0 {
			return fmt.Errorf("from[%d]: serviceAccounts stand with principals or namespaces", i)
		}
	}
	for i, to := range r.To {
		if o := to.Operation; o == nil || !o.looksAtConnection() && o.looksAtHTTP() == "" && len(o.unknown) == 0 {
			return fmt.Errorf("to[%d]: it names no operation", i)
		}
	}
	for i, w := range r.When {
		if len(w.Values)+len(w.NotValues) == 0 {
			return fmt.Errorf("when[%d]: %q has no values", i, w.Key)
		}
		if !w.ofConnection() && w.Key != connectionSNI && !slices.ContainsFunc(ofRequests, w.is) {
			return fmt.Errorf("when[%d]: %q is no condition", i, w.Key)
		}
	}
	return nil
}

func (c *condition) is(name string) bool {
	return c.Key == name || strings.HasPrefix(c.Key, name) && strings.IndexByte("[.", name[len(name)-1]) >= 0
}

func (c *condition) ofConnection() bool {
	return slices.Contains([]string{sourceIP, sourceNamespace, sourcePrincipal, destinationPort, destinationIP}, c.Key)
}

// beyond names something of the rule that a connection alone can't answer; ""
// for nothing.
func (r *rule) beyond() string {
	for _, from := range r.From {
		if name := from.Source.looksAtHTTP(); name != "" {
			return name
		}
	}
	for _, to := range r.To {
		if name := to.Operation.looksAtHTTP(); name != "" {
			return name
		}
	}
	for _, w := range r.When {
		if !w.ofConnection() {
			return w.Key
		}
	}
	return ""
}

// alternative is one or several operations of a rule.
type alternative struct {
	ports   []ends.Span
	depends string
}

// rules translates a rule for the pods of a variant: to one for each source and
// kind of operation, for every such pair may depend on something else.
func (m *mesh) rules(namespace string, spec *authorization, r *rule, v variant) ([]policy.Rule, error) {
	allow := spec.Action == "" || spec.Action == "ALLOW"
	if allow && v.plane == ambient && r.beyond() != "" {
		return nil, nil // ztunnel leaves the rule out
	}
	sources, err := m.sources(namespace, r, v)
	if err != nil {
		return nil, err
	}
	operations, err := operationsOf(r, v)
	if err != nil {
		return nil, err
	}
	base := policy.Rule{Action: policy.Deny, Order: orderDeny, Depends: r.depends(v)}
	switch {
	case allow:
		base.Action, base.Order = policy.Accept, orderAllow
		if name := r.beyond(); name != "" {
			base.Depends = cmp.Or(base.Depends, "HTTP, for the rule asks for "+name)
		}
	case spec.Action == "CUSTOM":
		base.Order, base.Depends = orderCustom, "the external authorizer "+spec.Provider.Name
	}
	var rules []policy.Rule
	for _, plain := range []bool{false, true} {
		for _, s := range sources {
			for _, o := range operations {
				rules = append(rules, pair(base, s, o, v, plain)...)
			}
		}
	}
	return rules, nil
}

// pair makes the rules for a source and an operation, at the ports at which
// sources have an identity or at the others.
func pair(base policy.Rule, s sourceMatch, o alternative, v variant, plain bool) []policy.Rule {
	spans := ends.Without(o.ports, v.plain)
	side := s.identified
	if plain {
		spans, side = ends.Both(o.ports, v.plain), s.anonymous
	}
	if len(spans) == 0 || side.never {
		return nil
	}
	peers := side.peers.Peers()
	var rules []policy.Rule
	add := func(list []policy.Peer, everybody bool, why string) {
		if everybody || len(list) > 0 {
			rule := base
			rule.Peers, rule.Ports = list, ends.Ports("TCP", spans)
			rule.Depends = cmp.Or(base.Depends, s.depends, o.depends, why)
			rules = append(rules, rule)
		}
	}
	add(peers.Sure, peers.Everybody, "")
	add(peers.Unsure, false, ends.WhyUnsure)
	return rules
}

// depends is what the whole rule depends on, beside its sources and operations.
func (r *rule) depends(v variant) string {
	if len(r.unknown) > 0 {
		return "the field " + r.unknown[0] + ", which isn't known here"
	}
	for _, w := range r.When {
		switch {
		case w.Key == destinationIP:
			return "the destination's own address"
		case w.Key == connectionSNI && v.plane != ambient:
			return "the name that TLS asks for"
		case !w.ofConnection() && v.plane == ambient:
			return "what ztunnel makes of " + w.Key
		case !w.ofConnection():
			return "HTTP, for the rule asks for " + w.Key
		}
	}
	return ""
}

// operationsOf gives the operations of a rule with its conditions on ports:
// those that a connection answers as one, and the others as one.
func operationsOf(r *rule, v variant) ([]alternative, error) {
	base := ends.AllPorts
	for i, w := range r.When {
		if w.Key != destinationPort {
			continue
		}
		only, err := narrow(base, w.Values, w.NotValues)
		if err != nil {
			return nil, fmt.Errorf("when[%d]: %w", i, err)
		}
		base = only
	}
	if len(r.To) == 0 {
		return []alternative{{ports: base}}, nil
	}
	var sure, unsure alternative
	for i, to := range r.To {
		o := to.Operation
		only, err := narrow(base, o.Ports, o.NotPorts)
		if err != nil {
			return nil, fmt.Errorf("to[%d]: %w", i, err)
		}
		if why := dependsOn(v, o.unknown, o.looksAtHTTP(), o.looksAtConnection()); why != "" {
			unsure.ports, unsure.depends = append(unsure.ports, only...), cmp.Or(unsure.depends, why)
			continue
		}
		sure.ports = append(sure.ports, only...)
	}
	return []alternative{sure, unsure}, nil
}

func narrow(base []ends.Span, values, notValues []string) ([]ends.Span, error) {
	only, err := readPorts(values)
	if err != nil {
		return nil, err
	}
	not, err := readPorts(notValues)
	if err != nil {
		return nil, err
	}
	if len(values) > 0 {
		base = ends.Both(base, only)
	}
	return ends.Without(base, not), nil
}

// dependsOn is what one source or operation of a rule that denies depends on.
// (One that allows depends as a whole.) Ztunnel enforces the rest of it, if
// anything remains.
func dependsOn(v variant, unknown []string, http string, rest bool) string {
	switch {
	case len(unknown) > 0:
		return "the field " + unknown[0] + ", which isn't known here"
	case http == "", v.plane == ambient && rest:
		return ""
	case v.plane == ambient:
		return "the version of ztunnel, for the rule asks for " + http + " alone"
	}
	return "HTTP, for the rule asks for " + http
}
