package sink

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/scantling/scantling/model"
	"github.com/scantling/scantling/notify/format"
)

func message(n int) format.Message {
	a := model.Alert{
		Schema: 1, ID: fmt.Sprintf("id-%d", n), Rule: "D101", Title: "Title", Level: model.High, Time: time.Date(2026, 8, 25, 13, 0, n, 0, time.UTC),
		Source: "audit.log", Index: n, Assets: []model.Ref{{Kind: model.Workload, Key: "c/n/Pod/p"}}, Attack: []string{"T1609"}, Fields: map[string]string{"actor": "mallory"},
	}
	return format.Message{ID: a.ID, Alert: a}
}

func three() []format.Message { return []format.Message{message(1), message(2), message(3)} }

// verdicts say what became of each message, short.
func verdicts(errs []error) []string {
	out := make([]string, len(errs))
	for i, err := range errs {
		var final *Rejected
		var busy *Busy
		switch {
		case err == nil:
			out[i] = "taken"
		case errors.As(err, &final):
			out[i] = "rejected"
		case errors.As(err, &busy):
			out[i] = "busy " + busy.After.String()
		default:
			out[i] = "again"
		}
	}
	return out
}

func wantVerdicts(t *testing.T, errs []error, want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, verdicts(errs)); diff != "" {
		t.Errorf("(-want +got):\n%s%v", diff, errs)
	}
}

// TestRepeatedSecret sends to receivers that repeat what they were sent: no error
// shows it.
func TestRepeatedSecret(t *testing.T) {
	t.Setenv("REPEATED", "mallory:s3cret-word")
	for _, kind := range []string{"json+", "elastic+", "splunk+"} {
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			http.Error(w, "who is "+r.Header.Get("Authorization")+", s3cret-word of mallory:s3cret-word?", http.StatusForbidden)
		}))
		defer srv.Close()
		s := open(t, Config{To: kind + srv.URL + "/x", Secret: Secret{Env: "REPEATED"}})
		for _, err := range s.Send(t.Context(), []format.Message{message(1)}) {
			if err == nil || strings.Contains(err.Error(), "mallory:") || strings.Contains(err.Error(), "bWFsbG9yeTpz") || !strings.Contains(err.Error(), "(secret)") {
				t.Errorf("%s: %v", kind, err)
			}
		}
	}
}

// secure serves over TLS and gives the file of its authority.
func secure(t *testing.T, h http.HandlerFunc) (address, ca string) {
	t.Helper()
	srv := httptest.NewTLSServer(h)
	t.Cleanup(srv.Close)
	ca = filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: srv.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	return srv.URL, ca
}

