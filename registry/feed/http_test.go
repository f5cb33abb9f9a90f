package feed

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// TestStall: an answer is given time for as long as it gets on. A server that
// sends a byte now and then doesn't hold a sync for ever.
func TestStall(t *testing.T) {
	for name, tc := range map[string]struct {
		piece string
		pause time.Duration
		whole bool
	}{
		"slow":         {strings.Repeat("x", 2*stallBytes), stallTimeout / 2, true},
		"silent":       {"x", 2 * stallTimeout, false},
		"byte by byte": {"x", stallTimeout / 10, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				here, there := net.Pipe()
				done := make(chan struct{})
				go func() {
					defer close(done)
					defer there.Close()
					if _, err := there.Read(make([]byte, 1<<16)); err != nil {
						return
					}
					_, err := io.WriteString(there, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")
					for i := 0; i < 100 && err == nil; i++ {
						time.Sleep(tc.pause)
						_, err = io.WriteString(there, tc.piece)
					}
				}()
				c := newClient(quick)
				c.http.Transport = &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) { return here, nil }}
				resp, err := c.get(t.Context(), &url.URL{Scheme: "http", Host: "x"}, http.Header{})
				if err != nil {
					t.Fatal(err)
				}
				data, err := io.ReadAll(resp.Body)
				if got := err == nil; got != tc.whole || !got && !errors.Is(err, errStalled) {
					t.Errorf("%d bytes, %v", len(data), err)
				}
				resp.Body.Close() //nolint:errcheck // read
				<-done
			})
		})
	}
}

// TestUnaskedUnchanged: "not modified" without a condition says nothing, and
// above all not that an interrupted sync came to its end.
func TestUnaskedUnchanged(t *testing.T) {
	b, m := newBucket(t), newMemory()
	b.fill("Go", 5)
	run(t, m, b.URL, Options{})
	was := m.states["Go"]
	was.Mark, was.Pending, was.Synced = Mark{}, 3, time.Unix(1, 0)
	m.states["Go"] = was
	b.fault = func(w http.ResponseWriter, r *http.Request) bool {
		if strings.HasSuffix(r.URL.Path, "modified_id.csv") {
			w.WriteHeader(http.StatusNotModified)
			return true
		}
		return false
	}
	_, missed := run(t, m, b.URL, Options{})
	if s := m.states["Go"]; s.Pending != 3 || !s.Synced.Equal(was.Synced) || len(missed) == 0 {
		t.Errorf("%+v, says %q", s, missed)
	}
}

// TestMoved: a smaller source may follow a larger one, also where the first
// sync from it was killed.
func TestMoved(t *testing.T) {
	large, small, m := newBucket(t), newBucket(t), newMemory()
	large.fill("Go", 300)
	small.fill("Go", 20)
	for i := range 20 {
		small.put("Go", fmt.Sprintf("X-%04d", i), "2026-03-01T00:00:00Z", "other")
	}
	run(t, m, large.URL, Options{})
	m.batches, m.stop = 0, 1
	src, err := Open(t.Context(), small.URL, quick)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := src.Sync(t.Context(), m, Options{Batch: 7}); err == nil {
		t.Fatal("it was not killed")
	}
	m.stop = 0
	if _, missed := run(t, m, small.URL, Options{}); len(missed) > 0 {
		t.Error(missed)
	}
	small.equal(t, m)
}
