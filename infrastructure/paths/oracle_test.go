package paths

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	rbacv1 "k8s.io/api/rbac/v1"

	"github.com/scantling/scantling/graph"
	"github.com/scantling/scantling/infrastructure/identity"
	"github.com/scantling/scantling/infrastructure/kube"
	"github.com/scantling/scantling/infrastructure/network"
)

// The oracle has no hubs, no facts and no worklist of vertices. It keeps a set
// of things that the attacker has, tries every concrete request of a small
// universe of names with each identity, and repeats until nothing changes.

// stranger is a name that no rule mentions: a request for it is allowed only
// where a rule has no resourceNames.
const stranger = "stranger"

var oracleNames = []string{"", "a", "b", "web", "key", "n1", "n2", "r", "s", "cluster-admin", "system:masters", "shop", "other", "aws-auth", "kubernetes.io/*", kubeletSigner, stranger}

// holder is an identity or the rights of a role that the attacker has bound.
type holder struct {
	name string
	can  func(identity.Request) bool
}

type oracle struct {
	s       *kube.Snapshot
	n       *network.Engine
	id      *identity.Engine
	spaces  []string
	have    map[string]bool
	holders map[string]holder
	onNodes map[string][]string // workload -> nodes
}

func (o *oracle) add(format string, args ...any) { o.have[fmt.Sprintf(format, args...)] = true }

func (o *oracle) identity(s identity.Subject) {
	o.add("identity %s", s)
	for _, g := range s.Groups() {
		if slices.Contains(o.id.Subjects(), g) {
			o.add("identity %s", g)
		}
	}
	o.holders[s.String()] = holder{s.String(), func(r identity.Request) bool { ok, _ := o.id.Can(s, r); return ok }}
	if s == identity.Masters() {
		o.add("admin")
	}
}

func (o *oracle) granted(namespace, name, scope string) {
	id := fmt.Sprintf("granted %s/%s in %s", namespace, name, scope)
	o.add("%s", id)
	o.holders[id] = holder{id, func(r identity.Request) bool {
		return slices.ContainsFunc(o.id.RoleGrants(namespace, name, scope), func(g identity.Grant) bool {
			if r.Resource == "namespaces" && r.Namespace == "" {
				r.Namespace = r.Name
			}
			return (scope == "" || scope == r.Namespace) && identity.Allows(g.Rule, r)
		})
	}}
}

// run repeats all rules until the attacker gains nothing.
func (o *oracle) run(start string) map[string]bool {
	o.have, o.holders = map[string]bool{"control " + start: true}, map[string]holder{}
	for before := -1; before != len(o.have)+len(o.holders); {
		before = len(o.have) + len(o.holders)
		for i, w := range o.s.Workloads {
			o.workload(i, w)
		}
		o.cluster()
		o.behindDoors()
		names := make([]string, 0, len(o.holders))
		for name := range o.holders {
			names = append(names, name)
		}
		for _, name := range names {
			for _, ns := range o.spaces {
				o.namespaced(o.holders[name], ns)
			}
			o.global(o.holders[name])
			o.roles(o.holders[name])
			o.doors(o.holders[name])
		}
	}
	return o.have
}

func loadName(w *kube.Workload) string { return w.Namespace + "/" + w.Kind + "/" + w.Name }

func (o *oracle) guarded(ns string) bool {
	for _, n := range o.s.Namespaces() {
		if n.Name == ns {
			return n.Labels[enforceLabel] == "restricted" || n.Labels[enforceLabel] == "baseline"
		}
	}
	return false
}

func (o *oracle) workload(i int, w *kube.Workload) {
	if !o.have["control "+loadName(w)] {
		return
	}
	if o.id.Token(w).Mounted {
		o.identity(o.id.Account(w))
	}
	for _, c := range w.Spec.Containers {
		for _, e := range c.EnvFrom {
			o.add("secret %s/%s", w.Namespace, e.SecretRef.Name)
		}
		if c.SecurityContext != nil && c.SecurityContext.Privileged != nil && *c.SecurityContext.Privileged {
			for _, n := range o.onNodes[loadName(w)] {
				o.add("node %s", n)
			}
		}
	}
	for j, other := range o.s.Workloads {
		if o.n.CanReach(i, j) {
			o.add("control %s", loadName(other))
		}
	}
}

