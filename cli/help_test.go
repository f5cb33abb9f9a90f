package cli

import (
	"io"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// tree lists a command and all below it but cobra's own.
func tree(cmd *cobra.Command) []*cobra.Command {
	out := []*cobra.Command{cmd}
	for _, c := range cmd.Commands() {
		if !c.Hidden && c.Name() != "help" {
			out = append(out, tree(c)...)
		}
	}
	return out
}

// call is one call of the program in an example: what stands before it is
// another program's, what stands behind it the shell's.
var call = regexp.MustCompile(`\bscantling( [^|<>)]*|$)`)

// TestExamples: every command has an example, and the program takes each call
// in it: the command is there, and its switches and arguments fit.
func TestExamples(t *testing.T) {
	all := tree((&app{IO: IO{Out: io.Discard, Err: io.Discard}}).root())
	if len(all) < 15 {
		t.Fatalf("only %d commands", len(all))
	}
	for _, cmd := range all {
		if cmd.Example == "" {
			t.Errorf("%s has no example", cmd.CommandPath())
		}
		own := 0
		for line := range strings.Lines(cmd.Example) {
			if !strings.HasPrefix(line, "  ") {
				t.Errorf("%s: %q is not indented by two", cmd.CommandPath(), line)
			}
			for _, m := range call.FindAllStringSubmatch(line, -1) {
				// A fresh tree, because switches keep their values.
				root := (&app{IO: IO{Out: io.Discard, Err: io.Discard}}).root()
				found, rest, err := root.Find(strings.Fields(m[1]))
				if err == nil {
					err = found.ParseFlags(rest)
				}
				if err == nil {
					err = found.ValidateArgs(found.Flags().Args())
				}
				if err == nil {
					err = found.ValidateRequiredFlags()
				}
				if err != nil {
					t.Errorf("%s: %q: %v", cmd.CommandPath(), strings.TrimSpace(line), err)
					continue
				}
				if strings.HasPrefix(found.CommandPath(), cmd.CommandPath()) {
					own++
				}
			}
		}
		if own == 0 {
			t.Errorf("no example of %s calls it", cmd.CommandPath())
		}
	}
}
