package kube

import (
	"cmp"
	"slices"
	"strings"
	"sync"

	"k8s.io/apimachinery/pkg/runtime"
)

// Namespace is one namespace of the cluster. One that only objects name has
// no Object, and the labels that the API server gives to every namespace.
type Namespace struct {
	Name   string
	Labels map[string]string // kubernetes.io/metadata.name is always there
	Object *Object           // nil where no Namespace object was read
}

// index answers questions by name, each kind of question from the first of
// them on: who asks for the policies alone doesn't pay for the names of all pods.
type index struct {
	kinds     lazy[map[string][]*Object]
	names     lazy[map[workloadID]*Object]
	spaces    lazy[[]Namespace]
	workloads lazy[map[workloadID]*Workload]
	pods      lazy[map[[2]string]*Workload] // by namespace and pod
}

// lazy is a value that is made when it is first asked for.
type lazy[T any] struct {
	once  sync.Once
	value T
}

func (l *lazy[T]) get(build func() T) T {
	l.once.Do(func() { l.value = build() })
	return l.value
}

func byKind(objects []*Object) map[string][]*Object {
	found := map[string][]*Object{}
	for len(objects) > 0 {
		// Those of a kind stand together, but in snapshots put together by hand.
		n := 1
		for n < len(objects) && objects[n].Kind == objects[0].Kind {
			n++
		}
		kind := objects[0].Kind
		found[kind] = append(found[kind], objects[:n]...)
		objects = objects[n:]
	}
	return found
}

func byName(objects []*Object) map[workloadID]*Object {
	found := make(map[workloadID]*Object, len(objects))
	for _, o := range objects {
		id := workloadID{o.Namespace, o.Kind, o.Name}
		if old := found[id]; old == nil || old.Typed == nil && o.Typed != nil {
			found[id] = o
		}
	}
	return found
}

// namespaces lists those that are declared and those that objects name.
func namespaces(objects []*Object) []Namespace {
	found := map[string]*Object{}
	last := ""
	for _, o := range objects {
		if o.Namespace != last && o.Namespace != "" {
			last = o.Namespace
			found[last] = nil
		}
	}
	for _, o := range objects {
		if o.Kind == "Namespace" && gvk(o.APIVersion, o.Kind).Group == "" {
			found[o.Name] = o
		}
	}
	list := make([]Namespace, 0, len(found))
	for name, o := range found {
		labels := map[string]string{}
		if o != nil {
			labels = o.Labels()
		}
		labels["kubernetes.io/metadata.name"] = name
		list = append(list, Namespace{Name: name, Labels: labels, Object: o})
	}
	slices.SortFunc(list, func(a, b Namespace) int { return cmp.Or(strings.Compare(a.Name, b.Name)) })
	return list
}

// ByKind returns the objects of a kind, of whatever API group, sorted by
// namespace and name. The slice belongs to the snapshot.
func (s *Snapshot) ByKind(kind string) []*Object {
	return s.index.kinds.get(func() map[string][]*Object { return byKind(s.Objects) })[kind]
}

// Get returns one object, nil where there is none. Cluster-scoped kinds have
// the namespace "".
func (s *Snapshot) Get(kind, namespace, name string) *Object {
	return s.index.names.get(func() map[workloadID]*Object { return byName(s.Objects) })[workloadID{namespace, kind, name}]
}

// Namespaces returns every namespace that is declared or in use, sorted by
// name. The slice belongs to the snapshot.
func (s *Snapshot) Namespaces() []Namespace {
	return s.index.spaces.get(func() []Namespace { return namespaces(s.Objects) })
}

// Workload returns one workload by its names, nil where there is none.
func (s *Snapshot) Workload(namespace, kind, name string) *Workload {
	return s.index.workloads.get(func() map[workloadID]*Workload {
		found := make(map[workloadID]*Workload, len(s.Workloads))
		for _, w := range s.Workloads {
			found[workloadID{w.Namespace, w.Kind, w.Name}] = w
		}
		return found
	})[workloadID{namespace, kind, name}]
}

// WorkloadOfPod returns the workload of a running pod, nil where there is none.
func (s *Snapshot) WorkloadOfPod(namespace, pod string) *Workload {
	return s.index.pods.get(func() map[[2]string]*Workload {
		found := map[[2]string]*Workload{}
		for _, w := range s.Workloads {
			for _, p := range w.Pods {
				found[[2]string{w.Namespace, p.Name}] = w
			}
		}
		return found
	})[[2]string{namespace, pod}]
}

// WorkloadOf returns the workload that a controller or a pod, ended ones too,
// was folded into; nil for other objects.
func (s *Snapshot) WorkloadOf(o *Object) *Workload { return s.folded[o] }

// All returns the typed objects of one Go type, as All[*corev1.Service](s),
// each with the object that it was read from, in the snapshot's order.
func All[T runtime.Object](s *Snapshot) []Typed[T] {
	var list []Typed[T]
	for _, o := range s.Objects {
		if t, is := o.Typed.(T); is {
			list = append(list, Typed[T]{Object: o, Value: t})
		}
	}
	return list
}

// Typed is an object together with its value of type T, whose namespace is
// Object.Namespace.
type Typed[T runtime.Object] struct {
	Object *Object
	Value  T
}
