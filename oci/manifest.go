package oci

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// Annotations that name an image.
const (
	annotationRefName   = "org.opencontainers.image.ref.name"
	annotationImageName = "io.containerd.image.name"
	annotationKind      = "vnd.docker.reference.type" // attestations that builders put beside images
)

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

// index walks the descriptors of one index. It fails only where the index as
// a whole doesn't decode.
func (r *reader) index(what string, data []byte, from inherited, depth int) error {
	list, err := r.descriptors(what, data)
	if err != nil {
		return err
	}
	if r.choose != nil {
		list = r.choose(list)
	}
	before := r.found
	absent := map[string]error{}
	for _, e := range list {
		if r.ctx.Err() != nil {
			return nil
		}
		err := r.entry(e, from, depth)
		switch {
		case err == nil:
		case depth > 0 && e.Platform != nil && errors.Is(err, fs.ErrNotExist):
			absent[e.Digest] = err
		default:
			r.skip(e.Digest, "reading the manifest: %v", err)
		}
	}
	if r.found > before {
		return nil // what is absent was left out when the others were stored
	}
	for digest, err := range absent {
		r.skip(digest, "reading the manifest: %v", err)
	}
	return nil
}

// descriptors decodes the entries of an index that may be images.
func (r *reader) descriptors(what string, data []byte) ([]entry, error) {
	var list struct {
		Manifests []json.RawMessage `json:"manifests"`
	}
	if err := json.Unmarshal(data, &list); err != nil {
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	var out []entry
	for i, raw := range list.Manifests {
		if r.entries++; r.entries > maxEntries {
			r.skip(what, "more than %d descriptors, the rest is not read", maxEntries)
			break
		}
		var e entry
		if err := json.Unmarshal(raw, &e); err != nil {
			r.skip(fmt.Sprintf("%s manifests[%d]", what, i), "%v", err)
			continue
		}
		if e.Annotations[annotationKind] == "" {
			out = append(out, e)
		}
	}
	return out, nil
}

// entry reads what one descriptor points to. Its error is that of the
// manifest's bytes; what is wrong in them is reported where it is found.
func (r *reader) entry(e entry, from inherited, depth int) error {
	here := inherited{names: slices.Clone(from.names), indexes: slices.Clone(from.indexes)}
	for _, key := range []string{annotationRefName, annotationImageName} {
		here.names = append(here.names, e.Annotations[key])
	}
	if known := r.images[e.Digest]; known != nil {
		known.join(here)
		r.found++
		return nil
	}
	data, err := readBlob(r.manifests, e.Digest, e.Size, maxManifest)
	if err != nil {
		return err
	}
	r.content(e, data, here, depth)
	return nil
}

// content reads a manifest or an index.
func (r *reader) content(e entry, data []byte, here inherited, depth int) {
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
func (r *reader) manifest(e entry, data []byte, from inherited) {
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
	raw, err := readBlob(r.blobs, m.Config.Digest.String(), m.Config.Size, maxConfig)
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
			MediaType: string(l.MediaType), Size: l.Size, source: r.blobs,
		})
	}
	image.join(from)
	r.keep(image)
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
	return platformName(os, arch, variant)
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
