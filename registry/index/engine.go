package index

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"sync"

	"github.com/scantling/scantling/model"
)

const (
	// MaxImages bounds the index: places in a segment have 32 bits.
	MaxImages = 1 << 25
	// maxDigest is in bytes; the keys of records have no more room.
	maxDigest = 1024
	// maxModule is the longest name of a module and its stream, and maxRelease
	// the longest ecosystem with its release, in bytes: they are a part of the
	// keys of findings, and an image must not keep an advisory from being stored.
	maxModule, maxRelease = 128, 128
	// chunkRows is how many findings of new components go to disk at once.
	chunkRows = 20_000
	// workers is how many packages are evaluated at once.
	workers = 4
	// attempts is how often a change is computed anew after another process
	// was faster.
	attempts = 4
)

// minCompact is how many images may have come or gone before a segment is made
// anew; with a large segment it is a quarter of its images. Reading so many
// again takes a restart some two seconds. Tests set it lower.
var minCompact = 1 << 16

// Engine keeps the index and the findings. It is safe for concurrent use:
// changes go one after another, questions are answered meanwhile. Several
// processes may change one store; each sees what the others did when it next
// changes something, or is told to Refresh.
type Engine struct {
	records    Records
	advisories Advisories
	folder     folder
	writing    sync.Mutex // one change at a time
	index      *index
	loaded     int64 // sequence number of the segment record that the index stands on
	rebuilt    error
}

// Open loads the index from dir, where its segments are, and from the records.
// A segment that is missing or damaged is made anew from the records, which
// takes longer and loses nothing.
func Open(ctx context.Context, records Records, advisories Advisories, dir string) (*Engine, error) {
	e := &Engine{records: records, advisories: advisories, folder: folder(dir), index: newIndex(emptySegment())}
	first := write(kindHead, keyHead, 1, nil)
	first.If = model.IfAbsent
	if err := records.Apply(ctx, []model.Write{first}); err != nil && !errors.Is(err, model.ErrConflict) {
		return nil, fmt.Errorf("opening the index: %w", err)
	}
	if err := e.load(ctx); err != nil {
		return nil, fmt.Errorf("opening the index: %w", err)
	}
	if e.rebuilt != nil || e.crowded() {
		if err := e.Compact(ctx); err != nil {
			return nil, err
		}
	}
	return e, nil
}

// Rebuilt says why the segment could not be used when it was last loaded; nil
// where it could.
func (e *Engine) Rebuilt() error {
	e.writing.Lock()
	defer e.writing.Unlock()
	return e.rebuilt
}

// Refresh brings the index to what other processes did.
func (e *Engine) Refresh(ctx context.Context) error {
	e.writing.Lock()
	defer e.writing.Unlock()
	return e.refresh(ctx)
}

func (e *Engine) refresh(ctx context.Context) error {
	head, _, err := e.records.Get(ctx, kindHead, keyHead)
	if err == nil && head.Version != e.index.sequence() {
		err = e.load(ctx)
	}
	if err != nil {
		return fmt.Errorf("reading what was indexed: %w", err)
	}
	return nil
}

// Add enters images, or new sets of images that are known. Sets that the index
// knows may come without their components. When it returns,
// they are on disk, with what the advisories say of their components, and with
// one Transition of the kind Indexed that names those that are new or changed.
func (e *Engine) Add(ctx context.Context, images ...Image) error {
	for _, image := range images {
		if image.Digest == "" || len(image.Digest) > maxDigest {
			return fmt.Errorf("indexing %.80q: a digest has 1 to %d bytes", image.Digest, maxDigest)
		}
		for _, s := range image.Sets {
			for _, c := range s.Components {
				if len(c.Ecosystem) > maxRelease || len(c.Module) > maxModule {
					return fmt.Errorf("indexing %s: the release of %.80q is longer than %d bytes", image.Digest, c.Name, maxRelease)
				}
			}
		}
	}
	if err := e.update(ctx, images, nil); err != nil {
		return fmt.Errorf("indexing %d images: %w", len(images), err)
	}
	return nil
}

// Remove takes images out. That tells nobody anything.
func (e *Engine) Remove(ctx context.Context, digests ...string) error {
	if err := e.update(ctx, nil, digests); err != nil {
		return fmt.Errorf("removing %d images from the index: %w", len(digests), err)
	}
	return nil
}

// update enters and removes images as one change.
func (e *Engine) update(ctx context.Context, images []Image, digests []string) error {
	e.writing.Lock()
	defer e.writing.Unlock()
	err := e.retry(ctx, func(head int64) error {
		put, drop := e.news(images, digests)
		if len(put)+len(drop) == 0 {
			return nil
		}
		if e.index.count()+len(put) > MaxImages {
			return fmt.Errorf("more than %d images", MaxImages)
		}
		sets := e.index.unknown(put)
		for _, s := range sets {
			if s.Hash != hashOf(s.Components) {
				return fmt.Errorf("set %x is not known, and its components have another hash", s.Hash)
			}
		}
		rows, err := e.discover(ctx, sets, head)
		if err != nil {
			return err
		}
		writes, err := imageWrites(sets, put, drop, head+1)
		if err != nil {
			return err
		}
		if err := e.records.Apply(ctx, slices.Concat(rows, writes, []model.Write{headWrite(head, head+1)})); err != nil {
			return err
		}
		e.index.enter(head+1, sets, put, drop)
		return nil
	})
	if err == nil && e.crowded() {
		return e.compact(ctx)
	}
	return err
}

