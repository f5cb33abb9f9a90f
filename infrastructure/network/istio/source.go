package istio

import (
	"fmt"
	"slices"
	"strings"

	"github.com/scantling/scantling/infrastructure/network/ends"
	"github.com/scantling/scantling/infrastructure/network/policy"
)

// sourceMatch is a source where sources have identities, and where they don't.
type sourceMatch struct {
	identified, anonymous sideMatch
	depends               string
}

type sideMatch struct {
	peers ends.Match
	never bool // it holds for nobody
}

// sources lists the sources of a rule with its conditions on sources.
func (m *mesh) sources(namespace string, r *rule, v variant) ([]sourceMatch, error) {
	var base sourceBuilder
	for i, w := range r.When {
		if err := base.condition(m, &w); err != nil {
			return nil, fmt.Errorf("when[%d]: %w", i, err)
		}
	}
	if len(r.From) == 0 {
		return []sourceMatch{base.match()}, nil
	}
	var list []sourceMatch
	for i, from := range r.From {
		s := from.Source
		b := base.clone()
		if err := b.source(m, namespace, s); err != nil {
			return nil, fmt.Errorf("from[%d]: %w", i, err)
		}
		match := b.match()
		match.depends = dependsOn(v, s.unknown, s.looksAtHTTP(), s.looksAtConnection())
		list = append(list, match)
	}
	return list, nil
}

// sourceBuilder gathers conditions on a source, all of which must hold.
type sourceBuilder struct {
	positive  policy.All // on the identity
	negative  policy.Any
	addresses ends.Match // Within and NotIn
}

func (b *sourceBuilder) clone() sourceBuilder {
	c := *b
	c.positive, c.negative = slices.Clip(b.positive), slices.Clip(b.negative)
	return c
}

func (b *sourceBuilder) condition(m *mesh, c *condition) error {
	switch c.Key {
	case sourceIP:
		return b.address(c.Values, c.NotValues)
	case sourceNamespace:
		return b.identity(inNamespaces, c.Values, c.NotValues)
	case sourcePrincipal:
		return b.identity(m.principals, c.Values, c.NotValues)
	}
	return nil
}

func (b *sourceBuilder) source(m *mesh, namespace string, s *source) error {
	accounts := func(values []string) (policy.Expr, error) { return inAccounts(namespace, values) }
	if err := b.identity(m.principals, s.Principals, s.NotPrincipals); err != nil {
		return err
	}
	if err := b.identity(inNamespaces, s.Namespaces, s.NotNamespaces); err != nil {
		return err
	}
	if err := b.identity(accounts, s.ServiceAccounts, s.NotServiceAccounts); err != nil {
		return err
	}
	return b.address(s.IPBlocks, s.NotIPBlocks)
}

// identity adds conditions on who the source is.
func (b *sourceBuilder) identity(condition func([]string) (policy.Expr, error), values, notValues []string) error {
	if len(values) > 0 {
		e, err := condition(values)
		if err != nil {
			return err
		}
		b.positive = append(b.positive, e)
	}
	if len(notValues) > 0 {
		e, err := condition(notValues)
		if err != nil {
			return err
		}
		b.negative = append(b.negative, policy.All{inMesh, e})
	}
	return nil
}

// address adds conditions on where the source is.
func (b *sourceBuilder) address(values, notValues []string) error {
	in, err := ends.ParseAll(values)
	if err != nil {
		return err
	}
	notIn, err := ends.ParseAll(notValues)
	if err != nil {
		return err
	}
	if len(in) > 0 {
		b.addresses.Within = append(slices.Clip(b.addresses.Within), in)
	}
	b.addresses.NotIn = append(slices.Clip(b.addresses.NotIn), notIn...)
	return nil
}

func (b *sourceBuilder) match() sourceMatch {
	m := sourceMatch{identified: sideMatch{peers: b.addresses}, anonymous: sideMatch{peers: b.addresses, never: len(b.positive) > 0}}
	if len(b.positive) > 0 {
		m.identified.peers.Pods = append(policy.All{inMesh}, b.positive...)
	}
	if len(b.negative) > 0 {
		m.identified.peers.Not = b.negative
	}
	return m
}

// pattern splits a value into a comparison and what to compare with: exact, or
// with a star at the end, at the start, or alone.
func pattern(value string) (policy.Op, string, error) {
	inner := strings.Trim(value, "*")
	switch {
	case value == "":
		return 0, "", fmt.Errorf("an empty value")
	case value == "*":
		return policy.Exists, "", nil
	case strings.Contains(inner, "*"), strings.Count(value, "*") > 1:
		return 0, "", fmt.Errorf("%q has a star that is neither at its start nor at its end", value)
	case strings.HasPrefix(value, "*"):
		return policy.Suffix, inner, nil
	case strings.HasSuffix(value, "*"):
		return policy.Prefix, inner, nil
	}
	return policy.In, value, nil
}

func matching(key policy.Key, values []string) (policy.Expr, error) {
	anyOf := policy.Any{}
	for _, value := range values {
		op, text, err := pattern(value)
		if err != nil {
			return nil, err
		}
		anyOf = append(anyOf, policy.Test{Key: key, Op: op, Values: []string{text}})
	}
	return anyOf, nil
}

// principals is the condition that a source is one of principals. A name for
// the mesh's trust domain stands for all of its names.
func (m *mesh) principals(values []string) (policy.Expr, error) {
	own := make([]string, len(values))
	for i, value := range values {
		domain, rest, _ := strings.Cut(value, "/")
		own[i] = value
		if rest != "" && slices.Contains(m.aliases, domain) {
			own[i] = m.trustDomain + "/" + rest
		}
	}
	return matching(policy.Key{Of: policy.Mark, Name: principalMark}, own)
}

func inNamespaces(values []string) (policy.Expr, error) {
	return matching(policy.Key{Of: policy.NamespaceName}, values)
}

// inAccounts is the condition that a source has one of accounts, each a name
// in the policy's own namespace or "namespace/name".
func inAccounts(namespace string, values []string) (policy.Expr, error) {
	anyOf := policy.Any{}
	for _, value := range values {
		space, name, both := strings.Cut(value, "/")
		if !both {
			space, name = namespace, value
		}
		if space == "" || name == "" || strings.ContainsAny(name, "/*") || strings.Contains(space, "*") {
			return nil, fmt.Errorf("%q is no ServiceAccount", value)
		}
		anyOf = append(anyOf, policy.All{
			policy.InNamespace(space), policy.Test{Key: policy.Key{Of: policy.Account}, Op: policy.In, Values: []string{name}},
		})
	}
	return anyOf, nil
}
