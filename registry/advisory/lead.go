package advisory

import (
	"slices"
	"strings"
)

// lead is how a version begins: its first two numbers, without their zeros.
// Texts that mean one version begin alike, so that most of a long list need not
// be parsed to see that they mean another.
type lead struct {
	first, second string // "" for 0, and where a version ends before the second
	hasSecond     bool   // false: something else follows the first
}

// leadOf reads how a text begins. ok is false for one that may begin with an
// epoch, and for one that doesn't begin with a number that stands by itself.
func leadOf(text string) (l lead, ok bool) {
	if strings.ContainsAny(text, ":!") {
		return lead{}, false
	}
	l.first, text, ok = cutNumber(text)
	if text == "" {
		l.hasSecond = true
	} else if text[0] == '.' {
		l.second, _, l.hasSecond = cutNumber(text[1:])
	}
	return l, ok
}

func cutNumber(text string) (number, rest string, ok bool) {
	rest = strings.TrimLeft(text, "0123456789")
	goesOn := rest != "" && (rest[0]|0x20 >= 'a' && rest[0]|0x20 <= 'z') // 0v1 of PyPI is v1
	return strings.TrimLeft(text[:len(text)-len(rest)], "0"), rest, len(rest) < len(text) && !goesOn
}

// beginAlike are the orders in which texts that mean one version begin alike:
// those that TestLeads has tried. In any other every text may mean any version.
var beginAlike = []string{
	"AlmaLinux", "Alpaquita", "Alpine", "BellSoft Hardened Containers", "Bioconductor", "Bitnami", "CRAN", "Chainguard",
	"ConanCenter", "Debian", "Docker Hardened Images", "GHC", "Go", "Hackage", "Hex", "Julia", "Mageia", "Maven", "MinimOS", "NuGet", "Packagist",
	"Pub", "PyPI", "Red Hat", "Rocky Linux", "RubyGems", "SUSE", "SwiftURL", "Ubuntu", "Wolfi", "crates.io", "npm", "openEuler", "openSUSE",
}

// leads is how some versions begin.
type leads struct {
	seconds map[string]map[string]bool // by the first number; nil there: any
	any     bool                       // one of them may begin in any way
}

// leadsIn is for versions of an order.
func leadsIn(o order) *leads { return &leads{any: !slices.Contains(beginAlike, o.name)} }

func (l *leads) add(text string) {
	one, ok := leadOf(text)
	if !ok {
		l.any = true
		return
	}
	if l.seconds == nil {
		l.seconds = map[string]map[string]bool{}
	}
	seconds, known := l.seconds[one.first]
	switch {
	case !one.hasSecond:
		l.seconds[one.first] = nil
	case !known:
		l.seconds[one.first] = map[string]bool{one.second: true}
	case seconds != nil:
		seconds[one.second] = true
	}
}

// may reports whether a text may mean one of the versions.
func (l *leads) may(text string) bool {
	one, ok := leadOf(text)
	if l.any || !ok {
		return true
	}
	seconds, known := l.seconds[one.first]
	return known && (seconds == nil || !one.hasSecond || seconds[one.second])
}
