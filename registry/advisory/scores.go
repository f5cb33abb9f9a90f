package advisory

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
)

// scores is the probability of exploitation of each CVE, as a table of 16 bytes
// a row: the public file has 350,000, and a map of their names 40 MB.
type scores []score // sorted by cve once sealed, each CVE once

type score struct {
	cve cveID
	p   float64
}

// seal sorts the rows as they were read. Of a CVE with several the greatest
// probability counts.
func (s scores) seal() scores {
	slices.SortFunc(s, func(a, b score) int { return cmp.Or(cmp.Compare(a.cve, b.cve), cmp.Compare(b.p, a.p)) })
	return slices.CompactFunc(s, func(a, b score) bool { return a.cve == b.cve })
}

// of is the probability of a CVE, which may be no CVE at all.
func (s scores) of(cve string) (p float64, ok bool) {
	id, ok := parseCVE(cve)
	if !ok {
		return 0, false
	}
	i, ok := slices.BinarySearchFunc(s, id, func(row score, id cveID) int { return cmp.Compare(row.cve, id) })
	if !ok {
		return 0, false
	}
	return s[i].p, true
}

// cveID is CVE-<year>-<number> as one number: 14 bits of the year, 4 of how
// many digits the number has, 44 of the number. No two texts have the same.
type cveID uint64

// parseCVE takes a year of four digits and a number of one to thirteen.
func parseCVE[T ~string | ~[]byte](text T) (cveID, bool) {
	const prefix = len("CVE-2026-")
	s := string(text)
	if len(s) <= prefix || len(s) > prefix+13 || !strings.HasPrefix(s, "CVE-") || s[prefix-1] != '-' {
		return 0, false
	}
	year, err := strconv.ParseUint(s[4:prefix-1], 10, 14)
	if err != nil {
		return 0, false
	}
	number, err := strconv.ParseUint(s[prefix:], 10, 44)
	if err != nil {
		return 0, false
	}
	return cveID(year<<48 | uint64(len(s)-prefix)<<44 | number), true
}
