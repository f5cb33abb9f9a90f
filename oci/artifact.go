package oci

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
)

// annotationTitle names the file that a blob of an artifact is.
const annotationTitle = "org.opencontainers.image.title"

// maxFiles is how many files an artifact may have.
const maxFiles = 4096

// The media types of an artifact without a configuration (image-spec,
// manifest.md, "Guidelines for Artifact Usage").
const (
	mediaManifest = "application/vnd.oci.image.manifest.v1+json"
	mediaIndex    = "application/vnd.oci.image.index.v1+json"
	mediaEmpty    = "application/vnd.oci.empty.v1+json"
	mediaFile     = "application/octet-stream"
)

// ErrNotArtifact is the error for a manifest that holds no named files.
var ErrNotArtifact = errors.New("no artifact: none of its blobs has the title of a file")

// File is one file of an artifact.
type File struct {
	Name   string // its title, with slashes, as written
	Digest string
	Size   int64 // in bytes
}

// Artifact is a manifest whose blobs are files, each under its title. It is
// immutable and safe for concurrent use.
type Artifact struct {
	Name   string // folder or reference, as it was given
	Digest string // of the manifest
	Files  []File // in the order of the manifest; no two have one name

	blobs source
}

// OpenArtifact opens the one artifact of an OCI layout folder.
func OpenArtifact(dir string) (*Artifact, error) {
	a, err := openArtifact(dir)
	if err != nil {
		return nil, fmt.Errorf("opening %s: %w", dir, err)
	}
	return a, nil
}

func openArtifact(dir string) (*Artifact, error) {
	from := folder(dir)
	if err := checkVersion(from); err != nil {
		return nil, err
	}
	data, err := readFile(from, "index.json", maxManifest)
	if err != nil {
		return nil, err
	}
	var index struct {
		Manifests []entry `json:"manifests"`
	}
	if err := json.Unmarshal(data, &index); err != nil {
		return nil, fmt.Errorf("index.json: %w", err)
	}
	if len(index.Manifests) != 1 {
		return nil, fmt.Errorf("index.json lists %d manifests, and one is read", len(index.Manifests))
	}
	e := index.Manifests[0]
	manifest, err := readBlob(blobs{from}, e.Digest, e.Size, maxManifest)
	if err != nil {
		return nil, err
	}
	return newArtifact(dir, e.Digest, manifest, blobs{from})
}

// FetchArtifact reads the manifest of an artifact from its registry, with the
// credentials and under the rules of Fetch. The files are read when they are
// opened, for which ctx must not have ended.
func FetchArtifact(ctx context.Context, ref string, insecure bool) (*Artifact, error) {
	named, err := parseReference(ref)
	if err != nil {
		return nil, err
	}
	r, err := newRegistry(ctx, ref, named.String(), insecure)
	if err != nil {
		return nil, err
	}
	top, err := r.puller.Get(ctx, r.ref)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", ref, r.explain(err))
	}
	a, err := newArtifact(ref, top.Digest.String(), top.Manifest, registryBlobs{r})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", ref, err)
	}
	return a, nil
}

func newArtifact(name, digest string, manifest []byte, from source) (*Artifact, error) {
	if len(manifest) > maxManifest {
		return nil, fmt.Errorf("its manifest has more than %d bytes", maxManifest)
	}
	if !sha256Digest.MatchString(digest) {
		return nil, fmt.Errorf("digest %q: only sha256 is read", digest)
	}
	var m struct {
		Layers []entry `json:"layers"`
	}
	if err := json.Unmarshal(manifest, &m); err != nil {
		return nil, fmt.Errorf("its manifest: %w", err)
	}
	a := &Artifact{Name: name, Digest: digest, blobs: from}
	seen := map[string]bool{}
	for _, l := range m.Layers {
		title := l.Annotations[annotationTitle]
		switch {
		case title == "":
			continue
		case len(title) > maxName:
			return nil, fmt.Errorf("a file's name has more than %d bytes", maxName)
		case seen[title]:
			return nil, fmt.Errorf("two files are called %q", title)
		case len(a.Files) == maxFiles:
			return nil, fmt.Errorf("more than %d files", maxFiles)
		}
		seen[title] = true
		a.Files = append(a.Files, File{title, l.Digest, l.Size})
	}
	if len(a.Files) == 0 {
		return nil, ErrNotArtifact
	}
	return a, nil
}

// Open streams a file. The stream ends with ErrDigest in place of io.EOF where
// its bytes are not those that the manifest names.
func (a *Artifact) Open(f File) (io.ReadCloser, error) {
	blob, err := a.blobs.open(f.Digest, f.Size)
	if err != nil {
		return nil, err
	}
	return verifiedBlob{newVerifier(blob, f.Digest), blob}, nil
}

