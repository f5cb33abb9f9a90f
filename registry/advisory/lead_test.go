package advisory

import (
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/osv-scalibr/semantic"
)

// TestLeads: of texts that mean one version in some order none is left out by
// how it begins. Texts are made of what versions are made of, and each is
// compared with ones that differ from it a little.
func TestLeads(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 14))
	pick := func(list ...string) string { return list[rng.IntN(len(list))] }
	part := func() string {
		return pick("0", "0", "1", "1", "2", "00", "01", "10", "a", "b", "rc", "ga", "final", "release", "sp", "dev", "post", "x", "", "SNAPSHOT", "p1", "1a", "0a")
	}
	make := func() string {
		out := pick("", "", "", "", "v", "V", "0:", "1:", "0!", "1!", ".", "-") + part()
		for range rng.IntN(4) {
			out += pick(".", ".", ".", "-", "_", "+", "~", "^", "", ":", "-r") + part()
		}
		return out
	}
	little := func(s string) string {
		switch rng.IntN(9) {
		case 0:
			return s + pick(".0", ".0.0", "-0", ".00", "-ga", ".final", ".GA", "-", ".", "-r0", "+1", "_", "~", "^")
		case 1:
			return strings.TrimSuffix(s, pick(".0", ".0.0", "-0", "-ga", ".final"))
		case 2:
			return pick("v", "V", "0:", "0!", "0", "00", "=", ".", "-") + s
		case 3:
			return strings.TrimLeft(s, pick("vV", "0", "0:", "0!", ".-"))
		case 4:
			return strings.Replace(s, pick(".", "-", "_", "+", "~"), pick(".", "-", "_", "", ".."), 1)
		case 5:
			return strings.ReplaceAll(s, ".", pick(".0", "..", "-", "_"))
		case 6:
			return strings.ToUpper(s)
		case 7:
			return strings.Replace(s, pick("0", "1", "2"), pick("00", "01", "0", "02"), 1)
		}
		return make()
	}
	for _, name := range beginAlike {
		if _, err := semantic.Parse("1", name); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		o, alike, told := order{name}, 0, 0
		for range 30_000 {
			a := make()
			b := little(a)
			v, err := o.parse(a)
			w, err2 := o.parse(b)
			if a == b || err != nil || err2 != nil || !v.exact || !w.exact {
				continue
			}
			if c, err := v.compare(w); err != nil || c != 0 {
				continue
			}
			alike++
			var first leads
			first.add(a)
			if !first.may(b) {
				if told++; told < 4 {
					t.Errorf("%s: %q and %q mean one version, and begin otherwise", name, a, b)
				}
			}
		}
		if alike < 20 {
			t.Errorf("%s: only %d pairs mean one version", name, alike)
		}
	}
}

func TestLeadsOfMany(t *testing.T) {
	var some leads
	for _, text := range []string{"1.2", "1.3.4", "2", "3-rc"} {
		some.add(text)
	}
	for text, want := range map[string]bool{
		"1.2.0": true, "1.02": true, "1.4": false, "1": false, "1-x": true, "2": true, "2.0": true, "2.1": false, "3.9": true, "4.2": false, "x": true, "v9": true, "1:4": true, "0": false,
	} {
		if got := some.may(text); got != want {
			t.Errorf("%s: %v, want %v", text, got, want)
		}
	}
	some.add("x")
	if !some.may("4.2") {
		t.Error("one of them begins in a way that isn't known")
	}
}
