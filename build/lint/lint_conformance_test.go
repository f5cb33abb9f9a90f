package lint

import (
	"archive/tar"
	"bufio"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/scantling/scantling/build/dockerfile"
	"github.com/scantling/scantling/model"
)

func corpora(t testing.TB, name string) *os.File {
	t.Helper()
	dir := os.Getenv("SCANTLING_CORPORA")
	if dir == "" {
		dir = filepath.Join("..", "..", "..", "shared", "corpora")
	}
	file, err := os.Open(filepath.Join(dir, "dockerfile", name))
	if err != nil {
		t.Skipf("the public cases are absent (SCANTLING_CORPORA): %v", err)
	}
	t.Cleanup(func() { _ = file.Close() })
	return file
}

func judge(t testing.TB, cfg Config) *Judge {
	t.Helper()
	j, errs := Compile(catalogue(t), cfg)
	for _, err := range errs {
		t.Error(err)
	}
	return j
}

// TestPublicCases holds the rules against the cases of checkov and of
// trivy-checks: a rule with the alias must fire, or stay quiet.
func TestPublicCases(t *testing.T) {
	j := judge(t, Config{})
	for _, name := range []string{"checkov_cases.jsonl", "trivy_checks_cases.jsonl"} {
		t.Run(name, func(t *testing.T) {
			right, all := map[string]int{}, map[string]int{}
			lines := bufio.NewScanner(corpora(t, name))
			lines.Buffer(nil, 1<<22)
			for lines.Scan() {
				var c struct{ ID, Rule, Dockerfile, Expect string }
				if err := json.Unmarshal(lines.Bytes(), &c); err != nil {
					t.Fatal(err)
				}
				if !implemented(j, c.Rule) {
					continue
				}
				f, _ := dockerfile.Parse("Dockerfile", []byte(c.Dockerfile), nil)
				fires := slices.ContainsFunc(j.Judge(f), func(x model.Finding) bool {
					return x.Verdict == model.Fail && slices.Contains(x.Aliases, c.Rule)
				})
				all[c.Expect]++
				if fires == (c.Expect == "fire") {
					right[c.Expect]++
				} else {
					t.Errorf("%s: fires %v, want %s", c.ID, fires, c.Expect)
				}
			}
			t.Logf("must fire %d of %d, must stay quiet %d of %d", right["fire"], all["fire"], right["quiet"], all["quiet"])
			if all["fire"] == 0 || all["quiet"] == 0 {
				t.Error("no cases were judged")
			}
		})
	}
}

func implemented(j *Judge, alias string) bool {
	for _, r := range j.prog.Rules() {
		if slices.Contains(r.Aliases, alias) {
			return true
		}
	}
	return false
}

// TestBuildKitCases compares, line by line, with what BuildKit's linter says
// under the one rule that both have.
func TestBuildKitCases(t *testing.T) {
	const alias = "SecretsUsedInArgOrEnv"
	j := judge(t, Config{})
	lines := bufio.NewScanner(corpora(t, "buildkit_lint_cases.jsonl"))
	lines.Buffer(nil, 1<<22)
	cases, agree := 0, 0
	for lines.Scan() {
		var c struct {
			ID, Dockerfile string
			Expect         []struct {
				Rule string
				Line int
			} `json:"expect_warnings"`
		}
		if err := json.Unmarshal(lines.Bytes(), &c); err != nil {
			t.Fatal(err)
		}
		var want, got []int
		for _, w := range c.Expect {
			if w.Rule == alias {
				want = append(want, w.Line)
			}
		}
		f, _ := dockerfile.Parse("Dockerfile", []byte(c.Dockerfile), nil)
		for _, x := range j.Judge(f) {
			if slices.Contains(x.Aliases, alias) && x.Suppressed == nil && x.Verdict == model.Fail {
				got = append(got, x.Position.Line)
			}
		}
		cases++
		if fmt.Sprint(want) == fmt.Sprint(got) {
			agree++
		} else {
			t.Errorf("%s: lines %v, BuildKit %v", c.ID, got, want)
		}
	}
	t.Logf("%d of %d files agree with BuildKit on %s", agree, cases, alias)
}

// TestRealFiles: no public Dockerfile crashes the judge or takes long.
func TestRealFiles(t *testing.T) {
	j := judge(t, Config{})
	unzipped, err := gzip.NewReader(corpora(t, "real-dockerfiles.tar.gz"))
	if err != nil {
		t.Fatal(err)
	}
	var parse, judged, longest time.Duration
	var files, findings int
	for archive := tar.NewReader(unzipped); ; {
		h, err := archive.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if h.Typeflag != tar.TypeReg {
			continue
		}
		data, err := io.ReadAll(archive)
		if err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		f, _ := dockerfile.Parse(h.Name, data, nil)
		middle := time.Now()
		r := j.Reading([]*dockerfile.File{f})
		parse += middle.Sub(start)
		judged += time.Since(middle)
		longest = max(longest, time.Since(start))
		files++
		findings += len(r.Findings)
		for _, x := range r.Findings {
			if x.Position.Line < 1 || x.Position.Line > f.Lines {
				t.Errorf("%s: %s at line %d of %d", h.Name, x.Rule, x.Position.Line, f.Lines)
			}
		}
	}
	n := time.Duration(max(files, 1))
	t.Logf("%d files, %d findings: reading %s a file, judging %s a file, longest %s", files, findings, parse/n, judged/n, longest)
	if (parse+judged)/n > 20*time.Millisecond {
		t.Error("a file takes more than 20 ms on average")
	}
}
