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
	"strings"

	"github.com/scantling/scantling/build/dockerfile"
	"github.com/scantling/scantling/infrastructure/kube"
	"github.com/scantling/scantling/model"
	"github.com/scantling/scantling/oci"
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
	manifests   []string
	layouts     []string // folders
	logs        []string
	advisories  string // folder
	incomplete  []model.Incomplete
}

// discover looks through a folder once and sorts files by what they hold.
// Links are not followed: what they point to inside is found by itself, and
// what is outside is not the estate's.
func discover(ctx context.Context, dir string) (found, error) {
	var f found
	entries := 0
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			f.miss(path, "can't be read: "+cause(err))
			if d != nil && d.IsDir() {
				return fs.SkipDir
			}
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

// cause is an error without the path that is named beside it.
func cause(err error) string {
	var path *fs.PathError
	if errors.As(err, &path) {
		return path.Err.Error()
	}
	return err.Error()
}

// entry sorts one file or folder.
func (f *found) entry(dir, path string, d fs.DirEntry) error {
	if d.Type()&fs.ModeSymlink != 0 {
		f.link(dir, path)
		return nil
	}
	if !d.IsDir() {
		if d.Type().IsRegular() {
			f.file(path)
		}
		return nil
	}
	switch rel, _ := filepath.Rel(dir, path); {
	case d.Name() == ".git" || d.Name() == "node_modules":
		return fs.SkipDir
	case strings.Count(rel, string(filepath.Separator)) >= maxDepth:
		f.miss(path, "deeper than 40 folders: not looked at")
		return fs.SkipDir
	case oci.IsLayout(path):
		f.layouts = append(f.layouts, path)
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
	case dockerfile.IsName(name):
		f.dockerfiles = append(f.dockerfiles, path)
	case strings.HasSuffix(name, kube.DumpSuffix):
		f.manifests = append(f.manifests, path)
	case ext == ".log" || ext == ".jsonl" || ext == ".ndjson" || ext == ".gz":
		f.log(path)
	case ext == ".json":
		if !f.log(path) {
			f.manifest(path)
		}
	case ext == ".yaml" || ext == ".yml":
		f.manifest(path)
	}
}

// log takes a file in as an audit log if it begins like one.
func (f *found) log(path string) bool {
	yes, err := ingest.Detect(path)
	if err != nil {
		f.miss(path, "can't be read: "+cause(err))
		return true
	}
	if yes {
		f.logs = append(f.logs, path)
	}
	return yes
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
