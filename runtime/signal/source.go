package signal

import (
	"math"
	"time"

	"github.com/scantling/scantling/model"
)

// sourceKey names a stream of one kind of log.
type sourceKey struct{ kind, stream string }

func (k sourceKey) String() string { return k.kind + " " + k.stream }

// source is what was observed of one stream. Times are those of receipt, else
// of judgement.
type source struct {
	count   int
	last    time.Time
	longest float64 // gap, in seconds; halved in a day
	window  window
	past    [pastWindows]time.Duration // smallest lags of the windows before, oldest first
	known   int                        // how many of past are set
	lagging bool
	begun   time.Time // of the lag
	latest  window    // closed last
}

const (
	pastWindows = 5
	windowSize  = time.Minute
	// silenceFactor: a source that is silent for four times its longest gap is
	// dead rather than slow.
	silenceFactor = 4
)

// window holds the smallest lags of a minute. The smallest, because a record
// may be as old as its request is long: a watch of the API server is logged
// when it ends.
type window struct {
	start    time.Time
	lag      time.Duration // from the event to its judgement
	receipt  time.Duration // from the event to its receipt
	any      bool
	received bool // the time of receipt is known
}

func (s *source) observe(ev model.Event, judged time.Time, cfg Config) {
	at := ev.Received
	if at.IsZero() {
		at = judged
	}
	if s.count > 0 && at.After(s.last) {
		s.learn(at.Sub(s.last))
	}
	s.count++
	if at.After(s.last) {
		s.last = at
	}
	if ev.Time.IsZero() {
		return
	}
	if s.window.any && judged.Sub(s.window.start) >= windowSize {
		s.close(cfg.Lag)
	}
	if !s.window.any {
		s.window = window{start: judged, any: true, lag: math.MaxInt64, receipt: math.MaxInt64}
	}
	s.window.lag = min(s.window.lag, max(0, judged.Sub(ev.Time)))
	if !ev.Received.IsZero() {
		s.window.received = true
		s.window.receipt = min(s.window.receipt, max(0, ev.Received.Sub(ev.Time)))
	}
}

// learn takes a gap. One that was an alarm counts for as much as makes it
// expected the next time, and no more.
func (s *source) learn(gap time.Duration) {
	seconds := gap.Seconds()
	if gap > s.expected() {
		seconds /= silenceFactor
	}
	s.longest = max(seconds, s.longest*math.Exp2(-gap.Hours()/24))
}

// expected is the longest silence that its gaps make likely.
func (s *source) expected() time.Duration {
	if s.count < learnedAfter {
		return mostSilence
	}
	return min(max(leastSilence, time.Duration(s.longest*silenceFactor*float64(time.Second))), mostSilence)
}

// close ends a window: the source lags when the smallest lag is over the bound,
// or has grown with every window and by a minute in all; it lags no longer when
// the lag is below half the bound and doesn't grow.
func (s *source) close(bound time.Duration) {
	w := s.window
	s.latest, s.window = w, window{}
	copy(s.past[:], s.past[1:])
	s.past[pastWindows-1] = w.lag
	s.known = min(s.known+1, pastWindows)
	grows := s.grows()
	switch {
	case !s.lagging && (w.lag > bound || grows):
		s.lagging, s.begun = true, w.start
	case s.lagging && w.lag < bound/2 && !grows:
		s.lagging = false
	}
}

func (s *source) grows() bool {
	if s.known < pastWindows || s.past[pastWindows-1]-s.past[0] < time.Minute {
		return false
	}
	for i := 1; i < pastWindows; i++ {
		if s.past[i] <= s.past[i-1] {
			return false
		}
	}
	return true
}

// burst counts what should not happen, over the last quietAfter.
type burst struct {
	steps []burstStep
	begun time.Time
}

type burstStep struct {
	at         time.Time
	bad, total uint64
}

// add takes what came since the last time, and forgets what is older than
// quietAfter.
func (b *burst) add(now time.Time, bad, total uint64) {
	b.expire(now)
	if bad > 0 && b.bad(now) == 0 {
		b.begun = now
	}
	if bad+total > 0 {
		b.steps = append(b.steps, burstStep{now, bad, total})
	}
}

// maxBursts bounds what is kept between ticks that are too near each other.
const maxBursts = 10_000

func (b *burst) expire(now time.Time) {
	n := max(0, len(b.steps)-maxBursts)
	for n < len(b.steps) && now.Sub(b.steps[n].at) >= quietAfter {
		n++
	}
	b.steps = append(b.steps[:0], b.steps[n:]...)
}

func (b *burst) sum(now time.Time) (bad, total uint64) {
	for _, s := range b.steps {
		if now.Sub(s.at) < quietAfter {
			bad, total = bad+s.bad, total+s.total
		}
	}
	return bad, total
}

func (b *burst) bad(now time.Time) uint64 {
	bad, _ := b.sum(now)
	return bad
}
