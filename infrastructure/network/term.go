package network

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/scantling/scantling/infrastructure/network/policy"
)

// literal is one test that must hold, or must not.
type literal struct {
	policy.Test
	not bool
}

// term is a condition in which every literal holds: one way to meet a
// condition of a policy. The one without literals every pod meets.
type term []literal

// maxTerms bounds the ways to meet one condition that are told apart.
const maxTerms = 64

// termsOf splits a condition into the ways to meet it. It is false where there
// are more than maxTerms.
func termsOf(e policy.Expr, not bool) (list []term, whole bool) {
	switch t := e.(type) {
	case policy.Test:
		t.Key = nameKey(t.Key)
		t.Values = slices.Compact(slices.Sorted(slices.Values(t.Values)))
		return []term{{literal{t, not}}}, true
	case policy.Not:
		return termsOf(t.Expr, !not)
	case policy.All:
		return combine(t, not, not)
	case policy.Any:
		return combine(t, !not, not)
	}
	return nil, false
}

// combine joins the terms of parts of which one must hold, or else all.
func combine(parts []policy.Expr, one, not bool) (list []term, whole bool) {
	if !one {
		list = []term{nil}
	}
	for _, p := range parts {
		more, ok := termsOf(p, not)
		if !ok {
			return nil, false
		}
		if one {
			list = append(list, more...)
			continue
		}
		var product []term
		for _, a := range list {
			for _, b := range more {
				product = append(product, slices.Concat(a, b))
			}
		}
		if list = product; len(list) > maxTerms {
			return nil, false
		}
	}
	return list, len(list) <= maxTerms
}

// nameKey makes one of the two keys that stand for a namespace's name.
func nameKey(k policy.Key) policy.Key {
	if k.Of == policy.NamespaceLabel && k.Name == corev1.LabelMetadataName {
		return policy.Key{Of: policy.NamespaceName}
	}
	return k
}

// ofNamespace reports whether a key is seen of the namespace.
func ofNamespace(k policy.Key) bool {
	return k.Of == policy.NamespaceLabel || k.Of == policy.NamespaceName
}

// String names the pods of a term: "[any namespace]/[pod with app=web]".
func (t term) String() string {
	var space, pod []string
	name := ""
	for _, l := range t {
		switch {
		case l.Key.Of == policy.NamespaceName && l.Op == policy.In && !l.not && len(l.Values) == 1:
			name = l.Values[0]
		case ofNamespace(l.Key):
			space = append(space, l.String())
		default:
			pod = append(pod, l.String())
		}
	}
	if name != "" && len(space) > 0 {
		space = append(space, corev1.LabelMetadataName+"="+name)
	}
	if name == "" || len(space) > 0 {
		name = bracket("namespace", space)
	}
	return name + "/" + bracket("pod", pod)
}

func bracket(what string, conditions []string) string {
	if len(conditions) == 0 {
		return "[any " + what + "]"
	}
	slices.Sort(conditions)
	return "[" + what + " with " + strings.Join(slices.Compact(conditions), ",") + "]"
}

// String writes a literal as kubectl does selectors, where it can.
func (l literal) String() string {
	name := l.Key.Name
	switch l.Key.Of {
	case policy.NamespaceName:
		name = corev1.LabelMetadataName
	case policy.Account:
		name = "serviceAccountName"
	}
	list := "(" + strings.Join(l.Values, ",") + ")"
	switch {
	case l.Op == policy.Exists && l.not:
		return "!" + name
	case l.Op == policy.Exists:
		return name
	case l.Op == policy.In && !l.not && len(l.Values) == 1:
		return name + "=" + l.Values[0]
	}
	word := map[policy.Op]string{policy.In: "in", policy.Prefix: "starts with", policy.Suffix: "ends with", policy.Contains: "contains"}[l.Op]
	if l.not {
		word = "not" + word
	}
	return name + " " + word + " " + list
}

// value is a value that a key may have, or that it is absent.
type value struct {
	text   string
	absent bool
}

// holds reports whether a literal holds for a value of its key.
func (l literal) holds(v value) bool {
	got := l.Match(func(policy.Key) (string, bool) { return v.text, !v.absent })
	return got != l.not
}

