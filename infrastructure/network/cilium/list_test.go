package cilium_test

import (
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"github.com/scantling/scantling/infrastructure/network"
)

var update = flag.Bool("update", false, "write what is listed into the golden cases")

// TestList holds whole listings: each case has policies, and how the listing
// of the world differs from that without them, "-" gone, "+" new, "?" depends.
func TestList(t *testing.T) {
	world, err := os.ReadFile("testdata/world.yaml")
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob("testdata/list/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no cases: %v", err)
	}
	before := listing(t, string(world))
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(file)
			if err != nil || len(archive.Files) != 2 {
				t.Fatalf("%d files: %v", len(archive.Files), err)
			}
			got := difference(before, listing(t, string(world), string(archive.Files[0].Data)))
			if *update {
				archive.Files[1].Data = []byte(got)
				if err := os.WriteFile(file, txtar.Format(archive), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if diff := cmp.Diff(string(archive.Files[1].Data), got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func listing(t *testing.T, manifests ...string) []string {
	t.Helper()
	e := network.Build(snapshot(t, manifests...))
	if len(e.Incomplete) > 0 {
		t.Fatal(e.Incomplete)
	}
	var lines []string
	for _, c := range e.List() {
		mark := ""
		if c.Depends {
			mark = "? "
		}
		lines = append(lines, mark+c.String())
	}
	return lines
}

func difference(before, after []string) string {
	var out strings.Builder
	for _, line := range before {
		if !slices.Contains(after, line) {
			out.WriteString("- " + line + "\n")
		}
	}
	for _, line := range after {
		if !slices.Contains(before, line) {
			out.WriteString("+ " + line + "\n")
		}
	}
	return out.String()
}
