package risk

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/scantling/scantling/estate"
	"github.com/scantling/scantling/graph"
	"github.com/scantling/scantling/model"
)

// sketch is a small estate that tests can change before it is joined: the
// values that the stages would hand over, and the attack graph as a list.
type sketch struct {
	assets     []model.Asset
	facts      []model.Fact
	weaknesses []model.Weakness
	actions    []model.Action
	vertices   []model.Ref
	leaves     []model.Fact
	steps      []move
	dead       map[string]bool // ids of leaves that are left out
}

type move struct {
	head  model.Ref
	needs []model.Ref
	rests []string // ids of leaves
}

var asOf = time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)

func ref(kind model.Kind, format string, args ...any) model.Ref {
	return model.Ref{Kind: kind, Key: fmt.Sprintf(format, args...)}
}

// vertex makes sure that an asset is in the attack graph.
func (s *sketch) vertex(r model.Ref) {
	if !slices.Contains(s.vertices, r) {
		s.vertices = append(s.vertices, r)
	}
}

// leaf adds a fact of the attack graph once and returns its id.
func (s *sketch) leaf(f model.Fact) string {
	if !slices.ContainsFunc(s.leaves, func(g model.Fact) bool { return g.ID() == f.ID() }) {
		s.leaves = append(s.leaves, f)
	}
	return f.ID()
}

func (s *sketch) move(head model.Ref, needs []model.Ref, rests ...string) {
	s.vertex(head)
	for _, n := range needs {
		s.vertex(n)
	}
	s.steps = append(s.steps, move{head, needs, rests})
}

// estate joins the sketch. shuffle, if not nil, permutes everything that has
// no order of its own.
func (s *sketch) estate(shuffle *rand.Rand) *estate.Estate {
	r := model.Reading{Stage: model.Infrastructure, Read: 1, Assets: slices.Clone(s.assets), Facts: slices.Clone(s.facts), Weaknesses: slices.Clone(s.weaknesses), Actions: slices.Clone(s.actions)}
	leaves, vertices, steps := slices.Clone(s.leaves), slices.Clone(s.vertices), slices.Clone(s.steps)
	if shuffle != nil {
		mix(shuffle, r.Assets)
		mix(shuffle, r.Facts)
		mix(shuffle, r.Weaknesses)
		mix(shuffle, r.Actions)
		mix(shuffle, leaves)
		mix(shuffle, vertices)
		mix(shuffle, steps)
	}
	b := graph.NewBuilder()
	at := map[model.Ref]graph.Vertex{}
	for _, v := range vertices {
		at[v] = b.Vertex()
	}
	fact := map[string]graph.Fact{}
	var kept []model.Fact
	for _, f := range leaves {
		if !s.dead[f.ID()] {
			fact[f.ID()] = b.Fact(f.P)
			kept = append(kept, f)
		}
	}
steps:
	for _, m := range steps {
		var needs []graph.Vertex
		for _, n := range m.needs {
			needs = append(needs, at[n])
		}
		var rests []graph.Fact
		for _, id := range m.rests {
			f, ok := fact[id]
			if !ok {
				continue steps
			}
			rests = append(rests, f)
		}
		b.Step(at[m.head], needs, rests)
	}
	g, err := b.Build()
	if err != nil {
		panic(err)
	}
	attack := estate.Attack{Graph: g, Vertices: vertices, Facts: kept, Step: func(graph.Step) model.Step { return model.Step{Edge: "step"} }}
	return estate.Join(estate.Config{Name: "sketch"}, attack, r)
}

func mix[T any](r *rand.Rand, list []T) {
	r.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
}

// randomSketch draws an estate of up to five workloads with images, a few
// advisories, identities, bindings, secrets, nodes and what would be seen.
func randomSketch(r *rand.Rand) *sketch {
	s := &sketch{dead: map[string]bool{}}
	cluster := ref(model.Cluster, "c")
	s.vertex(cluster)
	for i := range 2 { // jewels, whoever reaches them
		secret := ref(model.Secret, "c/ns/s%d", i)
		s.vertex(secret)
		s.facts = append(s.facts, model.Fact{Kind: model.Mounts, Asset: ref(model.Workload, "c/ns/Deployment/w0"), Object: secret, P: 1})
	}
	s.vertex(ref(model.Node, "c/n"))
	n := 1 + r.IntN(5)
	for i := range n {
		s.workload(r, i)
	}
	for i := range n {
		s.ways(r, i, n, cluster)
	}
	s.sight(r)
	return s
}

