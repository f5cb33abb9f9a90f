package rule

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/scantling/scantling/model"
)

// world is the input of these tests: its variables by name.
type world struct {
	kind string
	vars map[string]any
	list []Element
}

// testEnv declares user (text), a b c (truth values), object (dynamic) and the
// list items.
func testEnv() Env[world] {
	variable := func(name string, t Type) Var[world] {
		return Var[world]{Type: t, Value: func(w world) any { return w.vars[name] }}
	}
	return Env[world]{
		Stage: model.Build,
		Vars: map[string]Var[world]{
			"user": variable("user", String()), "object": variable("object", Dyn()),
			"a": variable("a", Bool()), "b": variable("b", Bool()), "c": variable("c", Bool()),
			"stage":             variable("stage", Object("Stage", map[string]Type{"user": String(), "ports": List(Int())})),
			"variables.podSpec": variable("podSpec", Dyn()),
		},
		Scopes: map[string]Scope[world]{
			"items": {Var: "item", Type: Object("Item", map[string]Type{"name": String()}), List: func(w world) []Element { return w.list }},
		},
		Kind: func(w world) string { return w.kind }, Kinds: []string{"Pod", "Service"},
		Position: func(world) model.Position { return model.Position{File: "f", Line: 1} },
	}
}

// catalogue loads rules whose logic lines are given by id.
func catalogue(t testing.TB, logic map[string]string) *Catalogue {
	t.Helper()
	rules := map[string]string{}
	for id, text := range logic {
		head := strings.Replace(goodRule, "B103", id, 1)
		rules["build/"+id+"-x"] = strings.Replace(head, "match: user == \"root\"\n", text, 1)
	}
	cat, errs := Load(folder(rules), "r")
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	return cat
}

func program(t testing.TB, logic map[string]string) *Program[world] {
	t.Helper()
	p, errs := Compile(catalogue(t, logic), testEnv())
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	return p
}

func TestVerdicts(t *testing.T) {
	unknown := Unknown{"USER comes from a build argument"}
	for name, tc := range map[string]struct {
		match   string
		vars    map[string]any
		verdict model.Verdict
		reason  string
	}{
		"true":               {`user == "root"`, map[string]any{"user": "root"}, model.Fail, "Image runs as root"},
		"false":              {`user == "root"`, map[string]any{"user": "1"}, model.Pass, ""},
		"unknown":            {`user == "root"`, map[string]any{"user": unknown}, model.Unknown, unknown.Reason},
		"not unknown":        {`user != "root"`, map[string]any{"user": unknown}, model.Unknown, unknown.Reason},
		"true or unknown":    {`user == "root" || a`, map[string]any{"user": unknown, "a": true}, model.Fail, "Image runs as root"},
		"false and unknown":  {`user == "root" && a`, map[string]any{"user": unknown, "a": false}, model.Pass, ""},
		"true and unknown":   {`user == "root" && a`, map[string]any{"user": unknown, "a": true}, model.Unknown, unknown.Reason},
		"deep unknown":       {`object.spec.user == "root"`, map[string]any{"object": map[string]any{"spec": map[string]any{"user": unknown}}}, model.Unknown, unknown.Reason},
		"inside an unknown":  {`object.spec.user == "root"`, map[string]any{"object": map[string]any{"spec": unknown}}, model.Unknown, unknown.Reason},
		"has inside unknown": {`!has(object.spec.user)`, map[string]any{"object": map[string]any{"spec": unknown}}, model.Unknown, unknown.Reason},
		"guarded by has":     {`!has(stage.user) || stage.user == "root"`, map[string]any{"stage": map[string]any{"user": unknown}}, model.Unknown, unknown.Reason},
		"in, unknown":        {`"x" in object`, map[string]any{"object": []any{"a", unknown}}, model.Unknown, unknown.Reason},
		"in, found anyway":   {`"a" in object`, map[string]any{"object": []any{unknown, "a"}}, model.Fail, "Image runs as root"},
		"equal, unknown":     {`object == ["a", "b"]`, map[string]any{"object": []any{"a", unknown}}, model.Unknown, unknown.Reason},
		"equal, too long":    {`object == ["a"]`, map[string]any{"object": []any{"a", unknown}}, model.Pass, ""},
		"exists, unknown":    {`object.exists(x, x == "b")`, map[string]any{"object": []any{"a", unknown}}, model.Unknown, unknown.Reason},
		"exists, found":      {`object.exists(x, x == "b")`, map[string]any{"object": []any{unknown, "b"}}, model.Fail, "Image runs as root"},
		"all, refuted":       {`object.all(x, x == "b")`, map[string]any{"object": []any{unknown, "a"}}, model.Pass, ""},
		"has of a text":      {`has(object.spec.user)`, map[string]any{"object": map[string]any{"spec": "root"}}, model.Unknown, "no such key: user"},
		"absent field":       {`object.spec == "x"`, map[string]any{"object": map[string]any{}}, model.Unknown, "no such key: spec"},
		"absent, guarded":    {`has(object.spec) && object.spec == "x"`, map[string]any{"object": map[string]any{}}, model.Pass, ""},
		"no such index":      {`object[3] == "x"`, map[string]any{"object": []any{}}, model.Unknown, "index out of bounds: 3"},
		"mixed numbers":      {`object.n > 1 && object.f < 2`, map[string]any{"object": map[string]any{"n": int64(2), "f": 1.5}}, model.Fail, "Image runs as root"},
		"typed lists":        {`80 in stage.ports`, map[string]any{"stage": map[string]any{"ports": []any{int64(80)}}}, model.Fail, "Image runs as root"},
		"dotted variable":    {`variables.podSpec.hostPID == true`, map[string]any{"podSpec": map[string]any{"hostPID": true}}, model.Fail, "Image runs as root"},
		"maps in slices":     {`object.exists(m, m.k == "v")`, map[string]any{"object": []map[string]any{{"k": unknown}, {"k": "v"}}}, model.Fail, "Image runs as root"},
	} {
		t.Run(name, func(t *testing.T) {
			p := program(t, map[string]string{"B101": "match: |\n  " + tc.match + "\n"})
			got, reason := Verdict(p.Eval(world{vars: tc.vars}), "B101")
			if got != tc.verdict || reason != tc.reason {
				t.Errorf("%s on %v: %s (%s), want %s (%s)", tc.match, tc.vars, got, reason, tc.verdict, tc.reason)
			}
		})
	}
}

