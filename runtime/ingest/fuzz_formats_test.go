package ingest_test

import (
	"bytes"
	"context"
	"encoding/json"
	"slices"
	"testing"

	"github.com/scantling/scantling/model"
	"github.com/scantling/scantling/runtime/ingest"
)

// FuzzFormats reads any bytes as each kind, found out and told, and holds that
// every record is counted once, that a damaged one is a dead letter, and that
// what rules read is a JSON object.
func FuzzFormats(f *testing.F) {
	kinds := append([]string{""}, ingest.Kinds()...)
	for _, seed := range seeds() {
		for i := range kinds {
			f.Add(uint8(i), []byte(seed))
		}
	}
	f.Fuzz(func(t *testing.T, kind uint8, log []byte) {
		source := kinds[int(kind)%len(kinds)]
		dead, events, derived, last := 0, 0, 0, -1
		cfg := ingest.Config{Source: source, DeadLetter: func(l ingest.DeadLetter) {
			dead++
			if l.Why == "" || l.Line < 1 {
				t.Errorf("nameless dead letter %+v", l)
			}
		}}
		res, err := ingest.Read(context.Background(), "log", bytes.NewReader(log), cfg, func(e model.Event) error {
			if e.Index == last {
				derived++
			} else {
				events++
			}
			if e.Index < last || e.Late < 0 {
				t.Errorf("index %d after %d, late %v", e.Index, last, e.Late)
			}
			last = e.Index
			checkRaw(t, log, e)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if res.Records != events+dead || res.Events != events || res.Damaged != dead || res.Derived != derived {
			t.Errorf("%d events, %d derived, %d dead: %+v", events, derived, dead, res)
		}
		if source != "" && res.Kind != source {
			t.Errorf("kind %q", res.Kind)
		}
		again := ingest.Sniff(bytes.NewReader(log))
		if again != "" && !slices.Contains(kinds, again) {
			t.Errorf("sniffed %q", again)
		}
	})
}

// checkRaw holds that Raw is an object: one of ours is strict JSON, one of the
// log stands in it as it is.
func checkRaw(t *testing.T, log []byte, e model.Event) {
	t.Helper()
	if len(e.Raw) == 0 || e.Raw[0] != '{' || e.Raw[len(e.Raw)-1] != '}' {
		t.Errorf("Raw of %s is no object: %q", e.Source, e.Raw)
	}
	switch e.Source {
	case "cri", "docker-json", "syslog":
		if !json.Valid(e.Raw) {
			t.Errorf("Raw of %s is no JSON: %q", e.Source, e.Raw)
		}
	case "cloudtrail", "falco", "tetragon", "tracee", "kubernetes-events", "docker-events":
		packed := bytes.HasPrefix(log, []byte{0x1f, 0x8b}) || bytes.HasPrefix(log, []byte{0x28, 0xb5, 0x2f, 0xfd})
		if !packed && !bytes.Contains(log, e.Raw) {
			t.Errorf("%q is not in the log", e.Raw)
		}
	}
}
