package watch_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/scantling/scantling/model"
	"github.com/scantling/scantling/runtime/watch"
)

// overtaken is a store in which another records each alert a moment earlier.
type overtaken struct {
	watch.Store
	times atomic.Int32
}

func (o *overtaken) Apply(ctx context.Context, writes []model.Write) error {
	for _, w := range writes {
		if w.Kind == watch.AlertKind && o.times.Add(1) == 1 {
			if err := o.Store.Apply(ctx, []model.Write{w}); err != nil {
				return err
			}
		}
	}
	return o.Store.Apply(ctx, writes)
}

// TestOwedOnce: an alert that is recorded already is not owed again, neither by
// a replay after it was delivered, nor where another was faster.
func TestOwedOnce(t *testing.T) {
	w := newWorld(t, 1)
	prog := compile(t, rule("get", "get"))
	w.append("s", 0, record("one", "get", time.Now()))
	judge := func(store watch.Store, replay bool) {
		t.Helper()
		cfg := w.config()
		recorded := 0
		cfg.Recorded = func() { recorded++ }
		x, err := watch.New(t.Context(), w.log, store, cfg)
		if err != nil {
			t.Fatal(err)
		}
		if replay {
			if err := x.ReplayFrom(t.Context(), time.Now().Add(-time.Hour)); err != nil {
				t.Fatal(err)
			}
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- x.Run(ctx, prog, nil) }()
		time.Sleep(20 * time.Millisecond)
		settle(t)(x)
		cancel()
		if err := <-ended; err != nil {
			t.Fatal(err)
		}
		if owed := len(w.records("owed")); owed != recorded {
			t.Errorf("%d owed, told %d times that alerts were recorded", owed, recorded)
		}
	}
	judge(w.store, false)
	if n := len(w.records("owed")); n != 1 {
		t.Fatalf("%d owed of one alert", n)
	}
	for id := range w.records("owed") { // it was delivered
		if err := w.store.Apply(t.Context(), []model.Write{{Record: model.Record{Kind: "owed", Key: id}, Delete: true}}); err != nil {
			t.Fatal(err)
		}
	}
	judge(w.store, true)
	w.append("s", 1, record("two", "get", time.Now()))
	faster := &overtaken{Store: w.store}
	judge(faster, false)
	if n := len(w.records(watch.AlertKind)); n != 2 || faster.times.Load() != 1 {
		t.Errorf("%d alerts, tried to record one %d times", n, faster.times.Load())
	}
}
