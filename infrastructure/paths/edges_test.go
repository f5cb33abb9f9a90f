package paths

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/scantling/scantling/graph"
	"github.com/scantling/scantling/model"
)

// onNode is a pod of namespace shop or other with a spec of its own.
func onNode(namespace, name, node, spec string) string {
	if node != "" {
		node = "nodeName: " + node + ", "
	}
	return "---\n{apiVersion: v1, kind: Pod, metadata: {name: " + name + ", namespace: " + namespace + ", labels: {app: " + name + "}}, spec: {" + node + spec + "}}\n"
}

const (
	quietSpec = "automountServiceAccountToken: false, containers: [{name: c, image: i}]"
	rootSpec  = "automountServiceAccountToken: false, containers: [{name: c, image: i, securityContext: {privileged: true}}]"
	keySpec   = "automountServiceAccountToken: false, containers: [{name: c, image: i, envFrom: [{secretRef: {name: key}}]}]"
)

func TestEdgesWithoutRights(t *testing.T) {
	worker := "{apiVersion: v1, kind: Node, metadata: {name: w1}}\n---\n{apiVersion: v1, kind: Node, metadata: {name: w2}}\n"
	for name, tc := range map[string]struct {
		text string
		want []string
	}{
		"nothing": {worker + onNode("shop", "x", "w1", quietSpec), []string{}},
		"secret":  {worker + onNode("shop", "x", "w1", keySpec), []string{"secret shop/key"}},
		"escape to the node and no further": {
			worker + onNode("shop", "x", "w1", rootSpec) + onNode("other", "mate", "w1", keySpec) + onNode("other", "z", "w2", quietSpec),
			[]string{"node w1", "pod other/mate", "sa other/default", "sa shop/default", "secret other/key"},
		},
		"escape to an unknown node":        {onNode("shop", "x", "", rootSpec) + onNode("other", "mate", "", quietSpec), []string{"node (any node)", "pod other/mate", "sa other/default", "sa shop/default"}},
		"unknown node beside known ones":   {worker + onNode("shop", "x", "", rootSpec) + onNode("other", "mate", "w1", quietSpec), []string{"node (any node)", "node w1", "node w2", "pod other/mate", "sa other/default", "sa shop/default"}},
		"known node beside an unknown one": {worker + onNode("shop", "x", "w1", rootSpec) + onNode("other", "mate", "", quietSpec), []string{"node w1", "pod other/mate", "sa other/default", "sa shop/default"}},
		"files of a node's pods": {worker + onNode("shop", "x", "w1", "automountServiceAccountToken: false, containers: [{name: c, image: i, volumeMounts: [{name: v, mountPath: /v, readOnly: true}]}], volumes: [{name: v, hostPath: {path: /var/lib/kubelet}}]") +
			onNode("other", "mate", "w1", "containers: [{name: c, image: i, envFrom: [{secretRef: {name: key}}]}]"), []string{"sa other/default", "sa shop/default", "secret other/key"}},
		"token of a secret": {worker + `---
{apiVersion: v1, kind: Secret, type: kubernetes.io/service-account-token, metadata: {name: key, namespace: shop, annotations: {kubernetes.io/service-account.name: robot}}}
` + onNode("shop", "x", "w1", keySpec), []string{"sa shop/robot", "secret shop/key"}},
		"a secret that only looks like a token": {worker + `---
{apiVersion: v1, kind: Secret, type: Opaque, metadata: {name: key, namespace: shop, annotations: {kubernetes.io/service-account.name: robot}}}
` + onNode("shop", "x", "w1", keySpec), []string{"secret shop/key"}},
		"DaemonSet runs on all nodes": {worker + `---
{apiVersion: v1, kind: Node, metadata: {name: cp, labels: {node-role.kubernetes.io/control-plane: ""}}, spec: {taints: [{key: node-role.kubernetes.io/control-plane, effect: NoSchedule}]}}
---
{apiVersion: apps/v1, kind: DaemonSet, metadata: {name: d, namespace: shop}, spec: {template: {spec: {` + quietSpec + `}}}}
` + onNode("shop", "x", "w2", rootSpec), []string{"node w2", "pod shop/d", "sa shop/default"}},
		"DaemonSet that tolerates the control plane": {`{apiVersion: v1, kind: Node, metadata: {name: cp, labels: {node-role.kubernetes.io/control-plane: ""}}, spec: {taints: [{key: node-role.kubernetes.io/control-plane, effect: NoSchedule}]}}
---
{apiVersion: apps/v1, kind: DaemonSet, metadata: {name: x, namespace: shop}, spec: {template: {spec: {tolerations: [{operator: Exists}], ` + rootSpec + `}}}}
`, []string{"admin", "node cp", "sa shop/default"}},
		"DaemonSet by node selector": {worker + `---
{apiVersion: apps/v1, kind: DaemonSet, metadata: {name: x, namespace: shop}, spec: {template: {spec: {nodeSelector: {disk: ssd}, ` + rootSpec + `}}}}
`, []string{}},
		"node with an API server": {worker + onNode("shop", "x", "w1", rootSpec) + `---
{apiVersion: v1, kind: Pod, metadata: {name: kube-apiserver-w1, namespace: kube-system, labels: {component: kube-apiserver}, annotations: {kubernetes.io/config.mirror: a}}, spec: {nodeName: w1, containers: [{name: c, image: i}]}}
`, []string{"admin", "node w1", "node w2", "pod kube-system/kube-apiserver-w1", "sa kube-system/default", "sa shop/default"}},
		"kubelet's own rights": {worker + onNode("shop", "x", "w1", rootSpec) + `---
{apiVersion: v1, kind: Secret, metadata: {name: s, namespace: other}}
---
{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRole, metadata: {name: r}, rules: [{apiGroups: [""], resources: [secrets], verbs: [get]}]}
---
{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRoleBinding, metadata: {name: b}, roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: r}, subjects: [{apiGroup: rbac.authorization.k8s.io, kind: Group, name: "system:nodes"}]}
`, []string{"group system:nodes", "node w1", "sa shop/default", "secret other/s"}},
	} {
		t.Run(name, func(t *testing.T) {
			kind := "Pod"
			if strings.Contains(name, "DaemonSet") && !strings.Contains(name, "runs on") {
				kind = "DaemonSet"
			}
			if diff := cmp.Diff(tc.want, reached(t, build(t, tc.text), "shop/"+kind+"/x")); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// near lists the facts of the steps by which the network leads from one
// workload to another, as their kinds; nil where it doesn't.
func near(t *testing.T, m *Model, from, to string) []model.FactKind {
	t.Helper()
	source, ok := m.Entry("c/" + from)
	target, ok2 := m.Entry("c/" + to)
	if !ok || !ok2 {
		t.Fatalf("no such workload: %s, %s", from, to)
	}
	best := m.graph.KBest(source, target, 1, nil)
	if len(best) == 0 {
		return nil
	}
	var out []model.FactKind
	for _, f := range best[0].Facts {
		out = append(out, m.facts[f].Kind)
	}
	slices.Sort(out)
	return out
}

func TestNetwork(t *testing.T) {
	pods := onNode("shop", "x", "", quietSpec) + onNode("shop", "mate", "", quietSpec) + onNode("other", "z", "", quietSpec) +
		onNode("other", "h", "", "hostNetwork: true, "+quietSpec)
	policy := func(spec string) string {
		return "---\n{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: p, namespace: shop}, spec: " + spec + "}\n"
	}
	open, guarded := []model.FactKind{model.Exploit, model.Network}, []model.FactKind{model.Exploit}
	for name, tc := range map[string]struct {
		extra           string
		apart, together []model.FactKind // from other/z and from shop/mate to shop/x
	}{
		"no policy":               {"", open, guarded},
		"deny all":                {policy("{podSelector: {}, policyTypes: [Ingress]}"), nil, nil},
		"deny all for another":    {policy("{podSelector: {matchLabels: {app: mate}}, policyTypes: [Ingress]}"), open, guarded},
		"own namespace":           {policy("{podSelector: {}, ingress: [{from: [{podSelector: {}}]}]}"), nil, guarded},
		"everybody, on purpose":   {policy("{podSelector: {}, ingress: [{}]}"), guarded, guarded},
		"no egress from there":    {strings.ReplaceAll(policy("{podSelector: {}, policyTypes: [Egress]}"), "namespace: shop", "namespace: other"), nil, guarded},
		"egress of the neighbour": {policy("{podSelector: {matchLabels: {app: mate}}, policyTypes: [Egress]}"), open, nil},
	} {
		t.Run(name, func(t *testing.T) {
			m := build(t, pods+tc.extra)
			if diff := cmp.Diff(tc.apart, near(t, m, "other/Pod/z", "shop/Pod/x")); diff != "" {
				t.Errorf("from another namespace (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tc.together, near(t, m, "shop/Pod/mate", "shop/Pod/x")); diff != "" {
				t.Errorf("from the same namespace (-want +got):\n%s", diff)
			}
		})
	}
}

// TestServedStaysOpen looks at the proof of a step that no policy would stop,
// and at what pods on the host's network may do: some network plugins let
// selectors admit them.
func TestServedStaysOpen(t *testing.T) {
	m := build(t, onNode("shop", "x", "", quietSpec)+onNode("shop", "w", "", quietSpec)+onNode("shop", "h", "", "hostNetwork: true, "+quietSpec)+onNode("other", "z", "", quietSpec)+
		"---\n{apiVersion: v1, kind: Service, metadata: {name: s, namespace: shop}, spec: {type: NodePort, selector: {app: x}, ports: [{port: 80}]}}\n")
	open, guarded := []model.FactKind{model.Exploit, model.Network}, []model.FactKind{model.Exploit}
	for _, tc := range []struct {
		from, to string
		want     []model.FactKind
	}{
		{"other/Pod/z", "shop/Pod/x", guarded},
		{"other/Pod/z", "shop/Pod/w", open},
		{"shop/Pod/x", "shop/Pod/w", guarded},
		{"shop/Pod/h", "shop/Pod/w", guarded},
		{"other/Pod/z", "shop/Pod/h", guarded},
	} {
		if diff := cmp.Diff(tc.want, near(t, m, tc.from, tc.to)); diff != "" {
			t.Errorf("%s to %s (-want +got):\n%s", tc.from, tc.to, diff)
		}
	}
	var facts []string
	for _, f := range m.facts {
		if f.Kind == model.Network {
			facts = append(facts, f.Asset.String())
		}
	}
	if diff := cmp.Diff([]string{"namespace c/other", "namespace c/shop"}, facts); diff != "" {
		t.Errorf("network facts (-want +got):\n%s", diff)
	}
	want := model.Proof{Object: "Service shop/s", Field: "spec.type", Rule: "a NodePort serves it: every address must be let in on the port"}
	for s := range m.graph.NumSteps() {
		if step := m.Step(graph.Step(s)); step.Edge == "network" && step.To == "workload c/shop/Pod/x" && !slices.Contains(step.Why, want) {
			t.Errorf("why not: %v", step.Why)
		}
	}
}

func TestStepsProveThemselves(t *testing.T) {
	m := build(t, world("", role("shop", allow("", "pods", "create"))))
	from, _ := m.Entry("c/shop/Pod/web")
	to, ok := m.Find(model.Ref{Kind: model.Cluster, Key: "c"})
	best := m.graph.KBest(from, to, 1, nil)
	if !ok || len(best) == 0 {
		t.Fatal("no path to cluster admin")
	}
	got := m.derivation(from, best[0].Steps)
	want := []model.Step{
		{Edge: "token", From: "workload c/shop/Pod/web", To: "identity c/shop/web", Needs: []int{}, Attack: "T1528", Why: []model.Proof{{Object: "Pod shop/web", Field: "spec.automountServiceAccountToken"}}},
		{Edge: "create-pods", From: "identity c/shop/web", To: "create pods in namespace shop", Needs: []int{0}, Attack: "T1610", Why: []model.Proof{{Object: "RoleBinding shop/b", Field: "roleRef"}, {Object: "Role shop/r", Field: "rules[0]", Rule: "0"}}},
		{Edge: "privileged-pod", From: "create pods in namespace shop", To: "run a privileged pod on any node", Needs: []int{1}, Attack: "T1611", Why: []model.Proof{{Object: "Namespace shop", Field: "metadata.labels[pod-security.kubernetes.io/enforce]", Rule: "neither baseline nor restricted"}}},
		{Edge: "implied", From: "run a privileged pod on any node", To: "node c/n2", Needs: []int{2}, Why: []model.Proof{{Object: "run a privileged pod on any node", Rule: "includes node c/n2"}}},
		{Edge: "control-plane", From: "node c/n2", To: "cluster c", Needs: []int{3}, Attack: "T1552.001", Why: []model.Proof{{Object: "Node n2", Field: "metadata.labels[node-role.kubernetes.io/control-plane]", Rule: "the control plane's keys are files on its nodes"}}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	for s := range m.graph.NumSteps() {
		step := m.Step(graph.Step(s))
		if step.From == "" || step.To == "" || len(step.Why) == 0 || step.Why[0].Object == "" || step.Edge == "" {
			t.Errorf("step without proof: %+v", step)
		}
	}
}
