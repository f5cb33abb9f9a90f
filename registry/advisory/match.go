package advisory

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/scantling/scantling/model"
	"github.com/scantling/scantling/registry/image"
)

// Match finds the weaknesses of an image, sorted by component, path and
// advisory. Incomplete names what the advisories can't tell of it: ecosystems
// and releases without advisories, versions and records that can't be
// compared. Support is judged at the date of the feed.
func (db *DB) Match(inv *image.Inventory) ([]model.Weakness, []model.Incomplete) {
	m := db.match(inv, time.Time{})
	return m.weaknesses(), slices.Concat(incomplete(inv, m.uncovered), m.unknown)
}

// matching is the result for one image.
type matching struct {
	found     []match
	uncovered []gap              // packages that no advisory could have named
	unknown   []model.Incomplete // single records and versions that can't be told
}

// match keeps, beside the weakness, what planning a fix needs.
type match struct {
	weakness model.Weakness
	entries  []*Affected // of the record, for this package
	pkg      *image.Package
	rated    bool // the record says its severity
}

func (m *matching) weaknesses() []model.Weakness {
	var out []model.Weakness
	for _, one := range m.found {
		out = append(out, one.weakness)
	}
	return out
}

// match looks at every package. now decides whether a release is still
// supported and may be zero.
func (db *DB) match(inv *image.Inventory, now time.Time) *matching {
	m := &matching{uncovered: db.uncovered(inv, now)}
	if db == nil {
		return m
	}
	for i := range inv.Packages {
		p := &inv.Packages[i]
		f := db.feeds[baseOf(p.Ecosystem)]
		if f == nil || p.Ecosystem == "" {
			continue
		}
		hits := f.find(p.Ecosystem, p.Source)
		for len(hits) > 0 {
			same := 1
			for same < len(hits) && hits[same].record == hits[0].record {
				same++
			}
			db.judge(m, inv, p, hits[:same])
			hits = hits[same:]
		}
	}
	slices.SortFunc(m.found, func(a, b match) int { return compareWeaknesses(a.weakness, b.weakness) })
	m.found = slices.CompactFunc(m.found, func(a, b match) bool { return a.weakness.ID() == b.weakness.ID() })
	slices.SortFunc(m.unknown, compareIncomplete)
	m.unknown = slices.Compact(m.unknown)
	return m
}

func compareWeaknesses(a, b model.Weakness) int {
	return cmp.Or(cmp.Compare(a.Component, b.Component), cmp.Compare(a.Path, b.Path), cmp.Compare(a.Advisory, b.Advisory))
}

func compareIncomplete(a, b model.Incomplete) int {
	return cmp.Or(cmp.Compare(a.What, b.What), cmp.Compare(a.Why, b.Why))
}

// judge evaluates the entries of one record for one package.
func (db *DB) judge(m *matching, inv *image.Inventory, p *image.Package, hits []hit) {
	r := hits[0].record
	var entries []*Affected
	var verdict outcome
	var touched *Affected
	for _, h := range hits {
		fit := streamOf(r, h.affected, p.Module, p.SourceVersion)
		if fit == anotherStream {
			continue
		}
		one := fit.fitted(h.affected.evaluate(p.SourceVersion))
		if fit == itsStream {
			entries = append(entries, h.affected)
		}
		if one.affected && touched == nil {
			touched = h.affected
		}
		verdict.affected = verdict.affected || one.affected
		if verdict.unknown == "" {
			verdict.unknown = one.unknown
		}
	}
	note := func(why string) {
		m.unknown = append(m.unknown, model.Incomplete{
			What: fmt.Sprintf("%s %s %s (%s)", inv.Name, p.Source, p.SourceVersion, p.Path),
			Why:  fmt.Sprintf("%s: %s", r.ID, why),
		})
	}
	if verdict.unknown != "" {
		note(verdict.unknown)
	}
	if !verdict.affected {
		return
	}
	rating, problem := assess(r, touched)
	w := db.weakness(inv, p, r, touched, rating)
	if problem != "" {
		note(problem)
	}
	w.Fixed = fixed(entries, p.SourceVersion)
	m.found = append(m.found, match{weakness: w, entries: entries, pkg: p, rated: rating.given})
}

