package cli

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/santhosh-tekuri/jsonschema/v6"
)

// update rewrites the golden files: go test ./cli -update.
var update = flag.Bool("update", false, "rewrite the golden files")

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"scantling": func() { os.Exit(Main(context.Background(), os.Args[1:], Std())) },
	})
}

// TestScripts runs the transcripts of testdata/script, at least one a command.
// Each sees the example estate as examples/shop.
func TestScripts(t *testing.T) {
	p := scriptParams(t)
	p.Dir, p.UpdateScripts = "testdata/script", *update
	testscript.Run(t, p)
}

// scriptParams are the commands and the surroundings of a transcript.
func scriptParams(t *testing.T) testscript.Params {
	t.Helper()
	examples, err := filepath.Abs("../examples")
	if err != nil {
		t.Fatal(err)
	}
	known, err := loadSchemas()
	if err != nil {
		t.Fatal(err)
	}
	commands := map[string]func(*testscript.TestScript, bool, []string){
		"exits": exiter{known, leaves()}.exits, "json": jsonIs, "plain": plain, "cluster": clusterOf(t), "same": same, "bucket": bucketOf(t), "refuses": refusesOf(t),
	}
	maps.Copy(commands, imageCmds)
	return testscript.Params{
		RequireUniqueNames: true,
		Setup: func(env *testscript.Env) error {
			env.Setenv("XDG_DATA_HOME", filepath.Join(env.WorkDir, "data")) // never that of whoever runs the tests
			return os.Symlink(examples, filepath.Join(env.WorkDir, "examples"))
		},
		Cmds: commands,
	}
}

// exiter holds JSON outputs against the published schemas.
type exiter struct {
	schemas  map[string]*jsonschema.Schema
	commands map[string]bool
}

// exits runs a program and compares its exit code: exits CODE PROGRAM ARG…
// What scantling prints as JSON has to be of its schema.
func (x exiter) exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE PROGRAM ARG…")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec(args[1], args[2:]...)
	got := 0
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit):
		got = exit.ExitCode()
	case err != nil:
		ts.Fatalf("%v", err)
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
	if command := commandOf(x.commands, args[2:]); args[1] == "scantling" && printsJSON(command, args, got) {
		ts.Check(validate(x.schemas, command, ts.ReadFile("stdout")))
	}
}

// plain wants a file without a control byte but tabs and line ends: plain FILE
func plain(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: plain FILE")
	}
	for i, b := range []byte(ts.ReadFile(args[0])) {
		if b < 0x20 && b != '\n' && b != '\t' || b == 0x7f {
			ts.Fatalf("%s holds the byte %#x at %d", args[0], b, i)
		}
	}
}

// jsonIs asserts one value of a JSON file: json FILE PATH == VALUE, or
// len N, min N (a length of at least N), has VALUE (an element of a list).
// A path is names and indexes with dots, as plan.0.lane; * stands for every
// element, and what follows it is gathered in a list. VALUE is JSON or a word.
func jsonIs(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 4 {
		ts.Fatalf("usage: json FILE PATH ==|len|min|has VALUE")
	}
	var doc any
	if err := json.Unmarshal([]byte(ts.ReadFile(args[0])), &doc); err != nil {
		ts.Fatalf("%s is not JSON: %v", args[0], err)
	}
	got, err := query(doc, args[1])
	if err != nil {
		ts.Fatalf("%v", err)
	}
	ok, err := holds(got, args[2], args[3])
	if err != nil {
		ts.Fatalf("%s: %v", args[1], err)
	}
	if ok == neg {
		ts.Fatalf("%s is %.300s, which fails: %s %s", args[1], text(got), args[2], args[3])
	}
}

// same wants one value of two JSON files to be equal: same FILE FILE PATH
func same(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: same FILE FILE PATH")
	}
	var values [2]any
	for i, file := range args[:2] {
		var doc any
		if err := json.Unmarshal([]byte(ts.ReadFile(file)), &doc); err != nil {
			ts.Fatalf("%s is not JSON: %v", file, err)
		}
		var err error
		if values[i], err = query(doc, args[2]); err != nil {
			ts.Fatalf("%s: %v", file, err)
		}
	}
	if !reflect.DeepEqual(values[0], values[1]) {
		ts.Fatalf("%s differs:\n%.2000s\n%.2000s", args[2], text(values[0]), text(values[1]))
	}
}

func text(v any) string {
	data, err := json.Marshal(v)
	if err != nil {
		return err.Error()
	}
	return string(data)
}

// query follows a path of names, indexes and *; "." is the whole.
func query(v any, path string) (any, error) {
	if path == "" || path == "." {
		return v, nil
	}
	head, rest, _ := strings.Cut(path, ".")
	switch v := v.(type) {
	case map[string]any:
		below, ok := v[head]
		if !ok {
			return nil, fmt.Errorf("no %q", head)
		}
		return query(below, rest)
	case []any:
		if head != "*" {
			i, err := strconv.Atoi(head)
			if err != nil || i < 0 || i >= len(v) {
				return nil, fmt.Errorf("no index %q in a list of %d", head, len(v))
			}
			return query(v[i], rest)
		}
		all := []any{}
		for i, e := range v {
			below, err := query(e, rest)
			if err != nil {
				return nil, fmt.Errorf("element %d: %w", i, err)
			}
			all = append(all, below)
		}
		return all, nil
	}
	return nil, fmt.Errorf("%q asked of %s", head, text(v))
}

// holds applies one comparison.
func holds(got any, op, value string) (bool, error) {
	var want any
	if err := json.Unmarshal([]byte(value), &want); err != nil {
		want = value
	}
	list, isList := got.([]any)
	switch op {
	case "==":
		return reflect.DeepEqual(got, want), nil
	case "has":
		for _, e := range list {
			if reflect.DeepEqual(e, want) {
				return true, nil
			}
		}
		return false, nil
	case "len", "min":
		n, ok := want.(float64)
		if !ok || !isList {
			return false, fmt.Errorf("a length of %.100s against %s", text(got), value)
		}
		return len(list) == int(n) || op == "min" && len(list) > int(n), nil
	}
	return false, fmt.Errorf("no comparison %q", op)
}

func TestQuery(t *testing.T) {
	var doc any
	if err := json.Unmarshal([]byte(`{"a": [{"b": 1}, {"b": "x"}], "n": null}`), &doc); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		path, op, value string
		ok, fails       bool
	}{
		{"a.0.b", "==", "1", true, false},
		{"a.1.b", "==", "x", true, false},
		{"a.*.b", "==", `[1,"x"]`, true, false},
		{"a.*.b", "has", "x", true, false},
		{"a.*.b", "has", "y", false, false},
		{"a", "len", "2", true, false},
		{"a", "min", "3", false, false},
		{"n", "==", "null", true, false},
		{"a.2", "==", "null", false, true},
		{"b", "==", "null", false, true},
		{"n", "len", "0", false, true},
	} {
		got, err := query(doc, tc.path)
		ok := false
		if err == nil {
			ok, err = holds(got, tc.op, tc.value)
		}
		if ok != tc.ok || (err != nil) != tc.fails {
			t.Errorf("%s %s %s: %v, %v", tc.path, tc.op, tc.value, ok, err)
		}
	}
}
