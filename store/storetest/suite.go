package storetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/scantling/scantling/model"
	"github.com/scantling/scantling/store"
)

// Run holds a database against what store.Store promises. Fresh names a new,
// empty database.
func Run(t *testing.T, fresh func(t testing.TB) string) {
	for _, c := range []struct {
		name string
		test func(t *testing.T, s *store.Store)
	}{
		{"keys", keys},
		{"bodies", bodies},
		{"conditions", conditions},
		{"bounds", bounds},
		{"names in errors", namesInErrors},
		{"batch in its order", batchInOrder},
		{"large batch", largeBatch},
		{"scan pages", scanPages},
		{"scan large bodies", scanLargeBodies},
		{"write while scanning", writeWhileScanning},
		{"cancelled", cancelled},
		{"stats", stats},
		{"random world", randomWorld},
	} {
		t.Run(c.name, func(t *testing.T) { c.test(t, open(t, fresh(t))) })
	}
	t.Run("reopened", func(t *testing.T) { reopened(t, fresh(t)) })
	t.Run("writers", func(t *testing.T) { writers(t, fresh(t)) })
}

func open(t testing.TB, dsn string) *store.Store {
	t.Helper()
	s, err := store.Open(context.Background(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func rec(kind, key string, version int64, body string) model.Record {
	r := model.Record{Kind: kind, Key: key, Version: version}
	if body != "" {
		r.Body = []byte(body)
	}
	return r
}

func puts(records ...model.Record) []model.Write {
	var writes []model.Write
	for _, r := range records {
		writes = append(writes, model.Write{Record: r})
	}
	return writes
}

func apply(t testing.TB, s *store.Store, writes []model.Write) {
	t.Helper()
	if err := s.Apply(context.Background(), writes); err != nil {
		t.Fatal(err)
	}
}

func list(t testing.TB, s *store.Store, kind, from, to string) []model.Record {
	t.Helper()
	var out []model.Record
	for r, err := range s.Scan(context.Background(), kind, from, to) {
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, r)
	}
	return out
}

func equal(t testing.TB, what string, want, got any) {
	t.Helper()
	if !reflect.DeepEqual(want, got) {
		t.Fatalf("%s:\nwant %.2000v\ngot  %.2000v", what, want, got)
	}
}

// keys: any bytes, in their order, each kind for itself.
func keys(t *testing.T, s *store.Store) {
	var want []model.Record
	for i, key := range []string{"", "\x00", "\x00\x00", "\x00a", "\n", "A", "Z", "a", "a\x00", "a\x00b", "aa", "b", "é", "\xc3", "\xff", "\xff\x00", "\xff\xff", strings.Repeat("\xff", 1024)} {
		want = append(want, rec("keys", key, int64(i), key))
	}
	sortByKey := world{}
	for _, r := range want {
		sortByKey[id{r.Kind, r.Key}] = r
	}
	want = sortByKey.list("keys", "", "")
	apply(t, s, puts(want...))
	apply(t, s, puts(rec("key", "a", 1, "shorter kind"), rec("keys-", "a", 1, "longer kind")))
	equal(t, "all", want, list(t, s, "keys", "", ""))
	for i, r := range want {
		got, found, err := s.Get(t.Context(), "keys", r.Key)
		if err != nil || !found {
			t.Fatalf("%q: %v, %v", r.Key, found, err)
		}
		equal(t, fmt.Sprintf("get %q", r.Key), r, got)
		equal(t, fmt.Sprintf("from %q", r.Key), want[i:], list(t, s, "keys", r.Key, ""))
		if r.Key != "" {
			equal(t, fmt.Sprintf("to %q", r.Key), want[:i], list(t, s, "keys", "", r.Key))
		}
	}
	equal(t, "to before from", []model.Record(nil), list(t, s, "keys", "b", "a"))
	equal(t, "another kind", []model.Record(nil), list(t, s, "none", "", ""))
	if _, found, err := s.Get(t.Context(), "keys", "absent"); found || err != nil {
		t.Error(found, err)
	}
}

// bodies: of every size, with any bytes; versions to their ends.
func bodies(t *testing.T, s *store.Store) {
	var want []model.Record
	for i, size := range []int{0, 1, 10, 100, 999, 1003, 2000, 4096, 9000, 100_000, 5 << 20, 20 << 20} {
		body := bytes.Repeat([]byte{0, 0xff, '\'', '\\', byte(i)}, size/5+1)[:size]
		want = append(want, rec("bodies", fmt.Sprintf("%03d", i), math.MinInt64+int64(i), string(body)))
	}
	want[len(want)-1].Version = math.MaxInt64
	apply(t, s, puts(want...))
	equal(t, "scan", want, list(t, s, "bodies", "", ""))
	for _, r := range want {
		got, _, err := s.Get(t.Context(), r.Kind, r.Key)
		if err != nil {
			t.Fatal(err)
		}
		equal(t, r.Key, r, got)
	}
}

// conditions: each against each state, and nothing of a batch with a conflict.
func conditions(t *testing.T, s *store.Store) {
	was := rec("c", "k", 7, "old")
	for name, c := range map[string]struct {
		there    bool
		write    model.Write
		conflict bool
	}{
		"put, absent":                     {false, model.Write{}, false},
		"put, there":                      {true, model.Write{}, false},
		"put if absent, absent":           {false, model.Write{If: model.IfAbsent}, false},
		"put if absent, there":            {true, model.Write{If: model.IfAbsent}, true},
		"put if version, absent":          {false, model.Write{If: model.IfVersion}, true},
		"put if version, right":           {true, model.Write{If: model.IfVersion, Was: 7}, false},
		"put if version, wrong":           {true, model.Write{If: model.IfVersion, Was: 8}, true},
		"delete, absent":                  {false, model.Write{Delete: true}, false},
		"delete, there":                   {true, model.Write{Delete: true}, false},
		"delete if absent, absent":        {false, model.Write{Delete: true, If: model.IfAbsent}, false},
		"delete if absent, there":         {true, model.Write{Delete: true, If: model.IfAbsent}, true},
		"delete if version, absent":       {false, model.Write{Delete: true, If: model.IfVersion, Was: 7}, true},
		"delete if version, right":        {true, model.Write{Delete: true, If: model.IfVersion, Was: 7}, false},
		"delete if version, wrong":        {true, model.Write{Delete: true, If: model.IfVersion, Was: 8}, true},
		"put if version, another key's":   {false, model.Write{If: model.IfVersion, Was: 1}, true},
		"delete if version 0, absent too": {false, model.Write{Delete: true, If: model.IfVersion}, true},
	} {
		t.Run(name, func(t *testing.T) {
			apply(t, s, []model.Write{{Record: was, Delete: true}, {Record: rec("c", "z", 1, ""), Delete: true}, {Record: rec("c", "a", 1, "first")}})
			if c.there {
				apply(t, s, puts(was))
			}
			w := world{}
			for _, r := range list(t, s, "c", "", "") {
				w[id{r.Kind, r.Key}] = r
			}
			c.write.Record = rec("c", "k", 9, "new")
			batch := []model.Write{{Record: rec("c", "a", 2, "second")}, c.write, {Record: rec("c", "z", 2, "last"), If: model.IfAbsent}}
			err := s.Apply(t.Context(), batch)
			if c.conflict != errors.Is(err, model.ErrConflict) || !c.conflict && err != nil {
				t.Fatalf("error %v", err)
			}
			if !c.conflict {
				w = w.apply(batch)
			} else if !strings.Contains(err.Error(), `c "k"`) {
				t.Errorf("%v doesn't say which record", err)
			}
			equal(t, "after", w.list("c", "", ""), list(t, s, "c", "", ""))
		})
	}
}

// bounds: what doesn't fit is refused before anything happens.
func bounds(t *testing.T, s *store.Store) {
	for name, w := range map[string]model.Write{
		"no kind":           {Record: rec("", "k", 1, "")},
		"upper case":        {Record: rec("Layer", "k", 1, "")},
		"space in kind":     {Record: rec("a b", "k", 1, "")},
		"NUL in kind":       {Record: rec("a\x00", "k", 1, "")},
		"long kind":         {Record: rec(strings.Repeat("k", 65), "k", 1, "")},
		"long key":          {Record: rec("k", strings.Repeat("k", 1025), 1, "")},
		"long body":         {Record: model.Record{Kind: "k", Body: make([]byte, 512<<20+1)}},
		"unknown condition": {Record: rec("k", "k", 1, ""), If: 3},
	} {
		err := s.Apply(t.Context(), []model.Write{{Record: rec("k", "good", 1, "")}, w})
		if err == nil || errors.Is(err, model.ErrConflict) {
			t.Errorf("%s: error %v", name, err)
		}
	}
	apply(t, s, nil)
	equal(t, "after", []model.Record(nil), list(t, s, "k", "", ""))
	apply(t, s, puts(rec(strings.Repeat("k", 64), strings.Repeat("k", 1024), 1, "fits")))
	if _, _, err := s.Get(t.Context(), "Upper", ""); err == nil {
		t.Error("Get takes any kind")
	}
	for _, err := range s.Scan(t.Context(), "Upper", "", "") {
		if err == nil {
			t.Error("Scan takes any kind")
		}
	}
}

// namesInErrors: a hostile key stays one short line.
func namesInErrors(t *testing.T, s *store.Store) {
	key := "\x1b[31m\n" + strings.Repeat("x", 1000)
	apply(t, s, puts(rec("k", key, 1, "")))
	err := s.Apply(t.Context(), []model.Write{{Record: rec("k", key, 1, ""), If: model.IfAbsent}})
	if err == nil || strings.ContainsAny(err.Error(), "\x1b\n") || len(err.Error()) > 250 {
		t.Errorf("error %q", err)
	}
}

// batchInOrder: writes to one key see those before them.
func batchInOrder(t *testing.T, s *store.Store) {
	apply(t, s, []model.Write{
		{Record: rec("k", "a", 1, "one"), If: model.IfAbsent},
		{Record: rec("k", "b", 1, "one")},
		{Record: rec("k", "a", 2, "two"), If: model.IfVersion, Was: 1},
		{Record: rec("k", "a", 3, "three")},
		{Record: rec("k", "b", 0, ""), Delete: true},
		{Record: rec("k", "c", 0, ""), Delete: true},
		{Record: rec("k", "c", 5, "back"), If: model.IfAbsent},
	})
	want := []model.Record{rec("k", "a", 3, "three"), rec("k", "c", 5, "back")}
	equal(t, "after", want, list(t, s, "k", "", ""))
	err := s.Apply(t.Context(), []model.Write{{Record: rec("k", "d", 1, "")}, {Record: rec("k", "d", 2, ""), If: model.IfAbsent}})
	if !errors.Is(err, model.ErrConflict) {
		t.Errorf("error %v", err)
	}
	equal(t, "after the conflict", want, list(t, s, "k", "", ""))
}

// largeBatch: 12,000 writes are one batch too.
func largeBatch(t *testing.T, s *store.Store) {
	var writes []model.Write
	var want []model.Record
	for i := range 12_000 {
		r := rec("k", fmt.Sprintf("%06d", i), int64(i), "body")
		want = append(want, r)
		writes = append(writes, model.Write{Record: r, If: model.Condition(i % 2)}) // Always or IfAbsent
	}
	spoilt := append(puts(rec("k", "999999", 1, "")), writes...)
	spoilt = append(spoilt, model.Write{Record: rec("k", "9999999", 1, ""), If: model.IfVersion})
	if err := s.Apply(t.Context(), spoilt); !errors.Is(err, model.ErrConflict) {
		t.Fatalf("error %v", err)
	}
	equal(t, "after the conflict", []model.Record(nil), list(t, s, "k", "", ""))
	apply(t, s, writes)
	equal(t, "after", want, list(t, s, "k", "", ""))
}

// scanPages: more than a page, whole and in part, with an early end.
func scanPages(t *testing.T, s *store.Store) {
	var want []model.Record
	for i := range 3001 {
		want = append(want, rec("k", fmt.Sprintf("%06d", i), int64(i), "b"))
	}
	apply(t, s, puts(want...))
	equal(t, "all", want, list(t, s, "k", "", ""))
	equal(t, "part", want[500:2500], list(t, s, "k", "000500", "002500"))
	seen := 0
	for _, err := range s.Scan(t.Context(), "k", "", "") {
		if err != nil {
			t.Fatal(err)
		}
		if seen++; seen == 1500 {
			break
		}
	}
	apply(t, s, puts(rec("k", "x", 1, ""))) // nothing is left open
}

// scanLargeBodies: pages end by bytes too.
func scanLargeBodies(t *testing.T, s *store.Store) {
	var want []model.Record
	for i := range 12 {
		want = append(want, rec("k", fmt.Sprint(i+10), 1, strings.Repeat("x", i%4<<20)))
	}
	apply(t, s, puts(want...))
	equal(t, "all", want, list(t, s, "k", "", ""))
	equal(t, "part", want[2:9], list(t, s, "k", "12", "19"))
}

// writeWhileScanning: the scan holds no lock, and what it hasn't reached may
// change. What nobody touches comes exactly once.
func writeWhileScanning(t *testing.T, s *store.Store) {
	for i := range 2500 {
		if i%500 == 0 {
			var records []model.Record
			for j := i; j < i+500; j++ {
				records = append(records, rec("k", fmt.Sprintf("%06d", j*2), 1, "b"))
			}
			apply(t, s, puts(records...))
		}
	}
	seen := map[string]int{}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	n := 0
	for r, err := range s.Scan(ctx, "k", "", "") {
		if err != nil {
			t.Fatal(err)
		}
		seen[r.Key]++
		if n++; n%100 == 50 {
			writes := []model.Write{{Record: rec("k", r.Key, 0, ""), Delete: true}, {Record: rec("k", r.Key+"x", 2, "")}, {Record: rec("k", "9"+r.Key, 2, "")}}
			if err := s.Apply(ctx, writes); err != nil {
				t.Fatal(err)
			}
		}
	}
	for i := range 2500 {
		if key := fmt.Sprintf("%06d", i*2); seen[key] != 1 {
			t.Errorf("%s came %d times", key, seen[key])
		}
	}
	for key, n := range seen {
		if n != 1 {
			t.Errorf("%s came %d times", key, n)
		}
	}
}

// cancelled: an ended context ends calls, and nothing of the batch happens.
func cancelled(t *testing.T, s *store.Store) {
	apply(t, s, puts(rec("k", "a", 1, "")))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Apply(ctx, puts(rec("k", "b", 1, ""))); !errors.Is(err, context.Canceled) {
		t.Errorf("Apply: %v", err)
	}
	if _, _, err := s.Get(ctx, "k", "a"); !errors.Is(err, context.Canceled) {
		t.Errorf("Get: %v", err)
	}
	var last error
	for _, last = range s.Scan(ctx, "k", "", "") {
	}
	if !errors.Is(last, context.Canceled) {
		t.Errorf("Scan: %v", last)
	}
	apply(t, s, puts(rec("k", "c", 1, "")))
	equal(t, "after", []model.Record{rec("k", "a", 1, ""), rec("k", "c", 1, "")}, list(t, s, "k", "", ""))
}

func stats(t *testing.T, s *store.Store) {
	apply(t, s, puts(rec("b", "1", 1, "12345"), rec("b", "22", 1, ""), rec("a", "", 1, "x")))
	got, err := s.Stats(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "kinds", []store.KindStats{{Kind: "a", Rows: 1, Bytes: 1}, {Kind: "b", Rows: 2, Bytes: 8}}, got.Kinds)
	if got.Size < 4096 {
		t.Errorf("size %d", got.Size)
	}
}

// reopened: what was written is there for the next one, and for another one
// beside it.
func reopened(t *testing.T, dsn string) {
	s, err := store.Open(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	want := []model.Record{rec("k", "a", 1, "body")}
	apply(t, s, puts(want...))
	beside := open(t, dsn)
	equal(t, "beside", want, list(t, beside, "k", "", ""))
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	apply(t, beside, puts(rec("k", "b", 2, "")))
	equal(t, "again", append(want, rec("k", "b", 2, "")), list(t, open(t, dsn), "k", "", ""))
}

// writers: several of them over two handles of one database. Counters are
// raised by condition and lose nothing, batches over the same keys in other
// orders don't stand in each other's way for good.
func writers(t *testing.T, dsn string) {
	const each, keys = 20, 3
	stores := []*store.Store{open(t, dsn), open(t, dsn)}
	g, ctx := errgroup.WithContext(t.Context())
	for w := range 6 {
		s := stores[w%2]
		g.Go(func() error {
			for i := range each {
				if err := raise(ctx, s, fmt.Sprint(i%keys)); err != nil {
					return err
				}
				batch := puts(rec("mix", "a", int64(w), "x"), rec("mix", fmt.Sprint(w), int64(i), "x"))
				batch = append(batch, model.Write{Record: rec("mix", fmt.Sprint((w+1)%6), 0, ""), Delete: true})
				if w%2 == 0 {
					batch[0].Key = "z"
				}
				if err := s.Apply(ctx, batch); err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	sum := int64(0)
	for _, r := range list(t, stores[0], "count", "", "") {
		sum += r.Version
	}
	if sum != 6*each {
		t.Errorf("the counters say %d, want %d", sum, 6*each)
	}
}

// raise adds one to a counter, as often as it takes.
func raise(ctx context.Context, s *store.Store, key string) error {
	for {
		r, found, err := s.Get(ctx, "count", key)
		if err != nil {
			return err
		}
		w := model.Write{Record: rec("count", key, r.Version+1, ""), If: model.IfVersion, Was: r.Version}
		if !found {
			w.If = model.IfAbsent
		}
		if err := s.Apply(ctx, []model.Write{w}); !errors.Is(err, model.ErrConflict) {
			return err
		}
	}
}
