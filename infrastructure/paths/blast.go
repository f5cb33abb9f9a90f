package paths

import (
	"github.com/scantling/scantling/graph"
)

// Blasts are the blast radii of all workloads, in the snapshot's order.
func (m *Model) Blasts() []Blast {
	entries := m.entries()
	return m.blasts(entries, m.graph.Closure(entries, nil))
}

// blasts counts what each entry leads to.
func (m *Model) blasts(entries []graph.Vertex, reach []*graph.Set) []Blast {
	c := m.newCounter()
	known := map[*graph.Set]Blast{} // entries that reach each other share one
	out := make([]Blast, len(entries))
	for i, v := range entries {
		b, counted := known[reach[i]]
		if !counted {
			b = c.count(reach[i])
			known[reach[i]] = b
		}
		b.Workload = m.refs[v].Key
		out[i] = b
	}
	return out
}

// counter counts the members of a set by what they stand for.
type counter struct {
	admin                     graph.Vertex
	workloads, secrets, nodes *graph.Set
	cloudRoles                *graph.Set // nil where no link leads to a role of a cloud
	allSecrets, allNodes      int
}

func (m *Model) newCounter() *counter {
	n := m.graph.NumVertices()
	c := &counter{admin: m.vertices[key{sort: admin}], workloads: graph.NewSet(n), secrets: graph.NewSet(n), nodes: graph.NewSet(n)}
	for v, k := range m.keys {
		switch {
		case k.sort == control:
			c.workloads.Add(v)
		case k.sort == known:
			c.secrets.Add(v)
		case k.sort == root && (k.a != anyNode || len(m.nodes) == 1):
			c.nodes.Add(v)
		}
	}
	for _, k := range m.prized {
		if c.cloudRoles == nil {
			c.cloudRoles = graph.NewSet(n)
		}
		c.cloudRoles.Add(int(m.vertices[k]))
	}
	c.allSecrets, c.allNodes = len(m.secrets), c.nodes.Len()
	return c
}

// count makes the blast radius of an entry out of its reach.
func (c *counter) count(reach *graph.Set) Blast {
	b := Blast{Reaches: Reaches{
		Workloads: reach.Common(c.workloads) - 1, // itself
		Secrets:   reach.Common(c.secrets), Nodes: reach.Common(c.nodes), ClusterAdmin: reach.Has(int(c.admin)),
	}}
	if c.cloudRoles != nil {
		n := reach.Common(c.cloudRoles)
		b.Reaches.CloudRoles = &n
	}
	if b.Reaches.ClusterAdmin {
		b.Score = adminPoints
	}
	if c.allSecrets > 0 {
		b.Score += secretPoints * float64(b.Reaches.Secrets) / float64(c.allSecrets)
	}
	if c.allNodes > 0 {
		b.Score += nodePoints * float64(b.Reaches.Nodes) / float64(c.allNodes)
	}
	if c.cloudRoles != nil {
		b.Score += cloudPoints * float64(*b.Reaches.CloudRoles) / float64(c.cloudRoles.Len())
	}
	b.Score = round(b.Score)
	return b
}
