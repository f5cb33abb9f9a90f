package detect

import "math"

// A run can be taken up again where another one was, without its state: all
// groups that still matter are those of chains that are not over, and these
// are built anew when everything since the earliest beginning of such a chain
// is read again. What is over by then may be built in part only; it raises no
// alert, since all from before that time were given.

// begin is the chain of a group that begins with a match.
func (c *correlator) begin(correlation int, key string, m *match) chain {
	k := &c.prog.correlations[correlation]
	before, ok := c.closed[correlation][key]
	delete(c.closed[correlation], key)
	if ok && m.at-before.latest <= k.span {
		return before
	}
	// Only what correlations of this one would be told matters.
	doubt := m.at < c.since && len(c.prog.feeds[len(c.prog.rules)+correlation]) > 0
	return chain{latest: m.at, since: m.since, doubt: doubt}
}

// keep remembers the chain of a window that was judged.
func (c *correlator) keep(g *group) {
	if c.bounds.Lateness == 0 {
		return
	}
	closed := c.closed[g.correlation]
	if len(closed) >= c.bounds.Held {
		clear(closed)
	}
	closed[g.key] = g.chain
}

// longChain is how many of the longest timespan are read again at most, so
// that a group without a pause doesn't need the whole log. Of a longer one the
// phase may be another afterwards: it may alert once more, at another match.
const longChain = 8

// needed is the earliest time of a match that groups still depend on.
func (c *correlator) needed() int64 {
	if c.floor == math.MinInt64 {
		return c.since
	}
	since := c.floor
	for e := c.recent.Back(); e != nil; e = e.Prev() { // the latest used first
		g := e.Value.(*group)
		if g.last < c.floor-c.span {
			break
		}
		if g.last >= c.floor-c.prog.correlations[g.correlation].span {
			since = min(since, g.since)
		}
	}
	for i, closed := range c.closed {
		for key, ch := range closed {
			if ch.latest < c.floor-c.prog.correlations[i].span {
				delete(closed, key)
				continue
			}
			since = min(since, ch.since)
		}
	}
	return max(since, c.floor-longChain*c.span, c.since)
}

// reaches is the time from which on a run that is taken up has to read, so
// that it knows which chains that correlations of correlations are told of
// began before that.
func (c *correlator) reaches(since int64) int64 {
	span := int64(0)
	for i := range c.prog.correlations {
		if len(c.prog.feeds[len(c.prog.rules)+i]) > 0 {
			span = max(span, c.prog.correlations[i].span)
		}
	}
	if since == math.MinInt64 {
		return since
	}
	return since - span
}
