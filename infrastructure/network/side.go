package network

import (
	"cmp"
	"slices"

	"github.com/scantling/scantling/infrastructure/network/policy"
)

// side is what the policies that select a class let it do in one direction.
// Classes that the same policies select share one.
type side struct {
	open     bool    // no policy selects: everything is allowed
	parts    []*part // that select, in the order in which they are asked
	grants   []grant // with disjoint ports; what is in none is denied
	isolated bool    // surely, by a policy whose rules are all that is let through
	doubtful bool    // whether some policy is in force, or what it says, isn't known
	beyond   bool    // more rules than are asked
}

// maxAsked bounds the rules that are asked for one side, those of each set of
// ports apart. What lies beyond depends.
const maxAsked = 1 << 24

// grant allows peers on a set of ports.
type grant struct {
	ports set // interned
	sure  set // peers that are surely allowed
	peers set // peers that are, or may be, allowed
}

func (e *Engine) newSide(d policy.Direction, parts []int, own int) *side {
	s := &side{open: len(parts) == 0}
	for _, i := range parts {
		p := e.parts[d][i]
		s.parts = append(s.parts, p)
		s.isolated = s.isolated || p.side.Isolates && p.side.Depends == ""
		s.doubtful = s.doubtful || p.side.Depends != "" || slices.ContainsFunc(p.rules, func(r compiled) bool { return r.Depends != "" })
	}
	if s.open {
		s.grants = []grant{{e.intern(e.ports.all), e.world.all, e.world.all}}
		return s
	}
	r := e.newRow(d, s.parts, own)
	groups := r.split()
	if len(groups)*len(r.steps) > maxAsked {
		s.isolated, s.doubtful, s.beyond = false, true, true
		s.grants = []grant{{e.intern(e.ports.all), e.world.none(), e.world.all}}
		return s
	}
	for _, ports := range groups {
		sure, may := r.judge(ports)
		if may.empty() {
			continue
		}
		g := grant{e.intern(ports), e.intern(sure), e.intern(may)}
		at := slices.IndexFunc(s.grants, func(o grant) bool { return same(o.sure, g.sure) && same(o.peers, g.peers) })
		if at < 0 {
			s.grants = append(s.grants, g)
			continue
		}
		joined := s.grants[at].ports.clone()
		joined.or(ports)
		s.grants[at].ports = e.intern(joined)
	}
	return s
}

// allowed adds the ports on which s lets a peer through, surely and possibly.
func (s *side) allowed(peer int, sure, may set) {
	for _, g := range s.grants {
		if g.peers.has(peer) {
			may.or(g.ports)
			if g.sure.has(peer) {
				sure.or(g.ports)
			}
		}
	}
}

// row evaluates some parts for all peers at once.
type row struct {
	e     *Engine
	d     policy.Direction
	parts []*part
	steps []step // rules in the order in which they are asked
}

// step is a rule with what it is compared by.
type step struct {
	part  int // index into row.parts
	rule  *compiled
	ports set // with those of names that don't depend on the peer
}

func (e *Engine) newRow(d policy.Direction, parts []*part, own int) *row {
	r := &row{e: e, d: d, parts: parts}
	for i, p := range parts {
		for n := range p.rules {
			r.steps = append(r.steps, step{i, &p.rules[n], e.portsOf(d, &p.rules[n], own)})
		}
	}
	slices.SortStableFunc(r.steps, func(a, b step) int {
		return cmp.Or(
			cmp.Compare(parts[a.part].policy.Layer, parts[b.part].policy.Layer), cmp.Compare(parts[a.part].side.Tier, parts[b.part].side.Tier),
			cmp.Compare(a.rule.Order, b.rule.Order), cmp.Compare(a.part, b.part), cmp.Compare(a.rule.Turn, b.rule.Turn),
		)
	})
	return r
}

// portsOf returns the ports of a rule that don't depend on the peer: for
// ingress that includes the named ones, which are those of the selected pod.
func (e *Engine) portsOf(d policy.Direction, r *compiled, own int) set {
	if d == egress || len(r.names) == 0 {
		return r.ports
	}
	ports := r.ports.clone()
	for _, n := range r.names {
		for atom, classes := range e.namedAt[n] {
			if classes.has(own) {
				ports.add(atom)
			}
		}
	}
	return ports
}

// split cuts the ports into sets that all rules treat alike: each set of ports
// that a rule names parts the atoms in it from the others of their group.
func (r *row) split() []set {
	group := make([]int, len(r.e.ports.atoms)) // of each atom
	groups := 1
	part := func(each func(f func(atom int))) {
		moved := map[int]int{} // from an old group to the new one
		each(func(atom int) {
			to, known := moved[group[atom]]
			if !known {
				to = groups
				groups++
				moved[group[atom]] = to
			}
			group[atom] = to
		})
	}
	done := map[*uint64]bool{}
	for _, s := range r.steps {
		if !done[&s.ports[0]] {
			done[&s.ports[0]] = true
			part(s.ports.each)
		}
		if r.d == ingress {
			continue
		}
		for _, n := range s.rule.names {
			for atom := range r.e.namedAt[n] {
				part(func(f func(int)) { f(atom) })
			}
		}
	}
	var list []set
	at := make([]int, groups) // in list, from 1
	for atom, g := range group {
		if at[g] == 0 {
			list = append(list, r.e.ports.none())
			at[g] = len(list)
		}
		list[at[g]-1].add(atom)
	}
	return list
}

