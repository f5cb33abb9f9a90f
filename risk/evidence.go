package risk

import (
	"fmt"
	"time"

	"github.com/scantling/scantling/graph"
	"github.com/scantling/scantling/model"
)

// Facts are the ladder's evidence that only the ranking can give: whether due
// dates are kept, and whether half of the reachable steps would be seen.
func (a *Assessment) Facts() []model.Fact {
	return append(a.world.dueFacts(), a.world.sightFacts(a.base)...)
}

// dueFacts says, for every image that was assessed, whether a weakness that
// nobody accepted is past its date.
func (w *world) dueFacts() []model.Fact {
	accepted := w.accepted()
	overdue := map[model.Ref]model.Evidence{}
	for _, weak := range w.estate.Weaknesses {
		if _, known := overdue[weak.Image]; known || accepted[weak.ID()] {
			continue
		}
		due, deadline := Due(weak, w.public(weak.Image), w.settings.AsOf)
		if !due.IsZero() && due.Before(w.settings.AsOf.Truncate(24*time.Hour)) {
			overdue[weak.Image] = model.Evidence{What: weak.Advisory + " was due on " + due.Format(time.DateOnly), Where: weak.Package, Value: deadline.String()}
		}
	}
	var out []model.Fact
	for _, f := range w.estate.FactsOf(model.Meets) {
		if f.Value != "scan.assessed" {
			continue
		}
		due := model.Fact{Kind: model.Meets, Asset: f.Asset, Value: "patch.due", P: 1, Origin: model.Measured}
		if e, late := overdue[f.Asset]; late {
			due.Kind, due.Evidence = model.Lacks, []model.Evidence{e}
		}
		out = append(out, due)
	}
	return out
}

// sightFacts says whether at least half of the facts that some derivation
// rests on would be seen in use. Facts without a technique
// (a network path that policies leave open) are no step of their own.
func (w *world) sightFacts(base *state) []model.Fact {
	steps, seen := 0, 0
	for f := range w.leaves {
		fact := w.estate.Attack.Facts[f]
		if len(w.pairsOf[graph.Fact(f)]) == 0 || fact.Attack == "" {
			continue
		}
		steps++
		if base.sight.seen(fact.Attack) > 0 {
			seen++
		}
	}
	if steps == 0 {
		return nil
	}
	half := model.Fact{Kind: model.Meets, Asset: model.Ref{Kind: model.Cluster, Key: w.estate.Name}, Value: "detect.half", P: 1, Origin: model.Measured}
	if 2*seen < steps {
		half.Kind = model.Lacks
		half.Evidence = []model.Evidence{{What: fmt.Sprintf("%d of %d reachable steps have a rule whose log is read", seen, steps)}}
	}
	return []model.Fact{half}
}
