package sbom

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/scantling/scantling/model"
	"github.com/scantling/scantling/registry/image"
)

// document is what both formats say, in one form.
type document struct {
	form       string // as "CycloneDX 1.6"
	name       string // of the document
	subject    *component
	systems    []component // operating systems
	components []component
	notes      []string // what the document says that it lacks
}

// component is one entry. What it is for decides whether it needs a package
// URL: passive ones without one (files, devices, data) are no packages.
type component struct {
	id         string // in the document, for messages
	group      string
	name       string
	version    string
	purl       string
	passive    bool
	sourceInfo string // of SPDX
	sha256     string // in hex, where one of its digests is such
	properties map[string][]string
}

// Names of the properties that Scantling writes.
const (
	propLayer         = "scantling:layer"
	propPath          = "scantling:path"
	propSource        = "scantling:source"
	propSourceVersion = "scantling:source-version"
	propAlias         = "scantling:alias"
	propIncomplete    = "scantling:incomplete"
	propName          = "scantling:name" // PRETTY_NAME of os-release
)

// property is the first value that one of the names has.
func (c *component) property(names ...string) string {
	for _, name := range names {
		if values := c.properties[name]; len(values) > 0 {
			return values[0]
		}
	}
	return ""
}

// maxNamed is how many components that can't be used are named one by one; the
// rest is counted.
const maxNamed = 50

// builder turns a document into an inventory.
type builder struct {
	doc    *document
	inv    *image.Inventory
	broken int
	// Packages of dpkg, apk and rpm that go by their source: those whose source package is stated, and
	// those whose own name stands for it.
	stated, assumed int
}

// inventory is the document as one. file is its path, digest that of its
// bytes, which stands for the image's where the document has none.
func (d *document) inventory(file, digest string) *image.Inventory {
	b := &builder{doc: d, inv: &image.Inventory{File: file, Name: file, Digest: digest, Bill: true}}
	b.subject()
	for _, s := range d.systems {
		if b.inv.OS.ID == "" && s.name != "" {
			b.inv.OS = systemOf(s)
		}
	}
	for i := range d.components {
		b.component(&d.components[i])
	}
	if b.broken > maxNamed {
		b.miss("", fmt.Sprintf("%d more components can't be used", b.broken-maxNamed))
	}
	if b.assumed > 0 && b.stated == 0 {
		b.miss("", fmt.Sprintf("no package of the system names its source package (upstream=), by which advisories go: those that have another name are not matched (%d packages)", b.assumed))
	}
	for _, n := range d.notes {
		b.miss("", n)
	}
	if len(b.inv.Packages) == 0 && len(b.inv.Incomplete) == 0 {
		b.miss("", "the document lists no packages: what it stands for is unknown")
	}
	slices.SortFunc(b.inv.Packages, image.ComparePackages)
	b.inv.Packages = slices.Compact(b.inv.Packages)
	slices.SortFunc(b.inv.Incomplete, func(x, y model.Incomplete) int {
		return cmp.Or(cmp.Compare(x.What, y.What), cmp.Compare(x.Why, y.Why))
	})
	b.inv.Incomplete = slices.Compact(b.inv.Incomplete)
	return b.inv
}

func systemOf(s component) image.OS {
	id, version := strings.ToLower(s.name), s.version
	if named, ok := codenames[strings.ToLower(version)]; ok {
		version = named.version
	}
	return system(id, version, s.property(propName, "syft:distro:prettyName"))
}

func (b *builder) miss(what, why string) {
	b.inv.Incomplete = append(b.inv.Incomplete, model.Incomplete{What: strings.TrimSpace(b.inv.Name + " " + what), Why: why})
}

