package cli

import (
	"cmp"
	"context"
	"encoding/json"
	"path/filepath"
	"slices"
	"time"

	"github.com/scantling/scantling/model"
	"github.com/scantling/scantling/registry/advisory"
	"github.com/scantling/scantling/registry/image"
	"github.com/scantling/scantling/registry/index"
	"github.com/scantling/scantling/store"
)

// indexed is the data folder with its index: the library's changes and the
// engine's are one batch.
type indexed struct {
	store   *store.Store
	library *advisory.Library
	engine  *index.Engine
}

// segments is the folder of the index below the data folder.
const segments = "index"

// openIndex opens the index of the data folder, and makes both where they
// aren't.
func (a *app) openIndex(ctx context.Context) (*indexed, error) {
	s, err := a.openData(ctx)
	if err != nil {
		return nil, err
	}
	engine, err := index.Open(ctx, s, advisory.NewLibrary(s, nil), filepath.Join(a.dataFolder(), segments))
	if err != nil {
		s.Close()
		return nil, failed("%w", err)
	}
	if why := engine.Rebuilt(); why != nil {
		a.say("note: the index was made anew from the store: %v", why)
	}
	return &indexed{s, advisory.NewLibrary(s, engine.Follow), engine}, nil
}

// openIndexIfAny is nil where there is no data folder yet.
func (a *app) openIndexIfAny(ctx context.Context) (*indexed, error) {
	s, err := a.openDataIfAny(ctx)
	if s == nil || err != nil {
		return nil, err
	}
	s.Close()
	return a.openIndex(ctx)
}

func (x *indexed) close() { x.store.Close() }

// kindAsset are the records of what indexed images are called: by digest, in
// JSON.
const kindAsset = "image-asset"

// imageAsset is what an indexed image is called.
type imageAsset struct {
	Name     string    `json:"name"`
	Aliases  []string  `json:"aliases"` // sorted
	Platform string    `json:"platform"`
	File     string    `json:"file"` // where it was read last
	Indexed  time.Time `json:"indexed"`
}

// assets reads what all indexed images are called, by digest.
func (x *indexed) assets(ctx context.Context) (map[string]imageAsset, error) {
	out := map[string]imageAsset{}
	for r, err := range x.store.Scan(ctx, kindAsset, "", "") {
		if err != nil {
			return nil, failed("%w", err)
		}
		var one imageAsset
		if err := json.Unmarshal(r.Body, &one); err != nil {
			return nil, failed("reading what image %s is called: %w", r.Key, err)
		}
		out[r.Key] = one
	}
	return out, nil
}

// names follows which image has each name on each platform: a tag that moved
// is the name of the image that was read last.
type names struct {
	assets map[string]imageAsset
	holder map[[2]string]string // by name and platform: the digest
}

func newNames(assets map[string]imageAsset) *names {
	n := &names{assets, map[[2]string]string{}}
	for digest, one := range assets {
		for _, name := range append([]string{one.Name}, one.Aliases...) {
			n.holder[[2]string{name, one.Platform}] = digest
		}
	}
	return n
}

// take gives an image its names, takes them from others that had them, and
// returns the records that change.
func (n *names) take(inv *image.Inventory, now time.Time) ([]model.Write, error) {
	was, known := n.assets[inv.Digest]
	one := imageAsset{Name: inv.Name, Aliases: merged(was.Aliases, inv.Aliases), Platform: inv.Platform, File: inv.File, Indexed: now}
	if known {
		one.Indexed = was.Indexed
	}
	var out []model.Write
	put := func(digest string, one imageAsset) error {
		body, err := json.Marshal(one)
		n.assets[digest] = one
		out = append(out, model.Write{Record: model.Record{Kind: kindAsset, Key: digest, Version: 1, Body: body}})
		return err
	}
	for _, name := range append([]string{one.Name}, one.Aliases...) {
		at := [2]string{name, one.Platform}
		if other := n.holder[at]; other != "" && other != inv.Digest && name != "" {
			lost := n.assets[other]
			lost.Aliases = slices.DeleteFunc(slices.Clone(lost.Aliases), func(alias string) bool { return alias == name })
			if lost.Name == name {
				lost.Name = name + "@" + other
			}
			if err := put(other, lost); err != nil {
				return nil, err
			}
		}
		n.holder[at] = inv.Digest
	}
	if known && one.Name == was.Name && one.File == was.File && one.Platform == was.Platform && slices.Equal(one.Aliases, was.Aliases) {
		return out, nil
	}
	return out, put(inv.Digest, one)
}

// merged unites two lists, sorted; a list without entries is empty.
func merged(a, b []string) []string {
	out := append(append([]string{}, a...), b...)
	slices.Sort(out)
	return slices.Compact(out)
}

// nameOf is what people call an image, else its digest.
func nameOf(assets map[string]imageAsset, digest string) string {
	return cmp.Or(assets[digest].Name, digest)
}
