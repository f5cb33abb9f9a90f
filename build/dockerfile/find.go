package dockerfile

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"sort"
	"strings"

	"github.com/scantling/scantling/model"
)

// IsName reports whether a file name is that of a Dockerfile: Dockerfile,
// Containerfile, X.Dockerfile, Dockerfile.X and the same with Containerfile.
// Dockerfile.dockerignore is not one.
func IsName(name string) bool {
	for _, word := range []string{"Dockerfile", "Containerfile"} {
		if name == word || strings.HasSuffix(name, "."+word) && len(name) > len(word)+1 {
			return true
		}
		if rest, ok := strings.CutPrefix(name, word+"."); ok && rest != "" && rest != "dockerignore" {
			return true
		}
	}
	return false
}

// Find lists the Dockerfiles of a file system, slash-separated and sorted. It
// doesn't look into .git and node_modules, follows no links to folders, and
// stops at MaxDepth and MaxFiles. Folders that can't be read, and what the
// bounds leave out, are returned as incomplete.
func Find(ctx context.Context, root fs.FS) ([]string, []model.Incomplete) {
	var found []string
	var missed []model.Incomplete
	entries := 0
	err := fs.WalkDir(root, ".", func(name string, d fs.DirEntry, err error) error {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if entries++; entries > maxEntries || len(found) >= MaxFiles {
			missed = append(missed, model.Incomplete{What: name, Why: "too many files: the rest of the folder was not searched"})
			return fs.SkipAll
		}
		if err != nil {
			missed = append(missed, model.Incomplete{What: name, Why: withoutPath(err)})
			if d != nil && d.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		if d.IsDir() {
			switch {
			case d.Name() == ".git" || d.Name() == "node_modules":
				return fs.SkipDir
			case name != "." && strings.Count(name, "/")+1 > MaxDepth:
				missed = append(missed, model.Incomplete{What: name, Why: fmt.Sprintf("deeper than %d folders", MaxDepth)})
				return fs.SkipDir
			}
			return nil
		}
		if !IsName(d.Name()) {
			return nil
		}
		ok, err := isFile(root, name, d)
		if err != nil {
			missed = append(missed, model.Incomplete{What: name, Why: withoutPath(err)})
		}
		if ok {
			found = append(found, name)
		}
		return nil
	})
	if err != nil {
		missed = append(missed, model.Incomplete{What: ".", Why: withoutPath(err)})
	}
	sort.Strings(found)
	return found, missed
}

// isFile reports whether an entry is a file, or a link to one. A folder is
// none, and is looked into by itself. The error is why a link can't be
// followed, such as that it leaves the root, or that it is no file that ends.
func isFile(root fs.FS, name string, d fs.DirEntry) (bool, error) {
	kind := d.Type()
	if kind&fs.ModeSymlink != 0 {
		info, err := fs.Stat(root, name)
		if err != nil {
			return false, fmt.Errorf("the link cannot be followed: %s", withoutPath(err))
		}
		kind = info.Mode().Type()
	}
	if !kind.IsRegular() && !kind.IsDir() {
		return false, errors.New("not a regular file")
	}
	return kind.IsRegular(), nil
}

// ReadDir finds and reads every Dockerfile below dir. Links that leave dir are
// not followed. Files are named by dir joined with the path below it, and
// sorted. Files that couldn't be opened are incomplete; what is wrong inside
// one is in its Problems. The error is that dir can't be opened at all, or the
// context's.
func ReadDir(ctx context.Context, dir string, args map[string]string) ([]*File, []model.Incomplete, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, nil, fmt.Errorf("opening folder %s: %w", dir, err)
	}
	defer func() { _ = root.Close() }()
	names, missed := Find(ctx, root.FS())
	for i := range missed {
		missed[i].What = join(dir, missed[i].What)
	}
	var files []*File
	for _, name := range names {
		if err := ctx.Err(); err != nil {
			return files, missed, err
		}
		full := join(dir, name)
		file, err := root.Open(name)
		if err != nil {
			missed = append(missed, model.Incomplete{What: full, Why: withoutPath(err)})
			continue
		}
		f, err := read(file, full, args)
		if f == nil {
			missed = append(missed, model.Incomplete{What: full, Why: withoutPath(err)})
			continue
		}
		f.Ignore = findIgnore(root.FS(), name, dir)
		files = append(files, f)
	}
	return files, missed, nil
}

// Read reads the Dockerfile at a path that the user named. The File is nil
// only where the file can't be opened or read; otherwise it is as with Parse.
func Read(ctx context.Context, name string, args map[string]string) (*File, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	file, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("opening %s: %s", name, withoutPath(err))
	}
	f, err := read(file, filepath.ToSlash(name), args)
	if f != nil {
		f.Ignore = ignoreBeside(name)
	}
	return f, err
}

// ignoreBeside looks for the .dockerignore of a file that the user named: in
// its folder, and for a path below the working folder up to that.
func ignoreBeside(name string) *Ignore {
	dir, below := filepath.Dir(name), filepath.Base(name)
	if filepath.IsLocal(name) {
		dir, below = ".", filepath.ToSlash(filepath.Clean(name))
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil
	}
	defer func() { _ = root.Close() }()
	return findIgnore(root.FS(), below, dir)
}

// read parses and closes an open file.
func read(file fs.File, name string, args map[string]string) (*File, error) {
	defer func() { _ = file.Close() }()
	info, err := file.Stat()
	if err != nil {
		return nil, fmt.Errorf("reading %s: %s", name, withoutPath(err))
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("reading %s: not a regular file", name)
	}
	data, err := io.ReadAll(io.LimitReader(file, MaxSize+1))
	if err != nil {
		return nil, fmt.Errorf("reading %s: %s", name, withoutPath(err))
	}
	return Parse(name, data, args)
}

func join(dir, name string) string {
	return path.Join(filepath.ToSlash(dir), name)
}

// withoutPath drops the operation and path of an I/O error, which the caller
// names itself.
func withoutPath(err error) string {
	var pathErr *fs.PathError
	if errors.As(err, &pathErr) {
		return pathErr.Err.Error()
	}
	return err.Error()
}
