package detect_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"sort"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/scantling/scantling/model"
	"github.com/scantling/scantling/runtime/detect"
)

// The oracle of correlations keeps every match and looks through all of them
// for each: it has no windows to slide, no state and no heap.

type naiveMatchOf struct {
	at    int // seconds
	index int
	rule  int // a, b, c
	group string
	n     int
}

// naiveCorrelation is a correlation as the random worlds have it.
type naiveCorrelation struct {
	kind     string
	rules    int // a, or a and b, or a to c
	span     int
	ops      []string // with nums
	nums     []float64
	quantile float64
	expr     *naiveExpr // of temporal types; nil: all
}

type naiveExpr struct {
	op   string // "rule", "and", "or", "not"
	rule int
	kids []*naiveExpr
}

func (e *naiveExpr) text() string {
	switch e.op {
	case "rule":
		return string(rune('a' + e.rule))
	case "not":
		return "not " + e.kids[0].text()
	}
	return "(" + e.kids[0].text() + " " + e.op + " " + e.kids[1].text() + ")"
}

// holds takes for true what the chain holds, and for false what never happened.
func (e *naiveExpr) holds(chain, happened []bool, negated bool) bool {
	switch e.op {
	case "rule":
		if negated {
			return !happened[e.rule]
		}
		return chain[e.rule]
	case "not":
		return e.kids[0].holds(chain, happened, !negated)
	}
	a, b := e.kids[0].holds(chain, happened, negated), e.kids[1].holds(chain, happened, negated)
	if (e.op == "and") != negated {
		return a && b
	}
	return a || b
}

// needsAbsence reports whether an expression can hold only because a rule
// didn't match.
func (c *naiveCorrelation) needsAbsence() bool {
	all := []bool{true, true, true}
	for mask := range 8 {
		in := []bool{mask&1 != 0, mask&2 != 0, mask&4 != 0}
		if c.expr.holds(in, in, false) != c.expr.holds(in, all, false) {
			return true
		}
	}
	return false
}

// late reports whether the window is judged when it has closed.
func (c *naiveCorrelation) late() bool {
	if strings.HasPrefix(c.kind, "temporal") && len(c.ops) == 0 {
		return c.expr != nil && c.needsAbsence()
	}
	if c.kind == "value_avg" || c.kind == "value_percentile" || c.kind == "value_median" {
		return true
	}
	return slices.ContainsFunc(c.ops, func(op string) bool { return op != "gt" && op != "gte" })
}

func (c *naiveCorrelation) yaml() string {
	var b strings.Builder
	fmt.Fprintf(&b, "type: %s\nrules: [%s]\ngroup-by: [u]\ntimespan: %ds\n", c.kind, strings.Join([]string{"a", "b", "c"}[:c.rules], ", "), c.span)
	if c.expr != nil {
		fmt.Fprintf(&b, "condition: %s\n", c.expr.text())
	} else if len(c.ops) > 0 {
		var words []string
		if strings.HasPrefix(c.kind, "value_") {
			words = append(words, "field: n")
		}
		if c.kind == "value_percentile" {
			words = append(words, fmt.Sprintf("percentile: %g", c.quantile*100))
		}
		for i, op := range c.ops {
			words = append(words, fmt.Sprintf("%s: %g", op, c.nums[i]))
		}
		fmt.Fprintf(&b, "condition: {%s}\n", strings.Join(words, ", "))
	}
	return correlationRule("corr", b.String())
}

// judge looks at the matches of one window.
func (c *naiveCorrelation) judge(in []naiveMatchOf) bool {
	happened := make([]bool, 3)
	var nums []float64
	sum := 0.0
	values := map[int]bool{}
	for _, m := range in {
		happened[m.rule] = true
		nums = append(nums, float64(m.n))
		sum += float64(m.n)
		values[m.n] = true
	}
	value := 0.0
	switch c.kind {
	case "event_count":
		value = float64(len(in))
	case "value_count":
		value = float64(len(values))
	case "value_sum":
		value = sum
	case "value_avg":
		value = sum / float64(len(in))
	case "value_percentile", "value_median":
		value = naiveQuantile(nums, c.quantile)
	default:
		return c.temporal(in, happened)
	}
	return c.compare(value)
}

func (c *naiveCorrelation) compare(value float64) bool {
	for i, op := range c.ops {
		n := c.nums[i]
		ok := map[string]bool{"gt": value > n, "gte": value >= n, "lt": value < n, "lte": value <= n, "eq": value == n, "neq": value != n}[op]
		if !ok {
			return false
		}
	}
	return true
}

func naiveQuantile(nums []float64, q float64) float64 {
	sort.Float64s(nums)
	at := q * float64(len(nums)-1)
	low, high := math.Floor(at), math.Ceil(at)
	return nums[int(low)]*(1-(at-low)) + nums[int(high)]*(at-low)
}

