package image

import (
	"bytes"
	"strings"
)

// parseApk reads the installed database of apk: records of "X:value" lines
// parted by blank lines, of which P is the package, V its version, A its
// architecture and o its origin (apk-installed(5)). Upper-case F, R, Z and the
// like list files and are passed over.
func parseApk(data []byte) (packages []Package, notes []note) {
	var missed noteList
	var p Package
	var seen bool
	start, line := 1, 0
	flush := func() {
		if !seen {
			return
		}
		if p.Source == "" {
			p.Source = p.Name
		}
		p.SourceVersion = p.Version
		if plainField(p.Name) && plainField(p.Version) && plainField(p.Source) {
			packages = append(packages, p)
		} else {
			missed.line(start, "a record without a usable P, V or o")
		}
		p, seen = Package{}, false
	}
	for text := range bytes.Lines(data) {
		line++
		text = bytes.TrimRight(text, "\r\n")
		if len(text) == 0 {
			flush()
			if start = line + 1; len(packages) >= maxPackages {
				missed.line(start, tooManyPackages)
				return packages, missed.end()
			}
			continue
		}
		if len(text) < 2 || text[1] != ':' {
			missed.line(line, "not an \"X:value\" line")
			continue
		}
		seen = true
		switch value := strings.TrimSpace(string(text[2:])); text[0] {
		case 'P':
			p.Name = value
		case 'V':
			p.Version = value
		case 'A':
			p.Arch = value
		case 'o':
			p.Source = value
		}
	}
	flush()
	return packages, missed.end()
}