// TestThreeValuedLogic holds random expressions over three unknown or known
// truth values against Kleene's tables, computed by a naive walk.
func TestThreeValuedLogic(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 60 {
		text, eval := expression(random, 4)
		p := program(t, map[string]string{"B101": "match: |\n  " + text + "\n"})
		for world27 := range 27 {
			values := [3]int{world27 % 3, world27 / 3 % 3, world27 / 9 % 3}
			vars := map[string]any{}
			for i, name := range []string{"a", "b", "c"} {
				vars[name] = []any{false, true, Unknown{"nobody knows"}}[values[i]]
			}
			want := []model.Verdict{model.Pass, model.Fail, model.Unknown}[eval(values)]
			if got, _ := Verdict(p.Eval(world{vars: vars}), "B101"); got != want {
				t.Fatalf("%s on %v: %s, want %s", text, vars, got, want)
			}
		}
	}
}

// expression makes a random formula and its three-valued meaning: 0 false, 1
// true, 2 unknown.
func expression(r *rand.Rand, depth int) (string, func([3]int) int) {
	if depth == 0 || r.IntN(5) == 0 {
		i := r.IntN(3)
		return string("abc"[i]), func(v [3]int) int { return v[i] }
	}
	left, evalLeft := expression(r, depth-1)
	if r.IntN(4) == 0 {
		return "!(" + left + ")", func(v [3]int) int { return []int{1, 0, 2}[evalLeft(v)] }
	}
	right, evalRight := expression(r, depth-1)
	op, absorbing := "&&", 0
	if r.IntN(2) == 0 {
		op, absorbing = "||", 1
	}
	return fmt.Sprintf("(%s) %s (%s)", left, op, right), func(v [3]int) int {
		x, y := evalLeft(v), evalRight(v)
		switch {
		case x == absorbing || y == absorbing:
			return absorbing
		case x == 2 || y == 2:
			return 2
		}
		return 1 - absorbing
	}
}

