package kube

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
)

// obj writes an object; the rest is YAML from the first column on.
func obj(apiVersion, kind, name, meta, rest string) string {
	return fmt.Sprintf("apiVersion: %s\nkind: %s\nmetadata: {name: %s, namespace: shop%s}\n%s\n---\n", apiVersion, kind, name, meta, rest)
}

func owned(kind, name string) string {
	return fmt.Sprintf(", ownerReferences: [{apiVersion: v1, kind: Other, name: x}, {apiVersion: v1, kind: %s, name: %s, controller: true}]", kind, name)
}

func TestFold(t *testing.T) {
	template := "spec: {replicas: 2, selector: {matchLabels: {app: web}}, template: {metadata: {labels: {app: web}}, spec: {serviceAccountName: own, containers: []}}}"
	deployment := obj("apps/v1", "Deployment", "web", "", template)
	replicaSet := obj("apps/v1", "ReplicaSet", "web-7d9", owned("Deployment", "web"), strings.Replace(template, "own", "old", 1))
	labels := ", labels: {app: web, pod-template-hash: 7d9}"
	podOf := func(name, meta string) string {
		return obj("v1", "Pod", name, meta, "spec: {nodeName: n1, containers: []}\nstatus: {podIP: 10.0.0.1, podIPs: [{ip: 10.0.0.1}, {ip: 'fd00::1'}], containerStatuses: [{name: c, imageID: x@sha256:1}]}")
	}
	for name, tc := range map[string]struct {
		text string
		want []string // kind/name account replicas pods
	}{
		"a deployment":                       {deployment, []string{"Deployment/web own 2 []"}},
		"and what it made":                   {replicaSet + podOf("web-7d9-b", labels+owned("ReplicaSet", "web-7d9")) + podOf("web-7d9-a", labels+owned("ReplicaSet", "web-7d9")) + deployment, []string{"Deployment/web own 2 [web-7d9-a web-7d9-b]"}},
		"replica set not there":              {podOf("web-7d9-a", labels+owned("ReplicaSet", "web-7d9")) + deployment, []string{"Deployment/web own 2 [web-7d9-a]"}},
		"deployment only named":              {replicaSet + podOf("web-7d9-a", labels+owned("ReplicaSet", "web-7d9")), []string{"Deployment/web old 2 [web-7d9-a]"}},
		"neither there":                      {podOf("web-7d9-a", labels+owned("ReplicaSet", "web-7d9")), []string{"ReplicaSet/web-7d9 default 1 [web-7d9-a]"}},
		"a deployment that selects others":   {podOf("web-7d9-a", ", labels: {app: db, pod-template-hash: 7d9}"+owned("ReplicaSet", "web-7d9")) + deployment, []string{"Deployment/web own 2 []", "ReplicaSet/web-7d9 default 1 [web-7d9-a]"}},
		"a pod alone, a mirror pod":          {podOf("a", "") + podOf("etcd", ", ownerReferences: [{apiVersion: v1, kind: Node, name: n1, controller: true}]"), []string{"Pod/a default 1 [a]", "Pod/etcd default 1 [etcd]"}},
		"an owner of a custom kind":          {podOf("a", owned("Rollout", "roll")) + podOf("b", owned("Rollout", "roll")), []string{"Rollout/roll default 2 [a b]"}},
		"a job of a cron job":                {obj("batch/v1", "Job", "tidy-1", owned("CronJob", "tidy"), "spec: {template: {spec: {containers: []}}}") + podOf("tidy-1-x", owned("Job", "tidy-1")), []string{"CronJob/tidy default 1 [tidy-1-x]"}},
		"a job whose cron job is implied":    {obj("batch/v1", "CronJob", "tidy", "", "spec: {schedule: x, jobTemplate: {spec: {template: {spec: {containers: []}}}}}") + podOf("tidy-28-x", owned("Job", "tidy-28")), []string{"CronJob/tidy default 1 [tidy-28-x]"}},
		"an ended pod":                       {obj("v1", "Pod", "a", "", "spec: {containers: []}\nstatus: {phase: Succeeded}"), []string{"Pod/a default 1 []"}},
		"owners in a circle":                 {obj("apps/v1", "ReplicaSet", "a", owned("ReplicaSet", "b"), template) + obj("apps/v1", "ReplicaSet", "b", owned("ReplicaSet", "a"), template), []string{"ReplicaSet/a own 2 []", "ReplicaSet/b own 2 []"}},
		"scaled to nothing is still there":   {strings.Replace(deployment, "replicas: 2", "replicas: 0", 1), []string{"Deployment/web own 1 []"}},
		"stateful and daemon sets, controll": {obj("apps/v1", "StatefulSet", "s", "", template) + obj("apps/v1", "DaemonSet", "d", "", "spec: {template: {spec: {containers: []}}}") + obj("v1", "ReplicationController", "r", "", "spec: {template: {spec: {containers: []}}}"), []string{"DaemonSet/d default 1 []", "ReplicationController/r default 1 []", "StatefulSet/s own 2 []"}},
	} {
		t.Run(name, func(t *testing.T) {
			s := read(t, "a.yaml", tc.text)
			if len(s.Incomplete) > 0 {
				t.Fatal(s.Incomplete)
			}
			var got []string
			for _, w := range s.Workloads {
				pods := []string{}
				for _, p := range w.Pods {
					pods = append(pods, p.Name)
					if len(p.IPs) != 2 || p.Node != "n1" || len(p.ImageIDs) != 1 || s.WorkloadOfPod("shop", p.Name) != w || s.WorkloadOf(p.Object) != w {
						t.Errorf("pod %+v", p)
					}
				}
				got = append(got, fmt.Sprintf("%s/%s %s %d %v", w.Kind, w.Name, w.ServiceAccount, w.Replicas, pods))
				if s.Workload("shop", w.Kind, w.Name) != w || s.Key(w) != "prod/shop/"+w.Kind+"/"+w.Name {
					t.Errorf("%s isn't found by its name", s.Key(w))
				}
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestDefaults(t *testing.T) {
	s := read(t, "a.yaml", obj("v1", "Pod", "a", "", `spec:
  hostNetwork: true
  serviceAccount: old
  containers:
  - {name: a, image: x, ports: [{containerPort: 80}]}
  - {name: b, image: "reg:5000/x"}
  - {name: c, image: "reg:5000/x:1"}
  - {name: d, image: "x:latest@sha256:0"}
  volumes: [{name: v}, {name: h, hostPath: {path: /}}]`))
	w := s.Workloads[0]
	spec := w.Spec
	policies := []corev1.PullPolicy{}
	for _, c := range spec.Containers {
		policies = append(policies, c.ImagePullPolicy)
	}
	want := []corev1.PullPolicy{corev1.PullAlways, corev1.PullAlways, corev1.PullIfNotPresent, corev1.PullIfNotPresent}
	if diff := cmp.Diff(want, policies); diff != "" {
		t.Error(diff)
	}
	if w.ServiceAccount != "old" || spec.SecurityContext == nil || spec.RestartPolicy != corev1.RestartPolicyAlways || spec.DNSPolicy != corev1.DNSClusterFirst {
		t.Errorf("%+v", spec)
	}
	if p := spec.Containers[0].Ports[0]; p.Protocol != corev1.ProtocolTCP || p.HostPort != 80 {
		t.Errorf("%+v", p)
	}
	if spec.Volumes[0].EmptyDir == nil || spec.Volumes[1].EmptyDir != nil {
		t.Errorf("%+v", spec.Volumes)
	}
	if pod := All[*corev1.Pod](s)[0].Value; pod.Spec.Volumes[0].EmptyDir != nil {
		t.Error("the object itself was changed")
	}
}

func TestNamespaces(t *testing.T) {
	s := read(t, "a.yaml", "apiVersion: v1\nkind: Namespace\nmetadata: {name: b, labels: {team: x}}\n---\n"+obj("v1", "ConfigMap", "c", "", ""))
	want := []Namespace{
		{Name: "b", Labels: map[string]string{"team": "x", "kubernetes.io/metadata.name": "b"}, Object: s.Get("Namespace", "", "b")},
		{Name: "shop", Labels: map[string]string{"kubernetes.io/metadata.name": "shop"}},
	}
	if diff := cmp.Diff(want, s.Namespaces()); diff != "" {
		t.Error(diff)
	}
	if s.Get("ConfigMap", "shop", "c") == nil || s.Get("ConfigMap", "shop", "none") != nil || len(s.ByKind("ConfigMap")) != 1 {
		t.Error("Get and ByKind don't find what is there")
	}
}
