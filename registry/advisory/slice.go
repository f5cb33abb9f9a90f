package advisory

import (
	"cmp"
	"regexp"
	"slices"
	"sort"
)

// Versions is a list of observed versions of one package, as SortVersions
// leaves them: first those that have a place in the order of their ecosystem,
// in that order, then the rest. It is an interface so that an index can keep
// them in a form of its own.
type Versions interface {
	Len() int
	Ordered() int // so many of them are in order
	At(i int) string
}

// VersionList is the plain Versions.
type VersionList struct {
	Texts   []string
	InOrder int
}

// Len counts all.
func (l VersionList) Len() int { return len(l.Texts) }

// Ordered counts those in order.
func (l VersionList) Ordered() int { return l.InOrder }

// At returns the version at a place.
func (l VersionList) At(i int) string { return l.Texts[i] }

// SortVersions sorts versions of one ecosystem and names each text once. What
// has no place in the order, or could break it, follows behind, sorted by
// text; so do all versions of an ecosystem whose order isn't known. Texts that
// mean one version (1.0 and 1.0.0 of PyPI) are neighbours.
func SortVersions(ecosystem string, texts []string) VersionList {
	o, err := orderOf(ecosystem, "ECOSYSTEM")
	var placed []version
	var rest []string
	for _, text := range texts {
		if v, ok := o.place(text); err == nil && ok {
			placed = append(placed, v)
		} else {
			rest = append(rest, text)
		}
	}
	slices.SortFunc(placed, func(a, b version) int {
		c, _ := a.compare(b) // versions of one order with a place in it compare
		return cmp.Or(c, cmp.Compare(a.text, b.text))
	})
	out := make([]string, 0, len(texts))
	for _, v := range placed {
		out = append(out, v.text)
	}
	out = slices.Compact(out)
	ordered := len(out)
	slices.Sort(rest)
	return VersionList{append(out, slices.Compact(rest)...), ordered}
}

// Orders names the orders of SortVersions: the library and its version, and
// our own edition. Lists that were sorted under another name are not to be
// searched. Raise the edition when a form of versions or place changes.
const Orders = "osv-scalibr v0.5.3, 2"

// Forms of versions within which the library's order is a total preorder, so
// that it can be searched by halves. Its order of Maven goes in a circle for
// others (2-sp is before 2.0.0.beta1, that before 2, and 2 before 2-sp), that
// of Packagist for numbers over 64 bits, and Alpine's for parts like 00, which
// equal no part at all but differ from 0.
var (
	mavenRegular     = regexp.MustCompile(`^\d+(\.\d+)*(\.(?i:final|release|ga)|-[A-Za-z]+(-?\d+)?)?$`)
	packagistRegular = regexp.MustCompile(`^[^\d#]*(\d{1,18}([^\d#]+|$))+$`)
	alpineIrregular  = regexp.MustCompile(`\.00+([^0-9]|$)`)
)

// place parses a version for a sorted list; ok is false for one that has no
// exact place there.
func (o order) place(text string) (v version, ok bool) {
	v, err := o.parse(text)
	return v, err == nil && o.places(v)
}

// places reports whether a version has an exact place in a sorted list.
func (o order) places(v version) bool {
	if !v.exact {
		return false
	}
	switch o.form() {
	case alpineForm:
		return !alpineIrregular.MatchString(v.text)
	case otherForm:
		switch o.name {
		case "Maven":
			return mavenRegular.MatchString(v.text)
		case "Packagist":
			return packagistRegular.MatchString(v.text)
		}
	}
	return true
}

// same reports whether two orders place all versions alike.
func (o order) same(p order) bool {
	return o == p || o.form() == semverForm && p.form() == semverForm
}

// Touched is what a record says of one version of a list: that it is affected,
// that it can't be told, or both where a guess says affected.
type Touched struct {
	Index    int
	Affected bool
	Unknown  string // why it can't be told; "" where it can
	Fixed    string // lowest version above it that none of the entries touches; "" where none is known, or not affected
}

