package posture

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/scantling/scantling/model"
)

// wellWritten is a small application as it should be written: no rule that is
// on by default has a word to say.
const wellWritten = `apiVersion: v1
kind: Namespace
metadata:
  name: shop
  labels: {pod-security.kubernetes.io/enforce: restricted, pod-security.kubernetes.io/enforce-version: latest}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: default-deny, namespace: shop}
spec: {podSelector: {}, policyTypes: [Ingress, Egress]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: web, namespace: shop}
spec:
  podSelector: {matchLabels: {app: web}}
  policyTypes: [Ingress, Egress]
  ingress: [{from: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: ingress}}}], ports: [{port: 8080}]}]
  egress: [{to: [{podSelector: {matchLabels: {app: db}}}], ports: [{port: 5432}]}]
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: web, namespace: shop}
automountServiceAccountToken: false
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      serviceAccountName: web
      securityContext: {runAsNonRoot: true, runAsUser: 10001, seccompProfile: {type: RuntimeDefault}}
      containers:
        - name: web
          image: registry.example/shop/web:1.4.2
          ports: [{containerPort: 8080}]
          env:
            - {name: LOG_LEVEL, value: info}
            - {name: TOKEN_URL, value: "https://login.example/token"}
            - {name: DB_PASSWORD_FILE, value: /run/secrets/db/password}
          livenessProbe: {httpGet: {path: /live, port: 8080}}
          resources: {requests: {cpu: 100m, memory: 64Mi}, limits: {memory: 128Mi}}
          securityContext: {allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: {drop: [ALL]}}
          volumeMounts: [{name: tmp, mountPath: /tmp}, {name: db, mountPath: /run/secrets/db, readOnly: true}]
      volumes:
        - {name: tmp, emptyDir: {}}
        - {name: db, secret: {secretName: db}}
---
apiVersion: batch/v1
kind: CronJob
metadata: {name: sweep, namespace: shop}
spec:
  schedule: "0 3 * * *"
  jobTemplate:
    spec:
      template:
        spec:
          restartPolicy: Never
          automountServiceAccountToken: false
          securityContext: {runAsNonRoot: true, seccompProfile: {type: RuntimeDefault}}
          containers:
            - name: sweep
              image: registry.example/shop/sweep@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef
              resources: {limits: {memory: 64Mi}}
              securityContext: {allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: {drop: [ALL]}}
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec: {selector: {app: web}, ports: [{port: 80, targetPort: 8080}]}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: web, namespace: shop}
spec:
  tls: [{hosts: [shop.example], secretName: tls}]
  rules: [{host: shop.example}]
---
apiVersion: v1
kind: ConfigMap
metadata: {name: web, namespace: shop}
data: {LOG_LEVEL: info, token-policy.yaml: "ttl: 15m"}
---
apiVersion: v1
kind: Secret
metadata: {name: db, namespace: shop}
type: Opaque
data: {password: c2VjcmV0}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: ops, namespace: shop}
rules:
  - {apiGroups: [""], resources: [pods, pods/log], verbs: [get, list, watch]}
  - {apiGroups: [""], resources: [secrets], verbs: [get], resourceNames: [tls]}
  - {apiGroups: [apps], resources: [deployments], verbs: [get, list, patch]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: ops, namespace: shop}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: ops}
subjects: [{kind: Group, name: shop-operators, apiGroup: rbac.authorization.k8s.io}]
`

