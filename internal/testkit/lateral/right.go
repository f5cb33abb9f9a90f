package lateral

import (
	"fmt"

	rbacv1 "k8s.io/api/rbac/v1"
)

const rbacGroup = "rbac.authorization.k8s.io"

// grants are what roles of workloads allow, each with its share in thousands.
var grants = []struct {
	share int
	rule  rbacv1.PolicyRule
}{
	{330, allow([]string{"get", "list", "watch"}, "", "configmaps", "services", "endpoints")},
	{230, allow([]string{"get", "create", "update"}, "coordination.k8s.io", "leases")},
	{150, allow([]string{"get", "list", "watch"}, "", "pods", "pods/log")},
	{80, allow([]string{"create", "patch"}, "", "events")},
	{70, allow([]string{"get", "list"}, "apps", "deployments", "statefulsets")},
	{60, rbacv1.PolicyRule{Verbs: []string{"get"}, APIGroups: []string{""}, Resources: []string{"secrets"}, ResourceNames: []string{"shared"}}},
	{30, allow([]string{"get", "list"}, "", "secrets")},
	{15, allow([]string{"patch", "update"}, "apps", "deployments")},
	{12, allow([]string{"create"}, "", "pods/exec")},
	{10, allow([]string{"create"}, "batch", "jobs")},
	{6, allow([]string{"create", "get", "delete"}, "", "pods")},
	{3, allow([]string{"create"}, "", "serviceaccounts/token")},
	{2, allow([]string{"create", "update", "bind"}, rbacGroup, "roles", "rolebindings", "clusterroles")},
	{2, allow([]string{"update", "escalate"}, rbacGroup, "roles")},
}

func allow(verbs []string, group string, resources ...string) rbacv1.PolicyRule {
	return rbacv1.PolicyRule{Verbs: verbs, APIGroups: []string{group}, Resources: resources}
}

// makeRights makes the roles and bindings. Of the roles 29 in 30 are Roles
// for an account of their namespace; the others are ClusterRoles of operators.
// Beside them edit and view are bound to a team in each of its namespaces.
func (m *maker) makeRights() {
	for _, s := range m.spaces {
		m.bind(s.name, "edit", cluster("edit"), group(s.team))
		m.bind(s.name, "view", cluster("view"), group("everybody"))
	}
	m.bind("", "monitoring", cluster("monitoring"), group("system:serviceaccounts"))
	m.role("", "monitoring", allow([]string{"get", "list"}, "", "pods", "nodes", "services"))
	for i := range m.Roles - 1 {
		if i%30 == 0 {
			m.operator(i)
			continue
		}
		l := one(m, m.loads)
		name := fmt.Sprintf("%s-%d", l.name, i)
		m.role(l.space.name, name, m.grant(), m.grant())
		ref := rbacv1.RoleRef{APIGroup: rbacGroup, Kind: "Role", Name: name}
		m.bind(l.space.name, name, ref, account(l))
	}
}

// operator is a ClusterRole: read by most, dangerous in a few, and bound in
// the whole cluster or, more often, in some namespaces.
func (m *maker) operator(i int) {
	name := fmt.Sprintf("operator-%d", i)
	rules := []rbacv1.PolicyRule{allow([]string{"get", "list", "watch"}, fmt.Sprintf("group-%d.example", i%50), "*"), m.grant()}
	if m.chance(2) {
		rules = append(rules, allow([]string{"*"}, "*", "*"))
	}
	m.role("", name, rules...)
	who := account(one(m, m.loads))
	if m.chance(15) {
		m.bind("", name, cluster(name), who)
		return
	}
	for k := range 1 + m.IntN(4) {
		m.bind(one(m, m.spaces).name, fmt.Sprintf("%s-%d", name, k), cluster(name), who)
	}
}

func (m *maker) grant() rbacv1.PolicyRule {
	at := m.IntN(1000)
	for _, g := range grants {
		if at -= g.share; at < 0 {
			return g.rule
		}
	}
	return grants[0].rule
}

// role makes a Role, or a ClusterRole without namespace.
func (m *maker) role(namespace, name string, rules ...rbacv1.PolicyRule) {
	if namespace == "" {
		m.add(&rbacv1.ClusterRole{TypeMeta: kind(rbacGroup+"/v1", "ClusterRole"), ObjectMeta: named("", name), Rules: rules})
		return
	}
	m.add(&rbacv1.Role{TypeMeta: kind(rbacGroup+"/v1", "Role"), ObjectMeta: named(namespace, name), Rules: rules})
}

func (m *maker) bind(namespace, name string, ref rbacv1.RoleRef, who rbacv1.Subject) {
	who.APIGroup = map[string]string{rbacv1.GroupKind: rbacGroup}[who.Kind]
	subjects := []rbacv1.Subject{who}
	if namespace == "" {
		m.add(&rbacv1.ClusterRoleBinding{TypeMeta: kind(rbacGroup+"/v1", "ClusterRoleBinding"), ObjectMeta: named("", name), RoleRef: ref, Subjects: subjects})
		return
	}
	m.add(&rbacv1.RoleBinding{TypeMeta: kind(rbacGroup+"/v1", "RoleBinding"), ObjectMeta: named(namespace, name), RoleRef: ref, Subjects: subjects})
}

func cluster(name string) rbacv1.RoleRef {
	return rbacv1.RoleRef{APIGroup: rbacGroup, Kind: "ClusterRole", Name: name}
}

func group(name string) rbacv1.Subject { return rbacv1.Subject{Kind: rbacv1.GroupKind, Name: name} }

func account(l *load) rbacv1.Subject {
	return rbacv1.Subject{Kind: rbacv1.ServiceAccountKind, Namespace: l.space.name, Name: l.account}
}
