package kube

import (
	"reflect"
	"runtime/debug"
	"slices"
	"strings"
	"sync"

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
// thousands that differ in little: those of one owner share the parts that are
// equal, and have no Raw unless they are the Object of their workload.
type lean struct {
	first map[ownerID]*Object
}

type ownerID struct{ kind, namespace, ownerKind, owner string }

func newLean() *lean { return &lean{map[ownerID]*Object{}} }

// ownerOf returns the owner of an object of a kind that comes in thousands.
func ownerOf(o *Object) (ownerID, bool) {
	if o.Kind != "Pod" && o.Kind != "ReplicaSet" {
		return ownerID{}, false
	}
	up, owned := o.controllerOwner()
	return ownerID{o.Kind, o.Namespace, up.kind, up.name}, owned
}

// knows reports whether another object of the same owner was kept.
func (l *lean) knows(o *Object) bool {
	id, owned := ownerOf(o)
	return owned && l.first[id] != nil
}

// keep makes o small. A nil lean leaves it as it is. Of the
// first of an owner's the Raw that a file gave is kept until spare.
func (l *lean) keep(o *Object) *Object {
	if l == nil || o.Typed == nil {
		return o
	}
	if id, owned := ownerOf(o); owned {
		if first := l.first[id]; first != nil {
			if pod, is := o.Typed.(*corev1.Pod); is {
				renameToken(pod, first.Typed.(*corev1.Pod))
			}
			share(reflect.ValueOf(o.Typed).Elem(), reflect.ValueOf(first.Typed).Elem(), 0)
			o.Raw = nil
		} else {
			l.first[id] = o
		}
		return o
	}
	if o.Raw == nil {
		o.Raw = plain(o.Typed)
	}
	return o
}

// spare takes the Raw of what stands behind the object of a workload.
func (l *lean) spare(kept map[*Object]bool) {
	if l == nil {
		return
	}
	for _, o := range l.first {
		if !kept[o] {
			o.Raw = nil
		}
	}
}

// tokenVolume begins the name that the API server makes up for the volume of
// a pod's token; five random letters follow.
const tokenVolume = "kube-api-access-"

// renameToken calls that volume as the first pod of the owner does, so that
// the containers of both are equal. Only the name and its mounts say it.
func renameToken(pod, first *corev1.Pod) {
	isToken := func(v corev1.Volume) bool { return strings.HasPrefix(v.Name, tokenVolume) }
	at, like := slices.IndexFunc(pod.Spec.Volumes, isToken), slices.IndexFunc(first.Spec.Volumes, isToken)
	if at < 0 || like < 0 {
		return
	}
	old, name := pod.Spec.Volumes[at].Name, first.Spec.Volumes[like].Name
	pod.Spec.Volumes[at].Name = name
	for _, list := range [][]corev1.Container{pod.Spec.InitContainers, pod.Spec.Containers} {
		for i := range list {
			for j := range list[i].VolumeMounts {
				if list[i].VolumeMounts[j].Name == old {
					list[i].VolumeMounts[j].Name = name
				}
			}
		}
	}
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

// garbage is how much of it may lie about while a large cluster is read, in
// per cent of what is kept: objects are decoded into several times that.
const garbage = 40

var tidying struct {
	sync.Mutex
	readers int
	before  int
}

// tidy makes the collector run more often, in the whole process, until the
// last reader has called what it returns.
func tidy() (end func()) {
	tidying.Lock()
	defer tidying.Unlock()
	if tidying.readers++; tidying.readers == 1 {
		tidying.before = debug.SetGCPercent(garbage)
	}
	return func() {
		tidying.Lock()
		defer tidying.Unlock()
		if tidying.readers--; tidying.readers == 0 {
			debug.SetGCPercent(tidying.before)
		}
	}
}
