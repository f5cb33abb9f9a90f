package index_test

import (
	"context"
	"fmt"
	"iter"
	"path/filepath"
	"testing"

	"github.com/scantling/scantling/model"
	"github.com/scantling/scantling/registry/index"
)

// interrupted does something else at one of the moments at which records are
// read.
type interrupted struct {
	index.Records
	left int // moments until then
	then func()
}

func (r *interrupted) moment() {
	if r.left--; r.left == 0 {
		r.then()
	}
}

func (r *interrupted) Get(ctx context.Context, kind, key string) (model.Record, bool, error) {
	r.moment()
	return r.Records.Get(ctx, kind, key)
}

func (r *interrupted) Scan(ctx context.Context, kind, from, to string) iter.Seq2[model.Record, error] {
	return func(yield func(model.Record, error) bool) {
		r.moment()
		for one, err := range r.Records.Scan(ctx, kind, from, to) {
			if !yield(one, err) {
				return
			}
			r.moment()
		}
	}
}

// TestCompactedWhileRead has another process compact at every moment of a
// refresh, alone, where what is known afterwards has to be the whole, and
// after more changes, of which the refresh may know or not.
func TestCompactedWhileRead(t *testing.T) {
	for name, more := range map[string]int{"compacts": 0, "changes and compacts": 6} {
		t.Run(name, func(t *testing.T) {
			moments := 0
			for seed := range uint64(4) {
				for at := 1; interruptedAt(t, seed, at, more); at++ {
					moments++
				}
			}
			if moments < 30 {
				t.Errorf("%d moments", moments)
			}
			t.Logf("%d moments", moments)
		})
	}
}

// interruptedAt reports whether the refresh had so many moments.
func interruptedAt(t *testing.T, seed uint64, at, more int) (came bool) {
	dir := t.TempDir()
	one, s, n := mustOpen(t, dir), newSource(seed), newNaive()
	defer one.close(t)
	step := func() {
		todo := s.op()
		if err := one.do(t.Context(), todo); err != nil {
			t.Fatal(err)
		}
		n.do(todo)
	}
	for range 20 {
		step()
	}
	records := &interrupted{Records: one.store}
	engine, err := index.Open(t.Context(), records, shelf{one.store}, filepath.Join(dir, "segments"))
	if err != nil {
		t.Fatal(err)
	}
	for range 12 {
		step()
	}
	records.left, records.then = at, func() {
		came = true
		for range more {
			step()
		}
		if err := one.engine.Compact(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if err := engine.Refresh(t.Context()); err != nil {
		t.Fatalf("interrupted at %d: %v", at, err)
	}
	records.left = 0 // that was the refresh
	if more > 0 {
		if err := engine.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	other := &opened{dir: dir, store: one.store, engine: engine}
	if diff := other.compare(t, n); diff != "" {
		t.Fatalf("interrupted at %d: %s", at, diff)
	}
	if err := engine.Rebuilt(); err != nil {
		t.Errorf("interrupted at %d: %v", at, fmt.Errorf("the segment is taken for damaged: %w", err))
	}
	return came
}
