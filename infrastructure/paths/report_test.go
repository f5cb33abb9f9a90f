package paths

import (
	"encoding/json"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/scantling/scantling/model"
)

// shop has three ways to cluster admin from shop/web (a binding, a privileged
// container on a control plane, a Secret that is a token) and things that must
// not be proposed.
const shop = `
{apiVersion: v1, kind: Node, metadata: {name: cp, labels: {node-role.kubernetes.io/control-plane: ""}}}
---
{apiVersion: v1, kind: Secret, type: kubernetes.io/service-account-token, metadata: {name: robot, namespace: shop, annotations: {kubernetes.io/service-account.name: robot}}}
---
{apiVersion: apps/v1, kind: Deployment, metadata: {name: web, namespace: shop}, spec: {selector: {matchLabels: {app: web}}, template: {metadata: {labels: {app: web}}, spec: {serviceAccountName: web, containers: [{name: c, image: "web:1", envFrom: [{secretRef: {name: robot}}], securityContext: {privileged: true, capabilities: {add: [NET_ADMIN, SYS_MODULE]}}, volumeMounts: [{name: v, mountPath: /host}]}], volumes: [{name: v, hostPath: {path: /etc}}]}}}}
---
{apiVersion: v1, kind: Pod, metadata: {name: web-1, namespace: shop, uid: u1, labels: {app: web}, ownerReferences: [{apiVersion: apps/v1, kind: Deployment, name: web, uid: d, controller: true}]}, spec: {nodeName: cp, serviceAccountName: web, containers: [{name: c, image: "web:1"}]}, status: {containerStatuses: [{name: c, image: "web:1", imageID: "reg/web@sha256:aa", ready: true, restartCount: 0}]}}
---
{apiVersion: apps/v1, kind: Deployment, metadata: {name: front, namespace: edge}, spec: {selector: {matchLabels: {app: front}}, template: {metadata: {labels: {app: front}}, spec: {automountServiceAccountToken: false, containers: [{name: c, image: front}]}}}}
---
{apiVersion: v1, kind: Service, metadata: {name: front, namespace: edge}, spec: {selector: {app: front}, ports: [{port: 80, targetPort: 8080}]}}
---
{apiVersion: networking.k8s.io/v1, kind: Ingress, metadata: {name: front, namespace: edge}, spec: {rules: [{http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: front, port: {number: 80}}}}]}}]}}
---
{apiVersion: apps/v1, kind: Deployment, metadata: {name: lb, namespace: edge}, spec: {selector: {matchLabels: {app: lb}}, template: {metadata: {labels: {app: lb}}, spec: {automountServiceAccountToken: false, containers: [{name: c, image: lb}]}}}}
---
{apiVersion: v1, kind: Service, metadata: {name: lb, namespace: edge}, spec: {type: LoadBalancer, selector: {app: lb}, ports: [{port: 80}]}}
---
{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRoleBinding, metadata: {name: boss}, roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: cluster-admin}, subjects: [{kind: ServiceAccount, name: web, namespace: shop}, {kind: ServiceAccount, name: robot, namespace: shop}]}
---
{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRoleBinding, metadata: {name: "system:boss"}, roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: cluster-admin}, subjects: [{kind: ServiceAccount, name: robot, namespace: shop}]}
---
{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRoleBinding, metadata: {name: cni}, roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: cluster-admin}, subjects: [{kind: ServiceAccount, name: cni, namespace: kube-system}]}
`

func TestActions(t *testing.T) {
	m := build(t, shop)
	got := map[string]model.Action{}
	for _, a := range m.Actions() {
		got[a.Title] = a
	}
	want := []string{
		"Delete ClusterRoleBinding boss", "Isolate namespace edge from other namespaces (1 workload)", "Isolate namespace shop from other namespaces (1 workload)",
		"Take from Deployment shop/web: capability SYS_MODULE, privileged, writable host path /etc",
	}
	if diff := cmp.Diff(want, slices.Sorted(maps.Keys(got))); diff != "" {
		t.Fatalf("actions (-want +got):\n%s", diff)
	}
	ids := map[string]bool{}
	for _, f := range m.Facts() {
		ids[f.ID()] = true
	}
	for _, a := range m.Actions() {
		if len(a.Removes) == 0 || len(a.Evidence) == 0 {
			t.Errorf("%s removes or proves nothing", a.Title)
		}
		for _, id := range a.Removes {
			if !ids[id] {
				t.Errorf("%s removes %s, which is no fact", a.Title, id)
			}
		}
	}
	for title, patch := range map[string]string{
		want[0]: "kubectl delete clusterrolebinding boss\n",
		want[1]: `apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: isolate
  namespace: edge
spec:
  ingress:
  - from:
    - podSelector: {}
  podSelector: {}
  policyTypes:
  - Ingress
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: front-ingress
  namespace: edge
spec:
  ingress:
  - from:
    - namespaceSelector:
        matchLabels:
          kubernetes.io/metadata.name: ingress-nginx
    ports:
    - port: 8080
      protocol: TCP
  podSelector:
    matchLabels:
      app: front
  policyTypes:
  - Ingress
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: lb-served
  namespace: edge
spec:
  ingress:
  - ports:
    - port: 80
      protocol: TCP
  podSelector:
    matchLabels:
      app: lb
  policyTypes:
  - Ingress
`,
		want[3]: `apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
  namespace: shop
spec:
  template:
    spec:
      containers:
      - name: c
        securityContext:
          capabilities:
            add:
            - NET_ADMIN
          privileged: false
        volumeMounts:
        - $patch: delete
          mountPath: /host
      volumes:
      - $patch: delete
        name: v
`,
	} {
		if diff := cmp.Diff(patch, got[title].Patch); diff != "" {
			t.Errorf("%s (-want +got):\n%s", title, diff)
		}
	}
}

