package cli

import (
	"encoding/json"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/scantling/scantling/examples/shop"
)

// shopRun assesses the example under the name that it has in the repository.
func shopRun(t *testing.T, args ...string) result {
	t.Helper()
	if _, err := os.Stat("examples/shop"); err != nil {
		t.Chdir("..")
	}
	return run(t, "", append([]string{"assess", "examples/shop", "--as-of", shop.Day}, args...)...)
}

// golden compares with a file of testdata, or rewrites it.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("cli", "testdata", name) // shopRun is in the root
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s differs (go test ./cli -update rewrites it): (-want +got)\n%s", name, diff)
	}
}

func TestShopText(t *testing.T) {
	got := shopRun(t, "--all")
	if got.code != exitIncomplete {
		t.Errorf("exit code %d, want %d", got.code, exitIncomplete)
	}
	golden(t, "shop.txt", got.out)
}

func TestShopJSON(t *testing.T) {
	golden(t, "shop.json", shopRun(t, "--format", "json").out)
}

// TestShopIsDeterministic compares runs of one and of four processors.
func TestShopIsDeterministic(t *testing.T) {
	first := shopRun(t, "--format", "json")
	for _, procs := range []int{1, 4} {
		before := runtime.GOMAXPROCS(procs)
		again := shopRun(t, "--format", "json")
		runtime.GOMAXPROCS(before)
		if again != first {
			t.Errorf("with %d processors the output differs", procs)
		}
	}
}

// assessed is the JSON of an assessment as a script reads it. Numbers stay
// text, so that sums can be taken exactly.
type assessed struct {
	Schema int         `json:"schema"`
	Load   json.Number `json:"load"`
	Line   json.Number `json:"line"`
	Ladder []struct {
		Control string `json:"control"`
		Level   *int   `json:"level"`
	} `json:"ladder"`
	Plan       []planned `json:"plan"`
	Incomplete []struct {
		What string `json:"what"`
		Why  string `json:"why"`
	} `json:"incomplete"`
	Stages []struct {
		Stage string `json:"stage"`
		State string `json:"state"`
		Read  int    `json:"read"`
	} `json:"stages"`
}

type planned struct {
	N      int    `json:"n"`
	Lane   string `json:"lane"`
	Action struct {
		ID, Type, Title string
		Assets          []struct{ Kind, Key string }
	} `json:"action"`
	Removes  *json.Number `json:"removes"`
	Hours    *float64     `json:"hours"`
	After    *json.Number `json:"after"`
	Evidence []struct{ What, Where, Value string }
}

// thousandths reads a number with at most three decimals exactly.
func thousandths(t *testing.T, n json.Number) int64 {
	t.Helper()
	text, negative := string(n), false
	if text != "" && text[0] == '-' {
		text, negative = text[1:], true
	}
	var out int64
	decimals := -1
	for _, r := range text {
		switch {
		case r == '.' && decimals < 0:
			decimals = 0
			continue
		case r < '0' || r > '9' || decimals == 3:
			t.Fatalf("%s is no number with at most three decimals", n)
		}
		out = out*10 + int64(r-'0')
		if decimals >= 0 {
			decimals++
		}
	}
	for decimals = max(decimals, 0); decimals < 3; decimals++ {
		out *= 10
	}
	if negative {
		return -out
	}
	return out
}

func TestShopSumsAreExact(t *testing.T) {
	doc := decode[assessed](t, shopRun(t, "--format", "json"))
	after := thousandths(t, doc.Load)
	for _, s := range doc.Plan {
		if (s.Removes == nil) != (s.After == nil) {
			t.Fatalf("step %d: only one of removes and after is null", s.N)
		}
		if s.Removes == nil {
			continue
		}
		after -= thousandths(t, *s.Removes)
		if got := thousandths(t, *s.After); got != after {
			t.Fatalf("step %d: after is %d thousandths, the sum says %d", s.N, got, after)
		}
	}
	if after < 0 {
		t.Errorf("the plan removes more than the load: %d", after)
	}
}

func TestShopHasWhatTheIssueAsks(t *testing.T) {
	doc := decode[assessed](t, shopRun(t, "--format", "json"))
	types := map[string]bool{}
	for i, s := range doc.Plan {
		types[s.Action.Type] = true
		if s.N != i+1 || s.Hours == nil || *s.Hours <= 0 || len(s.Evidence) == 0 || s.Action.ID == "" || len(s.Action.Assets) == 0 {
			t.Errorf("step %d lacks its number, hours, evidence, id or assets: %+v", i+1, s)
		}
	}
	if len(doc.Plan) < 8 || len(types) < 5 {
		t.Errorf("%d actions of %d types, want at least 8 of 5", len(doc.Plan), len(types))
	}
	if got, want := doc.Plan[0].Action.Title, "upgrade apache-log4j2 2.15.0-1~deb11u1 → 2.17.0-1~deb11u1 in registry.example/shop/storefront:3.8.1"; got != want {
		t.Errorf("the first step is %q, want %q", got, want)
	}
	if doc.Schema != 1 || len(doc.Ladder) != 14 || len(doc.Stages) != 4 {
		t.Errorf("schema %d, %d controls, %d stages", doc.Schema, len(doc.Ladder), len(doc.Stages))
	}
	for _, s := range doc.Stages {
		if s.State != "read" || s.Read == 0 {
			t.Errorf("stage %s: %s, %d", s.Stage, s.State, s.Read)
		}
	}
	for _, want := range []string{"kind ServiceMonitor/monitoring.coreos.com/v1", "advisories"} {
		if !slices.ContainsFunc(doc.Incomplete, func(x struct {
			What string `json:"what"`
			Why  string `json:"why"`
		},
		) bool {
			return x.What == want && x.Why != ""
		}) {
			t.Errorf("incomplete does not name %q: %v", want, doc.Incomplete)
		}
	}
}

// TestDemoIsTheShop: what the demo prints is what an assessment of the folder
// prints, but for its last words and its exit code.
func TestDemoIsTheShop(t *testing.T) {
	want, got := shopRun(t, "--all", "--quiet"), run(t, "", "demo", "--all", "--quiet")
	want.code = exitClean
	want.out += "\nThis is examples/shop as of " + shop.Day + ". Yours: scantling assess DIR\n"
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(result{})); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}
