package kubehound

import (
	"context"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/scantling/scantling/infrastructure/identity"
	"github.com/scantling/scantling/infrastructure/kube"
)

// small is a namespace with a pod that is bound, one that isn't, and a node.
const small = `
{apiVersion: v1, kind: Node, metadata: {name: node1}}
---
{apiVersion: v1, kind: Pod, metadata: {name: web, namespace: shop}, spec: {nodeName: node1, serviceAccountName: web, AUTOMOUNT containers: [{name: c, image: i, SECURITY ports: [{containerPort: 80, name: http}]}], VOLUMES}}
---
{apiVersion: v1, kind: Pod, metadata: {name: calm, namespace: shop}, spec: {nodeName: node1, containers: [{name: c, image: i}]}}
---
{apiVersion: rbac.authorization.k8s.io/v1, kind: KINDRole, metadata: {name: r, namespace: shop}, rules: [RULES]}
---
{apiVersion: rbac.authorization.k8s.io/v1, kind: KINDRoleBinding, metadata: {name: b, namespace: shop}, roleRef: {apiGroup: rbac.authorization.k8s.io, kind: KINDRole, name: r}, subjects: [{kind: ServiceAccount, name: web, namespace: shop}]}
`

// cluster fills in small; what is not given is left out.
func cluster(t *testing.T, with map[string]string) []Edge {
	t.Helper()
	text := small
	for _, word := range []string{"AUTOMOUNT", "SECURITY", "VOLUMES", "KIND", "RULES"} {
		text = strings.ReplaceAll(text, word, with[word])
	}
	if with["KIND"] != "" {
		text = strings.ReplaceAll(text, "name: r, namespace: shop", "name: r")
		text = strings.ReplaceAll(text, "name: b, namespace: shop", "name: b")
	}
	s, err := kube.ReadFrom(context.Background(), "c", "small.yaml", strings.NewReader(text+with["MORE"]))
	if err != nil || len(s.Incomplete) > 0 {
		t.Fatal(err, s.Incomplete)
	}
	return Edges(s, identity.Build(s))
}

// TestNearMisses: what makes each kind of edge, and what nearly does.
func TestNearMisses(t *testing.T) {
	rule := func(group, resources, verbs string) map[string]string {
		return map[string]string{"RULES": "{apiGroups: ['" + group + "'], resources: [" + resources + "], verbs: [" + verbs + "]}"}
	}
	field := func(name, text string) map[string]string { return map[string]string{name: text} }
	host := func(path, security string) map[string]string {
		return map[string]string{"SECURITY": "volumeMounts: [{name: v, mountPath: /v, " + security + "}],", "VOLUMES": "volumes: [{name: v, hostPath: {path: " + path + "}}]"}
	}
	bind := func(kind, create, bound string) map[string]string {
		return map[string]string{"KIND": kind, "RULES": "{apiGroups: [rbac.authorization.k8s.io], resources: [" + create + "], verbs: [create]}, {apiGroups: [rbac.authorization.k8s.io], resources: [" + bound + "], verbs: [bind]}", "MORE": "---\n{apiVersion: rbac.authorization.k8s.io/v1, kind: RoleBinding, metadata: {name: other, namespace: other}, roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: view}, subjects: [{kind: User, name: eve}]}\n"}
	}
	logs := host("/var/log", "")
	logs["RULES"] = rule("", "pods/log", "get")["RULES"]
	noLogs := host("/var/log", "")
	noLogs["RULES"] = rule("", "pods", "get")["RULES"]
	for kind, tc := range map[string]struct{ with, without map[string]string }{
		"CE_PRIV_MOUNT":         {field("SECURITY", "securityContext: {privileged: true},"), field("SECURITY", "securityContext: {privileged: false},")},
		"CE_MODULE_LOAD":        {field("SECURITY", "securityContext: {capabilities: {add: [SYS_MODULE]}},"), field("SECURITY", "securityContext: {capabilities: {drop: [SYS_MODULE]}},")},
		"CE_NSENTER":            {map[string]string{"AUTOMOUNT": "hostPID: true,", "SECURITY": "securityContext: {privileged: true},"}, field("SECURITY", "securityContext: {privileged: true},")},
		"CE_SYS_PTRACE":         {map[string]string{"AUTOMOUNT": "hostPID: true,", "SECURITY": "securityContext: {capabilities: {add: [SYS_PTRACE, SYS_ADMIN]}},"}, map[string]string{"AUTOMOUNT": "hostPID: true,", "SECURITY": "securityContext: {capabilities: {add: [SYS_PTRACE]}},"}},
		"CE_UMH_CORE_PATTERN":   {host("/proc/sys", "}], securityContext: {runAsUser: 0}, env: [{name: E"), host("/proc/sys", "")},
		"CE_VAR_LOG_SYMLINK":    {logs, noLogs},
		"SHARE_PS_NAMESPACE":    {map[string]string{"AUTOMOUNT": "shareProcessNamespace: true,", "VOLUMES": "initContainers: []", "SECURITY": "}, {name: d, image: i,"}, map[string]string{"SECURITY": "}, {name: d, image: i,"}},
		"EXPLOIT_HOST_READ":     {host("/root/.ssh", "readOnly: true"), host("/data", "readOnly: true")},
		"EXPLOIT_HOST_WRITE":    {host("/data", ""), host("/data", "readOnly: true")},
		"EXPLOIT_HOST_TRAVERSE": {host("/var/lib", "readOnly: true"), host("/var/lib/docker", "readOnly: true")},
		"TOKEN_STEAL":           {nil, field("AUTOMOUNT", "automountServiceAccountToken: false,")},
		"POD_CREATE":            {rule("", "pods", "create"), rule("apps", "pods", "create")},
		"POD_EXEC":              {rule("", "pods/exec", "create"), rule("", "pods/exec", "get")},
		"POD_PATCH":             {rule("*", "pods", "patch"), rule("", "pods/status", "patch")},
		"TOKEN_LIST":            {rule("", "secrets", "list"), rule("", "secrets", "watch")},
		"TOKEN_BRUTEFORCE":      {rule("", "secrets", "'*'"), rule("", "secrets", "list")},
		"ROLE_BIND":             {bind("", "rolebindings", "roles"), bind("", "rolebindings", "clusterroles")},
	} {
		t.Run(kind, func(t *testing.T) {
			has := func(edges []Edge) bool {
				return slices.ContainsFunc(edges, func(e Edge) bool { return e.Type == kind && e.From.Name != "d" })
			}
			if !has(cluster(t, tc.with)) {
				t.Error("not there")
			}
			if has(cluster(t, tc.without)) {
				t.Error("the near miss has it")
			}
		})
	}
	if got := cluster(t, bind("Cluster", "clusterrolebindings", "roles")); slices.ContainsFunc(got, func(e Edge) bool { return e.Type == "ROLE_BIND" }) {
		t.Error("roles are bound by a ClusterRoleBinding")
	}
}

