package identity

import (
	"context"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/scantling/scantling/infrastructure/kube"
	"github.com/scantling/scantling/model"
)

func read(t *testing.T, text string) *kube.Snapshot {
	t.Helper()
	s, err := kube.ReadFrom(context.Background(), "c", "test.yaml", strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	if len(s.Incomplete) > 0 {
		t.Fatalf("manifests: %v", s.Incomplete)
	}
	return s
}

const aggregated = `
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: monitoring}
aggregationRule: {clusterRoleSelectors: [{matchLabels: {aggregate: "yes"}}]}
rules: [{apiGroups: [""], resources: [secrets], verbs: [get]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: endpoints, labels: {aggregate: "yes"}}
rules:
- {apiGroups: [""], resources: [services], verbs: [get]}
- {apiGroups: [""], resources: [endpoints], verbs: [get]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: b, namespace: nn}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: monitoring}
subjects: [{kind: ServiceAccount, name: web}]
`

func TestAggregation(t *testing.T) {
	e := Build(read(t, aggregated))
	ok, grants := e.Can(Account("nn", "web"), Request{Verb: "get", Resource: "endpoints", Namespace: "nn"})
	if !ok || len(grants) != 1 {
		t.Fatalf("got %v %v, want one grant", ok, grants)
	}
	g := grants[0]
	got := []any{g.Role.Name, g.RuleIndex, g.Bound.Name, g.Binding.Name, g.Namespace, g.Subject}
	want := []any{"endpoints", 1, "monitoring", "b", "nn", Account("nn", "web")}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the proof must name the role that holds the rule (-want +got):\n%s", diff)
	}
	if ok, _ := e.Can(Account("nn", "web"), Request{Verb: "get", Resource: "secrets", Namespace: "nn"}); ok {
		t.Error("the controller overwrites the rules of an aggregated role in a manifest")
	}
	live := strings.Replace(aggregated, "{name: monitoring}", "{name: monitoring, uid: u1}", 1)
	if ok, _ := Build(read(t, live)).Can(Account("nn", "web"), Request{Verb: "get", Resource: "secrets", Namespace: "nn"}); !ok {
		t.Error("the rules of a live role are what the API server evaluates")
	}
}

func TestCan(t *testing.T) {
	e := Build(read(t, `
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: r}
rules:
- {apiGroups: [""], resources: [pods], verbs: [get]}
- {apiGroups: [""], resources: ["pods/*"], verbs: [create]}
- {apiGroups: [apps], resources: ["*/scale"], verbs: [update]}
- {apiGroups: [""], resources: [secrets], resourceNames: [db], verbs: [get, list, create]}
- {apiGroups: [""], resources: [namespaces], verbs: [patch]}
- {nonResourceURLs: ["/metrics/*"], verbs: [get]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: here, namespace: nn}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: r}
subjects:
- {kind: ServiceAccount, name: web}
- {apiGroup: rbac.authorization.k8s.io, kind: Group, name: "system:serviceaccounts:m"}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: all}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: r}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: User, name: "system:serviceaccount:nn:ops"}, {kind: ServiceAccount, name: nobody}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: boss}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: cluster-admin}
subjects: [{kind: ServiceAccount, name: boss, namespace: nn}]
`))
	web, ops, other := Account("nn", "web"), Account("nn", "ops"), Account("m", "x")
	for name, tc := range map[string]struct {
		who  Subject
		req  Request
		want bool
	}{
		"in the namespace":                      {web, Request{Verb: "get", Resource: "pods", Namespace: "nn"}, true},
		"in another namespace":                  {web, Request{Verb: "get", Resource: "pods", Namespace: "m"}, false},
		"in all namespaces":                     {web, Request{Verb: "get", Resource: "pods"}, false},
		"wrong group":                           {web, Request{Verb: "get", Group: "apps", Resource: "pods", Namespace: "nn"}, false},
		"pods/* means nothing":                  {web, Request{Verb: "create", Resource: "pods", Subresource: "exec", Namespace: "nn"}, false},
		"pods covers no subresource":            {web, Request{Verb: "get", Resource: "pods", Subresource: "log", Namespace: "nn"}, false},
		"*/scale":                               {web, Request{Verb: "update", Group: "apps", Resource: "deployments", Subresource: "scale", Namespace: "nn"}, true},
		"*/scale is not the resource":           {web, Request{Verb: "update", Group: "apps", Resource: "deployments", Namespace: "nn"}, false},
		"named":                                 {web, Request{Verb: "get", Resource: "secrets", Namespace: "nn", Name: "db"}, true},
		"other name":                            {web, Request{Verb: "get", Resource: "secrets", Namespace: "nn", Name: "tls"}, false},
		"list without field selector":           {web, Request{Verb: "list", Resource: "secrets", Namespace: "nn"}, false},
		"create never has a name":               {web, Request{Verb: "create", Resource: "secrets", Namespace: "nn"}, false},
		"own namespace object by RoleBinding":   {web, Request{Verb: "patch", Resource: "namespaces", Name: "nn"}, true},
		"other namespace object by RoleBinding": {web, Request{Verb: "patch", Resource: "namespaces", Name: "m"}, false},
		"path by RoleBinding":                   {web, Request{Verb: "get", Path: "/metrics/x"}, false},
		"path":                                  {ops, Request{Verb: "get", Path: "/metrics/x"}, true},
		"other path":                            {ops, Request{Verb: "get", Path: "/metrics"}, false},
		"account bound as a user":               {ops, Request{Verb: "get", Resource: "pods"}, true},
		"group of a namespace's accounts":       {other, Request{Verb: "get", Resource: "pods", Namespace: "nn"}, true},
		"account without namespace in a CRB":    {Account("default", "nobody"), Request{Verb: "get", Resource: "pods", Namespace: "default"}, false},
		"built-in role":                         {Account("nn", "boss"), Request{Verb: "delete", Resource: "nodes", Name: "x"}, true},
		"system:masters":                        {Masters(), Request{Verb: "delete", Path: "/x"}, true},
	} {
		t.Run(name, func(t *testing.T) {
			if got, _ := e.Can(tc.who, tc.req); got != tc.want {
				t.Errorf("got %v, want %v", got, tc.want)
			}
		})
	}
	want := []model.Incomplete{{
		What: "test.yaml:21", Why: `ClusterRoleBinding all subject "nobody" of kind "ServiceAccount" can't be resolved: it gets no rights`,
	}}
	if diff := cmp.Diff(want, e.Incomplete()); diff != "" {
		t.Errorf("incomplete (-want +got):\n%s", diff)
	}
}

