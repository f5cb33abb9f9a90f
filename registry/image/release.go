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
	out.Ecosystem = Ecosystem(out.ID, out.VersionID, out.Name)
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
	majorRelease  = regexp.MustCompile(`^(\d+)(\.\d+)*$`)
	plainRelease  = regexp.MustCompile(`^\d+(\.\d+)*$`)
	eulerRelease  = regexp.MustCompile(`^openEuler (\d+\.\d+)(?: \((LTS)(?:[ -](SP\d+))?\))?$`)
)

// Ecosystem names the OSV ecosystem of a system's packages by its ID,
// VERSION_ID and PRETTY_NAME of os-release (OSV schema,
// "Defined ecosystems"). It is empty where OSV has none, or where the release
// that the advisories go by is not stated (Debian testing, Alpine edge): what
// isn't known is not guessed. Unplaced says why for some.
func Ecosystem(id, version, name string) string {
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
	return rpmEcosystem(id, version, name)
}

// rpmEcosystem is the same for systems with rpm.
func rpmEcosystem(id, version, name string) string {
	var base string
	form := plainRelease
	switch id {
	case "almalinux":
		base, form = "AlmaLinux:", majorRelease
	case "rocky", "rockylinux":
		base, form = "Rocky Linux:", majorRelease
	case "azurelinux", "mariner":
		base, form = "Azure Linux:", majorRelease
	case "mageia":
		base, form = "Mageia:", majorRelease
	case "opensuse-leap":
		base = "openSUSE:Leap "
	case "photon":
		base = "Photon OS:"
	case "opensuse-tumbleweed":
		return "openSUSE:Tumbleweed"
	case "openeuler":
		if m := eulerRelease.FindStringSubmatch(name); m != nil {
			return "openEuler:" + strings.TrimRight(strings.Join(m[1:], "-"), "-")
		}
		return ""
	default:
		return ""
	}
	m := form.FindStringSubmatch(version)
	switch {
	case m == nil:
		return ""
	case form == majorRelease:
		return base + m[1]
	}
	return base + version
}

// Unplaced says why a system whose advisories OSV has is given none of its
// ecosystems; "" for any other.
func Unplaced(id string) string {
	switch id {
	case "rhel":
		return "the advisories of Red Hat go by product and repository, which os-release doesn't name"
	case "sles", "sled", "sle-micro", "sl-micro":
		return "the advisories of SUSE go by product and module, which os-release doesn't name"
	}
	return ""
}
