package identity

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/scantling/scantling/infrastructure/kube"
)

const usesCluster = `
{apiVersion: v1, kind: Namespace, metadata: {name: a}}
---
{apiVersion: v1, kind: ServiceAccount, metadata: {name: web, namespace: a}, automountServiceAccountToken: false}
---
{apiVersion: v1, kind: ServiceAccount, metadata: {name: web, namespace: b}}
---
{apiVersion: v1, kind: ServiceAccount, metadata: {name: old, namespace: a}}
---
{apiVersion: v1, kind: Secret, type: kubernetes.io/service-account-token, metadata: {name: forever, namespace: a, annotations: {kubernetes.io/service-account.name: old}}}
---
{apiVersion: v1, kind: Secret, metadata: {name: plain, namespace: a}}
---
{apiVersion: v1, kind: Pod, metadata: {name: p, namespace: a}, spec: {serviceAccountName: web, containers: [{name: c, image: i, volumeMounts: [{name: f, mountPath: /f}, {name: s, mountPath: /s}, {name: v, mountPath: /v}]}, {name: d, image: i}], volumes: [
  {name: f, secret: {secretName: forever}}, {name: s, secret: {secretName: plain}},
  {name: v, projected: {sources: [{serviceAccountToken: {path: t, audience: vault}}, {serviceAccountToken: {path: k, expirationSeconds: 900}}, {secret: {name: forever}}]}},
  {name: unmounted, projected: {sources: [{serviceAccountToken: {path: t}}]}}]}}
---
{apiVersion: v1, kind: Pod, metadata: {name: q, namespace: b}, spec: {serviceAccountName: web, containers: [{name: c, image: i}]}}
---
{apiVersion: v1, kind: Pod, metadata: {name: live, namespace: b}, spec: {serviceAccountName: web, containers: [{name: c, image: i, volumeMounts: [{name: kube-api-access-x1y2z, mountPath: /var/run/secrets/kubernetes.io/serviceaccount}]}], volumes: [
  {name: kube-api-access-x1y2z, projected: {sources: [{serviceAccountToken: {path: token, expirationSeconds: 3607}}]}}]}}
---
{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRole, metadata: {name: r}, rules: [
  {apiGroups: [""], resources: [secrets], verbs: [get], resourceNames: [x]}, {apiGroups: [""], resources: [pods], verbs: [create], resourceNames: [x]},
  {apiGroups: [apps], resources: [deployments], verbs: [patch]}, {apiGroups: [""], resources: [nodes/proxy], verbs: [get]}]}
---
{apiVersion: rbac.authorization.k8s.io/v1, kind: RoleBinding, metadata: {name: r, namespace: a}, roleRef: {kind: ClusterRole, name: r}, subjects: [{kind: ServiceAccount, name: web}]}
---
{apiVersion: rbac.authorization.k8s.io/v1, kind: RoleBinding, metadata: {name: r, namespace: b}, roleRef: {kind: ClusterRole, name: r}, subjects: [{kind: ServiceAccount, name: web}]}
---
{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRoleBinding, metadata: {name: all}, roleRef: {kind: ClusterRole, name: r}, subjects: [{kind: ServiceAccount, name: gone, namespace: a}, {kind: ServiceAccount, name: x, namespace: nowhere}, {kind: ServiceAccount, name: default, namespace: a}]}
---
{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRole, metadata: {name: void}}
---
{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRoleBinding, metadata: {name: void}, roleRef: {kind: ClusterRole, name: void}, subjects: [{kind: User, name: eve}]}
---
{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRoleBinding, metadata: {name: nobody}, roleRef: {kind: ClusterRole, name: r}}
---
{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRoleBinding, metadata: {name: boss}, roleRef: {kind: ClusterRole, name: cluster-admin}, subjects: [{kind: Group, name: ops}]}
`

