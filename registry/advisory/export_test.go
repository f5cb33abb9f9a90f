package advisory

import (
	"slices"
	"time"

	"github.com/google/go-cmp/cmp"
)

// Difference compares all that two DBs hold, but when a library was synced.
func Difference(a, b *DB) string {
	if d := cmp.Diff(a.known, b.known) + cmp.Diff(a.kev, b.kev) + cmp.Diff(a.epss, b.epss, cmp.AllowUnexported(score{})); d != "" {
		return d
	}
	if !a.CatalogDate.Equal(b.CatalogDate) || !a.ScoreDate.Equal(b.ScoreDate) {
		return "dates of KEV or EPSS"
	}
	if d := cmp.Diff(sortedKeys(a.feeds), sortedKeys(b.feeds)); d != "" {
		return d
	}
	for name, f := range a.feeds {
		g := b.feeds[name]
		if d := cmp.Diff(f.records, g.records) + cmp.Diff(f.releases, g.releases); d != "" {
			return d
		}
		if !f.newest.Equal(g.newest) || len(f.packages) != len(g.packages) {
			return name + ": newest or packages"
		}
	}
	return ""
}

// Packages lists the ecosystems and names that records name, sorted.
func (db *DB) Packages() (out [][2]string) {
	for _, f := range db.feeds {
		for k := range f.packages {
			out = append(out, [2]string{k.ecosystem, k.name})
		}
	}
	slices.SortFunc(out, func(a, b [2]string) int { return slices.Compare(a[:], b[:]) })
	return out
}

// Loaded counts the records in memory.
func (db *DB) Loaded() (n int) {
	for _, f := range db.feeds {
		n += len(f.records)
	}
	return n
}

// Stale is what the age of a feed says.
func Stale(newest, synced time.Time, partial bool, now time.Time) string {
	return (&feed{newest: newest, synced: synced, partial: partial}).stale("Go", now)
}

// Meaning is that of the text of a record.
func Meaning(text string) (meaning, error) {
	r, err := parseRecord([]byte(text), "")
	if err != nil {
		return meaning{}, err
	}
	return r.meaning(), nil
}

// Corpora finds the public test data, and the advisories beside it.
var Corpora = corpora
