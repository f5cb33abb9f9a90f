package ingest

import (
	"slices"
	"strings"

	"github.com/valyala/fastjson"

	"github.com/scantling/scantling/model"
)

const serviceAccountUser = "system:serviceaccount:"

// kinds names the Kubernetes kind of the resources that estates join on.
var kinds = map[string]string{
	"pods": "Pod", "deployments": "Deployment", "statefulsets": "StatefulSet", "daemonsets": "DaemonSet",
	"replicasets": "ReplicaSet", "replicationcontrollers": "ReplicationController", "jobs": "Job", "cronjobs": "CronJob",
	"roles": "Role", "clusterroles": "ClusterRole", "rolebindings": "RoleBinding", "clusterrolebindings": "ClusterRoleBinding",
	"configmaps": "ConfigMap", "services": "Service", "endpoints": "Endpoints", "ingresses": "Ingress",
	"networkpolicies": "NetworkPolicy", "persistentvolumes": "PersistentVolume", "persistentvolumeclaims": "PersistentVolumeClaim",
	"customresourcedefinitions": "CustomResourceDefinition", "events": "Event", "leases": "Lease", "endpointslices": "EndpointSlice",
	"mutatingwebhookconfigurations": "MutatingWebhookConfiguration", "validatingwebhookconfigurations": "ValidatingWebhookConfiguration",
}

var workloadKinds = []string{"Pod", "Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "ReplicationController", "Job", "CronJob"}

// IdentityOf returns the identity of a user name of the API server: a service
// account as cluster/namespace/name, anyone else as cluster//user:NAME. The
// empty name has none.
func IdentityOf(cluster, user string) model.Ref {
	if user == "" {
		return model.Ref{}
	}
	if rest, ok := strings.CutPrefix(user, serviceAccountUser); ok {
		if ns, name, ok := strings.Cut(rest, ":"); ok && ns != "" && name != "" {
			return model.Ref{Kind: model.Identity, Key: cluster + "/" + ns + "/" + name}
		}
	}
	return model.Ref{Kind: model.Identity, Key: cluster + "//user:" + user}
}

// assets lists what an event touches, most telling first, without repeats: the
// object, its controller, who acted, whoever acted in that name, and the pod
// whose token acted.
func assets(v *fastjson.Value, cluster string, who model.Ref) []model.Ref {
	var impersonator model.Ref
	if v.Exists("impersonatedUser") {
		impersonator = IdentityOf(cluster, str(v, "user", "username"))
	}
	return distinct(
		target(v, cluster),
		controller(v, cluster),
		who,
		impersonator,
		actingPod(v, cluster),
	)
}

// target is the asset that objectRef names. A create by generateName has its
// name in the response only, and a list has none: then it is the namespace.
func target(v *fastjson.Value, cluster string) model.Ref {
	resource, ns, name := str(v, "objectRef", "resource"), str(v, "objectRef", "namespace"), str(v, "objectRef", "name")
	if name == "" {
		name = str(v, "responseObject", "metadata", "name")
	}
	if name == "" {
		name = str(v, "requestObject", "metadata", "name")
	}
	switch {
	case resource == "":
		return model.Ref{}
	case resource == "namespaces" && name != "":
		return model.Ref{Kind: model.Namespace, Key: cluster + "/" + name}
	case name == "" && ns != "":
		return model.Ref{Kind: model.Namespace, Key: cluster + "/" + ns}
	case name == "":
		return model.Ref{Kind: model.Cluster, Key: cluster}
	}
	return named(cluster, resource, ns, name)
}

// named is the asset of an object by the plural of its kind.
func named(cluster, resource, ns, name string) model.Ref {
	switch resource {
	case "secrets":
		return ofKind(cluster, "Secret", ns, name)
	case "serviceaccounts":
		return ofKind(cluster, "ServiceAccount", ns, name)
	case "nodes":
		return ofKind(cluster, "Node", ns, name)
	}
	kind := kinds[resource]
	if kind == "" {
		kind = resource // a custom resource: its plural is what the log gives
	}
	return ofKind(cluster, kind, ns, name)
}

// ofKind is the asset of an object by its kind; zero without a name.
func ofKind(cluster, kind, ns, name string) model.Ref {
	switch {
	case name == "":
		return model.Ref{}
	case kind == "Secret":
		return model.Ref{Kind: model.Secret, Key: cluster + "/" + ns + "/" + name}
	case kind == "ServiceAccount":
		return model.Ref{Kind: model.Identity, Key: cluster + "/" + ns + "/" + name}
	case kind == "Node":
		return model.Ref{Kind: model.Node, Key: cluster + "/" + name}
	case kind == "Namespace":
		return model.Ref{Kind: model.Namespace, Key: cluster + "/" + name}
	}
	ref := model.Ref{Kind: model.Object, Key: cluster + "/" + ns + "/" + kind + "/" + name}
	switch {
	case slices.Contains(workloadKinds, kind):
		ref.Kind = model.Workload
	case kind == "RoleBinding" || kind == "ClusterRoleBinding":
		ref.Kind = model.Binding
	}
	return ref
}

// distinct drops empty references and repeats; nil when nothing is left. It
// writes over the list that it is given.
func distinct(refs ...model.Ref) []model.Ref {
	kept := refs[:0]
	for _, r := range refs {
		if !r.IsZero() && !slices.Contains(kept, r) {
			kept = append(kept, r)
		}
	}
	if len(kept) == 0 {
		return nil
	}
	return slices.Clone(kept)
}

// controller is the workload that owns a created object, where the body says so.
func controller(v *fastjson.Value, cluster string) model.Ref {
	for _, owner := range v.GetArray("requestObject", "metadata", "ownerReferences") {
		if kind := str(owner, "kind"); owner.GetBool("controller") && slices.Contains(workloadKinds, kind) {
			key := cluster + "/" + str(v, "objectRef", "namespace") + "/" + kind + "/" + str(owner, "name")
			return model.Ref{Kind: model.Workload, Key: key}
		}
	}
	return model.Ref{}
}

// actingPod is the pod that a bound service account token was issued to
// (Kubernetes 1.22 and later put it into the user's extra fields).
func actingPod(v *fastjson.Value, cluster string) model.Ref {
	pods := v.GetArray("user", "extra", "authentication.kubernetes.io/pod-name")
	rest, ok := strings.CutPrefix(str(v, "user", "username"), serviceAccountUser)
	ns, _, found := strings.Cut(rest, ":")
	if !ok || !found || len(pods) != 1 {
		return model.Ref{}
	}
	pod, err := pods[0].StringBytes()
	if err != nil || len(pod) > maxName {
		return model.Ref{}
	}
	return model.Ref{Kind: model.Workload, Key: cluster + "/" + ns + "/Pod/" + string(pod)}
}
