package kube

import (
	"cmp"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/runtime"
)

// Namespace is one namespace of the cluster. One that only objects name has
// no Object, and the labels that the API server gives to every namespace.
type Namespace struct {
	Name   string
	Labels map[string]string // kubernetes.io/metadata.name is always there
	Object *Object           // nil where no Namespace object was read
}

// index answers questions by name. It is built at the first of them.
type index struct {
	byKind     map[string][]*Object
	byName     map[workloadID]*Object
	namespaces []Namespace
	workloads  map[workloadID]*Workload
	ofPod      map[[2]string]*Workload // namespace, pod
}

func (s *Snapshot) indexed() *index {
	s.once.Do(func() {
		x := &index{
			byKind:    map[string][]*Object{},
			byName:    map[workloadID]*Object{},
			workloads: map[workloadID]*Workload{},
			ofPod:     map[[2]string]*Workload{},
		}
		for _, o := range s.Objects {
			x.byKind[o.Kind] = append(x.byKind[o.Kind], o)
			id := workloadID{o.Namespace, o.Kind, o.Name}
			if old := x.byName[id]; old == nil || old.Typed == nil && o.Typed != nil {
				x.byName[id] = o
			}
		}
		for _, w := range s.Workloads {
			x.workloads[workloadID{w.Namespace, w.Kind, w.Name}] = w
			for _, p := range w.Pods {
				x.ofPod[[2]string{w.Namespace, p.Name}] = w
			}
		}
		x.namespaces = namespaces(s.Objects)
		s.index = x
	})
	return s.index
}

// namespaces lists those that are declared and those that objects name.
func namespaces(objects []*Object) []Namespace {
	found := map[string]*Object{}
	for _, o := range objects {
		if o.Namespace != "" {
			found[o.Namespace] = nil
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
func (s *Snapshot) ByKind(kind string) []*Object { return s.indexed().byKind[kind] }

// Get returns one object, nil where there is none. Cluster-scoped kinds have
// the namespace "".
func (s *Snapshot) Get(kind, namespace, name string) *Object {
	return s.indexed().byName[workloadID{namespace, kind, name}]
}

// Namespaces returns every namespace that is declared or in use, sorted by
// name. The slice belongs to the snapshot.
func (s *Snapshot) Namespaces() []Namespace { return s.indexed().namespaces }

// Workload returns one workload by its names, nil where there is none.
func (s *Snapshot) Workload(namespace, kind, name string) *Workload {
	return s.indexed().workloads[workloadID{namespace, kind, name}]
}

// WorkloadOfPod returns the workload of a running pod, nil where there is none.
func (s *Snapshot) WorkloadOfPod(namespace, pod string) *Workload {
	return s.indexed().ofPod[[2]string{namespace, pod}]
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
