package trial

import (
	"slices"

	"github.com/scantling/scantling/runtime/detect"
)

// Untested is a rule that lacks a test.
type Untested struct {
	Rule   string
	Attack bool // no passed test expects an alert of it
	Benign bool // no passed test shows what it must not see
}

// Cover lists the rules of a program that lack a test of either kind, sorted
// as in Program.Rules. A test shows what a rule must not see when it expects
// the rule 0 times; where it is the only one under test, also when it expects
// nothing. Rules that have cases beside them, and those without alerts of
// their own, need none.
func Cover(prog *detect.Program, results []Result) []Untested {
	var rules []detect.Rule
	for _, r := range prog.Rules() {
		if !r.Silent {
			rules = append(rules, r)
		}
	}
	var out []Untested
	for _, r := range rules {
		u := Untested{Rule: r.ID, Attack: true, Benign: true}
		for _, res := range results {
			if len(res.Differences) > 0 {
				continue
			}
			if len(rules) == 1 && len(res.Test.expect) == 0 && !res.Test.others {
				u.Benign = false
			}
			for _, e := range res.Test.expect {
				u.Attack = u.Attack && !(e.Rule == r.ID && e.Count > 0 && !e.Unknown)
				u.Benign = u.Benign && !(e.Rule == r.ID && e.Count == 0)
			}
		}
		if !r.Tested && (u.Attack || u.Benign) {
			out = append(out, u)
		}
	}
	return slices.Clip(out)
}
