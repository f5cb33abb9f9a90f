package paths

import (
	"cmp"
	"slices"
	"strings"

	rbacv1 "k8s.io/api/rbac/v1"

	"github.com/scantling/scantling/infrastructure/identity"
)

// target is a resource of an API group; sub is "" for the resource itself.
type target struct{ group, resource, sub string }

// right is something that RBAC may give and that an attacker uses. Where a
// rule names no objects it leads to the hub of the namespace in which it
// counts ("" for all); with resourceNames it leads to what named finds, or
// nowhere: create never carries a name.
type right struct {
	edge    edge
	verbs   []string
	on      []target
	cluster bool // the resource is cluster-scoped: a RoleBinding doesn't give it
	hub     func(namespace string) []key
	named   func(b *builder, namespace string, names []string) []key
}

// templateKinds are the controllers whose pod template can be changed, by
// resource. Jobs are not among them: their template can't.
var templateKinds = []struct {
	target
	kind string
}{
	{target{"apps", "deployments", ""}, "Deployment"},
	{target{"apps", "statefulsets", ""}, "StatefulSet"},
	{target{"apps", "daemonsets", ""}, "DaemonSet"},
	{target{"apps", "replicasets", ""}, "ReplicaSet"},
	{target{"batch", "cronjobs", ""}, "CronJob"},
	{target{"", "replicationcontrollers", ""}, "ReplicationController"},
}

// hub makes the function that leads to one hub.
func hub(s sort) func(string) []key {
	return func(namespace string) []key { return []key{{sort: s, a: namespace}} }
}

// altering are the verbs by which an object that exists is changed.
var altering = []string{"update", "patch"}

// baseRights is the table of what one rule alone gives over pods, Secrets and
// identities; doorRights goes on with the rest. Their order decides which
// technique a fact shows when its rule gives several.
func (b *builder) baseRights() []right {
	out := []right{
		{edge: createPods, verbs: []string{"create"}, hub: hub(create), on: []target{
			{"", "pods", ""},
			{"apps", "deployments", ""},
			{"apps", "statefulsets", ""},
			{"apps", "daemonsets", ""},
			{"apps", "replicasets", ""},
			{"batch", "jobs", ""},
			{"batch", "cronjobs", ""},
			{"", "replicationcontrollers", ""},
		}},
		{edge: execPods, verbs: b.version.connect(), on: []target{{"", "pods", "exec"}}, hub: hub(controls), named: (*builder).podsNamed},
		{edge: kubeletExec, verbs: []string{"get", "create"}, on: []target{{"", "nodes", "proxy"}}, cluster: true, hub: hub(kubelets), named: (*builder).nodesNamed},
		{edge: mintToken, verbs: []string{"create"}, on: []target{{"", "serviceaccounts", "token"}}, hub: hub(accounts), named: (*builder).tokensNamed},
		{edge: readSecrets, verbs: []string{"get", "list", "watch"}, on: []target{{"", "secrets", ""}}, hub: hub(reads), named: (*builder).secretsNamed},
		{edge: impersonate, verbs: []string{"impersonate"}, on: []target{{"", "serviceaccounts", ""}}, hub: hub(accounts), named: (*builder).accountsNamed},
		// Any user may be the controller manager, which mints tokens for
		// every ServiceAccount of kube-system.
		{edge: impersonate, verbs: []string{"impersonate"}, on: []target{{"", "users", ""}}, cluster: true, hub: hub(admin), named: (*builder).usersNamed},
	}
	for _, k := range templateKinds {
		out = append(out, right{
			edge: patchTemplate, verbs: altering, on: []target{k.target},
			hub: func(namespace string) []key { return []key{{template, namespace, k.kind, ""}} },
			named: func(b *builder, namespace string, names []string) []key {
				return b.templatesNamed(k.kind, namespace, names)
			},
		})
	}
	return append(
		out,
		right{edge: debugPods, verbs: altering, on: []target{{"", "pods", "ephemeralcontainers"}}, hub: hub(debug), named: (*builder).debugNamed},
		right{edge: patchPods, verbs: altering, on: []target{{"", "pods", ""}}, hub: hub(controls), named: (*builder).podsNamed},
		right{edge: createSecrets, verbs: []string{"create"}, on: []target{{"", "secrets", ""}}, hub: hub(makes)},
		right{edge: relabel, verbs: altering, on: []target{{"", "namespaces", ""}}, hub: hub(label), named: (*builder).labelsNamed},
	)
}

// gives reports whether a rule allows one of the verbs on one of the targets,
// for every object or, where the rule has resourceNames, for those.
func gives(r *rbacv1.PolicyRule, verbs []string, on []target) bool {
	name := ""
	if len(r.ResourceNames) > 0 {
		name = r.ResourceNames[0]
	}
	for _, verb := range verbs {
		for _, t := range on {
			if identity.Allows(r, identity.Request{Verb: verb, Group: t.group, Resource: t.resource, Subresource: t.sub, Name: name}) {
				return true
			}
		}
	}
	return false
}

