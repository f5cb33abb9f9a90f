package detect

import (
	"bytes"

	"github.com/valyala/fastjson"
)

// walker goes through an event once, along the tree of the fields that rules
// name, and gathers their values and which predicates' texts they hold.
type walker struct {
	visit   func(key []byte, v *fastjson.Value) // child, made once
	at      *node                               // of the object at hand
	object  uint64                              // its number
	objects uint64                              // numbers given
	seen    []uint64                            // by node: the object that a key of it was seen in last
	doubted []uint64                            // by node: the event in which a key with dots led there
	unsure  []int32                             // fields that such keys may lead to
}

// look visits the fields of the event at hand, and calls the rules whose
// witnesses it finds.
func (m *Matcher) look() {
	for len(m.seen) < m.route.nodes {
		m.seen, m.doubted = append(m.seen, 0), append(m.doubted, 0)
	}
	m.unsure = m.unsure[:0]
	m.walk(m.route.root, m.doc)
	for _, f := range m.unsure {
		m.reread(int(f))
	}
}

// walk takes the value that the path to a node leads to. Its depth is that of
// the parser.
func (m *Matcher) walk(n *node, v *fastjson.Value) {
	kind := v.Type()
	if kind == fastjson.TypeArray {
		m.arriveAt(n)
		items, _ := v.Array()
		for _, item := range items {
			m.walk(n, item)
		}
		return
	}
	if n.field >= 0 {
		m.take(n.field, n.watch, v)
	}
	if n.words {
		m.take(keywords, m.route.lookouts[keywords], v)
	}
	if len(n.kids) == 0 || kind != fastjson.TypeObject {
		return
	}
	at, object := m.at, m.object
	m.objects++
	m.at, m.object = n, m.objects
	o, _ := v.Object()
	o.Visit(m.visit)
	m.at, m.object = at, object
}

// child takes one member of the object at hand. Of two with one name the first
// counts. Whether a key with dots in it stands for several of a path depends on
// what else is there: the fields that it may lead to are read by their own
// paths afterwards.
func (m *Matcher) child(key []byte, v *fastjson.Value) {
	n := m.at
	if kid := n.kid(key); kid != nil {
		if m.seen[kid.id] != m.object {
			m.seen[kid.id] = m.object
			m.walk(kid, v)
		}
		return
	}
	if !n.deep || bytes.IndexByte(key, '.') < 0 {
		return
	}
	if to := n.follow(key); to != nil && m.doubted[to.id] != m.now {
		m.doubted[to.id] = m.now
		m.unsure = append(m.unsure, to.below...)
	}
}

// arriveAt notes that a path leads somewhere, if only to an empty list.
func (m *Matcher) arriveAt(n *node) {
	if n.field >= 0 {
		m.arrive(n.field)
	}
	if n.words {
		m.arrive(keywords)
	}
}

func (m *Matcher) arrive(f int) *fieldState {
	s := &m.fields[f]
	if s.at != m.now {
		s.reset(m.now)
	}
	if !s.present {
		s.present = true
		m.call(m.asks.any.at(f))
	}
	return s
}

// take takes a value, no array, of a field.
func (m *Matcher) take(f int, l *lookout, v *fastjson.Value) {
	if x := m.arrive(f).add(v); x != nil {
		m.watch(l, x)
	}
}

// reread reads a field by its own path. That finds all that the walk did.
func (m *Matcher) reread(f int) {
	s := &m.fields[f]
	s.reset(m.now)
	m.read(f)
	if s.present {
		m.call(m.asks.any.at(f))
	}
	for i := range s.values {
		m.watch(m.route.lookouts[f], &s.values[i])
	}
}

// watch notes which predicates a value holds, or may hold.
func (m *Matcher) watch(l *lookout, x *value) {
	if x.object || l.needles == nil && l.lengths == 0 {
		return
	}
	text := x.in(false)
	if l.lengths>>(len(text)&63)&1 != 0 {
		for _, i := range l.exact[string(text)] {
			if m.prog.preds[i].cased {
				m.saw(i, maybe)
			} else {
				m.saw(i, yes)
			}
		}
	}
	if l.needles != nil {
		m.scan(l.needles, text)
	}
}

// scan looks for all needles of a field in one of its values.
func (m *Matcher) scan(a *automaton, text []byte) {
	at := uint32(0)
	for i, b := range text {
		x := a.next[at+uint32(a.class[b])]
		at = x >> 1
		if x&1 != 0 {
			m.ends(a, int32(at/a.stride), i+1, len(text))
		}
	}
}

// ends takes the needles that end at a byte of a value.
func (m *Matcher) ends(a *automaton, state int32, to, length int) {
	for ; state != 0; state = a.found[state].rest {
		e := &a.found[state]
		for _, use := range e.uses {
			switch use.where {
			case atStart:
				if to != int(e.length) {
					continue
				}
			case atEnd:
				if to != length {
					continue
				}
			case within:
				m.saw(use.pred, maybe)
				continue
			}
			m.saw(use.pred, yes)
		}
	}
}

// saw notes an answer, and at the first one calls the rules whose witness the
// predicate is.
func (m *Matcher) saw(pred int32, what answer) {
	known := m.preds[pred]
	fresh := uint64(known>>2) == m.now
	if fresh && (what == maybe || known&3 == yes) {
		return
	}
	m.preds[pred] = answer(m.now)<<2 | what
	if !fresh {
		m.call(m.asks.of.at(int(pred)))
	}
}
