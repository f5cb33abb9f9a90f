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
	"github.com/scantling/scantling/rule"
	"github.com/scantling/scantling/rules"
)

// testDB is a small feed with every kind of record.
func testDB(t *testing.T) *DB {
	t.Helper()
	db, incomplete := load(t, folder(t, map[string]string{
		"Debian/DSA-1-1.json": record("DSA-1-1", "Debian:12", "openssl", day1, "3.0.12-1", `,"upstream":["CVE-2026-1","CVE-2026-9"]`),
		"Debian/DSA-2-1.json": record("DSA-2-1", "Debian:12", "openssl", day1, "3.0.13-1", `,"upstream":["CVE-2026-2"],"database_specific":{"severity":"LOW"}`),
		"Debian/DSA-3-1.json": `{"id":"DSA-3-1","modified":"` + day1 + `","affected":[{"package":{"ecosystem":"Debian:12","name":"openssl"},"ranges":[{"type":"ECOSYSTEM","events":[{"introduced":"0"}]}]}]}`,
		"Debian/DSA-4-1.json": record("DSA-4-1", "Debian:11", "openssl", day1, "9-1", ""),
		"Debian/DSA-5-1.json": record("DSA-5-1", "Debian:12", "openssl", day1, "9-1", `,"withdrawn":"`+day1+`"`),
		"Go/GO-1.json": `{"id":"GO-1","modified":"` + day2 + `","aliases":["CVE-2026-7","GHSA-x"],"severity":[{"type":"CVSS_V3","score":"CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"}],
			"affected":[{"package":{"ecosystem":"Go","name":"example.com/lib"},"ranges":[{"type":"SEMVER","events":[{"introduced":"0"},{"fixed":"1.2.0"}]}]}]}`,
		kevFile:  kevJSON,
		epssFile: "CVE-2026-1,0.5,0.9\nCVE-2026-9,0.75,0.9\n",
	}), All)
	if len(incomplete) > 0 {
		t.Fatal(incomplete)
	}
	return db
}

// judge compiles the registry rules of the catalogue.
func judge(t *testing.T) *Judge {
	t.Helper()
	cat, errs := rule.Load(rules.FS, "rules")
	j, more := Compile(cat)
	for _, err := range append(errs, more...) {
		t.Fatal(err)
	}
	return j
}

func TestRuleCases(t *testing.T) {
	cat, _ := rule.Load(rules.FS, "rules")
	results := rule.RunCases(cat, cat.Stage(model.Registry), judge(t).Case)
	for _, r := range results {
		if !r.OK() {
			t.Error(r)
		}
	}
	if len(results) < 4 {
		t.Errorf("%d cases", len(results))
	}
}

func TestNoRuleNoFinding(t *testing.T) {
	cat, _ := rule.Load(rules.FS, "rules")
	only, err := cat.Select("B101")
	if err != nil {
		t.Fatal(err)
	}
	j, errs := Compile(only)
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	r := j.Reading([]*image.Inventory{web()}, testDB(t), Config{})
	if len(r.Findings) != 0 || len(r.Weaknesses) == 0 {
		t.Errorf("%d findings of a rule that isn't selected, %d weaknesses", len(r.Findings), len(r.Weaknesses))
	}
}

func debPackage(name, source, version, layer string) image.Package {
	return image.Package{
		PURL: "pkg:deb/debian/" + name + "@" + version, Name: name, Version: version, Source: source, SourceVersion: version,
		Ecosystem: "Debian:12", Layer: layer, Path: "/var/lib/dpkg/status",
	}
}

func goPackage(name, version, layer string) image.Package {
	return image.Package{PURL: "pkg:golang/" + name + "@" + version, Name: name, Version: version, Source: name, SourceVersion: version, Ecosystem: "Go", Layer: layer, Path: "/app"}
}

func web() *image.Inventory {
	return &image.Inventory{
		Digest: "sha256:web", Name: "shop/web:1", File: "images", Aliases: []string{"sha256:config", "shop/web:1"},
		Config: image.Config{Labels: map[string]string{"owner": "web"}}, OS: image.OS{ID: "debian", VersionID: "12", Ecosystem: "Debian:12"},
		Layers: []image.Layer{{DiffID: "base"}, {DiffID: "app"}},
		Packages: []image.Package{
			debPackage("libssl3", "openssl", "3.0.11-1", "base"), debPackage("openssl", "openssl", "3.0.11-1", "base"),
			debPackage("tar", "tar", "1.34", "base"), goPackage("example.com/lib", "v1.1.0", "app"), goPackage("stdlib", "1.22.0", "app"),
		},
	}
}

