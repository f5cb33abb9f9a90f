package rule

import (
	"slices"

	"github.com/google/cel-go/common/ast"
	"github.com/google/cel-go/common/operators"
	"github.com/google/cel-go/common/overloads"
)

// costLimit bounds one evaluation of one expression, in CEL cost units: the
// limit that ValidatingAdmissionPolicy sets for one call, about a tenth of a
// second. A rule that is affordable here is affordable there.
const costLimit = 1_000_000

// nestingLimit bounds comprehensions within comprehensions: cost grows with
// the input's size to this power.
const nestingLimit = 3

// linearCalls are functions that take time, and give values, of at most the
// size of their arguments.
var linearCalls = []string{
	operators.LogicalAnd, operators.LogicalOr, operators.LogicalNot, operators.Conditional,
	operators.Equals, operators.NotEquals, operators.Less, operators.LessEquals, operators.Greater, operators.GreaterEquals,
	operators.In, operators.Index, operators.Add, operators.Subtract,
	overloads.Size, overloads.Contains, overloads.StartsWith, overloads.EndsWith, overloads.Matches, "lowerAscii", "upperAscii", "trim",
}

// linear reports whether an expression takes time in proportion to its input
// whatever that is: it has no comprehension and calls linear functions only.
// Counting its cost, which makes evaluation half as slow again, is of no use.
func linear(e ast.Expr) bool {
	switch e.Kind() {
	case ast.IdentKind, ast.LiteralKind:
		return true
	case ast.SelectKind:
		return linear(e.AsSelect().Operand())
	case ast.ListKind:
		return !slices.ContainsFunc(e.AsList().Elements(), func(x ast.Expr) bool { return !linear(x) })
	case ast.CallKind:
		call := e.AsCall()
		if !slices.Contains(linearCalls, call.FunctionName()) || call.IsMemberFunction() && !linear(call.Target()) {
			return false
		}
		return !slices.ContainsFunc(call.Args(), func(x ast.Expr) bool { return !linear(x) })
	}
	return false
}
