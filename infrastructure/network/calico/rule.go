package calico

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/scantling/scantling/infrastructure/network/ends"
	"github.com/scantling/scantling/infrastructure/network/policy"
)

var actions = map[string]policy.Action{"Allow": policy.Accept, "Deny": policy.Deny, "Pass": policy.Pass}

// translate gives the parts of a policy: the first isolates, and has the rules
// that hold for all its pods. Each rule that narrows its own side is a part.
func (r *reader) translate(p *readPolicy) ([]policy.Policy, error) {
	applies, err := p.directions()
	if err != nil {
		return nil, err
	}
	whole := policy.Policy{Object: p.object, Subject: p.subject}
	var parts []policy.Policy
	at := p.first
	for d, rules := range [2][]ruleSpec{policy.Ingress: p.spec.Ingress, policy.Egress: p.spec.Egress} {
		side := &policy.Side{Tier: p.tier.number, Isolates: p.tier.isolate, Depends: p.depends}
		for i := range rules {
			t, err := r.rule(p, policy.Direction(d), &rules[i])
			if err != nil {
				return nil, fmt.Errorf("spec.%s[%d]: %w", policy.Direction(d), i, err)
			}
			t.place(fmt.Sprintf("spec.%s[%d]", policy.Direction(d), i), at)
			at += p.step
			if !applies[d] {
				continue
			}
			side.Rules = append(side.Rules, t.everywhere()...)
			parts = append(parts, t.narrowed(p, policy.Direction(d))...)
		}
		if applies[d] {
			whole.Sides[d] = side
		}
	}
	return append([]policy.Policy{whole}, parts...), nil
}

// directions says for which directions a policy is. Where it doesn't say so
// itself it is for those that it has rules for, or else for ingress.
func (p *readPolicy) directions() (applies [2]bool, err error) {
	for _, t := range p.spec.Types {
		switch t {
		case "Ingress":
			applies[policy.Ingress] = true
		case "Egress":
			applies[policy.Egress] = true
		default:
			return applies, fmt.Errorf("spec.types: %q is neither Ingress nor Egress", t)
		}
	}
	if len(p.spec.Types) == 0 {
		applies = [2]bool{len(p.spec.Ingress) > 0 || len(p.spec.Egress) == 0, len(p.spec.Egress) > 0}
	}
	return applies, nil
}

// translated is one rule: for the pods of own, of all that the policy selects
// where own is nil, and perhaps for those of unsure.
type translated struct {
	rules       []policy.Rule
	own, unsure policy.Expr
}

func (t *translated) place(field string, order float64) {
	for i := range t.rules {
		t.rules[i].Field, t.rules[i].Order = field, order
	}
}

func (t *translated) everywhere() []policy.Rule {
	if t.own != nil {
		return nil
	}
	return t.rules
}

// narrowed gives a rule that doesn't hold for all pods as policies of its own.
func (t *translated) narrowed(p *readPolicy, d policy.Direction) []policy.Policy {
	if t.own == nil || len(t.rules) == 0 {
		return nil
	}
	part := func(own policy.Expr, rules []policy.Rule) policy.Policy {
		q := policy.Policy{Object: p.object, Subject: policy.All{p.subject, own}}
		q.Sides[d] = &policy.Side{Tier: p.tier.number, Rules: rules, Depends: p.depends}
		return q
	}
	parts := []policy.Policy{part(t.own, t.rules)}
	if t.unsure != nil {
		parts = append(parts, part(t.unsure, dependent(t.rules, ends.WhyUnsure)))
	}
	return parts
}

// dependent is a copy of rules that depend on one thing more.
func dependent(rules []policy.Rule, why string) []policy.Rule {
	list := slices.Clone(rules)
	for i := range list {
		list[i].Depends = cmp.Or(list[i].Depends, why)
	}
	return list
}

// rule translates one rule. Of a Log, and of a rule on protocols that are not
// modelled, nothing remains.
func (r *reader) rule(p *readPolicy, d policy.Direction, spec *ruleSpec) (translated, error) {
	var t translated
	action, decides := actions[spec.Action]
	if !decides && spec.Action != "Log" {
		return t, fmt.Errorf("action %q is none of Allow, Deny, Pass and Log", spec.Action)
	}
	if err := spec.check(d); err != nil {
		return t, err
	}
	peer, own := &spec.Source, &spec.Destination
	if d == policy.Egress {
		peer, own = own, peer
	}
	on, err := r.portsOf(spec)
	if err != nil {
		return t, err
	}
	others, depends, err := r.peers(p, spec, peer, &on)
	if err != nil {
		return t, err
	}
	mine, ownDepends, err := r.match(p, own, nil)
	if err != nil {
		return t, err
	}
	if !decides || on.nothing {
		return t, nil
	}
	if mine.Pods != nil || mine.Not != nil || len(mine.Within)+len(mine.NotIn) > 0 {
		t.own, t.unsure = mine.Expr(), mine.Unsure()
	}
	base := policy.Rule{Action: action, Depends: cmp.Or(spec.depends(), depends, ownDepends)}
	t.rules = combine(base, others, on)
	return t, nil
}

