package dockerfile

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
)

type sample struct {
	name string
	data []byte
}

// realDockerfiles reads the public Dockerfiles of the corpora; it skips the
// test where they are absent.
func realDockerfiles(t testing.TB) []sample {
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

// TestRealDockerfiles: no public Dockerfile crashes the reader, every place is
// inside its file, what BuildKit can read is read, and nearly every RUN is
// understood as commands.
func TestRealDockerfiles(t *testing.T) {
	samples := realDockerfiles(t)
	var ours, theirs time.Duration
	var runs, unread, refused, disagree int
	for _, s := range samples {
		start := time.Now()
		f, err := Parse(s.name, s.data, nil)
		ours += time.Since(start)
		start = time.Now()
		stages, buildKitErr := buildKit(s.data)
		theirs += time.Since(start)
		inside(t, f)
		if err != nil {
			refused++
		}
		if buildKitErr == nil && stages != len(f.Stages) {
			disagree++
			t.Errorf("%s: %d stages, BuildKit reads %d", s.name, len(f.Stages), stages)
		}
		if buildKitErr != nil && err == nil {
			disagree++
			t.Errorf("%s: no problem, BuildKit says %v", s.name, buildKitErr)
		}
		for _, st := range f.Stages {
			for _, in := range st.Instructions {
				if in.Kind != "RUN" {
					continue
				}
				runs++
				if in.Run.Unread != "" {
					unread++
				}
			}
		}
	}
	n := time.Duration(max(len(samples), 1))
	t.Logf("%d files, %d with problems, %d disagreements with BuildKit; %d of %d RUN not read; %s a file, BuildKit's parser alone %s (ratio %.1f)",
		len(samples), refused, disagree, unread, runs, ours/n, theirs/n, float64(ours)/float64(theirs))
	if share := float64(runs-unread) / float64(max(runs, 1)); share < .998 {
		t.Errorf("%.4f of RUN instructions are read, want .998", share)
	}
}

func buildKit(data []byte) (int, error) {
	result, err := parser.Parse(bytes.NewReader(data))
	if err != nil {
		return 0, err
	}
	stages, _, err := instructions.Parse(result.AST, nil)
	return len(stages), err
}

// BenchmarkParse reports the ratio to BuildKit's own parser and instructions
// on the same bytes, in the same run.
func BenchmarkParse(b *testing.B) {
	samples := realDockerfiles(b)
	samples = samples[:min(len(samples), 500)]
	var theirs time.Duration
	for b.Loop() {
		for _, s := range samples {
			_, _ = Parse(s.name, s.data, nil)
		}
		b.StopTimer()
		start := time.Now()
		for _, s := range samples {
			_, _ = buildKit(s.data)
		}
		theirs += time.Since(start)
		b.StartTimer()
	}
	files := float64(b.N * len(samples))
	b.ReportMetric(float64(b.Elapsed().Microseconds())/files, "µs/file")
	b.ReportMetric(float64(theirs.Microseconds())/files, "buildkit-µs/file")
	b.ReportMetric(float64(b.Elapsed())/float64(theirs), "ratio")
}
