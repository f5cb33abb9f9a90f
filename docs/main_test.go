package docs_test

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// root is the repository, seen from this folder.
const root = ".."

// binary is the program that the documents are held against.
var binary string

func TestMain(m *testing.M) {
	code, err := buildAndRun(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func buildAndRun(m *testing.M) (int, error) {
	dir, err := os.MkdirTemp("", "scantling-docs-")
	if err != nil {
		return 1, fmt.Errorf("making room for the binary: %w", err)
	}
	defer os.RemoveAll(dir)
	if err := touch(); err != nil {
		return 1, fmt.Errorf("looking at the sources: %w", err)
	}
	binary = filepath.Join(dir, "scantling")
	cmd := exec.Command("go", "build", "-o", binary, "./cmd/scantling")
	cmd.Dir = root
	if text, err := cmd.CombinedOutput(); err != nil {
		return 1, fmt.Errorf("building scantling: %w\n%s", err, text)
	}
	return m.Run(), nil
}

// touch looks at every source. The go command caches a test's result by the
// files that the test itself looks at, and these are read by a child process.
func touch() error {
	return filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (d.Name() == ".git" || d.Name() == "dist"):
			return fs.SkipDir
		case d.IsDir():
			return nil
		}
		if _, err := os.Stat(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return nil
	})
}

// run runs the program in the root of the repository. The environment is that
// of a script: no colours, no terminal.
func run(t *testing.T, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	cmd := exec.Command(binary, args...)
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "XDG_DATA_HOME="+t.TempDir()) // never that of whoever runs the tests
	var out, talk bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &talk
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatalf("running scantling %s: %v", strings.Join(args, " "), err)
	}
	return out.String(), talk.String(), cmd.ProcessState.ExitCode()
}

// documents are README.md and all Markdown files of docs, by path from root.
func documents(t *testing.T) []string {
	t.Helper()
	names := []string{"README.md"}
	err := filepath.WalkDir(".", func(name string, d fs.DirEntry, err error) error {
		if err == nil && filepath.Ext(name) == ".md" {
			names = append(names, "docs/"+filepath.ToSlash(name))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(names)
	return names
}

// read reads a file of the repository.
func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(name)))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// A quote is a fenced block below a comment that says where its lines are
// from: `<!-- output, exit 4: scantling … -->`, `<!-- shape, exit 0: … -->`
// for the keys of a JSON object, or `<!-- file: PATH -->`.
type quote struct {
	at   string // file:line of the comment
	kind string
	exit string
	from string
	text string
}

var quoteForm = regexp.MustCompile("(?s)<!-- (output|shape|file)(?:, exit ([0-9]))?: ([^\n]+) -->\n+```[a-z]*\n(.*?)\n```\n")

func quotes(t *testing.T, name string) []quote {
	t.Helper()
	text := read(t, name)
	var out []quote
	for _, m := range quoteForm.FindAllStringSubmatchIndex(text, -1) {
		part := func(i int) string {
			if m[2*i] < 0 {
				return ""
			}
			return text[m[2*i]:m[2*i+1]]
		}
		line := 1 + strings.Count(text[:m[0]], "\n")
		out = append(out, quote{fmt.Sprintf("%s:%d", name, line), part(1), part(2), part(3), part(4)})
	}
	for _, mark := range []string{"<!-- output", "<!-- shape", "<!-- file"} {
		n := 0
		for _, q := range out {
			if strings.HasPrefix(mark, "<!-- "+q.kind) {
				n++
			}
		}
		if n != strings.Count(text, mark) {
			t.Errorf("%s: a comment %s is not followed by a fenced block", name, mark)
		}
	}
	return out
}

// table returns the rows of the Markdown table whose header begins with the
// given cells: their cells, trimmed.
func table(t *testing.T, name string, header ...string) [][]string {
	t.Helper()
	var rows [][]string
	inside := false
	for line := range strings.Lines(read(t, name)) {
		line = strings.TrimSpace(line)
		if !strings.HasPrefix(line, "|") {
			if inside {
				break
			}
			continue
		}
		const bar = "\x00" // a bar inside a cell is written \|
		cells := strings.Split(strings.Trim(strings.ReplaceAll(line, `\|`, bar), "|"), "|")
		for i := range cells {
			cells[i] = strings.ReplaceAll(strings.TrimSpace(cells[i]), bar, "|")
		}
		switch {
		case inside && !strings.HasPrefix(cells[0], "---"):
			rows = append(rows, cells)
		case !inside:
			inside = len(cells) >= len(header) && slices.Equal(cells[:len(header)], header)
		}
	}
	if len(rows) == 0 {
		t.Fatalf("%s has no table %q", name, header)
	}
	return rows
}

// code is the text between the backticks of a cell.
func code(cell string) string { return strings.Trim(cell, "`") }
