package siege

import (
	"context"
	"strings"

	"github.com/scantling/scantling/test/e2e/plane"
)

// team is the people who work on one namespace.
var team = map[string][]string{
	"web": {"ada", "bela", "chris"}, "orders": {"dora", "emil"}, "payments": {"mira", "fritz"}, "data": {"gita", "henrik", "ines"},
}

// operators are the people who keep the cluster.
var operators = []string{"olga", "pavel"}

func email(name string) string { return name + "@company.example" }

// users are those whom the API server knows by a token that is no service
// account's.
func users() []plane.User {
	var list []plane.User
	for _, ns := range namespaces() {
		for _, name := range team[ns] {
			list = append(list, plane.User{Name: email(name), Groups: []string{"team:" + ns}})
		}
	}
	for _, name := range operators {
		list = append(list, plane.User{Name: email(name), Groups: []string{"operators"}})
	}
	for _, n := range allNodes() {
		list = append(list, plane.User{Name: "system:node:" + n, Groups: []string{"system:nodes"}})
	}
	return list
}

// grant is a role and its binding. A namespace bounds it; without rules it
// binds the ClusterRole of its name.
type grant struct {
	ns, role, subject string // subject: namespace/account, or group:name
	rules             []rights
}

// rights are lists parted by commas: groups, resources, verbs.
type rights struct{ groups, resources, verbs string }

const (
	look = "get,list,watch"
	edit = "get,list,watch,create,update,patch,delete"
)

// grants are who may do what. Some give more than their holder needs, as
// grants do: the attacks begin there.
func grants() []grant {
	var list []grant
	for ns := range team {
		list = append(list,
			grant{ns: ns, role: "edit", subject: "group:team:" + ns},
			grant{ns: ns, role: "debuggers", subject: "group:team:" + ns, rules: []rights{{"", "pods/ephemeralcontainers", "patch"}}})
	}
	return append(list, []grant{
		{role: "cluster-admin", subject: "group:operators"},
		{role: "cluster-admin", subject: "gitops/controller"},
		{role: "cluster-admin", subject: "backup/backup"},
		{role: "edit", subject: "ci/deployer"},
		{role: "previews", subject: "ci/deployer", rules: []rights{{"", "namespaces", "create,get,list,delete"}}},
		{role: "view", subject: "dashboard/dashboard"},
		{role: "prometheus", subject: "monitoring/prometheus", rules: []rights{{"", "pods,nodes,services,endpoints", look}, {"discovery.k8s.io", "endpointslices", look}, {"", "nodes/metrics,nodes/proxy", "get"}}},
		{role: "kube-state-metrics", subject: "monitoring/kube-state-metrics", rules: []rights{{"*", "*", "list,watch"}}},
		{role: "node-reporter", subject: "monitoring/node-reporter", rules: []rights{{"", "nodes,pods", look}, {"", "nodes/proxy", "*"}}},
		{role: "ingress", subject: "ingress/controller", rules: []rights{{"", "secrets,services,configmaps,nodes", look}, {"networking.k8s.io", "ingresses", look}, {"discovery.k8s.io", "endpointslices", look}, {"coordination.k8s.io", "leases", edit}}},
		{role: "cert-manager", subject: "cert-manager/cert-manager", rules: []rights{{"", "secrets", edit}, {"", "events", "create,patch"}, {"coordination.k8s.io", "leases", edit}, {"certificates.k8s.io", "certificatesigningrequests", look}}},
		{role: "cainjector", subject: "cert-manager/cainjector", rules: []rights{{"admissionregistration.k8s.io", "validatingwebhookconfigurations", "get,list,watch,update,patch"}, {"", "secrets", look}, {"coordination.k8s.io", "leases", edit}}},
		{role: "external-secrets", subject: "external-secrets/external-secrets", rules: []rights{{"", "secrets", edit}, {"", "serviceaccounts", look}, {"", "serviceaccounts/token", "create"}, {"coordination.k8s.io", "leases", edit}}},
		{role: "operator", subject: "platform/operator", rules: []rights{{"", "configmaps,secrets,services,pods", edit}, {"apps", "statefulsets", edit}, {"batch", "cronjobs", edit}, {"coordination.k8s.io", "leases", edit}, {"", "serviceaccounts", look}, {"", "serviceaccounts/token", "create"}}},
		{role: "system:auth-delegator", subject: "platform/vault"},
		{role: "log-agent", subject: "kube-system/log-agent", rules: []rights{{"", "pods,namespaces", look}}},
		{role: "coredns", subject: "kube-system/coredns", rules: []rights{{"", "services,namespaces", look}, {"discovery.k8s.io", "endpointslices", look}}},
		{role: "csr-approver", subject: "kube-system/csr-approver", rules: []rights{{"certificates.k8s.io", "certificatesigningrequests", look}, {"certificates.k8s.io", "certificatesigningrequests/approval", "update,patch"}, {"certificates.k8s.io", "signers", "approve"}}},
		{ns: "kube-public", role: "cluster-info", subject: "group:system:unauthenticated", rules: []rights{{"", "configmaps", "get"}}},
		{ns: "web", role: "storefront", subject: "web/storefront", rules: []rights{{"", "configmaps,secrets", look}, {"", "pods", look}, {"", "pods/exec", "get,create"}}},
		{ns: "orders", role: "batch", subject: "orders/batch", rules: []rights{{"", "pods", edit + ",deletecollection"}, {"", "pods/log,pods/exec", "get,create"}, {"batch", "jobs", edit}, {"", "events", edit + ",deletecollection"}}},
		{ns: "payments", role: "api", subject: "payments/api", rules: []rights{{"", "configmaps", "get"}, {"", "secrets", "get"}}},
		{role: "notebook", subject: "data/notebook", rules: []rights{{"", "pods,configmaps", look}, {"rbac.authorization.k8s.io", "clusterroles,clusterrolebindings", edit + ",escalate,bind"}}},
		{role: "report", subject: "data/report", rules: []rights{{"", "secrets", "get"}, {"", "namespaces,configmaps", look}}},
	}...)
}

