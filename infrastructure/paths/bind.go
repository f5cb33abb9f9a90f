package paths

import (
	"slices"

	rbacv1 "k8s.io/api/rbac/v1"

	"github.com/scantling/scantling/graph"
	"github.com/scantling/scantling/infrastructure/identity"
	"github.com/scantling/scantling/infrastructure/kube"
)

const rbacGroup = "rbac.authorization.k8s.io"

// claim is one verb on one RBAC resource that an attack needs together with
// another one, in one request, and so by one identity.
type claim struct {
	name  string
	verbs []string
	on    target
}

var (
	createBinding        = claim{"create rolebindings", []string{"create"}, target{rbacGroup, "rolebindings", ""}}
	createClusterBinding = claim{"create clusterrolebindings", []string{"create"}, target{rbacGroup, "clusterrolebindings", ""}}
	changeBinding        = claim{"change rolebindings", []string{"update", "patch"}, target{rbacGroup, "rolebindings", ""}}
	changeClusterBinding = claim{"change clusterrolebindings", []string{"update", "patch"}, target{rbacGroup, "clusterrolebindings", ""}}
	bindRoles            = claim{"bind roles", []string{"bind"}, target{rbacGroup, "roles", ""}}
	bindClusterRoles     = claim{"bind clusterroles", []string{"bind"}, target{rbacGroup, "clusterroles", ""}}
	changeRole           = claim{"change roles", []string{"update", "patch"}, target{rbacGroup, "roles", ""}}
	changeClusterRole    = claim{"change clusterroles", []string{"update", "patch"}, target{rbacGroup, "clusterroles", ""}}
	escalateRole         = claim{"escalate roles", []string{"escalate"}, target{rbacGroup, "roles", ""}}
	escalateClusterRole  = claim{"escalate clusterroles", []string{"escalate"}, target{rbacGroup, "clusterroles", ""}}
	beGroup              = claim{"impersonate groups", []string{"impersonate"}, target{"", "groups", ""}}
	beUser               = claim{"impersonate users", []string{"impersonate"}, target{"", "users", ""}}
	beAccount            = claim{"impersonate serviceaccounts", []string{"impersonate"}, target{"", "serviceaccounts", ""}}
)

// combiner finds the attacks for which one identity needs two rights.
type combiner struct {
	b     *builder
	from  key
	scope []string // namespaces in which some grant counts, "" for the cluster
	has   map[string][]identity.Grant
}

// combine adds those attacks for the grants of one identity, those of its
// groups included. When only groups give them they are added at the group.
func (b *builder) combine(from key, direct, all []identity.Grant) {
	c := &combiner{b: b, from: from, has: map[string][]identity.Grant{}}
	claims := []claim{
		createBinding, createClusterBinding, changeBinding, changeClusterBinding, bindRoles, bindClusterRoles, changeRole, changeClusterRole,
		escalateRole, escalateClusterRole, beGroup, beUser, beAccount, createRequest, readRequest, approveRequest, approveSigner, askAsNode,
	}
	relevant := func(g identity.Grant) bool {
		return g.Rule != nil && !identity.AllowsAll(g.Rule) && slices.ContainsFunc(claims, func(cl claim) bool { return gives(g.Rule, cl.verbs, []target{cl.on}) })
	}
	if !slices.ContainsFunc(direct, relevant) {
		return
	}
	for _, g := range all {
		if !relevant(g) {
			continue
		}
		for _, cl := range claims {
			if gives(g.Rule, cl.verbs, []target{cl.on}) {
				c.has[cl.name] = append(c.has[cl.name], g)
			}
		}
		if !slices.Contains(c.scope, g.Namespace) {
			c.scope = append(c.scope, g.Namespace)
		}
	}
	slices.Sort(c.scope)
	for _, scope := range c.scope {
		c.bind(scope)
		c.join(scope)
		c.escalate(scope)
	}
	c.groups()
	c.sign()
}

// get lists the grants of a claim that count in a scope; without name those
// for every object, else those for every object or that one. create counts
// only without names.
func (c *combiner) get(cl claim, scope, name string) []identity.Grant {
	var out []identity.Grant
	for _, g := range c.has[cl.name] {
		if (g.Namespace == "" || g.Namespace == scope) && (len(g.Rule.ResourceNames) == 0 || name != "" && slices.Contains(g.Rule.ResourceNames, name)) {
			out = append(out, g)
		}
	}
	return out
}

