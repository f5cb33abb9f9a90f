package detect

import (
	"container/list"
	"math"
	"math/bits"
	"slices"
)

// observation is one match as a window takes it.
type observation struct {
	at     int64    // microseconds since 1970
	pos    int      // which of the correlation's rules
	event  uint64   // tells the matches of one event from those of others
	values []string // of the field that is counted or computed with
}

// tally keeps what a correlation needs of one group. Observations come in
// order of time.
type tally interface {
	add(observation)
	// value is what the condition judges, as of a time not before the last
	// observation.
	value(at int64) float64
	// size is how many entries it holds.
	size() int
}

// newTally returns the one that a correlation needs. Each takes constant time
// an observation, and only value_sum holds more than the condition's number.
func (c *correlation) newTally() tally {
	switch {
	case c.late:
		return &window{c: c, set: map[string]struct{}{}, steps: newSteps(c)}
	case c.kind == "event_count":
		return &recent{span: c.span, most: c.least()}
	case c.kind == "value_count":
		return &distinct{span: c.span, most: c.least(), at: map[string]*list.Element{}, order: list.New()}
	case c.kind == "value_sum":
		return &total{span: c.span}
	case c.kind == "temporal":
		return &together{c: c, last: never(len(c.refs))}
	default:
		return newSteps(c)
	}
}

// recent counts matches: the times of as many as the condition asks for.
type recent struct {
	span  int64
	most  int
	times []int64
}

func (t *recent) add(o observation) {
	t.times = append(t.times, o.at)
	if len(t.times) > t.most {
		t.times = t.times[1:]
	}
}

func (t *recent) value(at int64) float64 {
	for len(t.times) > 0 && t.times[0] < at-t.span {
		t.times = t.times[1:]
	}
	return float64(len(t.times))
}

func (t *recent) size() int { return len(t.times) }

// distinct counts values: each with the time at which it was last seen, in
// order of it.
type distinct struct {
	span  int64
	most  int
	at    map[string]*list.Element
	order *list.List // of seenValue
}

type seenValue struct {
	text string
	at   int64
}

func (t *distinct) add(o observation) {
	for _, v := range o.values {
		if e := t.at[v]; e != nil {
			e.Value = seenValue{v, o.at}
			t.order.MoveToBack(e)
			continue
		}
		t.at[v] = t.order.PushBack(seenValue{v, o.at})
		if t.order.Len() > t.most {
			t.drop()
		}
	}
}

func (t *distinct) drop() {
	e := t.order.Front()
	delete(t.at, e.Value.(seenValue).text)
	t.order.Remove(e)
}

func (t *distinct) value(at int64) float64 {
	for t.order.Len() > 0 && t.order.Front().Value.(seenValue).at < at-t.span {
		t.drop()
	}
	return float64(t.order.Len())
}

func (t *distinct) size() int { return t.order.Len() }

// total adds numbers up.
type total struct {
	span    int64
	entries []entry
	sum     float64
}

type entry struct {
	at  int64
	num float64
}

func (t *total) add(o observation) {
	for _, v := range o.values {
		if n, ok := number([]byte(v)); ok {
			t.entries = append(t.entries, entry{o.at, n})
			t.sum += n
		}
	}
}

func (t *total) value(at int64) float64 {
	for len(t.entries) > 0 && t.entries[0].at < at-t.span {
		t.sum -= t.entries[0].num
		t.entries = t.entries[1:]
	}
	if len(t.entries) == 0 {
		t.sum = 0 // what rounding left
	}
	return t.sum
}

func (t *total) size() int { return len(t.entries) }

// never is a time before all others, n times.
func never(n int) []int64 {
	out := make([]int64, n)
	for i := range out {
		out[i] = math.MinInt64
	}
	return out
}

// together asks which rules matched of late, in any order.
type together struct {
	c    *correlation
	last []int64 // by rule
}

func (t *together) add(o observation) { t.last[o.pos] = o.at }

func (t *together) value(at int64) float64 {
	mask := uint64(0)
	for i, last := range t.last {
		if last >= at-t.c.span {
			mask |= 1 << i
		}
	}
	return t.c.met(mask)
}

func (t *together) size() int { return len(t.last) }

