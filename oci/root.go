package oci

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
)

// rootMarks are paths of which a root file system has at least one: what
// os-release(5) names, and the folders of package databases.
var rootMarks = []string{
	"etc/os-release", "usr/lib/os-release", "var/lib/dpkg", "lib/apk/db", "usr/lib/apk/db", "var/lib/rpm", "usr/lib/sysimage/rpm",
}

// kernels are folders that a runtime mounts over: what an image has there is
// never seen in a container, and on a running system the kernel makes it up.
var kernels = []string{"dev", "proc", "sys"}

// early are the files that come first in the stream of a root: those that say
// most, because who reads it may not read a large root to its end.
var early = []string{
	"etc", "usr/lib/os-release", "var/lib/dpkg", "lib/apk", "usr/lib/apk", "var/lib/rpm", "usr/lib/sysimage/rpm", "usr/share/rpm",
}

// Unread is the PAX record of an entry in the stream of a root folder whose
// content could not be read. Its value says why.
const Unread = "SCANTLING.unread"

// maxWhole is the size up to which a file is read before its header is
// written, so that trouble with it costs only itself.
const maxWhole = 1 << 20

// IsRoot reports whether dir is a root file system: an unpacked image, or that
// of a machine.
func IsRoot(dir string) bool {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return false
	}
	defer root.Close()
	return slices.ContainsFunc(rootMarks, func(mark string) bool {
		_, err := root.Lstat(mark)
		return err == nil
	})
}

// root makes an image of a root folder. Nothing states a digest of it, and to
// compute one would take reading it all before anything could be said. So its
// key is its path: the same folder keeps its key when its content changes.
func (r *reader) root(dir string) {
	key := "root:" + filepath.ToSlash(filepath.Clean(dir))
	r.keep(&Image{Path: dir, Digest: key, Layers: []Layer{{DiffID: key, Size: -1, source: rootTar(dir)}}})
}

// rootTar streams a folder as the tar of a layer. Links are kept as links:
// none is followed, and every open goes through os.Root. Sockets are left out,
// devices and pipes come without content, hard links as files of their own.
// Owners and times are not kept.
type rootTar string

func (t rootTar) open(string, int64) (io.ReadCloser, error) {
	root, err := os.OpenRoot(string(t))
	if err != nil {
		return nil, err
	}
	r, w := io.Pipe()
	go func() {
		defer root.Close()
		w.CloseWithError(writeTar(w, root.FS()))
	}()
	return r, nil
}

// writeTar writes all of a file system, sorted by name within each folder but
// for what comes early.
func writeTar(to io.Writer, from fs.FS) error {
	w := &rootWriter{from: from, tar: tar.NewWriter(to), done: map[string]bool{}}
	for _, name := range early {
		if !w.isReal(name) {
			continue
		}
		if err := fs.WalkDir(from, name, w.visit); err != nil {
			return err
		}
		w.done[name] = true
	}
	if err := fs.WalkDir(from, ".", w.visit); err != nil {
		return err
	}
	return w.tar.Close()
}

type rootWriter struct {
	from fs.FS
	tar  *tar.Writer
	done map[string]bool // of early
}

// isReal reports whether a path is there without a link on the way: what is
// behind a link comes under its own name.
func (w *rootWriter) isReal(name string) bool {
	for at := path.Dir(name); at != "."; at = path.Dir(at) {
		if info, err := fs.Lstat(w.from, at); err != nil || !info.IsDir() {
			return false
		}
	}
	info, err := fs.Lstat(w.from, name)
	return err == nil && (info.IsDir() || info.Mode().IsRegular())
}

// visit writes one entry. Its error ends the stream.
func (w *rootWriter) visit(name string, d fs.DirEntry, err error) error {
	isDir := d != nil && d.IsDir()
	switch {
	case err != nil: // of a folder this comes after its header, and what was listed of it follows
		return w.unread(name, isDir, err)
	case w.done[name] && isDir:
		return fs.SkipDir
	case w.done[name] || name == ".":
		return nil
	case isDir && slices.Contains(kernels, name):
		return fs.SkipDir
	}
	info, err := fs.Lstat(w.from, name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil // gone since the folder was listed
	case err != nil:
		return w.unread(name, isDir, err)
	}
	return w.entry(name, info)
}

func (w *rootWriter) entry(name string, info fs.FileInfo) error {
	header := &tar.Header{Name: name, Mode: int64(info.Mode().Perm())}
	switch mode := info.Mode(); {
	case mode.IsRegular():
		return w.file(header, info.Size())
	case mode.IsDir():
		header.Typeflag, header.Name = tar.TypeDir, name+"/"
	case mode&fs.ModeSymlink != 0:
		target, err := fs.ReadLink(w.from, name)
		if err != nil {
			return w.unread(name, false, err)
		}
		header.Typeflag, header.Linkname = tar.TypeSymlink, target
	case mode&fs.ModeSocket != 0:
		return nil
	default:
		header.Typeflag = tar.TypeFifo
	}
	return w.tar.WriteHeader(header)
}

// file writes a regular file. A large one that ends early or can't be read
// to its end leaves the tar broken, which its reader says.
func (w *rootWriter) file(header *tar.Header, size int64) error {
	file, err := w.from.Open(header.Name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return w.unread(header.Name, false, err)
	}
	defer file.Close()
	if info, err := file.Stat(); err != nil || !info.Mode().IsRegular() {
		return w.unread(header.Name, false, errors.New("it changed while it was read"))
	}
	header.Typeflag = tar.TypeReg
	if size <= maxWhole {
		data, err := io.ReadAll(io.LimitReader(file, maxWhole))
		if err != nil {
			return w.unread(header.Name, false, err)
		}
		header.Size = int64(len(data))
		return w.write(header, bytes.NewReader(data))
	}
	header.Size = size
	return w.write(header, file)
}

func (w *rootWriter) write(header *tar.Header, content io.Reader) error {
	if err := w.tar.WriteHeader(header); err != nil {
		return err
	}
	if _, err := io.CopyN(w.tar, content, header.Size); err != nil {
		return fmt.Errorf("reading %s, which may have changed meanwhile: %w", path.Base(header.Name), err)
	}
	return nil
}

// unread writes an entry that says why there is no more of it.
func (w *rootWriter) unread(name string, isDir bool, err error) error {
	var in *fs.PathError
	if errors.As(err, &in) {
		err = in.Err
	}
	header := &tar.Header{
		Name: name, Typeflag: tar.TypeReg, Mode: 0o600, PAXRecords: map[string]string{Unread: "can't be read: " + err.Error()},
	}
	if isDir {
		header.Typeflag, header.Name = tar.TypeDir, name+"/"
	}
	return w.tar.WriteHeader(header)
}
