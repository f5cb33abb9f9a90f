package identity

import (
	"fmt"
	"slices"
	"strings"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/scantling/scantling/infrastructure/kube"
)

// aggregator collects the rules of roles. The controller fills the rules of
// an aggregated ClusterRole with those of all ClusterRoles that any of its
// selectors match, again and again until nothing changes: the union over
// everything reachable. Roles may aggregate each other.
type aggregator struct {
	engine  *Engine
	cluster []*kube.Object // every ClusterRole, built-in ones too, by name
	memo    map[*kube.Object][]ruleAt
	broken  map[*kube.Object]string // why not all rules of a role are known
}

func newAggregator(e *Engine) *aggregator {
	a := &aggregator{engine: e, memo: map[*kube.Object][]ruleAt{}, broken: map[*kube.Object]string{}}
	for _, o := range e.roles {
		if o.Kind == "ClusterRole" {
			a.cluster = append(a.cluster, o)
		}
	}
	for key, o := range builtinRoles() {
		if o.Kind == "ClusterRole" && e.roles[key] == nil {
			a.cluster = append(a.cluster, o)
		}
	}
	slices.SortFunc(a.cluster, func(x, y *kube.Object) int { return strings.Compare(x.Name, y.Name) })
	return a
}

// rules returns what a role allows; nil for a nil role.
func (a *aggregator) rules(role *kube.Object) []ruleAt {
	if role == nil {
		return nil
	}
	if known, ok := a.memo[role]; ok {
		return known
	}
	var out []ruleAt
	seen := map[*kube.Object]bool{role: true}
	for queue := []*kube.Object{role}; len(queue) > 0; queue = queue[1:] {
		out = append(out, ownRules(queue[0])...)
		_, selectors := rulesOf(queue[0])
		found, why := a.selected(queue[0], selectors)
		if why != "" {
			a.broken[role] = "binds a role that " + why
		}
		for _, next := range found {
			if !seen[next] {
				seen[next] = true
				queue = append(queue, next)
			}
		}
	}
	a.memo[role] = out
	return out
}

// ownRules lists the rules that a role holds itself.
func ownRules(role *kube.Object) []ruleAt {
	var out []ruleAt
	own, _ := rulesOf(role)
	for i := range own {
		out = append(out, ruleAt{role: role, index: i, rule: &own[i]})
	}
	return out
}

// rulesOf splits a role into the rules that are its own and its selectors. An
// object that came out of an API server (it has a UID) already holds the
// result of aggregation, which is what the API server evaluates; in a
// manifest the controller overwrites the rules of an aggregated role.
func rulesOf(o *kube.Object) ([]rbacv1.PolicyRule, []metav1.LabelSelector) {
	switch r := o.Typed.(type) {
	case *rbacv1.Role:
		return r.Rules, nil
	case *rbacv1.ClusterRole:
		if r.AggregationRule == nil || r.UID != "" {
			return r.Rules, nil
		}
		return nil, r.AggregationRule.ClusterRoleSelectors
	}
	return nil, nil
}

// selected returns the ClusterRoles that any selector matches, by name, and
// why there may be more.
func (a *aggregator) selected(role *kube.Object, selectors []metav1.LabelSelector) (out []*kube.Object, why string) {
	for i := range selectors {
		sel, err := metav1.LabelSelectorAsSelector(&selectors[i])
		if err != nil {
			why = fmt.Sprintf("has an aggregation selector that can't be read (%v): its rights are unknown", err)
			a.engine.unknown(role, why)
			continue
		}
		for _, o := range a.cluster {
			if r := o.Typed.(*rbacv1.ClusterRole); sel.Matches(labels.Set(r.Labels)) {
				out = append(out, o)
			}
		}
	}
	return out, why
}
