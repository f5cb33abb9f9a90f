package dockerfile

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"strings"
	"testing"
)

// world is a naive model of ARG and ENV: one map, updated line by line, as
// the Dockerfile reference describes it. It shares no code with the package.
type world struct {
	global map[string]string // with a value
	vars   map[string]string // absent: no value
}

// value expands a template of literals, $X and ${X:-y}.
func value(parts []string, vars map[string]string) string {
	out := ""
	for _, p := range parts {
		switch {
		case strings.HasPrefix(p, "${"):
			name, word, _ := strings.Cut(strings.Trim(p, "${}"), ":-")
			if v := vars[name]; v != "" {
				out += v
			} else {
				out += word
			}
		case strings.HasPrefix(p, "$"):
			out += vars[p[1:]]
		default:
			out += p
		}
	}
	return out
}

// author writes a random file and, beside it, what the model says.
type author struct {
	*rand.Rand
	world
	text  strings.Builder
	given map[string]string
	want  []string // of each USER
}

var names = []string{"A", "B", "C", "D"}

func (a *author) name() string { return names[a.IntN(len(names))] }

// template is a random value; bare allows $X beside ${X:-y}.
func (a *author) template(bare bool) []string {
	var parts []string
	for range 1 + a.IntN(3) {
		switch k := a.IntN(3); {
		case k == 0:
			parts = append(parts, fmt.Sprintf("l%d", a.IntN(10)))
		case k == 1 && bare:
			parts = append(parts, "$"+a.name(), "-")
		default:
			parts = append(parts, fmt.Sprintf("${%s:-d%d}", a.name(), a.IntN(10)))
		}
	}
	return parts
}

// globals writes ARG lines above the first FROM. Names that are not declared
// there are unknown, so only declared ones are used.
func (a *author) globals() {
	for range a.IntN(4) {
		n, tpl := a.name(), a.template(false)
		declared := true
		for _, p := range tpl {
			if name, _, ok := strings.Cut(strings.Trim(p, "${}"), ":-"); ok {
				_, set := a.global[name]
				declared = declared && set
			}
		}
		if !declared {
			continue
		}
		fmt.Fprintf(&a.text, "ARG %s=%s\n", n, strings.Join(tpl, ""))
		a.declare(a.global, n, value(tpl, a.global))
	}
}

func (a *author) declare(vars map[string]string, name, v string) {
	if g, ok := a.given[name]; ok {
		v = g
	}
	vars[name] = v
}

// line writes one ENV or ARG of a stage, and a USER that shows the values.
func (a *author) line() {
	n := a.name()
	switch a.IntN(4) {
	case 0:
		m, one, two := a.name(), a.template(true), a.template(true)
		fmt.Fprintf(&a.text, "ENV %s=%s %s=%s\n", n, strings.Join(one, ""), m, strings.Join(two, ""))
		x, y := value(one, a.vars), value(two, a.vars)
		a.vars[n] = x
		a.vars[m] = y
	case 1:
		tpl := a.template(true)
		fmt.Fprintf(&a.text, "ARG %s=%s\n", n, strings.Join(tpl, ""))
		a.declare(a.vars, n, value(tpl, a.vars))
	case 2:
		if v, ok := a.global[n]; ok {
			fmt.Fprintf(&a.text, "ARG %s\n", n)
			a.vars[n] = v
		}
	}
	tpl := a.template(true)
	fmt.Fprintf(&a.text, "USER x%s\n", strings.Join(tpl, ""))
	a.want = append(a.want, "x"+value(tpl, a.vars))
}

func write(seed uint64) *author {
	a := &author{Rand: rand.New(rand.NewPCG(seed, 1)), world: world{global: map[string]string{}}, given: map[string]string{}}
	if a.IntN(2) == 0 {
		a.given[a.name()] = "given"
	}
	a.globals()
	var parent map[string]string
	for s := range 1 + a.IntN(3) {
		a.vars = map[string]string{}
		base := "scratch"
		if s > 0 && a.IntN(2) == 0 {
			base = fmt.Sprintf("s%d", s-1)
			a.vars = maps.Clone(parent)
		}
		fmt.Fprintf(&a.text, "FROM %s AS s%d\n", base, s)
		for range a.IntN(6) {
			a.line()
		}
		parent = a.vars
	}
	return a
}

// TestAgainstOracle compares the values of all names at every point of random
// files with the model's. Stages start from scratch, so that nothing depends
// on a base image.
func TestAgainstOracle(t *testing.T) {
	for seed := range uint64(400) {
		a := write(seed)
		f, err := Parse("Dockerfile", []byte(a.text.String()), a.given)
		if err != nil {
			t.Fatalf("%v in\n%s", err, a.text.String())
		}
		var got []string
		for _, s := range f.Stages {
			for _, in := range s.Instructions {
				if in.Kind == "USER" && in.Value.Known {
					got = append(got, in.Value.Value)
				} else if in.Kind == "USER" {
					t.Fatalf("line %d is unknown (%s) in\n%s", in.Position.Line, in.Value.Why, a.text.String())
				}
			}
		}
		if strings.Join(got, "\n") != strings.Join(a.want, "\n") {
			t.Fatalf("seed %d, given %v\ngot  %q\nwant %q in\n%s", seed, a.given, got, a.want, a.text.String())
		}
	}
}
