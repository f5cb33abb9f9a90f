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
// before and after the merge of /usr.
var (
	dpkgStatus = "var/lib/dpkg/status"
	dpkgFolder = "var/lib/dpkg/status.d"
	apkPlaces  = []string{"lib/apk/db/installed", "usr/lib/apk/db/installed"}
	// os-release(5): the first that exists.
	releasePlaces = []string{"etc/os-release", "usr/lib/os-release"}
)

// source is one visible file that holds packages.
type source struct {
	path  string
	found *found
}

// sources lists what the tree shows at the places of the databases and every
// Go executable, sorted by path. Trouble on the way is returned as notes.
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
			list = append(list, source{p, v.found})
		case (v == nil || v.found == nil) && p != place && t.linked(place):
			notes = append(notes, note{place, fmt.Sprintf("it leads to %q, which was not read as a package database", p)})
		}
	}
	take(dpkgStatus, foundDpkg)
	for _, place := range apkPlaces {
		take(place, foundApk)
	}
	if folder, err := t.resolve(dpkgFolder); err != nil {
		notes = append(notes, note{dpkgFolder, err.Error()})
	} else if v := t.at(folder); v != nil {
		for _, name := range slices.Sorted(maps.Keys(v.children)) {
			take(path.Join(folder, name), foundDpkg)
		}
	}
	list = append(list, t.executables()...)
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

// executables lists Go executables, those under several hard-linked names
// once, by the first of them.
func (t *tree) executables() []source {
	first := map[*found]string{}
	for v := range t.programs {
		name := v.path()
		if known, ok := first[v.found]; !ok || name < known {
			first[v.found] = name
		}
	}
	var list []source
	for f, name := range first {
		list = append(list, source{name, f})
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

// identity tells one package from another while layers come and go.
type identity struct{ path, name, version, arch string }

// history follows which layer brought each visible package: the one where
// it first appears and from which on it stays.
type history struct {
	since   map[identity]int
	holders map[*found]int // the same of each visible file, whatever its name
	sources []source
	notes   []note
}

// update looks at the tree after a layer.
func (h *history) update(t *tree, layer int) {
	h.sources, h.notes = t.sources()
	now, holders := map[identity]int{}, map[*found]int{}
	for _, s := range h.sources {
		// A file that only lost one of its names was brought earlier.
		from, ok := h.holders[s.found]
		if !ok {
			from = layer
		}
		holders[s.found] = from
		for _, p := range s.found.packages {
			id := identity{s.path, p.Name, p.Version, p.Arch}
			if brought, ok := h.since[id]; ok {
				now[id] = brought
			} else {
				now[id] = from
			}
		}
	}
	h.since, h.holders = now, holders
}

// unread says what the visible files leave unknown: databases that can't be
// read, executables that couldn't, kinds of package that aren't.
func (t *tree) unread() (notes []note) {
	languages := map[string][]string{}
	t.root.walk(func(v *vertex) {
		name := v.path()
		switch v.found.kind {
		case foundRPM:
			notes = append(notes, note{"/" + name, "an rpm database: packages of rpm are not read"})
		case foundUnread, foundGo:
			for _, x := range v.found.notes {
				notes = append(notes, note{"/" + name, x.why})
			}
		case foundLanguage:
			languages[v.found.language] = append(languages[v.found.language], name)
		}
	})
	for _, language := range slices.Sorted(maps.Keys(languages)) {
		files := languages[language]
		notes = append(notes, note{"/" + slices.Min(files), fmt.Sprintf("packages of %s are not read (%s)", language, counted(len(files), "file"))})
	}
	return notes
}

// counted writes a number with its noun.
func counted(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
