package kube

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/scantling/scantling/model"
)

// FromTyped makes the snapshot of a cluster of which the objects are decoded
// already: each has its apiVersion, kind, name and namespace. It takes them
// over, and keeps of them what a live cluster's would have.
func FromTyped(cluster string, objects []runtime.Object) *Snapshot {
	r := reading{lean: newLean(), objects: make([]*Object, 0, len(objects))}
	for _, o := range objects {
		named, kind := o.(metav1.Object), o.GetObjectKind().GroupVersionKind()
		prune(o)
		r.read++
		r.objects = append(r.objects, r.lean.keep(&Object{
			APIVersion: kind.GroupVersion().String(), Kind: kind.Kind, Namespace: named.GetNamespace(), Name: named.GetName(), Typed: o,
			Position: model.Position{File: kind.Kind + "/" + named.GetNamespace() + "/" + named.GetName()},
		}))
	}
	return assemble(cluster, []reading{r}, nil)
}
