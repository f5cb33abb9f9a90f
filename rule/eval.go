package rule

import (
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
	s := &session[T]{
		env:   p.env,
		in:    in,
		vars:  &activation{values: map[string]any{}, lazy: map[string]func() any{}},
		lists: map[string][]Element{},
	}
	for name, v := range p.env.Vars {
		s.vars.lazy[name] = func() any { return v.Value(in) }
	}
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

// session is the evaluation of one input.
type session[T any] struct {
	env   Env[T]
	in    T
	vars  *activation
	lists map[string][]Element
}

func (s *session[T]) hits(c *compiled[T]) []Hit {
	if c.check != nil {
		return c.check(s.in)
	}
	if c.rule.Each == "" {
		var e Element
		if s.env.Position != nil {
			e.Position = s.env.Position(s.in)
		}
		return s.ask(nil, c, e, nil)
	}
	scope := s.env.Scopes[c.rule.Each]
	elements, ok := s.lists[c.rule.Each]
	if !ok {
		elements = scope.List(s.in)
		s.lists[c.rule.Each] = elements
	}
	var out []Hit
	for _, e := range elements {
		if !allowed(c.guards, e.Value) {
			continue
		}
		out = s.ask(out, c, e, map[string]any{scope.Var: e.Value})
	}
	return out
}

// ask evaluates a rule for one element and appends its hit, if any.
func (s *session[T]) ask(out []Hit, c *compiled[T], e Element, values map[string]any) []Hit {
	if values == nil {
		values = map[string]any{}
	}
	act := &activation{parent: s.vars, values: values}
	if len(c.vars) > 0 {
		act.lazy = make(map[string]func() any, len(c.vars))
	}
	for name, prog := range c.vars {
		act.lazy[name] = func() any { return evaluate(prog, act) }
	}
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

// evaluate returns the value of an expression, a *types.Err in place of an
// error.
func evaluate(prog cel.Program, act *activation) any {
	v, _, err := prog.Eval(act)
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

// activation holds the variables of one evaluation. Lazy ones are computed
// when first read. It is used by one goroutine.
type activation struct {
	parent *activation
	values map[string]any
	lazy   map[string]func() any
}

// ResolveName implements cel.Activation.
func (a *activation) ResolveName(name string) (any, bool) {
	if v, ok := a.values[name]; ok {
		return v, true
	}
	if f, ok := a.lazy[name]; ok {
		v := f()
		a.values[name] = v
		return v, true
	}
	if a.parent != nil {
		return a.parent.ResolveName(name)
	}
	return nil, false
}

// Parent implements cel.Activation. ResolveName has asked the parent already.
func (a *activation) Parent() cel.Activation { return nil }