func open(t *testing.T, cfg Config) Sink {
	t.Helper()
	s, err := Open(cfg, format.Options{Version: "1", Host: "node"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func TestWebhook(t *testing.T) {
	t.Setenv("NOTIFY_TOKEN", "s3cret")
	var mu sync.Mutex
	var got []string
	status := map[string]int{}
	address, ca := secure(t, func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		body, _ := io.ReadAll(r.Body)
		if r.Header.Get("Authorization") != "Bearer s3cret" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		key := r.Header.Get("Idempotency-Key")
		var e struct{ ID, SpecVersion string }
		if r.Header.Get("Content-Type") == "application/cloudevents+json; charset=utf-8" && json.Unmarshal(body, &e) == nil && e.ID == key && e.SpecVersion == "1.0" {
			got = append(got, key)
		}
		if s := status[key]; s != 0 {
			w.Header().Set("Retry-After", "7")
			w.WriteHeader(s)
		}
	})
	s := open(t, Config{To: address, CA: ca, Secret: Secret{Env: "NOTIFY_TOKEN"}})
	wantVerdicts(t, s.Send(t.Context(), three()), "taken", "taken", "taken")
	status["id-1"] = http.StatusBadRequest
	wantVerdicts(t, s.Send(t.Context(), three()), "rejected", "taken", "taken")
	status["id-2"] = http.StatusServiceUnavailable
	wantVerdicts(t, s.Send(t.Context(), three()), "rejected", "busy 7s", "again")
	if diff := cmp.Diff("id-1 id-2 id-3 id-1 id-2 id-3 id-1 id-2", strings.Join(got, " ")); diff != "" {
		t.Error(diff)
	}
	t.Setenv("NOTIFY_TOKEN", "rotated")
	wantVerdicts(t, s.Send(t.Context(), three()[:1]), "busy 0s") // 401 is about us, not about the message
	// Its certificate is not of an authority that we know.
	stranger := open(t, Config{To: address})
	if errs := stranger.Send(t.Context(), three()[:1]); errs[0] == nil || !strings.Contains(errs[0].Error(), "certificate") {
		t.Errorf("unverified: %v", errs)
	}
}

func TestWebhookBatch(t *testing.T) {
	var types []string
	var sizes []int
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		types = append(types, r.Header.Get("Content-Type"))
		var list []map[string]any
		if err := json.NewDecoder(r.Body).Decode(&list); err != nil {
			w.WriteHeader(http.StatusBadRequest)
		}
		sizes = append(sizes, len(list))
	}))
	defer srv.Close()
	wantVerdicts(t, open(t, Config{To: srv.URL, Batch: true}).Send(t.Context(), three()), "taken", "taken", "taken")
	wantVerdicts(t, open(t, Config{To: "ocsf+" + srv.URL, Batch: true}).Send(t.Context(), three()), "taken", "taken", "taken")
	if diff := cmp.Diff([]string{"application/cloudevents-batch+json; charset=utf-8", "application/json"}, types); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]int{3, 3}, sizes); diff != "" {
		t.Error(diff)
	}
}

func TestStatuses(t *testing.T) {
	for status, want := range map[int]string{
		200: "taken", 202: "taken", 204: "taken", 301: "busy 0s", 307: "busy 0s", 400: "rejected", 401: "busy 0s", 403: "busy 0s", 404: "busy 0s",
		408: "busy 0s", 409: "rejected", 413: "rejected", 422: "rejected", 429: "busy 0s", 500: "busy 0s", 503: "busy 0s",
	} {
		wantVerdicts(t, []error{answer{status: status}.err()}, want)
	}
	now := time.Date(2026, 8, 25, 13, 0, 0, 0, time.UTC)
	for text, want := range map[string]time.Duration{
		"": 0, "5": 5 * time.Second, "-5": 0, "x": 0, "999999999": time.Hour, "Tue, 25 Aug 2026 13:00:30 GMT": 30 * time.Second, "Tue, 25 Aug 2026 12:00:00 GMT": 0,
	} {
		if got := retryAfter(http.Header{"Retry-After": {text}}, now); got != want {
			t.Errorf("Retry-After %q: %v, want %v", text, got, want)
		}
	}
}

// A redirect is not followed: it would take the secret along.
func TestRedirect(t *testing.T) {
	t.Setenv("NOTIFY_TOKEN", "s3cret")
	hits := 0
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		hits++
		http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
	}))
	defer srv.Close()
	wantVerdicts(t, open(t, Config{To: srv.URL, Secret: Secret{Env: "NOTIFY_TOKEN"}}).Send(t.Context(), three()[:1]), "busy 0s")
	if hits != 1 {
		t.Errorf("%d requests", hits)
	}
}

func TestSlowServer(t *testing.T) {
	hold := make(chan struct{})
	srv := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-hold }))
	defer srv.Close()
	defer close(hold)
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	start := time.Now()
	errs := open(t, Config{To: srv.URL + "/path?token=s3cret"}).Send(ctx, three())
	wantVerdicts(t, errs, "again", "again", "again")
	if time.Since(start) > 5*time.Second {
		t.Error("it did not end with its context")
	}
	if strings.Contains(errs[0].Error(), "s3cret") {
		t.Errorf("the error shows the address: %v", errs[0])
	}
}

// bulk is a double of the bulk API: it keeps documents by _id, takes only
// create, and refuses what it is told to.
type bulk struct {
	t      *testing.T
	docs   map[string]map[string]any
	refuse map[string]int
	paths  []string
}

