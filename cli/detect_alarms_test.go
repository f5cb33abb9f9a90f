package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/scantling/scantling/model"
	"github.com/scantling/scantling/runtime/detect"
	"github.com/scantling/scantling/runtime/ingest"
	"github.com/scantling/scantling/runtime/receive"
	"github.com/scantling/scantling/runtime/watch"
)

// alarmNoon is when tests of alarms begin.
var alarmNoon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// someAlarms are those of switches over one rule.
func someAlarms(t *testing.T, flags alarmFlags) *alarms {
	t.Helper()
	sources, errs := detect.Parse("x.yml", []byte("title: Any\nid: any\nlogsource: {product: kubernetes, service: audit}\ndetection: {s: {verb: get}, condition: s}\n"))
	program, more := detect.Compile(sources)
	if errs = append(errs, more...); len(errs) > 0 {
		t.Fatal(errs)
	}
	a, missed, err := (&app{}).alarmsFor(flags, program)
	if err != nil || len(missed) > 0 {
		t.Fatal(err, missed)
	}
	return a
}

// logged shows alarms an audit record.
func logged(t *testing.T, a *alarms, stream string, at time.Time) {
	t.Helper()
	line := fmt.Sprintf(`{"kind":"Event","apiVersion":"audit.k8s.io/v1","auditID":"x","level":"Request","verb":"get","objectRef":{"resource":"pods"},"requestReceivedTimestamp":%q}`, at.Format(time.RFC3339Nano))
	cfg := ingest.Config{Source: receive.Kind, Received: func() time.Time { return at }}
	if _, err := ingest.Scan(t.Context(), stream, strings.NewReader(line), cfg, func(rec *ingest.Record) error {
		a.record(rec, at)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
}

// ticked is what a tick tells, as "D901 raised".
func ticked(a *alarms, c watch.Counters, after time.Duration) []string {
	var out []string
	for _, alert := range a.tick(c, alarmNoon.Add(after)) {
		out = append(out, alert.Rule+" "+alert.Fields["state"])
	}
	return out
}

func want(t *testing.T, got []string, want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// TestSilentAzure: a log of Azure has events of kinds with other names than its
// own.
func TestSilentAzure(t *testing.T) {
	a, none := someAlarms(t, alarmFlags{silence: []string{"azure=1m"}}), watch.Counters{}
	for _, stream := range []string{"/activity", "/resources"} {
		a.begin(stream)
	}
	for stream, category := range map[string]string{"/activity": "Administrative", "/resources": "guard"} {
		line := fmt.Sprintf(`{"time":%q,"resourceId":"/r","operationName":"x","category":%q}`, alarmNoon.Format(time.RFC3339Nano), category)
		if _, err := ingest.Scan(t.Context(), stream, strings.NewReader(line), ingest.Config{}, func(rec *ingest.Record) error {
			a.record(rec, alarmNoon)
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	want(t, ticked(a, none, 59*time.Second))
	want(t, ticked(a, none, 61*time.Second), "D901 raised", "D901 raised")
	a.end("/activity")
	want(t, ticked(a, none, 62*time.Second), "D901 cleared")
}

// TestSilentStreams: what is followed is missed, and nothing else; a webhook
// that was started again goes on.
func TestSilentStreams(t *testing.T) {
	a, none := someAlarms(t, alarmFlags{silence: []string{"kubernetes-audit=1m"}}), watch.Counters{}
	a.begin("/log")
	a.begin(receive.DefaultName)
	logged(t, a, "/log", alarmNoon)
	logged(t, a, "/followed-before", alarmNoon)
	logged(t, a, receive.DefaultName+"@one", alarmNoon)
	want(t, ticked(a, none, time.Minute))
	at := alarmNoon.Add(time.Minute)
	logged(t, a, receive.DefaultName+"@two", at)
	want(t, ticked(a, none, 90*time.Second), "D901 raised")
	at = alarmNoon.Add(100 * time.Second)
	logged(t, a, "/log", at)
	want(t, ticked(a, none, 100*time.Second), "D901 cleared")
	want(t, ticked(a, none, 5*time.Minute), "D901 raised", "D901 raised")
	a.end("/log")
	want(t, ticked(a, none, 6*time.Minute), "D901 cleared")
	at = alarmNoon.Add(6 * time.Minute)
	logged(t, a, "/log", at) // the rest that was on the log
	want(t, ticked(a, none, 9*time.Minute))
}

// TestCountedAlarms: what falls behind, is lost or damaged.
func TestCountedAlarms(t *testing.T) {
	a := someAlarms(t, alarmFlags{})
	a.behind(0, alarmNoon, false)
	a.behind(1, alarmNoon.Add(9*time.Minute), false)
	want(t, ticked(a, watch.Counters{Records: 50}, 4*time.Minute))
	want(t, ticked(a, watch.Counters{Records: 50}, 6*time.Minute), "D902 raised")
	a.behind(0, time.Time{}, true)
	want(t, ticked(a, watch.Counters{Records: 50}, 7*time.Minute), "D902 cleared")
	a.lose()
	want(t, ticked(a, watch.Counters{Records: 100, Dead: 20}, 8*time.Minute), "D908 raised", "D910 raised")
	a.behind(1, time.Time{}, true)
	want(t, ticked(a, watch.Counters{Records: 100, Dead: 20}, 19*time.Minute), "D908 cleared", "D910 cleared")
}

// stuck is a log that keeps nothing.
type stuck struct{}

func (stuck) Append(ctx context.Context, _ []model.Batch) error {
	<-ctx.Done()
	return ctx.Err()
}

// TestShedAlarm: a request that is refused with 429 raises D907.
func TestShedAlarm(t *testing.T) {
	a := someAlarms(t, alarmFlags{})
	r := receive.New(receive.Config{Log: stuck{}, Token: "x", Requests: 1})
	a.listens(r)
	post := func(ctx context.Context) int {
		req := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(`{"kind":"EventList","items":[{"level":"Metadata","auditID":"1","verb":"get"}]}`)).WithContext(ctx)
		req.Header.Set("Authorization", "Bearer x")
		w := httptest.NewRecorder()
		r.ServeHTTP(w, req)
		return w.Code
	}
	want(t, ticked(a, watch.Counters{}, 0))
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan int)
	go func() { ended <- post(ctx) }()
	for r.Stats().InFlight == 0 {
		time.Sleep(time.Millisecond)
	}
	if code := post(ctx); code != http.StatusTooManyRequests {
		t.Errorf("answer %d", code)
	}
	want(t, ticked(a, watch.Counters{}, time.Minute), "D907 raised")
	cancel()
	<-ended
	want(t, ticked(a, watch.Counters{}, 2*time.Minute)) // it is the same alarm
	want(t, ticked(a, watch.Counters{}, 13*time.Minute), "D907 cleared")
}

// TestWatchAlarms runs the program: a file that goes silent is an alert, and
// one more when it speaks again; so are a policy that changed and what it no
// longer feeds; the estate is read again on SIGHUP.
func TestWatchAlarms(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	pods := 0
	speak := func(level string) {
		t.Helper()
		pods++
		f, err := os.OpenFile(filepath.Join(dir, "audit.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		at, _ := json.Marshal(time.Now().UTC())
		body := ""
		if level == "Request" {
			body = `"requestObject":{"spec":{"hostPID":true}},`
		}
		if _, err := f.WriteString(`{"kind":"Event","apiVersion":"audit.k8s.io/v1","level":"` + level + `","auditID":"a` + strings.Repeat("1", pods) +
			`","stage":"ResponseComplete","requestReceivedTimestamp":` + string(at) +
			`,"verb":"create","user":{"username":"u"},"objectRef":{"resource":"pods","namespace":"shop","name":"web","subresource":"exec"},` + body + `"responseStatus":{"code":200}}` + "\n"); err != nil {
			t.Fatal(err)
		}
	}
	workload := func(owner string) string {
		return "apiVersion: v1\nkind: Pod\nmetadata: {name: web, namespace: shop, labels: {app.kubernetes.io/managed-by: x}, annotations: {owner: " + owner + "}}\nspec: {containers: [{name: web, image: 'web:" + owner + "'}]}\n"
	}
	write("sigma/pods.yml", "title: Exec\nid: exec\nlevel: high\nlogsource: {product: kubernetes, service: audit}\ndetection: {s: {verb: create, objectRef.resource: pods, requestObject.spec.hostPID: true}, condition: s}\n")
	write("policy.yaml", "apiVersion: audit.k8s.io/v1\nkind: Policy\nrules: [{level: Request}]\n")
	write("estate/k8s/web.yaml", workload("one"))
	speak("Request")
	cmd := program("detect", "watch", "audit.log", "--data", "data", "--rules", "sigma", "--silence", "kubernetes-audit=3s",
		"--audit-policy", "policy.yaml", "--estate", "estate", "--estate-every", "1h", "--output", "file:sent.jsonl#window=none")
	cmd.Dir = dir
	talk, err := os.Create(filepath.Join(dir, "talk"))
	if err != nil {
		t.Fatal(err)
	}
	defer talk.Close()
	cmd.Stdout, cmd.Stderr = talk, talk
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cmd.Process.Kill() }()
	sent := func(words ...string) {
		t.Helper()
		for limit := time.Now().Add(30 * time.Second); time.Now().Before(limit); time.Sleep(50 * time.Millisecond) {
			for line := range strings.Lines(string(readAll(t, filepath.Join(dir, "sent.jsonl")))) {
				left := 0
				for _, word := range words {
					if !strings.Contains(line, word) {
						left++
					}
				}
				if left == 0 {
					return
				}
			}
		}
		t.Fatalf("no alert with %q was sent:\n%s\n%s", words, readAll(t, talk.Name()), readAll(t, filepath.Join(dir, "sent.jsonl")))
	}
	sent(`"rule":"exec"`, `"auditID":"a1"`, `web:one`)
	sent(`"rule":"D901"`, `"state":"raised"`, `audit.log has said nothing since`)
	write("estate/k8s/web.yaml", workload("two"))
	if err := cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	write("policy.yaml", "apiVersion: audit.k8s.io/v1\nkind: Policy\nrules: [{level: Metadata}]\n")
	sent(`"rule":"D904"`, `exec needs Request for create pods`)
	sent(`"rule":"D909"`, `it no longer feeds exec`)
	speak("Request")
	sent(`"rule":"D901"`, `"state":"cleared"`)
	sent(`"rule":"exec"`, `"auditID":"a11"`, `web:two`)
	speak("Metadata")
	speak("Request")
	sent(`"rule":"exec"`, `"auditID":"a1111"`)
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	err = cmd.Wait()
	if said := readAll(t, talk.Name()); err != nil || !strings.Contains(string(said), "not read: rule exec: could not tell on 1 requests") {
		t.Fatalf("%v: %s", err, said)
	}
}
