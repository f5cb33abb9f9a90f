package oci

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/scantling/scantling/model"
)

// Bounds on what describes images. Registries refuse manifests over 4 MiB
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

// ErrNotImage is what Open returns for what holds no image.
var ErrNotImage = errors.New("no image: neither an OCI image layout, an image archive nor a root file system")

// Open reads every image at path: an OCI image layout, an archive of either
// form, or a folder that is a root file system. Nested indexes are followed,
// and the images come sorted by digest. An image listed under several names
// comes once, with all of them. Manifests that are not images (signatures,
// attestations, charts) are passed over, and so is a platform that an index
// lists and that was not stored with the others. What can't be read, from a
// descriptor to a whole image, comes back as incomplete and the rest is still
// read. The error is for what is no image at all, an index that can't be read
// as a whole, or a context that ended. Layers are not read here.
func Open(ctx context.Context, path string) ([]*Image, []model.Incomplete, error) {
	r := &reader{ctx: ctx, path: path, where: path, images: map[string]*Image{}}
	info, err := os.Stat(path)
	switch {
	case err != nil:
	case info.Mode().IsRegular():
		err = r.archive(path)
	case !info.IsDir(): // to open a pipe might never end
		err = ErrNotImage
	case IsLayout(path):
		r.where = filepath.Join(path, "index.json")
		err = r.layout(folder(path))
	case IsRoot(path):
		r.root(path)
	default:
		err = ErrNotImage
	}
	if err != nil {
		return nil, nil, fmt.Errorf("opening %s: %w", path, err)
	}
	if err := ctx.Err(); err != nil {
		return nil, nil, err
	}
	images, incomplete := r.result()
	return images, incomplete, nil
}

// reader collects the images of one input.
type reader struct {
	ctx        context.Context
	path       string // of the images, as it was given
	where      string // what incomplete entries begin with
	manifests  source // of manifests and indexes
	blobs      source // of configurations and layers
	choose     func([]entry) []entry
	images     map[string]*Image
	found      int // images met, again under another name too
	entries    int
	incomplete []model.Incomplete
}

// keep takes an image in.
func (r *reader) keep(i *Image) {
	r.images[i.Digest] = i
	r.found++
}

func (r *reader) skip(where, format string, args ...any) {
	r.miss(r.where+" "+where, format, args...)
}

func (r *reader) miss(what, format string, args ...any) {
	r.incomplete = append(r.incomplete, model.Incomplete{What: what, Why: fmt.Sprintf(format, args...)})
}

// result is what was found, in an order that doesn't depend on the input's.
func (r *reader) result() ([]*Image, []model.Incomplete) {
	images := slices.SortedFunc(maps.Values(r.images), compareImages)
	slices.SortFunc(r.incomplete, func(a, b model.Incomplete) int {
		return cmp.Or(cmp.Compare(a.What, b.What), cmp.Compare(a.Why, b.Why))
	})
	return images, slices.Compact(r.incomplete)
}
