package detect

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/scantling/scantling/rule"
	"github.com/scantling/scantling/runtime/ingest"
)

// Bounds of one rule. SigmaHQ's largest rule has some 700 values.
const (
	maxNodes  = 100_000 // of its condition, search identifiers named twice counted twice
	maxValues = 20_000  // of its search identifiers
	maxPath   = 32      // keys of a field's path
)

// Compile turns rules into a program. Rules that can't be compiled are left
// out, one *rule.Problem each; the others work. Two rules with one id are a
// problem of the second. The outcome doesn't depend on the order of sources,
// but for which of two equal ids is first.
func Compile(sources []Source) (*Program, []error) {
	b := &builder{
		prog:  &Program{kinds: kinds()},
		byKey: map[string]int{}, byName: map[string]int{}, demanded: map[string]bool{},
		pipelines: familiar(),
	}
	b.field(keywordField)
	var errs []error
	seen := map[string]string{}
	forms := map[Form][]Source{}
	for _, src := range sources {
		if first, twice := seen[src.ID]; twice {
			errs = append(errs, &rule.Problem{File: src.File, Line: src.Line, Text: fmt.Sprintf("id %s is taken by %s", src.ID, first)})
			continue
		}
		seen[src.ID] = src.File
		forms[src.Form] = append(forms[src.Form], src)
	}
	for _, step := range []struct {
		form    Form
		compile func(Source) error
	}{{Pipeline, b.pipeline}, {Filter, b.filter}, {Detection, b.rule}} {
		for _, src := range forms[step.form] {
			if err := step.compile(src); err != nil {
				errs = append(errs, err)
			}
		}
	}
	b.idle()
	slices.SortFunc(b.prog.rules, func(a, b compiled) int { return strings.Compare(a.ID, b.ID) })
	errs = append(errs, b.correlations(forms[Correlation], forms[Detection])...)
	b.route()
	return b.prog, errs
}

// builder grows a program.
type builder struct {
	prog      *Program
	byKey     map[string]int // predicates
	byName    map[string]int // fields
	pipelines []pipeline
	filters   []*filter
	demanded  map[string]bool // see demand

	// Of the document at hand:
	file   string
	values int
	active []*pipeline
	uses   []use
}

// begin turns to the next document.
func (b *builder) begin(src Source) { b.file, b.values, b.active, b.uses = src.File, 0, nil, nil }

// keywordField stands for the message fields of an event's kind.
const keywordField = ""

// keywords is the index of keywordField.
const keywords = 0

// problem reports on a node of the rule at hand.
func (b *builder) problem(n *yaml.Node, format string, args ...any) error {
	return &rule.Problem{File: b.file, Line: n.Line, Text: fmt.Sprintf(format, args...)}
}

// rule compiles one rule into the program.
func (b *builder) rule(src Source) error {
	b.begin(src)
	c := compiled{Rule: src.Rule, name: src.Name}
	detection := &yaml.Node{Line: src.Line}
	for k, v := range pairs(src.doc) {
		switch k.Value {
		case "logsource":
			l, err := b.logsource(v)
			if err != nil {
				return err
			}
			c.logsource = l
		case "detection":
			detection = v
		}
	}
	if c.logsource == (logsource{}) {
		return b.problem(detection, "logsource is missing")
	}
	c.pipelines = b.fitting(c.logsource)
	b.active = c.pipelines
	cond, err := b.detection(detection)
	if err == nil {
		cond, err = b.filtered(cond, src, c.logsource)
	}
	if err != nil {
		return err
	}
	for _, p := range c.pipelines {
		if p.add != nil {
			cond = newExpr(opAnd, cond, p.add)
		}
	}
	if cond.size > maxNodes {
		return b.problem(detection, "condition has more than %d parts", maxNodes)
	}
	cond.sortKids(b.prog.preds)
	c.cond = cond
	for _, k := range b.prog.kinds {
		if k.feeds(c.logsource) {
			c.Kinds = append(c.Kinds, k.name)
		}
	}
	if slices.Contains(c.Kinds, ingest.Kind) {
		c.Needs = b.needs(cond)
	}
	c.reads = rank(b.reads(cond, c.Needs))
	b.doubt(&c)
	b.prog.rules = append(b.prog.rules, c)
	return nil
}

