package identity

import (
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/scantling/scantling/infrastructure/kube"
)

var (
	readVerbs  = []string{"get", "list", "watch"}
	writeVerbs = []string{"create", "update", "patch", "delete", "deletecollection"}
	allVerbs   = []string{"get", "list", "watch", "create", "update", "patch", "delete", "deletecollection"}
)

func rule(verbs []string, group string, resources ...string) rbacv1.PolicyRule {
	return rbacv1.PolicyRule{Verbs: verbs, APIGroups: []string{group}, Resources: resources}
}

// builtinRules gives the rules of a ClusterRole that every API server creates
// at start, nil for others. Only the roles that manifests bind by name are
// known. What custom resources add to admin, edit and view by aggregation is
// not in here.
// Source: Kubernetes documentation, "Using RBAC Authorization", user-facing
// roles and other component roles; version 1.37.
func builtinRules(name string) []rbacv1.PolicyRule {
	switch name {
	case "cluster-admin":
		return []rbacv1.PolicyRule{
			rule([]string{"*"}, "*", "*"),
			{Verbs: []string{"*"}, NonResourceURLs: []string{"*"}},
		}
	case "admin":
		return append(append(adminRules(), editRules()...), viewRules()...)
	case "edit":
		return append(editRules(), viewRules()...)
	case "view":
		return viewRules()
	case "system:auth-delegator":
		return []rbacv1.PolicyRule{
			rule([]string{"create"}, "authentication.k8s.io", "tokenreviews"),
			rule([]string{"create"}, "authorization.k8s.io", "subjectaccessreviews"),
		}
	}
	return nil
}

func adminRules() []rbacv1.PolicyRule {
	return []rbacv1.PolicyRule{
		rule(allVerbs, "rbac.authorization.k8s.io", "roles", "rolebindings"),
		rule([]string{"create"}, "authorization.k8s.io", "localsubjectaccessreviews"),
	}
}

func editRules() []rbacv1.PolicyRule {
	return []rbacv1.PolicyRule{
		rule(readVerbs, "", "pods/attach", "pods/proxy", "pods/exec", "pods/portforward", "secrets", "services/proxy"),
		rule([]string{"impersonate"}, "", "serviceaccounts"),
		rule(writeVerbs, "", "pods", "pods/attach", "pods/proxy", "pods/exec", "pods/portforward"),
		rule([]string{"create"}, "", "pods/eviction"),
		rule(writeVerbs, "", "replicationcontrollers", "replicationcontrollers/scale", "serviceaccounts", "services", "services/proxy",
			"persistentvolumeclaims", "configmaps", "secrets", "events"),
		rule([]string{"create"}, "", "serviceaccounts/token"),
		rule(writeVerbs, "apps", "statefulsets", "statefulsets/scale", "daemonsets", "deployments", "deployments/scale", "deployments/rollback",
			"replicasets", "replicasets/scale"),
		rule(writeVerbs, "autoscaling", "horizontalpodautoscalers"),
		rule(writeVerbs, "batch", "jobs", "cronjobs"),
		rule(writeVerbs, "policy", "poddisruptionbudgets"),
		rule(writeVerbs, "networking.k8s.io", "networkpolicies", "ingresses"),
		rule(allVerbs, "coordination.k8s.io", "leases"),
	}
}

func viewRules() []rbacv1.PolicyRule {
	return []rbacv1.PolicyRule{
		rule(readVerbs, "", "pods", "pods/log", "pods/status", "replicationcontrollers", "replicationcontrollers/scale", "replicationcontrollers/status",
			"serviceaccounts", "services", "services/status", "endpoints", "persistentvolumeclaims", "persistentvolumeclaims/status", "configmaps",
			"limitranges", "resourcequotas", "resourcequotas/status", "bindings", "events", "namespaces", "namespaces/status"),
		rule(readVerbs, "discovery.k8s.io", "endpointslices"),
		rule(readVerbs, "apps", "controllerrevisions", "statefulsets", "statefulsets/scale", "statefulsets/status", "daemonsets", "daemonsets/status",
			"deployments", "deployments/scale", "deployments/status", "replicasets", "replicasets/scale", "replicasets/status"),
		rule(readVerbs, "autoscaling", "horizontalpodautoscalers", "horizontalpodautoscalers/status"),
		rule(readVerbs, "batch", "jobs", "jobs/status", "cronjobs", "cronjobs/status"),
		rule(readVerbs, "policy", "poddisruptionbudgets", "poddisruptionbudgets/status"),
		rule(readVerbs, "networking.k8s.io", "networkpolicies", "ingresses", "ingresses/status"),
	}
}

// builtinRole makes the object of a role that the API server provides. It has
// no position: nobody wrote it.
func builtinRole(name string) *kube.Object {
	rules := builtinRules(name)
	if rules == nil {
		return nil
	}
	return &kube.Object{
		APIVersion: rbacv1.SchemeGroupVersion.String(), Kind: "ClusterRole", Name: name,
		Typed: &rbacv1.ClusterRole{
			ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{bootstrapping: bootstrappingDefault}},
			Rules:      rules,
		},
	}
}
