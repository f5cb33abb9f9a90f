package image

import (
	"cmp"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
)

// Bounds on links, and on what they and hard links make of few entries.
const (
	// maxLinks is how many symbolic links one path may lead through: the limit
	// of Linux (path_resolution(7)), after which it is taken for a loop.
	maxLinks = 40
	// maxFollowed is how many bytes of paths are gone through behind links,
	// over all layers of an image: 1,000 times what a large one needs.
	maxFollowed = 1 << 28
	// maxMade bounds the tree, in folders and files over all layers of an
	// image, of which each takes some 500 bytes.
	maxMade = 1 << 21
)

var (
	errLoop     = errors.New("its symbolic links form a loop")
	errFar      = errors.New("its symbolic links lead to a path that is longer than a path can be")
	errFollowed = errors.New("the links of an image are followed up to a bound, which is reached")
	errMade     = fmt.Errorf("the links of an image lead to more than the %d folders and files that are kept", maxMade)
)

// tree is the visible state of an image after some of its layers: symbolic
// links and the files that say something. Paths are canonical: no element but
// the last is a link.
type tree struct {
	root     *vertex
	links    int                // how many vertices are links
	followed int                // see maxFollowed
	made     int                // see maxMade
	carriers map[*vertex]string // files that hold packages wherever they lie, with their paths
	layer    int                // that is being applied
	dirty    bool               // something that may show or hide packages came or went
	bare     string             // canonical path at and below which there is nothing; "" where none is known
	notes    []layerNote
}

// vertex is a folder on the way to something kept, a link, or a file that
// says something.
type vertex struct {
	parent   *vertex
	name     string
	children map[string]*vertex
	link     bool
	target   string // of a link, as written
	found    *found // of a file
	layer    int    // that has the link or file
}

// layerNote is a note on one entry of one layer.
type layerNote struct {
	layer int
	note
}

func newTree() *tree {
	return &tree{root: &vertex{}, carriers: map[*vertex]string{}}
}

// apply puts a layer on top. Whiteouts hide what is below and nothing of
// their own layer, wherever in the tar they stand (image-spec, layer.md).
func (t *tree) apply(index int, f *facts) {
	t.layer = index
	for _, e := range f.entries {
		if e.kind != isGone && e.kind != isOpaque {
			continue
		}
		_, v, ok := t.place(index, e.path)
		switch {
		case !ok || v == nil:
		case e.kind == isGone:
			t.remove(v)
		default:
			for _, child := range v.children {
				t.remove(child)
			}
		}
	}
	for _, e := range f.entries {
		if e.kind == isGone || e.kind == isOpaque {
			continue
		}
		if e.kind == isRun {
			t.cover(index, e)
			continue
		}
		if p, v, ok := t.place(index, e.path); ok {
			t.put(index, p, v, e)
		}
	}
}

// put places one entry at its canonical path, at which there is v.
func (t *tree) put(index int, p string, v *vertex, e entry) {
	switch e.kind {
	case isDir:
		if v != nil && (v.link || v.found != nil) {
			t.remove(v)
		}
	case isHard:
		t.hardLink(index, p, v, e.target)
	default:
		if v != nil {
			t.remove(v)
		}
		if e.kind == isLink || e.found != nil {
			t.add(p, e.kind == isLink, e.target, e.found)
		}
		if e.kind == isFile && p != e.path {
			t.disguised(index, e.path, p)
		}
	}
}

// disguised notes a file that a link of the image brings to a place where
// packages are expected, and whose name in its layer didn't say so.
func (t *tree) disguised(index int, name, p string) {
	kind := kindOf(p)
	if (kind.isDatabase() || kind.carries()) && kind != kindOf(name) {
		t.lost(index, name, fmt.Errorf("a link leads it to %q, where it was not read for packages", p))
	}
}

