package kube

import (
	"context"
	"io/fs"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Renderer turns what stands for manifests into manifests.
type Renderer interface {
	// Kind names what a folder or file of fsys stands for manifests as; ""
	// where it doesn't. whole: what lies in it is no manifest by itself.
	Kind(fsys fs.FS, name string) (kind string, whole bool)
	// Render renders path below the folder root, with slashes.
	Render(ctx context.Context, root, path, kind string) (Rendered, error)
}

// Rendered is what a Renderer made of one folder or file. Paths are below the
// root that was rendered, with slashes.
type Rendered struct {
	Texts  []RenderedText
	Files  []string // that were read
	Unread []string // why a part was left out
	Part   bool     // it is of use in others only, and stands for nothing by itself
}

// RenderedText is the manifests that came out of one file. Lines[i] is the
// line of File that line i+1 of Text came from; nil: nobody knows.
type RenderedText struct {
	File  string
	Text  string
	Lines []int
}

// unit is one folder or file to render.
type unit struct {
	name string // as shown to users
	kind string
	root string // the folder that its files lie below
	path string // below root, with slashes
}

// newUnit places a folder or file below the root that its files may come
// from: the reader's, or the current folder, or where it lies outside of
// these, the folder that an argument named.
func (r Reader) newUnit(name, kind, named string) unit {
	root := r.Root
	if root == "" {
		root = "."
	}
	rel, ok := below(root, name)
	if !ok {
		root = named
		rel, _ = below(root, name) // it was found there
	}
	if rel != "." { // the root as the name says it, so that names of files are alike
		root = filepath.Join(name, strings.Repeat("../", strings.Count(rel, "/")+1))
	} else {
		root = name
	}
	return unit{name, kind, root, rel}
}

// placeOf is the folder of a file that makes its folder a kustomization, and
// any other name as it is.
func placeOf(name string) string {
	if isKustomization(name) {
		return filepath.Dir(name)
	}
	return name
}

func isKustomization(file string) bool {
	return strings.ToLower(strings.TrimSuffix(filepath.Base(file), filepath.Ext(file))) == "kustomization"
}

func below(root, name string) (string, bool) {
	from, err := filepath.Abs(root)
	if err != nil {
		return "", false
	}
	to, err := filepath.Abs(name)
	if err != nil {
		return "", false
	}
	rel, err := filepath.Rel(from, to)
	return filepath.ToSlash(rel), err == nil && filepath.IsLocal(rel)
}

// shown is the name of a file below the unit's root as shown to users.
func (u unit) shown(file string) string {
	return filepath.ToSlash(filepath.Join(u.root, filepath.FromSlash(file)))
}

// outcome is a rendered unit.
type outcome struct {
	unit
	Rendered
	err error
}

// render renders every unit and returns their readings, and the files that
// were read on the way, by the names that users see: those are no manifests
// by themselves. A unit that another one uses stands for nothing of its own.
func (r Reader) render(ctx context.Context, units []unit) (readings []reading, used map[string]bool) {
	done := make([]outcome, len(units))
	readers := map[string][]int{} // units that read a file
	for i, u := range units {
		done[i].unit = u
		if done[i].Rendered, done[i].err = r.Renderer.Render(ctx, u.root, u.path, u.kind); ctx.Err() != nil {
			return nil, nil
		}
		for _, f := range done[i].Files {
			readers[u.shown(f)] = append(readers[u.shown(f)], i)
		}
	}
	used = map[string]bool{}
	for f := range readers {
		used[f] = true
	}
	for i, o := range done {
		if o.usedByOther(i, readers) {
			continue
		}
		readings = append(readings, o.reading())
	}
	return readings, used
}

// usedByOther reports whether another unit reads the file that makes this one
// what it is: the first of its own folder that anybody read.
func (o outcome) usedByOther(i int, readers map[string][]int) bool {
	for f, by := range readers {
		if !isKustomization(f) || filepath.Clean(filepath.Dir(filepath.FromSlash(f))) != filepath.Clean(o.name) {
			continue
		}
		if slices.ContainsFunc(by, func(k int) bool { return k != i }) {
			return true
		}
	}
	return false
}

// reading reads what a unit was rendered to.
func (o outcome) reading() reading {
	var out reading
	if o.err != nil {
		out.fail(o.name, 0, "a %s that can't be rendered: %s", o.kind, strings.Join(strings.Fields(o.err.Error()), " "))
		return out
	}
	if o.Part {
		out.fail(o.name, 0, "a %s for others to use, and none here does: not read", o.kind)
		return out
	}
	for _, why := range o.Unread {
		out.fail(o.name, 0, "%s", why)
	}
	for _, t := range o.Texts {
		r := readText(o.shown(t.File), []byte(t.Text), true, 1)
		for _, object := range r.objects {
			object.Position.Line = sourceLine(t.Lines, object.Position.Line)
			object.Rendered = o.kind
		}
		for i := range r.incomplete {
			r.incomplete[i].What = sourcePlace(t.Lines, r.incomplete[i].What)
		}
		out.objects = append(out.objects, r.objects...)
		out.incomplete = append(out.incomplete, r.incomplete...)
		out.read += r.read
		out.skipped += r.skipped
	}
	return out
}

func sourceLine(lines []int, line int) int {
	if line < 1 || line > len(lines) {
		return 0
	}
	return lines[line-1]
}

var placeForm = regexp.MustCompile(`^(.*):([0-9]+)$`)

// sourcePlace moves a place in rendered text to its source.
func sourcePlace(lines []int, what string) string {
	m := placeForm.FindStringSubmatch(what)
	if m == nil {
		return what
	}
	n, err := strconv.Atoi(m[2])
	if err != nil {
		return what
	}
	return place(m[1], sourceLine(lines, n))
}

// plainOnes drops the sources that rendering used.
func plainOnes(sources []source, used map[string]bool) []source {
	return slices.DeleteFunc(sources, func(s source) bool { return used[s.name] })
}
