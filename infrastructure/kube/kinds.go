package kube

import (
	"strings"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes/scheme"
)

// currentVersion maps retired versions to the one whose type has the same
// fields. Versions whose fields changed (Ingress, HorizontalPodAutoscaler,
// PodSecurityPolicy) are not here. Source: the deprecated API migration guide.
var currentVersion = map[schema.GroupVersionKind]schema.GroupVersion{
	gvk("extensions/v1beta1", "Deployment"):                                  {Group: "apps", Version: "v1"},
	gvk("extensions/v1beta1", "DaemonSet"):                                   {Group: "apps", Version: "v1"},
	gvk("extensions/v1beta1", "ReplicaSet"):                                  {Group: "apps", Version: "v1"},
	gvk("extensions/v1beta1", "NetworkPolicy"):                               {Group: "networking.k8s.io", Version: "v1"},
	gvk("apps/v1beta1", "Deployment"):                                        {Group: "apps", Version: "v1"},
	gvk("apps/v1beta1", "StatefulSet"):                                       {Group: "apps", Version: "v1"},
	gvk("apps/v1beta2", "Deployment"):                                        {Group: "apps", Version: "v1"},
	gvk("apps/v1beta2", "DaemonSet"):                                         {Group: "apps", Version: "v1"},
	gvk("apps/v1beta2", "ReplicaSet"):                                        {Group: "apps", Version: "v1"},
	gvk("apps/v1beta2", "StatefulSet"):                                       {Group: "apps", Version: "v1"},
	gvk("batch/v1beta1", "CronJob"):                                          {Group: "batch", Version: "v1"},
	gvk("policy/v1beta1", "PodDisruptionBudget"):                             {Group: "policy", Version: "v1"},
	gvk("rbac.authorization.k8s.io/v1beta1", "Role"):                         {Group: "rbac.authorization.k8s.io", Version: "v1"},
	gvk("rbac.authorization.k8s.io/v1beta1", "RoleBinding"):                  {Group: "rbac.authorization.k8s.io", Version: "v1"},
	gvk("rbac.authorization.k8s.io/v1beta1", "ClusterRole"):                  {Group: "rbac.authorization.k8s.io", Version: "v1"},
	gvk("rbac.authorization.k8s.io/v1beta1", "ClusterRoleBinding"):           {Group: "rbac.authorization.k8s.io", Version: "v1"},
	gvk("discovery.k8s.io/v1beta1", "EndpointSlice"):                         {Group: "discovery.k8s.io", Version: "v1"},
	gvk("storage.k8s.io/v1beta1", "StorageClass"):                            {Group: "storage.k8s.io", Version: "v1"},
	gvk("scheduling.k8s.io/v1beta1", "PriorityClass"):                        {Group: "scheduling.k8s.io", Version: "v1"},
	gvk("admissionregistration.k8s.io/v1beta1", "ValidatingAdmissionPolicy"): {Group: "admissionregistration.k8s.io", Version: "v1"},
	gvk("admissionregistration.k8s.io/v1beta1", "ValidatingAdmissionPolicyBinding"): {
		Group: "admissionregistration.k8s.io", Version: "v1",
	},
}

func gvk(apiVersion, kind string) schema.GroupVersionKind {
	return schema.FromAPIVersionAndKind(apiVersion, kind)
}

// clusterScoped holds the kinds without a namespace: those of the built-in
// API, and policies of projects whose scope decides what they select.
var clusterScoped = words(`
	Namespace Node PersistentVolume ComponentStatus
	ClusterRole ClusterRoleBinding
	StorageClass VolumeAttachment CSIDriver CSINode VolumeAttributesClass
	PriorityClass RuntimeClass IngressClass IPAddress ServiceCIDR
	FlowSchema PriorityLevelConfiguration
	ValidatingWebhookConfiguration MutatingWebhookConfiguration
	ValidatingAdmissionPolicy ValidatingAdmissionPolicyBinding MutatingAdmissionPolicy MutatingAdmissionPolicyBinding
	CertificateSigningRequest ClusterTrustBundle
	CustomResourceDefinition APIService PodSecurityPolicy
	DeviceClass ResourceSlice StorageVersion StorageVersionMigration
	TokenReview SubjectAccessReview SelfSubjectAccessReview SelfSubjectRulesReview SelfSubjectReview
	GatewayClass AdminNetworkPolicy BaselineAdminNetworkPolicy ClusterNetworkPolicy
	CiliumClusterwideNetworkPolicy CiliumCIDRGroup GlobalNetworkPolicy GlobalNetworkSet HostEndpoint Tier ClusterIssuer ClusterSecretStore ClusterExternalSecret`)

func words(text string) map[string]bool {
	set := map[string]bool{}
	for _, w := range strings.Fields(text) {
		set[w] = true
	}
	return set
}

// newTyped returns an empty value of the kind's type, nil for an unknown kind.
func newTyped(kind schema.GroupVersionKind) runtime.Object {
	if current, retired := currentVersion[kind]; retired {
		kind = current.WithKind(kind.Kind)
	}
	typed, err := scheme.Scheme.New(kind)
	if err != nil {
		return nil
	}
	return typed
}

// identityGroup is the API group under which an object is one and the same
// whatever version it was written in.
func identityGroup(kind schema.GroupVersionKind) string {
	if current, retired := currentVersion[kind]; retired {
		return current.Group
	}
	if kind.Group == "extensions" && kind.Kind == "Ingress" {
		return "networking.k8s.io"
	}
	return kind.Group
}

// notClusterObjects are API groups whose documents have kind and apiVersion
// and yet describe no object of a cluster: records of the audit log.
var notClusterObjects = map[string]bool{"audit.k8s.io": true}