// give makes a grant.
func (s *siege) give(ctx context.Context, g grant) error {
	kind, resource := "ClusterRole", "clusterroles"
	if g.ns != "" && g.rules != nil {
		kind, resource = "Role", "roles"
	}
	if g.rules != nil {
		role := named(rbac, kind, g.ns, g.role, nil)
		role["rules"] = ruleList(g.rules)
		if err := s.post(ctx, grouped(rbac, g.ns, resource), role); err != nil {
			return err
		}
	}
	return s.post(ctx, grouped(rbac, g.ns, bindings(g.ns)), binding(g.ns, kind, g.role, g.subject, g.role+"-"+strings.NewReplacer("/", "-", ":", "-").Replace(g.subject)))
}

func bindings(ns string) string {
	if ns == "" {
		return "clusterrolebindings"
	}
	return "rolebindings"
}

// binding gives a role to a subject, written as in grant.
func binding(ns, roleKind, role, subject, name string) object {
	kind := "ClusterRoleBinding"
	if ns != "" {
		kind = "RoleBinding"
	}
	body := named(rbac, kind, ns, name, nil)
	body["roleRef"] = object{"apiGroup": "rbac.authorization.k8s.io", "kind": roleKind, "name": role}
	if group, ok := strings.CutPrefix(subject, "group:"); ok {
		body["subjects"] = []any{object{"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": group}}
		return body
	}
	space, account, _ := strings.Cut(subject, "/")
	body["subjects"] = []any{object{"kind": "ServiceAccount", "namespace": space, "name": account}}
	return body
}

func ruleList(list []rights) []any {
	var rules []any
	for _, r := range list {
		rules = append(rules, object{"apiGroups": strings.Split(r.groups, ","), "resources": strings.Split(r.resources, ","), "verbs": strings.Split(r.verbs, ",")})
	}
	return rules
}

// Agents of the programs.
const (
	kubectl = "kubectl/v1.37.1 (linux/amd64) kubernetes/cf8b7a2"
	mac     = "kubectl/v1.36.4 (darwin/arm64) kubernetes/93248f9"
	curl    = "curl/8.5.0"
)

// person is somebody with kubectl at a desk.
func person(name, address string) identity { return identity{email(name), mac, address} }

// program is a service account's.
func program(who, agent, address string) identity { return identity{who, agent, address} }
