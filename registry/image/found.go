package image

import (
	"path"
	"strings"
)

// foundKind is the sort of file that says something about what is installed.
type foundKind uint8

const (
	foundNothing  foundKind = iota
	foundDpkg               // a dpkg status file, whole or of one package
	foundApk                // an apk database
	foundRelease            // os-release
	foundGo                 // an executable with Go build information
	foundRPM                // an rpm database: not read
	foundLanguage           // a package of a language that is not read: found.language names it
	foundUnread             // an executable that could not be looked into
)

// hasContent reports whether the bytes of such a file are read.
func (k foundKind) hasContent() bool {
	return k == foundDpkg || k == foundApk || k == foundRelease
}

// found is what one file of a layer says.
type found struct {
	kind     foundKind
	packages []Package // without PURL, Ecosystem, Layer and Path, which depend on the image
	release  OS
	language string
	notes    []note // parts that could not be read; where is "line N" or empty
}

// kindOf goes by the name alone. Databases are recognised by the end of their
// path, so that they are kept wherever a link may later lead to them.
func kindOf(name string) foundKind {
	dir, base := path.Split(name)
	switch {
	case endsIn(name, "dpkg/status"):
		return foundDpkg
	case endsIn(strings.TrimSuffix(dir, "/"), "dpkg/status.d") && !strings.HasSuffix(base, ".md5sums"):
		return foundDpkg
	case endsIn(name, "apk/db/installed"):
		return foundApk
	case base == "os-release":
		return foundRelease
	case isRPM(name):
		return foundRPM
	}
	return foundNothing
}

// endsIn reports whether the last elements of name are those of end.
func endsIn(name, end string) bool {
	return name == end || strings.HasSuffix(name, "/"+end)
}

// isRPM knows the files that rpm keeps its database in (SQLite, ndb, Berkeley
// DB) at its two places.
func isRPM(name string) bool {
	dir, base := path.Split(name)
	switch dir {
	case "var/lib/rpm/", "usr/lib/sysimage/rpm/", "usr/share/rpm/":
		return base == "rpmdb.sqlite" || base == "Packages.db" || base == "Packages"
	}
	return false
}

// parseFound reads the content of a database or of os-release.
func parseFound(kind foundKind, data []byte) *found {
	f := &found{kind: kind}
	switch kind {
	case foundDpkg:
		f.packages, f.notes = parseDpkg(data)
	case foundApk:
		f.packages, f.notes = parseApk(data)
	case foundRelease:
		f.release = parseRelease(data)
	}
	return f
}
