package advisory

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/osv-scalibr/semantic"

	"github.com/scantling/scantling/model"
	"github.com/scantling/scantling/registry/image"
)

// corpora finds the public test data, and the advisories beside it.
func corpora(t testing.TB) (pairs, mirror string) {
	t.Helper()
	dir := os.Getenv("SCANTLING_CORPORA")
	if dir == "" {
		dir = "../../../shared/corpora"
	}
	pairs, mirror = filepath.Join(dir, "osv-pairs", "dev.jsonl"), filepath.Join(dir, "..", "osv-mirror")
	for _, p := range []string{pairs, mirror} {
		if _, err := os.Stat(p); err != nil {
			t.Skipf("set SCANTLING_CORPORA to the public test data: %v", err)
		}
	}
	return pairs, mirror
}

// mirrorDB is loaded once for all tests.
var mirrorDB *DB

func sharedDB(t testing.TB, mirror string) *DB {
	t.Helper()
	if mirrorDB == nil {
		mirrorDB = loadAll(t, mirror)
	}
	return mirrorDB
}

func loadAll(t testing.TB, mirror string) *DB {
	t.Helper()
	db, incomplete, err := Load(context.Background(), mirror, All)
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range incomplete {
		t.Errorf("incomplete: %s: %s", i.What, i.Why)
	}
	return db
}

// TestLoadMirror prints time and memory for a whole mirror of 33,000 records.
func TestLoadMirror(t *testing.T) {
	_, mirror := corpora(t)
	start := time.Now()
	db := loadAll(t, mirror)
	took := time.Since(start)
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	records := 0
	for _, f := range db.Feeds() {
		records += f.Records
		t.Logf("%-10s %6d records, newest %s, %d releases", f.Ecosystem, f.Records, f.Newest.Format(time.DateOnly), len(f.Releases))
	}
	t.Logf("%d records, %d KEV, %d EPSS in %v; heap %d MiB, from the system %d MiB", records, len(db.kev), len(db.epss), took.Round(time.Millisecond), m.HeapAlloc>>20, m.Sys>>20)
	if records < 33000 || len(db.kev) != 1404 || len(db.epss) != 1556 {
		t.Errorf("%d records, %d KEV, %d EPSS", records, len(db.kev), len(db.epss))
	}
	if m.Sys > 500<<20 {
		t.Errorf("%d MiB from the system, want under 500", m.Sys>>20)
	}
	start = time.Now()
	if _, _, err := Load(context.Background(), mirror, "Debian:11", "Go"); err != nil {
		t.Fatal(err)
	}
	t.Logf("only Debian and Go in %v", time.Since(start).Round(time.Millisecond))
}

// TestPairs: every advisory that the mirror holds for a labelled package is
// found, and nothing is found that the labels don't name.
func TestPairs(t *testing.T) {
	pairs, mirror := corpora(t)
	db := sharedDB(t, mirror)
	file, err := os.Open(pairs)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	var cases, labels, hits, extra int
	for lines := bufio.NewScanner(file); lines.Scan(); {
		var c struct {
			Ecosystem, Package, Version string
			IDs                         []string `json:"osv_ids"`
			Same                        []string `json:"in_mirror_same_package"`
		}
		if err := json.Unmarshal(lines.Bytes(), &c); err != nil {
			t.Fatal(err)
		}
		cases++
		inv := &image.Inventory{Digest: "sha256:x", Name: "x", Packages: []image.Package{{
			PURL: "pkg:x", Source: c.Package, SourceVersion: c.Version, Name: c.Package, Version: c.Version, Ecosystem: c.Ecosystem,
		}}}
		found, _ := db.Match(inv)
		var ids []string
		for _, w := range found {
			ids = append(ids, w.Advisory)
			if !slices.Contains(c.IDs, w.Advisory) {
				extra++
				t.Logf("extra: %s %s %s: %s", c.Ecosystem, c.Package, c.Version, w.Advisory)
			}
		}
		for _, id := range c.Same {
			labels++
			if slices.Contains(ids, id) {
				hits++
			} else {
				t.Errorf("missed: %s %s %s: %s", c.Ecosystem, c.Package, c.Version, id)
			}
		}
	}
	t.Logf("%d packages: recall %d of %d, %d matches that the labels don't name", cases, hits, labels, extra)
	if labels == 0 {
		t.Error("no labels")
	}
}