// retry makes a change at the head of the index, again if another process was
// faster.
func (e *Engine) retry(ctx context.Context, change func(head int64) error) error {
	for attempt := 1; ; attempt++ {
		if err := e.refresh(ctx); err != nil {
			return err
		}
		err := change(e.index.sequence())
		if !errors.Is(err, model.ErrConflict) || attempt == attempts {
			return err
		}
	}
}

// news leaves out images that are known as they are and digests that aren't
// known. Of an image that is named twice the last counts.
func (e *Engine) news(images []Image, digests []string) (put []Image, drop []string) {
	seen := map[string]bool{}
	for _, image := range slices.Backward(images) {
		if !seen[image.Digest] && !e.index.has(image) {
			put = append(put, image)
		}
		seen[image.Digest] = true
	}
	slices.Reverse(put)
	for _, digest := range digests {
		if !seen[digest] && e.index.knows(digest) {
			drop = append(drop, digest)
		}
		seen[digest] = true
	}
	return put, drop
}

// imageWrites are the records of new sets, of images that come and go, of the
// change itself, and of its transition.
func imageWrites(sets []Set, put []Image, drop []string, sequence int64) ([]model.Write, error) {
	var out []model.Write
	var changed []byte
	for _, s := range sets {
		out = append(out, setWrite(s, sequence))
		changed = appendText(changed, changedSet+string(s.Hash[:]))
	}
	told := Transition{Kind: Indexed}
	for _, image := range put {
		out = append(out, imageWrite(image, sequence))
		changed = appendText(changed, changedImage+image.Digest)
		told.Images = append(told.Images, image.Digest)
	}
	for _, digest := range drop {
		out = append(out, erase(kindImage, digest))
		changed = appendText(changed, changedImage+digest)
	}
	out = append(out, write(kindChange, sequenceKey(sequence), sequence, changed))
	if len(put) == 0 {
		return out, nil
	}
	row, err := transitionWrite(&told, sequence)
	return append(out, row), err
}

// Size counts what the index holds.
func (e *Engine) Size() Size { return e.index.size() }

// Images unites the images that transitions are about, as they are now.
func (e *Engine) Images(transitions ...Transition) *Images {
	versions := map[Component]bool{}
	var digests []string
	for _, t := range transitions {
		if t.Kind == Indexed {
			digests = append(digests, t.Images...)
		} else {
			versions[Component{t.Ecosystem, t.Package, t.Version, t.Module}] = true
		}
	}
	return e.index.imagesOf(versions, digests)
}

// Pending lists the transitions that nobody has declared done, oldest first.
func (e *Engine) Pending(ctx context.Context) iter.Seq2[Transition, error] {
	return func(yield func(Transition, error) bool) {
		for r, err := range e.records.Scan(ctx, kindTransition, "", "") {
			if err != nil {
				yield(Transition{}, fmt.Errorf("reading transitions: %w", err))
				return
			}
			t, err := readTransition(r)
			if !yield(t, err) || err != nil {
				return
			}
		}
	}
}

// Done declares transitions done: they are pending no more. Those that aren't
// pending are no error.
func (e *Engine) Done(ctx context.Context, ids ...string) error {
	var writes []model.Write
	for _, id := range ids {
		writes = append(writes, erase(kindTransition, id))
	}
	if err := e.records.Apply(ctx, writes); err != nil {
		return fmt.Errorf("declaring %d transitions done: %w", len(ids), err)
	}
	return nil
}

// crowded reports whether the delta has grown so much that a new segment is
// due.
func (e *Engine) crowded() bool {
	return e.index.delta.size() > max(minCompact, e.index.segment.digests.n/4)
}

// Compact makes a new segment of the old one and all changes since. Sets that
// no image has any more are dropped, from the records too. Questions are
// answered meanwhile, changes wait: a million images take some seconds.
func (e *Engine) Compact(ctx context.Context) error {
	e.writing.Lock()
	defer e.writing.Unlock()
	return e.compact(ctx)
}

func (e *Engine) compact(ctx context.Context) error {
	err := e.retry(ctx, func(head int64) error {
		data, swept := merge(e.index.segment, e.index.delta, head+1)
		made, err := openSegment(data)
		if err != nil {
			return err
		}
		name := segmentName(head + 1)
		sum, err := e.folder.write(name, data)
		if err != nil {
			return err
		}
		writes := []model.Write{write(kindSegment, name, head+1, sum), headWrite(head, head+1)}
		for r, err := range e.records.Scan(ctx, kindSegment, "", "") {
			if err != nil {
				return err
			}
			if r.Key != name {
				writes = append(writes, erase(kindSegment, r.Key))
			}
		}
		for _, h := range swept {
			writes = append(writes, erase(kindSet, fmt.Sprintf("%x", h[:])))
		}
		if err := e.records.Apply(ctx, writes); err != nil {
			return err
		}
		e.index.replace(made, head+1)
		e.loaded = head + 1
		return nil
	})
	if err != nil {
		return fmt.Errorf("compacting the index: %w", err)
	}
	e.folder.sweep(segmentName(e.loaded))
	return e.trim(ctx)
}

// trim deletes the changes that the segment covers, some at a time.
func (e *Engine) trim(ctx context.Context) error {
	var writes []model.Write
	for r, err := range e.records.Scan(ctx, kindChange, "", sequenceKey(e.loaded+1)) {
		if err != nil {
			return fmt.Errorf("compacting the index: %w", err)
		}
		writes = append(writes, erase(kindChange, strings.Clone(r.Key)))
	}
	for part := range slices.Chunk(writes, chunkRows) {
		if err := e.records.Apply(ctx, part); err != nil {
			return fmt.Errorf("compacting the index: %w", err)
		}
	}
	return nil
}