// matched returns the peers that a step surely and possibly matches on the
// ports of a group; nil for none.
func (r *row) matched(s *step, atom int) (sure, may set) {
	if s.ports.has(atom) {
		return s.rule.peers, s.rule.maybe
	}
	if r.d != egress {
		return nil, nil
	}
	for _, n := range s.rule.names {
		at := r.e.namedAt[n][atom]
		if at == nil {
			continue
		}
		if sure == nil {
			sure = r.e.world.none()
		}
		sure.orAnd(at, s.rule.peers)
		if s.rule.maybe != nil {
			if may == nil {
				may = r.e.world.none()
			}
			may.orAnd(at, s.rule.maybe)
		}
	}
	return sure, may
}

// judge evaluates the parts on ports that all rules treat alike.
func (r *row) judge(ports set) (sure, may set) {
	program := r.program(ports.first())
	sure, may = r.e.world.none(), r.e.world.none()
	for w, everyone := range r.e.world.all {
		sure[w], may[w] = run(program, w, everyone)
	}
	return sure, may
}

// code says what an op does.
type code int

const (
	match      code = iota // a rule
	endTurn                // of rules of one side, order and turn
	endSide                // of rules of one side and order
	endOrder               // of rules of one order
	isolate                // what no rule of the tier matched is denied
	mayIsolate             // or it may be, unless the side in doubt lets it through itself
	endTier                //
	endLayer               //
)

// op is one step of a program that evaluates 64 peers at once.
type op struct {
	code
	action policy.Action
	sure   set // of match: peers that surely match, nil for none
	may    set // of match: all that may match; of mayIsolate: those let through
}

// program is what has to be done for an atom.
type program struct {
	row  *row
	atom int
	ops  []op
	own  []set   // what each side of the tier that is in doubt matches itself
	open [3]bool // rules have matched since the last end of a turn, a side, an order
}

// program lists what has to be done for an atom.
func (r *row) program(atom int) []op {
	p := program{row: r, atom: atom}
	next := 0 // step
	for i := 0; i < len(r.parts); {
		layer, tier, first := r.parts[i].policy.Layer, r.parts[i].side.Tier, i
		for i < len(r.parts) && r.parts[i].policy.Layer == layer && r.parts[i].side.Tier == tier {
			i++
		}
		p.own = make([]set, i-first)
		for next < len(r.steps) && r.steps[next].part < i {
			p.ask(next, first)
			next++
		}
		for n, t := range r.parts[first:i] {
			switch {
			case !t.side.Isolates:
			case t.side.Depends == "":
				p.ops = append(p.ops, op{code: isolate})
			default:
				p.ops = append(p.ops, op{code: mayIsolate, may: p.own[n]})
			}
		}
		p.ops = append(p.ops, op{code: endTier})
		if i == len(r.parts) || r.parts[i].policy.Layer != layer {
			p.ops = append(p.ops, op{code: endLayer})
		}
	}
	return p.ops
}

// ask appends what one step does, and what ends with it. First is the first
// part of the tier.
func (p *program) ask(at, first int) {
	s := &p.row.steps[at]
	side := p.row.parts[s.part].side
	if sure, may := p.row.matched(s, p.atom); sure != nil {
		o := op{code: match, action: s.rule.Action, sure: sure, may: sure}
		if may != nil {
			o.may = may.clone()
			o.may.or(sure)
		}
		if s.rule.Depends == "" && side.Depends != "" {
			if p.own[s.part-first] == nil {
				p.own[s.part-first] = p.row.e.world.none()
			}
			p.own[s.part-first].or(sure)
		}
		if s.rule.Depends != "" || side.Depends != "" {
			o.sure = nil
		}
		p.ops = append(p.ops, o)
		p.open = [3]bool{true, true, true}
	}
	for level, ends := range p.row.ends(at) {
		if ends && p.open[level] {
			p.ops = append(p.ops, op{code: endTurn + code(level)})
			p.open[level] = false
		}
	}
}

// ends says whether a turn, a side and an order end with a step.
func (r *row) ends(at int) [3]bool {
	if at+1 == len(r.steps) {
		return [3]bool{true, true, true}
	}
	s, after := &r.steps[at], &r.steps[at+1]
	order := !sameTier(r.parts[s.part], r.parts[after.part]) || after.rule.Order != s.rule.Order
	side := order || after.part != s.part
	return [3]bool{side || after.rule.Turn != s.rule.Turn, side, order}
}

// run evaluates the 64 peers of word w, of which everyone are peers at all.
// Every peer is followed to all the ends that it may come to.
func run(program []op, w int, everyone uint64) (sure, may uint64) {
	sure, may = everyone, everyone
	undecided, left := everyone, everyone // of the layer; of the side that is asked
	var accepted, denied, passed uint64   // of the layer, the layer, the tier
	var by [3]uint64                      // of one order, by action: those that may match
	var turn, hit uint64                  // of one turn, of one order: those that surely match
	for i := range program {
		o := &program[i]
		switch o.code {
		case match:
			by[o.action] |= o.may[w] & left
			if o.sure != nil {
				turn |= o.sure[w] & left
			}
		case endTurn:
			left &^= turn
			hit |= turn
			turn = 0
		case endSide:
			left = everyone
		case endOrder:
			accepted |= undecided & by[policy.Accept]
			denied |= undecided & by[policy.Deny]
			passed |= undecided & by[policy.Pass]
			undecided &^= hit
			by, hit = [3]uint64{}, 0
		case isolate:
			denied |= undecided
			undecided = 0
		case mayIsolate:
			free := uint64(0)
			if o.may != nil {
				free = o.may[w]
			}
			denied |= undecided &^ free
		case endTier:
			undecided |= passed
			passed = 0
		case endLayer:
			accepted |= undecided
			may &= accepted
			sure &= accepted &^ denied
			undecided, accepted, denied = everyone, 0, 0
		}
	}
	return sure, may
}
