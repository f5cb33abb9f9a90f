package notify

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/scantling/scantling/model"
	"github.com/scantling/scantling/notify/format"
	"github.com/scantling/scantling/notify/sink"
	"github.com/scantling/scantling/store"
)

var day = time.Date(2026, 8, 25, 13, 0, 0, 0, time.UTC)

// alertOf makes the nth alert of a rule on an asset, a second after the one before.
func alertOf(n int, rule, asset string) model.Alert {
	return model.Alert{
		Schema: 1, ID: fmt.Sprintf("id-%04d", n), Rule: rule, Title: "Title of " + rule, Level: model.High, Time: day.Add(time.Duration(n) * time.Second),
		Source: "audit.log", Index: n, Assets: []model.Ref{{Kind: model.Workload, Key: asset}}, Attack: []string{"T1609"}, Fields: map[string]string{"actor": "mallory"},
	}
}

// taker is a sink in memory that may fail.
type taker struct {
	mu   sync.Mutex
	got  []format.Message
	fail func([]format.Message) []error // nil: takes all
}

func (s *taker) Send(_ context.Context, messages []format.Message) []error {
	s.mu.Lock()
	defer s.mu.Unlock()
	errs := make([]error, len(messages))
	if s.fail != nil {
		errs = s.fail(messages)
	}
	for i, m := range messages {
		if errs[i] == nil {
			s.got = append(s.got, m)
		}
	}
	return errs
}

func (s *taker) Close() error { return nil }

// ids lists what was taken: of a group the ids in brackets.
func (s *taker) ids() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []string
	for _, m := range s.got {
		if m.Group == nil {
			out = append(out, m.ID)
		} else {
			out = append(out, fmt.Sprint(m.Group.IDs))
		}
	}
	return out
}

