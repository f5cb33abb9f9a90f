package paths

import (
	"cmp"
	"math"
	"slices"
	"strings"

	"github.com/scantling/scantling/graph"
	"github.com/scantling/scantling/model"
)

// change is something that a fix may consist of: an action, or, where no
// action is known for a fact, that the fact be made untrue by hand.
type change struct {
	title string
	patch string
	facts []graph.Fact
	cost  float64
}

// Costs of changes for the choice of the smallest set: one each, and more for
// those for which no patch can be given, so that they are chosen last.
const (
	costAction = 1
	costByHand = 3
)

// maxRounds bounds the search for a fix: each round adds paths that the fix so
// far leaves open. Clusters of 1,000 workloads take fewer than ten.
const maxRounds = 100

// fixes finds the smallest set of changes that cuts every path to authority
// over the cluster, by growing a list of paths until the cheapest set that
// hits all of them leaves none, and puts the changes in the order that cuts
// most first. Paths that no change can cut are left out: nothing would end
// them.
func (m *Model) fixes() []Fix {
	goal := m.vertices[key{sort: admin}]
	changes, of := m.changes()
	cost := make([]float64, len(changes))
	for i, c := range changes {
		cost[i] = c.cost
	}
	var sets [][]int
	var pick []int
	hopeless := map[graph.Vertex]bool{}
	entries := m.entries()
	for range maxRounds {
		open := m.openPaths(entries, goal, m.without(changes, pick), of, hopeless)
		if len(open) == 0 {
			break
		}
		sets = append(sets, open...)
		next, total, _ := graph.HittingSet(sets, cost)
		if math.IsInf(total, 1) {
			break
		}
		pick = next
	}
	return m.ranked(changes, pick, entries, goal)
}

// changes lists what may be changed, and for each fact the changes that
// remove it.
func (m *Model) changes() ([]change, map[graph.Fact][]int) {
	byID := map[string]graph.Fact{}
	for f := range m.facts {
		byID[m.facts[f].ID()] = graph.Fact(f)
	}
	var out []change
	of := map[graph.Fact][]int{}
	add := func(c change) {
		for _, f := range c.facts {
			of[f] = append(of[f], len(out))
		}
		out = append(out, c)
	}
	for _, a := range m.actions {
		c := change{title: a.Title, patch: a.Patch, cost: costAction}
		for _, id := range a.Removes {
			if f, ok := byID[id]; ok {
				c.facts = append(c.facts, f)
			}
		}
		add(c)
	}
	for f, fact := range m.facts {
		byHand := fact.Kind == model.Token || fact.Kind == model.Holds || fact.Kind == model.Right
		if byHand && len(of[graph.Fact(f)]) == 0 {
			add(change{title: "By hand: " + words(fact), facts: []graph.Fact{graph.Fact(f)}, cost: costByHand})
		}
	}
	return out, of
}

// words says what ends a fact for which there is no typed action.
func words(f model.Fact) string {
	switch f.Kind {
	case model.Token:
		return "don't mount the token of " + f.Object.Key + " in " + f.Asset.Key
	case model.Holds:
		return "don't give Secret " + f.Object.Key + " to " + f.Asset.Key
	}
	rule, _, _ := strings.Cut(f.Value, ": ") // its place; the rest is long
	return "narrow " + rule + " as " + f.Asset.Key + " gives it to " + f.Object.Key
}

// without is the set of facts that some changes remove.
func (m *Model) without(changes []change, pick []int) *graph.Set {
	gone := graph.NewSet(len(m.facts))
	for _, i := range pick {
		for _, f := range changes[i].facts {
			gone.Add(int(f))
		}
	}
	return gone
}

// batch is how many open paths one round adds.
const batch = 64

// openPaths finds the best open path of entries that have one, and for each the
// changes that would cut it, equal ones once. An entry with a path that no
// change cuts is hopeless and passed over from then on.
func (m *Model) openPaths(entries []graph.Vertex, goal graph.Vertex, gone *graph.Set, of map[graph.Fact][]int, hopeless map[graph.Vertex]bool) [][]int {
	var out [][]int
	reach := m.graph.Closure(entries, gone)
	for i, from := range entries {
		if len(out) == batch {
			break
		}
		if hopeless[from] || !reach[i].Has(int(goal)) {
			continue
		}
		var set []int
		for _, d := range m.graph.KBest(from, goal, 1, gone) {
			for _, f := range d.Facts {
				set = append(set, of[f]...)
			}
		}
		slices.Sort(set)
		set = slices.Compact(set)
		if len(set) == 0 {
			hopeless[from] = true
		} else if !slices.ContainsFunc(out, func(have []int) bool { return slices.Equal(have, set) }) {
			out = append(out, set)
		}
	}
	return out
}

// rankTries bounds the trials of ranked: each counts every workload anew.
const rankTries = 200

// ranked orders the picked changes: each time the one after which the fewest
// workloads still reach the goal. Large sets would take too many trials for
// that; what is left then keeps the order of what each change does alone.
func (m *Model) ranked(changes []change, pick []int, entries []graph.Vertex, goal graph.Vertex) []Fix {
	out := []Fix{}
	all := m.reaching(entries, goal, nil)
	open := func(done []int, c int) int {
		return m.reaching(entries, goal, m.without(changes, append(slices.Clip(done), c)))
	}
	byTitle := func(a, b int) int { return strings.Compare(changes[a].title, changes[b].title) }
	alone := map[int]int{}
	for _, c := range pick {
		alone[c] = open(nil, c)
	}
	left := slices.SortedFunc(slices.Values(pick), func(a, b int) int { return cmp.Or(cmp.Compare(alone[a], alone[b]), byTitle(a, b)) })
	var done []int
	for tries := 0; len(left) > 0; {
		best, remain := 0, open(done, left[0])
		if tries += len(left); tries <= rankTries {
			for i := range left[1:] {
				if n := open(done, left[i+1]); n < remain {
					best, remain = i+1, n
				}
			}
		}
		c := changes[left[best]]
		done = append(done, left[best])
		left = slices.Delete(left, best, best+1)
		out = append(out, Fix{Change: c.title, Cuts: round(100 * float64(all-remain) / float64(max(all, 1))), Patch: c.patch, facts: c.facts})
	}
	return out
}

// reaching counts the entries from which the goal can be reached.
func (m *Model) reaching(entries []graph.Vertex, goal graph.Vertex, gone *graph.Set) int {
	n := 0
	for _, set := range m.graph.Closure(entries, gone) {
		if set.Has(int(goal)) {
			n++
		}
	}
	return n
}