// pairs yields the keys and values of a mapping.
func pairs(n *yaml.Node) func(func(k, v *yaml.Node) bool) {
	return func(yield func(k, v *yaml.Node) bool) {
		if n == nil || n.Kind != yaml.MappingNode {
			return
		}
		for i := 0; i+1 < len(n.Content); i += 2 {
			if !yield(n.Content[i], n.Content[i+1]) {
				return
			}
		}
	}
}

func (b *builder) logsource(n *yaml.Node) (logsource, error) {
	var l logsource
	if n.Kind != yaml.MappingNode {
		return l, b.problem(n, "logsource is a mapping")
	}
	words := map[string]*string{"product": &l.product, "service": &l.service, "category": &l.category}
	for k, v := range pairs(n) {
		word := words[k.Value]
		if word == nil {
			continue // a definition, for people
		}
		if *word != "" || v.Kind != yaml.ScalarNode {
			return l, b.problem(k, "logsource gives %s twice, or not as text", k.Value)
		}
		if v.Tag != "!!null" {
			*word = strings.ToLower(v.Value)
		}
	}
	if l == (logsource{}) {
		return l, b.problem(n, "logsource names no product, service or category")
	}
	return l, nil
}

// needs is the least audit level at which a condition can hold.
func (b *builder) needs(cond *expr) string {
	for _, level := range []string{levelMetadata, levelRequest} {
		can := cond.possible(func(i int) outcomes {
			p := &b.prog.preds[i]
			if p.body <= rank(level) {
				return outcomes{yes: true, no: true}
			}
			return outcomes{yes: p.absent(), no: !p.absent()}
		})
		if can.yes {
			return level
		}
	}
	return levelResponse
}

// reads is the audit level below which a rule can't always tell: the one that
// it needs, and Request where another part of its condition looks at a body.
// What the answer's body says beside the request's is not waited for: nearly
// all of it is in both.
func (b *builder) reads(cond *expr, needs string) string {
	if needs == levelMetadata {
		cond.each(func(pred int) {
			if b.prog.preds[pred].body > rank(levelMetadata) {
				needs = levelRequest
			}
		})
	}
	return needs
}

// detection compiles the search identifiers and the condition.
func (b *builder) detection(n *yaml.Node) (*expr, error) {
	ids, condition, err := b.identifiers(n, "")
	if err != nil {
		return nil, err
	}
	return b.conditions(condition, ids)
}

// identifiers compiles all keys of a mapping but one, and the condition, which
// it returns as it is.
func (b *builder) identifiers(n *yaml.Node, but string) (ids identifiers, condition *yaml.Node, err error) {
	looks := maxLooks
	ids.exprs, ids.looks = map[string]*expr{}, &looks
	if n.Kind != yaml.MappingNode {
		return ids, nil, b.problem(n, "detection is a mapping of search identifiers and a condition")
	}
	for k, v := range pairs(n) {
		name := k.Value
		switch {
		case but != "" && name == but:
		case name == "condition":
			condition = v
		case name == "timeframe":
			return ids, nil, b.problem(k, "timeframe is not supported: write a correlation rule")
		case ids.exprs[name] != nil:
			return ids, nil, b.problem(k, "search identifier %q is given twice", name)
		default:
			e, err := b.identifier(v)
			if err != nil {
				return ids, nil, err
			}
			ids.names, ids.exprs[name] = append(ids.names, name), e
		}
	}
	if condition == nil {
		return ids, nil, b.problem(n, "condition is missing")
	}
	return ids, condition, nil
}

