package risk

import (
	"fmt"

	"github.com/scantling/scantling/graph"
	"github.com/scantling/scantling/model"
)

// total is the value of all jewels together, in points.
const total = 1000

// addJewels prices what is worth protecting: the user's jewels first, the
// rest shared among cluster admin, mounted Secrets, cloud roles and nodes in
// the ratio of the defaults. All values sum to total.
func (w *world) addJewels() {
	left := float64(total)
	taken := map[model.Ref]bool{}
	for _, u := range w.settings.Jewels {
		v, ok := w.estate.Attack.Vertex(u.Match)
		switch {
		case !ok:
			w.notes = append(w.notes, fmt.Sprintf("jewel %s: no %s in the attack graph, so it has no value here", u.Name, u.Match))
		case taken[u.Match]:
			w.notes = append(w.notes, fmt.Sprintf("jewel %s: %s is priced twice, the first price holds", u.Name, u.Match))
		default:
			taken[u.Match] = true
			value := min(u.Value, left)
			left -= value
			w.jewels = append(w.jewels, jewel{name: u.Name, ref: u.Match, vertex: v, value: value, origin: model.User})
		}
	}
	w.addDefaultJewels(left, taken)
}

// addDefaultJewels shares left among the groups that have members.
func (w *world) addDefaultJewels(left float64, taken map[model.Ref]bool) {
	mounted := map[model.Ref]bool{}
	for _, f := range w.estate.FactsOf(model.Mounts) {
		mounted[f.Object] = true
	}
	groups := []struct {
		kind    model.Kind
		value   float64
		members []jewel
	}{
		{kind: model.Cluster, value: w.defaults.ClusterWide},
		{kind: model.Secret, value: w.defaults.Secrets},
		{kind: model.CloudRole, value: w.defaults.CloudRoles},
		{kind: model.Node, value: w.defaults.Nodes},
	}
	present := 0.0
	for g := range groups {
		for v, ref := range w.estate.Attack.Vertices {
			if ref.Kind != groups[g].kind || taken[ref] || ref.Kind == model.Secret && !mounted[ref] {
				continue
			}
			taken[ref] = true
			groups[g].members = append(groups[g].members, jewel{name: ref.Key, ref: ref, vertex: graph.Vertex(v), origin: model.Default})
		}
		if len(groups[g].members) > 0 {
			present += groups[g].value
		}
	}
	for _, g := range groups {
		for _, j := range g.members {
			j.value = left * g.value / present / float64(len(g.members))
			w.jewels = append(w.jewels, j)
		}
	}
}
