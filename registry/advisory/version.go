package advisory

import (
	"cmp"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/google/osv-scalibr/semantic"
)

// maxVersion is the length in bytes of a version that is compared; comparing
// takes time that grows with the square of a run of digits.
const maxVersion = 512

// errVersion marks a text that is no version of its ecosystem.
var errVersion = errors.New("not a version")

// The forms of versions. The library that orders them accepts any text, so
// what has no defined place in an order is refused here.
var (
	// Semantic Versioning 2.0.0, also with the v of Go and with fewer numbers.
	semverForm = regexp.MustCompile(`^v?\d+(\.\d+){0,2}(-[0-9A-Za-z.-]+)?(\+[0-9A-Za-z.-]*)?$`)
	// deb-version(7): epoch, upstream version, revision.
	debianForm = regexp.MustCompile(`^(\d+:)?[0-9A-Za-z][0-9A-Za-z.+:~-]*$`)
	// apk-package(5). A dot before the revision occurs in advisories, and so do
	// sudo's 1.9.5p2 and its like.
	alpineForm = regexp.MustCompile(`^\d+(\.\d+)*\.?([a-z]|p\d+)?(_(alpha|beta|pre|rc|cvs|svn|git|hg|p)\d*)*(~[0-9a-f]+)?(-r\d+)?$`)
	// rpm-version(7): epoch, version, release. Advisories name a release always.
	rpmForm = regexp.MustCompile(`^(\d+:)?[0-9A-Za-z._+~^]+-[0-9A-Za-z._+~^]+$`)
	// Gem::Version: numbers and words with dots, and what follows a hyphen.
	gemForm = regexp.MustCompile(`^\d+(\.[0-9A-Za-z]+)*(-[0-9A-Za-z-]+(\.[0-9A-Za-z-]+)*)?$`)
	// NuGet: Semantic Versioning with up to four numbers.
	nugetForm = regexp.MustCompile(`^\d+(\.\d+){0,3}(-[0-9A-Za-z.-]+)?(\+[0-9A-Za-z.-]*)?$`)
	// Composer's "classical" versions: up to four numbers, a stability with a
	// number, "dev". Branches (dev-main, 1.x-dev) have no place among them.
	composerForm = regexp.MustCompile(`^(?i:v?(\d+)(?:\.(\d+))?(?:\.(\d+))?(?:\.(\d+))?(?:[._-]?(stable|beta|b|rc|alpha|a|patch|pl|p)[.-]?(\d+(?:[.-]?\d+)*)?)?([.-]?dev)?(?:\+[!-~]*)?)$`)
	otherForm    = regexp.MustCompile(`^[!-~]*[0-9A-Za-z][!-~]*$`)
)

// order compares versions of one ecosystem, or of SEMVER ranges.
type order struct{ name string }

// orderOf picks the order of a range: SEMVER ranges go by Semantic Versioning
// whatever the ecosystem (OSV schema, "affected[].ranges[].type").
func orderOf(ecosystem, rangeType string) (order, error) {
	base := baseOf(ecosystem)
	switch rangeType {
	case "SEMVER":
		return order{"npm"}, nil
	case "ECOSYSTEM":
		if _, err := semantic.Parse("1", base); err != nil {
			return order{}, fmt.Errorf("no version order is known for %s", base)
		}
		return order{base}, nil
	}
	return order{}, fmt.Errorf("range type %q is not known", rangeType)
}

// version is one text placed in an order.
type version struct {
	text   string
	parsed semantic.Version
	exact  bool // the text has the form of a version; otherwise its place is a guess
}

// parse places a text. It fails for a text without any place; one that only
// lacks the proper form is placed as the library does, with exact false.
func (o order) parse(text string) (version, error) {
	if text == "" || len(text) > maxVersion || !otherForm.MatchString(text) {
		return version{}, fmt.Errorf("%w: %q", errVersion, text)
	}
	parsed, err := semantic.Parse(o.normal(text), o.name)
	if err != nil {
		return version{}, fmt.Errorf("%w: %q", errVersion, text)
	}
	return version{text: text, parsed: parsed, exact: o.form().MatchString(text)}, nil
}

// normal writes a version as its package manager does before it compares. The
// library leaves that out for two: RubyGems reads a hyphen as ".pre.", and
// Composer fills up to four numbers, so that 1.0 and 1.0.0 are one version.
func (o order) normal(text string) string {
	switch o.name {
	case "RubyGems":
		return strings.ReplaceAll(text, "-", ".pre.")
	case "Packagist":
		if m := composerForm.FindStringSubmatch(text); m != nil {
			return composerNormal(m)
		}
	}
	return text
}

// stabilities are Composer's words for what comes before and after a release.
var stabilities = map[string]string{"a": "alpha", "alpha": "alpha", "b": "beta", "beta": "beta", "rc": "RC", "p": "patch", "pl": "patch", "patch": "patch"}

// composerNormal puts together the parts of composerForm.
func composerNormal(m []string) string {
	numbers := m[1:5]
	for i, n := range numbers {
		numbers[i] = cmp.Or(n, "0")
	}
	out := strings.Join(numbers, ".")
	if word := stabilities[strings.ToLower(m[5])]; word != "" {
		out += "-" + word + m[6]
	}
	if m[7] != "" {
		out += "-dev"
	}
	return out
}

func (o order) form() *regexp.Regexp {
	switch o.name {
	case "RubyGems":
		return gemForm
	case "NuGet":
		return nugetForm
	case "Packagist":
		return composerForm
	case "Debian", "Ubuntu":
		return debianForm
	case "Alpine", "Alpaquita", "BellSoft Hardened Containers", "Chainguard", "MinimOS", "Wolfi":
		return alpineForm
	case "AlmaLinux", "Rocky Linux", "Red Hat", "openSUSE", "SUSE", "Mageia", "openEuler":
		return rpmForm
	case "npm", "Go", "crates.io", "Hex", "Bitnami", "SwiftURL", "Julia":
		return semverForm
	}
	return otherForm
}

// compare is negative, zero or positive as v is before, with or after w.
func (v version) compare(w version) (int, error) {
	c, err := v.parsed.Compare(w.parsed)
	if err != nil {
		return 0, fmt.Errorf("comparing %q with %q: %w", v.text, w.text, err)
	}
	return c, nil
}
