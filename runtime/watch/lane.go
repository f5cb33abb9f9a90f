package watch

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/scantling/scantling/model"
	"github.com/scantling/scantling/runtime/detect"
	"github.com/scantling/scantling/runtime/ingest"
)

// round is a Watch with one program.
type round struct {
	*Watch
	live  *detect.Live
	lanes []*lane
	// whole is held by lanes, side by side, while they take a batch, and alone
	// by who looks at the position of all.
	whole sync.RWMutex
}

// lane reads one partition.
type lane struct {
	*round
	partition int
	lane      *detect.Lane
	decoders  *ingest.Decoders
	fresh     uint64 // batches from here on were not read before
	again     bool   // the batch at hand was

	mu    sync.Mutex
	next  uint64 // sequence to go on with
	last  time.Time
	ended bool
}

// read follows the partition, and goes on after errors.
func (l *lane) read(ctx context.Context) error {
	wait := backoff{}
	for {
		err := l.log.Read(ctx, l.partition, l.next, func(b model.Batch) error {
			wait = backoff{}
			return l.take(ctx, b)
		})
		if ctx.Err() != nil {
			return ctx.Err()
		}
		l.cfg.Say("reading partition %d of the log: %v; it is tried again", l.partition, err)
		if err := wait.sleep(ctx); err != nil {
			return err
		}
	}
}

// take judges a batch.
func (l *lane) take(ctx context.Context, b model.Batch) error {
	for l.live.Ready() > maxReady {
		if err := sleep(ctx, lookEvery); err != nil {
			return err
		}
	}
	l.whole.RLock()
	defer l.whole.RUnlock()
	l.again = b.Sequence < l.fresh
	events := uint64(0)
	received := b.Received
	if received.IsZero() {
		received = time.Now()
	}
	l.lane.Begin(b.Sequence, b.Stream, received)
	res, err := l.decoders.Decode(b, func(rec *ingest.Record) error {
		l.lane.AddRecord(rec)
		events++
		l.show(rec)
		return nil
	})
	if err != nil {
		return err
	}
	l.lane.End(b.Sequence + 1)
	l.began(b.Sequence+1, time.Now())
	if !l.again {
		l.batches.Add(1)
		l.records.Add(uint64(len(b.Records)))
		l.events.Add(events)
		l.dead.Add(uint64(res.Damaged))
		if l.cfg.Behind != nil {
			l.cfg.Behind(l.partition, b.Received, false)
		}
	}
	return nil
}

// show lets others see a record, unless they have seen it.
func (l *lane) show(rec *ingest.Record) {
	if l.cfg.Record != nil && !l.again {
		l.cfg.Record(l.partition, rec)
	}
}

// letter hands on a record that is no event, as show does.
func (l *lane) letter(letter ingest.DeadLetter) {
	if l.cfg.Dead != nil && !l.again {
		l.cfg.Dead(l.partition, letter)
	}
}

// began notes that a batch came, behind which next stands.
func (l *lane) began(next uint64, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.next, l.last, l.ended = next, now, false
}

// goesOn reports whether the lane may have more to read.
func (l *lane) goesOn() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return !l.ended
}

// lookAgain has it found out anew whether the lane is at its end.
func (l *lane) lookAgain() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.last, l.ended = time.Time{}, false
}

var errMore = errors.New("there is more")

// ends looks, when no batch has come for a while, whether that is because
// there is none.
func (l *lane) ends(ctx context.Context) error {
	for {
		if err := sleep(ctx, quietFor/4); err != nil {
			return err
		}
		l.mu.Lock()
		next, quiet := l.next, !l.ended && time.Since(l.last) >= quietFor
		l.mu.Unlock()
		if !quiet || l.log.Replay(ctx, l.partition, next, func(model.Batch) error { return errMore }) != nil {
			continue
		}
		l.rest(next)
	}
}

// rest notes that the lane is at its end, if no batch has come meanwhile.
func (l *lane) rest(next uint64) {
	l.whole.RLock()
	defer l.whole.RUnlock()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.next != next {
		return
	}
	l.ended = true
	l.lane.Idle(time.Now())
	if l.cfg.Behind != nil {
		l.cfg.Behind(l.partition, time.Time{}, true)
	}
}

// backoff waits longer each time, from a tenth of a second to half a minute.
type backoff struct{ wait time.Duration }

func (b *backoff) sleep(ctx context.Context) error {
	b.wait = min(max(2*b.wait, 100*time.Millisecond), 30*time.Second)
	return sleep(ctx, b.wait)
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