// subject reads what the document is about: an image by its digest and names,
// or a package that counts with the others.
func (b *builder) subject() {
	s := b.doc.subject
	if s == nil {
		return
	}
	name := s.name
	if s.group != "" {
		name = s.group + "/" + name
	}
	p, err := parsePURL(s.purl)
	isImage := err != nil || p.kind == "oci" || p.kind == "docker" || p.kind == "generic" || p.kind == "github"
	if !isImage {
		b.doc.components = append(b.doc.components, *s)
	}
	if name != "" && printable(name) {
		b.inv.Name = name
		b.inv.Aliases = append(b.inv.Aliases, name)
		if s.version != "" && !isDigest(s.version) && !strings.Contains(name, ":") {
			b.inv.Aliases = append(b.inv.Aliases, name+":"+s.version)
		}
	}
	repo := ""
	if values := s.properties["aquasecurity:trivy:RepoDigest"]; len(values) > 0 {
		_, repo, _ = strings.Cut(values[0], "@")
	}
	for _, candidate := range []string{s.version, p.version, repo} {
		if isDigest(candidate) {
			b.inv.Digest = candidate
			break
		}
	}
	for _, key := range []string{propAlias, "aquasecurity:trivy:RepoTag", "aquasecurity:trivy:RepoDigest"} {
		b.inv.Aliases = append(b.inv.Aliases, s.properties[key]...)
	}
	slices.Sort(b.inv.Aliases)
	b.inv.Aliases = slices.Compact(b.inv.Aliases)
	for _, key := range []string{propLayer, "aquasecurity:trivy:DiffID"} {
		for _, layer := range s.properties[key] {
			b.inv.Layers = append(b.inv.Layers, image.Layer{DiffID: layer})
		}
	}
}

// isDigest reports whether s is a digest as OCI writes them.
func isDigest(s string) bool {
	hex, ok := strings.CutPrefix(s, "sha256:")
	return ok && isSHA256(hex)
}

func isSHA256(hex string) bool { return len(hex) == 64 && strings.Trim(hex, "0123456789abcdef") == "" }

// digest takes the first digest that is a SHA-256.
func (c *component) digest(algorithm, value string) {
	value = strings.ToLower(value)
	if c.sha256 == "" && strings.EqualFold(strings.ReplaceAll(algorithm, "-", ""), "SHA256") && isSHA256(value) {
		c.sha256 = value
	}
}

// component takes in one package, or says why it can't.
func (b *builder) component(c *component) {
	reject := func(why string) {
		if b.broken++; b.broken <= maxNamed {
			b.miss(fmt.Sprintf("component %q", cmp.Or(strings.TrimSpace(c.name+" "+c.version), c.id)), why)
		}
	}
	if c.purl == "" {
		if !c.passive {
			reject("it has no package URL: what it is can't be told")
		}
		return
	}
	p, err := parsePURL(c.purl)
	if err != nil {
		reject(err.Error())
		return
	}
	version := cmp.Or(p.version, c.version)
	if version == "" || !printable(version) {
		reject("it has no version")
		return
	}
	b.inv.Packages = append(b.inv.Packages, b.pack(c, p, version))
}

// pack makes a package of a component.
func (b *builder) pack(c *component, p packageURL, version string) image.Package {
	if epoch := p.qualifiers["epoch"]; epoch != "" && epoch != "0" && !strings.Contains(version, ":") {
		version = epoch + ":" + version
	}
	out := image.Package{
		PURL: c.purl, Name: c.written(p), Version: version, Arch: p.qualifiers["arch"],
		Layer: c.property(propLayer, "syft:location:0:layerID", "aquasecurity:trivy:LayerDiffID"),
		Path:  c.property(propPath, "syft:location:0:path", "aquasecurity:trivy:FilePath"),
	}
	if p.kind == "golang" && out.Name == "stdlib" {
		out.Version = strings.TrimPrefix(version, "go")
	}
	if out.Path != "" {
		out.SHA256 = c.sha256 // of what is at that place; elsewhere it may be that of what a registry serves
	}
	out.Source, out.SourceVersion = out.Name, out.Version
	switch p.kind {
	case "deb", "apk", "rpm":
		out.Ecosystem = b.release(p)
		b.source(c, p, &out)
	case "gem":
		// A platform may follow, as in 1.19.3-x86_64-linux.
		out.SourceVersion, _, _ = strings.Cut(out.Version, "-")
		out.Arch = p.qualifiers["platform"]
		out.Ecosystem = languages[p.kind]
	case "composer":
		out.Source, out.SourceVersion = strings.ToLower(out.Name), strings.TrimPrefix(out.Version, "v")
		out.Ecosystem = languages[p.kind]
	case "pypi":
		out.Source = image.NormalPython(out.Name)
		out.Ecosystem = languages[p.kind]
	default:
		// A kind that OSV has no name for keeps its own, so that it is said to
		// be without advisories.
		out.Ecosystem = cmp.Or(languages[p.kind], p.kind)
	}
	return out
}

