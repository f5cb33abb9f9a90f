package ocitest

import (
	"archive/tar"
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Saved writes an archive as docker save did before it had layouts: a
// configuration by its digest, a folder for each layer, and manifest.json at
// the end. A layer that was there before is a link to it.
func Saved(images ...Image) []byte { return Tar(SavedEntries(images...)...) }

// SavedEntries are the members of such an archive, for tests that spoil them.
func SavedEntries(images ...Image) []Entry {
	var out []Entry
	var list []map[string]any
	seen := map[string]string{}
	for n, i := range images {
		var names, diffIDs []string
		for k, layer := range i.Layers {
			digest := Digest(layer)
			diffIDs = append(diffIDs, digest)
			folder := strings.TrimPrefix(Digest(fmt.Appendf(nil, "%d %d %s", n, k, digest)), "sha256:")
			name := folder + "/layer.tar"
			out = append(out, Entry{Name: folder + "/"}, Entry{Name: folder + "/VERSION", Body: "1.0"}, Entry{Name: folder + "/json", Body: "{}"})
			if first := seen[digest]; first != "" {
				out = append(out, Entry{Name: name, Type: tar.TypeSymlink, Link: "../" + first})
			} else {
				data, _ := compress(layer, i.Compression)
				out = append(out, Entry{Name: name, Body: string(data)})
				seen[digest] = name
			}
			names = append(names, name)
		}
		config := i.config(diffIDs)
		file := strings.TrimPrefix(Digest(config), "sha256:") + ".json"
		out = append(out, Entry{Name: file, Body: string(config)})
		list = append(list, map[string]any{"Config": file, "RepoTags": i.Names, "Layers": names})
	}
	return append(out, Entry{Name: "manifest.json", Body: string(encode(list))}, Entry{Name: "repositories", Body: "{}"})
}

// Pack writes a tar of the files below dir, by the order of their names.
func Pack(dir string) ([]byte, error) {
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	if err := w.AddFS(os.DirFS(dir)); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

// Compress packs data by "gzip" or "zstd", or not at all.
func Compress(data []byte, how string) []byte {
	out, _ := compress(data, how)
	return out
}

// Unpack applies the layers of an image to a folder as a runtime does
// (image-spec, layer.md). It trusts them.
func Unpack(dir string, layers ...[]byte) error {
	for _, layer := range layers {
		for r := tar.NewReader(bytes.NewReader(layer)); ; {
			header, err := r.Next()
			if err != nil {
				break
			}
			name := filepath.Join(dir, header.Name)
			if hidden, ok := strings.CutPrefix(filepath.Base(name), ".wh."); ok {
				if err := os.RemoveAll(filepath.Join(filepath.Dir(name), hidden)); err != nil {
					return err
				}
				continue
			}
			if err := unpackEntry(dir, name, header, r); err != nil {
				return err
			}
		}
	}
	return nil
}

func unpackEntry(dir, name string, header *tar.Header, content *tar.Reader) error {
	if header.Typeflag == tar.TypeDir {
		return os.MkdirAll(name, 0o755)
	}
	if err := first(os.RemoveAll(name), os.MkdirAll(filepath.Dir(name), 0o755)); err != nil {
		return err
	}
	switch header.Typeflag {
	case tar.TypeSymlink:
		return os.Symlink(header.Linkname, name)
	case tar.TypeLink:
		return os.Link(filepath.Join(dir, header.Linkname), name)
	case tar.TypeReg:
		file, err := os.OpenFile(name, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, fs.FileMode(header.Mode)|0o600)
		if err != nil {
			return err
		}
		_, err = file.ReadFrom(content)
		return first(err, file.Close())
	}
	return nil
}
