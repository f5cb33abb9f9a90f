package rule

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// guarded compiles one match about items with a name, a flag and tags.
func guarded(t *testing.T, match string) *Program[world] {
	t.Helper()
	env := testEnv()
	scope := env.Scopes["items"]
	scope.Type = Object("Thing", map[string]Type{"name": String(), "flag": Bool(), "tags": List(String()), "any": Dyn()})
	env.Scopes["items"] = scope
	logic := "each: items\nvariables:\n  - name: named\n    expression: item.name in [\"a\", \"b\"]\nmatch: |\n  " + match + "\n"
	p, errs := Compile(catalogue(t, map[string]string{"B101": logic}), env)
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	return p
}

// TestGuards: which guards are read off a match, and that no answer depends on
// them, whatever of the element is unknown.
func TestGuards(t *testing.T) {
	why := Unknown{"nobody knows"}
	var items []Element
	for _, name := range []any{"a", "b", "c", "", why} {
		for _, flag := range []any{true, false, why} {
			for _, tags := range []any{[]any{}, []any{"a"}, []any{"x", why}, []string{"b", "x"}, why} {
				for _, dyn := range []any{false, true, "", "a", []any{}, []any{"a"}, map[string]any{}} {
					v := map[string]any{"name": name, "flag": flag, "tags": tags, "any": dyn}
					items = append(items, Element{Value: v, Cause: fmt.Sprint(v)})
				}
			}
		}
	}
	items = append(items, Element{Value: map[string]any{}, Cause: "nothing"})
	for match, want := range map[string][]string{
		`item.name == "a"`:                                       {"name [a]"},
		`"a" == item.name && item.flag`:                          {"name [a]", "flag []"},
		`item.name == "a" || item.name in ["b", "c"]`:            {"name [a b c]"},
		`item.name == "a" || item.flag`:                          nil,
		`variables.named && "x" in item.tags`:                    {"name [a b]", "tags [x]"},
		`("a" in item.tags || "b" in item.tags) && a`:            {"tags [a b]"},
		`(item.flag && item.name == "a") || item.name == "b"`:    {"name [a b]"},
		`item.tags.size() > 0 && a`:                              {"tags []"},
		`size(item.any) > 0`:                                     {"any []"},
		`item.any == true && item.flag`:                          {"flag []"},
		`item.any == "a" || item.any == "b"`:                     {"any [a b]"},
		`"a" in item.any`:                                        {"any [a]"},
		`size(item.tags) > 1`:                                    nil,
		`item.tags.size() > 0 || item.flag`:                      nil,
		`!(item.name == "a")`:                                    nil,
		`item.name != "a" && item.flag`:                          {"flag []"},
		`item.name == user`:                                      nil,
		`item.name in ["a", user]`:                               nil,
		`item.flag ? item.name == "a" : item.name == "b"`:        nil,
		`item.tags.exists(item, item == "a") && variables.named`: {"name [a b]"},
		`has(item.name) && item.name == "a"`:                     {"name [a]"},
	} {
		t.Run(match, func(t *testing.T) {
			p := guarded(t, match)
			var got []string
			for _, g := range p.rules[0].guards {
				got = append(got, fmt.Sprintf("%s %v", g.field, g.texts))
			}
			if d := cmp.Diff(want, got); d != "" {
				t.Errorf("-want +got:\n%s", d)
			}
			in := world{list: items, vars: map[string]any{"a": true, "user": "a"}}
			with := verdicts(p.Eval(in))
			p.rules[0].guards = nil
			if d := cmp.Diff(verdicts(p.Eval(in)), with); d != "" {
				t.Errorf("the guard changes answers, -without +with:\n%s", d)
			}
		})
	}
}

func verdicts(results []Result) []string {
	var out []string
	for _, r := range results {
		out = append(out, fmt.Sprintf("%s %s: %s", r.Verdict, r.Cause, r.Message))
	}
	return out
}
