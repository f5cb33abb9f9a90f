package risk

import (
	"fmt"
	"slices"
	"strings"

	"github.com/scantling/scantling/graph"
	"github.com/scantling/scantling/model"
)

// splits are the actions that only the joined estate can propose: a workload
// whose image has a known weakness (registry), that is public (network), and
// whose service account, shared with another workload, has rights that lead
// to a jewel (identity). Any two of the three are no reason to act; all three
// are a path from the internet to the jewel. The right can't simply be
// deleted, because the other workload may need it, so the workload gets an
// identity of its own.
func (w *world) splits() []model.Action {
	accepted := w.accepted()
	sharers := map[model.Ref][]model.Ref{}
	for _, f := range w.estate.FactsOf(model.ActsAs) {
		sharers[f.Object] = append(sharers[f.Object], f.Asset)
	}
	tokens := map[model.Ref][]graph.Fact{}
	for i, f := range w.estate.Attack.Facts {
		if f.Kind == model.Token && f.Value == "" { // for the API server
			tokens[f.Asset] = append(tokens[f.Asset], graph.Fact(i))
		}
	}
	var out []model.Action
	for i, wl := range w.workloads {
		weak, ok := w.worstWeakness(i, accepted)
		if !ok || wl.exposure.Value != "public" {
			continue
		}
		for _, token := range tokens[wl.ref] {
			identity := w.estate.Attack.Facts[token].Object
			others := slices.DeleteFunc(slices.Clone(sharers[identity]), func(r model.Ref) bool { return r == wl.ref })
			right, jewel, ok := w.leads(i, token, identity)
			if len(others) > 0 && ok {
				out = append(out, w.split(wl, weak, token, right, jewel, others))
			}
		}
	}
	return out
}

// worstWeakness is the most probable weakness of a workload that no exception
// covers.
func (w *world) worstWeakness(i int, accepted map[string]bool) (model.Weakness, bool) {
	best, top := -1, 0.0
	for _, p := range w.workloads[i].parts {
		for _, k := range w.parts[p].weaknesses {
			if w.weakP[k] > top && !accepted[w.estate.Weaknesses[k].ID()] {
				best, top = int(k), w.weakP[k]
			}
		}
	}
	if best < 0 {
		return model.Weakness{}, false
	}
	return w.estate.Weaknesses[best], true
}

// leads finds the most valuable jewel that workload i reaches with the token
// and a right of its identity.
func (w *world) leads(i int, token graph.Fact, identity model.Ref) (right model.Fact, to jewel, ok bool) {
	for k := w.workloads[i].first; k < w.workloads[i].last; k++ {
		j := w.jewels[w.pairs[k].jewel]
		for _, facts := range w.pairs[k].supports {
			if !slices.Contains(facts, token) {
				continue
			}
			for _, leaf := range facts {
				f := w.estate.Attack.Facts[leaf]
				if f.Kind == model.Right && f.Object == identity && (!ok || j.value > to.value) {
					right, to, ok = f, j, true
				}
			}
		}
	}
	return right, to, ok
}

func (w *world) split(wl workload, weak model.Weakness, token graph.Fact, right model.Fact, to jewel, others []model.Ref) model.Action {
	fact := w.estate.Attack.Facts[token]
	why := weak.Advisory
	if weak.KEV {
		why += ", exploited (KEV)"
	} else if weak.HasEPSS {
		why += fmt.Sprintf(", EPSS %.3g", weak.EPSS)
	}
	names := make([]string, len(others))
	for i, r := range others {
		names[i] = r.Key
	}
	evidence := []model.Evidence{
		{What: "weak: " + why, Where: weak.Path + " in " + weak.Image.Key, Value: weak.Package + " " + weak.Version},
		{What: "exposed: public", Where: wl.ref.Key, Value: firstEvidence(wl.exposure)},
		{What: "mighty: " + right.Value, Where: right.Asset.Key, Value: "leads to " + to.ref.String()},
		{What: "shared with", Where: fact.Object.Key, Value: strings.Join(names, ", ")},
	}
	for _, f := range w.estate.FactsOf(model.UsedRight) {
		if f.Asset == fact.Object && uses(right, f) {
			evidence = append(evidence, model.Evidence{What: "the right is in use, so it can't just be deleted", Where: f.Source, Value: f.Value})
			break
		}
	}
	return model.Action{
		ID: model.ActionID(model.SplitIdentity, wl.ref, fact.Object), Type: model.SplitIdentity,
		Title:    "give " + wl.ref.Key + " an identity of its own instead of " + fact.Object.Key,
		Assets:   []model.Ref{wl.ref, fact.Object},
		Removes:  []string{fact.ID()},
		Evidence: evidence,
	}
}

func firstEvidence(f model.Fact) string {
	if len(f.Evidence) == 0 {
		return f.Source
	}
	e := f.Evidence[0]
	return strings.TrimSpace(e.What + " " + e.Where + " " + e.Value)
}
