package advisory

import (
	"encoding/json"
	"slices"
	"strings"
	"time"
)

// Record is the part of an OSV record (OSV schema 1.x) that is evaluated. The
// zero times mean that none was given.
type Record struct {
	ID        string
	Modified  time.Time
	Published time.Time
	Withdrawn bool
	Aliases   []string
	Upstream  []string
	Related   []string
	Summary   string
	Scores    []Score // of the record as a whole
	Rating    string  // severity word of the record, as "HIGH"; "" where not given
	Affected  []Affected
}

// Score is one severity entry: a CVSS vector, or a word of a distribution.
type Score struct {
	Type  string `json:"type"` // CVSS_V2, CVSS_V3, CVSS_V4, Ubuntu
	Score string `json:"score"`
}

// Affected is one package of a record with the versions that it touches.
type Affected struct {
	Ecosystem string // with its release, as "Debian:11"
	Name      string
	Ranges    []Range // of type SEMVER and ECOSYSTEM only
	GitOnly   bool    // it had ranges, and all of them were of commits
	Versions  []string
	Scores    []Score
	Rating    string
}

// Range is a list of events on one version line.
type Range struct {
	Type   string `json:"type"`
	Events []Event
}

// Event holds exactly one of its fields; one object with more is split.
type Event struct {
	Introduced   string `json:"introduced"`
	Fixed        string `json:"fixed"`
	LastAffected string `json:"last_affected"`
	Limit        string `json:"limit"`
}

// rawRecord is the shape of the JSON document.
type rawRecord struct {
	ID        string        `json:"id"`
	Modified  string        `json:"modified"`
	Published string        `json:"published"`
	Withdrawn string        `json:"withdrawn"`
	Aliases   []string      `json:"aliases"`
	Upstream  []string      `json:"upstream"`
	Related   []string      `json:"related"`
	Summary   string        `json:"summary"`
	Severity  []Score       `json:"severity"`
	Affected  []rawAffected `json:"affected"`
	Specific  rating        `json:"database_specific"`
}

type rawAffected struct {
	Package           packageName `json:"package"`
	Ranges            []Range     `json:"ranges"`
	Versions          []string    `json:"versions"`
	Severity          []Score     `json:"severity"`
	EcosystemSpecific rating      `json:"ecosystem_specific"`
	DatabaseSpecific  rating      `json:"database_specific"`
}

// rating finds the severity word in an object of free form: databases write
// "severity" (GitHub, Bitnami) or "urgency" (Debian). Anything else in it, and
// any other shape, is nothing to this package.
type rating string

func (r *rating) UnmarshalJSON(data []byte) error {
	var words struct {
		Severity any `json:"severity"`
		Urgency  any `json:"urgency"`
	}
	if json.Unmarshal(data, &words) != nil {
		return nil
	}
	for _, word := range []any{words.Severity, words.Urgency} {
		if text, ok := word.(string); ok && *r == "" {
			*r = rating(text)
		}
	}
	return nil
}

// parseRecord decodes one OSV document and keeps the packages of the
// ecosystem base ("Debian" for "Debian:11"); "" keeps all.
func parseRecord(data []byte, base string) (*Record, error) {
	var raw rawRecord
	if err := json.Unmarshal(data, &raw); err != nil {
		return nil, err
	}
	modified, published, err := dates(raw.ID, raw.Modified, raw.Published)
	if err != nil {
		return nil, err
	}
	r := &Record{
		ID: raw.ID, Modified: modified, Published: published, Withdrawn: raw.Withdrawn != "", Aliases: raw.Aliases, Upstream: raw.Upstream, Related: raw.Related,
		Summary: raw.Summary, Scores: raw.Severity, Rating: string(raw.Specific),
	}
	for _, a := range raw.Affected {
		if k := a.Package.key(base); k != (key{}) {
			r.Affected = append(r.Affected, a.affected(k))
		}
	}
	return r, nil
}

func (a rawAffected) affected(k key) Affected {
	out := Affected{
		Ecosystem: k.ecosystem, Name: k.name, Versions: a.Versions, Scores: a.Severity, Rating: string(a.EcosystemSpecific),
	}
	if out.Rating == "" {
		out.Rating = string(a.DatabaseSpecific)
	}
	for _, r := range a.Ranges {
		if r.Type == "GIT" {
			continue
		}
		out.Ranges = append(out.Ranges, Range{Type: r.Type, Events: split(r.Events)})
	}
	out.GitOnly = len(a.Ranges) > 0 && len(out.Ranges) == 0
	return out
}

// split parts an event object that says several things, which the schema
// forbids and old records do.
func split(events []Event) []Event {
	out := make([]Event, 0, len(events))
	for _, e := range events {
		for _, single := range []Event{{Introduced: e.Introduced}, {Fixed: e.Fixed}, {LastAffected: e.LastAffected}, {Limit: e.Limit}} {
			if single != (Event{}) {
				out = append(out, single)
			}
		}
	}
	return out
}

// parseTime reads an RFC 3339 time; none is the zero time.
func parseTime(text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	return time.Parse(time.RFC3339, text)
}

// distributions are the ecosystems whose advisories go by release, and whose
// records list the CVEs that they fix as upstream.
var distributions = []string{"Debian", "Ubuntu", "Alpine", "AlmaLinux", "Rocky Linux", "Red Hat", "SUSE", "openSUSE", "Mageia", "openEuler", "Wolfi", "Chainguard"}

// CVEs lists the CVE ids of a record, sorted: its id and aliases, and for
// distributions what upstream names; in AlmaLinux records also related, where
// that database keeps them.
func (r *Record) CVEs(ecosystem string) []string {
	ids := append([]string{r.ID}, r.Aliases...)
	base := baseOf(ecosystem)
	if slices.Contains(distributions, base) {
		ids = append(ids, r.Upstream...)
	}
	if base == "AlmaLinux" {
		ids = append(ids, r.Related...)
	}
	var out []string
	for _, id := range ids {
		// Distributions prefix the CVE with their name: DEBIAN-CVE-2024-1.
		if i := strings.Index(id, "CVE-"); i == 0 || i > 0 && id[i-1] == '-' {
			out = append(out, id[i:])
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// baseOf is the part of an ecosystem before its release.
func baseOf(ecosystem string) string {
	base, _, _ := strings.Cut(ecosystem, ":")
	return base
}

// canonicalEcosystem drops what the name of a release may carry beside it:
// "Ubuntu:22.04:LTS" and "Ubuntu:22.04" are one release.
func canonicalEcosystem(ecosystem string) string {
	if baseOf(ecosystem) == "Ubuntu" {
		return strings.TrimSuffix(ecosystem, ":LTS")
	}
	return ecosystem
}

// canonicalName writes names the way their registry compares them: PyPI
// ignores case and the kind of separator (PEP 503), NuGet and Packagist
// ignore case, crates.io refuses a name that differs from another in case or in
// "-" and "_" alone. RubyGems has names that differ in case.
func canonicalName(ecosystem, name string) string {
	switch baseOf(ecosystem) {
	case "PyPI":
		parts := strings.FieldsFunc(strings.ToLower(name), func(r rune) bool { return r == '-' || r == '_' || r == '.' })
		return strings.Join(parts, "-")
	case "NuGet", "Packagist":
		return strings.ToLower(name)
	case "crates.io":
		return strings.ReplaceAll(strings.ToLower(name), "_", "-")
	}
	return name
}
