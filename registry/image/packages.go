package image

import (
	"cmp"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
)

// Places of the databases: dpkg(1), distroless images ("status.d"), apk(8)
// before and after the merge of /usr. Those of rpm are in rpm.go.
var (
	dpkgStatus = "var/lib/dpkg/status"
	dpkgFolder = "var/lib/dpkg/status.d"
	dpkgLists  = "var/lib/dpkg/info"
	apkPlaces  = []string{"lib/apk/db/installed", "usr/lib/apk/db/installed"}
	// os-release(5): the first that exists.
	releasePlaces = []string{"etc/os-release", "usr/lib/os-release"}
)

// source is one visible file that holds packages.
type source struct {
	path  string
	found *found
	since []int // layer that brought each of found.packages
}

// sources lists what the tree shows at the places of the databases and every
// file that holds packages wherever it lies, sorted by path. Trouble on the way is returned as notes.
func (t *tree) sources() (list []source, notes []note) {
	seen := map[string]bool{}
	take := func(place string, kind foundKind) {
		p, err := t.resolve(place)
		if err != nil {
			notes = append(notes, note{place, err.Error()})
			return
		}
		v := t.at(p)
		switch {
		case v != nil && v.found != nil && v.found.kind == kind && !seen[p]:
			seen[p] = true
			list = append(list, source{path: p, found: v.found})
		case (v == nil || v.found == nil || v.found.kind == foundSecret) && p != place && t.linked(place):
			notes = append(notes, note{place, fmt.Sprintf("it leads to %q, which was not read as a package database", p)})
		}
	}
	take(dpkgStatus, foundDpkg)
	for _, place := range apkPlaces {
		take(place, foundApk)
	}
	if folder, err := t.resolve(dpkgFolder); err != nil {
		notes = append(notes, note{dpkgFolder, err.Error()})
	} else {
		before := len(list)
		if v := t.at(folder); v != nil {
			for _, name := range slices.Sorted(maps.Keys(v.children)) {
				take(path.Join(folder, name), foundDpkg)
			}
		}
		if len(list) == before && folder != dpkgFolder && t.linked(dpkgFolder) {
			notes = append(notes, note{dpkgFolder, fmt.Sprintf("it leads to %q, where no package database was read", folder)})
		}
	}
	rpm, rpmNotes := t.rpmSources()
	list, notes = append(list, rpm...), append(notes, rpmNotes...)
	list = append(list, t.carried()...)
	slices.SortFunc(list, func(a, b source) int { return cmp.Compare(a.path, b.path) })
	return list, notes
}

// linked reports whether the database itself or the folder that only it uses
// is a link: a link higher up (lib to usr/lib) says nothing about databases.
func (t *tree) linked(place string) bool {
	for p := place; strings.Count(p, "/") >= 1; p = path.Dir(p) {
		if v := t.at(p); v != nil && v.link && p != "var/lib" && p != "usr/lib" {
			return true
		}
	}
	return false
}

// carried lists files that hold packages wherever they lie, those under
// several hard-linked names once, by the first of them.
func (t *tree) carried() []source {
	first := make(map[*found]string, len(t.carriers))
	for v, name := range t.carriers {
		if known, ok := first[v.found]; !ok || name < known {
			first[v.found] = name
		}
	}
	var list []source
	for f, name := range first {
		list = append(list, source{path: name, found: f})
	}
	return list
}

// release returns the os-release that counts, and its path.
func (t *tree) release() (OS, []note) {
	for _, place := range releasePlaces {
		p, err := t.resolve(place)
		if err != nil {
			return OS{}, []note{{place, err.Error()}}
		}
		if v := t.at(p); v != nil && v.found != nil && v.found.kind == foundRelease {
			out := v.found.release
			out.Path = "/" + p
			var notes []note
			for _, n := range v.found.notes {
				notes = append(notes, note{p, n.why})
			}
			return out, notes
		}
	}
	return OS{}, nil
}

// identity tells the packages of one file apart while layers come and go.
type identity struct{ name, version, arch string }

func identityOf(p Package) identity { return identity{p.Name, p.Version, p.Arch} }

// maxSteps bounds the looks at files that hold packages, over all layers of
// an image: 1,000 times what a large one needs.
const maxSteps = 1 << 24