func TestTokenFiles(t *testing.T) {
	s := read(t, usesCluster)
	e := Build(s)
	var got []string
	for _, w := range s.Workloads {
		for _, f := range e.TokenFiles(w) {
			got = append(got, fmt.Sprintf("%s/%s %s of %s in %s at %s by %s %s, audience %q, server %v, %d s, secret %q",
				w.Namespace, w.Name, f.Kind, f.Account, strings.Join(f.Containers, "+"), f.Path, f.Source, f.Field, f.Audience, f.Server, f.Seconds, f.Secret))
		}
	}
	want := []string{
		`a/p legacy of ServiceAccount a/old in c at /f/token by Pod a/p spec.volumes[0].secret, audience "", server true, 0 s, secret "forever"`,
		`a/p projected of ServiceAccount a/web in c at /v/t by Pod a/p spec.volumes[2].projected.sources[0].serviceAccountToken, audience "vault", server false, 3600 s, secret ""`,
		`a/p projected of ServiceAccount a/web in c at /v/k by Pod a/p spec.volumes[2].projected.sources[1].serviceAccountToken, audience "", server true, 900 s, secret ""`,
		`a/p legacy of ServiceAccount a/old in c at /v/token by Pod a/p spec.volumes[2].projected.sources[2].secret, audience "", server true, 0 s, secret "forever"`,
		`b/live mounted of ServiceAccount b/web in c at /var/run/secrets/kubernetes.io/serviceaccount/token by Pod b/live spec.volumes[0].projected.sources[0].serviceAccountToken, audience "", server true, 3607 s, secret ""`,
		`b/q mounted of ServiceAccount b/web in c at /var/run/secrets/kubernetes.io/serviceaccount/token by default spec.automountServiceAccountToken, audience "", server true, 3607 s, secret ""`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("token files (-want +got):\n%s", diff)
	}
}

