package ingest_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/scantling/scantling/model"
	"github.com/scantling/scantling/runtime/ingest"
)

// tailed follows a file in the background.
type tailed struct {
	t      *testing.T
	path   string
	events chan string
	cancel context.CancelFunc
	done   chan ingest.Result
}

func tail(t *testing.T, before string, cfg ingest.TailConfig) *tailed {
	t.Helper()
	path := filepath.Join(t.TempDir(), "audit.log")
	f := &tailed{t: t, path: path, events: make(chan string, 1000), done: make(chan ingest.Result, 1)}
	f.write(before)
	ctx, cancel := context.WithCancel(context.Background())
	f.cancel = cancel
	t.Cleanup(cancel)
	cfg.Poll = 2 * time.Millisecond
	go func() {
		res, err := ingest.Tail(ctx, path, cfg, func(e model.Event) error {
			f.events <- fmt.Sprintf("%d:%s", e.Index, e.Key)
			return nil
		})
		if !errors.Is(err, context.Canceled) {
			t.Errorf("ended with %v", err)
		}
		f.done <- res
	}()
	return f
}

// write appends to the file that bears the name now.
func (f *tailed) write(text string) {
	f.t.Helper()
	file, err := os.OpenFile(f.path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		f.t.Fatal(err)
	}
	_, err = file.WriteString(text)
	if err := errors.Join(err, file.Close()); err != nil {
		f.t.Fatal(err)
	}
}

func (f *tailed) want(events ...string) {
	f.t.Helper()
	for _, want := range events {
		select {
		case got := <-f.events:
			if got != want {
				f.t.Fatalf("got %s, want %s", got, want)
			}
		case <-time.After(10 * time.Second):
			f.t.Fatalf("%s didn't come", want)
		}
	}
}

// stop ends following and returns what was damaged.
func (f *tailed) stop() []string {
	f.cancel()
	var out []string
	for _, i := range (<-f.done).Incomplete {
		out = append(out, filepath.Base(i.What)+": "+i.Why)
	}
	return out
}

func TestTail(t *testing.T) {
	a, b, c, d := ev("a")+"\n", ev("b")+"\n", ev("c")+"\n", ev("d")+"\n"
	t.Run("grows, a record in two writes", func(t *testing.T) {
		f := tail(t, a, ingest.TailConfig{})
		f.want("0:a")
		f.write(b[:40])
		time.Sleep(10 * time.Millisecond)
		f.write(b[40:] + c)
		f.want("1:b", "2:c")
		if bad := f.stop(); bad != nil {
			t.Error(bad)
		}
	})
	t.Run("rotated", func(t *testing.T) {
		f := tail(t, a, ingest.TailConfig{})
		f.want("0:a")
		old := f.path + ".1"
		if err := os.Rename(f.path, old); err != nil {
			t.Fatal(err)
		}
		late, err := os.OpenFile(old, os.O_APPEND|os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := late.WriteString(b + c[:30]); err != nil {
			t.Fatal(err)
		}
		_ = late.Close()
		f.write(d)
		f.want("1:b", "3:d")
		if diff := cmp.Diff([]string{"audit.log:3: record is cut off: it does not end with a bracket"}, f.stop()); diff != "" {
			t.Error(diff)
		}
	})
	t.Run("truncated", func(t *testing.T) {
		f := tail(t, a+b, ingest.TailConfig{})
		f.want("0:a", "1:b")
		if err := os.Truncate(f.path, 0); err != nil {
			t.Fatal(err)
		}
		time.Sleep(20 * time.Millisecond) // it is seen empty: what was written first would hide it
		f.write(c)
		f.want("2:c")
		if bad := f.stop(); bad != nil {
			t.Error(bad)
		}
	})
	t.Run("from the end", func(t *testing.T) {
		f := tail(t, a, ingest.TailConfig{FromEnd: true})
		time.Sleep(20 * time.Millisecond)
		f.write(b)
		f.want("0:b")
		f.stop()
	})
	t.Run("syslog and a journal", func(t *testing.T) {
		f := tail(t, counted(syslogLine), ingest.TailConfig{})
		f.want("0:")
		f.write(counted(syslogLine))
		f.want("1:")
		f.stop()
		f = tail(t, export("a")+"\n", ingest.TailConfig{})
		f.want("0:")
		f.write(export("b\n") + "\n")
		f.want("1:")
		f.stop()
	})
	if _, err := ingest.Tail(context.Background(), filepath.Join(t.TempDir(), "none"), ingest.TailConfig{}, nil); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a file that is missing: %v", err)
	}
}