func (b *bulk) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	b.paths = append(b.paths, r.URL.Path+" "+r.Header.Get("Content-Type")+" "+r.Header.Get("Authorization"))
	type item struct {
		ID     string `json:"_id"`
		Index  string `json:"_index"`
		Status int    `json:"status"`
		Error  any    `json:"error,omitempty"`
	}
	var items []map[string]item
	broken := false
	lines := bufio.NewScanner(r.Body)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var op map[string]item
		var doc map[string]any
		if err := json.Unmarshal(lines.Bytes(), &op); err != nil || op["create"].ID == "" {
			b.t.Errorf("no create operation: %s", lines.Text())
		}
		lines.Scan()
		if err := json.Unmarshal(lines.Bytes(), &doc); err != nil {
			b.t.Error(err)
		}
		it := op["create"]
		switch s := b.refuse[it.ID]; {
		case s != 0:
			it.Status, it.Error = s, map[string]string{"type": "mapper_parsing_exception", "reason": "failed to parse"}
		case b.docs[it.ID] != nil:
			it.Status, it.Error = http.StatusConflict, map[string]string{"type": "version_conflict_engine_exception"}
		default:
			b.docs[it.ID], it.Status = doc, http.StatusCreated
		}
		broken = broken || it.Error != nil
		items = append(items, map[string]item{"create": it})
	}
	_ = json.NewEncoder(w).Encode(map[string]any{"took": 1, "errors": broken, "items": items})
}

func TestElastic(t *testing.T) {
	b := &bulk{t: t, docs: map[string]map[string]any{}, refuse: map[string]int{"id-1": 400, "id-3": 429}}
	srv := httptest.NewServer(b)
	defer srv.Close()
	t.Setenv("NOTIFY_TOKEN", "key")
	s := open(t, Config{To: "elastic+" + srv.URL + "/es/alerts-x", Secret: Secret{Env: "NOTIFY_TOKEN"}})
	wantVerdicts(t, s.Send(t.Context(), three()), "rejected", "taken", "busy 0s")
	b.refuse = nil
	wantVerdicts(t, s.Send(t.Context(), three()), "taken", "taken", "taken") // id-2 is there: taken
	if len(b.docs) != 3 || b.docs["id-2"]["event"].(map[string]any)["id"] != "id-2" {
		t.Errorf("documents %v", b.docs)
	}
	if want := "/es/_bulk application/x-ndjson ApiKey key"; b.paths[0] != want {
		t.Errorf("request %q, want %q", b.paths[0], want)
	}
	t.Setenv("NOTIFY_TOKEN", "user:password")
	wantVerdicts(t, s.Send(t.Context(), three()[:1]), "taken")
	if want := "/es/_bulk application/x-ndjson Basic dXNlcjpwYXNzd29yZA=="; b.paths[2] != want {
		t.Errorf("request %q, want %q", b.paths[2], want)
	}
	for _, answer := range []string{"", "{}", "<html>", `{"items":[]}`} {
		odd := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, answer) }))
		wantVerdicts(t, open(t, Config{To: "elastic+" + odd.URL}).Send(t.Context(), three()), "again", "again", "again")
		odd.Close()
	}
	if _, err := Open(Config{To: "elastic+" + srv.URL + "/Upper*"}, format.Options{}); err == nil {
		t.Error("a name with a wildcard is taken for an index")
	}
}

