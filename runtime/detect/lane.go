package detect

import (
	"fmt"
	"math"
	"time"

	"github.com/scantling/scantling/model"
	"github.com/scantling/scantling/runtime/ingest"
)

// Lane is one part of a run: a sequence of events at rising positions. Its
// methods are for one goroutine.
type Lane struct {
	live    *Live
	matcher *Matcher
	hits    []Hit

	alerts  []model.Alert // of events since the last End
	matches []*match
	newest  int64  // the latest time of these
	stream  string // whose they are
	blind   []laneBlind
	keys    []byte // of the requests that these are about
	damaged []string

	// From here on, under live.mu.
	clock    int64 // the latest time of an event before position
	position uint64
	next     uint64
	behind   bool             // it has not been at its end yet
	idle     bool             // it is there
	received int64            // when its last batch came in
	streams  map[string]*pace // those that time may have to wait for
	samples  []sample         // by rising clock
}

// pace is how far one stream has come.
type pace struct {
	clock    int64 // the latest time of an event
	received int64 // when its last batch came in
}

// maxPaces is how many streams of a lane time waits for. With more, it doesn't
// for the one that has been silent for longest.
const maxPaces = 4096

// laneBlind is a rule that couldn't tell, with the event's index and the part of
// Lane.keys that is its request.
type laneBlind struct {
	rule, index, from, to int
}

// sample is a position of a lane with the latest time before it.
type sample struct {
	clock    int64
	position uint64
}

// maxSamples is how many positions a lane keeps. With more, every second goes:
// a run is then taken up somewhat earlier than needed.
const maxSamples = 4096

// mostAhead is how far the time of an event may lie ahead of when its batch came
// in. One that lies further ahead is no time: a window that it is in would stay
// open until then.
const mostAhead = 24 * time.Hour

// Begin says that the events that are added next are of a batch of one stream,
// which stands at a position and came in at a time.
func (l *Lane) Begin(position uint64, stream string, received time.Time) {
	l.live.mu.Lock()
	defer l.live.mu.Unlock()
	l.position, l.stream = max(l.position, position), stream
	l.received = max(l.received, micros(received))
}

// Add asks the program of one event. The event may be reused afterwards.
func (l *Lane) Add(ev model.Event) {
	var err error
	l.hits, err = l.matcher.Hits(ev, l.hits[:0])
	if hasUnknown(l.hits) {
		from := len(l.keys)
		l.keys = append(l.keys, ingest.EventKey(ev)...)
		l.unsure(ev.Index, from)
	}
	l.take(ev, err)
	l.at(ev.Time)
}

// unsure notes the rules that could not tell, of a request whose key was
// appended to keys.
func (l *Lane) unsure(index, from int) {
	for _, h := range l.hits {
		if h.Unknown {
			l.blind = append(l.blind, laneBlind{h.Rule, index, from, len(l.keys)})
		}
	}
}

// at notes when an event happened.
func (l *Lane) at(t time.Time) {
	if !t.IsZero() {
		l.newest = max(l.newest, t.UnixMicro())
	}
}

// take takes the hits of an event that are sure, and the error that left others
// out.
func (l *Lane) take(ev model.Event, err error) {
	if err != nil {
		l.damaged = append(l.damaged, fmt.Sprintf("%s#%d: %v", ev.Stream, ev.Index, err))
	}
	for _, h := range l.hits {
		if h.Unknown {
			continue
		}
		if l.live.corr != nil && len(l.live.prog.feeds[h.Rule]) > 0 {
			l.match(h.Rule, ev)
		}
		if r := &l.live.prog.rules[h.Rule]; !r.Silent {
			l.alerts = append(l.alerts, l.matcher.alert(&r.Rule, ev))
		}
	}
}

// match keeps the match of a rule for correlations.
func (l *Lane) match(rule int, ev model.Event) {
	m, clipped := l.matcher.found(rule, ev)
	m.untimed, m.clipped = ev.Time.IsZero() || m.at > l.ahead(mostAhead), clipped
	l.matches = append(l.matches, m)
}

// ahead is a moment so long after the batch at hand came in. No event moves the
// clock of its stream beyond that itself: else one that claims to come from the
// future would make all that follow it too late.
func (l *Lane) ahead(by time.Duration) int64 {
	if l.received == math.MinInt64 {
		return math.MaxInt64
	}
	return l.received + by.Microseconds()
}

