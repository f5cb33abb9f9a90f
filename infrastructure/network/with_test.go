package network

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	networkingv1 "k8s.io/api/networking/v1"

	"github.com/scantling/scantling/infrastructure/kube"
)

// changed returns a snapshot with other policies and the same pods: all whose
// kinds end in NetworkPolicy are replaced.
func changed(s *kube.Snapshot, policies []*kube.Object) *kube.Snapshot {
	next := &kube.Snapshot{Cluster: s.Cluster, Workloads: s.Workloads}
	next.Objects = slices.DeleteFunc(slices.Clone(s.Objects), isPolicy)
	next.Objects = append(next.Objects, policies...)
	slices.SortStableFunc(next.Objects, func(a, b *kube.Object) int {
		return strings.Compare(a.Kind+"/"+a.Namespace+"/"+a.Name, b.Kind+"/"+b.Namespace+"/"+b.Name)
	})
	return next
}

func isPolicy(o *kube.Object) bool { return strings.HasSuffix(o.Kind, "NetworkPolicy") }

// TestWithAgainstBuild changes policies of random worlds one by one, and holds
// what With answers against an engine that is built anew.
func TestWithAgainstBuild(t *testing.T) {
	reused := 0
	for seed := range worlds() {
		d := dice{rand.New(rand.NewPCG(seed, 61))}
		_, text := d.adminWorld(t)
		s, err := kube.ReadFrom(context.Background(), "", "world.json", strings.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		all := slices.DeleteFunc(slices.Clone(s.Objects), func(o *kube.Object) bool { return !isPolicy(o) })
		e := Build(s)
		for step := range 4 {
			policies := slices.Clone(all)
			if len(policies) > 0 {
				at := d.IntN(len(policies))
				policies = slices.Delete(policies, at, at+1)
			}
			if d.IntN(2) == 0 {
				policies = append(policies, d.policyObject(t, step))
			}
			next := changed(s, policies)
			got, want := e.With(next), Build(next)
			if got.world.byLoad != nil && &got.world.endpoints[0] == &e.world.endpoints[0] {
				reused++
			}
			compareEngines(t, fmt.Sprintf("seed %d step %d", seed, step), got, want)
			if t.Failed() {
				t.Fatalf("seed %d: %s", seed, text)
			}
			e, all = got, policies
		}
	}
	t.Logf("%d engines were changed, not built anew", reused)
	if reused < int(worlds())/2 {
		t.Error("the random changes are lopsided")
	}
}

func (d dice) policyObject(t *testing.T, step int) *kube.Object {
	t.Helper()
	text, err := json.Marshal(d.policy(100+step, []string{"one", "two", "three"}))
	if err != nil {
		t.Fatal(err)
	}
	s, err := kube.ReadFrom(context.Background(), "", "policy.json", strings.NewReader(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	return s.ByKind("NetworkPolicy")[0]
}

func compareEngines(t *testing.T, what string, got, want *Engine) {
	t.Helper()
	if diff := cmp.Diff(want.List(), got.List()); diff != "" {
		t.Errorf("%s: connections (-want +got):\n%s", what, diff)
	}
	if diff := cmp.Diff(want.Unlisted(), got.Unlisted()); diff != "" {
		t.Errorf("%s: others (-want +got):\n%s", what, diff)
	}
	if diff := cmp.Diff(want.Hubs(), got.Hubs()); diff != "" {
		t.Errorf("%s: hubs (-want +got):\n%s", what, diff)
	}
	if diff := cmp.Diff(want.Incomplete, got.Incomplete); diff != "" {
		t.Errorf("%s: incomplete (-want +got):\n%s", what, diff)
	}
	for w := range want.world.byLoad {
		if diff := cmp.Diff(want.Isolation(w), got.Isolation(w)); diff != "" {
			t.Errorf("%s: isolation of %d (-want +got):\n%s", what, w, diff)
		}
	}
}

// BenchmarkOnePolicy1000 changes one of the policies of 1,000 workloads and
// asks who reaches whom again.
func BenchmarkOnePolicy1000(b *testing.B) {
	s := bigCluster(1000)
	e := Build(s)
	e.Hubs()
	policies := slices.DeleteFunc(slices.Clone(s.Objects), func(o *kube.Object) bool { return !isPolicy(o) })
	at := slices.IndexFunc(policies, func(o *kube.Object) bool { return o.Name == "app00500" })
	spec := policies[at].Typed.(*networkingv1.NetworkPolicy).Spec
	spec.Ingress = spec.Ingress[1:]
	policies[at] = policyObject(policies[at].Namespace, policies[at].Name, spec)
	next := changed(s, policies)
	next.Objects = slices.Clip(next.Objects)
	var took []time.Duration
	for b.Loop() {
		start := time.Now()
		n := e.With(next)
		n.Hubs()
		took = append(took, time.Since(start))
		if &n.world.endpoints[0] != &e.world.endpoints[0] {
			b.Fatal("built anew")
		}
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "ms-median")
}

// TestGapsAreAlike: pods beside the ranges that policies name are one class
// wherever they are, until a policy names just their gap, though every end of
// it was named before.
func TestGapsAreAlike(t *testing.T) {
	text := ""
	for i := range 5 {
		text += fmt.Sprintf("---\n{apiVersion: v1, kind: Pod, metadata: {name: p%d, namespace: a, labels: {app: x}}, spec: {containers: [{name: c, image: i}]}, status: {phase: Running, podIP: 10.0.%d.5}}\n", i, i)
	}
	policy := func(cidr string) string {
		return fmt.Sprintf("---\n{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: n%s, namespace: a}, spec: {podSelector: {}, ingress: [{from: [{ipBlock: {cidr: 10.0.%s.0/24}}]}]}}\n", cidr, cidr)
	}
	read := func(text string) *kube.Snapshot {
		s, err := kube.ReadFrom(context.Background(), "", "gaps.yaml", strings.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	before := read(text + policy("1") + policy("3"))
	e := Build(before)
	if got := len(e.world.classes); got != 3 {
		t.Errorf("%d classes of pods in 10.0.1, in 10.0.3, and in neither, want 3", got)
	}
	after := changed(before, slices.Concat(before.ByKind("NetworkPolicy"), read(policy("2")).ByKind("NetworkPolicy")))
	compareEngines(t, "the gap is named", e.With(after), Build(after))
	if got := len(e.With(after).world.classes); got != 4 {
		t.Errorf("%d classes, want 4", got)
	}
}
