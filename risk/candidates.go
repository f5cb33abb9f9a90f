package risk

import (
	"cmp"
	"slices"

	"github.com/scantling/scantling/graph"
	"github.com/scantling/scantling/model"
)

// candidate is one action, or a closed bundle of complements: actions that
// are worth little alone (a log without a rule, one of two redundant paths).
type candidate struct {
	id      string
	actions []model.Action
	hours   float64
}

func single(a model.Action) candidate {
	return candidate{id: a.ID, actions: []model.Action{a}, hours: Hours(a.Type)}
}

func bundle(actions []model.Action) candidate {
	slices.SortFunc(actions, func(a, b model.Action) int { return cmp.Compare(a.ID, b.ID) })
	c := candidate{actions: actions}
	for _, a := range actions {
		c.id += "+" + a.ID
		c.hours += Hours(a.Type)
	}
	return c
}

// candidates are all the actions that may be proposed, and their bundles.
func (w *world) candidates(base *state) []candidate {
	actions := w.actions()
	out := make([]candidate, 0, len(actions))
	for _, a := range actions {
		out = append(out, single(a))
	}
	out = append(out, w.sightBundles(actions)...)
	return append(out, w.cutBundles(base, actions)...)
}

// actions are those of the stages, less what the user accepted and what takes
// away a right that is needed, and those that only the joined estate shows.
func (w *world) actions() []model.Action {
	accepted := w.accepted()
	var out []model.Action
	for _, a := range w.estate.Actions {
		if w.onlyAccepted(a, accepted) {
			continue
		}
		if a.Type == model.DeleteBinding {
			var needed bool
			if a, needed = w.used(a); needed {
				continue
			}
		}
		out = append(out, a)
	}
	out = append(out, w.splits()...)
	out = append(out, w.retirements()...)
	if a, ok := w.playbook(); ok {
		out = append(out, a)
	}
	slices.SortFunc(out, func(a, b model.Action) int { return cmp.Compare(a.ID, b.ID) })
	return slices.CompactFunc(out, func(a, b model.Action) bool { return a.ID == b.ID })
}

// playbook is the action that every estate has until it has done it.
func (w *world) playbook() (model.Action, bool) {
	if len(w.estate.FactsOf(model.PlaybookTested)) > 0 {
		return model.Action{}, false
	}
	ref := model.Ref{Kind: model.Cluster, Key: w.estate.Name}
	return model.Action{
		ID: model.ActionID(model.TestPlaybook, ref), Type: model.TestPlaybook, Assets: []model.Ref{ref},
		Title:    "test a playbook for a compromised container in a dry run",
		Adds:     []model.Fact{{Kind: model.PlaybookTested, Asset: ref, P: 1, Origin: model.User}},
		Evidence: []model.Evidence{{What: "no playbook was ever tested", Where: w.estate.Name, Value: "a practised response averts .8 of a seen loss, an unpractised one .5 (default)"}},
	}, true
}

// retirements are images that were read and that no workload runs. The model
// can't value them: what isn't run isn't broken into.
func (w *world) retirements() []model.Action {
	if len(w.workloads) == 0 {
		return nil
	}
	run := map[model.Ref]bool{}
	for _, f := range w.estate.FactsOf(model.Runs) {
		run[f.Object] = true
	}
	weak := map[model.Ref]int{}
	for _, p := range w.parts {
		weak[p.image] += len(p.weaknesses)
	}
	var out []model.Action
	for _, a := range w.estate.Assets {
		if a.Kind != model.Image || run[a.Ref] || weak[a.Ref] == 0 {
			continue
		}
		out = append(out, model.Action{
			ID: model.ActionID(model.RetireImage, a.Ref), Type: model.RetireImage, Assets: []model.Ref{a.Ref},
			Title:    "retire " + a.Name + ": no workload runs it",
			Evidence: []model.Evidence{{What: "known weaknesses", Where: a.Name, Value: plural(weak[a.Ref], "advisory", "advisories")}},
		})
	}
	return out
}

