package image

import (
	"bytes"
	"regexp"
	"strings"
)

// The two ways in which an installed gemspec says what it is. RubyGems writes
// "# stub: NAME VERSION PLATFORM FOLDERS" near its beginning, to have no need
// to run it; older versions wrote assignments alone.
var (
	stubForm = regexp.MustCompile(`^# stub: (\S+) (\S+) (\S+)(?: |$)`)
	gemField = regexp.MustCompile(`^\s*[A-Za-z_]\w*\.(name|version|platform)\s*=\s*(.*?)\s*$`)
	// gemText is a literal: quoted or %q, as such or as the one argument of
	// Gem::Version.new, frozen or not. In double quotes "#{" would be run.
	gemText    = regexp.MustCompile(`^(?:Gem::Version\.new\(?\s*)?(?:"([^"\\#]*)"|'([^'\\]*)'|%q[<({\[]([^<>(){}\[\]\\]*)[>)}\]])(?:\.freeze)?\s*\)?(?:\.freeze)?$`)
	gemVersion = regexp.MustCompile(`^[0-9]+(\.[0-9A-Za-z]+)*(-[0-9A-Za-z-]+(\.[0-9A-Za-z-]+)*)?$`)
)

// rubyPlatform is that of a gem that runs anywhere.
const rubyPlatform = "ruby"

// parseGem reads the specification of an installed gem. It is a program, which
// isn't run: what neither its stub line nor a plain assignment tells is a note.
func parseGem(data []byte) ([]Package, []note) {
	values := map[string]string{}
	for line := range bytes.Lines(trimBOM(data)) {
		if len(line) > maxPath {
			continue // a list of files: no field of these has such a line
		}
		text := strings.TrimRight(string(line), "\r\n")
		if m := stubForm.FindStringSubmatch(text); m != nil && gemVersion.MatchString(m[2]) {
			values["name"], values["version"], values["platform"] = m[1], m[2], m[3]
			break
		}
		if m := gemField.FindStringSubmatch(text); m != nil && values[m[1]] == "" {
			values[m[1]] = gemLiteral(m[2])
		}
	}
	name, version, platform := values["name"], values["version"], values["platform"]
	if !plainField(name) || !gemVersion.MatchString(version) || len(version) > maxField {
		return nil, []note{{"", "a gemspec whose name and version can't be told without running it"}}
	}
	if platform == rubyPlatform || !plainField(platform) {
		platform = ""
	}
	return []Package{{Name: name, Version: version, Arch: platform, Source: name, SourceVersion: version, Ecosystem: "RubyGems"}}, nil
}

// gemLiteral is the text of a literal, or nothing.
func gemLiteral(expression string) string {
	if expression == "Gem::Platform::RUBY" {
		return rubyPlatform
	}
	m := gemText.FindStringSubmatch(expression)
	if m == nil {
		return ""
	}
	return m[1] + m[2] + m[3]
}
