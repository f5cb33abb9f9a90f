package detect

import (
	"fmt"
	"slices"

	"go.yaml.in/yaml/v3"

	"github.com/scantling/scantling/rule"
)

// filter takes events out of other rules.
type filter struct {
	Source
	logsource logsource
	body      *yaml.Node
	rules     []string // ids and names
	all       bool     // of all rules of its log source
	used      map[string]bool
}

// filter reads one document and holds that it compiles.
func (b *builder) filter(src Source) error {
	b.begin(src)
	f := filter{Source: src, used: map[string]bool{}}
	for k, v := range pairs(src.doc) {
		var err error
		switch k.Value {
		case "logsource":
			f.logsource, err = b.logsource(v)
		case "filter":
			f.body = v
			err = f.names(b, v)
		}
		if err != nil {
			return err
		}
	}
	if f.logsource == (logsource{}) {
		return b.problem(f.body, "logsource is missing")
	}
	if _, err := b.filtering(&f); err != nil {
		return err
	}
	b.filters = append(b.filters, &f)
	return nil
}

// names reads the rules that a filter is for.
func (f *filter) names(b *builder, body *yaml.Node) error {
	for k, v := range pairs(body) {
		if k.Value != "rules" {
			continue
		}
		f.all = v.Kind == yaml.ScalarNode && v.Value == "any"
		for _, r := range v.Content {
			if r.Kind != yaml.ScalarNode || r.Value == "" {
				return b.problem(r, "a rule is named by its id or name")
			}
			f.rules = append(f.rules, r.Value)
		}
		if !f.all && len(f.rules) == 0 {
			return b.problem(k, "rules is a list of ids and names, or any")
		}
		return nil
	}
	return b.problem(body, "rules is missing: the rules that the filter is for")
}

// applies reports whether a filter is for a rule.
func (f *filter) applies(src Source, l logsource) bool {
	if !f.logsource.covers(l) {
		return false
	}
	for _, ref := range []string{src.ID, src.Name} {
		if ref != "" && slices.Contains(f.rules, ref) {
			f.used[ref] = true
			return true
		}
	}
	return f.all
}

// filtering compiles what must hold of an event for the filter to let it
// through. A filter's condition says so itself ("not selection"), or names
// what is to go ("selection"): the specification shows the latter, tools read
// the former. Which it is shows on an event that no selection matches, which
// no filter means to take out.
func (b *builder) filtering(f *filter) (*expr, error) {
	ids, condition, err := b.identifiers(f.body, "rules")
	if err != nil {
		return nil, err
	}
	keep, err := b.conditions(condition, ids)
	if err != nil {
		return nil, err
	}
	none := identifiers{names: ids.names, exprs: map[string]*expr{}, looks: ids.looks}
	for _, name := range ids.names {
		none.exprs[name] = &expr{op: opPred}
	}
	shape, err := b.conditions(condition, none)
	if err != nil {
		return nil, err
	}
	if shape.possible(func(int) outcomes { return outcomes{no: true} }).yes {
		return keep, nil
	}
	return newExpr(opNot, keep), nil
}

// filtered joins a rule's condition with the filters that are for it.
func (b *builder) filtered(cond *expr, src Source, l logsource) (*expr, error) {
	kids := []*expr{cond}
	for _, f := range b.filters {
		if !f.applies(src, l) {
			continue
		}
		b.file = f.File
		keep, err := b.filtering(f)
		if err != nil {
			return nil, err
		}
		kids = append(kids, keep)
	}
	b.file = src.File
	return newExpr(opAnd, kids...), nil
}

// idle warns of filters that name a rule that they are not for: one that
// isn't there, or is of another log source.
func (b *builder) idle() {
	for _, f := range b.filters {
		for _, ref := range f.rules {
			if !f.used[ref] {
				b.warn(&rule.Problem{File: f.File, Line: f.Line, Text: fmt.Sprintf("filter names %q, which is no rule of its log source", ref)})
			}
		}
	}
}
