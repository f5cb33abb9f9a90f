package e2e

import (
	"fmt"
	"math/rand/v2"
	"strings"

	"github.com/scantling/scantling/infrastructure/identity"
)

// worlds is how many small clusters are made inside of one: each has its own
// names, so that none gives rights in another.
const worlds = 200

// dice makes what one world holds.
type dice struct {
	*rand.Rand
	world int
}

func (d dice) pick(words ...string) string { return words[d.IntN(len(words))] }

func (d dice) name(word string) string { return fmt.Sprintf("w%d-%s", d.world, word) }

func (d dice) some(most int, words ...string) []string {
	var out []string
	for range 1 + d.IntN(most) {
		out = append(out, d.pick(words...))
	}
	return out
}

// rule is a random rule. One for a Role may name no path.
func (d dice) rule(cluster bool) map[string]any {
	verbs := d.some(2, "get", "list", "create", "update", "patch", "bind", "escalate", "impersonate", "*")
	if cluster && d.IntN(6) == 0 {
		return map[string]any{"verbs": verbs, "nonResourceURLs": d.some(2, "/"+d.name("m"), "/"+d.name("m")+"/*", "/"+d.name("")+"*")}
	}
	out := map[string]any{
		"verbs": verbs, "apiGroups": d.some(2, "", "apps", "rbac.authorization.k8s.io", "*"),
		"resources": d.some(3, "pods", "pods/exec", "*/exec", "*/scale", "pods/*", "secrets", "deployments", "roles", "clusterroles", "rolebindings", "users", "groups", "serviceaccounts", "*/*", "*", "namespaces"),
	}
	if d.IntN(4) == 0 {
		out["resourceNames"] = d.some(2, "a", d.name("r"), d.name("cr1"), d.name("a"), d.name("eve"))
	}
	return out
}

func (d dice) rules(cluster bool) []any {
	out := []any{}
	for range 1 + d.IntN(3) {
		out = append(out, d.rule(cluster))
	}
	return out
}

// subject is a random subject of the world. wide: one that others are among.
func (d dice) subject(wide bool) map[string]any {
	switch d.IntN(4) {
	case 0:
		return map[string]any{"kind": "User", "apiGroup": "rbac.authorization.k8s.io", "name": d.pick(d.name("eve"), "system:serviceaccount:"+d.name("n1")+":a")}
	case 1:
		groups := []string{d.name("ops"), "system:serviceaccounts:" + d.name("n1")}
		if wide {
			groups = append(groups, "system:authenticated", "system:serviceaccounts", "system:unauthenticated")
		}
		return map[string]any{"kind": "Group", "apiGroup": "rbac.authorization.k8s.io", "name": d.pick(groups...)}
	}
	return map[string]any{"kind": "ServiceAccount", "namespace": d.pick(d.name("n1"), d.name("n2")), "name": d.pick("a", "b")}
}

// objects are the world's, in an order in which they can be created. A subject
// that stands for many gets rights in a namespace of the world alone.
func (d dice) objects() []map[string]any {
	const group = "rbac.authorization.k8s.io/v1"
	object := func(kind, ns, name string, more map[string]any) map[string]any {
		meta := map[string]any{"name": name}
		if ns != "" {
			meta["namespace"] = ns
		}
		more["apiVersion"], more["kind"], more["metadata"] = group, kind, meta
		return more
	}
	ref := func(kind, name string) map[string]any {
		return map[string]any{"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": name}
	}
	var out []map[string]any
	for _, ns := range []string{"n1", "n2"} {
		out = append(out, map[string]any{"apiVersion": "v1", "kind": "Namespace", "metadata": map[string]any{"name": d.name(ns)}})
	}
	for i := range 3 {
		o := object("ClusterRole", "", d.name(fmt.Sprint("cr", i)), map[string]any{"rules": d.rules(true)})
		o["metadata"].(map[string]any)["labels"] = map[string]any{d.name("l"): d.pick("x", "y")}
		out = append(out, o)
	}
	out = append(out, object("ClusterRole", "", d.name("sum"), map[string]any{"aggregationRule": map[string]any{
		"clusterRoleSelectors": []any{map[string]any{"matchLabels": map[string]any{d.name("l"): d.pick("x", "y")}}},
	}}))
	for _, ns := range []string{"n1", "n2"} {
		out = append(out, object("Role", d.name(ns), d.name("r"), map[string]any{"rules": d.rules(false)}))
		for i := range 2 {
			role := ref("Role", d.name("r"))
			if i == 1 {
				role = ref("ClusterRole", d.pick(d.name("cr0"), d.name("sum"), "view", "edit", "admin", d.name("gone")))
			}
			out = append(out, object("RoleBinding", d.name(ns), d.name(fmt.Sprint("b", i)), map[string]any{"subjects": []any{d.subject(true), d.subject(false)}, "roleRef": role}))
		}
	}
	for i := range 2 {
		role := ref("ClusterRole", d.pick(d.name("cr1"), d.name("cr2"), d.name("sum")))
		out = append(out, object("ClusterRoleBinding", "", d.name(fmt.Sprint("c", i)), map[string]any{"subjects": []any{d.subject(false)}, "roleRef": role}))
	}
	return out
}

