package sbom

import (
	"fmt"
	"net/url"
	"strings"
)

// packageURL is a package URL in its parts, decoded but otherwise as written:
// the case of names is kept, since Go modules and old npm packages differ by
// it.
type packageURL struct {
	kind       string // type, in lower case
	namespace  string // parts with slashes between them
	name       string
	version    string
	qualifiers map[string]string
}

// maxPURL is in bytes; the longest in use are near 500.
const maxPURL = 4096

// parsePURL takes a package URL apart (purl-spec, "How to parse"). A scope
// with a bare @, which some tools write, is taken for one.
func parsePURL(text string) (packageURL, error) {
	var p packageURL
	if len(text) > maxPURL {
		return p, fmt.Errorf("a package URL of %d bytes", len(text))
	}
	if len(text) < 4 || !strings.EqualFold(text[:4], "pkg:") {
		return p, fmt.Errorf("%q is no package URL", text)
	}
	rest, _, _ := strings.Cut(text[4:], "#")
	rest, query, _ := strings.Cut(rest, "?")
	rest = strings.Trim(rest, "/")
	kind, rest, ok := strings.Cut(rest, "/")
	if !ok {
		return p, fmt.Errorf("%q has no type or no name", text)
	}
	p.kind = strings.ToLower(kind)
	if at := strings.LastIndexByte(rest, '@'); at > 0 && !strings.Contains(rest[at:], "/") {
		rest, p.version = rest[:at], rest[at+1:]
	}
	parts := strings.FieldsFunc(rest, func(r rune) bool { return r == '/' })
	if len(parts) == 0 {
		return p, fmt.Errorf("%q has no name", text)
	}
	var bad error
	decode := func(s string) string {
		plain, err := url.PathUnescape(s)
		if err != nil && bad == nil {
			bad = fmt.Errorf("%q: %w", text, err)
		}
		return plain
	}
	for i := range parts {
		parts[i] = decode(parts[i])
	}
	p.name = parts[len(parts)-1]
	p.namespace = strings.Join(parts[:len(parts)-1], "/")
	p.version = decode(p.version)
	p.qualifiers = map[string]string{}
	for pair := range strings.SplitSeq(query, "&") {
		if key, value, ok := strings.Cut(pair, "="); ok {
			p.qualifiers[strings.ToLower(key)] = decode(value)
		}
	}
	if bad == nil && !printable(p.kind+p.namespace+p.name+p.version) {
		bad = fmt.Errorf("%q has control characters", text)
	}
	return p, bad
}

// printable reports whether s is without control characters and blanks.
func printable(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r == 0x7f || r == 0xfffd })
}

// fullName is the name by which advisories of its kind go.
func (p packageURL) fullName() string {
	switch {
	case p.kind == "deb" || p.kind == "apk" || p.kind == "rpm" || p.namespace == "":
		return p.name
	case p.kind == "maven":
		return p.namespace + ":" + p.name
	default:
		return p.namespace + "/" + p.name
	}
}

// languages are the OSV ecosystems of the kinds that need no release.
var languages = map[string]string{
	"npm": "npm", "pypi": "PyPI", "maven": "Maven", "golang": "Go", "cargo": "crates.io", "gem": "RubyGems", "composer": "Packagist",
	"nuget": "NuGet", "hex": "Hex", "pub": "Pub", "hackage": "Hackage", "cran": "CRAN", "swift": "SwiftURL", "conan": "ConanCenter", "bitnami": "Bitnami",
}