// verifiedBlob reads through the verifier and closes what is below it.
type verifiedBlob struct {
	io.Reader
	io.Closer
}

// artifactTag is what a tag may be (distribution-spec, "Pulling manifests").
// Its length is looked at apart: as {0,127} it takes 100 KB at every start.
var artifactTag = regexp.MustCompile(`^[a-zA-Z0-9_][a-zA-Z0-9._-]*$`)

const maxTag = 128 // bytes

// Layout writes an artifact as an OCI image layout that other tools push to a
// registry. Add the files, then Close; without Close the folder is no layout.
type Layout struct {
	dir    string
	kind   string
	tag    string
	layers []written
}

// written is a descriptor.
type written struct {
	MediaType    string            `json:"mediaType"`
	ArtifactType string            `json:"artifactType,omitempty"`
	Digest       string            `json:"digest"`
	Size         int64             `json:"size"`
	Annotations  map[string]string `json:"annotations,omitempty"`
}

// NewLayout begins a layout in a folder, which is made. kind is the type of
// the artifact, a media type; tag names it in the index.
func NewLayout(dir, kind, tag string) (*Layout, error) {
	if len(tag) > maxTag || !artifactTag.MatchString(tag) {
		return nil, fmt.Errorf("%q is no tag", tag)
	}
	if err := os.MkdirAll(filepath.Join(dir, "blobs", "sha256"), 0o755); err != nil {
		return nil, fmt.Errorf("making a layout: %w", err)
	}
	return &Layout{dir: dir, kind: kind, tag: tag}, nil
}

// Add streams one file into the layout.
func (l *Layout) Add(name string, content func(io.Writer) error) error {
	if name == "" || len(name) > maxName || path.Clean(name) != name || path.IsAbs(name) || strings.HasPrefix(name, "../") {
		return fmt.Errorf("%q is no name of a file below a folder", name)
	}
	d, err := l.put(content)
	if err != nil {
		return fmt.Errorf("writing %s: %w", name, err)
	}
	d.MediaType, d.Annotations = mediaFile, map[string]string{annotationTitle: name}
	l.layers = append(l.layers, d)
	return nil
}

// put writes a blob beside the others and gives it the name of its digest.
func (l *Layout) put(content func(io.Writer) error) (written, error) {
	folder := filepath.Join(l.dir, "blobs", "sha256")
	file, err := os.CreateTemp(folder, ".blob-*")
	if err != nil {
		return written{}, err
	}
	defer os.Remove(file.Name()) //nolint:errcheck // gone after the rename
	defer file.Close()           //nolint:errcheck // closed below
	sum := &summed{w: file, hash: sha256.New()}
	if err := content(sum); err != nil {
		return written{}, err
	}
	if err := errors.Join(file.Chmod(0o644), file.Sync(), file.Close()); err != nil {
		return written{}, err
	}
	name := hex.EncodeToString(sum.hash.Sum(nil))
	return written{Digest: "sha256:" + name, Size: sum.size}, os.Rename(file.Name(), filepath.Join(folder, name))
}

// summed counts and hashes what passes.
type summed struct {
	w    io.Writer
	hash hash.Hash
	size int64
}

func (s *summed) Write(p []byte) (int, error) {
	n, err := s.w.Write(p)
	s.hash.Write(p[:n])
	s.size += int64(n)
	return n, err
}

// Close writes the manifest and the index, which makes the folder a layout.
// It returns the digest of the manifest.
func (l *Layout) Close() (string, error) {
	text := func(v any) func(io.Writer) error {
		return func(w io.Writer) error {
			data, err := json.Marshal(v)
			if err == nil {
				_, err = w.Write(data)
			}
			return err
		}
	}
	config, err := l.put(text(struct{}{}))
	if err != nil {
		return "", err
	}
	config.MediaType = mediaEmpty
	manifest, err := l.put(text(map[string]any{
		"schemaVersion": 2, "mediaType": mediaManifest, "artifactType": l.kind, "config": config, "layers": l.layers,
	}))
	if err != nil {
		return "", err
	}
	manifest.MediaType, manifest.ArtifactType = mediaManifest, l.kind
	manifest.Annotations = map[string]string{annotationRefName: l.tag}
	for name, v := range map[string]any{
		"index.json": map[string]any{"schemaVersion": 2, "mediaType": mediaIndex, "manifests": []written{manifest}},
		"oci-layout": map[string]any{"imageLayoutVersion": "1.0.0"},
	} {
		data, err := json.Marshal(v)
		if err != nil {
			return "", err
		}
		if err := os.WriteFile(filepath.Join(l.dir, name), data, 0o644); err != nil {
			return "", err
		}
	}
	return manifest.Digest, nil
}
