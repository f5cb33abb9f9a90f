package docs_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const architectureFile = "docs/ARCHITECTURE.md"

// packages lists the folders of the module that hold Go files other than
// tests, by path from root.
func packages(t *testing.T) []string {
	t.Helper()
	var out []string
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && name != root && (d.Name() == "testdata" || d.Name() == "dist" || strings.HasPrefix(d.Name(), ".")):
			return fs.SkipDir
		case filepath.Ext(name) == ".go" && !strings.HasSuffix(name, "_test.go"):
			rel, err := filepath.Rel(root, filepath.Dir(name))
			if err != nil {
				return err
			}
			out = append(out, filepath.ToSlash(rel))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// TestPackages: the tree of the document is the tree of the repository.
func TestPackages(t *testing.T) {
	var documented []string
	for _, row := range table(t, architectureFile, "package", "what it is for") {
		documented = append(documented, code(row[0]))
		if !strings.HasSuffix(row[1], ".") {
			t.Errorf("%s: %s: %q is no sentence", architectureFile, row[0], row[1])
		}
	}
	slices.Sort(documented)
	if diff := cmp.Diff(packages(t), documented); diff != "" {
		t.Errorf("tree (-) and %s (+):\n%s", architectureFile, diff)
	}
}

var pathForm = regexp.MustCompile("`([a-zA-Z0-9_.-]+(?:/[a-zA-Z0-9_.-]+)*/?)`")

// TestTopLevel: every folder of the root is named.
func TestTopLevel(t *testing.T) {
	entries, err := os.ReadDir(root)
	if err != nil {
		t.Fatal(err)
	}
	text := read(t, architectureFile)
	for _, e := range entries {
		if !e.IsDir() || e.Name() == ".git" || e.Name() == "dist" {
			continue
		}
		if !regexp.MustCompile("`" + regexp.QuoteMeta(e.Name()) + "[/`]").MatchString(text) {
			t.Errorf("%s doesn't name %s/", architectureFile, e.Name())
		}
	}
}

// TestPaths: what reads as a path is there. A first part in capitals is a
// placeholder.
func TestPaths(t *testing.T) {
	files := []string{architectureFile}
	for _, name := range documents(t) {
		if strings.HasPrefix(name, "docs/decisions/") || strings.HasPrefix(name, "docs/guide/") {
			files = append(files, name)
		}
	}
	for _, file := range files {
		for _, m := range pathForm.FindAllStringSubmatch(read(t, file), -1) {
			if first, _, ok := strings.Cut(m[1], "/"); !ok || first == strings.ToUpper(first) {
				continue
			}
			if _, err := os.Stat(filepath.Join(root, filepath.FromSlash(m[1]))); err != nil {
				t.Errorf("%s names `%s`, which is not there", file, m[1])
			}
		}
	}
}

var numberForm = regexp.MustCompile(`^[0-9]{3}-$`)

// TestDecisions: each with a number of its own, under 40 lines, with the four parts.
func TestDecisions(t *testing.T) {
	entries, err := os.ReadDir("decisions")
	if err != nil {
		t.Fatal(err)
	}
	numbers := map[string]string{}
	for _, e := range entries {
		text := read(t, "docs/decisions/"+e.Name())
		if n := strings.Count(text, "\n"); n >= 40 {
			t.Errorf("%s has %d lines", e.Name(), n)
		}
		number := e.Name()[:4]
		if !numberForm.MatchString(number) || numbers[number] != "" {
			t.Errorf("%s has no number, or that of %s", e.Name(), numbers[number])
		}
		numbers[number] = e.Name()
		for _, part := range []string{"**Context.**", "**Decision.**", "**Why.**", "**Cost.**"} {
			if !strings.Contains(text, part) {
				t.Errorf("%s has no %s", e.Name(), part)
			}
		}
	}
}
