package dockerfile

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden files anew")

// dump writes what matters of a File, one thing a line.
func dump(f *File) string {
	var b strings.Builder
	p := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	for _, x := range f.Problems {
		p("problem %v", x)
	}
	for _, a := range f.Args {
		p("%d global %s = %s", a.Position.Line, a.Name, show(a.Value))
	}
	for _, s := range f.Stages {
		ref := ""
		if s.Base.Ref != nil {
			ref = " ref=" + s.Base.Ref.String()
		}
		p("stage %d %q %s scratch=%v stage=%d%s", s.Index, s.Name, show(s.Base.Text), s.Base.Scratch, s.Base.Stage, ref)
		for _, in := range s.Instructions {
			dumpInstruction(p, in, "  ")
		}
		p("  end user=%s set=%v workdir=%s", show(s.End.User.Text), s.End.User.Set(), show(s.End.Workdir.Text))
		for _, v := range s.End.Env {
			p("  end env %s=%s", v.Name, show(v.Text))
		}
		for _, v := range s.End.Labels {
			p("  end label %s=%s", v.Name, show(v.Text))
		}
		for _, v := range s.End.Expose {
			p("  end expose %s", show(v))
		}
	}
	for _, in := range f.Inputs {
		p("input %d %s %s %s checksum=%q", in.Position.Line, in.Origin, in.Via, show(in.Text), in.Checksum.Value)
	}
	return b.String()
}

func dumpInstruction(p func(string, ...any), in *Instruction, indent string) {
	p("%s%d:%d-%d:%d %s trigger=%v", indent, in.Position.Line, in.Position.Column, in.Position.EndLine, in.Position.EndColumn, in.Kind, in.Trigger)
	for _, a := range in.Args {
		p("%s  arg %s = %s", indent, a.Name, show(a.Value))
	}
	for _, v := range in.Pairs {
		p("%s  set %s = %s", indent, v.Name, show(v.Text))
	}
	if in.OnBuild != nil {
		dumpInstruction(p, in.OnBuild, indent+"  onbuild ")
	}
	if in.Run == nil {
		return
	}
	if in.Run.Unread != "" {
		p("%s  unread: %s", indent, in.Run.Unread)
	}
	for i, c := range in.Run.Commands {
		var w []string
		for _, a := range append([]Text{c.Name}, c.Args...) {
			w = append(w, show(a))
		}
		p("%s  #%d %d:%d %s stdin=%v inner=%v parent=%d maybe=%v ignored=%v", indent, i, c.Position.Line, c.Position.Column,
			strings.Join(w, " "), c.Stdin, c.Inner, c.Parent, c.Maybe, c.Ignored)
		for _, r := range c.Redirs {
			p("%s     %s %s %q", indent, r.Op, show(r.Target), r.Doc)
		}
		for _, v := range c.Assigns {
			p("%s     %s=%s", indent, v.Name, show(v.Text))
		}
	}
}

func show(t Text) string {
	if t.Known {
		return fmt.Sprintf("%q", t.Value)
	}
	return fmt.Sprintf("?%q(%s)", t.Value, t.Why)
}

func TestGolden(t *testing.T) {
	files, err := filepath.Glob("testdata/*.Dockerfile")
	if err != nil || len(files) == 0 {
		t.Fatalf("no cases under testdata: %v", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			f, _ := Parse("Dockerfile", data, nil)
			got := dump(f)
			golden := strings.TrimSuffix(file, ".Dockerfile") + ".golden"
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(string(want), got); d != "" {
				t.Errorf("-want +got:\n%s", d)
			}
		})
	}
}
