//go:build !scanner

package cli

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/scantling/scantling/build/dockerfile"
	"github.com/scantling/scantling/infrastructure/kube"
	"github.com/scantling/scantling/infrastructure/render"
	"github.com/scantling/scantling/model"
	"github.com/scantling/scantling/oci"
	"github.com/scantling/scantling/registry/image"
	"github.com/scantling/scantling/registry/sbom"
	"github.com/scantling/scantling/runtime/ingest"
)

// Bounds on looking for inputs below one folder.
const (
	maxDepth   = 40      // folders; a link can't be a loop, because none is followed
	maxEntries = 500_000 // a checkout of a large monorepo has about 300,000
	sniffSize  = 64 << 10
)

// found is what lies in an estate's folder, in the order of its paths. Each
// path is the folder's name joined with what is below it.
type found struct {
	dockerfiles []string
	manifests   []string // files, charts, and the files of kustomizations
	charts      []string // folders
	images      []string // layout folders and archives
	sboms       []string
	logs        []string // of the Kubernetes API server
	otherLogs   []string
	advisories  string // folder
	incomplete  []model.Incomplete
	left        leftOut
}

// discover looks through a folder once and sorts files by what they hold.
// Links are not followed: what they point to inside is found by itself, and
// what is outside is not the estate's. What exclude matches, a path below the
// folder, is counted and not looked at; nil matches nothing.
func discover(ctx context.Context, dir string, exclude excluder) (found, error) {
	f := found{left: leftOut{exclude: exclude, files: map[string]int{}}}
	entries := 0
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil && d != nil && f.left.takes(dir, path, d):
			return fs.SkipDir // a folder that nobody wants to look into
		case err != nil:
			f.miss(path, "can't be read: "+cause(err))
			if d != nil && d.IsDir() {
				return fs.SkipDir
			}
			return nil
		case d.IsDir() && (d.Name() == ".git" || d.Name() == "node_modules"):
			return fs.SkipDir
		case f.left.takes(dir, path, d):
			return nil
		}
		if entries++; entries > maxEntries {
			f.miss(path, "more than 500,000 files: this one and all after it were not looked at")
			return fs.SkipAll
		}
		return f.entry(dir, path, d)
	})
	if err != nil {
		return found{}, failed("reading %s: %w", dir, err)
	}
	f.placeCharts()
	return f, nil
}

// isFolder wants a folder that is there.
func isFolder(dir string) error {
	info, err := os.Stat(dir)
	if err != nil {
		return failed("reading %s: %s", dir, cause(err))
	}
	if !info.IsDir() {
		return failed("%s is a file: name the folder of the estate", dir)
	}
	return nil
}

func (f *found) miss(path, why string) {
	f.incomplete = append(f.incomplete, model.Incomplete{What: path, Why: why})
}

// entry sorts one file or folder.
func (f *found) entry(dir, path string, d fs.DirEntry) error {
	if d.Type()&fs.ModeSymlink != 0 {
		f.link(dir, path)
		return nil
	}
	if !d.IsDir() {
		ext := strings.ToLower(filepath.Ext(path))
		switch named := dockerfile.IsName(d.Name()) || ext == ".yaml" || ext == ".yml" || ext == ".json"; {
		case d.Type().IsRegular():
			f.file(path)
		case named: // a pipe or a device: its name says that it is an input
			f.miss(path, "not a regular file: not read")
		}
		return nil
	}
	switch rel, _ := filepath.Rel(dir, path); {
	case strings.Count(rel, string(filepath.Separator)) >= maxDepth:
		f.miss(path, "deeper than 40 folders: not looked at")
		return fs.SkipDir
	case oci.IsLayout(path):
		f.images = append(f.images, path)
		return fs.SkipDir
	case isMirror(path):
		if f.advisories != "" {
			f.miss(path, "a second folder of advisories: "+f.advisories+" is used; name the right one as `advisories:` in scantling.yaml")
		} else {
			f.advisories = path
		}
		return fs.SkipDir
	}
	return nil
}

// isMirror reports whether a folder is laid out like the public OSV bucket.
func isMirror(dir string) bool {
	info, err := os.Stat(filepath.Join(dir, "ecosystems.txt"))
	return err == nil && info.Mode().IsRegular()
}

// link names a link that leads out of the estate, or nowhere. One that stays
// inside is passed over: its target is found by itself.
func (f *found) link(dir, path string) {
	target, err := filepath.EvalSymlinks(path)
	if err != nil {
		f.miss(path, "a link that can't be followed: "+cause(err))
		return
	}
	root, err := filepath.EvalSymlinks(dir)
	if err != nil {
		f.miss(path, "a link that can't be followed: "+cause(err))
		return
	}
	if rel, err := filepath.Rel(root, target); err != nil || !filepath.IsLocal(rel) {
		f.miss(path, "a link out of the estate: not followed")
	}
}

