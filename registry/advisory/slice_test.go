package advisory

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
)

// alone is the oracle of Touched: every version by itself, joined as judge
// joins the entries of a record.
func alone(r *Record, all []*Affected, module string, list Versions) []Touched {
	var out []Touched
	for i := range list.Len() {
		one := Touched{Index: i}
		var entries []*Affected
		for _, a := range all {
			fit := streamOf(r, a, module, list.At(i))
			verdict := a.evaluate(list.At(i))
			switch {
			case fit == anotherStream:
				continue
			case fit == itsStream:
				entries = append(entries, a)
			case verdict.affected:
				verdict = fit.fitted(verdict)
			}
			one.Affected = one.Affected || verdict.affected
			if one.Unknown == "" {
				one.Unknown = verdict.unknown
			}
		}
		if one.Affected {
			one.Fixed = fixed(entries, list.At(i))
		}
		if one.Affected || one.Unknown != "" {
			out = append(out, one)
		}
	}
	return out
}

// sameAsAlone fails where Touched differs from evaluating each version alone.
func sameAsAlone(t *testing.T, r *Record, ecosystem, name, module string, list VersionList) (touched int) {
	t.Helper()
	got, want := r.Touched(ecosystem, name, module, list), alone(r, r.entries(ecosystem, name), module, list)
	if !slices.Equal(got, want) {
		t.Errorf("%s %s %s %s: versions %q (%d in order)\n got %+v\nwant %+v", r.ID, ecosystem, name, module, list.Texts, list.InOrder, got, want)
	}
	return len(got)
}

func TestTouched(t *testing.T) {
	semver := func(pairs ...string) Range { return Range{Type: "SEMVER", Events: events(pairs...)} }
	native := func(pairs ...string) Range { return Range{Type: "ECOSYSTEM", Events: events(pairs...)} }
	for name, tc := range map[string]struct {
		ecosystem string // of the installed packages
		entries   []Affected
		versions  string
		want      string // VERSION[?][>FIXED], parted by blanks
	}{
		"an interval":       {"Go", []Affected{{Ecosystem: "Go", Ranges: []Range{semver("introduced", "1.1.0", "fixed", "1.3.0")}}}, "v1.0.0 v1.1.0 v1.2.9 v1.3.0", "v1.1.0>1.3.0 v1.2.9>1.3.0"},
		"fixes by branch":   {"Go", []Affected{{Ecosystem: "Go", Ranges: []Range{semver("introduced", "0", "fixed", "1.1.0", "introduced", "2.0.0", "fixed", "2.1.0")}}}, "1.0.0 1.5.0 2.0.0 3.0.0", "1.0.0>1.1.0 2.0.0>2.1.0"},
		"a second spelling": {"PyPI", []Affected{{Ecosystem: "PyPI", Versions: []string{"1.0"}}}, "1 1.0 1.0.0 1.0.1", "1 1.0 1.0.0"},
		"no version there":  {"Debian:12", []Affected{{Ecosystem: "Debian:12", Ranges: []Range{native("introduced", "0", "fixed", "2-1")}}}, "1-1 3-1 1_0", "1-1>2-1 1_0?"},
		"only enumerated":   {"Debian:12", []Affected{{Ecosystem: "Debian:12", Versions: []string{"1_0"}}}, "1-1 1_0 2_0", "1_0 2_0?"},
		"commits":           {"Go", []Affected{{Ecosystem: "Go", GitOnly: true}}, "1.0.0 2.0.0", "1.0.0? 2.0.0?"},
		"guessed bound":     {"Alpine:v3.9", []Affected{{Ecosystem: "Alpine:v3.9", Ranges: []Range{native("introduced", "0", "fixed", "10.2.26.r0")}}}, "10.2.25-r9 10.3.0-r0", "10.2.25-r9?>10.2.26.r0 10.3.0-r0?"},
		"any release":       {"Debian:12", []Affected{{Ecosystem: "Debian", Ranges: []Range{native("introduced", "0", "fixed", "2-1")}}}, "1-1", "1-1>2-1"},
		"another release":   {"Debian:12", []Affected{{Ecosystem: "Debian:11", Ranges: []Range{native("introduced", "0", "fixed", "2-1")}}}, "1-1", ""},
		"in a circle":       {"Maven", []Affected{{Ecosystem: "Maven", Ranges: []Range{native("introduced", "0", "fixed", "2")}}}, "1 2 2-sp 2.0.0.beta1", "1>2 2.0.0.beta1>2"},
		"unheard":           {"Unheard", []Affected{{Ecosystem: "Unheard", Versions: []string{"7"}}}, "7 8", "7"},
		"semver elsewhere":  {"Maven", []Affected{{Ecosystem: "Maven", Ranges: []Range{semver("introduced", "0", "fixed", "2.0.0")}}}, "1 1.0-jre8.x 3", "1>2.0.0 1.0-jre8.x>2.0.0"},
	} {
		t.Run(name, func(t *testing.T) {
			r := &Record{ID: "X-1"}
			for _, a := range tc.entries {
				a.Name = "a"
				r.Affected = append(r.Affected, a)
			}
			list := SortVersions(tc.ecosystem, strings.Fields(tc.versions))
			sameAsAlone(t, r, tc.ecosystem, "a", "", list)
			var got []string
			for _, one := range r.Touched(tc.ecosystem, "a", "", list) {
				text := list.At(one.Index)
				if one.Unknown != "" {
					text += "?"
				}
				if one.Fixed != "" {
					text += ">" + one.Fixed
				}
				got = append(got, text)
			}
			want := strings.Fields(tc.want)
			slices.Sort(got)
			slices.Sort(want)
			if !slices.Equal(got, want) {
				t.Errorf("got %q, want %q", got, want)
			}
		})
	}
	withdrawn := &Record{ID: "X-1", Withdrawn: true, Affected: []Affected{{Ecosystem: "Go", Name: "a", GitOnly: true}}}
	if got := withdrawn.Touched("Go", "a", "", VersionList{[]string{"1.0.0"}, 1}); got != nil {
		t.Errorf("withdrawn: %+v", got)
	}
}

