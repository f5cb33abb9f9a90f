package storetest

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/scantling/scantling/model"
	"github.com/scantling/scantling/store"
)

// id is the name of a record.
type id struct{ kind, key string }

// world is what a store should hold: the naive evaluator that stores are
// compared with.
type world map[id]model.Record

// apply makes the writes one after another in a copy. It is nil where a
// condition doesn't hold.
func (w world) apply(writes []model.Write) world {
	next := maps.Clone(w)
	for _, x := range writes {
		at := id{x.Kind, x.Key}
		old, found := next[at]
		if x.If == model.IfAbsent && found || x.If == model.IfVersion && (!found || old.Version != x.Was) {
			return nil
		}
		if x.Delete {
			delete(next, at)
		} else {
			next[at] = x.Record
		}
	}
	return next
}

// list is what Scan should give.
func (w world) list(kind, from, to string) []model.Record {
	var out []model.Record
	for at, r := range w {
		if at.kind == kind && at.key >= from && (to == "" || at.key < to) {
			out = append(out, r)
		}
	}
	slices.SortFunc(out, func(a, b model.Record) int { return cmp.Compare(a.Key, b.Key) })
	return out
}

// randomWorld compares a store with a world over many random batches, and
// reads in between.
func randomWorld(t *testing.T, s *store.Store) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	w := world{}
	conflicts := 0
	for range 400 {
		writes := randomWrites(r, w)
		next := w.apply(writes)
		err := s.Apply(t.Context(), writes)
		switch {
		case next == nil && errors.Is(err, model.ErrConflict):
			conflicts++
		case next == nil || err != nil:
			t.Fatalf("%+v over %+v: error %v, should conflict: %v", writes, w, err, next == nil)
		default:
			w = next
		}
		at := randomID(r)
		got, found, err := s.Get(t.Context(), at.kind, at.key)
		want, there := w[at]
		if err != nil || found != there {
			t.Fatalf("get %+v: %v, %v, want %v", at, found, err, there)
		}
		equal(t, fmt.Sprintf("get %+v", at), want, got)
		from, to := randomID(r), randomID(r)
		if r.IntN(3) == 0 {
			to.key = ""
		}
		equal(t, fmt.Sprintf("scan %q to %q", from, to), w.list(from.kind, from.key, to.key), list(t, s, from.kind, from.key, to.key))
	}
	if conflicts < 20 || len(w) < 20 {
		t.Errorf("%d conflicts, %d records at the end: too few to mean anything", conflicts, len(w))
	}
}

func randomID(r *rand.Rand) id {
	const letters = "\x00a\x7f\xff" // few, so that keys meet
	var key strings.Builder
	for range r.IntN(4) {
		key.WriteByte(letters[r.IntN(len(letters))])
	}
	return id{[]string{"one", "two"}[r.IntN(2)], key.String()}
}

func randomWrites(r *rand.Rand, w world) []model.Write {
	var writes []model.Write
	for range r.IntN(6) {
		at := randomID(r)
		x := model.Write{Record: model.Record{Kind: at.kind, Key: at.key, Version: r.Int64N(3)}, Delete: r.IntN(4) == 0}
		if n := r.IntN(4); n > 0 {
			x.Body = []byte(strings.Repeat(string(rune('a'+r.IntN(26))), n*n*n*100))
		}
		old, found := w[at]
		switch x.If = model.Condition(r.IntN(3)); {
		case r.IntN(8) == 0: // as it falls
			x.Was = r.Int64N(3)
		case found && x.If != model.Always:
			x.If, x.Was = model.IfVersion, old.Version
		case x.If == model.IfVersion:
			x.If = model.IfAbsent
		}
		writes = append(writes, x)
	}
	return writes
}
