package paths

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/scantling/scantling/graph"
	"github.com/scantling/scantling/infrastructure/identity"
	"github.com/scantling/scantling/infrastructure/kube"
	"github.com/scantling/scantling/infrastructure/network"
)

func TestEnds(t *testing.T) {
	s, err := kube.ReadFrom(context.Background(), "c", "shop.yaml", strings.NewReader(shop))
	if err != nil {
		t.Fatal(err)
	}
	n := network.Build(s)
	m, err := Build(s, n, identity.Build(s))
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"internet":                            "c/edge/Deployment/front, c/edge/Deployment/lb",
		"shop/web":                            "c/shop/Deployment/web",
		"shop/deployment/web":                 "c/shop/Deployment/web",
		"c/shop/Deployment/web":               "c/shop/Deployment/web",
		"workload c/edge/Deployment/lb":       "c/edge/Deployment/lb",
		"cluster-admin":                       "cluster c",
		"secret/shop/robot":                   "secret c/shop/robot",
		"secret c/shop/robot":                 "secret c/shop/robot",
		"node/cp":                             "node c/cp",
		"node/(any node)":                     "node c/(any node)",
		"sa/shop/web":                         "identity c/shop/web",
		"user/system:serviceaccount:shop:web": "identity c/shop/web",
		"shop/wep":                            "--from shop/wep: no such workload, identity, node or Secret is in the graph; did you mean shop/web?",
		"":                                    "--from : no such workload, identity, node or Secret is in the graph",
		"web":                                 "--from web: no such workload, identity, node or Secret is in the graph",
	} {
		got := ""
		if e, err := m.Ends(n, []string{name, name}, nil); err != nil {
			got = err.Error()
		} else {
			got = strings.Join(m.Ask(Query{Ends: e, Most: 1}).Entries, ", ")
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%q (-want +got)\n%s", name, diff)
		}
	}
}

