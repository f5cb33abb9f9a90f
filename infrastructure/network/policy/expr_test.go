package policy

import "testing"

func TestExpr(t *testing.T) {
	pod := map[Key]string{{PodLabel, "app"}: "web", {NamespaceName, ""}: "shop", {PodLabel, "empty"}: ""}
	value := func(k Key) (string, bool) { v, has := pod[k]; return v, has }
	app := func(op Op, values ...string) Expr { return Test{Key{PodLabel, "app"}, op, values} }
	for name, c := range map[string]struct {
		expr Expr
		want bool
	}{
		"nothing asked":            {All{}, true},
		"no alternative":           {Any{}, false},
		"equals":                   {app(In, "db", "web"), true},
		"equals another":           {app(In, "db"), false},
		"in nothing":               {app(In), false},
		"exists":                   {app(Exists), true},
		"exists though empty":      {Test{Key{PodLabel, "empty"}, Exists, nil}, true},
		"absent":                   {Test{Key{PodLabel, "tier"}, Exists, nil}, false},
		"not equal where absent":   {Not{Test{Key{PodLabel, "tier"}, In, []string{"a"}}}, true},
		"empty is not absent":      {Test{Key{PodLabel, "tier"}, In, []string{""}}, false},
		"starts with":              {app(Prefix, "we"), true},
		"ends with":                {app(Suffix, "eb"), true},
		"contains":                 {app(Contains, "x", "e"), true},
		"key of another thing":     {Test{Key{NamespaceLabel, "app"}, Exists, nil}, false},
		"both":                     {All{app(In, "web"), Test{Key{NamespaceName, ""}, In, []string{"shop"}}}, true},
		"one of two":               {Any{app(In, "db"), Test{Key{NamespaceName, ""}, In, []string{"shop"}}}, true},
		"both, one of them not so": {All{app(In, "web"), Not{app(Exists)}}, false},
	} {
		t.Run(name, func(t *testing.T) {
			if got := c.expr.Match(value); got != c.want {
				t.Errorf("got %v, want %v", got, c.want)
			}
		})
	}
	if a, b := (All{app(In, "x", "y"), Not{app(Exists)}}).String(), (All{Not{app(Exists)}, app(In, "y", "x")}).String(); a != b {
		t.Errorf("equal conditions differ as text: %s, %s", a, b)
	}
}
