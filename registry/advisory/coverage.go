package advisory

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/scantling/scantling/model"
	"github.com/scantling/scantling/registry/image"
)

// MaxFeedAge is how old the newest record of an ecosystem may be before what
// it says of an image is unknown: every ecosystem here publishes weekly.
const MaxFeedAge = 30 * 24 * time.Hour

// supportEnds is the last day on which a release gets security updates: LTS
// included for Debian (wiki.debian.org/LTS), the standard term for Ubuntu
// (ubuntu.com/about/release-cycle), the branch's end for Alpine
// (alpinelinux.org/releases), security support for AlmaLinux
// (wiki.almalinux.org/release-notes) and Rocky Linux
// (wiki.rockylinux.org/rocky/version), the end of Leap's maintenance
// (en.opensuse.org/Lifetime). Advisories after it aren't written, so that a
// package without one is not clean. A release that isn't named here is unknown
// as well.
var supportEnds = map[string]string{
	"Debian:7": "2018-05-31", "Debian:8": "2020-06-30", "Debian:9": "2022-06-30", "Debian:10": "2024-06-30",
	"Debian:11": "2026-08-31", "Debian:12": "2028-06-30", "Debian:13": "2030-06-30",
	"Ubuntu:14.04": "2019-04-25", "Ubuntu:16.04": "2021-04-30", "Ubuntu:18.04": "2023-05-31",
	"Ubuntu:20.04": "2025-05-31", "Ubuntu:22.04": "2027-04-30", "Ubuntu:24.04": "2029-05-31", "Ubuntu:26.04": "2031-04-30",
	"Ubuntu:12.04": "2017-04-28", "Ubuntu:16.10": "2017-07-20", "Ubuntu:17.04": "2018-01-13", "Ubuntu:17.10": "2018-07-19",
	"Ubuntu:18.10": "2019-07-18", "Ubuntu:19.04": "2020-01-23", "Ubuntu:19.10": "2020-07-17", "Ubuntu:20.10": "2021-07-22",
	"Ubuntu:21.04": "2022-01-20", "Ubuntu:21.10": "2022-07-14", "Ubuntu:22.10": "2023-07-20", "Ubuntu:23.04": "2024-01-25",
	"Ubuntu:23.10": "2024-07-11", "Ubuntu:24.10": "2025-07-10", "Ubuntu:25.04": "2026-01-15",
	"Alpine:v3.0": "2016-05-01", "Alpine:v3.1": "2016-11-01", "Alpine:v3.2": "2017-05-01",
	"Alpine:v3.3": "2017-11-01", "Alpine:v3.4": "2018-05-01", "Alpine:v3.5": "2018-11-01", "Alpine:v3.6": "2019-05-01",
	"Alpine:v3.7": "2019-11-01", "Alpine:v3.8": "2020-05-01", "Alpine:v3.9": "2020-11-01", "Alpine:v3.10": "2021-05-01",
	"Alpine:v3.11": "2021-11-01", "Alpine:v3.12": "2022-05-01", "Alpine:v3.13": "2022-11-01", "Alpine:v3.14": "2023-05-01",
	"Alpine:v3.15": "2023-11-01", "Alpine:v3.16": "2024-05-23", "Alpine:v3.17": "2024-11-22", "Alpine:v3.18": "2025-05-09",
	"Alpine:v3.19": "2025-11-01", "Alpine:v3.20": "2026-04-01", "Alpine:v3.21": "2026-11-01", "Alpine:v3.22": "2027-05-01", "Alpine:v3.23": "2027-11-01",
	"AlmaLinux:8": "2029-03-01", "AlmaLinux:9": "2032-05-31", "AlmaLinux:10": "2035-05-31",
	"Rocky Linux:8": "2029-05-31", "Rocky Linux:9": "2032-05-31", "Rocky Linux:10": "2035-05-31",
	"openSUSE:Leap 15.0": "2019-12-03", "openSUSE:Leap 15.1": "2021-02-02", "openSUSE:Leap 15.2": "2022-01-04",
	"openSUSE:Leap 15.3": "2022-12-31", "openSUSE:Leap 15.4": "2023-12-07", "openSUSE:Leap 15.5": "2024-12-31",
	"openSUSE:Leap 15.6": "2026-04-30",
}

// hasReleases reports whether an ecosystem names a release that ends. Rolling
// ones don't.
func hasReleases(ecosystem string) bool {
	_, release, ok := strings.Cut(ecosystem, ":")
	return ok && release != "Tumbleweed" && release != "stream"
}

// gap is one ecosystem that advisories can't speak for.
type gap struct {
	why      string
	packages int // of one image
}

// uncovered says, once for each ecosystem of the image's packages, why the
// advisories can't speak for it. now may be zero: then support is judged at
// the date of the feed, and the feed's own age is not judged.
func (db *DB) uncovered(inv *image.Inventory, now time.Time) []gap {
	packages := map[string]int{}
	for _, p := range inv.Packages {
		packages[p.Ecosystem]++
	}
	var out []gap
	for _, ecosystem := range sortedKeys(packages) {
		if why := db.missing(inv, ecosystem, now); why != "" {
			out = append(out, gap{why, packages[ecosystem]})
		}
	}
	return out
}

// incomplete names the gaps of one image.
func incomplete(inv *image.Inventory, gaps []gap) []model.Incomplete {
	var out []model.Incomplete
	for _, g := range gaps {
		out = append(out, model.Incomplete{What: inv.Name + " advisories", Why: fmt.Sprintf("%s (%s)", g.why, counted(g.packages, "package"))})
	}
	return out
}

