package main

import (
	"fmt"
	"slices"
	"testing"

	"github.com/scantling/scantling/registry/advisory"
	"github.com/scantling/scantling/registry/index"
)

// TestSmallRegistry makes a hundredth of the registry and holds the images of
// every changed advisory against going through all layers of all images.
func TestSmallRegistry(t *testing.T) {
	s := newShape(100)
	w, err := open(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer w.close()
	if err := w.fill(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	layers := make([][]int, s.images)
	for n := range layers {
		layers[n] = s.layersOf(n)
	}
	listed, told := 0, map[index.Kind]int{}
	for i := range 400 {
		n := i * 7919 % s.advisories
		before, now := s.record(n, 0), s.record(n, 1+i)
		transitions, err := w.engine.Apply(t.Context(), []index.Change{now}, w.shelf.writes(now))
		if err != nil {
			t.Fatal(err)
		}
		for _, one := range transitions {
			told[one.Kind]++
		}
		var want []string
		changed := changedLayers(s, before.New, now.New)
		for image, list := range layers {
			if slices.ContainsFunc(list, func(l int) bool { return changed[l] }) {
				want = append(want, s.image(image, true).Digest)
			}
		}
		got := slices.Sorted(w.engine.Images(transitions...).All())
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Fatalf("%s, revision %d: %d images, want %d\n%+v\n%+v", now.ID, 1+i, len(got), len(want), before.New, now.New)
		}
		listed += len(got)
	}
	t.Logf("%d images listed, transitions %v", listed, told)
	if listed < 10_000 || len(told) < 4 {
		t.Error("too little happens")
	}
}

// changedLayers are the layers with a component of which two revisions of an
// advisory say different things, each version evaluated alone.
func changedLayers(s *shape, before, now *advisory.Record) map[int]bool {
	out := map[int]bool{}
	for l, set := range s.layers {
		for _, c := range set.Components {
			if c.Name == now.Affected[0].Name && verdict(before, c) != verdict(now, c) {
				out[l] = true
			}
		}
	}
	return out
}

func verdict(r *advisory.Record, c index.Component) string {
	for _, one := range r.Touched(c.Ecosystem, c.Name, c.Module, advisory.VersionList{Texts: []string{c.Version}}) {
		return fmt.Sprintf("affected %v, fixed in %q", one.Affected, one.Fixed)
	}
	return ""
}

// TestShape: the shape is what decision 048 says.
func TestShape(t *testing.T) {
	s := newShape(20)
	debian, layers := 0, 0
	used := make([]bool, len(s.layers))
	for n := range s.images {
		list := s.layersOf(n)
		layers += len(list)
		for _, l := range list {
			used[l] = true
		}
		if slices.ContainsFunc(list, func(l int) bool { return l < s.bases && releases[l%len(releases)].ecosystem[0] == 'D' }) {
			debian++
		}
	}
	if slices.Contains(used, false) {
		t.Error("a layer that no image has")
	}
	if debian*2 < s.images {
		t.Errorf("%d of %d images are of Debian, want half", debian, s.images)
	}
	if mean := float64(layers) / float64(s.images); mean < 5 || mean > 8 {
		t.Errorf("%.1f layers an image", mean)
	}
	t.Logf("%d images with %.1f layers, %d components in %d layers", s.images, float64(layers)/float64(s.images), len(s.byComponent), len(s.layers))
}
