package e2e

import (
	"bytes"
	"cmp"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/scantling/scantling/bus"
	"github.com/scantling/scantling/model"
	"github.com/scantling/scantling/runtime/receive"
	"github.com/scantling/scantling/test/e2e/plane"
)

// logged is an audit policy that logs every request once.
const logged = `apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
  - level: RequestResponse
    resources: [{group: "", resources: [configmaps]}]
  - level: Metadata
`

// webhook runs a receiver, and gives the arguments of an API server that posts
// to it.
func webhook(t *testing.T, r *receive.Receiver, handler http.Handler, token string) []string {
	t.Helper()
	dir := t.TempDir()
	cert, key := filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key")
	selfSigned(t, cert, key)
	address := make(chan net.Addr, 1)
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	if handler == nil {
		go func() {
			ended <- r.Serve(ctx, receive.Listen{Address: "127.0.0.1:0", Cert: cert, Key: key}, func(a net.Addr) { address <- a })
		}()
	} else { // watched
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		s := &http.Server{Handler: handler}
		go func() { ended <- s.ServeTLS(l, cert, key) }()
		context.AfterFunc(ctx, func() { s.Close() })
		address <- l.Addr()
	}
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil && err != http.ErrServerClosed {
			t.Error(err)
		}
	})
	config := filepath.Join(dir, "webhook.yaml")
	text := fmt.Sprintf(`apiVersion: v1
kind: Config
current-context: audit
contexts: [{name: audit, context: {cluster: receiver, user: api-server}}]
clusters: [{name: receiver, cluster: {server: "https://%s/", certificate-authority: %q}}]
users: [{name: api-server, user: {token: %q}}]
`, <-address, cert, token)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return []string{"--audit-webhook-config-file=" + config, "--audit-webhook-mode=batch", "--audit-webhook-truncate-enabled", "--audit-webhook-batch-max-wait=1s"}
}

