package image

import (
	"path"
	"strings"

	"github.com/scantling/scantling/registry/secret"
)

// foundKind is the sort of file that says something about what is installed.
type foundKind uint8

const (
	foundNothing  foundKind = iota
	foundDpkg               // a dpkg status file, whole or of one package
	foundApk                // an apk database
	foundRelease            // os-release
	foundOwned              // the files that a package of dpkg brought
	foundSecret             // a file that holds secrets and says nothing else
	foundGo                 // an executable with Go build information
	foundNPM                // package.json of an installed package
	foundPython             // metadata of an installed distribution
	foundEgg                // a zipped Python distribution
	foundJava               // a Java archive
	foundLock               // what npm, yarn or pnpm would install
	foundRPM                // an rpm database: not read
	foundLanguage           // a package of a language that is not read: found.language names it
	foundUnread             // an executable that could not be looked into
)

// hasContent reports whether the bytes of such a file are read as one text.
func (k foundKind) hasContent() bool {
	switch k {
	case foundDpkg, foundApk, foundRelease, foundOwned, foundNPM, foundPython:
		return true
	}
	return false
}

// isArchive reports whether such a file is a zip archive that is looked into.
func (k foundKind) isArchive() bool { return k == foundEgg || k == foundJava }

// isDatabase reports whether such a file is that of a system's packages.
func (k foundKind) isDatabase() bool { return k == foundDpkg || k == foundApk || k == foundRPM }

// isLanguage reports whether such a file holds packages of a language that a
// package of the system may have brought.
func (k foundKind) isLanguage() bool {
	switch k {
	case foundNPM, foundPython, foundEgg, foundJava, foundLanguage:
		return true
	}
	return false
}

// carries reports whether such a file holds packages wherever it lies.
func (k foundKind) carries() bool {
	return k == foundGo || k == foundNPM || k == foundPython || k.isArchive()
}

// found is what one file of a layer says.
type found struct {
	kind     foundKind
	packages []Package // without PURL, Layer and Path, and those of a system without Ecosystem: they depend on the image
	release  OS
	secrets  []secret.Hit
	language string
	owned    []owned
	notes    []note // parts that could not be read; where is "line N" or empty
}

// kindOf goes by the name alone. Databases are recognised by the end of their
// path, so that they are kept wherever a link may later lead to them.
func kindOf(name string) foundKind {
	dir, base := path.Split(name)
	switch {
	case endsIn(name, "dpkg/status"):
		return foundDpkg
	case endsIn(strings.TrimSuffix(dir, "/"), "dpkg/status.d"):
		if strings.HasSuffix(base, ".md5sums") {
			return foundOwned
		}
		return foundDpkg
	case endsIn(strings.TrimSuffix(dir, "/"), "dpkg/info") && strings.HasSuffix(base, ".list"):
		return foundOwned
	case endsIn(name, "apk/db/installed"):
		return foundApk
	case base == "os-release":
		return foundRelease
	case isRPM(name):
		return foundRPM
	}
	return languageKind(name)
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

// parseFound reads the content of a file; nil where it has nothing to say.
func parseFound(kind foundKind, name string, data []byte) *found {
	f := &found{kind: kind}
	switch kind {
	case foundDpkg:
		f.packages, f.notes = parseDpkg(data)
	case foundApk:
		f.packages, f.notes = parseApk(data)
		f.owned = ownedByApk(data)
	case foundOwned:
		if f.owned = ownedByDpkg(name, data); len(f.owned) == 0 {
			return nil
		}
	case foundNPM:
		f.packages, f.notes = parseNPM(data)
	case foundPython:
		f.packages, f.notes = parsePython(data)
	case foundRelease:
		f.release = parseRelease(data)
	}
	return f
}
