//go:build unix

package kube

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// A pipe that nobody writes to is named and not waited for.
func TestReadPipe(t *testing.T) {
	dir := t.TempDir()
	pipe := filepath.Join(dir, "pipe.yaml")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Skip(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "a.yaml"), []byte(service("a")), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("pipe.yaml", filepath.Join(dir, "link.yaml")); err != nil {
		t.Fatal(err)
	}
	for name, paths := range map[string][]string{"below a folder": {dir}, "named": {pipe, filepath.Join(dir, "a.yaml")}} {
		t.Run(name, func(t *testing.T) {
			done := make(chan *Snapshot, 1)
			go func() {
				s, _ := Reader{}.Read(t.Context(), "c", paths)
				done <- s
			}()
			select {
			case s := <-done:
				if s == nil || len(s.Objects) != 1 || len(s.Incomplete) == 0 || s.Incomplete[len(s.Incomplete)-1].What != filepath.ToSlash(pipe) {
					t.Errorf("%+v", s)
				}
			case <-time.After(5 * time.Second):
				t.Fatal("it waits for the pipe")
			}
		})
	}
}
