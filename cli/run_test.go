package cli

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/scantling/scantling/model"
)

// result is what one run of the program left behind.
type result struct {
	code     int
	out, err string
}

// run is one run of the program in this process, without a terminal.
func run(t testing.TB, stdin string, args ...string) result {
	t.Helper()
	var out, talk bytes.Buffer
	code := Main(t.Context(), args, IO{
		In: strings.NewReader(stdin), Out: &out, Err: &talk, Env: func(string) string { return "" },
	})
	return result{code, out.String(), talk.String()}
}

// decode reads the JSON on standard output.
func decode[T any](t testing.TB, r result) T {
	t.Helper()
	var doc T
	if err := json.Unmarshal([]byte(r.out), &doc); err != nil {
		t.Fatalf("standard output is not JSON: %v\n%.400s\nstandard error: %s", err, r.out, r.err)
	}
	return doc
}

// judged is the part that the JSON of every judging command shares.
type judged struct {
	Schema     int                `json:"schema"`
	Findings   []finding          `json:"findings"`
	Incomplete []model.Incomplete `json:"incomplete"`
}

type finding struct {
	ID      string `json:"id"`
	Rule    string `json:"rule"`
	Verdict string `json:"verdict"`
}

// put writes one file of an estate.
func put(t testing.TB, dir, name, text string) {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}
