package advisory_test

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/scantling/scantling/registry/advisory"
	"github.com/scantling/scantling/registry/image"
)

// TestLoadForMirror loads the whole public mirror for random sets of packages:
// matches, what is missed and how feeds stand are those of the whole.
func TestLoadForMirror(t *testing.T) {
	_, mirror := advisory.Corpora(t)
	whole, missed, err := advisory.Load(t.Context(), mirror, advisory.All)
	if err != nil {
		t.Fatal(err)
	}
	all := whole.Packages()
	rng := rand.New(rand.NewPCG(5, 6))
	found := 0
	for _, size := range []int{1, 30, 1000, 10000} {
		inv := &image.Inventory{Digest: "sha256:x", Name: "x"}
		for range size {
			p := all[rng.IntN(len(all))]
			inv.Packages = append(inv.Packages, image.Package{PURL: "pkg:x", Name: p[1], Source: p[1], SourceVersion: "1.0", Version: "1.0", Ecosystem: p[0]})
		}
		got, gotMissed, err := advisory.LoadFor(t.Context(), mirror, []*image.Inventory{inv})
		if err != nil {
			t.Fatal(err)
		}
		matches, unknown := got.Match(inv)
		wantMatches, wantUnknown := whole.Match(inv)
		diff := cmp.Diff(wantMatches, matches, cmpopts.EquateEmpty()) + cmp.Diff(wantUnknown, unknown, cmpopts.EquateEmpty()) + cmp.Diff(missed, gotMissed, cmpopts.EquateEmpty())
		if diff != "" {
			t.Errorf("%d packages: whole (-) and for them alone (+):\n%.2000s", size, diff)
		}
		feeds := map[string]advisory.Feed{}
		for _, f := range whole.Feeds() {
			feeds[f.Ecosystem] = f
		}
		for _, f := range got.Feeds() {
			if diff := cmp.Diff(feeds[f.Ecosystem], f); diff != "" {
				t.Errorf("%d packages: whole (-) and for them alone (+):\n%s", size, diff)
			}
		}
		found += len(matches)
		t.Logf("%d packages: %d matches, %d of %d records kept", size, len(matches), got.Loaded(), whole.Loaded())
		if got.Loaded() >= whole.Loaded() {
			t.Error("nothing was left out")
		}
	}
	if found < 1000 {
		t.Errorf("%d matches: the test tests too little", found)
	}
}

// TestLoadForMerges: of a record in several documents, one that names no
// package of the image counts as it does in the whole.
func TestLoadForMerges(t *testing.T) {
	document := func(modified, name, rest string) string {
		return `{"id":"X-1","modified":"` + modified + `","affected":[{"package":{"ecosystem":"Go","name":"` + name + `"},"ranges":[{"type":"SEMVER","events":[{"introduced":"0"}]}]}]` + rest + `}`
	}
	for name, files := range map[string][]string{
		"later and withdrawn": {document("2026-01-01T00:00:00Z", "a", ""), document("2026-02-01T00:00:00Z", "b", `,"withdrawn":"2026-02-01T00:00:00Z","aliases":["CVE-2026-2"]`)},
		"earlier":             {document("2026-02-01T00:00:00Z", "a", `,"aliases":["CVE-2026-1"]`), document("2026-01-01T00:00:00Z", "b", `,"aliases":["CVE-2026-2"]`)},
		"same time":           {document("2026-01-01T00:00:00Z", "a", ""), document("2026-01-01T00:00:00Z", "b", `,"withdrawn":"2026-01-01T00:00:00Z","summary":"s"`)},
		"broken":              {document("2026-01-01T00:00:00Z", "a", ""), "{", `{"id":""}`, document("yesterday", "c", ""), `{"id":"X-2","affected":[]}`, `{"id":"X-3","affected":{}}`},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.Mkdir(filepath.Join(dir, "Go"), 0o755); err != nil {
				t.Fatal(err)
			}
			for i, text := range files {
				if err := os.WriteFile(filepath.Join(dir, "Go", string(rune('a'+i))+".json"), []byte(text), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			whole, missed, err := advisory.Load(t.Context(), dir, "Go")
			if err != nil {
				t.Fatal(err)
			}
			for _, name := range []string{"a", "b", "none"} {
				inv := &image.Inventory{Digest: "sha256:x", Name: "x", Packages: []image.Package{{PURL: "pkg:x", Name: name, Source: name, Version: "v1.0.0", SourceVersion: "v1.0.0", Ecosystem: "Go"}}}
				got, gotMissed, err := advisory.LoadFor(t.Context(), dir, []*image.Inventory{inv})
				if err != nil {
					t.Fatal(err)
				}
				matches, unknown := got.Match(inv)
				wantMatches, wantUnknown := whole.Match(inv)
				diff := cmp.Diff(wantMatches, matches, cmpopts.EquateEmpty()) + cmp.Diff(wantUnknown, unknown, cmpopts.EquateEmpty())
				if diff += cmp.Diff(missed, gotMissed, cmpopts.EquateEmpty()) + cmp.Diff(whole.Feeds(), got.Feeds()); diff != "" {
					t.Errorf("%s: whole (-) and for it alone (+):\n%s", name, diff)
				}
			}
		})
	}
}