// cluster covers nodes, Secrets and the whole.
func (o *oracle) cluster() {
	for _, w := range o.s.Workloads {
		for _, n := range o.onNodes[loadName(w)] {
			if o.have["node "+n] || o.have["pods on "+n] {
				o.add("control %s", loadName(w))
			}
		}
		if o.have["admin"] {
			o.add("control %s", loadName(w))
		}
		for _, c := range w.Spec.Containers {
			for _, e := range c.EnvFrom {
				if o.have["reads "+w.Namespace] || o.have["admin"] {
					o.add("secret %s/%s", w.Namespace, e.SecretRef.Name)
				}
			}
		}
	}
	for _, n := range []string{"n1", "n2", anyNode} {
		if o.have["admin"] || o.have["anywhere"] {
			o.add("node %s", n)
		}
		if o.have["node "+n] && slices.Contains(o.id.Subjects(), identity.NodeGroup()) {
			o.identity(identity.NodeGroup())
		}
	}
	if o.have["node n2"] {
		o.add("admin")
	}
	for _, secret := range o.s.ByKind("Secret") {
		if o.have["reads "+secret.Namespace] || o.have["admin"] {
			o.add("secret %s/%s", secret.Namespace, secret.Name)
		}
		if account, ok := identity.LegacyToken(secret); ok && o.have["secret "+secret.Namespace+"/"+secret.Name] {
			o.identity(account)
		}
	}
	for _, ns := range o.spaces {
		o.namespace(ns)
	}
}

// namespace covers what follows from powers over a namespace.
func (o *oracle) namespace(ns string) {
	accounts := o.have["accounts "+ns] || o.have["create "+ns] || o.have["makes "+ns] && o.have["reads "+ns] || o.have["admin"]
	if o.have["create "+ns] {
		o.add("reads %s", ns)
		if !o.guarded(ns) || o.have["label "+ns] {
			o.add("anywhere")
		}
	}
	if !accounts {
		return
	}
	for _, s := range o.id.Accounts() {
		if s.Namespace == ns {
			o.identity(s)
		}
	}
	if ns == systemNamespace {
		o.add("admin")
	}
}

func (o *oracle) namespaced(h holder, ns string) {
	can := func(verb, group, resource, sub, name string) bool {
		return h.can(identity.Request{Verb: verb, Group: group, Resource: resource, Subresource: sub, Namespace: ns, Name: name})
	}
	for _, r := range [][2]string{{"", "pods"}, {"apps", "deployments"}, {"batch", "jobs"}, {"apps", "daemonsets"}, {"batch", "cronjobs"}, {"apps", "statefulsets"}, {"apps", "replicasets"}, {"", "replicationcontrollers"}} {
		if can("create", r[0], r[1], "", "") {
			o.add("create %s", ns)
		}
	}
	if can("update", "", "namespaces", "", ns) || can("patch", "", "namespaces", "", ns) {
		o.add("label %s", ns)
	}
	if can("create", "", "secrets", "", "") {
		o.add("makes %s", ns)
	}
	if can("create", "", "serviceaccounts", "token", stranger) || can("impersonate", "", "serviceaccounts", "", stranger) {
		o.add("accounts %s", ns)
	}
	for _, s := range o.id.Accounts() {
		if s.Namespace == ns && (can("create", "", "serviceaccounts", "token", s.Name) || can("impersonate", "", "serviceaccounts", "", s.Name)) {
			o.identity(s)
		}
	}
	reads := func(name string) bool {
		return can("get", "", "secrets", "", name) || can("list", "", "secrets", "", name) || can("watch", "", "secrets", "", name)
	}
	if reads(stranger) {
		o.add("reads %s", ns)
	}
	for _, name := range []string{"key", "a", "b"} {
		if reads(name) && slices.ContainsFunc(o.s.ByKind("Secret"), func(s *kube.Object) bool { return s.Namespace == ns && s.Name == name }) {
			o.add("secret %s/%s", ns, name)
		}
	}
	for _, w := range o.s.Workloads {
		if w.Namespace == ns {
			o.pods(w, can)
		}
	}
}

