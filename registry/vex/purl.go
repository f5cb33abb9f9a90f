package vex

import (
	"slices"
	"strings"

	"github.com/package-url/packageurl-go"

	"github.com/scantling/scantling/registry/image"
)

// thing is an installed package.
type thing struct {
	url      packageurl.PackageURL
	readable bool // url could be read
	source   packageurl.PackageURL
	path     string
}

func packageOf(p *image.Package) thing {
	url, err := packageurl.FromString(p.PURL)
	t := thing{url: url, readable: err == nil, source: url, path: p.Path}
	t.source.Name, t.source.Version = p.Source, p.SourceVersion
	return t
}

// is reports whether one of the component's package URLs is about the package,
// or about the source package that it was built from.
func (t thing) is(c Component) bool {
	return t.readable && slices.ContainsFunc(c.purls, func(pattern packageurl.PackageURL) bool {
		if isSource(pattern) {
			return covers(withoutArch(pattern), t.source)
		}
		return covers(pattern, t.url)
	})
}

// isSystem knows packages of a system, whose files all stand in one database.
func isSystem(url packageurl.PackageURL) bool {
	return slices.Contains([]string{packageurl.TypeDebian, packageurl.TypeApk, packageurl.TypeRPM, packageurl.TypeAlpm}, url.Type)
}

// isSource knows the package URLs of source packages: those with arch=source
// of Debian, with arch=src of RPM.
func isSource(url packageurl.PackageURL) bool {
	arch := url.Qualifiers.Map()["arch"]
	return url.Type == packageurl.TypeDebian && arch == "source" || url.Type == packageurl.TypeRPM && arch == "src"
}

func withoutArch(url packageurl.PackageURL) packageurl.PackageURL {
	url.Qualifiers = slices.DeleteFunc(slices.Clone(url.Qualifiers), func(q packageurl.Qualifier) bool { return q.Key == "arch" })
	return url
}

// covers reports whether a pattern is about a package: type, namespace and
// name are the same, and so is what the pattern says of version, qualifiers
// and subpath. What it leaves out stands for all.
func covers(pattern, url packageurl.PackageURL) bool {
	if pattern.Type != url.Type || pattern.Namespace != url.Namespace || pattern.Name != url.Name {
		return false
	}
	if pattern.Version != "" && !sameVersion(pattern, url) || pattern.Subpath != "" && pattern.Subpath != url.Subpath {
		return false
	}
	have := url.Qualifiers.Map()
	return !slices.ContainsFunc(pattern.Qualifiers, func(q packageurl.Qualifier) bool {
		value, ok := have[q.Key]
		return !ok || value != q.Value
	})
}

// sameVersion compares as texts; Go's are written with and without their v.
func sameVersion(a, b packageurl.PackageURL) bool {
	if a.Type == packageurl.TypeGolang {
		return strings.TrimPrefix(a.Version, "v") == strings.TrimPrefix(b.Version, "v")
	}
	return a.Version == b.Version
}

// subject is an image by all its names.
type subject struct {
	digests []string
	names   []string
	places  []placeOf
	arch    string
}

// placeOf is where a registry keeps an image.
type placeOf struct{ repository, tag string }

func subjectOf(inv *image.Inventory) subject {
	s := subject{digests: []string{inv.Digest}}
	_, s.arch, _ = strings.Cut(inv.Platform, "/")
	for _, name := range append([]string{inv.Name}, inv.Aliases...) {
		if strings.HasPrefix(name, "sha256:") {
			s.digests = append(s.digests, name)
			continue
		}
		s.names = append(s.names, name)
		repository, digest, _ := strings.Cut(name, "@")
		tag := ""
		if i := strings.LastIndexByte(repository, ':'); i > strings.LastIndexByte(repository, '/') && digest == "" {
			repository, tag = repository[:i], repository[i+1:]
		}
		s.places = append(s.places, placeOf{repository, tag})
	}
	return s
}

// is reports whether a component is the image.
func (s subject) is(c Component) bool {
	return slices.ContainsFunc(c.digests, func(d string) bool { return slices.Contains(s.digests, d) }) ||
		slices.ContainsFunc(c.names, func(n string) bool { return slices.Contains(s.names, n) }) ||
		slices.ContainsFunc(c.purls, s.isOCI)
}

// isOCI compares with a package URL of type oci (purl-spec, types/oci). Its
// version is a digest, which names the image wherever it is kept; without one
// the name, and the repository and the tag where given, have to be the
// image's. Architectures are compared where given.
func (s subject) isOCI(url packageurl.PackageURL) bool {
	want := url.Qualifiers.Map()
	if url.Type != packageurl.TypeOCI || want["arch"] != "" && want["arch"] != strings.Split(s.arch, "/")[0] {
		return false
	}
	if strings.Contains(url.Version, ":") {
		return slices.Contains(s.digests, strings.ToLower(url.Version))
	}
	repository := strings.TrimPrefix(strings.TrimPrefix(want["repository_url"], "https://"), "http://")
	return slices.ContainsFunc(s.places, func(p placeOf) bool {
		parent, name := "", p.repository
		if i := strings.LastIndexByte(p.repository, '/'); i >= 0 {
			parent, name = p.repository[:i], p.repository[i+1:]
		}
		return strings.EqualFold(name, url.Name) &&
			(repository == "" || repository == p.repository || repository == parent) &&
			(want["tag"] == "" || want["tag"] == p.tag) && (url.Version == "" || url.Version == p.tag)
	})
}
