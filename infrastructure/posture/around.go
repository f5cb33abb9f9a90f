package posture

import (
	"slices"

	rbacv1 "k8s.io/api/rbac/v1"

	"github.com/scantling/scantling/infrastructure/kube"
	"github.com/scantling/scantling/rule"
)

// What rules read of the objects around the one that they judge.

// accountBound is variables.accountBound: whether some binding names the
// workload's account. What every cluster binds to all accounts by itself is
// not meant: it gives them nothing but how to find the API.
func accountBound(t *target) any {
	if t.workload == nil {
		return rule.Unknown{Reason: t.object.Kind + " has no pods"}
	}
	for _, o := range t.snapshot.ByKind("RoleBinding") {
		if b, ok := o.Typed.(*rbacv1.RoleBinding); ok && t.named(b.Subjects, o.Namespace) {
			return true
		}
	}
	for _, o := range t.snapshot.ByKind("ClusterRoleBinding") {
		if b, ok := o.Typed.(*rbacv1.ClusterRoleBinding); ok && !builtIn(o) && t.named(b.Subjects, "") {
			return true
		}
	}
	return false
}

// named reports whether subjects of a binding hold the workload's account, by
// its name, its user name, or a group of all accounts. namespace is that of a
// RoleBinding, in which an account is that names none.
func (t *target) named(subjects []rbacv1.Subject, namespace string) bool {
	w := t.workload
	return slices.ContainsFunc(subjects, func(s rbacv1.Subject) bool {
		switch s.Kind {
		case rbacv1.ServiceAccountKind:
			return s.Name == w.ServiceAccount && (s.Namespace == w.Namespace || s.Namespace == "" && namespace == w.Namespace)
		case rbacv1.UserKind:
			return s.Name == "system:serviceaccount:"+w.Namespace+":"+w.ServiceAccount
		}
		return s.Name == "system:serviceaccounts" || s.Name == "system:serviceaccounts:"+w.Namespace
	})
}

// limits is variables.limits: an admission plugin gives their defaults to
// containers that state none.
func limits(t *target) any {
	out := []any{}
	for _, o := range t.around("LimitRange", t.object.Namespace) {
		spec, _ := o.Raw["spec"].(map[string]any)
		list, ok := spec["limits"].([]any)
		if !ok {
			return rule.Unknown{Reason: "LimitRange " + o.Name + " has no list of limits"}
		}
		out = append(out, withoutNulls(list).([]any)...)
	}
	return out
}

// networkPolicies is variables.networkPolicies, of a Namespace.
func networkPolicies(t *target) any {
	out := []any{}
	for _, o := range t.around("NetworkPolicy", t.object.Name) {
		out = append(out, withoutNulls(o.Raw))
	}
	return out
}

// shutBy is variables.shutBy, of a Namespace: the policy that shuts all its
// pods to other pods, of whatever kind.
func shutBy(t *target) any {
	shut := t.shut(t.object.Name)
	if shut.By == "" && shut.Doubt != "" {
		return rule.Unknown{Reason: shut.Doubt}
	}
	return shut.By
}

// countWorkloads is variables.workloads, of a Namespace.
func countWorkloads(t *target) any {
	n := int64(0)
	for _, w := range t.snapshot.Workloads {
		if w.Namespace == t.object.Name {
			n++
		}
	}
	return n
}

// around lists the objects of a kind in a namespace.
func (t *target) around(kind, namespace string) []*kube.Object {
	var out []*kube.Object
	for _, o := range t.snapshot.ByKind(kind) {
		if o.Namespace == namespace && (kind != "NetworkPolicy" || judged(o)) {
			out = append(out, o)
		}
	}
	return out
}