func (o *oracle) pods(w *kube.Workload, can func(verb, group, resource, sub, name string) bool) {
	names := []string{stranger} // a pod of a controller has a name that nobody foresees
	for _, p := range w.Pods {
		names = []string{p.Name}
	}
	for _, name := range names {
		if can("create", "", "pods", "exec", name) || can("update", "", "pods", "", name) || can("patch", "", "pods", "", name) {
			o.add("control %s", loadName(w))
		}
		if can("update", "", "pods", "ephemeralcontainers", name) || can("patch", "", "pods", "ephemeralcontainers", name) {
			o.add("control %s", loadName(w))
			if !o.guarded(w.Namespace) {
				for _, n := range o.onNodes[loadName(w)] {
					o.add("node %s", n)
				}
			}
		}
	}
	if w.Kind == "Deployment" && (can("update", "apps", "deployments", "", w.Name) || can("patch", "apps", "deployments", "", w.Name)) {
		o.add("control %s", loadName(w))
		o.add("create %s", w.Namespace)
	}
}

func (o *oracle) global(h holder) {
	can := func(verb, group, resource, sub, name string) bool {
		return h.can(identity.Request{Verb: verb, Group: group, Resource: resource, Subresource: sub, Name: name})
	}
	if can("anything", "any.group", "anything", "", "") {
		o.add("admin")
	}
	for _, n := range []string{"n1", "n2", anyNode} {
		if can("get", "", "nodes", "proxy", n) || can("create", "", "nodes", "proxy", n) {
			o.add("pods on %s", n)
		}
	}
	if can("impersonate", "", "users", "", stranger) {
		o.add("admin")
	}
	somebody := false
	for _, name := range oracleNames[1:] {
		if can("impersonate", "", "users", "", name) {
			somebody = true
			if name != stranger {
				o.identity(identity.User(name))
			}
		}
		for _, ns := range append(o.spaces, "") {
			somebody = somebody || h.can(identity.Request{Verb: "impersonate", Resource: "serviceaccounts", Namespace: ns, Name: name})
		}
	}
	for _, name := range oracleNames[1:] {
		if somebody && can("impersonate", "", "groups", "", name) {
			if name == stranger {
				o.add("admin")
			} else {
				o.identity(identity.Group(name))
			}
		}
	}
}

// roles covers bindings and roles, each by its own name.
func (o *oracle) roles(h holder) {
	can := func(verb, resource, ns, name string) bool {
		return h.can(identity.Request{Verb: verb, Group: rbacGroup, Resource: resource, Namespace: ns, Name: name})
	}
	change := func(resource, ns, name string) bool {
		return can("update", resource, ns, name) || can("patch", resource, ns, name)
	}
	for _, name := range []string{"r", "s", "cluster-admin"} {
		if can("create", "clusterrolebindings", "", "") && can("bind", "clusterroles", "", name) {
			o.granted("", name, "")
		}
		for _, ns := range o.spaces {
			if can("create", "rolebindings", ns, "") && can("bind", "clusterroles", ns, name) {
				o.granted("", name, ns)
			}
			if can("create", "rolebindings", ns, "") && can("bind", "roles", ns, name) && o.s.Get("Role", ns, name) != nil {
				o.granted(ns, name, ns)
			}
		}
	}
	for _, b := range o.s.Objects {
		ref, subjects, ok := bindingOf(b)
		if !ok {
			continue
		}
		resource, space, bindings, scope := "clusterroles", "", "rolebindings", b.Namespace
		if b.Namespace == "" {
			bindings = "clusterrolebindings"
		}
		if ref.Kind == "Role" {
			resource, space = "roles", b.Namespace
		}
		if change(bindings, b.Namespace, b.Name) && can("bind", resource, b.Namespace, ref.Name) {
			o.granted(space, ref.Name, scope)
		}
		if !change(resource, space, ref.Name) || !can("escalate", resource, space, ref.Name) {
			continue
		}
		held := o.have[fmt.Sprintf("granted %s/%s in %s", space, ref.Name, scope)] || slices.ContainsFunc(subjects, func(raw rbacv1.Subject) bool {
			s, ok := identity.Resolve(raw, b.Namespace)
			return ok && o.have["identity "+s.String()]
		})
		if held {
			o.granted("", "cluster-admin", scope)
		}
	}
	o.selfMade(change, can)
}

