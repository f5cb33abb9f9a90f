package image

import (
	"time"

	"github.com/scantling/scantling/model"
)

// Package is one installed component.
type Package struct {
	PURL          string // package URL (purl-spec), with distro and arch for deb, apk and rpm
	Name          string // as its database or metadata writes it; the module path of Go; GROUP:ARTIFACT of Maven; VENDOR/NAME of Packagist
	Version       string
	Arch          string // of the database; the platform of a gem; "" for Go and the other languages
	Source        string // name that advisories use: the Debian source package, the Alpine origin, what ByBinary says of rpm, the Go module, the normalised name of PyPI
	SourceVersion string // version of Source
	Module        string // of rpm: name and stream of the module that it was built in, as "nodejs:18"; "" where it is of none or isn't told
	Ecosystem     string // OSV ecosystem with its release, as "Debian:12"; "" where the system is unknown
	Layer         string // DiffID of the layer that brought it
	SHA256        string // of the file at Path, in hex, where that file is this package (an archive, the main module or crate of a program); else ""
	Path          string // of the database, executable, archive or metadata in the image, with leading slash
}

// OS is what os-release says.
type OS struct {
	ID        string // "debian", "alpine", …; "" where the image has no os-release
	VersionID string // "12", "3.19.1"; "" where rolling or not given
	Name      string // PRETTY_NAME
	Ecosystem string // OSV ecosystem of its packages, as "Alpine:v3.19"; "" where OSV has none
	Path      string // the file that was read
}

// Layer is one layer with the number of packages that are visible when it and
// all layers below it are applied, those of languages that the system's
// packages brought included.
type Layer struct {
	DiffID  string
	Digest  string
	Size    int64 // of the stored blob, in bytes
	Visible int
}

// Config is what the image's configuration says, without values that may hold
// secrets: of the environment only the names are kept.
type Config struct {
	Labels       map[string]string
	EnvNames     []string // sorted
	User         string
	ExposedPorts []string // sorted
	Created      time.Time
}

// Inventory is what one image holds.
type Inventory struct {
	Digest     string   // see oci.Image.Digest
	Aliases    []string // sorted; see oci.Image.Aliases
	Name       string   // for people
	File       string   // folder, archive, reference or bill of materials, as it was given
	Bill       bool     // taken from a bill of materials: Config is unknown
	Platform   string
	Config     Config
	BaseLayers int // lowest layers that the build history assigns to the base; 0 unknown
	OS         OS
	Secrets    []Secret  // sorted by path, line, kind, layer; without their values
	Layers     []Layer   // lowest first
	Packages   []Package // sorted by ecosystem, name, version, architecture, path; no two are equal
	Libraries  []Library // ELF files, sorted by path; none from a bill of materials
	Incomplete []model.Incomplete
}

// Ref points to the image.
func (i *Inventory) Ref() model.Ref { return model.Ref{Kind: model.Image, Key: i.Digest} }
