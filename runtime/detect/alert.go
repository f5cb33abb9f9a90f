package detect

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/scantling/scantling/model"
	"github.com/scantling/scantling/runtime/ingest"
)

// maxShown bounds each value that an alert shows, in bytes.
const maxShown = 256

// alert describes that the event at hand matched a rule.
func (m *Matcher) alert(r *Rule, ev model.Event) model.Alert {
	a := model.Alert{
		Schema: 1,
		ID:     model.Fingerprint("alert", r.ID, ingest.EventKey(ev)),
		Rule:   r.ID,
		Title:  r.Title,
		Level:  r.Level,
		Time:   ev.Time,
		Source: ev.Stream,
		Index:  ev.Index,
		Assets: append([]model.Ref{}, ev.Assets...),
		Attack: append([]string{}, r.Attack...),
		Fields: map[string]string{},
	}
	set := func(name, value string) {
		if value != "" {
			a.Fields[name] = clip(value)
		}
	}
	for i, s := range m.route.kind.shown {
		m.room.reset(m.now)
		m.room.read(m.doc, m.route.shown[i].keys)
		set(s.name, m.room.String())
	}
	if ev.Actor != "" {
		set("actor", ev.Actor)
	}
	if m.route.kind.name == ingest.Kind {
		set("resource", m.resource())
		set("auditID", ev.Key)
	}
	set("author", r.Author)
	pass(&a, ev.Signal)
	return a
}

// pass lends an alert what the alert of another detector says that it is
// about: its name, its level where that is higher, and its techniques.
func pass(a *model.Alert, s *model.Signal) {
	if s == nil {
		return
	}
	if s.Rule != "" {
		a.Title += ": " + oneLine(clip(s.Rule))
		a.Fields["signal"] = clip(s.Rule)
	}
	a.Level = max(a.Level, s.Level)
	a.Attack = append(a.Attack, s.Attack...)
	slices.Sort(a.Attack)
	a.Attack = slices.Compact(a.Attack)
}

// oneLine replaces what ends a line, steers a terminal or turns the direction
// of writing: a title is read by people, and the name in it is a stranger's.
func oneLine(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.In(r, unicode.Cf, unicode.Zl, unicode.Zp) {
			return utf8.RuneError
		}
		return r
	}, s)
}

// resource is group/resource/subresource as far as given.
func (m *Matcher) resource() string {
	var words []string
	for _, key := range []string{"apiGroup", "resource", "subresource"} {
		if w := m.doc.GetStringBytes("objectRef", key); len(w) > 0 {
			words = append(words, string(w))
		}
	}
	return strings.Join(words, "/")
}

// String joins the scalars of a field.
func (s *fieldState) String() string {
	var words []string
	for i := range s.values {
		if !s.values[i].object && len(words) < 8 {
			words = append(words, string(s.values[i].text))
		}
	}
	return strings.Join(words, ", ")
}

func clip(s string) string {
	if len(s) > maxShown {
		s = s[:maxShown] + "…"
	}
	return strings.ToValidUTF8(s, "\uFFFD")
}

// Results gathers what a run found. One alert stands for each rule and request:
// of several stages, that with the lowest stream and index.
type Results struct {
	prog    *Program
	matcher *Matcher
	hits    []Hit
	alerts  map[string]model.Alert
	alerted map[string]bool
	blind   []blind            // by rule
	key     []byte             // of the request at hand
	damaged []model.Incomplete // the first of them
	broken  int                // how many there were
	corr    *correlator        // nil without correlations
}

type blind struct {
	count int
	last  []byte // request counted last: stages are neighbours
	first string
}

// maxDamaged is how many unreadable events are named.
const maxDamaged = 1000

// NewResults starts a run of the program over logs that come to an end:
// correlations wait for it.
func NewResults(p *Program) *Results { return NewBounded(p, Bounds{}) }

// NewBounded starts a run of the program with bounds for its correlations.
func NewBounded(p *Program, bounds Bounds) *Results {
	r := &Results{
		prog: p, matcher: p.NewMatcher(), alerts: map[string]model.Alert{}, alerted: map[string]bool{}, blind: make([]blind, len(p.rules)),
	}
	if len(p.correlations) > 0 {
		r.corr = newCorrelator(p, bounds)
	}
	return r
}

// Add asks the program of one event. The event may be reused afterwards.
func (r *Results) Add(ev model.Event) {
	var err error
	r.hits, err = r.matcher.Hits(ev, r.hits[:0])
	for _, h := range r.hits {
		if h.Unknown {
			r.blind[h.Rule].add(ev.Stream, ev.Index, []byte(ingest.EventKey(ev)))
		}
	}
	r.take(ev, err)
	r.tick(ev.Time)
}

