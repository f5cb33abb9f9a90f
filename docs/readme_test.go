package docs_test

import (
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestQuotes re-runs every command that a document quotes and re-reads every
// file: each quoted line must be there, in order, and the exit code right.
func TestQuotes(t *testing.T) {
	total := 0
	for _, name := range documents(t) {
		for _, q := range quotes(t, name) {
			total++
			switch q.kind {
			case "output":
				args, ok := strings.CutPrefix(q.from, "scantling ")
				if !ok {
					t.Errorf("%s: %q does not begin with scantling", q.at, q.from)
					continue
				}
				stdout, stderr, code := run(t, strings.Fields(args)...)
				if q.exit != string(rune('0'+code)) {
					t.Errorf("%s: %s ends with exit code %d, the document says %q", q.at, q.from, code, q.exit)
				}
				inOrder(t, q, stdout+stderr)
			case "file":
				inOrder(t, q, read(t, q.from))
			}
		}
	}
	if total < 10 {
		t.Errorf("only %d quotes were found", total)
	}
}

// inOrder checks that the lines of a quote occur in the text in their order.
// A line that is … alone stands for any lines, one that ends with … for a
// longer one.
func inOrder(t *testing.T, q quote, text string) {
	t.Helper()
	rest := strings.Split(text, "\n")
	for _, want := range strings.Split(q.text, "\n") {
		want = strings.TrimRight(want, " ")
		if want == "" || strings.TrimSpace(want) == "…" {
			continue
		}
		at := find(rest, want)
		if at < 0 {
			t.Errorf("%s: %s has no line (from there on)\n%s", q.at, q.from, want)
			return
		}
		rest = rest[at+1:]
	}
}

func find(lines []string, want string) int {
	begin, short := strings.CutSuffix(want, "…")
	for i, line := range lines {
		line = strings.TrimRight(line, " \r")
		if line == want || short && strings.HasPrefix(line, begin) {
			return i
		}
	}
	return -1
}

// codeBlock is a fenced block, in which brackets are no links.
var codeBlock = regexp.MustCompile("(?ms)^```.*?^```$")

var linkForm = regexp.MustCompile(`\]\(([^)#\s]+)(?:#[^)]*)?\)`)

// TestLinks: every link into the repository leads somewhere, and every
// document can be reached from README.md.
func TestLinks(t *testing.T) {
	reached := map[string]bool{"README.md": true}
	for queue := []string{"README.md"}; len(queue) > 0; queue = queue[1:] {
		for _, m := range linkForm.FindAllStringSubmatch(codeBlock.ReplaceAllString(read(t, queue[0]), ""), -1) {
			if strings.Contains(m[1], "://") {
				continue
			}
			to := path.Join(path.Dir(queue[0]), m[1])
			info, err := os.Stat(filepath.Join(root, filepath.FromSlash(to)))
			if err != nil {
				t.Errorf("%s links to %s, which is not there", queue[0], m[1])
				continue
			}
			if !info.IsDir() && path.Ext(to) == ".md" && !reached[to] {
				reached[to] = true
				queue = append(queue, to)
			}
		}
	}
	for _, name := range documents(t) {
		if !reached[name] {
			t.Errorf("no link leads to %s", name)
		}
	}
}

// TestReadme: the first fenced block is the two commands that a newcomer and a
// machine run, and the page stays short.
func TestReadme(t *testing.T) {
	text := read(t, "README.md")
	_, block, _ := strings.Cut(text, "```sh\n")
	block, _, _ = strings.Cut(block, "```")
	if want := "go run ./cmd/scantling demo\nmake check\n"; block != want {
		t.Errorf("the first block is\n%swant\n%s", block, want)
	}
	if n := strings.Count(text, "\n"); n >= 120 {
		t.Errorf("README.md has %d lines", n)
	}
	if !strings.HasSuffix(read(t, ".ci/run"), "\nmake check\n") {
		t.Error(".ci/run doesn't end with make check, as README.md says")
	}
}

// TestCommandTable: README.md names every command once: alone with the
// program's own words, or with others.
func TestCommandTable(t *testing.T) {
	help := commands(t)
	for _, row := range table(t, "README.md", "command", "what it does") {
		usages := strings.Split(row[0], ", `")
		for _, usage := range usages {
			usage = code(usage)
			c, ok := help[usage]
			switch {
			case !ok:
				t.Errorf("README.md: there is no command %q, or it was named before", usage)
			case len(usages) == 1 && c.short != row[1]:
				t.Errorf("README.md: %s: %q, its help says %q", usage, row[1], c.short)
			}
			delete(help, usage)
		}
	}
	for usage := range help {
		t.Errorf("README.md doesn't name %q", usage)
	}
}
