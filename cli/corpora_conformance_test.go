package cli

import (
	"cmp"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// corpora is the folder of public test corpora, or a skipped test.
func corpora(t *testing.T) string {
	t.Helper()
	dir := cmp.Or(os.Getenv("SCANTLING_CORPORA"), "../../shared/corpora")
	if _, err := os.Stat(dir); err != nil {
		t.Skipf("no public corpora: set SCANTLING_CORPORA to their folder (%v)", err)
	}
	return dir
}

// folders are the folders right below one, or the one itself.
func folders(t *testing.T, dir string, below bool) []string {
	t.Helper()
	if !below {
		return []string{dir}
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, e := range entries {
		if e.IsDir() {
			out = append(out, filepath.Join(dir, e.Name()))
		}
	}
	return out
}

// TestCorporaAreReadToTheEnd assesses each folder of the corpora. No run may
// crash; what could not be read is listed exactly where the exit code says so.
func TestCorporaAreReadToTheEnd(t *testing.T) {
	root := corpora(t)
	for _, corpus := range []struct {
		dir   string
		below bool
		least int // folders
	}{
		{"kubehound", false, 1},
		{"netpol/tests", true, 80},
		{"auditlogs", true, 4},
	} {
		t.Run(corpus.dir, func(t *testing.T) {
			dirs := folders(t, filepath.Join(root, corpus.dir), corpus.below)
			if len(dirs) < corpus.least {
				t.Fatalf("%d folders, want at least %d", len(dirs), corpus.least)
			}
			codes, listed := map[int]int{}, 0
			for _, dir := range dirs {
				got := run(t, "", "assess", dir, "--as-of", "2026-08-26", "--format", "json")
				codes[got.code]++
				rel, err := filepath.Rel(root, dir)
				if err != nil {
					t.Fatal(err)
				}
				doc := decode[judged](t, got)
				listed += len(doc.Incomplete)
				if !slices.Contains([]int{exitClean, exitFound, exitIncomplete}, got.code) {
					t.Errorf("%s: exit code %d", rel, got.code)
				}
				if len(doc.Incomplete) > 0 && got.code != exitIncomplete {
					t.Errorf("%s: %d entries are incomplete, but the exit code is %d", rel, len(doc.Incomplete), got.code)
				}
				for _, x := range doc.Incomplete {
					if x.What == "" || x.Why == "" {
						t.Errorf("%s: an entry without a name or a reason: %+v", rel, x)
					}
				}
			}
			t.Logf("%s: %d folders; by exit code %v; %d lines of what was not read", corpus.dir, len(dirs), codes, listed)
		})
	}
}