func (s *sketch) workload(r *rand.Rand, i int) {
	w, image := ref(model.Workload, "c/ns/Deployment/w%d", i), ref(model.Image, "sha256:%d", r.IntN(i+1))
	s.vertex(w)
	s.assets = append(s.assets,
		model.Asset{Ref: w, Name: w.Key},
		model.Asset{Ref: image, Name: "image" + image.Key})
	s.facts = append(s.facts, model.Fact{Kind: model.Runs, Asset: w, Object: image, P: 1})
	if v := []string{"public", "inside", "hidden", ""}[r.IntN(4)]; v != "" {
		s.facts = append(s.facts, model.Fact{Kind: model.Exposed, Asset: w, Value: v, P: 1, Origin: model.Measured})
	}
	for k := range r.IntN(4) {
		weak := model.Weakness{
			Advisory: fmt.Sprintf("CVE-%d", r.IntN(6)), Image: image, Component: fmt.Sprintf("pkg:deb/p%d@1", k%2),
			Package: "p", Version: "1", Fixed: "2", KEV: r.IntN(4) == 0, HasEPSS: r.IntN(2) == 0, EPSS: r.Float64(),
		}
		if slices.ContainsFunc(s.weaknesses, func(o model.Weakness) bool { return o.ID() == weak.ID() }) {
			continue
		}
		s.weaknesses = append(s.weaknesses, weak)
		s.actions = append(s.actions, model.Action{
			ID: model.ActionID(model.UpgradeComponent, image, ref(model.Component, "%s", weak.ID())), Type: model.UpgradeComponent,
			Assets: []model.Ref{image}, Removes: []string{weak.ID()},
		})
	}
}

// ways draws what a compromised workload i can do.
func (s *sketch) ways(r *rand.Rand, i, n int, cluster model.Ref) {
	w := ref(model.Workload, "c/ns/Deployment/w%d", i)
	id := ref(model.Identity, "c/ns/sa%d", r.IntN(3))
	s.facts = append(s.facts, model.Fact{Kind: model.ActsAs, Asset: w, Object: id, P: 1})
	token := s.leaf(model.Fact{Kind: model.Token, Asset: w, Object: id, P: 1, Origin: model.Measured, Attack: "T1528"})
	s.move(id, []model.Ref{w}, token)
	if r.IntN(2) == 0 {
		binding := ref(model.Binding, "c/ns/RoleBinding/b%d", r.IntN(3))
		right := s.leaf(model.Fact{Kind: model.Right, Asset: binding, Object: id, Value: "create pods", P: .95, Origin: model.Default, Attack: "T1610"})
		s.move([]model.Ref{cluster, ref(model.Secret, "c/ns/s%d", r.IntN(2)), ref(model.Node, "c/n")}[r.IntN(3)], []model.Ref{id}, right)
		s.act(model.DeleteBinding, binding, right)
	}
	if r.IntN(2) == 0 {
		node := ref(model.Node, "c/n")
		escape := s.leaf(model.Fact{Kind: model.Escape, Asset: w, Object: node, Value: "privileged", P: .9, Origin: model.Default, Attack: "T1611"})
		s.move(node, []model.Ref{w}, escape)
		s.move(cluster, []model.Ref{node, id}, token)
		s.act(model.DropPrivilege, w, escape)
	}
	if r.IntN(2) == 0 {
		secret := ref(model.Secret, "c/ns/s%d", r.IntN(2))
		s.move(secret, []model.Ref{w}, s.leaf(model.Fact{Kind: model.Holds, Asset: w, Object: secret, P: 1, Origin: model.Measured}))
	}
	for range r.IntN(3) {
		to := ref(model.Workload, "c/ns/Deployment/w%d", r.IntN(n))
		open := s.leaf(model.Fact{Kind: model.Network, Asset: to, Value: "any", P: 1, Origin: model.Measured})
		exploit := s.leaf(model.Fact{Kind: model.Exploit, Asset: to, P: .02, Origin: model.Default, Attack: "T1210"})
		s.move(to, []model.Ref{w}, open, exploit)
		s.act(model.AddPolicy, to, open)
	}
}

func (s *sketch) act(t model.ActionType, on model.Ref, removes ...string) {
	a := model.Action{ID: model.ActionID(t, on), Type: t, Assets: []model.Ref{on}, Removes: removes}
	for i, old := range s.actions {
		if old.ID == a.ID {
			s.actions[i].Removes = append(old.Removes, removes...)
			return
		}
	}
	s.actions = append(s.actions, a)
}

// sight draws logs and rules, and the actions for those that are missing.
func (s *sketch) sight(r *rand.Rand) {
	log := ref(model.Log, "kubernetes-audit")
	read := model.Fact{Kind: model.LogRead, Asset: log, P: 1}
	if r.IntN(2) == 0 {
		s.facts = append(s.facts, read)
	} else {
		s.actions = append(s.actions, model.Action{ID: model.ActionID(model.EnableLog, log), Type: model.EnableLog, Assets: []model.Ref{log}, Adds: []model.Fact{read}})
	}
	for _, technique := range []string{"T1528", "T1610", "T1611", "T1210"} {
		on := ref(model.Technique, "%s", technique)
		rule := model.Fact{Kind: model.RuleFor, Asset: on, Object: log, Value: "D1", P: 1}
		tested := model.Fact{Kind: model.RuleTested, Asset: on, Object: log, P: 1}
		switch r.IntN(3) {
		case 0:
			s.actions = append(s.actions,
				model.Action{ID: model.ActionID(model.AddRule, on), Type: model.AddRule, Assets: []model.Ref{on}, Adds: []model.Fact{rule}},
				model.Action{ID: model.ActionID(model.TestRule, on), Type: model.TestRule, Assets: []model.Ref{on}, Adds: []model.Fact{tested}})
		case 1:
			s.facts = append(s.facts, rule)
		case 2:
			s.facts = append(s.facts, rule, tested)
		}
	}
}
