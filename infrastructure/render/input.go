package render

import (
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
)

// input reads files below one root, within the bounds, and remembers which.
type input struct {
	root  *os.Root
	left  int64 // bytes that may still be read
	files map[string]bool
}

// read reads one regular file; name is below the root, with slashes.
func (in *input) read(name string) ([]byte, error) {
	f, err := in.root.Open(filepath.FromSlash(name))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	switch {
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, &fs.PathError{Op: "read", Path: name, Err: fmt.Errorf("not a regular file")}
	case info.Size() > maxFile:
		return nil, &fs.PathError{Op: "read", Path: name, Err: fmt.Errorf("more than %d bytes", maxFile)}
	}
	data, err := io.ReadAll(io.LimitReader(f, min(maxFile, in.left)+1))
	if err != nil {
		return nil, err
	}
	if in.left -= int64(len(data)); in.left < 0 || len(data) > maxFile {
		return nil, &fs.PathError{Op: "read", Path: name, Err: fmt.Errorf("more than %d bytes in all", maxInput)}
	}
	in.files[path.Clean(name)] = true
	return data, nil
}

// below lists the files below a folder, sorted, as paths relative to it.
// skip leaves out files and whole folders by that path.
func (in *input) below(dir string, skip func(string, fs.FileInfo) bool) ([]string, error) {
	var out []string
	err := fs.WalkDir(in.root.FS(), dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(filepath.FromSlash(dir), filepath.FromSlash(name))
		if rel = filepath.ToSlash(rel); rel == "." {
			return nil
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		switch {
		case skip(rel, info) && d.IsDir():
			return fs.SkipDir
		case skip(rel, info) || d.IsDir():
			return nil
		}
		if len(out) == maxFiles {
			return fmt.Errorf("more than %d files", maxFiles)
		}
		out = append(out, rel)
		return nil
	})
	return out, err
}

func (in *input) names() []string { return slices.Sorted(maps.Keys(in.files)) }
