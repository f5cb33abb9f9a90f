package istio

import (
	"maps"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/scantling/scantling/infrastructure/kube"
	"github.com/scantling/scantling/infrastructure/network/ends"
	"github.com/scantling/scantling/infrastructure/network/policy"
)

// The marks of pods in the mesh; others have none of them.
const (
	planeMark     = "istio"                // the data plane: sidecar or ambient
	principalMark = "istio principal"      // trust domain, namespace and account, as certificates write them
	chainMark     = "istio authentication" // PeerAuthentications that hold for it: chain.key
	bypassMark    = "istio bypass"         // ports at which nothing is in the way
	waypointMark  = "istio waypoint"       // its waypoint
)

// inMesh holds for pods in the mesh.
var inMesh policy.Expr = test(planeMark, policy.Exists)

func test(name string, op policy.Op, values ...string) policy.Expr {
	return policy.Test{Key: policy.Key{Of: policy.Mark, Name: name}, Op: op, Values: values}
}

// is holds for pods whose mark has a value.
func is(name, value string) policy.Expr { return test(name, policy.In, value) }

// Marks gives what the conditions of Read's policies ask of pods.
func Marks(s *kube.Snapshot, policies []policy.Policy) policy.Marker {
	if len(policies) == 0 {
		return func(*kube.Workload, *kube.Pod) map[string]string { return nil }
	}
	addresses, m := ends.Marks(policies), newMesh(s)
	return func(load *kube.Workload, pod *kube.Pod) map[string]string {
		marks := m.marks(load, pod)
		maps.Copy(marks, addresses(load, pod))
		return marks
	}
}

// marks says what is known of a pod, or of what a workload would have.
func (m *mesh) marks(load *kube.Workload, pod *kube.Pod) map[string]string {
	e := endOf(load, pod)
	plane := m.plane(&e)
	if plane == "" {
		return map[string]string{}
	}
	marks := map[string]string{planeMark: plane, principalMark: m.trustDomain + "/ns/" + e.namespace + "/sa/" + e.account}
	c := m.chainOf(&e)
	if key := c.key(); key != "" {
		marks[chainMark] = key
	}
	if spans, err := e.bypass(plane); err == nil && len(spans) > 0 {
		marks[bypassMark] = spanText(spans)
	}
	if name := m.waypoint(&e); plane == ambient && name != "" {
		marks[waypointMark] = name
	}
	return marks
}

// templateAnnotations returns the annotations that a workload gives its pods.
func templateAnnotations(o *kube.Object) map[string]string {
	if o == nil {
		return nil
	}
	switch t := o.Typed.(type) {
	case *appsv1.Deployment:
		return t.Spec.Template.Annotations
	case *appsv1.StatefulSet:
		return t.Spec.Template.Annotations
	case *appsv1.DaemonSet:
		return t.Spec.Template.Annotations
	case *appsv1.ReplicaSet:
		return t.Spec.Template.Annotations
	case *corev1.ReplicationController:
		if t.Spec.Template != nil {
			return t.Spec.Template.Annotations
		}
	case *batchv1.Job:
		return t.Spec.Template.Annotations
	case *batchv1.CronJob:
		return t.Spec.JobTemplate.Spec.Template.Annotations
	case *corev1.Pod:
		return t.Annotations
	}
	return nil
}