func TestSplunk(t *testing.T) {
	t.Setenv("NOTIFY_TOKEN", "tok")
	var answers []func(http.ResponseWriter)
	var bodies, headers []string
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		bodies = append(bodies, r.URL.Path+" "+string(body))
		headers = append(headers, r.Header.Get("Authorization")+" "+r.Header.Get("X-Splunk-Request-Channel"))
		next := answers[0]
		answers = answers[1:]
		next(w)
	}))
	defer srv.Close()
	say := func(status int, text string) func(http.ResponseWriter) {
		return func(w http.ResponseWriter) {
			w.WriteHeader(status)
			fmt.Fprint(w, text)
		}
	}
	cfg := Config{To: "splunk+" + srv.URL, Secret: Secret{Env: "NOTIFY_TOKEN"}, Index: "sec"}
	s := open(t, cfg)
	answers = []func(http.ResponseWriter){
		say(200, `{"text":"Success","code":0}`), say(503, `{"text":"Server is busy","code":9}`),
		say(400, `{"text":"Invalid data format","code":6,"invalid-event-number":1}`), say(403, `{"text":"Invalid token","code":4}`),
	}
	wantVerdicts(t, s.Send(t.Context(), three()), "taken", "taken", "taken")
	wantVerdicts(t, s.Send(t.Context(), three()), "busy 0s", "busy 0s", "busy 0s")
	wantVerdicts(t, s.Send(t.Context(), three()), "again", "rejected", "again")
	wantVerdicts(t, s.Send(t.Context(), three()[:1]), "busy 0s")
	if headers[0] != "Splunk tok " {
		t.Errorf("header %q", headers[0])
	}
	path, body, _ := strings.Cut(bodies[0], " ")
	var first struct {
		Time              float64
		Host, Index       string
		Event             model.Alert
		Fields            map[string]string
		Source            string
		SourceType, Extra string
	}
	dec := json.NewDecoder(strings.NewReader(body))
	if err := dec.Decode(&first); err != nil {
		t.Fatal(err)
	}
	if path != "/services/collector/event" || first.Index != "sec" || first.Event.ID != "id-1" || first.Fields["id"] != "id-1" || first.SourceType != "scantling:json" || int64(first.Time) != message(1).Alert.Time.Unix() {
		t.Errorf("%s %+v", path, first)
	}

	// With acknowledgement it counts once it is indexed.
	cfg.Ack = true
	s = open(t, cfg)
	bodies = nil
	answers = []func(http.ResponseWriter){say(200, `{"code":0,"ackId":5}`), say(200, `{"acks":{"5":false}}`), say(200, `{"acks":{"5":true}}`), say(200, `{"code":0}`)}
	wantVerdicts(t, s.Send(t.Context(), three()[:1]), "taken")
	if len(bodies) != 3 || bodies[2] != `/services/collector/ack {"acks":[5]}` {
		t.Errorf("requests %q", bodies)
	}
	wantVerdicts(t, s.Send(t.Context(), three()[:1]), "again")
}

func TestLoki(t *testing.T) {
	status := http.StatusNoContent
	var push lokiPush
	var tenant string
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		push, tenant = lokiPush{}, r.Header.Get("X-Scope-OrgID")
		if err := json.NewDecoder(r.Body).Decode(&push); err != nil || r.URL.Path != "/loki/api/v1/push" {
			t.Errorf("%s: %v", r.URL.Path, err)
		}
		if status == http.StatusTooManyRequests {
			w.Header().Set("Retry-After", "3")
		}
		w.WriteHeader(status)
	}))
	defer srv.Close()
	s := open(t, Config{To: "loki+" + srv.URL, Tenant: "team"})
	wantVerdicts(t, s.Send(t.Context(), three()), "taken", "taken", "taken")
	st := push.Streams[0]
	if len(push.Streams) != 1 || len(st.Labels) != 3 || len(st.Values) != 3 || tenant != "team" || st.Values[0][2].(map[string]any)["id"] != "id-1" {
		t.Errorf("push %+v of %s", st, tenant)
	}
	status = http.StatusTooManyRequests
	wantVerdicts(t, s.Send(t.Context(), three()), "busy 3s", "busy 3s", "busy 3s")
	status = http.StatusBadRequest
	wantVerdicts(t, s.Send(t.Context(), three()), "rejected", "rejected", "rejected")
}

// An answer without end is read to a bound.
func TestEndlessAnswer(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		z := gzip.NewWriter(w)
		block := bytes.Repeat([]byte{' '}, 1<<20)
		for range 64 {
			if _, err := z.Write(block); err != nil || r.Context().Err() != nil {
				return
			}
		}
		z.Close()
	}))
	defer srv.Close()
	wantVerdicts(t, open(t, Config{To: "elastic+" + srv.URL}).Send(t.Context(), three()[:1]), "again")
}
