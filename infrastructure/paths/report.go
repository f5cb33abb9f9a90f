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
	Entries    []string           `json:"entries"` // where an attack may start: all workloads, or those that were named
	Jewels     []string           `json:"jewels"`
	Paths      []Path             `json:"paths"`    // by probability
	Shortest   *Path              `json:"shortest"` // with the fewest steps to what the fixes are for; null where there is none
	Blast      []Blast            `json:"blast"`    // of all workloads, by score
	Chokes     []Choke            `json:"chokes"`   // for the pairs that the fixes part, those that part most first
	Fixes      []Fix              `json:"fixes"`    // in the order in which to do them
	FixSet     FixSet             `json:"fixSet"`
	Pareto     []Pareto           `json:"pareto"` // for 1, 2, … changes
	Edges      []model.Step       `json:"edges,omitempty"`
	Incomplete []model.Incomplete `json:"incomplete"`
}

// Path is one derivation of a jewel from what the attacker starts with.
type Path struct {
	From        string       `json:"from"`
	To          string       `json:"to"`
	Probability float64      `json:"probability"` // that every fact of it holds
	Steps       []model.Step `json:"steps"`       // each after the steps that it needs
	Breaks      []string     `json:"breaks"`      // changes of which each ends this path; those of the fixes first
	Cut         []bool       `json:"-"`           // by step: the fixes take away what it rests on
}

// Blast is what a compromised workload leads to, however unlikely.
type Blast struct {
	Workload string  `json:"workload"`
	Reaches  Reaches `json:"reaches"`
	Score    float64 `json:"score"` // points of the default values of jewels, at most 800, 1000 where links lead to roles of a cloud
}

// Reaches counts assets, the workload itself left out.
type Reaches struct {
	Workloads    int  `json:"workloads"`
	Secrets      int  `json:"secrets"`
	Nodes        int  `json:"nodes"`
	ClusterAdmin bool `json:"clusterAdmin"`
	CloudRoles   *int `json:"cloudRoles,omitempty"` // absent where the graph has none: nobody knows
}

// Default values of what may be lost, of 1000 points (docs/model.md).
const (
	adminPoints  = 400
	secretPoints = 300
	nodePoints   = 100
	cloudPoints  = 200 // shared by all roles that links lead to, whatever they may do
)

// maxPaths bounds the paths of a report: beyond it nobody reads on. The best
// are kept.
const maxPaths = 1000

// Query says what is asked of the graph.
type Query struct {
	Ends Ends
	Most int  // paths: of each pair, as far as maxPaths has room for all; over all pairs where an end is named
	Fix  bool // verify the fixes, and seek them for all jewels where nothing leads to the cluster
}

// Report answers for all workloads and everything of worth.
func (m *Model) Report(k int) Report { return m.Ask(Query{Ends: m.AllEnds(), Most: k}) }

// Ask lists the most probable paths between the ends, or, where none is named,
// of each workload to cluster admin, or, where it can't come there, to each
// other jewel; the blast radius of each workload; and for the pairs of the fix
// the choke points, the smallest fix, and what fewer changes do. Where no
// target is named those are the workloads and authority over the cluster.
// Edges are left out: see Edges.
func (m *Model) Ask(q Query) Report {
	r := Report{Schema: 1, Entries: []string{}, Jewels: []string{}, Paths: []Path{}, Blast: []Blast{}, Incomplete: m.identity.Incomplete()}
	if r.Incomplete == nil {
		r.Incomplete = []model.Incomplete{}
	}
	for _, v := range q.Ends.From {
		r.Entries = append(r.Entries, m.end(v))
	}
	for _, v := range q.Ends.To {
		r.Jewels = append(r.Jewels, m.Name(v))
	}
	goal := m.goal(q)
	f := m.newFixer(goal)
	if q.Fix {
		f.verify()
	}
	r.Fixes, r.FixSet = f.ranked(), f.finish()
	for _, v := range goal.To {
		r.FixSet.To = append(r.FixSet.To, m.Name(v))
	}
	r.Chokes, r.Pareto = m.chokes(goal, len(f.fix.Pairs), f.changes), f.pareto()

	entries := m.entries()
	reach := m.graph.Closure(entries, nil)
	r.Blast = m.blasts(entries, reach)
	slices.SortStableFunc(r.Blast, func(a, b Blast) int {
		return cmp.Or(cmp.Compare(b.Score, a.Score), strings.Compare(a.Workload, b.Workload))
	})
	p := &prover{m: m, gone: gone(f.picked...), fixes: r.Fixes, changes: f.changes}
	r.Paths = p.paths(m.likely(q, entries, reach))
	if pair, steps, ok := m.graph.Shortest(goal, nil); ok {
		path := p.path(pair.From, pair.To, m.probability(steps), steps)
		r.Shortest = &path
	}
	return r
}

