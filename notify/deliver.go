package notify

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/scantling/scantling/model"
	"github.com/scantling/scantling/notify/sink"
)

// An Output is one sink and how alerts are brought to it.
type Output struct {
	Name   string // unique; lower-case letters, digits and hyphens, at most 64
	Sink   sink.Sink
	Window time.Duration // of groups; 0: every alert by itself
	By     By
	Level  model.Severity // alerts below it are not for this sink
	To     string         // its address, for people
}

// Options of a Deliverer. The zero value works.
type Options struct {
	Log      *slog.Logger     // nil: nothing is logged
	Now      func() time.Time // nil: the clock
	MinWait  time.Duration    // after the first failure; 0: a second
	MaxWait  time.Duration    // between tries; 0: five minutes
	Poll     time.Duration    // how often the store is asked unless Wake tells; 0: two seconds
	PerBatch int              // messages handed over at once; 0: 100
	Tries    int              // in a row after which Drain gives a sink up; 0: it goes on until the context ends
}

// A Deliverer brings what is owed to the sinks. Its methods may be called from
// several goroutines, Run and Drain from one at a time.
type Deliverer struct {
	store Store
	lanes []*lane
	opts  Options
}

// New prepares the delivery to outputs.
func New(store Store, outputs []Output, opts Options) *Deliverer {
	if opts.Log == nil {
		opts.Log = slog.New(slog.DiscardHandler)
	}
	if opts.Now == nil {
		opts.Now = time.Now
	}
	setDefault(&opts.MinWait, time.Second)
	setDefault(&opts.MaxWait, 5*time.Minute)
	setDefault(&opts.Poll, 2*time.Second)
	if opts.PerBatch == 0 {
		opts.PerBatch = 100
	}
	d := &Deliverer{store: store, opts: opts}
	for _, o := range outputs {
		d.lanes = append(d.lanes, &lane{Output: o, store: store, opts: opts, wake: make(chan struct{}, 1)})
	}
	return d
}

func setDefault(d *time.Duration, to time.Duration) {
	if *d == 0 {
		*d = to
	}
}

// Writes are the records by which an alert is owed to the sinks that want it.
func (d *Deliverer) Writes(a model.Alert) ([]model.Write, error) {
	var names []string
	for _, l := range d.lanes {
		if a.Level >= l.Level {
			names = append(names, l.Name)
		}
	}
	return Writes(a, names)
}

// Wake tells that something was put into the outbox. It never blocks.
func (d *Deliverer) Wake() {
	for _, l := range d.lanes {
		select {
		case l.wake <- struct{}{}:
		default:
		}
	}
}

// Run delivers until the context ends, and then returns nil. What goes wrong
// is logged and tried again.
func (d *Deliverer) Run(ctx context.Context) error {
	var g errgroup.Group
	for _, l := range d.lanes {
		g.Go(func() error {
			l.run(ctx)
			return nil
		})
	}
	return g.Wait()
}

// Drain delivers everything that is owed, held alerts too, though their
// windows are open. When the context ends first, or a sink failed too often,
// the error names it; what is left stays in the outbox.
func (d *Deliverer) Drain(ctx context.Context) error {
	errs := make([]error, len(d.lanes))
	var g errgroup.Group
	for i, l := range d.lanes {
		g.Go(func() error {
			errs[i] = l.drain(ctx)
			return nil
		})
	}
	return errors.Join(g.Wait(), errors.Join(errs...))
}

// Close closes the sinks.
func (d *Deliverer) Close() error {
	var errs []error
	for _, l := range d.lanes {
		errs = append(errs, l.Sink.Close())
	}
	return errors.Join(errs...)
}

// Status is what became of the messages to one sink since the program started.
// What is still owed Survey tells.
type Status struct {
	Name, To  string
	Sent      uint64    // messages
	Grouped   uint64    // alerts within messages about groups
	Failed    uint64    // messages that have to be sent again
	Rejected  uint64    // messages
	LastError string    // empty: the last try went well
	Since     time.Time // of the failures in a row
}

// Status is that of each sink, in their order.
func (d *Deliverer) Status() []Status {
	var out []Status
	for _, l := range d.lanes {
		l.mu.Lock()
		s := l.status
		l.mu.Unlock()
		s.Name, s.To = l.Name, l.To
		out = append(out, s)
	}
	return out
}

// A lane brings alerts to one sink, one round after another.
type lane struct {
	Output
	store Store
	opts  Options
	wake  chan struct{}

	fails  int           // in a row
	asked  time.Duration // by the receiver, to be left alone
	purged time.Time

	mu     sync.Mutex
	status Status
}

func (l *lane) run(ctx context.Context) {
	for ctx.Err() == nil {
		more, err := l.round(ctx, false)
		switch {
		case ctx.Err() != nil:
		case err != nil:
			l.opts.Log.WarnContext(ctx, "delivery failed", "sink", l.Name, "tries", l.fails, "error", err)
			l.sleep(ctx, l.backoff(), nil)
		case !more:
			l.sleep(ctx, l.opts.Poll, l.wake)
		}
	}
}

func (l *lane) drain(ctx context.Context) error {
	for {
		more, err := l.round(ctx, true)
		if err == nil && !more {
			return nil
		}
		given := err != nil && l.opts.Tries > 0 && l.fails >= l.opts.Tries
		if err != nil && !given {
			l.sleep(ctx, l.backoff(), nil)
		}
		if given || ctx.Err() != nil {
			if err == nil {
				err = ctx.Err()
			}
			return fmt.Errorf("sink %s: not all alerts were taken, they stay in the outbox: %w", l.Name, err)
		}
	}
}

func (l *lane) sleep(ctx context.Context, d time.Duration, wake <-chan struct{}) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	case <-wake:
	}
}

// backoff is how long to wait after failures in a row: doubled each time, at
// least half of it, the rest by chance, so that lanes don't beat in time; and
// no less than the receiver asks for.
func (l *lane) backoff() time.Duration {
	d := l.opts.MaxWait
	if n := l.fails - 1; n < 30 {
		d = min(d, l.opts.MinWait<<max(n, 0))
	}
	d = d/2 + rand.N(d/2+1)
	return max(d, l.asked)
}
