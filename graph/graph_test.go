package graph

import (
	"math"
	"slices"
	"testing"
)

func TestBuildRefuses(t *testing.T) {
	for name, tc := range map[string]struct {
		w    world
		want string
	}{
		"probability over 1":       {world{p: []float64{.5, 1.5}}, "building graph: fact 1 has probability 1.5, not 0 to 1"},
		"probability under 0":      {world{p: []float64{-.5}}, "building graph: fact 0 has probability -0.5, not 0 to 1"},
		"probability not a number": {world{p: []float64{math.NaN()}}, "building graph: fact 0 has probability NaN, not 0 to 1"},
		"head out of range":        {world{vertices: 2, steps: []naiveStep{{head: 2}}}, "building graph: step 0 leads to vertex 2 of 2"},
		"negative head":            {world{vertices: 2, steps: []naiveStep{{head: -1}}}, "building graph: step 0 leads to vertex -1 of 2"},
		"need out of range":        {world{vertices: 2, steps: []naiveStep{{head: 1}, {head: 1, needs: []Vertex{0, 7}}}}, "building graph: step 1 needs vertex 7 of 2"},
		"negative need":            {world{vertices: 2, steps: []naiveStep{{head: 1, needs: []Vertex{-7}}}}, "building graph: step 0 needs vertex -7 of 2"},
		"fact out of range":        {world{vertices: 2, p: []float64{1}, steps: []naiveStep{{head: 1, facts: []Fact{1}}}}, "building graph: step 0 rests on fact 1 of 1"},
		"negative fact":            {world{vertices: 2, p: []float64{1}, steps: []naiveStep{{head: 1, facts: []Fact{-1}}}}, "building graph: step 0 rests on fact -1 of 1"},
	} {
		t.Run(name, func(t *testing.T) {
			b := NewBuilder()
			for range tc.w.vertices {
				b.Vertex()
			}
			for _, p := range tc.w.p {
				b.Fact(p)
			}
			for _, s := range tc.w.steps {
				b.Step(s.head, s.needs, s.facts)
			}
			if _, err := b.Build(); err == nil || err.Error() != tc.want {
				t.Errorf("error is %v, want %s", err, tc.want)
			}
		})
	}
}

func TestGraphGivesBackWhatWasBuilt(t *testing.T) {
	b := NewBuilder()
	u, v := b.Vertex(), b.Vertex()
	f, h := b.Fact(.25), b.Fact(1)
	needs := []Vertex{v, u, v}
	s := b.Step(v, needs, []Fact{h, f, h})
	needs[0] = 99
	g, err := b.Build()
	if err != nil {
		t.Fatal(err)
	}
	b.Step(u, nil, nil)
	if g.NumVertices() != 2 || g.NumFacts() != 2 || g.NumSteps() != 1 || g.P(f) != .25 || g.Head(s) != v {
		t.Errorf("graph is %+v", g)
	}
	if got := g.Needs(s); !slices.Equal(got, []Vertex{u, v}) {
		t.Errorf("needs are %v", got)
	}
	if got := g.Rests(s); !slices.Equal(got, []Fact{f, h}) {
		t.Errorf("facts are %v", got)
	}
}

func TestSet(t *testing.T) {
	var none *Set
	if none.Has(3) || none.Len() != 0 || none.Clone().Len() != 0 || slices.Collect(none.All()) != nil {
		t.Error("the nil set is not empty")
	}
	s := NewSet(10)
	for _, i := range []int{200, 0, 63, 64, 63} {
		s.Add(i)
	}
	if got := slices.Collect(s.All()); !slices.Equal(got, []int{0, 63, 64, 200}) || s.Len() != 4 {
		t.Errorf("members are %v, length %d", got, s.Len())
	}
	for i, want := range map[int]bool{-1: false, 0: true, 1: false, 63: true, 64: true, 200: true, 201: false, 1 << 40: false} {
		if s.Has(i) != want {
			t.Errorf("Has(%d) is %v", i, !want)
		}
	}
	other := NewSet(300)
	for _, i := range []int{0, 1, 64, 250} {
		other.Add(i)
	}
	if s.Common(other) != 2 || other.Common(s) != 2 || s.Common(none) != 0 || none.Common(s) != 0 {
		t.Errorf("%d members in common", s.Common(other))
	}
	c := s.Clone()
	c.Add(5)
	if s.Has(5) || !c.Has(64) {
		t.Error("a clone is not a copy of its own")
	}
	for i := range s.All() {
		if i == 63 {
			break
		}
	}
}
