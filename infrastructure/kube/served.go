package kube

import (
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/scantling/scantling/model"
)

// form is how objects of a kind are asked for.
type form int

const (
	typed form = iota // as protobuf, into the type of k8s.io/api
	whole             // as JSON, into Object.Raw
	bare              // without the values: metadata and what a table shows of it
)

// liveKind is one kind that is read from a live cluster.
type liveKind struct {
	group, kind, resource string
	versions              []string // best first; none: the one that the server prefers
	form                  form
}

// liveKinds is all that is read from a live cluster: what some judge reads,
// and the policies of other projects, which a judge has to know of. Leases,
// events, endpoints and the values of Secrets are never asked for. ConfigMaps
// come with their values, in which secrets are looked for.
// deploy/read-only.yaml grants exactly these: a kind that a judge begins to
// read has to be entered in both, or live clusters would look clean of it.
var liveKinds = slices.Concat(
	builtin("", "v1", typed, "ConfigMap configmaps LimitRange limitranges Namespace namespaces Node nodes Pod pods ReplicationController replicationcontrollers Service services ServiceAccount serviceaccounts"),
	builtin("", "v1", bare, "Secret secrets"),
	builtin("", "v1", typed, "PersistentVolume persistentvolumes PersistentVolumeClaim persistentvolumeclaims"),
	builtin("admissionregistration.k8s.io", "v1 v1beta1", typed, "MutatingWebhookConfiguration mutatingwebhookconfigurations ValidatingAdmissionPolicyBinding validatingadmissionpolicybindings ValidatingWebhookConfiguration validatingwebhookconfigurations"),
	builtin("apps", "v1", typed, "DaemonSet daemonsets Deployment deployments ReplicaSet replicasets StatefulSet statefulsets"),
	builtin("batch", "v1 v1beta1", typed, "CronJob cronjobs Job jobs"),
	builtin("networking.k8s.io", "v1 v1beta1", typed, "Ingress ingresses NetworkPolicy networkpolicies"),
	builtin("rbac.authorization.k8s.io", "v1 v1beta1", typed, "ClusterRole clusterroles ClusterRoleBinding clusterrolebindings Role roles RoleBinding rolebindings"),

	custom("gateway.networking.k8s.io", "Gateway gateways GRPCRoute grpcroutes HTTPRoute httproutes TCPRoute tcproutes TLSRoute tlsroutes UDPRoute udproutes"),
	custom("route.openshift.io", "Route routes"),
	custom("policy.networking.k8s.io", "AdminNetworkPolicy adminnetworkpolicies BaselineAdminNetworkPolicy baselineadminnetworkpolicies ClusterNetworkPolicy clusternetworkpolicies"),
	custom("cilium.io", "CiliumCIDRGroup ciliumcidrgroups CiliumClusterwideNetworkPolicy ciliumclusterwidenetworkpolicies CiliumNetworkPolicy ciliumnetworkpolicies"),
	custom("projectcalico.org", "GlobalNetworkPolicy globalnetworkpolicies GlobalNetworkSet globalnetworksets HostEndpoint hostendpoints NetworkPolicy networkpolicies NetworkSet networksets Tier tiers"),
	custom("crd.projectcalico.org", "GlobalNetworkPolicy globalnetworkpolicies GlobalNetworkSet globalnetworksets HostEndpoint hostendpoints NetworkPolicy networkpolicies NetworkSet networksets Tier tiers"),
	custom("crd.antrea.io", "ClusterNetworkPolicy clusternetworkpolicies NetworkPolicy networkpolicies"),
	custom("security.istio.io", "AuthorizationPolicy authorizationpolicies PeerAuthentication peerauthentications"),
	custom("cert-manager.io", "ClusterIssuer clusterissuers Issuer issuers"),
	custom("external-secrets.io", "ClusterSecretStore clustersecretstores SecretStore secretstores"),
	custom("aadpodidentity.k8s.io", "AzurePodIdentityException azurepodidentityexceptions"),
	custom("policy.linkerd.io", "AuthorizationPolicy authorizationpolicies"),
)

// builtin lists kinds of the built-in API as pairs of kind and resource.
func builtin(group, versions string, f form, pairs string) []liveKind {
	fields := strings.Fields(pairs)
	kinds := make([]liveKind, 0, len(fields)/2)
	for i := 0; i+1 < len(fields); i += 2 {
		kinds = append(kinds, liveKind{group, fields[i], fields[i+1], strings.Fields(versions), f})
	}
	return kinds
}

func custom(group, pairs string) []liveKind { return builtin(group, "", whole, pairs) }

// readCustom reports whether a judge reads a kind that has no type here, in
// whatever version: it says itself what it can't evaluate.
func readCustom(group, kind string) bool {
	return slices.ContainsFunc(liveKinds, func(k liveKind) bool { return k.form == whole && k.group == group && k.kind == kind })
}

