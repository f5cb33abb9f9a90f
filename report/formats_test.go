package report

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"flag"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/owenrumney/go-sarif/v3/pkg/report/v210/sarif"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/scantling/scantling/model"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// judged is one finding of each sort: with and without a place, failed,
// unknown and accepted, with a safe fix, and with names that hold what each
// format gives a meaning to.
func judged() Findings {
	asset := func(kind model.Kind, key string) model.FindingAsset {
		return model.FindingAsset{Kind: kind, Key: key, Name: key}
	}
	hostile := "a:b,c%0A\n::error::x\x1b[31m<&\"'>]]>\u2028"
	return NewFindings(Tool{"scantling", "1.2.3", "2026.1"}, []model.Finding{
		{
			ID: "0000000000000001", Rule: "B104", Title: "Download is used without verification", Aliases: []string{"DL3000"},
			Stage: "build", Control: "deps", Severity: model.High, Verdict: model.Fail, Asset: asset("dockerfile", "web/Dockerfile"),
			Position: model.Position{File: "web/Dockerfile", Line: 3, Column: 5, EndLine: 4, EndColumn: 9}, Message: "x is piped to sh",
			Evidence: []model.Evidence{{What: "download", Where: "web/Dockerfile:3", Value: "https://x.example"}},
			Fix:      &model.Fix{Text: "Check it.", Safe: true, Edits: []model.Edit{{File: "web/Dockerfile", Start: 10, End: 12, New: "y"}}},
		},
		{
			ID: "0000000000000002", Rule: "B103", Title: "Image runs as root", Stage: "build", Control: "hygiene", Severity: model.Medium,
			Verdict: model.Unknown, Asset: asset("dockerfile", "web/Dockerfile"), Position: model.Position{File: "web/Dockerfile"}, Message: "USER is an ARG",
		},
		{
			ID: "0000000000000003", Rule: "I101", Title: "Privileged container", Stage: "infrastructure", Control: "posture", Severity: model.Critical,
			Verdict: model.Fail, Asset: asset(model.Workload, "c/ns/Pod/p"), Message: "container x is privileged",
			Fix: &model.Fix{Text: "Don't.", Edits: []model.Edit{{File: "p.yaml", New: "y"}}},
		},
		{
			ID: "0000000000000004", Rule: "B103", Title: "Image runs as root", Stage: "build", Control: "hygiene", Severity: model.Medium,
			Verdict: model.Fail, Asset: asset("dockerfile", "a b/Dockerfile"), Position: model.Position{File: "/abs/a b/Dockerfile", Line: 1}, Message: "root",
			Suppressed: &model.Suppression{Reason: "a demo", Owner: "ann", Expires: "2027-01-01"},
		},
		{
			ID: "0000000000000005", Rule: "B999", Title: hostile, Stage: "build", Control: "hygiene", Severity: model.Info,
			Verdict: model.Fail, Asset: asset("dockerfile", hostile), Position: model.Position{File: hostile, Line: 1}, Message: hostile,
		},
	}, []model.Incomplete{{What: "k8s/broken.yaml:3", Why: "not readable as YAML"}, {What: hostile, Why: hostile}}, 7)
}

var described = []Rule{{
	ID: "B104", Slug: "unverified-download", Title: "Download is used without verification", Why: "It may be another's.", Fix: "Check it.",
	Cites: []string{"SLSA v1.1"}, Attack: []string{"T1195"}, Severity: model.High,
}}

// formatsOf are the formats for CI servers by name.
var formatsOf = map[string]func(Findings, io.Writer) error{
	"sarif":  func(d Findings, w io.Writer) error { return d.SARIF(w, described) },
	"junit":  Findings.JUnit,
	"github": Findings.GitHub,
	"gitlab": Findings.GitLab,
}

func TestFormatsAreGolden(t *testing.T) {
	empty := NewFindings(judged().Tool, nil, nil, 2)
	for name, write := range formatsOf {
		for what, d := range map[string]Findings{"all": judged(), "empty": empty} {
			t.Run(name+" "+what, func(t *testing.T) {
				var got bytes.Buffer
				if err := write(d, &got); err != nil {
					t.Fatal(err)
				}
				golden := filepath.Join("testdata", name+"-"+what+".golden")
				if *update {
					if err := os.WriteFile(golden, got.Bytes(), 0o644); err != nil {
						t.Fatal(err)
					}
				}
				want, err := os.ReadFile(golden)
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(string(want), got.String()); diff != "" {
					t.Errorf("want (-), got (+):\n%s", diff)
				}
			})
		}
	}
}

// sarifSchema is the published schema, which the go-sarif module carries as a
// constant.
func sarifSchema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	dir, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/owenrumney/go-sarif/v3").Output()
	if err != nil {
		t.Fatal(err)
	}
	file, err := parser.ParseFile(token.NewFileSet(), filepath.Join(strings.TrimSpace(string(dir)), "pkg/report/v210/sarif/schema.go"), nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	text := ""
	ast.Inspect(file, func(n ast.Node) bool {
		if lit, ok := n.(*ast.BasicLit); ok && lit.Kind == token.STRING {
			text, err = strconv.Unquote(lit.Value)
		}
		return true
	})
	if err != nil || text == "" {
		t.Fatalf("no schema was found: %v", err)
	}
	doc, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	if err := c.AddResource("sarif.json", doc); err != nil {
		t.Fatal(err)
	}
	return c.MustCompile("sarif.json")
}

