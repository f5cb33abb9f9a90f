package detect

import (
	"container/heap"
	"container/list"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/scantling/scantling/model"
	"github.com/scantling/scantling/runtime/ingest"
)

// Bounds limit what correlation waits for and keeps.
type Bounds struct {
	// Lateness is how much an event may happen before the latest that was
	// added and still count. Zero waits for the end of the input, so that logs
	// may come in any order.
	Lateness time.Duration
	// Pending is how many matches may wait for their turn. Zero: 262,144, some
	// 100 MB. One more, and the earliest doesn't wait any longer.
	Pending int
	// Held is how many groups and entries of their windows are kept. Zero:
	// 1,048,576, some 300 MB. One more, and the group unused for longest goes.
	Held int
}

const (
	defaultPending = 1 << 18
	defaultHeld    = 1 << 20
	maxListed      = 256     // values of one field of one match
	maxText        = 1 << 10 // bytes of a value; of a longer one, its hash is kept
)

// correlator runs a program's correlations over matches that it brings into
// the order of their time. What it finds depends on the events alone, not on
// the order in which they come, as long as none is late.
type correlator struct {
	prog   *Program
	bounds Bounds
	span   int64 // the longest

	pending queue
	waiting map[act]*match   // stages of a request are one match
	passed  map[act]struct{} // those of the latest matches that had their turn
	order   []act            // of passed
	newest  int64
	floor   int64 // what is earlier is late

	judged int64 // alerts from before are known
	since  int64 // what happened before may be missing

	groups []map[string]*group // by correlation
	closed []map[string]chain  // by correlation: of windows that were judged and may go on in others
	recent *list.List          // of *group, the longest unused first
	closes closings
	held   int
	events uint64
	last   *match // that had its turn

	alerts  []model.Alert
	alerted []string // keys of requests

	late    []int // by rule
	untimed []int // by rule
	dropped []int // groups, by correlation
	clipped []int // matches with more values than are kept, by rule
}

func newCorrelator(p *Program, bounds Bounds) *correlator {
	c := &correlator{
		prog: p, bounds: bounds, waiting: map[act]*match{}, passed: map[act]struct{}{}, newest: math.MinInt64, floor: math.MinInt64,
		judged: math.MinInt64, since: math.MinInt64,
		recent: list.New(), late: make([]int, len(p.rules)), untimed: make([]int, len(p.rules)), clipped: make([]int, len(p.rules)),
		dropped: make([]int, len(p.correlations)),
	}
	if c.bounds.Pending == 0 {
		c.bounds.Pending = defaultPending
	}
	if c.bounds.Held == 0 {
		c.bounds.Held = defaultHeld
	}
	for i := range p.correlations {
		c.groups = append(c.groups, map[string]*group{})
		c.closed = append(c.closed, map[string]chain{})
		c.span = max(c.span, p.correlations[i].span)
	}
	return c
}

// act stands for a rule and a request that matched it: the beginning of a hash,
// since as many are kept as matches may wait.
type act [16]byte

func (m *match) act() act {
	var room [128]byte
	sum := sha256.Sum256(append(binary.AppendUvarint(room[:0], uint64(m.node)), m.key...))
	return act(sum[:16])
}

// add takes a match of a rule.
func (c *correlator) add(m *match) {
	key := m.act()
	if known := c.waiting[key]; known != nil {
		if m.before(known) {
			m.slot = known.slot
			c.pending[m.slot], c.waiting[key] = m, m
			heap.Fix(&c.pending, m.slot)
		}
		return
	}
	if _, passed := c.passed[key]; passed {
		return // a later stage of a request that was counted
	}
	if m.at < c.floor {
		c.late[m.node]++
		return
	}
	heap.Push(&c.pending, m)
	c.waiting[key] = m
	if len(c.pending) > c.bounds.Pending {
		c.run(c.pending[0].at + 1)
	}
}

// tick says that an event of this time was added, matched or not.
func (c *correlator) tick(at int64) {
	c.newest = max(c.newest, at)
	if c.bounds.Lateness > 0 {
		c.run(c.newest - c.bounds.Lateness.Microseconds())
	}
}

