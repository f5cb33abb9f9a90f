package cli

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/scantling/scantling/bus"
	"github.com/scantling/scantling/model"
	"github.com/scantling/scantling/runtime/watch"
	"github.com/scantling/scantling/store"
)

// killRules need matches of single events, a window that slides, one that is
// judged when it closes, and a correlation of a correlation.
const killRules = `title: Secret read
id: secret
name: secret
level: low
logsource: {product: kubernetes, service: audit}
detection: {s: {verb: get, objectRef.resource: secrets}, condition: s}
---
title: Pod made
id: pod
name: pod
level: high
logsource: {product: kubernetes, service: audit}
detection: {s: {verb: create, objectRef.resource: pods}, condition: s}
---
title: Secret gone
id: gone
level: high
logsource: {product: kubernetes, service: audit}
detection: {s: {verb: delete, objectRef.resource: secrets}, condition: s}
---
title: Many secrets
id: many
name: many
correlation: {type: event_count, rules: [secret], group-by: [user.username], timespan: 1s, condition: {gte: 3}, generate: true}
---
title: Few pods
id: few
correlation: {type: event_count, rules: [pod], group-by: [user.username], timespan: 1s, condition: {lt: 16}, generate: true}
---
title: Many secrets, then a pod
id: then
correlation: {type: temporal_ordered, rules: [many, pod], group-by: [user.username], timespan: 2s, generate: true}
`

// growing is an audit log that somebody writes, and rotates at times.
type growing struct {
	path string
	rng  *rand.Rand

	mu   sync.Mutex
	n    int
	text bytes.Buffer // all that was written
	old  int          // files that it was rotated to
	seen bool         // it is followed: what was rotated before that isn't
}

// grow writes some records, one of them perhaps damaged, sometimes half of one
// at first.
func (g *growing) grow(t *testing.T) {
	g.mu.Lock()
	defer g.mu.Unlock()
	var out bytes.Buffer
	for range 1 + g.rng.IntN(20) {
		what := [][2]string{{"get", "secrets"}, {"get", "secrets"}, {"create", "pods"}, {"list", "nodes"}}[g.rng.IntN(4)]
		line := g.record(what[0], what[1], time.Now().Add(-time.Duration(g.rng.IntN(500))*time.Millisecond))
		if g.rng.IntN(50) == 0 {
			line = line[:len(line)-g.rng.IntN(20)-2]
		}
		fmt.Fprintln(&out, line)
		g.n++
	}
	g.write(t, out.Bytes())
}

// record has users that act for three seconds: what a restart needs goes back
// no further than eight timespans, as decision 087 says.
func (g *growing) record(verb, resource string, at time.Time) string {
	return fmt.Sprintf(`{"kind":"Event","apiVersion":"audit.k8s.io/v1","level":"Metadata","auditID":"id-%d","stage":"ResponseComplete","requestReceivedTimestamp":%q,"verb":%q,"user":{"username":"u%d-%d"},"objectRef":{"resource":%q,"namespace":"n","name":"x"},"responseStatus":{"code":200}}`,
		g.n, at.UTC().Format(time.RFC3339Nano), verb, at.Unix()/3, g.rng.IntN(5), resource)
}

func (g *growing) write(t *testing.T, text []byte) {
	if g.seen && g.rng.IntN(60) == 0 {
		g.old++
		if err := os.Rename(g.path, strings.TrimSuffix(g.path, ".log")+fmt.Sprintf("-2026-01-01T00-%02d-%02d.000.log", g.old/60, g.old%60)); err != nil {
			t.Error(err)
		}
		time.Sleep(12 * time.Millisecond) // the order of files is that of their times
	}
	f, err := os.OpenFile(g.path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Error(err)
		return
	}
	defer f.Close()
	half := g.rng.IntN(len(text))
	for _, part := range [][]byte{text[:half], text[half:]} {
		if _, err := f.Write(part); err != nil {
			t.Error(err)
		}
	}
	g.text.Write(text)
}

// posting posts events to a webhook, as an API server does: the same again until
// it is acknowledged.
type posting struct {
	url   string
	n     int
	acked []string // audit ids
}

