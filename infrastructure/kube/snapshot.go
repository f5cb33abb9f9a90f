package kube

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/scantling/scantling/model"
)

// Object is one Kubernetes object as it was read. Raw is the decoded document
// (numbers are int64 or float64), which rules read. Pods and ReplicaSets that
// have an owner and aren't the Object of their workload have no Raw, for there
// are thousands that differ in little. Typed is a pointer to its
// k8s.io/api type, nil for a kind that this package doesn't know or an object
// that doesn't fit its type: such an object is kept and named in
// Snapshot.Incomplete, never dropped. Versions that the API server has retired
// (extensions/v1beta1 and the like) are decoded into the current type where
// their fields are the same; APIVersion stays as it was written.
type Object struct {
	APIVersion string
	Kind       string
	Namespace  string // "" for cluster-scoped kinds; "default" where a namespaced object names none
	Name       string // generateName where there is no name
	Raw        map[string]any
	Typed      runtime.Object
	Position   model.Position // of the document's first line
	Rendered   string         // kind of what it was rendered from, to which Position points; "" for a manifest as it stands
}

// Workload is the owner that a person would name: pods are folded into their
// topmost controller that is present or named by an owner reference.
type Workload struct {
	Namespace      string
	Kind           string // Deployment, StatefulSet, DaemonSet, ReplicaSet, Job, CronJob, Pod, …
	Name           string
	Labels         map[string]string // of its pods
	Spec           corev1.PodSpec    // of its pods, with the API server's defaults that judging needs
	ServiceAccount string            // "default" where none is named
	Replicas       int               // declared, or pods seen; at least 1
	Pods           []Pod             // running pods where the snapshot has them, sorted by name
	Object         *Object           // the controller, or the first pod
}

// Pod is one running pod of a workload.
type Pod struct {
	Name     string
	UID      string
	Node     string
	IPs      []string // every address, IPv4 or IPv6
	ImageIDs []string // status.containerStatuses[].imageID
	Labels   map[string]string
	Object   *Object
}

// Snapshot is everything read of one cluster, in an order that doesn't depend
// on the order of input. It is immutable once built and safe to share.
type Snapshot struct {
	Cluster    string      // name from the estate file, "cluster" by default
	Objects    []*Object   // sorted by kind, namespace, name, API version
	Workloads  []*Workload // sorted by namespace, kind, name
	Read       int         // Kubernetes objects read, list items counted one by one
	Skipped    int         // files and documents in folders that are no Kubernetes objects
	Incomplete []model.Incomplete
	Origin     *Origin // nil for manifests

	folded map[*Object]*Workload

	index index
}

// Key returns the asset key of the workload: cluster/namespace/Kind/name.
func (s *Snapshot) Key(w *Workload) string {
	return s.Cluster + "/" + w.Namespace + "/" + w.Kind + "/" + w.Name
}

// Ref returns the asset of the workload.
func (s *Snapshot) Ref(w *Workload) model.Ref {
	return model.Ref{Kind: model.Workload, Key: s.Key(w)}
}