// names lists the object names that rules of a claim are limited to.
func (c *combiner) names(scope string, claims ...claim) []string {
	var out []string
	for _, cl := range claims {
		for _, g := range c.has[cl.name] {
			if g.Namespace == "" || g.Namespace == scope {
				out = append(out, g.Rule.ResourceNames...)
			}
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// both adds a step that needs two claims, when both are granted. In a
// namespace it says nothing that the whole cluster's step says already.
func (c *combiner) both(e edge, head key, scope string, one, two []identity.Grant) bool {
	wide := func(g identity.Grant) bool { return g.Namespace == "" }
	if scope != "" && slices.ContainsFunc(one, wide) && slices.ContainsFunc(two, wide) {
		return false
	}
	return c.all(e, head, scope, one, two)
}

// all adds a step that needs every one of up to three claims, when all are
// granted.
func (c *combiner) all(e edge, head key, scope string, lists ...[]identity.Grant) bool {
	if slices.ContainsFunc(lists, func(list []identity.Grant) bool { return len(list) == 0 }) {
		return false
	}
	needs := []key{c.from}
	var facts []graph.Fact
	for i, list := range lists {
		if len(list) == 1 {
			facts = append(facts, c.b.right(list[0], e)...)
			continue
		}
		// Several rules give the same: any of them will do.
		either := key{may, c.from.name(c.b.snapshot.Cluster), moves[e].name + " (" + []string{"first", "second", "third"}[i] + " right) for " + head.name(c.b.snapshot.Cluster), scope}
		if _, known := c.b.vertices[either]; !known {
			for _, g := range list {
				c.b.stepOn(implied, either, c.b.right(g, e), c.from)
			}
		}
		needs = append(needs, either)
	}
	c.b.stepOn(e, head, facts, needs...)
	return true
}

// bind covers making a binding for a role whose rights one doesn't hold:
// create on bindings and bind on the role. Whoever may bind any ClusterRole
// binds cluster-admin.
func (c *combiner) bind(scope string) {
	const most = "cluster-admin"
	made := c.get(createBinding, scope, "")
	c.both(bindRole, key{sort: rule, a: scope}, scope, made, c.get(bindClusterRoles, scope, most))
	c.both(bindRole, key{sort: binds, a: scope}, scope, made, c.get(bindRoles, scope, ""))
	for _, name := range c.names(scope, bindClusterRoles) {
		if name != most {
			c.eachScope(scope, func(in string) {
				c.both(bindRole, key{granted, "", name, in}, scope, made, c.get(bindClusterRoles, scope, name))
			})
		}
	}
	for _, name := range c.names(scope, bindRoles) {
		c.eachScope(scope, func(in string) {
			if c.b.snapshot.Get("Role", in, name) != nil {
				c.both(bindRole, key{granted, in, name, in}, scope, made, c.get(bindRoles, scope, name))
			}
		})
	}
	if scope != "" {
		return
	}
	made = c.get(createClusterBinding, "", "")
	c.both(bindRole, key{sort: admin}, "", made, c.get(bindClusterRoles, "", most))
	for _, name := range c.names("", bindClusterRoles) {
		c.both(bindRole, key{granted, "", name, ""}, "", made, c.get(bindClusterRoles, "", name))
	}
}

// eachScope visits a namespace, or every one for "".
func (c *combiner) eachScope(scope string, visit func(string)) {
	if scope != "" {
		visit(scope)
		return
	}
	for _, n := range c.b.namespaces {
		visit(n)
	}
}

// join covers adding oneself to a binding that exists: update or patch on it
// and bind on its role, which can't be changed.
func (c *combiner) join(scope string) {
	visit := func(o *kube.Object, change claim) {
		ref, _, _ := bindingOf(o)
		goal, right := key{granted, "", ref.Name, o.Namespace}, bindClusterRoles
		if ref.Kind == "Role" {
			goal.a, right = o.Namespace, bindRoles
		}
		c.both(joinBinding, goal, scope, c.get(change, scope, o.Name), c.get(right, scope, ref.Name))
	}
	// Any binding and any role of a sort: one hub stands for all of them, and
	// only what rules name is another way.
	change := c.get(changeBinding, scope, "")
	whole := map[string]bool{
		"ClusterRole": c.both(joinBinding, key{sort: joins, a: scope}, scope, change, c.get(bindClusterRoles, scope, "")),
		"Role":        c.both(joinBinding, key{sort: joins, a: scope, b: "Role"}, scope, change, c.get(bindRoles, scope, "")),
	}
	limited := map[string][]string{"ClusterRole": c.names(scope, bindClusterRoles), "Role": c.names(scope, bindRoles)}
	bindings := c.names(scope, changeBinding)
	if every := whole["ClusterRole"] && whole["Role"]; len(c.has[changeBinding.name]) > 0 && (!every || len(limited["ClusterRole"])+len(limited["Role"])+len(bindings) > 0) {
		c.eachScope(scope, func(in string) {
			for _, o := range c.b.inSpace[in] {
				ref, _, _ := bindingOf(o)
				if !whole[ref.Kind] || slices.Contains(limited[ref.Kind], ref.Name) || slices.Contains(bindings, o.Name) {
					visit(o, changeBinding)
				}
			}
		})
	}
	if scope == "" && len(c.has[changeClusterBinding.name]) > 0 {
		for _, o := range c.b.inSpace[""] {
			visit(o, changeClusterBinding)
		}
	}
}

// escalate covers giving more rights to a role: update or patch on it and
// escalate. With all ClusterRoles one of them is the role that gives this
// very right, so it ends in the cluster.
func (c *combiner) escalate(scope string) {
	c.both(escalate, key{sort: rewrites, a: scope}, scope, c.get(changeRole, scope, ""), c.get(escalateRole, scope, ""))
	for _, name := range c.names(scope, changeRole, escalateRole) {
		c.eachScope(scope, func(in string) {
			if c.b.snapshot.Get("Role", in, name) != nil {
				c.both(escalate, key{rewrite, in, name, ""}, scope, c.get(changeRole, scope, name), c.get(escalateRole, scope, name))
			}
		})
	}
	if scope != "" {
		return
	}
	c.both(escalate, key{sort: admin}, "", c.get(changeClusterRole, "", ""), c.get(escalateClusterRole, "", ""))
	for _, name := range c.names("", changeClusterRole, escalateClusterRole) {
		c.both(escalate, key{rewrite, "", name, ""}, "", c.get(changeClusterRole, "", name), c.get(escalateClusterRole, "", name))
	}
}

// groups covers impersonating a group, for which one must impersonate
// somebody (a user or a ServiceAccount) in the same request.
func (c *combiner) groups() {
	somebody := slices.DeleteFunc(slices.Clone(c.has[beUser.name]), func(g identity.Grant) bool { return g.Namespace != "" })
	somebody = append(somebody, c.has[beAccount.name]...)
	for _, g := range c.has[beGroup.name] {
		if g.Namespace != "" {
			continue
		}
		if len(g.Rule.ResourceNames) == 0 {
			c.both(impersonate, key{sort: admin}, "", []identity.Grant{g}, somebody)
			continue
		}
		for _, name := range g.Rule.ResourceNames {
			c.both(impersonate, subjectKey(identity.Group(name)), "", []identity.Grant{g}, somebody)
		}
	}
}

// expandGranted adds what a role gives once it is bound to the attacker.
func (b *builder) expandGranted(k key) {
	grants := b.identity.RoleGrants(k.a, k.b, k.c)
	for _, g := range grants {
		b.use(k, g)
	}
	b.combine(k, grants, grants)
	// Whoever has bound a role to himself and may change it has no limits.
	goal := key{sort: rule, a: k.c}
	if k.c == "" {
		goal = key{sort: admin}
	}
	b.step(useRole, goal, k, key{rewrite, k.a, k.b, ""})
}

// expandRoles adds what control over roles and bindings means.
func (b *builder) expandRoles(k key) {
	if k.a == "" && k.sort != rewrite {
		for _, n := range b.namespaces {
			b.step(implied, key{sort: k.sort, a: n, b: k.b}, k)
		}
		return
	}
	switch k.sort {
	case binds:
		for _, o := range b.rolesIn(k.a) {
			if _, ok := o.Typed.(*rbacv1.Role); ok {
				b.step(useRole, key{granted, k.a, o.Name, k.a}, k)
			}
		}
	case joins:
		for _, o := range b.inSpace[k.a] {
			switch ref, _, _ := bindingOf(o); {
			case ref.Kind == "ClusterRole" && k.b == "":
				b.step(useRole, key{granted, "", ref.Name, k.a}, k)
			case ref.Kind == "Role" && k.b == "Role":
				b.step(useRole, key{granted, k.a, ref.Name, k.a}, k)
			}
		}
	case rewrites:
		for _, o := range b.rolesIn(k.a) {
			b.step(implied, key{rewrite, k.a, o.Name, ""}, k)
		}
	case rewrite:
		b.expandRewrite(k)
	}
}

// rolesIn lists the Roles of a namespace: kinds are sorted by it.
func (b *builder) rolesIn(namespace string) []*kube.Object {
	return part(b.snapshot.ByKind("Role"), namespace, func(o *kube.Object) string { return o.Namespace })
}

// expandRewrite leads from a role that can be given any rule to what its
// subjects then have: to use it one must be one of them.
func (b *builder) expandRewrite(k key) {
	for _, o := range b.bindings[[2]string{k.a, k.b}] {
		goal := key{sort: rule, a: o.Namespace}
		if o.Namespace == "" {
			goal = key{sort: admin}
		}
		_, subjects, _ := bindingOf(o)
		for _, raw := range subjects {
			if s, ok := identity.Resolve(raw, o.Namespace); ok {
				b.step(useRole, goal, k, subjectKey(s))
			}
		}
	}
}