// sightBundles join a log with the rules that read it and their tests: each
// alone shows nothing.
func (w *world) sightBundles(actions []model.Action) []candidate {
	var out []candidate
	for _, rule := range actions {
		if rule.Type != model.AddRule {
			continue
		}
		members := []model.Action{rule}
		for _, other := range actions {
			if other.Type == model.TestRule && sameRule(rule, other) || other.Type == model.EnableLog && feeds(other, rule) {
				members = append(members, other)
			}
		}
		if len(members) > 1 {
			out = append(out, bundle(members))
		}
	}
	for _, log := range actions {
		if log.Type != model.EnableLog {
			continue
		}
		members := []model.Action{log}
		for _, other := range actions {
			if (other.Type == model.AddRule || other.Type == model.TestRule) && feeds(log, other) {
				members = append(members, other)
			}
		}
		if len(members) > 1 {
			out = append(out, bundle(members))
		}
	}
	return dedupe(out)
}

// sameRule reports whether two actions speak of one technique and log.
func sameRule(a, b model.Action) bool {
	return slices.ContainsFunc(a.Adds, func(f model.Fact) bool {
		return slices.ContainsFunc(b.Adds, func(g model.Fact) bool { return f.Asset == g.Asset && f.Object == g.Object })
	})
}

// feeds reports whether the log that one action enables is read by the rule
// that the other adds or tests.
func feeds(log, rule model.Action) bool {
	return slices.ContainsFunc(log.Adds, func(f model.Fact) bool {
		return f.Kind == model.LogRead && slices.ContainsFunc(rule.Adds, func(g model.Fact) bool { return g.Object == f.Asset })
	})
}

// cutPairs is how many of the worst pairs get a bundle that cuts all their
// paths at once.
const cutPairs = 20

// cutBundles are minimum sets of actions that cut every derivation of one of
// the worst pairs: cutting one of two redundant paths removes almost nothing,
// cutting both removes much.
func (w *world) cutBundles(base *state, actions []model.Action) []candidate {
	killers := map[graph.Fact][]int{}
	cost := make([]float64, len(actions))
	for i, a := range actions {
		cost[i] = Hours(a.Type)
		for _, f := range w.change(a).leaves {
			killers[f] = append(killers[f], i)
		}
	}
	var out []candidate
	for _, i := range base.worstPairs(cutPairs) {
		sets := make([][]int, 0, len(w.pairs[i].supports))
		for _, facts := range w.pairs[i].supports {
			var set []int
			for _, f := range facts {
				set = append(set, killers[f]...)
			}
			slices.Sort(set)
			sets = append(sets, slices.Compact(set))
		}
		if slices.ContainsFunc(sets, func(s []int) bool { return len(s) == 0 }) {
			continue // a derivation that no action cuts
		}
		pick, _, _ := graph.HittingSet(sets, cost)
		if len(pick) < 2 {
			continue
		}
		var members []model.Action
		for _, k := range pick {
			members = append(members, actions[k])
		}
		out = append(out, bundle(members))
	}
	return dedupe(out)
}

// worstPairs are the n pairs of highest loss, by index where equal.
func (s *state) worstPairs(n int) []int {
	order := make([]int, len(s.world.pairs))
	loss := make([]float64, len(s.world.pairs))
	for i := range s.world.pairs {
		order[i] = i
		loss[i] = s.pairLoss(i)
	}
	slices.SortFunc(order, func(a, b int) int { return cmp.Or(cmp.Compare(loss[b], loss[a]), cmp.Compare(a, b)) })
	return order[:min(n, len(order))]
}

func dedupe(c []candidate) []candidate {
	slices.SortFunc(c, func(a, b candidate) int { return cmp.Compare(a.id, b.id) })
	return slices.CompactFunc(c, func(a, b candidate) bool { return a.id == b.id })
}
