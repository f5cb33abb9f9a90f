package detect

import (
	"maps"
	"slices"
	"strings"

	"github.com/scantling/scantling/runtime/ingest"
)

// route is what a program does with the events of one kind: which fields it
// visits, what it watches their values for, and which rules to ask of what was
// seen.
type route struct {
	kind     kind
	message  []field
	shown    []field // in the order of kind.shown
	rules    int     // that read the kind
	root     *node
	nodes    int          // of the tree
	visits   []bool       // by field: whether the tree leads there
	lookouts []*lookout   // by field; nil for those that aren't visited
	watched  []bool       // by predicate: false unless its text was seen
	asks     [levels]asks // by what an audit record holds; all alike for other kinds
}

// levels of an audit record: without bodies, with that of the request, with all.
const levels = 3

// asks says which rules to ask.
type asks struct {
	always []int32 // rules without a witness
	of     lists   // by predicate: rules whose witness it is
	any    lists   // by field: rules whose witness is any value of it
}

// lists are lists of rules in one piece.
type lists struct {
	from  []uint32
	rules []int32
}

func (l *lists) at(i int) []int32 { return l.rules[l.from[i]:l.from[i+1]] }

// newLists packs n lists.
func newLists(n int, of map[int][]int32) lists {
	l := lists{from: make([]uint32, n+1)}
	for i := range n {
		l.rules = append(l.rules, of[i]...)
		l.from[i+1] = uint32(len(l.rules))
	}
	return l
}

// node is a place in an event that the path of some field leads to or through.
type node struct {
	kids  map[string]*node
	slots []slot // kids by a hash of their keys, at least half of them empty
	deep  bool   // some of kids have kids
	id    int
	field int      // that ends here; -1: none
	words bool     // keywords look here too
	watch *lookout // of field
	below []int32  // fields that end here or further on
}

// lookout is what the values of one field are watched for.
type lookout struct {
	exact   map[string][]int32 // predicates by the folded text that the value must be
	lengths uint64             // bit n%64 for each length n of a text in exact
	needles *automaton         // nil: none
}

// route builds the routes of every kind.
func (b *builder) route() {
	p := b.prog
	p.routes = map[string]*route{}
	for _, k := range p.kinds {
		r := &route{kind: k}
		for _, name := range k.message {
			r.message = append(r.message, newField(name))
		}
		for _, s := range k.shown {
			r.shown = append(r.shown, newField(s.field))
		}
		var rules []int
		for i := range p.rules {
			if slices.Contains(p.rules[i].Kinds, k.name) {
				rules = append(rules, i)
			}
		}
		if r.rules = len(rules); r.rules > 0 {
			r.build(p, rules)
		}
		p.routes[k.name] = r
	}
}

func (r *route) build(p *Program, rules []int) {
	r.watched, r.visits = make([]bool, len(p.preds)), make([]bool, len(p.fields))
	asked := make([]bool, len(p.preds))
	for _, i := range rules {
		p.rules[i].cond.each(func(pred int) { asked[pred] = true })
	}
	byField := map[int][]int{}
	for i, yes := range asked {
		if !yes {
			continue
		}
		pred := &p.preds[i]
		if p.fields[pred.field].any {
			continue // looked up when a rule is asked
		}
		r.watched[i] = pred.watched()
		byField[pred.field] = append(byField[pred.field], i)
		r.visits[pred.field] = true
		if pred.op == opFieldref {
			r.visits[pred.other] = true
		}
	}
	r.grow(p, byField)
	whole := r.asking(p, rules, levels-1)
	r.asks = [levels]asks{whole, whole, whole}
	if r.kind.name == ingest.Kind {
		r.asks[0], r.asks[1] = r.asking(p, rules, 0), r.asking(p, rules, 1)
	}
}

// grow builds the tree of the fields that rules of the route name.
func (r *route) grow(p *Program, byField map[int][]int) {
	r.root = r.plant()
	r.lookouts = make([]*lookout, len(p.fields))
	for f, visited := range r.visits {
		if !visited {
			continue
		}
		r.lookouts[f] = newLookout(p, byField[f])
		if f == keywords {
			for _, m := range r.message {
				r.reach(m.name).words = true
			}
			continue
		}
		n := r.reach(p.fields[f].name)
		n.field, n.watch = f, r.lookouts[f]
	}
	r.root.settle()
}

