package image

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// slowTree is the merge in its plainest form, entry by entry and path by path:
// what the fast one is held against.
type slowTree struct{ tree }

// apply puts a layer on top. Whiteouts hide what is below and nothing of
// their own layer, wherever in the tar they stand (image-spec, layer.md).
func (t *slowTree) apply(index int, f *facts) {
	for _, e := range f.entries {
		if e.kind != isGone && e.kind != isOpaque {
			continue
		}
		p, ok := t.place(index, e.path)
		v := t.at(p)
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
		if p, ok := t.place(index, e.path); ok {
			t.put(index, p, e)
		}
	}
}

// put places one entry at its canonical path.
func (t *slowTree) put(index int, p string, e entry) {
	v := t.at(p)
	switch e.kind {
	case isDir:
		if v != nil && (v.link || v.found != nil) {
			t.remove(v)
		}
	case isHard:
		t.hardLink(index, p, e.target)
	default:
		if v != nil {
			t.remove(v)
		}
		if e.kind == isLink || e.found != nil {
			t.add(p, e.kind == isLink, e.target, e.found)
		}
	}
}

// hardLink gives the file of target a second name. A target that says nothing
// leaves nothing, unless packages were expected under the new name.
func (t *slowTree) hardLink(index int, p, target string) {
	from, ok := t.place(index, target)
	if !ok || from == p {
		return
	}
	source := t.at(from)
	if old := t.at(p); old != nil {
		if within(source, old) {
			source = nil
		}
		t.remove(old)
	}
	expected := kindOf(p)
	switch {
	case source != nil && (source.link || source.found != nil && (expected == foundNothing || source.found.kind == expected)):
		t.add(p, source.link, source.target, source.found)
	case (expected.isDatabase() || expected.carries()) && len(t.notes) < maxNotes:
		t.notes = append(t.notes, layerNote{index, note{p, fmt.Sprintf("it is a hard link to %q, which was not read for packages", target)}})
	}
}

// place resolves the folder of a path, as extraction would.
func (t *slowTree) place(index int, name string) (string, bool) {
	dir, base := path.Split(name)
	resolved, err := t.resolve(strings.TrimSuffix(dir, "/"))
	if err != nil {
		if len(t.notes) < maxNotes {
			t.notes = append(t.notes, layerNote{index, note{name, err.Error()}})
		}
		return "", false
	}
	return path.Join(resolved, base), true
}

// resolve follows every link of a path, the last element included, and stays
// below the root: ".." at the root is the root.
func (t *slowTree) resolve(name string) (string, error) {
	if t.links == 0 {
		return name, nil
	}
	var done []string
	here, rest, hops := t.root, name, 0
	for rest != "" {
		var element string
		element, rest, _ = strings.Cut(rest, "/")
		switch element {
		case "", ".":
			continue
		case "..":
			done = done[:max(0, len(done)-1)]
			here = t.at(strings.Join(done, "/"))
			continue
		}
		next := here.child(element)
		if next == nil || !next.link {
			done, here = append(done, element), next
			continue
		}
		if hops++; hops > maxLinks {
			return "", errLoop
		}
		if strings.HasPrefix(next.target, "/") {
			done, here = done[:0], t.root
		}
		rest = strings.TrimSuffix(next.target+"/"+rest, "/")
	}
	return strings.Join(done, "/"), nil
}

// pathsOf lists what a tree shows.
func pathsOf(t *tree) map[string]*found {
	out := map[string]*found{}
	t.root.walk(func(v *vertex) { out[v.path()] = v.found })
	return out
}

// linksOf lists the links of a tree.
func linksOf(v *vertex, out map[string]string) map[string]string {
	if v.link {
		out[v.path()] = v.target
	}
	for _, child := range v.children {
		linksOf(child, out)
	}
	return out
}

// anyWorld makes layers of few names in which everything meets: links to
// folders, out of the root and in loops, hard links, files over folders,
// whiteouts, runs of plain files. Nothing is left out that a tar can say.
func anyWorld(rng *rand.Rand, world int) [][]entry {
	names := []string{"a", "b", "c", "os-release", "x.jar"}
	anyPath := func() string {
		parts := make([]string, 1+rng.IntN(4))
		for i := range parts {
			parts[i] = names[min(rng.IntN(8), len(names)-1)%(1+rng.IntN(len(names)))]
		}
		return strings.Join(parts, "/")
	}
	var layers [][]entry
	for range 1 + rng.IntN(4) {
		var layer []entry
		for range rng.IntN(12) {
			e := entry{path: anyPath()}
			switch rng.IntN(14) {
			case 0, 1, 2:
				kind := kindOf(e.path)
				if kind == foundNothing {
					kind = foundGo
				}
				e.found = &found{kind: kind, language: fmt.Sprint(world, len(layers), len(layer))}
			case 3, 4, 5, 6: // plain files, several of a folder
				for range rng.IntN(4) {
					layer = append(layer, entry{path: path.Join(path.Dir(e.path), names[rng.IntN(len(names))])})
				}
			case 7:
				e.kind = isDir
			case 8, 9:
				e.kind, e.target = isLink, strings.Repeat("../", rng.IntN(3))+anyPath()+strings.Repeat("/..", rng.IntN(3))
				if rng.IntN(3) == 0 {
					e.target = "/" + e.target
				}
			case 10:
				e.kind, e.target = isHard, anyPath()
			case 11, 12:
				e.kind = isGone
			case 13:
				e.kind = isOpaque
				if rng.IntN(10) == 0 {
					e.path = ""
				}
			}
			layer = append(layer, e)
		}
		layers = append(layers, layer)
	}
	return layers
}

// TestFastMerge holds the merge of runs against the slow one of single
// entries, layer by layer: what is visible, links, totals and notes.
func TestFastMerge(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	var seen, covered, noted, runs int
	for world := range 20000 {
		slow, fast := &slowTree{*newTree()}, newTree()
		layers := anyWorld(rng, world)
		for i, layer := range layers {
			var list []entry
			var r run
			for _, e := range layer {
				list = r.add(list, e)
			}
			list = r.end(list)
			runs += len(layer) - len(list)
			before := len(pathsOf(&slow.tree)) + slow.links
			slow.dirty, fast.dirty = false, false
			slow.apply(i, &facts{entries: layer})
			fast.apply(i, &facts{entries: list})
			want, got := pathsOf(&slow.tree), pathsOf(fast)
			covered += max(before-len(want)-slow.links, 0)
			links := cmp.Diff(linksOf(slow.root, map[string]string{}), linksOf(fast.root, map[string]string{}))
			if !maps.Equal(want, got) || links != "" {
				t.Fatalf("world %d, layer %d: want %v, got %v, links %s\nlayers %+v", world, i, slices.Sorted(maps.Keys(want)), slices.Sorted(maps.Keys(got)), links, layers)
			}
			if slow.links != fast.links || len(slow.carriers) != len(fast.carriers) || slow.dirty != fast.dirty || !slices.Equal(slow.notes, fast.notes) {
				t.Fatalf("world %d, layer %d: want %+v, got %+v\nlayers %+v", world, i, slow, fast, layers)
			}
			seen += len(want)
		}
		noted += len(fast.notes)
	}
	t.Logf("%d visible files, %d covered or removed, %d entries saved, %d notes", seen, covered, runs, noted)
	if seen < 40000 || covered < 6000 || runs < 60000 || noted < 1000 {
		t.Error("the worlds are too tame: the test tests too little")
	}
}