func TestEachVariablesMessage(t *testing.T) {
	p := program(t, map[string]string{
		"B102": "each: items\nvariables:\n  - name: bad\n    expression: item.name.startsWith(\"x\")\n  - name: note\n    expression: '\"item \" + item.name'\nmatch: variables.bad\nmessage: variables.note + \" is bad\"\n",
		"B101": "match: user == \"root\"\nkinds: [Service]\n",
	})
	w := world{kind: "Pod", vars: map[string]any{"user": "root"}}
	for i, name := range []any{"x1", "y", "x1", Unknown{"no name"}} {
		cause := fmt.Sprint(name)
		w.list = append(w.list, Element{Value: map[string]any{"name": name}, Position: model.Position{File: "f", Line: i + 1}, Cause: cause})
	}
	results := p.Eval(w)
	var got []string
	for _, r := range results {
		got = append(got, fmt.Sprintf("%s %s %d %s: %s", r.Rule.ID, r.Verdict, r.Position.Line, r.Cause, r.Message))
	}
	want := []string{"B102 fail 1 x1: item x1 is bad", "B102 fail 3 x1 #2: item x1 is bad", "B102 unknown 4 {no name}: no name"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("hits differ (-want +got):\n%s", diff)
	}
	w.kind = "Service"
	if v, _ := Verdict(p.Eval(w), "B101"); v != model.Fail {
		t.Errorf("a rule for Service says %s of one", v)
	}
	first, again := results[0].Rule.Finding(model.FindingAsset{Kind: model.Source, Key: "k"}, results[0].Hit), results[0]
	again.Position.Line = 99
	if moved := again.Rule.Finding(model.FindingAsset{Kind: model.Source, Key: "k"}, again.Hit); moved.ID != first.ID {
		t.Error("the fingerprint depends on the line")
	}
}

// TestLongListsAreExact: an evaluation that visits more elements than are free
// is decided all the same, on either side of the bound, errors included.
func TestLongListsAreExact(t *testing.T) {
	p := program(t, map[string]string{
		"B101": "match: object.filter(x, x % 2 == 0).map(x, x + 1).exists(y, y == 7)\n",
		"B102": "match: object.all(x, x >= 0) && user == \"root\"\n",
		"B103": "match: object.exists(x, x == -1) || a\n",
		"B104": "variables: [{name: odd, expression: 'object.filter(x, x % 2 == 1)'}]\nmatch: variables.odd.exists(x, x == 5) || variables.odd.size() > 10000\n",
	})
	for _, length := range []int{0, 3, 7, 8, freeSteps / 3, freeSteps - 1, freeSteps, freeSteps + 1, 3 * freeSteps} {
		list := make([]any, length)
		for i := range list {
			list[length-1-i] = int64(i)
		}
		w := world{vars: map[string]any{"object": list, "user": "root", "a": true}}
		fails := func(yes bool) model.Verdict {
			if yes {
				return model.Fail
			}
			return model.Pass
		}
		for id, want := range map[string]model.Verdict{
			"B101": fails(length > 6), "B102": model.Fail, "B103": model.Fail, "B104": fails(length > 5),
		} {
			if got, why := Verdict(p.Eval(w), id); got != want {
				t.Errorf("%d elements: %s says %s (%s), want %s", length, id, got, why, want)
			}
		}
		if length > 0 {
			w.vars["object"] = append([]any{Unknown{Reason: "not read"}}, list[1:]...)
			if got, why := Verdict(p.Eval(w), "B102"); got != model.Unknown || why != "not read" {
				t.Errorf("%d elements, one of them unknown: %s (%s)", length, got, why)
			}
		}
	}
}

func TestCostlyRuleIsUnknown(t *testing.T) {
	p := program(t, map[string]string{"B101": "match: object.exists(x, object.exists(y, object.exists(z, x + y + z == -1)))\n"})
	list := make([]any, 200)
	for i := range list {
		list[i] = int64(i)
	}
	got, reason := Verdict(p.Eval(world{vars: map[string]any{"object": list}}), "B101")
	if got != model.Unknown || reason != "the rule is too costly for this input" {
		t.Errorf("%s (%s)", got, reason)
	}
}