func TestDanglingBindingIsUnknown(t *testing.T) {
	for name, tc := range map[string]struct{ kind, ref, want string }{
		"role of another namespace": {"RoleBinding", "{kind: Role, name: gone}", "binds Role gone, which was not read"},
		"cluster role":              {"ClusterRoleBinding", "{kind: ClusterRole, name: gone}", "binds ClusterRole gone, which was not read"},
		"a role cluster-wide":       {"ClusterRoleBinding", "{kind: Role, name: gone}", `names a "Role", which a ClusterRoleBinding can't bind`},
		"built-in":                  {"ClusterRoleBinding", "{kind: ClusterRole, name: view}", ""},
	} {
		t.Run(name, func(t *testing.T) {
			e := Build(read(t, `
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: gone, namespace: other}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: `+tc.kind+`
metadata: {name: b, namespace: nn}
roleRef: `+tc.ref+`
subjects: [{kind: ServiceAccount, name: web, namespace: nn}]
`))
			got := e.Incomplete()
			if tc.want == "" {
				if len(got) > 0 {
					t.Errorf("got %v, want none", got)
				}
				return
			}
			if len(got) != 1 || !strings.Contains(got[0].Why, tc.want) {
				t.Errorf("got %v, want one with %q", got, tc.want)
			}
		})
	}
}

func TestReading(t *testing.T) {
	r := Build(read(t, `
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: nn}
spec: {template: {spec: {serviceAccountName: web, containers: [{name: c, image: i}]}}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: a, namespace: nn}
spec: {template: {spec: {serviceAccountName: both, containers: [{name: c, image: i}]}}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: b, namespace: nn}
spec: {template: {spec: {serviceAccountName: both, containers: [{name: c, image: i}]}}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: d, namespace: nn}
spec: {template: {spec: {containers: [{name: c, image: i}]}}}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: b, namespace: nn}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: view}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: Group, name: ops}]
`)).Reading()
	var assets, facts []string
	for _, a := range r.Assets {
		assets = append(assets, a.Ref.String())
	}
	for _, f := range r.Facts {
		facts = append(facts, strings.TrimPrefix(f.Asset.Key, "c/nn/Deployment/")+" "+string(f.Kind)+" "+f.Object.Key+f.Value)
	}
	wantAssets := []string{
		"identity c/nn/both", "identity c/nn/default", "identity c/nn/web", "identity c//group:ops", "binding c/nn/RoleBinding/b",
	}
	wantFacts := []string{
		"a acts-as c/nn/both", "a lacks identity.own", "b acts-as c/nn/both", "b lacks identity.own",
		"d acts-as c/nn/default", "d lacks identity.own", "web acts-as c/nn/web", "web meets identity.own",
	}
	if diff := cmp.Diff(wantAssets, assets); diff != "" {
		t.Errorf("assets (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(wantFacts, facts); diff != "" {
		t.Errorf("facts (-want +got):\n%s", diff)
	}
}
