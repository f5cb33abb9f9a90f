package calico

import (
	"fmt"
	"strings"

	"github.com/scantling/scantling/infrastructure/network/policy"
)

// Bounds on a selector: its text in bytes, and how deep parentheses and
// negations nest. Calico's own bound on the text is 1,024 where it has one.
const (
	maxSelector = 64 << 10
	maxDepth    = 100
)

// about says whose labels a selector names.
type about int

const (
	endpoints about = iota
	namespaces
	accounts
)

// The prefixes and labels that Calico gives to what it selects.
const (
	namespacePrefix   = "pcns."
	accountPrefix     = "pcsa."
	nameLabel         = "projectcalico.org/name"
	namespaceLabel    = "projectcalico.org/namespace"
	accountLabel      = "projectcalico.org/serviceaccount"
	orchestratorLabel = "projectcalico.org/orchestrator"
)

// isNamespaced holds for pods and namespaced network sets.
var isNamespaced = policy.Test{Key: policy.Key{Of: policy.NamespaceName}, Op: policy.Exists}

// isPod holds for pods, and not for network sets.
var isPod = policy.Test{Key: policy.Key{Of: policy.Account}, Op: policy.Exists}

// parseSelector reads a selector. The empty one holds for everything.
func parseSelector(text string, of about) (policy.Expr, error) {
	if len(text) > maxSelector {
		return nil, fmt.Errorf("a selector of %d bytes is longer than %d", len(text), maxSelector)
	}
	p := parser{rest: text, of: of}
	p.space()
	if p.rest == "" {
		return policy.All{}, nil
	}
	e, err := p.or()
	if err == nil && p.rest != "" {
		err = fmt.Errorf("%q follows where the selector should end", short(p.rest))
	}
	if err != nil {
		return nil, fmt.Errorf("selector %q: %w", short(text), err)
	}
	return e, nil
}

func short(text string) string {
	if len(text) > 60 {
		return text[:60] + "…"
	}
	return text
}

// parser reads a selector from its start; rest never starts with a space.
type parser struct {
	rest  string
	of    about
	depth int
}

func (p *parser) space() { p.rest = strings.TrimLeft(p.rest, " \t") }

// take cuts a token off, and the spaces after it.
func (p *parser) take(token string) bool {
	rest, cut := strings.CutPrefix(p.rest, token)
	if cut {
		p.rest = rest
		p.space()
	}
	return cut
}

func (p *parser) or() (policy.Expr, error) {
	parts, err := p.list("||", p.and)
	if err != nil || len(parts) == 1 {
		return first(parts), err
	}
	return policy.Any(parts), nil
}

func (p *parser) and() (policy.Expr, error) {
	parts, err := p.list("&&", p.term)
	if err != nil || len(parts) == 1 {
		return first(parts), err
	}
	return policy.All(parts), nil
}

func first(parts []policy.Expr) policy.Expr {
	if len(parts) == 0 {
		return nil
	}
	return parts[0]
}

func (p *parser) list(operator string, part func() (policy.Expr, error)) ([]policy.Expr, error) {
	var parts []policy.Expr
	for {
		e, err := part()
		if err != nil {
			return nil, err
		}
		parts = append(parts, e)
		if !p.take(operator) {
			return parts, nil
		}
	}
}

func (p *parser) term() (policy.Expr, error) {
	negated := false
	for p.take("!") {
		negated = !negated
	}
	e, err := p.operand()
	if err == nil && negated {
		return policy.Not{Expr: e}, nil
	}
	return e, err
}

func (p *parser) operand() (policy.Expr, error) {
	switch {
	case p.take("("):
		if p.depth++; p.depth > maxDepth {
			return nil, fmt.Errorf("parentheses nest deeper than %d", maxDepth)
		}
		e, err := p.or()
		p.depth--
		return e, p.closed(err)
	case p.take("has("):
		label, err := p.label()
		return p.exists(label), p.closed(err)
	case p.take("all("):
		if p.of == namespaces {
			return isNamespaced, p.closed(nil)
		}
		return policy.All{}, p.closed(nil)
	case p.take("global("):
		if p.of != namespaces {
			return nil, fmt.Errorf("global() stands outside of a namespaceSelector")
		}
		return policy.Not{Expr: isNamespaced}, p.closed(nil)
	}
	return p.comparison()
}

// closed takes the closing parenthesis, unless there is an error already.
func (p *parser) closed(err error) error {
	if err == nil && !p.take(")") {
		return fmt.Errorf("a closing parenthesis is missing before %q", short(p.rest))
	}
	return err
}

