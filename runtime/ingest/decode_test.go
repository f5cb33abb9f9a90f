package ingest_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/scantling/scantling/model"
	"github.com/scantling/scantling/runtime/ingest"
)

// batches cuts lines into batches of a stream, at random.
func batches(rng *rand.Rand, stream string, lines []string) []model.Batch {
	var out []model.Batch
	for from := 0; from < len(lines); {
		to := min(len(lines), from+1+rng.IntN(4))
		b := model.Batch{Stream: stream, Index: from, Sequence: uint64(len(out) + 1), Received: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}
		for _, l := range lines[from:to] {
			b.Records = append(b.Records, []byte(l))
		}
		out, from = append(out, b), to
	}
	return out
}

// TestDecodeEqualsRead holds events of single records to those of the stream.
func TestDecodeEqualsRead(t *testing.T) {
	docker := func(text, stream string) string {
		return fmt.Sprintf(`{"log":%q,"stream":%q,"time":"2026-01-01T00:00:00Z"}`, text, stream)
	}
	for name, lines := range map[string][]string{
		"audit":  {"rotated in half\"}", ev("a"), ev("b"), "{broken", ev("c"), `{"kind":"x"}`, ev("d")},
		"syslog": {syslogLine, syslogLine, "no message", syslogLine},
		"cri": {
			"2026-01-01T00:00:00Z stdout F one", "2026-01-01T00:00:00Z stdout P two ", "2026-01-01T00:00:01Z stderr F three",
			"2026-01-01T00:00:02Z stdout P and ", "2026-01-01T00:00:03Z stdout F a half", "no line", "2026-01-01T00:00:04Z stderr F four",
		},
		"docker": {docker("one\n", "stdout"), docker("two ", "stdout"), docker("three\n", "stderr"), docker("and a half\n", "stdout")},
	} {
		t.Run(name, func(t *testing.T) {
			var want, wantDead []string
			show := func(e model.Event) string {
				return fmt.Sprintf("%s %s %s %s %s", e.Source, e.Time, e.Key, e.Raw, e.Original)
			}
			_, err := ingest.Read(t.Context(), "s", strings.NewReader(strings.Join(lines, "\n")), ingest.Config{DeadLetter: func(l ingest.DeadLetter) {
				wantDead = append(wantDead, fmt.Sprintf("%d %s", l.Line, l.Why))
			}}, func(e model.Event) error {
				want = append(want, show(e))
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			for seed := range uint64(20) {
				rng := rand.New(rand.NewPCG(seed, 1))
				var got, dead []string
				cfg := ingest.Config{DeadLetter: func(l ingest.DeadLetter) { dead = append(dead, fmt.Sprintf("%d %s", l.Line, l.Why)) }}
				d := ingest.NewDecoders(cfg)
				all := batches(rng, "s", lines)
				events, damaged := 0, 0
				for _, b := range all {
					res, err := d.Decode(b, func(r *ingest.Record) error {
						e := r.Event()
						if e.Index < b.Index || e.Index >= b.Index+len(b.Records) || e.Stream != "s" || e.Received != b.Received {
							t.Errorf("event %d of %s came from records %d to %d", e.Index, e.Stream, b.Index, b.Index+len(b.Records))
						}
						got = append(got, show(e))
						return nil
					})
					if err != nil {
						t.Fatal(err)
					}
					events, damaged = events+res.Events, damaged+res.Damaged
				}
				if diff := cmp.Diff(want, got); diff != "" || events != len(want) || damaged != len(wantDead) {
					t.Fatalf("seed %d: %d events, %d damaged: %s", seed, events, damaged, diff)
				}
				if diff := cmp.Diff(wantDead, dead); diff != "" {
					t.Fatalf("seed %d: %s", seed, diff)
				}
			}
		})
	}
}

// TestDecodeGoesOn loses the decoders between batches and reads again from the
// oldest that was needed: events are the same, if some come twice.
func TestDecodeGoesOn(t *testing.T) {
	var lines []string
	rng := rand.New(rand.NewPCG(1, 2))
	for i := range 300 {
		lines = append(lines, fmt.Sprintf("2026-01-01T00:00:00Z %s %s part%d ", []string{"stdout", "stderr"}[rng.IntN(2)], []string{"P", "P", "F"}[rng.IntN(3)], i))
	}
	all := batches(rng, "s", lines)
	read := func(restarts int) map[int]string {
		out := map[int]string{}
		d := ingest.NewDecoders(ingest.Config{})
		for i := 0; i < len(all); i++ {
			_, err := d.Decode(all[i], func(r *ingest.Record) error {
				e := r.Event()
				if was, ok := out[e.Index]; !ok || len(was) < len(e.Original) {
					out[e.Index] = string(e.Original) // the tail of a message whose beginning was read before
				}
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			if restarts > 0 && rng.IntN(restarts) == 0 {
				restarts++
				if at, ok := d.Oldest(); ok {
					i = int(at) - 2
				}
				d = ingest.NewDecoders(ingest.Config{})
			}
		}
		return out
	}
	want := read(0)
	if len(want) < 50 {
		t.Fatalf("only %d messages", len(want))
	}
	for range 20 {
		if diff := cmp.Diff(want, read(5)); diff != "" {
			t.Fatal(diff)
		}
	}
}

// FuzzDecode reads foreign records one by one: each is an event, a dead letter
// or a part that waits, and nothing that was cut right is read otherwise than
// by Read.
func FuzzDecode(f *testing.F) {
	for _, seed := range []string{ev("a"), syslogLine, "2026-01-01T00:00:00Z stdout P x", `{"items":[{}]}`, "[", "{"} {
		f.Add([]byte(seed), []byte(seed))
	}
	f.Fuzz(func(t *testing.T, one, two []byte) {
		dead := 0
		d := ingest.NewDecoders(ingest.Config{DeadLetter: func(ingest.DeadLetter) { dead++ }})
		res, err := d.Decode(model.Batch{Stream: "s", Records: [][]byte{one, two}}, func(r *ingest.Record) error {
			e := r.Event()
			if len(e.Raw) == 0 {
				t.Error("an event without its record")
			}
			return nil
		})
		if err != nil || res.Damaged != dead {
			t.Errorf("%d damaged, %d dead letters: %v", res.Damaged, dead, err)
		}
		blank := len(bytes.TrimSpace(one)) == 0 && len(bytes.TrimSpace(two)) == 0
		if blank && res.Events+res.Damaged > 0 {
			t.Error("something came of nothing")
		}
	})
}
