package secret

import (
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestNoise searches this module as an image would hold it after COPY . /app:
// sources, documents, manifests, logs and test data without a secret of
// anybody's. Its hits are look-alikes, which tests of other packages made on
// purpose: at most mostNoise of them in a megabyte.
func TestNoise(t *testing.T) {
	const mostNoise = 2
	var s Scanner
	var files, hits int
	var size int64
	err := filepath.WalkDir("../..", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() && strings.HasPrefix(d.Name(), ".git") {
			if d != nil && d.IsDir() && err == nil {
				return fs.SkipDir
			}
			return err
		}
		name := strings.TrimPrefix(filepath.ToSlash(path), "../../")
		if !d.Type().IsRegular() || strings.HasPrefix(name, "dist/") || !s.Begin("app/"+name) {
			return nil
		}
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		defer f.Close()
		n, err := io.Copy(&s, f)
		files, size = files+1, size+n
		for _, h := range s.End().Hits {
			hits++
			t.Logf("%s:%d: %s", name, h.Line, h.Kind)
		}
		return err
	})
	if err != nil || files < 500 {
		t.Fatalf("%d files: %v", files, err)
	}
	if noise := float64(hits) / (float64(size) / 1e6); noise > mostNoise {
		t.Errorf("%d hits in %d files of %d bytes: %.1f in a megabyte, more than %d", hits, files, size, noise, mostNoise)
	}
}
