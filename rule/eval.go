package rule

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/interpreter"

	"github.com/scantling/scantling/model"
)

// Eval judges one input by every rule: the hits in order of rule id, then of
// the scope's elements. A rule without a result passed. Causes of one rule are
// made distinct: the second "x" becomes "x #2".
func (p *Program[T]) Eval(in T) []Result {
	s := &session[T]{env: p.env, in: in, values: map[string]any{}, lists: map[string][]Element{}}
	kind := ""
	if p.env.Kind != nil {
		kind = p.env.Kind(in)
	}
	var out []Result
	for i := range p.rules {
		c := &p.rules[i]
		if !c.rule.hasKind(kind) {
			continue
		}
		seen := map[string]int{}
		for _, h := range s.hits(c) {
			cause := h.Cause
			seen[cause]++
			if n := seen[cause]; n > 1 {
				h.Cause = fmt.Sprintf("%s #%d", cause, n)
			}
			out = append(out, Result{Rule: c.rule, Hit: h})
		}
	}
	return out
}

// session is the evaluation of one input. It is used by one goroutine.
type session[T any] struct {
	env    Env[T]
	in     T
	values map[string]any // of the stage's variables, computed when first read
	lists  map[string][]Element
}

// ResolveName implements cel.Activation for the variables of the stage.
func (s *session[T]) ResolveName(name string) (any, bool) {
	if v, known := s.values[name]; known {
		return v, true
	}
	declared, ok := s.env.Vars[name]
	if !ok {
		return nil, false
	}
	v := declared.Value(s.in)
	s.values[name] = v
	return v, true
}

// Parent implements cel.Activation.
func (s *session[T]) Parent() cel.Activation { return nil }

func (s *session[T]) hits(c *compiled[T]) []Hit {
	if c.check != nil {
		return c.check(s.in)
	}
	if c.rule.Each == "" {
		var e Element
		if s.env.Position != nil {
			e.Position = s.env.Position(s.in)
		}
		return s.ask(nil, c, e, "")
	}
	scope := s.env.Scopes[c.rule.Each]
	elements, ok := s.lists[c.rule.Each]
	if !ok {
		elements = scope.List(s.in)
		s.lists[c.rule.Each] = elements
	}
	var out []Hit
	for _, e := range elements {
		if allowed(c.guards, e.Value) {
			out = s.ask(out, c, e, scope.Var)
		}
	}
	return out
}

// ask evaluates a rule for one element, which the rule calls name, and appends
// its hit, if any.
func (s *session[T]) ask(out []Hit, c *compiled[T], e Element, name string) []Hit {
	act := &activation{parent: s, name: name, element: e.Value, vars: c.vars}
	hit := Hit{Position: e.Position, Cause: e.Cause, Evidence: e.Evidence}
	switch v := evaluate(c.match, act).(type) {
	case types.Bool:
		if !v {
			return out
		}
		hit.Verdict, hit.Message = model.Fail, c.rule.Title
		if c.message != nil {
			if m, ok := evaluate(c.message, act).(types.String); ok {
				hit.Message = string(m)
			}
		}
	case *types.Err:
		hit.Verdict, hit.Message = model.Unknown, reason(v)
	default:
		hit.Verdict, hit.Message = model.Unknown, "the rule's expression gave no truth value"
	}
	return append(out, hit)
}

// spent is over from the start: an evaluation in it ends at the first check
// for interrupts, which is after freeSteps.
var spent = func() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}()

// evaluate returns the value of an expression, a *types.Err in place of an
// error. A value that comes out within freeSteps is the exact one. An error may
// come of being interrupted, and is asked for again.
func evaluate(e *formula, act *activation) any {
	if e.quick != nil {
		if v, _, err := e.quick.ContextEval(spent, act); err == nil {
			return v
		}
	}
	v, _, err := e.exact.Eval(act)
	if err != nil {
		var e *types.Err
		if errors.As(err, &e) {
			return e
		}
		return types.WrapErr(err)
	}
	return v
}

// reason says in words why an expression could not be decided.
func reason(err error) string {
	var unknown *unknownError
	if errors.As(err, &unknown) {
		return unknown.reason
	}
	var cancelled interpreter.EvalCancelledError
	if errors.As(err, &cancelled) && cancelled.Cause == interpreter.CostLimitExceeded {
		return "the rule is too costly for this input"
	}
	return err.Error()
}

// activation holds the variables of one rule asked for one element: the
// element, and the rule's own variables, computed when first read. It is used
// by one goroutine.
type activation struct {
	parent  cel.Activation
	name    string // of the element; empty without one
	element any
	vars    []variable
	values  [maxVariables]any // of vars
}

// ResolveName implements cel.Activation.
func (a *activation) ResolveName(name string) (any, bool) {
	if name == a.name && name != "" {
		return a.element, true
	}
	for i := range a.vars {
		if a.vars[i].name != name {
			continue
		}
		if a.values[i] == nil {
			a.values[i] = evaluate(a.vars[i].value, a)
		}
		return a.values[i], true
	}
	return a.parent.ResolveName(name)
}

// Parent implements cel.Activation. ResolveName has asked the parent already.
func (a *activation) Parent() cel.Activation { return nil }
