package posture

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/scantling/scantling/infrastructure/kube"
	"github.com/scantling/scantling/model"
	"github.com/scantling/scantling/rule"
	"github.com/scantling/scantling/rules"
)

// load reads the infrastructure rules of the catalogue and compiles them all.
func load(t testing.TB) (*rule.Catalogue, *Judge) {
	t.Helper()
	cat, errs := rule.Load(rules.FS, "rules")
	for _, err := range errs {
		if strings.HasPrefix(err.Error(), "rules/infrastructure/") {
			t.Error(err)
		}
	}
	j, errs := Compile(cat)
	for _, err := range errs {
		t.Error(err)
	}
	if t.Failed() {
		t.FailNow()
	}
	return cat, j
}

// only compiles the rules that spec selects.
func only(t testing.TB, spec string) *Judge {
	t.Helper()
	cat, _ := load(t)
	some, err := cat.Select(spec)
	if err != nil {
		t.Fatal(err)
	}
	j, errs := Compile(some)
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	return j
}

func read(t testing.TB, text string) *kube.Snapshot {
	t.Helper()
	s, err := kube.ReadFrom(context.Background(), "prod", "in.yaml", strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestRuleCases(t *testing.T) {
	cat, j := load(t)
	results := rule.RunCases(cat, cat.Stage(model.Infrastructure), j.Case)
	for _, r := range results {
		if !r.OK() {
			t.Error(r)
		}
	}
	t.Logf("%d cases of %d rules", len(results), len(j.Rules()))
	if len(results) < 2*len(j.Rules()) || len(j.Rules()) == 0 {
		t.Errorf("%d cases of %d rules: too few", len(results), len(j.Rules()))
	}
}

const estate = `apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop}
spec:
  replicas: 3
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      automountServiceAccountToken: false
      securityContext: {runAsNonRoot: true, seccompProfile: {type: RuntimeDefault}}
      containers:
        - name: web
          image: web
          securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}
---
apiVersion: apps/v1
kind: ReplicaSet
metadata: {name: web-5d, namespace: shop, ownerReferences: [{apiVersion: apps/v1, kind: Deployment, name: web, uid: u, controller: true}]}
spec:
  selector: {matchLabels: {app: web, pod-template-hash: 5d}}
  template:
    metadata: {labels: {app: web, pod-template-hash: 5d}}
    spec:
      containers: [{name: web, image: web, securityContext: {privileged: true}}]
---
apiVersion: v1
kind: Pod
metadata: {name: web-5d-1, namespace: shop, labels: {app: web}, ownerReferences: [{apiVersion: apps/v1, kind: ReplicaSet, name: web-5d, uid: u, controller: true}]}
spec:
  containers: [{name: web, image: web}]
  ephemeralContainers: [{name: debugger-x, image: busybox, securityContext: {capabilities: {add: [SYS_PTRACE]}}}]
status: {phase: Running}
---
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: agent, namespace: shop}
spec:
  template:
    spec:
      hostPID: true
      hostNetwork: true
      containers:
        - {name: agent, image: agent, securityContext: {privileged: true}}
        - {name: side, image: side, securityContext: {privileged: true}}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: everyone}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: cluster-admin}
subjects: [{kind: User, name: ann}, {kind: User, name: bob}]
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec: {ports: [{port: 80}]}
`

func TestJudgesWorkloadsOnce(t *testing.T) {
	j := only(t, "I101,I102,I105,I106,I107,I108,I202")
	reading := j.Judge(read(t, estate))
	var got []string
	for _, f := range reading.Findings {
		got = append(got, fmt.Sprintf("%s %s %s %s:%d %s", f.Rule, f.Asset.Kind, f.Asset.Key, f.Position.File, f.Position.Line, f.Message))
	}
	want := []string{
		"I202 binding prod//ClusterRoleBinding/everyone in.yaml:47 User ann holds cluster-admin",
		"I202 binding prod//ClusterRoleBinding/everyone in.yaml:47 User bob holds cluster-admin",
		"I101 workload prod/shop/DaemonSet/agent in.yaml:35 container agent is privileged",
		"I101 workload prod/shop/DaemonSet/agent in.yaml:35 container side is privileged",
		"I102 workload prod/shop/DaemonSet/agent in.yaml:35 shares the node's process table (hostPID) and network (hostNetwork)",
		"I106 workload prod/shop/DaemonSet/agent in.yaml:35 container agent runs as the user of its image, which may be root",
		"I106 workload prod/shop/DaemonSet/agent in.yaml:35 container side runs as the user of its image, which may be root",
		"I107 workload prod/shop/DaemonSet/agent in.yaml:35 container agent doesn't set allowPrivilegeEscalation to false",
		"I107 workload prod/shop/DaemonSet/agent in.yaml:35 container side doesn't set allowPrivilegeEscalation to false",
		"I108 workload prod/shop/DaemonSet/agent in.yaml:35 runs as the namespace's default service account, whose token is mounted into every container",
		"I105 workload prod/shop/Deployment/web in.yaml:1 container debugger-x adds SYS_PTRACE",
		"I107 workload prod/shop/Deployment/web in.yaml:1 container debugger-x doesn't set allowPrivilegeEscalation to false",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("findings differ (-want +got):\n%s", diff)
	}
	if reading.Read != 4 {
		t.Errorf("read %d, want 4: two workloads, a binding and a Service", reading.Read)
	}
	ids := map[string]string{}
	for i, f := range reading.Findings {
		if other, twice := ids[f.ID]; twice {
			t.Errorf("%s and %s have one id", other, got[i])
		}
		ids[f.ID] = got[i]
		if len(f.Evidence) == 0 || f.Evidence[0].Where == "" {
			t.Errorf("%s has no evidence", got[i])
		}
	}
}

func TestFacts(t *testing.T) {
	_, j := load(t)
	var got []string
	for _, f := range j.Judge(read(t, estate)).Facts {
		line := fmt.Sprintf("%s %s %s", f.Kind, f.Asset.Key, f.Value)
		for _, e := range f.Evidence {
			line += " " + e.What
		}
		if f.P != 1 || f.Origin != model.Measured {
			t.Errorf("%s: P %v, origin %s", line, f.P, f.Origin)
		}
		got = append(got, line)
	}
	want := []string{
		"meets prod/shop/DaemonSet/agent posture.checked",
		"lacks prod/shop/DaemonSet/agent posture.baseline pss:hostNamespaces pss:privileged",
		"lacks prod/shop/DaemonSet/agent posture.restricted pss:hostNamespaces pss:privileged pss:allowPrivilegeEscalation pss:capabilities_restricted pss:runAsNonRoot pss:seccompProfile_restricted",
		"lacks prod/shop/DaemonSet/agent identity.token token of the default service account",
		"meets prod/shop/Deployment/web posture.checked",
		"lacks prod/shop/Deployment/web posture.baseline pss:capabilities_baseline",
		"lacks prod/shop/Deployment/web posture.restricted pss:allowPrivilegeEscalation pss:capabilities_restricted",
		"meets prod/shop/Deployment/web identity.token",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("facts differ (-want +got):\n%s", diff)
	}
}

// TestOrderOfInput: documents in any order, and blank lines between them,
// change positions only.
func TestOrderOfInput(t *testing.T) {
	_, j := load(t)
	strip := func(r model.Reading) model.Reading {
		for i := range r.Findings {
			r.Findings[i].Position = model.Position{}
			for k := range r.Findings[i].Evidence {
				r.Findings[i].Evidence[k].Where, _, _ = strings.Cut(r.Findings[i].Evidence[k].Where, ":")
			}
		}
		for i := range r.Facts {
			for k := range r.Facts[i].Evidence {
				r.Facts[i].Evidence[k].Where = ""
			}
		}
		return r
	}
	want := strip(j.Judge(read(t, estate)))
	random := rand.New(rand.NewPCG(3, 4))
	for range 10 {
		docs := strings.Split(estate, "---\n")
		random.Shuffle(len(docs), func(a, b int) { docs[a], docs[b] = docs[b], docs[a] })
		got := strip(j.Judge(read(t, "\n\n"+strings.Join(docs, "\n---\n"))))
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("another order, another reading (-want +got):\n%s", diff)
		}
	}
}

func TestNothingReadIsNotClean(t *testing.T) {
	_, j := load(t)
	r := j.Judge(read(t, "apiVersion: coordination.k8s.io/v1\nkind: Lease\nmetadata: {name: a}\nspec: {}\n"))
	if r.Read != 0 || r.Why == "" {
		t.Errorf("read %d, why %q", r.Read, r.Why)
	}
}

// TestUnreadableFieldsAreUnknown: what doesn't have the form of its kind is
// never judged clean.
func TestUnreadableFieldsAreUnknown(t *testing.T) {
	_, j := load(t)
	for name, tc := range map[string]struct{ text, rule string }{
		"verbs":   {"kind: Role\nrules: [{apiGroups: [''], resources: ['*'], verbs: 7}]\n", "I201"},
		"rule":    {"kind: Role\nrules: [everything]\n", "I201"},
		"roleRef": {"kind: ClusterRoleBinding\nroleRef: admin\nsubjects: [{kind: User, name: ann}]\n", "I202"},
		"subject": {"kind: ClusterRoleBinding\nroleRef: {kind: ClusterRole, name: cluster-admin}\nsubjects: [ann]\n", "I202"},
	} {
		t.Run(name, func(t *testing.T) {
			r := j.Judge(read(t, "apiVersion: rbac.authorization.k8s.io/v1\nmetadata: {name: a}\n"+tc.text))
			said := false
			for _, f := range r.Findings {
				said = said || f.Rule == tc.rule
				if f.Verdict != model.Unknown || f.Message == "" {
					t.Errorf("%s says %s (%s) of what nobody can read", f.Rule, f.Verdict, f.Message)
				}
			}
			if !said {
				t.Errorf("findings %+v, want an unknown of %s", r.Findings, tc.rule)
			}
		})
	}
}

func BenchmarkJudge(b *testing.B) {
	_, j := load(b)
	s := read(b, estate)
	for b.Loop() {
		j.Judge(s)
	}
}
