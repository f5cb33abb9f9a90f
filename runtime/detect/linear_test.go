package detect_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/scantling/scantling/model"
	"github.com/scantling/scantling/runtime/detect"
)

// fastest is the shortest of a few times that f took.
func fastest(f func()) time.Duration {
	best := time.Duration(1<<63 - 1)
	for range 4 {
		start := time.Now()
		f()
		best = min(best, time.Since(start))
	}
	return best
}

// TestRegexIsLinear asks patterns that make engines which go back take a time
// that doubles with each character, of values that they nearly match. Four
// times the value may take four times as long; sixteen times is the square.
func TestRegexIsLinear(t *testing.T) {
	for re, match := range map[string]string{
		`^(a+)+$`: "aaaa", `^(a|a)*$`: "aaaa", `^(a|aa)+$`: "aaaa", `^(.*a){12}$`: "aaaaaaaaaaaaaa", `^([a-z]+)*\d$`: "aaaa1", `^(([a-z])+.)+[A-Z]([a-z])+$`: "aa-Aa",
	} {
		t.Run(re, func(t *testing.T) {
			prog := compile(t, sigma(fmt.Sprintf("s: {a|re: '%s'}\ncondition: s", re)))
			if len(detect.Run(prog, []model.Event{audit(`{"a":"` + match + `"}`)})) != 1 {
				t.Fatalf("no match on %s", match)
			}
			m := prog.NewMatcher()
			took := func(n int) time.Duration {
				ev := audit(`{"a":"` + strings.Repeat("a", n) + `!"}`)
				return fastest(func() {
					if hits, err := m.Hits(ev, nil); len(hits) > 0 || err != nil {
						t.Fatal(hits, err)
					}
				})
			}
			const n = 48 << 10 // beyond what the library tries by going back within bounds
			short, long := took(n), took(4*n)
			t.Logf("%v for %d bytes, %v for four times as many", short, n, long)
			if long > 10*short+5*time.Millisecond {
				t.Error("that is not linear")
			}
		})
	}
}

// TestDistinctInConstantTime: a match costs as much where the window of its
// group holds a hundred times as many values.
func TestDistinctInConstantTime(t *testing.T) {
	const matches = 20_000
	took := func(values int) time.Duration {
		prog := compile(t, append(simple("a"),
			correlationRule("c", fmt.Sprintf("type: value_count\nrules: [a]\ngroup-by: [u]\ntimespan: 1d\ncondition: {field: n, gte: %d}", 2*values)))...)
		r := detect.NewBounded(prog, detect.Bounds{Lateness: time.Millisecond})
		n := 0
		add := func() {
			n++
			r.Add(model.Event{
				Source: "kubernetes-audit", Stream: "s", Index: n, Time: epoch.Add(time.Duration(n) * time.Millisecond),
				Raw: fmt.Appendf(nil, `{"t":"a","u":"x","n":"%d"}`, n%values),
			})
		}
		for range values {
			add()
		}
		return fastest(func() {
			for range matches {
				add()
			}
		})
	}
	few, many := took(100), took(10_000)
	t.Logf("%v and %v", few, many)
	if many > 8*few {
		t.Errorf("%d matches among 100 values take %v, among 10,000 %v", matches, few, many)
	}
}
