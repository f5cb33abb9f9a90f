package testkit

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
)

// Estate describes a generated estate. Its first workload, w0, carries the
// chain that only a join can see: a weak image, a public entry, and a right of
// the service account that it shares with w1. Each link can be left out.
type Estate struct {
	Seed      uint64
	Workloads int // at least 2

	NoAdvisory bool // nothing is known about w0's image
	NotPublic  bool // no Ingress leads to w0
	NoRight    bool // the shared service account has no binding
}

// perNamespace is how many workloads share a namespace.
const perNamespace = 20

// Write lays the estate out below dir.
func (e Estate) Write(dir string) error {
	r := rand.New(rand.NewPCG(e.Seed, 0))
	right := permissions[r.IntN(len(permissions))]
	for _, part := range []func(string, *rand.Rand, permission) error{e.manifests, e.images, e.advisories, e.audit} {
		if err := part(dir, r, right); err != nil {
			return fmt.Errorf("writing an estate of %d workloads: %w", e.Workloads, err)
		}
	}
	return nil
}

// permission is what the shared service account may do, and how a log shows it.
type permission struct{ verb, group, resource string }

var permissions = []permission{
	{"create", "", "pods"},
	{"create", "batch", "jobs"},
	{"update", "apps", "deployments"},
	{"get", "", "secrets"},
	{"create", "apps", "deployments"},
	{"patch", "apps", "deployments"},
}

func namespaceOf(i int) string { return fmt.Sprintf("team-%d", i/perNamespace) }

func write(dir, name, text string) error {
	path := filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, []byte(text), 0o644)
}

// manifests writes one file a namespace.
func (e Estate) manifests(dir string, r *rand.Rand, right permission) error {
	for first := 0; first < e.Workloads; first += perNamespace {
		ns := namespaceOf(first)
		var b strings.Builder
		fmt.Fprintf(&b, namespaceYAML, ns, ns)
		if first/perNamespace%2 == 1 {
			fmt.Fprintf(&b, isolationYAML, ns)
		}
		for i := first; i < min(first+perNamespace, e.Workloads); i++ {
			e.workload(&b, r, i)
		}
		if first == 0 {
			e.chain(&b, right)
		}
		if err := write(dir, filepath.Join("k8s", ns+".yaml"), b.String()); err != nil {
			return err
		}
	}
	return write(dir, "k8s/cluster.yaml", clusterYAML)
}

// workload writes one Deployment with its account and Service. Some mount the
// namespace's Secret, few are privileged.
func (e Estate) workload(b *strings.Builder, r *rand.Rand, i int) {
	account, extra := fmt.Sprintf("sa-%d", i), ""
	if i < 2 {
		account = "shared"
	}
	if i > 1 && r.IntN(50) == 0 {
		extra = "\n          securityContext: {privileged: true}"
	}
	if i == 1 || r.IntN(3) == 0 {
		extra += "\n          envFrom: [{secretRef: {name: db}}]"
	}
	fmt.Fprintf(b, workloadYAML, account, namespaceOf(i), i, namespaceOf(i), i, i, account, e.imageOf(i), extra, i, namespaceOf(i), i)
	if i > 1 && r.IntN(40) == 0 {
		fmt.Fprintf(b, ingressYAML, i, namespaceOf(i), i)
	}
}

func (e Estate) chain(b *strings.Builder, right permission) {
	if !e.NotPublic {
		fmt.Fprintf(b, ingressYAML, 0, namespaceOf(0), 0)
	}
	if !e.NoRight {
		fmt.Fprintf(b, bindingYAML, right.group, right.resource, right.verb)
	}
}

const namespaceYAML = `apiVersion: v1
kind: Namespace
metadata: {name: %s}
---
apiVersion: v1
kind: Secret
metadata: {name: db, namespace: %s}
`

const isolationYAML = `---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: isolate, namespace: %s}
spec: {podSelector: {}, policyTypes: [Ingress], ingress: [{from: [{podSelector: {}}]}]}
`

const workloadYAML = `---
apiVersion: v1
kind: ServiceAccount
metadata: {name: %s, namespace: %s}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: w%d, namespace: %s}
spec:
  replicas: 2
  selector: {matchLabels: {app: w%d}}
  template:
    metadata: {labels: {app: w%d}}
    spec:
      serviceAccountName: %s
      containers:
        - name: main
          image: %s
          ports: [{containerPort: 8080}]%s
---
apiVersion: v1
kind: Service
metadata: {name: w%d, namespace: %s}
spec: {selector: {app: w%d}, ports: [{port: 80, targetPort: 8080}]}
`

const ingressYAML = `---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: w%d, namespace: %s}
spec: {defaultBackend: {service: {name: w%d, port: {number: 80}}}}
`

const bindingYAML = `---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: shared, namespace: team-0}
rules: [{apiGroups: ["%s"], resources: ["%s"], verbs: ["%s"]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: shared, namespace: team-0}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: shared}
subjects: [{kind: ServiceAccount, name: shared, namespace: team-0}]
`

const clusterYAML = `apiVersion: v1
kind: ServiceAccount
metadata: {name: deployer, namespace: team-0}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: deployer}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: cluster-admin}
subjects: [{kind: ServiceAccount, name: deployer, namespace: team-0}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: cluster-admin}
rules: [{apiGroups: ["*"], resources: ["*"], verbs: ["*"]}]
`

// audit writes a log in which w1 uses the shared right, so that it can't just
// be taken away.
func (e Estate) audit(dir string, _ *rand.Rand, right permission) error {
	var b strings.Builder
	resource, sub, _ := strings.Cut(right.resource, "/")
	for i := range 20 + e.Workloads {
		user, verb, group, what, below := fmt.Sprintf("system:serviceaccount:%s:sa-%d", namespaceOf(i%e.Workloads), i%e.Workloads), "get", "", "configmaps", ""
		if i%10 == 0 {
			user, verb, group, what, below = "system:serviceaccount:team-0:shared", right.verb, right.group, resource, sub
		}
		at := fmt.Sprintf("2026-08-25T%02d:%02d:%02d.000000Z", 8+i/3600%12, i/60%60, i%60)
		fmt.Fprintf(&b, auditJSON+"\n", i, verb, user, what, below, group, namespaceOf(i%e.Workloads), at, at)
	}
	return write(dir, "audit.jsonl", b.String())
}

const auditJSON = `{"kind":"Event","apiVersion":"audit.k8s.io/v1","level":"Metadata","auditID":"00000000-0000-4000-8000-%012d","stage":"ResponseComplete","verb":"%s","user":{"username":"%s","groups":["system:serviceaccounts","system:authenticated"]},"sourceIPs":["10.0.0.9"],"objectRef":{"resource":"%s","subresource":"%s","apiGroup":"%s","namespace":"%s","apiVersion":"v1"},"responseStatus":{"code":201},"requestReceivedTimestamp":"%s","stageTimestamp":"%s","annotations":{"authorization.k8s.io/decision":"allow"}}`
