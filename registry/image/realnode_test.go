package image_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/scantling/scantling/registry/image"
)

// record reads the one file whose path ends so.
func record(t *testing.T, root, end string) string {
	t.Helper()
	found := ""
	err := filepath.WalkDir(root, func(path string, _ os.DirEntry, err error) error {
		if err == nil && strings.HasSuffix(path, "/"+end) {
			found = path
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(found)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// named lists what a form finds in a lock file: NAME, VERSION.
func named(form, text string) (out []string) {
	for _, m := range regexp.MustCompile(form).FindAllStringSubmatch(text, -1) {
		out = append(out, m[1]+" "+m[2])
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func listed(inv *image.Inventory) (out []string) {
	for _, p := range inv.Packages {
		out = append(out, p.Name+" "+p.Version)
	}
	slices.Sort(out)
	return out
}

// TestRealPnpm compares a tree in which pnpm has installed packages, its store
// among it or not, with pnpm's own record of them: each counts once. It needs
// SCANTLING_PNPM set to such a tree.
func TestRealPnpm(t *testing.T) {
	root := os.Getenv("SCANTLING_PNPM")
	if root == "" {
		t.Skip("SCANTLING_PNPM is not set to a tree with node_modules/.pnpm")
	}
	want := named(`(?m)^  '?(@?[^@\s']+)@([^:'(]+)'?:\n    resolution:`, record(t, root, "node_modules/.pnpm/lock.yaml"))
	entries, err := os.ReadDir(root)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	for range 2 { // whichever of store and project comes first has the files, the other the hard links
		inv := inventoryOfTree(t, root, names...)
		t.Logf("%v: %d packages, incomplete %v", names, len(inv.Packages), inv.Incomplete)
		if diff := cmp.Diff(want, listed(inv)); diff != "" {
			t.Errorf("packages (-pnpm +inventory):\n%s", diff)
		}
		for _, p := range inv.Packages {
			if !strings.Contains(p.Path, "/node_modules/") {
				t.Errorf("%s counts at %s", p.Name, p.Path)
			}
		}
		slices.Reverse(names)
	}
}

// TestRealYarn compares a project with Plug'n'Play and its archives with its
// lock file. It needs SCANTLING_YARN set to such a folder.
func TestRealYarn(t *testing.T) {
	root := os.Getenv("SCANTLING_YARN")
	if root == "" {
		t.Skip("SCANTLING_YARN is not set to a folder with .yarn/cache")
	}
	want := named(`(?m)^  resolution: "(@?[^@"]+)@npm:([^":]+)"`, record(t, root, "yarn.lock"))
	inv := inventoryOfTree(t, root, ".")
	t.Logf("%d packages, incomplete %v", len(inv.Packages), inv.Incomplete)
	if diff := cmp.Diff(want, listed(inv)); diff != "" {
		t.Errorf("packages (-yarn +inventory):\n%s", diff)
	}
}
