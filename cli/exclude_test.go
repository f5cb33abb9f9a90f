package cli

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/scantling/scantling/config"
)

// TestLeftOut: what is excluded is counted by its pattern, and costs nothing
// else: neither a link that leads nowhere nor a folder that can't be read.
func TestLeftOut(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"Dockerfile", "out/Dockerfile", "out/deep/Dockerfile", "outside/Dockerfile", "x/testdata/a.yaml", "out/.git/Dockerfile"} {
		put(t, dir, name, "FROM scratch\napiVersion: v1\nkind: x\n")
	}
	if err := os.Symlink("nowhere", filepath.Join(dir, "out", "link")); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(dir, "out", "closed"), 0o000); err != nil {
		t.Fatal(err)
	}
	cfg := config.Config{Exclude: []string{"out", "**/testdata", "none", "**/deep"}}
	f, err := discover(t.Context(), dir, cfg.Excluded)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{filepath.Join(dir, "Dockerfile"), filepath.Join(dir, "outside/Dockerfile")}, f.dockerfiles); diff != "" {
		t.Errorf("Dockerfiles (-want +got)\n%s", diff)
	}
	if len(f.incomplete)+len(f.manifests) > 0 {
		t.Errorf("looked at: %v %v", f.incomplete, f.manifests)
	}
	want := []string{"exclude: out leaves out 3 files", "exclude: **/testdata leaves out 1 file", "exclude: none matches nothing", "exclude: **/deep matches nothing"}
	if diff := cmp.Diff(want, f.left.notes(cfg.Exclude)); diff != "" {
		t.Errorf("notes (-want +got)\n%s", diff)
	}
}
