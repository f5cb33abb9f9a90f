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
	foundYarn               // an archive of Yarn's Plug'n'Play
	foundStore              // a package.json in pnpm's store: no package until a hard link says where
	foundRust               // an executable with the audit data of Rust
	foundGem                // the specification of an installed gem
	foundComposer           // what Composer installed
	foundNuGet              // the libraries of a .NET program
	foundELF                // an executable or library without packages
	foundLock               // what npm, yarn or pnpm would install
	foundRPM                // an rpm database
	foundLanguage           // a package of a language that is not read: found.language names it
	foundUnread             // an executable that could not be looked into
	foundRPMLog             // what SQLite keeps beside an rpm database
)

// hasContent reports whether the bytes of such a file are read as a whole.
func (k foundKind) hasContent() bool {
	switch k {
	case foundDpkg, foundApk, foundRPM, foundRPMLog, foundRelease, foundOwned, foundNPM, foundPython, foundGem, foundComposer, foundNuGet:
		return true
	}
	return false
}

// isArchive reports whether such a file is a zip archive that is looked into.
func (k foundKind) isArchive() bool { return k == foundEgg || k == foundJava || k == foundYarn }

// isDatabase reports whether such a file is that of a system's packages.
func (k foundKind) isDatabase() bool { return k == foundDpkg || k == foundApk || k == foundRPM }

// isLanguage reports whether such a file holds packages of a language that a
// package of the system may have brought.
func (k foundKind) isLanguage() bool {
	switch k {
	case foundNPM, foundPython, foundEgg, foundJava, foundYarn, foundGem, foundComposer, foundNuGet, foundLanguage:
		return true
	}
	return false
}

// carries reports whether such a file holds packages wherever it lies.
func (k foundKind) carries() bool {
	return k == foundGo || k == foundRust || k.isLanguage() && k != foundLanguage
}

// found is what one file of a layer says.
type found struct {
	kind     foundKind
	packages []Package // without PURL, Layer and Path, and those of a system without Ecosystem: they depend on the image
	release  OS
	secrets  []secret.Hit
	language string
	owned    []owned
	strange  []string // packages of dpkg that are not the distribution's
	object   *object  // of an ELF file
	sha256   string   // of a file that was read whole, in hex
	notes    []note   // parts that could not be read; where is "line N" or empty
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
	}
	if kind := rpmKind(name); kind != foundNothing {
		return kind
	}
	return languageKind(name)
}

// endsIn reports whether the last elements of name are those of end.
func endsIn(name, end string) bool {
	return name == end || strings.HasSuffix(name, "/"+end)
}

// parseFound reads the content of a file; nil where it has nothing to say.
func parseFound(kind foundKind, name string, data []byte) *found {
	f := &found{kind: kind}
	switch kind {
	case foundDpkg:
		f.packages, f.notes = parseDpkg(data)
		f.strange = strangeToDpkg(data)
	case foundApk:
		f.packages, f.notes = parseApk(data)
		var notes []note
		f.owned, notes = ownedByApk(data)
		f.notes = append(f.notes, notes...)
	case foundRPM:
		f.packages, f.owned, f.notes = parseRPM(data)
	case foundRPMLog:
		return pending(data)
	case foundOwned:
		if f.owned = ownedByDpkg(name, data); len(f.owned) == 0 {
			return nil
		}
	case foundNPM:
		f.packages, f.notes = parseNPM(data)
	case foundPython:
		f.packages, f.notes = parsePython(data)
	case foundGem:
		f.packages, f.notes = parseGem(data)
	case foundComposer:
		f.packages, f.notes = parseComposer(data)
	case foundNuGet:
		return parseNuGet(name, data)
	case foundRelease:
		f.release = parseRelease(data)
	}
	return f
}