// take takes the hits of an event that are sure, and the error that left others
// out.
func (r *Results) take(ev model.Event, err error) {
	if err != nil {
		r.broken++
		if len(r.damaged) < maxDamaged {
			r.damaged = append(r.damaged, model.Incomplete{What: fmt.Sprintf("%s#%d", ev.Stream, ev.Index), Why: err.Error()})
		}
	}
	for _, h := range r.hits {
		if h.Unknown {
			continue
		}
		if r.corr != nil {
			r.correlate(h.Rule, ev)
		}
		if r.prog.rules[h.Rule].Silent {
			continue
		}
		a := r.matcher.alert(&r.prog.rules[h.Rule].Rule, ev)
		r.alerted[ingest.EventKey(ev)] = true
		if first, ok := r.alerts[a.ID]; !ok || compareAlerts(a, first) < 0 {
			r.alerts[a.ID] = a
		}
	}
}

// tick tells correlations how late it is.
func (r *Results) tick(at time.Time) {
	if r.corr != nil && !at.IsZero() {
		r.corr.tick(at.UnixMicro())
	}
}

// correlate hands the match of a rule to the correlations of it.
func (r *Results) correlate(rule int, ev model.Event) {
	if len(r.prog.feeds[rule]) == 0 {
		return
	}
	if ev.Time.IsZero() {
		r.corr.untimed[rule]++
		return
	}
	m, clipped := r.matcher.found(rule, ev)
	if clipped {
		r.corr.clipped[rule]++
	}
	r.corr.add(m)
}

// finish takes over what correlations found. Windows that are still open are
// judged as they are: the log has ended.
func (r *Results) finish() {
	if r.corr == nil {
		return
	}
	r.corr.finish()
	for _, a := range r.corr.alerts {
		r.alerts[a.ID] = a
	}
	for _, key := range r.corr.alerted {
		r.alerted[key] = true
	}
	r.corr.alerts, r.corr.alerted = nil, nil
}

// add counts the request of a record, once for its stages.
func (b *blind) add(stream string, index int, key []byte) {
	if b.count > 0 && bytes.Equal(key, b.last) {
		return
	}
	if b.count == 0 {
		b.first = fmt.Sprintf("%s#%d", stream, index)
	}
	b.last = append(b.last[:0], key...)
	b.count++
}

func compareAlerts(a, b model.Alert) int {
	if c := strings.Compare(a.Source, b.Source); c != 0 {
		return c
	}
	if a.Index != b.Index {
		return a.Index - b.Index
	}
	return cmp.Or(strings.Compare(a.Rule, b.Rule), strings.Compare(a.ID, b.ID))
}

// Alerts returns the alerts so far, sorted by stream, index and rule. It ends
// the windows of correlations, so ask when all is added.
func (r *Results) Alerts() []model.Alert {
	r.finish()
	out := make([]model.Alert, 0, len(r.alerts))
	for _, a := range r.alerts {
		out = append(out, a)
	}
	slices.SortFunc(out, compareAlerts)
	return out
}

// Alerted returns the keys (see ingest.EventKey) of the requests that raised an alert.
// Of a correlation it is the request that completed it. It ends windows too.
func (r *Results) Alerted() map[string]bool {
	r.finish()
	return r.alerted
}

// Incomplete names the events that could not be read, and the rules whose
// correlation missed some. It ends windows too.
func (r *Results) Incomplete() []model.Incomplete {
	r.finish()
	out := slices.Clone(r.damaged)
	if more := r.broken - len(r.damaged); more > 0 {
		out = append(out, model.Incomplete{What: "events", Why: fmt.Sprintf("%d more could not be judged", more)})
	}
	if r.corr != nil {
		out = append(out, r.corr.incomplete()...)
	}
	return out
}

// Unknown names the rules that could not tell on some requests, because the
// audit level left out the body that they need.
func (r *Results) Unknown() []model.Incomplete { return r.prog.unknown(r.blind) }

// unknown names the rules that could not tell.
func (p *Program) unknown(rules []blind) []model.Incomplete {
	var out []model.Incomplete
	for i, b := range rules {
		if b.count == 0 {
			continue
		}
		rule := &p.rules[i]
		out = append(out, model.Incomplete{
			What: "rule " + rule.ID,
			Why:  fmt.Sprintf("could not tell on %d requests, first %s: the audit log has them below level %s", b.count, b.first, auditLevels[rule.reads]),
		})
	}
	return out
}

// Run asks the program of events in memory and returns the alerts, sorted by
// stream, index and rule.
func Run(p *Program, events []model.Event) []model.Alert {
	r := NewResults(p)
	for _, ev := range events {
		r.Add(ev)
	}
	return r.Alerts()
}
