package detect_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/scantling/scantling/model"
	"github.com/scantling/scantling/runtime/detect"
	"github.com/scantling/scantling/runtime/ingest"
)

// TestFieldsOfOtherLogs: what no record of a log has is doubted, whatever the
// log, where its fields are known; and the names that others have for fields
// are ours.
func TestFieldsOfOtherLogs(t *testing.T) {
	for name, tc := range map[string]struct {
		logsource, detection string
		want                 []string
	}{
		"of CloudTrail":          {"product: aws, service: cloudtrail", "{eventName: X, status: ok}", []string{`field "status" is in no cloudtrail record: this matches nothing`}},
		"within a request":       {"product: aws, service: cloudtrail", "{requestParameters.anything.at.all: x, userIdentity.type: Root}", nil},
		"with few values":        {"product: aws, service: cloudtrail", "{eventType: ApiCall}", []string{`field "eventType" never has this value`}},
		"as Pub/Sub wraps it":    {"product: gcp, service: gcp.audit", "{data.protoPayload.methodName: x}", nil},
		"as Filebeat names it":   {"product: gcp, service: gcp.audit", "{gcp.audit.method_name: x, gcp.audit.request.a.b: y}", nil},
		"of Cloud Audit Logs":    {"product: gcp, service: gcp.audit", "{gcp.audit.method: x}", []string{`field "gcp.audit.method" is in no gcp-audit record: this matches nothing`}},
		"of one of several logs": {"product: kubernetes", "{objectRef.resource: pods, involvedObject.kind: Pod, pod: x}", nil},
		"of none of several":     {"product: kubernetes", "{hostPath: x}", []string{`field "hostPath" is in no cri record or Kubernetes audit record or kubernetes-events record: this matches nothing`}},
		"one value of several":   {"product: kubernetes, service: container", "{stream: [stdout, err]}", []string{`field "stream" never has this value`}},
		"named on many lines":    {"product: docker, service: events", "{image: [a, b], action: c}", []string{`field "action" is in no docker-events record: this matches nothing`, `field "image" is in no docker-events record: this matches nothing`}},
		"of an open log":         {"product: linux, service: sshd", "{WHATEVER: x}", nil},
		"of Azure":               {"product: azure, service: activitylogs", "{whatever: x}", nil},
	} {
		t.Run(name, func(t *testing.T) {
			text := fmt.Sprintf("title: T\nid: t\nlevel: low\nlogsource: {%s}\ndetection:\n  s: %s\n  condition: s\n", tc.logsource, tc.detection)
			sources, errs := detect.Parse("t.yml", []byte(text))
			prog, more := detect.Compile(sources)
			if len(errs)+len(more) > 0 {
				t.Fatal(errs, more)
			}
			var got []string
			for _, w := range prog.Warnings() {
				_, text, _ := strings.Cut(w.Error(), ": ")
				got = append(got, text)
			}
			slices.Sort(got)
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
	entry := `{"insertId":"i","logName":"projects/p/logs/cloudaudit.googleapis.com%2Factivity","timestamp":"2026-03-01T10:00:00Z","protoPayload":{"@type":"type.googleapis.com/google.cloud.audit.AuditLog","serviceName":"storage.googleapis.com","methodName":"storage.buckets.list","request":{"a":"b"}}}`
	sources, _ := detect.Parse("t.yml", []byte("title: T\nid: t\nlevel: low\nlogsource: {product: gcp, service: gcp.audit}\ndetection:\n  s: {gcp.audit.method_name: storage.buckets.list, gcp.audit.request.a: b}\n  condition: s\n"))
	prog, _ := detect.Compile(sources)
	if got := detect.Run(prog, read(t, "x", entry)); len(got) != 1 {
		t.Errorf("a rule in the names of Filebeat: %v", got)
	}
}

// TestRecordsHaveKnownFields holds the lists of fields against every record that
// our rules' cases, the example and the corpora have.
func TestRecordsHaveKnownFields(t *testing.T) {
	known := map[string][]string{}
	for _, s := range ingest.Sources() {
		known[s.Kind] = s.Fields
	}
	seen, unknown := map[string]int{}, map[string]string{}
	look := func(name string, data []byte) {
		_, err := ingest.Read(context.Background(), name, strings.NewReader(string(data)), ingest.Config{}, func(ev model.Event) error {
			if len(known[ev.Source]) == 0 {
				return nil
			}
			seen[ev.Source]++
			var doc map[string]any
			if err := json.Unmarshal(ev.Raw, &doc); err != nil {
				return nil // a case about damage
			}
			walk("", doc, func(field string) {
				if !closed(known[ev.Source], field) && field != "someDummyField" { // what fills a trace up
					unknown[ev.Source+" "+field] = name
				}
			})
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	_, cat := ours(t)
	for _, r := range detections(cat) {
		for _, c := range cat.Cases(r.ID) {
			look(r.ID+" "+c.Name, c.Data)
		}
	}
	for _, pattern := range []string{
		"../../examples/shop/audit/*.jsonl", "testdata/kube/*/*.jsonl", "../../../shared/corpora/auditlogs/*/*.json", "../../../shared/corpora/auditlogs/*/*.log",
		"../../../shared/corpora/auditlogs/*/trace_files/*/*.json",
	} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			data, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			look(f, data)
		}
	}
	for what, where := range unknown {
		t.Errorf("%s: in %s, and not in the list", what, where)
	}
	for kind, fields := range known {
		if len(fields) > 0 && seen[kind] == 0 && kind != "otlp" && kind != "docker-json" {
			t.Errorf("no record of %s was looked at", kind)
		}
	}
	t.Logf("records by kind: %v", seen)
}

// walk visits the path of every value that is no object.
func walk(path string, v any, visit func(string)) {
	switch v := v.(type) {
	case map[string]any:
		for k, x := range v {
			walk(strings.TrimPrefix(path+"."+k, "."), x, visit)
		}
	case []any:
		for _, x := range v {
			walk(path, x, visit)
		}
	default:
		visit(path)
	}
}

func closed(known []string, field string) bool {
	return slices.ContainsFunc(known, func(k string) bool {
		return k == field || strings.HasSuffix(k, ".") && strings.HasPrefix(field+".", k)
	})
}
