package kube

import (
	"context"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
)

const town = `{apiVersion: v1, kind: Namespace, metadata: {name: a}}
---
{apiVersion: apps/v1, kind: Deployment, metadata: {name: web, namespace: a}, spec: {selector: {}, template: {metadata: {labels: {app: web}}, spec: {containers: [{name: c, image: "x:1"}]}}}}
---
{apiVersion: example.org/v1, kind: Odd, metadata: {name: o, namespace: a}}
---
{apiVersion: v1, kind: ServiceAccount, metadata: {name: web, namespace: a}}
`

func names(s *Snapshot) string {
	var out []string
	for _, o := range s.Objects {
		out = append(out, o.String())
	}
	return strings.Join(out, ", ")
}

// TestWith: nothing of the snapshot itself changes, and what is new is read as
// any document is.
func TestWith(t *testing.T) {
	s, err := ReadFrom(context.Background(), "c", "t.yaml", strings.NewReader(town))
	if err != nil {
		t.Fatal(err)
	}
	before := names(s)
	web, account := s.Get("Deployment", "a", "web"), s.Get("ServiceAccount", "a", "web")
	doc := web.Document()
	doc["spec"].(map[string]any)["template"].(map[string]any)["spec"].(map[string]any)["hostPID"] = true
	got, err := s.With(map[*Object]map[string]any{web: doc, account: nil}, []map[string]any{
		{"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": map[string]any{"name": "p"}, "spec": map[string]any{}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff("Deployment a/web, Namespace a, NetworkPolicy default/p, Odd a/o", names(got)); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if !got.Workloads[0].Spec.HostPID || s.Workloads[0].Spec.HostPID || web.Typed.(*appsv1.Deployment).Spec.Template.Spec.HostPID {
		t.Error("the change is not in the new snapshot alone")
	}
	if diff := cmp.Diff(s.Incomplete, got.Incomplete); diff != "" || names(s) != before {
		t.Errorf("gaps (-want +got)\n%s\n%s", diff, names(s))
	}
	same, err := s.With(nil, nil)
	if err != nil || names(same) != before || len(same.Workloads) != 1 {
		t.Errorf("%v: %s", err, names(same))
	}
}

func TestWithRefuses(t *testing.T) {
	s, err := ReadFrom(context.Background(), "c", "t.yaml", strings.NewReader(town))
	if err != nil {
		t.Fatal(err)
	}
	for name, raw := range map[string]map[string]any{
		"no object":      {"kind": "Pod"},
		"no name":        {"apiVersion": "v1", "kind": "Pod"},
		"of other shape": {"apiVersion": "v1", "kind": "Pod", "metadata": map[string]any{"name": "p"}, "spec": "text"},
	} {
		if _, err := s.With(nil, []map[string]any{raw}); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
