//go:build !scanner

package cli

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/scantling/scantling/examples/shop"
	"github.com/scantling/scantling/report"
)

// demoDir is the name under which the demo shows its files: that of the
// folder in the repository, so that `assess` there prints the same.
const demoDir = "examples/shop"

func (a *app) demoCommand() *cobra.Command {
	var all bool
	cmd := &cobra.Command{
		Use:     "demo",
		Short:   "Assess the example shop: no network, no cluster, nothing to install",
		Example: "  scantling demo",
		Args:    cobra.NoArgs,
		RunE: a.checked(func(ctx context.Context, _ []string) error {
			return a.demo(ctx, all)
		}, "html", "svg"),
	}
	cmd.Flags().BoolVar(&all, "all", false, "print every action of the plan")
	return cmd
}

// demo lays the shop out in a folder of its own and assesses it. It always
// ends with exit code 0: its findings are the point.
func (a *app) demo(ctx context.Context, all bool) (err error) {
	dir, err := os.MkdirTemp("", "scantling-demo-")
	if err != nil {
		return failed("making room for the demo: %w", err)
	}
	defer os.RemoveAll(dir)
	if err := unpack(shop.FS, filepath.Join(dir, demoDir)); err != nil {
		return failed("laying out the demo: %w", err)
	}
	home, err := os.Getwd()
	if err != nil {
		return failed("finding the current folder: %w", err)
	}
	for i, rules := range a.rulesDir {
		if a.rulesDir[i], err = filepath.Abs(rules); err != nil {
			return failed("finding the rules of %s: %w", rules, err)
		}
	}
	if err := os.Chdir(dir); err != nil {
		return failed("entering the demo: %w", err)
	}
	defer func() {
		if back := os.Chdir(home); err == nil && back != nil {
			err = failed("leaving the demo: %w", back)
		}
	}()
	flags := estateFlags{asOf: shop.Day, all: all}
	_, doc, err := a.assess(ctx, demoDir, flags)
	if err != nil {
		return err
	}
	a.code = exitClean
	return a.show(doc, func(w io.Writer, p report.Paint) error {
		if err := doc.Text(w, p, flags.atMost()); err != nil {
			return err
		}
		_, err := fmt.Fprintf(w, "\nThis is %s as of %s. Yours: scantling assess DIR\n", demoDir, shop.Day)
		return err
	}, rendering{"html", doc.HTML}, rendering{"svg", doc.SVG})
}

// unpack writes all files of an embedded tree below dir.
func unpack(tree fs.FS, dir string) error {
	return os.CopyFS(dir, tree)
}
