package dockerfile

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/scantling/scantling/model"
)

// FuzzParse: whatever the bytes, reading ends soon, says the same twice, and
// every place that it names lies inside the file.
func FuzzParse(f *testing.F) {
	files, err := filepath.Glob("testdata/*.Dockerfile")
	if err != nil || len(files) == 0 {
		f.Fatalf("no seeds under testdata: %v", err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		start := time.Now()
		file, err := Parse("Dockerfile", data, nil)
		if took := time.Since(start); took > maxTime {
			t.Errorf("took %s", took)
		}
		again, err2 := Parse("Dockerfile", data, nil)
		if d := cmp.Diff(file, again); d != "" {
			t.Errorf("read twice, differently:\n%s", d)
		}
		if (err == nil) != (err2 == nil) || (err == nil) != (len(file.Problems) == 0) {
			t.Errorf("errors %v and %v with %d problems", err, err2, len(file.Problems))
		}
		inside(t, file)
	})
}

// inside checks the places and indexes of a File.
func inside(t *testing.T, f *File) {
	at := func(what string, p model.Position) {
		if p.Line < 1 || p.Line > f.Lines || p.EndLine < p.Line || p.EndLine > f.Lines || p.Column < 1 {
			t.Errorf("%s at %+v in a file of %d lines", what, p, f.Lines)
		}
	}
	for _, p := range f.Problems {
		if p.Position.Line > f.Lines || strings.ContainsAny(p.Why, "\n\r") {
			t.Errorf("problem %+v in a file of %d lines", p, f.Lines)
		}
		if strings.Contains(p.Why, "panicked") {
			t.Errorf("a panic: %s", p.Why)
		}
	}
	for _, in := range f.Inputs {
		at(in.Via, in.Position)
		if in.Text.Known == (in.Text.Why != "") {
			t.Errorf("input %+v: known and why disagree", in)
		}
	}
	for i, s := range f.Stages {
		at("FROM", s.Position)
		if s.Index != i || s.Base.Stage >= i {
			t.Errorf("stage %d has index %d and base %d", i, s.Index, s.Base.Stage)
		}
		for _, in := range s.Instructions {
			at(in.Kind, in.Position)
			if in.Run == nil {
				continue
			}
			for k, c := range in.Run.Commands {
				at("command", c.Position)
				if c.Position.Line < in.Position.Line || c.Position.Line > in.Position.EndLine || c.Parent >= k {
					t.Errorf("command %d of line %d at %+v, parent %d", k, in.Position.Line, c.Position, c.Parent)
				}
				for _, id := range append(append([]int{}, c.Stdin...), c.Inner...) {
					if id < 0 || id >= len(in.Run.Commands) {
						t.Errorf("command %d reads from %d of %d", k, id, len(in.Run.Commands))
					}
				}
			}
		}
	}
}
