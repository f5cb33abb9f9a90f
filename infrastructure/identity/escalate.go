package identity

import (
	"cmp"
	"slices"
	"strings"

	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/component-helpers/auth/rbac/validation"

	"github.com/scantling/scantling/infrastructure/kube"
)

const rbacGroup = rbacv1.GroupName

// How somebody comes to a right that RBAC doesn't give him yet.
const (
	ByImpersonate = "impersonate" // calls the API server in the name of a holder
	ByToken       = "token"       // asks for a token of a holder's ServiceAccount
	ByWorkload    = "workload"    // runs a pod as a holder's ServiceAccount
	ByBind        = "bind"        // binds a role that gives it, or adds himself to a binding that does
	ByEscalate    = "escalate"    // writes it into a role that he has
)

// Way is how a subject that may not make a request could come to make it.
type Way struct {
	Subject Subject
	By      string
	As      Subject      // the holder whose rights he takes; the zero value for bind and escalate
	Role    *kube.Object // the role that he binds or rewrites; nil for the others
	Grants  []Grant      // a grant for each right that he needs
}

// Ways lists the subjects named by bindings that may not make the request but
// could come to it by one step, the first step of each kind for each subject.
// What takes two steps (an identity that may impersonate one that may bind) is
// the attack graph's to tell.
func (e *Engine) Ways(r Request) []Way {
	r = r.normal()
	w := wayfinder{engine: e, request: r, roles: e.rolesThatAllow(r)}
	for _, h := range e.WhoCan(r) {
		w.holders = append(w.holders, h.Subject)
	}
	for _, s := range e.subjects {
		if ok, _ := e.Can(s, r); ok {
			continue
		}
		w.from(s)
	}
	return w.found
}

// wayfinder looks for the ways to one request.
type wayfinder struct {
	engine  *Engine
	request Request
	holders []Subject
	roles   []*kube.Object // that allow the request
	found   []Way
}

func (w *wayfinder) from(s Subject) {
	for _, find := range []func(Subject) (Way, bool){w.impersonate, w.token, w.workload, w.bind, w.escalate} {
		if way, ok := find(s); ok {
			way.Subject = s
			w.found = append(w.found, way)
		}
	}
}

// may returns the first grant that allows each of the requests, or nil where
// one is not allowed.
func (w *wayfinder) may(s Subject, all ...Request) []Grant {
	var out []Grant
	for _, r := range all {
		ok, grants := w.engine.Can(s, r)
		if !ok {
			return nil
		}
		out = append(out, grants[0])
	}
	return out
}

// impersonate: a member of a group has to have a name as well, and any will do.
// Source: apiserver, pkg/endpoints/filters/impersonation.
func (w *wayfinder) impersonate(s Subject) (Way, bool) {
	for _, h := range w.holders {
		asked := []Request{{Verb: "impersonate", Resource: "users", Name: h.Name}}
		switch h.Kind {
		case rbacv1.ServiceAccountKind:
			asked = []Request{{Verb: "impersonate", Resource: "serviceaccounts", Namespace: h.Namespace, Name: h.Name}}
		case rbacv1.GroupKind:
			name, ok := w.anyName(s)
			if !ok {
				continue
			}
			asked = []Request{{Verb: "impersonate", Resource: "groups", Name: h.Name}, name}
		}
		if grants := w.may(s, asked...); grants != nil {
			return Way{By: ByImpersonate, As: h, Grants: grants}, true
		}
	}
	return Way{}, false
}

// anyName is a request to act under some name, of a user or a ServiceAccount,
// that the subject may make.
func (w *wayfinder) anyName(s Subject) (r Request, found bool) {
	w.engine.each(s, true, func(g Grant) {
		for _, resource := range []string{"users", "serviceaccounts"} {
			asked := Request{Verb: "impersonate", Resource: resource, Name: "any", Namespace: g.Namespace}
			if g.Rule != nil && len(g.Rule.ResourceNames) > 0 {
				asked.Name = g.Rule.ResourceNames[0]
			}
			if resource == "users" && g.Namespace != "" || g.Rule == nil || !Allows(g.Rule, asked) || found {
				continue
			}
			r, found = asked, true
		}
	})
	return r, found
}

func (w *wayfinder) token(s Subject) (Way, bool) {
	for _, h := range w.holders {
		if h.Kind != rbacv1.ServiceAccountKind {
			continue
		}
		asked := Request{Verb: "create", Resource: "serviceaccounts", Subresource: "token", Namespace: h.Namespace, Name: h.Name}
		if grants := w.may(s, asked); grants != nil {
			return Way{By: ByToken, As: h, Grants: grants}, true
		}
	}
	return Way{}, false
}

// podMakers are the resources whose objects become pods, by API group.
var podMakers = []struct{ group, resource string }{
	{"", "pods"},
	{"", "replicationcontrollers"},
	{"apps", "deployments"},
	{"apps", "statefulsets"},
	{"apps", "daemonsets"},
	{"apps", "replicasets"},
	{"batch", "jobs"},
	{"batch", "cronjobs"},
}

func (w *wayfinder) workload(s Subject) (Way, bool) {
	for _, h := range w.holders {
		if h.Kind != rbacv1.ServiceAccountKind {
			continue
		}
		for _, m := range podMakers {
			if grants := w.may(s, Request{Verb: "create", Group: m.group, Resource: m.resource, Namespace: h.Namespace}); grants != nil {
				return Way{By: ByWorkload, As: h, Grants: grants}, true
			}
		}
	}
	return Way{}, false
}

