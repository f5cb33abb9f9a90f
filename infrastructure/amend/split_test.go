package amend_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/scantling/scantling/infrastructure/amend"
	"github.com/scantling/scantling/infrastructure/identity"
	"github.com/scantling/scantling/infrastructure/kube"
	"github.com/scantling/scantling/infrastructure/network"
	"github.com/scantling/scantling/infrastructure/paths"
	"github.com/scantling/scantling/model"
)

// TestSplit: the new account has a free name, and both fields of the pod name
// it.
func TestSplit(t *testing.T) {
	const cron = `apiVersion: v1
kind: ServiceAccount
metadata: {name: job, namespace: a}
---
apiVersion: batch/v1
kind: CronJob
metadata: {name: job, namespace: a}
spec:
  schedule: "@daily"
  jobTemplate:
    spec:
      template:
        spec:
          serviceAccount: job # old
          containers: [{name: c, image: "x:1"}]
`
	file := filepath.Join(t.TempDir(), "j.yaml")
	if err := os.WriteFile(file, []byte(cron), 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := kube.Reader{}.Read(t.Context(), "c", []string{file})
	if err != nil {
		t.Fatal(err)
	}
	m, err := paths.Build(s, network.Build(s), identity.Build(s))
	if err != nil {
		t.Fatal(err)
	}
	ref := model.Ref{Kind: model.Workload, Key: "c/a/CronJob/job"}
	list, err := amend.Plan(s, model.Action{Type: model.SplitIdentity, Assets: []model.Ref{ref}, Patch: m.SplitPatch(ref)})
	if err != nil || len(list) != 2 {
		t.Fatalf("%d changes, %v", len(list), err)
	}
	amend.Order(list)
	text := []byte(cron)
	for i := range list {
		if text, err = list[i].Apply(t.Context(), text); err != nil {
			t.Fatal(err)
		}
	}
	want := strings.Replace(cron, "          serviceAccount: job # old\n", "          serviceAccountName: job-2\n          serviceAccount: job-2 # old\n", 1) +
		"---\napiVersion: v1\nautomountServiceAccountToken: false\nkind: ServiceAccount\nmetadata:\n  name: job-2\n  namespace: a\n"
	if diff := cmp.Diff(want, string(text)); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if m.SplitPatch(model.Ref{Kind: model.Workload, Key: "c/a/CronJob/other"}) != "" {
		t.Error("a workload that isn't there has a patch")
	}
}
