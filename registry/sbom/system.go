package sbom

import (
	"strings"

	"github.com/scantling/scantling/registry/image"
)

// codenames are releases by the names that some tools write for them
// (wiki.debian.org/DebianReleases, wiki.ubuntu.com/Releases).
var codenames = map[string]struct{ id, version string }{
	"wheezy": {"debian", "7"}, "jessie": {"debian", "8"}, "stretch": {"debian", "9"}, "buster": {"debian", "10"},
	"bullseye": {"debian", "11"}, "bookworm": {"debian", "12"}, "trixie": {"debian", "13"},
	"trusty": {"ubuntu", "14.04"}, "xenial": {"ubuntu", "16.04"}, "bionic": {"ubuntu", "18.04"},
	"focal": {"ubuntu", "20.04"}, "jammy": {"ubuntu", "22.04"}, "noble": {"ubuntu", "24.04"},
}

// distribution reads the qualifier distro, as in debian-12, bookworm,
// alpine-3.19.1 or the bare 12 below a namespace. ok is false where it names
// no release.
func distribution(namespace, qualifier string) (os image.OS, ok bool) {
	text := strings.ToLower(strings.TrimSpace(qualifier))
	id, version := strings.ToLower(namespace), text
	if at := strings.LastIndexByte(text, '-'); at > 0 {
		id, version = text[:at], text[at+1:]
	}
	if named, known := codenames[version]; known && (id == "" || id == named.id) {
		id, version = named.id, named.version
	}
	version = strings.TrimPrefix(version, "v")
	if id == "" || version == "" || version[0] < '0' || version[0] > '9' {
		return image.OS{}, false
	}
	return system(id, version, ""), true
}

// system is the operating system of that ID and VERSION_ID of os-release.
func system(id, version, name string) image.OS {
	id = strings.ToLower(id)
	return image.OS{ID: id, VersionID: version, Name: name, Ecosystem: image.Ecosystem(id, version, name)}
}
