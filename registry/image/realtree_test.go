package image_test

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/scantling/scantling/oci"
	"github.com/scantling/scantling/oci/ocitest"
	"github.com/scantling/scantling/registry/image"
)

// inventoryOfTree takes the inventory of one folder as an image of one layer.
// Entries are archived as tar has them, links among them.
func inventoryOfTree(t *testing.T, root string, paths ...string) *image.Inventory {
	t.Helper()
	layer, err := exec.Command("tar", append([]string{"-C", root, "-c"}, paths...)...).Output()
	if err != nil {
		t.Fatalf("tar: %v", err)
	}
	dir := t.TempDir()
	if _, err := ocitest.Write(dir, ocitest.Image{Layers: [][]byte{layer}}); err != nil {
		t.Fatal(err)
	}
	images, _, err := oci.Open(context.Background(), dir)
	if err != nil {
		t.Fatal(err)
	}
	inv, err := (&image.Reader{}).Inventory(context.Background(), images[0])
	if err != nil {
		t.Fatal(err)
	}
	return inv
}

// TestRealNPM compares a folder in which npm has installed packages with
// npm's own record of them, node_modules/.package-lock.json. It needs
// SCANTLING_NPM set to such a folder.
func TestRealNPM(t *testing.T) {
	root := os.Getenv("SCANTLING_NPM")
	if root == "" {
		t.Skip("SCANTLING_NPM is not set to a folder with node_modules")
	}
	data, err := os.ReadFile(filepath.Join(root, "node_modules/.package-lock.json"))
	if err != nil {
		t.Fatal(err)
	}
	var lock struct {
		Packages map[string]struct {
			Name, Version string
			Link          bool
		} `json:"packages"`
	}
	if err := json.Unmarshal(data, &lock); err != nil {
		t.Fatal(err)
	}
	var want, got []string
	for path, p := range lock.Packages {
		if path == "" || p.Link {
			continue
		}
		if p.Name == "" {
			p.Name = path[strings.LastIndex(path, "node_modules/")+len("node_modules/"):]
		}
		want = append(want, p.Name+" "+p.Version+" /"+path+"/package.json")
	}
	inv := inventoryOfTree(t, root, ".")
	for _, p := range inv.Packages {
		got = append(got, p.Name+" "+p.Version+" "+p.Path)
	}
	slices.Sort(want)
	slices.Sort(got)
	t.Logf("%d packages, incomplete %v", len(got), inv.Incomplete)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("packages (-npm +inventory):\n%s", diff)
	}
}

// TestRealPython compares a folder of site-packages with what Python itself
// says of it (importlib.metadata). It needs python3, and SCANTLING_PYTHON set
// to such a folder.
func TestRealPython(t *testing.T) {
	root := os.Getenv("SCANTLING_PYTHON")
	if root == "" {
		t.Skip("SCANTLING_PYTHON is not set to a folder of site-packages")
	}
	const script = `import sys, importlib.metadata as m
for d in m.distributions(path=[sys.argv[1]]): print(d.metadata["Name"], d.version)`
	out, err := exec.Command("python3", "-c", script, root).Output()
	if err != nil {
		t.Fatal(err)
	}
	want := strings.Split(strings.TrimSpace(string(out)), "\n")
	var got []string
	inv := inventoryOfTree(t, root, ".")
	for _, p := range inv.Packages {
		if p.Ecosystem == "PyPI" && strings.Count(p.Path, "/") <= 2 {
			got = append(got, p.Name+" "+p.Version)
		}
	}
	slices.Sort(want)
	slices.Sort(got)
	t.Logf("%d packages, incomplete %v", len(got), inv.Incomplete)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("packages (-Python +inventory):\n%s", diff)
	}
}

// TestRealOwned takes what lies below /usr and dpkg's database of the Debian
// system that the test runs on: no file of a Debian package may count as one
// of a language. It needs SCANTLING_OWNED to be set.
func TestRealOwned(t *testing.T) {
	if os.Getenv("SCANTLING_OWNED") == "" {
		t.Skip("SCANTLING_OWNED is not set: the system's own files are not read")
	}
	var there []string
	for _, path := range []string{"etc/os-release", "usr/lib/os-release", "var/lib/dpkg/status", "var/lib/dpkg/info", "usr/lib/python3", "usr/lib/jvm", "usr/share/java", "usr/share/nodejs", "usr/share/maven-repo", "usr/lib/ruby", "usr/share/rubygems-integration", "var/lib/gems"} {
		if _, err := os.Lstat("/" + path); err == nil {
			there = append(there, path)
		}
	}
	inv := inventoryOfTree(t, "/", there...)
	seen := map[string]int{}
	for _, p := range inv.Packages {
		seen[p.Ecosystem]++
		if p.Ecosystem == inv.OS.Ecosystem {
			continue
		}
		if out, err := exec.Command("dpkg", "-S", p.Path).Output(); err == nil {
			t.Errorf("%s %s counts, and belongs to %s", p.Name, p.Version, out)
		}
	}
	t.Logf("packages %v, incomplete %v", seen, inv.Incomplete)
}
