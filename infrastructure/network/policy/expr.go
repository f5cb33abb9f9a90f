package policy

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
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

func (a All) String() string  { return string(a.text(nil)) }
func (a Any) String() string  { return string(a.text(nil)) }
func (n Not) String() string  { return string(n.text(nil)) }
func (t Test) String() string { return string(t.text(nil)) }

func (a All) text(b []byte) []byte { return joined(append(b, "all("...), a) }
func (a Any) text(b []byte) []byte { return joined(append(b, "any("...), a) }
func (n Not) text(b []byte) []byte { return append(textOf(append(b, "not("...), n.Expr), ')') }

func (t Test) text(b []byte) []byte {
	b = strconv.AppendInt(b, int64(t.Key.Of), 10)
	b = strconv.AppendQuote(append(b, ':'), t.Key.Name)
	b = strconv.AppendInt(append(b, ' '), int64(t.Op), 10)
	values := t.Values
	if len(values) > 1 {
		values = slices.Compact(slices.Sorted(slices.Values(values)))
	}
	for _, v := range values {
		b = strconv.AppendQuote(append(b, ' '), v)
	}
	return b
}

// textOf appends the text of a condition, of whatever package.
func textOf(b []byte, e Expr) []byte {
	if own, is := e.(interface{ text(b []byte) []byte }); is {
		return own.text(b)
	}
	return append(b, e.String()...)
}

// joined writes parts in an order that doesn't depend on theirs.
func joined(b []byte, parts []Expr) []byte {
	if len(parts) == 1 {
		return append(textOf(b, parts[0]), ')')
	}
	texts := make([]string, len(parts))
	for i, p := range parts {
		texts[i] = p.String()
	}
	slices.Sort(texts)
	b = append(b, strings.Join(slices.Compact(texts), ",")...)
	return append(b, ')')
}

// Labels is the condition that a label selector sets, on labels of a pod or
// of its namespace. The error is the one with which the API server refuses
// the selector.
func Labels(of Of, selector *metav1.LabelSelector) (Expr, error) {
	if _, err := metav1.LabelSelectorAsSelector(selector); err != nil {
		return nil, err
	}
	all := All{}
	for _, k := range slices.Sorted(maps.Keys(selector.MatchLabels)) {
		all = append(all, Test{Key{of, k}, In, []string{selector.MatchLabels[k]}})
	}
	for _, r := range selector.MatchExpressions {
		var e Expr = Test{Key{of, r.Key}, In, r.Values}
		if r.Operator == metav1.LabelSelectorOpExists || r.Operator == metav1.LabelSelectorOpDoesNotExist {
			e = Test{Key{of, r.Key}, Exists, nil}
		}
		if r.Operator == metav1.LabelSelectorOpNotIn || r.Operator == metav1.LabelSelectorOpDoesNotExist {
			e = Not{e}
		}
		all = append(all, e)
	}
	return all, nil
}

// InNamespace holds for the pods of one namespace.
func InNamespace(name string) Expr { return Test{Key{Of: NamespaceName}, In, []string{name}} }
