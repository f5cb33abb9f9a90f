package paths

import (
	"strings"
	"testing"
)

// TestIceKubeRelations has the 30 kinds of relation of IceKube, each as the step
// that stands for it here: one cluster has it, and one is a word short of it.
// AZURE_POD_IDENTITY_EXCEPTION needs a link to a cloud: TestLinks has it.
func TestIceKubeRelations(t *testing.T) {
	const (
		deployment = "\n---\n{apiVersion: apps/v1, kind: Deployment, metadata: {name: d, namespace: shop}, spec: {selector: {matchLabels: {app: d}}, template: {metadata: {labels: {app: d}}, spec: {serviceAccountName: api, containers: [{name: c, image: i}]}}}}\n"
		mapping    = "\n---\n{apiVersion: v1, kind: ConfigMap, metadata: {name: aws-auth, namespace: kube-system}}\n"
	)
	spec := func(pod, container string) string { // of shop/web
		return strings.Replace(quietWorld("", ""), "containers: [{name: c, image: i}]", pod+" containers: [{name: c, image: i, "+container+"}]", 1)
	}
	security := func(text string) string { return spec("", "securityContext: {"+text+"}") }
	host := func(path string) string {
		return spec("volumes: [{name: v, hostPath: {path: "+path+"}}],", "volumeMounts: [{name: v, mountPath: /v}]")
	}
	rights := func(labels, namespace string, rules ...string) string {
		return quietWorld(labels, role(namespace, rules...))
	}
	more := func(extra, namespace string, rules ...string) string {
		return quietWorld("", role(namespace, rules...)+extra)
	}
	token := func(kind string) string {
		return "\n---\n{apiVersion: v1, kind: Secret, type: " + kind + ", metadata: {name: t, namespace: shop, annotations: {kubernetes.io/service-account.name: api}}}\n"
	}
	sign := func(signer string) string {
		return rights("", "", allow(certGroup, "certificatesigningrequests", "create"), allow(certGroup, "certificatesigningrequests/approval", "update"), allow(certGroup, "signers", "approve", signer))
	}
	secrets, pods := allow("", "secrets", "get"), allow("", "pods", "create")
	for relation, tc := range map[string]struct{ edge, with, without string }{
		"BOUND_TO":                       {"read-secrets", rights("", "shop", secrets), strings.Replace(rights("", "shop", secrets), "name: web, namespace: shop}]", "name: api, namespace: shop}]", 1)},
		"GRANTS_PERMISSION":              {"read-secrets", rights("", "shop", secrets), strings.Replace(rights("", "shop", secrets), "kind: Role, name: r}", "kind: Role, name: none}", 1)},
		"USES_ACCOUNT":                   {"token", quietWorld("", ""), strings.Replace(quietWorld("", ""), "automountServiceAccountToken: true", "automountServiceAccountToken: false", 1)},
		"MOUNTS_SECRET":                  {"mounted-secret", spec("", "envFrom: [{secretRef: {name: key}}]"), spec("", "envFrom: [{configMapRef: {name: key}}]")},
		"CREATE_POD_WITH_SA":             {"pod-service-account", rights(restricted, "shop", pods), rights(restricted, "shop", allow("", "pods", "list"))},
		"CREATE_PRIVILEGED_WORKLOAD":     {"privileged-pod", rights("", "shop", pods), rights(restricted, "shop", pods)},
		"PATCH_NAMESPACE_TO_BYPASS_PSA":  {"relabel-namespace", rights(restricted, "shop", pods, allow("", "namespaces", "patch")), rights(restricted, "shop", pods, allow("", "namespaces", "get"))},
		"UPDATE_WORKLOAD_WITH_SA":        {"patch-workload", more(deployment, "shop", allow("apps", "deployments", "patch")), more(deployment, "shop", allow("apps", "deployments/status", "patch"))},
		"EXEC_INTO":                      {"exec", rights("", "shop", allow("", "pods/exec", "create")), rights("", "shop", allow("", "pods/exec", "list"))},
		"REPLACE_IMAGE":                  {"patch-pods", rights("", "shop", allow("", "pods", "patch")), rights("", "shop", allow("", "pods/status", "patch"))},
		"DEBUG_POD":                      {"debug-container", rights("", "shop", allow("", "pods/ephemeralcontainers", "patch")), rights("", "shop", allow("", "pods/ephemeralcontainers", "get"))},
		"GET_AUTHENTICATION_TOKEN_FOR":   {"token-secret", more(token("kubernetes.io/service-account-token"), "shop", secrets), more(token("Opaque"), "shop", secrets)},
		"ACCESS_SECRET":                  {"read-secrets", rights("", "shop", allow("", "secrets", "list")), rights("", "shop", allow("", "secrets", "delete"))},
		"GENERATE_TOKEN":                 {"token-request", rights("", "shop", allow("", "serviceaccounts/token", "create")), rights("", "shop", allow("", "serviceaccounts", "create"))},
		"CREATE_SECRET_WITH_TOKEN":       {"token-for-secret", rights("", "shop", allow("", "secrets", "create, get")), rights("", "shop", allow("", "secrets", "create"))},
		"RBAC_ESCALATE_TO":               {"escalate-role", rights("", "", allow(rbacGroup, "clusterroles", "escalate, patch", "r")), rights("", "", allow(rbacGroup, "clusterroles", "patch", "r"))},
		"GENERATE_CLIENT_CERTIFICATE":    {"client-certificate", sign(clientSigner), sign("example.com/own")},
		"CAN_IMPERSONATE":                {"impersonate", rights("", "shop", allow("", "serviceaccounts", "impersonate")), rights("", "shop", allow("", "serviceaccounts", "get"))},
		"IS_PRIVILEGED":                  {"escape", security("privileged: true"), security("privileged: false")},
		"CAN_CGROUP_BREAKOUT":            {"escape", security("capabilities: {add: [SYS_ADMIN]}"), security("capabilities: {drop: [SYS_ADMIN]}")},
		"CAN_LOAD_KERNEL_MODULES":        {"escape", security("capabilities: {add: [SYS_MODULE]}"), security("capabilities: {add: [SYS_TIME]}")},
		"CAN_ACCESS_DANGEROUS_HOST_PATH": {"escape", host("/etc"), host("/data")},
		"CAN_NSENTER_HOST":               {"escape", spec("hostPID: true,", "securityContext: {privileged: true}"), spec("hostPID: true, hostUsers: false,", "securityContext: {privileged: true}")},
		"CAN_ACCESS_HOST_FD":             {"escape", security("capabilities: {add: [DAC_READ_SEARCH]}"), security("capabilities: {drop: [DAC_READ_SEARCH]}")},
		"ACCESS_POD":                     {"node-pods", security("privileged: true"), security("privileged: false")},
		"CAN_EXEC_THROUGH_KUBELET":       {"kubelet-exec", rights("", "", allow("", "nodes/proxy", "create")), rights("", "shop", allow("", "nodes/proxy", "create"))},
		"UPDATE_AWS_AUTH":                {"aws-auth", more(mapping, "kube-system", allow("", "configmaps", "patch", "aws-auth")), more(mapping, "kube-system", allow("", "configmaps", "patch", "another"))},
		"IS_CLUSTER_ADMIN":               {"full-control", rights("", "", allow("*", "*", "'*'")), rights("", "shop", allow("*", "*", "'*'"))},
		"PERSISTENT_VOLUME_CREATION": {
			"host-volume",
			quietWorld(baseline, role("", allow("", "persistentvolumes", "create"))+role2("shop", allow("", "persistentvolumeclaims", "create"), pods)),
			quietWorld(baseline, role("", allow("", "persistentvolumes", "get"))+role2("shop", allow("", "persistentvolumeclaims", "create"), pods)),
		},
	} {
		t.Run(relation, func(t *testing.T) {
			if tc.with == tc.without {
				t.Fatal("both clusters are the same")
			}
			if !takes(t, at(t, "v1.37.2", tc.with))[tc.edge] {
				t.Errorf("no %s", tc.edge)
			}
			if takes(t, at(t, "v1.37.2", tc.without))[tc.edge] {
				t.Errorf("the near miss gives %s", tc.edge)
			}
		})
	}
}
