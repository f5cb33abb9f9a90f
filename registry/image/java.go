package image

import (
	"archive/zip"
	"bytes"
	"fmt"
	"path"
	"regexp"
	"strings"
)

// Bounds on one Java archive with all that is nested in it.
const (
	maxNested = 16   // archives in archives
	maxJars   = 4096 // packages: the largest application servers have some 1,000
)

// javaScan collects the packages of one archive and of those nested in it.
type javaScan struct {
	archive *archive
	found   *found
	own     []Package // of the outermost archive itself
	more    int       // notes beyond maxNotes
}

// parseJava reads a Java archive. Maven writes the coordinates of what it
// builds into META-INF/maven/GROUP/ARTIFACT/pom.properties; an archive that
// others were merged into (shaded) has several. Without that file they are
// guessed from the manifest and the file's name: a package then, with a note
// that says so. Where even that isn't enough there is a note alone. An archive
// without classes of its own needs no name. sum is the archive's, and that of
// the one package that it is.
func parseJava(a *archive, name string, b *spooled, sum string) *found {
	s := &javaScan{archive: a, found: &found{kind: foundJava}}
	s.read("", path.Base(name), b, a.limit-b.size, 0)
	if s.more > 0 {
		s.found.notes = append(s.found.notes, note{"", fmt.Sprintf("%d more archives in it could not be read", s.more)})
	}
	for i, p := range s.found.packages {
		if len(s.own) == 1 && p == s.own[0] {
			s.found.packages[i].SHA256 = sum
		}
	}
	return s.found
}

func (s *javaScan) note(where, format string, args ...any) {
	if len(s.found.notes) >= maxNotes {
		s.more++
		return
	}
	s.found.notes = append(s.found.notes, note{where, fmt.Sprintf(format, args...)})
}

// read takes in one archive. where is its path within the outermost; room is
// how many bytes the archives within it may have.
func (s *javaScan) read(where, name string, b *spooled, room int64, depth int) {
	files, err := s.archive.open(b)
	if err != nil {
		s.note(where, "as a zip archive: %v", err)
		return
	}
	// The list stays in memory while archives within are read, so that all
	// lists of one nest are as long as one may be.
	listed := listLength(files)
	s.archive.dir -= listed
	defer func() { s.archive.dir += listed }()
	var manifest []byte
	known, classes := false, false
	for _, file := range files {
		base := path.Base(file.Name)
		switch {
		case strings.HasSuffix(file.Name, "/"):
		case base == "pom.properties":
			known = s.properties(where, file) || known
		case strings.EqualFold(file.Name, "META-INF/MANIFEST.MF"):
			if manifest, err = s.archive.read(file, maxMetadata); err != nil {
				s.note(where, "its manifest: %v", err)
			}
		case strings.HasSuffix(base, ".class"):
			classes = true
		case languageKind(base) == foundJava:
			s.nested(path.Join(where, clip(file.Name)), file, room, depth+1)
		}
	}
	if !known && classes {
		s.guess(where, name, parseManifest(manifest))
	}
}

// listLength is how many bytes of an archive's directory list its files.
func listLength(files []*zip.File) (length int64) {
	const fixed = 46
	for _, f := range files {
		length += int64(fixed + len(f.Name) + len(f.Extra) + len(f.Comment))
	}
	return length
}

// nested takes in an archive within another.
func (s *javaScan) nested(where string, file *zip.File, room int64, depth int) {
	if depth > maxNested {
		s.note(where, "archives in archives are read to a depth of %d", maxNested)
		return
	}
	b, err := s.archive.nested(file, room, depth)
	if err != nil {
		s.note(where, "%v", err)
		return
	}
	s.read(where, path.Base(file.Name), b, room-b.size, depth)
	if why := b.unread(); why != "" {
		s.note(where, "%s", why)
	}
}

// properties reads the lines of a pom.properties file.
func (s *javaScan) properties(where string, file *zip.File) bool {
	data, err := s.archive.read(file, maxMetadata)
	if err != nil {
		s.note(where, "its %s: %v", clip(file.Name), err)
		return false
	}
	values := map[string]string{}
	for line := range bytes.Lines(data) {
		key, value, ok := strings.Cut(string(bytes.TrimSpace(line)), "=")
		if ok {
			values[strings.TrimSpace(key)] = strings.TrimSpace(value)
		}
	}
	group, artifact, version := values["groupId"], values["artifactId"], values["version"]
	if !isID(group) || !isID(artifact) || !isMavenVersion(version) {
		s.note(where, "its %s has no usable groupId, artifactId and version", clip(file.Name))
		return false
	}
	s.add(where, group, artifact, version)
	return true
}

