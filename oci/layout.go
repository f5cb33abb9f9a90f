package oci

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/scantling/scantling/model"
)

// Bounds on a layout. Registries refuse manifests over 4 MiB
// (distribution-spec, "Pushing Manifests"); the others are far above what
// builders write.
const (
	maxManifest = 4 << 20 // bytes of a manifest or index
	maxConfig   = 8 << 20 // bytes of a configuration
	maxDepth    = 4       // indexes within indexes
	maxEntries  = 4096    // descriptors of all indexes together
	maxLayers   = 512     // layers of one image; the common runtimes stop at 127
	maxName     = 512     // bytes of a reference annotation; a reference is at most 255 + 128
)

// Annotations that name an image.
const (
	annotationRefName   = "org.opencontainers.image.ref.name"
	annotationImageName = "io.containerd.image.name"
	annotationKind      = "vnd.docker.reference.type" // attestations that builders put beside images
)

// ErrNotLayout is what Open returns for a folder that is no image layout.
var ErrNotLayout = errors.New("not an OCI image layout")

// IsLayout reports whether dir holds the two files that make an OCI image
// layout: oci-layout and index.json.
func IsLayout(dir string) bool {
	for _, name := range []string{"oci-layout", "index.json"} {
		info, err := os.Lstat(filepath.Join(dir, name))
		if err != nil || !info.Mode().IsRegular() {
			return false
		}
	}
	return true
}

// Open reads every image of the layout at path, following nested indexes,
// sorted by digest. An image listed under several names comes once, with all
// of them. Manifests that are not images (signatures, attestations, charts)
// are passed over. What can't be read, from a descriptor to a whole image,
// comes back as incomplete and the rest is still read. The error is for a
// folder that is no layout, an index.json that can't be read at all, or a
// context that ended. Layers are not read here.
func Open(ctx context.Context, path string) ([]*Image, []model.Incomplete, error) {
	if !IsLayout(path) {
		return nil, nil, fmt.Errorf("opening %s: %w", path, ErrNotLayout)
	}
	r := &layoutReader{ctx: ctx, path: path, blobs: blobs{dir: path}, images: map[string]*Image{}}
	index, err := r.readRootFile("index.json")
	if err != nil {
		return nil, nil, fmt.Errorf("opening %s: %w", path, err)
	}
	if err := r.checkVersion(); err != nil {
		return nil, nil, fmt.Errorf("opening %s: %w", path, err)
	}
	if err := r.index("index.json", index, inherited{}, 0); err != nil {
		return nil, nil, fmt.Errorf("opening %s: %w", path, err)
	}
	if err := ctx.Err(); err != nil {
		return nil, nil, err
	}
	images := slices.SortedFunc(maps.Values(r.images), compareImages)
	slices.SortFunc(r.incomplete, func(a, b model.Incomplete) int {
		return cmp.Or(cmp.Compare(a.What, b.What), cmp.Compare(a.Why, b.Why))
	})
	return images, slices.Compact(r.incomplete), nil
}

type layoutReader struct {
	ctx        context.Context
	path       string
	blobs      blobs
	images     map[string]*Image
	entries    int
	incomplete []model.Incomplete
}

// inherited is what an index hands down to what it lists.
type inherited struct {
	names   []string
	indexes []string
}

// entry is the part of a descriptor that is read; one that doesn't decode
// costs only itself.
type entry struct {
	MediaType    string            `json:"mediaType"`
	ArtifactType string            `json:"artifactType"`
	Digest       string            `json:"digest"`
	Size         int64             `json:"size"`
	Annotations  map[string]string `json:"annotations"`
	Platform     *v1.Platform      `json:"platform"`
}

func (r *layoutReader) skip(where, format string, args ...any) {
	r.incomplete = append(r.incomplete, model.Incomplete{
		What: filepath.Join(r.path, "index.json") + " " + where,
		Why:  fmt.Sprintf(format, args...),
	})
}

func (r *layoutReader) readRootFile(name string) ([]byte, error) {
	root, err := os.OpenRoot(r.path)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	file, err := openRegular(root, name, -1)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return readBounded(file, name, maxManifest)
}

// checkVersion refuses a layout of another major version, whose files may
// mean something else.
func (r *layoutReader) checkVersion() error {
	data, err := r.readRootFile("oci-layout")
	if err != nil {
		return err
	}
	var layout struct {
		Version string `json:"imageLayoutVersion"`
	}
	if err := json.Unmarshal(data, &layout); err != nil {
		return fmt.Errorf("oci-layout: %w", err)
	}
	if !strings.HasPrefix(layout.Version, "1.") {
		return fmt.Errorf("oci-layout: version %q is not read, only 1.x", layout.Version)
	}
	return nil
}

// index walks the descriptors of one index. It fails only where the index as
// a whole doesn't decode.
func (r *layoutReader) index(what string, data []byte, from inherited, depth int) error {
	var list struct {
		Manifests []json.RawMessage `json:"manifests"`
	}
	if err := json.Unmarshal(data, &list); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	for i, raw := range list.Manifests {
		if r.ctx.Err() != nil {
			return nil
		}
		if r.entries++; r.entries > maxEntries {
			r.skip(what, "more than %d descriptors, the rest is not read", maxEntries)
			return nil
		}
		var e entry
		if err := json.Unmarshal(raw, &e); err != nil {
			r.skip(fmt.Sprintf("%s manifests[%d]", what, i), "%v", err)
			continue
		}
		r.entry(e, from, depth)
	}
	return nil
}

