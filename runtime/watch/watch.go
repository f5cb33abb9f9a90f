package watch

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/scantling/scantling/model"
	"github.com/scantling/scantling/runtime/detect"
	"github.com/scantling/scantling/runtime/ingest"
)

// Log is where raw records are kept, as package bus keeps them. Read follows
// what comes until ctx is done, Replay ends at what was there when it began.
type Log interface {
	Read(ctx context.Context, partition int, from uint64, yield func(model.Batch) error) error
	Replay(ctx context.Context, partition int, from uint64, yield func(model.Batch) error) error
	Partitions() int
	At(ctx context.Context, partition int, t time.Time) (uint64, error)
}

// Store keeps records; a batch happens as a whole or not at all.
type Store interface {
	Get(ctx context.Context, kind, key string) (model.Record, bool, error)
	Scan(ctx context.Context, kind, from, to string) iter.Seq2[model.Record, error]
	Apply(ctx context.Context, writes []model.Write) error
}

// Config says what a Watch does besides. The zero value works.
type Config struct {
	Cluster string        // name in asset keys
	Bounds  detect.Bounds // of correlations
	Keep    time.Duration // how long after its event the record of an alert stays; 0: for ever. Keep it longer than the log: what is judged again afterwards is told again

	Enrich   func(model.Alert) model.Alert                  // what else is known of an alert; may be nil
	Outbox   func(model.Alert) ([]model.Write, error)       // what is owed to those who should know of it; may be nil
	Tell     func([]model.Alert) error                      // is told of alerts before they are recorded, so at least once; may be nil
	Recorded func()                                         // is called when alerts, and what is owed for them, were recorded; may be nil
	Record   func(partition int, rec *ingest.Record)        // is shown each event's record once a run, from one goroutine a partition; may be nil
	Dead     func(partition int, letter ingest.DeadLetter)  // takes records that are no events; as Record
	Behind   func(partition int, oldest time.Time, at bool) // when the batch at hand came in, and whether the end was reached; as Record
	Say      func(format string, args ...any)               // talk of what goes wrong and is tried again; may be nil
}

// How often it does what.
const (
	lookEvery  = 100 * time.Millisecond // for alerts to record
	writeEvery = time.Second            // the position, where there are none
	restEvery  = 15 * time.Second       // the position, where no batch came
	quietFor   = time.Second            // without a batch, before it is asked whether the end is reached
	lastWrite  = 10 * time.Second       // at the end
	maxReady   = 10_000                 // alerts that wait to be recorded, before reading waits
)

// Counters say what a Watch did since it began.
type Counters struct {
	Batches, Records, Events, Dead, Alerts uint64
}

// Watch reads one log. Run may be called once.
type Watch struct {
	log   Log
	store Store
	cfg   Config

	missed   []model.Incomplete // before it began
	position position
	wrote    time.Time     // the position
	mu       sync.Mutex    // of what follows
	raised   []model.Alert // by others, to be recorded
	at       *round        // nil before the first

	batches, records, events, dead, alerts atomic.Uint64
}

// New prepares to watch a log. It reads the position from the store.
func New(ctx context.Context, log Log, store Store, cfg Config) (*Watch, error) {
	w := &Watch{log: log, store: store, cfg: cfg}
	if w.cfg.Say == nil {
		w.cfg.Say = func(string, ...any) {}
	}
	if err := w.position.load(ctx, store); err != nil {
		return nil, fmt.Errorf("watching: %w", err)
	}
	return w, w.fits(ctx)
}

// fits makes sure that the position is one of this log: a log that was made
// anew is read from its beginning.
func (w *Watch) fits(ctx context.Context) error {
	mark := &w.position.Mark
	fits := len(mark.Lanes) == 0 || len(mark.Lanes) == w.log.Partitions()
	for p := range mark.Lanes {
		if !fits {
			break
		}
		end, err := w.log.At(ctx, p, time.Now().AddDate(100, 0, 0))
		if err != nil {
			return fmt.Errorf("watching: %w", err)
		}
		fits = mark.Lanes[p].Next <= end
	}
	if !fits {
		const why = "it ends before what was watched already: it was made anew, or its end is damaged and what stood there is lost"
		w.cfg.Say("the log is not the one that was watched before: %s; it is read from its beginning", why)
		w.missed = append(w.missed, model.Incomplete{What: "log", Why: why})
		*mark = detect.Mark{}
	}
	return nil
}

