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
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

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

// otherwise are the public cases that we judge another way on purpose.
var otherwise = map[string]string{
	"checkov-CKV_DOCKER_10-31":             "the relative WORKDIR follows an absolute one, so its place is certain; BuildKit says so too",
	"buildkit-testAllTargetUnmarshal-01":   "was built with a target, so that the other stage was not looked at; all stages are judged here",
	"buildkit-testLegacyKeyValueFormat-03": "the same",
}

// uncovered are rules of others that none of ours has.
var uncovered = map[string]string{
	"InvalidDefinitionDescription": "experimental: about comments only",
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
				if !implemented(j, c.Rule) && uncovered[c.Rule] == "" {
					t.Errorf("%s: no rule has the alias %s", c.ID, c.Rule)
				}
				f, _ := dockerfile.Parse("Dockerfile", []byte(c.Dockerfile), nil)
				fires := slices.ContainsFunc(j.Judge(f), func(x model.Finding) bool {
					return x.Verdict == model.Fail && slices.Contains(x.Aliases, c.Rule)
				})
				ok := fires == (c.Expect == "fire")
				if why, known := otherwise[c.ID]; known {
					if ok {
						t.Errorf("%s: agrees after all, but is listed: %s", c.ID, why)
					}
					continue
				}
				all[c.Expect]++
				if ok {
					right[c.Expect]++
				} else {
					t.Logf("%s: fires %v, want %s", c.ID, fires, c.Expect)
				}
			}
			for _, side := range []string{"fire", "quiet"} {
				rate := float64(right[side]) / float64(max(all[side], 1))
				t.Logf("must %s: %d of %d", side, right[side], all[side])
				if rate < .98 || all[side] < 20 {
					t.Errorf("must %s: %.3f of %d cases, want .98 of at least 20", side, rate, all[side])
				}
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

// TestBuildKitCases compares, line by line, with what BuildKit's linter says.
// One rule of ours may stand for several of BuildKit: their lines are united.
func TestBuildKitCases(t *testing.T) {
	j := judge(t, Config{})
	lines := bufio.NewScanner(corpora(t, "buildkit_lint_cases.jsonl"))
	lines.Buffer(nil, 1<<22)
	cases, agree, warnings := 0, 0, 0
	for lines.Scan() {
		var c struct {
			ID, Dockerfile string
			Ignore         string            `json:"dockerignore"`
			Attrs          map[string]string `json:"frontend_attrs"`
			Expect         []struct {
				Rule string
				Line int
			} `json:"expect_warnings"`
		}
		if err := json.Unmarshal(lines.Bytes(), &c); err != nil {
			t.Fatal(err)
		}
		if len(c.Attrs) > 0 {
			continue // settings of one build, not of the file
		}
		want := map[string]bool{}
		for _, w := range c.Expect {
			if uncovered[w.Rule] == "" {
				warnings++
				want[fmt.Sprintf("%s line %d", withAlias(t, j, w.Rule), w.Line)] = true
			}
		}
		got := linesLikeBuildKit(t, j, c.Dockerfile, c.Ignore)
		same := cmp.Diff(want, got)
		if why, known := otherwise[c.ID]; known {
			if same == "" {
				t.Errorf("%s: agrees after all, but is listed: %s", c.ID, why)
			}
			continue
		}
		cases++
		if same == "" {
			agree++
		} else {
			t.Errorf("%s: -BuildKit +ours\n%s", c.ID, same)
		}
	}
	t.Logf("%d of %d files agree with BuildKit, %d warnings", agree, cases, warnings)
	if cases < 60 || warnings < 35 {
		t.Errorf("%d files with %d warnings were compared, want more", cases, warnings)
	}
}

// withAlias is the id of the rule that has an alias.
func withAlias(t *testing.T, j *Judge, alias string) string {
	t.Helper()
	for _, r := range j.prog.Rules() {
		if slices.Contains(r.Aliases, alias) {
			return r.ID
		}
	}
	t.Fatalf("no rule has the alias %s", alias)
	return ""
}

// linesLikeBuildKit are the lines on which rules fail that BuildKit has too.
func linesLikeBuildKit(t *testing.T, j *Judge, text, ignore string) map[string]bool {
	t.Helper()
	f, _ := dockerfile.Parse("Dockerfile", []byte(text), nil)
	var err error
	if f.Ignore, err = dockerfile.ParseIgnore(".dockerignore", []byte(ignore)); err != nil {
		t.Fatal(err)
	}
	got := map[string]bool{}
	for _, x := range j.Judge(f) {
		if x.Suppressed == nil && x.Verdict == model.Fail && slices.ContainsFunc(x.Aliases, isBuildKit) {
			got[fmt.Sprintf("%s line %d", x.Rule, x.Position.Line)] = true
		}
	}
	return got
}

// isBuildKit reports whether an alias is a name of BuildKit's linter.
func isBuildKit(alias string) bool {
	return alias != "downloadThenRun" && !strings.ContainsAny(alias, "0123456789-_")
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
	fails, unknowns := map[string]int{}, map[string]int{}
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
			if x.Verdict == model.Unknown {
				unknowns[x.Rule]++
			} else {
				fails[x.Rule]++
			}
			if x.Position.Line < 1 || x.Position.Line > f.Lines {
				t.Errorf("%s: %s at line %d of %d", h.Name, x.Rule, x.Position.Line, f.Lines)
			}
		}
	}
	for _, r := range j.prog.Rules() {
		t.Logf("%s %-28s %6d fail, %5d unknown", r.ID, r.Slug, fails[r.ID], unknowns[r.ID])
	}
	n := time.Duration(max(files, 1))
	t.Logf("%d files, %d findings: reading %s a file, judging %s a file, longest %s", files, findings, parse/n, judged/n, longest)
	if (parse+judged)/n > 20*time.Millisecond {
		t.Error("a file takes more than 20 ms on average")
	}
}
