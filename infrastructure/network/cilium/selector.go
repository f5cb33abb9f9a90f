package cilium

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	k8slabels "k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/selection"

	"github.com/scantling/scantling/infrastructure/network/policy"
)

// Labels that Cilium itself gives to a pod's identity.
const (
	namespaceKey    = "io.kubernetes.pod.namespace"
	namespaceLabels = "io.cilium.k8s.namespace.labels."
	accountKey      = "io.cilium.k8s.policy.serviceaccount"
	clusterKey      = "io.cilium.k8s.policy.cluster" // its value is one for all pods
	ownLabels       = "io.cilium.k8s."               // no label of a pod may begin so
)

// requirement is one condition on the labels of an identity.
type requirement struct {
	source string // k8s, reserved, any and others
	key    string
	op     metav1.LabelSelectorOperator
	values []string
}

// selector is a conjunction. depends is not "" where a part of it isn't known,
// which can only narrow it.
type selector struct {
	all     []requirement
	depends string
}

// operators are those of a selector, as the library that checks them has them.
var operators = map[string]selection.Operator{
	"In": selection.In, "NotIn": selection.NotIn, "Exists": selection.Exists, "DoesNotExist": selection.DoesNotExist,
}

// newSelector reads a selector and checks it as the API does.
func newSelector(o object) (selector, error) {
	s := selector{depends: o.unknown("matchLabels matchExpressions")}
	labels, _, err := o.object("matchLabels")
	if err != nil {
		return s, err
	}
	for key := range labels.fields {
		value, err := labels.text(key)
		if err != nil {
			return s, err
		}
		if err := s.add(labels.path, key, "In", []string{value}); err != nil {
			return s, err
		}
	}
	slices.SortFunc(s.all, func(a, b requirement) int {
		return cmp.Or(strings.Compare(a.source, b.source), strings.Compare(a.key, b.key))
	})
	expressions, _, err := o.objects("matchExpressions")
	if err != nil {
		return s, err
	}
	for _, e := range expressions {
		key, err := e.text("key")
		if err != nil {
			return s, err
		}
		op, err := e.text("operator")
		if err != nil {
			return s, err
		}
		values, _, err := e.texts("values")
		if err != nil {
			return s, err
		}
		if err := s.add(e.path, key, op, values); err != nil {
			return s, err
		}
		s.depends = cmp.Or(s.depends, e.unknown("key operator values"))
	}
	return s, nil
}

func (s *selector) add(path, key, op string, values []string) error {
	source, name, named := strings.Cut(key, ":")
	if !named {
		source, name = "any", key
	}
	operator, known := operators[op]
	if !known {
		return fmt.Errorf("%s: the operator %q is none of In, NotIn, Exists and DoesNotExist", path, short(op))
	}
	if _, err := k8slabels.NewRequirement(name, operator, values); err != nil {
		return fmt.Errorf("%s: %s", path, short(err.Error()))
	}
	s.all = append(s.all, requirement{source, name, metav1.LabelSelectorOperator(op), values})
	return nil
}

// names reports whether the selector looks at a label of Kubernetes.
func (s selector) names(match func(key string) bool) bool {
	return slices.ContainsFunc(s.all, func(r requirement) bool {
		return (r.source == "any" || r.source == "k8s") && match(r.key)
	})
}

func isNamespace(key string) bool      { return key == namespaceKey }
func isNamespaceLabel(key string) bool { return strings.HasPrefix(key, namespaceLabels) }

// reserved reports whether it looks at a label that Cilium reserves; "" is
// any of them.
func (s selector) reserved(key string) bool {
	return slices.ContainsFunc(s.all, func(r requirement) bool {
		return r.source == "reserved" && (key == "" || r.key == key)
	})
}

// in keeps a selector to a namespace.
func (s selector) in(namespace string) selector {
	s.all = append(slices.Clip(s.all), requirement{"k8s", namespaceKey, metav1.LabelSelectorOpIn, []string{namespace}})
	return s
}

// dropNamespace takes out the match on a namespace that matchLabels has.
func (s *selector) dropNamespace(value any) {
	at := slices.IndexFunc(s.all, func(r requirement) bool {
		return r.source == "k8s" && r.key == namespaceKey && len(r.values) == 1 && r.values[0] == value
	})
	s.all = slices.Delete(s.all, at, at+1)
}

// pods returns the condition on pods, and what it depends on, if anything.
func (r *reader) pods(s selector) (policy.Expr, string) {
	expr := policy.All{}
	depends := s.depends
	for _, req := range s.all {
		key, value, has := r.key(req)
		switch {
		case key != nil:
			expr = append(expr, req.test(*key))
		case has && value == "" && len(req.values) > 0:
			depends = cmp.Or(depends, "the name of the cluster is not known: cilium-config was not read")
		case !req.holds(value, has):
			return policy.Any{}, ""
		}
	}
	return expr, depends
}

// key says what a requirement looks up in a pod: a key, or a value that is the
// same for all pods, or nothing.
func (r *reader) key(req requirement) (key *policy.Key, value string, has bool) {
	if req.source != "any" && req.source != "k8s" {
		return nil, "", false
	}
	if label, is := strings.CutPrefix(req.key, namespaceLabels); is {
		return &policy.Key{Of: policy.NamespaceLabel, Name: label}, "", false
	}
	switch {
	case req.key == namespaceKey:
		return &policy.Key{Of: policy.NamespaceName}, "", false
	case req.key == accountKey:
		return &policy.Key{Of: policy.Account}, "", false
	case req.key == clusterKey:
		return nil, r.settings.cluster(), true
	case strings.HasPrefix(req.key, ownLabels) || !r.settings.identifies(req.key):
		return nil, "", false
	}
	return &policy.Key{Of: policy.PodLabel, Name: req.key}, "", false
}

// test is the requirement as a condition on a key.
func (req requirement) test(key policy.Key) policy.Expr {
	test := policy.Test{Key: key, Op: policy.In, Values: req.values}
	if len(req.values) == 0 {
		test.Op = policy.Exists
	}
	if req.op == metav1.LabelSelectorOpNotIn || req.op == metav1.LabelSelectorOpDoesNotExist {
		return policy.Not{Expr: test}
	}
	return test
}

// holds evaluates it for a label that has a value, or for none.
func (req requirement) holds(value string, has bool) bool {
	match := has && (len(req.values) == 0 || slices.Contains(req.values, value))
	if req.op == metav1.LabelSelectorOpNotIn || req.op == metav1.LabelSelectorOpDoesNotExist {
		return !match
	}
	return match
}

// special evaluates a selector for an identity whose only labels are
// reserved ones, as that of the host is. What stands for addresses or nodes
// (sources cidr, fqdn, node and the like) may hold, and depends.
func (s selector) special(names ...string) (match bool, depends string) {
	depends = s.depends
	for _, req := range s.all {
		switch req.source {
		case "any", "k8s", "reserved":
			has := req.source != "k8s" && slices.Contains(names, req.key)
			if !req.holds("", has) {
				return false, ""
			}
		case "cidr", "cidrgroup", "fqdn", "node":
			depends = cmp.Or(depends, fmt.Sprintf("labels of the source %s count", req.source))
		default:
			if !req.holds("", false) {
				return false, ""
			}
		}
	}
	return true, depends
}
