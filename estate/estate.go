package estate

import (
	"cmp"
	"slices"

	"github.com/scantling/scantling/graph"
	"github.com/scantling/scantling/model"
)

// Estate is the whole, joined. It is immutable once built; every slice is in
// an order that doesn't depend on the order of input.
type Estate struct {
	Name       string
	Assets     []model.Asset // sorted by kind and key
	Facts      []model.Fact  // sorted by id; references are canonical
	Weaknesses []model.Weakness
	Findings   []model.Finding
	Actions    []model.Action
	Alerts     []model.Alert
	Stages     []Stage
	Unplaced   []Unplaced
	Incomplete []model.Incomplete
	Attack     Attack
}

// Stage is what became of one of the four stages. State is "read", or
// "unknown" where there was no data: then Why says what is missing.
type Stage struct {
	Stage model.Stage `json:"stage"`
	State string      `json:"state"`
	Why   string      `json:"why"`
	Read  int         `json:"read"`
}

// Unplaced is an asset that the join could not tie to the rest.
type Unplaced struct {
	Kind model.Kind `json:"kind"`
	Key  string     `json:"key"`
	Why  string     `json:"why"`
}

// Attack is the attack graph with its names: Vertices and Facts are indexed
// by graph.Vertex and graph.Fact (a hub has the zero Ref). Step resolves the
// proof of one step on demand. The zero Attack is an estate without a
// cluster.
type Attack struct {
	Graph    *graph.Graph
	Vertices []model.Ref
	Facts    []model.Fact
	Step     func(graph.Step) model.Step
}

// Vertex finds the vertex of an asset.
func (a *Attack) Vertex(ref model.Ref) (graph.Vertex, bool) {
	i := slices.Index(a.Vertices, ref)
	return graph.Vertex(i), i >= 0
}

// Config is what the estate file adds to the join.
type Config struct {
	Name    string
	Sources map[string]string // image name without tag -> Dockerfile (source key)
}

// Join places every reading under its key. Readings of one stage may come in
// several parts and in any order.
func Join(cfg Config, attack Attack, readings ...model.Reading) *Estate {
	e := &Estate{Name: cfg.Name, Attack: attack}
	e.Stages = stages(readings)
	for _, r := range readings {
		e.Assets = append(e.Assets, r.Assets...)
		e.Facts = append(e.Facts, r.Facts...)
		e.Weaknesses = append(e.Weaknesses, r.Weaknesses...)
		e.Findings = append(e.Findings, r.Findings...)
		e.Actions = append(e.Actions, r.Actions...)
		e.Alerts = append(e.Alerts, r.Alerts...)
		e.Incomplete = append(e.Incomplete, r.Incomplete...)
	}
	e.mergeAssets()
	e.placeImages()
	e.placeSources(cfg.Sources)
	e.order()
	return e
}

// stages sums up the readings by stage, in the order of a container's life.
func stages(readings []model.Reading) []Stage {
	out := make([]Stage, 0, len(model.Stages))
	for _, name := range model.Stages {
		s := Stage{Stage: name, State: "unknown", Why: "nothing of this stage was found"}
		for _, r := range readings {
			if r.Stage != name {
				continue
			}
			s.Read += r.Read
			if r.Why != "" {
				s.Why = r.Why
			}
		}
		if s.Read > 0 {
			s.State, s.Why = "read", ""
		}
		out = append(out, s)
	}
	return out
}

// mergeAssets keeps one asset a key; aliases and labels are united.
func (e *Estate) mergeAssets() {
	slices.SortStableFunc(e.Assets, func(a, b model.Asset) int {
		return cmp.Or(a.Compare(b.Ref), cmp.Compare(a.Name, b.Name))
	})
	var out []model.Asset
	for _, a := range e.Assets {
		if n := len(out); n > 0 && out[n-1].Ref == a.Ref {
			out[n-1] = merged(out[n-1], a)
			continue
		}
		out = append(out, a)
	}
	e.Assets = out
}

func merged(a, b model.Asset) model.Asset {
	a.Name = cmp.Or(a.Name, b.Name)
	if a.Position == (model.Position{}) {
		a.Position = b.Position
	}
	a.Aliases = append(slices.Clone(a.Aliases), b.Aliases...)
	slices.Sort(a.Aliases)
	a.Aliases = slices.Compact(a.Aliases)
	labels := make(map[string]string, len(a.Labels)+len(b.Labels))
	for k, v := range b.Labels {
		labels[k] = v
	}
	for k, v := range a.Labels {
		labels[k] = v
	}
	a.Labels = labels
	return a
}

// order sorts all that is left in the order of input and drops repetitions.
func (e *Estate) order() {
	slices.SortStableFunc(e.Facts, func(a, b model.Fact) int {
		return cmp.Or(cmp.Compare(a.ID(), b.ID()), -cmp.Compare(a.P, b.P))
	})
	e.Facts = slices.CompactFunc(e.Facts, func(a, b model.Fact) bool { return a.ID() == b.ID() })
	slices.SortFunc(e.Weaknesses, func(a, b model.Weakness) int { return cmp.Compare(a.ID(), b.ID()) })
	e.Weaknesses = slices.CompactFunc(e.Weaknesses, func(a, b model.Weakness) bool { return a.ID() == b.ID() })
	slices.SortStableFunc(e.Actions, func(a, b model.Action) int { return cmp.Compare(a.ID, b.ID) })
	e.Actions = slices.CompactFunc(e.Actions, func(a, b model.Action) bool { return a.ID == b.ID })
	slices.SortStableFunc(e.Findings, compareFindings)
	slices.SortFunc(e.Unplaced, func(a, b Unplaced) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Key, b.Key), cmp.Compare(a.Why, b.Why))
	})
	e.Unplaced = slices.Compact(e.Unplaced)
	e.Incomplete = sortedIncomplete(e.Incomplete)
}

// Miss adds what was not read, whichever part of the reading noticed it.
func (e *Estate) Miss(more ...model.Incomplete) {
	e.Incomplete = sortedIncomplete(append(e.Incomplete, more...))
}

func sortedIncomplete(list []model.Incomplete) []model.Incomplete {
	slices.SortFunc(list, func(a, b model.Incomplete) int {
		return cmp.Or(cmp.Compare(a.What, b.What), cmp.Compare(a.Why, b.Why))
	})
	return slices.Compact(list)
}

func compareFindings(a, b model.Finding) int {
	return cmp.Or(
		cmp.Compare(a.Position.File, b.Position.File),
		cmp.Compare(a.Position.Line, b.Position.Line),
		cmp.Compare(a.Rule, b.Rule),
		cmp.Compare(a.Asset.Key, b.Asset.Key),
		cmp.Compare(a.ID, b.ID),
	)
}

// Asset finds an asset by its canonical reference.
func (e *Estate) Asset(ref model.Ref) (model.Asset, bool) {
	i, ok := slices.BinarySearchFunc(e.Assets, ref, func(a model.Asset, r model.Ref) int { return a.Compare(r) })
	if !ok {
		return model.Asset{}, false
	}
	return e.Assets[i], true
}

// FactsOf returns the facts of one kind, in order.
func (e *Estate) FactsOf(kind model.FactKind) []model.Fact {
	// Ids start with the kind, so facts of one kind stand together.
	lo, _ := slices.BinarySearchFunc(e.Facts, string(kind)+"|", func(f model.Fact, k string) int { return cmp.Compare(f.ID(), k) })
	hi := lo
	for hi < len(e.Facts) && e.Facts[hi].Kind == kind {
		hi++
	}
	return e.Facts[lo:hi]
}
