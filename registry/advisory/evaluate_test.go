package advisory

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func events(pairs ...string) (out []Event) {
	for i := 0; i < len(pairs); i += 2 {
		switch pairs[i] {
		case "introduced":
			out = append(out, Event{Introduced: pairs[i+1]})
		case "fixed":
			out = append(out, Event{Fixed: pairs[i+1]})
		case "last":
			out = append(out, Event{LastAffected: pairs[i+1]})
		case "limit":
			out = append(out, Event{Limit: pairs[i+1]})
		}
	}
	return out
}

func TestEvaluate(t *testing.T) {
	semver := func(pairs ...string) Affected {
		return Affected{Ecosystem: "Go", Ranges: []Range{{Type: "SEMVER", Events: events(pairs...)}}}
	}
	native := func(ecosystem string, pairs ...string) Affected {
		return Affected{Ecosystem: ecosystem, Ranges: []Range{{Type: "ECOSYSTEM", Events: events(pairs...)}}}
	}
	for name, tc := range map[string]struct {
		a       Affected
		yes, no string // versions, parted by blanks
		unknown string
	}{
		"fixed is exclusive":          {semver("introduced", "0", "fixed", "1.2.0"), "v0.0.1 1.1.9 v1.2.0-rc.1", "v1.2.0 1.2.0+meta 2.0.0", "(devel) garbage"},
		"last affected is inclusive":  {semver("introduced", "1.0.0", "last", "1.2.0"), "1.0.0 1.2.0", "0.9.9 1.2.1 1.0.0-rc1", ""},
		"unsorted, two intervals":     {semver("introduced", "2.0.0", "fixed", "2.0.5", "introduced", "0", "fixed", "1.5.0"), "1.4.9 2.0.0 2.0.4", "1.5.0 1.9.0 2.0.5", ""},
		"neighbours leave no gap":     {semver("introduced", "1.0.0", "fixed", "1.5.0", "introduced", "1.5.0", "fixed", "2.0.0"), "1.4.0 1.5.0 1.9.0", "0.1.0 2.0.0", ""},
		"neighbours in any order":     {semver("introduced", "1.5.0", "fixed", "2.0.0", "introduced", "1.0.0", "fixed", "1.5.0"), "1.4.0 1.5.0 1.9.0", "0.1.0 2.0.0", ""},
		"empty interval":              {semver("introduced", "1.0.0", "fixed", "1.0.0", "introduced", "2.0.0", "fixed", "2.1.0"), "2.0.0", "1.0.0 1.5.0 2.1.0", ""},
		"empty in two writings":       {semver("introduced", "1.0", "fixed", "1.0.0"), "", "0.9.0 1.0.0 2.0.0", ""},
		"one version":                 {semver("introduced", "1.0.0", "last", "1.0.0"), "1.0.0", "0.9.9 1.0.1", ""},
		"no end":                      {semver("introduced", "1.0.0"), "1.0.0 99.0.0", "0.9.0", ""},
		"limit":                       {semver("introduced", "1.0.0", "limit", "2.0.0"), "1.0.0 1.9.9", "0.9.0 2.0.0", ""},
		"two limits":                  {semver("introduced", "0", "limit", "1.0.0", "limit", "2.0.0"), "1.5.0", "2.0.0", ""},
		"limit of none":               {semver("introduced", "0", "limit", "*"), "5.0.0", "", ""},
		"never introduced":            {semver("fixed", "1.0.0"), "", "", "0.1.0 1.0.0"},
		"no events":                   {native("Debian:12"), "", "", "1.0-1"},
		"debian epoch and tilde":      {native("Debian:12", "introduced", "0", "fixed", "1:2.0-1"), "9.9-1 1:2.0-1~deb12u1", "1:2.0-1 2:0", "ü 1_0"},
		"alpine suffixes":             {native("Alpine:v3.19", "introduced", "0", "fixed", "1.2.0_p1-r3"), "1.2.0_rc1-r0 1.2.0-r9 1.2.0_p1-r2", "1.2.0_p1-r3 1.2.1", "one 1.2.r0"},
		"python":                      {native("PyPI", "introduced", "0", "fixed", "2.0"), "1.9 2.0rc1 2.0.dev1", "2.0 2.0.0 2.0.post1", ""},
		"enumerated":                  {Affected{Ecosystem: "PyPI", Versions: []string{"1.0", "odd text"}}, "1.0 1.0.0", "1.1", ""},
		"enumerated beside ranges":    {Affected{Ecosystem: "Debian:12", Versions: []string{"7-1"}, Ranges: native("Debian:12", "introduced", "0", "fixed", "2-1").Ranges}, "1-1 7-1 07-1", "3-1", ""},
		"enumerated without an order": {Affected{Ecosystem: "Unheard", Versions: []string{"7"}}, "7", "8", ""},
		"unheard ecosystem":           {native("Unheard", "introduced", "0"), "", "", "1"},
		"unheard range type":          {Affected{Ecosystem: "Go", Ranges: []Range{{Type: "NEW"}}}, "", "", "1"},
		"commits only":                {Affected{Ecosystem: "Go", GitOnly: true}, "", "", "1.0.0"},
		"nothing":                     {Affected{Ecosystem: "Go"}, "", "", "1.0.0"},
		"broken bound":                {semver("introduced", "0", "fixed", "one two"), "", "", "1.0.0"},
		"two ranges":                  {Affected{Ecosystem: "Go", Ranges: slices.Concat(semver("introduced", "0", "fixed", "1.0.0").Ranges, semver("introduced", "2.0.0", "fixed", "2.1.0").Ranges)}, "0.5.0 2.0.0", "1.0.0 2.1.0", ""},
	} {
		t.Run(name, func(t *testing.T) {
			for _, v := range strings.Fields(tc.yes) {
				if got := tc.a.evaluate(v); !got.affected || got.unknown != "" {
					t.Errorf("%s: %+v, want affected", v, got)
				}
			}
			for _, v := range strings.Fields(tc.no) {
				if got := tc.a.evaluate(v); got.affected || got.unknown != "" {
					t.Errorf("%s: %+v, want not affected", v, got)
				}
			}
			for _, v := range strings.Fields(tc.unknown) {
				if got := tc.a.evaluate(v); got.affected || got.unknown == "" {
					t.Errorf("%s: %+v, want unknown", v, got)
				}
			}
		})
	}
}

