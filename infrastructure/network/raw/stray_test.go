package raw_test

import (
	"testing"

	"github.com/scantling/scantling/infrastructure/network/raw"
)

func TestStray(t *testing.T) {
	known := raw.Fields{"rules": {"from": raw.Selector, "any": nil}}
	type object = map[string]any
	for name, tc := range map[string]struct {
		value any
		want  string
	}{
		"nothing":           {nil, ""},
		"known":             {object{"rules": []any{object{"from": object{"matchLabels": object{"whatever": "x"}}}}}, ""},
		"at the top":        {object{"rule": 1}, "spec.rule"},
		"in capitals":       {object{"Rules": []any{}}, "spec.Rules"},
		"null":              {object{"rule": nil}, ""},
		"in a list":         {object{"rules": []any{object{}, object{"to": 1}}}, "spec.rules[1].to"},
		"deeper":            {object{"rules": []any{object{"from": object{"matchExpressions": []any{object{"keys": 1}}}}}}, "spec.rules[0].from.matchExpressions[0].keys"},
		"deeper than known": {object{"rules": []any{object{"any": object{"x": 1}}}}, ""},
		"the first by name": {object{"b": 1, "a": 1}, "spec.a"},
		"of another form":   {object{"rules": "x"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			if got := raw.Stray("spec", tc.value, known); got != tc.want {
				t.Errorf("%q, want %q", got, tc.want)
			}
		})
	}
}
