package image

import (
	"bytes"
	"path"
	"regexp"
	"slices"
	"strings"
)

// owned is a file of a language that a package of the system brought. It is
// counted through that package: distributions mend flaws without raising the
// version that the language's own advisories go by.
type owned struct {
	path  string // as the database writes it, without leading slash
	owner string // name of the package
}

// ownedByDpkg reads what dpkg keeps of one package: info/NAME.list or
// info/NAME:ARCH.list with a path a line, or status.d/NAME.md5sums of
// distroless images with a digest before each path. Only files that may hold
// packages of a language are kept.
func ownedByDpkg(name string, data []byte) (out []owned) {
	owner, isSums := strings.CutSuffix(path.Base(name), ".md5sums")
	if !isSums {
		owner = strings.TrimSuffix(owner, ".list")
		owner, _, _ = strings.Cut(owner, ":")
	}
	for line := range bytes.Lines(data) {
		text := strings.TrimRight(string(line), "\r\n")
		if isSums {
			_, text, _ = strings.Cut(text, " ")
		}
		if out = appendOwned(out, text, owner); len(out) >= maxOwned {
			break // what follows counts as nobody's
		}
	}
	return out
}

// systemMail is the end of the addresses under which the packages of
// distributions with dpkg are maintained, whose advisories we have.
var systemMail = regexp.MustCompile(`[@.](?:debian\.org|debian\.net|ubuntu\.com|canonical\.com)>?$`)

// strangeToDpkg names the packages of a status file that somebody else than
// the distribution maintains, as that of Node.js by its vendor: their files are
// in none of its advisories, and count by their language. A few maintainers of
// Debian have addresses of their own; what they brought counts twice. Without
// Maintainer a package is the distribution's.
func strangeToDpkg(data []byte) (names []string) {
	name, mail := "", ""
	flush := func() {
		if name != "" && mail != "" && !systemMail.MatchString(mail) && len(names) < maxPackages {
			names = append(names, name)
		}
		name, mail = "", ""
	}
	for line := range bytes.Lines(data) {
		if len(bytes.TrimSpace(line)) == 0 {
			flush()
			continue
		}
		key, value, _ := bytes.Cut(line, []byte(":"))
		if len(value) > maxField {
			continue
		}
		switch strings.ToLower(string(key[:min(len(key), 16)])) {
		case "package":
			name = string(bytes.TrimSpace(value))
		case "maintainer":
			mail = string(bytes.TrimSpace(value))
		}
	}
	flush()
	return names
}

// pathsPerByte is how many times as long as the database the paths of its
// files may be together: each has a line with its name, and mostly a digest.
const pathsPerByte = 16

// ownedByApk reads the files of each package: F is a folder, R a file in it
// (apk-installed(5)).
func ownedByApk(data []byte) (out []owned, notes []note) {
	var owner, folder string
	left := pathsPerByte * len(data)
	for line := range bytes.Lines(data) {
		text := strings.TrimRight(string(line), "\r\n")
		if len(text) < 2 || text[1] != ':' {
			continue
		}
		switch value := text[2:]; text[0] {
		case 'P':
			owner, folder = strings.TrimSpace(value), ""
		case 'F':
			folder = value
		case 'R':
			if len(folder)+len(value) >= maxPath {
				continue // no file can be there
			}
			if left -= len(folder) + len(value); left < 0 || len(out) >= maxOwned {
				return out, []note{{"", "the lists of its files are longer than is read: which others apk brought isn't known"}}
			}
			out = appendOwned(out, folder+"/"+value, owner)
		}
	}
	return out, nil
}

func appendOwned(list []owned, name, owner string) []owned {
	name, _ = cleanPath(strings.TrimLeft(strings.TrimSpace(name), "/"))
	if name == "" || owner == "" || !languageKind(name).isLanguage() && !isProgramPlace(name) {
		return list
	}
	return append(list, owned{name, owner})
}

// isProgramPlace reports whether distributions put programs into the folder of
// a file. Those in Rust without audit data are no matter of their own where a
// package of the system brought them.
func isProgramPlace(name string) bool {
	dir := "/" + path.Dir(name) + "/"
	return strings.Contains(dir, "/bin/") || strings.Contains(dir, "/sbin/") || strings.Contains(dir, "/libexec/")
}

// ownership says of visible files which layer brought the system's package
// that they belong to.
type ownership map[string]int

// has reports whether a file is that of its owner: one that a layer above its
// package's brought was put over it, as by npm install -g npm.
func (o ownership) has(path string, layer int) bool {
	of, ok := o[path]
	return ok && layer <= of
}

// ownership joins the lists of files with the packages that are installed.
func (h *history) ownership(t *tree) ownership {
	layers := map[string]int{}
	for _, s := range h.sources {
		if !s.found.kind.isDatabase() {
			continue
		}
		for i, p := range s.found.packages {
			layers[p.Name] = max(layers[p.Name], s.since[i])
		}
	}
	for _, s := range h.sources {
		for _, name := range s.found.strange {
			delete(layers, name)
		}
	}
	out := ownership{}
	take := func(v *vertex) {
		if v == nil || v.found == nil {
			return
		}
		for _, file := range v.found.owned {
			layer, installed := layers[file.owner]
			if p, err := t.resolve(file.path); err == nil && installed {
				out[p] = max(out[p], layer)
			}
		}
	}
	for _, s := range h.sources {
		if s.found.kind == foundRPM {
			take(t.at(s.path))
		}
	}
	for _, place := range apkPlaces {
		if p, err := t.resolve(place); err == nil {
			take(t.at(p))
		}
	}
	for _, place := range []string{dpkgLists, dpkgFolder} {
		if p, err := t.resolve(place); err == nil {
			if folder := t.at(p); folder != nil {
				for _, v := range folder.children {
					take(v)
				}
			}
		}
	}
	return out
}

// brought is the layer that a file with packages of a language came from: the
// highest of its packages', or that of the file where it has none. A further
// name of a file counts as brought by the lowest layer.
func (h *history) brought(path string, f *found) int {
	switch one := h.held[path]; {
	case len(f.packages) == 0:
		return h.holders[f]
	case one == nil:
		return 0
	default:
		return slices.Max(one.since)
	}
}
