package index_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sync/errgroup"

	"github.com/scantling/scantling/model"
	"github.com/scantling/scantling/registry/advisory"
	"github.com/scantling/scantling/registry/index"
	"github.com/scantling/scantling/store"
	"github.com/scantling/scantling/store/storetest"
)

// shelf keeps advisories among the records, the plain way.
type shelf struct{ records index.Records }

const kindShelf = "test-advisory"

func shelfWrite(c index.Change) model.Write {
	w := model.Write{Record: model.Record{Kind: kindShelf, Key: c.Ecosystem + "\x00" + c.ID}}
	if w.Delete = c.New == nil; !w.Delete {
		w.Body, _ = json.Marshal(c.New)
	}
	return w
}

func (s shelf) Of(ctx context.Context, ecosystem, name string) ([]*advisory.Record, error) {
	base, _, _ := strings.Cut(ecosystem, ":")
	var out []*advisory.Record
	for r, err := range s.records.Scan(ctx, kindShelf, base+"\x00", base+"\x01") {
		if err != nil {
			return nil, err
		}
		var one advisory.Record
		if err := json.Unmarshal(r.Body, &one); err != nil {
			return nil, err
		}
		if slices.ContainsFunc(one.Affected, func(a advisory.Affected) bool {
			return a.Name == name && (a.Ecosystem == ecosystem || a.Ecosystem == base)
		}) {
			out = append(out, &one)
		}
	}
	return out, nil
}

// opened is an engine over a real store.
type opened struct {
	dir    string
	dsn    string // of the store; a file in dir by default
	store  *store.Store
	engine *index.Engine
}

func open(ctx context.Context, dir string) (*opened, error) {
	return openAt(ctx, dir, filepath.Join(dir, "store.db"))
}

func openAt(ctx context.Context, dir, dsn string) (*opened, error) {
	st, err := store.Open(ctx, dsn)
	if err != nil {
		return nil, err
	}
	e, err := index.Open(ctx, st, shelf{st}, filepath.Join(dir, "segments"))
	return &opened{dir, dsn, st, e}, err
}

func mustOpen(t testing.TB, dir string) *opened {
	t.Helper()
	o, err := open(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func (o *opened) close(t testing.TB) {
	t.Helper()
	if err := o.store.Close(); err != nil {
		t.Fatal(err)
	}
}

// segmentFile returns the one segment, "" where there is none.
func (o *opened) segmentFile(t testing.TB) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(o.dir, "segments", "*"))
	if err != nil || len(files) > 1 {
		t.Fatalf("segments %q: %v", files, err)
	}
	return strings.Join(files, "")
}

func (o *opened) pending(ctx context.Context) (told, ids []string, err error) {
	for t, err := range o.engine.Pending(ctx) {
		if err != nil {
			return nil, nil, err
		}
		told = append(told, tellText(t))
		ids = append(ids, t.ID)
	}
	return told, ids, nil
}

// findings reads the rows, of versions that are held.
func (o *opened) findings(t testing.TB, held map[index.Component]bool) map[string]index.Finding {
	t.Helper()
	out := map[string]index.Finding{}
	for r, err := range o.store.Scan(t.Context(), "finding", "", "") {
		if err != nil {
			t.Fatal(err)
		}
		parts := strings.Split(r.Key, "\x00")
		var list []index.Finding
		if err := json.Unmarshal(r.Body, &list); err != nil {
			t.Fatal(err)
		}
		for _, f := range list {
			for _, version := range f.Versions {
				c := index.Component{Ecosystem: parts[1], Name: parts[2], Version: version, Module: strings.Join(parts[3:], "")}
				if held[c] {
					out[rowOf(parts[0], c)] = index.Finding{Affected: f.Affected, Unknown: f.Unknown, Fixed: f.Fixed}
				}
			}
		}
	}
	return out
}

