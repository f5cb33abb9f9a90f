//go:build unix

package cli

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/scantling/scantling/build/dockerfile"
	"github.com/scantling/scantling/config"
	"github.com/scantling/scantling/model"
	"github.com/scantling/scantling/oci"
	"github.com/scantling/scantling/rule"
)

// A pipe that lies where a file is read in passing is never waited for.
func TestPipes(t *testing.T) {
	for name, read := range map[string]func(dir string){
		"scantling.yaml":         func(dir string) { _, _ = config.Load(dir) },
		".dockerignore":          func(dir string) { _, _ = dockerfile.Read(t.Context(), filepath.Join(dir, "Dockerfile"), nil) },
		"build/B901-x/rule.yaml": func(dir string) { rule.Load(os.DirFS(dir), dir) },
		"log": func(dir string) {
			a := &app{IO: IO{In: strings.NewReader(""), Out: io.Discard, Err: io.Discard}, quiet: true}
			c := &config.Config{Logs: []config.Log{{Kind: "kubernetes-audit", Path: "log"}}}
			if err := (&reader{app: a, dir: dir, config: c, rules: &rule.Catalogue{}}).runtime(t.Context()); err != nil {
				t.Error(err)
			}
		},
		"x.tar": func(dir string) { _, _, _ = oci.Open(t.Context(), filepath.Join(dir, "x.tar")) },
	} {
		t.Run(filepath.Base(name), func(t *testing.T) {
			dir := t.TempDir()
			if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(dir, "Dockerfile"), []byte("FROM debian:13\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := syscall.Mkfifo(filepath.Join(dir, name), 0o600); err != nil {
				t.Skip(err)
			}
			done := make(chan struct{})
			go func() { read(dir); close(done) }()
			select {
			case <-done:
			case <-time.After(5 * time.Second):
				t.Fatal("it waits for the pipe")
			}
		})
	}
}

// A pipe whose name says that it is an input is told.
func TestPipesAreTold(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"Dockerfile", "web.yaml", "readme"} {
		if err := syscall.Mkfifo(filepath.Join(dir, name), 0o600); err != nil {
			t.Skip(err)
		}
	}
	f, err := discover(t.Context(), dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	want := []model.Incomplete{
		{What: filepath.Join(dir, "Dockerfile"), Why: "not a regular file: not read"},
		{What: filepath.Join(dir, "web.yaml"), Why: "not a regular file: not read"},
	}
	if diff := cmp.Diff(want, f.incomplete); diff != "" {
		t.Errorf("want (-), got (+):\n%s", diff)
	}
}

// A layout that lost its index is told.
func TestTornLayout(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "oci-layout"), []byte("{}"), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := discover(t.Context(), dir, nil)
	if err != nil || len(f.incomplete) != 1 || f.incomplete[0].What != dir {
		t.Errorf("%+v, %v", f.incomplete, err)
	}
}
