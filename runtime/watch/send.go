package watch

import (
	"context"
	"time"

	"github.com/scantling/scantling/model"
	"github.com/scantling/scantling/runtime/ingest"
)

// Bounds of what one source has read that isn't on the log yet.
const (
	maxTogether = 4 << 20 // bytes of one append; as many again are read meanwhile
	maxGiven    = 1024    // chunks that wait
)

// given is a chunk on its way to the log.
type given struct {
	batch model.Batch
	to    ingest.Place
	bytes int64
}

// give has the chunks that read yields put on the log, in their order. It
// returns when read does.
func (t *tailer) give(ctx context.Context, read func(yield func(ingest.Chunk) error) error) error {
	defer close(t.given)
	return read(func(c ingest.Chunk) error {
		g := given{to: c.To, batch: model.Batch{
			ID: c.ID(), Kind: t.cfg.Kind, Stream: t.path, Index: c.From.Index, Received: time.Now().UTC(), Records: c.Records,
		}}
		if t.store == nil { // a stream that looks the same may be another one: its name tells
			g.batch.ID = t.path + g.batch.ID
		}
		for _, r := range c.Records {
			g.bytes += int64(len(r))
		}
		g.bytes = min(g.bytes, maxTogether)
		if err := t.room.Acquire(ctx, g.bytes); err != nil {
			return err
		}
		select {
		case t.given <- g:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	})
}

// send puts what is given on the log until nothing more is, or ctx is done.
// What is read while an append is under way goes together into the next: so a
// stream keeps its order, its place is that of the last append, and a slow disk
// makes appends larger.
func (t *tailer) send(ctx context.Context) {
	for {
		select {
		case g, more := <-t.given:
			if !more || t.put(ctx, t.gather(g)) != nil {
				return
			}
		case <-ctx.Done():
			return
		}
	}
}

// gather takes what waits besides.
func (t *tailer) gather(first given) []given {
	all := []given{first}
	for size := first.bytes; size < maxTogether; {
		select {
		case g, more := <-t.given:
			if !more {
				return all
			}
			all, size = append(all, g), size+g.bytes
		default:
			return all
		}
	}
	return all
}

// put puts chunks on the log, and tries until they are there. The error is that
// of ctx.
func (t *tailer) put(ctx context.Context, all []given) error {
	batches, records, size := make([]model.Batch, len(all)), 0, int64(0)
	for i, g := range all {
		batches[i] = g.batch
		records += len(g.batch.Records)
		size += g.bytes
	}
	wait := backoff{}
	for {
		err := t.log.Append(ctx, batches)
		if err == nil {
			break
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		t.cfg.Say("%s: putting %d records on the log: %v; it is tried again", t.path, records, err)
		if err := wait.sleep(ctx); err != nil {
			return err
		}
	}
	t.room.Release(size)
	t.is.Place = all[len(all)-1].to
	if t.store == nil || time.Since(t.saved) < saveEvery {
		return nil
	}
	if err := t.save(ctx); err != nil {
		t.cfg.Say("%s: its place is not written down: %v", t.path, err)
	}
	return nil
}