// finish gives all that waits its turn, and judges open windows as they are.
func (c *correlator) finish() {
	if len(c.pending)+len(c.closes) > 0 {
		floor := c.floor
		for _, m := range c.pending {
			floor = max(floor, m.at)
		}
		c.run(math.MaxInt64)
		c.floor = floor
	}
}

// run gives what happened before a time its turn, in order: matches, and
// between them windows that closed.
func (c *correlator) run(before int64) {
	c.floor = max(c.floor, before)
	for {
		at := int64(math.MaxInt64)
		if len(c.pending) > 0 && c.pending[0].at < before {
			at = c.pending[0].at
		}
		switch {
		case len(c.closes) > 0 && c.closes[0].end < min(at, before):
			c.close(c.closes[0])
		case at != math.MaxInt64:
			c.turn(heap.Pop(&c.pending).(*match))
		default:
			return
		}
	}
}

// turn hands a match to the correlations of its rule.
func (c *correlator) turn(m *match) {
	key := m.act()
	delete(c.waiting, key)
	if c.bounds.Lateness > 0 {
		c.remember(key)
	}
	if c.last == nil || c.last.at != m.at || c.last.stream != m.stream || c.last.index != m.index {
		c.events++
	}
	c.last, m.event = m, c.events
	c.pass(m)
}

// remember keeps the keys of as many matches as may wait.
func (c *correlator) remember(key act) {
	c.passed[key] = struct{}{}
	if c.order = append(c.order, key); len(c.order) > c.bounds.Pending {
		delete(c.passed, c.order[0])
		c.order = c.order[1:]
	}
}

func (c *correlator) pass(m *match) {
	for _, f := range c.prog.feeds[m.node] {
		c.correlate(f, m)
	}
}

// correlate takes a match into its group.
func (c *correlator) correlate(f feed, m *match) {
	k := &c.prog.correlations[f.correlation]
	g := c.group(f, m)
	o := observation{at: m.at, pos: f.pos, event: m.event}
	if len(k.fields) > 0 {
		o.values = c.observed(k, f.pos, m)
	}
	g.tally.add(o)
	g.last, g.trigger = m.at, m
	g.latest, g.since = m.at, min(g.since, m.since)
	if !k.late {
		value := g.tally.value(m.at)
		holds := k.holds(value)
		if holds && (!g.held || m.at-g.fired > k.span) {
			g.fired = m.at
			c.fire(g, value, m.at)
		}
		g.held = holds
	}
	if g.place == nil {
		return // given up meanwhile, by what the alert led to
	}
	c.held += g.tally.size() - g.size
	g.size = g.tally.size()
	c.recent.MoveToBack(g.place)
	c.evict()
}

// group finds or begins the group of a match.
func (c *correlator) group(f feed, m *match) *group {
	k := &c.prog.correlations[f.correlation]
	values := make([][]string, len(k.groupBy))
	for i, name := range k.groupBy {
		values[i] = slices.Compact(slices.Sorted(slices.Values(c.lookup(m, k.field(name, f.pos)))))
	}
	key := fmt.Sprintf("%q", values)
	g := c.groups[f.correlation][key]
	if g != nil && !k.late && m.at-g.last > k.span {
		c.drop(g)
		g = nil
	}
	if g == nil {
		g = &group{correlation: f.correlation, key: key, values: values, tally: k.newTally(), first: m.at, end: m.at + k.span}
		g.chain = c.begin(f.correlation, key, m)
		g.place = c.recent.PushBack(g)
		c.groups[f.correlation][key] = g
		c.held++
		if k.late {
			heap.Push(&c.closes, g)
		}
	}
	return g
}

// lookup returns the values that a match has for a field, by the name that
// the field has for the match's rule.
func (c *correlator) lookup(m *match, name string) []string {
	if m.from == nil {
		return m.values[name]
	}
	k := &c.prog.correlations[m.node-len(c.prog.rules)]
	if i := slices.Index(k.groupBy, name); i >= 0 {
		return m.group[i]
	}
	return c.lookup(m.from, k.field(name, slices.Index(k.nodes, m.from.node)))
}

