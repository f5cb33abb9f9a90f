package detect_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/scantling/scantling/model"
	"github.com/scantling/scantling/runtime/detect"
)

// hitBy reports which rules of a program match a record.
func hitBy(t testing.TB, prog *detect.Program, raw string) []int {
	t.Helper()
	hits, err := prog.NewMatcher().Hits(model.Event{Source: "kubernetes-audit", Raw: []byte(raw)}, nil)
	if err != nil {
		t.Fatal(err)
	}
	var out []int
	for _, h := range hits {
		out = append(out, h.Rule)
	}
	return out
}

func oneRule(selection string) string {
	return "title: t\nid: r\nlogsource: {product: kubernetes}\ndetection:\n  s: {" + selection + "}\n  condition: s\n"
}

// TestLongNeedles holds that a text of which an automaton keeps the end only is
// looked for as a whole.
func TestLongNeedles(t *testing.T) {
	text := "0123456789abcdefghijklmnopqrstuvwxyz-0123456789"
	end := text[len(text)-40:]
	for mods, want := range map[string]map[string]bool{
		"contains":   {"x" + text + "x": true, "x" + end + "x": false},
		"startswith": {text + "x": true, "x" + text: false, end + "x": false},
		"endswith":   {"x" + text: true, text + "x": false, "x" + end: false},
		"re":         {"x" + text + "x": true, "x" + end + "x": false},
	} {
		prog := compile(t, oneRule("a|"+mods+": '"+text+"'"))
		for value, yes := range want {
			if got := hitBy(t, prog, `{"a":"`+value+`"}`); (len(got) == 1) != yes {
				t.Errorf("%s: %q matches: %t, want %t", mods, value, !yes, yes)
			}
		}
	}
}

// TestManyNeedles gives one field so many texts that the automaton has room for
// their last bytes only.
func TestManyNeedles(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	var texts []string
	for range 19_000 {
		var b strings.Builder
		for range 40 {
			b.WriteByte("abcdefghijklmnopqrstuvwxyz0123456789-_./"[r.IntN(40)])
		}
		texts = append(texts, b.String())
	}
	prog := compile(t, oneRule("a|contains: ['"+strings.Join(texts, "', '")+"']"))
	for i := 0; i < len(texts); i += 500 {
		if got := hitBy(t, prog, `{"a":"x`+texts[i]+`x"}`); len(got) != 1 {
			t.Errorf("%q is not found", texts[i])
		}
		if got := hitBy(t, prog, `{"a":"x`+texts[i][1:]+`x"}`); len(got) != 0 {
			t.Errorf("the end of %q is found", texts[i])
		}
	}
}

// TestEveryByte has needles with all bytes that there are, and UTF-8 beside.
func TestEveryByte(t *testing.T) {
	var values []string
	for c := 0x20; c < 0x500; c++ {
		if c != '\'' && c != '*' && c != '?' && c != '\\' && (c < 0x7f || c > 0x9f) {
			values = append(values, fmt.Sprintf("'<%c>'", c))
		}
	}
	prog := compile(t, oneRule("a|cased|contains: ["+strings.Join(values, ", ")+"]"))
	for value, want := range map[string]int{"x<a>": 1, "x<ÿ>y": 1, "<Ж>": 1, "x<é": 0, "<\u0500>": 0, "": 0} {
		if got := hitBy(t, prog, `{"a":"`+value+`"}`); len(got) != want {
			t.Errorf("%q: %d hits, want %d", value, len(got), want)
		}
	}
}

// TestTwoOfOneName holds that the first of two members counts, as it does where
// a field is read by its own path.
func TestTwoOfOneName(t *testing.T) {
	prog := compile(t, oneRule("a: b"), strings.Replace(oneRule("c.d: b"), "id: r", "id: s", 1))
	for raw, want := range map[string]int{
		`{"a":"b","a":"x"}`:                     1,
		`{"a":"x","a":"b"}`:                     0,
		`{"c":{"d":"x"},"c":{"d":"b"}}`:         0,
		`{"c":[{"d":"x"},{"d":"b","d":"x"}]}`:   1,
		`{"c":[{"d":"x","d":"b"},{"d":"x"}]}`:   0,
		`{"c":{"x":1},"c.d":"b"}`:               1,
		`{"c":{"d":null},"c.d":"b"}`:            0,
		`{"c":[{"x":1}],"c.d":["x",["b"]]}`:     1,
		`{"a":"b","c":{"d":"b"},"c.d":"x"}`:     2,
		`{"c.d":"x","c.d":"b"}`:                 0,
		`{"a":{"b":"b"},"c":{"d":{"d":"b"}}}`:   0,
		`{"a":["x",{"a":"b"},["b"]],"c":"c.d"}`: 1,
	} {
		if got := hitBy(t, prog, raw); len(got) != want {
			t.Errorf("%s: %d hits, want %d", raw, len(got), want)
		}
	}
}
