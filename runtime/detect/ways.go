package detect

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Way is one way in which a rule can match: what it asks of some fields, all
// of which must hold. A field that isn't there may have any value.
type Way struct {
	// Values are the texts of which a field must be one, folded to lower case
	// and sorted; "" stands for a field that is absent.
	Values map[string][]string
	// Needs is the least level of the Kubernetes audit log that holds what
	// this way asks to be there.
	Needs string
}

// maxWays bounds the ways of one rule. Beyond it they are widened: fields are
// left open, which is true still and says less.
const maxWays = 256

// Ways says which exact values a rule, or the rules behind a correlation, must
// find in the fields asked for: whenever it matches, one of the ways holds.
// Only exact values count; what a rule asks by pattern leaves a field open.
// stages are all values of the field "stage", so that a rule that excludes one
// is known to take the others. No way at all: it can't match, or id is no
// rule's.
func (p *Program) Ways(id string, fields, stages []string) []Way {
	w := wayfinder{prog: p, fields: fields, stages: stages}
	var out []Way
	for _, i := range p.behind(id) {
		out = append(out, w.ways(p.rules[i].cond, false)...)
	}
	out = merge(out)
	slices.SortFunc(out, func(a, b Way) int { return strings.Compare(fmt.Sprint(a), fmt.Sprint(b)) }) // maps print in order of keys
	return out
}

// behind lists the rules of an id: itself, or all that a correlation counts.
func (p *Program) behind(id string) []int {
	for i := range p.rules {
		if p.rules[i].ID == id {
			return []int{i}
		}
	}
	seen := map[int]bool{}
	var visit func(node int)
	visit = func(node int) {
		if seen[node] {
			return
		}
		seen[node] = true
		if node >= len(p.rules) {
			for _, next := range p.correlations[node-len(p.rules)].nodes {
				visit(next)
			}
		}
	}
	for i := range p.correlations {
		if p.correlations[i].ID == id {
			visit(len(p.rules) + i)
		}
	}
	return slices.DeleteFunc(slices.Sorted(maps.Keys(seen)), func(node int) bool { return node >= len(p.rules) })
}

type wayfinder struct {
	prog   *Program
	fields []string
	stages []string
}

// open is the way that asks nothing.
func open() Way { return Way{Needs: levelMetadata} }

// ways finds those of an expression, or of its negation.
func (w wayfinder) ways(e *expr, not bool) []Way {
	switch {
	case e.op == opPred:
		return []Way{w.asks(&w.prog.preds[e.pred], not)}
	case e.op == opNot:
		return w.ways(e.kids[0], !not)
	case (e.op == opOr) != not:
		var out []Way
		for _, k := range e.kids {
			out = append(out, w.ways(k, not)...)
		}
		return merge(out)
	}
	out := []Way{open()}
	for _, k := range e.kids {
		out = both(out, w.ways(k, not))
	}
	return out
}

// asks is what one predicate asks. A field of a body that must be there, as for
// "not null", needs the body.
func (w wayfinder) asks(p *predicate, not bool) Way {
	way := open()
	name := w.prog.fields[p.field].name
	if level := bodyLevel(name); level != "" && not == p.absent() {
		way.Needs = level
	}
	if !slices.Contains(w.fields, name) {
		return way
	}
	switch {
	case p.op == opEqual && !not:
		way.Values = map[string][]string{name: {strings.ToLower(string(p.text))}}
	case p.op == opEqual && name == "stage":
		rest := slices.DeleteFunc(slices.Clone(w.stages), func(s string) bool { return strings.EqualFold(s, string(p.text)) })
		for i := range rest {
			rest[i] = strings.ToLower(rest[i])
		}
		way.Values = map[string][]string{name: slices.Sorted(slices.Values(rest))}
	case !not && p.absent():
		way.Values = map[string][]string{name: {""}}
	}
	return way
}

// both joins each way of one list with each of the other; pairs that
// contradict each other are none. Of two lists that are too long together the
// longer one counts as open, but for the least that all its ways need.
func both(a, b []Way) []Way {
	if len(a)*len(b) > maxWays {
		if len(a) > len(b) {
			a, b = b, a
		}
		b = []Way{{Needs: least(b)}}
	}
	var out []Way
	for _, x := range a {
		for _, y := range b {
			if way, ok := x.and(y); ok {
				out = append(out, way)
			}
		}
	}
	return merge(out)
}

// least is the lowest need of some ways.
func least(ways []Way) string {
	needs := levelResponse
	for _, w := range ways {
		if rank(w.Needs) < rank(needs) {
			needs = w.Needs
		}
	}
	return needs
}

func (x Way) and(y Way) (Way, bool) {
	out := Way{Values: maps.Clone(x.Values), Needs: x.Needs}
	if rank(y.Needs) > rank(out.Needs) {
		out.Needs = y.Needs
	}
	for name, values := range y.Values {
		if mine, also := out.Values[name]; also {
			values = slices.DeleteFunc(slices.Clone(values), func(v string) bool { return !slices.Contains(mine, v) })
			if len(values) == 0 {
				return Way{}, false
			}
		}
		if out.Values == nil {
			out.Values = map[string][]string{}
		}
		out.Values[name] = values
	}
	return out, true
}

// merge joins ways that differ in one field's values alone, until none do.
func merge(ways []Way) []Way {
	if len(ways) > maxWays {
		return []Way{{Needs: least(ways)}}
	}
	var out []Way
	for _, w := range ways {
		for i := 0; i < len(out); i++ {
			if joined, ok := out[i].or(w); ok {
				w = joined
				out = slices.Delete(out, i, i+1)
				i = -1 // what it is now may join with those before
			}
		}
		out = append(out, w)
	}
	return out
}

// or is one way that is exactly the two, where there is one.
func (x Way) or(y Way) (Way, bool) {
	if x.Needs != y.Needs || len(x.Values) != len(y.Values) {
		return Way{}, false
	}
	differs := ""
	for name, values := range x.Values {
		others, also := y.Values[name]
		if !also || differs != "" && !slices.Equal(values, others) {
			return Way{}, false
		}
		if !slices.Equal(values, others) {
			differs = name
		}
	}
	if differs == "" {
		return x, true
	}
	out := Way{Values: maps.Clone(x.Values), Needs: x.Needs}
	all := slices.Concat(x.Values[differs], y.Values[differs])
	slices.Sort(all)
	out.Values[differs] = slices.Compact(all)
	return out, true
}

// Fields lists the fields of events that a rule, or the rules behind a
// correlation, name, sorted; message fields for keywords aside.
func (p *Program) Fields(id string) []string {
	seen := map[string]bool{}
	for _, i := range p.behind(id) {
		p.rules[i].cond.each(func(pred int) {
			seen[p.fields[p.preds[pred].field].name] = true
			if p.preds[pred].op == opFieldref {
				seen[p.fields[p.preds[pred].other].name] = true
			}
		})
	}
	delete(seen, keywordField)
	return slices.Sorted(maps.Keys(seen))
}

// CanMatch reports whether a rule, or one behind a correlation, could match an
// event that has none of some fields.
func (p *Program) CanMatch(id string, without func(field string) bool) bool {
	return slices.ContainsFunc(p.behind(id), func(i int) bool {
		return p.rules[i].cond.possible(func(pred int) outcomes {
			q := &p.preds[pred]
			if !without(p.fields[q.field].name) {
				return outcomes{yes: true, no: true}
			}
			return outcomes{yes: q.absent(), no: !q.absent()}
		}).yes
	})
}
