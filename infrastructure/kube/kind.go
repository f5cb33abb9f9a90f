package kube

import (
	"cmp"
	"fmt"
	"maps"
	"strings"
)

// maxKindNodes bounds the nodes of one configuration of kind, which runs each
// as a container of one machine.
const maxKindNodes = 1000

// kindCluster takes the configuration of a cluster of kind (Kubernetes in
// Docker), which tells the nodes that manifests alone leave unknown: their
// names, labels, and whether ordinary pods are kept off the control plane. It
// is false for every other document. Source: kind.x-k8s.io/v1alpha4, and the
// names that kind gives to its containers.
func (r *reading) kindCluster(file string, d document) bool {
	version, _ := d.raw["apiVersion"].(string)
	if d.raw["kind"] != "Cluster" || !strings.HasPrefix(version, "kind.x-k8s.io/") {
		return false
	}
	name, _ := d.raw["name"].(string)
	nodes, _ := d.raw["nodes"].([]any)
	if len(nodes) == 0 {
		nodes = []any{map[string]any{"role": "control-plane"}}
	}
	if len(nodes) > maxKindNodes {
		r.fail(file, d.line, "a cluster of kind with more than %d nodes: not read", maxKindNodes)
		return true
	}
	count := map[string]int{}
	for i, n := range nodes {
		node, _ := n.(map[string]any)
		role, _ := node["role"].(string)
		role = cmp.Or(role, "control-plane")
		if role != "control-plane" && role != "worker" {
			r.fail(file, d.line, "node %d of a cluster of kind has the unknown role %q: not read", i+1, role)
			continue
		}
		count[role]++
		called := cmp.Or(name, "kind") + "-" + role
		if count[role] > 1 {
			called += fmt.Sprint(count[role])
		}
		labels, _ := node["labels"].(map[string]any)
		r.object(file, d.line, kindNode(called, role, labels, len(nodes) > 1))
	}
	return true
}

// kindNode is one node as the API would show it. The control plane of a
// cluster with more nodes than one has the taint that keeps ordinary pods off.
func kindNode(name, role string, more map[string]any, several bool) map[string]any {
	labels := map[string]any{"kubernetes.io/hostname": name, "kubernetes.io/os": "linux"}
	spec := map[string]any{}
	if role == "control-plane" {
		labels["node-role.kubernetes.io/control-plane"] = ""
		if several {
			spec["taints"] = []any{map[string]any{"key": "node-role.kubernetes.io/control-plane", "effect": "NoSchedule"}}
		}
	}
	maps.Copy(labels, more)
	return map[string]any{
		"apiVersion": "v1", "kind": "Node", "metadata": map[string]any{"name": name, "labels": labels}, "spec": spec,
	}
}