// naive evaluates a range by scanning all pairs of its intervals, with the
// library's comparison of texts and nothing else of this package.
func naive(t *testing.T, ecosystem string, r Range, at string) (affected, ok bool) {
	if r.Type == "SEMVER" {
		ecosystem = "npm"
	}
	v, err := semantic.Parse(at, ecosystem)
	if err != nil {
		return false, false
	}
	below := func(text string) (less, same bool) { // v against text
		if text == "0" {
			return false, false
		}
		c, err := v.CompareStr(text)
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		return c < 0, c == 0
	}
	// Affected: some introduction is at or before v, and no end lies between
	// the two.
	for i, start := range r.Events {
		if start.Introduced == "" {
			continue
		}
		if less, _ := below(start.Introduced); less {
			continue
		}
		if i+1 < len(r.Events) && start.Introduced != "0" && r.Events[i+1].Fixed == start.Introduced {
			continue // an empty interval
		}
		ended := false
		for _, end := range r.Events {
			text := end.Fixed + end.LastAffected
			if text == "" {
				continue
			}
			// The end counts where it is after the introduction ...
			after := start.Introduced == "0"
			if !after {
				s, err := semantic.Parse(start.Introduced, ecosystem)
				if err != nil {
					t.Fatal(err)
				}
				c, err := s.CompareStr(text)
				if err != nil {
					t.Fatal(err)
				}
				after = c < 0 || c == 0 && end.LastAffected != ""
			}
			// ... and at or before v.
			less, same := below(text)
			if after && !less && (end.Fixed != "" || !same) {
				ended = true
			}
		}
		if !ended {
			return true, true
		}
	}
	return false, true
}

// sampledOut leaves out four of five, which keeps ordinary runs short; with
// SCANTLING_WHOLE, as make exhaustive sets it, nothing is left out.
func sampledOut(rng *rand.Rand) bool { return os.Getenv("SCANTLING_WHOLE") == "" && rng.IntN(5) != 0 }

// TestRangesAgainstNaive compares the evaluation of every range of the mirror
// with the naive one: at each bound, just below and just above it, inside, and
// at versions of other packages.
func TestRangesAgainstNaive(t *testing.T) {
	_, mirror := corpora(t)
	db := sharedDB(t, mirror)
	rng := rand.New(rand.NewPCG(3, 4))
	var sum tallyOfBounds
	for _, eco := range sortedKeys(db.feeds) {
		f := db.feeds[eco]
		var last []string // versions seen in this ecosystem, to try elsewhere
		seen := map[string]bool{}
		for _, id := range sortedKeys(f.records) {
			for _, a := range f.records[id].Affected {
				for _, r := range a.Ranges {
					sum.ranges++
					shape := fmt.Sprint(r.Type, r.Events)
					if seen[shape] {
						continue // AlmaLinux repeats a range for each of 69,000 packages
					}
					seen[shape] = true
					if sampledOut(rng) {
						continue
					}
					var versions []string
					for _, e := range r.Events {
						versions = append(versions, sum.around(a.Ecosystem, r.Type, e.text())...)
					}
					if len(last) > 0 {
						versions = append(versions, last[rng.IntN(len(last))])
					}
					last = append(last[max(0, len(last)-50):], r.Events[len(r.Events)-1].text())
					for _, v := range versions {
						sum.compare(t, id, a, r, v)
					}
				}
			}
		}
	}
	t.Logf("%+v", sum)
	if sum.Compared < 60_000 || sum.Below < 10_000 || sum.Above < 10_000 || sum.Inside < 10_000 {
		t.Errorf("too few comparisons: %+v", sum)
	}
	if sum.NoneBelow > sum.Bounds/50 || sum.NoneAbove > sum.Bounds/50 {
		t.Errorf("too many bounds without a version just beside them: %+v", sum)
	}
}

// tallyOfBounds counts what was compared.
type tallyOfBounds struct {
	ranges, Bounds, Compared, Guessed int
	Below, Above, Inside              int // versions tried just below and above a bound; of all, those inside
	NoneBelow, NoneAbove              int // bounds for which no such version was found
}

// around lists a bound and versions just below and just above it: texts that
// the order itself places there.
func (s *tallyOfBounds) around(ecosystem, kind, bound string) []string {
	out := []string{bound}
	o, err := orderOf(ecosystem, kind)
	if err != nil || bound == "0" || bound == "*" {
		return out
	}
	at, err := o.parse(bound)
	if err != nil {
		return out
	}
	s.Bounds++
	below, above := 0, 0
	for _, text := range neighbours(bound) {
		v, err := o.parse(text)
		if err != nil || !v.exact {
			continue
		}
		switch c, err := v.compare(at); {
		case err != nil:
			continue
		case c < 0:
			below++
		case c > 0:
			above++
		}
		out = append(out, text)
	}
	s.Below, s.Above = s.Below+below, s.Above+above
	if below == 0 {
		s.NoneBelow++
	}
	if above == 0 {
		s.NoneAbove++
	}
	return out
}

var lastNumber = regexp.MustCompile(`\d+`)