// compare holds everything that the engine says against the naive model and
// returns the first difference.
func (o *opened) compare(t testing.TB, n *naive) string {
	t.Helper()
	got, ids, err := o.pending(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if !slices.IsSorted(ids) || len(slices.Compact(slices.Clone(ids))) != len(ids) {
		t.Fatalf("ids out of order, or twice: %q", ids)
	}
	slices.Sort(got)
	if diff := cmp.Diff(slices.Sorted(slices.Values(n.told)), got); diff != "" {
		return "pending (-want +got):\n" + diff
	}
	held := n.components()
	if diff := cmp.Diff(n.findings, o.findings(t, held)); diff != "" {
		return "findings (-want +got):\n" + diff
	}
	for c := range held {
		var want []string
		for digest, sets := range n.images {
			if slices.ContainsFunc(sets, func(s index.Set) bool { return slices.Contains(s.Components, c) }) {
				want = append(want, digest)
			}
		}
		images := o.engine.Images(index.Transition{Kind: index.Affected, Ecosystem: c.Ecosystem, Package: c.Name, Version: c.Version, Module: c.Module})
		got := slices.Sorted(images.All())
		slices.Sort(want)
		if !slices.Equal(got, want) || images.Count() != len(want) {
			return fmt.Sprintf("images of %v: %q, %d; want %q", c, got, images.Count(), want)
		}
	}
	return ""
}

// TestRandomWorlds does at random all that can happen, and compares everything
// with the naive model.
func TestRandomWorlds(t *testing.T) {
	worlds := 12
	if testing.Short() {
		worlds = 2
	}
	for seed := range worlds {
		t.Run(fmt.Sprint(seed), func(t *testing.T) { live(t, uint64(seed), mustOpen(t, t.TempDir())) })
	}
}

// TestPostgresWorlds has some of them in the store of larger sites.
func TestPostgresWorlds(t *testing.T) {
	server := storetest.Postgres(t)
	for seed := range 3 {
		o, err := openAt(t.Context(), t.TempDir(), server.Database(t))
		if err != nil {
			t.Fatal(err)
		}
		live(t, uint64(100+seed), o)
	}
}

// live lets a world and the naive model of it go the same way.
func live(t *testing.T, seed uint64, o *opened) {
	s, n := newSource(seed), newNaive()
	defer func() { o.close(t) }()
	for step := range 150 {
		if s.IntN(10) == 0 {
			o.restart(t, s)
		}
		todo := s.op()
		if err := o.do(t.Context(), todo); err != nil {
			t.Fatal(err)
		}
		n.do(todo)
		if todo.kind == "compact" {
			o.swept(t, n)
		}
		if step%5 == 0 || step == 149 {
			if diff := o.compare(t, n); diff != "" {
				t.Fatalf("after step %d, %s: %s", step, todo.kind, diff)
			}
		}
	}
}

// TestTwoWriters has two engines over one store and one folder, as two
// processes have. Each change is made by one of them, which then knows
// everything.
func TestTwoWriters(t *testing.T) {
	s, n, dir := newSource(77), newNaive(), t.TempDir()
	two := []*opened{mustOpen(t, dir), mustOpen(t, dir)}
	defer two[0].close(t)
	defer two[1].close(t)
	for step := range 200 {
		o, todo := pick(s, two), s.op()
		if err := o.do(t.Context(), todo); err != nil {
			t.Fatal(err)
		}
		n.do(todo)
		if step%5 != 0 {
			continue
		}
		for i, o := range two {
			if err := o.engine.Refresh(t.Context()); err != nil {
				t.Fatal(err)
			}
			if diff := o.compare(t, n); diff != "" {
				t.Fatalf("after step %d, %s: engine %d: %s", step, todo.kind, i, diff)
			}
		}
	}
}

// TestAtOnce changes, asks and compacts at the same time over two engines. At
// the end both say the same as one that is opened anew.
func TestAtOnce(t *testing.T) {
	dir := t.TempDir()
	two := []*opened{mustOpen(t, dir), mustOpen(t, dir)}
	defer two[0].close(t)
	defer two[1].close(t)
	var g errgroup.Group
	for i, o := range two {
		for j := range 2 {
			g.Go(func() error {
				s := newSource(uint64(10*i + j))
				for range 25 {
					todo := s.op()
					if todo.kind == "done" || todo.kind == "change" {
						continue // the one needs a model, the other a caller that tries again
					}
					if err := o.do(t.Context(), todo); err != nil && !errors.Is(err, model.ErrConflict) {
						return fmt.Errorf("%s: %w", todo.kind, err)
					}
				}
				return nil
			})
		}
		g.Go(func() error {
			for i := range 200 {
				images := o.engine.Images(index.Transition{Ecosystem: worldEcosystems[i%4], Package: "a", Version: "1.0"})
				if listed := len(slices.Collect(images.All())); listed != images.Count() {
					return fmt.Errorf("%d images listed, %d counted", listed, images.Count())
				}
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	fresh := mustOpen(t, dir)
	defer fresh.close(t)
	for _, o := range two {
		if err := o.engine.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		for _, ecosystem := range worldEcosystems {
			for _, version := range worldVersions {
				about := index.Transition{Ecosystem: ecosystem, Package: "a", Version: version}
				if diff := cmp.Diff(slices.Sorted(fresh.engine.Images(about).All()), slices.Sorted(o.engine.Images(about).All())); diff != "" {
					t.Fatalf("images of %+v (-fresh +got):\n%s", about, diff)
				}
			}
		}
	}
}

// TestRefused: what can't be indexed is an error, and changes nothing.
func TestRefused(t *testing.T) {
	o := mustOpen(t, t.TempDir())
	defer o.close(t)
	set := index.NewSet([]index.Component{{Ecosystem: "Go", Name: "a", Version: "1.0.0"}})
	for name, image := range map[string]index.Image{
		"no digest":     {Sets: []index.Set{set}},
		"a long digest": {Digest: strings.Repeat("x", 1025), Sets: []index.Set{set}},
		"another hash":  {Digest: "x", Sets: []index.Set{{Hash: set.Hash}}},
	} {
		if err := o.engine.Add(t.Context(), image); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	for name, changes := range map[string][]index.Change{
		"no id": {{Ecosystem: "Go"}}, "twice": {{Ecosystem: "Go", ID: "X-1"}, {Ecosystem: "Go", ID: "X-1"}},
	} {
		if _, err := o.engine.Apply(t.Context(), changes, nil); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if diff := o.compare(t, newNaive()); diff != "" {
		t.Error(diff)
	}
}

// do does it.
func (o *opened) do(ctx context.Context, todo op) error {
	switch todo.kind {
	case "add":
		return o.engine.Add(ctx, todo.images...)
	case "remove":
		return o.engine.Remove(ctx, todo.digest)
	case "apply":
		_, err := o.engine.Apply(ctx, []index.Change{todo.change}, []model.Write{shelfWrite(todo.change)})
		return err
	case "change": // as a library of advisories does it
		writes, _, err := o.engine.Change(ctx, []index.Change{todo.change})
		if err != nil {
			return err
		}
		return o.store.Apply(ctx, append(writes, shelfWrite(todo.change)))
	case "compact":
		return o.engine.Compact(ctx)
	}
	_, ids, err := o.pending(ctx)
	if err != nil {
		return err
	}
	return o.engine.Done(ctx, ids...)
}

// swept checks that a compaction leaves the sets of images, and no other.
func (o *opened) swept(t *testing.T, n *naive) {
	t.Helper()
	want := map[string]bool{}
	for _, sets := range n.images {
		for _, s := range sets {
			want[fmt.Sprintf("%x", s.Hash[:])] = true
		}
	}
	got := map[string]bool{}
	for _, kind := range []string{"component-set", "index-change"} {
		for r, err := range o.store.Scan(t.Context(), kind, "", "") {
			if err != nil {
				t.Fatal(err)
			}
			got[r.Key] = true
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatalf("sets (-want +got):\n%s", diff)
	}
}

// restart opens the engine anew, sometimes with its segment lost or damaged.
func (o *opened) restart(t *testing.T, s *source) {
	o.close(t)
	file := o.segmentFile(t)
	broken := file != "" && s.IntN(2) == 0
	if broken && s.IntN(2) == 0 {
		os.Remove(file)
	} else if broken {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		data[s.IntN(len(data))] ^= 1
		if err := os.WriteFile(file, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	again, err := openAt(t.Context(), o.dir, o.dsn)
	if err != nil {
		t.Fatal(err)
	}
	*o = *again
	if (o.engine.Rebuilt() != nil) != broken {
		t.Fatalf("rebuilt: %v, broken: %v", o.engine.Rebuilt(), broken)
	}
}
