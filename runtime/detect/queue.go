package detect

import (
	"container/list"
	"strings"

	"github.com/scantling/scantling/model"
)

// match is one match of a rule, or one alert of a correlation.
type match struct {
	node   int // index into program.feeds
	at     int64
	event  uint64
	stream string
	index  int
	key    string // see ingest.EventKey
	actor  string
	assets []model.Ref
	values map[string][]string // of a rule, by the names of its demands

	from  *match     // of a correlation: the match that completed it
	group [][]string // and what it groups by
	slot  int        // in the heap
	since int64      // the earliest match that led to it

	untimed, clipped bool // of a rule in a lane, see Lane
}

func (m *match) before(o *match) bool {
	if m.at != o.at {
		return m.at < o.at
	}
	if c := strings.Compare(m.stream, o.stream); c != 0 {
		return c < 0
	}
	if m.index != o.index {
		return m.index < o.index
	}
	return m.node < o.node
}

// queue holds matches until no earlier one can come.
type queue []*match

func (q queue) Len() int           { return len(q) }
func (q queue) Less(i, j int) bool { return q[i].before(q[j]) }
func (q queue) Swap(i, j int) {
	q[i], q[j] = q[j], q[i]
	q[i].slot, q[j].slot = i, j
}

func (q *queue) Push(x any) {
	m := x.(*match)
	m.slot = len(*q)
	*q = append(*q, m)
}

func (q *queue) Pop() any {
	old := *q
	m := old[len(old)-1]
	old[len(old)-1] = nil
	*q = old[:len(old)-1]
	return m
}

// group is the state of one correlation for one set of values.
type group struct {
	correlation int
	key         string
	values      [][]string
	tally       tally
	size        int
	first, last int64
	held        bool  // the condition held at the last match
	fired       int64 // when it last raised an alert
	end         int64 // of a window that is judged when it closes
	trigger     *match
	place       *list.Element // among those in use; nil once dropped
	slot        int           // among the closings

	chain
}

// chain is a series of matches of one group with no pause between two of them
// that is longer than the timespan. What comes after such a pause doesn't
// depend on what was before.
type chain struct {
	latest int64 // match
	since  int64 // its first match, or the first that led to one of a correlation
	doubt  bool  // a run that was taken up again may not have seen its beginning
}

// closings are windows to be judged, by their end.
type closings []*group

func (c closings) Len() int { return len(c) }
func (c closings) Less(i, j int) bool {
	a, b := c[i], c[j]
	if a.end != b.end {
		return a.end < b.end
	}
	if a.correlation != b.correlation {
		return a.correlation < b.correlation
	}
	return a.key < b.key
}

func (c closings) Swap(i, j int) {
	c[i], c[j] = c[j], c[i]
	c[i].slot, c[j].slot = i, j
}

func (c *closings) Push(x any) {
	g := x.(*group)
	g.slot = len(*c)
	*c = append(*c, g)
}

func (c *closings) Pop() any {
	old := *c
	g := old[len(old)-1]
	old[len(old)-1] = nil
	*c = old[:len(old)-1]
	return g
}