// conditions compiles one condition, or a list of which one must hold.
func (b *builder) conditions(n *yaml.Node, ids identifiers) (*expr, error) {
	texts := []*yaml.Node{n}
	if n.Kind == yaml.SequenceNode {
		texts = n.Content
	}
	var kids []*expr
	for _, t := range texts {
		if t.Kind != yaml.ScalarNode {
			return nil, b.problem(t, "a condition is text")
		}
		e, err := parseCondition(t.Value, ids)
		if err != nil {
			return nil, b.problem(t, "%v", err)
		}
		kids = append(kids, e)
	}
	if len(kids) == 0 {
		return nil, b.problem(n, "condition is empty")
	}
	return newExpr(opOr, kids...), nil
}

// identifier compiles one search identifier: a map, whose entries must all
// hold, or a list of maps and keywords, of which one must.
func (b *builder) identifier(n *yaml.Node) (*expr, error) {
	switch n.Kind {
	case yaml.MappingNode:
		return b.entries(n)
	case yaml.ScalarNode:
		return b.entry(keywordField, modifiers{}, n, []*yaml.Node{n})
	case yaml.SequenceNode:
	default:
		return nil, b.problem(n, "aliases are not supported")
	}
	var kids []*expr
	for _, item := range n.Content {
		if item.Kind == yaml.SequenceNode {
			return nil, b.problem(item, "a list within a list means nothing")
		}
		e, err := b.identifier(item)
		if err != nil {
			return nil, err
		}
		kids = append(kids, e)
	}
	if len(kids) == 0 {
		return nil, b.problem(n, "search identifier is empty")
	}
	return newExpr(opOr, kids...), nil
}

// entries compiles a map of fields.
func (b *builder) entries(n *yaml.Node) (*expr, error) {
	var kids []*expr
	seen := map[string]bool{}
	for k, v := range pairs(n) {
		if seen[k.Value] {
			return nil, b.problem(k, "field %q is given twice", k.Value)
		}
		seen[k.Value] = true
		words := strings.Split(k.Value, "|")
		mods, err := parseModifiers(words[1:])
		if err != nil {
			return nil, b.problem(k, "%v", err)
		}
		values := []*yaml.Node{v}
		if v.Kind == yaml.SequenceNode {
			values = v.Content
		}
		e, err := b.entry(words[0], mods, k, values)
		if err != nil {
			return nil, err
		}
		kids = append(kids, e)
	}
	if len(kids) == 0 {
		return nil, b.problem(n, "search identifier is empty")
	}
	return newExpr(opAnd, kids...), nil
}

// entry compiles one field with its values.
func (b *builder) entry(name string, mods modifiers, at *yaml.Node, values []*yaml.Node) (*expr, error) {
	if len(values) == 0 {
		return nil, b.problem(at, "field %q has no value", name)
	}
	if b.values += len(values); b.values > maxValues {
		return nil, b.problem(at, "rule has more than %d values", maxValues)
	}
	if strings.Count(name, ".") >= maxPath || name == "<<" {
		return nil, b.problem(at, "field %q can't be read", name)
	}
	targets := []string{name}
	if name != keywordField {
		var err error
		if targets, err = mapped(b.active, name); err != nil {
			return nil, b.problem(at, "%v", err)
		}
		for _, t := range targets {
			if strings.Count(t, ".") >= maxPath {
				return nil, b.problem(at, "field %q can't be read", t)
			}
		}
	}
	var kids []*expr
	for _, target := range targets {
		e, err := b.oneField(target, mods, at, values)
		if err != nil {
			return nil, err
		}
		kids = append(kids, e)
	}
	e := newExpr(opOr, kids...)
	if mods.neq {
		e = newExpr(opNot, e)
	}
	return e, nil
}