// temporal tries every set of rules, in every way to find them in order.
func (c *naiveCorrelation) temporal(in []naiveMatchOf, happened []bool) bool {
	for mask := 1; mask < 1<<c.rules; mask++ {
		chain := make([]bool, 3)
		var order []int
		for r := range c.rules {
			if mask&(1<<r) != 0 {
				chain[r] = true
				order = append(order, r)
			}
		}
		switch {
		case c.expr != nil && !c.expr.holds(chain, happened, false):
			continue
		case c.expr == nil && len(c.ops) > 0 && c.kind == "temporal_ordered" && !c.compare(float64(len(order))):
			continue
		case c.expr == nil && len(c.ops) > 0 && c.kind == "temporal":
			n := 0
			for _, h := range happened {
				if h {
					n++
				}
			}
			return c.compare(float64(n))
		case c.expr == nil && len(c.ops) == 0 && len(order) < c.rules:
			continue
		}
		if c.found(in, order) {
			return true
		}
	}
	return false
}

// found looks for matches of these rules, in order if it matters, and then of
// different events.
func (c *naiveCorrelation) found(in []naiveMatchOf, order []int) bool {
	if c.kind == "temporal" {
		return !slices.ContainsFunc(order, func(r int) bool {
			return !slices.ContainsFunc(in, func(m naiveMatchOf) bool { return m.rule == r })
		})
	}
	if len(order) == 0 {
		return true
	}
	for i, m := range in {
		if m.rule != order[0] {
			continue
		}
		var rest []naiveMatchOf
		for _, later := range in[i+1:] {
			if later.index != m.index {
				rest = append(rest, later)
			}
		}
		if c.found(rest, order[1:]) {
			return true
		}
	}
	return false
}

// alerts are the indexes of the events at which alerts stand, sorted.
func (c *naiveCorrelation) alerts(all []naiveMatchOf) []int {
	var out []int
	for _, u := range []string{"x", "y", ""} {
		var in []naiveMatchOf
		for _, m := range all {
			if m.group == u && m.rule < c.rules {
				in = append(in, m)
			}
		}
		if c.late() {
			out = append(out, c.closed(in)...)
		} else {
			out = append(out, c.reached(in)...)
		}
	}
	sort.Ints(out)
	return slices.Compact(out)
}

func (c *naiveCorrelation) reached(in []naiveMatchOf) (out []int) {
	held, fired := false, 0
	for i, m := range in {
		var window []naiveMatchOf
		for _, o := range in[:i+1] {
			if o.at >= m.at-c.span {
				window = append(window, o)
			}
		}
		holds := c.judge(window)
		if holds && (!held || m.at-fired > c.span) {
			fired = m.at
			out = append(out, m.index)
		}
		held = holds
	}
	return out
}

func (c *naiveCorrelation) closed(in []naiveMatchOf) (out []int) {
	for len(in) > 0 {
		n := 0
		for n < len(in) && in[n].at <= in[0].at+c.span {
			n++
		}
		if c.judge(in[:n]) {
			out = append(out, in[n-1].index)
		}
		in = in[n:]
	}
	return out
}

func (w world) naiveExpr(rules, depth int) *naiveExpr {
	if depth == 0 || w.IntN(3) == 0 {
		return &naiveExpr{op: "rule", rule: w.IntN(rules)}
	}
	if w.IntN(4) == 0 {
		return &naiveExpr{op: "not", kids: []*naiveExpr{w.naiveExpr(rules, depth-1)}}
	}
	return &naiveExpr{op: w.pick("and", "or"), kids: []*naiveExpr{w.naiveExpr(rules, depth-1), w.naiveExpr(rules, depth-1)}}
}

func (w world) correlation() *naiveCorrelation {
	c := &naiveCorrelation{rules: 1 + w.IntN(3), span: []int{3, 10, 25}[w.IntN(3)], quantile: 0.5}
	c.kind = w.pick("event_count", "value_count", "value_sum", "value_avg", "value_percentile", "value_median", "temporal", "temporal_ordered")
	if strings.HasPrefix(c.kind, "temporal") {
		c.rules = 2 + w.IntN(2)
		switch w.IntN(3) {
		case 0:
			c.expr = w.naiveExpr(c.rules, 3)
			return c
		case 1:
			return c
		}
		c.ops, c.nums = []string{w.pick("gt", "gte")}, []float64{1}
		if c.kind == "temporal" {
			c.ops[0] = w.pick("gt", "gte", "lt", "lte", "eq", "neq")
			c.nums[0] = float64(1 + w.IntN(2))
		}
		return c
	}
	if c.kind == "value_percentile" {
		c.quantile = []float64{0, 0.25, 0.75, 1}[w.IntN(4)]
	}
	c.ops = []string{w.pick("gt", "gte", "gte", "lt", "lte", "eq", "neq")}
	c.nums = []float64{float64(1 + w.IntN(4))}
	if w.IntN(5) == 0 {
		c.ops, c.nums = []string{"gte", "lte"}, []float64{1, 3}
	}
	return c
}