func TestReport(t *testing.T) {
	r := build(t, shop).Report(2)
	if diff := cmp.Diff([]string{"cluster c", "secret c/shop/robot", "node c/(any node)", "node c/cp"}, r.Jewels); diff != "" {
		t.Errorf("jewels (-want +got):\n%s", diff)
	}
	if len(r.Paths) == 0 || r.Paths[0].From != "c/shop/Deployment/web" || r.Paths[0].To != "cluster c" || r.Paths[0].Probability != 0.95 {
		t.Errorf("best path: %+v", r.Paths)
	}
	for _, p := range r.Paths {
		for i, s := range p.Steps {
			for _, need := range s.Needs {
				if need >= i {
					t.Errorf("step %d of %s needs %d", i, p.From, need)
				}
			}
		}
	}
	want := Blast{Workload: "c/edge/Deployment/front", Reaches: Reaches{Workloads: 2, Secrets: 1, Nodes: 1, ClusterAdmin: true}, Score: 800}
	if diff := cmp.Diff(want, r.Blast[0]); diff != "" {
		t.Errorf("blast (-want +got):\n%s", diff)
	}
	if last := r.Fixes[len(r.Fixes)-1]; last.Cuts != 100 {
		t.Errorf("fixes leave paths open: %+v", r.Fixes)
	}
	// The system binding can't be deleted, so the Secret has to go. Of the other
	// one the Secret's account may stay.
	var changes []string
	for _, f := range r.Fixes {
		changes = append(changes, f.Change)
	}
	text := strings.Join(changes, "\n")
	if !strings.Contains(text, "Take from Deployment shop/web") || !strings.Contains(text, "Take out of ClusterRoleBinding boss: ServiceAccount shop/web") || !strings.Contains(text, "Don't give Secret robot to Deployment shop/web") {
		t.Errorf("fixes:\n%s", text)
	}
	raw, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	var shape map[string]any
	if err := json.Unmarshal(raw, &shape); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"blast", "chokes", "entries", "fixSet", "fixes", "incomplete", "jewels", "pareto", "paths", "schema", "shortest"}, slices.Sorted(maps.Keys(shape))); diff != "" {
		t.Errorf("shape (-want +got):\n%s", diff)
	}
}

func TestReading(t *testing.T) {
	r := build(t, shop).Reading()
	var assets, facts []string
	for _, a := range r.Assets {
		assets = append(assets, strings.Join(append([]string{a.Ref.String()}, a.Aliases...), " "))
	}
	for _, f := range r.Facts {
		facts = append(facts, string(f.Kind)+" "+f.Asset.Key+" "+f.Object.Key)
	}
	wantAssets := []string{
		"workload c/edge/Deployment/front", "workload c/edge/Deployment/lb", "workload c/shop/Deployment/web u1 c/shop/Pod/web-1", "node c/(any node)", "node c/cp", "secret c/shop/robot",
	}
	wantFacts := []string{
		"runs c/edge/Deployment/front front", "runs c/edge/Deployment/lb lb", "runs c/shop/Deployment/web reg/web@sha256:aa",
		"runs-on c/shop/Deployment/web c/cp", "mounts c/shop/Deployment/web c/shop/robot",
	}
	if diff := cmp.Diff(wantAssets, assets); diff != "" {
		t.Errorf("assets (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(wantFacts, facts); diff != "" {
		t.Errorf("facts (-want +got):\n%s", diff)
	}
}

// TestOrderOfInputChangesNothing shuffles documents.
func TestOrderOfInputChangesNothing(t *testing.T) {
	docs := strings.Split(world("", role("shop", allow("", "pods/exec", "create"), allow("", "secrets", "get")))+strong+"---\n"+shop, "---\n")
	report := func(docs []string) string {
		r := build(t, strings.Join(docs, "---\n")).Report(3)
		raw, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		return string(raw)
	}
	want := report(docs)
	for seed := range uint64(5) {
		shuffled := slices.Clone(docs)
		rand.New(rand.NewPCG(seed, 3)).Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
		if diff := cmp.Diff(want, report(shuffled)); diff != "" {
			t.Fatalf("seed %d: %s", seed, diff)
		}
	}
}
