package image

import (
	"regexp"
	"strings"
)

// parseRelease reads os-release(5): NAME=value lines, values bare or quoted as
// in a shell. Lines that are neither are passed over, as that page asks.
func parseRelease(data []byte) OS {
	values := map[string]string{}
	for line := range strings.Lines(string(data)) {
		line = strings.TrimSpace(line)
		key, value, ok := strings.Cut(line, "=")
		if !ok || strings.HasPrefix(line, "#") {
			continue
		}
		switch key {
		case "ID", "VERSION_ID", "PRETTY_NAME":
			values[key] = unquote(value)
		}
	}
	out := OS{ID: strings.ToLower(values["ID"]), VersionID: values["VERSION_ID"], Name: values["PRETTY_NAME"]}
	if !plainField(out.ID) {
		out.ID = ""
	}
	if !plainField(out.VersionID) {
		out.VersionID = ""
	}
	if len(out.Name) > maxField {
		out.Name = out.Name[:maxField]
	}
	out.Name = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return -1
		}
		return r
	}, strings.ToValidUTF8(out.Name, ""))
	out.Ecosystem = Ecosystem(out.ID, out.VersionID)
	return out
}

// unquote strips one pair of quotes and the backslashes within.
func unquote(value string) string {
	value = strings.TrimSpace(value)
	if len(value) >= 2 && (value[0] == '"' || value[0] == '\'') && value[len(value)-1] == value[0] {
		value = value[1 : len(value)-1]
	}
	var out strings.Builder
	for i := 0; i < len(value); i++ {
		if value[i] == '\\' && i+1 < len(value) {
			i++
		}
		out.WriteByte(value[i])
	}
	return out.String()
}

var (
	debianRelease = regexp.MustCompile(`^\d+(\.\d+)?$`)
	alpineRelease = regexp.MustCompile(`^(\d+\.\d+)(\.\d+)*$`)
	ubuntuRelease = regexp.MustCompile(`^\d+\.\d+$`)
)

// Ecosystem names the OSV ecosystem of a system's packages by its ID and
// VERSION_ID of os-release (OSV schema,
// "Defined ecosystems"). It is empty where OSV has none, or where the release
// that the advisories go by is not stated (Debian testing, Alpine edge): what
// isn't known is not guessed.
func Ecosystem(id, version string) string {
	switch id {
	case "debian":
		if debianRelease.MatchString(version) {
			major, _, _ := strings.Cut(version, ".")
			if len(major) == 1 && major < "7" {
				major = version // releases before 7 had two numbers: 3.0, 6.0
			}
			return "Debian:" + major
		}
	case "ubuntu":
		if ubuntuRelease.MatchString(version) {
			return "Ubuntu:" + version
		}
	case "alpine":
		if m := alpineRelease.FindStringSubmatch(version); m != nil {
			return "Alpine:v" + m[1]
		}
	case "wolfi":
		return "Wolfi"
	case "chainguard":
		return "Chainguard"
	}
	return ""
}
