package paths

import (
	"fmt"
	"math/rand/v2"
	"strings"
)

// randomCluster writes two namespaces with four workloads, two nodes of which
// n2 is a control plane, and random roles and bindings.
func randomCluster(r *rand.Rand) string {
	pick := func(from ...string) string { return from[r.IntN(len(from))] }
	var b strings.Builder
	doc := func(format string, args ...any) { fmt.Fprintf(&b, "---\n"+format+"\n", args...) }
	doc("{apiVersion: v1, kind: Node, metadata: {name: n1}}")
	doc("{apiVersion: v1, kind: Node, metadata: {name: n2, labels: {node-role.kubernetes.io/control-plane: ''}}}")
	for _, ns := range []string{"shop", "other"} {
		doc("{apiVersion: v1, kind: Namespace, metadata: {name: %s, labels: {%s}}}", ns, pick("", enforceLabel+": restricted", enforceLabel+": baseline"))
		doc("{apiVersion: v1, kind: Secret, type: %s, metadata: {name: key, namespace: %s, annotations: {kubernetes.io/service-account.name: b}}}", pick("Opaque", "Opaque", "kubernetes.io/service-account-token"), ns)
		spec := func() string {
			return fmt.Sprintf("serviceAccountName: %s, automountServiceAccountToken: %s, hostPID: %s, containers: [{name: c, image: i, stdin: %s, envFrom: [%s], securityContext: {privileged: %s}, volumeMounts: [{name: v, mountPath: /v}]}], volumes: [{name: v, %s}]",
				pick("a", "b"), pick("true", "true", "false"), pick("true", "false", "false", "false", "false", "false"), pick("true", "false"), pick("", "", "{secretRef: {name: key}}"),
				pick("true", "false", "false", "false", "false", "false"), pick("emptyDir: {}", "emptyDir: {}", "hostPath: {path: /var/log}"))
		}
		doc("{apiVersion: v1, kind: Pod, metadata: {name: web, namespace: %s}, spec: {nodeName: n1, %s}}", ns, spec())
		doc("{apiVersion: apps/v1, kind: Deployment, metadata: {name: a, namespace: %s}, spec: {selector: {}, template: {spec: {%s}}}}", ns, spec())
		if r.IntN(4) > 0 {
			doc("{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: p, namespace: %s}, spec: {podSelector: {}, policyTypes: [Ingress], ingress: [%s]}}", ns, pick("", "", "{from: [{podSelector: {}}]}"))
		}
		doc("{apiVersion: rbac.authorization.k8s.io/v1, kind: Role, metadata: {name: r, namespace: %s}, rules: [%s]}", ns, randomRules(r))
		doc("{apiVersion: rbac.authorization.k8s.io/v1, kind: RoleBinding, metadata: {name: a, namespace: %s}, roleRef: {kind: %s, name: r}, subjects: [%s]}", ns, pick("Role", "ClusterRole"), randomSubject(r))
	}
	if r.IntN(2) == 0 {
		doc("{apiVersion: v1, kind: ConfigMap, metadata: {name: %s, namespace: kube-system}}", pick("aws-auth", "coredns"))
	}
	for _, name := range []string{"r", "s"} {
		doc("{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRole, metadata: {name: %s}, rules: [%s]}", name, randomRules(r))
	}
	if r.IntN(2) == 0 {
		doc("{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRoleBinding, metadata: {name: b}, roleRef: {kind: ClusterRole, name: s}, subjects: [%s]}", randomSubject(r))
	}
	return b.String()
}

func randomSubject(r *rand.Rand) string {
	from := []string{
		"{kind: ServiceAccount, name: a, namespace: shop}", "{kind: ServiceAccount, name: b, namespace: shop}", "{kind: ServiceAccount, name: b, namespace: other}",
		"{kind: Group, name: 'system:serviceaccounts:other'}", "{kind: Group, name: 'system:nodes'}", "{kind: User, name: a}",
	}
	return from[r.IntN(len(from))]
}

func randomRules(r *rand.Rand) string {
	pick := func(from ...string) string { return from[r.IntN(len(from))] }
	var rules []string
	for range 1 + r.IntN(3) {
		names := ""
		if r.IntN(4) == 0 {
			names = ", resourceNames: [" + pick("a", "b", "web", "key", "n1", "r", "s", "cluster-admin", "system:masters", "shop", "aws-auth", "'kubernetes.io/*'", "kubernetes.io/kube-apiserver-client-kubelet") + "]"
		}
		set := pick(
			`apiGroups: [""], resources: [pods], verbs: [VERB]`, `apiGroups: [""], resources: [pods/exec], verbs: [VERB]`, `apiGroups: [""], resources: [secrets], verbs: [VERB, VERB]`,
			`apiGroups: [""], resources: [pods/ephemeralcontainers, "*/token"], verbs: [VERB]`, `apiGroups: [apps], resources: [deployments], verbs: [VERB]`,
			`apiGroups: [""], resources: [namespaces, pods], verbs: [VERB]`, `apiGroups: [""], resources: [nodes/proxy, serviceaccounts], verbs: [VERB, impersonate]`,
			`apiGroups: ["", batch], resources: [users, groups, jobs], verbs: [impersonate, VERB]`, `apiGroups: [rbac.authorization.k8s.io], resources: [roles, rolebindings], verbs: [escalate, bind, VERB]`,
			`apiGroups: [rbac.authorization.k8s.io], resources: [clusterroles, clusterrolebindings], verbs: [escalate, bind, VERB]`,
			`apiGroups: [""], resources: [pods/portforward, pods/attach, pods/proxy], verbs: [VERB]`, `apiGroups: [""], resources: [pods/log, nodes/log], verbs: [VERB, get]`,
			`apiGroups: [""], resources: [persistentvolumes, persistentvolumeclaims, pods], verbs: [VERB, create]`, `apiGroups: [""], resources: [nodes/status, pods, pods/status], verbs: [VERB, VERB]`, `apiGroups: [""], resources: [nodes, pods/eviction], verbs: [VERB]`,
			`apiGroups: ["", discovery.k8s.io], resources: [services/status, endpointslices], verbs: [VERB]`, `apiGroups: [""], resources: [configmaps], verbs: [VERB, update]`,
			`apiGroups: [certificates.k8s.io], resources: [certificatesigningrequests, certificatesigningrequests/nodeclient], verbs: [create, VERB]`,
			`apiGroups: [certificates.k8s.io], resources: [certificatesigningrequests, certificatesigningrequests/approval, signers], verbs: [approve, VERB, VERB]`,
			`apiGroups: [admissionregistration.k8s.io], resources: [mutatingwebhookconfigurations], verbs: [VERB]`,
			`apiGroups: [admissionregistration.k8s.io], resources: [validatingwebhookconfigurations], verbs: [VERB]`,
			`apiGroups: ["*"], resources: ["*"], verbs: [VERB]`, `apiGroups: [rbac.authorization.k8s.io], resources: [rolebindings, clusterroles], verbs: [bind, VERB]`,
		)
		for strings.Contains(set, "VERB") {
			set = strings.Replace(set, "VERB", pick("get", "list", "create", "update", "patch", "create", "delete", "bind", "'*'"), 1)
		}
		rules = append(rules, "{"+set+names+"}")
	}
	return strings.Join(rules, ", ")
}
