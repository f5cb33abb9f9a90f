// Package peer holds the build stage against BuildKit's own linter, called as
// a library on the same files in the same process. It is a module of its own:
// that linter brings some three hundred packages along, which the main module
// is to stay free of.
package peer

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sort"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/moby/buildkit/client/llb"
	"github.com/moby/buildkit/client/llb/sourceresolver"
	"github.com/moby/buildkit/frontend/dockerfile/dockerfile2llb"
	"github.com/opencontainers/go-digest"

	"github.com/scantling/scantling/build/dockerfile"
	"github.com/scantling/scantling/build/lint"
	"github.com/scantling/scantling/model"
	"github.com/scantling/scantling/rule"
	"github.com/scantling/scantling/rules"
)

// offline answers for every base image with an empty configuration.
type offline struct{}

func (offline) ResolveImageConfig(_ context.Context, ref string, _ sourceresolver.Opt) (string, digest.Digest, []byte, error) {
	return ref, "", []byte("{}"), nil
}

// buildKit returns the warnings of BuildKit's linter, as "Rule line", and
// whether it got to the end of the file.
func buildKit(data []byte) (warnings []string, whole bool) {
	defer func() {
		if recover() != nil {
			whole = false
		}
	}()
	result, err := dockerfile2llb.DockerfileLint(context.Background(), data, dockerfile2llb.ConvertOpt{
		MetaResolver: offline{},
		SourceMap:    &llb.SourceMap{Definition: &llb.Definition{}, Filename: "Dockerfile", Data: data},
	})
	if err != nil || result == nil {
		return nil, false
	}
	for _, w := range result.Warnings {
		line := 0
		if r := w.Location.GetRanges(); len(r) > 0 {
			line = int(r[0].GetStart().GetLine())
		}
		warnings = append(warnings, fmt.Sprintf("%s %d", w.RuleName, line))
	}
	return warnings, result.Error == nil
}

type sample struct {
	name string
	data []byte
}

// samples reads the public Dockerfiles; it skips the test where they are
// absent.
func samples(t testing.TB) []sample {
	t.Helper()
	dir := os.Getenv("SCANTLING_CORPORA")
	if dir == "" {
		dir = filepath.Join("..", "..", "..", "shared", "corpora")
	}
	file, err := os.Open(filepath.Join(dir, "dockerfile", "real-dockerfiles.tar.gz"))
	if err != nil {
		t.Skipf("the public Dockerfiles are absent (SCANTLING_CORPORA): %v", err)
	}
	defer func() { _ = file.Close() }()
	unzipped, err := gzip.NewReader(file)
	if err != nil {
		t.Fatal(err)
	}
	var out []sample
	for archive := tar.NewReader(unzipped); ; {
		h, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return out
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
		out = append(out, sample{h.Name, data})
	}
}

func judge(t testing.TB) (*lint.Judge, *rule.Catalogue) {
	t.Helper()
	cat, errs := rule.Load(rules.FS, "rules")
	j, more := lint.Compile(cat, lint.Config{})
	for _, err := range append(errs, more...) {
		t.Fatal(err)
	}
	return j, cat
}

// ours maps BuildKit's names to the ids of our rules.
func ours(cat *rule.Catalogue) map[string]string {
	out := map[string]string{}
	for _, r := range cat.Stage(model.Build) {
		for _, a := range r.Aliases {
			if a != "downloadThenRun" && !strings.ContainsAny(a, "0123456789-_") {
				out[a] = r.ID
			}
		}
	}
	return out
}

// onPurpose are rules of ours that differ from BuildKit's.
var onPurpose = map[string]string{
	"B105": "values that are flags, addresses, paths or fingerprints are no secrets; passwords in addresses are",
	"B150": "BuildKit asks the base image, which is empty here",
}