// request is a random request of the world.
func (d dice) request() identity.Request {
	if d.IntN(8) == 0 {
		return identity.Request{Verb: d.pick("get", "list"), Path: "/" + d.pick(d.name("m"), d.name("m")+"/x", "healthz", d.name("x"))}
	}
	r := identity.Request{
		Verb:  d.pick("get", "list", "create", "update", "bind", "escalate", "impersonate"),
		Group: d.pick("", "apps", "rbac.authorization.k8s.io"), Namespace: d.pick("", d.name("n1"), d.name("n2")),
		Resource: d.pick("pods", "secrets", "deployments", "roles", "clusterroles", "users", "serviceaccounts", "namespaces"),
		Name:     d.pick("", "", "a", d.name("r"), d.name("cr1"), d.name("eve")),
	}
	if d.IntN(3) == 0 {
		r.Subresource = d.pick("exec", "scale", "log")
	}
	return r
}

// asker is a random caller of the world.
func (d dice) asker() identity.Subject {
	switch d.IntN(5) {
	case 0:
		return identity.User(d.name("eve"))
	case 1:
		return identity.Group(d.name("ops"))
	case 2:
		return identity.User("system:anonymous")
	}
	return identity.Account(d.pick(d.name("n1"), d.name("n2")), d.pick("a", "b"))
}

// aimed is a request that a rule of the world may well allow, made by whom a
// binding gives it to.
func (d dice) aimed(objects []map[string]any) (identity.Subject, identity.Request) {
	who, r := d.asker(), d.request()
	var bindings []map[string]any
	for _, o := range objects {
		if o["roleRef"] != nil {
			bindings = append(bindings, o)
		}
	}
	binding := bindings[d.IntN(len(bindings))]
	ref := binding["roleRef"].(map[string]any)
	subject := binding["subjects"].([]any)[0].(map[string]any)
	switch name := subject["name"].(string); subject["kind"] {
	case "User":
		who = identity.User(name)
	case "Group":
		who = identity.Group(name)
	default:
		who = identity.Account(subject["namespace"].(string), name)
	}
	for _, o := range objects {
		rules, isRole := o["rules"].([]any)
		if meta := o["metadata"].(map[string]any); !isRole || meta["name"] != ref["name"] || o["kind"] != ref["kind"] {
			continue
		}
		rule := rules[d.IntN(len(rules))].(map[string]any)
		r.Verb = d.concrete(rule["verbs"], "list")
		if paths, ok := rule["nonResourceURLs"]; ok {
			return who, identity.Request{Verb: r.Verb, Path: d.concrete(paths, "") + d.pick("", "x")}
		}
		r.Group = d.concrete(rule["apiGroups"], "apps")
		r.Resource, r.Subresource, _ = strings.Cut(d.concrete(rule["resources"], "pods"), "/")
		r.Name = ""
		if names, ok := rule["resourceNames"]; ok {
			r.Name = d.concrete(names, "a")
		}
		if ns, ok := binding["metadata"].(map[string]any)["namespace"].(string); ok {
			r.Namespace = ns
		}
	}
	return who, r
}

// concrete picks one of a rule's words, with another in the place of its stars.
func (d dice) concrete(words any, star string) string {
	return strings.ReplaceAll(d.pick(words.([]string)...), "*", star)
}
