package watch_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/scantling/scantling/bus"
	"github.com/scantling/scantling/model"
	"github.com/scantling/scantling/runtime/detect"
	"github.com/scantling/scantling/runtime/ingest"
	"github.com/scantling/scantling/runtime/watch"
	"github.com/scantling/scantling/store"
)

// moody is a store that fails at times: before a batch, or after it, so that
// nobody knows whether it happened.
type moody struct {
	*store.Store
	mu    sync.Mutex
	rng   *rand.Rand
	fails int // one in so many; 0: none
	count int
}

var errMood = errors.New("the store is in a mood")

func (m *moody) Apply(ctx context.Context, writes []model.Write) error {
	m.mu.Lock()
	before, after := m.fails > 0 && m.rng.IntN(m.fails) == 0, m.fails > 0 && m.rng.IntN(m.fails) == 0
	if before || after {
		m.count++
	}
	m.mu.Unlock()
	if before {
		return errMood
	}
	if err := m.Store.Apply(ctx, writes); err != nil {
		return err
	}
	if after {
		return errMood
	}
	return nil
}

// world is a log and a store.
type world struct {
	t     *testing.T
	log   *bus.Log
	store *moody
	mu    sync.Mutex
	told  map[string]int
	keep  time.Duration
	said  []string
	dead  int
}

func newWorld(t *testing.T, partitions int) *world {
	dir := t.TempDir()
	log, err := bus.Open(t.Context(), bus.Config{Dir: filepath.Join(dir, "log"), Partitions: partitions})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = log.Close() })
	s, err := store.Open(t.Context(), filepath.Join(dir, "x.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return &world{t: t, log: log, store: &moody{Store: s, rng: rand.New(rand.NewPCG(1, 2))}, told: map[string]int{}}
}

func (w *world) config() watch.Config {
	return watch.Config{
		Keep:   w.keep,
		Bounds: detect.Bounds{Lateness: 200 * time.Millisecond},
		Tell: func(alerts []model.Alert) error {
			w.mu.Lock()
			defer w.mu.Unlock()
			for _, a := range alerts {
				w.told[a.ID]++
			}
			return nil
		},
		Enrich: func(a model.Alert) model.Alert {
			a.Fields["enriched"] = "yes"
			return a
		},
		Outbox: func(a model.Alert) ([]model.Write, error) {
			return []model.Write{{Record: model.Record{Kind: "owed", Key: a.ID}, If: model.IfAbsent}}, nil
		},
		Dead: func(int, ingest.DeadLetter) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.dead++
		},
		Say: func(format string, args ...any) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.said = append(w.said, fmt.Sprintf(format, args...))
		},
	}
}

// run watches until all was judged and stop says that it is enough.
func (w *world) run(prog *detect.Program, rules <-chan *detect.Program, while func(*watch.Watch)) error {
	w.t.Helper()
	x, err := watch.New(w.t.Context(), w.log, w.store, w.config())
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(w.t.Context(), 30*time.Second)
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- x.Run(ctx, prog, rules) }()
	time.Sleep(20 * time.Millisecond)
	while(x)
	cancel()
	return <-ended
}

func settle(t *testing.T) func(*watch.Watch) {
	return func(x *watch.Watch) {
		if err := x.Settle(t.Context()); err != nil {
			t.Error(err)
		}
	}
}

// alerts are the records of a kind, by their keys.
func (w *world) records(kind string) map[string]string {
	w.t.Helper()
	out := map[string]string{}
	for r, err := range w.store.Scan(w.t.Context(), kind, "", "") {
		if err != nil {
			w.t.Fatal(err)
		}
		out[r.Key] = string(r.Body)
	}
	return out
}

func rule(id, verb string) string {
	return fmt.Sprintf("title: %[1]s\nid: %[1]s\nname: %[1]s\nlevel: high\nlogsource: {product: kubernetes, service: audit}\ndetection: {s: {verb: %[2]s}, condition: s}\n", id, verb)
}

func compile(t *testing.T, rules ...string) *detect.Program {
	t.Helper()
	sources, errs := detect.Parse("x.yml", []byte(strings.Join(rules, "---\n")))
	prog, more := detect.Compile(sources)
	if len(errs)+len(more) > 0 {
		t.Fatal(errs, more)
	}
	return prog
}