// Gaps counts what advisories can't speak for of many images, by reason: a feed
// that is old is one thing that is missing, however many images it leaves in
// the dark.
type Gaps map[string]struct{ images, packages int }

// Join adds the gaps of other images.
func (t Gaps) Join(more Gaps) {
	for why, one := range more {
		n := t[why]
		n.images += one.images
		n.packages += one.packages
		t[why] = n
	}
}

// add takes in the gaps of one image, which counts once for each reason.
func (t Gaps) add(gaps []gap) {
	seen := map[string]bool{}
	for _, g := range gaps {
		n := t[g.why]
		if !seen[g.why] {
			n.images++
		}
		seen[g.why] = true
		n.packages += g.packages
		t[g.why] = n
	}
}

// Incomplete lists the gaps, one for each reason.
func (t Gaps) Incomplete() []model.Incomplete {
	var out []model.Incomplete
	for _, why := range sortedKeys(t) {
		n := t[why]
		out = append(out, model.Incomplete{What: "advisories", Why: fmt.Sprintf("%s (%s of %s)", why, counted(n.packages, "package"), counted(n.images, "image"))})
	}
	return out
}

// missing is why one ecosystem is not covered; "" where it is.
func (db *DB) missing(inv *image.Inventory, ecosystem string, now time.Time) string {
	if db == nil {
		return "no advisories are loaded: run `scantling advisories sync`, or name a folder of them with --advisories"
	}
	if ecosystem == "" {
		why := image.Unplaced(inv.OS.ID)
		switch {
		case why != "":
			return fmt.Sprintf("no advisories are known for the packages of %s: %s", cmp.Or(inv.OS.Name, inv.OS.ID), why)
		case inv.OS.Name != "":
			return fmt.Sprintf("no advisories are known for the packages of %s", inv.OS.Name)
		case inv.OS.ID != "":
			return fmt.Sprintf("no advisories are known for the packages of %s", inv.OS.ID)
		}
		return "no os-release says which distribution its packages are of"
	}
	f := db.feeds[baseOf(ecosystem)]
	if f == nil {
		if slices.Contains(db.known, baseOf(ecosystem)) {
			return fmt.Sprintf("the advisories for %s could not be read or were not asked for", baseOf(ecosystem))
		}
		return fmt.Sprintf("no advisories for %s in this feed", baseOf(ecosystem))
	}
	if !f.covers(ecosystem) {
		return fmt.Sprintf("no advisories for %s in this feed", ecosystem)
	}
	if why := f.stale(baseOf(ecosystem), now); why != "" {
		return why
	}
	at := now.UTC()
	if at.IsZero() {
		at = f.newest
	}
	end, told := supportEnds[canonicalEcosystem(ecosystem)]
	switch {
	case told && at.Format(time.DateOnly) > end:
		return fmt.Sprintf("%s is out of support since %s: what was found since is unknown", ecosystem, end)
	case !told && hasReleases(ecosystem):
		return fmt.Sprintf("how long %s is supported isn't known here: whether what was found lately is among its advisories is unknown", ecosystem)
	}
	return ""
}

// covers reports whether some record names the release. A record of all
// releases speaks for one that no other names only where none names any.
func (f *feed) covers(ecosystem string) bool {
	if f.releases[canonicalEcosystem(ecosystem)] {
		return true
	}
	for release := range f.releases {
		if hasReleases(release) && hasReleases(ecosystem) {
			return false
		}
	}
	return f.releases[baseOf(ecosystem)]
}

// stale is why a feed is too old, or never was whole; "" where it is neither.
// Both its newest record and its last sync have to be young: a copy of today
// of a source that stopped is as old as the source, and a source that dates
// its records ahead is as old as its copy. now may be zero: then age is not
// judged.
func (f *feed) stale(ecosystem string, now time.Time) string {
	switch {
	case f.partial:
		return fmt.Sprintf("the advisories for %s are not all here yet: run `scantling advisories sync`", ecosystem)
	case now.IsZero():
		return ""
	case now.Sub(f.newest) > MaxFeedAge:
		return fmt.Sprintf("the advisories for %s end on %s: what was found since is unknown", ecosystem, f.newest.Format(time.DateOnly))
	case !f.synced.IsZero() && now.Sub(f.synced) > MaxFeedAge:
		return fmt.Sprintf("the advisories for %s were last synced on %s: what was found since is unknown", ecosystem, f.synced.Format(time.DateOnly))
	}
	return ""
}

// unexploited is why the catalogue of exploited vulnerabilities can't speak for
// today; "" where it can, or was missed already. CISA adds to it every week. now
// may be zero: then age is not judged.
func (db *DB) unexploited(now time.Time) string {
	switch {
	case db == nil || now.IsZero():
	case !db.CatalogDate.IsZero() && now.Sub(db.CatalogDate) > MaxFeedAge:
		return fmt.Sprintf("the catalogue of exploited vulnerabilities ends on %s: what is exploited since is unknown", db.CatalogDate.Format(time.DateOnly))
	case !db.catalogSynced.IsZero() && now.Sub(db.catalogSynced) > MaxFeedAge:
		return fmt.Sprintf("the catalogue of exploited vulnerabilities was last synced on %s: what is exploited since is unknown", db.catalogSynced.Format(time.DateOnly))
	}
	return ""
}

// counted writes a number with its noun.
func counted(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