func TestMatch(t *testing.T) {
	found, incomplete := testDB(t).Match(web())
	if len(incomplete) > 0 {
		t.Errorf("incomplete %v", incomplete)
	}
	var got []string
	for _, w := range found {
		got = append(got, fmt.Sprintf("%s %s %s fixed=%q %s kev=%v epss=%v cves=%v", w.Advisory, w.Component, w.Layer, w.Fixed, w.Severity, w.KEV, w.EPSS, w.CVEs))
	}
	want := []string{
		`DSA-1-1 pkg:deb/debian/libssl3@3.0.11-1 base fixed="3.0.12-1" high kev=true epss=0.75 cves=[CVE-2026-1 CVE-2026-9]`,
		`DSA-2-1 pkg:deb/debian/libssl3@3.0.11-1 base fixed="3.0.13-1" low kev=false epss=0 cves=[CVE-2026-2]`,
		`DSA-3-1 pkg:deb/debian/libssl3@3.0.11-1 base fixed="" medium kev=false epss=0 cves=[]`,
		`DSA-1-1 pkg:deb/debian/openssl@3.0.11-1 base fixed="3.0.12-1" high kev=true epss=0.75 cves=[CVE-2026-1 CVE-2026-9]`,
		`DSA-2-1 pkg:deb/debian/openssl@3.0.11-1 base fixed="3.0.13-1" low kev=false epss=0 cves=[CVE-2026-2]`,
		`DSA-3-1 pkg:deb/debian/openssl@3.0.11-1 base fixed="" medium kev=false epss=0 cves=[]`,
		`GO-1 pkg:golang/example.com/lib@v1.1.0 app fixed="1.2.0" critical kev=false epss=0 cves=[CVE-2026-7]`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	last := found[len(found)-1]
	if last.CVSS != 9.8 || last.Automatable != model.Yes || last.TotalImpact != model.Yes || !last.Assumed || last.HasEPSS || last.Package != "example.com/lib" || last.Path != "/app" {
		t.Errorf("%+v", last)
	}
}

func TestCoverage(t *testing.T) {
	db := testDB(t)
	for name, tc := range map[string]struct {
		db        *DB
		ecosystem string
		now       time.Time
		why       string
	}{
		"covered":           {db, "Debian:12", time.Time{}, ""},
		"covered and fresh": {db, "Debian:12", time.Date(2026, 1, 20, 0, 0, 0, 0, time.UTC), ""},
		"stale":             {db, "Debian:12", time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC), "end on 2026-01-01"},
		"no such release":   {db, "Debian:13", time.Time{}, "no advisories for Debian:13 in this feed"},
		"no such ecosystem": {db, "Alpine:v3.19", time.Time{}, "no advisories for Alpine in this feed"},
		"unknown system":    {db, "", time.Time{}, "no advisories are known for the packages of debian"},
		"nothing loaded":    {nil, "Debian:12", time.Time{}, "no advisories are loaded"},
	} {
		t.Run(name, func(t *testing.T) {
			inv := web()
			inv.Packages = []image.Package{{Source: "a", SourceVersion: "1", Ecosystem: tc.ecosystem}}
			m := tc.db.match(inv, tc.now)
			var why string
			for _, i := range m.uncovered {
				why += i.why
			}
			if tc.why == "" && why != "" || !strings.Contains(why, tc.why) {
				t.Errorf("%q, want %q", why, tc.why)
			}
		})
	}
	old, _ := load(t, folder(t, map[string]string{kevFile: kevJSON, "Debian/D.json": record("D", "Debian:10", "a", day1, "1", "")}), All)
	inv := web()
	inv.Packages = []image.Package{{Source: "a", SourceVersion: "1", Ecosystem: "Debian:10"}}
	if _, incomplete := old.Match(inv); len(incomplete) != 1 || !strings.Contains(incomplete[0].Why, "out of support since 2024-06-30") {
		t.Errorf("incomplete %v", incomplete)
	}
}

