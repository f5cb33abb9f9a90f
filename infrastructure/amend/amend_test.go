package amend

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/scantling/scantling/infrastructure/kube"
	"github.com/scantling/scantling/model"
)

const pod = `apiVersion: v1
kind: Pod
metadata: {name: p, namespace: a}
spec:
  hostPID: true
  containers:
    - name: c
      image: "x:1"
      securityContext: {privileged: true}
`

func snapshot(t *testing.T, file, text string) *kube.Snapshot {
	t.Helper()
	s, err := kube.ReadFrom(t.Context(), "c", file, strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func binding(key string) model.Action {
	return model.Action{ID: "x", Type: model.DeleteBinding, Assets: []model.Ref{{Kind: model.Binding, Key: key}}}
}

func TestPlan(t *testing.T) {
	const patch = "apiVersion: v1\nkind: Pod\nmetadata: {name: p, namespace: a}\nspec: {hostPID: false}\n"
	const roles = "apiVersion: rbac.authorization.k8s.io/v1\nkind: RoleBinding\nmetadata: {name: 'x; rm -rf /', namespace: \"it's\"}\nroleRef: {kind: Role, name: r}\n"
	for name, tc := range map[string]struct {
		file, text string
		action     model.Action
		want       Change
		fails      string
	}{
		"a workload in a file": {
			"k/p.yaml", "# x\n" + pod,
			model.Action{Type: model.DropPrivilege, Patch: patch},
			Change{Verb: Patch, Kind: "Pod", Name: "p", Space: "a", Text: patch, File: "k/p.yaml", Command: "kubectl patch pod p --namespace a --type strategic --patch-file /dev/stdin"},
			"",
		},
		"a name that two may have": {
			"k/p.yaml", strings.ReplaceAll(pod+"---\n"+pod, "{name:", "{generateName:"),
			model.Action{Type: model.DropPrivilege, Patch: patch},
			Change{Why: "Pod a/p is written twice, at k/p.yaml:1 and k/p.yaml:11"},
			"",
		},
		"a workload of standard input": {
			"-", pod, model.Action{Type: model.DropPrivilege, Patch: patch}, Change{Why: "Pod a/p was not read from a file"}, "",
		},
		"a workload in JSON": {
			"p.json", `{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": "a"}, "spec": {"containers": []}}`,
			model.Action{Type: model.DropPrivilege, Patch: patch},
			Change{Why: "p.json is no YAML file: only YAML is edited"},
			"",
		},
		"a workload that only its pods name": {"k.yaml", "", model.Action{Type: model.DropPrivilege, Patch: patch}, Change{Why: "Pod a/p was not read itself"}, ""},
		"names for a shell": {
			"r.yaml", roles, binding("c/it's/RoleBinding/x; rm -rf "),
			Change{Verb: Remove, Command: `kubectl delete rolebinding 'x; rm -rf ' --namespace 'it'\''s'`},
			"",
		},
		"a name that looks like a switch": {"r.yaml", "", binding("c//ClusterRoleBinding/--all"), Change{Verb: Remove, Command: "kubectl delete 'clusterrolebinding/--all'"}, ""},
		"a policy without a file":         {"p.json", "", model.Action{Type: model.AddPolicy, Patch: "kind: NetworkPolicy\nmetadata: {name: n, namespace: a}\n"}, Change{Verb: Create, Why: "no YAML file that was read as it stands holds a workload of namespace a"}, ""},
		"no patch":                        {"p.yaml", pod, model.Action{ID: "x", Type: model.DropPrivilege}, Change{}, "action x has no patch"},
		"a patch that is no YAML":         {"p.yaml", pod, model.Action{ID: "x", Type: model.DropPrivilege, Patch: "a: ["}, Change{}, "reading the patch of action x"},
		"no binding":                      {"p.yaml", pod, model.Action{ID: "x", Type: model.DeleteBinding}, Change{}, "action x names no binding"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := Plan(snapshot(t, tc.file, tc.text), tc.action)
			if tc.fails != "" {
				if err == nil || !strings.Contains(err.Error(), tc.fails) {
					t.Fatalf("error %v, want %q", err, tc.fails)
				}
				return
			}
			if err != nil || len(got) != 1 {
				t.Fatalf("%d changes, %v", len(got), err)
			}
			if tc.want.Kind == "" { // what matters is where, and the command
				got[0].Kind, got[0].Name, got[0].Space, got[0].Text = "", "", "", ""
				if tc.want.Command == "" {
					got[0].Command = ""
				}
				got[0].Verb, got[0].Why = tc.want.Verb, map[bool]string{true: got[0].Why, false: ""}[tc.want.Why != ""]
			}
			got[0].line, got[0].patch = 0, nil
			if diff := cmp.Diff(tc.want, got[0], cmp.AllowUnexported(Change{})); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

// TestApply: the object must stand where it was read.
func TestApply(t *testing.T) {
	s := snapshot(t, "p.yaml", pod)
	list, err := Plan(s, model.Action{Type: model.DropPrivilege, Patch: "kind: Pod\nmetadata: {name: p, namespace: a}\nspec: {hostPID: false}\n"})
	if err != nil {
		t.Fatal(err)
	}
	got, err := list[0].Apply(t.Context(), []byte(pod))
	if want := strings.Replace(pod, "hostPID: true", "hostPID: false", 1); err != nil || string(got) != want {
		t.Errorf("%v:\n%s", err, got)
	}
	for name, text := range map[string]string{
		"moved down":   "# new\n" + pod,
		"another name": strings.Replace(pod, "name: p", "name: q", 1),
		"gone":         "",
	} {
		if _, err := list[0].Apply(t.Context(), []byte(text)); err == nil || !strings.Contains(err.Error(), "has changed since it was read") {
			t.Errorf("%s: error %v", name, err)
		}
	}
}

// What comes out of a chart or kustomization is in no file that is edited.
func TestPlanOfRendered(t *testing.T) {
	s := snapshot(t, "c/templates/p.yaml", pod)
	for _, o := range s.Objects {
		o.Rendered = "chart"
	}
	for _, tc := range []struct{ patch, why string }{
		{"kind: Pod\nmetadata: {name: p, namespace: a}\nspec: {hostPID: false}\n", "Pod a/p comes out of a chart, at c/templates/p.yaml: templates and patches are edited by hand"},
		{"kind: NetworkPolicy\nmetadata: {name: n, namespace: a}\n", "no YAML file that was read as it stands holds a workload of namespace a"},
	} {
		got, err := Plan(s, model.Action{Type: model.DropPrivilege, Patch: tc.patch})
		if err != nil || len(got) != 1 || got[0].File != "" || got[0].Why != tc.why {
			t.Errorf("%+v, %v, want %s", got, err, tc.why)
		}
	}
}