// TestOrdersNamesTheLibrary: a new release of the library is another name.
func TestOrdersNamesTheLibrary(t *testing.T) {
	mod, err := os.ReadFile("../../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	name, _, _ := strings.Cut(Orders, ",")
	if !strings.Contains(string(mod), "github.com/google/"+name+"\n") {
		t.Errorf("Orders is %q, and go.mod has another version", Orders)
	}
}

// odd turns a version into a neighbour, or into something that is none.
func odd(rng *rand.Rand, text string) string {
	suffixes := []string{"", "", ".0", ".0.0", ".00", "-1", "-r1", "~rc1", "+b1", "_p1", "-rc.1", ".beta1", "-sp", ".post1", "a", "^1", ".x.1", "-SNAPSHOT", " ", "_"}
	switch rng.IntN(8) {
	case 0:
		return "v" + text
	case 1:
		return "1:" + text
	case 2:
		return text[:rng.IntN(len(text)+1)]
	}
	return text + suffixes[rng.IntN(len(suffixes))]
}

// observed gathers versions of one ecosystem from its records.
func observed(f *feed, rng *rand.Rand, most int) []string {
	var out []string
	ids := sortedKeys(f.records)
	for range 20 * most {
		for _, a := range f.records[ids[rng.IntN(len(ids))]].Affected {
			for _, r := range a.Ranges {
				for _, e := range r.Events {
					out = append(out, e.text())
				}
			}
			if len(a.Versions) > 0 {
				out = append(out, a.Versions[rng.IntN(len(a.Versions))])
			}
		}
		if len(out) > most {
			break
		}
	}
	return out
}

// otherVersions stand for ecosystems that the mirror lacks.
var otherVersions = map[string]string{
	"RubyGems":  "1.0 1.0.a 1.0.0 1.a 1.0.1 2.0.pre 2.0.pre1 2.0.0.rc2 1.0.b 0 0.0 10 9",
	"Packagist": "1.0 1.0.0 v1.0 1.0-alpha 1.0-beta2 1.0-RC1 1.0p1 1.0-dev dev-main 99999999999999999999 1.0.# 2",
	"NuGet":     "1.0 1.0.0 1.0.0.0 1.0.0-beta 1.0.0-Beta 1.0.0.1 1.0.0.0.1 2.0-rc.1 2.0-rc.2 10.0",
	"CRAN":      "1.0 1.0-1 1.0.1 1-0 2.10 2.9", "Hackage": "1.0 1.0.0 1 1.10 1.9", "Pub": "1.0.0 1.0.0+1 1.0.0-dev 1.0.0-dev.1 2.0.0",
	"Rocky Linux": "0:1.0-1.el9 1.0-1.el9 1.0~rc1-1 1.0^git1-1 1:0.1-1 1.0.1-1 1.a-1 1.0-1.el9_4",
	"Ubuntu":      "1.0-1ubuntu1 1.0-1 1.0-1~20.04 1:1.0 1.0+dfsg-1 0 1.0-01 1.0-1a",
	"Hex":         "1.0.0 1.0.0-rc.1 1.0.0--5 1.0.0-01 1.0.0-1 2.0", "Unheard": "1 2 x",
}

// TestOrdersArePreorders: among versions that have a place, comparing is
// antisymmetric and transitive, equality included. Random triples of the
// versions that records name, of their odd neighbours, and of ecosystems that
// the mirror lacks.
func TestOrdersArePreorders(t *testing.T) {
	_, mirror := corpora(t)
	db := sharedDB(t, mirror)
	rng := rand.New(rand.NewPCG(5, 6))
	pools := map[string][]string{}
	for eco, f := range db.feeds {
		pools[eco] = observed(f, rng, 4000)
	}
	for eco, list := range otherVersions {
		pools[eco] = strings.Fields(list)
	}
	for _, eco := range sortedKeys(pools) {
		o, err := orderOf(eco, "ECOSYSTEM")
		if err != nil {
			continue
		}
		var placed []version
		named, ordered := 0, 0
		for _, text := range pools[eco] {
			named++
			if v, ok := o.place(text); ok {
				ordered++
				placed = append(placed, v)
			}
			for range 3 {
				if v, ok := o.place(odd(rng, text)); ok {
					placed = append(placed, v)
				}
			}
		}
		wrong := 0
		for range 20_000 {
			// Neighbours in the list are often of one package, so close.
			at := rng.IntN(len(placed))
			near := func() version { return placed[(at+rng.IntN(12))%len(placed)] }
			wrong += triple(t, eco, near(), near(), near())
			any := func() version { return placed[rng.IntN(len(placed))] }
			wrong += triple(t, eco, any(), any(), any())
			if wrong > 5 {
				break
			}
		}
		t.Logf("%-12s %5d of %5d versions that records name are in order, %5d with their neighbours", eco, ordered, named, len(placed))
	}
}

// triple checks three versions and returns how many laws they break.
func triple(t *testing.T, eco string, a, b, c version) (wrong int) {
	t.Helper()
	ab, err1 := a.compare(b)
	ba, err2 := b.compare(a)
	bc, err3 := b.compare(c)
	ac, err4 := a.compare(c)
	if err1 != nil || err2 != nil || err3 != nil || err4 != nil {
		t.Errorf("%s: %q %q %q: %v %v %v %v", eco, a.text, b.text, c.text, err1, err2, err3, err4)
		return 1
	}
	sign := func(n int) int { return max(-1, min(1, n)) }
	if sign(ab) != -sign(ba) {
		t.Errorf("%s: %q against %q is %d, and the other way %d", eco, a.text, b.text, ab, ba)
		wrong++
	}
	if ab <= 0 && bc <= 0 && (ac > 0 || (ab < 0 || bc < 0) && ac == 0) {
		t.Errorf("%s: %q, %q, %q: %d, %d, but %d", eco, a.text, b.text, c.text, ab, bc, ac)
		wrong++
	}
	return wrong
}

// TestTouchedAgainstAlone holds the slices of records of the mirror against
// evaluating each version alone, over versions of the record itself, of its
// neighbours, and odd ones.
func TestTouchedAgainstAlone(t *testing.T) {
	_, mirror := corpora(t)
	db := sharedDB(t, mirror)
	rng := rand.New(rand.NewPCG(7, 8))
	records, versions, touched := 0, 0, 0
	for _, eco := range sortedKeys(db.feeds) {
		f := db.feeds[eco]
		pool := observed(f, rng, 2000)
		for _, id := range sortedKeys(f.records) {
			if rng.IntN(5) != 0 {
				continue // all 33,422 agree too; a sample keeps the test short
			}
			r := f.records[id]
			a := &r.Affected[rng.IntN(len(r.Affected))]
			var texts []string
			for _, r := range a.Ranges {
				for _, e := range r.Events[:min(len(r.Events), 8)] {
					texts = append(texts, e.text(), odd(rng, e.text()))
				}
			}
			for range min(len(a.Versions), 4) {
				text := a.Versions[rng.IntN(len(a.Versions))]
				texts = append(texts, text, odd(rng, text))
			}
			for range 4 {
				texts = append(texts, odd(rng, pool[rng.IntN(len(pool))]))
			}
			list := SortVersions(a.Ecosystem, texts)
			records++
			versions += list.Len()
			touched += sameAsAlone(t, r, a.Ecosystem, a.Name, "", list)
			for _, module := range r.streams() {
				touched += sameAsAlone(t, r, a.Ecosystem, a.Name, module, list)
				touched += sameAsAlone(t, r, a.Ecosystem, a.Name, module+"0", list)
			}
			if t.Failed() {
				t.FailNow()
			}
		}
	}
	t.Logf("%d records, %d versions, %d of them touched", records, versions, touched)
	if records < 6_000 || touched < 20_000 {
		t.Error("too few")
	}
}

// FuzzTouched: whatever the record and the versions say, slices and single
// evaluation agree.
func FuzzTouched(f *testing.F) {
	f.Add("Debian:12", "1.0-1 1.5-1 2.0-1 3", "i0 f1.2-1 i1.9-1 l2.0-1", "7-1 1.0-1")
	f.Add("Maven", "2 2-sp 2.0.0.beta1 1 2.0", "i1 f2 i2-sp", "2.0.0 2-ga")
	f.Add("PyPI", "1 1.0 1.0.0 1.0.dev1 x", "i0 m2 f1.0", "1")
	f.Add("Alpine:v3.19", "1 1.0 1.00 1.0.r1 1.0_p1-r2", "i1.00 f1.0.r1", "1.00")
	f.Add("Go", "v1.0.0 1.0 (devel) 2.0.0-rc.1", "s i1.0.0 f2.0.0", "")
	f.Fuzz(func(t *testing.T, ecosystem, versions, list, enumerated string) {
		if len(versions)+len(list)+len(enumerated) > 300 {
			return
		}
		rg := Range{Type: "ECOSYSTEM"}
		for _, word := range strings.Fields(list) {
			switch word[0] {
			case 's':
				rg.Type = "SEMVER"
			case 'i':
				rg.Events = append(rg.Events, Event{Introduced: word[1:]})
			case 'f':
				rg.Events = append(rg.Events, Event{Fixed: word[1:]})
			case 'l':
				rg.Events = append(rg.Events, Event{LastAffected: word[1:]})
			case 'm':
				rg.Events = append(rg.Events, Event{Limit: word[1:]})
			}
		}
		r := &Record{ID: "X", Affected: []Affected{{Ecosystem: canonicalEcosystem(ecosystem), Name: canonicalName(ecosystem, "a"), Versions: strings.Fields(enumerated)}}}
		if list != "" {
			r.Affected[0].Ranges = []Range{{Type: rg.Type, Events: split(rg.Events)}}
		}
		sameAsAlone(t, r, ecosystem, "a", "", SortVersions(ecosystem, strings.Fields(versions)))
	})
}

// BenchmarkTouched: one range over 1,000 versions.
func BenchmarkTouched(b *testing.B) {
	var texts []string
	for i := range 1000 {
		texts = append(texts, fmt.Sprintf("%d.%d-%d", i/100, i/10%10, i%10))
	}
	list := SortVersions("Debian:12", texts)
	r := &Record{ID: "X", Affected: []Affected{{Ecosystem: "Debian:12", Name: "a", Ranges: []Range{{Type: "ECOSYSTEM", Events: events("introduced", "0", "fixed", "5.0-0")}}}}}
	for b.Loop() {
		if got := len(r.Touched("Debian:12", "a", "", list)); got != 500 {
			b.Fatal(got)
		}
	}
}