func TestVersionThatCannotBeCompared(t *testing.T) {
	inv := web()
	inv.Packages = []image.Package{goPackage("example.com/lib", "(devel)", "app"), goPackage("example.com/other", "(devel)", "app")}
	found, incomplete := testDB(t).Match(inv)
	if len(found) != 0 || len(incomplete) != 1 || !strings.Contains(incomplete[0].Why, `GO-1: installed version "(devel)" can't be compared`) {
		t.Errorf("found %v, incomplete %v", found, incomplete)
	}
	r := judge(t).Reading([]*image.Inventory{inv}, testDB(t), Config{})
	for _, f := range r.Facts {
		if f.Value == condAssessed {
			t.Errorf("%s %s: what can't be told is neither met nor lacking", f.Kind, f.Value)
		}
	}
}

// TestBillHasNoLabels: a bill of materials says nothing of labels, so the
// condition is neither met nor lacking.
func TestBillHasNoLabels(t *testing.T) {
	inv := web()
	inv.Bill, inv.Config = true, image.Config{}
	for _, f := range judge(t).Reading([]*image.Inventory{inv}, testDB(t), Config{RequiredLabels: []string{"owner"}}).Facts {
		if f.Value == condLabels {
			t.Errorf("%s %s", f.Kind, f.Value)
		}
	}
}

func TestReading(t *testing.T) {
	r := judge(t).Reading([]*image.Inventory{web(), web()}, testDB(t), Config{RequiredLabels: []string{"owner", "revision"}})
	if r.Stage != model.Registry || r.Read != 1 || len(r.Assets) != 1 || len(r.Weaknesses) != 7 || len(r.Findings) != 7 || len(r.Incomplete) != 0 {
		t.Fatalf("read %d, %d assets, %d weaknesses, %d findings, incomplete %v", r.Read, len(r.Assets), len(r.Weaknesses), len(r.Findings), r.Incomplete)
	}
	a := r.Assets[0]
	if a.Key != "sha256:web" || a.Name != "shop/web:1" || a.Labels["owner"] != "web" || !slices.Contains(a.Aliases, "sha256:config") {
		t.Errorf("asset %+v", a)
	}
	var facts []string
	for _, f := range r.Facts {
		facts = append(facts, fmt.Sprintf("%s %s: %s", f.Kind, f.Value, f.Evidence[0].Value))
	}
	want := []string{"meets scan.inventoried: 5", "meets scan.assessed: 5", "meets patch.plan: 5", "lacks labels.image: revision"}
	if diff := cmp.Diff(want, facts); diff != "" {
		t.Errorf("facts (-want +got):\n%s", diff)
	}
	var actions []string
	for _, a := range r.Actions {
		actions = append(actions, fmt.Sprintf("%s: %s: removes %d", a.Type, a.Title, len(a.Removes)))
	}
	want = []string{
		"upgrade-component: upgrade openssl 3.0.11-1 → 3.0.13-1 in shop/web:1: removes 4",
		"upgrade-component: upgrade example.com/lib v1.1.0 → 1.2.0 in shop/web:1: removes 1",
		"rebuild-base: rebuild shop/web:1 on a fresh build of its base: removes 4",
	}
	if diff := cmp.Diff(want, actions); diff != "" {
		t.Errorf("actions (-want +got):\n%s", diff)
	}
	if got := r.Actions[0].Patch; !strings.Contains(got, "--only-upgrade libssl3 openssl ") {
		t.Errorf("patch %q", got)
	}
	f := r.Findings[0]
	if f.Rule != "R101" || f.Severity != model.High || f.Fix == nil || f.Message != "libssl3 3.0.11-1 has DSA-1-1 (CVE-2026-1, CVE-2026-9), known to be exploited; it is not rated, and counted as high; fixed in 3.0.12-1." {
		t.Errorf("finding %+v", f)
	}
}