// goals is where a grant leads by one right: nowhere, where the rule or the
// scope of its binding doesn't give it.
func (b *builder) goals(r *right, g identity.Grant) []key {
	if r.cluster && g.Namespace != "" || !gives(g.Rule, r.verbs, r.on) {
		return nil
	}
	if len(g.Rule.ResourceNames) == 0 {
		return r.hub(g.Namespace)
	}
	if r.named == nil {
		return nil
	}
	return r.named(b, g.Namespace, g.Rule.ResourceNames)
}

// use adds the steps that one grant gives to whoever holds from. Rules that
// come without a binding of their own (rights of a role that the attacker has
// bound or rewritten himself) rest on no fact.
func (b *builder) use(from key, g identity.Grant) {
	switch {
	case g.Rule == nil:
		b.step(fullControl, key{sort: admin}, from)
		return
	case identity.AllowsAll(g.Rule) && g.Namespace == "":
		b.stepOn(fullControl, key{sort: admin}, b.right(g, fullControl), from)
		return
	case identity.AllowsAll(g.Rule):
		b.stepOn(namespaceControl, key{sort: rule, a: g.Namespace}, b.right(g, namespaceControl), from)
		return
	}
	for i := range b.rights {
		r := &b.rights[i]
		for _, goal := range b.goals(r, g) {
			b.stepOn(r.edge, goal, b.right(g, r.edge), from)
		}
	}
}

// podsNamed finds the workloads of named pods. Pods of a StatefulSet have
// known names before they run.
func (b *builder) podsNamed(namespace string, names []string) []key {
	var out []key
	for _, w := range b.in(namespace) {
		if slices.ContainsFunc(names, func(name string) bool { return hasPod(w.Workload, name) }) {
			out = append(out, w.key)
		}
	}
	return out
}

// debugNamed leads to the workloads of named pods and, where nothing forbids a
// privileged container in them, to their nodes.
func (b *builder) debugNamed(namespace string, names []string) []key {
	out := b.podsNamed(namespace, names)
	for _, k := range slices.Clone(out) {
		if b.guarded[k.a] != "" {
			continue
		}
		for _, p := range b.loadOf[k].Pods {
			if slices.Contains(names, p.Name) {
				out = append(out, key{sort: root, a: cmp.Or(p.Node, anyNode)})
			}
		}
	}
	return out
}

func (b *builder) nodesNamed(_ string, names []string) []key {
	var out []key
	for _, n := range b.nodes {
		if slices.Contains(names, n.name) {
			out = append(out, key{sort: on, a: n.name})
		}
	}
	return out
}

func (b *builder) secretsNamed(namespace string, names []string) []key {
	var out []key
	for _, s := range b.secretsIn(namespace) {
		if slices.Contains(names, s.b) {
			out = append(out, s)
		}
	}
	return out
}

func (b *builder) accountsNamed(namespace string, names []string) []key {
	var out []key
	for _, s := range b.accountsIn(namespace) {
		if slices.Contains(names, s.Name) {
			out = append(out, subjectKey(s))
		}
	}
	return out
}

// tokensNamed is accountsNamed with tokens for any audience, as a cloud takes
// them.
func (b *builder) tokensNamed(namespace string, names []string) []key {
	out := b.accountsNamed(namespace, names)
	for _, k := range slices.Clone(out) {
		if b.inCloud(k.subject()) {
			out = append(out, mintsKey(k.subject()))
		}
	}
	return out
}

// secretsIn lists the Secrets of a namespace, of all for "".
func (b *builder) secretsIn(namespace string) []key {
	return part(b.secrets, namespace, func(k key) string { return k.a })
}

// accountsIn lists the ServiceAccounts of a namespace, of all for "".
func (b *builder) accountsIn(namespace string) []identity.Subject {
	return part(b.accounts, namespace, func(s identity.Subject) string { return s.Namespace })
}

// part is the part of a list, sorted by namespace, that is in one; all for "".
func part[T any](list []T, namespace string, of func(T) string) []T {
	if namespace == "" {
		return list
	}
	compare := func(x T, n string) int { return strings.Compare(of(x), n) }
	first, _ := slices.BinarySearchFunc(list, namespace, compare)
	count, _ := slices.BinarySearchFunc(list[first:], namespace+"\x00", compare)
	return list[first : first+count]
}

// usersNamed gives the named users. The names of ServiceAccounts are not among
// them: the API server asks for impersonate on serviceaccounts then.
func (b *builder) usersNamed(_ string, names []string) []key {
	var out []key
	for _, name := range names {
		if s := identity.User(name); s.Kind == rbacv1.UserKind {
			out = append(out, subjectKey(s))
		}
	}
	return out
}

// templatesNamed leads to the named workloads and, because their template may
// name any ServiceAccount, to pods of one's own making beside them.
func (b *builder) templatesNamed(kind, namespace string, names []string) []key {
	var out []key
	for _, w := range b.in(namespace) {
		if w.Kind == kind && slices.Contains(names, w.Name) {
			out = append(out, w.key, key{sort: create, a: w.Namespace})
		}
	}
	return out
}

func (b *builder) labelsNamed(namespace string, names []string) []key {
	var out []key
	for _, n := range b.namespaces {
		if slices.Contains(names, n) && (namespace == "" || namespace == n) {
			out = append(out, key{sort: label, a: n})
		}
	}
	return out
}