// TestMalformedBound: a bound that is no version is compared as far as it can
// be, and said to be unknown either way.
func TestMalformedBound(t *testing.T) {
	a := Affected{Ecosystem: "Alpine:v3.9", Ranges: []Range{{Type: "ECOSYSTEM", Events: events("introduced", "0", "fixed", "10.2.26.r0")}}}
	for v, want := range map[string]bool{"10.2.25-r9": true, "10.3.0-r0": false} {
		if got := a.evaluate(v); got.affected != want || got.unknown == "" {
			t.Errorf("%s: %+v", v, got)
		}
	}
}

func TestFixed(t *testing.T) {
	entry := func(pairs ...string) *Affected {
		return &Affected{Ecosystem: "Go", Ranges: []Range{{Type: "SEMVER", Events: events(pairs...)}}}
	}
	for name, tc := range map[string]struct {
		entries   []*Affected
		installed string
		want      string
	}{
		"of its own branch":           {[]*Affected{entry("introduced", "0", "fixed", "1.5.2", "introduced", "1.6.0", "fixed", "1.6.1")}, "v1.6.0", "1.6.1"},
		"of the lower branch":         {[]*Affected{entry("introduced", "1.6.0", "fixed", "1.6.1", "introduced", "0", "fixed", "1.5.2")}, "v1.4.0", "1.5.2"},
		"none":                        {[]*Affected{entry("introduced", "0", "last", "1.5.2")}, "1.0.0", ""},
		"only below":                  {[]*Affected{entry("introduced", "0", "fixed", "1.0.0", "introduced", "2.0.0")}, "2.0.0", ""},
		"another entry still affects": {[]*Affected{entry("introduced", "0", "fixed", "1.1.0"), entry("introduced", "1.0.5", "fixed", "1.2.0")}, "1.0.0", "1.2.0"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := fixed(tc.entries, tc.installed); got != tc.want {
				t.Errorf("%q, want %q", got, tc.want)
			}
		})
	}
}

func TestParseRecord(t *testing.T) {
	r, err := parseRecord([]byte(`{"id":"X-1","modified":"2026-01-02T03:04:05Z","aliases":["CVE-2026-1"],"upstream":["CVE-2026-2"],"related":["CVE-2026-3"],
		"database_specific":{"severity":"HIGH"},"severity":[{"type":"CVSS_V3","score":"x"}],
		"affected":[{"package":{"ecosystem":"Ubuntu:22.04:LTS","name":"a"},"ecosystem_specific":{"urgency":"low"},"ranges":[{"type":"GIT","events":[{"introduced":"0"}]},{"type":"ECOSYSTEM","events":[{"introduced":"0","fixed":"1"}]}]},
		{"package":{"ecosystem":"Debian:12","name":"a"}},{"versions":["1"]}]}`), "Ubuntu")
	if err != nil {
		t.Fatal(err)
	}
	want := []Affected{{Ecosystem: "Ubuntu:22.04", Name: "a", Rating: "low", Ranges: []Range{{Type: "ECOSYSTEM", Events: events("introduced", "0", "fixed", "1")}}}}
	if diff := cmp.Diff(want, r.Affected); diff != "" {
		t.Errorf("affected (-want +got):\n%s", diff)
	}
	for ecosystem, want := range map[string][]string{
		"Debian:12": {"CVE-2026-1", "CVE-2026-2"}, "AlmaLinux:9": {"CVE-2026-1", "CVE-2026-2", "CVE-2026-3"}, "Go": {"CVE-2026-1"},
	} {
		if diff := cmp.Diff(want, r.CVEs(ecosystem)); diff != "" {
			t.Errorf("CVEs in %s (-want +got):\n%s", ecosystem, diff)
		}
	}
	if got := (&Record{ID: "DEBIAN-CVE-2024-1"}).CVEs("Debian:12"); !cmp.Equal(got, []string{"CVE-2024-1"}) {
		t.Errorf("CVEs %v", got)
	}
	for text, why := range map[string]string{
		`{`: "unexpected end", `{"modified":"2026-01-02T03:04:05Z"}`: "no usable id", `{"id":"a","modified":"yesterday"}`: "modified", `{"id":7}`: "unmarshal",
	} {
		if _, err := parseRecord([]byte(text), ""); err == nil || !strings.Contains(err.Error(), why) {
			t.Errorf("%s: %v, want %q", text, err, why)
		}
	}
}

