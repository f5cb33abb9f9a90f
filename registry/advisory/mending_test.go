package advisory

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/scantling/scantling/registry/image"
)

// TestMending holds the short way against evaluating every version: it never
// says that a version clears what it doesn't, and from the lowest fixed
// version on it says the same.
func TestMending(t *testing.T) {
	rng := rand.New(rand.NewPCG(9, 10))
	asked, cleared := 0, 0
	for range 800 {
		db, invs := randomWorld(rng)
		if rng.IntN(3) == 0 {
			for _, r := range db.feeds["Go"].records {
				r.Affected[0].Versions = []string{fmt.Sprintf("1.%d.0", rng.IntN(8)), fmt.Sprintf("1.%d.5", rng.IntN(8))}
			}
		}
		for _, inv := range invs {
			m := db.match(inv, time.Time{})
			for i := range m.found {
				one := &m.found[i]
				if one.weakness.Fixed == "" {
					continue
				}
				x := newMending(one)
				o := order{"npm"}
				low, _ := o.parse(one.weakness.Fixed)
				for minor := range 12 {
					for _, patch := range []int{0, 5} {
						text := fmt.Sprintf("1.%d.%d", minor, patch)
						v, _ := o.parse(text)
						c, _ := v.compare(low)
						got, want := x.by(newTarget(text)), isAbove(one.entries, one.weakness.Version, text) && clears(one.entries, text)
						if got && !want || c >= 0 && got != want {
							t.Fatalf("%s of %s: %v, want %v: %+v", text, one.weakness.Version, got, want, one.entries[0])
						}
						if asked++; got {
							cleared++
						}
					}
				}
			}
		}
	}
	if cleared < asked/10 {
		t.Errorf("%d of %d clear", cleared, asked)
	}
}

// A kernel: 3,000 advisories fixed in 300 versions, in three images. It takes
// under two seconds of one core.
func TestFixPlanOfAKernel(t *testing.T) {
	f := newFeed()
	for i := range 3000 {
		f.add(&Record{ID: fmt.Sprintf("DSA-%d", i), Affected: []Affected{{
			Ecosystem: "Debian:12", Name: "linux", Ranges: []Range{{Type: "ECOSYSTEM", Events: []Event{{Introduced: "0"}, {Fixed: fmt.Sprintf("6.1.%d-1", 1+i%300)}}}},
		}}})
	}
	f.index()
	db := &DB{feeds: map[string]*feed{"Debian": f}}
	var images []judged
	for i := range 3 {
		inv := &image.Inventory{Digest: fmt.Sprintf("sha256:%d", i), Packages: []image.Package{debPackage("linux-libc-dev", "linux", "6.1.0-1", "l")}}
		images = append(images, judged{inv, db.match(inv, time.Time{})})
	}
	steps := (&Result{images: images}).FixPlan(never, day)
	if len(steps) != 1 || steps[0].To != "6.1.300-1" || steps[0].Clears.Matches != 9000 {
		t.Errorf("%d steps, the first %+v", len(steps), steps[0].Clears)
	}
}