// neighbours writes texts that lie close to a version in one order or another:
// suffixes that sort before or after the bare version, and its last number one
// less and one more.
func neighbours(v string) []string {
	out := []string{v + "~", v + "~1", v + "-0", v + "-0.0", v + ".0", v + ".1", v + "+1", v + "a1", v + ".dev1", v + ".post1", v + "-SNAPSHOT", v + "_p1"}
	if core, revision, ok := strings.Cut(v, "-r"); ok { // Alpine
		out = append(out, core+"_alpha1-r"+revision, core+"_p1-r"+revision)
	}
	places := lastNumber.FindAllStringIndex(v, -1)
	if len(places) == 0 {
		return out
	}
	at := places[len(places)-1]
	n, err := strconv.Atoi(v[at[0]:at[1]])
	if err != nil {
		return out
	}
	out = append(out, v[:at[0]]+strconv.Itoa(n+1)+v[at[1]:])
	if n > 0 {
		out = append(out, v[:at[0]]+strconv.Itoa(n-1)+v[at[1]:])
	} else {
		out = append(out, v[:at[0]]+"0-0"+v[at[1]:])
	}
	return out
}

// compare holds one version of one range against the naive evaluation.
func (s *tallyOfBounds) compare(t *testing.T, id string, a Affected, r Range, v string) {
	t.Helper()
	got := r.evaluate(a.Ecosystem, v)
	if strings.Contains(got.unknown, "can't be compared") {
		return // not a version, as "0.1.r2.1" of Alpine
	}
	want, ok := naive(t, baseOf(a.Ecosystem), r, v)
	if !ok {
		return
	}
	if got.unknown != "" {
		s.Guessed++
	}
	s.Compared++
	if want {
		s.Inside++
	}
	if got.affected != want {
		t.Errorf("%s %s %s at %s: %v, naive %v; %+v", id, a.Ecosystem, a.Name, v, got.affected, want, r.Events)
	}
}

// TestNoRecordIsMissed: every record that touches all old versions of a package
// is found for the lowest version there is.
func TestNoRecordIsMissed(t *testing.T) {
	_, mirror := corpora(t)
	db := sharedDB(t, mirror)
	tried := 0
	for eco, low := range map[string]string{"Debian": "0~", "Alpine": "0", "Go": "v0.0.0-0"} {
		for k, hits := range db.feeds[eco].packages {
			inv := &image.Inventory{Digest: "sha256:x", Packages: []image.Package{{PURL: "pkg:x", Source: k.name, SourceVersion: low, Ecosystem: k.ecosystem}}}
			found, _ := db.Match(inv)
			for _, h := range hits {
				if len(h.affected.Ranges) != 1 || h.affected.Ranges[0].Events[0].Introduced != "0" {
					continue
				}
				tried++
				if !slices.ContainsFunc(found, func(w model.Weakness) bool { return w.Advisory == h.record.ID }) {
					t.Errorf("%s %s %s: missed", h.record.ID, k.ecosystem, k.name)
				}
			}
		}
	}
	t.Logf("%d entries that touch the lowest version", tried)
	if tried < 10000 {
		t.Errorf("only %d entries", tried)
	}
}

// BenchmarkLoad measures a whole mirror: go test -bench Load -benchmem.
func BenchmarkLoad(b *testing.B) {
	_, mirror := corpora(b)
	for b.Loop() {
		loadAll(b, mirror)
	}
}

// TestLeadsOfMirror: the versions that real records list for one package begin
// alike where their order says that they are one.
func TestLeadsOfMirror(t *testing.T) {
	_, mirror := corpora(t)
	db := sharedDB(t, mirror)
	texts := map[key]map[string]bool{}
	for _, f := range db.feeds {
		for k, hits := range f.packages {
			k.ecosystem = baseOf(k.ecosystem)
			if texts[k] == nil {
				texts[k] = map[string]bool{}
			}
			for _, h := range hits {
				for _, text := range h.affected.Versions {
					texts[k][text] = true
				}
			}
		}
	}
	pairs := 0
	for k, some := range texts {
		o, err := orderOf(k.ecosystem, "ECOSYSTEM")
		if err != nil {
			continue
		}
		list := SortVersions(k.ecosystem, slices.Collect(maps.Keys(some)))
		for i := 1; i < list.InOrder; i++ {
			v, _ := o.parse(list.Texts[i-1])
			w, _ := o.parse(list.Texts[i])
			if c, err := v.compare(w); err != nil || c != 0 {
				continue
			}
			pairs++
			var first leads
			first.add(v.text)
			if !first.may(w.text) {
				t.Errorf("%s %s: %q and %q mean one version, and begin otherwise", k.ecosystem, k.name, v.text, w.text)
			}
		}
	}
	t.Logf("%d pairs of %d packages mean one version", pairs, len(texts))
	if pairs < 10 {
		t.Errorf("%d pairs", pairs)
	}
}
