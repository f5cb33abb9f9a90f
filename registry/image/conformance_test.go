package image_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/scantling/scantling/oci"
	"github.com/scantling/scantling/oci/ocitest"
	"github.com/scantling/scantling/registry/image"
)

// archives finds the images that the module osv-scalibr ships for its tests.
func archives(t *testing.T) string {
	t.Helper()
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/google/osv-scalibr").Output()
	if err != nil {
		t.Skipf("the go command can't find the module with the test images: %v", err)
	}
	dir := filepath.Join(strings.TrimSpace(string(out)), "artifact/image/layerscanning/image/testdata")
	if _, err := os.Stat(dir); err != nil {
		t.Skipf("no test images: %v", err)
	}
	return dir
}

func inventoryOf(t *testing.T, archive string) *image.Inventory {
	t.Helper()
	dir := t.TempDir()
	if err := ocitest.FromArchive(archive, dir, "example/real:1"); err != nil {
		t.Fatal(err)
	}
	images, incomplete, err := oci.Open(context.Background(), dir)
	if err != nil || len(incomplete) > 0 || len(images) != 1 {
		t.Fatalf("%d images, incomplete %v, error %v", len(images), incomplete, err)
	}
	inv, err := (&image.Reader{}).Inventory(context.Background(), images[0])
	if err != nil {
		t.Fatal(err)
	}
	return inv
}

// TestRealAlpine: six layers that add and remove packages of a real system.
func TestRealAlpine(t *testing.T) {
	inv := inventoryOf(t, filepath.Join(archives(t), "alpine-with-packages.tar"))
	var visible []int
	for _, l := range inv.Layers {
		visible = append(visible, l.Visible)
	}
	t.Logf("%s, visible packages after each layer: %v", inv.OS.Name, visible)
	if diff := cmp.Diff([]int{14, 14, 27, 31, 18, 31}, visible); diff != "" {
		t.Errorf("visible packages (-want +got):\n%s", diff)
	}
	if len(inv.Incomplete) > 0 {
		t.Errorf("incomplete: %v", inv.Incomplete)
	}
	brought := map[string]int{}
	for _, p := range inv.Packages {
		brought[p.Layer]++
		if p.Ecosystem != inv.OS.Ecosystem || !strings.HasPrefix(p.PURL, "pkg:apk/alpine/") || p.Source == "" {
			t.Errorf("package %+v", p)
		}
	}
	// Whatever layer four removed is brought again by the last one.
	if brought[inv.Layers[0].DiffID] != 14 || brought[inv.Layers[5].DiffID] != 13 {
		t.Errorf("packages by layer: %v", brought)
	}
}

// TestRealArchives: the other images, attacks by symbolic links among them,
// end without an error and never name a path outside of the image.
func TestRealArchives(t *testing.T) {
	for name, want := range map[string]struct{ packages, incomplete int }{
		"alpine.tar":        {14, 0},
		"delete-file.tar":   {14, 0},
		"recreate-file.tar": {14, 0},
		// Images without a system: nothing is known of them, and that is said.
		"basic.tar":                  {0, 1},
		"symlink-attack.tar":         {0, 1},
		"symlink-cycle.tar":          {0, 1},
		"symlink-depth-exceeded.tar": {0, 1},
	} {
		t.Run(name, func(t *testing.T) {
			inv := inventoryOf(t, filepath.Join(archives(t), name))
			if len(inv.Packages) != want.packages || len(inv.Incomplete) != want.incomplete {
				t.Errorf("%d packages, incomplete %v", len(inv.Packages), inv.Incomplete)
			}
		})
	}
}