// TestAgreement: on every public Dockerfile that BuildKit's linter reads to
// the end, the rules that both have name the same lines. What is unknown
// without the base image, which BuildKit takes to be empty here, doesn't count.
func TestAgreement(t *testing.T) {
	j, cat := judge(t)
	names := ours(cat)
	more, fewer := map[string]int{}, map[string]int{}
	files, agree, lines := 0, 0, 0
	for _, s := range samples(t) {
		warnings, whole := buildKit(s.data)
		if !whole {
			continue
		}
		want, got := map[string]bool{}, map[string]bool{}
		for _, w := range warnings {
			name, line, _ := strings.Cut(w, " ")
			if id, ok := names[name]; ok && onPurpose[id] == "" {
				want[id+" "+line] = true
			}
		}
		f, _ := dockerfile.Parse("Dockerfile", s.data, nil)
		for _, x := range j.Judge(f) {
			key := fmt.Sprintf("%s %d", x.Rule, x.Position.Line)
			if onPurpose[x.Rule] != "" {
				continue
			}
			if x.Verdict == model.Unknown {
				delete(want, key)
			}
			if x.Verdict == model.Fail && x.Suppressed == nil && slices.ContainsFunc(x.Aliases, func(a string) bool { return names[a] == x.Rule }) {
				got[key] = true
			}
		}
		files++
		lines += len(want)
		same := true
		for _, key := range union(want, got) {
			id, _, _ := strings.Cut(key, " ")
			switch {
			case !want[key]:
				more[id]++
			case !got[key]:
				fewer[id]++
			default:
				continue
			}
			same = false
			if more[id]+fewer[id] <= 5 {
				t.Logf("%s: %s: BuildKit %v, ours %v", s.name, key, want[key], got[key])
			}
		}
		if same {
			agree++
		}
	}
	for _, id := range union(boolean(more), boolean(fewer)) {
		t.Logf("%s: %d lines that BuildKit has not, %d that only BuildKit has", id, more[id], fewer[id])
	}
	t.Logf("%d of %d files agree on %d lines", agree, files, lines)
	if files < 4000 || float64(agree) < .995*float64(files) {
		t.Errorf("%d of %d files agree, want .995 of at least 4000", agree, files)
	}
}

func boolean(m map[string]int) map[string]bool {
	out := map[string]bool{}
	for k := range m {
		out[k] = true
	}
	return out
}

func union(a, b map[string]bool) []string {
	var out []string
	for _, m := range []map[string]bool{a, b} {
		for k := range m {
			if !slices.Contains(out, k) {
				out = append(out, k)
			}
		}
	}
	sort.Strings(out)
	return out
}

// BenchmarkLint reports the processor time of reading and judging a file by
// the default rules, and its ratio to BuildKit's linter on the same files in
// the same run. Processor time, garbage collection included, is what a busy
// machine changes least.
func BenchmarkLint(b *testing.B) {
	_, cat := judge(b)
	cat, err := cat.Select("")
	if err != nil {
		b.Fatal(err)
	}
	j, _ := lint.Compile(cat, lint.Config{})
	list := samples(b)
	list = list[:min(len(list), 2000)]
	var mine, theirs time.Duration
	for b.Loop() {
		mine += spent(func() {
			for _, s := range list {
				f, _ := dockerfile.Parse(s.name, s.data, nil)
				j.Reading([]*dockerfile.File{f})
			}
		})
		theirs += spent(func() {
			for _, s := range list {
				_, _ = buildKit(s.data)
			}
		})
	}
	n := float64(b.N * len(list))
	b.ReportMetric(float64(mine.Microseconds())/n, "µs/file")
	b.ReportMetric(float64(theirs.Microseconds())/n, "buildkit-µs/file")
	b.ReportMetric(float64(mine)/float64(theirs), "ratio")
}

// spent is the processor time of the process while fn runs and its garbage is
// collected.
func spent(fn func()) time.Duration {
	before := processor()
	fn()
	runtime.GC()
	return processor() - before
}

func processor() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
