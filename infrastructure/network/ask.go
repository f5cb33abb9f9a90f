package network

import (
	"encoding/binary"

	"github.com/scantling/scantling/infrastructure/network/policy"
)

// conn is what one side says about a pair: the ports as List has them, and
// those that are surely and possibly allowed.
type conn struct{ plain, sure, may *ports }

// ports is a set of ports outside of an engine's port space. Equal ones have
// equal texts.
type ports struct {
	text   string // "" for none
	ranges []portRange
}

var noPorts = &ports{}

func (c conn) depends() bool { return c.sure.text != c.may.text }

func (c conn) equal(o conn) bool {
	return c.plain.text == o.plain.text && c.sure.text == o.sure.text && c.may.text == o.may.text
}

// ask says what one side allows between classes or blocks of its engine.
func (c *differ) ask(side int, from, to []int, mates bool) conn {
	if len(from) == 0 || len(to) == 0 {
		return conn{noPorts, noPorts, noPorts}
	}
	e := c.sides[side]
	if mates || e.onHost(from) || e.onHost(to) {
		v := e.union(from, to, mates)
		return conn{c.portsOf(side, v.plain), c.portsOf(side, v.sure), c.portsOf(side, v.may)}
	}
	w := &c.work[side]
	clear(w.sure)
	clear(w.may)
	for _, s := range from {
		for _, d := range to {
			w.add(e, s, d)
		}
	}
	may := c.portsOf(side, w.may)
	return conn{may, c.portsOf(side, w.sure), may}
}

// workspace is Engine.union for peers that are not of the host's network, in
// sets that are used again: there are as many pairs as workloads squared.
type workspace struct{ sure, may, outSure, outMay, inSure, inMay set }

func newWorkspace(e *Engine) workspace {
	n := e.ports.none
	return workspace{n(), n(), n(), n(), n(), n()}
}

func (w *workspace) add(e *Engine, source, destination int) {
	w.half(e, egress, source, destination, w.outSure, w.outMay)
	if w.outMay.empty() {
		return
	}
	w.half(e, ingress, destination, source, w.inSure, w.inMay)
	w.outSure.and(w.inSure)
	w.outMay.and(w.inMay)
	w.sure.or(w.outSure)
	w.may.or(w.outMay)
}

// half sets the ports that one direction of own allows with other.
func (*workspace) half(e *Engine, d policy.Direction, own, other int, sure, may set) {
	clear(sure)
	clear(may)
	if own >= len(e.world.classes) || e.sides[d][own].open {
		sure.or(e.ports.all)
		may.or(e.ports.all)
		return
	}
	e.sides[d][own].allowed(other, sure, may)
}

// portsOf takes a set out of its engine's port space; most are of few kinds.
func (c *differ) portsOf(side int, s set) *ports {
	c.key = c.key[:0]
	for _, w := range s {
		c.key = binary.LittleEndian.AppendUint64(c.key, w)
	}
	if known := c.taken[side][string(c.key)]; known != nil {
		return known
	}
	p := noPorts
	if !s.empty() {
		space := &c.sides[side].ports
		p = &ports{text: space.format(s)}
		s.each(func(i int) { p.ranges = append(p.ranges, space.atoms[i]) })
	}
	c.taken[side][string(c.key)] = p
	return p
}
