package dockerfile

import (
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/scantling/scantling/model"
)

func TestFind(t *testing.T) {
	fsys := fstest.MapFS{}
	for _, name := range []string{
		"Dockerfile", "Containerfile", "a/api.Dockerfile", "a/Dockerfile.dev", "a/x.Containerfile", "a/Containerfile.x.y",
		"Dockerfile.dockerignore", ".Dockerfile", "Dockerfile.", "dockerfile", "MyDockerfile", "a/Dockerfiles", ".git/Dockerfile",
		"node_modules/x/Dockerfile", "a/node_modules/Dockerfile", ".github/Dockerfile", "Dockerfile2/readme",
	} {
		fsys[name] = &fstest.MapFile{Data: []byte("FROM scratch\n")}
	}
	deep := strings.Repeat("d/", MaxDepth+1) + "Dockerfile"
	fsys[deep] = &fstest.MapFile{}
	fsys["pipe/Dockerfile"] = &fstest.MapFile{Mode: fs.ModeNamedPipe}
	got, missed := Find(context.Background(), fsys)
	want := []string{
		".github/Dockerfile", "Containerfile", "Dockerfile", "a/Containerfile.x.y", "a/Dockerfile.dev", "a/api.Dockerfile", "a/x.Containerfile",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
	if len(missed) != 2 || !strings.Contains(missed[0].Why, "deeper than") || missed[1] != (model.Incomplete{What: "pipe/Dockerfile", Why: "not a regular file"}) {
		t.Errorf("missed %v, want the folder that is too deep, and the pipe", missed)
	}
}

func TestReadDirStaysInside(t *testing.T) {
	dir, outside := t.TempDir(), t.TempDir()
	write := func(name, text string) {
		t.Helper()
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write(filepath.Join(outside, "Dockerfile"), "FROM secret")
	write(filepath.Join(dir, "Dockerfile"), "FROM a")
	write(filepath.Join(dir, "b", "Dockerfile"), "RUNN")
	for to, at := range map[string]string{
		filepath.Join(outside, "Dockerfile"): "Dockerfile.out", outside: "linked", "Dockerfile": "Dockerfile.in", "loop.Dockerfile": "loop.Dockerfile",
	} {
		if err := os.Symlink(to, filepath.Join(dir, at)); err != nil {
			t.Skip("links cannot be made here")
		}
	}
	files, missed, err := ReadDir(context.Background(), dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, f := range files {
		names = append(names, strings.TrimPrefix(f.Name, filepath.ToSlash(dir)+"/"))
	}
	if d := cmp.Diff([]string{"Dockerfile", "Dockerfile.in", "b/Dockerfile"}, names); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
	if files[2].Err() == nil {
		t.Error("the broken file has no problem")
	}
	if len(missed) != 2 {
		t.Errorf("missed %v, want the link out and the loop", missed)
	}
	for _, f := range files {
		if len(f.Stages) > 0 && strings.Contains(f.Stages[0].Original, "secret") {
			t.Errorf("%s was read from outside", f.Name)
		}
	}
}

func TestRead(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "any.name")
	if err := os.WriteFile(name, []byte("FROM a:1\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	f, err := Read(context.Background(), name, nil)
	if err != nil || f.Final().Base.Ref.Tag != "1" {
		t.Errorf("got %v, %v", f, err)
	}
	for _, bad := range []string{dir, filepath.Join(dir, "none")} {
		if f, err := Read(context.Background(), bad, nil); err == nil || f != nil {
			t.Errorf("%s: got %v, %v; want an error alone", bad, f, err)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := Read(ctx, name, nil); err == nil {
		t.Error("a cancelled read succeeded")
	}
}