// combine makes the rules of what is sure and unsure of peers and ports.
func combine(base policy.Rule, others ends.Peers, on portSet) []policy.Rule {
	var rules []policy.Rule
	add := func(peers []policy.Peer, everybody bool, ports []policy.Port, why string) {
		if !everybody && len(peers) == 0 {
			return
		}
		rule := base
		rule.Peers, rule.Ports, rule.Depends = peers, ports, cmp.Or(base.Depends, why)
		rules = append(rules, rule)
	}
	if on.all || len(on.sure) > 0 {
		add(others.Sure, others.Everybody, on.sure, "")
		add(others.Unsure, false, on.sure, ends.WhyUnsure)
	}
	if len(on.unsure) > 0 {
		add(append(slices.Clone(others.Sure), others.Unsure...), others.Everybody, on.unsure, "the numbers of named ports, which are not the same everywhere")
	}
	return rules
}

// check refuses what Calico's API refuses and would be ambiguous here.
func (s *ruleSpec) check(d policy.Direction) error {
	if s.IPVersion != nil && *s.IPVersion != 4 && *s.IPVersion != 6 {
		return fmt.Errorf("ipVersion %d is neither 4 nor 6", *s.IPVersion)
	}
	peer, own := &s.Source, &s.Destination
	if d == policy.Egress {
		peer, own = own, peer
	}
	if own.Services != nil {
		return fmt.Errorf("services stand on the side of the pods that are selected")
	}
	if of := peer.Services; of != nil {
		selects := peer.Selector+peer.NotSelector+peer.NamespaceSelector != "" || peer.ServiceAccounts != nil
		ports := d == policy.Egress && len(peer.Ports)+len(peer.NotPorts) > 0
		if of.Name == "" || selects || ports || len(peer.Nets)+len(peer.NotNets) > 0 {
			return fmt.Errorf("services need a name, and stand with no selector, net or port")
		}
	}
	return nil
}

// depends says what a rule depends on beside peers and ports; "" for nothing.
func (s *ruleSpec) depends() string {
	unknown := slices.Concat(s.unknown, s.Source.unknown, s.Destination.unknown)
	switch {
	case present(s.HTTP):
		return "HTTP, which only the application layer policy looks at"
	case len(unknown) > 0:
		return "the field " + strings.Join(unknown, ", ") + ", which isn't known here"
	case restricts(s.Source.Ports) || len(s.Source.NotPorts) > 0:
		return "the source port"
	}
	return ""
}

func present(raw []byte) bool {
	text := string(raw)
	return text != "" && text != "null" && text != "{}"
}

// peers gives the other ends of a rule. The ports of services narrow on.
func (r *reader) peers(p *readPolicy, spec *ruleSpec, e *entity, on *portSet) (ends.Peers, string, error) {
	if e.Services != nil {
		peers, depends := r.service(p, spec, e.Services, on)
		return peers, depends, nil
	}
	m, depends, err := r.match(p, e, spec.IPVersion)
	return m.Peers(), depends, err
}

// match is what an entity asks of its end, but for ports.
func (r *reader) match(p *readPolicy, e *entity, version *int) (m ends.Match, depends string, err error) {
	if m.Pods, err = selected(p, e); err != nil {
		return m, "", err
	}
	if m.Pods != nil {
		m.Sets, depends = r.setsOf(m.Pods)
	}
	if e.NotSelector != "" {
		if m.Not, err = parseSelector(e.NotSelector, endpoints); err != nil {
			return m, "", fmt.Errorf("notSelector: %w", err)
		}
		nets, why := r.setsOf(m.Not)
		m.NotIn, depends = append(m.NotIn, nets...), cmp.Or(depends, why)
	}
	nets, err := ends.ParseAll(e.Nets)
	if err != nil {
		return m, "", fmt.Errorf("nets: %w", err)
	}
	if len(nets) > 0 {
		m.Within = append(m.Within, nets)
	}
	notNets, err := ends.ParseAll(e.NotNets)
	if err != nil {
		return m, "", fmt.Errorf("notNets: %w", err)
	}
	m.NotIn = append(m.NotIn, notNets...)
	if version != nil {
		m.Within = append(m.Within, ends.Family(*version))
	}
	return m, depends, nil
}

// selected is the condition of the fields of an entity that select; nil where
// there is none.
func selected(p *readPolicy, e *entity) (policy.Expr, error) {
	all := policy.All{}
	selector, err := parseSelector(e.Selector, endpoints)
	if err != nil {
		return nil, fmt.Errorf("selector: %w", err)
	}
	if e.Selector != "" {
		all = append(all, selector)
	}
	if of := e.ServiceAccounts; of != nil {
		account, err := parseSelector(of.Selector, accounts)
		if err != nil {
			return nil, fmt.Errorf("serviceAccounts.selector: %w", err)
		}
		if of.Selector != "" {
			all = append(all, account)
		}
		if len(of.Names) > 0 {
			all = append(all, policy.Test{Key: policy.Key{Of: policy.Account}, Op: policy.In, Values: of.Names})
		}
	}
	if e.NamespaceSelector != "" {
		space, err := parseSelector(e.NamespaceSelector, namespaces)
		if err != nil {
			return nil, fmt.Errorf("namespaceSelector: %w", err)
		}
		all = append(all, space)
	} else if p.namespace != "" && len(all)+len(e.NotSelector) > 0 {
		all = append(all, policy.InNamespace(p.namespace))
	}
	if len(all) == 0 {
		return nil, nil
	}
	return all, nil
}