func TestReadingWithoutAdvisories(t *testing.T) {
	inv := web()
	inv.Incomplete = []model.Incomplete{{What: "layer", Why: "cut off"}}
	r := judge(t).Reading([]*image.Inventory{inv}, nil, Config{})
	var facts []string
	for _, f := range r.Facts {
		facts = append(facts, string(f.Kind)+" "+f.Value)
	}
	if diff := cmp.Diff([]string{"lacks scan.inventoried", "lacks scan.assessed"}, facts); diff != "" {
		t.Errorf("facts (-want +got):\n%s", diff)
	}
	if len(r.Incomplete) != 2 || len(r.Weaknesses) != 0 {
		t.Errorf("incomplete %v", r.Incomplete)
	}
	if none := judge(t).Reading(nil, nil, Config{}); none.Read != 0 || none.Why == "" {
		t.Errorf("no images: %+v", none)
	}
}

func TestReadingOrder(t *testing.T) {
	db := testDB(t)
	base := web()
	base.Digest, base.Name, base.Layers, base.Packages = "sha256:base", "base", base.Layers[:1], base.Packages[:3]
	invs := []*image.Inventory{web(), base}
	one := judge(t).Reading(invs, db, Config{})
	slices.Reverse(invs)
	if diff := cmp.Diff(one, judge(t).Reading(invs, db, Config{})); diff != "" {
		t.Errorf("the order of images matters:\n%s", diff)
	}
	if got := Ecosystems(invs); !cmp.Equal(got, []string{"Debian", "Go"}) {
		t.Errorf("ecosystems %v", got)
	}
}

func TestBase(t *testing.T) {
	layers := func(ids ...string) (out []image.Layer) {
		for _, id := range ids {
			out = append(out, image.Layer{DiffID: id})
		}
		return out
	}
	for name, tc := range map[string]struct {
		inv   image.Inventory
		other []image.Layer
		want  int
	}{
		"another image":     {image.Inventory{Layers: layers("a", "b", "c"), BaseLayers: 1}, layers("a", "b"), 2},
		"the same image":    {image.Inventory{Layers: layers("a", "b", "c"), BaseLayers: 1}, layers("a", "b", "c"), 1},
		"another base":      {image.Inventory{Layers: layers("a", "b", "c")}, layers("x"), 1},
		"one layer":         {image.Inventory{Layers: layers("a")}, nil, 0},
		"one, and a label":  {image.Inventory{Layers: layers("a"), Config: image.Config{Labels: map[string]string{baseName: "debian:12"}}}, nil, 1},
		"no layers":         {image.Inventory{}, nil, 0},
		"layerless sibling": {image.Inventory{Layers: layers("a", "b")}, layers(), 1},
	} {
		t.Run(name, func(t *testing.T) {
			if got := base(&tc.inv, []*image.Inventory{&tc.inv, {Layers: tc.other}}).layers; got != tc.want {
				t.Errorf("%d layers, want %d", got, tc.want)
			}
		})
	}
}

// TestPlanCoversEveryFix: whatever the ranges, every weakness with a fix has an
// action, and no version that an action proposes keeps what it says it removes.
func TestPlanCoversEveryFix(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	several := 0
	for world := range 3000 {
		f := newFeed()
		for i := range 1 + rng.IntN(4) {
			r := &Record{ID: fmt.Sprintf("X-%d", i)}
			var list []Event
			at := rng.IntN(3)
			for range 1 + rng.IntN(3) {
				list = append(list, Event{Introduced: fmt.Sprintf("1.%d.0", at)})
				at += 1 + rng.IntN(3)
				if rng.IntN(6) > 0 {
					list = append(list, Event{Fixed: fmt.Sprintf("1.%d.0", at)})
				}
				at += rng.IntN(2)
			}
			r.Affected = []Affected{{Ecosystem: "Go", Name: "lib", Ranges: []Range{{Type: "SEMVER", Events: list}}}}
			f.add(r)
		}
		f.index()
		db := &DB{feeds: map[string]*feed{"Go": f}}
		inv := &image.Inventory{Digest: "sha256:x", Name: "x", Packages: []image.Package{goPackage("lib", fmt.Sprintf("1.%d.5", rng.IntN(6)), "l")}}
		m := db.match(inv, time.Time{})
		actions := plan(inv, m, nil)
		if missing := unplanned(m, actions); len(missing) > 0 {
			t.Fatalf("world %d: no action removes %v", world, missing)
		}
		if len(actions) > 1 {
			several++
		}
		for _, a := range actions {
			to := a.Title[strings.Index(a.Title, "→ ")+len("→ ") : strings.Index(a.Title, " in ")]
			after := *inv
			after.Packages = []image.Package{goPackage("lib", to, "l")}
			left, _ := db.Match(&after)
			for _, one := range m.found {
				if slices.Contains(a.Removes, one.weakness.ID()) && slices.ContainsFunc(left, func(w model.Weakness) bool { return w.Advisory == one.weakness.Advisory }) {
					t.Fatalf("world %d: %s keeps %s", world, a.Title, one.weakness.Advisory)
				}
			}
		}
	}
	if several == 0 {
		t.Error("no world needed two actions: the test tests too little")
	}
}