// goal is what the fixes are to part.
func (m *Model) goal(q Query) graph.Ends {
	goal := q.Ends.Ends
	whole := []graph.Vertex{m.vertices[key{sort: admin}]}
	if !q.Ends.NamedTo && (!q.Fix || len(m.graph.Pairs(graph.Ends{From: goal.From, To: whole}, nil)) > 0) {
		goal.To = whole
	}
	return goal
}

// likely finds the best derivations that were asked for.
func (m *Model) likely(q Query, entries []graph.Vertex, reach []graph.Reached) []likely {
	k := max(q.Most, 1)
	var out []likely
	if q.Ends.NamedFrom || q.Ends.NamedTo {
		for _, w := range m.graph.Best(q.Ends.Ends, min(k, maxPaths), nil) {
			out = append(out, likely{w.From, w.To, w.Support})
		}
		return out
	}
	k = max(1, min(k, maxPaths/max(len(entries), 1)))
	goal := m.vertices[key{sort: admin}]
	near := m.graph.Toward(graph.Ends{From: entries, To: []graph.Vertex{goal}})
	for i, v := range entries {
		if !reach[i].Has(goal) {
			out = append(out, m.likeliest(v, q.Ends.To, k)...)
			continue
		}
		for _, d := range near.KBest(v, goal, k, nil) {
			out = append(out, likely{v, goal, d.Support})
		}
	}
	return out
}

// probability is that of all facts of a derivation.
func (m *Model) probability(steps []graph.Step) float64 {
	facts := &graph.Set{}
	for _, s := range steps {
		for _, f := range m.graph.Rests(s) {
			facts.Add(int(f))
		}
	}
	p := 1.0
	for f := range facts.All() {
		p *= m.graph.P(graph.Fact(f))
	}
	return p
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

// likeliest lists the best supports of every jewel from an entry that doesn't
// lead to the cluster. Whoever has that has everything in it.
func (m *Model) likeliest(from graph.Vertex, jewels []graph.Vertex, k int) []likely {
	var out []likely
	supports := m.graph.Supports(from, graph.Options{Floor: pathFloor, Max: k, To: jewels})
	for _, to := range jewels {
		for _, s := range supports.Of(to) {
			out = append(out, likely{from, to, s})
		}
	}
	return out
}

// prover turns supports into paths.
type prover struct {
	m       *Model
	gone    *graph.Set // what the fixes remove
	fixes   []Fix
	changes []change
	by      map[graph.Fact][]string // titles of changes
}

// paths proves the most probable of all supports.
func (p *prover) paths(found []likely) []Path {
	slices.SortStableFunc(found, func(a, b likely) int { return cmp.Compare(b.support.P, a.support.P) })
	found = found[:min(len(found), maxPaths)]
	out := make([]Path, 0, len(found))
	for _, l := range found {
		out = append(out, p.path(l.from, l.to, l.support.P, p.m.graph.Proof(l.from, l.to, l.support.Facts)))
	}
	return out
}

func (p *prover) path(from, to graph.Vertex, probability float64, steps []graph.Step) Path {
	out := Path{
		From: p.m.end(from), To: p.m.end(to), Probability: round(probability),
		Steps: p.m.derivation(from, steps), Cut: make([]bool, len(steps)), Breaks: p.breaks(steps),
	}
	for i, s := range steps {
		out.Cut[i] = slices.ContainsFunc(p.m.graph.Rests(s), func(f graph.Fact) bool { return p.gone.Has(int(f)) })
	}
	return out
}

// breaks lists the changes of which each removes a fact of some steps.
func (p *prover) breaks(steps []graph.Step) []string {
	if p.by == nil {
		p.by = map[graph.Fact][]string{}
		for _, fix := range p.fixes {
			for _, f := range fix.facts {
				p.by[f] = append(p.by[f], fix.Change)
			}
		}
		for _, c := range p.changes {
			for _, f := range c.facts {
				p.by[f] = append(p.by[f], c.title)
			}
		}
	}
	out := []string{}
	for _, ours := range []bool{true, false} {
		for _, s := range steps {
			for _, f := range p.m.graph.Rests(s) {
				for _, title := range p.by[f] {
					if !slices.Contains(out, title) && slices.ContainsFunc(p.fixes, func(x Fix) bool { return x.Change == title }) == ours {
						out = append(out, title)
					}
				}
			}
		}
	}
	return out
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
