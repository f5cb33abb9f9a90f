package detect_test

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/scantling/scantling/model"
	"github.com/scantling/scantling/runtime/detect"
	"github.com/scantling/scantling/runtime/ingest"
)

// techniques says of which ATT&CK technique each public attack trace is; the
// other traces are their benign twins.
var techniques = map[string]string{
	"anonymous_creates_namespace_foo.json":                "T1078.001",
	"attach_pod.json":                                     "T1609",
	"create_cluster_role_wildcard_resources.json":         "T1098.006",
	"create_configmap_sensitive_values.json":              "T1552",
	"create_nginx_pod_privileged.json":                    "T1611",
	"create_nginx_pod_privileged_2nd_container.json":      "T1611",
	"create_nginx_pod_sensitive_mount.json":               "T1611",
	"create_nginx_pod_sensitive_mount_2nd_container.json": "T1611",
	"create_pod_kube_public_namespace.json":               "T1610",
	"create_serviceaccount_kube_public_namespace.json":    "T1136",
	"create_serviceaccount_kube_system_namespace.json":    "T1136",
	"modify_cluster_role_node_problem_detector.json":      "T1098.006",
}

// TestPublicTracesRaiseTheirTechnique: what the traces' own labels see in every
// request of a kind, or under a list of allowed images and users, is no attack
// by itself; deleting a Secret is such a request.
func TestPublicTracesRaiseTheirTechnique(t *testing.T) {
	prog, _ := ours(t)
	right, silent, all := 0, 0, 0
	for _, file := range traces(t, filepath.Join(corpora(t, "auditlogs"), "falco-k8saudit-traces/trace_files/k8s_audit/*.json")) {
		all++
		alerts := alertsOf(t, prog, file)
		want := techniques[filepath.Base(file)]
		switch {
		case want == "" && len(alerts) > 0:
			t.Errorf("%s: a benign twin raises %v", file, ruleIDs(alerts))
		case want == "":
			silent++
		case len(withTechnique(alerts, want)) == 0:
			t.Errorf("%s: no alert of %s, but %v", file, want, ruleIDs(alerts))
		default:
			right++
		}
	}
	t.Logf("%d of %d attack traces raise the right technique, %d of %d benign twins are silent", right, len(techniques), silent, all-len(techniques))
	if right != len(techniques) || silent != all-len(techniques) {
		t.Errorf("of %d traces, %d are right and %d silent", all, right, silent)
	}
}

// TestPublicSampleRaisesItsTechnique: the sample is of a documentation, cut
// short and in the words of the product that collected it; it is put back into
// those of an audit log first.
func TestPublicSampleRaisesItsTechnique(t *testing.T) {
	prog, _ := ours(t)
	data, err := os.ReadFile(filepath.Join(corpora(t, "auditlogs"), "stratus-k8s-doc-samples/k8s.privilege-escalation.privileged-pod.0.json"))
	if err != nil {
		t.Fatal(err)
	}
	alerts := detect.Run(prog, auditOf(t, data))
	if len(withTechnique(alerts, "T1611")) == 0 {
		t.Errorf("no alert of T1611, but %v", ruleIDs(alerts))
	}
	t.Logf("the sample raises %v", ruleIDs(alerts))
}

// auditOf makes an audit record of a normalised one: verb and code have
// other places there, and version and id are left out.
func auditOf(t *testing.T, data []byte) []model.Event {
	t.Helper()
	var sample struct {
		Event map[string]any
	}
	if err := json.Unmarshal(data, &sample); err != nil {
		t.Fatal(err)
	}
	record := sample.Event
	http, _ := record["http"].(map[string]any)
	record["verb"], record["responseStatus"] = http["method"], map[string]any{"code": http["status_code"]}
	record["apiVersion"], record["auditID"] = "audit.k8s.io/v1", "sample"
	delete(record, "http")
	line, err := json.Marshal(record)
	if err != nil {
		t.Fatal(err)
	}
	var out []model.Event
	_, err = ingest.Read(context.Background(), "sample", bytes.NewReader(line), ingest.Config{}, func(ev model.Event) error {
		out = append(out, ev)
		return nil
	})
	if err != nil || len(out) != 1 {
		t.Fatalf("%d events: %v", len(out), err)
	}
	return out
}
