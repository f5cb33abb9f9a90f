package index

import (
	"context"
	"encoding/hex"
	"fmt"

	"github.com/scantling/scantling/model"
)

// loadChunk is how many images are entered at a time. Tests set it lower.
var loadChunk = 4096

// load brings the index to what the records say: from the segment, or by
// making everything anew where that can't be used, and then by the changes
// since. Where the segment is the one that is loaded, the changes suffice.
//
// Another process may compact meanwhile. Then changes and sets that the segment
// covers are deleted while they are read, and what was read is of two moments:
// it is read again.
func (e *Engine) load(ctx context.Context) error {
	before, err := e.newest(ctx)
	if err != nil {
		return err
	}
	for range attempts {
		failed := e.loadFrom(ctx, before)
		after, err := e.newest(ctx)
		if err != nil {
			return err
		}
		if after.Version == before.Version {
			return failed
		}
		before = after
	}
	return fmt.Errorf("%w: compacted %d times while it was read", model.ErrConflict, attempts)
}

// newest is the record of the segment, the zero one where there is none yet.
func (e *Engine) newest(ctx context.Context) (newest model.Record, err error) {
	for r, err := range e.records.Scan(ctx, kindSegment, "", "") {
		if err != nil {
			return model.Record{}, err
		}
		newest = r
	}
	return newest, nil
}

func (e *Engine) loadFrom(ctx context.Context, newest model.Record) error {
	head, _, err := e.records.Get(ctx, kindHead, keyHead)
	if err != nil {
		return err
	}
	if newest.Version != e.loaded || e.index.sequence() == 0 {
		if err := e.reload(ctx, newest, head.Version); err != nil {
			return err
		}
	}
	if err := e.replay(ctx, e.index.sequence()+1); err != nil {
		return err
	}
	e.index.setSequence(head.Version)
	return nil
}

// reload starts over from a segment, or without one.
func (e *Engine) reload(ctx context.Context, newest model.Record, head int64) error {
	e.rebuilt = nil
	e.loaded = newest.Version
	if newest.Key != "" {
		s, err := e.folder.read(newest)
		if err == nil {
			e.index.replace(s, s.covers)
			return nil
		}
		e.rebuilt = err
	}
	e.index.replace(emptySegment(), 0)
	if err := e.rebuild(ctx, head); err != nil {
		return fmt.Errorf("making the segment anew: %w", err)
	}
	return nil
}

// rebuild enters all images of the records with their sets, and then the sets
// that no image has, which a compaction has to know to drop them. Where images
// are many, they become segments in memory on the way. Changes that come in
// meanwhile are entered again by the replay that follows.
func (e *Engine) rebuild(ctx context.Context, head int64) error {
	var images []Image
	for r, err := range e.records.Scan(ctx, kindImage, "", "") {
		if err != nil {
			return err
		}
		image, err := readImage(r)
		if err != nil {
			return err
		}
		if images = append(images, image); len(images) < loadChunk {
			continue
		}
		if err := e.enter(ctx, images, nil); err != nil {
			return err
		}
		images = images[:0]
		if e.index.delta.size() > max(minCompact, e.index.segment.digests.n) {
			if err := e.condense(); err != nil {
				return err
			}
		}
	}
	if err := e.enter(ctx, images, nil); err != nil {
		return err
	}
	for r, err := range e.records.Scan(ctx, kindSet, "", "") {
		if err != nil {
			return err
		}
		s, err := readSet(r)
		if err != nil {
			return err
		}
		e.index.enter(0, e.index.unknown([]Image{{Sets: []Set{s}}}), nil, nil)
	}
	e.index.setSequence(head)
	return nil
}

// condense makes a segment in memory. All sets that the index has are those of
// images then, so that none is dropped.
func (e *Engine) condense() error {
	data, _ := merge(e.index.segment, e.index.delta, 0)
	s, err := openSegment(data)
	if err != nil {
		return err
	}
	e.index.replace(s, 0)
	return nil
}

// replay enters the changes from a sequence number on, each image as it is
// now, and the sets that came, whether or not an image still has them: a
// compaction has to know what it drops.
func (e *Engine) replay(ctx context.Context, from int64) error {
	seen := map[string]bool{}
	var came Image // stands for all sets that did
	var images []Image
	var gone []string
	for r, err := range e.records.Scan(ctx, kindChange, sequenceKey(from), "") {
		if err != nil {
			return err
		}
		for body := r.Body; len(body) > 0; {
			var what string
			if what, body, err = cutText(body); err != nil || what == "" {
				return fmt.Errorf("reading change %x: %w", r.Key, errTruncated)
			}
			if seen[what] {
				continue
			}
			seen[what] = true
			if what[:1] == changedSet && len(what) == 1+len(Hash{}) {
				came.Sets = append(came.Sets, Set{Hash: Hash([]byte(what[1:]))})
				continue
			}
			now, ok, err := e.records.Get(ctx, kindImage, what[1:])
			if err != nil {
				return err
			}
			if !ok {
				gone = append(gone, what[1:])
				continue
			}
			image, err := readImage(now)
			if err != nil {
				return err
			}
			images = append(images, image)
		}
	}
	if err := e.enterSets(ctx, []Image{came}); err != nil {
		return err
	}
	return e.enter(ctx, images, gone)
}

// enterSets enters the sets of images that the index doesn't know yet.
func (e *Engine) enterSets(ctx context.Context, images []Image) error {
	sets := e.index.unknown(images)
	for i, s := range sets {
		key := hex.EncodeToString(s.Hash[:])
		r, ok, err := e.records.Get(ctx, kindSet, key)
		if err != nil {
			return err
		}
		if !ok {
			return fmt.Errorf("component set %s, which was indexed, is missing", key)
		}
		if sets[i], err = readSet(r); err != nil {
			return err
		}
	}
	e.index.enter(e.index.sequence(), sets, nil, nil)
	return nil
}

// enter enters images of the records, with the sets that they bring.
func (e *Engine) enter(ctx context.Context, images []Image, gone []string) error {
	if err := e.enterSets(ctx, images); err != nil {
		return err
	}
	var put []Image
	for _, image := range images {
		if !e.index.has(image) {
			put = append(put, image)
		}
	}
	e.index.enter(e.index.sequence(), nil, put, gone)
	return nil
}
