package advisory

import (
	"regexp"
	"slices"
	"strings"
)

// stream says whether an entry of a record is about a package of rpm, as far
// as modules go. Streams of one module (nodejs 16 and 18) are installed one at
// a time, each with versions and advisories of its own: by version alone the
// advisory of a newer stream would touch every older one.
type stream int

const (
	itsStream stream = iota // or there are no modules in it
	anotherStream
	untoldStream
)

var (
	// modularRelease is the part of a release that builds of modules have:
	// .module_el8.8.0+3613+1ed8c91d of AlmaLinux, .module+el8.4.0+570+c2eaf144
	// of Red Hat and Rocky Linux.
	modularRelease = regexp.MustCompile(`\.module[_+]`)
	// namedStream is how a title names a stream, as in "Important: nodejs:18
	// security update".
	namedStream = regexp.MustCompile(`[0-9A-Za-z_.+-]+:[0-9A-Za-z_.+-]+`)
)

// streamOf compares an entry with a package by its module ("nodejs:18", or ""
// where none is known) and version. OSV has no field for the stream:
// that an entry is about a module shows in the releases that it names, and
// about which stream in the title of the record. Where the title names none,
// or the package's own isn't known, it can't be told.
func streamOf(r *Record, a *Affected, module, version string) stream {
	if !hasModules(a.Ecosystem) {
		return itsStream
	}
	modular, told := a.modular()
	installed := module != "" || modularRelease.MatchString(version)
	switch {
	case !installed && !modular:
		return itsStream
	case !told:
		return untoldStream
	case installed != modular:
		return anotherStream
	case module == "":
		return untoldStream
	}
	streams := r.streams()
	switch {
	case slices.Contains(streams, module):
		return itsStream
	case len(streams) == 0, slices.ContainsFunc(streams, func(s string) bool { return strings.HasPrefix(s, module+".") }):
		return untoldStream // some titles have the version in the stream's place: httpd:2.4.37
	}
	return anotherStream
}

// hasModules reports whether packages of an ecosystem come in modules.
func hasModules(ecosystem string) bool {
	switch baseOf(ecosystem) {
	case "AlmaLinux", "Rocky Linux", "Red Hat":
		return true
	}
	return false
}

// streams are those that the title names, where the record has modules.
func (r *Record) streams() []string {
	if !slices.ContainsFunc(r.Affected, func(a Affected) bool { return hasModules(a.Ecosystem) }) {
		return nil
	}
	return namedStream.FindAllString(r.Summary, -1)
}

// fitted is what an entry says of a package once its stream is known.
func (s stream) fitted(one outcome) outcome {
	switch {
	case s == anotherStream:
		return outcome{}
	case s == untoldStream && one.affected:
		return outcome{unknown: "which stream of its module it is about isn't told, or which one is installed"}
	}
	return one
}

// modular reports whether an entry is about builds of a module; told is false
// where it names no version that would show it.
func (a *Affected) modular() (modular, told bool) {
	look := func(version string) {
		if version != "" && version != "0" {
			told = true
			modular = modular || modularRelease.MatchString(version)
		}
	}
	for _, v := range a.Versions {
		look(v)
	}
	for _, r := range a.Ranges {
		for _, e := range r.Events {
			look(e.text())
		}
	}
	return modular, told
}
