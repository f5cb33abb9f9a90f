package posture

import (
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/scantling/scantling/infrastructure/kube"
	"github.com/scantling/scantling/infrastructure/network"
	"github.com/scantling/scantling/model"
	"github.com/scantling/scantling/rule"
)

// workloadKind is what kinds: of a rule calls everything that makes pods, of
// whatever kind its controller is.
const workloadKind = "Workload"

// objectKinds are the other kinds that are judged, each with the API group
// that it must be of: other groups have a Service and an Ingress as well.
var objectKinds = map[string]string{
	"ClusterRole":                      "rbac.authorization.k8s.io",
	"ClusterRoleBinding":               "rbac.authorization.k8s.io",
	"Role":                             "rbac.authorization.k8s.io",
	"RoleBinding":                      "rbac.authorization.k8s.io",
	"Namespace":                        "",
	"Node":                             "",
	"ConfigMap":                        "",
	"Secret":                           "",
	"Service":                          "",
	"Ingress":                          "networking.k8s.io",
	"NetworkPolicy":                    "networking.k8s.io",
	"MutatingWebhookConfiguration":     "admissionregistration.k8s.io",
	"ValidatingWebhookConfiguration":   "admissionregistration.k8s.io",
	"ValidatingAdmissionPolicyBinding": "admissionregistration.k8s.io",
}

// retiredGroup held Ingress and NetworkPolicy before networking.k8s.io.
const retiredGroup = "extensions"

// target is one thing to judge: a workload with its controller, or an object.
type target struct {
	snapshot *kube.Snapshot
	object   *kube.Object   // of a workload, its controller or first pod
	workload *kube.Workload // nil for other objects
	shut     func(namespace string) network.Shut

	spec corev1.PodSpec // of a workload, with the debug containers of its pods
	pod  any            // spec as plain data, or why it can't be had
}

// targets lists what is judged in a snapshot: workloads, then objects of the
// other kinds, in the snapshot's order.
func targets(s *kube.Snapshot) []*target {
	var out []*target
	shut := network.ShutSpaces(s)
	for _, w := range s.Workloads {
		t := &target{snapshot: s, object: w.Object, workload: w, shut: shut, spec: withDebugContainers(w)}
		t.pod = plain(&t.spec)
		out = append(out, t)
	}
	for _, o := range s.Objects {
		if judged(o) {
			out = append(out, &target{snapshot: s, object: o, shut: shut})
		}
	}
	return out
}

// judged reports whether an object is of one of objectKinds.
func judged(o *kube.Object) bool {
	want, known := objectKinds[o.Kind]
	group, _, grouped := strings.Cut(o.APIVersion, "/")
	if !grouped {
		group = "" // the core group has a version only
	}
	return known && (group == want || group == retiredGroup && want == "networking.k8s.io")
}

// withDebugContainers adds the ephemeral containers of running pods to the
// template, which never has any: one of each name.
func withDebugContainers(w *kube.Workload) corev1.PodSpec {
	spec := w.Spec
	seen := map[string]bool{}
	for _, c := range spec.EphemeralContainers {
		seen[c.Name] = true
	}
	added := slices.Clone(spec.EphemeralContainers)
	for _, p := range w.Pods {
		if p.Object == nil {
			continue
		}
		pod, ok := p.Object.Typed.(*corev1.Pod)
		if !ok {
			continue
		}
		for _, c := range pod.Spec.EphemeralContainers {
			if !seen[c.Name] {
				seen[c.Name] = true
				added = append(added, c)
			}
		}
	}
	spec.EphemeralContainers = added
	return spec
}

// plain turns a pod's spec into the data that the API server would show.
func plain(spec *corev1.PodSpec) any {
	data, err := runtime.DefaultUnstructuredConverter.ToUnstructured(spec)
	if err != nil {
		return rule.Unknown{Reason: fmt.Sprintf("the pod's spec can't be read: %v", err)}
	}
	return data
}

// kind is what rules name in kinds:.
func (t *target) kind() string {
	if t.workload != nil {
		return workloadKind
	}
	return t.object.Kind
}

// position is that of the object's document.
func (t *target) position() model.Position { return t.object.Position }

// asset is what findings are about.
func (t *target) asset() model.FindingAsset {
	if w := t.workload; w != nil {
		return model.FindingAsset{Kind: model.Workload, Key: t.snapshot.Key(w), Name: w.Name}
	}
	o, cluster := t.object, t.snapshot.Cluster
	switch o.Kind {
	case "ClusterRoleBinding", "RoleBinding":
		return model.FindingAsset{Kind: model.Binding, Key: cluster + "/" + o.Namespace + "/" + o.Kind + "/" + o.Name, Name: o.Name}
	case "Namespace":
		return model.FindingAsset{Kind: model.Namespace, Key: cluster + "/" + o.Name, Name: o.Name}
	case "Node":
		return model.FindingAsset{Kind: model.Node, Key: cluster + "/" + o.Name, Name: o.Name}
	case "Secret":
		return model.FindingAsset{Kind: model.Secret, Key: cluster + "/" + o.Namespace + "/" + o.Name, Name: o.Name}
	}
	return model.FindingAsset{Kind: model.Object, Key: cluster + "/" + o.Namespace + "/" + o.Kind + "/" + o.Name, Name: o.Name}
}

// podMeta is the metadata of the workload's pods; a few Pod Security checks
// of old versions read annotations.
func (t *target) podMeta() *metav1.ObjectMeta {
	meta := &metav1.ObjectMeta{Labels: t.workload.Labels, Annotations: map[string]string{}}
	at := t.object.Raw
	for _, field := range templatePath(t.object.Kind) {
		at, _ = at[field].(map[string]any)
	}
	metadata, _ := at["metadata"].(map[string]any)
	annotations, _ := metadata["annotations"].(map[string]any)
	for k, v := range annotations {
		if s, ok := v.(string); ok {
			meta.Annotations[k] = s
		}
	}
	return meta
}

// templatePath leads from a controller to what is its pod.
func templatePath(kind string) []string {
	switch kind {
	case "Pod":
		return nil
	case "CronJob":
		return []string{"spec", "jobTemplate", "spec", "template"}
	}
	return []string{"spec", "template"}
}

// mountsToken reports whether the API server mounts the account's token: the
// pod's word goes before the account's, and silence means yes (ServiceAccount
// admission). An account that was not read is taken to be silent.
func (t *target) mountsToken() bool {
	if said := t.spec.AutomountServiceAccountToken; said != nil {
		return *said
	}
	w := t.workload
	account := t.snapshot.Get("ServiceAccount", w.Namespace, w.ServiceAccount)
	if account == nil {
		return true
	}
	if typed, ok := account.Typed.(*corev1.ServiceAccount); ok && typed.AutomountServiceAccountToken != nil {
		return *typed.AutomountServiceAccountToken
	}
	return true
}

// withoutNulls leaves out the fields of plain data that are null: the API
// server takes them for absent. Data without any is returned as it is.
func withoutNulls(v any) any {
	if !hasNull(v) {
		return v
	}
	switch v := v.(type) {
	case map[string]any:
		out := make(map[string]any, len(v))
		for k, e := range v {
			if e != nil {
				out[k] = withoutNulls(e)
			}
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, e := range v {
			out[i] = withoutNulls(e)
		}
		return out
	}
	return v
}

// hasNull reports whether a field within plain data is null.
func hasNull(v any) bool {
	switch v := v.(type) {
	case map[string]any:
		for _, e := range v {
			if e == nil || hasNull(e) {
				return true
			}
		}
	case []any:
		return slices.ContainsFunc(v, hasNull)
	}
	return false
}