func selfSigned(t *testing.T, cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "receiver"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	for path, block := range map[string]*pem.Block{cert: {Type: "CERTIFICATE", Bytes: der}, key: {Type: "PRIVATE KEY", Bytes: secret}} {
		if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// sides send requests at once.
const sides = 4

// load creates and gets ConfigMaps, n in all, and returns how long each of the
// requests took.
func load(t *testing.T, admin *plane.Client, prefix string, n int) (took []time.Duration) {
	t.Helper()
	var mu sync.Mutex
	var next atomic.Int64
	var wait sync.WaitGroup
	for range sides {
		wait.Go(func() {
			for i := next.Add(1); i <= int64(n); i = next.Add(1) {
				name := prefix + "-" + strconv.FormatInt(i, 10)
				path := "/api/v1/namespaces/default/configmaps"
				requests := []plane.Request{
					{Verb: http.MethodPost, Path: path, Body: `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"` + name + `"},"data":{"a":"b"}}`},
					{Verb: http.MethodGet, Path: path + "/" + name},
				}
				for _, r := range requests {
					began := time.Now()
					answer := admin.Do(t.Context(), r)
					d := time.Since(began)
					if err := answer.Error(); err != nil {
						t.Error(err)
						return
					}
					mu.Lock()
					took = append(took, d)
					mu.Unlock()
				}
			}
		})
	}
	wait.Wait()
	return took
}

// quantile is of sorted times.
func quantile(sorted []time.Duration, q float64) time.Duration {
	return sorted[min(len(sorted)-1, int(q*float64(len(sorted))))]
}

// ids are the audit ids and stages of events, each with how often it is there.
func ids(t *testing.T, records [][]byte) map[string]int {
	t.Helper()
	got := map[string]int{}
	for _, r := range records {
		var e struct{ AuditID, Stage string }
		if err := json.Unmarshal(r, &e); err != nil || e.AuditID == "" {
			t.Errorf("no event (%v): %.200s", err, r)
		}
		got[e.AuditID+" "+e.Stage]++
	}
	return got
}

// file are the lines of an API server's log that are whole.
func file(t *testing.T, p *plane.Plane) [][]byte {
	t.Helper()
	text, err := os.ReadFile(p.AuditLog)
	if err != nil {
		t.Fatal(err)
	}
	return bytes.Split(bytes.TrimSpace(text[:bytes.LastIndexByte(text, '\n')+1]), []byte("\n"))
}

// stored are the records of a log.
func stored(t *testing.T, l *bus.Log) (all [][]byte) {
	t.Helper()
	for p := range l.Partitions() {
		if err := l.Replay(t.Context(), p, 0, func(b model.Batch) error {
			all = append(all, b.Records...)
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	return all
}

// TestWebhook lets a real API server post its audit events while it writes
// them to a file: all of them arrive, each once.
func TestWebhook(t *testing.T) {
	plane.Programs(t)
	l, err := bus.Open(t.Context(), bus.Config{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	r := receive.New(receive.Config{Log: l, Token: "t0ken"})
	args := webhook(t, r, nil, "t0ken")
	p, admin := start(t, plane.Config{Policy: logged, Bare: true, Server: args})
	load(t, admin, "a", 1000)
	due := ids(t, file(t, p))
	missing := len(due)
	until(t, "the events", 30*time.Second, func() bool { // they come within a second, in up to ten batches a second
		got := ids(t, stored(t, l))
		missing = 0
		for id := range due {
			if got[id] == 0 {
				missing++
			}
		}
		return missing == 0
	})
	got := ids(t, stored(t, l))
	want := ids(t, file(t, p))
	more := 0
	for id, n := range want {
		if n != 1 {
			t.Errorf("%s is %d times in the file", id, n)
		}
	}
	for id, n := range got {
		if n != 1 || want[id] == 0 {
			more++
		}
	}
	st := r.Stats()
	t.Logf("%d events in the file, %d in the log, of %d requests; %d missing, %d unknown or twice", len(due), len(got), st.Kept, missing, more)
	if len(due) < 2000 || missing > 0 || more > 0 || st.Shed > 0 || st.Malformed > 0 || st.Blocking {
		t.Errorf("%+v", st)
	}
	if problems := receive.Check(append([]string{"--audit-policy-file=x", "--audit-log-path=x"}, args...)); len(problems) > 0 {
		t.Errorf("problems of the arguments: %v", problems)
	}
}

// throttled is a log that keeps a batch each pause, one after the other.
type throttled struct {
	log   *bus.Log
	pause time.Duration
	turn  chan struct{}
}

func (l *throttled) Append(ctx context.Context, batches []model.Batch) error {
	select {
	case l.turn <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-l.turn }()
	select {
	case <-time.After(l.pause):
	case <-ctx.Done():
		return ctx.Err()
	}
	return l.log.Append(ctx, batches)
}

// watched notes how long answers of each code take.
type watched struct {
	next http.Handler
	mu   sync.Mutex
	took map[int][]time.Duration
}

func (w *watched) ServeHTTP(to http.ResponseWriter, req *http.Request) {
	began := time.Now()
	code := &coded{ResponseWriter: to, code: http.StatusOK}
	w.next.ServeHTTP(code, req)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.took[code.code] = append(w.took[code.code], time.Since(began))
}

type coded struct {
	http.ResponseWriter
	code int
}

func (c *coded) WriteHeader(code int) {
	c.code = code
	c.ResponseWriter.WriteHeader(code)
}

// What the throttled receiver sustains: a batch each 400 ms, of at most ten
// events.
const (
	sustainPause = 400 * time.Millisecond
	batchEvents  = 10
)

// TestWebhookUnderLoad sends a receiver far more than ten times what its log
// takes: it sheds at once, counts and tells that, and the API server's own
// latency is that of one without a webhook, and of one whose log is stuck.
func TestWebhookUnderLoad(t *testing.T) {
	plane.Programs(t)
	l, err := bus.Open(t.Context(), bus.Config{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	var told atomic.Int64
	receiver := func(pause time.Duration, more ...string) (*receive.Receiver, *watched, []string) {
		r := receive.New(receive.Config{
			Log: &throttled{l, pause, make(chan struct{}, 1)}, Token: "t0ken", Requests: 4, Deadline: 2 * time.Second,
			OnShed: func(receive.Shed) { told.Add(1) },
		})
		w := &watched{next: r, took: map[int][]time.Duration{}}
		return r, w, append(webhook(t, r, w, "t0ken"), more...)
	}
	flood := []string{"--audit-webhook-batch-max-size=" + strconv.Itoa(batchEvents), "--audit-webhook-batch-throttle-enable=false"}
	slow, slowTimes, slowArgs := receiver(sustainPause, flood...)
	stuck, stuckTimes, stuckArgs := receiver(time.Hour, flood...)
	_, _, calmArgs := receiver(time.Hour)
	names := []string{"none", "throttled", "stuck", "stuck, calm"} // calm: as an API server sends by default
	admins := map[string]*plane.Client{}
	for name, args := range map[string][]string{"none": nil, "throttled": slowArgs, "stuck": stuckArgs, "stuck, calm": calmArgs} {
		_, admins[name] = start(t, plane.Config{Policy: logged, Bare: true, Server: args})
	}
	took := map[string][]time.Duration{}
	began, under := time.Now(), time.Duration(0)
	for round := range 6 { // in turns: the machine is shared
		for _, name := range names {
			start := time.Now()
			d := load(t, admins[name], fmt.Sprint("r", round), 300)
			if name == "throttled" {
				under += time.Since(start)
			}
			if round > 0 { // the first warms up
				took[name] = append(took[name], d...)
			}
		}
	}
	events := float64(6*300*2) / under.Seconds()
	sustained := batchEvents / sustainPause.Seconds()
	t.Logf("%.0f events/s while the log takes %.0f, %.1f times; all took %v", events, sustained, events/sustained, time.Since(began).Round(time.Second))
	if events < 10*sustained {
		t.Errorf("the load was less than ten times what the log takes")
	}
	checkShed(t, "throttled", slow, slowTimes)
	checkShed(t, "stuck", stuck, stuckTimes)
	if sheds := slow.Stats().Shed + stuck.Stats().Shed; uint64(told.Load()) < sheds {
		t.Errorf("%d sheds, told of %d", sheds, told.Load())
	}
	for id, n := range ids(t, stored(t, l)) {
		if n != 1 {
			t.Errorf("%s is %d times in the log", id, n)
		}
	}
	base := took["none"]
	slices.Sort(base)
	for _, name := range names {
		d := took[name]
		slices.SortFunc(d, cmp.Compare[time.Duration])
		for _, b := range []struct {
			q, times float64
			more     time.Duration
		}{{0.5, 1.5, time.Millisecond}, {0.99, 3, 5 * time.Millisecond}} { // the slowest are those of a shared machine
			was, is := quantile(base, b.q), quantile(d, b.q)
			t.Logf("%-11s p%-4v %8v, %.2f of that without a webhook", name, b.q*100, is.Round(10*time.Microsecond), is.Seconds()/was.Seconds())
			if is > time.Duration(b.times*float64(was))+b.more {
				t.Errorf("%s: %v at %v, without a webhook %v", name, is, b.q, was)
			}
		}
	}
}

// checkShed wants requests shed, each within milliseconds.
func checkShed(t *testing.T, name string, r *receive.Receiver, w *watched) {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	sheds := slices.Sorted(slices.Values(w.took[http.StatusTooManyRequests]))
	if len(sheds) == 0 {
		t.Errorf("%s: nothing was shed: %+v", name, r.Stats())
		return
	}
	p99 := quantile(sheds, 0.99)
	t.Logf("%s: %d answers 429, p50 %v, p99 %v; %d answers 200, %d answers 503; %+v", name, len(sheds), quantile(sheds, 0.5), p99, len(w.took[200]), len(w.took[503]), r.Stats())
	if p99 > 50*time.Millisecond {
		t.Errorf("%s: a shed took %v", name, p99)
	}
}
