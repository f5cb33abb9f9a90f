package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/scantling/scantling/examples/shop"
)

// logRecord is what these tests read of one line of the recorded log.
type logRecord struct {
	Level, AuditID, Stage, RequestURI, Verb  string
	RequestReceivedTimestamp, StageTimestamp string
	ObjectRef                                struct{ Resource, Subresource string }
	ResponseStatus                           struct{ Code int }
	RequestObject, ResponseObject            json.RawMessage
	Annotations                              map[string]string
	User                                     struct {
		Username string
		Extra    map[string][]string
	}
}

// logged is the committed log.
func logged(t *testing.T) []logRecord {
	t.Helper()
	text, err := shop.FS.ReadFile("audit/audit.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	var records []logRecord
	lines := bufio.NewScanner(bytes.NewReader(text))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var r logRecord
		if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
			t.Fatalf("line %d: %v", len(records)+1, err)
		}
		records = append(records, r)
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return records
}

// attack is what testdata/attack.txt says of the attack, by index of the
// record. The recorder writes both files.
func attack(t *testing.T) map[int]string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", "attack.txt"))
	if err != nil {
		t.Fatal(err)
	}
	steps := map[int]string{}
	for line := range strings.Lines(string(text)) {
		var index int
		if _, err := fmt.Sscan(line, &index); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		_, steps[index], _ = strings.Cut(strings.TrimSpace(line), " ")
	}
	return steps
}

func TestAuditLogIsInOrder(t *testing.T) {
	records := logged(t)
	if len(records) < 150 || len(records) > 300 {
		t.Errorf("%d records, want 150 to 300", len(records))
	}
	ids := map[string]bool{}
	var received, ended time.Time
	for i, r := range records {
		if ids[r.AuditID] {
			t.Errorf("line %d repeats audit id %s", i+1, r.AuditID)
		}
		ids[r.AuditID] = true
		start, err := time.Parse(time.RFC3339Nano, r.RequestReceivedTimestamp)
		if err != nil {
			t.Fatal(err)
		}
		end, err := time.Parse(time.RFC3339Nano, r.StageTimestamp)
		if err != nil {
			t.Fatal(err)
		}
		if !start.After(received) || !end.After(ended) || !end.After(start) {
			t.Errorf("line %d is not after line %d in both timestamps", i+1, i)
		}
		received, ended = start, end
	}
}

func TestAuditLogHasItsLevels(t *testing.T) {
	for i, r := range logged(t) {
		body := r.Verb == "create" && (r.ObjectRef.Resource == "pods" && r.ObjectRef.Subresource == "" || r.ObjectRef.Resource == "clusterrolebindings")
		if body != (r.Level == "RequestResponse") || body != (r.RequestObject != nil) || body != (r.ResponseObject != nil) {
			t.Errorf("line %d: %s %s at level %s, body %t", i+1, r.Verb, r.RequestURI, r.Level, r.RequestObject != nil)
		}
		if decision := r.Annotations["authorization.k8s.io/decision"]; (decision == "forbid") != (r.ResponseStatus.Code == 403) {
			t.Errorf("line %d: decision %q with code %d", i+1, decision, r.ResponseStatus.Code)
		}
	}
}

// The attack's requests, by the audit ids under which a detection must find
// them. Nothing in the log itself tells them apart.
func TestAttackIsInTheLog(t *testing.T) {
	records := logged(t)
	steps := attack(t)
	if len(steps) != 11 {
		t.Errorf("%d steps, want 11", len(steps))
	}
	for i, step := range steps {
		r := records[i]
		if want := r.AuditID + " " + r.RequestReceivedTimestamp + " "; !strings.HasPrefix(step, want) || !strings.HasSuffix(step, ": "+r.User.Username) {
			t.Errorf("record %d is %sby %s, the step is %s", i, want, r.User.Username, step)
		}
	}
}

// The storefront never uses its token except in the attack, and the runner
// creates pods and jobs all day: the two share an identity and not a need.
func TestOnlyTheRunnerNeedsTheRunnersRights(t *testing.T) {
	const runnerPod = "runner-58d6c7f9b-7tkzp"
	steps := attack(t)
	created := map[string]int{}
	for i, r := range logged(t) {
		if r.User.Username != "system:serviceaccount:shop:runner" || steps[i] != "" {
			continue
		}
		if pod := r.User.Extra["authentication.kubernetes.io/pod-name"]; !slices.Equal(pod, []string{runnerPod}) {
			t.Errorf("line %d: %v acts as shop/runner outside the attack", i+1, pod)
		}
		if r.Verb == "create" {
			created[r.ObjectRef.Resource]++
		}
	}
	if created["pods"] < 3 || created["jobs"] < 8 {
		t.Errorf("the runner creates %v", created)
	}
}
