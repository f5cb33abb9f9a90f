package advisory

import (
	"cmp"
	"slices"
	"strings"
	"time"
)

// DB holds the advisories of the ecosystems that were loaded, with KEV and
// EPSS. It is immutable once loaded and safe for concurrent use. A nil DB
// knows nothing: every image is unknown.
type DB struct {
	feeds map[string]*feed // by base ecosystem
	known []string         // ecosystems that the folder has, loaded or not, sorted
	kev   map[string]Exploited
	epss  scores
	// ScoreDate is the day that the EPSS file states, CatalogDate that of KEV;
	// zero where the file is absent or doesn't say.
	ScoreDate   time.Time
	CatalogDate time.Time

	catalogSynced time.Time // when a library last had KEV; zero of a folder
}

// Exploited is one row of CISA's catalogue of known exploited vulnerabilities.
type Exploited struct {
	CVE        string
	Added      string // YYYY-MM-DD
	Due        string // YYYY-MM-DD, for federal agencies under BOD 22-01
	Ransomware bool   // known to be used in ransomware campaigns
}

// feed is one ecosystem.
type feed struct {
	records  map[string]*Record
	others   map[string]bool // ids of those that were read in brief, see LoadFor
	packages map[key][]hit
	releases map[string]bool // ecosystems with release that some record names
	newest   time.Time       // of all records
	synced   time.Time       // when a library last had all of the source; zero of a folder
	partial  bool            // a library has never had all of it
}

// key finds the records of a package: ecosystem with its release, and name.
type key struct{ ecosystem, name string }

// hit is one affected entry of a record.
type hit struct {
	record   *Record
	affected *Affected
}

// Feed describes one loaded ecosystem, for status reports.
type Feed struct {
	Ecosystem string
	Records   int
	Newest    time.Time // latest modified of its records
	Releases  []string  // sorted
}

// Feeds lists the loaded ecosystems, sorted.
func (db *DB) Feeds() []Feed {
	if db == nil {
		return nil
	}
	var out []Feed
	for name, f := range db.feeds {
		one := Feed{Ecosystem: name, Records: len(f.records) + len(f.others), Newest: f.newest}
		for release := range f.releases {
			one.Releases = append(one.Releases, release)
		}
		slices.Sort(one.Releases)
		out = append(out, one)
	}
	slices.SortFunc(out, func(a, b Feed) int { return cmp.Compare(a.Ecosystem, b.Ecosystem) })
	return out
}

// KEV returns the catalogue's row of a CVE.
func (db *DB) KEV(cve string) (Exploited, bool) {
	if db == nil {
		return Exploited{}, false
	}
	row, ok := db.kev[cve]
	return row, ok
}

// EPSS returns the probability that a CVE is exploited within 30 days, 0 to 1.
func (db *DB) EPSS(cve string) (float64, bool) {
	if db == nil {
		return 0, false
	}
	return db.epss.of(cve)
}

func newFeed() *feed {
	return &feed{records: map[string]*Record{}, packages: map[key][]hit{}, releases: map[string]bool{}}
}

// add files a record, merged with an earlier one of the same id: sources list
// one advisory under several releases. Of a package that both name, the record
// that was modified later counts; at one time, both do.
func (f *feed) add(r *Record) {
	old := f.records[r.ID]
	if old == nil {
		f.records[r.ID] = r
		return
	}
	first, second := old, r
	if r.Modified.After(old.Modified) {
		first, second = r, old
	}
	merged := *first
	newer := map[key]bool{}
	for _, a := range first.Affected {
		newer[key{a.Ecosystem, a.Name}] = true
	}
	merged.Affected = slices.Clone(first.Affected)
	for _, a := range second.Affected {
		if newer[key{a.Ecosystem, a.Name}] && !first.Modified.Equal(second.Modified) {
			continue
		}
		if !slices.ContainsFunc(merged.Affected, a.equal) {
			merged.Affected = append(merged.Affected, a)
		}
	}
	merged.Aliases = union(first.Aliases, second.Aliases)
	merged.Upstream = union(first.Upstream, second.Upstream)
	merged.Related = union(first.Related, second.Related)
	merged.Withdrawn = first.Withdrawn && (second.Withdrawn || !first.Modified.Equal(second.Modified))
	f.records[r.ID] = &merged
}

// equal reports whether two entries say the same.
func (a Affected) equal(b Affected) bool {
	return a.Ecosystem == b.Ecosystem && a.Name == b.Name && a.GitOnly == b.GitOnly && a.Rating == b.Rating &&
		slices.Equal(a.Versions, b.Versions) && slices.Equal(a.Scores, b.Scores) &&
		slices.EqualFunc(a.Ranges, b.Ranges, func(x, y Range) bool { return x.Type == y.Type && slices.Equal(x.Events, y.Events) })
}

func union(a, b []string) []string {
	out := slices.Concat(a, b)
	slices.Sort(out)
	return slices.Compact(out)
}

// index makes the records findable by package. Withdrawn records count for
// what the feed covers and match nothing.
func (f *feed) index() {
	for _, id := range sortedKeys(f.records) {
		r := f.records[id]
		if r.Modified.After(f.newest) {
			f.newest = r.Modified
		}
		for i := range r.Affected {
			a := &r.Affected[i]
			f.releases[a.Ecosystem] = true
			if !r.Withdrawn {
				k := key{a.Ecosystem, a.Name}
				f.packages[k] = append(f.packages[k], hit{r, a})
			}
		}
	}
}

// keysOf are the keys under which entries for a package are filed: with its
// release, and without.
func keysOf(ecosystem, name string) []key {
	ecosystem = canonicalEcosystem(ecosystem)
	name = canonicalName(ecosystem, name)
	out := []key{{ecosystem, name}}
	if base := baseOf(ecosystem); base != ecosystem {
		out = append(out, key{base, name})
	}
	return out
}

// find returns the entries for a package, those that name its release and
// those that name the ecosystem without one, sorted by record id.
func (f *feed) find(ecosystem, name string) []hit {
	keys := keysOf(ecosystem, name)
	hits := f.packages[keys[0]]
	for _, k := range keys[1:] {
		hits = slices.Concat(hits, f.packages[k])
		slices.SortStableFunc(hits, func(a, b hit) int { return strings.Compare(a.record.ID, b.record.ID) })
	}
	return hits
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
