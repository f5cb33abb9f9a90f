package risk

import (
	"math/rand/v2"
	"testing"

	"github.com/scantling/scantling/model"
)

// The losses that Top and Blasts show are those that the load sums up, and
// what is left after some steps is no more than what was there.
func TestTopAndBlasts(t *testing.T) {
	cut, chains := 0, 0
	each(t, func(t *testing.T, r *rand.Rand, s *sketch) {
		a := Assess(s.estate(nil), Settings{AsOf: asOf})
		steps := r.IntN(len(a.Plan) + 1)
		top := a.Top(1000, steps)
		seen := map[model.Ref]bool{}
		for i, sc := range top {
			if seen[sc.Workload] || i > 0 && sc.Before > top[i-1].Before {
				t.Errorf("scenario %d: %v %v", i, sc.Workload, sc.Before)
			}
			seen[sc.Workload] = true
			if sc.After > sc.Before+1 {
				t.Errorf("%d steps raise a scenario from %v to %v", steps, sc.Before, sc.After)
			}
			for _, l := range sc.Chain {
				chains++
				if l.Cut {
					cut++
				}
			}
		}
		sum := Points(0)
		for _, b := range a.Blasts() {
			sum += b.Loss
			if len(a.Top(1000, 0)) > 0 && b.Loss > 0 && !seen[b.Workload] {
				t.Errorf("%v loses %v and has no scenario", b.Workload, b.Loss)
			}
			reached := a.Spread(b.Workload)
			counted := Blast{}
			for i, v := range reached {
				for _, k := range v.From {
					if k >= i {
						t.Errorf("%v comes before what it needs", v)
					}
				}
				if i > 0 {
					counted.count(v.Ref.Kind)
				}
			}
			if counted.Workloads != b.Workloads || counted.Secrets != b.Secrets || counted.Nodes != b.Nodes || counted.Cluster != b.Cluster {
				t.Errorf("%v spreads to %+v", b, counted)
			}
		}
		if d := sum - *a.Load; d < -5 || d > 5 {
			t.Errorf("blasts lose %v, the load is %v", sum, *a.Load)
		}
	})
	if cut == 0 || chains == 0 {
		t.Errorf("%d links, %d cut: the sketches are too poor", chains, cut)
	}
}

func TestTopWithoutCluster(t *testing.T) {
	s := &sketch{}
	e := s.estate(nil)
	e.Attack.Graph = nil
	a := Assess(e, Settings{AsOf: asOf})
	if a.Top(5, 0) != nil || a.Blasts() != nil || a.Spread(ref(model.Workload, "w")) != nil {
		t.Error("an estate without a cluster has paths")
	}
}
