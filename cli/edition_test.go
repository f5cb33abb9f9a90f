package cli

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/testscript"
)

// inScanner are the commands that the scanner edition shares with the complete
// program, and thoroughly: the same transcripts hold.
var inScanner = []string{"lint", "image", "advisories", "registry", "rules list", "rules show", "rules new"}

// TestScannerEdition runs the scanner edition through what the transcripts do
// with its commands.
func TestScannerEdition(t *testing.T) {
	if testing.Short() {
		t.Skip("builds a program")
	}
	dir := t.TempDir()
	build := exec.Command("go", "build", "-tags", "scanner", "-o", filepath.Join(dir, "scantling"), "../cmd/scantling")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	t.Run("words", func(t *testing.T) { scannerWords(t, filepath.Join(dir, "scantling")) })
	files, err := filepath.Glob("testdata/script/*.txtar")
	if err != nil {
		t.Fatal(err)
	}
	var scripts []string
	ran := 0
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		cut, n := scannerPart(string(text))
		if ran += n; n == 0 {
			continue
		}
		name := filepath.Join(dir, filepath.Base(file))
		if err := os.WriteFile(name, []byte(cut), 0o600); err != nil {
			t.Fatal(err)
		}
		scripts = append(scripts, name)
	}
	if ran < 150 {
		t.Errorf("%d commands of the transcripts are the edition's", ran)
	}
	t.Logf("%d commands in %d transcripts", ran, len(scripts))
	p := scriptParams(t)
	p.Files = scripts
	surround := p.Setup
	p.Setup = func(env *testscript.Env) error {
		env.Setenv("PATH", dir+string(filepath.ListSeparator)+env.Getenv("PATH"))
		return surround(env)
	}
	testscript.Run(t, p)
}

// scannerWords: what the edition lacks says where it is, and the version which
// edition it is.
func scannerWords(t *testing.T, program string) {
	for _, c := range (&app{}).commands() {
		name := c.Name()
		if c.Hidden || slices.ContainsFunc(append(inScanner, "version", "completion"), func(s string) bool { return strings.Fields(s)[0] == name }) {
			continue
		}
		out, err := exec.Command(program, name, "--any", "x").CombinedOutput()
		if want := "error: scantling " + name + ": this is the scanner edition; the complete program has it\n"; err == nil || string(out) != want {
			t.Errorf("%s: %v\n%s", name, err, cmp.Diff(want, string(out)))
		}
	}
	for _, tc := range []struct {
		args string
		code int
		says string
	}{
		{"version", 0, "scantling devel, scanner edition, rules 2026.1"},
		{"version --format json", 0, `"edition": "scanner"`},
		{"rules docs", 2, "the complete program has it"},
		{"rules test B101 D101", 4, "not run: runtime: 1 rule of this stage: the complete program runs their cases"},
		{"rules test D101 -q", 4, "not run: runtime: 1 rule of this stage: the complete program runs their cases"},
		{"help assess", 0, "Only the complete program has this"},
		{"help", 0, "List, show, test and begin rules"},
		{"advisories sync --from . --estate .", 2, "--estate: this is the scanner edition"},
		{"assses", 2, `unknown command "assses"`},
	} {
		cmd := exec.Command(program, append(strings.Fields(tc.args), "--data", t.TempDir())...)
		out, _ := cmd.CombinedOutput() // the code says it
		if cmd.ProcessState.ExitCode() != tc.code || !strings.Contains(string(out), tc.says) {
			t.Errorf("%s: exit %d, want %d\n%s", tc.args, cmd.ProcessState.ExitCode(), tc.code, out)
		}
	}
}

// TestScannerIsSmall: what makes the complete program large is not in the
// edition.
func TestScannerIsSmall(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", "-tags", "scanner", "../cmd/scantling").Output()
	if err != nil {
		t.Fatal(err)
	}
	list := strings.Fields(string(out))
	for _, path := range list {
		for _, not := range []string{
			"k8s.io/", "sigs.k8s.io/", "helm.sh/", "github.com/nats-io/", "github.com/jackc/", "github.com/twmb/",
			"github.com/scantling/scantling/infrastructure/", "github.com/scantling/scantling/runtime/", "github.com/scantling/scantling/bus", "github.com/scantling/scantling/notify",
		} {
			if strings.HasPrefix(path, not) {
				t.Errorf("it brings %s", path)
			}
		}
	}
	if len(list) < 100 {
		t.Errorf("%d packages", len(list))
	}
}

var (
	runsProgram = regexp.MustCompile(`^!? ?(exec|exits \d+) scantling(?: (\S+))?(?: (\S+))?`)
	asserts     = regexp.MustCompile(`^(!\s*)?(stdout|stderr|json|plain|same|cmp|cmpenv|grep) `)
	withEstate  = regexp.MustCompile(` --estate \S+`)
)

// scannerPart leaves of a transcript what the scanner edition can do, with the
// number of its commands: of every other command the line goes, with what is
// asserted of it. A switch for estates is left out, likewise.
func scannerPart(script string) (string, int) {
	var out strings.Builder
	n, dropped := 0, false
	head, files, _ := strings.Cut("\n"+script, "\n-- ")
	for line := range strings.Lines(head[1:] + "\n") {
		m := runsProgram.FindStringSubmatch(line)
		switch {
		case m != nil:
			known := slices.Contains(inScanner, m[2]) || slices.Contains(inScanner, m[2]+" "+m[3])
			dropped = !known || withEstate.MatchString(line)
			if !known {
				continue
			}
			n++
			line = withEstate.ReplaceAllString(line, "")
		case asserts.MatchString(line):
			if dropped {
				continue
			}
		case strings.TrimSpace(line) != "" && !strings.HasPrefix(line, "#"):
			dropped = false
		}
		out.WriteString(line)
	}
	return out.String() + "\n-- " + files, n
}
