package image

import "strings"

// purl writes the package URL of a package (purl-spec and its type
// definitions for deb, apk and golang). Names of these types are lower case.
func purl(kind foundKind, os OS, p Package) string {
	var out strings.Builder
	out.WriteString("pkg:")
	switch kind {
	case foundDpkg:
		out.WriteString("deb/")
	case foundApk:
		out.WriteString("apk/")
	default:
		out.WriteString("golang/")
	}
	name := strings.ToLower(p.Name)
	if kind != foundGo && os.ID != "" {
		out.WriteString(escape(os.ID) + "/")
	}
	if kind == foundGo {
		for i, part := range strings.Split(strings.Trim(name, "/"), "/") {
			if i > 0 {
				out.WriteByte('/')
			}
			out.WriteString(escape(part))
		}
	} else {
		out.WriteString(escape(name))
	}
	if p.Version != "" {
		out.WriteString("@" + escape(p.Version))
	}
	if kind == foundGo {
		return out.String()
	}
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
	return out.String()
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