func TestRows(t *testing.T) {
	found, _ := testDB(t).Match(web())
	rows := MatchRows(found)
	last := rows[len(rows)-1]
	if len(rows) != 7 || last.CVSS == nil || *last.CVSS != 9.8 || last.EPSS != nil || *rows[0].EPSS != 0.75 || rows[0].CVSS != nil {
		t.Errorf("%+v", rows)
	}
	if got := PackageRows(web()); len(got) != 5 || got[0].PURL != "pkg:deb/debian/libssl3@3.0.11-1" || got[0].Layer != "base" {
		t.Errorf("%+v", got)
	}
}

// One image with two ecosystems that nobody speaks for is one image.
func TestGapsCountImagesOnce(t *testing.T) {
	inv := web()
	inv.Packages = []image.Package{{Source: "a", SourceVersion: "1", Ecosystem: "Debian:12"}, {Source: "b", SourceVersion: "1", Ecosystem: "Go"}}
	r := judge(t).Reading([]*image.Inventory{inv}, nil, Config{})
	if len(r.Incomplete) != 1 || !strings.HasSuffix(r.Incomplete[0].Why, "(2 packages of 1 image)") {
		t.Errorf("incomplete %v", r.Incomplete)
	}
}

func TestUpgradePatch(t *testing.T) {
	for _, tc := range []struct{ ecosystem, name, want string }{
		{"Debian:12", "openssl", "RUN apt-get update && apt-get install -y --only-upgrade libssl3 && rm -rf /var/lib/apt/lists/*"},
		{"Alpine:v3.19", "openssl", "RUN apk upgrade --no-cache libssl3"},
		{"Go", "example.com/a", "go get example.com/a@v1.2.3"},
		{"npm", "@babel/core", "npm install @babel/core@1.2.3"},
		{"PyPI", "flask", "pip install 'flask>=1.2.3'"},
		{"Maven", "a:b", ""},
		{"crates.io", "time", "cargo update -p time --precise 1.2.3"},
		{"RubyGems", "rack", "bundle update --conservative rack"},
		{"Packagist", "symfony/http-kernel", "composer require --with-all-dependencies 'symfony/http-kernel:^1.2.3'"},
		{"NuGet", "Newtonsoft.Json", "dotnet add package Newtonsoft.Json --version 1.2.3"},
		{"NuGet", "Microsoft.NETCore.App.Runtime.linux-x64", ""},
		{"NuGet", "Microsoft.NETCore.App", ""},
	} {
		if got := upgradePatch(tc.ecosystem, tc.name, "1.2.3", []string{"libssl3"}); got != tc.want {
			t.Errorf("%s: %q, want %q", tc.ecosystem, got, tc.want)
		}
	}
}

// A package that is one file is known by its digest, too.
func TestUpgradeNamesTheFile(t *testing.T) {
	inv := web()
	lib := &inv.Packages[3]
	lib.SHA256 = strings.Repeat("5a", 32)
	m := testDB(t).match(inv, time.Time{})
	var got []string
	for _, a := range plan(inv, m, nil) {
		for _, e := range a.Evidence {
			if e.What == "file" {
				got = append(got, a.Title+": "+e.Where+" "+e.Value)
			}
		}
	}
	want := []string{"upgrade example.com/lib v1.1.0 → 1.2.0 in shop/web:1: /app sha256:" + lib.SHA256}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if rows := PackageRows(inv); rows[3].SHA256 != lib.SHA256 || rows[0].SHA256 != "" {
		t.Errorf("rows %+v", rows)
	}
}