// bind: a new binding where the request is made or for the whole cluster, or a
// changed one of those that give the right.
func (w *wayfinder) bind(s Subject) (Way, bool) {
	for _, role := range w.roles {
		for _, scope := range slices.Compact([]string{"", w.request.Namespace}) {
			if role.Namespace != "" && role.Namespace != scope || w.request.Path != "" && scope != "" {
				continue
			}
			made := w.may(s, bindingRequest("create", scope, ""))
			if ok, grants := w.engine.MayBind(s, scope, role); made != nil && ok {
				return Way{By: ByBind, Role: role, Grants: append(made, grants...)}, true
			}
		}
	}
	for i := range w.engine.bindings {
		b := &w.engine.bindings[i]
		if b.role == nil || !reaches(Grant{Namespace: b.namespace}, w.request) || !slices.Contains(w.roles, b.role) {
			continue
		}
		for _, verb := range []string{"update", "patch"} {
			changed := w.may(s, bindingRequest(verb, b.namespace, b.object.Name))
			if ok, grants := w.engine.MayBind(s, b.namespace, b.role); changed != nil && ok {
				return Way{By: ByBind, Role: b.role, Grants: append(changed, grants...)}, true
			}
		}
	}
	return Way{}, false
}

// escalate: he is bound to a role, may change it, and may write into it more
// than he has.
func (w *wayfinder) escalate(s Subject) (Way, bool) {
	wanted := []rbacv1.PolicyRule{w.request.rule()}
	tried := map[*kube.Object]bool{}
	var way Way
	w.engine.each(s, true, func(g Grant) {
		if g.Rule == nil || way.By != "" || tried[g.Bound] || !reaches(g, w.request) {
			return
		}
		tried[g.Bound] = true
		for _, verb := range []string{"update", "patch"} {
			changed := w.may(s, roleRequest(verb, g.Bound.Namespace, g.Bound))
			if ok, grants := w.engine.MayGrant(s, g.Bound, wanted); changed != nil && ok {
				way = Way{By: ByEscalate, Role: g.Bound, Grants: append(changed, grants...)}
				return
			}
		}
	})
	return way, way.By != ""
}

// rolesThatAllow lists the roles that give the right wherever they are bound,
// built-in ones too, by namespace and name.
func (e *Engine) rolesThatAllow(r Request) []*kube.Object {
	var out []*kube.Object
	for role, rules := range e.rules {
		if role.Namespace != "" && role.Namespace != r.Namespace {
			continue
		}
		if slices.ContainsFunc(rules, func(at ruleAt) bool { return Allows(at.rule, r) }) {
			out = append(out, role)
		}
	}
	slices.SortFunc(out, func(a, b *kube.Object) int {
		return cmp.Or(strings.Compare(a.Namespace, b.Namespace), strings.Compare(a.Name, b.Name))
	})
	return out
}

// MayBind reports whether the API server lets the subject put the role into a
// binding of the namespace ("" for a ClusterRoleBinding), once he may write the
// binding: he has the verb bind on the role there, or all that it gives. The
// grants are those of the verb, none where he has it all.
// Source: kubernetes, pkg/registry/rbac/rolebinding/policybased.
func (e *Engine) MayBind(s Subject, namespace string, role *kube.Object) (bool, []Grant) {
	if ok, grants := e.Can(s, roleRequest("bind", namespace, role)); ok {
		return true, grants[:1]
	}
	var rules []rbacv1.PolicyRule
	for _, at := range e.rules[role] {
		rules = append(rules, *at.rule)
	}
	return e.holds(s, namespace, rules), nil
}

// MayGrant reports whether the API server lets the subject write the rules into
// the role, once he may write the role: he has the verb escalate on it, or all
// that the rules give. The grants are as those of MayBind.
// Source: kubernetes, pkg/registry/rbac/role/policybased.
func (e *Engine) MayGrant(s Subject, role *kube.Object, rules []rbacv1.PolicyRule) (bool, []Grant) {
	if ok, grants := e.Can(s, roleRequest("escalate", role.Namespace, role)); ok {
		return true, grants[:1]
	}
	return e.holds(s, role.Namespace, rules), nil
}

// holds reports whether the subject has all the rules in a namespace, or with
// "" in the whole cluster, by the API server's own comparison.
func (e *Engine) holds(s Subject, namespace string, rules []rbacv1.PolicyRule) bool {
	var own []rbacv1.PolicyRule
	all := false
	e.each(s, true, func(g Grant) {
		switch {
		case g.Rule == nil:
			all = true
		case g.Namespace == "" || g.Namespace == namespace:
			own = append(own, *g.Rule)
		}
	})
	if all {
		return true
	}
	ok, _ := validation.Covers(own, rules)
	return ok
}

func bindingRequest(verb, namespace, name string) Request {
	r := Request{Verb: verb, Group: rbacGroup, Resource: "clusterrolebindings", Namespace: namespace, Name: name}
	if namespace != "" {
		r.Resource = "rolebindings"
	}
	return r
}

// roleRequest is about a role by its name. namespace is that of the request: a
// ClusterRole is bound in the namespace of a RoleBinding.
func roleRequest(verb, namespace string, role *kube.Object) Request {
	r := Request{Verb: verb, Group: rbacGroup, Resource: "clusterroles", Namespace: namespace, Name: role.Name}
	if role.Kind == "Role" {
		r.Resource = "roles"
	}
	return r
}

// rule is the smallest rule that allows the request.
func (r Request) rule() rbacv1.PolicyRule {
	if r.Path != "" {
		return rbacv1.PolicyRule{Verbs: []string{r.Verb}, NonResourceURLs: []string{r.Path}}
	}
	out := rbacv1.PolicyRule{Verbs: []string{r.Verb}, APIGroups: []string{r.Group}, Resources: []string{r.Resource}}
	if r.Subresource != "" {
		out.Resources[0] += "/" + r.Subresource
	}
	if r.Name != "" {
		out.ResourceNames = []string{r.Name}
	}
	return out
}
