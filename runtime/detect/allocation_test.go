package detect_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	rules "github.com/scantling/scantling/internal/testkit/sigma"
	"github.com/scantling/scantling/model"
	"github.com/scantling/scantling/runtime/detect"
	"github.com/scantling/scantling/runtime/ingest"
)

// auditLog is the example's audit log.
func auditLog(t testing.TB) []byte {
	t.Helper()
	log, err := os.ReadFile("../../examples/shop/audit/audit.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	return log
}

// made compiles made-up rules that all read the audit log, and rules of this
// package's own that use what those leave out.
func made(t testing.TB, n int) *detect.Program {
	t.Helper()
	texts := rules.Set{Seed: 1, Rules: n, Keywords: true, Product: "kubernetes", Service: "audit"}.Make()
	for i, selection := range []string{
		"{sourceIPs|cidr: [10.0.0.0/8, 'fd00::/8']}",
		"{responseStatus.code|gte: 400}",
		"{requestReceivedTimestamp|hour: 3}",
		"{userAgent|re: 'kube[a-z]+/v9'}",
		"{user.username|cased: System}",
		"{objectRef.name|fieldref: user.username}",
		"{user.username|fieldref|contains: objectRef.name}",
		"{annotations.authorization.k8s.io/decision: forbid}",
		"{requestObject.spec.containers.image|contains: [nowhere.example, 'é']}",
		"{nowhere|exists: true, verb: get}",
	} {
		texts = append(texts, fmt.Sprintf("title: t\nid: own%d\nlogsource: {product: kubernetes, service: audit}\ndetection:\n  a: %s\n  condition: a\n", i, selection))
	}
	return compile(t, texts...)
}

// TestAllocations reads a log ten times as long, which may ask no more of the
// heap: neither to read its records, nor to match them, nor for records of
// which nothing comes.
func TestAllocations(t *testing.T) {
	own, _ := ours(t)
	for name, prog := range map[string]*detect.Program{"3,100 rules": made(t, 3100), "our rules": own} {
		t.Run(name, func(t *testing.T) {
			m := prog.NewMatcher()
			var hits []detect.Hit
			sameAllocations(t, auditLog(t), func(rec *ingest.Record) error {
				var err error
				hits, err = m.RecordHits(rec, hits[:0])
				return err
			})
		})
	}
	t.Run("cloudtrail", func(t *testing.T) {
		prog := compile(t, rules.Set{Seed: 1, Rules: 3100, Keywords: true, Product: "aws", Service: "cloudtrail"}.Make()...)
		m := prog.NewMatcher()
		var hits []detect.Hit
		sameAllocations(t, cloudTrailLog(t), func(rec *ingest.Record) error {
			var err error
			hits, err = m.RecordHits(rec, hits[:0])
			return err
		})
	})
	t.Run("results", func(t *testing.T) {
		results := detect.NewResults(own)
		sameAllocations(t, withoutHits(t, own.NewMatcher(), auditLog(t)), func(rec *ingest.Record) error {
			results.AddRecord(rec)
			return nil
		})
	})
}

// cloudTrailLog is what other projects recorded of AWS.
func cloudTrailLog(t *testing.T) []byte {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(corpora(t, "auditlogs"), "stratus-cloudtrail/*.json"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no log of CloudTrail: %v", err)
	}
	var log bytes.Buffer
	for _, name := range files {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := ingest.Scan(context.Background(), name, bytes.NewReader(data), ingest.Config{}, func(rec *ingest.Record) error {
			err := json.Compact(&log, rec.Raw())
			log.WriteByte('\n')
			return err
		}); err != nil {
			t.Fatal(err)
		}
	}
	return log.Bytes()
}

func sameAllocations(t *testing.T, log []byte, take func(*ingest.Record) error) {
	t.Helper()
	pass := func(times int) float64 {
		long := bytes.Repeat(log, times)
		rd := bytes.NewReader(nil)
		return testing.AllocsPerRun(3, func() {
			rd.Reset(long)
			if _, err := ingest.Scan(context.Background(), "log", rd, ingest.Config{}, take); err != nil {
				t.Fatal(err)
			}
		})
	}
	if short, long := pass(2), pass(20); long > short {
		t.Errorf("a log ten times as long: %.0f allocations instead of %.0f", long, short)
	}
}

// TestAllocationsLive is TestAllocations of what a log gives back in batches:
// one with ten times the records may ask no more of the heap, those on which
// rules can't tell among them.
func TestAllocationsLive(t *testing.T) {
	own, _ := ours(t)
	quiet := bytes.Split(bytes.TrimSpace(withoutHits(t, own.NewMatcher(), auditLog(t))), []byte("\n"))
	unsure := []byte(`{"kind":"Event","apiVersion":"audit.k8s.io/v1","level":"Metadata","auditID":"1","stage":"ResponseComplete","verb":"create",` +
		`"user":{"username":"u"},"objectRef":{"resource":"pods","namespace":"shop","name":"web"},"responseStatus":{"code":201},"requestReceivedTimestamp":"2026-03-01T10:00:00.000000Z"}`)
	live := detect.NewLive(own, 1, detect.Bounds{}, detect.Mark{})
	dec := ingest.NewDecoders(ingest.Config{})
	lane := live.Lane(0)
	position := uint64(1)
	pass := func(times int) float64 {
		b := model.Batch{Stream: "log", Kind: ingest.Kind}
		for range times {
			b.Records = append(append(b.Records, quiet...), unsure)
		}
		return testing.AllocsPerRun(5, func() {
			lane.Begin(position, b.Stream, time.Time{})
			if _, err := dec.Decode(b, func(rec *ingest.Record) error {
				lane.AddRecord(rec)
				return nil
			}); err != nil {
				t.Fatal(err)
			}
			position++
			lane.End(position)
		})
	}
	long := pass(20) // first, as it makes room
	if short := pass(2); long > short {
		t.Errorf("a batch ten times as long: %.0f allocations instead of %.0f", long, short)
	}
	if len(live.Incomplete()) == 0 {
		t.Error("no rule was unsure")
	}
}

// withoutHits leaves the records out that some rule matches.
func withoutHits(t *testing.T, m *detect.Matcher, log []byte) []byte {
	t.Helper()
	var quiet []byte
	all, left := 0, 0
	if _, err := ingest.Scan(context.Background(), "log", bytes.NewReader(log), ingest.Config{}, func(rec *ingest.Record) error {
		hits, err := m.RecordHits(rec, nil)
		all++
		if len(hits) == 0 {
			left++
			quiet = append(append(quiet, rec.Raw()...), '\n')
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	if left < all/10 {
		t.Fatalf("only %d of %d records match no rule", left, all)
	}
	return quiet
}

// TestAllocationsOfHits bounds what an event costs that becomes an alert.
func TestAllocationsOfHits(t *testing.T) {
	prog := compile(t, simple("a")...)
	r := detect.NewResults(prog)
	line := []byte(`{"kind":"Event","apiVersion":"audit.k8s.io/v1","level":"Metadata","auditID":"1","stage":"ResponseComplete","verb":"get","t":"a",` +
		`"user":{"username":"system:serviceaccount:shop:web"},"objectRef":{"resource":"pods","namespace":"shop","name":"web"},"requestReceivedTimestamp":"2026-03-01T10:00:00.000000Z"}` + "\n")
	pass := func(n int) float64 {
		log := bytes.Repeat(line, n)
		return testing.AllocsPerRun(3, func() {
			if _, err := ingest.Scan(context.Background(), "log", bytes.NewReader(log), ingest.Config{}, func(rec *ingest.Record) error {
				r.AddRecord(rec)
				return nil
			}); err != nil {
				t.Fatal(err)
			}
		})
	}
	const most = 60
	if each := (pass(1000) - pass(100)) / 900; each > most {
		t.Errorf("%.1f allocations for an event that a rule matches, at most %d", each, most)
	} else {
		t.Logf("%.1f allocations for an event that a rule matches", each)
	}
	if n := len(r.Alerts()); n != 1 {
		t.Errorf("%d alerts, not 1", n)
	}
}

// TestRecordsAndEvents holds that a record and the event made of it give the
// same alerts.
func TestRecordsAndEvents(t *testing.T) {
	prog, _ := ours(t)
	byRecord, byEvent := detect.NewResults(prog), detect.NewResults(prog)
	log := auditLog(t)
	if _, err := ingest.Scan(context.Background(), "log", bytes.NewReader(log), ingest.Config{}, func(rec *ingest.Record) error {
		byRecord.AddRecord(rec)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if _, err := ingest.Read(context.Background(), "log", bytes.NewReader(log), ingest.Config{}, func(ev model.Event) error {
		byEvent.Add(ev)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(byEvent.Alerts(), byRecord.Alerts()); diff != "" {
		t.Errorf("alerts of events and of records: %s", diff)
	}
	if diff := cmp.Diff(byEvent.Unknown(), byRecord.Unknown()); diff != "" {
		t.Errorf("what events and records leave open: %s", diff)
	}
	if len(byEvent.Alerts()) == 0 {
		t.Error("the example's log has no alert")
	}
}