// ReplayFrom sets the position to what the log took in at a time or later.
// Alerts that are recorded already are not recorded again.
func (w *Watch) ReplayFrom(ctx context.Context, t time.Time) error {
	mark := detect.Mark{}
	for p := range w.log.Partitions() {
		at, err := w.log.At(ctx, p, t)
		if err != nil {
			return fmt.Errorf("watching from %s on: %w", t.Format(time.RFC3339), err)
		}
		mark.Lanes = append(mark.Lanes, detect.LaneMark{From: at, Next: at})
	}
	w.position.Mark = mark
	return nil
}

// Run watches until ctx is done, and records what it knows by then. A program
// that comes from rules takes over from the one before.
func (w *Watch) Run(ctx context.Context, program *detect.Program, rules <-chan *detect.Program) error {
	for {
		round, stop := context.WithCancel(ctx)
		var next *detect.Program
		var waiting sync.WaitGroup
		waiting.Go(func() {
			select {
			case next = <-rules:
				stop()
			case <-round.Done():
			}
		})
		err := w.round(round, program)
		stop()
		waiting.Wait()
		if err != nil {
			return fmt.Errorf("watching: %w", err)
		}
		if ctx.Err() != nil {
			return nil
		}
		if next == nil {
			return errors.New("watching: ended for no reason")
		}
		program = next
	}
}

// round watches with one program until ctx is done.
func (w *Watch) round(ctx context.Context, program *detect.Program) error {
	r := &round{Watch: w, live: detect.NewLive(program, w.log.Partitions(), w.cfg.Bounds, w.position.Mark)}
	g, ctx := errgroup.WithContext(ctx)
	for p := range w.log.Partitions() {
		l := &lane{round: r, partition: p, lane: r.live.Lane(p)}
		l.decoders = ingest.NewDecoders(ingest.Config{Cluster: w.cfg.Cluster, DeadLetter: l.letter})
		if p < len(w.position.Mark.Lanes) {
			l.next, l.fresh = w.position.Mark.Lanes[p].From, w.position.Mark.Lanes[p].Next
		}
		r.lanes = append(r.lanes, l)
	}
	w.mu.Lock()
	w.at = r
	w.mu.Unlock()
	for _, l := range r.lanes {
		g.Go(func() error { return l.read(ctx) })
		g.Go(func() error { return l.ends(ctx) })
	}
	g.Go(func() error { return r.record(ctx) })
	g.Go(func() error { return r.forget(ctx) })
	err := g.Wait()
	if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		err = nil
	}
	if err != nil {
		return err
	}
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastWrite)
	defer cancel()
	return r.write(last)
}

// Raise records alerts that others found, with those of the detections.
func (w *Watch) Raise(alerts ...model.Alert) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.raised = append(w.raised, alerts...)
}

// Counters returns what was counted so far. What is read again after a restart
// isn't.
func (w *Watch) Counters() Counters {
	return Counters{w.batches.Load(), w.records.Load(), w.events.Load(), w.dead.Load(), w.alerts.Load()}
}

// Incomplete says what the detections of the program at hand could not judge.
func (w *Watch) Incomplete() []model.Incomplete {
	r := w.current()
	if r == nil {
		return w.missed
	}
	return slices.Concat(w.missed, r.live.Incomplete())
}

// Settle waits until all that is on the log now has been judged.
func (w *Watch) Settle(ctx context.Context) error {
	if r := w.current(); r != nil {
		for _, l := range r.lanes {
			l.lookAgain()
		}
	}
	for {
		if r := w.current(); r != nil && !slices.ContainsFunc(r.lanes, (*lane).goesOn) {
			return nil
		}
		if err := sleep(ctx, lookEvery); err != nil {
			return err
		}
	}
}

// current is the round at hand, nil before the first.
func (w *Watch) current() *round {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.at
}
