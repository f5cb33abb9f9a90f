package network

import (
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/scantling/scantling/infrastructure/kube"
)

// bigCluster is n workloads of 10 pods in n/20 namespaces with n/2 policies,
// put together as the reader would: every second workload has a policy of its
// own in both directions, among them some that name another namespace, a named
// port or an address block; each fifth namespace is shut besides, and one
// workload in a hundred is on the host's network.
func bigCluster(n int) *kube.Snapshot {
	s := &kube.Snapshot{Cluster: "big"}
	for i := 0; i < n; i += 20 {
		name := fmt.Sprintf("ns%05d", i/20)
		ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{"team": fmt.Sprintf("t%d", i/20%17)}}}
		s.Objects = append(s.Objects, &kube.Object{APIVersion: "v1", Kind: "Namespace", Name: name, Typed: ns, Raw: map[string]any{"metadata": map[string]any{"labels": map[string]any{"team": ns.Labels["team"]}}}})
		if i/20%5 == 0 {
			s.Objects = append(s.Objects, policyObject(name, "shut", networkingv1.NetworkPolicySpec{PolicyTypes: []networkingv1.PolicyType{"Ingress", "Egress"}}))
		}
	}
	for i := range n {
		namespace, name := fmt.Sprintf("ns%05d", i/20), fmt.Sprintf("app%05d", i)
		labels := map[string]string{"app": name, "tier": []string{"web", "api", "db"}[i%3], "pod-template-hash": "abc"}
		w := &kube.Workload{Namespace: namespace, Kind: "Deployment", Name: name, Labels: labels, ServiceAccount: "default", Replicas: 10}
		w.Spec.HostNetwork = i%100 == 99
		w.Spec.Containers = []corev1.Container{{Name: "c", Ports: []corev1.ContainerPort{{Name: "http", ContainerPort: int32(8000 + i%3), Protocol: "TCP"}}}}
		for p := range 10 {
			w.Pods = append(w.Pods, kube.Pod{Name: fmt.Sprintf("%s-%d", name, p), Node: fmt.Sprintf("node%d", (i*10+p)%(n/10+1)), IPs: []string{fmt.Sprintf("10.%d.%d.%d", (i*10+p)>>16, (i*10+p)>>8&255, (i*10+p)&255)}, Labels: labels})
		}
		s.Workloads = append(s.Workloads, w)
		if i%2 == 0 {
			s.Objects = append(s.Objects, policyObject(namespace, name, ownPolicy(i, n)))
		}
	}
	slices.SortStableFunc(s.Objects, func(a, b *kube.Object) int { return strings.Compare(a.Kind, b.Kind) })
	return s
}

func policyObject(namespace, name string, spec networkingv1.NetworkPolicySpec) *kube.Object {
	np := &networkingv1.NetworkPolicy{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}, Spec: spec}
	return &kube.Object{APIVersion: "networking.k8s.io/v1", Kind: "NetworkPolicy", Namespace: namespace, Name: name, Typed: np}
}

func ownPolicy(i, n int) networkingv1.NetworkPolicySpec {
	app := func(i int) *metav1.LabelSelector {
		return &metav1.LabelSelector{MatchLabels: map[string]string{"app": fmt.Sprintf("app%05d", i%n)}}
	}
	team := &metav1.LabelSelector{MatchLabels: map[string]string{"team": fmt.Sprintf("t%d", i%17)}}
	on := func(ports ...intstr.IntOrString) (list []networkingv1.NetworkPolicyPort) {
		for _, p := range ports {
			list = append(list, networkingv1.NetworkPolicyPort{Port: &p})
		}
		return list
	}
	spec := networkingv1.NetworkPolicySpec{PodSelector: *app(i), PolicyTypes: []networkingv1.PolicyType{"Ingress", "Egress"}}
	spec.Ingress = []networkingv1.NetworkPolicyIngressRule{
		{From: []networkingv1.NetworkPolicyPeer{{PodSelector: app(i + 1)}, {PodSelector: app(i + 3)}}, Ports: on(intstr.FromString("http"))},
		{From: []networkingv1.NetworkPolicyPeer{{NamespaceSelector: team}}, Ports: on(intstr.FromInt32(int32(9000+i%50)), intstr.FromString("http"))},
	}
	spec.Egress = []networkingv1.NetworkPolicyEgressRule{
		{To: []networkingv1.NetworkPolicyPeer{{NamespaceSelector: &metav1.LabelSelector{}}}, Ports: on(intstr.FromInt32(int32(9000+i%30)), intstr.FromInt32(53))},
		{To: []networkingv1.NetworkPolicyPeer{{PodSelector: app(i + 1)}, {IPBlock: &networkingv1.IPBlock{CIDR: fmt.Sprintf("172.16.%d.0/24", i%200)}}}},
	}
	return spec
}

func benchmarkHubs(b *testing.B, n int) {
	s := bigCluster(n)
	b.ReportAllocs()
	pairs, hubs := 0, 0
	var e *Engine
	for b.Loop() {
		e = Build(s)
		hubs = len(e.Hubs())
	}
	for w := range s.Workloads {
		pairs += len(e.Sources(w))
	}
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	b.ReportMetric(float64(pairs), "pairs")
	b.ReportMetric(float64(hubs), "hubs")
	b.ReportMetric(float64(m.HeapAlloc)/(1<<20), "MiB-kept")
	b.ReportMetric(float64(len(e.world.classes)), "classes")
}

func BenchmarkHubs100(b *testing.B)   { benchmarkHubs(b, 100) }
func BenchmarkHubs1000(b *testing.B)  { benchmarkHubs(b, 1000) }
func BenchmarkHubs10000(b *testing.B) { benchmarkHubs(b, 10000) }

func BenchmarkList1000(b *testing.B) {
	e := Build(bigCluster(1000))
	for b.Loop() {
		e.List()
	}
}

func BenchmarkReading1000(b *testing.B) {
	e := Build(bigCluster(1000))
	for b.Loop() {
		e.Reading()
	}
}