// weakness fills in everything but the fix.
//
// A record without any severity counts as medium, and as high where one of
// its CVEs is known to be exploited: users who gate on high would otherwise
// never see it, and calling every unrated flaw high would bury the rated ones.
// CVSS stays 0 then, so that the guess can be told from a rating.
func (db *DB) weakness(inv *image.Inventory, p *image.Package, r *Record, a *Affected, rated assessment) model.Weakness {
	w := model.Weakness{
		Advisory: r.ID, Aliases: union(r.Aliases, nil), CVEs: r.CVEs(a.Ecosystem), Image: inv.Ref(),
		Component: p.PURL, Package: p.Source, Version: p.SourceVersion, Ecosystem: p.Ecosystem,
		Layer: p.Layer, Path: p.Path, Severity: rated.severity, CVSS: rated.score, CVSSVector: rated.vector,
		Automatable: rated.automatable, TotalImpact: rated.totalImpact, Assumed: rated.vector != "",
		Source: "osv " + baseOf(a.Ecosystem), Modified: r.Modified, Published: r.Published,
	}
	for _, cve := range w.CVEs {
		if row, ok := db.kev[cve]; ok {
			w.KEV = true
			if added, err := time.Parse(time.DateOnly, row.Added); err == nil && (w.KEVAdded.IsZero() || added.Before(w.KEVAdded)) {
				w.KEVAdded = added
			}
		}
		if p, ok := db.epss.of(cve); ok {
			w.EPSS, w.HasEPSS = max(w.EPSS, p), true
		}
	}
	if !rated.given {
		w.Severity = model.Medium
		if w.KEV {
			w.Severity = model.High
		}
	}
	return w
}

// fixed is the lowest version above the installed one that the record names as
// fixed and that none of its entries for the package touches; "" where there
// is none.
func fixed(entries []*Affected, installed string) string {
	for _, candidate := range fixes(entries, installed) {
		if clears(entries, candidate) {
			return candidate
		}
	}
	return ""
}

// fixes lists the fixed versions above the installed one, lowest first.
func fixes(entries []*Affected, installed string) []string {
	return sortVersions(above(entries, installed))
}

// above gathers the fixed versions above the installed one.
func above(entries []*Affected, installed string) []version {
	var out []version
	for _, a := range entries {
		for _, r := range a.Ranges {
			for _, e := range r.Events {
				if f, ok := a.above(r.Type, installed, e.Fixed); ok {
					out = append(out, f)
				}
			}
		}
	}
	return out
}

// isAbove reports whether a version is above the installed one in the order of
// one of the entries.
func isAbove(entries []*Affected, installed, candidate string) bool {
	for _, a := range entries {
		for _, r := range a.Ranges {
			if _, ok := a.above(r.Type, installed, candidate); ok {
				return true
			}
		}
	}
	return false
}

// above places a version; ok where it is above the installed one.
func (a *Affected) above(rangeType, installed, candidate string) (f version, ok bool) {
	o, err := orderOf(a.Ecosystem, rangeType)
	if err != nil || candidate == "" {
		return f, false
	}
	v, err := o.parse(installed)
	if err != nil {
		return f, false
	}
	if f, err = o.parse(candidate); err != nil {
		return f, false
	}
	c, err := f.compare(v)
	return f, err == nil && c > 0
}

// sortVersions orders and names each once. Versions of different orders
// (SEMVER beside ECOSYSTEM) keep the order of their records.
func sortVersions(list []version) []string {
	slices.SortStableFunc(list, func(a, b version) int {
		c, err := a.compare(b)
		if err != nil {
			return 0
		}
		return cmp.Or(c, cmp.Compare(a.text, b.text))
	})
	var out []string
	for _, v := range list {
		if !slices.Contains(out, v.text) {
			out = append(out, v.text)
		}
	}
	return out
}

// clears reports whether none of the entries touches a version.
func clears(entries []*Affected, version string) bool {
	for _, a := range entries {
		if a.evaluate(version).affected {
			return false
		}
	}
	return true
}
