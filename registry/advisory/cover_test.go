package advisory

import (
	"math/bits"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/scantling/scantling/registry/image"
)

// smallest is the size of the smallest cover, by trying every set of options.
func smallest(options []option) int {
	masks := make([]uint, len(options))
	all := uint(0)
	for i, o := range options {
		for _, item := range o.clears {
			masks[i] |= 1 << item
		}
		all |= masks[i]
	}
	best := len(options)
	for set := range uint(1) << len(options) {
		union := uint(0)
		for i := range options {
			if set>>i&1 == 1 {
				union |= masks[i]
			}
		}
		if union == all {
			best = min(best, bits.OnesCount(set))
		}
	}
	return best
}

// TestCover holds the search against every set of options: each item that can
// be cleared is, exactly once; no step can be left out; and there are at most
// 1 + 1/2 + … + 1/n times as many as need be, n being the largest option.
func TestCover(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	worlds, least := 0, 0
	for range 4000 {
		items := 1 + rng.IntN(10)
		options := make([]option, 1+rng.IntN(9))
		largest := 0
		for i := range options {
			for item := range items {
				if rng.IntN(3) == 0 {
					options[i].clears = append(options[i].clears, item)
				}
			}
			largest = max(largest, len(options[i].clears))
		}
		chosen := cover(items, options)
		seen := map[int]int{}
		for _, o := range chosen {
			for _, item := range o.clears {
				seen[item]++
			}
			if !slices.ContainsFunc(options, func(whole option) bool { return isSubset(o.clears, whole.clears) }) {
				t.Fatalf("%v is no part of an option of %v", o, options)
			}
		}
		for item := range items {
			want := 0
			if slices.ContainsFunc(options, func(o option) bool { return slices.Contains(o.clears, item) }) {
				want = 1
			}
			if seen[item] != want {
				t.Fatalf("item %d is cleared %d times, want %d: %v of %v", item, seen[item], want, chosen, options)
			}
		}
		best := smallest(options)
		harmonic := 0.0
		for i := 1; i <= largest; i++ {
			harmonic += 1 / float64(i)
		}
		if float64(len(chosen)) > harmonic*float64(best) {
			t.Fatalf("%d steps where %d are enough: %v of %v", len(chosen), best, chosen, options)
		}
		if worlds++; len(chosen) == best {
			least++
		}
	}
	t.Logf("%d of %d covers are the smallest", least, worlds)
	if least < worlds*95/100 {
		t.Errorf("only %d of %d covers are the smallest", least, worlds)
	}
}

func isSubset(part, whole []int) bool {
	return !slices.ContainsFunc(part, func(x int) bool { return !slices.Contains(whole, x) })
}

// A step that later ones make needless is dropped: greedy takes the four
// first, and then needs both others all the same.
func TestCoverDropsTheNeedless(t *testing.T) {
	chosen := cover(6, []option{{to: "four", clears: []int{1, 2, 3, 4}}, {to: "left", clears: []int{0, 1, 2}}, {to: "right", clears: []int{3, 4, 5}}})
	var names []string
	for _, o := range chosen {
		names = append(names, o.to)
	}
	slices.Sort(names)
	if !slices.Equal(names, []string{"left", "right"}) {
		t.Errorf("chosen: %v", names)
	}
}

// TestCovers: a record of all releases doesn't make a feed speak for a release
// that none of its records names beside others.
func TestCovers(t *testing.T) {
	for _, tc := range []struct {
		names, ecosystem string
		want             bool
	}{
		{"Debian:12", "Debian:12", true},
		{"Debian:12", "Debian:11", false},
		{"Debian:12 Debian", "Debian:11", false},
		{"Debian", "Debian:11", true},
		{"openSUSE:Leap_15.6 openSUSE", "openSUSE:Tumbleweed", true},
		{"Go", "Go", true},
		{"Ubuntu:22.04", "Ubuntu:22.04:LTS", true},
	} {
		f := newFeed()
		for _, name := range strings.Fields(tc.names) {
			f.releases[name] = true
		}
		if got := f.covers(tc.ecosystem); got != tc.want {
			t.Errorf("%s with %s: %v", tc.ecosystem, tc.names, got)
		}
	}
}

// TestSupportEndsByUTC: the last day of support is the same everywhere.
func TestSupportEndsByUTC(t *testing.T) {
	last := time.Date(2026, 8, 31, 20, 0, 0, 0, time.UTC)
	f := newFeed()
	f.releases["Debian:11"], f.newest = true, last
	db := &DB{feeds: map[string]*feed{"Debian": f}}
	for _, zone := range []*time.Location{time.UTC, time.FixedZone("east", 14*3600), time.FixedZone("west", -11*3600)} {
		if why := db.missing(&image.Inventory{}, "Debian:11", last.In(zone)); why != "" {
			t.Errorf("%s: %s", zone, why)
		}
		if why := db.missing(&image.Inventory{}, "Debian:11", last.AddDate(0, 0, 1).In(zone)); why == "" {
			t.Errorf("%s: supported on the next day", zone)
		}
	}
}
