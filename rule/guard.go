package rule

import (
	"slices"

	"github.com/google/cel-go/common/ast"
	"github.com/google/cel-go/common/operators"
	"github.com/google/cel-go/common/overloads"
	"github.com/google/cel-go/common/types"
)

// guard is what must hold of a field of an element for a rule's match to be
// true, or unknown. Most rules are about one kind of instruction or program, so
// that asking the guard first saves most evaluations. It never changes an
// answer: CEL makes false && error false too.
type guard struct {
	field string
	kind  guardKind
	texts []string // of equals and holds
}

type guardKind int

const (
	isTrue   guardKind = iota
	notEmpty           // a list
	equals             // one of the texts
	holds              // a list, one of the texts
)

// allows reports whether match may be anything but false for an element. Of a
// value of another type than the guard is about, it can't tell.
func (g guard) allows(element map[string]any) bool {
	one := func(s string) bool { return slices.Contains(g.texts, s) }
	switch v := element[g.field].(type) {
	case bool:
		return v || g.kind != isTrue
	case string:
		return g.kind != equals || one(v)
	case []string:
		return g.kind == isTrue || g.kind == equals || len(v) > 0 && (g.kind == notEmpty || slices.ContainsFunc(v, one))
	case []any:
		return g.kind == isTrue || g.kind == equals || len(v) > 0 && (g.kind == notEmpty || slices.ContainsFunc(v, func(e any) bool {
			s, ok := e.(string)
			return !ok || one(s)
		}))
	}
	return true
}

// allowed asks all guards about an element of any form.
func allowed(guards []guard, element any) bool {
	fields, ok := element.(map[string]any)
	return !ok || !slices.ContainsFunc(guards, func(g guard) bool { return !g.allows(fields) })
}

// guardFinder reads guards off the match of a rule about elements named name.
// variables are the expressions behind the rule's own variables.
type guardFinder struct {
	name      string
	variables map[string]ast.Expr
}

// find returns guards all of which must hold; none where it can't tell.
func (f guardFinder) find(e ast.Expr) []guard {
	if v, ok := f.variables[pathOf(e)]; ok {
		return f.find(v)
	}
	if field, ok := f.field(e); ok {
		return []guard{{field: field, kind: isTrue}}
	}
	if e.Kind() != ast.CallKind {
		return nil
	}
	call := e.AsCall()
	args := call.Args()
	switch call.FunctionName() {
	case operators.LogicalAnd:
		return append(f.find(args[0]), f.find(args[1])...)
	case operators.LogicalOr:
		return either(f.find(args[0]), f.find(args[1]))
	case operators.Equals:
		for i, side := range args {
			if field, ok := f.field(side); ok {
				if texts := literals(args[1-i]); len(texts) == 1 && args[1-i].Kind() == ast.LiteralKind {
					return []guard{{field: field, kind: equals, texts: texts}}
				}
			}
		}
	case operators.Greater:
		if field, ok := f.size(args[0]); ok && args[1].Kind() == ast.LiteralKind && args[1].AsLiteral() == types.Int(0) {
			return []guard{{field: field, kind: notEmpty}}
		}
	case operators.In:
		if field, ok := f.field(args[0]); ok && args[1].Kind() == ast.ListKind {
			if texts := literals(args[1]); texts != nil {
				return []guard{{field: field, kind: equals, texts: texts}}
			}
		}
		if field, ok := f.field(args[1]); ok && args[0].Kind() == ast.LiteralKind {
			if texts := literals(args[0]); texts != nil {
				return []guard{{field: field, kind: holds, texts: texts}}
			}
		}
	}
	return nil
}

// size is the list whose size an expression gives.
func (f guardFinder) size(e ast.Expr) (string, bool) {
	if e.Kind() != ast.CallKind || e.AsCall().FunctionName() != overloads.Size {
		return "", false
	}
	if call := e.AsCall(); call.IsMemberFunction() {
		return f.field(call.Target())
	} else if len(call.Args()) == 1 {
		return f.field(call.Args()[0])
	}
	return "", false
}

// either unites guards of which one side's must hold: those about one field.
func either(a, b []guard) []guard {
	var out []guard
	for _, g := range a {
		for _, h := range b {
			if g.field == h.field && g.kind == h.kind {
				out = append(out, guard{g.field, g.kind, slices.Concat(g.texts, h.texts)})
			}
		}
	}
	return out
}

// field is the name of a field of the element itself.
func (f guardFinder) field(e ast.Expr) (string, bool) {
	if e.Kind() != ast.SelectKind || e.AsSelect().IsTestOnly() {
		return "", false
	}
	s := e.AsSelect()
	return s.FieldName(), s.Operand().Kind() == ast.IdentKind && s.Operand().AsIdent() == f.name
}

// literals are the texts of a literal or a list of them; nil for all else.
func literals(e ast.Expr) []string {
	switch e.Kind() {
	case ast.LiteralKind:
		if s, ok := e.AsLiteral().(types.String); ok {
			return []string{string(s)}
		}
	case ast.ListKind:
		var out []string
		for _, element := range e.AsList().Elements() {
			texts := literals(element)
			if element.Kind() != ast.LiteralKind || texts == nil {
				return nil
			}
			out = append(out, texts...)
		}
		return out
	}
	return nil
}

// pathOf writes a name with its fields, as "variables.named"; empty for
// anything else.
func pathOf(e ast.Expr) string {
	switch e.Kind() {
	case ast.IdentKind:
		return e.AsIdent()
	case ast.SelectKind:
		if s := e.AsSelect(); !s.IsTestOnly() {
			if of := pathOf(s.Operand()); of != "" {
				return of + "." + s.FieldName()
			}
		}
	}
	return ""
}
