package bus

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/scantling/scantling/model"
)

// publishIn bounds the wait for one acknowledgement.
const publishIn = 5 * time.Second

// entry is what one Append has for one partition.
type entry struct {
	parts []part
	done  chan error // of room one
}

// Append keeps batches, and returns when all of them are on disk. Batches that
// are there already count as kept; those without records are left out. After an
// error some may have been kept: appending the same again with their IDs is
// right. The records are not looked at after Append has returned, unless ctx
// ended it.
func (l *Log) Append(ctx context.Context, batches []model.Batch) error {
	entries := map[int]*entry{}
	for _, b := range batches {
		parts, err := cut(b, l.room)
		if err != nil {
			return fmt.Errorf("appending to the log: %w", err)
		}
		if len(parts) == 0 {
			continue
		}
		p := l.Partition(b)
		if entries[p] == nil {
			entries[p] = &entry{done: make(chan error, 1)}
		}
		entries[p].parts = append(entries[p].parts, parts...)
	}
	for p, e := range entries {
		select {
		case l.writers[p].queue <- e:
		case <-l.life.Done():
			return fmt.Errorf("appending to the log: %w", ErrClosed)
		case <-ctx.Done():
			return fmt.Errorf("appending to the log: %w", context.Cause(ctx))
		}
	}
	var failed error
	for p, e := range entries {
		select {
		case err := <-e.done:
			if err != nil {
				failed = fmt.Errorf("appending to the log: partition %d: %w", p, err)
			}
		case <-ctx.Done():
			return fmt.Errorf("appending to the log: %w", context.Cause(ctx))
		}
	}
	return failed
}

// A writer puts what waits for one partition into messages, one after the
// other: whatever comes while one is on its way goes together into the next.
type writer struct {
	log       *Log
	partition int
	queue     chan *entry

	known  bool   // what follows is as the stream is
	last   uint64 // its last message
	taken  uint64 // records up to that
	recent recent
}

func (w *writer) run() {
	for {
		select {
		case <-w.log.life.Done():
			return
		case e := <-w.queue:
			w.serve(w.gather(e))
		}
	}
}

// gather takes what waits besides, up to a message's worth.
func (w *writer) gather(first *entry) []*entry {
	all := []*entry{first}
	size := 0
	for e := first; size < w.log.room.pack; {
		for _, p := range e.parts {
			size += p.size()
		}
		select {
		case e = <-w.queue:
			all = append(all, e)
		default:
			return all
		}
	}
	return all
}

// serve writes all parts of the entries, and tells each how that went.
func (w *writer) serve(entries []*entry) {
	var parts []part
	for _, e := range entries {
		parts = append(parts, e.parts...)
	}
	err := w.write(w.log.life, parts)
	for _, e := range entries {
		e.done <- err
	}
}

// write puts parts into as few messages as they need.
func (w *writer) write(ctx context.Context, parts []part) error {
	for len(parts) > 0 {
		if !w.known {
			if err := w.catchUp(ctx); err != nil {
				return w.log.heal(err)
			}
		}
		pack, taken := w.pack(parts)
		if len(pack) > 0 {
			err := w.publish(ctx, pack)
			if isWrongLast(err) { // somebody else wrote: look again at what is new
				w.known = false
				continue
			}
			if err != nil {
				w.known = false // it may be there or not, or come yet
				return w.log.heal(err)
			}
		}
		parts = parts[taken:]
	}
	return nil
}

// pack chooses the parts of the next message from the beginning of a list, and
// leaves out those that are known. Taken is how many it looked at.
func (w *writer) pack(parts []part) (pack []part, taken int) {
	size := 0
	inPack := map[mark]bool{}
	for i, p := range parts {
		m, marked := markOf(p)
		if marked && (w.recent.has(m) || inPack[m]) {
			continue
		}
		n := p.size()
		if len(pack) > 0 && (size+n > w.log.room.pack || len(pack) == maxBatches) {
			return pack, i
		}
		size += n
		pack = append(pack, p)
		if marked {
			inPack[m] = true
		}
	}
	return pack, len(parts)
}

// publish writes one message behind the last that is known, or not at all.
func (w *writer) publish(ctx context.Context, pack []part) error {
	ctx, cancel := context.WithTimeout(ctx, publishIn)
	defer cancel()
	ack, err := w.log.js.Publish(ctx, subject(w.partition), encode(w.taken, pack),
		jetstream.WithExpectLastSequence(w.last), jetstream.WithRetryAttempts(0))
	if err != nil {
		return err
	}
	w.last = ack.Sequence
	for _, p := range pack {
		w.remember(p)
	}
	return nil
}

// heal says why an append failed, after it has done what may make the next one
// go well.
func (l *Log) heal(err error) error {
	if l.server == nil || l.life.Err() != nil {
		return err
	}
	return l.server.heal(l.cfg.Dir, err)
}

func (w *writer) remember(p part) {
	w.taken += uint64(len(p.Records))
	if m, ok := markOf(p); ok {
		w.recent.add(m)
	}
}

func isWrongLast(err error) bool {
	var api *jetstream.APIError
	return errors.As(err, &api) &&
		(api.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequence || api.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequenceConstant)
}

// rememberBytes is how much of a partition, as stored, is read back to know
// the batches that are there.
const rememberBytes = 64 << 20

// catchUp reads what the stream has and the writer doesn't know.
func (w *writer) catchUp(ctx context.Context) error {
	stream, err := w.log.stream(ctx, w.partition)
	if err != nil {
		return err
	}
	state := stream.CachedInfo().State
	from := max(w.last+1, state.FirstSeq)
	if state.Msgs > 0 {
		each := state.Bytes/state.Msgs + 1
		from = max(from, state.LastSeq-min(state.LastSeq, max(rememberBytes/each, 1), uint64(remembered))+1)
	}
	if state.Msgs == 0 || from > state.LastSeq {
		w.last, w.known = state.LastSeq, true
		return nil
	}
	err = w.log.follow(ctx, w.partition, from, state.LastSeq, func(m jetstream.Msg, message uint64) error {
		w.last = message
		h, err := decodeHead(m.Data())
		if err != nil {
			return nil // readers are told of it; the next message says how many records it had
		}
		w.taken = h.before
		for _, p := range h.parts {
			p.Records = make([][]byte, len(p.lengths))
			w.remember(p.part)
		}
		return nil
	})
	w.known = err == nil
	return err
}

// A mark stands for a part of a batch with an ID.
type mark [16]byte

func markOf(p part) (m mark, ok bool) {
	if p.ID == "" {
		return m, false
	}
	text := binary.AppendUvarint([]byte(nil), uint64(p.number))
	sum := sha256.Sum256(append(text, p.ID...))
	return mark(sum[:16]), true
}

// remembered is how many marks a partition keeps.
const remembered = 16 << 10

// recent is a ring of the newest marks.
type recent struct {
	ring []mark
	next int
	set  map[mark]struct{}
}

func (r *recent) has(m mark) bool {
	_, ok := r.set[m]
	return ok
}

func (r *recent) add(m mark) {
	if r.set == nil {
		r.set = map[mark]struct{}{}
	}
	if r.has(m) {
		return
	}
	if len(r.ring) < remembered {
		r.ring = append(r.ring, m)
	} else {
		delete(r.set, r.ring[r.next])
		r.ring[r.next] = m
		r.next = (r.next + 1) % remembered
	}
	r.set[m] = struct{}{}
}