// Touched evaluates the record for observed versions of one package, all of
// one module stream of rpm (image.Package.Module) or of none, and returns those
// that it touches, by index. The outcome is that of evaluating each version
// alone, but versions in order are found by binary search: a record with b
// bounds takes some 2·b·log n comparisons.
func (r *Record) Touched(ecosystem, name, module string, list Versions) []Touched {
	entries := r.entries(ecosystem, name)
	if len(entries) == 0 {
		return nil
	}
	s := newSearch(ecosystem, list)
	verdicts := make([]outcome, list.Len())
	kinds := r.kinds(ecosystem, module, entries)
	for at, a := range entries {
		s.spread(a, verdicts, func(i int, one outcome) outcome {
			return kinds.of(list.At(i)).fits[at].fitted(one)
		})
	}
	var out []Touched
	for _, k := range kinds {
		k.fix = s.fixer(k.entries)
	}
	for i, v := range verdicts {
		if !v.affected && v.unknown == "" {
			continue
		}
		one := Touched{Index: i, Affected: v.affected, Unknown: v.unknown}
		if v.affected {
			one.Fixed = kinds.of(list.At(i)).fix(i)
		}
		out = append(out, one)
	}
	return out
}

// kind is versions for which the entries of a record count alike, as far as
// modules go: all, or where a package is of no known module those that were
// built in one and those that weren't.
type kind struct {
	fits    []stream    // of each entry
	entries []*Affected // that are about its stream
	fix     func(i int) string
}

// kinds is one kind, or the plain one and the one of modular releases.
type kinds []*kind

func (r *Record) kinds(ecosystem, module string, entries []*Affected) kinds {
	samples := []string{""}
	if hasModules(ecosystem) && module == "" {
		samples = append(samples, ".module_")
	}
	var out kinds
	for _, version := range samples {
		k := &kind{}
		for _, a := range entries {
			fit := streamOf(r, a, module, version)
			k.fits = append(k.fits, fit)
			if fit == itsStream {
				k.entries = append(k.entries, a)
			}
		}
		out = append(out, k)
	}
	return out
}

// of is the kind of a version.
func (k kinds) of(version string) *kind {
	if len(k) > 1 && modularRelease.MatchString(version) {
		return k[1]
	}
	return k[0]
}

// entries are those of the record for a package, in the order of feed.find:
// those of its release, then those of the ecosystem without one. A withdrawn
// record has none.
func (r *Record) entries(ecosystem, name string) []*Affected {
	if r.Withdrawn {
		return nil
	}
	ecosystem, name = Canonical(ecosystem, name)
	var out []*Affected
	take := func(ecosystem string) {
		for i := range r.Affected {
			if a := &r.Affected[i]; a.Ecosystem == ecosystem && a.Name == name {
				out = append(out, a)
			}
		}
	}
	take(ecosystem)
	if base := baseOf(ecosystem); base != ecosystem {
		take(base)
	}
	return out
}

// Canonical writes an ecosystem and the name of a package as records have them
// after they were read: one package has one spelling.
func Canonical(ecosystem, name string) (string, string) {
	return canonicalEcosystem(ecosystem), canonicalName(ecosystem, name)
}

// search finds places in the ordered part of a list. Each version is parsed at
// most once.
type search struct {
	list   Versions
	order  order
	n      int // versions in order
	parsed map[int]version
	first  *leads // of the versions in order; nil until they are asked for
}

func newSearch(ecosystem string, list Versions) *search {
	s := &search{list: list, n: list.Ordered(), parsed: map[int]version{}}
	var err error
	if s.order, err = orderOf(ecosystem, "ECOSYSTEM"); err != nil {
		s.n = 0
	}
	return s
}

func (s *search) at(i int) version {
	v, ok := s.parsed[i]
	if !ok {
		v, _ = s.order.place(s.list.At(i)) // it was placed when the list was sorted
		s.parsed[i] = v
	}
	return v
}

// may reports whether a text may mean one of the versions in order.
func (s *search) may(text string) bool {
	if s.first == nil {
		s.first = leadsIn(s.order)
		for i := range s.n {
			s.first.add(s.list.At(i))
		}
	}
	return s.first.may(text)
}

// run is where the versions equal to v are, as [from, to).
func (s *search) run(v version) (from, to int) {
	after := func(least int) int {
		return sort.Search(s.n, func(i int) bool {
			c, _ := s.at(i).compare(v)
			return c >= least
		})
	}
	return after(0), after(1)
}

