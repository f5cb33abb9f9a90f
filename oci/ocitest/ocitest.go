// Package ocitest makes image layouts for tests: well-formed ones, hostile
// ones, and ones converted from archives. It writes the files by hand, so that
// it shares no code with what it tests.
package ocitest

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/klauspost/compress/zstd"
)

// Entry is one record of a layer. Type is a tar type flag; 0 is a regular file
// with Body, or a directory where Name ends with a slash.
type Entry struct {
	Name string
	Body string
	Link string
	Type byte
}

// Tar writes a layer.
func Tar(entries ...Entry) []byte {
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	for _, e := range entries {
		header := &tar.Header{Name: e.Name, Linkname: e.Link, Typeflag: e.Type, Mode: 0o755, Size: int64(len(e.Body))}
		switch {
		case e.Type == 0 && strings.HasSuffix(e.Name, "/"):
			header.Typeflag = tar.TypeDir
		case e.Type == 0:
			header.Typeflag = tar.TypeReg
		}
		if err := w.WriteHeader(header); err != nil {
			panic(err)
		}
		if _, err := w.Write([]byte(e.Body)); err != nil {
			panic(err)
		}
	}
	if err := w.Close(); err != nil {
		panic(err)
	}
	return buf.Bytes()
}

// Image describes one image to write.
type Image struct {
	Layers      [][]byte // uncompressed tars, lowest first
	Compression string   // "gzip", "zstd" or "" for none
	Names       []string // org.opencontainers.image.ref.name, one descriptor each
	Platform    string   // "linux/amd64" by default
	Labels      map[string]string
	Env         []string
	User        string
	History     []History
	Index       string // images with one Index name are put in one nested index
	Spoil       func(blobs map[string][]byte, layers []string)
}

// History is one build step of an image.
type History struct {
	CreatedBy string `json:"created_by"`
	Empty     bool   `json:"empty_layer,omitempty"`
}

type descriptor struct {
	MediaType   string            `json:"mediaType"`
	Digest      string            `json:"digest"`
	Size        int               `json:"size"`
	Annotations map[string]string `json:"annotations,omitempty"`
	Platform    map[string]string `json:"platform,omitempty"`
}

// Digest is the sha256 digest of data.
func Digest(data []byte) string {
	sum := sha256.Sum256(data)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// Write makes a layout of the images in dir and returns the digests of their
// manifests. Spoil of an image may change blobs before they are written.
func Write(dir string, images ...Image) ([]string, error) {
	blobs := map[string][]byte{}
	put := func(mediaType string, data []byte) descriptor {
		d := descriptor{MediaType: mediaType, Digest: Digest(data), Size: len(data)}
		blobs[d.Digest] = data
		return d
	}
	var top []descriptor
	nested := map[string][]descriptor{}
	var order, digests []string
	for _, image := range images {
		d, layers := image.put(put)
		digests = append(digests, d.Digest)
		if image.Spoil != nil {
			image.Spoil(blobs, layers)
		}
		if image.Index != "" {
			if nested[image.Index] == nil {
				order = append(order, image.Index)
			}
			nested[image.Index] = append(nested[image.Index], d)
			continue
		}
		top = append(top, named(d, image.Names)...)
	}
	for _, name := range order {
		d := put("application/vnd.oci.image.index.v1+json", encode(map[string]any{"schemaVersion": 2, "manifests": nested[name]}))
		top = append(top, named(d, []string{name})...)
	}
	blobs["index.json"] = encode(map[string]any{"schemaVersion": 2, "manifests": top})
	blobs["oci-layout"] = []byte(`{"imageLayoutVersion":"1.0.0"}`)
	return digests, writeAll(dir, blobs)
}

func named(d descriptor, names []string) []descriptor {
	if len(names) == 0 {
		return []descriptor{d}
	}
	var out []descriptor
	for _, name := range names {
		one := d
		one.Annotations = map[string]string{"org.opencontainers.image.ref.name": name}
		out = append(out, one)
	}
	return out
}

// put files the blobs of an image and returns its descriptor and the digests
// of its layers as stored.
func (i Image) put(put func(string, []byte) descriptor) (descriptor, []string) {
	var layers []descriptor
	var stored, diffIDs []string
	for _, plain := range i.Layers {
		data, suffix := compress(plain, i.Compression)
		d := put("application/vnd.oci.image.layer.v1.tar"+suffix, data)
		layers = append(layers, d)
		stored = append(stored, d.Digest)
		diffIDs = append(diffIDs, Digest(plain))
	}
	config := put("application/vnd.oci.image.config.v1+json", i.config(diffIDs))
	manifest := put("application/vnd.oci.image.manifest.v1+json", encode(map[string]any{
		"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json", "config": config, "layers": layers,
	}))
	system, arch := i.platform()
	manifest.Platform = map[string]string{"os": system, "architecture": arch}
	return manifest, stored
}

func (i Image) platform() (system, arch string) {
	if i.Platform == "" {
		return "linux", "amd64"
	}
	system, arch, _ = strings.Cut(i.Platform, "/")
	return system, arch
}

// config is the configuration of an image.
func (i Image) config(diffIDs []string) []byte {
	system, arch := i.platform()
	return encode(map[string]any{
		"architecture": arch, "os": system, "created": "2026-01-02T03:04:05Z",
		"config":  map[string]any{"Labels": i.Labels, "Env": i.Env, "User": i.User},
		"rootfs":  map[string]any{"type": "layers", "diff_ids": diffIDs},
		"history": i.History,
	})
}

func compress(data []byte, how string) (out []byte, suffix string) {
	var buf bytes.Buffer
	switch how {
	case "gzip":
		w := gzip.NewWriter(&buf)
		_, err := w.Write(data)
		if err := first(err, w.Close()); err != nil {
			panic(err)
		}
		return buf.Bytes(), "+gzip"
	case "zstd":
		w, err := zstd.NewWriter(&buf)
		if err != nil {
			panic(err)
		}
		_, err = w.Write(data)
		if err := first(err, w.Close()); err != nil {
			panic(err)
		}
		return buf.Bytes(), "+zstd"
	}
	return data, ""
}

func first(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func encode(v any) []byte {
	data, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return data
}

func writeAll(dir string, blobs map[string][]byte) error {
	if err := os.MkdirAll(filepath.Join(dir, "blobs", "sha256"), 0o755); err != nil {
		return err
	}
	for name, data := range blobs {
		if digest, ok := strings.CutPrefix(name, "sha256:"); ok {
			name = filepath.Join("blobs", "sha256", digest)
		}
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// FromArchive converts an archive of the docker form with one image into a
// layout in dir, under the given reference.
func FromArchive(archive, dir, name string) error {
	image, err := tarball.ImageFromPath(archive, nil)
	if err != nil {
		return fmt.Errorf("reading %s: %w", archive, err)
	}
	path, err := layout.Write(dir, empty.Index)
	if err != nil {
		return fmt.Errorf("writing %s: %w", dir, err)
	}
	return path.AppendImage(image, layout.WithAnnotations(map[string]string{"org.opencontainers.image.ref.name": name}), layout.WithPlatform(v1.Platform{OS: "linux", Architecture: "amd64"}))
}