func TestCanonicalName(t *testing.T) {
	for _, tc := range [][3]string{
		{"PyPI", "Flask_SQL.Alchemy", "flask-sql-alchemy"},
		{"Go", "github.com/A/b", "github.com/A/b"},
		{"npm", "JSONStream", "JSONStream"},
		{"NuGet", "A.B", "a.b"},
		{"Packagist", "Symfony/Http-Kernel", "symfony/http-kernel"},
		{"crates.io", "Serde_JSON", "serde-json"},
		{"RubyGems", "RedCloth", "RedCloth"},
	} {
		if got := canonicalName(tc[0], tc[1]); got != tc[2] {
			t.Errorf("%v: %q", tc, got)
		}
	}
}

// FuzzEvaluate: the order in which the two events of an interval are written
// doesn't matter, an interval holds its start and not its end, and a fixed
// version is not affected.
func FuzzEvaluate(f *testing.F) {
	f.Add("Debian:12", "1.0-1", "2.0-1", "1.5-1")
	f.Add("Alpine:v3.19", "1.0-r1", "1.0_p1", "1.0_rc1-r2")
	f.Add("Go", "1.0.0", "1.2.0-rc.1", "v1.1.0")
	f.Add("PyPI", "1.0", "2!1.0", "1.0.dev1")
	f.Add("Packagist", "v1.0-beta2", "1.0", "1.0.0-dev")
	f.Add("RubyGems", "1.0-rc1", "1.0.1", "1.0.a")
	f.Add("NuGet", "1.0.0.1-a", "1.0.1", "1.0.0.1")
	f.Add("crates.io", "1.0.0-alpha.1", "1.0.1", "1.0.0+x")
	f.Fuzz(func(t *testing.T, ecosystem, start, end, installed string) {
		o, err := orderOf(ecosystem, "ECOSYSTEM")
		if err != nil || start == "0" {
			return
		}
		from, err1 := o.parse(start)
		to, err2 := o.parse(end)
		if err1 != nil || err2 != nil || !from.exact || !to.exact {
			return
		}
		c, err := from.compare(to)
		if err != nil || c >= 0 {
			return
		}
		entry := func(events ...Event) *Affected {
			return &Affected{Ecosystem: ecosystem, Ranges: []Range{{Type: "ECOSYSTEM", Events: events}}}
		}
		forward, backward := entry(Event{Introduced: start}, Event{Fixed: end}), entry(Event{Fixed: end}, Event{Introduced: start})
		if one, two := forward.evaluate(installed), backward.evaluate(installed); one != two {
			t.Errorf("%+v in one order, %+v in the other", one, two)
		}
		if !forward.evaluate(start).affected || forward.evaluate(end).affected {
			t.Errorf("[%q, %q) holds its end or not its start", start, end)
		}
		if next := fixed([]*Affected{forward}, installed); next != "" && next != end {
			t.Errorf("fixed in %q", next)
		}
	})
}

// FuzzRecord: a record that is read has an id and whole events.
func FuzzRecord(f *testing.F) {
	f.Add([]byte(`{"id":"X-1","affected":[{"package":{"ecosystem":"Go","name":"a"},"ranges":[{"type":"SEMVER","events":[{"introduced":"0","fixed":"1"}]}],"database_specific":{"severity":["x"]}}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := parseRecord(data, "Go")
		if err != nil {
			return
		}
		if r.ID == "" {
			t.Error("no id")
		}
		for i := range r.Affected {
			a := &r.Affected[i]
			if baseOf(a.Ecosystem) != "Go" || a.Name == "" {
				t.Errorf("%+v", a)
			}
			for _, rg := range a.Ranges {
				for _, e := range rg.Events {
					set := 0
					for _, s := range []string{e.Introduced, e.Fixed, e.LastAffected, e.Limit} {
						if s != "" {
							set++
						}
					}
					if set != 1 {
						t.Errorf("event %+v", e)
					}
				}
			}
			a.evaluate("v1.0.0")
		}
		assess(r, &Affected{})
	})
}
