package kube

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sort"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/scantling/scantling/model"
)

// Bounds on what one call reads.
const (
	// MaxFile is the size in bytes of the largest file that is read: a dump
	// of 10,000 pods as JSON is about 60 MB.
	MaxFile = 64 << 20
	// MaxTotal is the number of bytes read by one call.
	MaxTotal = 1 << 30
	// MaxFiles is the number of manifest files read by one call.
	MaxFiles = 100_000
)

// source is one file to read.
type source struct {
	name  string // the argument joined with the path below it
	named bool   // it was an argument itself
	open  func() (fs.File, error)
}

// Reader reads files. The zero value reads plain manifests and snapshots.
type Reader struct {
	Renderer Renderer // of charts and kustomizations; nil: their files are read as they stand
	// Root is the folder that files of charts and kustomizations may come
	// from; empty: the current one.
	Root string
}

// Read reads the manifests (.yaml, .yml and .json) and snapshots (DumpSuffix)
// that paths name: files, and folders with all below them, charts and
// kustomizations as what they render to. The file of a kustomization stands
// for what it renders to alone. Links are followed as long as they
// stay in their folder; a .git folder is passed over. The error is non-nil
// only when none of the paths can be read at all or ctx ends.
func (r Reader) Read(ctx context.Context, cluster string, paths []string) (*Snapshot, error) {
	sources, units, incomplete := r.gather(paths)
	if len(sources)+len(units) == 0 && len(incomplete) > 0 && len(incomplete) >= len(paths) {
		return nil, fmt.Errorf("reading manifests: %s: %s", incomplete[0].What, incomplete[0].Why)
	}
	rendered, used := r.render(ctx, units)
	sources = plainOnes(sources, used)
	if len(sources) > MaxFiles {
		incomplete = append(incomplete, model.Incomplete{
			What: sources[MaxFiles].name,
			Why:  fmt.Sprintf("this and the %d files after it: more than %d files, not read", len(sources)-MaxFiles-1, MaxFiles),
		})
		sources = sources[:MaxFiles]
	}
	readings := make([]reading, len(sources))
	var group errgroup.Group
	group.SetLimit(runtime.GOMAXPROCS(0))
	workers := max(1, runtime.GOMAXPROCS(0)/max(1, len(sources))) // for each file
	left := int64(MaxTotal)
	for i, src := range sources {
		if ctx.Err() != nil {
			break
		}
		text, why := load(src, &left)
		if why != "" {
			readings[i].fail(src.name, 0, "%s", why)
			continue
		}
		group.Go(func() error {
			readings[i] = readText(src.name, text, src.named, workers)
			return nil
		})
	}
	_ = group.Wait() // readText reports in its reading
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("reading manifests: %w", err)
	}
	return assemble(cluster, append(readings, rendered...), incomplete), nil
}

// ReadFrom reads manifests from r, as from standard input. The name stands in
// positions and messages. The error is non-nil when r can't be read to its
// end or holds more than MaxFile bytes.
func ReadFrom(_ context.Context, cluster, name string, r io.Reader) (*Snapshot, error) {
	text, err := io.ReadAll(io.LimitReader(r, MaxFile+1))
	if err != nil {
		return nil, fmt.Errorf("reading manifests from %s: %w", name, err)
	}
	if len(text) > MaxFile {
		return nil, fmt.Errorf("reading manifests from %s: larger than %d bytes", name, MaxFile)
	}
	return assemble(cluster, []reading{readText(name, text, true, runtime.GOMAXPROCS(0))}, nil), nil
}

// irregular is why a pipe, socket or device isn't opened: that may never end.
const irregular = "no regular file: not read"

// load reads one file within the bounds; why is empty when it could.
func load(src source, left *int64) (text []byte, why string) {
	file, err := src.open()
	if err != nil {
		return nil, cause(err)
	}
	defer file.Close() //nolint:errcheck // only read from
	info, err := file.Stat()
	switch {
	case err != nil:
		return nil, cause(err)
	case !info.Mode().IsRegular():
		return nil, irregular
	case info.Size() > MaxFile:
		return nil, fmt.Sprintf("%d bytes, more than %d: not read", info.Size(), MaxFile)
	}
	text, err = io.ReadAll(io.LimitReader(file, MaxFile+1))
	if err != nil {
		return nil, cause(err)
	}
	if *left -= int64(len(text)); *left < 0 || len(text) > MaxFile {
		return nil, fmt.Sprintf("more than %d bytes in all: not read", MaxTotal)
	}
	return text, ""
}

// cause words an I/O error without the path, which stands before it.
func cause(err error) string {
	var path *fs.PathError
	if errors.As(err, &path) {
		return "can't be opened: " + path.Err.Error()
	}
	return err.Error()
}

func isManifest(name string) bool {
	switch strings.ToLower(filepath.Ext(name)) {
	case ".yaml", ".yml", ".json":
		return true
	}
	return strings.HasSuffix(name, DumpSuffix)
}