// label takes the name of a label.
func (p *parser) label() (string, error) {
	end := 0
	for end < len(p.rest) && isLabelByte(p.rest[end]) {
		end++
	}
	if end == 0 || end > 512 {
		return "", fmt.Errorf("a label is missing before %q", short(p.rest))
	}
	name := p.rest[:end]
	p.rest = p.rest[end:]
	p.space()
	return name, nil
}

func isLabelByte(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("_./-", c) >= 0
}

func (p *parser) comparison() (policy.Expr, error) {
	label, err := p.label()
	if err != nil {
		return nil, err
	}
	for _, o := range []struct {
		words   string
		op      policy.Op
		set     bool
		negated bool
	}{
		{words: "==", op: policy.In},
		{words: "!=", op: policy.In, negated: true},
		{words: "contains", op: policy.Contains},
		{words: "starts with", op: policy.Prefix},
		{words: "ends with", op: policy.Suffix},
		{words: "not in", op: policy.In, set: true, negated: true},
		{words: "in", op: policy.In, set: true},
	} {
		if !p.words(o.words) {
			continue
		}
		values, err := p.values(o.set)
		if err != nil {
			return nil, err
		}
		e := p.test(label, o.op, values)
		if o.negated {
			return policy.Not{Expr: e}, nil
		}
		return e, nil
	}
	return nil, fmt.Errorf("an operator is missing after label %q", short(label))
}

// words takes words that may have any spaces between them, or none.
func (p *parser) words(words string) bool {
	before := p.rest
	for _, w := range strings.Fields(words) {
		if !p.take(w) {
			p.rest = before
			return false
		}
	}
	return true
}

// values takes one text, or a set of texts in braces.
func (p *parser) values(set bool) ([]string, error) {
	if !set {
		text, err := p.text()
		return []string{text}, err
	}
	if !p.take("{") {
		return nil, fmt.Errorf("a set in braces is missing before %q", short(p.rest))
	}
	values := []string{}
	for p.rest != "" && (p.rest[0] == '"' || p.rest[0] == '\'') {
		text, err := p.text()
		if err != nil {
			return nil, err
		}
		values = append(values, text)
		if !p.take(",") {
			break
		}
	}
	if !p.take("}") {
		return nil, fmt.Errorf("a closing brace is missing before %q", short(p.rest))
	}
	return values, nil
}

// text takes a text in quotes; there are no escapes in it.
func (p *parser) text() (string, error) {
	if p.rest == "" || p.rest[0] != '"' && p.rest[0] != '\'' {
		return "", fmt.Errorf("a text in quotes is missing before %q", short(p.rest))
	}
	text, rest, closed := strings.Cut(p.rest[1:], p.rest[:1])
	if !closed {
		return "", fmt.Errorf("the text that begins at %q has no end", short(p.rest))
	}
	p.rest = rest
	p.space()
	return text, nil
}

// key is what a label stands for in the common form; constant where every pod
// has the same value.
func (p *parser) key(label string) (key policy.Key, constant bool) {
	switch p.of {
	case namespaces:
		label = namespacePrefix + label
	case accounts:
		label = accountPrefix + label
	}
	switch label {
	case namespacePrefix + nameLabel, namespaceLabel:
		return policy.Key{Of: policy.NamespaceName}, false
	case accountPrefix + nameLabel, accountLabel:
		return policy.Key{Of: policy.Account}, false
	case orchestratorLabel:
		return policy.Key{}, true
	}
	if name, is := strings.CutPrefix(label, namespacePrefix); is {
		return policy.Key{Of: policy.NamespaceLabel, Name: name}, false
	}
	if name, is := strings.CutPrefix(label, accountPrefix); is {
		return policy.Key{Of: policy.AccountLabel, Name: name}, false
	}
	return policy.Key{Of: policy.PodLabel, Name: label}, false
}

func (p *parser) exists(label string) policy.Expr { return p.test(label, policy.Exists, nil) }

func (p *parser) test(label string, op policy.Op, values []string) policy.Expr {
	key, constant := p.key(label)
	if !constant {
		return policy.Test{Key: key, Op: op, Values: values}
	}
	orchestrator := func(policy.Key) (string, bool) { return "k8s", true }
	if (policy.Test{Op: op, Values: values}).Match(orchestrator) {
		return isPod
	}
	return policy.Any{}
}
