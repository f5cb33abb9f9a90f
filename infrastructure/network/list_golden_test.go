package network

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"
)

// TestLists holds whole listings: each case is a cluster and what list says of
// it, with a question mark at what depends.
func TestLists(t *testing.T) {
	files, err := filepath.Glob("testdata/list/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			archive, err := txtar.ParseFile(file)
			if err != nil || len(archive.Files) != 2 {
				t.Fatal(err, len(archive.Files))
			}
			e := build(t, string(archive.Files[0].Data))
			var b strings.Builder
			for _, c := range e.List() {
				mark := ""
				if c.Depends {
					mark = " ?"
				}
				b.WriteString(c.String() + mark + "\n")
			}
			for _, i := range e.Incomplete {
				b.WriteString(i.What + ": " + i.Why + "\n")
			}
			if diff := cmp.Diff(string(archive.Files[1].Data), b.String()); diff != "" {
				t.Error(diff)
			}
		})
	}
}
