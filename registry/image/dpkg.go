package image

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"github.com/scantling/scantling/registry/image/rpmdb"
)

// onDisk are the states in which dpkg has unpacked the files of a package
// (dpkg(1), "Package states"): their code is there, configured or not.
var onDisk = []string{"installed", "unpacked", "half-configured", "triggers-awaited", "triggers-pending"}

// maxField is the length in bytes of a name, version or architecture that is
// believed; the longest of any distribution are near 100.
const maxField = 512

// parseDpkg reads a dpkg status file: paragraphs of "Field: value" lines,
// parted by blank lines, continuation lines indented (deb822(5)). A paragraph
// without Status, as distroless images write under status.d, is installed.
// A paragraph that names no package or version becomes a note.
func parseDpkg(data []byte) (packages []Package, notes []note) {
	var missed noteList
	fields := map[string]string{}
	start := 1
	flush := func() {
		if len(fields) == 0 {
			return
		}
		p, ok, why := dpkgPackage(fields)
		switch {
		case why != "":
			missed.line(start, why)
		case ok:
			packages = append(packages, p)
		}
		clear(fields)
	}
	line := 0
	for text := range bytes.Lines(data) {
		line++
		text = bytes.TrimRight(text, "\r\n")
		switch {
		case len(bytes.TrimSpace(text)) == 0:
			flush()
			if start = line + 1; len(packages) >= maxPackages {
				missed.line(start, tooManyPackages)
				return packages, missed.end()
			}
			continue
		case text[0] == ' ' || text[0] == '\t' || text[0] == '#':
			continue
		}
		name, value, ok := bytes.Cut(text, []byte(":"))
		if !ok {
			missed.line(line, "not a \"Field: value\" line")
			continue
		}
		switch key := strings.ToLower(string(bytes.TrimSpace(name))); key {
		case "package", "version", "architecture", "source", "status":
			fields[key] = string(bytes.TrimSpace(value))
		}
	}
	flush()
	return packages, missed.end()
}

// dpkgPackage turns one paragraph into a package; why is set where it can't.
func dpkgPackage(fields map[string]string) (p Package, ok bool, why string) {
	if status, given := fields["status"]; given {
		words := strings.Fields(status)
		if len(words) != 3 {
			return p, false, "a Status that is not three words"
		}
		if !slices.Contains(onDisk, words[2]) {
			return p, false, ""
		}
	}
	p = Package{Name: fields["package"], Version: fields["version"], Arch: fields["architecture"]}
	p.Source, p.SourceVersion = dpkgSource(fields["source"])
	if p.Source == "" {
		p.Source = p.Name
	}
	if p.SourceVersion == "" {
		p.SourceVersion = p.Version
	}
	for _, field := range []string{p.Name, p.Version, p.Source, p.SourceVersion} {
		if !plainField(field) {
			return p, false, "a paragraph without a usable Package, Version or Source"
		}
	}
	return p, true, ""
}

// dpkgSource splits "glibc (2.36-9)"; the version is given only where it is
// not that of the binary package.
func dpkgSource(value string) (name, version string) {
	name, rest, ok := strings.Cut(value, "(")
	if ok {
		version = strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(rest), ")"))
	}
	return strings.TrimSpace(name), version
}

// plainField reports whether s can be a name or version: present, short,
// printable and without blanks.
func plainField(s string) bool {
	if s == "" || len(s) > maxField {
		return false
	}
	for i := range len(s) {
		if s[i] <= ' ' || s[i] >= 0x7f {
			return false
		}
	}
	return true
}

// maxPackages is how many packages of one database are read: distributions
// have fewer in all.
const maxPackages = rpmdb.MaxPackages

var tooManyPackages = fmt.Sprintf("a database is read up to %d packages", maxPackages)

// noteList keeps the first notes on the lines of a file and counts the rest,
// as they come: a broken file may have millions.
type noteList struct {
	list []note
	more int
}

func (n *noteList) line(line int, why string) {
	if len(n.list) == maxNotes {
		n.more++
		return
	}
	n.list = append(n.list, note{fmt.Sprintf("line %d", line), why})
}

func (n *noteList) end() []note {
	if n.more == 0 {
		return n.list
	}
	return append(n.list, note{"", fmt.Sprintf("%d more lines could not be read", n.more)})
}

// boundNotes keeps the first notes and counts the rest.
func boundNotes(notes []note) []note {
	if len(notes) <= maxNotes {
		return notes
	}
	return append(notes[:maxNotes:maxNotes], note{"", fmt.Sprintf("%d more lines could not be read", len(notes)-maxNotes)})
}