// selfMade covers roles that the attacker has bound and may then change.
func (o *oracle) selfMade(change func(resource, ns, name string) bool, can func(verb, resource, ns, name string) bool) {
	for name := range o.holders {
		var space, role, scope string
		rest, ok := strings.CutPrefix(name, "granted ")
		if !ok {
			continue
		}
		full, scope, _ := strings.Cut(rest, " in ")
		space, role, _ = strings.Cut(full, "/")
		resource := "clusterroles"
		if space != "" {
			resource = "roles"
		}
		if change(resource, space, role) && can("escalate", resource, space, role) {
			o.granted("", "cluster-admin", scope)
		}
	}
}

// TestReachAgreesWithNaiveEvaluator compares what each workload of random
// clusters leads to.
func TestReachAgreesWithNaiveEvaluator(t *testing.T) {
	admins, little, compared := 0, 0, 0
	for seed := range uint64(150) {
		text := randomCluster(rand.New(rand.NewPCG(seed, 7)))
		s, err := kube.ReadFrom(context.Background(), "c", "world.yaml", strings.NewReader(text))
		if err != nil || len(s.Incomplete) > 0 {
			t.Fatal(err, s.Incomplete)
		}
		n, id := network.Build(s), identity.Build(s)
		m, err := Build(s, n, id)
		if err != nil {
			t.Fatal(err)
		}
		o := &oracle{s: s, n: n, id: id, spaces: []string{"kube-system", "other", "shop"}, onNodes: map[string][]string{}}
		// Bare pods stand on n1, and all others may stand anywhere.
		nodes := map[string]bool{}
		for _, o := range s.ByKind("Node") {
			nodes[o.Name] = true
		}
		for _, w := range s.Workloads {
			nodes["n1"] = nodes["n1"] || w.Kind == "Pod"
		}
		for _, w := range s.Workloads {
			o.onNodes[loadName(w)] = []string{"n1"}
			if w.Kind != "Pod" {
				o.onNodes[loadName(w)] = append(slices.Sorted(maps.Keys(nodes)), anyNode)
			}
		}
		for _, w := range s.Workloads {
			want := assets(o.run(loadName(w)))
			from, _ := m.Entry(s.Key(w))
			got := map[string]bool{}
			for v := range m.graph.Reach([]graph.Vertex{from}, nil).All() {
				switch k := m.keys[v]; k.sort {
				case control:
					got["control "+k.a+"/"+k.b+"/"+k.c] = true
				case held:
					got["identity "+k.subject().String()] = true
				case known:
					got["secret "+k.a+"/"+k.b] = true
				case root:
					got["node "+k.a] = true
				case admin:
					got["admin"] = true
				}
			}
			if diff := cmp.Diff(want, assets(got)); diff != "" {
				t.Fatalf("seed %d, from %s (-naive +graph):\n%s\n%s", seed, loadName(w), diff, text)
			}
			compared++
			if got["admin"] {
				admins++
			} else if len(got) < 6 {
				little++
			}
		}
	}
	t.Logf("%d entries compared: %d reach cluster admin, %d next to nothing", compared, admins, little)
	if admins < 50 || compared-admins < 100 || little < 50 {
		t.Error("the random clusters are lopsided")
	}
}

// assets leaves the things that both sides must agree on, sorted. Who has the
// cluster may call himself anything: then users and groups say nothing.
func assets(have map[string]bool) []string {
	var out []string
	for k := range have {
		for _, kind := range []string{"control ", "identity ", "secret ", "node ", "admin"} {
			anybody := have["admin"] && (strings.HasPrefix(k, "identity User") || strings.HasPrefix(k, "identity Group"))
			if strings.HasPrefix(k, kind) && !anybody {
				out = append(out, k)
			}
		}
	}
	slices.Sort(out)
	return out
}