// history follows which layer brought each visible package: the one where
// it first appears and from which on it stays.
type history struct {
	held    map[string]*holding // of sources, by path
	visible int                 // packages of all sources
	holders map[*found]int      // the same of each visible file, whatever its name
	sources []source
	notes   []note
	steps   int
	lost    int // the first layer that was not looked at; 0 none
}

// follow looks at the tree after a layer if that is still within the bound.
func (h *history) follow(t *tree, layer int) {
	if h.steps += len(t.carriers); h.steps > maxSteps && layer > 0 {
		if h.lost == 0 {
			h.lost = layer
		}
		return
	}
	h.update(t, layer)
}

// end makes up for layers that were not looked at.
func (h *history) end(t *tree, layer int) {
	if h.lost == 0 {
		return
	}
	h.update(t, layer)
	h.notes = append(h.notes, note{"", fmt.Sprintf("too many files to follow each through the layers: of packages that layer %d and those above it brought, the layer is not known", h.lost+1)})
}

// holding is one source between two looks at the tree.
type holding struct {
	found    *found
	since    []int // see source
	distinct int   // packages that differ
}

// update looks at the tree after a layer.
func (h *history) update(t *tree, layer int) {
	h.sources, h.notes = t.sources()
	held, holders := make(map[string]*holding, len(h.sources)), make(map[*found]int, len(h.sources))
	h.visible = 0
	for i := range h.sources {
		s := &h.sources[i]
		// A file that only lost one of its names was brought earlier.
		from, ok := h.holders[s.found]
		if !ok {
			from = layer
		}
		holders[s.found] = from
		one := h.held[s.path]
		if one == nil || one.found != s.found {
			one = hold(s.found, one, from)
		}
		held[s.path], s.since = one, one.since
		h.visible += one.distinct
	}
	h.held, h.holders = held, holders
}

// hold takes in a file that came with a layer. Packages that the file before
// it had at its place were brought earlier.
func hold(f *found, before *holding, layer int) *holding {
	out := &holding{found: f, since: make([]int, len(f.packages)), distinct: len(f.packages)}
	for i := range out.since {
		out.since[i] = layer
	}
	if before != nil {
		earlier := make(map[identity]int, len(before.since))
		for i, p := range before.found.packages {
			earlier[identityOf(p)] = before.since[i]
		}
		for i, p := range f.packages {
			if brought, ok := earlier[identityOf(p)]; ok {
				out.since[i] = brought
			}
		}
	}
	if len(f.packages) > 1 {
		seen := make(map[identity]struct{}, len(f.packages))
		for _, p := range f.packages {
			seen[identityOf(p)] = struct{}{}
		}
		out.distinct = len(seen)
	}
	return out
}

// unread says what the visible files leave unknown: databases that can't be
// read, executables and packages of languages that couldn't, kinds of package
// that aren't.
func unread(visible []placed, h *history, owned ownership) (notes []note) {
	languages := map[string][]string{}
	more := 0
	caches := slices.ContainsFunc(h.sources, func(s source) bool { return s.found.kind == foundYarn && len(s.found.packages) > 0 })
	for _, file := range visible {
		name, v := file.path, file.vertex
		kind := v.found.kind
		switch {
		case kind == foundLanguage && owned.has(name, v.layer),
			kind.isLanguage() && kind != foundLanguage && owned.has(name, h.brought(name, v.found)):
			continue
		}
		switch {
		case kind == foundRPMLog:
			notes = append(notes, note{"/" + name, v.found.notes[0].why})
		case kind == foundLanguage:
			languages[v.found.language] = append(languages[v.found.language], name)
		case kind == foundLock && bundled(v, caches):
			notes = append(notes, note{"/" + name, "a lock file without the packages that it lists: what of them is part of other files is unknown"})
		case kind == foundUnread || kind.carries():
			for _, x := range v.found.notes {
				if len(notes) >= maxUnread {
					more++
					continue
				}
				notes = append(notes, note{strings.TrimSpace("/" + name + " " + x.where), x.why})
			}
		}
	}
	for _, language := range slices.Sorted(maps.Keys(languages)) {
		files := languages[language]
		notes = append(notes, note{"/" + slices.Min(files), fmt.Sprintf("packages of %s are not read (%s)", language, counted(len(files), "file"))})
	}
	if more > 0 {
		notes = append(notes, note{"/", fmt.Sprintf("%d more files could not be read", more)})
	}
	return notes
}

// maxUnread is how many files of one image that couldn't be read are named one
// by one; the rest is counted.
const maxUnread = 200

// counted writes a number with its noun.
func counted(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