// written is the name as the component writes it, where that differs from the
// package URL in no more than what package URLs drop: case and, for Python,
// separators.
func (c *component) written(p packageURL) string {
	name := p.fullName()
	same := strings.EqualFold
	if p.kind == "pypi" {
		same = func(a, b string) bool { return image.NormalPython(a) == image.NormalPython(b) }
	}
	for _, candidate := range []string{c.name, c.group + "/" + c.name, c.group + ":" + c.name} {
		if same(candidate, name) && printable(candidate) {
			return candidate
		}
	}
	return name
}

// release is the ecosystem of a system's package, and takes the first release
// that is named for that of the image.
func (b *builder) release(p packageURL) string {
	os, ok := distribution(p.namespace, p.qualifiers["distro"])
	if ok {
		if b.inv.OS.ID == "" {
			b.inv.OS = os
		}
		if os.ID == b.inv.OS.ID && os.VersionID == b.inv.OS.VersionID {
			return b.inv.OS.Ecosystem // it may need the name, which the qualifier lacks
		}
		return os.Ecosystem
	}
	if b.inv.OS.ID != "" && (p.namespace == "" || strings.EqualFold(p.namespace, b.inv.OS.ID)) {
		return b.inv.OS.Ecosystem
	}
	return image.Ecosystem(strings.ToLower(p.namespace), "", "") // those without releases, as Wolfi
}

// source finds the source package of a system's package.
func (b *builder) source(c *component, p packageURL, out *image.Package) {
	if p.kind == "rpm" {
		out.Module = image.ModuleStream(cmp.Or(p.qualifiers["rpmmod"], c.property("aquasecurity:trivy:Modularitylabel", "syft:metadata:modularityLabel")))
		if image.ByBinary(out.Ecosystem) {
			return
		}
	}
	name, version := c.property(propSource), c.property(propSourceVersion)
	if name == "" {
		name, version = upstream(p, out)
	}
	if name == "" {
		name, version = c.property("aquasecurity:trivy:SrcName"), trivyVersion(c)
	}
	if name == "" {
		if text, ok := strings.CutPrefix(c.sourceInfo, "built package from: "); ok {
			name, version, _ = strings.Cut(text, " ")
		}
	}
	if name == "" || !printable(name) {
		b.assumed++
		return
	}
	b.stated++
	out.Source = name
	if version != "" && printable(version) {
		out.SourceVersion = version
	}
}

// upstream reads the qualifier: NAME@VERSION, or the file name of a source
// package of rpm, which lacks the epoch: it is taken for the package's own.
func upstream(p packageURL, out *image.Package) (name, version string) {
	text := p.qualifiers["upstream"]
	if p.kind == "rpm" {
		if name, version = image.SourceRPM(text); version != "" {
			if epoch, _, ok := strings.Cut(out.Version, ":"); ok {
				version = epoch + ":" + version
			}
			return name, version
		}
	}
	name, version, _ = strings.Cut(text, "@")
	return name, version
}

// trivyVersion puts the version of a source package together from the three
// properties that Trivy writes.
func trivyVersion(c *component) string {
	version := c.property("aquasecurity:trivy:SrcVersion")
	if release := c.property("aquasecurity:trivy:SrcRelease"); version != "" && release != "" {
		version += "-" + release
	}
	if epoch := c.property("aquasecurity:trivy:SrcEpoch"); version != "" && epoch != "" && epoch != "0" {
		version = epoch + ":" + version
	}
	return version
}
