package image

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"golang.org/x/sync/singleflight"

	"github.com/scantling/scantling/model"
	"github.com/scantling/scantling/oci"
)

// Bounds on one image, and on what one Reader keeps in memory. The unit of
// entries is that of MaxEntries, about 150 bytes.
const (
	maxImage        = 32 << 30 // uncompressed bytes of all layers of an image
	maxImageEntries = 1 << 22  // entries of all layers of an image
	maxCached       = 1 << 21  // entries of all layers that are kept in memory for the next image
)

// Reader takes inventories and remembers the facts of the layers that it has
// read, so that images with a common base read it once. The zero value works;
// it is safe for concurrent use where its functions are.
type Reader struct {
	Layer  func()      // called behind each layer, to show how far the reading has come; nil calls nothing
	Keeper Keeper      // remembers layers from one run to the next; nil: only this Reader does
	Lost   func(error) // called once, behind an image, with the first error of Keeper, which isn't used any more; nil calls nothing

	cache   cache // by DiffID and blob digest, as for the keeper
	flight  singleflight.Group
	heavy   sync.Mutex            // see layerScan
	trouble atomic.Pointer[error] // of Keeper
	told    sync.Once
	limits  limits // zero: defaultLimits
}

// Inventory reads the layers of an image and merges them. The error is only
// that of a context that ended: an unreadable layer leaves an inventory that
// says so.
func (r *Reader) Inventory(ctx context.Context, img *oci.Image) (*Inventory, error) {
	inv := describe(img)
	t, h := newTree(), &history{}
	defer r.tell()
	queue := r.queue(ctx, img.Layers)
	defer queue.stop()
	var layerNotes []layerNote
	entries, bytes := 0, int64(0)
	var merged []*facts
	for i, layer := range img.Layers {
		f, err := queue.next(i)
		if err != nil {
			return nil, fmt.Errorf("reading layer %s of %s: %w", layer.DiffID, inv.Name, err)
		}
		if r.Layer != nil {
			r.Layer()
		}
		for _, n := range f.notes {
			layerNotes = append(layerNotes, layerNote{i, n})
		}
		entries += f.cost
		if bytes += f.bytes; entries > maxImageEntries || bytes > maxImage {
			layerNotes = append(layerNotes, layerNote{i, note{"", fmt.Sprintf("an image is read up to %d entries and %d bytes; this layer and those above are not", maxImageEntries, int64(maxImage))}})
			break
		}
		t.dirty = false
		merged = append(merged, f)
		t.apply(i, f)
		if t.dirty {
			h.follow(t, i)
		}
		inv.Layers[i].Visible = h.visible
	}
	h.end(t, len(img.Layers)-1)
	inv.configSecrets(img.Config)
	inv.takeSecrets(t, merged)
	inv.finish(t, h, append(layerNotes, t.notes...))
	return inv, nil
}

// describe copies what the image says of itself, but for its environment.
func describe(img *oci.Image) *Inventory {
	inv := &Inventory{
		Digest: img.Digest, Aliases: img.Aliases(), Name: img.Name(), File: img.Path, Platform: img.Platform,
		Config: Config{
			Labels: img.Config.Labels, User: img.Config.User, ExposedPorts: img.Config.ExposedPorts, Created: img.Config.Created,
		},
		BaseLayers: baseLayers(img),
	}
	for _, l := range img.Layers {
		inv.Layers = append(inv.Layers, Layer{DiffID: l.DiffID, Digest: l.Digest, Size: l.Size})
	}
	return inv
}

// finish turns the merged state into packages and into what stays unknown.
func (inv *Inventory) finish(t *tree, h *history, notes []layerNote) {
	visible := t.visible()
	inv.libraries(visible)
	release, releaseNotes := t.release()
	inv.OS = release
	for _, n := range releaseNotes {
		inv.incomplete("/"+n.where, n.why)
	}
	owned := h.ownership(t)
	for _, s := range h.sources {
		if s.found.kind.isLanguage() && owned.has(s.path, h.brought(s.path, s.found)) {
			continue
		}
		inv.take(s)
		if s.found.kind.carries() {
			continue // named by unread
		}
		for _, n := range s.found.notes {
			inv.incomplete(strings.TrimSuffix("/"+s.path+" "+n.where, " "), n.why)
		}
	}
	for _, n := range h.notes {
		inv.incomplete("/"+n.where, n.why)
	}
	for _, n := range unread(visible, h, owned) {
		inv.incomplete(n.where, n.why)
	}
	for _, n := range notes {
		what := "layer " + inv.Layers[n.layer].DiffID
		if n.where != "" {
			what += fmt.Sprintf(" entry %q", n.where)
		}
		inv.incomplete(what, n.why)
	}
	if len(inv.Packages) == 0 && len(inv.Incomplete) == 0 {
		inv.incomplete("packages", "no package database, no package of a language and no Go executable: what it holds is unknown")
	}
	slices.SortFunc(inv.Packages, ComparePackages)
	inv.Packages = slices.Compact(inv.Packages)
	slices.SortFunc(inv.Incomplete, func(a, b model.Incomplete) int {
		return cmp.Or(cmp.Compare(a.What, b.What), cmp.Compare(a.Why, b.Why))
	})
	inv.Incomplete = slices.Compact(inv.Incomplete)
}

// take adds the packages of one file.
func (inv *Inventory) take(s source) {
	for i, p := range s.found.packages {
		p.PURL = purl(s.found.kind, inv.OS, p)
		p.Layer = inv.Layers[s.since[i]].DiffID
		p.Path = "/" + s.path
		if s.found.kind.isDatabase() {
			p.Ecosystem = inv.OS.Ecosystem
		}
		if s.found.kind == foundRPM && ByBinary(p.Ecosystem) {
			p.Source, p.SourceVersion = p.Name, p.Version
		}
		inv.Packages = append(inv.Packages, p)
	}
}

func (inv *Inventory) incomplete(where, why string) {
	inv.Incomplete = append(inv.Incomplete, model.Incomplete{What: inv.Name + " " + where, Why: why})
}

// ComparePackages orders packages as an inventory lists them.
func ComparePackages(a, b Package) int {
	return cmp.Or(
		cmp.Compare(a.Ecosystem, b.Ecosystem), cmp.Compare(a.Name, b.Name), cmp.Compare(a.Version, b.Version),
		cmp.Compare(a.Arch, b.Arch), cmp.Compare(a.Path, b.Path),
		cmp.Compare(a.Source, b.Source), cmp.Compare(a.SourceVersion, b.SourceVersion), cmp.Compare(a.Module, b.Module),
	)
}

// baseLayers reads from the build history how many of the lowest layers the
// base image brought: a base ends with the CMD that it sets, which the builder
// keeps as an empty step before the first step of the image's own. 0 where
// the history tells nothing.
func baseLayers(img *oci.Image) int {
	layers, base := 0, 0
	total := 0
	for _, h := range img.Config.History {
		if !h.Empty {
			total++
		}
	}
	if total != len(img.Layers) {
		return 0
	}
	for _, h := range img.Config.History {
		if !h.Empty {
			layers++
			continue
		}
		if layers < total && isCommand(h.CreatedBy) {
			base = layers
		}
	}
	return base
}

// isCommand knows a CMD step as the classic builder and BuildKit write it.
func isCommand(step string) bool {
	return strings.HasPrefix(step, "CMD ") || strings.HasPrefix(step, "/bin/sh -c #(nop)  CMD ")
}
