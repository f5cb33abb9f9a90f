package paths

import (
	"encoding/binary"
	"slices"
	"strconv"

	"github.com/scantling/scantling/graph"
	"github.com/scantling/scantling/infrastructure/network"
)

// crowds are the sources of all hubs of the network as one forest: a leaf is
// workloads of one namespace, a node above it joins those of up to crowdWidth
// namespaces, and so on. Equal ones are one, so that hubs which admit nearly
// the same workloads (all that no policy keeps in, say, and a few) share nearly
// all of their steps, whose number would else grow with that of the pairs.
type crowds struct {
	list  []crowd
	known map[string]int32 // by what is in it
	roots []int32          // of each hub
}

// crowd is one of them: workloads, or other crowds.
type crowd struct {
	loads, parts []int32
	uses         int32 // crowds that it is part of, and hubs that it is the root of
}

// spot is a crowd in the tree of one hub. space numbers its namespace in the
// order of workloads, above the leaves a block of namespaces.
type spot struct{ crowd, space int32 }

// crowdWidth is how many parts a crowd has at most.
const crowdWidth = 16

// crowdSaves is how many steps a crowd must save for its vertex to be made:
// where there are few, a way from workload to hub is easier to read.
const crowdSaves = 32

// newCrowds makes the crowds of hubs, whose sources are sorted as loads are: by
// namespace.
func newCrowds(loads []load, hubs []network.Hub) *crowds {
	spaces := make([]int32, len(loads))
	for i := 1; i < len(loads); i++ {
		spaces[i] = spaces[i-1]
		if loads[i].Namespace != loads[i-1].Namespace {
			spaces[i]++
		}
	}
	c := &crowds{known: map[string]int32{}}
	for _, h := range hubs {
		level := c.leaves(spaces, h.Sources)
		for len(level) > 1 {
			level = c.blocks(level)
		}
		c.list[level[0].crowd].uses++
		c.roots = append(c.roots, level[0].crowd)
	}
	return c
}

// leaves are the sources of a hub by namespace.
func (c *crowds) leaves(spaces []int32, sources []int) []spot {
	var out []spot
	var run []int32
	for i, s := range sources {
		run = append(run, int32(s))
		if i+1 == len(sources) || spaces[sources[i+1]] != spaces[s] {
			out = append(out, spot{c.intern(crowd{loads: run}), spaces[s]})
			run = run[:0]
		}
	}
	return out
}

// blocks joins crowds of neighbouring namespaces. One alone stays as it is.
func (c *crowds) blocks(level []spot) []spot {
	var out []spot
	var run []int32
	for i, at := range level {
		block := at.space / crowdWidth
		run = append(run, at.crowd)
		if i+1 < len(level) && level[i+1].space/crowdWidth == block {
			continue
		}
		one := run[0]
		if len(run) > 1 {
			one = c.intern(crowd{parts: run})
		}
		out, run = append(out, spot{one, block}), run[:0]
	}
	return out
}

// intern finds or makes a crowd. What is in it is copied.
func (c *crowds) intern(x crowd) int32 {
	key := binary.LittleEndian.AppendUint32(nil, uint32(len(x.loads)))
	for _, k := range slices.Concat(x.loads, x.parts) {
		key = binary.LittleEndian.AppendUint32(key, uint32(k))
	}
	if at, ok := c.known[string(key)]; ok {
		return at
	}
	for _, k := range x.parts {
		c.list[k].uses++
	}
	at := int32(len(c.list))
	c.known[string(key)] = at
	x.loads, x.parts = slices.Clone(x.loads), slices.Clone(x.parts)
	c.list = append(c.list, x)
	return at
}

// worth says whether a crowd gets a vertex: by the steps that it saves.
func (x *crowd) worth() bool {
	width, uses := int64(len(x.loads)+len(x.parts)), int64(x.uses)
	return width*uses-width-uses >= crowdSaves
}

// admit adds the steps from a crowd into a hub or another crowd.
func (b *builder) admit(c *crowds, at int32, into graph.Vertex) {
	x := &c.list[at]
	if !x.worth() {
		b.admitParts(c, x, into)
		return
	}
	known := len(b.keys)
	own := b.vertex(sendsKey(at))
	b.join(into, own)
	if len(b.keys) > known {
		b.admitParts(c, x, own)
	}
}

func sendsKey(crowd int32) key { return key{sort: sends, a: strconv.Itoa(int(crowd) + 1)} }

func (b *builder) admitParts(c *crowds, x *crowd, into graph.Vertex) {
	for _, k := range x.parts {
		b.admit(c, k, into)
	}
	for _, l := range x.loads {
		b.join(into, b.vertex(b.loads[l].key))
	}
}

// join adds a step that says nothing but that one vertex includes another.
func (b *builder) join(head, from graph.Vertex) {
	b.graph.Step(head, []graph.Vertex{from}, nil)
	b.edges = append(b.edges, implied)
}

// near adds the steps into what only sources of one namespace reach.
func (b *builder) near(c *crowds, at int32, hub string) {
	x := &c.list[at]
	for _, k := range x.parts {
		b.near(c, k, hub)
	}
	if len(x.loads) == 0 {
		return
	}
	if into, used := b.vertices[key{sort: arrives, a: hub, b: b.loads[x.loads[0]].Namespace}]; used {
		b.admit(c, at, into)
	}
}