func (s *javaScan) add(where, group, artifact, version string) {
	if len(s.found.packages) >= maxJars {
		if len(s.found.packages) == maxJars {
			s.note("", "more than %d packages; the rest is not read", maxJars)
		}
		return
	}
	name := group + ":" + artifact
	p := Package{Name: name, Version: version, Source: name, SourceVersion: version, Ecosystem: "Maven"}
	s.found.packages = append(s.found.packages, p)
	if where == "" {
		s.own = append(s.own, p)
	}
}

// idForm is what Maven allows in a group or artifact.
var idForm = regexp.MustCompile(`^[A-Za-z0-9_.-]+$`)

func isID(s string) bool { return len(s) <= maxField && idForm.MatchString(s) }

// isMavenVersion refuses what Maven refuses in a version; "${…}" is one that
// was never filled in.
func isMavenVersion(s string) bool {
	return plainField(s) && !strings.ContainsAny(s, `:/\"<>|?*[](),${}`)
}

// guess names an archive by its manifest and file name.
func (s *javaScan) guess(where, name string, manifest map[string]string) {
	artifact, version := fileCoordinates(name)
	symbolic, _, _ := strings.Cut(manifest["bundle-symbolicname"], ";")
	symbolic = strings.TrimSpace(symbolic)
	if artifact == "" {
		artifact = first(isID, manifest["implementation-title"], symbolic[strings.LastIndex(symbolic, ".")+1:], strings.TrimSuffix(name, path.Ext(name)))
	}
	version = first(isMavenVersion, version, manifest["implementation-version"], manifest["bundle-version"])
	group := first(isGroup, manifest["implementation-vendor-id"])
	if group == "" {
		group = groupOf(first(isGroup, symbolic, manifest["automatic-module-name"], manifest["extension-name"], artifact), artifact)
	}
	if group == "" || version == "" {
		s.note(where, "a Java archive that doesn't say what it is: it has no pom.properties, and its manifest and name don't tell group, artifact and version")
		return
	}
	s.note(where, "it has no pom.properties: that it is %s:%s %s is a guess from its manifest and name", group, artifact, version)
	s.add(where, group, artifact, version)
}

func first(fits func(string) bool, list ...string) string {
	for _, text := range list {
		if fits(text) {
			return text
		}
	}
	return ""
}

// groupForm is a reversed domain name, as groups by convention are.
var groupForm = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_-]*(\.[A-Za-z0-9_-]+)+$`)

func isGroup(s string) bool { return len(s) <= maxField && groupForm.MatchString(s) }

// groupOf is the group in a name that may end with the artifact.
func groupOf(name, artifact string) string {
	if name == artifact && name != "" {
		return name[:strings.LastIndex(name, ".")]
	}
	if trimmed := strings.TrimSuffix(name, "."+artifact); strings.Contains(trimmed, ".") {
		return trimmed
	}
	return name
}

// fileForm is ARTIFACT-VERSION with an ending; the version begins with the
// first digit after a hyphen, so that guava-31.1-jre has both.
var fileForm = regexp.MustCompile(`^([A-Za-z0-9_.-]*?[A-Za-z][A-Za-z0-9_.-]*?)-(\d[A-Za-z0-9_.+-]*)\.[A-Za-z]+$`)

// fileCoordinates are the artifact and version in the name of a file, or
// nothing.
func fileCoordinates(name string) (artifact, version string) {
	m := fileForm.FindStringSubmatch(name)
	if m == nil || len(name) > maxField {
		return "", ""
	}
	return m[1], m[2]
}

// parseManifest reads the main section of a manifest: "Name: value" lines up
// to a blank one, where a line that begins with a blank goes on with the one
// before (JAR file specification). Names are returned in lower case.
func parseManifest(data []byte) map[string]string {
	values := map[string]string{}
	last := ""
	for line := range bytes.Lines(data) {
		text := strings.TrimRight(string(line), "\r\n")
		if text == "" {
			if len(values) > 0 {
				break
			}
			continue
		}
		if text[0] == ' ' {
			if last != "" && len(values[last]) < maxPath {
				values[last] += text[1:]
			}
			continue
		}
		key, value, ok := strings.Cut(text, ":")
		if !ok {
			continue
		}
		last = strings.ToLower(strings.TrimSpace(key))
		values[last] = strings.TrimSpace(value)
	}
	return values
}

// mavenPURL writes "group:artifact" with its group as namespace.
func mavenPURL(name string) string {
	group, artifact, _ := strings.Cut(name, ":")
	return escape(group) + "/" + escape(artifact)
}
