package advisory

import (
	"archive/zip"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/scantling/scantling/model"
	"github.com/scantling/scantling/registry/image"
)

// record writes an OSV document.
func record(id, ecosystem, name, modified, fixed, more string) string {
	return fmt.Sprintf(`{"id":%q,"modified":%q,"affected":[{"package":{"ecosystem":%q,"name":%q},"ranges":[{"type":"ECOSYSTEM","events":[{"introduced":"0"},{"fixed":%q}]}]}]%s}`,
		id, modified, ecosystem, name, fixed, more)
}

const (
	day1 = "2026-01-01T00:00:00Z"
	day2 = "2026-02-01T00:00:00Z"
)

// folder writes files, by name.
func folder(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, body := range files {
		file := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o755), os.WriteFile(file, []byte(body), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func zipped(files ...string) string {
	var buf bytes.Buffer
	w := zip.NewWriter(&buf)
	for i := 0; i < len(files); i += 2 {
		f, err := w.Create(files[i])
		if err != nil {
			panic(err)
		}
		if _, err := f.Write([]byte(files[i+1])); err != nil {
			panic(err)
		}
	}
	if err := w.Close(); err != nil {
		panic(err)
	}
	return buf.String()
}

const kevJSON = `{"dateReleased":"2026-03-01T00:00:00Z","vulnerabilities":[{"cveID":"CVE-2026-1","dateAdded":"2026-02-01","dueDate":"2026-02-22","knownRansomwareCampaignUse":"Known"}]}`

func load(t *testing.T, dir string, ecosystems ...string) (*DB, []model.Incomplete) {
	t.Helper()
	db, incomplete, err := Load(context.Background(), dir, ecosystems...)
	if err != nil {
		t.Fatal(err)
	}
	return db, incomplete
}

func TestLoad(t *testing.T) {
	dir := folder(t, map[string]string{
		"Debian/all.zip":    zipped("DSA-1-1.json", record("DSA-1-1", "Debian:12", "a", day1, "1.1-1", `,"upstream":["CVE-2026-1"]`)),
		"Debian/DSA-2.json": record("DSA-2", "Debian:11", "b", day2, "2.0-1", ""),
		"Debian/notes.txt":  "nothing",
		"Go/GO-1.json":      "{",
		kevFile:             kevJSON,
		epssFile:            "#model_version:v2026,score_date:2026-03-02T12:00:00Z\ncve,epss,percentile\nCVE-2026-1,0.5,0.9\n",
	})
	db, incomplete := load(t, dir, "Debian:12", "Ubuntu:22.04")
	if len(incomplete) > 0 {
		t.Errorf("incomplete %v: Go was not asked for", incomplete)
	}
	want := []Feed{{Ecosystem: "Debian", Records: 2, Newest: time.Date(2026, 2, 1, 0, 0, 0, 0, time.UTC), Releases: []string{"Debian:11", "Debian:12"}}}
	if diff := cmp.Diff(want, db.Feeds()); diff != "" {
		t.Errorf("feeds (-want +got):\n%s", diff)
	}
	if row, ok := db.KEV("CVE-2026-1"); !ok || row.Due != "2026-02-22" || !row.Ransomware {
		t.Errorf("KEV %+v", row)
	}
	if p, ok := db.EPSS("CVE-2026-1"); !ok || p != 0.5 || db.ScoreDate.Day() != 2 || db.CatalogDate.Month() != 3 {
		t.Errorf("EPSS %v, %v, %v", p, db.ScoreDate, db.CatalogDate)
	}
	if _, incomplete := load(t, dir, All); len(incomplete) != 1 || !strings.Contains(incomplete[0].What, "Go/GO-1.json") {
		t.Errorf("incomplete %v: all were asked for", incomplete)
	}
}

func TestLoadCompressedScores(t *testing.T) {
	var buf bytes.Buffer
	w := gzip.NewWriter(&buf)
	fmt.Fprint(w, "cve,epss,percentile\nCVE-2026-1,0.25,0.9\nCVE-2026-2,1.5,1\nnonsense\n")
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	db, incomplete := load(t, folder(t, map[string]string{epssFile + ".gz": buf.String(), kevFile: kevJSON}), All)
	if p, ok := db.EPSS("CVE-2026-1"); !ok || p != 0.25 {
		t.Errorf("EPSS %v", p)
	}
	if len(incomplete) != 2 || !strings.Contains(incomplete[0].What, ".csv.gz:3") || !strings.Contains(incomplete[1].What, ".csv.gz:4") {
		t.Errorf("incomplete %v", incomplete)
	}
}

func TestLoadBroken(t *testing.T) {
	good := record("X-1", "Go", "a", day1, "1.0.0", "")
	bomb := zipped("X-1.json", good, "X-2.json", strings.Repeat(" ", maxRecord+1))
	for name, tc := range map[string]struct {
		files map[string]string
		what  string // a part of each incomplete, parted by blanks
	}{
		"record":           {map[string]string{"Go/X-1.json": good, "Go/X-2.json": "{"}, "Go/X-2.json"},
		"record in a zip":  {map[string]string{"Go/all.zip": zipped("X-1.json", good, "X-2.json", "[]")}, "Go/all.zip:X-2.json"},
		"entry too large":  {map[string]string{"Go/all.zip": bomb}, "Go/all.zip:X-2.json"},
		"file too large":   {map[string]string{"Go/X-1.json": good, "Go/X-2.json": strings.Repeat(" ", maxRecord+1)}, "Go/X-2.json"},
		"no zip":           {map[string]string{"Go/X-1.json": good, "Go/all.zip": "PK"}, "Go/all.zip"},
		"other ecosystem":  {map[string]string{"Go/X-1.json": good, "Go/X-2.json": record("X-2", "npm", "a", day1, "1", "")}, "Go/X-2.json"},
		"catalogue":        {map[string]string{"Go/X-1.json": good, kevFile: "{"}, "known_exploited"},
		"catalogue absent": {map[string]string{"Go/X-1.json": good, kevFile: ""}, "known_exploited"},
		"row of catalogue": {map[string]string{"Go/X-1.json": good, kevFile: `{"vulnerabilities":[{"cveID":"CVE-1"},{}]}`}, "known_exploited"},
		"catalogue empty":  {map[string]string{"Go/X-1.json": good, kevFile: `{"error":"busy"}`}, "known_exploited"},
		"scores empty":     {map[string]string{"Go/X-1.json": good, epssFile: "cve,epss,percentile\n"}, "epss_scores"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, given := tc.files[kevFile]; !given {
				tc.files[kevFile] = kevJSON
			}
			dir := folder(t, tc.files)
			if name == "catalogue absent" {
				os.Remove(filepath.Join(dir, kevFile))
			}
			db, incomplete := load(t, dir, All)
			if len(incomplete) != 1 || !strings.Contains(incomplete[0].What, tc.what) {
				t.Errorf("incomplete %v", incomplete)
			}
			if len(db.feeds["Go"].find("Go", "a")) != 1 {
				t.Error("the rest was not read")
			}
		})
	}
}

// TestManyBroken: a feed of broken records doesn't flood the report.
func TestManyBroken(t *testing.T) {
	files := map[string]string{kevFile: kevJSON}
	for i := range 3 * maxBroken {
		files[fmt.Sprintf("Go/X-%d.json", i)] = "{"
	}
	_, incomplete := load(t, folder(t, files), All)
	if len(incomplete) != maxBroken+1 {
		t.Errorf("%d entries", len(incomplete))
	}
}

// TestLoadNothing: no ecosystem is named, none is read, and KEV still is.
func TestLoadNothing(t *testing.T) {
	db, incomplete := load(t, folder(t, map[string]string{"Go/X-1.json": "{", kevFile: kevJSON}))
	if len(db.Feeds()) != 0 || len(incomplete) != 0 || len(db.kev) != 1 {
		t.Errorf("feeds %v, incomplete %v", db.Feeds(), incomplete)
	}
}

func TestLoadNoFolder(t *testing.T) {
	if _, _, err := Load(context.Background(), filepath.Join(t.TempDir(), "absent")); err == nil {
		t.Error("no error")
	}
}

func TestNoLinkLeadsOut(t *testing.T) {
	outside := filepath.Join(t.TempDir(), "X-1.json")
	dir := folder(t, map[string]string{kevFile: kevJSON, "Go/X-2.json": record("X-2", "Go", "a", day1, "1.0.0", "")})
	if err := errors.Join(os.WriteFile(outside, []byte(record("X-1", "Go", "a", day1, "1.0.0", "")), 0o644), os.Symlink(outside, filepath.Join(dir, "Go/X-1.json"))); err != nil {
		t.Fatal(err)
	}
	db, incomplete := load(t, dir, All)
	if len(incomplete) != 1 || len(db.feeds["Go"].records) != 1 {
		t.Errorf("incomplete %v, %d records", incomplete, len(db.feeds["Go"].records))
	}
}

// TestMerge: one id under several releases is one record; of a package that
// two copies name, the later copy counts.
func TestMerge(t *testing.T) {
	for name, tc := range map[string]struct {
		a, b   string
		fixes  map[string][]string // by release
		remove bool                // the record matches nothing
	}{
		"two releases": {
			record("X", "AlmaLinux:8", "p", day1, "1", ""), record("X", "AlmaLinux:9", "p", day1, "2", ""),
			map[string][]string{"AlmaLinux:8": {"1"}, "AlmaLinux:9": {"2"}},
			false,
		},
		"the same twice": {
			record("X", "AlmaLinux:8", "p", day1, "1", ""), record("X", "AlmaLinux:8", "p", day1, "1", ""), map[string][]string{"AlmaLinux:8": {"1"}}, false,
		},
		"one time, two texts": {
			record("X", "AlmaLinux:8", "p", day1, "1", ""), record("X", "AlmaLinux:8", "p", day1, "2", ""), map[string][]string{"AlmaLinux:8": {"1", "2"}}, false,
		},
		"a correction": {
			record("X", "AlmaLinux:8", "p", day1, "1", ""), record("X", "AlmaLinux:8", "p", day2, "2", ""), map[string][]string{"AlmaLinux:8": {"2"}}, false,
		},
		"withdrawn later": {
			record("X", "AlmaLinux:8", "p", day1, "1", ""), record("X", "AlmaLinux:8", "p", day2, "1", `,"withdrawn":"`+day2+`"`), nil, true,
		},
	} {
		t.Run(name, func(t *testing.T) {
			for _, order := range [][2]string{{tc.a, tc.b}, {tc.b, tc.a}} {
				db, incomplete := load(t, folder(t, map[string]string{kevFile: kevJSON, "AlmaLinux/1.json": order[0], "AlmaLinux/2.json": order[1]}), All)
				if len(incomplete) > 0 {
					t.Fatal(incomplete)
				}
				f := db.feeds["AlmaLinux"]
				got := map[string][]string{}
				for k, hits := range f.packages {
					for _, h := range hits {
						got[k.ecosystem] = union(append(got[k.ecosystem], h.affected.Ranges[0].Events[1].Fixed), nil)
					}
				}
				if len(f.records) != 1 || len(got) != len(tc.fixes) {
					t.Errorf("%d records, %v", len(f.records), got)
				}
				for release, want := range tc.fixes {
					if diff := cmp.Diff(want, got[release]); diff != "" {
						t.Errorf("%s (-want +got):\n%s", release, diff)
					}
				}
			}
		})
	}
}

// FuzzScore: a row that is read is a probability of a CVE.
func FuzzScore(f *testing.F) {
	f.Add("CVE-2026-1,0.5,0.9")
	f.Add("CVE-2026-1,NaN,0")
	f.Fuzz(func(t *testing.T, row string) {
		if got, err := parseScore([]byte(row)); err == nil && (!strings.HasPrefix(row, "CVE-") || !(got.p >= 0 && got.p <= 1)) {
			t.Errorf("%q: %+v", row, got)
		}
	})
}

// TestLoadCopy: a folder that is a copy of a part says so, and how old it is.
func TestLoadCopy(t *testing.T) {
	now := time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)
	inv := &image.Inventory{Digest: "sha256:x", Name: "x", Packages: []image.Package{{PURL: "pkg:golang/b@1.0.0", Source: "b", SourceVersion: "1.0.0", Ecosystem: "Go"}}}
	for name, tc := range map[string]struct{ origin, want string }{
		"whole":       {`"synced":"2026-03-01T00:00:00Z"`, ""},
		"old":         {`"synced":"2026-01-02T00:00:00Z"`, "last synced on 2026-01-02"},
		"never whole": {`"synced":"0001-01-01T00:00:00Z"`, "not all here"},
		"pending":     {`"synced":"2026-03-01T00:00:00Z","pending":4`, "4 of its records"},
		"broken":      {`"synced":"2026-03-01T00:00:00Z","broken":[{"id":"X-9","why":"torn"}]`, "torn"},
		"no origin":   {`"synced":7`, "how whole"},
	} {
		t.Run(name, func(t *testing.T) {
			db, missed := load(t, folder(t, map[string]string{
				kevFile: kevJSON, "Go/X-1.json": record("X-1", "Go", "a", day2, "1.0.0", ""),
				"origin.json": `{"schema":1,"feeds":{"Go":{"source":"s",` + tc.origin + `}}}`,
			}), All)
			got := fmt.Sprint(missed, judge(t).Reading([]*image.Inventory{inv}, db, Config{Now: now}).Incomplete)
			if (got == "[] []") != (tc.want == "") || !strings.Contains(got, tc.want) {
				t.Error(got)
			}
		})
	}
}