func (r *route) plant() *node {
	r.nodes++
	return &node{id: r.nodes - 1, field: -1}
}

// reach returns the node of a field's path.
func (r *route) reach(name string) *node {
	at := r.root
	for i, key := range strings.Split(name, ".") {
		if at.kids[key] == nil {
			if at.kids == nil {
				at.kids = map[string]*node{}
			}
			at.kids[key] = r.plant()
		}
		at.deep = at.deep || i < strings.Count(name, ".")
		at = at.kids[key]
	}
	return at
}

// settle fills below and slots, of all that is under a node too.
func (n *node) settle() {
	if n.field >= 0 {
		n.below = append(n.below, int32(n.field))
	}
	if n.words {
		n.below = append(n.below, keywords)
	}
	size := 2
	for size < 4*len(n.kids) {
		size *= 2
	}
	n.slots = make([]slot, size)
	for _, key := range slices.Sorted(maps.Keys(n.kids)) {
		kid := n.kids[key]
		kid.settle()
		n.below = append(n.below, kid.below...)
		i := keyHash([]byte(key)) & uint32(size-1)
		for n.slots[i].node != nil {
			i = (i + 1) & uint32(size-1)
		}
		n.slots[i] = slot{key, kid}
	}
	slices.Sort(n.below)
	n.below = slices.Compact(n.below)
}

// slot is a place in a node's table.
type slot struct {
	key  string
	node *node
}

// keyHash tells most keys of one object apart by their length and three bytes.
func keyHash(key []byte) uint32 {
	n := len(key)
	if n == 0 {
		return 0
	}
	h := uint32(n)*0x9e3779b1 ^ uint32(key[0])*0x85ebca6b ^ uint32(key[n/2])*0xc2b2ae35 ^ uint32(key[n-1])*0x27d4eb2f
	return h ^ h>>15
}

// kid is the place that a key leads to; nil for none.
func (n *node) kid(key []byte) *node {
	mask := uint32(len(n.slots) - 1)
	for i := keyHash(key) & mask; n.slots[i].node != nil; i = (i + 1) & mask {
		if n.slots[i].key == string(key) {
			return n.slots[i].node
		}
	}
	return nil
}

// follow returns the place that a key with dots in it leads to as if it were
// the keys of a path; nil when no field's path goes that way.
func (n *node) follow(key []byte) *node {
	for n != nil {
		i := slices.Index(key, '.')
		if i < 0 {
			return n.kid(key)
		}
		n, key = n.kid(key[:i]), key[i+1:]
	}
	return nil
}

// newLookout watches for what predicates of one field look for.
func newLookout(p *Program, preds []int) *lookout {
	l := &lookout{exact: map[string][]int32{}}
	var needles []needle
	for _, i := range preds {
		if text, ok := p.preds[i].exactText(); ok {
			l.exact[text] = append(l.exact[text], int32(i))
			l.lengths |= 1 << (len(text) & 63)
		}
		needles = append(needles, p.preds[i].needles(i)...)
	}
	l.needles = newAutomaton(needles)
	return l
}

// asking finds the witnesses of rules for records of a level. A field of a body
// is none where that level leaves the body out: the rule must be asked then,
// and can't tell.
func (r *route) asking(p *Program, rules []int, level int) asks {
	var a asks
	of, anyOf := map[int][]int32{}, map[int][]int32{}
	for _, i := range rules {
		blind := p.rules[i].reads > level
		set, _ := p.rules[i].cond.witness(p.preds, func(w *predicate) bool { return !p.fields[w.field].any && (!blind || w.body <= level) })
		if set == nil {
			a.always = append(a.always, int32(i))
			continue
		}
		for _, w := range set {
			if r.watched[w] {
				of[w] = append(of[w], int32(i))
			} else if list := anyOf[p.preds[w].field]; len(list) == 0 || list[len(list)-1] != int32(i) {
				anyOf[p.preds[w].field] = append(list, int32(i))
			}
		}
	}
	a.of, a.any = newLists(len(p.preds), of), newLists(len(p.fields), anyOf)
	return a
}
