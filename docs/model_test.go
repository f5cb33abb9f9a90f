package docs_test

import (
	"fmt"
	"math"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/scantling/scantling/graph"
	"github.com/scantling/scantling/ladder"
	"github.com/scantling/scantling/model"
	"github.com/scantling/scantling/registry/advisory"
	"github.com/scantling/scantling/risk"
)

const modelFile = "docs/model.md"

// TestControls: the table of the document is the one that is measured.
func TestControls(t *testing.T) {
	var want [][]string
	for _, c := range ladder.Controls {
		row := []string{"`" + c.ID + "`", c.Name, c.Area}
		for _, l := range c.Levels {
			row = append(row, l.Text)
		}
		want = append(want, row)
	}
	if diff := cmp.Diff(want, table(t, modelFile, "id", "control")); diff != "" {
		t.Errorf("ladder.Controls (-) and %s (+):\n%s", modelFile, diff)
	}
}

// TestDefaults: every default of risk.Standard stands in the document with its
// value, and no other.
func TestDefaults(t *testing.T) {
	want := map[string]float64{}
	standard := reflect.ValueOf(*risk.Standard())
	for i := range standard.NumField() {
		if f := standard.Type().Field(i); f.IsExported() {
			want[f.Name] = standard.Field(i).Float()
		}
	}
	if diff := cmp.Diff(want, numbers(t, "default", "value", "name")); diff != "" {
		t.Errorf("risk.Standard (-) and %s (+):\n%s", modelFile, diff)
	}
}

// numbers reads a table of meaning, number and name.
func numbers(t *testing.T, header ...string) map[string]float64 {
	t.Helper()
	out := map[string]float64{}
	for _, row := range table(t, modelFile, header...) {
		v, err := strconv.ParseFloat(row[1], 64)
		if err != nil {
			t.Errorf("%s: %v", modelFile, err)
		}
		out[code(row[2])] = v
	}
	return out
}

func TestHours(t *testing.T) {
	types := []model.ActionType{
		model.UpgradeComponent, model.RebuildBase, model.DropPrivilege, model.DeleteBinding, model.SplitIdentity, model.AddPolicy,
		model.ShortenLifetime, model.EnableLog, model.AddRule, model.TestRule, model.TestPlaybook, model.RetireImage,
	}
	want := map[string]float64{}
	for _, a := range types {
		want[string(a)] = risk.Hours(a)
	}
	got := map[string]float64{}
	for _, row := range table(t, modelFile, "action", "hours") {
		h, err := strconv.ParseFloat(row[1], 64)
		if err != nil {
			t.Error(err)
		}
		got[code(row[0])] = h
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("risk.Hours (-) and %s (+):\n%s", modelFile, diff)
	}
}

// TestConstants: numbers that no package exports are compared with the line
// that declares them.
func TestConstants(t *testing.T) {
	for _, row := range table(t, modelFile, "number", "value", "declared in") {
		file, name, ok := strings.Cut(code(row[2]), ": ")
		if !ok {
			t.Errorf("%s: %q names no file and constant", modelFile, row[2])
			continue
		}
		m := regexp.MustCompile(`(?m)^\s*(?:const )?` + regexp.QuoteMeta(name) + `\s*=\s*([0-9._e-]+)`).FindStringSubmatch(read(t, file))
		if m == nil {
			t.Errorf("%s: %s declares no %s", modelFile, file, name)
			continue
		}
		got, err := strconv.ParseFloat(row[1], 64)
		want, err2 := strconv.ParseFloat(strings.ReplaceAll(m[1], "_", ""), 64)
		if err != nil || err2 != nil || got != want {
			t.Errorf("%s: %s is %s, the document says %s", modelFile, name, m[1], row[1])
		}
	}
}

// TestDeadlines: the table of dates is the directive's.
func TestDeadlines(t *testing.T) {
	rows := table(t, modelFile, "in KEV", "public", "automatable", "total impact")
	seen := map[string]bool{}
	for _, row := range rows {
		for _, c := range expand(row[:4]) {
			key := strings.Join(c, " ")
			if seen[key] {
				continue // an earlier row has it, as in any list of cases
			}
			seen[key] = true
			got := risk.BOD(model.Tri(c[0]), model.Tri(c[1]), model.Tri(c[2]), model.Tri(c[3])).String()
			if got != row[4] {
				t.Errorf("%s: %s is %q, the document says %q", modelFile, key, got, row[4])
			}
		}
	}
	if len(seen) != 16 {
		t.Errorf("%s: %d of 16 cases have a date", modelFile, len(seen))
	}
}

// expand replaces "any" by both answers.
func expand(cells []string) [][]string {
	out := [][]string{{}}
	for _, c := range cells {
		answers := []string{c}
		if c == "any" {
			answers = []string{"yes", "no"}
		}
		var next [][]string
		for _, have := range out {
			for _, a := range answers {
				next = append(next, append(slices.Clone(have), a))
			}
		}
		out = next
	}
	return out
}

// TestBestEight computes the counterexample of decision 001: the union of the
// eight best derivations rises when the fact that eight of them share is gone.
func TestBestEight(t *testing.T) {
	p := []float64{.1}
	var shared, apart [][]graph.Fact
	for range 8 {
		p = append(p, .99, .08)
		n := graph.Fact(len(p))
		shared = append(shared, []graph.Fact{0, n - 2})
		apart = append(apart, []graph.Fact{n - 1})
	}
	union := func(supports ...[]graph.Fact) float64 {
		sum, exact := graph.Union(supports, p)
		if !exact {
			t.Fatal("too many to sum exactly")
		}
		return math.Round(sum*1000) / 1000
	}
	text := read(t, "docs/decisions/001-reach-by-a-probability-floor.md")
	for name, tc := range map[string]struct {
		got  float64
		want string
	}{
		"the eight best":             {union(shared...), "0.100"},
		"the eight best without it":  {union(apart...), "0.487"},
		"all sixteen":                {union(append(slices.Clone(shared), apart...)...), "0.538"},
		"all that are left of these": {union(apart...), "0.487"},
	} {
		if got := fmt.Sprintf("%.3f", tc.got); got != tc.want || !strings.Contains(text, tc.want) {
			t.Errorf("%s: %s, want %s, which the decision should say", name, got, tc.want)
		}
	}
}

// TestFeedAge: decision 005 says how old a feed may be.
func TestFeedAge(t *testing.T) {
	days := fmt.Sprintf("%d days", int(advisory.MaxFeedAge.Hours()/24))
	for _, file := range []string{"docs/decisions/005-stale-feeds-are-unknown.md", modelFile} {
		if !strings.Contains(read(t, file), days) {
			t.Errorf("%s doesn't say %s", file, days)
		}
	}
}