// TestSARIFIsValid holds logs against the published schema, and lets another
// implementation read them.
func TestSARIFIsValid(t *testing.T) {
	schema := sarifSchema(t)
	for name, d := range map[string]Findings{"all": judged(), "empty": NewFindings(judged().Tool, nil, nil, 0)} {
		t.Run(name, func(t *testing.T) {
			var text bytes.Buffer
			if err := d.SARIF(&text, described); err != nil {
				t.Fatal(err)
			}
			doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text.Bytes()))
			if err != nil {
				t.Fatal(err)
			}
			if err := schema.Validate(doc); err != nil {
				t.Error(err)
			}
			log, err := sarif.FromBytes(text.Bytes())
			if err != nil {
				t.Fatal(err)
			}
			run := log.Runs[0]
			if len(run.Results) != len(d.Findings) || len(run.Invocations[0].ToolExecutionNotifications) != len(d.Incomplete) {
				t.Errorf("%d results and %d notifications of %d findings and %d incomplete", len(run.Results), len(run.Invocations[0].ToolExecutionNotifications), len(d.Findings), len(d.Incomplete))
			}
			for i, r := range run.Results {
				if got := *run.Tool.Driver.Rules[r.RuleIndex].ID; got != *r.RuleID || got != d.Findings[i].Rule {
					t.Errorf("result %d of %s points to rule %s", i, d.Findings[i].Rule, got)
				}
			}
		})
	}
	t.Run("an invalid one is refused", func(t *testing.T) {
		if err := schema.Validate(map[string]any{"version": "2.1.0", "runs": []any{map[string]any{"tool": "x"}}}); err == nil {
			t.Error("the schema refuses nothing")
		}
	})
}

// TestJUnitCounts: the sums in the attributes are those of the cases, and
// only what failed or is unknown counts as such.
func TestJUnitCounts(t *testing.T) {
	var text bytes.Buffer
	if err := judged().JUnit(&text); err != nil {
		t.Fatal(err)
	}
	var doc junitDoc
	if err := xml.Unmarshal(text.Bytes(), &doc); err != nil {
		t.Fatal(err)
	}
	got := [4]int{doc.Tests, doc.Failures, doc.Errors, doc.Skipped}
	// 5 findings, 2 not read, and the case that stands for all that was judged.
	if want := [4]int{8, 3, 3, 1}; got != want {
		t.Errorf("tests, failures, errors, skipped: %v, want %v", got, want)
	}
	sum := [4]int{}
	for _, s := range doc.Suites {
		sum = [4]int{sum[0] + len(s.Cases), sum[1] + s.Failures, sum[2] + s.Errors, sum[3] + s.Skipped}
	}
	if sum != got {
		t.Errorf("suites sum to %v, the whole says %v", sum, got)
	}
}

// TestGitHubLines: hostile names can neither end a command nor begin one, and
// every line but the last is a command.
func TestGitHubLines(t *testing.T) {
	var text bytes.Buffer
	if err := judged().GitHub(&text); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimRight(text.String(), "\n"), "\n")
	// 4 findings that are not accepted, 2 not read, and the counts.
	if len(lines) != 7 {
		t.Errorf("%d lines:\n%s", len(lines), text.String())
	}
	for _, l := range lines[:len(lines)-1] {
		parts := strings.SplitN(l, "::", 3)
		level, properties, _ := strings.Cut(parts[1], " ")
		if parts[0] != "" || !slices.Contains([]string{"error", "warning", "notice"}, level) {
			t.Errorf("not a command: %q", l)
		}
		for p := range strings.SplitSeq(properties, ",") {
			if name, _, ok := strings.Cut(p, "="); !ok || !slices.Contains([]string{"file", "title", "line", "endLine", "col", "endColumn"}, name) {
				t.Errorf("not a property: %q in %q", p, l)
			}
		}
	}
}

// TestGitLabIssues: each has what the service wants, and what was not read is
// not lost.
func TestGitLabIssues(t *testing.T) {
	var text bytes.Buffer
	if err := judged().GitLab(&text); err != nil {
		t.Fatal(err)
	}
	var issues []gitlabIssue
	if err := json.Unmarshal(text.Bytes(), &issues); err != nil {
		t.Fatal(err)
	}
	if len(issues) != 6 {
		t.Errorf("%d issues of 4 open findings and 2 not read", len(issues))
	}
	seen := map[string]bool{}
	for _, i := range issues {
		if i.Description == "" || i.Check == "" || i.Fingerprint == "" || i.Severity == "" || i.Location.Path == "" || i.Location.Lines.Begin < 1 {
			t.Errorf("incomplete: %+v", i)
		}
		if seen[i.Fingerprint] {
			t.Errorf("fingerprint %s stands twice", i.Fingerprint)
		}
		seen[i.Fingerprint] = true
	}
}
