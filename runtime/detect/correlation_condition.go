package detect

import (
	"cmp"
	"math"
	"math/bits"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// sequence is one way to meet a temporal condition: the rules that must have
// matched, in the order of the correlation's list, and those that must not.
type sequence struct {
	rules []int
	not   uint64 // bits
}

// maxSequences is how many ways one condition may have: a or b, and c or d
// has four.
const maxSequences = 64

var thresholdOps = map[string]compareOp{"eq": equal, "neq": unequal, "lt": less, "lte": lessEqual, "gt": greater, "gte": greaterEqual}

// correlationCondition reads the condition, which is a mapping of operators,
// of temporal types also an expression over the rules, or nothing.
func (b *builder) correlationCondition(c *correlation, body, n *yaml.Node) error {
	temporal := strings.HasPrefix(c.kind, "temporal")
	if temporal && n != nil && n.Kind == yaml.ScalarNode {
		return b.expression(c, n)
	}
	if len(c.refs) == 0 {
		return b.problem(body, "rules is missing")
	}
	if temporal && n == nil {
		c.sequences = []sequence{{rules: upTo(len(c.refs))}}
		return nil
	}
	if n == nil || n.Kind != yaml.MappingNode {
		return b.problem(body, "condition is missing, or no mapping of gt, gte, lt, lte, eq or neq")
	}
	for k, v := range pairs(n) {
		if err := b.threshold(c, k, v); err != nil {
			return err
		}
	}
	if len(c.tests) == 0 {
		return b.problem(n, "condition has none of gt, gte, lt, lte, eq and neq")
	}
	if err := b.checkFields(c, n); err != nil {
		return err
	}
	return b.judged(c, n)
}

// threshold reads one key of a condition.
func (b *builder) threshold(c *correlation, k, v *yaml.Node) (err error) {
	if k.Value == "field" {
		c.fields, err = b.names(v, maxGroupBy)
		return err
	}
	num, err := strconv.ParseFloat(v.Value, 64)
	if v.Kind != yaml.ScalarNode || err != nil || math.IsNaN(num) || math.IsInf(num, 0) {
		return b.problem(v, "%q is not a number", v.Value)
	}
	if k.Value == "percentile" {
		if c.kind != "value_percentile" || num < 0 || num > 100 {
			return b.problem(v, "percentile is a number from 0 to 100, of value_percentile")
		}
		c.quantile = num / 100
		return nil
	}
	op, ok := thresholdOps[k.Value]
	if !ok {
		return b.problem(k, "condition has no %q, only field, percentile, gt, gte, lt, lte, eq and neq", k.Value)
	}
	c.tests = append(c.tests, threshold{op, num})
	return nil
}

// checkFields holds that a type has the fields that it needs.
func (b *builder) checkFields(c *correlation, n *yaml.Node) error {
	most := 0
	switch c.kind {
	case "value_count":
		most = maxGroupBy
	case "value_sum", "value_avg", "value_percentile", "value_median":
		most = 1
	}
	if len(c.fields) > most || most > 0 && len(c.fields) == 0 {
		return b.problem(n, "%s takes %s", c.kind, map[int]string{0: "no field", 1: "one field", maxGroupBy: "a field or several"}[most])
	}
	given := slices.ContainsFunc(n.Content, func(k *yaml.Node) bool { return k.Value == "percentile" })
	if c.kind == "value_percentile" && !given {
		return b.problem(n, "percentile is missing")
	}
	if c.kind == "value_median" {
		c.quantile = 0.5
	}
	return nil
}

// judged decides when a condition is judged: at each match where more matches
// can only bring it nearer, else when the window has closed.
func (b *builder) judged(c *correlation, n *yaml.Node) error {
	counts := c.kind == "event_count" || c.kind == "value_count" || strings.HasPrefix(c.kind, "temporal")
	c.late = !counts && c.kind != "value_sum"
	for _, t := range c.tests {
		if t.op != greater && t.op != greaterEqual {
			c.late = true
		}
		if counts && (t.num < 0 || t.num > maxThreshold) {
			return b.problem(n, "a number between 0 and %d is asked for", maxThreshold)
		}
	}
	if counts && !c.late && c.least() < 1 {
		return b.problem(n, "the condition always holds")
	}
	if c.kind == "temporal_ordered" {
		return b.orderedCount(c, n)
	}
	return nil
}

// least is the number from which the lower bounds of a count hold.
func (c *correlation) least() int {
	least := 0.0
	for _, t := range c.tests {
		if t.op == greater {
			least = max(least, math.Floor(t.num)+1)
		} else {
			least = max(least, math.Ceil(t.num))
		}
	}
	return int(least)
}

// orderedCount turns "at least n of them, in order" into sequences.
func (b *builder) orderedCount(c *correlation, n *yaml.Node) error {
	all := len(c.refs)
	if len(c.tests) == 1 && c.tests[0] == (threshold{equal, float64(all)}) {
		c.tests, c.late = []threshold{{greaterEqual, float64(all)}}, false
	}
	if c.late {
		return b.problem(n, "the condition of temporal_ordered is gt, gte, an expression, or eq to the number of rules")
	}
	least := c.least()
	if least > all {
		return b.problem(n, "more rules are asked for than there are")
	}
	c.tests = nil
	var choose func(from int, chosen []int) bool
	choose = func(from int, chosen []int) bool {
		if len(chosen) == least {
			c.sequences = append(c.sequences, sequence{rules: slices.Clone(chosen)})
			return len(c.sequences) <= maxSequences
		}
		for i := from; i < all; i++ {
			if !choose(i+1, append(chosen, i)) {
				return false
			}
		}
		return true
	}
	if !choose(0, nil) {
		return b.problem(n, "the condition can be met in more than %d ways", maxSequences)
	}
	return nil
}

func upTo(n int) []int {
	out := make([]int, n)
	for i := range out {
		out[i] = i
	}
	return out
}

// expression reads a condition over the names of rules, as "a and (b or c) and
// not d". Without a list of rules they are those of the expression, in order.
func (b *builder) expression(c *correlation, n *yaml.Node) error {
	if len(c.refs) == 0 {
		for _, word := range conditionWords(n.Value) {
			if !slices.Contains([]string{"and", "or", "not", "(", ")"}, strings.ToLower(word)) && !slices.Contains(c.refs, word) {
				c.refs = append(c.refs, word)
			}
		}
	}
	if len(c.refs) > maxRefs {
		return b.problem(n, "more than %d rules", maxRefs)
	}
	looks := maxLooks
	ids := identifiers{names: c.refs, exprs: map[string]*expr{}, looks: &looks}
	for i, ref := range c.refs {
		ids.exprs[ref] = &expr{op: opPred, pred: i, size: 1}
	}
	e, err := parseCondition(n.Value, ids)
	if err != nil {
		return b.problem(n, "%v", err)
	}
	ways, ok := e.ways(false)
	if !ok || len(ways) == 0 {
		return b.problem(n, "the condition can't be met, or in more than %d ways", maxSequences)
	}
	for _, w := range ways {
		if w.yes == 0 {
			return b.problem(n, "the condition holds when nothing happens")
		}
		s := sequence{not: w.no}
		for i := range c.refs {
			if w.yes&(1<<i) != 0 {
				s.rules = append(s.rules, i)
			}
		}
		c.late = c.late || w.no != 0
		c.sequences = append(c.sequences, s)
	}
	return nil
}

// way is a set of rules that must have matched and one of those that must not.
type way struct{ yes, no uint64 }

// ways writes an expression over the numbers of rules as the ways to meet it:
// none where it contradicts itself. ok is false where there are too many.
func (e *expr) ways(negated bool) (out []way, ok bool) {
	switch e.op {
	case opPred:
		if negated {
			return []way{{no: 1 << e.pred}}, true
		}
		return []way{{yes: 1 << e.pred}}, true
	case opNot:
		return e.kids[0].ways(!negated)
	}
	all := (e.op == opAnd) != negated
	for i, k := range e.kids {
		more, ok := k.ways(negated)
		if !ok {
			return nil, false
		}
		if all && i > 0 {
			out = product(out, more)
		} else {
			out = append(out, more...)
		}
		if out = minimal(out); len(out) > maxSequences {
			return nil, false
		}
	}
	return out, true
}

// product joins each way of one with each of the other.
func product(a, b []way) []way {
	var out []way
	for _, x := range a {
		for _, y := range b {
			if w := (way{x.yes | y.yes, x.no | y.no}); w.yes&w.no == 0 {
				out = append(out, w)
			}
		}
	}
	return out
}

// minimal drops ways that ask for more than another does, and sorts.
func minimal(ways []way) []way {
	slices.SortFunc(ways, func(a, b way) int {
		return cmp.Or(cmp.Compare(bits.OnesCount64(a.yes|a.no), bits.OnesCount64(b.yes|b.no)), cmp.Compare(a.yes, b.yes), cmp.Compare(a.no, b.no))
	})
	var out []way
	for _, w := range ways {
		if !slices.ContainsFunc(out, func(o way) bool { return o.yes&w.yes == o.yes && o.no&w.no == o.no }) {
			out = append(out, w)
		}
	}
	return out
}

// holds judges the value of a window.
func (c *correlation) holds(n float64) bool {
	if math.IsNaN(n) {
		return false
	}
	if c.sequences != nil {
		return n == 1
	}
	for _, t := range c.tests {
		if !t.op.holds(n, t.num) {
			return false
		}
	}
	return true
}
