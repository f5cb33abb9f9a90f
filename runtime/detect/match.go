package detect

import (
	"bytes"
	"errors"

	"github.com/valyala/fastjson"

	"github.com/scantling/scantling/model"
	"github.com/scantling/scantling/runtime/ingest"
)

// Matcher asks a program of events, one after another. It reuses its room and
// is not safe for concurrent use.
type Matcher struct {
	prog   *Program
	parser *fastjson.Parser
	big    bool   // the parser keeps the room of a record over keepRecord
	now    uint64 // the event at hand; what bears another number is stale
	route  *route
	asks   *asks
	level  int // see levelOf
	doc    *fastjson.Value
	fields []fieldState
	preds  []answer
	asked  []uint64 // by rule
	queue  []int32  // rules to ask
	failed error    // why a predicate could not be answered
	room   fieldState
	walker
}

// answer is that of one predicate: the number of the event, times four, and
// what is known.
type answer uint64

const (
	maybe answer = iota + 1 // its text was seen: it must be tested
	no
	yes
)

// fieldState holds the values of one field of the event at hand.
type fieldState struct {
	at      uint64
	present bool // the path leads somewhere, if only to null
	values  []value
}

// keepValues is how many values a field keeps room for between events; one
// event may have many more.
const keepValues = 256

// keepRecord is the longest record, in bytes, whose parser is kept.
const keepRecord = 512 << 10

// Hit is one rule that an event matched, or on which it can't be told whether
// it did, because the log's level left out the body that the rule needs.
type Hit struct {
	Rule    int // index into Program.Rules
	Unknown bool
}

// NewMatcher returns a matcher for the program.
func (p *Program) NewMatcher() *Matcher {
	m := &Matcher{
		prog: p, fields: make([]fieldState, len(p.fields)), preds: make([]answer, len(p.preds)), asked: make([]uint64, len(p.rules)),
	}
	m.walker.visit = m.child
	return m
}

// errNotJSON is all that is said of a record that can't be parsed: the
// parser's own words quote it, secrets included.
var errNotJSON = errors.New("record is not a JSON object")

// maxPairs is how many pairs of values fieldref compares in one event: two
// lists of a hostile record would otherwise take hours.
const maxPairs = 1 << 20

var errTooMany = errors.New("record has too many values to compare two fields of it")

// Hits appends the rules that an event matches, or might, to dst, in no
// particular order. An event of a kind that no rule reads has none. With an
// error the hits are not all.
func (m *Matcher) Hits(ev model.Event, dst []Hit) ([]Hit, error) {
	if !m.begin(ev.Source) {
		return dst, nil
	}
	return m.parsed(ev.Raw, dst)
}

// parsed matches a record that is still to be parsed.
func (m *Matcher) parsed(raw []byte, dst []Hit) ([]Hit, error) {
	if m.parser == nil || m.big {
		m.parser = new(fastjson.Parser)
	}
	m.big = len(raw) > keepRecord
	doc, err := m.parser.ParseBytes(raw)
	if err != nil || doc.Type() != fastjson.TypeObject {
		return dst, errNotJSON
	}
	return m.match(doc, dst)
}

// begin turns to the next event and reports whether any rule reads its kind.
func (m *Matcher) begin(kind string) bool {
	m.route = m.prog.routes[kind]
	return m.route != nil && m.route.rules > 0
}

// match asks the rules of the route of an object.
func (m *Matcher) match(doc *fastjson.Value, dst []Hit) ([]Hit, error) {
	m.doc, m.failed = doc, nil
	m.now++
	m.level = m.levelOf()
	m.asks = &m.route.asks[levels-1]
	if m.level >= 0 {
		m.asks = &m.route.asks[m.level]
	}
	m.queue = m.queue[:0]
	m.call(m.asks.always)
	m.look()
	for _, i := range m.queue {
		dst = m.ask(int(i), dst)
	}
	return dst, m.failed
}

// levelOf is that of an audit record, lowered where its body was cut off
// (--audit-log-truncate-enabled); -1 for other kinds of log.
func (m *Matcher) levelOf() int {
	if m.route.kind.name != ingest.Kind {
		return -1
	}
	if string(m.doc.GetStringBytes("annotations", "audit.k8s.io/truncated")) == "true" {
		return rank(levelMetadata)
	}
	return rank(string(m.doc.GetStringBytes("level")))
}

// call puts rules into the queue, each once an event.
func (m *Matcher) call(rules []int32) {
	for _, i := range rules {
		if m.asked[i] != m.now {
			m.asked[i] = m.now
			m.queue = append(m.queue, i)
		}
	}
}

// ask evaluates one rule.
func (m *Matcher) ask(i int, dst []Hit) []Hit {
	r := &m.prog.rules[i]
	if m.eval(r.cond) {
		return append(dst, Hit{Rule: i})
	}
	if m.level >= 0 && r.reads > m.level && m.might(r.cond, m.level) {
		return append(dst, Hit{Rule: i, Unknown: true})
	}
	return dst
}

