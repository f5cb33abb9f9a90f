package paths

import (
	"fmt"
	"slices"
	"strings"

	"github.com/scantling/scantling/graph"
	"github.com/scantling/scantling/infrastructure/identity"
	"github.com/scantling/scantling/infrastructure/network"
	"github.com/scantling/scantling/model"
)

// Ends are where an attack starts and what it is after. An attacker starts
// from one of them alone.
type Ends struct {
	graph.Ends
	NamedFrom, NamedTo bool // chosen; else all workloads, and everything of worth
}

// Names of ends that stand for no single object.
const (
	Internet     = "internet"      // every workload that is reached from outside
	ClusterAdmin = "cluster-admin" // authority over the cluster
)

// AllEnds are all workloads, and everything of worth (see Jewels).
func (m *Model) AllEnds() Ends {
	e := Ends{Ends: graph.Ends{From: m.entries()}}
	for _, j := range m.Jewels() {
		e.To = append(e.To, m.byRef[j])
	}
	return e
}

// Ends finds the named ends; no name stands for all of AllEnds. A name is
// [Internet] (from only), [ClusterAdmin], "secret/NAMESPACE/NAME",
// "node/NAME", "sa/NAMESPACE/NAME", "user/NAME", "group/NAME", "cloud/NAME" of
// a role of a cloud, a workload as
// "NAMESPACE/NAME" or "NAMESPACE/KIND/NAME", or an asset as it is printed. The
// error names one that is not there, and the nearest that is.
func (m *Model) Ends(n *network.Engine, from, to []string) (Ends, error) {
	e := m.AllEnds()
	if len(from) > 0 {
		e.From, e.NamedFrom = nil, true
	}
	for _, name := range from {
		if name == Internet {
			e.From = append(e.From, m.exposed(n)...)
			continue
		}
		found, err := m.named(name)
		if err != nil {
			return Ends{}, fmt.Errorf("--from %w", err)
		}
		e.From = append(e.From, found...)
	}
	if len(to) > 0 {
		e.To, e.NamedTo = nil, true
	}
	for _, name := range to {
		found, err := m.named(name)
		if err != nil {
			return Ends{}, fmt.Errorf("--to %w", err)
		}
		e.To = append(e.To, found...)
	}
	e.From, e.To = unique(e.From), unique(e.To)
	return e, nil
}

// unique keeps the first of each, in order.
func unique(list []graph.Vertex) []graph.Vertex {
	seen := map[graph.Vertex]bool{}
	return slices.DeleteFunc(list, func(v graph.Vertex) bool {
		was := seen[v]
		seen[v] = true
		return was
	})
}

// exposed are the workloads that are reached from outside of the cluster.
func (m *Model) exposed(n *network.Engine) []graph.Vertex {
	var out []graph.Vertex
	for i, v := range m.entries() {
		if n.Exposure(i).Level == network.Public {
			out = append(out, v)
		}
	}
	return out
}

// named finds the vertices of one name.
func (m *Model) named(name string) ([]graph.Vertex, error) {
	if name == ClusterAdmin {
		return []graph.Vertex{m.vertices[key{sort: admin}]}, nil
	}
	for _, ref := range m.meant(name) {
		if v, ok := m.byRef[ref]; ok {
			return []graph.Vertex{v}, nil
		}
	}
	if found := m.workloads(name); len(found) > 0 {
		return found, nil
	}
	if near := model.Nearest(name, m.nameable()); near != "" {
		return nil, fmt.Errorf("%s: no such workload, identity, node or Secret is in the graph; did you mean %s?", name, near)
	}
	return nil, fmt.Errorf("%s: no such workload, identity, node or Secret is in the graph", name)
}

// meant lists the assets that a name may mean.
func (m *Model) meant(name string) []model.Ref {
	c := m.snapshot.Cluster
	if kind, key, ok := strings.Cut(name, " "); ok && !strings.Contains(kind, "/") { // as it is printed
		return []model.Ref{{Kind: model.Kind(kind), Key: key}}
	}
	out := []model.Ref{{Kind: model.Workload, Key: name}}
	kind, rest, _ := strings.Cut(name, "/")
	switch kind {
	case "secret":
		out = append(out, model.Ref{Kind: model.Secret, Key: c + "/" + rest})
	case "node":
		out = append(out, model.Ref{Kind: model.Node, Key: c + "/" + rest})
	case "sa", "serviceaccount":
		space, account, _ := strings.Cut(rest, "/")
		out = append(out, identity.Account(space, account).Ref(c))
	case "user":
		out = append(out, identity.User(rest).Ref(c))
	case "cloud":
		out = append(out, model.Ref{Kind: model.CloudRole, Key: rest})
	case "group":
		out = append(out, identity.Group(rest).Ref(c))
	}
	return out
}

// workloads finds NAMESPACE/NAME, of whatever kind, or NAMESPACE/KIND/NAME.
func (m *Model) workloads(name string) []graph.Vertex {
	var out []graph.Vertex
	for i := range m.loads {
		l := &m.loads[i]
		if name == l.Namespace+"/"+l.Name || strings.EqualFold(name, l.Namespace+"/"+l.Kind+"/"+l.Name) {
			out = append(out, m.vertices[l.key])
		}
	}
	return out
}

// nameable lists the names that named knows.
func (m *Model) nameable() []string {
	out := []string{ClusterAdmin, Internet}
	for v, k := range m.keys {
		switch k.sort {
		case control:
			out = append(out, k.a+"/"+k.c)
		case known:
			out = append(out, "secret/"+k.a+"/"+k.b)
		case root:
			out = append(out, "node/"+k.a)
		case cloud:
			out = append(out, "cloud/"+k.a)
		case held:
			out = append(out, m.refs[v].String())
			if k.b != "" {
				out = append(out, "sa/"+k.b+"/"+k.c)
			}
		}
	}
	return out
}

// end names one end: the asset key of a workload, "kind key" of others.
func (m *Model) end(v graph.Vertex) string {
	if m.refs[v].Kind == model.Workload {
		return m.refs[v].Key
	}
	return m.Name(v)
}
