package rule

import (
	"fmt"
	"slices"
	"strings"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/ast"
	"github.com/google/cel-go/ext"

	"github.com/scantling/scantling/model"
)

// costLimit bounds one evaluation of one expression, in CEL cost units: the
// limit that ValidatingAdmissionPolicy sets for one call, about a tenth of a
// second. A rule that is affordable here is affordable there.
const costLimit = 1_000_000

// freeSteps is how many elements one evaluation may visit in all its
// comprehensions without its cost being counted: counting takes as long as the
// evaluation itself. Far from costLimit, it is more than most objects need.
const freeSteps = 1000

// nestingLimit bounds comprehensions within comprehensions: cost grows with
// the input's size to this power.
const nestingLimit = 3

// Env is what a stage declares: what its rules may read of an input T, and
// the Go functions that they may name. Its functions must be pure and safe for
// concurrent use.
type Env[T any] struct {
	Stage  model.Stage
	Vars   map[string]Var[T]   // by name; a dotted name, as "variables.podSpec", is allowed
	Scopes map[string]Scope[T] // by the name that each: gives
	// Kind tells a rule with kinds: whether it judges an input, Kinds are
	// those that exist. Both may be nil: no rule of the stage may have kinds:.
	Kind     func(T) string
	Kinds    []string
	Position func(T) model.Position // of hits of CEL rules without each:; nil: none
	Checks   map[string]Check[T]    // by the name that check: gives
}

// Var is one variable of CEL rules. Value is called at most once for an input.
type Var[T any] struct {
	Type  Type
	Value func(T) any
}

// Scope is a list that rules may be asked for element by element; Var is the
// name of the element in the rule. List is called at most once for an input.
type Scope[T any] struct {
	Var  string
	Type Type
	List func(T) []Element
}

// Element is one element of a scope.
type Element struct {
	Value    any
	Position model.Position
	Cause    string // see Hit.Cause
	Evidence []model.Evidence
}

// Check is a rule in Go: its hits on an input, none if it passes.
type Check[T any] func(in T) []Hit

// Program is the compiled rules of one stage: immutable and safe for
// concurrent use.
type Program[T any] struct {
	env   Env[T]
	rules []compiled[T]
}

type compiled[T any] struct {
	rule    *Rule
	check   Check[T] // of a Go rule
	match   *formula // of a CEL rule
	message *formula // nil: the title
	vars    []variable
	guards  []guard // of a CEL rule with each:
}

// variable is one of a rule's own, at most maxVariables.
type variable struct {
	name  string // as expressions read it, "variables.NAME"
	value *formula
}

// formula is a compiled expression. Quick gives up after freeSteps, where
// exact counts the cost. It is nil for what is costly without any step.
type formula struct {
	quick cel.Program
	exact cel.Program
}

// Rules returns the rules that compiled, sorted by id.
func (p *Program[T]) Rules() []*Rule {
	out := make([]*Rule, 0, len(p.rules))
	for _, c := range p.rules {
		out = append(out, c.rule)
	}
	return out
}

// Compile compiles the selected rules of env's stage, but for Sigma rules. A
// rule that doesn't type-check, or names a scope, kind or check that the stage
// lacks, is left out and reported; so are two rules with one check, and a
// check that no rule of the whole catalogue names. Every error about a rule
// is a *Problem with file and line.
func Compile[T any](cat *Catalogue, env Env[T]) (*Program[T], []error) {
	c := &compiler[T]{env: env, envs: map[string]*cel.Env{}}
	list := slices.DeleteFunc(cat.Stage(env.Stage), func(r *Rule) bool { return r.Sigma != nil })
	if slices.ContainsFunc(list, func(r *Rule) bool { return r.Check == "" }) { // the language takes its time, and checks don't need it
		if err := c.prepare(); err != nil {
			return &Program[T]{env: env}, []error{fmt.Errorf("declaring the variables of %s rules: %w", env.Stage, err)}
		}
	}
	c.checkNames(cat)
	p := &Program[T]{env: env}
	for _, r := range list {
		before := len(c.errs)
		out := c.rule(r)
		if len(c.errs) == before {
			p.rules = append(p.rules, out)
		}
	}
	return p, c.errs
}

type compiler[T any] struct {
	env  Env[T]
	envs map[string]*cel.Env // by scope; "" without one
	errs []error
	used map[string]string // check -> id of the first rule that names it
}

func (c *compiler[T]) fail(r *Rule, key, format string, args ...any) {
	c.errs = append(c.errs, r.problem(key, format, args...))
}

// prepare makes one CEL environment for each scope.
func (c *compiler[T]) prepare() error {
	var all []Type
	vars := []cel.EnvOption{}
	for _, name := range sortedKeys(c.env.Vars) {
		all = append(all, c.env.Vars[name].Type)
		vars = append(vars, cel.Variable(name, c.env.Vars[name].Type.cel))
	}
	for _, name := range sortedKeys(c.env.Scopes) {
		all = append(all, c.env.Scopes[name].Type)
	}
	types, err := newProvider(all)
	if err != nil {
		return err
	}
	options := append([]cel.EnvOption{
		cel.CustomTypeProvider(types),
		cel.CustomTypeAdapter(adapter{types.Registry}),
		cel.CrossTypeNumericComparisons(true),  // as ValidatingAdmissionPolicy
		cel.EnableErrorOnBadPresenceTest(true), // has() of a field of a text is unknown, not false
		ext.Strings(ext.StringsVersion(2)),     // the version that it has
		ext.Sets(),
		cel.ASTValidators(cel.ValidateRegexLiterals(), cel.ValidateComprehensionNestingLimit(nestingLimit)),
	}, vars...)
	base, err := cel.NewEnv(options...)
	if err != nil {
		return err
	}
	c.envs[""] = base
	for _, name := range sortedKeys(c.env.Scopes) {
		s := c.env.Scopes[name]
		if c.envs[name], err = base.Extend(cel.Variable(s.Var, s.Type.cel)); err != nil {
			return fmt.Errorf("scope %s: %w", name, err)
		}
	}
	return nil
}