// might reports whether a condition could hold if the record had the body that
// its level leaves out.
func (m *Matcher) might(e *expr, level int) bool {
	return m.could(e, true, level)
}

// could reports whether a condition could turn out as wanted, as
// expr.possible, which looks at all of it, has it too.
func (m *Matcher) could(e *expr, want bool, level int) bool {
	switch e.op {
	case opPred:
		return m.prog.preds[e.pred].body > level || m.holds(e.pred) == want
	case opNot:
		return m.could(e.kids[0], !want, level)
	}
	all := (e.op == opAnd) == want // of the operands must do so; else one
	for _, k := range e.kids {
		if m.could(k, want, level) != all {
			return !all
		}
	}
	return all
}

func (m *Matcher) eval(e *expr) bool {
	switch e.op {
	case opPred:
		return m.holds(e.pred)
	case opNot:
		return !m.eval(e.kids[0])
	}
	for _, k := range e.kids {
		if m.eval(k) != (e.op == opAnd) {
			return e.op == opOr
		}
	}
	return e.op == opAnd
}

// holds answers a predicate, testing it at most once an event.
func (m *Matcher) holds(i int) bool {
	known := m.preds[i]
	if uint64(known>>2) != m.now {
		if m.route.watched[i] {
			return false
		}
		known = maybe
	}
	if known&3 == maybe {
		known = no
		if m.test(&m.prog.preds[i]) {
			known = yes
		}
		m.preds[i] = answer(m.now)<<2 | known
	}
	return known&3 == yes
}

func (m *Matcher) test(p *predicate) bool {
	state := m.state(p.field)
	switch p.op {
	case opNull:
		return len(state.values) == 0
	case opExists:
		return state.present == p.want
	case opFieldref:
		return m.refers(p, state)
	}
	for i := range state.values {
		if p.matches(&state.values[i]) {
			return true
		}
	}
	return false
}

func (m *Matcher) refers(p *predicate, state *fieldState) bool {
	other := m.state(p.other)
	if len(state.values)*len(other.values) > maxPairs {
		m.failed = errTooMany
		return false
	}
	for i := range state.values {
		for j := range other.values {
			if p.refers(&state.values[i], &other.values[j]) {
				return true
			}
		}
	}
	return false
}

// state returns a field of the event at hand, reading it unless it was
// visited.
func (m *Matcher) state(i int) *fieldState {
	s := &m.fields[i]
	if s.at == m.now {
		return s
	}
	s.reset(m.now)
	if !m.route.visits[i] {
		m.read(i)
	}
	return s
}

// read reads a field by its own path, not with the others.
func (m *Matcher) read(i int) {
	s := &m.fields[i]
	if i != keywords {
		s.read(m.doc, m.prog.fields[i].keys)
		return
	}
	for k := range m.route.message {
		s.read(m.doc, m.route.message[k].keys)
	}
}

func (s *fieldState) reset(now uint64) {
	if cap(s.values) > keepValues {
		s.values = nil
	}
	s.at, s.present, s.values = now, false, s.values[:0]
}

// read follows the keys from v and gathers what they lead to; it reports
// whether they led anywhere. The first key is tried alone, then joined with
// the next, so that each object is looked at for one position in the path only.
func (s *fieldState) read(v *fastjson.Value, keys [][]string) bool {
	if v.Type() == fastjson.TypeArray {
		items, _ := v.Array()
		found := len(keys) == 0
		for _, item := range items {
			found = s.read(item, keys) || found
		}
		s.present = s.present || found
		return found
	}
	if len(keys) == 0 {
		s.add(v)
		return true
	}
	if v.Type() != fastjson.TypeObject {
		return false
	}
	if keys[0][0] == anyKey {
		return s.readAll(v, keys[1:])
	}
	for n, key := range keys[0] {
		if child := v.Get(key); child != nil && s.read(child, keys[n+1:]) {
			return true
		}
	}
	return false
}

// add takes one value that is no array; it returns nil for null.
func (s *fieldState) add(v *fastjson.Value) *value {
	s.present = true
	if v.Type() == fastjson.TypeNull {
		return nil
	}
	if len(s.values) < cap(s.values) {
		s.values = s.values[:len(s.values)+1]
	} else {
		s.values = append(s.values, value{})
	}
	x := &s.values[len(s.values)-1]
	x.object, x.isFold = false, false
	switch v.Type() {
	case fastjson.TypeString:
		x.text = v.GetStringBytes()
	case fastjson.TypeObject:
		x.object, x.text = true, nil
	default:
		x.own = v.MarshalTo(x.own[:0])
		if v.Type() == fastjson.TypeNumber && bytes.ContainsAny(x.own, ".eE") {
			x.own = append(x.own[:0], canonical(string(x.own))...)
		}
		x.text = x.own
	}
	return x
}
