package advisory

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/scantling/scantling/model"
	"github.com/scantling/scantling/registry/image"
)

var day = time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)

func never(string) string { return "" }

// outline is a plan in short: what, of whose layer, in which images, clearing
// how many.
func outline(steps []Step) []string {
	var out []string
	for _, s := range steps {
		out = append(out, fmt.Sprintf("%d %s | %s | %s | %d matches %d kev %d critical %d high | %s", s.N, s.Title, s.LayerOf, strings.Join(s.Images, " "), s.Clears.Matches, s.Clears.KEV, s.Clears.Critical, s.Clears.High, strings.Join(s.IDs, " ")))
	}
	return out
}

// other stands on the same base as web, and names it.
func other() *image.Inventory {
	inv := web()
	inv.Digest, inv.Name = "sha256:other", "shop/other:1"
	inv.Config.Labels = map[string]string{baseName: "debian:12", baseDigest: "sha256:old"}
	inv.Layers = []image.Layer{{DiffID: "base"}, {DiffID: "other app"}}
	inv.BaseLayers = 1
	inv.Packages = inv.Packages[:3]
	return inv
}

func TestFixPlan(t *testing.T) {
	db := testDB(t)
	alone := web()
	alone.Layers, alone.Packages = alone.Layers[:1], alone.Packages[:3]
	standing := web()
	standing.BaseLayers = 1
	for name, tc := range map[string]struct {
		invs []*image.Inventory
		want []string
	}{
		"no image": {nil, nil},
		"the lowest layer is a guess": {[]*image.Inventory{web()}, []string{
			"1 rebuild on a fresh build of the base | unknown | sha256:web | 4 matches 2 kev 0 critical 2 high | DSA-1-1 DSA-2-1",
			"2 upgrade example.com/lib v1.1.0 → 1.2.0 | unknown | sha256:web | 1 matches 0 kev 1 critical 0 high | GO-1",
		}},
		"the history tells it": {[]*image.Inventory{standing}, []string{
			"1 rebuild on a fresh build of the base | base | sha256:web | 4 matches 2 kev 0 critical 2 high | DSA-1-1 DSA-2-1",
			"2 upgrade example.com/lib v1.1.0 → 1.2.0 | application | sha256:web | 1 matches 0 kev 1 critical 0 high | GO-1",
		}},
		"two on one base, one of which names it": {[]*image.Inventory{standing, other()}, []string{
			"1 rebuild on a fresh build of debian:12 | base | sha256:other sha256:web | 8 matches 4 kev 0 critical 4 high | DSA-1-1 DSA-2-1",
			"2 upgrade example.com/lib v1.1.0 → 1.2.0 | application | sha256:web | 1 matches 0 kev 1 critical 0 high | GO-1",
		}},
		"nothing below it": {[]*image.Inventory{alone}, []string{
			"1 upgrade openssl 3.0.11-1 → 3.0.13-1 | unknown | sha256:web | 4 matches 2 kev 0 critical 2 high | DSA-1-1 DSA-2-1",
		}},
	} {
		t.Run(name, func(t *testing.T) {
			steps := judge(t).Judge(tc.invs, db, Config{}).FixPlan(never, day)
			if diff := cmp.Diff(tc.want, outline(steps)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// The base image is in the call itself: upgrading the package in both is one
// step, and rebuilding on a base that has to be fixed first is none.
func TestFixPlanWithItsBase(t *testing.T) {
	below := web()
	below.Digest, below.Name, below.Layers, below.Packages = "sha256:below", "shop/base:1", below.Layers[:1], below.Packages[:3]
	r := judge(t).Judge([]*image.Inventory{web(), below}, testDB(t), Config{})
	want := []string{
		"1 upgrade openssl 3.0.11-1 → 3.0.13-1 | unknown | sha256:below sha256:web | 8 matches 4 kev 0 critical 4 high | DSA-1-1 DSA-2-1",
		"2 upgrade example.com/lib v1.1.0 → 1.2.0 | application | sha256:web | 1 matches 0 kev 1 critical 0 high | GO-1",
	}
	steps := r.FixPlan(never, day)
	if diff := cmp.Diff(want, outline(steps)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if steps[0].Patch != "RUN apt-get update && apt-get install -y --only-upgrade libssl3 openssl && rm -rf /var/lib/apt/lists/*" {
		t.Error(steps[0].Patch)
	}
}

func TestStepSaysWhatItRestsOn(t *testing.T) {
	step := judge(t).Judge([]*image.Inventory{other()}, testDB(t), Config{}).FixPlan(never, day)[0]
	got := []string{step.From, step.To, step.Patch, step.Why}
	want := []string{"sha256:old", "debian:12", "docker build --pull --no-cache .", "1 layer of 2 in shop/other:1: the build history ends the base there; a fresh base is taken to have every released fix"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestFixPlanRanks: exploited ones first, then dates, of which those in the
// past are today's, then predictions, severity, and the number of images.
func TestFixPlanRanks(t *testing.T) {
	weakness := func(id string, kev bool, epss float64, severity model.Severity, images ...string) (out []match) {
		for _, key := range images {
			out = append(out, match{weakness: model.Weakness{Advisory: id, Image: model.Ref{Kind: model.Image, Key: key}, KEV: kev, EPSS: epss, Severity: severity}})
		}
		return out
	}
	f := &fixPlan{}
	var steps []Step
	dates := map[string]string{"old": "2025-01-01", "older": "2024-01-01", "later": "2026-04-01"}
	for _, list := range [][]match{
		weakness("many", false, 0, model.Low, "a", "b"), weakness("one", false, 0, model.Low, "a"), weakness("severe", false, 0, model.High, "a"),
		weakness("likely", false, .5, model.Low, "a"), weakness("later", false, 0, model.Low, "a"), weakness("older", false, 0, model.Low, "a"),
		weakness("old", false, .1, model.Low, "a"), weakness("exploited", true, 0, model.Low, "a"),
	} {
		o := option{}
		for i := range list {
			list[i].pkg = &image.Package{}
			o.clears = append(o.clears, len(f.items))
			f.items = append(f.items, item{match: &list[i]})
		}
		steps = append(steps, f.step(o, func(id string) string { return dates[strings.Split(id, "|")[1]] }))
	}
	f.rank(steps, "2026-03-01")
	var got []string
	for _, s := range steps {
		got = append(got, s.IDs[0])
	}
	want := []string{"exploited", "old", "older", "later", "likely", "severe", "many", "one"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestFixPlanClearsEveryFix: of random images on shared bases, whatever the
// ranges, every match with a fix is cleared by exactly one step; an upgrade is
// to a version above each installed one that none of what it clears touches; a
// rebuild clears packages of the base alone; and no smaller plan is made of
// the options than the bound of greedy covers allows.
func TestFixPlanClearsEveryFix(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 8))
	j := judge(t)
	plans, least, rebuilds := 0, 0, 0
	for world := range 1500 {
		db, invs := randomWorld(rng)
		r := j.Judge(invs, db, Config{})
		steps := r.FixPlan(never, day)
		by := map[string]*match{}
		want := map[string]int{}
		for _, one := range r.images {
			for k := range one.m.found {
				m := &one.m.found[k]
				if by[m.weakness.ID()] = m; m.weakness.Fixed != "" {
					want[m.weakness.ID()] = 1
				}
			}
		}
		got := map[string]int{}
		for _, s := range steps {
			for _, id := range s.Removes {
				got[id]++
				m := by[id]
				if s.Type == model.UpgradeComponent && (!isAbove(m.entries, m.weakness.Version, s.To) || !clears(m.entries, s.To)) {
					t.Errorf("world %d: %s doesn't clear %s of %s", world, s.Title, m.weakness.Advisory, m.weakness.Version)
				}
				if s.Type == model.RebuildBase && strings.HasPrefix(m.weakness.Layer, "app") {
					t.Errorf("world %d: a rebuild clears a package of %s", world, m.weakness.Layer)
				}
			}
			if s.Type == model.RebuildBase {
				rebuilds++
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("world %d: cleared (-want +got):\n%s\n%v", world, diff, outline(steps))
		}
		if f := r.fixes(); len(f.items) > 0 {
			options := append(f.rebuilds(), f.upgrades()...)
			if len(options) > 14 {
				continue
			}
			best, harmonic := smallest(options), 0.0
			for i := range f.items {
				harmonic += 1 / float64(i+1)
			}
			if float64(len(steps)) > harmonic*float64(best) {
				t.Errorf("world %d: %d steps where %d are enough", world, len(steps), best)
			}
			if plans++; len(steps) == best {
				least++
			}
		}
	}
	t.Logf("%d of %d plans are the smallest, %d rebuilds", least, plans, rebuilds)
	if plans < 500 || rebuilds < 100 || least < plans*95/100 {
		t.Errorf("%d of %d plans are the smallest, %d rebuilds", least, plans, rebuilds)
	}
}

// randomWorld is a few images of Go packages on two bases, and advisories with
// ranges of every kind.
func randomWorld(rng *rand.Rand) (*DB, []*image.Inventory) {
	f := newFeed()
	for i := range 1 + rng.IntN(6) {
		var list []Event
		at := rng.IntN(3)
		for range 1 + rng.IntN(2) {
			list = append(list, Event{Introduced: fmt.Sprintf("1.%d.0", at)})
			at += 1 + rng.IntN(3)
			if rng.IntN(6) > 0 {
				list = append(list, Event{Fixed: fmt.Sprintf("1.%d.0", at)})
			}
			at += rng.IntN(2)
		}
		f.add(&Record{ID: fmt.Sprintf("X-%d", i), Affected: []Affected{{
			Ecosystem: "Go", Name: fmt.Sprintf("lib%d", rng.IntN(3)), Ranges: []Range{{Type: "SEMVER", Events: list}},
		}}})
	}
	f.index()
	var invs []*image.Inventory
	for i := range 1 + rng.IntN(3) {
		layers := []image.Layer{{DiffID: fmt.Sprintf("base%d", rng.IntN(2))}, {DiffID: fmt.Sprintf("app%d", i)}}
		inv := &image.Inventory{Digest: fmt.Sprintf("sha256:%d", i), Name: fmt.Sprint(i), Layers: layers, BaseLayers: rng.IntN(2)}
		for k := range 3 {
			if rng.IntN(3) > 0 {
				inv.Packages = append(inv.Packages, goPackage(fmt.Sprintf("lib%d", k), fmt.Sprintf("1.%d.5", rng.IntN(5)), layers[rng.IntN(2)].DiffID))
			}
		}
		invs = append(invs, inv)
	}
	return &DB{feeds: map[string]*feed{"Go": f}}, invs
}

func TestCountOfAliases(t *testing.T) {
	weakness := func(id string, aliases, cves []string) model.Weakness {
		return model.Weakness{Advisory: id, Aliases: aliases, CVEs: cves, Component: "pkg:x", Severity: model.High}
	}
	list := func(ids ...string) []string { return ids }
	elsewhere := weakness("GHSA-1", list("CVE-1"), list("CVE-1"))
	elsewhere.Component = "pkg:y"
	critical := weakness("GHSA-1", list("CVE-1"), list("CVE-1"))
	critical.Severity, critical.KEV = model.Critical, true
	for name, tc := range map[string]struct {
		in   []model.Weakness
		want Clears
	}{
		"none":                             {nil, Clears{}},
		"one names the other":              {[]model.Weakness{weakness("GO-1", list("GHSA-1"), nil), weakness("GHSA-1", nil, nil)}, Clears{Matches: 1, High: 1}},
		"both name a third":                {[]model.Weakness{weakness("GO-1", list("CVE-1"), list("CVE-1")), weakness("PYSEC-1", list("CVE-1"), list("CVE-1"))}, Clears{Matches: 1, High: 1}},
		"through others":                   {[]model.Weakness{weakness("A", list("B"), nil), weakness("C", list("D"), nil), weakness("D", list("B"), nil)}, Clears{Matches: 1, High: 1}},
		"the worst of them":                {[]model.Weakness{weakness("GO-1", list("GHSA-1"), nil), critical}, Clears{Matches: 1, KEV: 1, Critical: 1}},
		"of two packages":                  {[]model.Weakness{weakness("GHSA-1", list("CVE-1"), list("CVE-1")), elsewhere}, Clears{Matches: 2, High: 2}},
		"two that are not":                 {[]model.Weakness{weakness("A", list("B"), nil), weakness("C", list("D"), nil)}, Clears{Matches: 2, High: 2}},
		"one CVE of a distribution":        {[]model.Weakness{weakness("DEBIAN-CVE-1", nil, list("CVE-1")), weakness("CVE-1", nil, list("CVE-1"))}, Clears{Matches: 1, High: 1}},
		"a part of an advisory is not it":  {[]model.Weakness{weakness("DSA-1", nil, list("CVE-1", "CVE-2")), weakness("DEBIAN-CVE-1", nil, list("CVE-1"))}, Clears{Matches: 2, High: 2}},
		"nor where it is called its alias": {[]model.Weakness{weakness("DSA-1", list("CVE-1", "CVE-2"), list("CVE-1", "CVE-2")), weakness("CVE-1", nil, list("CVE-1"))}, Clears{Matches: 2, High: 2}},
	} {
		if diff := cmp.Diff(tc.want, Count(tc.in)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestUnfixed(t *testing.T) {
	db := testDB(t)
	r := judge(t).Judge([]*image.Inventory{web()}, db, Config{})
	got := r.Unfixed(day)
	want := []Unfixed{{Package: "openssl", Version: "3.0.11-1", Ecosystem: "Debian:12", Images: []string{"sha256:web"}, IDs: []string{"DSA-3-1"}, Matches: 2, Why: "no fix is known"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if why := r.Unfixed(day.AddDate(3, 0, 0))[0].Why; why != "Debian:12 is out of support since 2028-06-30: move to Debian:13 or newer" {
		t.Error(why)
	}
	if why := r.Unfixed(day.AddDate(30, 0, 0))[0].Why; why != "Debian:12 is out of support since 2028-06-30: move to a release that is supported" {
		t.Error(why)
	}
	last := []*Affected{{Ecosystem: "Go", Ranges: []Range{{Type: "SEMVER", Events: []Event{{Introduced: "0"}, {LastAffected: "1.2.0"}}}}}}
	if why := whyUnfixed(last, "Go", day); why != "no fixed version is named, 1.2.0 is the last affected one" {
		t.Error(why)
	}
}

func TestSuccessor(t *testing.T) {
	for release, want := range map[string]string{
		"Debian:9": "Debian:12", "Debian:13": "", "Ubuntu:18.04": "Ubuntu:22.04", "Alpine:v3.9": "Alpine:v3.22", "Alpine:v3.19": "Alpine:v3.22", "Plan 9": "",
	} {
		if got := successor(release, time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC)); got != want {
			t.Errorf("%s: %q, want %q", release, got, want)
		}
	}
	for release := range supportEnds {
		if next := successor(release, day); next != "" && !slices.Contains(sortedKeys(supportEnds), next) {
			t.Error(next)
		}
	}
}