// TestCalmPod: a pod whose account no binding names has no edge of its own.
func TestCalmPod(t *testing.T) {
	for _, e := range cluster(t, nil) {
		if e.From.Class == Container && e.From.Pod == "calm" {
			t.Errorf("%+v", e)
		}
	}
}

// TestEndpointNames: as a Service, a host port and a plain port show them, and
// as EndpointSlices do where there are some.
func TestEndpointNames(t *testing.T) {
	pod := func(labels, ports string) string {
		return "{apiVersion: v1, kind: Pod, metadata: {name: web, namespace: shop, labels: {" + labels + "}}, spec: {containers: [{name: c, image: i, ports: [" + ports + "]}]}}\n"
	}
	const service = "---\n{apiVersion: v1, kind: Service, metadata: {name: front, namespace: shop}, spec: {selector: {app: web}, ports: [{port: 80, targetPort: http}]}}\n"
	const slice = "---\n{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, metadata: {name: front-x, namespace: shop, labels: {kubernetes.io/service-name: front}}, addressType: IPv4, endpoints: [{addresses: [10.0.0.1], targetRef: {kind: Pod, name: web}}], ports: [{port: 8080}]}\n"
	for name, tc := range map[string]struct {
		text string
		want []string
	}{
		"plain":               {pod("", "{containerPort: 8080}"), []string{"8080 ClusterIP"}},
		"host port":           {pod("", "{containerPort: 8080, hostPort: 80, name: http}"), []string{"http NodeIP"}},
		"service":             {pod("app: web", "{containerPort: 8080, name: http}, {containerPort: 9090}") + service, []string{"9090 ClusterIP", "front External"}},
		"service of another":  {pod("app: db", "{containerPort: 8080, name: http}") + service, []string{"http ClusterIP"}},
		"service over UDP":    {pod("app: web", "{containerPort: 8080, name: http, protocol: UDP}") + service, []string{"http ClusterIP"}},
		"slice":               {pod("", "{containerPort: 8080, name: http}") + slice, []string{"front External"}},
		"slice of other port": {pod("app: web", "{containerPort: 80, name: http}") + service + slice, []string{"http ClusterIP"}},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := kube.ReadFrom(context.Background(), "c", "x.yaml", strings.NewReader(tc.text))
			if err != nil || len(s.Incomplete) > 0 {
				t.Fatal(err, s.Incomplete)
			}
			var got []string
			for _, e := range Edges(s, identity.Build(s)) {
				if e.Type == "ENDPOINT_EXPLOIT" {
					got = append(got, e.From.Name+" "+e.From.Exposure)
				}
			}
			if diff := gocmp.Diff(tc.want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}