func openStore(t *testing.T) *store.Store {
	t.Helper()
	s, err := store.Open(t.Context(), filepath.Join(t.TempDir(), "outbox.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func owe(t *testing.T, s Store, d *Deliverer, alerts ...model.Alert) {
	t.Helper()
	for _, a := range alerts {
		writes, err := d.Writes(a)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Apply(t.Context(), writes); err != nil {
			t.Fatal(err)
		}
	}
}

// rounds works one lane until it has nothing to do at the moment.
func rounds(t *testing.T, d *Deliverer) error {
	t.Helper()
	for {
		more, err := d.lanes[0].round(t.Context(), false)
		if err != nil || !more {
			return err
		}
	}
}

// TestPoison has a message that makes its receiver fail, one by one and for the
// whole request: those behind it are delivered all the same, and it is kept.
func TestPoison(t *testing.T) {
	for name, whole := range map[string]bool{"one by one": false, "the whole request": true} {
		t.Run(name, func(t *testing.T) {
			s := openStore(t)
			down, busy := false, false
			to := &taker{fail: func(messages []format.Message) []error {
				errs := make([]error, len(messages))
				for i, m := range messages {
					switch {
					case busy && m.ID == "id-0002":
						errs[i] = &sink.Busy{Why: "429", Load: true}
					case down || m.ID == "id-0002" || i > 0 && errs[i-1] != nil:
						errs[i] = &sink.Busy{Why: "500"}
					}
				}
				if whole && slices.ContainsFunc(errs, func(err error) bool { return err != nil }) {
					for i := range errs {
						errs[i] = &sink.Busy{Why: "500", Load: busy}
					}
				}
				return errs
			}}
			d := New(s, []Output{{Name: "a", Sink: to}}, Options{})
			owe(t, s, d, alertOf(1, "D101", "x"), alertOf(2, "D101", "x"), alertOf(3, "D101", "x"))
			try := func(times int) {
				for range times {
					_, _ = d.lanes[0].round(t.Context(), false)
				}
			}
			down = true
			try(20)
			down, busy = false, true
			try(stuckAfter + 2)
			if refused, err := Dead(t.Context(), s, "a", 0); err != nil || len(refused) != 0 {
				t.Fatalf("refused while the receiver was down or busy: %v %v", refused, err)
			}
			busy = false
			owe(t, s, d, alertOf(4, "D101", "x"), alertOf(5, "D101", "x"))
			try(stuckAfter + 4)
			refused, err := Dead(t.Context(), s, "a", 0)
			if err != nil || len(refused) != 1 || refused[0].Alert.ID != "id-0002" {
				t.Errorf("refused %v, %v", refused, err)
			}
			if diff := cmp.Diff([]string{"id-0001", "id-0003", "id-0004", "id-0005"}, slices.Sorted(slices.Values(to.ids()))); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestClockSetBack holds alerts while the clock is years ahead, and sets it
// right: nothing waits for those years, nor for a longer window from before.
func TestClockSetBack(t *testing.T) {
	s := openStore(t)
	now := day.AddDate(10, 0, 0)
	to := &taker{}
	d := New(s, []Output{{Name: "a", Sink: to, Window: time.Minute, By: ByAsset}}, Options{Now: func() time.Time { return now }})
	owe(t, s, d, alertOf(1, "D101", "c/n/Pod/a"), alertOf(2, "D101", "c/n/Pod/a"), alertOf(3, "D101", "c/n/Pod/a"))
	if err := rounds(t, d); err != nil {
		t.Fatal(err)
	}
	now = day
	owe(t, s, d, alertOf(4, "D101", "c/n/Pod/a"))
	if err := rounds(t, d); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"id-0001", "[id-0002 id-0003]", "id-0004"}, to.ids()); diff != "" {
		t.Error(diff)
	}
	owe(t, s, d, alertOf(5, "D101", "c/n/Pod/a"))
	if err := rounds(t, d); err != nil {
		t.Fatal(err)
	}
	if got := to.ids(); len(got) != 3 {
		t.Errorf("the window that the clock of now opened holds nothing: %v", got)
	}
}

func TestGroups(t *testing.T) {
	s := openStore(t)
	now := day
	to := &taker{}
	start := func() *Deliverer {
		return New(s, []Output{{Name: "a", Sink: to, Window: time.Minute, By: ByAsset}}, Options{Now: func() time.Time { return now }})
	}
	d := start()
	owe(t, s, d, alertOf(1, "D101", "c/n/Pod/a"), alertOf(2, "D101", "c/n/Pod/a"), alertOf(3, "D101", "c/n/Pod/b"), alertOf(4, "D102", "c/n/Pod/a"))
	want := func(when string, ids ...string) {
		t.Helper()
		if err := rounds(t, d); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(ids, to.ids()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", when, diff)
		}
		to.got = nil
	}
	want("the first of each group at once", "id-0001", "id-0003", "id-0004")
	now = now.Add(30 * time.Second)
	d = start() // windows survive a restart
	owe(t, s, d, alertOf(5, "D101", "c/n/Pod/a"), alertOf(6, "D102", "c/n/Pod/a"))
	want("within the window")
	now = now.Add(30 * time.Second)
	want("at its end: what followed, one alert as itself", "[id-0002 id-0005]", "id-0006")
	owe(t, s, d, alertOf(7, "D101", "c/n/Pod/a"))
	want("a new window", "id-0007")
	owe(t, s, d, alertOf(8, "D101", "c/n/Pod/a"), alertOf(9, "D101", "c/n/Pod/a"))
	if err := d.Drain(t.Context()); err != nil {
		t.Fatal(err)
	}
	want("draining ends windows", "[id-0008 id-0009]")
	if left, got := owed(t, s, d.lanes[0].Name), d.Status()[0]; left.Pending+left.Held+left.Dead != 0 || got.Grouped != 4 {
		t.Errorf("owed %+v, status %+v", left, got)
	}
}

// A group says how many, when, which and of what; one that is too large for a
// message becomes more of them.
func TestLargeGroup(t *testing.T) {
	s := openStore(t)
	now := day
	to := &taker{}
	d := New(s, []Output{{Name: "a", Sink: to, Window: time.Minute, By: ByIdentity}}, Options{Now: func() time.Time { return now }})
	var ids []string
	for n := range 1203 {
		a := alertOf(n, "D101", fmt.Sprintf("c/n/Pod/%d", n%30))
		owe(t, s, d, a)
		ids = append(ids, a.ID)
	}
	if err := rounds(t, d); err != nil {
		t.Fatal(err)
	}
	if got := to.ids(); !slices.Equal(got, ids[:1]) {
		t.Fatalf("at once: %v", got)
	}
	now = now.Add(time.Minute)
	if err := rounds(t, d); err != nil {
		t.Fatal(err)
	}
	var counts []int
	var got []string
	keys := map[string]bool{}
	for _, m := range to.got[1:] {
		counts = append(counts, m.Group.Count)
		got = append(got, m.Group.IDs...)
		keys[m.ID] = true
	}
	if diff := cmp.Diff([]int{500, 500, 202}, counts); diff != "" || len(keys) != 3 {
		t.Errorf("messages of a large group, %d keys: %s", len(keys), diff)
	}
	if diff := cmp.Diff(ids[1:], got); diff != "" {
		t.Error(diff)
	}
	g := to.got[1].Group
	if !g.First.Equal(day.Add(time.Second)) || !g.Last.Equal(day.Add(500*time.Second)) || len(g.Assets) != 20 || g.More != 10 {
		t.Errorf("group %+v", g)
	}
}

func TestRejected(t *testing.T) {
	s := openStore(t)
	refuse := true
	to := &taker{fail: func(ms []format.Message) []error {
		errs := make([]error, len(ms))
		spoilt := refuse && slices.ContainsFunc(ms, func(m format.Message) bool { return m.ID == "id-0002" })
		for i := range ms {
			if spoilt { // the whole request is refused for one of it
				errs[i] = &sink.Rejected{Why: "400 Bad Request"}
			}
		}
		return errs
	}}
	d := New(s, []Output{{Name: "a", Sink: to}}, Options{})
	owe(t, s, d, alertOf(1, "r", "x"), alertOf(2, "r", "x"), alertOf(3, "r", "x"))
	if err := rounds(t, d); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"id-0001", "id-0003"}, to.ids()); diff != "" {
		t.Error(diff)
	}
	dead, err := Dead(t.Context(), s, "a", 0)
	if err != nil || len(dead) != 1 || dead[0].Alert.ID != "id-0002" || dead[0].Why != "400 Bad Request" {
		t.Fatalf("dead outbox: %v %+v", err, dead)
	}
	if left, st := owed(t, s, "a"), d.Status()[0]; left.Dead != 1 || st.Rejected != 1 {
		t.Errorf("owed %+v, status %+v", left, st)
	}
	refuse = false
	if n, err := Revive(t.Context(), s, "a"); n != 1 || err != nil {
		t.Fatalf("revived %d, %v", n, err)
	}
	if err := rounds(t, d); err != nil || !slices.Equal(to.ids(), []string{"id-0001", "id-0003", "id-0002"}) {
		t.Errorf("after reviving: %v %v", to.ids(), err)
	}
}

// What a receiver asks for is waited for; otherwise waits double up to a bound.
func TestBackoff(t *testing.T) {
	l := &lane{opts: Options{MinWait: time.Second, MaxWait: 5 * time.Minute, Now: time.Now}}
	for n, want := range []time.Duration{time.Second, 2 * time.Second, 4 * time.Second, 8 * time.Second} {
		_ = l.failed(errors.New("x"))
		for range 100 {
			if got := l.backoff(); got < want/2 || got > want {
				t.Fatalf("after %d failures: %v, not %v to %v", n+1, got, want/2, want)
			}
		}
	}
	for range 100 {
		_ = l.failed(errors.New("x"))
	}
	if got := l.backoff(); got < 150*time.Second || got > 5*time.Minute {
		t.Errorf("after many failures: %v", got)
	}
	_ = l.failed(fmt.Errorf("x: %w", &sink.Busy{After: time.Hour}))
	if got := l.backoff(); got != time.Hour {
		t.Errorf("asked for an hour: %v", got)
	}
}

// A dead sink holds up no other, and its alerts wait.
func TestDeadSink(t *testing.T) {
	s := openStore(t)
	good := &taker{}
	tried := make(chan bool, 1)
	bad := &taker{fail: func(ms []format.Message) []error {
		select {
		case tried <- true:
		default:
		}
		return slices.Repeat([]error{errors.New("gone")}, len(ms))
	}}
	d := New(s, []Output{{Name: "bad", Sink: bad}, {Name: "good", Sink: good}}, Options{MinWait: time.Hour})
	owe(t, s, d, alertOf(1, "r", "x"), alertOf(2, "r", "x"))
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	done := make(chan error)
	go func() { done <- d.Run(ctx) }()
	for len(good.ids()) < 2 && ctx.Err() == nil {
		time.Sleep(time.Millisecond)
	}
	select {
	case <-tried:
	case <-ctx.Done():
		t.Fatal("the dead sink was never tried")
	}
	for d.Status()[0].Failed == 0 && ctx.Err() == nil {
		time.Sleep(time.Millisecond)
	}
	cancel()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	left, st := owed(t, s, d.lanes[0].Name), d.Status()[0]
	if left.Pending != 2 || left.Oldest.IsZero() || st.LastError != "gone" || st.Since.IsZero() || owed(t, s, d.lanes[1].Name).Pending != 0 {
		t.Errorf("owed %+v, status %+v", left, st)
	}
	late, stop := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer stop()
	if err := d.Drain(late); err == nil {
		t.Error("draining into a dead sink went well")
	}
}

// owed is what Survey says of one sink.
func owed(t *testing.T, s Store, name string) Owed {
	t.Helper()
	all, err := Survey(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range all {
		if o.Sink == name {
			return o
		}
	}
	return Owed{Sink: name}
}

func TestLevels(t *testing.T) {
	d := New(openStore(t), []Output{{Name: "all"}, {Name: "critical", Level: model.Critical}}, Options{})
	a := alertOf(1, "r", "x")
	if w, err := d.Writes(a); err != nil || len(w) != 1 {
		t.Errorf("high: %d writes, %v", len(w), err)
	}
	a.Level = model.Critical
	w, err := d.Writes(a)
	if err != nil || len(w) != 2 || w[0].If != model.Always {
		t.Errorf("critical: %+v, %v", w, err)
	}
	again, _ := d.Writes(a)
	if diff := cmp.Diff(w, again); diff != "" {
		t.Error("the same alert is owed under another key:", diff)
	}
}

// brittle is a store whose process dies at random: nothing after it is written.
type brittle struct {
	Store
	chance *rand.Rand
	broken bool
}

func (b *brittle) Apply(ctx context.Context, w []model.Write) error {
	if b.broken || b.chance.IntN(12) == 0 {
		b.broken = true
		return errors.New("killed")
	}
	return b.Store.Apply(ctx, w)
}

// Whatever fails, every alert reaches each sink at least once and none comes
// under two keys; what is sent singly by a sink that takes batches whole or not
// comes in order.
func TestProperty(t *testing.T) {
	for seed := range uint64(15) {
		chance := rand.New(rand.NewPCG(seed, 1))
		s := openStore(t)
		now := day
		window := time.Duration(chance.IntN(3)) * 10 * time.Second
		whole := &taker{}
		whole.fail = func(ms []format.Message) []error {
			errs := make([]error, len(ms))
			if chance.IntN(3) == 0 {
				for i := range errs {
					errs[i] = &sink.Busy{Why: "busy"}
				}
			}
			return errs
		}
		items := &taker{}
		items.fail = func(ms []format.Message) []error {
			errs := make([]error, len(ms))
			for i := range errs {
				if chance.IntN(3) == 0 {
					errs[i] = errors.New("this one not now")
				}
			}
			return errs
		}
		takers := map[string]*taker{"whole": whole, "items": items}
		outputs := []Output{{Name: "whole", Sink: whole, Window: window}, {Name: "items", Sink: items, Window: window}}
		opts := Options{Now: func() time.Time { return now }, PerBatch: 1 + chance.IntN(7)}
		var all []string
		b := &brittle{Store: s, chance: chance}
		d := New(b, outputs, opts)
		for n := range 60 {
			a := alertOf(n, fmt.Sprint("r", chance.IntN(2)), fmt.Sprint("x", chance.IntN(2)))
			owe(t, s, d, a)
			all = append(all, a.ID)
			now = now.Add(time.Duration(chance.IntN(5)) * time.Second)
			for range chance.IntN(4) {
				_, _ = d.lanes[chance.IntN(2)].round(t.Context(), false)
			}
			if b.broken {
				b = &brittle{Store: s, chance: chance}
				d = New(b, outputs, opts)
			}
		}
		whole.fail, items.fail = nil, nil
		if err := New(s, outputs, opts).Drain(t.Context()); err != nil {
			t.Fatal(err)
		}
		for name, to := range takers {
			if err := checkTaken(all, to.got, window == 0 && name == "whole"); err != nil {
				t.Errorf("seed %d, sink %s: %v", seed, name, err)
			}
		}
	}
}

func checkTaken(want []string, got []format.Message, ordered bool) error {
	content := map[string]string{}
	taken := map[string]bool{}
	newest := ""
	for _, m := range got {
		text, _ := json.Marshal(m)
		if before, ok := content[m.ID]; ok && before != string(text) {
			return fmt.Errorf("key %s stands for two messages", m.ID)
		}
		if _, again := content[m.ID]; ordered && !again {
			if m.ID < newest {
				return fmt.Errorf("%s came after %s", m.ID, newest)
			}
			newest = m.ID
		}
		content[m.ID] = string(text)
		if m.Group == nil {
			taken[m.ID] = true
			continue
		}
		for _, id := range m.Group.IDs {
			taken[id] = true
		}
	}
	for _, id := range want {
		if !taken[id] {
			return fmt.Errorf("%s is lost", id)
		}
	}
	return nil
}