func TestUses(t *testing.T) {
	e := Build(read(t, usesCluster))
	var got []string
	for _, u := range e.Uses() {
		line := fmt.Sprintf("%s declared %v default %v workloads %d bindings %d twins %v:", u.Subject, u.Object != nil, u.Default(), len(u.Workloads), len(u.Bindings), u.Twins)
		for _, p := range u.Powers {
			line += fmt.Sprintf(" %s@%q%v", p.Name, p.Namespace, p.Names)
		}
		got = append(got, line)
	}
	want := []string{
		`Group ops declared false default false workloads 0 bindings 1 twins []: cluster-admin@""[]`,
		`ServiceAccount a/default declared false default true workloads 0 bindings 1 twins []: change-workloads@""[] node-proxy@""[] read-secrets@""[x]`,
		`ServiceAccount a/gone declared false default false workloads 0 bindings 1 twins []: change-workloads@""[] node-proxy@""[] read-secrets@""[x]`,
		`ServiceAccount a/old declared true default false workloads 0 bindings 0 twins []:`,
		`ServiceAccount a/web declared true default false workloads 1 bindings 1 twins [ServiceAccount b/web]: change-workloads@"a"[] read-secrets@"a"[x]`,
		`ServiceAccount b/web declared true default false workloads 2 bindings 1 twins [ServiceAccount a/web]: change-workloads@"b"[] read-secrets@"b"[x]`,
		`ServiceAccount nowhere/x declared false default false workloads 0 bindings 1 twins []: change-workloads@""[] node-proxy@""[] read-secrets@""[x]`,
		`User eve declared false default false workloads 0 bindings 1 twins []:`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("uses (-want +got):\n%s", diff)
	}
	var idle, missing []string
	for _, i := range e.Idle() {
		idle = append(idle, i.Binding.String()+": "+i.Why)
	}
	for _, m := range e.Missing() {
		missing = append(missing, m.Binding.String()+": "+m.Subject.String()+": "+m.Why)
	}
	wantIdle := []string{
		"ClusterRoleBinding all: no workload uses the ServiceAccounts that it names",
		"ClusterRoleBinding nobody: it names nobody",
		"ClusterRoleBinding void: its role has no rule",
	}
	wantMissing := []string{
		"ClusterRoleBinding all: ServiceAccount a/gone: there is no such ServiceAccount",
		"ClusterRoleBinding all: ServiceAccount nowhere/x: there is no namespace nowhere",
	}
	if diff := cmp.Diff(wantIdle, idle); diff != "" {
		t.Errorf("idle (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(wantMissing, missing); diff != "" {
		t.Errorf("missing (-want +got):\n%s", diff)
	}
}

// TestBuiltin: a role of the cluster's own adds to a built-in one by its label,
// and one that was read goes before the built-in one of its name.
func TestBuiltin(t *testing.T) {
	e := Build(read(t, `
{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRole, metadata: {name: more, labels: {rbac.authorization.k8s.io/aggregate-to-view: "true"}}, rules: [{apiGroups: [x.io], resources: [things], verbs: [get]}]}
---
{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRole, metadata: {name: "system:node-proxier"}}
---
{apiVersion: rbac.authorization.k8s.io/v1, kind: RoleBinding, metadata: {name: e, namespace: nn}, roleRef: {kind: ClusterRole, name: edit}, subjects: [{kind: ServiceAccount, name: e}]}
---
{apiVersion: rbac.authorization.k8s.io/v1, kind: RoleBinding, metadata: {name: m, namespace: kube-system}, roleRef: {kind: Role, name: extension-apiserver-authentication-reader}, subjects: [{kind: ServiceAccount, name: m}]}
---
{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRoleBinding, metadata: {name: p}, roleRef: {kind: ClusterRole, name: "system:node-proxier"}, subjects: [{kind: User, name: p}]}
`))
	if missed := e.Incomplete(); len(missed) > 0 {
		t.Errorf("incomplete: %v", missed)
	}
	for name, tc := range map[string]struct {
		who  Subject
		r    Request
		want bool
	}{
		"added to view, which edit has":  {Account("nn", "e"), Request{Verb: "get", Group: "x.io", Resource: "things", Namespace: "nn"}, true},
		"what edit has itself":           {Account("nn", "e"), Request{Verb: "create", Resource: "pods", Namespace: "nn"}, true},
		"what only admin has":            {Account("nn", "e"), Request{Verb: "create", Group: rbacGroup, Resource: "roles", Namespace: "nn"}, false},
		"a Role of kube-system":          {Account("kube-system", "m"), Request{Verb: "get", Resource: "configmaps", Name: "extension-apiserver-authentication", Namespace: "kube-system"}, true},
		"one that was read goes before":  {User("p"), Request{Verb: "list", Resource: "nodes"}, false},
		"the same role where it is read": {Account("nn", "e"), Request{Verb: "get", Resource: "secrets", Namespace: "m"}, false},
	} {
		if got, _ := e.Can(tc.who, tc.r); got != tc.want {
			t.Errorf("%s: got %v", name, got)
		}
	}
}

// TestWays: one step of each kind, and what looks like one and is none.
func TestWays(t *testing.T) {
	holder := `
{apiVersion: rbac.authorization.k8s.io/v1, kind: Role, metadata: {name: secrets, namespace: nn}, rules: [{apiGroups: [""], resources: [secrets], verbs: [get]}]}
---
{apiVersion: rbac.authorization.k8s.io/v1, kind: RoleBinding, metadata: {name: secrets, namespace: nn}, roleRef: {kind: Role, name: secrets}, subjects: [{kind: ServiceAccount, name: db}, {kind: Group, name: ops}]}
---
`
	const group = "rbac.authorization.k8s.io"
	bind := func(kind, ns, rules string) string {
		meta := "{name: eve}"
		if ns != "" {
			meta = "{name: eve, namespace: " + ns + "}"
		}
		return fmt.Sprintf("{apiVersion: %[1]s/v1, kind: ClusterRole, metadata: {name: eve}, rules: [%[4]s]}\n---\n{apiVersion: %[1]s/v1, kind: %[2]s, metadata: %[3]s, roleRef: {kind: ClusterRole, name: eve}, subjects: [{kind: User, name: eve}]}\n", group, kind, meta, rules)
	}
	for name, tc := range map[string]struct{ more, want string }{
		"nothing":                                {"", ""},
		"impersonate an account":                 {bind("RoleBinding", "nn", `{apiGroups: [""], resources: [serviceaccounts], verbs: [impersonate]}`), "impersonate ServiceAccount nn/db"},
		"an account of another namespace":        {bind("RoleBinding", "m", `{apiGroups: [""], resources: [serviceaccounts], verbs: [impersonate]}`), ""},
		"a group needs a name too":               {bind("ClusterRoleBinding", "", `{apiGroups: [""], resources: [groups], verbs: [impersonate]}`), ""},
		"a group and some name":                  {bind("ClusterRoleBinding", "", `{apiGroups: [""], resources: [groups], resourceNames: [ops], verbs: [impersonate]}, {apiGroups: [""], resources: [users], resourceNames: [bob], verbs: [impersonate]}`), "impersonate Group ops"},
		"groups by a RoleBinding are none":       {bind("RoleBinding", "nn", `{apiGroups: [""], resources: [groups, users], verbs: [impersonate]}`), ""},
		"a token":                                {bind("RoleBinding", "nn", `{apiGroups: [""], resources: [serviceaccounts/token], resourceNames: [db], verbs: [create]}`), "token ServiceAccount nn/db"},
		"a token of another account":             {bind("RoleBinding", "nn", `{apiGroups: [""], resources: [serviceaccounts/token], resourceNames: [web], verbs: [create]}`), ""},
		"a workload":                             {bind("RoleBinding", "nn", `{apiGroups: [apps], resources: [deployments], verbs: [create]}`), "workload ServiceAccount nn/db"},
		"bind without binding":                   {bind("RoleBinding", "nn", `{apiGroups: [`+group+`], resources: [roles, clusterroles], verbs: [bind]}`), ""},
		"binding without bind":                   {bind("RoleBinding", "nn", `{apiGroups: [`+group+`], resources: [rolebindings], verbs: [create]}`), ""},
		"both":                                   {bind("RoleBinding", "nn", `{apiGroups: [`+group+`], resources: [rolebindings], verbs: [create]}, {apiGroups: [`+group+`], resources: [roles], resourceNames: [secrets], verbs: [bind]}`), "bind Role nn/secrets"},
		"both, of a built-in role":               {bind("RoleBinding", "nn", `{apiGroups: [`+group+`], resources: [rolebindings], verbs: [create]}, {apiGroups: [`+group+`], resources: [clusterroles], resourceNames: [edit], verbs: [bind]}`), "bind ClusterRole edit"},
		"a role that doesn't give it":            {bind("RoleBinding", "nn", `{apiGroups: [`+group+`], resources: [rolebindings], verbs: [create]}, {apiGroups: [`+group+`], resources: [clusterroles], resourceNames: [view], verbs: [bind]}`), ""},
		"a change of the binding":                {bind("RoleBinding", "nn", `{apiGroups: [`+group+`], resources: [rolebindings], resourceNames: [secrets], verbs: [patch]}, {apiGroups: [`+group+`], resources: [roles], verbs: [bind]}`), "bind Role nn/secrets"},
		"escalate into a role of his own":        {bind("ClusterRoleBinding", "", `{apiGroups: [`+group+`], resources: [clusterroles], resourceNames: [eve], verbs: [update, escalate]}`), "escalate ClusterRole eve"},
		"escalate into one that he doesn't have": {bind("ClusterRoleBinding", "", `{apiGroups: [`+group+`], resources: [clusterroles], resourceNames: [edit], verbs: [update, escalate]}`), ""},
		"update without escalate":                {bind("ClusterRoleBinding", "", `{apiGroups: [`+group+`], resources: [clusterroles], verbs: [update]}`), ""},
	} {
		t.Run(name, func(t *testing.T) {
			e := Build(read(t, holder+tc.more))
			var got []string
			for _, w := range e.Ways(Request{Verb: "get", Resource: "secrets", Namespace: "nn"}) {
				what := w.As.String()
				if w.Role != nil {
					what = w.Role.String()
				}
				if w.Subject != User("eve") || len(w.Grants) == 0 {
					t.Errorf("a way of %s with %d grants", w.Subject, len(w.Grants))
				}
				got = append(got, w.By+" "+what)
			}
			if diff := cmp.Diff(tc.want, strings.Join(got, ", ")); diff != "" {
				t.Errorf("ways (-want +got):\n%s", diff)
			}
		})
	}
}

func TestDoubts(t *testing.T) {
	e := Build(read(t, `
{apiVersion: rbac.authorization.k8s.io/v1, kind: RoleBinding, metadata: {name: b, namespace: nn}, roleRef: {kind: Role, name: gone}, subjects: [{kind: Group, name: "system:serviceaccounts:nn"}]}
---
{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRole, metadata: {name: odd}, aggregationRule: {clusterRoleSelectors: [{matchExpressions: [{key: a, operator: Near}]}]}}
---
{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRoleBinding, metadata: {name: c}, roleRef: {kind: ClusterRole, name: odd}, subjects: [{kind: User, name: eve}]}
`))
	for name, tc := range map[string]struct {
		r    Request
		who  []Subject
		want int
	}{
		"anybody, there":                  {Request{Verb: "get", Resource: "pods", Namespace: "nn"}, nil, 2},
		"anybody, elsewhere":              {Request{Verb: "get", Resource: "pods", Namespace: "m"}, nil, 1},
		"a path":                          {Request{Verb: "get", Path: "/x"}, nil, 1},
		"through a group":                 {Request{Verb: "get", Resource: "pods", Namespace: "nn"}, []Subject{Account("nn", "a")}, 1},
		"an account of another namespace": {Request{Verb: "get", Resource: "pods", Namespace: "nn"}, []Subject{Account("m", "a")}, 0},
		"by name":                         {Request{Verb: "get", Resource: "pods"}, []Subject{User("eve")}, 1},
		"the namespace itself":            {Request{Verb: "get", Resource: "namespaces", Name: "nn"}, []Subject{Account("nn", "a")}, 1},
		"what new clusters give to all":   {Request{Verb: "get", Path: "/healthz"}, []Subject{Account("m", "a")}, 2},
		"and to the anonymous":            {Request{Verb: "get", Path: "/healthz"}, []Subject{Group("system:unauthenticated")}, 1},
		"and to themselves":               {Request{Verb: "create", Group: "authorization.k8s.io", Resource: "selfsubjectaccessreviews"}, []Subject{Account("m", "a")}, 1},
	} {
		if got := e.Doubts(tc.r, tc.who...); len(got) != tc.want {
			t.Errorf("%s: %v, want %d", name, got, tc.want)
		}
	}
	live := Build(&kube.Snapshot{Origin: &kube.Origin{}})
	if got := live.Doubts(Request{Verb: "get", Path: "/healthz"}, Account("m", "a")); len(got) != 0 {
		t.Errorf("of a live cluster, a binding that is not there is none: %v", got)
	}
}

func TestResource(t *testing.T) {
	for text, want := range map[string]string{
		"pods": "pods", "po": "pods", "pod": "pods", "deploy": "deployments.apps", "deployments": "deployments.apps", "deployments.apps/scale": "deployments.apps/scale",
		"pods/exec": "pods/exec", "networkpolicy": "networkpolicies.networking.k8s.io", "ingress": "ingresses.networking.k8s.io", "things.example.com": "things.example.com", "*": "*", "*/scale": "*/scale",
		"/metrics": "/metrics", "nodes/proxy": "nodes/proxy", "things": "!", "pods/": "!", "": "!", "deployments.extensions": "deployments.extensions",
	} {
		r, _, err := Resource(text)
		got := strings.TrimSuffix(strings.TrimPrefix(r.String(), " "), " in the whole cluster")
		if err != nil {
			got = "!"
		}
		if got != want {
			t.Errorf("%q: got %q, want %q (%v)", text, got, want, err)
		}
	}
	if _, cluster, _ := Resource("nodes"); !cluster {
		t.Error("nodes are in no namespace")
	}
	for text, want := range map[string]string{
		"shop/web": "ServiceAccount shop/web", "system:serviceaccount:shop:web": "ServiceAccount shop/web", "user:system:serviceaccount:a:b": "ServiceAccount a/b",
		"eve": "User eve", "user:eve": "User eve", "group:ops": "Group ops", "system:node:n1": "User system:node:n1", "https://issuer/x#y": "User https://issuer/x#y",
		"": "!", "/web": "!", "shop/": "!", "a/b/c": "!",
	} {
		s, err := ParseSubject(text)
		got := s.String()
		if err != nil {
			got = "!"
		}
		if got != want {
			t.Errorf("%q: got %q, want %q (%v)", text, got, want, err)
		}
	}
}
