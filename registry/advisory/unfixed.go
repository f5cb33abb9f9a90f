package advisory

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/scantling/scantling/model"
)

// Unfixed is one package whose matches no step of the fix plan can clear.
type Unfixed struct {
	Package   string   `json:"package"` // the source package
	Version   string   `json:"version"`
	Ecosystem string   `json:"ecosystem"`
	Images    []string `json:"images"` // keys, sorted
	IDs       []string `json:"ids"`    // advisories, sorted
	Matches   int      `json:"matches"`
	Why       string   `json:"why"`
}

// Unfixed lists the matches without a fix and without a favourable statement,
// by package and reason. now judges whether a release still gets fixes.
func (r *Result) Unfixed(now time.Time) []Unfixed {
	now = now.UTC() // support ends with a day of it
	type key struct{ ecosystem, name, version, why string }
	of := map[key][]model.Weakness{}
	for _, one := range r.images {
		for _, m := range one.m.found {
			if w := m.weakness; w.Fixed == "" && !w.Statement.Favourable() {
				k := key{w.Ecosystem, w.Package, w.Version, whyUnfixed(m.entries, w.Ecosystem, now)}
				of[k] = append(of[k], w)
			}
		}
	}
	out := []Unfixed{}
	for k, list := range of {
		u := Unfixed{Package: k.name, Version: k.version, Ecosystem: k.ecosystem, Why: k.why, Matches: Count(list).Matches}
		for _, w := range list {
			u.Images, u.IDs = append(u.Images, w.Image.Key), append(u.IDs, w.Advisory)
		}
		u.Images, u.IDs = union(u.Images, nil), union(u.IDs, nil)
		out = append(out, u)
	}
	slices.SortFunc(out, func(a, b Unfixed) int {
		return cmp.Or(
			-cmp.Compare(a.Matches, b.Matches), cmp.Compare(a.Ecosystem, b.Ecosystem), cmp.Compare(a.Package, b.Package),
			cmp.Compare(a.Version, b.Version), cmp.Compare(a.Why, b.Why),
		)
	})
	return out
}

// whyUnfixed tells a release that gets no fixes any more, and where to go from
// it, from a fix that isn't there yet.
func whyUnfixed(entries []*Affected, ecosystem string, now time.Time) string {
	if end, ok := supportEnds[canonicalEcosystem(ecosystem)]; ok && now.Format(time.DateOnly) > end {
		text := fmt.Sprintf("%s is out of support since %s", ecosystem, end)
		if next := successor(ecosystem, now); next != "" {
			return text + ": move to " + next + " or newer"
		}
		return text + ": move to a release that is supported"
	}
	for _, a := range entries {
		for _, r := range a.Ranges {
			if i := slices.IndexFunc(r.Events, func(e Event) bool { return e.LastAffected != "" }); i >= 0 {
				return "no fixed version is named, " + r.Events[i].LastAffected + " is the last affected one"
			}
		}
	}
	return "no fix is known"
}

// successor is the next release of a distribution that is still supported; ""
// where none is known.
func successor(ecosystem string, now time.Time) string {
	number := func(release string) (version, error) {
		_, text, _ := strings.Cut(release, ":")
		return order{"npm"}.parse(strings.TrimPrefix(text, "v"))
	}
	from, err := number(canonicalEcosystem(ecosystem))
	if err != nil {
		return ""
	}
	best, lowest := "", version{}
	for _, release := range sortedKeys(supportEnds) {
		if baseOf(release) != baseOf(ecosystem) || supportEnds[release] < now.Format(time.DateOnly) {
			continue
		}
		v, err := number(release)
		if err != nil {
			continue
		}
		if c, err := v.compare(from); err != nil || c <= 0 {
			continue
		}
		if best != "" {
			if c, err := v.compare(lowest); err != nil || c >= 0 {
				continue
			}
		}
		best, lowest = release, v
	}
	return best
}