// hardLink gives the file of target a second name, at which there is old. A
// target that says nothing leaves nothing, unless packages were expected under
// the new name.
func (t *tree) hardLink(index int, p string, old *vertex, target string) {
	from, source, ok := t.place(index, target)
	if !ok || from == p {
		return
	}
	if old != nil {
		if within(source, old) {
			source = nil
		}
		t.remove(old)
	}
	expected := kindOf(p)
	switch {
	case expected == foundNPM && source != nil && source.found != nil && source.found.kind == foundStore:
		t.add(p, false, "", linkedFromStore(source.found))
	case source != nil && (source.link || source.found != nil && (expected == foundNothing || source.found.kind == expected)):
		t.add(p, source.link, source.target, source.found)
	case (expected.isDatabase() || expected.carries()) && len(t.notes) < maxNotes:
		t.notes = append(t.notes, layerNote{index, note{p, fmt.Sprintf("it is a hard link to %q, which was not read for packages", target)}})
	}
}

// within reports whether v is root or lies below it.
func within(v, root *vertex) bool {
	for ; v != nil; v = v.parent {
		if v == root {
			return true
		}
	}
	return false
}

// place resolves the folder of a path, as extraction would, and returns the
// canonical path with what is there.
func (t *tree) place(index int, name string) (string, *vertex, bool) {
	if v, ok := t.straight(name); ok {
		return name, v, true
	}
	dir, base := path.Split(name)
	dir, err := t.resolve(strings.TrimSuffix(dir, "/"))
	if err != nil {
		t.lost(index, name, err)
		return "", nil, false
	}
	p := path.Join(dir, base)
	return p, t.at(p), true
}

// lost notes an entry that has no place.
func (t *tree) lost(index int, name string, err error) {
	if len(t.notes) < maxNotes {
		t.notes = append(t.notes, layerNote{index, note{name, err.Error()}})
	}
}

// resolve follows every link of a path, the last element included, and stays
// below the root: ".." at the root is the root.
func (t *tree) resolve(name string) (string, error) {
	if t.links == 0 {
		return name, nil
	}
	if !strings.Contains(name, "..") {
		if v, ok := t.straight(name); ok && (v == nil || !v.link) {
			return name, nil
		}
	}
	var done []string
	way, rest, hops := []*vertex{t.root}, name, 0 // way: the folders of done, from the root on
	for rest != "" {
		var element string
		element, rest, _ = strings.Cut(rest, "/")
		switch element {
		case "", ".":
			continue
		case "..":
			done = done[:max(0, len(done)-1)]
			way = way[:len(done)+1]
			continue
		}
		next := way[len(done)].child(element)
		if next == nil || !next.link {
			done, way = append(done, element), append(way, next)
			continue
		}
		if hops++; hops > maxLinks {
			return "", errLoop
		}
		if strings.HasPrefix(next.target, "/") {
			done, way = done[:0], way[:1]
		}
		rest = strings.TrimSuffix(next.target+"/"+rest, "/")
		if t.followed += len(rest); t.followed > maxFollowed {
			return "", errFollowed
		}
	}
	p := strings.Join(done, "/")
	if len(p) > maxPath || len(done) > maxDeep {
		return "", errFar
	}
	return p, nil
}

// straight looks for a clean path without following links: ok where no folder
// on the way is one, so that the path is canonical. Entries of a layer come
// folder by folder, so that most that meet nothing are known by the one before.
func (t *tree) straight(name string) (v *vertex, ok bool) {
	if rest, below := strings.CutPrefix(name, t.bare); below && t.bare != "" && (rest == "" || rest[0] == '/') {
		return nil, true
	}
	here := t.root
	for from := 0; from < len(name); {
		if here.link {
			return nil, false
		}
		end := strings.IndexByte(name[from:], '/')
		if end < 0 {
			end = len(name)
		} else {
			end += from
		}
		if here = here.children[name[from:end]]; here == nil {
			t.bare = name[:end]
			return nil, true
		}
		from = end + 1
	}
	return here, true
}