func (w *world) append(stream string, index int, records ...string) {
	w.t.Helper()
	b := model.Batch{Stream: stream, Index: index, Received: time.Now()}
	for _, r := range records {
		b.Records = append(b.Records, []byte(r))
	}
	if err := w.log.Append(w.t.Context(), []model.Batch{b}); err != nil {
		w.t.Fatal(err)
	}
}

func record(id, verb string, at time.Time) string {
	return fmt.Sprintf(`{"kind":"Event","apiVersion":"audit.k8s.io/v1","level":"Metadata","auditID":%q,"stage":"ResponseComplete","requestReceivedTimestamp":%q,"verb":%q,"user":{"username":"u"},"objectRef":{"resource":"pods","name":"x"}}`,
		id, at.UTC().Format(time.RFC3339Nano), verb)
}

// TestMoodyStore lets the store fail before and after batches, stops the watch
// again and again, and wants each alert recorded once, with what is owed.
func TestMoodyStore(t *testing.T) {
	w := newWorld(t, 3)
	prog := compile(t, rule("get", "get"), rule("list", "list"))
	w.store.fails = 3
	n := 0
	for round := range 6 {
		for range 10 {
			w.append(fmt.Sprintf("s%d", n%5), n, record(fmt.Sprintf("a%d", n), []string{"get", "list", "watch"}[n%3], time.Now()), "no record")
			n++
		}
		during := settle(t)
		if round%2 == 0 {
			during = func(*watch.Watch) { time.Sleep(time.Duration(round) * 60 * time.Millisecond) }
		}
		if err := w.run(prog, nil, during); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.run(prog, nil, settle(t)); err != nil {
		t.Fatal(err)
	}
	alerts := w.records(watch.AlertKind)
	if len(alerts) != n*2/3 || len(w.records("owed")) != len(alerts) || w.dead < n {
		t.Errorf("%d alerts, %d owed, %d dead letters of %d records and as many that are none", len(alerts), len(w.records("owed")), w.dead, n)
	}
	for id, body := range alerts {
		var a model.Alert
		if err := json.Unmarshal([]byte(body), &a); err != nil || a.ID != id || a.Fields["enriched"] != "yes" || w.told[id] == 0 {
			t.Errorf("%v: %s, told %d times", err, body, w.told[id])
		}
	}
	if w.store.count < 3 {
		t.Errorf("the store failed %d times only", w.store.count)
	}
}

// TestReload loads other rules: the position stays, and only what comes is
// judged by them; a replay judges the rest.
func TestReload(t *testing.T) {
	w := newWorld(t, 2)
	rules := make(chan *detect.Program)
	w.append("s", 0, record("one", "get", time.Now()))
	if err := w.run(compile(t, rule("old", "get")), rules, func(x *watch.Watch) {
		settle(t)(x)
		rules <- compile(t, rule("new", "get"))
		w.append("s", 1, record("two", "get", time.Now()))
		time.Sleep(50 * time.Millisecond)
		settle(t)(x)
	}); err != nil {
		t.Fatal(err)
	}
	found := func() []string {
		var out []string
		for _, body := range w.records(watch.AlertKind) {
			var a model.Alert
			_ = json.Unmarshal([]byte(body), &a)
			out = append(out, a.Rule+" "+a.Fields["auditID"])
		}
		slices.Sort(out)
		return out
	}
	if diff := cmp.Diff([]string{"new two", "old one"}, found()); diff != "" {
		t.Error(diff)
	}
	x, err := watch.New(t.Context(), w.log, w.store, w.config())
	if err != nil {
		t.Fatal(err)
	}
	if err := x.ReplayFrom(t.Context(), time.Now().Add(-time.Hour)); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- x.Run(ctx, compile(t, rule("new", "get")), nil) }()
	time.Sleep(20 * time.Millisecond)
	settle(t)(x)
	time.Sleep(300 * time.Millisecond)
	cancel()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"new one", "new two", "old one"}, found()); diff != "" {
		t.Error(diff)
	}
}