func (p *posting) post(t *testing.T) {
	var events, ids []string
	for range 1 + p.n%4 {
		p.n++
		ids = append(ids, fmt.Sprintf("posted-%d", p.n))
		events = append(events, fmt.Sprintf(`{"level":"Metadata","auditID":"posted-%d","stage":"ResponseComplete","requestReceivedTimestamp":%q,"verb":"delete","user":{"username":"u"},"objectRef":{"resource":"secrets","namespace":"n","name":"x"}}`,
			p.n, time.Now().UTC().Format(time.RFC3339Nano)))
	}
	body := fmt.Sprintf(`{"kind":"EventList","apiVersion":"audit.k8s.io/v1","metadata":{},"items":[%s]}`, strings.Join(events, ","))
	for limit := time.Now().Add(time.Minute); time.Now().Before(limit); time.Sleep(20 * time.Millisecond) {
		req, err := http.NewRequest(http.MethodPost, p.url, strings.NewReader(body))
		if err != nil {
			t.Error(err)
			return
		}
		req.Header.Set("Authorization", "Bearer secret")
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			continue
		}
		_ = res.Body.Close()
		if res.StatusCode == http.StatusOK {
			p.acked = append(p.acked, ids...)
			return
		}
	}
	t.Errorf("not acknowledged: %s", body)
}

// freeAddress is one of this machine that nobody listens on.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// recorded are the alerts of a data folder, by their ids.
func recorded(t *testing.T, data string) map[string]string {
	t.Helper()
	if _, err := os.Stat(filepath.Join(data, database)); err != nil {
		return nil
	}
	s, err := store.Open(t.Context(), filepath.Join(data, database))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	out := map[string]string{}
	for r, err := range s.Scan(t.Context(), watch.AlertKind, "", "") {
		if err != nil {
			t.Fatal(err)
		}
		out[r.Key] = string(r.Body)
	}
	return out
}

// printed are the alerts that a program printed, whole lines only.
func printed(t *testing.T, text []byte) map[string]string {
	t.Helper()
	out := map[string]string{}
	for line := range bytes.SplitSeq(text, []byte("\n")) {
		var a struct{ ID string }
		if json.Unmarshal(line, &a) == nil {
			out[a.ID] = string(line)
		}
	}
	return out
}

// TestKillWatch kills `detect watch` with SIGKILL at random moments while it
// follows a log that grows and is rotated, and takes events that are posted, and
// starts it again. In the end the durable log has each record of the file and
// each event that was acknowledged once, each alert is recorded once and is one of
// those that `detect run` finds in the whole log, or an alarm, and each was printed
// and is in the file of a sink.
// SCANTLING_KILLS sets how often.
func TestKillWatch(t *testing.T) {
	kills := 5
	if n, err := strconv.Atoi(os.Getenv("SCANTLING_KILLS")); err == nil {
		kills = n
	}
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 1))
	dir := t.TempDir()
	data, rules := filepath.Join(dir, "data"), filepath.Join(dir, "rules.yml")
	if err := os.WriteFile(rules, []byte(killRules), 0o600); err != nil {
		t.Fatal(err)
	}
	log := &growing{path: filepath.Join(dir, "audit.log"), rng: rand.New(rand.NewPCG(seed, 2))}
	log.grow(t)
	stop, written := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(written)
		for {
			select {
			case <-stop:
				return
			case <-time.After(20 * time.Millisecond):
				log.grow(t)
			}
		}
	}()
	address := freeAddress(t)
	posts, posted := &posting{url: "http://" + address + "/audit"}, make(chan struct{})
	go func() {
		defer close(posted)
		for {
			select {
			case <-stop:
				return
			case <-time.After(30 * time.Millisecond):
				log.mu.Lock()
				seen := log.seen
				log.mu.Unlock()
				if seen { // what the file had before is not late then
					posts.post(t)
				}
			}
		}
	}()
	sent := filepath.Join(dir, "sent.jsonl")
	args := []string{
		"detect", "watch", log.path, "--rules", rules, "--data", data, "--lateness", "5s", "-q", "--listen", address,
		"--output", "file:" + sent + "#name=siem&window=none",
	}
	t.Setenv(tokenEnv, "secret")
	var out, talk bytes.Buffer
	for i := range kills {
		cmd := program(args...)
		cmd.Stdout, cmd.Stderr = &out, &talk
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		for limit := time.Now().Add(time.Minute); i == 0 && time.Now().Before(limit) && len(recorded(t, data)) == 0; {
			time.Sleep(50 * time.Millisecond)
		}
		log.mu.Lock()
		log.seen = true
		log.mu.Unlock()
		time.Sleep(time.Duration(rng.IntN(1500)) * time.Millisecond)
		_ = cmd.Process.Kill()
		if err := cmd.Wait(); cmd.ProcessState.ExitCode() != -1 {
			t.Fatalf("%v: %s", err, talk.Bytes())
		}
		out.WriteByte('\n') // half a line stays one
	}
	close(stop)
	<-written
	whole := log.text.Bytes()

	cmd := program(args...)
	cmd.Stdout, cmd.Stderr = &out, &talk
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	<-posted
	copied := filepath.Join(dir, "whole.log")
	if err := os.WriteFile(copied, whole, 0o600); err != nil {
		t.Fatal(err)
	}
	found, err := program("detect", "run", copied, "--rules", rules, "-q").Output()
	if err != nil && !ended(err) {
		t.Fatal(err)
	}
	want := printed(t, bytes.ReplaceAll(found, []byte(copied), []byte(log.path)))
	var got map[string]string
	for limit := time.Now().Add(time.Minute); len(got) < len(want)+len(posts.acked) && time.Now().Before(limit); {
		time.Sleep(200 * time.Millisecond)
		got = recorded(t, data)
	}
	for limit := time.Now().Add(time.Minute); len(printed(t, readAll(t, sent))) < len(recorded(t, data)) && time.Now().Before(limit); {
		time.Sleep(200 * time.Millisecond)
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Fatalf("%v: %s", err, talk.Bytes())
	}
	got = recorded(t, data)
	gone := ofRule(t, got, "gone")
	if diff := cmp.Diff(slices.Sorted(slices.Values(posts.acked)), gone); diff != "" {
		t.Errorf("posted and acknowledged (-), alerts of it (+):\n%.3000s", diff)
	}
	for id, body := range got {
		if strings.Contains(body, `"rule":"gone"`) || strings.Contains(body, `"source":"signal"`) {
			want[id] = body
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatalf("alerts of detect run (-), recorded (+): %s\n%.4000s", talk.Bytes(), diff)
	}
	taken := printed(t, readAll(t, sent))
	for id := range got { // what was recorded in the moment of the end is owed still
		if _, ok := taken[id]; !ok && strings.Contains(got[id], `"source":"signal"`) {
			taken[id] = got[id]
		}
	}
	if diff := cmp.Diff(got, taken); diff != "" {
		t.Errorf("recorded (-), sent (+):\n%.3000s", diff)
	}
	for id, line := range printed(t, out.Bytes()) {
		if want[id] != line {
			t.Errorf("printed, and not so recorded: %s", line)
		}
		delete(want, id)
	}
	if len(want) > 0 {
		t.Errorf("%d alerts were recorded and never printed", len(want))
	}
	records, ids := onLog(t, data, log.path)
	if diff := cmp.Diff(slices.Sorted(slices.Values(posts.acked)), ids); diff != "" {
		t.Errorf("posted and acknowledged (-), on the log (+):\n%.3000s", diff)
	}
	if diff := cmp.Diff(strings.Split(strings.TrimSpace(string(whole)), "\n"), records); diff != "" {
		t.Fatalf("written (-), on the log (+):\n%.4000s", diff)
	}
	byRule := map[string]int{}
	for _, body := range got {
		var a model.Alert
		_ = json.Unmarshal([]byte(body), &a)
		byRule[a.Rule]++
	}
	for _, rule := range []string{"secret", "pod", "many", "few", "then"} {
		if byRule[rule] == 0 {
			t.Errorf("no alert of %s: it proves nothing", rule)
		}
	}
	t.Logf("%d kills, %d records in %d files, %d posted, alerts %v, %d lines printed, %d sent",
		kills, len(records), log.old+1, len(ids), byRule, bytes.Count(out.Bytes(), []byte(`"schema"`)), bytes.Count(readAll(t, sent), []byte(`"schema"`)))
}

