package ingest_test

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/scantling/scantling/model"
	"github.com/scantling/scantling/runtime/ingest"
)

// corpora is the folder of public test data.
func corpora() string {
	if dir := os.Getenv("SCANTLING_CORPORA"); dir != "" {
		return dir
	}
	return filepath.Join("..", "..", "..", "shared", "corpora")
}

// TestPublicLogs reads every log of the public sets: each is recognised, each
// record is an event with a time, an actor and what was done.
func TestPublicLogs(t *testing.T) {
	root := filepath.Join(corpora(), "auditlogs")
	if _, err := os.Stat(root); err != nil {
		t.Skipf("no public test data: %v", err)
	}
	for _, set := range []struct {
		pattern, kind string
		least         int
	}{
		{"stratus-cloudtrail/*.json", "cloudtrail", 14},
		{"falco-k8saudit-traces/trace_files/plugins/*.json", "cloudtrail", 2},
		{"falco-k8saudit-traces/trace_files/k8s_audit/*.json", ingest.Kind, 26},
		{"audit2rbac-benign/*.log", ingest.Kind, 1},
	} {
		files, err := filepath.Glob(filepath.Join(root, set.pattern))
		if err != nil || len(files) < set.least {
			t.Fatalf("%s: %d files, %v", set.pattern, len(files), err)
		}
		events := 0
		for _, file := range files {
			events += readFile(t, file, set.kind)
		}
		t.Logf("%s: %d files, %d events", set.pattern, len(files), events)
	}
}

func readFile(t *testing.T, file, kind string) int {
	t.Helper()
	if got, err := ingest.Detect(file); err != nil || got != kind {
		t.Errorf("%s: kind %q, %v", file, got, err)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	short := strings.TrimSuffix(filepath.Base(file), ".json")
	res, err := ingest.Read(context.Background(), short, bytes.NewReader(text), ingest.Config{}, func(e model.Event) error {
		if e.Time.IsZero() || e.Action == "" || e.Actor == "" || e.Identity.IsZero() {
			t.Errorf("%s#%d says too little: %v, %q by %q", short, e.Index, e.Time, e.Action, e.Actor)
		}
		return nil
	})
	if err != nil || res.Damaged > 0 || len(res.Incomplete) > 0 || res.Events == 0 {
		t.Errorf("%s: %+v, %v", short, res, err)
	}
	if want := countJSON(text); want != res.Events {
		t.Errorf("%s: %d events, encoding/json counts %d", short, res.Events, want)
	}
	return res.Events
}

// countJSON counts the records of a log in another way: those of Records
// arrays and of arrays, else the documents.
func countJSON(text []byte) int {
	n := 0
	for dec := json.NewDecoder(bytes.NewReader(text)); ; {
		var doc any
		if dec.Decode(&doc) != nil {
			return n
		}
		switch d := doc.(type) {
		case []any:
			n += len(d)
		case map[string]any:
			if list, ok := d["Records"].([]any); ok {
				n += len(list)
			} else {
				n++
			}
		}
	}
}
