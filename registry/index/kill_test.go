package index_test

import (
	"context"
	"maps"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/scantling/scantling/model"
	"github.com/scantling/scantling/registry/index"
	"github.com/scantling/scantling/store/storetest"
)

// TestMain lets the small worlds of the tests be large ones to the engine.
func TestMain(m *testing.M) {
	index.SetMinCompact(12)
	index.SetLoadChunk(7)
	os.Exit(storetest.Main(m, children))
}

// children run in processes of their own.
var children = map[string]storetest.Child{"indexer": work}

// killSeed makes the operations of the child and of the model.
const killSeed = 99

// work does one operation after another, and goes on where it finds itself.
// How far it is it stores after each, so that the last one may be done twice.
func work(ctx context.Context, folder string, ack func(line string)) error {
	o, err := open(ctx, folder)
	if err != nil {
		return err
	}
	done, err := o.done(ctx)
	if err != nil {
		return err
	}
	s := newSource(killSeed)
	for range done {
		s.op()
	}
	for {
		if err := o.do(ctx, s.op()); err != nil {
			return err
		}
		done++
		if err := o.store.Apply(ctx, []model.Write{{Record: model.Record{Kind: "test-progress", Key: "done", Version: done}}}); err != nil {
			return err
		}
		ack(strconv.FormatInt(done, 10))
	}
}

// done is how many operations are known to be done.
func (o *opened) done(ctx context.Context) (int64, error) {
	r, _, err := o.store.Get(ctx, "test-progress", "done")
	return r.Version, err
}

// TestKill ends the indexer at random moments. What was acknowledged is there,
// nothing is there twice, and at most the next operation is there as a whole.
// SCANTLING_KILLS sets how often; 200 take a minute.
func TestKill(t *testing.T) {
	kills := 10
	if n, err := strconv.Atoi(os.Getenv("SCANTLING_KILLS")); err == nil {
		kills = n
	}
	s, n, at := newSource(killSeed), newNaive(), int64(0)
	ahead := 0
	storetest.Kill(t, storetest.Killing{Child: "indexer", Kills: kills, Work: 60 * time.Millisecond, Check: func(t *testing.T, folder string, acked []string) {
		o := mustOpen(t, folder)
		defer o.close(t)
		done, err := o.done(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, line := range slices.Backward(acked) {
			if told, err := strconv.ParseInt(line, 10, 64); err == nil {
				if told > done {
					t.Fatalf("%d operations were acknowledged, %d are there", told, done)
				}
				break
			}
		}
		for ; at < done; at++ {
			n.do(s.op())
		}
		diff := o.compare(t, n)
		if diff == "" {
			return
		}
		ahead++
		next := &naive{maps.Clone(n.images), maps.Clone(n.records), maps.Clone(n.findings), slices.Clone(n.told)}
		upTo := newSource(killSeed)
		for range done {
			upTo.op()
		}
		next.do(upTo.op())
		if again := o.compare(t, next); again != "" {
			t.Fatalf("after %d operations: %s\nwith the next one: %s", done, diff, again)
		}
	}})
	t.Logf("%d operations, %d times one was done and not yet counted", at, ahead)
}
