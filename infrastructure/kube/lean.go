package kube

import (
	"reflect"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// prune drops what no judge reads and what makes up half of an answer: who
// wrote which field, the copy of the object in an annotation, conditions and
// times of a pod, and the images that lie on a node.
func prune(o runtime.Object) {
	named := o.(metav1.Object)
	named.SetManagedFields(nil)
	if annotations := named.GetAnnotations(); annotations[lastApplied] != "" {
		delete(annotations, lastApplied)
	}
	switch t := o.(type) {
	case *corev1.Pod:
		s := t.Status
		t.Status = corev1.PodStatus{Phase: s.Phase, PodIP: s.PodIP, PodIPs: s.PodIPs, StartTime: s.StartTime}
		t.Status.InitContainerStatuses = pruneStatuses(s.InitContainerStatuses)
		t.Status.ContainerStatuses = pruneStatuses(s.ContainerStatuses)
		t.Status.EphemeralContainerStatuses = pruneStatuses(s.EphemeralContainerStatuses)
	case *corev1.ConfigMap:
		t.BinaryData = nil
	case *corev1.Node:
		t.Status.Images, t.Status.VolumesInUse, t.Status.VolumesAttached = nil, nil, nil
	}
}

func pruneStatuses(list []corev1.ContainerStatus) []corev1.ContainerStatus {
	for i, s := range list {
		list[i] = corev1.ContainerStatus{Name: s.Name, Image: s.Image, ImageID: s.ImageID, RestartCount: s.RestartCount}
	}
	return list
}

// lean keeps the objects of one reading small. Pods and ReplicaSets come in
// thousands that differ in little: of each owner the first is kept as it is,
// and the others share its parts that are equal and have no Raw.
type lean struct {
	first map[ownerID]*Object
}

type ownerID struct{ kind, namespace, ownerKind, owner string }

func newLean() *lean { return &lean{map[ownerID]*Object{}} }

// keep makes o small. A nil lean, as for manifests, leaves it as it is.
func (l *lean) keep(o *Object) *Object {
	if l == nil || o.Typed == nil {
		return o
	}
	if o.Kind == "Pod" || o.Kind == "ReplicaSet" {
		if up, owned := o.controllerOwner(); owned {
			id := ownerID{o.Kind, o.Namespace, up.kind, up.name}
			if first := l.first[id]; first != nil {
				share(reflect.ValueOf(o.Typed).Elem(), reflect.ValueOf(first.Typed).Elem(), 0)
				o.Raw = nil
				return o
			}
			l.first[id] = o
		}
	}
	if o.Raw == nil {
		o.Raw = plain(o.Typed)
	}
	return o
}

// maxShare bounds how deep equal parts are looked for: a container's fields,
// and the elements of its lists.
const maxShare = 7

// share makes v use the memory of like wherever the two are equal. Both are
// read only from then on.
func share(v, like reflect.Value, depth int) {
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Field(i).CanSet() {
				share(v.Field(i), like.Field(i), depth+1)
			}
		}
	case reflect.String:
		if v.String() == like.String() {
			v.Set(like)
		}
	case reflect.Map, reflect.Pointer, reflect.Interface:
		if !v.IsNil() && reflect.DeepEqual(v.Interface(), like.Interface()) {
			v.Set(like)
		}
	case reflect.Slice:
		if v.IsNil() {
			return
		}
		if reflect.DeepEqual(v.Interface(), like.Interface()) {
			v.Set(like)
			return
		}
		for i := range min(v.Len(), like.Len()) {
			if depth < maxShare {
				share(v.Index(i), like.Index(i), depth+1)
			}
		}
	}
}
