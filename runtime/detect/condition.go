package detect

import (
	"errors"
	"fmt"
	"strings"
)

// Bounds of a condition, far above any real one.
const (
	maxCondition = 8 << 10 // bytes
	maxDepth     = 64      // of brackets and negations
	maxLooks     = 100_000 // at names, by all "of" of a rule
)

// conditionParser reads a condition by recursive descent. Its words are those
// of the rules specification; or binds least, then and, then not.
type conditionParser struct {
	words []string
	pos   int
	depth int
	ids   identifiers
}

// identifiers are a rule's compiled search identifiers, in the rule's order.
type identifiers struct {
	names []string
	exprs map[string]*expr
	looks *int // at names, for patterns of them, that are left
}

// parseCondition compiles a condition over search identifiers.
func parseCondition(text string, ids identifiers) (*expr, error) {
	if len(text) > maxCondition {
		return nil, fmt.Errorf("condition is longer than %d bytes", maxCondition)
	}
	if strings.Contains(text, "|") {
		return nil, errors.New("aggregations in a condition are not supported: write a correlation rule")
	}
	p := &conditionParser{words: conditionWords(text), ids: ids}
	if len(p.words) == 0 {
		return nil, errors.New("condition is empty")
	}
	e, err := p.or()
	if err != nil {
		return nil, err
	}
	if p.pos < len(p.words) {
		return nil, fmt.Errorf("condition: unexpected %q", p.words[p.pos])
	}
	return e, nil
}

// conditionWords splits a condition into names, operators and brackets.
func conditionWords(text string) []string {
	return strings.Fields(strings.NewReplacer("(", " ( ", ")", " ) ").Replace(text))
}

// accept takes the next word if it is the given one, in any case.
func (p *conditionParser) accept(word string) bool {
	if p.pos < len(p.words) && strings.EqualFold(p.words[p.pos], word) {
		p.pos++
		return true
	}
	return false
}

func (p *conditionParser) or() (*expr, error) { return p.chain("or", opOr, p.and) }

func (p *conditionParser) and() (*expr, error) { return p.chain("and", opAnd, p.not) }

// chain reads operands joined by one word.
func (p *conditionParser) chain(word string, op exprOp, operand func() (*expr, error)) (*expr, error) {
	first, err := operand()
	if err != nil {
		return nil, err
	}
	kids := []*expr{first}
	for p.accept(word) {
		next, err := operand()
		if err != nil {
			return nil, err
		}
		kids = append(kids, next)
	}
	return newExpr(op, kids...), nil
}

func (p *conditionParser) not() (*expr, error) {
	if p.depth++; p.depth > maxDepth {
		return nil, fmt.Errorf("condition is nested deeper than %d", maxDepth)
	}
	defer func() { p.depth-- }()
	if p.accept("not") {
		e, err := p.not()
		if err != nil {
			return nil, err
		}
		return newExpr(opNot, e), nil
	}
	return p.operand()
}

func (p *conditionParser) operand() (*expr, error) {
	if p.pos >= len(p.words) {
		return nil, errors.New("condition ends too early")
	}
	if p.accept("(") {
		e, err := p.or()
		if err != nil {
			return nil, err
		}
		if !p.accept(")") {
			return nil, errors.New("condition: a bracket is not closed")
		}
		return e, nil
	}
	word := p.words[p.pos]
	p.pos++
	if p.accept("of") {
		return p.quantified(word)
	}
	if e := p.ids.exprs[word]; e != nil {
		return e, nil
	}
	return nil, fmt.Errorf("condition: %q is no search identifier", word)
}

// quantified reads what follows "1 of" or "all of".
func (p *conditionParser) quantified(count string) (*expr, error) {
	op := opOr
	switch strings.ToLower(count) {
	case "1", "any":
	case "all":
		op = opAnd
	default:
		return nil, fmt.Errorf("condition: %q of is not supported, only 1 of and all of", count)
	}
	if p.pos >= len(p.words) {
		return nil, errors.New("condition ends too early")
	}
	target := p.words[p.pos]
	p.pos++
	if *p.ids.looks -= len(p.ids.names); *p.ids.looks < 0 {
		return nil, fmt.Errorf("condition: more than %d comparisons with names of search identifiers", maxLooks)
	}
	var kids []*expr
	for _, name := range p.ids.names {
		hidden := strings.HasPrefix(name, "_") && !strings.HasPrefix(target, "_")
		if !hidden && (strings.EqualFold(target, "them") || nameMatches(target, name)) {
			kids = append(kids, p.ids.exprs[name])
		}
	}
	if len(kids) == 0 {
		return nil, fmt.Errorf("condition: no search identifier matches %q", target)
	}
	return newExpr(op, kids...), nil
}

// nameMatches compares a name with a pattern in which only * is special.
func nameMatches(pat, name string) bool {
	var p pattern
	for i, lit := range strings.Split(pat, "*") {
		if i > 0 {
			p = append(p, part{kind: star})
		}
		if lit != "" {
			p = append(p, part{kind: literal, lit: []byte(lit)})
		}
	}
	return newGlob(p).match([]byte(name))
}
