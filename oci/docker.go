package oci

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path"
	"regexp"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// saved is one image of the manifest.json that docker save writes (docker's
// image specification, v1.2, "Combined Image JSON + Filesystem Changeset
// Format").
type saved struct {
	Config   string   // name of the configuration
	RepoTags []string // references, "shop/web:1"
	Layers   []string // names of the layers, lowest first
}

// docker reads the images of manifest.json. One whose configuration an image
// of the layout beside it has is that image, and brings it names.
func (r *reader) docker(a *archive) error {
	data, err := readFile(a, "manifest.json", maxManifest)
	if err != nil {
		return err
	}
	if !isSaved(data) {
		if len(r.images) > 0 {
			return nil // a file of another kind beside a layout
		}
		if !json.Valid(data) {
			return errors.New("manifest.json is not readable as JSON")
		}
		return fmt.Errorf("%w: its manifest.json is none of docker's", ErrNotImage)
	}
	var list []json.RawMessage
	if err := json.Unmarshal(data, &list); err != nil {
		return fmt.Errorf("manifest.json: %w", err)
	}
	for i, raw := range list {
		if r.ctx.Err() != nil {
			return nil
		}
		if r.entries++; r.entries > maxEntries {
			r.skip("manifest.json", "more than %d images, the rest is not read", maxEntries)
			return nil
		}
		where := fmt.Sprintf("manifest.json [%d]", i)
		var s saved
		if err := json.Unmarshal(raw, &s); err != nil {
			r.skip(where, "%v", err)
			continue
		}
		if r.entries += len(s.RepoTags); r.entries > maxEntries {
			r.skip(where, "more than %d images and names, this one and the rest are not read", maxEntries)
			return nil
		}
		if err := r.saved(a, s); err != nil {
			r.skip(where, "%v", err)
		}
	}
	return nil
}

// isSaved tells docker's manifest.json from the many others of this name: a
// list whose elements have a Config.
func isSaved(data []byte) bool {
	var list []map[string]json.RawMessage
	return json.Unmarshal(data, &list) == nil && !slices.ContainsFunc(list, func(m map[string]json.RawMessage) bool { return m["Config"] == nil })
}

// saved reads one image. An archive of this form has no manifest, so that the
// image goes by the digest of its configuration.
func (r *reader) saved(a *archive, s saved) error {
	data, err := readFile(a, s.Config, maxConfig)
	if err != nil {
		return fmt.Errorf("reading the configuration: %w", err)
	}
	sum := sha256.Sum256(data)
	digest := "sha256:" + hex.EncodeToString(sum[:])
	if want := digestIn(s.Config); want != "" && want != digest {
		return fmt.Errorf("reading the configuration: %w: want %s, have %s", ErrDigest, want, digest)
	}
	for _, known := range r.images {
		if known.ConfigDigest == digest {
			known.join(inherited{names: s.RepoTags})
			return nil
		}
	}
	config, err := v1.ParseConfigFile(bytes.NewReader(data))
	if err != nil {
		return fmt.Errorf("reading the configuration %s: %w", digest, err)
	}
	switch {
	case len(s.Layers) > maxLayers:
		return fmt.Errorf("%d layers, at most %d are read", len(s.Layers), maxLayers)
	case len(config.RootFS.DiffIDs) != len(s.Layers):
		return fmt.Errorf("manifest.json lists %d layers and the configuration %d", len(s.Layers), len(config.RootFS.DiffIDs))
	}
	image := &Image{Path: r.path, Digest: digest, ConfigDigest: digest, Platform: platform(nil, config), Config: convert(config)}
	for i, name := range s.Layers {
		size := int64(-1)
		if m, err := a.find(name); err == nil {
			size = m.size
		}
		image.Layers = append(image.Layers, Layer{DiffID: config.RootFS.DiffIDs[i].String(), Size: size, source: named{a, name}})
	}
	image.join(inherited{names: s.RepoTags})
	r.keep(image)
	return nil
}

// named is one file, whatever it is asked for.
type named struct {
	of   source
	name string
}

func (n named) open(_ string, size int64) (io.ReadCloser, error) { return n.of.open(n.name, size) }

var hexDigest = regexp.MustCompile(`^[0-9a-f]{64}$`)

// digestIn is the digest that a configuration is named by: "HEX.json",
// "sha256:HEX", or "blobs/sha256/HEX"; "" where the name is none.
func digestIn(name string) string {
	name = strings.TrimPrefix(strings.TrimSuffix(path.Base(name), ".json"), "sha256:")
	if !hexDigest.MatchString(name) {
		return ""
	}
	return "sha256:" + name
}