// fresh is a value that no policy names.
const fresh = "a-value-that-no-policy-names"

// domains are the values that each key may have yet.
type domains map[policy.Key][]value

// newDomains holds, for each key that some terms look at, the values that they
// name, one that none names, and none at all. Of parts of values it holds each
// by itself: a value that must have two of them is not thought of. First comes
// none at all where bare, else the one that none names.
func newDomains(terms []term, bare bool) domains {
	d := domains{}
	for _, t := range terms {
		for _, l := range t {
			if d[l.Key] == nil {
				if l.Key.Of != policy.NamespaceName && l.Key.Of != policy.Account {
					d[l.Key] = append(d[l.Key], value{absent: true})
				}
				d[l.Key] = append(d[l.Key], value{text: fresh})
			}
			for _, v := range l.Values {
				d[l.Key] = append(d[l.Key], value{text: v})
				switch l.Op {
				case policy.Prefix:
					d[l.Key] = append(d[l.Key], value{text: v + fresh})
				case policy.Suffix:
					d[l.Key] = append(d[l.Key], value{text: fresh + v})
				case policy.Contains:
					d[l.Key] = append(d[l.Key], value{text: fresh + v + fresh})
				}
			}
		}
	}
	for k, list := range d {
		slices.SortFunc(list, func(a, b value) int { return cmp.Or(a.rank(bare)-b.rank(bare), strings.Compare(a.text, b.text)) })
		d[k] = slices.Compact(list)
	}
	return d
}

func (v value) rank(bare bool) int {
	switch {
	case v.absent == bare && (v.absent || v.text == fresh):
		return 0
	case v.absent || v.text == fresh:
		return 1
	}
	return 2
}

// restrict keeps the values for which a literal holds, or doesn't. It changes
// nothing and is false where that leaves none.
func (d domains) restrict(l literal, holds bool) bool {
	var left []value
	for _, v := range d[l.Key] {
		if l.holds(v) == holds {
			left = append(left, v)
		}
	}
	if len(left) > 0 {
		d[l.Key] = left
	}
	return len(left) > 0
}

// never reports whether a term holds for no pod that is left.
func (d domains) never(t term) bool {
	return slices.ContainsFunc(t, func(l literal) bool {
		return !slices.ContainsFunc(d[l.Key], l.holds)
	})
}

// meets reports whether a term holds for the pod of the first values.
func (d domains) meets(t term) bool {
	return !slices.ContainsFunc(t, func(l literal) bool { return !l.holds(d[l.Key][0]) })
}

// witness finds, among the values of base, a pod for which a term holds, and others don't as far as that
// can be: the first value left of each key. Labels of a namespace that exists,
// by name, are as they are. It is false where there is no such pod.
//
// Others are ruled out one by one, so those that hold are not the fewest in
// every case; and of two that exclude each other one holds.
func witness(base domains, t term, others []term, spaces map[string]map[string]string) (map[policy.Key]value, bool) {
	d := maps.Clone(base)
	for _, l := range t {
		if !d.restrict(l, true) {
			return nil, false
		}
	}
	name := policy.Key{Of: policy.NamespaceName}
	if names := d[name]; len(names) > 0 && names[0].text != fresh {
		at := max(0, slices.IndexFunc(names, func(v value) bool { return spaces[v.text] != nil }))
		d[name] = names[at : at+1]
		if labels := spaces[names[at].text]; labels != nil && !d.settle(labels, t) {
			return nil, false
		}
	}
	// Every change takes values away, so this comes to an end.
	for changed := true; changed; {
		changed = false
		for _, o := range others {
			if d.meets(o) {
				changed = slices.ContainsFunc(o, func(l literal) bool { return d.restrict(l, false) }) || changed
			}
		}
	}
	found := make(map[policy.Key]value, len(d))
	for k, values := range d {
		found[k] = values[0]
	}
	return found, true
}

// settle sets the labels of the namespace to those that it has. It is false
// where a term doesn't hold for them.
func (d domains) settle(labels map[string]string, t term) bool {
	for k := range maps.Keys(d) {
		if k.Of == policy.NamespaceLabel {
			text, has := labels[k.Name]
			d[k] = []value{{text, !has}}
		}
	}
	return !d.never(t)
}
