package detect_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/scantling/scantling/model"
	"github.com/scantling/scantling/runtime/detect"
)

// TestRegexIsLinear asks patterns that make engines which go back take a time
// that doubles with each character, of values that they nearly match. Such an
// engine would never be done with one of these.
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
			const n = 192 << 10 // beyond what the library tries by going back within bounds
			if hits, err := m.Hits(audit(`{"a":"`+strings.Repeat("a", n)+`!"}`), nil); len(hits) > 0 || err != nil {
				t.Fatal(hits, err)
			}
		})
	}
}