// TestUnseenEnds: identities and Secrets that nothing names are no mistake. An
// identity has what its groups have; the answer is told to be no whole one.
func TestUnseenEnds(t *testing.T) {
	m := build(t, `
{apiVersion: v1, kind: ServiceAccount, metadata: {name: idle, namespace: a}}
---
{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRoleBinding, metadata: {name: all}, roleRef: {kind: ClusterRole, name: cluster-admin}, subjects: [{kind: Group, name: "system:authenticated"}]}
---
{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRoleBinding, metadata: {name: eve}, roleRef: {kind: ClusterRole, name: cluster-admin}, subjects: [{kind: User, name: eve}]}
`)
	for name, want := range map[string]struct {
		paths, missed int
	}{
		"user/eve": {2, 0}, "sa/a/idle": {1, 0}, "group/system:authenticated": {1, 0}, "group/system:masters": {1, 0},
		"user/mallory": {1, 1}, "sa/b/none": {1, 1}, "group/ops": {1, 1}, "user/system:anonymous": {0, 1}, "secret/a/gone": {0, 1},
	} {
		e, err := m.Ends(nil, []string{name}, []string{ClusterAdmin})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if r := m.Ask(Query{Ends: e, Most: 9}); len(r.Paths) != want.paths || len(e.Incomplete) != want.missed {
			t.Errorf("%s: %d paths, %v, want %v", name, len(r.Paths), e.Incomplete, want)
		}
	}
	for _, name := range []string{"secret/a/gone", "sa/a/gone", "user/gone"} {
		if e, err := m.Ends(nil, []string{"user/eve"}, []string{name}); err != nil || len(e.To) > 0 || !e.NamedTo || len(e.Incomplete) != 1 {
			t.Errorf("%s: %+v, %v", name, e, err)
		}
	}
	for _, name := range []string{"secret/gone", "secret/", "sa/a", "sa/a/", "user/", "group/", "node/gone", "a/gone"} {
		if _, err := m.Ends(nil, []string{name}, nil); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// TestUnverified: a fix that can't be tried is told as such, with the reason.
func TestUnverified(t *testing.T) {
	m := build(t, `
{apiVersion: v1, kind: Node, metadata: {name: cp, labels: {node-role.kubernetes.io/control-plane: ""}}}
---
{apiVersion: v1, kind: Pod, metadata: {name: web-1, namespace: a, ownerReferences: [{apiVersion: apps/v1, kind: StatefulSet, name: web, uid: d, controller: true}]}, spec: {nodeName: cp, automountServiceAccountToken: false, containers: [{name: c, image: i, securityContext: {privileged: true}}]}}
`)
	r := m.Ask(Query{Ends: m.AllEnds(), Most: 1, Fix: true})
	if len(r.Fixes) != 1 || r.FixSet.State != Unverified || r.FixSet.Why != "StatefulSet a/web was not read itself" {
		t.Errorf("%+v\n%+v", r.FixSet, r.Fixes)
	}
}

// TestNothingParts: what no manifest can end is told with its reason, and is
// no part of what the fixes are said to cut.
func TestNothingParts(t *testing.T) {
	m := build(t, `
{apiVersion: v1, kind: Pod, metadata: {name: a, namespace: ns, labels: {app: a}}, spec: {automountServiceAccountToken: false, containers: [{name: c, image: i}]}}
---
{apiVersion: v1, kind: Pod, metadata: {name: b, namespace: ns, labels: {app: b}}, spec: {automountServiceAccountToken: false, containers: [{name: c, image: i}]}}
`)
	e, err := m.Ends(nil, []string{"ns/a"}, []string{"ns/b"})
	if err != nil {
		t.Fatal(err)
	}
	r := m.Ask(Query{Ends: e, Most: 1, Fix: true})
	want := []Open{{From: "c/ns/Pod/a", To: "c/ns/Pod/b", Why: []string{"a flaw of what runs in it is no matter of manifests: patch its image"}}}
	if diff := cmp.Diff(want, r.FixSet.Open); diff != "" || len(r.Fixes) > 0 || r.FixSet.Pairs != 1 {
		t.Errorf("(-want +got)\n%s\n%+v", diff, r.FixSet)
	}
}

// A change may do less than it says: the claim is dropped, and another taken.
func TestClaimsAreCorrected(t *testing.T) {
	m := build(t, shop)
	f := m.newFixer(m.goal(Query{Ends: m.AllEnds(), Fix: true}))
	every := make([]graph.Fact, len(m.facts))
	for i := range every {
		every[i] = graph.Fact(i)
	}
	f.changes = append(f.changes, change{title: "Do nothing", facts: every, cost: .1})
	f.solve()
	if len(f.picked) != 1 || f.picked[0].title != "Do nothing" {
		t.Fatalf("%+v", f.picked)
	}
	f.verify()
	if f.set.State != Verified || len(f.picked) != 3 || f.picked[0].title == "Do nothing" {
		t.Errorf("%s: %+v", f.set.State, f.picked)
	}
}

func TestShellWords(t *testing.T) {
	for name, want := range map[string]string{"boss": "boss", "system:x": "system:x", "x; rm -rf ~": "'x; rm -rf ~'", "it's": `'it'\''s'`, "": "''", "$(id)": "'$(id)'"} {
		if got := shellWord(name); got != want {
			t.Errorf("%q: %s, want %s", name, got, want)
		}
	}
	switches := &kube.Object{Kind: "RoleBinding", Namespace: "a", Name: "--all"}
	if got := patchText([]edit{{remove: switches}}); got != "kubectl delete rolebinding/--all --namespace a\n" {
		t.Error(got)
	}
}

// TestGathered: the rules of a role that a controller gathers are not to be
// taken from it, for they come back; those of a plain role are.
func TestGathered(t *testing.T) {
	const world = `
{apiVersion: v1, kind: Secret, metadata: {name: keys, namespace: a}}
---
{apiVersion: v1, kind: ServiceAccount, metadata: {name: web, namespace: a}}
---
{apiVersion: v1, kind: Pod, metadata: {name: web, namespace: a}, spec: {serviceAccountName: web, containers: [{name: c, image: i}]}}
---
{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRole, metadata: {name: gathered, uid: u}, AGGREGATION rules: [{apiGroups: [""], resources: [secrets], verbs: [get]}]}
---
{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRoleBinding, metadata: {name: one}, roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: gathered}, subjects: [{kind: ServiceAccount, name: web, namespace: a}]}
---
{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRoleBinding, metadata: {name: two}, roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: gathered}, subjects: [{kind: ServiceAccount, name: web, namespace: a}]}
`
	for aggregation, want := range map[string]string{
		"": "Take from ClusterRole gathered: get on secrets",
		"aggregationRule: {clusterRoleSelectors: [{matchLabels: {a: b}}]},": "Mount no token in Pod a/web (automountServiceAccountToken: false)",
	} {
		m := build(t, strings.ReplaceAll(world, "AGGREGATION", aggregation))
		e, err := m.Ends(nil, []string{"a/web"}, []string{"secret/a/keys"})
		if err != nil {
			t.Fatal(err)
		}
		r := m.Ask(Query{Ends: e, Most: 1, Fix: true})
		if len(r.Fixes) != 1 || r.Fixes[0].Change != want || r.FixSet.State != Verified {
			t.Errorf("%q: %+v\n%+v", aggregation, r.FixSet, r.Fixes)
		}
	}
}

// TestManyStay: of pairs that nothing parts a few are told, and all counted.
func TestManyStay(t *testing.T) {
	var b strings.Builder
	for i := range 25 {
		fmt.Fprintf(&b, "---\n{apiVersion: v1, kind: Pod, metadata: {name: w%d, namespace: s}, spec: {automountServiceAccountToken: false, containers: [{name: c, image: i}]}}\n", i)
	}
	m := build(t, b.String())
	e, err := m.Ends(nil, nil, []string{"s/w0"})
	if err != nil {
		t.Fatal(err)
	}
	r := m.Ask(Query{Ends: e, Most: 1, Fix: true})
	if len(r.Pareto) > 0 {
		t.Errorf("what parts nothing is told as %v", r.Pareto)
	}
	set := r.FixSet
	if len(set.Open) != maxOpen || len(set.Open)+set.OpenMore != 24 {
		t.Errorf("%d are told and %d more counted, of 24", len(set.Open), set.OpenMore)
	}
}
