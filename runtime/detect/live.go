package detect

import (
	"fmt"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/scantling/scantling/model"
)

// Live is one run of a program over logs without an end. They are read in
// lanes, each by a goroutine of its own; what rules with correlations matched
// meets in one place, in the order of its time (decision 087).
//
// An alert on one event is ready when its batch was added: of several stages of
// a request it shows the one that came first. That of a correlation is ready
// when nothing can come any more that would change it. Both are given once.
//
// It keeps, besides what Bounds say, the ids of the latest 131,072 alerts: a
// later stage of a request that raised an alert before those is given again,
// with the same id.
type Live struct {
	prog   *Program
	bounds Bounds
	lanes  []*Lane

	mu      sync.Mutex
	corr    *correlator // nil without correlations
	judged  int64       // alerts of correlations from before were given by the run that this one continues
	ready   []model.Alert
	given   lately
	blind   []blind // by rule
	damaged int     // events that couldn't be judged
	first   string  // of them
}

// defaultGiven is how many ids of alerts are kept.
const defaultGiven = 1 << 17

// Mark is where a run can be taken up again, by another Live of the same
// program or one with other rules. The zero value is the beginning.
type Mark struct {
	// Since is the time from which on correlations need what happened; zero:
	// all of it.
	Since time.Time `json:"since,omitzero"`
	// Judged is the time up to which correlations have told what they found.
	Judged time.Time  `json:"judged,omitzero"`
	Lanes  []LaneMark `json:"lanes"`
}

// LaneMark is the part of a mark that is one lane's. Positions are the
// caller's, see Lane.End.
type LaneMark struct {
	From    uint64                `json:"from"`           // to be read again from here, for correlations
	Next    uint64                `json:"next"`           // alerts on single events from before were given
	Clock   time.Time             `json:"clock,omitzero"` // the latest time of an event before From
	Streams map[string]StreamMark `json:"streams,omitempty"`
}

// StreamMark says how far one stream of a lane has come, before Next.
type StreamMark struct {
	Clock    time.Time `json:"clock,omitzero"`    // the latest time of an event
	Received time.Time `json:"received,omitzero"` // when its last batch came in
}

// NewLive starts a run in as many lanes as are asked for, or goes on where
// another one was. Bounds.Lateness is one minute where it is zero.
func NewLive(p *Program, lanes int, bounds Bounds, from Mark) *Live {
	if bounds.Lateness == 0 {
		bounds.Lateness = time.Minute
	}
	l := &Live{prog: p, bounds: bounds, judged: micros(from.Judged), given: lately{most: defaultGiven, ids: map[string]bool{}}, blind: make([]blind, len(p.rules))}
	if len(p.correlations) > 0 {
		l.corr = newCorrelator(p, bounds)
		l.corr.judged, l.corr.since = l.judged, micros(from.Since)
	}
	for i := range lanes {
		at := LaneMark{}
		if i < len(from.Lanes) {
			at = from.Lanes[i]
		}
		lane := &Lane{
			live: l, matcher: p.NewMatcher(), clock: micros(at.Clock), position: at.From, next: at.Next, behind: true,
			streams: map[string]*pace{}, samples: []sample{{micros(at.Clock), at.From}},
		}
		lane.newest = math.MinInt64
		for name, s := range at.Streams {
			lane.streams[name] = &pace{micros(s.Clock), micros(s.Received)}
		}
		l.lanes = append(l.lanes, lane)
	}
	return l
}

// Lane is the part of the run that reads one partition.
func (l *Live) Lane(i int) *Lane { return l.lanes[i] }

// take hands a match to correlation.
func (l *Live) take(m *match, fresh bool) {
	switch {
	case m.untimed:
		l.corr.untimed[m.node]++
		return
	case fresh && m.at < l.judged: // what it would change was told
		l.corr.late[m.node]++
		return
	}
	if m.clipped {
		l.corr.clipped[m.node]++
	}
	l.corr.add(m)
}

// Advance says what the wall clock shows. Time goes on for a stream that is
// silent, once it has been so for the lateness: as fast as the clock, from its
// latest event on; after four times that nobody waits for it any more. So a
// source that falls silent holds back alerts by twice the lateness; and one that was held up itself is not
// late for what others sent meanwhile.
func (l *Live) Advance(now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.move(now)
}

// move gives what can't change any more its turn: what lies further back than
// the lateness in every stream. Before that, what is read again must be there.
func (l *Live) move(now time.Time) {
	if l.corr == nil {
		return
	}
	floor := int64(math.MaxInt64)
	for _, lane := range l.lanes {
		if lane.behind && (lane.position < lane.next || len(lane.streams) == 0) {
			return
		}
		floor = min(floor, lane.least(now, l.bounds.Lateness.Microseconds()))
	}
	if floor == math.MaxInt64 {
		return
	}
	if floor -= l.bounds.Lateness.Microseconds(); floor > l.corr.floor {
		l.corr.run(floor)
	}
}

// collect takes over what correlations found.
func (l *Live) collect() {
	if l.corr == nil {
		return
	}
	for _, a := range l.corr.alerts {
		if l.given.add(a.ID) {
			l.ready = append(l.ready, a)
		}
	}
	l.corr.alerts, l.corr.alerted = nil, nil
}

// Drain returns the alerts that became ready since it was last asked, sorted
// by stream, index and rule, and the mark that goes with them: a run that is
// taken up there gives those that are still to come, and none of these.
func (l *Live) Drain() ([]model.Alert, Mark) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.collect()
	out := l.ready
	l.ready = nil
	slices.SortFunc(out, compareAlerts)
	mark, since := Mark{}, int64(math.MaxInt64)
	if l.corr != nil {
		since = l.corr.needed()
		mark.Since, mark.Judged = moment(since), moment(max(l.judged, l.corr.floor))
		since = l.corr.reaches(since)
	}
	for _, lane := range l.lanes {
		mark.Lanes = append(mark.Lanes, lane.mark(since))
	}
	return out, mark
}

// Ready is how many alerts wait to be drained.
func (l *Live) Ready() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.collect()
	return len(l.ready)
}

// Incomplete names the rules that could not tell, those whose correlation
// missed something, and events that could not be judged, all counted since the
// run began.
func (l *Live) Incomplete() []model.Incomplete {
	l.mu.Lock()
	defer l.mu.Unlock()
	out := l.prog.unknown(l.blind)
	if l.damaged > 0 {
		out = append(out, model.Incomplete{What: "events", Why: fmt.Sprintf("%d could not be judged, first %s", l.damaged, l.first)})
	}
	if l.corr != nil {
		out = append(out, l.corr.incomplete()...)
	}
	return out
}

// lately is a set of the latest ids.
type lately struct {
	most  int
	ids   map[string]bool
	order []string
}

// add reports whether an id is new.
func (l *lately) add(id string) bool {
	if l.ids[id] {
		return false
	}
	l.ids[id] = true
	if l.order = append(l.order, id); len(l.order) > l.most {
		delete(l.ids, l.order[0])
		l.order = l.order[1:]
	}
	return true
}

// micros is a time in microseconds since 1970; the zero time is before all
// others.
func micros(t time.Time) int64 {
	if t.IsZero() {
		return math.MinInt64
	}
	return t.UnixMicro()
}

func moment(at int64) time.Time {
	if at == math.MinInt64 {
		return time.Time{}
	}
	return time.UnixMicro(at).UTC()
}
