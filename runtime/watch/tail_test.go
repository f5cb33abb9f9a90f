package watch_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/scantling/scantling/model"
	"github.com/scantling/scantling/runtime/watch"
)

// TestTailGoesOn: a file that can't be read for a while, as between two steps of
// a rotation, ends nothing.
func TestTailGoesOn(t *testing.T) {
	if testing.Short() {
		t.Skip("it waits for a file to be tried again")
	}
	w := newWorld(t, 1)
	path := filepath.Join(t.TempDir(), "audit.log")
	write := func(line string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(line+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	kept := func() (list []string) {
		t.Helper()
		if err := w.log.Replay(t.Context(), 0, 0, func(b model.Batch) error {
			for _, r := range b.Records {
				list = append(list, string(r))
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		return list
	}
	var mu sync.Mutex
	var said []string
	say := func(format string, args ...any) {
		mu.Lock()
		defer mu.Unlock()
		said = append(said, fmt.Sprintf(format, args...))
	}
	write(`{"n":1}`)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- watch.Tail(ctx, path, w.log, w.store, watch.TailConfig{Poll: 10 * time.Millisecond, Say: say})
	}()
	until(t, func() bool { return len(kept()) == 1 })
	if err := os.Rename(path, path+".1"); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(path, 0o700); err != nil { // nobody can read that, not even root
		t.Fatal(err)
	}
	until(t, func() bool { mu.Lock(); defer mu.Unlock(); return len(said) > 0 })
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	write(`{"n":2}`)
	until(t, func() bool { return len(kept()) == 2 })
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if got := kept(); !slices.Equal(got, []string{`{"n":1}`, `{"n":2}`}) {
		t.Errorf("%q", got)
	}
}

func until(t *testing.T, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); !holds(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("it didn't come")
		}
	}
}
