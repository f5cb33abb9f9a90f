package signal_test

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/scantling/scantling/runtime/detect"
	"github.com/scantling/scantling/runtime/ingest"
	"github.com/scantling/scantling/runtime/signal"
)

// quietLog has records of three actions below the level that rules need of
// one, the words of some in capitals, and lines of containers.
func quietLog() (audit, cri []byte) {
	for i := range 400 {
		at := noon.Add(time.Duration(i) * time.Second).Format(time.RFC3339Nano)
		verb, resource := "create", "pods"
		if i%3 == 0 {
			verb, resource = "GET", "Secrets"
		}
		audit = fmt.Appendf(audit, `{"kind":"Event","apiVersion":"audit.k8s.io/v1","level":"Metadata","auditID":"%d","stage":"ResponseComplete","verb":"%s",`+
			`"objectRef":{"resource":"%s","subresource":"exec"},"requestReceivedTimestamp":"%s"}`+"\n", i, verb, resource, at)
		cri = fmt.Appendf(cri, "%s stdout F one\n", at)
	}
	return audit, cri
}

// TestRecordsAndEvents holds what records tell to what their events do.
func TestRecordsAndEvents(t *testing.T) {
	cat := catalogue(t)
	prog := rulesAbout(t, "{s: {verb: create, objectRef.resource: pods, objectRef.subresource: exec, requestObject.x: 1}, condition: s}",
		"{s: {verb: get, objectRef.resource: secrets, objectRef.subresource: exec, requestObject.y: 1, nowhere: 1}, condition: s}")
	audit, cri := quietLog()
	run := func(observe func(*signal.Alarms, *ingest.Record)) []string {
		a, errs := signal.New(cat, prog, signal.Config{})
		if len(errs) > 0 {
			t.Fatal(errs)
		}
		for name, log := range map[string][]byte{"audit": audit, "cri": cri} {
			if _, err := ingest.Scan(context.Background(), name, bytes.NewReader(log), ingest.Config{}, func(rec *ingest.Record) error {
				observe(a, rec)
				return nil
			}); err != nil {
				t.Fatal(err)
			}
		}
		var out []string
		for i := range 3 {
			for _, alert := range a.Tick(noon.Add(time.Duration(i*20) * time.Hour)) {
				out = append(out, fmt.Sprint(i, alert.Rule, alert.Title, alert.Fields))
			}
		}
		return out
	}
	events := run(func(a *signal.Alarms, rec *ingest.Record) { a.Observe(rec.Event(), rec.Time()) })
	records := run(func(a *signal.Alarms, rec *ingest.Record) { a.ObserveRecord(rec.Stream(), rec, rec.Time()) })
	if diff := cmp.Diff(events, records); diff != "" {
		t.Errorf("events (-), records (+): %s", diff)
	}
	if len(slices.Compact(events)) < 3 {
		t.Errorf("only %q", events)
	}
}

// BenchmarkObserveRecord is BenchmarkObserve of records, with reading them.
func BenchmarkObserveRecord(b *testing.B) {
	cat := catalogue(b)
	prog, errs := detect.Compile(detect.FromCatalogue(cat))
	if len(errs) > 0 {
		b.Fatal(errs)
	}
	a, errs := signal.New(cat, prog, signal.Config{})
	if len(errs) > 0 {
		b.Fatal(errs)
	}
	audit, _ := quietLog()
	b.ReportAllocs()
	for n := 0; n < b.N; {
		if _, err := ingest.Scan(context.Background(), "log", bytes.NewReader(audit), ingest.Config{}, func(rec *ingest.Record) error {
			n++
			a.ObserveRecord(rec.Stream(), rec, rec.Time())
			return nil
		}); err != nil {
			b.Fatal(err)
		}
	}
}
