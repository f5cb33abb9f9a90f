package watch

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/scantling/scantling/model"
	"github.com/scantling/scantling/runtime/ingest"
)

// Sink is a log that records are put on. Append returns when they are on disk;
// a batch whose ID it has already counts as put.
type Sink interface {
	Append(ctx context.Context, batches []model.Batch) error
	Replay(ctx context.Context, partition int, from uint64, yield func(model.Batch) error) error
	Partitions() int
	At(ctx context.Context, partition int, t time.Time) (uint64, error)
}

// tailKind are records of how far a file was read: its name -> tail.
const tailKind = "watch-tail"

// tail is how far a file was read. What was put on the log after that was
// written is found there: the log is right, whatever died when.
type tail struct {
	Schema int          `json:"schema"`
	Place  ingest.Place `json:"place"`
	Ends   []uint64     `json:"ends"` // of the log's partitions, no later than Place
}

const tailSchema = 1

// TailConfig adjusts Tail. The zero value works.
type TailConfig struct {
	Kind string                           // of log; empty: the records tell
	Poll time.Duration                    // see ingest.FollowConfig
	Say  func(format string, args ...any) // as Config.Say
}

func (c TailConfig) whole() TailConfig {
	if c.Say == nil {
		c.Say = func(string, ...any) {}
	}
	return c
}

// saveEvery is how often the place in a file is written down. After a crash as
// much of the log is looked through.
const saveEvery = 15 * time.Second

// Tail puts the records of a file that grows on a log, until ctx is done. It
// goes on where it was last time: each record is put there once. See
// ingest.Follow for what is followed.
func Tail(ctx context.Context, path string, log Sink, store Store, cfg TailConfig) error {
	t := newTailer(path, log, store, cfg)
	if err := t.load(ctx); err != nil {
		return fmt.Errorf("following %s: %w", path, err)
	}
	ended := make(chan error, 1)
	go func(from ingest.Place) {
		ended <- t.give(ctx, func(yield func(ingest.Chunk) error) error { return t.follow(ctx, from, yield) })
	}(t.is.Place)
	t.send(ctx)
	err := <-ended
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastWrite)
	defer cancel()
	if e := t.save(last); e != nil {
		t.cfg.Say("%s: its place is not written down: %v", path, e)
	}
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// againEvery is how long a file rests that can't be read.
const againEvery = 5 * time.Second

// follow gives the records of the file. One that was read before and can't be
// now, as after a rotation that left it to somebody else, is tried again.
func (t *tailer) follow(ctx context.Context, at ingest.Place, yield func(ingest.Chunk) error) error {
	cfg := ingest.FollowConfig{Poll: t.cfg.Poll, Lost: func(why string) { t.cfg.Say("%s: %s", t.path, why) }}
	for {
		err := ingest.Follow(ctx, t.path, at, cfg, func(c ingest.Chunk) error {
			if err := yield(c); err != nil {
				return err
			}
			at = c.To
			return nil
		})
		var failure *fs.PathError
		if ctx.Err() != nil || at.Index == 0 || !errors.As(err, &failure) {
			return err
		}
		t.cfg.Say("%s can't be read: %v; it is tried again every %s", t.path, failure.Err, againEvery)
		if err := sleep(ctx, againEvery); err != nil {
			return err
		}
	}
}

type tailer struct {
	path  string
	log   Sink
	store Store
	cfg   TailConfig
	is    tail
	saved time.Time
	given chan given
	room  *semaphore.Weighted // of what was read and isn't on the log, in bytes
}

func newTailer(path string, log Sink, store Store, cfg TailConfig) *tailer {
	return &tailer{
		path: path, log: log, store: store, cfg: cfg.whole(),
		given: make(chan given, maxGiven), room: semaphore.NewWeighted(2 * maxTogether),
	}
}

// load finds out how far the file was read.
func (t *tailer) load(ctx context.Context) error {
	r, found, err := t.store.Get(ctx, tailKind, t.path)
	if err != nil {
		return err
	}
	if !found {
		t.is.Place = ingest.Beginning(t.path)
		return t.save(ctx) // before anything is put on the log
	}
	if err := json.Unmarshal(r.Body, &t.is); err != nil || t.is.Schema != tailSchema {
		return errors.Join(fmt.Errorf("the place in it that was written down has form %d, known is %d", t.is.Schema, tailSchema), err)
	}
	for p := range t.log.Partitions() {
		from := uint64(0)
		if p < len(t.is.Ends) {
			from = t.is.Ends[p]
		}
		if err := t.log.Replay(ctx, p, from, t.recall); err != nil {
			return err
		}
	}
	return t.save(ctx)
}

// recall looks at a batch that is on the log.
func (t *tailer) recall(b model.Batch) error {
	if b.Stream != t.path {
		return nil
	}
	if to, ok := ingest.ParseChunkID(b.ID); ok && to.Index > t.is.Place.Index {
		t.is.Place = to
	}
	return nil
}

// save writes the place down.
func (t *tailer) save(ctx context.Context) error {
	t.saved = time.Now()
	ends := make([]uint64, t.log.Partitions())
	for p := range ends {
		var err error
		if ends[p], err = t.log.At(ctx, p, time.Now().AddDate(100, 0, 0)); err != nil {
			return err
		}
	}
	t.is.Schema, t.is.Ends = tailSchema, ends
	body, err := json.Marshal(t.is)
	if err != nil {
		return err
	}
	return t.store.Apply(ctx, []model.Write{{Record: model.Record{Kind: tailKind, Key: t.path, Version: time.Now().UnixMicro(), Body: body}}})
}

// Pipe puts the records of a stream on a log until it ends or ctx is done.
// Records that were read and not put there yet are lost with the process:
// nobody gives them again. name tells the stream from others, also from
// earlier ones of its kind.
func Pipe(ctx context.Context, name string, r io.Reader, log Sink, cfg TailConfig) error {
	t := newTailer(name, log, nil, cfg)
	ended := make(chan error, 1)
	go func() { // it may hang in a read that nothing ends
		ended <- t.give(ctx, func(yield func(ingest.Chunk) error) error { return ingest.Cut(r, yield) })
	}()
	t.send(ctx)
	if ctx.Err() != nil {
		return nil
	}
	if err := <-ended; err != nil {
		return fmt.Errorf("reading %s: %w", name, err)
	}
	return nil
}