// file sorts one file by its name, and where the name says little by its
// beginning.
func (f *found) file(path string) {
	name := filepath.Base(path)
	switch ext := strings.ToLower(filepath.Ext(name)); {
	case f.rendered(path):
	case name == "oci-layout": // of a whole one the folder is not looked into
		f.miss(filepath.Dir(path), "an image layout without an index.json that can be read")
	case f.sbom(path):
	case dockerfile.IsName(name):
		f.dockerfiles = append(f.dockerfiles, path)
	case strings.HasSuffix(name, kube.DumpSuffix):
		f.manifests = append(f.manifests, path)
	case oci.IsArchiveName(name):
		f.archive(path)
	case ext == ".log" || ext == ".jsonl" || ext == ".ndjson" || ext == ".gz" || ext == ".zst":
		f.log(path)
	case ext == ".json":
		if !f.log(path) {
			f.manifest(path)
		}
	case ext == ".yaml" || ext == ".yml":
		f.manifest(path)
	}
}

// rendered takes in what a file makes its folder, a chart or a kustomization,
// and a chart that is packed.
func (f *found) rendered(path string) bool {
	name, dir := filepath.Base(path), filepath.Dir(path)
	switch {
	case name == "Chart.yaml":
		f.charts = append(f.charts, dir)
	case render.IsKustomization(name):
		f.manifests = append(f.manifests, path) // its folder may hold what is excluded, or no manifests
	case strings.HasSuffix(name, ".tgz") && render.KindOf(os.DirFS(dir), name) == render.Archive:
		f.manifests = append(f.manifests, path)
	default:
		return false
	}
	return true
}

// placeCharts puts charts in the place of the files that they hold, which are
// templates and no manifests. A chart inside another one is a part of it.
func (f *found) placeCharts() {
	f.manifests = outside(f.manifests, f.charts)
	for i, c := range f.charts {
		if len(outside([]string{c}, slices.Delete(slices.Clone(f.charts), i, i+1))) > 0 {
			f.manifests = append(f.manifests, c)
		}
	}
	slices.Sort(f.manifests)
}

// outside keeps the paths that lie below none of the roots.
func outside(paths, roots []string) []string {
	inside := under(paths, roots)
	return slices.DeleteFunc(slices.Clone(paths), func(p string) bool { return slices.Contains(inside, p) })
}

// archive takes a file in if it begins like an archive of images; other
// archives are nobody's input.
func (f *found) archive(path string) {
	yes, err := oci.IsArchive(path)
	switch {
	case err != nil:
		f.miss(path, "can't be read: "+cause(err))
	case yes:
		f.images = append(f.images, path)
	}
}

// log takes a file in as a log if it begins like one. Events of Kubernetes in
// JSON are objects of it too: such a list may hold manifests.
func (f *found) log(path string) bool {
	kind, err := ingest.Detect(path)
	switch {
	case err != nil:
		f.miss(path, "can't be read: "+cause(err))
	case kind == ingest.Kind:
		f.logs = append(f.logs, path)
	case kind == "kubernetes-events":
		f.otherLogs = append(f.otherLogs, path)
		return false
	case kind != "":
		f.otherLogs = append(f.otherLogs, path)
	default:
		return false
	}
	return true
}

// manifest takes a file in if it looks like one of Kubernetes: each document
// of those names its apiVersion and kind.
func (f *found) manifest(path string) {
	file, err := os.Open(path)
	if err != nil {
		f.miss(path, "can't be read: "+cause(err))
		return
	}
	defer file.Close()
	head := make([]byte, sniffSize)
	n, err := io.ReadFull(bufio.NewReader(file), head)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		f.miss(path, "can't be read: "+cause(err))
		return
	}
	head = head[:n]
	if bytes.Contains(head, []byte("apiVersion")) && bytes.Contains(head, []byte("kind")) {
		f.manifests = append(f.manifests, path)
	}
}

// sbom takes a file in if it is named like a bill of materials and, where
// others are named so, begins like one.
func (f *found) sbom(path string) bool {
	is, sure := sbom.IsName(filepath.Base(path))
	if is && !sure {
		var err error
		if is, err = sbom.Detect(path); err != nil {
			f.miss(path, "can't be read: "+cause(err))
			return true
		}
	}
	if is {
		f.sboms = append(f.sboms, path)
	}
	return is
}

// readSBOMs reads those of an estate. One that can't be read is incomplete;
// one of an image that is at hand itself is passed over.
func readSBOMs(paths []string, images []*image.Inventory) (invs []*image.Inventory, missed []model.Incomplete) {
	for _, path := range paths {
		inv, err := sbom.Read(path)
		if err != nil {
			missed = append(missed, model.Incomplete{What: path, Why: strings.TrimPrefix(err.Error(), path+": ")})
			continue
		}
		if !slices.ContainsFunc(images, func(known *image.Inventory) bool { return known.Digest == inv.Digest }) {
			invs = append(invs, inv)
		}
	}
	return invs, missed
}
