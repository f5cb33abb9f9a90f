package kube

import (
	"context"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
)

// TestKindCluster: the configuration of kind tells the nodes.
func TestKindCluster(t *testing.T) {
	const head = "kind: Cluster\napiVersion: kind.x-k8s.io/v1alpha4\n"
	for name, c := range map[string]struct {
		text string
		want []string // name, "tainted"
		gaps int
	}{
		"none named":         {head, []string{"kind-control-plane"}, 0},
		"one alone":          {head + "name: lab\nnodes: [{role: control-plane}]\n", []string{"lab-control-plane"}, 0},
		"one without a role": {head + "nodes: [{}]\n", []string{"kind-control-plane"}, 0},
		"with workers":       {head + "name: lab\nnodes: [{role: control-plane}, {role: worker}, {role: worker}]\n", []string{"lab-control-plane tainted", "lab-worker", "lab-worker2"}, 0},
		"several control planes": {
			head + "nodes:\n- role: control-plane\n- role: control-plane\n", []string{"kind-control-plane tainted", "kind-control-plane2 tainted"}, 0,
		},
		"an unknown role":    {head + "nodes: [{role: control-plane}, {role: other}]\n", []string{"kind-control-plane tainted"}, 1},
		"nodes of no form":   {head + "nodes: [7]\n", []string{"kind-control-plane"}, 0},
		"too many":           {head + "nodes: [" + strings.Repeat("{role: worker},", 1001) + "]\n", nil, 1},
		"another's Cluster":  {"kind: Cluster\napiVersion: cluster.x-k8s.io/v1beta1\nmetadata: {name: x}\n", nil, 1},
		"labels of the file": {head + "nodes: [{role: control-plane, labels: {tier: a}}]\n", []string{"kind-control-plane a"}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := ReadFrom(context.Background(), "", "kind.yaml", strings.NewReader(c.text))
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, o := range s.ByKind("Node") {
				text := o.Name
				node := o.Typed.(*corev1.Node)
				if len(node.Spec.Taints) > 0 {
					text += " tainted"
				}
				if tier := node.Labels["tier"]; tier != "" {
					text += " " + tier
				}
				got = append(got, text)
			}
			if diff := cmp.Diff(c.want, got); diff != "" || len(s.Incomplete) != c.gaps {
				t.Errorf("nodes (-want +got):\n%s%v", diff, s.Incomplete)
			}
		})
	}
}
