package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/scantling/scantling/examples/shop"
)

// logged is the committed log.
func logged(t *testing.T) []event {
	t.Helper()
	text, err := shop.FS.ReadFile("audit/audit.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	var events []event
	lines := bufio.NewScanner(bytes.NewReader(text))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		dec := json.NewDecoder(bytes.NewReader(lines.Bytes()))
		dec.DisallowUnknownFields()
		var e event
		if err := dec.Decode(&e); err != nil {
			t.Fatalf("line %d: %v", len(events)+1, err)
		}
		events = append(events, e)
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return events
}

func TestAuditLogIsInOrder(t *testing.T) {
	events := logged(t)
	if len(events) < 150 || len(events) > 300 {
		t.Errorf("%d events, want 150 to 300", len(events))
	}
	ids := map[string]bool{}
	var received, ended time.Time
	for i, e := range events {
		if ids[e.AuditID] {
			t.Errorf("line %d repeats audit id %s", i+1, e.AuditID)
		}
		ids[e.AuditID] = true
		start, err := time.Parse(time.RFC3339Nano, e.RequestReceivedTimestamp)
		if err != nil {
			t.Fatal(err)
		}
		end, err := time.Parse(time.RFC3339Nano, e.StageTimestamp)
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
	for i, e := range logged(t) {
		body := e.Verb == "create" && (e.ObjectRef.Resource == "pods" && e.ObjectRef.Subresource == "" || e.ObjectRef.Resource == "clusterrolebindings")
		if body != (e.Level == "RequestResponse") || body != (e.RequestObject != nil) || body != (e.ResponseObject != nil) {
			t.Errorf("line %d: %s %s at level %s, body %t", i+1, e.Verb, e.RequestURI, e.Level, e.RequestObject != nil)
		}
		if decision := e.Annotations["authorization.k8s.io/decision"]; (decision == "forbid") != (e.ResponseStatus.Code == 403) {
			t.Errorf("line %d: decision %q with code %d", i+1, decision, e.ResponseStatus.Code)
		}
	}
}

// The attack's requests, by the audit ids under which a detection must find
// them. Nothing in the log itself tells them apart.
func TestAttackIsInTheLog(t *testing.T) {
	events := logged(t)
	var b strings.Builder
	for i, c := range allCalls() {
		if c.attack != "" {
			e := events[i]
			fmt.Fprintf(&b, "%d %s %s %s: %s\n", i, e.AuditID, e.RequestReceivedTimestamp, c.attack, e.User.Username)
		}
	}
	golden(t, "attack.txt", b.String())
}

// The storefront never uses its token except in the attack, and the runner
// creates pods and jobs all day: the two share an identity and not a need.
func TestOnlyTheRunnerNeedsTheRunnersRights(t *testing.T) {
	attack := map[int]bool{}
	for i, c := range allCalls() {
		attack[i] = c.attack != ""
	}
	created := map[string]int{}
	for i, e := range logged(t) {
		if e.User.Username != "system:serviceaccount:shop:runner" || attack[i] {
			continue
		}
		if pod := e.User.Extra["authentication.kubernetes.io/pod-name"]; len(pod) != 1 || pod[0] != runnerPod {
			t.Errorf("line %d: %v acts as shop/runner outside the attack", i+1, pod)
		}
		if e.Verb == "create" {
			created[e.ObjectRef.Resource]++
		}
	}
	if created["pods"] < 3 || created["jobs"] < 8 {
		t.Errorf("the runner creates %v", created)
	}
}