// TestCorrelationOracle compares correlations with the oracle on random
// streams: out of order, with equal times and events of several rules, at the
// end of a log and with bounded lateness.
func TestCorrelationOracle(t *testing.T) {
	found := map[string]int{}
	lates := 0
	for seed := range uint64(1500) {
		w := world{Rand: rand.New(rand.NewPCG(seed, 11))}
		c := w.correlation()
		sources, errs := detect.Parse("x.yml", []byte(strings.Join(append(simple("a", "b", "c"), c.yaml()), "---\n")))
		prog, more := detect.Compile(sources)
		if len(errs)+len(more) > 0 {
			if c.expr != nil && len(more) == 1 && (strings.Contains(more[0].Error(), "can't be met") || strings.Contains(more[0].Error(), "when nothing happens")) {
				continue
			}
			t.Fatal(errs, more, c.yaml())
		}
		bounds := detect.Bounds{}
		if seed%2 == 0 {
			bounds.Lateness = 5 * time.Second
		}
		results := detect.NewBounded(prog, bounds)
		var matches []naiveMatchOf
		newest, at, late := math.MinInt, 0, 0
		for i := range 60 {
			at += w.IntN(4)
			when := at - w.IntN(9)
			which := w.pick("a", "b", "c", "a+b", "b+c", "d")
			m := naiveMatchOf{at: when, index: i, group: w.pick("x", "x", "y", ""), n: w.IntN(5)}
			text := fmt.Sprintf("%ds %s n=%d", when, which, m.n)
			if m.group != "" {
				text += " u=" + m.group
			}
			ev := timeline(t, text)[0]
			ev.Index = i
			results.Add(ev)
			isLate := bounds.Lateness > 0 && newest != math.MinInt && when < newest-5
			newest = max(newest, when)
			for _, r := range strings.Split(which, "+") {
				if m.rule = int(r[0] - 'a'); isLate && m.rule < c.rules {
					late++
				} else if r != "d" {
					matches = append(matches, m)
				}
			}
		}
		sort.SliceStable(matches, func(i, j int) bool { return matches[i].at < matches[j].at })
		got := indexes(results.Alerts())
		if diff := cmp.Diff(c.alerts(matches), got); diff != "" {
			t.Fatalf("seed %d, lateness %s: %s\n%s\n%v", seed, bounds.Lateness, diff, c.yaml(), matches)
		}
		told := 0
		for _, m := range results.Incomplete() {
			n := 0
			fmt.Sscanf(m.Why, "%d matches came too late", &n)
			told += n
		}
		if told != late {
			t.Fatalf("seed %d: %d late matches told, want %d", seed, told, late)
		}
		found[c.kind] += len(got)
		lates += late
	}
	for _, kind := range []string{"event_count", "value_count", "value_sum", "value_avg", "value_percentile", "value_median", "temporal", "temporal_ordered"} {
		if found[kind] < 500 {
			t.Errorf("only %d alerts of %s: the worlds are too poor to prove anything", found[kind], kind)
		}
	}
	t.Logf("alerts: %v; %d late matches", found, lates)
}

// indexes of the correlation's alerts, not those of rules it doesn't refer to.
func indexes(alerts []model.Alert) []int {
	var out []int
	for _, a := range alerts {
		if a.Rule == "corr" {
			out = append(out, a.Index)
		}
	}
	sort.Ints(out)
	return slices.Compact(out)
}

// TestCorrelationIsDeterministic gives one log in many orders, and in parts.
func TestCorrelationIsDeterministic(t *testing.T) {
	w := world{Rand: rand.New(rand.NewPCG(3, 5))}
	var text []string
	for range 200 {
		text = append(text, fmt.Sprintf("%ds %s u=%s n=%d", w.IntN(300), w.pick("a", "b", "c"), w.pick("x", "y"), w.IntN(9)))
	}
	prog := compile(t, append(simple("a", "b", "c"),
		correlationRule("c1", "type: event_count\nrules: [a]\ngroup-by: [u]\ntimespan: 20s\ncondition: {gte: 5}"),
		correlationRule("c2", "type: temporal_ordered\nrules: [c1, b]\ngroup-by: [u]\ntimespan: 30s\ngenerate: true"),
		correlationRule("c3", "type: value_percentile\nrules: [b, c]\ngroup-by: [u]\ntimespan: 30s\ncondition: {field: n, percentile: 90, gte: 7}"),
	)...)
	events := timeline(t, strings.Join(text, ";"))
	want := detect.Run(prog, events)
	if len(want) < 10 {
		t.Fatalf("only %d alerts", len(want))
	}
	for range 10 {
		w.Shuffle(len(events), func(i, j int) { events[i], events[j] = events[j], events[i] })
		if diff := cmp.Diff(want, detect.Run(prog, events)); diff != "" {
			t.Fatal(diff)
		}
	}
}
