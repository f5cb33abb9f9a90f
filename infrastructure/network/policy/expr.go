package policy

import (
	"fmt"
	"slices"
	"strings"
)

// Expr is a condition on one pod (or node). The zero value is invalid: Expr is
// one of All, Any, Not and Test. String is one text for equal conditions.
type Expr interface {
	fmt.Stringer
	// Match evaluates it; value looks up a key.
	Match(value func(Key) (string, bool)) bool
	// Keys calls f with every key that it looks at.
	Keys(f func(Key))
}

// Of says what a Key belongs to.
type Of int

const (
	PodLabel Of = iota
	NamespaceLabel
	NamespaceName // of the pod; Name is ""
	Account       // name of the pod's ServiceAccount; Name is ""
	AccountLabel
	Mark // what a reader says of the pod: see the reader
)

// Key names something that a condition looks up.
type Key struct {
	Of   Of
	Name string
}

// Op is how a Test compares.
type Op int

const (
	Exists Op = iota
	In        // equals one of Values
	Prefix    // starts with one of Values
	Suffix
	Contains
)

// All holds where every part does: the empty one always.
type All []Expr

// Any holds where some part does: the empty one never.
type Any []Expr

// Not holds where its part doesn't, and so where a key is absent.
type Not struct{ Expr Expr }

// Test compares the value of a key; it never holds where the key is absent.
type Test struct {
	Key    Key
	Op     Op
	Values []string
}

func (a All) Match(value func(Key) (string, bool)) bool {
	return !slices.ContainsFunc(a, func(e Expr) bool { return !e.Match(value) })
}

func (a Any) Match(value func(Key) (string, bool)) bool {
	return slices.ContainsFunc(a, func(e Expr) bool { return e.Match(value) })
}

func (n Not) Match(value func(Key) (string, bool)) bool { return !n.Expr.Match(value) }

func (t Test) Match(value func(Key) (string, bool)) bool {
	got, has := value(t.Key)
	return has && (t.Op == Exists || slices.ContainsFunc(t.Values, func(v string) bool { return t.Op.holds(got, v) }))
}

func (o Op) holds(got, want string) bool {
	switch o {
	case Prefix:
		return strings.HasPrefix(got, want)
	case Suffix:
		return strings.HasSuffix(got, want)
	case Contains:
		return strings.Contains(got, want)
	}
	return got == want
}

func (a All) Keys(f func(Key))  { keys(a, f) }
func (a Any) Keys(f func(Key))  { keys(a, f) }
func (n Not) Keys(f func(Key))  { n.Expr.Keys(f) }
func (t Test) Keys(f func(Key)) { f(t.Key) }

func keys(parts []Expr, f func(Key)) {
	for _, p := range parts {
		p.Keys(f)
	}
}

func (a All) String() string { return "all" + joined(a) }
func (a Any) String() string { return "any" + joined(a) }
func (n Not) String() string { return "not(" + n.Expr.String() + ")" }

func (t Test) String() string {
	return fmt.Sprintf("%d:%q %d %q", t.Key.Of, t.Key.Name, t.Op, slices.Sorted(slices.Values(t.Values)))
}

// joined writes parts in an order that doesn't depend on theirs.
func joined(parts []Expr) string {
	texts := make([]string, len(parts))
	for i, p := range parts {
		texts[i] = p.String()
	}
	slices.Sort(texts)
	return "(" + strings.Join(slices.Compact(texts), ",") + ")"
}
