package paths

import (
	"cmp"
	"math"
	"slices"
	"strings"

	"github.com/scantling/scantling/graph"
	"github.com/scantling/scantling/model"
)

// Report is what `cluster paths` prints. Workloads are named by their asset
// key, everything else by kind and key.
type Report struct {
	Schema     int                `json:"schema"`
	Entries    []string           `json:"entries"` // workloads from which an attack may start: all of them
	Jewels     []string           `json:"jewels"`
	Paths      []Path             `json:"paths"` // by probability, at most k a pair of workload and jewel
	Blast      []Blast            `json:"blast"` // by score
	Fixes      []Fix              `json:"fixes"` // in the order in which to do them
	Edges      []model.Step       `json:"edges,omitempty"`
	Incomplete []model.Incomplete `json:"incomplete"`
}

// Path is one derivation of a jewel from a compromised workload.
type Path struct {
	From        string       `json:"from"`
	To          string       `json:"to"`
	Probability float64      `json:"probability"` // that every fact of it holds
	Steps       []model.Step `json:"steps"`       // each after the steps that it needs
	Cut         []bool       `json:"-"`           // by step: the fixes take away what it rests on
}

// Blast is what a compromised workload leads to, however unlikely.
type Blast struct {
	Workload string  `json:"workload"`
	Reaches  Reaches `json:"reaches"`
	Score    float64 `json:"score"` // points of the default values of jewels, at most 800
}

// Reaches counts assets, the workload itself left out.
type Reaches struct {
	Workloads    int  `json:"workloads"`
	Secrets      int  `json:"secrets"`
	Nodes        int  `json:"nodes"`
	ClusterAdmin bool `json:"clusterAdmin"`
}

// Fix is one change of the smallest set found that cuts every path to
// authority over the cluster. Cuts is the share of workloads with such a path
// that this change and those before it leave without one, in percent.
type Fix struct {
	Change string  `json:"change"`
	Cuts   float64 `json:"cuts"`
	Patch  string  `json:"patch"`

	facts []graph.Fact // that it removes
}

// Default values of what may be lost, of 1000 points (docs/model.md).
const (
	adminPoints  = 400
	secretPoints = 300
	nodePoints   = 100
)

// maxPaths bounds the paths of a report: beyond it nobody reads on. The best
// are kept.
const maxPaths = 1000

// Report lists the k best paths of each workload to cluster admin, or, where
// it can't come there, to each other jewel; the blast radius of each workload;
// and the smallest fix. Edges are left out: see Edges.
func (m *Model) Report(k int) Report {
	r := Report{
		Schema: 1, Entries: []string{}, Jewels: []string{}, Paths: []Path{}, Blast: []Blast{}, Fixes: m.fixes(), Incomplete: m.identity.Incomplete(),
	}
	if r.Incomplete == nil {
		r.Incomplete = []model.Incomplete{}
	}
	jewels := m.Jewels()
	for _, j := range jewels {
		r.Jewels = append(r.Jewels, j.String())
	}
	targets := make([]graph.Vertex, len(jewels))
	for i, j := range jewels {
		targets[i] = m.byRef[j]
	}
	entries := m.entries()
	reach := m.graph.Closure(entries, nil)
	r.Blast = m.blasts(entries, reach)
	var found []likely
	for i, v := range entries {
		r.Entries = append(r.Entries, m.refs[v].Key)
		found = append(found, m.likeliest(v, reach[i], targets, max(k, 1))...)
	}
	r.Paths = m.paths(found, fixed(r.Fixes))
	slices.SortStableFunc(r.Blast, func(a, b Blast) int {
		return cmp.Or(cmp.Compare(b.Score, a.Score), strings.Compare(a.Workload, b.Workload))
	})
	return r
}

// Edges lists every step of the graph with its proof.
func (m *Model) Edges() []model.Step {
	out := make([]model.Step, m.graph.NumSteps())
	for s := range out {
		out[s] = m.Step(graph.Step(s))
	}
	return out
}

// entries are the vertices of all workloads, in the snapshot's order.
func (m *Model) entries() []graph.Vertex {
	out := make([]graph.Vertex, 0, len(m.loads))
	for i := range m.loads {
		out = append(out, m.vertices[m.loads[i].key])
	}
	return out
}

// likely is one support of a jewel, before its proof is looked up.
type likely struct {
	from, to graph.Vertex
	support  graph.Support
}

// pathFloor is the least probability of a path to a lesser jewel: three
// network steps of .02 are under it. Paths to the whole cluster have no floor.
const pathFloor = 1e-4

// likeliest lists the best supports of one entry: of authority over the
// cluster, or, where that can't be reached, of every other jewel. Whoever has
// the cluster has everything in it.
func (m *Model) likeliest(from graph.Vertex, reach *graph.Set, jewels []graph.Vertex, k int) []likely {
	var out []likely
	if goal := m.vertices[key{sort: admin}]; reach.Has(int(goal)) {
		for _, d := range m.graph.KBest(from, goal, k, nil) {
			out = append(out, likely{from, goal, d.Support})
		}
		return out
	}
	supports := m.graph.Supports(from, graph.Options{Floor: pathFloor, Max: k, To: jewels})
	for _, to := range jewels {
		for _, s := range supports.Of(to) {
			out = append(out, likely{from, to, s})
		}
	}
	return out
}

// paths proves the most probable of all supports.
func (m *Model) paths(found []likely, gone *graph.Set) []Path {
	slices.SortStableFunc(found, func(a, b likely) int { return cmp.Compare(b.support.P, a.support.P) })
	found = found[:min(len(found), maxPaths)]
	out := make([]Path, 0, len(found))
	for _, l := range found {
		steps := m.graph.Proof(l.from, l.to, l.support.Facts)
		path := Path{
			From: m.refs[l.from].Key, To: m.refs[l.to].String(), Probability: round(l.support.P),
			Steps: m.derivation(l.from, steps), Cut: make([]bool, len(steps)),
		}
		for i, s := range steps {
			path.Cut[i] = slices.ContainsFunc(m.graph.Rests(s), func(f graph.Fact) bool { return gone.Has(int(f)) })
		}
		out = append(out, path)
	}
	return out
}

// fixed is the set of facts that the fixes remove.
func fixed(fixes []Fix) *graph.Set {
	gone := graph.NewSet(0)
	for _, fix := range fixes {
		for _, f := range fix.facts {
			gone.Add(int(f))
		}
	}
	return gone
}

// derivation resolves the steps of one proof and ties each to those that it
// needs.
func (m *Model) derivation(from graph.Vertex, steps []graph.Step) []model.Step {
	at := map[graph.Vertex]int{}
	out := make([]model.Step, len(steps))
	for i, s := range steps {
		out[i] = m.Step(s)
		for _, v := range m.graph.Needs(s) {
			if j, ok := at[v]; ok && v != from {
				out[i].Needs = append(out[i].Needs, j)
			}
		}
		if _, ok := at[m.graph.Head(s)]; !ok {
			at[m.graph.Head(s)] = i
		}
	}
	return out
}

// round keeps four digits after the point: more would be invented.
func round(x float64) float64 { return math.Round(x*1e4) / 1e4 }
