package detect_test

import (
	"cmp"
	"context"
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/scantling/scantling/model"
	"github.com/scantling/scantling/runtime/detect"
	"github.com/scantling/scantling/runtime/ingest"
)

// corpora returns a folder of the public test data, or skips.
func corpora(t testing.TB, name string) string {
	t.Helper()
	dir := filepath.Join(cmp.Or(os.Getenv("SCANTLING_CORPORA"), "../../../shared/corpora"), name)
	if _, err := os.Stat(dir); err != nil {
		t.Skipf("no public test data: set SCANTLING_CORPORA to the folder that holds %s", name)
	}
	return dir
}

func TestSigmaHQCompiles(t *testing.T) {
	sources, errs := detect.Load(corpora(t, "sigma"))
	all := len(sources) + len(errs)
	prog, more := detect.Compile(sources)
	for _, err := range append(errs, more...) {
		t.Error(err)
	}
	routed := 0
	for _, r := range prog.Rules() {
		if len(r.Kinds) > 0 {
			routed++
		}
	}
	got := len(prog.Rules())
	t.Logf("%d of %d SigmaHQ rules compile, %d are routed to a kind of log", got, all, routed)
	if got < 99 || routed < 99 {
		t.Errorf("%d compile and %d are routed, want 99", got, routed)
	}
}

// readFile returns the events of a file and how many records were damaged.
func readFile(t *testing.T, file string) ([]model.Event, int) {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var out []model.Event
	res, err := ingest.Read(context.Background(), filepath.Base(file), f, ingest.Config{}, func(ev model.Event) error {
		out = append(out, ev)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out, res.Damaged
}

// expected says what our rules find in the traces that they are about. The
// traces have labels of another rule set, which is broader: see labels.json.
var expected = map[string][]string{
	"attach_pod.json":                                     {"D101"},
	"create_nginx_pod_privileged.json":                    {"D102"},
	"create_nginx_pod_privileged_2nd_container.json":      {"D102"},
	"create_nginx_pod_sensitive_mount.json":               {"D102"},
	"create_nginx_pod_sensitive_mount_2nd_container.json": {"D102"},
	"create_cluster_role_wildcard_resources.json":         {"D104", "D121"},
	"create_configmap_sensitive_values.json":              {"D124"},
	"create_serviceaccount_kube_public_namespace.json":    {"D123"},
	"create_serviceaccount_kube_system_namespace.json":    {"D123"},
	"modify_cluster_role_node_problem_detector.json":      {"D122"},
	"anonymous_creates_namespace_foo.json":                {"D107"},
	"create_pod_kube_public_namespace.json":               {"D113"},
}

// related names the labels that speak of what our rules are about.
var related = map[string]string{
	"Attach/Exec Pod": "D101", "Create Privileged Pod": "D102", "Create Sensitive Mount Pod": "D102",
	"Attach to cluster-admin Role": "D104", "ClusterRole With Wildcard Created": "D104",
	"Anonymous Request Allowed": "D107", "Pod Created in Kube Namespace": "D113",
	"Create HostNetwork Pod": "D119", "ClusterRole With Write Privileges Created": "D121", "ClusterRole With Pod Exec Created": "D121",
	"System ClusterRole Modified/Deleted": "D122", "Service Account Created in Kube Namespace": "D123",
	"Create/Modify Configmap With Private Credentials": "D124", "Create NodePort Service": "D134",
}

func TestFalcoTraces(t *testing.T) {
	dir := filepath.Join(corpora(t, "auditlogs"), "falco-k8saudit-traces")
	prog, _ := ours(t)
	files, err := filepath.Glob(filepath.Join(dir, "trace_files/k8s_audit/*.json"))
	if err != nil || len(files) == 0 {
		t.Fatal("no traces", err)
	}
	found := map[string][]string{}
	for _, file := range files {
		events, damaged := readFile(t, file)
		if damaged > 0 || len(events) == 0 {
			t.Errorf("%s: %d events, %d damaged", file, len(events), damaged)
		}
		name := filepath.Base(file)
		for _, a := range detect.Run(prog, events) {
			if !slices.Contains(found[name], a.Rule) {
				found[name] = append(found[name], a.Rule)
			}
		}
		if !slices.Equal(found[name], expected[name]) {
			t.Errorf("%s: got %v, want %v", name, found[name], expected[name])
		}
	}
	t.Logf("%d traces: %d with alerts as expected, the others silent", len(files), len(expected))
	checkLabels(t, filepath.Join(dir, "labels.json"), found)
}

// checkLabels compares with the labels that name a rule like ours, leaving out
// the runs that an exception list of their own made silent.
func checkLabels(t *testing.T, file string, found map[string][]string) {
	t.Helper()
	var labels map[string]struct {
		Trace  string
		Detect bool
		Counts []map[string]int `json:"detect_counts"`
	}
	data, err := os.ReadFile(file)
	if err == nil {
		err = json.Unmarshal(data, &labels)
	}
	if err != nil {
		t.Fatal(err)
	}
	agree, all := 0, 0
	for name, l := range labels {
		for _, counts := range l.Counts {
			for theirs, n := range counts {
				our := related[theirs]
				if our == "" || n == 0 || strings.Contains(name, "trusted") {
					continue
				}
				all++
				if slices.Contains(found[filepath.Base(l.Trace)], our) {
					agree++
				} else {
					t.Logf("%s: they see %q in %s, we don't", name, theirs, l.Trace)
				}
			}
		}
	}
	t.Logf("%d of %d labels of rules like ours agree", agree, all)
	if all == 0 || agree < all {
		t.Errorf("%d of %d labels agree", agree, all)
	}
}

func TestBenignLog(t *testing.T) {
	prog, _ := ours(t)
	events, damaged := readFile(t, filepath.Join(corpora(t, "auditlogs"), "audit2rbac-benign/demo.log"))
	alerts := detect.Run(prog, events)
	t.Logf("%d events, %d damaged, %d alerts", len(events), damaged, len(alerts))
	if len(events) != 37 || damaged > 0 {
		t.Errorf("%d events and %d damaged, want 37 and 0", len(events), damaged)
	}
	for _, a := range alerts {
		t.Errorf("alert on an ordinary user: %s %s", a.Rule, a.Title)
	}
}

// TestEveryFileIsRead runs all rules, ours and SigmaHQ's, over every file,
// Kubernetes log or not.
func TestEveryFileIsRead(t *testing.T) {
	sources, _ := detect.Load(corpora(t, "sigma"))
	prog, _ := detect.Compile(sources)
	files, events, damaged, alerts := 0, 0, 0, 0
	err := filepath.WalkDir(corpora(t, "auditlogs"), func(file string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		ev, bad := readFile(t, file)
		if len(ev)+bad == 0 {
			t.Errorf("%s: no record and nothing incomplete", file)
		}
		files, events, damaged, alerts = files+1, events+len(ev), damaged+bad, alerts+len(detect.Run(prog, ev))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d files: %d audit events, %d other records, %d alerts of SigmaHQ's rules", files, events, damaged, alerts)
}
