package signal

// groupOf is the API group of the resources that are part of Kubernetes and
// have one group alone. Source: kubernetes.io/docs/reference/kubernetes-api.
var groupOf = groups(map[string][]string{
	"": {
		"bindings", "configmaps", "endpoints", "limitranges", "namespaces", "nodes", "persistentvolumeclaims", "persistentvolumes",
		"pods", "podtemplates", "replicationcontrollers", "resourcequotas", "secrets", "serviceaccounts", "services",
	},
	"admissionregistration.k8s.io": {
		"mutatingwebhookconfigurations", "validatingwebhookconfigurations", "validatingadmissionpolicies", "validatingadmissionpolicybindings",
		"mutatingadmissionpolicies", "mutatingadmissionpolicybindings",
	},
	"apiextensions.k8s.io":         {"customresourcedefinitions"},
	"apiregistration.k8s.io":       {"apiservices"},
	"apps":                         {"controllerrevisions", "daemonsets", "deployments", "replicasets", "statefulsets"},
	"authentication.k8s.io":        {"selfsubjectreviews", "tokenreviews"},
	"authorization.k8s.io":         {"localsubjectaccessreviews", "selfsubjectaccessreviews", "selfsubjectrulesreviews", "subjectaccessreviews"},
	"autoscaling":                  {"horizontalpodautoscalers"},
	"batch":                        {"cronjobs", "jobs"},
	"certificates.k8s.io":          {"certificatesigningrequests", "clustertrustbundles"},
	"coordination.k8s.io":          {"leases"},
	"discovery.k8s.io":             {"endpointslices"},
	"flowcontrol.apiserver.k8s.io": {"flowschemas", "prioritylevelconfigurations"},
	"networking.k8s.io":            {"ingresses", "ingressclasses", "networkpolicies"},
	"node.k8s.io":                  {"runtimeclasses"},
	"policy":                       {"poddisruptionbudgets"},
	"rbac.authorization.k8s.io":    {"clusterrolebindings", "clusterroles", "rolebindings", "roles"},
	"scheduling.k8s.io":            {"priorityclasses"},
	"storage.k8s.io":               {"csidrivers", "csinodes", "storageclasses", "volumeattachments"},
})

func groups(byGroup map[string][]string) map[string]string {
	out := map[string]string{}
	for group, resources := range byGroup {
		for _, r := range resources {
			out[r] = group
		}
	}
	return out
}

// subresources are those of resources that rules ask for; a resource that
// isn't here may have any.
var subresources = map[string][]string{
	"pods":                       {"attach", "binding", "ephemeralcontainers", "eviction", "exec", "log", "portforward", "proxy", "resize", "status"},
	"nodes":                      {"proxy", "status"},
	"services":                   {"proxy", "status"},
	"serviceaccounts":            {"token"},
	"namespaces":                 {"finalize", "status"},
	"replicationcontrollers":     {"scale", "status"},
	"deployments":                {"scale", "status"},
	"replicasets":                {"scale", "status"},
	"statefulsets":               {"scale", "status"},
	"daemonsets":                 {"status"},
	"jobs":                       {"status"},
	"cronjobs":                   {"status"},
	"certificatesigningrequests": {"approval", "status"},
	"secrets":                    {},
	"configmaps":                 {},
	"roles":                      {},
	"clusterroles":               {},
	"rolebindings":               {},
	"clusterrolebindings":        {},
}