// readAll is what a file holds, nothing where there is none.
func readAll(t *testing.T, path string) []byte {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	return text
}

// ofRule are the audit ids of the alerts of a rule, sorted.
func ofRule(t *testing.T, alerts map[string]string, rule string) []string {
	t.Helper()
	var out []string
	for _, body := range alerts {
		var a model.Alert
		if err := json.Unmarshal([]byte(body), &a); err != nil {
			t.Fatal(err)
		}
		if a.Rule == rule {
			out = append(out, a.Fields["auditID"])
		}
	}
	slices.Sort(out)
	return out
}

// onLog are the records of a file on the durable log, by their index, and the
// audit ids of those that were posted, sorted.
func onLog(t *testing.T, data, file string) (records, posted []string) {
	t.Helper()
	log, err := bus.Open(t.Context(), bus.Config{Dir: filepath.Join(data, logFolder)})
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	type placed struct {
		index int
		text  string
	}
	var all []placed
	for p := range log.Partitions() {
		if err := log.Replay(t.Context(), p, 0, func(b model.Batch) error {
			for i, r := range b.Records {
				if b.Stream == file {
					all = append(all, placed{b.Index + i, string(r)})
					continue
				}
				var ev struct{ AuditID string }
				if err := json.Unmarshal(r, &ev); err != nil {
					t.Error(err)
				}
				posted = append(posted, ev.AuditID)
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	slices.SortStableFunc(all, func(a, b placed) int { return a.index - b.index })
	for i, p := range all {
		if p.index != i {
			t.Errorf("record %d stands at %d", p.index, i)
		}
		records = append(records, p.text)
	}
	slices.Sort(posted)
	return records, posted
}
