package ingest_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/scantling/scantling/runtime/ingest"
)

// errKilled ends a Follow as a crash would, before the chunk counts.
var errKilled = errors.New("killed")

// TestFollowRestarts writes a log, rotates it in both ways that are usual, and
// follows it with a Follow that is ended again and again. Each record has to
// come once, in order.
func TestFollowRestarts(t *testing.T) {
	for seed := range uint64(25) {
		rng := rand.New(rand.NewPCG(seed, 3))
		dir := t.TempDir()
		path := filepath.Join(dir, "audit.log")
		appendTo(t, path, "")
		n, rotations := 0, 0
		var want []string
		write := func() {
			for range 1 + rng.IntN(5) {
				line := fmt.Sprintf(`{"n":%d,"pad":"%0*d"}`, n, rng.IntN(200), 0)
				want = append(want, line)
				appendTo(t, path, line+"\n")
				n++
			}
		}
		var got []string
		place := ingest.Place{}
		lost := ""
		ids := map[string]bool{}
		follow := func(upTo int) {
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			err := ingest.Follow(ctx, path, place, ingest.FollowConfig{Poll: time.Millisecond, Lost: func(why string) { lost = why }}, func(c ingest.Chunk) error {
				if rng.IntN(6) == 0 {
					return errKilled
				}
				if c.From.Index != len(got) || c.To.Index != len(got)+len(c.Records) {
					t.Fatalf("seed %d: chunk of records %d to %d after %d", seed, c.From.Index, c.To.Index, len(got))
				}
				to, ok := ingest.ParseChunkID(c.ID())
				if !ok || to != c.To || ids[c.ID()] {
					t.Fatalf("seed %d: id %s is not that of %v", seed, c.ID(), c.To)
				}
				ids[c.ID()] = true
				for _, r := range c.Records {
					got = append(got, string(r))
				}
				if place = c.To; len(got) >= upTo {
					return errKilled
				}
				return nil
			})
			if !errors.Is(err, errKilled) {
				t.Fatalf("seed %d: %v; %d of %d records", seed, err, len(got), n)
			}
		}
		for range 12 {
			write()
			if rng.IntN(2) == 0 { // not read to its end before the rotation
				for len(got) < n {
					follow(n)
				}
				write()
			}
			if rng.IntN(3) > 0 && len(got) > 0 {
				rotations++
				old := path + ".1"
				if seed%2 == 0 {
					old = filepath.Join(dir, fmt.Sprintf("audit-2026-01-01T10-00-%02d.000.log", rotations))
				} else {
					for i := rotations; i > 0; i-- {
						_ = os.Rename(fmt.Sprintf("%s.%d", path, i), fmt.Sprintf("%s.%d", path, i+1))
					}
				}
				if err := os.Rename(path, old); err != nil {
					t.Fatal(err)
				}
				time.Sleep(12 * time.Millisecond) // the order of files is that of their times
				appendTo(t, path, "")
				write()
			}
		}
		for len(got) < n {
			follow(n)
		}
		if diff := cmp.Diff(want, got); diff != "" || lost != "" {
			t.Fatalf("seed %d: %s %s", seed, lost, diff)
		}
	}
}

func appendTo(t *testing.T, path, text string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	_, err = f.WriteString(text)
	if err := errors.Join(err, f.Close()); err != nil {
		t.Fatal(err)
	}
}

// TestFollow has one way in which a file changes a case.
func TestFollow(t *testing.T) {
	run := func(t *testing.T, path string, from ingest.Place, records int, change func(i int)) (got []string, last ingest.Place, lost string) {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		err := ingest.Follow(ctx, path, from, ingest.FollowConfig{Poll: time.Millisecond, Lost: func(why string) { lost = why }}, func(c ingest.Chunk) error {
			for _, r := range c.Records {
				got = append(got, string(r))
			}
			last = c.To
			if len(got) >= records {
				return errKilled
			}
			change(len(got))
			return nil
		})
		if !errors.Is(err, errKilled) {
			t.Fatalf("%v: %q", err, got)
		}
		return got, last, lost
	}
	t.Run("half a line waits, and is a record at a rotation", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "a.log")
		appendTo(t, path, "one\ntw")
		got, _, _ := run(t, path, ingest.Place{}, 4, func(i int) {
			switch i {
			case 1:
				appendTo(t, path, "o\nthr")
			case 2:
				_ = os.Rename(path, path+".1")
				appendTo(t, path, "four\n")
			}
		})
		if diff := cmp.Diff([]string{"one", "two", "thr", "four"}, got); diff != "" {
			t.Error(diff)
		}
	})
	t.Run("rotated, and its writer still writes", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "a.log")
		appendTo(t, path, "one\n")
		got, place, _ := run(t, path, ingest.Place{}, 4, func(i int) {
			if i == 1 {
				_ = os.Rename(path, path+".1")
				appendTo(t, path, "four\n")
				appendTo(t, path+".1", "two\nthr")
			}
		})
		if diff := cmp.Diff([]string{"one", "two", "thr", "four"}, got); diff != "" || place.Index != 4 {
			t.Error(diff, place)
		}
	})
	t.Run("truncated", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "a.log")
		appendTo(t, path, "one\ntwo\n")
		got, place, _ := run(t, path, ingest.Place{}, 3, func(int) {
			_ = os.Truncate(path, 0)
			time.AfterFunc(50*time.Millisecond, func() { appendTo(t, path, "three\n") })
		})
		if diff := cmp.Diff([]string{"one", "two", "three"}, got); diff != "" || place.Index != 3 {
			t.Error(diff, place)
		}
	})
	t.Run("truncated, and longer than before at the next look", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "a.log")
		appendTo(t, path, "one\ntwo\nhal")
		got, place, lost := run(t, path, ingest.Place{}, 4, func(int) {
			if err := os.WriteFile(path, []byte("three, which is longer\nfour, too\n"), 0o600); err != nil { // in place
				t.Error(err)
			}
		})
		if diff := cmp.Diff([]string{"one", "two", "three, which is longer", "four, too"}, got); diff != "" || place.Index != 4 || lost == "" {
			t.Error(diff, place, lost)
		}
	})
	t.Run("truncated between two runs, and a list", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "a.log")
		appendTo(t, path, "one\ntwo\n")
		_, place, _ := run(t, path, ingest.Place{}, 2, func(int) {})
		_ = os.Truncate(path, 0)
		appendTo(t, path, `{"items":[{"a":1},{"b":2}]}`+"\n")
		got, place, lost := run(t, path, place, 2, func(int) {})
		if diff := cmp.Diff([]string{`{"a":1}`, `{"b":2}`}, got); diff != "" || place.Index != 4 || lost == "" {
			t.Error(diff, place, lost)
		}
	})
	t.Run("missing", func(t *testing.T) {
		if err := ingest.Follow(t.Context(), filepath.Join(t.TempDir(), "none"), ingest.Place{}, ingest.FollowConfig{}, nil); !errors.Is(err, os.ErrNotExist) {
			t.Error(err)
		}
	})
}
