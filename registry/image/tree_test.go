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

// disk is a naive extraction: every entry as a node of a nested tree, links
// followed step by step, nothing left out.
type disk struct {
	dir    map[string]*disk // nil for a file or link
	link   string           // target, for a link
	isLink bool
	found  *found
}

func newDisk() *disk { return &disk{dir: map[string]*disk{}} }

// walk resolves the folder parts from the root and returns their real path.
func (d *disk) walk(parts []string) (real []string, ok bool) {
	hops := 0
	for len(parts) > 0 {
		part := parts[0]
		parts = parts[1:]
		if part == "" || part == "." {
			continue
		}
		if part == ".." {
			if len(real) > 0 {
				real = real[:len(real)-1]
			}
			continue
		}
		n := d.get(append(slices.Clone(real), part))
		if n != nil && n.isLink {
			if hops++; hops > maxLinks {
				return nil, false
			}
			if strings.HasPrefix(n.link, "/") {
				real = nil
			}
			parts = append(strings.Split(n.link, "/"), parts...)
			continue
		}
		real = append(slices.Clone(real), part)
	}
	return real, true
}

func (d *disk) get(real []string) *disk {
	for _, part := range real {
		if d == nil || d.dir == nil {
			return nil
		}
		d = d.dir[part]
	}
	return d
}

// parent makes the folder of a path and returns it; nil where a file or a loop
// is in the way.
func (d *disk) parent(name string, make bool) (*disk, string) {
	parts := strings.Split(name, "/")
	real, ok := d.walk(parts[:len(parts)-1])
	if !ok {
		return nil, ""
	}
	at := d
	for _, part := range real {
		next := at.dir[part]
		if next == nil {
			if !make {
				return nil, ""
			}
			next = newDisk()
			at.dir[part] = next
		}
		if next.dir == nil {
			return nil, ""
		}
		at = next
	}
	return at, parts[len(parts)-1]
}

func (d *disk) apply(layer []entry) {
	for _, e := range layer {
		switch e.kind {
		case isGone:
			if p, base := d.parent(e.path, false); p != nil {
				delete(p.dir, base)
			}
		case isOpaque:
			if p, base := d.parent(e.path, false); p != nil && p.dir[base] != nil && p.dir[base].dir != nil {
				p.dir[base].dir = map[string]*disk{}
			}
		}
	}
	for _, e := range layer {
		if e.kind == isGone || e.kind == isOpaque {
			continue
		}
		p, base := d.parent(e.path, true)
		if p == nil {
			continue
		}
		old := p.dir[base]
		switch e.kind {
		case isDir:
			if old == nil || old.dir == nil {
				p.dir[base] = newDisk()
			}
		case isLink:
			p.dir[base] = &disk{isLink: true, link: e.target}
		case isFile:
			p.dir[base] = &disk{found: e.found}
		}
	}
}

func (d *disk) visible(prefix string, out map[string]*found) {
	if d.found != nil {
		out[prefix] = d.found
	}
	for name, child := range d.dir {
		child.visible(path.Join(prefix, name), out)
	}
}

// blocked reports whether a file stands where a folder is needed: extraction
// fails there, and no outcome is right.
func (d *disk) blocked(name string) bool {
	parts := strings.Split(name, "/")
	real, ok := d.walk(parts[:len(parts)-1])
	if !ok {
		return false
	}
	for i := range real {
		if n := d.get(real[:i+1]); n != nil && n.dir == nil {
			return true
		}
	}
	return false
}

// TestMergeAgainstExtraction compares the merge with the naive extraction on
// random layers of few names, so that links, whiteouts and overrides meet.
func TestMergeAgainstExtraction(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	names := []string{"a", "b", "c"}
	randomPath := func() string {
		parts := make([]string, 1+rng.IntN(4))
		for i := range parts {
			parts[i] = names[rng.IntN(len(names))]
		}
		return strings.Join(parts, "/")
	}
	seen := 0
	for world := range 5000 {
		naive, real := newDisk(), newTree()
		var layers [][]entry
		for range 1 + rng.IntN(4) {
			var layer []entry
			shadow := newDisk()
			for _, l := range layers {
				shadow.apply(l)
			}
			for range rng.IntN(7) {
				e := entry{path: randomPath()}
				switch rng.IntN(12) {
				case 0, 1, 2, 3:
					e.found = &found{kind: foundGo, language: fmt.Sprint(world, len(layers), len(layer))}
				case 4:
				case 5, 6:
					e.kind = isDir
				case 7, 8:
					e.kind, e.target = isLink, randomPath()
					if rng.IntN(2) == 0 {
						e.target = "../" + e.target
					}
					if rng.IntN(3) == 0 {
						e.target = "/" + e.target
					}
				case 9, 10:
					e.kind = isGone
				case 11:
					e.kind = isOpaque
				}
				if e.kind == isGone || e.kind == isOpaque || !shadow.blocked(e.path) {
					layer = append(layer, e)
				}
				shadow = newDisk()
				for _, l := range append(layers, layer) {
					shadow.apply(l)
				}
			}
			layers = append(layers, layer)
		}
		for i, layer := range layers {
			naive.apply(layer)
			real.apply(i, &facts{entries: layer})
		}
		want, got := map[string]*found{}, map[string]*found{}
		naive.visible("", want)
		real.root.walk(func(v *vertex) { got[v.path()] = v.found })
		if !maps.Equal(want, got) {
			t.Fatalf("world %d: want %v, got %v\nlayers %+v", world, slices.Sorted(maps.Keys(want)), slices.Sorted(maps.Keys(got)), layers)
		}
		if len(real.carriers) != len(want) || len(real.root.children) == 0 && real.links != 0 {
			t.Fatalf("world %d: %d programs of %d, %d links", world, len(real.carriers), len(want), real.links)
		}
		seen += len(want)
	}
	if seen < 3000 {
		t.Errorf("only %d files were visible in all worlds: the test tests too little", seen)
	}
}

func TestResolve(t *testing.T) {
	tr := newTree()
	tr.apply(0, &facts{entries: []entry{
		{path: "lib", kind: isLink, target: "usr/lib"},
		{path: "usr/bin/X11", kind: isLink, target: "."},
		{path: "out", kind: isLink, target: "../../../../etc"},
		{path: "abs", kind: isLink, target: "/usr/lib/apk"},
		{path: "x", kind: isLink, target: "y"},
		{path: "y", kind: isLink, target: "x"},
		{path: "grow", kind: isLink, target: "grow/grow/grow"},
	}})
	for name, want := range map[string]string{
		"lib/apk/db":         "usr/lib/apk/db",
		"usr/bin/X11/X11/go": "usr/bin/go",
		"out/passwd":         "etc/passwd",
		"abs/db/../../x11":   "usr/lib/x11",
		"var/lib/dpkg":       "var/lib/dpkg",
		"x/a":                "loop",
		"grow/a":             "loop",
	} {
		got, err := tr.resolve(name)
		if err != nil {
			got = "loop"
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}
