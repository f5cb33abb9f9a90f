package kube

import (
	"cmp"
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
)

// maxOwners bounds a chain of owner references, which may be circular.
const maxOwners = 8

// workloadID names a workload inside the cluster.
type workloadID struct{ namespace, kind, name string }

// template returns the pod template of a controller and the replicas that it
// declares; nil for any other object.
func template(o *Object) (*corev1.PodTemplateSpec, int) {
	switch t := o.Typed.(type) {
	case *appsv1.Deployment:
		return &t.Spec.Template, declared(t.Spec.Replicas)
	case *appsv1.StatefulSet:
		return &t.Spec.Template, declared(t.Spec.Replicas)
	case *appsv1.ReplicaSet:
		return &t.Spec.Template, declared(t.Spec.Replicas)
	case *appsv1.DaemonSet:
		return &t.Spec.Template, int(t.Status.DesiredNumberScheduled)
	case *corev1.ReplicationController:
		if t.Spec.Template == nil {
			return nil, 0
		}
		return t.Spec.Template, declared(t.Spec.Replicas)
	case *batchv1.Job:
		return &t.Spec.Template, declared(t.Spec.Parallelism)
	case *batchv1.CronJob:
		return &t.Spec.JobTemplate.Spec.Template, declared(t.Spec.JobTemplate.Spec.Parallelism)
	}
	return nil, 0
}

func declared(n *int32) int {
	if n == nil {
		return 1
	}
	return int(*n)
}

// folder finds the workload of each controller and pod.
type folder struct {
	objects     map[workloadID]*Object
	deployments map[string][]*appsv1.Deployment // by namespace, for pods whose ReplicaSet is absent
	workloads   map[workloadID]*Workload
	folded      map[*Object]*Workload
}

// fold makes the workloads of sorted objects, and says which workload each
// controller and pod belongs to.
func fold(objects []*Object) ([]*Workload, map[*Object]*Workload) {
	f := newFolder(objects)
	for _, o := range objects {
		if t, replicas := template(o); t != nil {
			f.controller(o, t, replicas)
		}
	}
	for _, o := range objects {
		if pod, is := o.Typed.(*corev1.Pod); is {
			f.pod(o, pod)
		}
	}
	list := make([]*Workload, 0, len(f.workloads))
	for _, w := range f.workloads {
		w.Replicas = max(w.Replicas, len(w.Pods), 1)
		list = append(list, w)
	}
	slices.SortFunc(list, func(a, b *Workload) int {
		return cmp.Or(strings.Compare(a.Namespace, b.Namespace), strings.Compare(a.Kind, b.Kind), strings.Compare(a.Name, b.Name))
	})
	return list, f.folded
}

func newFolder(objects []*Object) *folder {
	f := &folder{
		objects:     map[workloadID]*Object{},
		deployments: map[string][]*appsv1.Deployment{},
		workloads:   map[workloadID]*Workload{},
		folded:      map[*Object]*Workload{},
	}
	for _, o := range objects {
		f.objects[workloadID{o.Namespace, o.Kind, o.Name}] = o
		if d, is := o.Typed.(*appsv1.Deployment); is {
			f.deployments[o.Namespace] = append(f.deployments[o.Namespace], d)
		}
	}
	return f
}

// top follows owner references from o upwards, as far as they are written
// down. podLabels are those of o's pods.
func (f *folder) top(o *Object, podLabels map[string]string) workloadID {
	id := workloadID{o.Namespace, o.Kind, o.Name}
	for range maxOwners {
		up, owned := o.controllerOwner()
		if !owned {
			break
		}
		id = workloadID{o.Namespace, up.kind, up.name}
		if o = f.objects[id]; o == nil {
			return f.implied(id, podLabels)
		}
	}
	if id.kind == "ReplicaSet" {
		return f.implied(id, podLabels)
	}
	return id
}

// implied finds the controller that made a ReplicaSet or a Job whose own
// owner reference isn't known: a Deployment that selects the pods and whose
// name, with the hash of the pods' template, is that of the ReplicaSet; a
// CronJob whose name, with a number, is that of the Job.
func (f *folder) implied(id workloadID, podLabels map[string]string) workloadID {
	switch id.kind {
	case "ReplicaSet":
		hash := podLabels["pod-template-hash"]
		name, cut := strings.CutSuffix(id.name, "-"+hash)
		if hash == "" || !cut {
			return id
		}
		for _, d := range f.deployments[id.namespace] {
			selector, err := metav1.LabelSelectorAsSelector(d.Spec.Selector)
			if err == nil && d.Name == name && selector.Matches(labels.Set(podLabels)) {
				return workloadID{id.namespace, "Deployment", name}
			}
		}
	case "Job":
		at := strings.LastIndexByte(id.name, '-')
		if at < 0 || strings.Trim(id.name[at+1:], "0123456789") != "" {
			return id
		}
		up := workloadID{id.namespace, "CronJob", id.name[:at]}
		if f.objects[up] != nil {
			return up
		}
	}
	return id
}

// workload returns the workload of id, new where there is none yet.
func (f *folder) workload(id workloadID) (w *Workload, made bool) {
	if w := f.workloads[id]; w != nil {
		return w, false
	}
	w = &Workload{Namespace: id.namespace, Kind: id.kind, Name: id.name}
	f.workloads[id] = w
	return w, true
}

func (f *folder) controller(o *Object, t *corev1.PodTemplateSpec, replicas int) {
	id := f.top(o, t.Labels)
	w, made := f.workload(id)
	f.folded[o] = w
	own := id == workloadID{o.Namespace, o.Kind, o.Name}
	// The controller's own template goes before those of what it made: old
	// ReplicaSets of a Deployment describe pods that are gone.
	if made || own {
		w.Object, w.Labels, w.Spec = o, t.Labels, withDefaults(&t.Spec)
		w.ServiceAccount = w.Spec.ServiceAccountName
	}
	if own {
		w.Replicas = replicas
	} else if f.objects[id] == nil {
		w.Replicas += replicas
	}
}

func (f *folder) pod(o *Object, pod *corev1.Pod) {
	w, made := f.workload(f.top(o, pod.Labels))
	f.folded[o] = w
	if made {
		w.Object, w.Labels, w.Spec = o, pod.Labels, withDefaults(&pod.Spec)
		w.ServiceAccount = w.Spec.ServiceAccountName
	}
	// A pod that has ended runs no longer, but its workload remains.
	if pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed {
		return
	}
	p := Pod{Name: o.Name, UID: o.UID(), Node: pod.Spec.NodeName, Labels: pod.Labels, Object: o}
	for _, ip := range pod.Status.PodIPs {
		p.IPs = append(p.IPs, ip.IP)
	}
	if pod.Status.PodIP != "" && !slices.Contains(p.IPs, pod.Status.PodIP) {
		p.IPs = append(p.IPs, pod.Status.PodIP)
	}
	for _, list := range [][]corev1.ContainerStatus{pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses, pod.Status.EphemeralContainerStatuses} {
		for _, c := range list {
			if c.ImageID != "" {
				p.ImageIDs = append(p.ImageIDs, c.ImageID)
			}
		}
	}
	w.Pods = append(w.Pods, p)
}
