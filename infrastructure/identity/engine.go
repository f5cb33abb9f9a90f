package identity

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"

	"github.com/scantling/scantling/infrastructure/kube"
	"github.com/scantling/scantling/model"
)

// Grant is one rule that reaches one subject through one binding.
type Grant struct {
	Subject   Subject      // as the binding names it: the asker or a group that the asker is in
	Binding   *kube.Object // nil only for system:masters, which needs none
	Bound     *kube.Object // the role that the binding names; nil with Binding
	Role      *kube.Object // the role whose rules hold the rule: Bound, or one that it aggregates
	RuleIndex int          // in Role's rules, from 0; -1 with a nil Binding
	Namespace string       // where it counts; "" is the whole cluster, cluster-scoped resources and paths included
	Rule      *rbacv1.PolicyRule
}

// ruleAt is one rule of an aggregated or plain role, with its place.
type ruleAt struct {
	role  *kube.Object
	index int
	rule  *rbacv1.PolicyRule
}

// bound is a binding with its role resolved.
type bound struct {
	object    *kube.Object
	role      *kube.Object
	namespace string
	rules     []ruleAt
	subjects  []Subject
	doubt     string // why not all of its rights are known
}

// Engine evaluates RBAC over one snapshot. It is immutable and safe to share.
type Engine struct {
	snapshot   *kube.Snapshot
	roles      map[string]*kube.Object // "namespace/name", "/name" for cluster roles
	rules      map[*kube.Object][]ruleAt
	bindings   []bound
	bySubject  map[Subject][]int // indexes of bindings that name the subject
	subjects   []Subject         // named by a binding, sorted
	accounts   map[Subject]*kube.Object
	incomplete []model.Incomplete
}

// Build resolves every binding of the snapshot. It never fails: what can't be
// resolved is told by Incomplete.
func Build(s *kube.Snapshot) *Engine {
	e := &Engine{
		snapshot: s, roles: map[string]*kube.Object{}, bySubject: map[Subject][]int{}, accounts: map[Subject]*kube.Object{},
	}
	for _, o := range s.Objects {
		switch o.Typed.(type) {
		case *rbacv1.Role:
			e.roles[o.Namespace+"/"+o.Name] = o
		case *rbacv1.ClusterRole:
			e.roles["/"+o.Name] = o
		case *corev1.ServiceAccount:
			e.accounts[Account(o.Namespace, o.Name)] = o
		}
	}
	aggregate := newAggregator(e)
	for _, o := range s.Objects {
		switch b := o.Typed.(type) {
		case *rbacv1.RoleBinding:
			e.bind(o, b.RoleRef, b.Subjects, o.Namespace, aggregate)
		case *rbacv1.ClusterRoleBinding:
			e.bind(o, b.RoleRef, b.Subjects, "", aggregate)
		}
	}
	for _, o := range s.Objects {
		if e.roles[o.Namespace+"/"+o.Name] == o {
			aggregate.rules(o)
		}
	}
	for key, o := range builtinRoles() {
		if e.roles[key] == nil {
			aggregate.rules(o)
		}
	}
	e.rules = aggregate.memo
	for s := range e.bySubject {
		e.subjects = append(e.subjects, s)
	}
	slices.SortFunc(e.subjects, Subject.compare)
	slices.SortFunc(e.incomplete, func(a, b model.Incomplete) int {
		return cmp.Or(strings.Compare(a.What, b.What), strings.Compare(a.Why, b.Why))
	})
	e.incomplete = slices.Compact(e.incomplete) // a selector is met once for each role that leads to it
	return e
}

// bind resolves one binding. namespace is "" for a ClusterRoleBinding.
func (e *Engine) bind(o *kube.Object, ref rbacv1.RoleRef, subjects []rbacv1.Subject, namespace string, a *aggregator) {
	key := "/" + ref.Name
	switch {
	case ref.Kind == "Role" && namespace != "":
		key = namespace + "/" + ref.Name
	case ref.Kind != "ClusterRole": // nothing was made of it, so nobody gets rights
		e.unknown(o, fmt.Sprintf("roleRef names a %q, which a %s can't bind: the API server would refuse it", ref.Kind, o.Kind))
		return
	}
	role := e.role(key)
	b := bound{object: o, role: role, namespace: namespace, rules: a.rules(role), doubt: a.broken[role]}
	if role == nil {
		b.doubt = fmt.Sprintf("binds %s %s, which was not read: the rights that it gives are unknown", ref.Kind, ref.Name)
		e.unknown(o, b.doubt)
	}
	for _, raw := range subjects {
		s, ok := Resolve(raw, namespace)
		if !ok {
			e.unknown(o, fmt.Sprintf("subject %q of kind %q can't be resolved: it gets no rights", raw.Name, raw.Kind))
			continue
		}
		if slices.Contains(b.subjects, s) {
			continue
		}
		b.subjects = append(b.subjects, s)
		e.bySubject[s] = append(e.bySubject[s], len(e.bindings))
	}
	e.bindings = append(e.bindings, b)
}

// role finds a role by its key: one that was read, else a built-in one; nil
// where there is neither.
func (e *Engine) role(key string) *kube.Object {
	if o := e.roles[key]; o != nil {
		return o
	}
	return builtinRoles()[key]
}

func (e *Engine) unknown(o *kube.Object, why string) {
	e.incomplete = append(e.incomplete, missed(o, why))
}

func missed(o *kube.Object, why string) model.Incomplete {
	return model.Incomplete{What: place(o), Why: o.Kind + " " + o.Name + " " + why}
}

// Incomplete names the bindings whose rights are not fully known.
func (e *Engine) Incomplete() []model.Incomplete { return slices.Clone(e.incomplete) }

// Cluster is the name of the cluster that was read.
func (e *Engine) Cluster() string { return e.snapshot.Cluster }

// place names an object for a message: file:line where known.
func place(o *kube.Object) string {
	if o.Position.File == "" {
		return strings.TrimPrefix(o.Namespace+"/", "/") + o.Kind + "/" + o.Name
	}
	return fmt.Sprintf("%s:%d", o.Position.File, max(1, o.Position.Line))
}
