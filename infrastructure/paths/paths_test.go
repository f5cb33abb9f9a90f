package paths

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/scantling/scantling/graph"
	"github.com/scantling/scantling/infrastructure/identity"
	"github.com/scantling/scantling/infrastructure/kube"
	"github.com/scantling/scantling/infrastructure/network"
	"github.com/scantling/scantling/model"
)

func build(t testing.TB, text string) *Model {
	t.Helper()
	s, err := kube.ReadFrom(context.Background(), "c", "test.yaml", strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	if len(s.Incomplete) > 0 {
		t.Fatalf("manifests: %v", s.Incomplete)
	}
	m, err := Build(s, network.Build(s), identity.Build(s))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// quiet is the set of facts without which no network step holds.
func quiet(m *Model) *graph.Set {
	gone := graph.NewSet(len(m.facts))
	for f, fact := range m.facts {
		if fact.Kind == model.Exploit {
			gone.Add(f)
		}
	}
	return gone
}

// reached lists the assets that a workload leads to without the network, in
// short: "pod shop/api", "sa shop/api", "secret shop/key", "node n1", "admin".
func reached(t *testing.T, m *Model, workload string) []string {
	t.Helper()
	from, ok := m.Entry("c/" + workload)
	if !ok {
		t.Fatalf("no entry for %s", workload)
	}
	out := []string{}
	for v := range m.graph.Reach([]graph.Vertex{from}, quiet(m)).All() {
		if k := m.keys[v]; v != int(from) {
			switch k.sort {
			case control:
				out = append(out, "pod "+k.a+"/"+k.c)
			case held:
				out = append(out, map[string]string{"ServiceAccount": "sa " + k.b + "/", "User": "user ", "Group": "group "}[k.a]+k.c)
			case known:
				out = append(out, "secret "+k.a+"/"+k.b)
			case root:
				out = append(out, "node "+k.a)
			case admin:
				out = append(out, "admin")
			}
		}
	}
	slices.Sort(out)
	return out
}

// world has the compromised pod shop/web on n1, a neighbour shop/api on n3,
// other/db on n4, and n2, a control plane. extra are more documents, labels
// those of namespace shop.
func world(labels, extra string) string {
	text := `
apiVersion: v1
kind: Namespace
metadata: {name: shop, labels: {` + labels + `}}
---
{apiVersion: v1, kind: Secret, metadata: {name: key, namespace: shop}}
---
{apiVersion: v1, kind: Secret, metadata: {name: creds, namespace: other}}
`
	for i := 1; i <= 4; i++ {
		roles := ""
		if i == 2 {
			roles = "node-role.kubernetes.io/control-plane: ''"
		}
		text += fmt.Sprintf("---\n{apiVersion: v1, kind: Node, metadata: {name: n%d, labels: {%s}}}\n", i, roles)
	}
	for _, p := range [][3]string{{"shop", "web", "n1"}, {"shop", "api", "n3"}, {"other", "db", "n4"}} {
		text += "---\n" + fmt.Sprintf(`{apiVersion: v1, kind: Pod, metadata: {name: %[2]s, namespace: %[1]s}, spec: {nodeName: %[3]s, serviceAccountName: %[2]s, automountServiceAccountToken: %[4]v, containers: [{name: c, image: i}]}}
---
{apiVersion: v1, kind: ServiceAccount, metadata: {name: %[2]s, namespace: %[1]s}}
`, p[0], p[1], p[2], p[1] == "web")
	}
	if extra != "" {
		text += "---\n" + extra
	}
	return text
}

// role binds rules to shop/web by a RoleBinding in a namespace, or by a
// ClusterRoleBinding for "".
func role(namespace string, rules ...string) string {
	kind, prefix := "Role", ""
	if namespace == "" {
		kind, prefix = "ClusterRole", "Cluster"
	}
	return fmt.Sprintf(`{apiVersion: rbac.authorization.k8s.io/v1, kind: %[1]s, metadata: {name: r, namespace: %[2]q}, rules: [%[3]s]}
---
{apiVersion: rbac.authorization.k8s.io/v1, kind: %[4]sRoleBinding, metadata: {name: b, namespace: %[2]q}, roleRef: {apiGroup: rbac.authorization.k8s.io, kind: %[1]s, name: r}, subjects: [{kind: ServiceAccount, name: web, namespace: shop}]}
`, kind, namespace, strings.Join(rules, ", "), prefix)
}

// allow writes one rule.
func allow(group, resource, verbs string, names ...string) string {
	text := fmt.Sprintf(`{apiGroups: [%q], resources: [%q], verbs: [%s]`, group, resource, verbs)
	if len(names) > 0 {
		text += fmt.Sprintf(", resourceNames: [%s]", strings.Join(names, ", "))
	}
	return text + "}"
}

const (
	restricted = "pod-security.kubernetes.io/enforce: restricted"
	rbac       = rbacGroup
)

var all = []string{
	"admin", "node n1", "node n2", "node n3", "node n4", "pod other/db", "pod shop/api", "sa other/db", "sa shop/api", "sa shop/web",
	"secret other/creds", "secret shop/key",
}

func TestRights(t *testing.T) {
	own := []string{"sa shop/web"}
	with := func(more ...string) []string {
		out := append(slices.Clone(own), more...)
		slices.Sort(out)
		return out
	}
	inShop := with("sa shop/api", "secret shop/key") // pods of one's own making
	for name, tc := range map[string]struct {
		labels, extra string
		want          []string
	}{
		"no rights": {"", "", own},

		"create pods, restricted":            {restricted, role("shop", allow("", "pods", "create")), inShop},
		"create pods, baseline":              {"pod-security.kubernetes.io/enforce: baseline", role("shop", allow("", "pods", "create")), inShop},
		"create pods, only warned":           {"pod-security.kubernetes.io/warn: restricted", role("shop", allow("", "pods", "create")), all},
		"create pods, level privileged":      {"pod-security.kubernetes.io/enforce: privileged", role("shop", allow("", "pods", "create")), all},
		"create pods with a name":            {"", role("shop", allow("", "pods", "create", "x")), own},
		"create pods of a wrong group":       {"", role("shop", allow("apps", "pods", "create")), own},
		"list pods":                          {"", role("shop", allow("", "pods", "get, list, watch, delete")), own},
		"create deployments":                 {restricted, role("shop", allow("apps", "deployments", "create")), inShop},
		"create deployments of a dead group": {restricted, role("shop", allow("extensions", "deployments", "create")), own},
		"create deployments/scale":           {restricted, role("shop", allow("apps", "deployments/scale", "create")), own},
		"create jobs":                        {restricted, role("shop", allow("batch", "jobs", "create")), inShop},
		"create cronjobs by star":            {restricted, role("shop", allow("batch", "*", "'*'")), inShop},
		"create pods in another namespace":   {"", role("other", allow("", "pods", "create")) + "---\n{apiVersion: v1, kind: Namespace, metadata: {name: other, labels: {" + restricted + "}}}", with("sa other/db", "secret other/creds")},
		"relabel, then create":               {restricted, role("shop", allow("", "pods", "create"), allow("", "namespaces", "patch")), all},
		"relabel another namespace":          {restricted, role("shop", allow("", "pods", "create"), allow("", "namespaces", "patch", "other")), inShop},
		"relabel without pods":               {restricted, role("shop", allow("", "namespaces", "patch")), own},

		"exec":                             {"", role("shop", allow("", "pods/exec", "create")), with("pod shop/api")},
		"exec by get only":                 {"", role("shop", allow("", "pods/exec", "get")), own},
		"exec on one pod":                  {"", role("shop", allow("", "pods/exec", "create", "api")), with("pod shop/api")},
		"exec on a pod elsewhere":          {"", role("shop", allow("", "pods/exec", "create", "db")), own},
		"exec cluster-wide":                {"", role("", allow("", "pods/exec", "create")), with("pod shop/api", "pod other/db")},
		"exec by pods/*":                   {"", role("shop", allow("", "pods/*", "create")), own},
		"exec by */exec":                   {"", role("shop", allow("", "*/exec", "create")), with("pod shop/api")},
		"patch pods":                       {"", role("shop", allow("", "pods", "patch")), with("pod shop/api")},
		"patch pods/status":                {"", role("shop", allow("", "pods/status", "patch")), own},
		"ephemeral containers, restricted": {restricted, role("shop", allow("", "pods/ephemeralcontainers", "patch")), with("pod shop/api")},
		"ephemeral containers":             {"", role("shop", allow("", "pods/ephemeralcontainers", "update")), with("pod shop/api", "node n1", "node n3", "sa shop/api")},
		"ephemeral containers by create":   {"", role("shop", allow("", "pods/ephemeralcontainers", "create")), own},
		"nodes/proxy get":                  {"", role("", allow("", "nodes/proxy", "get")), with("pod shop/api", "pod other/db")},
		"nodes/proxy of one node":          {"", role("", allow("", "nodes/proxy", "create", "n4")), with("pod other/db")},
		"nodes/proxy by a RoleBinding":     {"", role("shop", allow("", "nodes/proxy", "get")), own},
		"nodes alone":                      {"", role("", allow("", "nodes", "get, list, patch")), own},

		"get secrets":                       {"", role("shop", allow("", "secrets", "get")), with("secret shop/key")},
		"list secrets":                      {"", role("shop", allow("", "secrets", "list")), with("secret shop/key")},
		"watch secrets cluster-wide":        {"", role("", allow("", "secrets", "watch")), with("secret shop/key", "secret other/creds")},
		"get one secret":                    {"", role("shop", allow("", "secrets", "get", "key")), with("secret shop/key")},
		"get a secret of another namespace": {"", role("shop", allow("", "secrets", "get", "creds")), own},
		"create secrets":                    {"", role("shop", allow("", "secrets", "create")), own},
		"create and get secrets":            {"", role("shop", allow("", "secrets", "create, get")), with("secret shop/key", "sa shop/api")},
		"create secrets, get one":           {"", role("shop", allow("", "secrets", "create"), allow("", "secrets", "get", "key")), with("secret shop/key")},
		"request tokens":                    {"", role("shop", allow("", "serviceaccounts/token", "create")), with("sa shop/api")},
		"request a token":                   {"", role("shop", allow("", "serviceaccounts/token", "create", "api")), with("sa shop/api")},
		"request a token in kube-system":    {"", role("kube-system", allow("", "serviceaccounts/token", "create")), all},
		"get serviceaccounts":               {"", role("shop", allow("", "serviceaccounts", "get, create")), own},

		"impersonate accounts":                 {"", role("shop", allow("", "serviceaccounts", "impersonate")), with("sa shop/api")},
		"impersonate one account":              {"", role("", allow("", "serviceaccounts", "impersonate", "db")), with("sa other/db")},
		"impersonate users":                    {"", role("", allow("", "users", "impersonate")), all},
		"impersonate users by a RoleBinding":   {"", role("shop", allow("*", "users", "impersonate"), allow("*", "groups", "impersonate")), own},
		"impersonate one user":                 {"", role("", allow("", "users", "impersonate", "eve")), with("user eve")},
		"impersonate an account as a user":     {"", role("", allow("", "users", "impersonate", "'system:serviceaccount:other:db'")), own},
		"impersonate groups alone":             {"", role("", allow("", "groups", "impersonate")), own},
		"impersonate groups and one user":      {"", role("", allow("", "groups", "impersonate"), allow("", "users", "impersonate", "eve")), append(slices.Clone(all), "user eve")},
		"impersonate one group and an account": {"", role("", allow("", "groups", "impersonate", "ops"), allow("", "serviceaccounts", "impersonate", "none")), with("group ops")},
		"impersonate masters and an account":   {"", role("", allow("", "groups", "impersonate", "'system:masters'"), allow("", "serviceaccounts", "impersonate", "none")), append(slices.Clone(all), "group system:masters")},

		"everything":                  {"", role("", allow("*", "*", "'*'")), all},
		"everything in one namespace": {restricted, role("shop", allow("*", "*", "'*'")), all},
		"everything of one group":     {restricted, role("", allow("apps", "*", "'*'")), all},
		"everything by name":          {"", role("", allow("*", "*", "'*'", "none")), with("user none", "group none")},
		"read everything":             {"", role("", allow("*", "*", "get, list, watch")), with("secret shop/key", "secret other/creds", "pod shop/api", "pod other/db")},
	} {
		t.Run(name, func(t *testing.T) {
			want := slices.Clone(tc.want)
			slices.Sort(want)
			if diff := cmp.Diff(want, reached(t, build(t, world(tc.labels, tc.extra)), "shop/Pod/web")); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

const strong = `
---
{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRole, metadata: {name: reader}, rules: [{apiGroups: [""], resources: [secrets], verbs: [get]}]}
---
{apiVersion: rbac.authorization.k8s.io/v1, kind: Role, metadata: {name: dbreader, namespace: other}, rules: [{apiGroups: [""], resources: [secrets], verbs: [get]}]}
---
{apiVersion: rbac.authorization.k8s.io/v1, kind: Role, metadata: {name: keyreader, namespace: shop}, rules: [{apiGroups: [""], resources: [secrets], verbs: [get]}]}
---
{apiVersion: rbac.authorization.k8s.io/v1, kind: RoleBinding, metadata: {name: old, namespace: other}, roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: reader}, subjects: [{apiGroup: rbac.authorization.k8s.io, kind: User, name: eve}]}
---
{apiVersion: rbac.authorization.k8s.io/v1, kind: RoleBinding, metadata: {name: mine, namespace: shop}, roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: keyreader}, subjects: [{apiGroup: rbac.authorization.k8s.io, kind: Group, name: "system:serviceaccounts:shop"}]}
`

func TestRolesAndBindings(t *testing.T) {
	// By the group of all accounts of shop, web reads the Secrets there.
	own := []string{"group system:serviceaccounts:shop", "sa shop/web", "secret shop/key"}
	with := func(more ...string) []string {
		out := append(slices.Clone(own), more...)
		slices.Sort(out)
		return out
	}
	everything := with("admin", "node n1", "node n2", "node n3", "node n4", "pod other/db", "pod shop/api", "sa other/db", "sa shop/api", "secret other/creds")
	for name, tc := range map[string]struct {
		rules string
		want  []string
	}{
		"nothing":                               {role("shop", allow("", "pods", "list")), own},
		"create bindings alone":                 {role("", allow(rbac, "clusterrolebindings", "create"), allow(rbac, "rolebindings", "create")), own},
		"bind alone":                            {role("", allow(rbac, "clusterroles", "bind")), own},
		"bind cluster roles for all":            {role("", allow(rbac, "clusterrolebindings", "create"), allow(rbac, "clusterroles", "bind")), everything},
		"bind roles for all":                    {role("", allow(rbac, "clusterrolebindings", "create"), allow(rbac, "roles", "bind")), own},
		"bind cluster-admin by name":            {role("", allow(rbac, "clusterrolebindings", "create"), allow(rbac, "clusterroles", "bind", "cluster-admin")), everything},
		"bind a reader by name":                 {role("", allow(rbac, "clusterrolebindings", "create"), allow(rbac, "clusterroles", "bind", "reader")), with("secret other/creds")},
		"bind a role that isn't there":          {role("", allow(rbac, "clusterrolebindings", "create"), allow(rbac, "clusterroles", "bind", "none")), own},
		"bind for all by a RoleBinding":         {role("shop", allow(rbac, "clusterrolebindings", "create"), allow(rbac, "clusterroles", "bind")), own},
		"bind a reader in another namespace":    {role("other", allow(rbac, "rolebindings", "create"), allow(rbac, "clusterroles", "bind", "reader")), with("secret other/creds")},
		"bind any role in another namespace":    {role("other", allow(rbac, "rolebindings", "create"), allow(rbac, "roles", "bind")), with("secret other/creds")},
		"bind a role by name":                   {role("other", allow(rbac, "rolebindings", "create"), allow(rbac, "roles", "bind", "dbreader")), with("secret other/creds")},
		"bind with create for one name":         {role("other", allow(rbac, "rolebindings", "create", "x"), allow(rbac, "roles", "bind")), own},
		"join a binding":                        {role("other", allow(rbac, "rolebindings", "patch", "old"), allow(rbac, "clusterroles", "bind", "reader")), with("secret other/creds")},
		"join any binding":                      {role("other", allow(rbac, "rolebindings", "update"), allow(rbac, "clusterroles", "bind")), with("secret other/creds")},
		"join a binding of another role":        {role("other", allow(rbac, "rolebindings", "patch", "old"), allow(rbac, "clusterroles", "bind", "view")), own},
		"join without bind":                     {role("other", allow(rbac, "rolebindings", "patch")), own},
		"escalate alone":                        {role("", allow(rbac, "clusterroles", "escalate")), own},
		"escalate and change all cluster roles": {role("", allow(rbac, "clusterroles", "escalate, update")), everything},
		"escalate and create cluster roles":     {role("", allow(rbac, "clusterroles", "escalate, create")), own},
		"escalate a role that is not one's own": {role("", allow(rbac, "clusterroles", "escalate, patch", "reader")), own},
		"escalate one's own cluster role":       {role("", allow(rbac, "clusterroles", "escalate, patch", "r")), everything},
		"escalate roles of another namespace":   {role("other", allow(rbac, "roles", "escalate, patch", "dbreader")), own},
		"escalate the role of one's group":      {role("shop", allow(rbac, "roles", "escalate, patch", "keyreader")), everything},
		"escalate in a wrong group":             {role("", allow("", "clusterroles", "escalate, update")), own},
	} {
		t.Run(name, func(t *testing.T) {
			got := reached(t, build(t, world("", tc.rules+strong)), "shop/Pod/web")
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}