// End says that the events of a batch were added, and that those to come stand
// at position next or behind it. Only now they count.
func (l *Lane) End(next uint64) {
	live := l.live
	live.mu.Lock()
	defer live.mu.Unlock()
	l.newest = min(l.newest, l.ahead(0))
	fresh := l.position >= l.next
	for _, m := range l.matches {
		live.take(m, fresh)
	}
	for _, a := range l.alerts {
		if live.given.add(a.ID) && fresh {
			live.ready = append(live.ready, a)
		}
	}
	if fresh {
		l.tell()
	}
	l.alerts, l.matches, l.blind, l.keys, l.damaged = l.alerts[:0], l.matches[:0], l.blind[:0], l.keys[:0], l.damaged[:0]
	if live.corr != nil && (fresh || l.newest > math.MinInt64) {
		l.came(fresh)
	}
	l.clock, l.newest = max(l.clock, l.newest), math.MinInt64
	l.position, l.next, l.idle = next, max(l.next, next), false
	l.sample()
	live.move(time.Time{})
}

// came notes that a batch of a stream came.
func (l *Lane) came(fresh bool) {
	s := l.streams[l.stream]
	if s == nil {
		if len(l.streams) >= maxPaces {
			oldest := l.stream
			for name, o := range l.streams {
				if oldest == l.stream || o.received < l.streams[oldest].received {
					oldest = name
				}
			}
			delete(l.streams, oldest)
		}
		s = &pace{clock: math.MinInt64, received: l.received}
		l.streams[l.stream] = s
	}
	s.clock = max(s.clock, l.newest)
	if fresh {
		s.received = l.received
	}
}

// tell counts what couldn't be judged.
func (l *Lane) tell() {
	for _, b := range l.blind {
		l.live.blind[b.rule].add(l.stream, b.index, l.keys[b.from:b.to])
	}
	if len(l.damaged) > 0 && l.live.damaged == 0 {
		l.live.first = l.damaged[0]
	}
	l.live.damaged += len(l.damaged)
}

// sample remembers the position that has been reached.
func (l *Lane) sample() {
	last := &l.samples[len(l.samples)-1]
	if last.clock >= l.clock {
		last.position = l.position
		return
	}
	if l.samples = append(l.samples, sample{l.clock, l.position}); len(l.samples) <= maxSamples {
		return
	}
	thin := l.samples[:0]
	for i, s := range l.samples {
		if i%2 == 0 || i == len(l.samples)-1 {
			thin = append(thin, s)
		}
	}
	l.samples = thin
}

// Idle says that the lane is at the end of what there is, at this time of the
// wall clock.
func (l *Lane) Idle(now time.Time) {
	l.live.mu.Lock()
	defer l.live.mu.Unlock()
	l.behind, l.idle = false, true
	l.live.move(now)
}

// least is the time that the stream which is furthest behind has come to. One
// that has been silent for four times the lateness is forgotten.
func (l *Lane) least(now time.Time, lateness int64) int64 {
	clock, until := int64(math.MaxInt64), l.received
	if l.idle && !now.IsZero() {
		until = max(until, now.UnixMicro())
	}
	for name, s := range l.streams {
		at := s.clock
		if s.received > math.MinInt64 && at > math.MinInt64 {
			at += max(0, until-s.received-lateness)
		}
		if len(l.streams) > 1 && s.received > math.MinInt64 && until-s.received > 4*lateness {
			delete(l.streams, name)
			continue
		}
		if at > math.MinInt64 { // else it had no event with a time
			clock = min(clock, at)
		}
	}
	return clock
}

// mark finds the latest position before which nothing happened that is needed,
// and forgets those before it.
func (l *Lane) mark(since int64) LaneMark {
	i := 0
	for i+1 < len(l.samples) && l.samples[i+1].clock < since {
		i++
	}
	l.samples = l.samples[i:]
	s := l.samples[0]
	mark := LaneMark{From: s.position, Next: max(l.next, l.position), Clock: moment(s.clock), Streams: map[string]StreamMark{}}
	for name, s := range l.streams {
		mark.Streams[name] = StreamMark{moment(s.clock), moment(s.received)}
	}
	return mark
}