// oneField compiles the values of one field of events, neq left aside.
func (b *builder) oneField(name string, mods modifiers, at *yaml.Node, values []*yaml.Node) (*expr, error) {
	join := opOr
	if mods.all && !mods.neq { // differing from all of them is not (one or the other)
		join = opAnd
	}
	var kids []*expr
	for _, v := range values {
		e, err := b.value(name, mods, v)
		if err != nil {
			return nil, b.problem(v, "%v", err)
		}
		kids = append(kids, e)
	}
	if mods.op == opExists && len(values) > 1 {
		return nil, b.problem(at, "exists takes one value, true or false")
	}
	return newExpr(join, kids...), nil
}

// value compiles one value of a field.
func (b *builder) value(name string, mods modifiers, v *yaml.Node) (*expr, error) {
	if !mods.fill || v.Kind != yaml.ScalarNode {
		return b.literalValue(name, mods, v)
	}
	texts, unknown, err := b.expand(v.Value)
	if err != nil {
		return nil, err
	}
	if unknown != "" {
		b.warn(&rule.Problem{File: b.file, Line: v.Line, Text: fmt.Sprintf("no pipeline gives placeholder %%%s%%: this value matches nothing", unknown)})
		return &expr{op: opOr, size: 1}, nil
	}
	if b.values += len(texts) - 1; b.values > maxValues {
		return nil, fmt.Errorf("rule has more than %d values", maxValues)
	}
	kids := make([]*expr, 0, len(texts))
	for _, text := range texts {
		filled := *v
		filled.Value, filled.Tag = text, "!!str"
		e, err := b.literalValue(name, mods, &filled)
		if err != nil {
			return nil, err
		}
		kids = append(kids, e)
	}
	return newExpr(opOr, kids...), nil
}

// literalValue compiles one value as it stands.
func (b *builder) literalValue(name string, mods modifiers, v *yaml.Node) (*expr, error) {
	preds, ref, err := mods.predicates(v)
	if err != nil {
		return nil, err
	}
	if mods.op == opFieldref {
		refs, err := mapped(b.active, ref)
		if err != nil || len(refs) != 1 || refs[0] == "" || name == keywordField || strings.Count(refs[0], ".") >= maxPath {
			return nil, errors.New("fieldref compares two fields")
		}
		ref = refs[0]
		b.uses = append(b.uses, use{b.file, v.Line, ref, nil})
	}
	at := use{file: b.file, line: v.Line, field: name}
	kids := make([]*expr, 0, len(preds))
	for _, p := range preds {
		if name == keywordField {
			if p, err = keyword(p, v); err != nil {
				return nil, err
			}
		}
		p.field, p.body = b.field(name), rank(bodyLevel(name))
		if ref != "" {
			p.other = b.field(ref)
		}
		i := b.predicate(p)
		at.preds = append(at.preds, i)
		kids = append(kids, &expr{op: opPred, pred: i, size: 1})
	}
	b.uses = append(b.uses, at)
	return newExpr(opOr, kids...), nil
}

// keyword widens a text to be found anywhere in a message.
func keyword(p predicate, v *yaml.Node) (predicate, error) {
	switch p.op {
	case opEqual:
		var text pattern
		if len(p.text) > 0 {
			text = pattern{{kind: literal, lit: p.text}}
		}
		p = stringPredicate(text.around(true, true), p.cased)
	case opAnything:
	case opGlob:
		p.glob = &glob{open: true, closed: true, segments: p.glob.segments}
	case opRegex:
	default:
		return p, fmt.Errorf("%q is no keyword", v.Value)
	}
	return p, nil
}

// field returns the index of a field, new or known.
func (b *builder) field(name string) int {
	i, ok := b.byName[name]
	if !ok {
		i = len(b.prog.fields)
		b.byName[name] = i
		b.prog.fields = append(b.prog.fields, newField(name))
	}
	return i
}

// predicate returns the index of a predicate, new or known.
func (b *builder) predicate(p predicate) int {
	key := p.key()
	i, ok := b.byKey[key]
	if !ok {
		i = len(b.prog.preds)
		b.byKey[key] = i
		b.prog.preds = append(b.prog.preds, p)
	}
	return i
}