// gather lists the files of all paths, sorted by name, each once, and what is
// to be rendered.
func (r Reader) gather(paths []string) ([]source, []unit, []model.Incomplete) {
	var sources []source
	var units []unit
	var incomplete []model.Incomplete
	for _, path := range paths {
		info, err := os.Stat(path)
		switch {
		case err != nil:
			incomplete = append(incomplete, model.Incomplete{What: path, Why: cause(err)})
		case info.IsDir():
			found, more, missed := r.walk(path)
			sources = append(sources, found...)
			units = append(units, more...)
			incomplete = append(incomplete, missed...)
			if len(found)+len(more)+len(missed) == 0 {
				incomplete = append(incomplete, model.Incomplete{What: path, Why: "no Kubernetes object was found: no manifest, chart or snapshot is in it"})
			}
		case !info.Mode().IsRegular():
			incomplete = append(incomplete, model.Incomplete{What: path, Why: irregular})
		case r.stands(path) != "":
			units = append(units, r.newUnit(placeOf(path), r.stands(path), filepath.Dir(path)))
		default:
			sources = append(sources, source{name: filepath.ToSlash(filepath.Clean(path)), named: true, open: func() (fs.File, error) { return os.Open(path) }})
		}
	}
	sort.SliceStable(sources, func(i, j int) bool { return sources[i].name < sources[j].name })
	once := sources[:0]
	for _, s := range sources {
		if n := len(once); n > 0 && once[n-1].name == s.name {
			once[n-1].named = once[n-1].named || s.named
			continue
		}
		once = append(once, s)
	}
	slices.SortFunc(units, func(a, b unit) int { return strings.Compare(a.name, b.name) })
	return once, slices.CompactFunc(units, func(a, b unit) bool { return a.name == b.name }), incomplete
}

// kind asks the renderer, where there is one.
func (r Reader) kind(fsys fs.FS, name string) (kind string, whole bool) {
	if r.Renderer == nil {
		return "", false
	}
	return r.Renderer.Kind(fsys, name)
}

// stands is the kind of a file that an argument names.
func (r Reader) stands(path string) string {
	kind, _ := r.kind(os.DirFS(filepath.Dir(path)), filepath.Base(path))
	return kind
}

// walk lists the manifest files below one folder. os.Root keeps every access
// below it, whatever links there are.
func (r Reader) walk(dir string) ([]source, []unit, []model.Incomplete) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, nil, []model.Incomplete{{What: dir, Why: cause(err)}}
	}
	w := &walker{reader: r, dir: dir, root: root, seen: map[string]bool{}}
	_ = fs.WalkDir(root.FS(), ".", w.visit) // visit returns only SkipDir
	for _, link := range w.links {
		w.link(link)
	}
	return w.sources, w.units, w.incomplete
}

type walker struct {
	reader     Reader
	dir        string
	root       *os.Root
	sources    []source
	units      []unit
	links      []string
	seen       map[string]bool // regular files, by path below the root
	incomplete []model.Incomplete
}

func (w *walker) name(path string) string {
	return filepath.ToSlash(filepath.Join(w.dir, filepath.FromSlash(path)))
}

func (w *walker) visit(path string, entry fs.DirEntry, err error) error {
	switch {
	case err != nil:
		w.incomplete = append(w.incomplete, model.Incomplete{What: w.name(path), Why: cause(err)})
		if entry != nil && entry.IsDir() {
			return fs.SkipDir
		}
	case entry.IsDir():
		if entry.Name() == ".git" {
			return fs.SkipDir
		}
		return w.folder(path)
	case entry.Type()&fs.ModeSymlink != 0:
		w.links = append(w.links, path)
	case isManifest(path) && !entry.Type().IsRegular():
		w.incomplete = append(w.incomplete, model.Incomplete{What: w.name(path), Why: irregular})
	case isManifest(path):
		w.add(path)
	case strings.HasSuffix(path, ".tgz") && entry.Type().IsRegular():
		if kind, _ := w.reader.kind(w.root.FS(), path); kind != "" {
			w.units = append(w.units, w.reader.newUnit(w.name(path), kind, w.dir))
		}
	}
	return nil
}

// folder takes a folder that is to be rendered. What a chart holds is its
// templates; what lies in a kustomization may be read by itself, unless it
// turns out to be used.
func (w *walker) folder(path string) error {
	kind, whole := w.reader.kind(w.root.FS(), path)
	if kind == "" {
		return nil
	}
	w.units = append(w.units, w.reader.newUnit(w.name(path), kind, w.dir))
	if whole {
		return fs.SkipDir
	}
	return nil
}

func (w *walker) add(path string) {
	w.seen[path] = true
	w.sources = append(w.sources, source{name: w.name(path), open: func() (fs.File, error) { return w.root.Open(filepath.FromSlash(path)) }})
}

// link takes a symbolic link: to a folder inside it is passed over, for that
// folder is read in its own place; to a file it is read unless the file was.
func (w *walker) link(path string) {
	info, err := w.root.Stat(filepath.FromSlash(path))
	if err != nil {
		if target, outside := os.Stat(filepath.Join(w.dir, path)); isManifest(path) || outside == nil && target.IsDir() || isLoop(err) {
			w.incomplete = append(w.incomplete, model.Incomplete{What: w.name(path), Why: "a link that can't be followed inside its folder: " + strings.TrimPrefix(cause(err), "can't be opened: ")})
		}
		return
	}
	if info.IsDir() || !isManifest(path) {
		return
	}
	if !info.Mode().IsRegular() {
		w.incomplete = append(w.incomplete, model.Incomplete{What: w.name(path), Why: irregular})
		return
	}
	real, err := filepath.EvalSymlinks(filepath.Join(w.dir, path))
	if err == nil {
		if base, err := filepath.EvalSymlinks(w.dir); err == nil {
			if rel, err := filepath.Rel(base, real); err == nil {
				if w.seen[filepath.ToSlash(rel)] {
					return
				}
				w.seen[filepath.ToSlash(rel)] = true
			}
		}
	}
	w.add(path)
}

// isLoop recognises a link that leads back to itself: such a link is told
// whatever its name, since what it was to lead to can't be known.
func isLoop(err error) bool {
	return strings.Contains(err.Error(), "too many")
}