// met judges a set of rules that matched: how many they are where the
// condition counts them, else 1 or 0.
func (c *correlation) met(mask uint64) float64 {
	if c.sequences == nil {
		return float64(bits.OnesCount64(mask))
	}
	for _, s := range c.sequences {
		if s.not&mask == 0 && !slices.ContainsFunc(s.rules, func(r int) bool { return mask&(1<<r) == 0 }) {
			return 1
		}
	}
	return 0
}

// steps asks whether rules matched in order. For each beginning of each
// sequence it keeps the latest time at which one that got so far began: later
// is never worse.
type steps struct {
	c    *correlation
	ways [][]step
}

// step is the latest start of a beginning, and what it was before the event
// that is being added: an event doesn't follow itself.
type step struct {
	start, before int64
	event         uint64
}

func newSteps(c *correlation) *steps {
	t := &steps{c: c}
	for _, s := range c.sequences {
		way := make([]step, len(s.rules))
		for i := range way {
			way[i] = step{start: math.MinInt64, before: math.MinInt64}
		}
		t.ways = append(t.ways, way)
	}
	return t
}

func (t *steps) add(o observation) {
	for w, s := range t.c.sequences {
		i := slices.Index(s.rules, o.pos)
		if i < 0 {
			continue
		}
		start := o.at
		if i > 0 {
			if start = t.ways[w][i-1].start; t.ways[w][i-1].event == o.event {
				start = t.ways[w][i-1].before
			}
		}
		st := &t.ways[w][i]
		if st.event != o.event {
			st.event, st.before = o.event, st.start
		}
		st.start = max(st.start, start)
	}
}

func (t *steps) value(at int64) float64 {
	for _, way := range t.ways {
		if start := way[len(way)-1].start; start != math.MinInt64 && start >= at-t.c.span {
			return 1
		}
	}
	return 0
}

func (t *steps) size() int { return len(t.ways) }

// window is judged once, when it has closed.
type window struct {
	c     *correlation
	count int
	set   map[string]struct{}
	nums  []float64 // of percentiles
	n     int       // numbers
	sum   float64
	mask  uint64
	steps *steps
}

func (t *window) add(o observation) {
	t.count++
	t.mask |= 1 << o.pos
	switch t.c.kind {
	case "value_count":
		for _, v := range o.values {
			t.set[v] = struct{}{}
		}
	case "temporal_ordered":
		t.steps.add(o)
	case "value_sum", "value_avg", "value_percentile", "value_median":
		for _, v := range o.values {
			num, ok := number([]byte(v))
			if !ok {
				continue
			}
			t.n++
			t.sum += num
			if t.c.kind == "value_percentile" || t.c.kind == "value_median" {
				t.nums = append(t.nums, num)
			}
		}
	}
}

// value is not a number where there is none to judge: no condition holds then.
func (t *window) value(int64) float64 {
	switch t.c.kind {
	case "event_count":
		return float64(t.count)
	case "value_count":
		return float64(len(t.set))
	case "temporal":
		return t.c.met(t.mask)
	case "temporal_ordered":
		return t.ordered()
	}
	switch {
	case t.n == 0:
		return math.NaN()
	case t.c.kind == "value_sum":
		return t.sum
	case t.c.kind == "value_avg":
		return t.sum / float64(t.n)
	}
	return quantile(t.nums, t.c.quantile)
}

// ordered asks for a sequence that came to its end and whose forbidden rules
// didn't match in the window.
func (t *window) ordered() float64 {
	for w, s := range t.c.sequences {
		way := t.steps.ways[w]
		if s.not&t.mask == 0 && way[len(way)-1].start != math.MinInt64 {
			return 1
		}
	}
	return 0
}

// quantile interpolates between the two nearest of the numbers, as
// percentile_cont of SQL does.
func quantile(nums []float64, q float64) float64 {
	slices.Sort(nums)
	at := q * float64(len(nums)-1)
	low := int(at)
	if low+1 >= len(nums) {
		return nums[len(nums)-1]
	}
	return nums[low] + (at-float64(low))*(nums[low+1]-nums[low])
}

func (t *window) size() int { return 1 + len(t.set) + len(t.nums) }