// at returns the vertex of a canonical path, or nil.
func (t *tree) at(p string) *vertex {
	v := t.root
	if p == "" {
		return v
	}
	for element := range strings.SplitSeq(p, "/") {
		if v = v.child(element); v == nil {
			return nil
		}
	}
	return v
}

func (v *vertex) child(name string) *vertex {
	if v == nil {
		return nil
	}
	return v.children[name]
}

// path is the canonical path of a vertex.
func (v *vertex) path() string {
	size := 0
	for up := v; up.parent != nil; up = up.parent {
		size += len(up.name) + 1
	}
	if size == 0 {
		return ""
	}
	text := make([]byte, size-1)
	for ; v.parent != nil; v = v.parent {
		size -= len(v.name) + 1
		copy(text[size:], v.name)
		if size > 0 {
			text[size-1] = '/'
		}
	}
	return string(text)
}

// add makes the vertex of p, which must not exist, and the folders above it.
func (t *tree) add(p string, link bool, target string, f *found) {
	if t.made += 1 + len(p)/128; t.made > maxMade {
		t.lost(t.layer, p, errMade)
		return
	}
	t.bare = ""
	v := t.root
	for element := range strings.SplitSeq(p, "/") {
		next := v.children[element]
		if next == nil {
			next = &vertex{parent: v, name: element}
			if v.children == nil {
				v.children = map[string]*vertex{}
			}
			v.children[element] = next
			t.made++
		}
		v = next
	}
	v.link, v.target, v.found, v.layer = link, target, f, t.layer
	t.note(v, +1)
}

// remove takes out a vertex with all below it, and the folders above that
// thereby lead nowhere. Each vertex is removed at most once for being added,
// so that no order of entries makes a merge slow.
func (t *tree) remove(v *vertex) {
	t.forget(v)
	if v.parent == nil {
		v.children = nil
		return
	}
	for v.parent != nil && len(v.children) == 0 && !v.link && v.found == nil {
		delete(v.parent.children, v.name)
		v = v.parent
	}
}

// forget empties a vertex and everything below it.
func (t *tree) forget(v *vertex) {
	for _, child := range v.children {
		t.forget(child)
	}
	if v.link || v.found != nil {
		t.note(v, -1)
	}
	v.children, v.link, v.found = nil, false, nil
}

// note keeps the totals.
func (t *tree) note(v *vertex, by int) {
	switch {
	case v.found != nil && v.found.kind == foundSecret: // no package
	case v.link:
		t.links += by
		t.dirty = true
	case v.found.kind == foundLanguage, v.found.kind == foundLock, v.found.kind == foundOwned, v.found.kind == foundELF, v.found.kind == foundStore, v.found.kind == foundRPMLog:
	default:
		t.dirty = true
		if v.found.kind.carries() && by > 0 {
			t.carriers[v] = v.path()
		}
		if by < 0 {
			delete(t.carriers, v)
		}
	}
}

// walk visits every kept file below v, in any order.
func (v *vertex) walk(visit func(*vertex)) {
	if v.found != nil {
		visit(v)
	}
	for _, child := range v.children {
		child.walk(visit)
	}
}

// placed is a vertex with its path.
type placed struct {
	path   string
	vertex *vertex
}

// visible lists every kept file, folder by folder in the order of names.
func (t *tree) visible() []placed {
	var out []placed
	t.root.walk(func(v *vertex) { out = append(out, placed{v.path(), v}) })
	slices.SortFunc(out, func(a, b placed) int { return compareByFolder(a.path, b.path) })
	return out
}

// compareByFolder compares two paths element by element.
func compareByFolder(a, b string) int {
	i := 0
	for i < len(a) && i < len(b) && a[i] == b[i] {
		i++
	}
	switch {
	case i == len(a) || i == len(b):
		return cmp.Compare(len(a), len(b))
	case a[i] == '/':
		return -1
	case b[i] == '/':
		return 1
	}
	return cmp.Compare(a[i], b[i])
}
