//go:build !scanner

package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/scantling/scantling/model"
	"github.com/scantling/scantling/report"
	"github.com/scantling/scantling/rule"
	"github.com/scantling/scantling/runtime/coverage"
	"github.com/scantling/scantling/runtime/detect"
)

func (a *app) rulesDocsCommand() *cobra.Command {
	var out string
	cmd := &cobra.Command{
		Use:     "docs",
		Short:   "Write a page for every rule, with its cases as examples",
		Long:    "Docs writes Markdown: a page for every rule, README.md as their index, and attack.md with the\ntechniques that they detect. Pages that it wrote before and whose rule is gone are removed; no\nother file is touched.",
		Example: "  scantling rules docs --out docs/rules\n  scantling rules docs --out wiki --rules-dir my-rules",
		Args:    cobra.NoArgs,
		RunE: a.checked(func(context.Context, []string) error {
			if out == "" {
				return usage("name the folder to write to with --out")
			}
			return a.rulesDocs(out)
		}),
	}
	cmd.Flags().StringVar(&out, "out", "", "folder to write to")
	return cmd
}

// docsReport is what `rules docs` prints: how many pages there are, and which
// of them changed.
type docsReport struct {
	Schema     int                `json:"schema"`
	Tool       report.Tool        `json:"tool"`
	Pages      int                `json:"pages"`
	Written    []string           `json:"written"`
	Removed    []string           `json:"removed"`
	Incomplete []model.Incomplete `json:"incomplete"`
}

func (a *app) rulesDocs(dir string) error {
	cat, missed, err := a.catalogue("all", nil)
	if err != nil {
		return err
	}
	pages := map[string]string{"README.md": cat.Index()}
	for _, r := range cat.Rules {
		pages[r.ID+".md"] = cat.Page(r)
	}
	program, _ := detect.Compile(detect.FromCatalogue(cat)) // rules test says what doesn't compile
	pages["attack.md"] = rule.PageMark + coverage.Matrix(program.Rules())
	doc := docsReport{Schema: report.Schema, Tool: a.tool(), Pages: len(pages), Written: []string{}, Removed: []string{}, Incomplete: append([]model.Incomplete{}, missed...)}
	if err := doc.write(dir, pages, len(missed) > 0); err != nil {
		return failed("writing the pages of the rules: %w", err)
	}
	a.outcome(nil, len(missed), false)
	return a.show(doc, func(w io.Writer, _ report.Paint) error {
		_, err := fmt.Fprintf(w, "%d pages below %s: %d written, %d removed\n", doc.Pages, report.Clean(dir), len(doc.Written), len(doc.Removed))
		return err
	})
}

// write brings a folder to the given pages. It stays in the folder, and a
// file that no rules docs wrote is never replaced. partly: some rule didn't
// load, and its page may be any of those that seem too many.
func (d *docsReport) write(dir string, pages map[string]string, partly bool) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	old, err := fs.Glob(root.FS(), "*.md")
	if err != nil {
		return err
	}
	for _, name := range old {
		if _, stays := pages[name]; !stays && !partly && isPage(root, name) {
			if err := root.Remove(name); err != nil {
				return err
			}
			d.Removed = append(d.Removed, filepath.ToSlash(filepath.Join(dir, name)))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(pages)) {
		changed, err := writePage(root, name, pages[name])
		if err != nil {
			return err
		}
		if changed {
			d.Written = append(d.Written, filepath.ToSlash(filepath.Join(dir, name)))
		}
	}
	return nil
}

// isPage reports whether a file is one that rules docs wrote.
func isPage(root *os.Root, name string) bool {
	text, err := root.ReadFile(name)
	return err == nil && strings.HasPrefix(string(text), rule.PageMark)
}

// writePage writes one page unless it is there already.
func writePage(root *os.Root, name, text string) (changed bool, err error) {
	there, err := root.ReadFile(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return false, err
	case bytes.Equal(there, []byte(text)):
		return false, nil
	case !strings.HasPrefix(string(there), rule.PageMark):
		return false, fmt.Errorf("%s was not written by rules docs: move it, or name another folder", name)
	}
	return true, root.WriteFile(name, []byte(text), 0o644)
}