func (r *layoutReader) entry(e entry, from inherited, depth int) {
	if e.Annotations[annotationKind] != "" {
		return
	}
	here := inherited{names: slices.Clone(from.names), indexes: slices.Clone(from.indexes)}
	for _, key := range []string{annotationRefName, annotationImageName} {
		here.names = append(here.names, e.Annotations[key])
	}
	if known := r.images[e.Digest]; known != nil {
		known.join(here)
		return
	}
	data, err := r.blobs.read(e.Digest, e.Size, maxManifest)
	if err != nil {
		r.skip(e.Digest, "reading the manifest: %v", err)
		return
	}
	if !isIndex(e.MediaType, data) {
		r.manifest(e, data, here)
		return
	}
	if depth >= maxDepth {
		r.skip(e.Digest, "indexes are nested more than %d deep", maxDepth)
		return
	}
	here.indexes = append(here.indexes, e.Digest)
	if err := r.index(e.Digest, data, here, depth+1); err != nil {
		r.skip(e.Digest, "reading the index: %v", err)
	}
}

// isIndex trusts the media type where it is a known one, else the shape.
func isIndex(mediaType string, data []byte) bool {
	switch mediaType {
	case "application/vnd.oci.image.index.v1+json", "application/vnd.docker.distribution.manifest.list.v2+json":
		return true
	case "application/vnd.oci.image.manifest.v1+json", "application/vnd.docker.distribution.manifest.v2+json":
		return false
	}
	var shape struct {
		Manifests json.RawMessage `json:"manifests"`
	}
	return json.Unmarshal(data, &shape) == nil && shape.Manifests != nil
}

// manifest reads one platform's manifest and its configuration.
func (r *layoutReader) manifest(e entry, data []byte, from inherited) {
	m, err := v1.ParseManifest(bytes.NewReader(data))
	if err != nil {
		r.skip(e.Digest, "reading the manifest: %v", err)
		return
	}
	if !m.Config.MediaType.IsConfig() {
		return // an artifact: a signature, a chart, an attestation
	}
	if len(m.Layers) > maxLayers {
		r.skip(e.Digest, "%d layers, at most %d are read", len(m.Layers), maxLayers)
		return
	}
	raw, err := r.blobs.read(m.Config.Digest.String(), m.Config.Size, maxConfig)
	if err != nil {
		r.skip(e.Digest, "reading the configuration: %v", err)
		return
	}
	config, err := v1.ParseConfigFile(bytes.NewReader(raw))
	if err != nil {
		r.skip(e.Digest, "reading the configuration %s: %v", m.Config.Digest, err)
		return
	}
	if len(config.RootFS.DiffIDs) != len(m.Layers) {
		r.skip(e.Digest, "the manifest lists %d layers and the configuration %d", len(m.Layers), len(config.RootFS.DiffIDs))
		return
	}
	image := &Image{Path: r.path, Digest: e.Digest, ConfigDigest: m.Config.Digest.String(), Platform: platform(e.Platform, config), Config: convert(config)}
	for i, l := range m.Layers {
		image.Layers = append(image.Layers, Layer{
			DiffID: config.RootFS.DiffIDs[i].String(), Digest: l.Digest.String(),
			MediaType: string(l.MediaType), Size: l.Size, blobs: r.blobs,
		})
	}
	image.join(from)
	r.images[e.Digest] = image
}

// join adds what an index says of an image.
func (i *Image) join(from inherited) {
	for _, name := range from.names {
		i.addName(name)
	}
	for _, digest := range from.indexes {
		if !slices.Contains(i.Indexes, digest) {
			i.Indexes = append(i.Indexes, digest)
			slices.Sort(i.Indexes)
		}
	}
}

// platform prefers the configuration, which runtimes obey, to the descriptor.
func platform(descriptor *v1.Platform, config *v1.ConfigFile) string {
	os, arch, variant := config.OS, config.Architecture, config.Variant
	if arch == "" && descriptor != nil {
		os, arch, variant = descriptor.OS, descriptor.Architecture, descriptor.Variant
	}
	if arch == "" {
		return ""
	}
	out := cmp.Or(os, "linux") + "/" + arch
	if variant != "" {
		out += "/" + variant
	}
	return out
}

func convert(c *v1.ConfigFile) Config {
	out := Config{
		Labels:       c.Config.Labels,
		Env:          c.Config.Env,
		User:         c.Config.User,
		ExposedPorts: slices.Sorted(maps.Keys(c.Config.ExposedPorts)),
		Entrypoint:   c.Config.Entrypoint,
		Cmd:          c.Config.Cmd,
		Created:      c.Created.Time,
	}
	for _, h := range c.History {
		out.History = append(out.History, History{CreatedBy: h.CreatedBy, Comment: h.Comment, Created: h.Created.Time, Empty: h.EmptyLayer})
	}
	return out
}
