package receive_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/scantling/scantling/bus"
	"github.com/scantling/scantling/model"
	"github.com/scantling/scantling/runtime/receive"
)

// slow is a log that keeps what it is given as fast as gate lets it.
type slow struct {
	mu   sync.Mutex
	kept []model.Batch
	gate chan struct{} // nil: at once
	err  error
}

func (s *slow) Append(ctx context.Context, batches []model.Batch) error {
	if s.gate != nil {
		select {
		case <-s.gate:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err == nil {
		s.kept = append(s.kept, batches...)
	}
	return s.err
}

func list(items ...string) string {
	return `{"kind":"EventList","apiVersion":"audit.k8s.io/v1","metadata":{},"items":[` + strings.Join(items, ",") + `]}`
}

func zipped(s string) string {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	io.WriteString(z, s)
	z.Close()
	return b.String()
}

// post sends a body to the handler.
func post(r *receive.Receiver, body string, header ...string) *httptest.ResponseRecorder {
	req := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(body))
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	r.ServeHTTP(w, req)
	return w
}

func TestAnswers(t *testing.T) {
	for name, tc := range map[string]struct {
		body   string
		method string
		header []string
		log    *slow
		code   int
		again  string // Retry-After
		kept   int    // records
		want   receive.Stats
	}{
		"two events":     {body: list(`{"a":1}`, `{"b":2}`), code: 200, kept: 2, want: receive.Stats{Requests: 1, Kept: 1, Events: 2, Bytes: 91}},
		"gzip":           {body: zipped(list(`{"a":1}`)), header: []string{"Content-Encoding", "gzip"}, code: 200, kept: 1, want: receive.Stats{Requests: 1, Kept: 1, Events: 1, Bytes: 83}},
		"no event":       {body: list(), code: 200, want: receive.Stats{Requests: 1, Kept: 1, Bytes: 76}},
		"broken off":     {body: list(`{"a":1}`)[:75], code: 200, kept: 1, want: receive.Stats{Requests: 1, Kept: 1, Events: 1, Bytes: 75, Malformed: 1}},
		"bad gzip":       {body: "x", header: []string{"Content-Encoding", "gzip"}, code: 400, want: receive.Stats{Requests: 1, Refused: 1}},
		"other encoding": {body: "x", header: []string{"Content-Encoding", "br"}, code: 400, want: receive.Stats{Requests: 1, Refused: 1}},
		"no token":       {header: []string{"Authorization", ""}, code: 401, want: receive.Stats{Refused: 1}},
		"wrong token":    {header: []string{"Authorization", "Bearer secres"}, code: 401, want: receive.Stats{Refused: 1}},
		"no bearer":      {header: []string{"Authorization", "secret"}, code: 401, want: receive.Stats{Refused: 1}},
		"GET":            {method: http.MethodGet, code: 405, want: receive.Stats{Refused: 1}},
		"large":          {body: strings.Repeat("x", 1001), code: 413, want: receive.Stats{Shed: 1}},
		"bomb":           {body: zipped(strings.Repeat("x", 1<<18)), header: []string{"Content-Encoding", "gzip"}, code: 413, want: receive.Stats{Requests: 1, Shed: 1}},
		"log fails":      {body: list(`{"a":1}`), log: &slow{err: errors.New("disk")}, code: 503, again: "2", want: receive.Stats{Requests: 1, Shed: 1}},
		"log is stuck":   {body: list(`{"a":1}`), log: &slow{gate: make(chan struct{})}, code: 503, again: "2", want: receive.Stats{Requests: 1, Shed: 1}},
	} {
		t.Run(name, func(t *testing.T) {
			var sheds []receive.Shed
			if tc.log == nil {
				tc.log = &slow{}
			}
			r := receive.New(receive.Config{
				Log: tc.log, Token: "secret", Body: 1000, Deadline: 20 * time.Millisecond,
				OnShed: func(s receive.Shed) { sheds = append(sheds, s) },
			})
			req := httptest.NewRequest(http.MethodPost, "/any", strings.NewReader(tc.body))
			if tc.method != "" {
				req.Method = tc.method
			}
			req.Header.Set("Authorization", "Bearer secret")
			for i := 0; i < len(tc.header); i += 2 {
				req.Header.Set(tc.header[i], tc.header[i+1])
			}
			w := httptest.NewRecorder()
			r.ServeHTTP(w, req)
			records := 0
			for _, b := range tc.log.kept {
				records += len(b.Records)
			}
			if w.Code != tc.code || w.Header().Get("Retry-After") != tc.again || records != tc.kept {
				t.Errorf("code %d, Retry-After %q, %d records", w.Code, w.Header().Get("Retry-After"), records)
			}
			if diff := cmp.Diff(tc.want, r.Stats(), cmpopts.IgnoreFields(receive.Stats{}, "Last")); diff != "" {
				t.Error(diff)
			}
			if uint64(len(sheds)) != tc.want.Shed || len(sheds) == 1 && (sheds[0].Code != tc.code || sheds[0].Why == "") {
				t.Errorf("told of %v", sheds)
			}
			if strings.Contains(w.Body.String(), "secret") {
				t.Error("the token is in the answer")
			}
		})
	}
}

// TestBatch looks at what is appended, to the real log, when requests come
// twice.
func TestBatch(t *testing.T) {
	l, err := bus.Open(t.Context(), bus.Config{Dir: t.TempDir(), Partitions: 2})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	cfg := receive.Config{Log: l, Name: "cluster-a"}
	first, second := list(`{"a":1}`, `{"a":2}`), list(`{"a":3}`)
	r := receive.New(cfg)
	for _, body := range []string{first, second, first} {
		if w := post(r, body); w.Code != 200 {
			t.Fatal(w.Code, w.Body)
		}
	}
	time.Sleep(time.Millisecond)
	r = receive.New(cfg) // another start: what was sent before it is known still
	for _, body := range []string{second, list(`{"a":4}`)} {
		if w := post(r, body); w.Code != 200 {
			t.Fatal(w.Code, w.Body)
		}
	}
	var got []string
	streams := map[string]bool{}
	for p := range l.Partitions() {
		if err := l.Replay(t.Context(), p, 0, func(b model.Batch) error {
			if b.Kind != "kubernetes-audit" || b.Key != "cluster-a" || !strings.HasPrefix(b.Stream, "cluster-a@20") || len(b.ID) != 64 || time.Since(b.Received) > time.Minute {
				t.Errorf("%+v", b)
			}
			streams[b.Stream] = true
			for i, r := range b.Records {
				got = append(got, fmt.Sprint(b.Index+i, " ", string(r)))
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff([]string{`0 {"a":1}`, `1 {"a":2}`, `2 {"a":3}`, `1 {"a":4}`}, got); diff != "" || len(streams) != 2 {
		t.Errorf("streams %v\n%s", streams, diff)
	}
}

// TestFull fills a receiver whose log is stuck: what comes then is shed at
// once, until there is room again.
func TestFull(t *testing.T) {
	for name, tc := range map[string]struct {
		cfg  receive.Config
		room int
	}{
		"requests": {receive.Config{Requests: 3}, 3},
		"bytes":    {receive.Config{Body: 100, Bytes: 250}, 3}, // of 83 each
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				log := &slow{gate: make(chan struct{})}
				sheds := 0
				tc.cfg.Log, tc.cfg.RetryAfter = log, 1500*time.Millisecond
				tc.cfg.OnShed = func(receive.Shed) { sheds++ }
				r := receive.New(tc.cfg)
				var wait sync.WaitGroup
				for i := range tc.room {
					wait.Go(func() {
						if w := post(r, list(fmt.Sprintf(`{"a":%d}`, i))); w.Code != 200 {
							t.Error(w.Code)
						}
					})
				}
				synctest.Wait()
				start := time.Now()
				for range 5 {
					if w := post(r, list(`{"a":9}`)); w.Code != 429 || w.Header().Get("Retry-After") != "2" {
						t.Error(w.Code, w.Header())
					}
				}
				if took := time.Since(start); took > 0 { // the clock stands still while anything can go on
					t.Errorf("shedding took %v", took)
				}
				if s := r.Stats(); s.Shed != 5 || sheds != 5 || s.InFlight != tc.room {
					t.Errorf("%+v, told of %d", s, sheds)
				}
				close(log.gate)
				wait.Wait()
				if w := post(r, list(`{"a":9}`)); w.Code != 200 {
					t.Error(w.Code)
				}
				if s := r.Stats(); s.InFlight != 0 || int(s.Kept) != tc.room+1 {
					t.Errorf("%+v", s)
				}
			})
		})
	}
}

// TestBlocking tells requests of an API server that waits for each from those
// of one that gathers.
func TestBlocking(t *testing.T) {
	for name, tc := range map[string]struct {
		sides, events, each int
		pause               time.Duration
		want                bool
	}{
		"blocking":           {10, 1, 60, 100 * time.Millisecond, true},
		"batches":            {10, 40, 60, 100 * time.Millisecond, false},
		"small batches":      {1, 1, 300, 100 * time.Millisecond, false}, // ten a second, of one event
		"one after another":  {1, 1, 600, 10 * time.Millisecond, false},
		"blocking, but idle": {2, 1, 60, time.Second, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				told := 0
				r := receive.New(receive.Config{Log: wait{}, OnBlocking: func() { told++ }})
				items := strings.Split(strings.Repeat(`{"a":1} `, tc.events), " ")[:tc.events]
				var all sync.WaitGroup
				for range tc.sides {
					all.Go(func() {
						for range tc.each {
							post(r, list(items...))
							time.Sleep(tc.pause)
						}
					})
				}
				all.Wait()
				if got := r.Stats().Blocking; got != tc.want || (told > 0) != tc.want || told > 1 {
					t.Errorf("blocking %v, told %d times", got, told)
				}
			})
		})
	}
}

// wait is a log that takes a millisecond.
type wait struct{}

func (wait) Append(context.Context, []model.Batch) error {
	time.Sleep(time.Millisecond)
	return nil
}
