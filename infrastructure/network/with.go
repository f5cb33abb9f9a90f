package network

import (
	"maps"
	"reflect"
	"slices"

	"github.com/scantling/scantling/infrastructure/kube"
	"github.com/scantling/scantling/infrastructure/network/policy"
)

// With answers for a snapshot that differs from the engine's in policies
// alone, as Build would, but computes only what the changed ones touch. Where
// other things differ too, or a policy looks at labels, ports or addresses
// that nothing looked at before, it is Build.
func (e *Engine) With(s *kube.Snapshot) *Engine {
	before := make(map[*kube.Object]policy.Policy, len(e.policies))
	for _, p := range e.policies {
		before[p.Object] = p
	}
	policies, marks, incomplete := read(s, before)
	m := collect(policies)
	m.addNodes(e.world.nodes)
	if !e.tellsApart(&m) || !e.world.same(s) || e.mentioned.marks() && !e.world.sameMarks(s, marks) {
		n := evaluate(s, policies, marks, incomplete)
		n.readings = e.readings
		return n
	}
	world := *e.world
	world.snapshot, world.selected = s, maps.Clone(e.world.selected)
	n := &Engine{
		world: &world, ports: e.ports, addresses: e.addresses, policies: policies, namedAt: e.namedAt,
		readings: e.readings, nodes: e.nodes, interned: maps.Clone(e.interned), mentioned: e.mentioned,
	}
	known, gone := e.unchanged(policies)
	n.compile(known)
	kept := n.untouched(e, known, gone)
	n.fillSides(kept)
	n.tell(&m, incomplete)
	if before := e.rows.Load(); before != nil {
		n.rows.Store(n.changeRows(before, kept))
	}
	return n
}

// same reports whether a snapshot has the pods, namespaces, accounts and nodes
// of the world.
func (w *world) same(s *kube.Snapshot) bool {
	old := w.snapshot
	return slices.Equal(old.Workloads, s.Workloads) && sameObjects(old, s, "ServiceAccount") && sameObjects(old, s, "Node") &&
		slices.EqualFunc(w.spaces, s.Namespaces(), func(a, b kube.Namespace) bool { return a.Name == b.Name && maps.Equal(a.Labels, b.Labels) })
}

// sameMarks reports whether the marks on the pods of the world are the same.
func (w *world) sameMarks(s *kube.Snapshot, markers []policy.Marker) bool {
	for load, ends := range w.byLoad {
		for n, at := range ends {
			var pod *kube.Pod
			if w.endpoints[at].pod != "" {
				pod = &s.Workloads[load].Pods[n]
			}
			if !maps.Equal(w.endpoints[at].marks, marked(markers, s.Workloads[load], pod)) {
				return false
			}
		}
	}
	return true
}

func sameObjects(a, b *kube.Snapshot, kind string) bool {
	return slices.EqualFunc(a.ByKind(kind), b.ByKind(kind), func(a, b *kube.Object) bool { return a.Typed == b.Typed })
}

// tellsApart reports whether classes, ports and addresses are split where
// policies look, and addresses nowhere else.
func (e *Engine) tellsApart(m *mentions) bool {
	for k := range m.keys {
		if !e.mentioned.keys[k] {
			return false
		}
	}
	for _, n := range m.names {
		if _, known := e.namedAt[n]; !known {
			return false
		}
	}
	for _, r := range m.ranges {
		first, last := e.ports.atoms[e.ports.atom(r.protocol, r.low)], e.ports.atoms[e.ports.atom(r.protocol, r.high)]
		if first.low != r.low || last.high != r.high {
			return false
		}
	}
	space := newAddressSpace(m.cidrs)
	return m.nodes == e.mentioned.nodes && slices.Equal(space.blocks, e.addresses.blocks) && slices.Equal(space.like, e.addresses.like)
}

// unchanged finds the policies that are as they were. Known holds their parts
// by the new index, gone the parts of all others.
func (e *Engine) unchanged(policies []policy.Policy) (known map[int][2]*part, gone [2][]*part) {
	type id struct{ apiVersion, kind, name string }
	idOf := func(p *policy.Policy) id { return id{p.Object.APIVersion, p.Object.Kind, p.String()} }
	parts := map[*policy.Policy][2]*part{}
	for d := range e.parts {
		for _, t := range e.parts[d] {
			both := parts[t.policy]
			both[d] = t
			parts[t.policy] = both
		}
	}
	old := map[id][]*policy.Policy{}
	for p := range parts {
		old[idOf(p)] = append(old[idOf(p)], p)
	}
	known = map[int][2]*part{}
	for i := range policies {
		p := &policies[i]
		list := old[idOf(p)]
		at := slices.IndexFunc(list, func(was *policy.Policy) bool { return samePolicy(was, p) })
		if at >= 0 {
			known[i] = parts[list[at]]
			delete(parts, list[at])
			old[idOf(p)] = slices.Delete(slices.Clone(list), at, at+1)
		}
	}
	for _, both := range parts {
		for d, t := range both {
			if t != nil {
				gone[d] = append(gone[d], t)
			}
		}
	}
	return known, gone
}

// samePolicy compares what two policies say and where they stand. Those that
// were read once have the same sides.
func samePolicy(a, b *policy.Policy) bool {
	if a.Object == b.Object && a.Sides == b.Sides {
		return true
	}
	return a.Object.Position == b.Object.Position && a.Layer == b.Layer && a.Hosts == b.Hosts && a.Unsettled == b.Unsettled &&
		reflect.DeepEqual(a.Subject, b.Subject) && reflect.DeepEqual(a.Sides, b.Sides)
}

// untouched returns the sides of classes that neither a policy that is gone
// nor one that is new selects; nil for the others.
func (e *Engine) untouched(before *Engine, known map[int][2]*part, gone [2][]*part) *[2][]*side {
	var kept [2][]*side
	for d := range kept {
		touched := e.world.none()
		for _, t := range gone[d] {
			touched.or(t.subject)
		}
		old := map[*part]bool{}
		for _, both := range known {
			old[both[d]] = true
		}
		for _, t := range e.parts[d] {
			if !old[t] {
				touched.or(t.subject)
			}
		}
		kept[d] = slices.Clone(before.sides[d])
		touched.each(func(c int) { kept[d][c] = nil })
	}
	return &kept
}