// TestDeadOnce: what is read again for the sake of a correlation is not buried
// again, neither by other rules nor after a restart.
func TestDeadOnce(t *testing.T) {
	w := newWorld(t, 1)
	many := "title: many\nid: many\nlevel: high\ncorrelation: {type: event_count, rules: [get], group-by: [user.username], timespan: 1h, condition: {gte: 9}}\n"
	prog := compile(t, rule("get", "get"), many)
	w.append("s", 0, record("one", "get", time.Now()), "no record")
	rules := make(chan *detect.Program)
	for run := range 2 {
		if err := w.run(prog, rules, func(x *watch.Watch) {
			settle(t)(x)
			rules <- prog
			time.Sleep(50 * time.Millisecond)
			settle(t)(x)
		}); err != nil {
			t.Fatal(err)
		}
		if w.dead != 1 {
			t.Errorf("run %d: one damaged record was buried %d times", run, w.dead)
		}
	}
	w.append("s", 2, "none either")
	if err := w.run(prog, nil, settle(t)); err != nil || w.dead != 2 {
		t.Errorf("another one: %d, %v", w.dead, err)
	}
}

// TestAnotherWatches lets two watch one log: the one that finds that the other
// moved the position ends.
func TestAnotherWatches(t *testing.T) {
	w := newWorld(t, 1)
	prog := compile(t, rule("get", "get"))
	w.append("s", 0, record("one", "get", time.Now()))
	var two error
	one := w.run(prog, nil, func(x *watch.Watch) {
		settle(t)(x)
		time.Sleep(300 * time.Millisecond)
		two = w.run(prog, nil, func(*watch.Watch) {
			for i := range 5 {
				w.append("s", i+1, record(fmt.Sprint(i), "get", time.Now()))
				time.Sleep(300 * time.Millisecond)
			}
		})
	})
	const want = "watching: another process records the alerts of this log"
	if (one == nil) == (two == nil) || !strings.Contains(fmt.Sprint(one, two), want) {
		t.Errorf("one ended with %v, the other with %v", one, two)
	}
	if n := len(w.records(watch.AlertKind)); n != 6 {
		t.Errorf("%d alerts", n)
	}
}

// TestForget keeps the records of alerts as long as it is told to.
func TestForget(t *testing.T) {
	w := newWorld(t, 1)
	prog := compile(t, rule("get", "get"))
	for i, ago := range []time.Duration{100 * 24 * time.Hour, 91 * 24 * time.Hour, 89 * 24 * time.Hour, 0} {
		w.append("s", i, record(fmt.Sprint(i), "get", time.Now().Add(-ago)))
	}
	if err := w.run(prog, nil, settle(t)); err != nil {
		t.Fatal(err)
	}
	if n := len(w.records(watch.AlertKind)); n != 4 {
		t.Fatalf("%d alerts", n)
	}
	w.keep = 90 * 24 * time.Hour
	if err := w.run(prog, nil, func(*watch.Watch) {
		for range 100 {
			if time.Sleep(20 * time.Millisecond); len(w.records(watch.AlertKind)) == 2 {
				return
			}
		}
	}); err != nil {
		t.Fatal(err)
	}
	if n := len(w.records(watch.AlertKind)); n != 2 || len(w.records("owed")) != 4 {
		t.Errorf("%d alerts are left; said %q", n, w.said)
	}
}

// TestNewLog begins anew where the position is of a log that is gone.
func TestNewLog(t *testing.T) {
	w := newWorld(t, 1)
	prog := compile(t, rule("get", "get"))
	for i := range 5 {
		w.append("s", i, record(fmt.Sprint(i), "get", time.Now()))
	}
	if err := w.run(prog, nil, settle(t)); err != nil {
		t.Fatal(err)
	}
	other := newWorld(t, 1)
	other.store = w.store
	other.append("s", 0, record("new", "get", time.Now()))
	if err := other.run(prog, nil, func(x *watch.Watch) {
		settle(t)(x)
		if len(x.Incomplete()) != 1 {
			t.Errorf("what may be lost is not named: %v", x.Incomplete())
		}
	}); err != nil {
		t.Fatal(err)
	}
	if n := len(other.records(watch.AlertKind)); n != 6 || len(other.said) != 1 {
		t.Errorf("%d alerts; said %q", n, other.said)
	}
}

// TestRaised records alarms of others with the alerts.
func TestRaised(t *testing.T) {
	w := newWorld(t, 1)
	if err := w.run(compile(t, rule("get", "get")), nil, func(x *watch.Watch) {
		x.Raise(model.Alert{Schema: 1, ID: "silent", Rule: "D901", Fields: map[string]string{}})
	}); err != nil {
		t.Fatal(err)
	}
	if w.records(watch.AlertKind)["silent"] == "" || w.told["silent"] != 1 {
		t.Error("it is not recorded")
	}
}
