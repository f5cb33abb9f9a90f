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
func (m *Model) blasts(entries []graph.Vertex, reach []graph.Reached) []Blast {
	c := m.newCounter()
	known := map[*graph.Set]Reaches{} // many entries share one
	out := make([]Blast, len(entries))
	for i, v := range entries {
		shared, counted := known[reach[i].Shared]
		if !counted {
			shared = c.countAll(reach[i].Shared)
			known[reach[i].Shared] = shared
		}
		out[i] = c.blast(shared, reach[i].Few)
		out[i].Workload = m.refs[v].Key
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

// countAll counts a set, whoever is the entry.
func (c *counter) countAll(set *graph.Set) Reaches {
	r := Reaches{
		Workloads: set.Common(c.workloads), Secrets: set.Common(c.secrets), Nodes: set.Common(c.nodes), ClusterAdmin: set.Has(int(c.admin)),
	}
	if c.cloudRoles != nil {
		n := set.Common(c.cloudRoles)
		r.CloudRoles = &n
	}
	return r
}

// blast makes the blast radius of an entry out of what it shares with others
// and the few that it reaches besides.
func (c *counter) blast(r Reaches, few []graph.Vertex) Blast {
	roles := 0
	if r.CloudRoles != nil {
		roles = *r.CloudRoles
		r.CloudRoles = &roles
	}
	for _, v := range few {
		at := int(v)
		switch {
		case c.workloads.Has(at):
			r.Workloads++
		case c.secrets.Has(at):
			r.Secrets++
		case c.nodes.Has(at):
			r.Nodes++
		case v == c.admin:
			r.ClusterAdmin = true
		case c.cloudRoles.Has(at):
			roles++
		}
	}
	r.Workloads-- // itself
	b := Blast{Reaches: r}
	if r.ClusterAdmin {
		b.Score = adminPoints
	}
	if c.allSecrets > 0 {
		b.Score += secretPoints * float64(r.Secrets) / float64(c.allSecrets)
	}
	if c.allNodes > 0 {
		b.Score += nodePoints * float64(r.Nodes) / float64(c.allNodes)
	}
	if c.cloudRoles != nil {
		b.Score += cloudPoints * float64(roles) / float64(c.cloudRoles.Len())
	}
	b.Score = round(b.Score)
	return b
}