// TestOneCauseOneFinding takes one thing at a time from what is well written:
// it must give the findings of that cause, once, and no others.
func TestOneCauseOneFinding(t *testing.T) {
	cat, _ := load(t)
	set, err := cat.Select("") // what is on by default
	if err != nil {
		t.Fatal(err)
	}
	j, errs := Compile(set)
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	const own = "securityContext: {allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: {drop: [ALL]}}"
	for name, tc := range map[string]struct {
		old, new string
		want     []string // "RULE ASSET"
	}{
		"nothing":              {"", "", nil},
		"privileged":           {own, strings.Replace(own, "{allowPrivilegeEscalation: false", "{privileged: true, allowPrivilegeEscalation: false", 1), []string{"I101 Deployment/web"}},
		"node's network":       {"serviceAccountName: web\n", "serviceAccountName: web\n      hostNetwork: true\n", []string{"I102 Deployment/web"}},
		"folder of the node":   {"{name: tmp, emptyDir: {}}", "{name: tmp, hostPath: {path: /srv/tmp}}", []string{"I103 Deployment/web"}},
		"own server's volume":  {"{name: tmp, emptyDir: {}}", "{name: tmp, nfs: {server: a.example, path: /}}", []string{"I118 Deployment/web"}},
		"dangerous capability": {"drop: [ALL]", "drop: [ALL], add: [SYS_ADMIN]", []string{"I105 Deployment/web"}},
		"capability":           {"drop: [ALL]", "drop: [ALL], add: [CHOWN]", []string{"I109 Deployment/web"}},
		"no seccomp":           {", seccompProfile: {type: RuntimeDefault}", "", []string{"I110 Deployment/web"}},
		"port of the node":     {"ports: [{containerPort: 8080}]", "ports: [{containerPort: 8080, hostPort: 8080}]", []string{"I112 Deployment/web"}},
		"default account":      {"serviceAccountName: web\n", "automountServiceAccountToken: true\n", []string{"I108 Deployment/web"}},
		"moving tag":           {"web:1.4.2", "web:latest", []string{"I120 Deployment/web"}},
		"no limit":             {", limits: {memory: 128Mi}", "", []string{"I121 Deployment/web"}},
		"plain secret":         {"value: info", "value: \"postgres://web:correct-horse@db/shop\"", []string{"I122 Deployment/web"}},
		"no level":             {"  labels: {pod-security.kubernetes.io/enforce: restricted, pod-security.kubernetes.io/enforce-version: latest}\n", "", []string{"I301 shop"}},
		"no default deny":      {"spec: {podSelector: {}, policyTypes: [Ingress, Egress]}", "spec: {podSelector: {}, policyTypes: [Egress]}", []string{"I302 shop"}},
		"default deny undone":  {"spec: {podSelector: {}, policyTypes: [Ingress, Egress]}", "spec: {podSelector: {}, ingress: [{}]}", []string{"I303 NetworkPolicy/default-deny"}},
		"wildcard":             {"resources: [pods, pods/log], verbs: [get, list, watch]", "resources: ['*'], verbs: ['*']", []string{"I201 Role/ops"}},
		"all resources":        {"resources: [pods, pods/log], verbs: [get, list, watch]", "resources: ['*'], verbs: [get, list, create]", []string{"I205 Role/ops"}},
		"all to read":          {"resources: [pods, pods/log], verbs: [get, list, watch]", "resources: ['*'], verbs: [get, list]", []string{"I204 Role/ops"}},
		"everybody":            {"name: shop-operators", "name: 'system:authenticated'", []string{"I215 RoleBinding/ops"}},
		"anonymous administrator": {
			"kind: Role, name: ops}\nsubjects: [{kind: Group, name: shop-operators", "kind: ClusterRole, name: cluster-admin}\nsubjects: [{kind: Group, name: 'system:unauthenticated'",
			[]string{"I222 RoleBinding/ops"},
		},
		"anonymous":     {"name: shop-operators", "name: 'system:unauthenticated'", []string{"I214 RoleBinding/ops"}},
		"cluster-admin": {"kind: Role, name: ops", "kind: ClusterRole, name: cluster-admin", []string{"I202 RoleBinding/ops"}},
	} {
		t.Run(name, func(t *testing.T) {
			if !strings.Contains(wellWritten, tc.old) {
				t.Fatalf("no %q to change", tc.old)
			}
			var got []string
			for _, f := range j.Judge(read(t, strings.Replace(wellWritten, tc.old, tc.new, 1))).Findings {
				if f.Verdict != model.Fail {
					t.Errorf("%s is %s: %s", f.Rule, f.Verdict, f.Message)
				}
				got = append(got, f.Rule+" "+strings.TrimPrefix(strings.TrimPrefix(f.Asset.Key, "prod/"), "shop/"))
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("findings differ (-want +got):\n%s", diff)
			}
		})
	}
}

// TestSecretsStayInside: what a rule says of a secret is its name.
func TestSecretsStayInside(t *testing.T) {
	const secret = "S3cr3tV4lue"
	_, j := load(t)
	r := j.Judge(read(t, strings.ReplaceAll(`apiVersion: v1
kind: Pod
metadata: {name: web}
spec:
  containers: [{name: web, image: web, env: [{name: DB_PASSWORD, value: SECRET}, {name: DB, value: "postgres://u:SECRET@db/x"}]}]
---
apiVersion: v1
kind: ConfigMap
metadata: {name: web}
data: {password: SECRET, db: "postgres://u:SECRET@db/x", key: "-----BEGIN PRIVATE KEY-----SECRET"}
`, "SECRET", secret)))
	found := map[string]bool{}
	for _, f := range r.Findings {
		found[f.Rule] = true
		text := f.Message
		for _, e := range f.Evidence {
			text += e.What + e.Where + e.Value
		}
		if strings.Contains(text, secret) {
			t.Errorf("%s shows the secret", f.Rule)
		}
	}
	if !found["I122"] || !found["I308"] {
		t.Errorf("found by %v, want I122 and I308", found)
	}
}

// maxAllocations of judging one object that passes everything; it was 950
// when this was written. A rule that copies what it reads is seen here.
const maxAllocations = 1400

func TestAllocations(t *testing.T) {
	_, j := load(t)
	s := read(t, wellWritten)
	for _, target := range targets(s) {
		got := testing.AllocsPerRun(20, func() { j.program.Eval(target) })
		t.Logf("%s: %.0f allocations", target.name(), got)
		if got > maxAllocations {
			t.Errorf("%s: %.0f allocations, more than %d", target.name(), got, maxAllocations)
		}
	}
}