// served is a kind in the version in which it is read.
type served struct {
	liveKind
	version    string
	namespaced bool
}

func (k served) apiVersion() string {
	return schema.GroupVersion{Group: k.group, Version: k.version}.String()
}

// path is that of the kind's list on the API server, "" for all namespaces.
func (k served) path(namespace string) string {
	path := "/apis/" + k.apiVersion()
	if k.group == "" {
		path = "/api/" + k.version
	}
	if k.namespaced && namespace != "" {
		path += "/namespaces/" + namespace
	}
	return path + "/" + k.resource
}

// name is the resource as kubectl writes it: "pods", "deployments.apps".
func (k liveKind) name() string {
	return schema.GroupResource{Group: k.group, Resource: k.resource}.String()
}

// plan says in which version each kind is read, and names what can't be. The
// groups hold what the server offers, and failed those it couldn't tell about.
func plan(groups []*metav1.APIGroup, lists []*metav1.APIResourceList, failed map[schema.GroupVersion]error) ([]served, []model.Incomplete) {
	offered := map[schema.GroupVersionResource]metav1.APIResource{}
	for _, list := range lists {
		gv, err := schema.ParseGroupVersion(list.GroupVersion)
		if err != nil {
			continue
		}
		for _, r := range list.APIResources {
			offered[gv.WithResource(r.Name)] = r
		}
	}
	var kinds []served
	var incomplete []model.Incomplete
	for _, k := range liveKinds {
		if k.group == "crd.projectcalico.org" && hasGroup(groups, "projectcalico.org") {
			continue // the same policies, served by Calico's own API server
		}
		version, others := choose(k, groups, offered)
		switch {
		case version != "":
			r := offered[schema.GroupVersionResource{Group: k.group, Version: version, Resource: k.resource}]
			kinds = append(kinds, served{k, version, r.Namespaced})
		case others != "":
			incomplete = append(incomplete, model.Incomplete{What: "list " + k.name(), Why: "the cluster serves only version " + others + ", which isn't read"})
		}
	}
	for gv, err := range failed {
		if slices.ContainsFunc(liveKinds, func(k liveKind) bool { return k.group == gv.Group }) {
			incomplete = append(incomplete, model.Incomplete{What: "API " + gv.String(), Why: "the cluster can't say what it holds: " + err.Error()})
		}
	}
	return kinds, append(incomplete, unreadPolicies(lists)...)
}

func hasGroup(groups []*metav1.APIGroup, name string) bool {
	return slices.ContainsFunc(groups, func(g *metav1.APIGroup) bool { return g.Name == name })
}

// choose returns the version to read a kind in, "" where there is none; others
// are those that are served and not read.
func choose(k liveKind, groups []*metav1.APIGroup, offered map[schema.GroupVersionResource]metav1.APIResource) (version, others string) {
	wanted := k.versions
	var names []string
	for _, g := range groups {
		if g.Name != k.group {
			continue
		}
		if len(wanted) == 0 {
			wanted = append(wanted, g.PreferredVersion.Version)
		}
		for _, v := range g.Versions {
			if len(k.versions) == 0 {
				wanted = append(wanted, v.Version)
			}
			if _, has := offered[schema.GroupVersionResource{Group: k.group, Version: v.Version, Resource: k.resource}]; has {
				names = append(names, v.Version)
			}
		}
	}
	for _, v := range wanted {
		r, has := offered[schema.GroupVersionResource{Group: k.group, Version: v, Resource: k.resource}]
		if has && slices.Contains(r.Verbs, "list") {
			return v, ""
		}
	}
	return "", strings.Join(names, ", ")
}

// unreadPolicies names the kinds that look like policies of the network and
// that nobody here knows. Whether there is any such object isn't asked, for
// the shipped role can't grant what it doesn't know. A staged policy of
// Calico decides nothing.
func unreadPolicies(lists []*metav1.APIResourceList) []model.Incomplete {
	seen := map[string]bool{}
	var incomplete []model.Incomplete
	for _, list := range lists {
		gv, err := schema.ParseGroupVersion(list.GroupVersion)
		if err != nil {
			continue
		}
		for _, r := range list.APIResources {
			kind := r.Kind
			known := slices.ContainsFunc(liveKinds, func(k liveKind) bool { return k.group == gv.Group && k.kind == kind })
			name := schema.GroupResource{Group: gv.Group, Resource: r.Name}.String()
			if known || seen[name] || strings.Contains(r.Name, "/") || strings.HasPrefix(kind, "Staged") || !strings.HasSuffix(kind, "NetworkPolicy") {
				continue
			}
			seen[name] = true
			incomplete = append(incomplete, model.Incomplete{What: "list " + name, Why: "a kind of network policy that isn't known here: if there is any, connections may be otherwise"})
		}
	}
	return incomplete
}
