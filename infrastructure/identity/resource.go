package identity

import (
	"fmt"
	"slices"
	"strings"
)

// resource is a built-in resource as people write it.
type resource struct {
	name    string // plural
	group   string
	cluster bool   // its objects are in no namespace
	short   string // other names, separated by spaces
}

// resources are those that need no group, because everybody knows which is
// meant. Source: Kubernetes documentation, kubectl quick reference, resource
// types; the resources without objects from the API reference.
var resources = []resource{
	{"bindings", "", false, ""},
	{"componentstatuses", "", true, "cs"},
	{"configmaps", "", false, "cm"},
	{"endpoints", "", false, "ep"},
	{"events", "", false, "ev"},
	{"limitranges", "", false, "limits"},
	{"namespaces", "", true, "ns"},
	{"nodes", "", true, "no"},
	{"persistentvolumeclaims", "", false, "pvc"},
	{"persistentvolumes", "", true, "pv"},
	{"pods", "", false, "po"},
	{"podtemplates", "", false, ""},
	{"replicationcontrollers", "", false, "rc"},
	{"resourcequotas", "", false, "quota"},
	{"secrets", "", false, ""},
	{"serviceaccounts", "", false, "sa"},
	{"services", "", false, "svc"},
	{"users", "", true, ""},
	{"groups", "", true, ""},
	{"mutatingwebhookconfigurations", "admissionregistration.k8s.io", true, ""},
	{"validatingwebhookconfigurations", "admissionregistration.k8s.io", true, ""},
	{"validatingadmissionpolicies", "admissionregistration.k8s.io", true, ""},
	{"validatingadmissionpolicybindings", "admissionregistration.k8s.io", true, ""},
	{"customresourcedefinitions", "apiextensions.k8s.io", true, "crd crds"},
	{"apiservices", "apiregistration.k8s.io", true, ""},
	{"controllerrevisions", "apps", false, ""},
	{"daemonsets", "apps", false, "ds"},
	{"deployments", "apps", false, "deploy"},
	{"replicasets", "apps", false, "rs"},
	{"statefulsets", "apps", false, "sts"},
	{"tokenreviews", "authentication.k8s.io", true, ""},
	{"selfsubjectreviews", "authentication.k8s.io", true, ""},
	{"localsubjectaccessreviews", "authorization.k8s.io", false, ""},
	{"subjectaccessreviews", "authorization.k8s.io", true, ""},
	{"selfsubjectaccessreviews", "authorization.k8s.io", true, ""},
	{"selfsubjectrulesreviews", "authorization.k8s.io", true, ""},
	{"horizontalpodautoscalers", "autoscaling", false, "hpa"},
	{"cronjobs", "batch", false, "cj"},
	{"jobs", "batch", false, ""},
	{"certificatesigningrequests", "certificates.k8s.io", true, "csr"},
	{"signers", "certificates.k8s.io", true, ""},
	{"leases", "coordination.k8s.io", false, ""},
	{"endpointslices", "discovery.k8s.io", false, ""},
	{"flowschemas", "flowcontrol.apiserver.k8s.io", true, ""},
	{"prioritylevelconfigurations", "flowcontrol.apiserver.k8s.io", true, ""},
	{"ingressclasses", "networking.k8s.io", true, ""},
	{"ingresses", "networking.k8s.io", false, "ing"},
	{"networkpolicies", "networking.k8s.io", false, "netpol"},
	{"runtimeclasses", "node.k8s.io", true, ""},
	{"poddisruptionbudgets", "policy", false, "pdb"},
	{"clusterrolebindings", rbacGroup, true, ""},
	{"clusterroles", rbacGroup, true, ""},
	{"rolebindings", rbacGroup, false, ""},
	{"roles", rbacGroup, false, ""},
	{"priorityclasses", "scheduling.k8s.io", true, "pc"},
	{"csidrivers", "storage.k8s.io", true, ""},
	{"csinodes", "storage.k8s.io", true, ""},
	{"csistoragecapacities", "storage.k8s.io", false, ""},
	{"storageclasses", "storage.k8s.io", true, "sc"},
	{"volumeattachments", "storage.k8s.io", true, ""},
}

// ResourceNames lists the resources that Resource knows without a group.
func ResourceNames() []string {
	out := make([]string, len(resources))
	for i := range resources {
		out[i] = resources[i].name
	}
	return out
}

// Resource reads what a person asks about: a path as "/metrics", "*", or
// "resource", "resource.group", each with "/subresource". Without a group only
// a built-in resource is known, also by its short name or in the singular. It
// says whether its objects are in no namespace; with a group that isn't built
// in nobody knows, and they are taken to be in one.
func Resource(text string) (r Request, cluster bool, err error) {
	if strings.HasPrefix(text, "/") {
		return Request{Path: text}, true, nil
	}
	r = ParseResource(text)
	if r.Resource == "" || strings.HasSuffix(text, "/") || strings.HasSuffix(text, ".") {
		return Request{}, false, fmt.Errorf("%q names no resource: use RESOURCE, RESOURCE.GROUP, with /SUBRESOURCE, or a path as /metrics", text)
	}
	if r.Resource == "*" && r.Group == "" {
		r.Group = "*"
		return r, false, nil
	}
	plain := !strings.Contains(text, ".")
	for _, k := range resources {
		if !plain && (k.group != r.Group || k.name != r.Resource) {
			continue
		}
		if k.name == r.Resource || singular(k.name) == r.Resource || slices.Contains(strings.Fields(k.short), r.Resource) {
			r.Resource, r.Group = k.name, k.group
			return r, k.cluster, nil
		}
	}
	if plain {
		return Request{}, false, fmt.Errorf("resource %q is not built in: name its API group, as %s.example.com", r.Resource, r.Resource)
	}
	return r, false, nil
}

// singular is the name of one object of a resource.
func singular(plural string) string {
	if stem, ok := strings.CutSuffix(plural, "ies"); ok {
		return stem + "y"
	}
	if strings.HasSuffix(plural, "sses") {
		return strings.TrimSuffix(plural, "es")
	}
	return strings.TrimSuffix(plural, "s")
}

// ParseSubject reads who asks: "system:serviceaccount:NAMESPACE:NAME" or
// "NAMESPACE/NAME" for a ServiceAccount, "group:NAME", "user:NAME", or the name
// of a user.
func ParseSubject(text string) (Subject, error) {
	if name, ok := strings.CutPrefix(text, "group:"); ok && name != "" {
		return Group(name), nil
	}
	name, named := strings.CutPrefix(text, "user:")
	if named && name != "" {
		return User(name), nil
	}
	if ns, account, ok := strings.Cut(text, "/"); ok && !strings.Contains(text, ":") {
		if ns == "" || account == "" || strings.Contains(account, "/") {
			return Subject{}, fmt.Errorf("%q is no subject: a ServiceAccount is NAMESPACE/NAME", text)
		}
		return Account(ns, account), nil
	}
	if name == "" {
		return Subject{}, fmt.Errorf("no subject: use NAMESPACE/NAME of a ServiceAccount, user:NAME or group:NAME")
	}
	return User(text), nil
}