func TestCompileReports(t *testing.T) {
	noHits := func(world) []Hit { return nil }
	for name, tc := range map[string]struct {
		logic  map[string]string
		checks map[string]Check[world]
		want   []string
	}{
		"undeclared variable": {map[string]string{"B101": "match: usr == \"root\"\n"}, nil, []string{"r/build/B101-x/rule.yaml:9: undeclared reference to 'usr' (in container '')"}},
		"line of a block":     {map[string]string{"B101": "match: |\n  a &&\n  usr\n"}, nil, []string{"r/build/B101-x/rule.yaml:11: undeclared reference to 'usr' (in container '')"}},
		"undeclared field":    {map[string]string{"B101": "match: stage.usr == \"root\"\n"}, nil, []string{"r/build/B101-x/rule.yaml:9: undefined field 'usr'"}},
		"not a truth value":   {map[string]string{"B101": "match: user\n"}, nil, []string{"r/build/B101-x/rule.yaml:9: match gives string, not bool: compare or convert it"}},
		"dynamic":             {map[string]string{"B101": "match: object.x\n"}, nil, []string{"r/build/B101-x/rule.yaml:9: match gives dyn, not bool: compare or convert it"}},
		"message":             {map[string]string{"B101": "match: a\nmessage: b\n"}, nil, []string{"r/build/B101-x/rule.yaml:10: message gives bool, not string: compare or convert it"}},
		"bad pattern":         {map[string]string{"B101": "match: user.matches(\"(\")\n"}, nil, []string{"r/build/B101-x/rule.yaml:9: invalid matches argument"}},
		"deep nesting":        {map[string]string{"B101": "match: object.exists(w, object.exists(x, object.exists(y, object.exists(z, z == 1))))\n"}, nil, []string{"r/build/B101-x/rule.yaml:9: comprehension exceeds nesting limit"}},
		"unknown list":        {map[string]string{"B101": "match: a\neach: thing\n"}, nil, []string{`r/build/B101-x/rule.yaml:10: there is no list "thing": there is items`}},
		"element outside":     {map[string]string{"B101": "match: item.name == \"a\"\n"}, nil, []string{"r/build/B101-x/rule.yaml:9: undeclared reference to 'item' (in container '')"}},
		"unknown kind":        {map[string]string{"B101": "match: a\nkinds: [pod]\n"}, nil, []string{`r/build/B101-x/rule.yaml:10: kind "pod" is not judged in the build stage; did you mean "Pod"?`}},
		"taken variable":      {map[string]string{"B101": "match: a\nvariables: [{name: podSpec, expression: a}]\n"}, nil, []string{`r/build/B101-x/rule.yaml:10: the stage has a variable "podSpec" of its own`}},
		"unbound check":       {map[string]string{"B101": "check: one\n"}, nil, []string{`r/build/B101-x/rule.yaml:9: no check is named "one" in the build stage`}},
		"bound but unused":    {map[string]string{"B101": "match: a\n"}, map[string]Check[world]{"one": noHits}, []string{`check "one" of the build stage is named by no rule`}},
		"one check, two rules": {map[string]string{"B101": "check: one\n", "B102": "check: one\n"}, map[string]Check[world]{"one": noHits}, []string{
			`r/build/B102-x/rule.yaml:9: check "one" is that of rule B101 already`,
		}},
	} {
		t.Run(name, func(t *testing.T) {
			tc.logic["B999"] = "match: a\n"
			env := testEnv()
			env.Checks = tc.checks
			p, errs := Compile(catalogue(t, tc.logic), env)
			if diff := cmp.Diff(tc.want, texts(errs)); diff != "" {
				t.Errorf("problems differ (-want +got):\n%s", diff)
			}
			if got := p.Rules(); len(got) == 0 || got[len(got)-1].ID != "B999" {
				t.Error("the good rule beside it was lost")
			}
		})
	}
}

// TestSelectionKeepsChecksBound: choosing one rule must not make the checks of
// the others look unused.
func TestSelectionKeepsChecksBound(t *testing.T) {
	env := testEnv()
	env.Checks = map[string]Check[world]{"one": func(world) []Hit { return []Hit{{Verdict: model.Fail, Message: "found"}} }}
	cat := catalogue(t, map[string]string{"B101": "check: one\n", "B102": "match: a\n"})
	for _, tc := range []struct {
		spec string
		want int
	}{{"B102", 0}, {"B101", 1}} {
		some, err := cat.Select(tc.spec)
		if err != nil {
			t.Fatal(err)
		}
		p, errs := Compile(some, env)
		if len(errs) > 0 {
			t.Fatal(errs)
		}
		if got := p.Eval(world{vars: map[string]any{"a": false}}); len(got) != tc.want {
			t.Errorf("%s: %d hits, want %d", tc.spec, len(got), tc.want)
		}
	}
}

func TestProgramIsSafeForConcurrentUse(t *testing.T) {
	p := program(t, map[string]string{
		"B101": "match: user == \"root\"\n",
		"B102": "each: items\nvariables: [{name: n, expression: item.name}]\nmatch: variables.n == user\n",
	})
	var group sync.WaitGroup
	for i := range 8 {
		group.Add(1)
		go func() {
			defer group.Done()
			name := fmt.Sprint(i)
			for range 200 {
				got := p.Eval(world{vars: map[string]any{"user": name}, list: []Element{{Value: map[string]any{"name": name}}}})
				if len(got) != 1 || got[0].Rule.ID != "B102" {
					t.Errorf("worker %d: %v", i, got)
					return
				}
			}
		}()
	}
	group.Wait()
}

func BenchmarkEval(b *testing.B) {
	p := program(b, map[string]string{"B101": "match: has(object.spec) && object.spec.exists(c, has(c.privileged) && c.privileged == true)\n"})
	w := world{vars: map[string]any{"object": map[string]any{"spec": []any{map[string]any{"privileged": false}, map[string]any{}}}}}
	for b.Loop() {
		p.Eval(w)
	}
}