// spread joins what one entry says of every version, as fitted sees it, to the
// verdicts.
func (s *search) spread(a *Affected, verdicts []outcome, fitted func(i int, one outcome) outcome) {
	join := func(i int, one outcome) {
		if one = fitted(i, one); one == (outcome{}) {
			return
		}
		verdicts[i].affected = verdicts[i].affected || one.affected
		if verdicts[i].unknown == "" {
			verdicts[i].unknown = one.unknown
		}
	}
	sliced, ok := s.slice(a)
	if !ok {
		sliced = nil
	}
	for i, one := range sliced {
		join(i, one)
	}
	for i := len(sliced); i < s.list.Len(); i++ {
		join(i, a.evaluate(s.list.At(i)))
	}
}

// slice gives the outcomes of the versions in order. It declines entries with
// bounds, or orders, that don't fit the order of the list.
func (s *search) slice(a *Affected) (out []outcome, ok bool) {
	out = make([]outcome, s.n)
	unknown := "" // the same for all of them
	note := func(why string) {
		if unknown == "" {
			unknown = why
		}
	}
	if len(a.Ranges) == 0 && len(a.Versions) == 0 {
		note(a.evaluate("").unknown)
	}
	for i := range a.Ranges {
		why, ok := s.sliceRange(a.Ecosystem, &a.Ranges[i], out)
		if !ok {
			return nil, false
		}
		note(why)
	}
	for i := range out {
		out[i].unknown = unknown
	}
	for _, text := range a.Versions {
		if !s.may(text) {
			continue
		}
		w, err := s.order.parse(text)
		if err != nil || !w.exact {
			continue // equals no version that has a place
		}
		if !s.order.places(w) {
			return nil, false
		}
		from, to := s.run(w)
		for i := from; i < to; i++ {
			out[i].affected = true
			if s.list.At(i) == text {
				out[i].unknown = ""
			}
		}
	}
	return out, true
}

// sliceRange marks the versions that a range holds. Bounds cut the list into
// pieces, and one version speaks for its piece. why is what the range leaves
// unknown of every version.
func (s *search) sliceRange(ecosystem string, r *Range, out []outcome) (why string, ok bool) {
	o, err := orderOf(ecosystem, r.Type)
	if err != nil {
		return err.Error(), true
	}
	if !o.same(s.order) {
		return "", false
	}
	bounds, guessed, err := r.bounds(o)
	if err != nil {
		return err.Error(), true
	}
	cuts := []int{0, s.n}
	for _, b := range bounds {
		if b.start {
			continue
		}
		if !o.places(b.at) {
			return "", false
		}
		from, to := s.run(b.at)
		cuts = append(cuts, from, to)
	}
	slices.Sort(cuts)
	for i := 1; i < len(cuts); i++ {
		if cuts[i-1] == cuts[i] {
			continue
		}
		affected, err := contains(bounds, s.at(cuts[i-1]))
		if err != nil {
			return "", false
		}
		for j := cuts[i-1]; j < cuts[i] && affected; j++ {
			out[j].affected = true
		}
	}
	if guessed != "" {
		why = guess(guessed)
	}
	return why, true
}

// fixer returns a function that gives the fix of the version at an index, to
// be asked with rising indexes: between two fixed versions of the entries it
// is the same for all.
func (s *search) fixer(entries []*Affected) func(i int) string {
	cuts, ok := s.fixCuts(entries)
	last, known := -1, ""
	return func(i int) string {
		if !ok || i >= s.n {
			return fixed(entries, s.list.At(i))
		}
		if piece := sort.SearchInts(cuts, i+1); piece != last {
			last, known = piece, fixed(entries, s.list.At(i))
		}
		return known
	}
}

// fixCuts are the places of the fixed versions, sorted; ok is false where one
// has none.
func (s *search) fixCuts(entries []*Affected) (cuts []int, ok bool) {
	for _, a := range entries {
		for _, r := range a.Ranges {
			o, err := orderOf(a.Ecosystem, r.Type)
			if err != nil {
				continue
			}
			if !o.same(s.order) {
				return nil, false
			}
			for _, e := range r.Events {
				if e.Fixed == "" {
					continue
				}
				f, placed := o.place(e.Fixed)
				if !placed {
					return nil, false
				}
				from, _ := s.run(f)
				cuts = append(cuts, from)
			}
		}
	}
	slices.Sort(cuts)
	return cuts, true
}