// checkNames notes which rule owns each check, the first by id of the whole
// catalogue, and reports bound checks that no rule names.
func (c *compiler[T]) checkNames(cat *Catalogue) {
	c.used = map[string]string{}
	for _, id := range sortedKeys(cat.all) {
		r := cat.all[id]
		if r.Stage != c.env.Stage || r.Check == "" {
			continue
		}
		if _, taken := c.used[r.Check]; !taken {
			c.used[r.Check] = id
		}
	}
	for _, name := range sortedKeys(c.env.Checks) {
		if _, ok := c.used[name]; !ok {
			c.errs = append(c.errs, fmt.Errorf("check %q of the %s stage is named by no rule", name, c.env.Stage))
		}
	}
}

func (c *compiler[T]) rule(r *Rule) compiled[T] {
	c.kinds(r)
	if r.Check == "" {
		return c.expressions(r)
	}
	check, ok := c.env.Checks[r.Check]
	if !ok {
		c.fail(r, "check", "no check is named %q in the %s stage%s", r.Check, c.env.Stage, suggest(r.Check, sortedKeys(c.env.Checks)))
	} else if first := c.used[r.Check]; first != r.ID {
		c.fail(r, "check", "check %q is that of rule %s already", r.Check, first)
	}
	return compiled[T]{rule: r, check: check}
}

func (c *compiler[T]) kinds(r *Rule) {
	for _, k := range r.Kinds {
		if c.env.Kind == nil || !slices.Contains(c.env.Kinds, k) {
			c.fail(r, "kinds", "kind %q is not judged in the %s stage%s", k, c.env.Stage, suggest(k, c.env.Kinds))
		}
	}
}

// expressions compiles the variables, the match and the message of a rule.
func (c *compiler[T]) expressions(r *Rule) compiled[T] {
	out := compiled[T]{rule: r}
	finder := guardFinder{name: c.env.Scopes[r.Each].Var, variables: map[string]ast.Expr{}}
	env, ok := c.envs[r.Each]
	if !ok {
		c.fail(r, "each", "there is no list %q: there is %s", r.Each, strings.Join(sortedKeys(c.env.Scopes), ", "))
		return out
	}
	for _, v := range r.Variables {
		name := "variables." + v.Name
		if _, taken := c.env.Vars[name]; taken {
			c.fail(r, "variables", "the stage has a variable %q of its own", v.Name)
			return out
		}
		tree, prog := c.compile(r, env, v.line, v.Expression)
		if tree == nil {
			return out
		}
		out.vars = append(out.vars, variable{name, prog})
		finder.variables[name] = tree.NativeRep().Expr()
		wider, err := env.Extend(cel.Variable(name, tree.OutputType()))
		if err != nil {
			c.fail(r, "variables", "declaring variable %s: %v", v.Name, err)
			return out
		}
		env = wider
	}
	if tree, prog := c.compile(r, env, r.lines["match"], r.Match); tree != nil {
		out.match = prog
		if r.Each != "" {
			out.guards = finder.find(tree.NativeRep().Expr())
		}
		c.demand(r, "match", tree, cel.BoolType)
	}
	if r.Message != "" {
		if tree, prog := c.compile(r, env, r.lines["message"], r.Message); tree != nil {
			out.message = prog
			c.demand(r, "message", tree, cel.StringType)
		}
	}
	return out
}

// demand refuses an expression that may give something else than want.
func (c *compiler[T]) demand(r *Rule, key string, tree *cel.Ast, want *cel.Type) {
	if got := tree.OutputType(); !got.IsExactType(want) {
		c.fail(r, key, "%s gives %s, not %s: compare or convert it", key, cel.FormatCELType(got), cel.FormatCELType(want))
	}
}

// compile type-checks one expression; line is where its text begins.
func (c *compiler[T]) compile(r *Rule, env *cel.Env, line int, text string) (*cel.Ast, *formula) {
	tree, issues := env.Compile(text)
	if issues != nil && issues.Err() != nil {
		for _, e := range issues.Errors() {
			at := line + max(e.Location.Line(), 1) - 1
			c.errs = append(c.errs, &Problem{File: r.File, Line: at, Text: e.Message})
		}
		return nil, nil
	}
	out := &formula{}
	var err error
	if out.exact, err = env.Program(tree, cel.CostLimit(costLimit), cel.EvalOptions(cel.OptOptimize)); err == nil && !hasPattern(tree) {
		out.quick, err = env.Program(tree, cel.InterruptCheckFrequency(freeSteps), cel.EvalOptions(cel.OptOptimize))
	}
	if err != nil {
		c.errs = append(c.errs, &Problem{File: r.File, Line: line, Text: err.Error()})
		return nil, nil
	}
	return tree, out
}

// hasPattern reports whether an expression matches regular expressions, which
// on a long text cost much more than any other single operation.
func hasPattern(tree *cel.Ast) bool {
	return len(ast.MatchDescendants(ast.NavigateAST(tree.NativeRep()), ast.FunctionMatcher("matches"))) > 0
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
