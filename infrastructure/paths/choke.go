package paths

import (
	"slices"

	"github.com/scantling/scantling/graph"
	"github.com/scantling/scantling/model"
)

// Choke is a point that every path between some of the pairs passes through.
type Choke struct {
	What  string   `json:"what"`
	Kind  string   `json:"kind"`  // "fact" where something may be changed, else the kind of the asset, or "authority"
	Pairs int      `json:"pairs"` // of an entry and a jewel that it parts
	Cuts  float64  `json:"cuts"`  // the same in percent of the pairs that are connected
	By    []string `json:"by"`    // changes that remove a fact; empty for others, and where none does
}

// Pareto says what the best set of a number of changes does. Sets that do no
// more than one of fewer changes are left out.
type Pareto struct {
	Changes []string `json:"changes"`
	Cuts    float64  `json:"cuts"`  // share of pairs that it parts, in percent
	Bound   float64  `json:"bound"` // proven: no set of as many parts more; equal to Cuts: it is the best
	Mass    *float64 `json:"mass"`  // share of probability that it takes, in percent: of the best path of each pair; null where there are too many
}

const (
	maxChokes = 10
	massPairs = 300 // of which the best path is sought, anew for each set of changes
)

// chokes lists the choke points of some ends.
func (m *Model) chokes(e graph.Ends, pairs int, changes []change) []Choke {
	out := []Choke{}
	for _, c := range m.graph.Chokes(e, maxChokes, nil) {
		choke := Choke{Pairs: c.Pairs, Cuts: percent(c.Pairs, pairs), By: []string{}}
		if c.Fact < 0 {
			choke.What, choke.Kind = m.Name(c.Vertex), "authority"
			if ref := m.refs[c.Vertex]; !ref.IsZero() {
				choke.Kind = string(ref.Kind)
			}
			out = append(out, choke)
			continue
		}
		choke.What, choke.Kind = m.words(m.facts[c.Fact]), "fact"
		for _, change := range changes {
			if slices.Contains(change.facts, c.Fact) {
				choke.By = append(choke.By, change.title)
			}
		}
		out = append(out, choke)
	}
	return out
}

// words says in short what a fact states.
func (m *Model) words(f model.Fact) string {
	if len(f.Evidence) > 0 {
		return f.Evidence[len(f.Evidence)-1].What
	}
	return string(f.Kind) + " " + f.Asset.Key
}

// pareto lists what the best sets of few changes do.
func (f *fixer) pareto() []Pareto {
	out, less := []Pareto{}, Pareto{Mass: new(float64)}
	stay := f.total - len(f.near.Pairs(f.ends, nil)) // they are left out of the ends, and no change parts them
	few := f.total <= massPairs
	var whole float64
	known := map[graph.Pair]graph.Support{}
	if few {
		whole = f.mass(nil, known)
	}
	for _, cut := range f.near.Pareto(f.ends, f.priced(), f.fix, paretoMost) {
		var made []change
		for _, i := range cut.Pick {
			made = append(made, f.changes[i])
		}
		row := Pareto{Changes: []string{}, Cuts: percent(max(cut.Pairs-stay, 0), f.total), Bound: percent(max(cut.Most-stay, 0), f.total)}
		for _, c := range joined(made) {
			row.Changes = append(row.Changes, c.title)
		}
		if few && whole > 0 {
			taken := round(100 * (1 - f.mass(made, known)/whole))
			row.Mass = &taken
		}
		if row.over(less) { // not even the first one, where it takes nothing away
			out, less = append(out, row), row
		}
	}
	return out
}

func (p Pareto) over(less Pareto) bool {
	return p.Cuts > less.Cuts || p.Mass != nil && less.Mass != nil && *p.Mass > *less.Mass
}

// mass is the sum of the probabilities of the best path of each pair that some
// changes leave. What is the best of a pair without any change is known from
// the first call, and still is where none of its facts is gone.
func (f *fixer) mass(made []change, known map[graph.Pair]graph.Support) float64 {
	without, sum := gone(made...), 0.0
	ends := f.ends
	ends.Except = nil
	for _, p := range f.near.Pairs(ends, without) {
		best, ok := known[p]
		if !ok || slices.ContainsFunc(best.Facts, func(x graph.Fact) bool { return without.Has(int(x)) }) {
			list := f.near.KBest(p.From, p.To, 1, without)
			if len(list) == 0 {
				continue // too far to search
			}
			best = list[0].Support
		}
		if !ok {
			known[p] = best
		}
		sum += best.P
	}
	return sum
}