// observed returns the values that are counted: of several fields, each
// combination's text.
func (c *correlator) observed(k *correlation, pos int, m *match) []string {
	out := c.lookup(m, k.field(k.fields[0], pos))
	for _, name := range k.fields[1:] {
		var next []string
		for _, head := range out {
			for _, v := range c.lookup(m, k.field(name, pos)) {
				if len(next) < maxListed {
					next = append(next, fmt.Sprintf("%d %s%s", len(head), head, v))
				}
			}
		}
		out = next
	}
	return out
}

// close judges a window.
func (c *correlator) close(g *group) {
	c.drop(g)
	c.keep(g)
	if value := g.tally.value(g.end); c.prog.correlations[g.correlation].holds(value) {
		c.events++
		c.fire(g, value, g.end)
	}
}

// drop forgets a group.
func (c *correlator) drop(g *group) {
	delete(c.groups[g.correlation], g.key)
	c.recent.Remove(g.place)
	g.place = nil
	if c.prog.correlations[g.correlation].late {
		heap.Remove(&c.closes, g.slot)
	}
	c.held -= g.size + 1
}

// evict makes room: groups that can't matter any more are no loss, others are
// counted.
func (c *correlator) evict() {
	for c.held > c.bounds.Held {
		g := c.recent.Front().Value.(*group)
		k := &c.prog.correlations[g.correlation]
		if k.late || c.last.at-g.last <= k.span {
			c.dropped[g.correlation]++
		}
		c.drop(g)
	}
}

// fire raises an alert, and is a match for the correlations of this one.
func (c *correlator) fire(g *group, value float64, at int64) {
	if g.doubt && at < c.judged {
		return
	}
	k := &c.prog.correlations[g.correlation]
	if !k.Silent && at >= c.judged {
		c.alerts = append(c.alerts, c.alert(k, g, value))
		c.alerted = append(c.alerted, g.trigger.key)
	}
	node := len(c.prog.rules) + g.correlation
	if len(c.prog.feeds[node]) == 0 {
		return
	}
	t := g.trigger
	c.pass(&match{
		node: node, at: at, event: c.events, stream: t.stream, index: t.index, key: t.key, actor: t.actor, assets: t.assets,
		from: t, group: g.values, since: g.since,
	})
}

// found takes a match of the event at hand over to correlation.
func (m *Matcher) found(rule int, ev model.Event) (x *match, clipped bool) {
	x = &match{
		node: rule, at: ev.Time.UnixMicro(), since: ev.Time.UnixMicro(), stream: strings.Clone(ev.Stream), index: ev.Index, key: ingest.EventKey(ev),
		actor: ev.Actor, assets: slices.Clone(ev.Assets), values: map[string][]string{},
	}
	for _, d := range m.prog.rules[rule].asked {
		var texts []string
		for _, f := range d.fields {
			state := m.state(f)
			for i := range state.values {
				if state.values[i].object {
					continue
				}
				if len(texts) == maxListed {
					clipped = true
					break
				}
				texts = append(texts, kept(state.values[i].text))
			}
		}
		x.values[d.name] = texts
	}
	return x, clipped
}

// kept is a value as long as it is short, else its hash.
func kept(text []byte) string {
	if len(text) <= maxText {
		return string(text)
	}
	sum := sha256.Sum256(text)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// incomplete says what correlation could not take into account.
func (c *correlator) incomplete() []model.Incomplete {
	var out []model.Incomplete
	tell := func(id string, n int, why string, args ...any) {
		if n > 0 {
			out = append(out, model.Incomplete{What: "rule " + id, Why: fmt.Sprintf(why, append([]any{n}, args...)...)})
		}
	}
	for i := range c.prog.rules {
		id := c.prog.rules[i].ID
		tell(id, c.late[i], "%d matches came too late to be correlated")
		tell(id, c.untimed[i], "%d matches have no time and are not correlated")
		tell(id, c.clipped[i], "%d matches have more than %d values of a field: only so many are correlated", maxListed)
	}
	for i := range c.prog.correlations {
		tell(c.prog.correlations[i].ID, c.dropped[i], "%d groups were given up for want of room: it may have missed something")
	}
	return out
}
