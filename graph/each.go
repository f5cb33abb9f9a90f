package graph

import (
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
)

// hubEntries is how many entries must share a vertex, and then a set of such
// vertices, before the supports from them are worth a run of their own.
const hubEntries = 3

// SupportsEach is Supports of each vertex of from, in the same order, on all
// processors. It is much faster than as many calls where entries have hubs in
// common: vertices that several of them reach by steps without facts (the
// networks that a namespace may speak to, say). The supports from such a set
// of hubs are found once, and an entry adds only what it has in addition. The
// answers are those of Supports as long as nothing is cut; Max applies to the
// hubs and to the entry's additions apart, so a vertex may have twice as many.
//
// In memory stay the supports of the vertices of To. All that there are of one
// set of hubs come on top for each processor: give To where they are many.
func (g *Graph) SupportsEach(from []Vertex, opt Options) []*Supports {
	keep, wanted := g.before(opt.To), listed(opt.To)
	out := make([]*Supports, len(from))
	groups := g.groups(from)
	parallel(len(groups), func(i int) {
		var known, shown *labels
		if hubs := groups[i].hubs; hubs != nil {
			l := g.idle.get(g)
			l.setUp(hubs, opt, keep, nil)
			l.run()
			known, shown = l.finished(nil), l.finished(wanted)
			g.idle.put(l)
		}
		parallel(len(groups[i].entries), func(k int) {
			entry := groups[i].entries[k]
			l := g.idle.get(g)
			l.setUp(from[entry:entry+1], opt, keep, known)
			l.run()
			out[entry] = l.result(wanted, shown)
			g.idle.put(l)
		})
	})
	return out
}

// group is entries, by their index, that share hubs; those that share none
// have a group without hubs.
type group struct {
	hubs    []Vertex
	entries []int
}

// groups parts the entries by the shared vertices that are certain from them.
func (g *Graph) groups(from []Vertex) []group {
	facts := NewSet(g.NumFacts())
	for f := range g.NumFacts() {
		facts.Add(f)
	}
	sure := g.Closure(from, facts)
	entries := make([]int, g.vertices)
	for i := range sure {
		for v := range sure[i].All() {
			entries[v]++
		}
	}
	out, number := []group{{}}, map[string]int{}
	for i := range sure {
		var hubs []Vertex
		for v := range sure[i].All() {
			if entries[v] >= hubEntries {
				hubs = append(hubs, v)
			}
		}
		key := fmt.Sprint(hubs)
		k, ok := number[key]
		if !ok && len(hubs) > 0 {
			k = len(out)
			number[key] = k
			out = append(out, group{hubs: hubs})
		}
		out[k].entries = append(out[k].entries, i)
	}
	for k := range out {
		if len(out[k].entries) < hubEntries {
			out[k].hubs = nil
		}
	}
	return out
}

// finished takes the labels of the wanted vertices (nil: all) out of the working space.
func (l *labeller) finished(wanted *Set) *labels {
	out := &labels{rows: make([][]entry, len(l.label)), lost: l.losses()}
	use := func(v int) []entry {
		if wanted != nil && !wanted.Has(v) {
			return nil
		}
		return l.label[v]
	}
	entries, facts := 0, 0
	for v := range l.label {
		label := use(v)
		entries += len(label)
		for _, e := range label {
			facts += int(e.n)
		}
	}
	flat := make([]entry, 0, entries)
	out.arena = make([]Fact, 0, facts)
	for v := range l.label {
		first := len(flat)
		for _, e := range use(v) {
			at := int32(len(out.arena))
			out.arena = append(out.arena, l.facts(e)...)
			e.at = at
			flat = append(flat, e)
		}
		out.rows[v] = flat[first:len(flat):len(flat)]
	}
	return out
}

// parallel calls do for 0 to n-1 on all processors and waits for the last.
func parallel(n int, do func(i int)) {
	var next atomic.Int64
	var wg sync.WaitGroup
	for range min(n, runtime.GOMAXPROCS(0)) {
		wg.Go(func() {
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				do(i)
			}
		})
	}
	wg.Wait()
}
