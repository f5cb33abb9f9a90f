package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"path"
	"slices"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// file is one entry of a layer. With link it is a symbolic link, otherwise a
// regular file with body.
type file struct {
	name string // path without a leading slash
	mode int64
	body string
	link string
}

// text is a world-readable file.
func text(name, body string) file { return file{name: name, mode: 0o644, body: body} }

// newLayer packs files, sorted, with their parent folders, all dated at.
func newLayer(at time.Time, files []file) (v1.Layer, error) {
	packed, err := pack(at, files)
	if err != nil {
		return nil, err
	}
	open := func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(packed)), nil }
	layer, err := tarball.LayerFromOpener(open, tarball.WithMediaType(types.OCILayer))
	if err != nil {
		return nil, fmt.Errorf("making a layer: %w", err)
	}
	return layer, nil
}

// pack writes a gzip stream of stored blocks: the only compression level
// whose bytes are fixed by the format and not by the compressor.
func pack(at time.Time, files []file) ([]byte, error) {
	var out bytes.Buffer
	zip, err := gzip.NewWriterLevel(&out, gzip.NoCompression)
	if err != nil {
		return nil, fmt.Errorf("packing a layer: %w", err)
	}
	w := tar.NewWriter(zip)
	for _, f := range withParents(files) {
		h := &tar.Header{Name: f.name, Mode: f.mode, ModTime: at, Format: tar.FormatUSTAR}
		switch {
		case f.link != "":
			h.Typeflag, h.Linkname = tar.TypeSymlink, f.link
		case f.name[len(f.name)-1] == '/':
			h.Typeflag = tar.TypeDir
		default:
			h.Typeflag, h.Size = tar.TypeReg, int64(len(f.body))
		}
		if err := w.WriteHeader(h); err != nil {
			return nil, fmt.Errorf("packing %s: %w", f.name, err)
		}
		if _, err := io.WriteString(w, f.body); err != nil {
			return nil, fmt.Errorf("packing %s: %w", f.name, err)
		}
	}
	if err := w.Close(); err != nil {
		return nil, fmt.Errorf("packing a layer: %w", err)
	}
	if err := zip.Close(); err != nil {
		return nil, fmt.Errorf("packing a layer: %w", err)
	}
	return out.Bytes(), nil
}

// withParents adds a folder entry before the first file of each folder and
// sorts by name.
func withParents(files []file) []file {
	seen := map[string]bool{}
	all := slices.Clone(files)
	for _, f := range files {
		for dir := path.Dir(f.name); dir != "." && !seen[dir]; dir = path.Dir(dir) {
			seen[dir] = true
			all = append(all, file{name: dir + "/", mode: 0o755})
		}
	}
	slices.SortFunc(all, func(a, b file) int { return bytes.Compare([]byte(a.name), []byte(b.name)) })
	return all
}
