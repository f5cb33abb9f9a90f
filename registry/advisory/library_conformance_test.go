package advisory_test

import (
	"bufio"
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/scantling/scantling/registry/advisory"
	"github.com/scantling/scantling/registry/feed"
	"github.com/scantling/scantling/registry/image"
	"github.com/scantling/scantling/store"
)

func openStore(t testing.TB) *store.Store {
	t.Helper()
	s, err := store.Open(t.Context(), filepath.Join(t.TempDir(), "scantling.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() }) //nolint:errcheck // the folder goes with it
	return s
}

// sync brings a library to what a source has, which must be all of it.
func syncAll(t testing.TB, l *advisory.Library, from string, opt feed.Options) feed.Report {
	t.Helper()
	src, err := feed.Open(t.Context(), from, feed.Access{})
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	report, err := src.Sync(t.Context(), l, opt)
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range report.Incomplete {
		t.Errorf("incomplete: %s: %s", i.What, i.Why)
	}
	return report
}

// TestMirror: the whole public mirror by a folder and by http gives the DB of
// the folder, the same matches of all labelled packages, and costs nothing the
// second time.
func TestMirror(t *testing.T) {
	pairs, mirror := advisory.Corpora(t)
	server := httptest.NewServer(http.FileServer(http.Dir(mirror)))
	defer server.Close()
	want, _, err := advisory.Load(t.Context(), mirror, advisory.All)
	if err != nil {
		t.Fatal(err)
	}
	for name, from := range map[string]string{"folder": mirror, "http": server.URL} {
		t.Run(name, func(t *testing.T) {
			s := openStore(t)
			l := advisory.NewLibrary(s, nil)
			start := time.Now()
			report := syncAll(t, l, from, feed.Options{})
			t.Logf("synced in %v", time.Since(start).Round(time.Millisecond))
			records := 0
			for _, r := range report.Results {
				records += r.New
			}
			start = time.Now()
			got, incomplete, err := l.Load(t.Context(), advisory.All)
			if err != nil || len(incomplete) > 0 {
				t.Fatalf("%v, %v", incomplete, err)
			}
			t.Logf("%d records; loaded in %v", records, time.Since(start).Round(time.Millisecond))
			if diff := advisory.Difference(want, got); diff != "" {
				t.Errorf("folder (-) and library (+):\n%.2000s", diff)
			}
			start = time.Now()
			for _, r := range syncAll(t, l, from, feed.Options{}).Results {
				if !r.Unchanged || r.New+r.Changed+r.Removed > 0 {
					t.Errorf("%s changed: %+v", r.Feed, r)
				}
			}
			stats, err := s.Stats(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			t.Logf("again in %v; the store has %d MiB: %+v", time.Since(start).Round(time.Millisecond), stats.Size>>20, stats.Kinds)
			if name == "http" { // the libraries were equal, so that one is enough
				samePairs(t, pairs, want, l)
			}
		})
	}
}

// samePairs loads for each labelled package alone, and compares the matches.
func samePairs(t *testing.T, pairs string, want *advisory.DB, l *advisory.Library) {
	file, err := os.Open(pairs)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	n, found, loaded := 0, 0, 0
	start := time.Now()
	for lines := bufio.NewScanner(file); lines.Scan(); n++ {
		var c struct{ Ecosystem, Package, Version string }
		if err := json.Unmarshal(lines.Bytes(), &c); err != nil {
			t.Fatal(err)
		}
		inv := &image.Inventory{Digest: "sha256:x", Name: "x", Packages: []image.Package{{
			PURL: "pkg:x", Source: c.Package, SourceVersion: c.Version, Name: c.Package, Version: c.Version, Ecosystem: c.Ecosystem,
		}}}
		db, _, err := l.LoadFor(t.Context(), []*image.Inventory{inv})
		if err != nil {
			t.Fatal(err)
		}
		loaded += db.Loaded()
		got, gotMissed := db.Match(inv)
		matches, missed := want.Match(inv)
		found += len(matches)
		if diff := cmp.Diff(matches, got, cmpopts.EquateEmpty()) + cmp.Diff(missed, gotMissed, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("%s %s %s: folder (-) and library (+):\n%s", c.Ecosystem, c.Package, c.Version, diff)
		}
	}
	t.Logf("%d packages, %d matches, %d records loaded, %v each", n, found, loaded, (time.Since(start) / time.Duration(max(n, 1))).Round(time.Microsecond))
	if n == 0 || found == 0 {
		t.Error("nothing was compared")
	}
}

// TestMirrorMemory prints what loading costs: all, and for one image of a
// thousand packages.
func TestMirrorMemory(t *testing.T) {
	_, mirror := advisory.Corpora(t)
	l := advisory.NewLibrary(openStore(t), nil)
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	start := time.Now()
	syncAll(t, l, mirror, feed.Options{})
	runtime.ReadMemStats(&after)
	t.Logf("sync: %v, from the system %d MiB", time.Since(start).Round(time.Millisecond), after.Sys>>20)
	all, _, err := l.Load(context.Background(), advisory.All)
	if err != nil {
		t.Fatal(err)
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	t.Logf("all: %d records, heap %d MiB, from the system %d MiB", all.Loaded(), (after.HeapAlloc-before.HeapAlloc)>>20, after.Sys>>20)
	if grown := after.Sys - before.Sys; grown > 500<<20 { // other tests of the process have theirs
		t.Errorf("%d MiB from the system, want under 500", grown>>20)
	}
	inv := &image.Inventory{Digest: "sha256:x", Name: "x"}
	for i, p := range all.Packages() {
		if i%40 == 0 && len(inv.Packages) < 1000 {
			inv.Packages = append(inv.Packages, image.Package{PURL: "pkg:x", Source: p[1], SourceVersion: "1", Ecosystem: p[0]})
		}
	}
	all = nil
	runtime.GC()
	runtime.ReadMemStats(&before)
	start = time.Now()
	some, _, err := l.LoadFor(context.Background(), []*image.Inventory{inv})
	if err != nil {
		t.Fatal(err)
	}
	took := time.Since(start)
	runtime.GC()
	runtime.ReadMemStats(&after)
	t.Logf("for %d packages: %d records in %v, heap %d KiB", len(inv.Packages), some.Loaded(), took.Round(time.Millisecond), (int64(after.HeapAlloc)-int64(before.HeapAlloc))>>10)
	runtime.KeepAlive(some)
}
