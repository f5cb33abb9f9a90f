package image

import "strings"

// purl writes the package URL of a package (purl-spec and its type
// definitions). Names of deb, apk, golang, pypi and composer are lower case.
// Those of npm keep theirs, though new ones have to be lower: JSONStream and
// jsonstream are two packages.
func purl(kind foundKind, os OS, p Package) string {
	var out strings.Builder
	version, epoch := p.Version, ""
	switch name := strings.ToLower(p.Name); kind {
	case foundDpkg:
		out.WriteString("pkg:deb/" + systemName(os, name))
	case foundApk:
		out.WriteString("pkg:apk/" + systemName(os, name))
	case foundRPM:
		out.WriteString("pkg:rpm/" + rpmName(os, p.Name))
		epoch, version = cutEpoch(p.Version)
	case foundNPM, foundYarn:
		out.WriteString("pkg:npm/" + npmPURL(p.Name))
	case foundRust:
		out.WriteString("pkg:cargo/" + escape(p.Name))
	case foundGem:
		out.WriteString("pkg:gem/" + escape(p.Name))
	case foundNuGet:
		out.WriteString("pkg:nuget/" + escape(p.Name))
	case foundComposer:
		vendor, base, _ := strings.Cut(name, "/")
		out.WriteString("pkg:composer/" + escape(vendor) + "/" + escape(base))
	case foundPython, foundEgg:
		out.WriteString("pkg:pypi/" + escape(NormalPython(name)))
	case foundJava:
		out.WriteString("pkg:maven/" + mavenPURL(p.Name))
	default:
		out.WriteString("pkg:golang/")
		for i, part := range strings.Split(strings.Trim(name, "/"), "/") {
			if i > 0 {
				out.WriteByte('/')
			}
			out.WriteString(escape(part))
		}
	}
	if version != "" {
		out.WriteString("@" + escape(version))
	}
	if kind == foundGem && p.Arch != "" {
		out.WriteString("?platform=" + escape(p.Arch))
	}
	if kind.isDatabase() {
		qualify(&out, kind, os, p, epoch)
	}
	return out.String()
}

// qualify writes what is said of a system's package beside its name and
// version.
func qualify(out *strings.Builder, kind foundKind, os OS, p Package, epoch string) {
	mark := byte('?')
	qualifier := func(key, value string) {
		if value != "" {
			out.WriteByte(mark)
			out.WriteString(key + "=" + escape(value))
			mark = '&'
		}
	}
	qualifier("arch", p.Arch)
	if os.ID != "" && os.VersionID != "" {
		qualifier("distro", os.ID+"-"+os.VersionID)
	}
	if kind != foundRPM {
		return
	}
	qualifier("epoch", epoch)
	qualifier("rpmmod", p.Module)
	if _, version := cutEpoch(p.SourceVersion); version != "" {
		qualifier("upstream", p.Source+"-"+version+".src.rpm")
	}
}

// cutEpoch parts the epoch of an rpm version, which a package URL has as a
// qualifier, from the rest.
func cutEpoch(version string) (epoch, rest string) {
	if epoch, rest, ok := strings.Cut(version, ":"); ok {
		return epoch, rest
	}
	return "", version
}

// rpmName is the name below its vendor. Unlike that of deb and apk it keeps
// its case.
func rpmName(os OS, name string) string {
	switch vendor := os.ID; vendor {
	case "":
		return escape(name)
	case "rhel":
		return "redhat/" + escape(name)
	case "sles":
		return "suse/" + escape(name)
	case "opensuse-leap", "opensuse-tumbleweed":
		return "opensuse/" + escape(name)
	default:
		return escape(vendor) + "/" + escape(name)
	}
}

// systemName is the name below its distribution.
func systemName(os OS, name string) string {
	if os.ID == "" {
		return escape(name)
	}
	return escape(os.ID) + "/" + escape(name)
}

// escape percent-encodes all but letters, digits, ".", "-", "_", "~" and ":"
// (purl-spec, "Character encoding").
func escape(s string) string {
	const hex = "0123456789ABCDEF"
	var out strings.Builder
	for i := range len(s) {
		c := s[i]
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', strings.IndexByte(".-_~:", c) >= 0:
			out.WriteByte(c)
		default:
			out.WriteByte('%')
			out.WriteByte(hex[c>>4])
			out.WriteByte(hex[c&15])
		}
	}
	return out.String()
}
