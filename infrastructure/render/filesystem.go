package render

import (
	"errors"
	"io/fs"
	"path"
	"path/filepath"
	"strings"

	"sigs.k8s.io/kustomize/kyaml/filesys"
)

// filesystem is what Kustomize sees: the root as /, to read from only. Links
// are followed as long as they stay below it.
type filesystem struct {
	in      *input
	top     string // the kustomization that is built, from /
	refused error  // why a kustomization is not built
}

var _ filesys.FileSystem = (*filesystem)(nil)

var errReadOnly = errors.New("nothing is written while rendering")

// name is a path of Kustomize's below the root, as io/fs names it.
func name(p string) string {
	p = path.Clean("/" + filepath.ToSlash(p))
	if p == "/" {
		return "."
	}
	return p[1:]
}

// explain prefers our reason to Kustomize's, which guesses.
func (f *filesystem) explain(err error) error {
	if f.refused != nil {
		return f.refused
	}
	return err
}

// ReadFile implements filesys.FileSystem. A kustomization that would fetch
// something is refused here, before Kustomize has seen it.
func (f *filesystem) ReadFile(p string) ([]byte, error) {
	text, err := f.in.read(name(p))
	if err != nil || !IsKustomization(path.Base(name(p))) {
		return text, err
	}
	if err := refuseRemote(name(p), text); err != nil {
		f.refused = err
		return nil, err
	}
	if path.Dir("/"+name(p)) == f.top {
		return traced(text)
	}
	return text, nil
}

func (f *filesystem) stat(p string) (fs.FileInfo, error) {
	return f.in.root.Stat(filepath.FromSlash(name(p)))
}

// IsDir implements filesys.FileSystem.
func (f *filesystem) IsDir(p string) bool {
	info, err := f.stat(p)
	return err == nil && info.IsDir()
}

// Exists implements filesys.FileSystem.
func (f *filesystem) Exists(p string) bool {
	_, err := f.stat(p)
	return err == nil
}

// CleanedAbs implements filesys.FileSystem.
func (f *filesystem) CleanedAbs(p string) (filesys.ConfirmedDir, string, error) {
	info, err := f.stat(p)
	if err != nil {
		return "", "", err
	}
	full := path.Clean("/" + name(p))
	if info.IsDir() {
		return filesys.ConfirmedDir(full), "", nil
	}
	return filesys.ConfirmedDir(path.Dir(full)), path.Base(full), nil
}

// ReadDir implements filesys.FileSystem.
func (f *filesystem) ReadDir(p string) ([]string, error) {
	entries, err := fs.ReadDir(f.in.root.FS(), name(p))
	if err != nil {
		return nil, err
	}
	var out []string
	for _, e := range entries {
		out = append(out, e.Name())
	}
	return out, nil
}

// Glob implements filesys.FileSystem.
func (f *filesystem) Glob(pattern string) ([]string, error) {
	found, err := fs.Glob(f.in.root.FS(), strings.TrimPrefix(name(pattern), "./"))
	for i := range found {
		found[i] = "/" + found[i]
	}
	return found, err
}

// Open implements filesys.FileSystem.
func (f *filesystem) Open(p string) (filesys.File, error) {
	return f.in.root.Open(filepath.FromSlash(name(p)))
}

// Walk implements filesys.FileSystem.
func (f *filesystem) Walk(p string, visit filepath.WalkFunc) error {
	return fs.WalkDir(f.in.root.FS(), name(p), func(at string, d fs.DirEntry, err error) error {
		if err != nil {
			return visit("/"+at, nil, err)
		}
		info, err := d.Info()
		return visit("/"+at, info, err)
	})
}

// Create implements filesys.FileSystem.
func (f *filesystem) Create(string) (filesys.File, error) { return nil, errReadOnly }

// Mkdir implements filesys.FileSystem.
func (f *filesystem) Mkdir(string) error { return errReadOnly }

// MkdirAll implements filesys.FileSystem.
func (f *filesystem) MkdirAll(string) error { return errReadOnly }

// RemoveAll implements filesys.FileSystem.
func (f *filesystem) RemoveAll(string) error { return errReadOnly }

// WriteFile implements filesys.FileSystem.
func (f *filesystem) WriteFile(string, []byte) error { return errReadOnly }
