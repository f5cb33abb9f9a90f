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

	Incomplete []model.Incomplete // ends that are in nothing that was read
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
//
// Secrets and identities may be without anybody naming them in what was read,
// for example after a fix. So no error is made of them: an identity that no
// binding names has what its groups have, and that nothing leads to a Secret
// is told with Incomplete.
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
		if err != nil && m.unseen(name) {
			found, err = m.asGroups(name), nil
			e.Incomplete = append(e.Incomplete, model.Incomplete{What: "--from " + name, Why: "in nothing that was read: " + unseenFrom})
		}
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
		if err != nil && m.unseen(name) {
			e.Incomplete = append(e.Incomplete, model.Incomplete{What: "--to " + name, Why: "in nothing that was read: " + unseenTo})
			continue
		}
		if err != nil {
			return Ends{}, fmt.Errorf("--to %w", err)
		}
		e.To = append(e.To, found...)
	}
	e.From, e.To = unique(e.From), unique(e.To)
	return e, nil
}

// Why the answer about an end that nothing names is no whole one.
const (
	unseenFrom = "what it leads to, beyond what its groups have, is not known"
	unseenTo   = "nothing is known to lead there"
)

// unseen reports whether a name, which is not in the graph, is that of a
// Secret or an identity.
func (m *Model) unseen(name string) bool {
	return slices.ContainsFunc(m.meant(name), func(r model.Ref) bool {
		space, rest, _ := strings.Cut(strings.TrimPrefix(r.Key, m.snapshot.Cluster+"/"), "/")
		return r.Kind == model.Secret && space != "" && rest != "" || r.Kind == model.Identity && rest != "" && !strings.HasSuffix(rest, ":")
	})
}

// asGroups are the vertices of the groups that such an identity is in by its
// nature; none for a Secret.
func (m *Model) asGroups(name string) []graph.Vertex {
	var out []graph.Vertex
	kind, rest, _ := strings.Cut(name, "/")
	for _, g := range subjectNamed(kind, rest).Groups() {
		if v, ok := m.vertices[subjectKey(g)]; ok {
			out = append(out, v)
		}
	}
	return out
}

// subjectNamed is the identity that kind/rest names, zero where it names none.
func subjectNamed(kind, rest string) identity.Subject {
	switch kind {
	case "sa", "serviceaccount":
		space, account, _ := strings.Cut(rest, "/")
		return identity.Account(space, account)
	case "user":
		return identity.User(rest)
	case "group":
		return identity.Group(rest)
	}
	return identity.Subject{}
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
	case "cloud":
		out = append(out, model.Ref{Kind: model.CloudRole, Key: rest})
	default:
		if s := subjectNamed(kind, rest); s != (identity.Subject{}) {
			out = append(out, s.Ref(c))
		}
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
