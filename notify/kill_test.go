package notify

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/scantling/scantling/notify/format"
	"github.com/scantling/scantling/notify/sink"
	"github.com/scantling/scantling/store"
)

// Variables that make the test binary the program that is killed.
const (
	childStore = "NOTIFY_TEST_STORE"
	childTo    = "NOTIFY_TEST_TO"
)

func TestMain(m *testing.M) {
	if os.Getenv(childStore) != "" {
		if err := child(context.Background()); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// child delivers until nothing is owed.
func child(ctx context.Context) error {
	s, err := store.Open(ctx, os.Getenv(childStore))
	if err != nil {
		return err
	}
	defer s.Close()
	outputs, err := Open([]Config{{Name: "siem", Window: "none", Config: sink.Config{To: os.Getenv(childTo)}}}, format.Options{})
	if err != nil {
		return err
	}
	d := New(s, outputs, Options{})
	defer d.Close()
	return d.Drain(ctx)
}

// A process that is killed after the receiver took an alert and before that was
// noted sends it again, under the same key.
func TestKilledBetweenSendAndDelete(t *testing.T) {
	path := filepath.Join(t.TempDir(), "outbox.db")
	s, err := store.Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	owe(t, s, New(s, []Output{{Name: "siem"}}, Options{}), alertOf(1, "r", "x"), alertOf(2, "r", "x"), alertOf(3, "r", "x"))
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var keys []string
	var running *os.Process
	killed := 0
	srv := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		mu.Lock()
		defer mu.Unlock()
		keys = append(keys, r.Header.Get("Idempotency-Key"))
		if len(keys) == 2 || len(keys) == 5 {
			killed++
			_ = running.Kill()
		}
	}))
	defer srv.Close()
	for starts := 1; ; starts++ {
		cmd := exec.CommandContext(t.Context(), os.Args[0])
		cmd.Env = append(os.Environ(), childStore+"="+path, childTo+"="+srv.URL)
		mu.Lock() // no request is looked at before its process is known
		err := cmd.Start()
		running = cmd.Process
		mu.Unlock()
		if err != nil {
			t.Fatal(err)
		}
		if err = cmd.Wait(); err == nil {
			break
		}
		mu.Lock()
		died := killed
		mu.Unlock()
		if died != starts {
			t.Fatal(err)
		}
	}
	mu.Lock()
	defer mu.Unlock()
	// Nothing of the batch was settled when the process died in it.
	want := []string{"id-0001", "id-0002", "id-0001", "id-0002", "id-0003", "id-0001", "id-0002", "id-0003"}
	if diff := cmp.Diff(want, keys); diff != "" {
		t.Errorf("keys (-want +got):\n%s", diff)
	}
	again, err := store.Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	if got := owed(t, again, "siem"); got.Pending != 0 {
		t.Errorf("owed %+v", got)
	}
}
