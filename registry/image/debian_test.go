package image_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/scantling/scantling/oci"
	"github.com/scantling/scantling/oci/ocitest"
	"github.com/scantling/scantling/registry/image"
)

// TestRealDebian builds a Debian root with mmdebstrap and compares the
// inventory with what the system's own dpkg-query says of it. It needs both
// tools, a mirror, and SCANTLING_MMDEBSTRAP set to a suite ("bookworm").
func TestRealDebian(t *testing.T) {
	suite := os.Getenv("SCANTLING_MMDEBSTRAP")
	if suite == "" {
		t.Skip("SCANTLING_MMDEBSTRAP is not set to a suite: no Debian root is built")
	}
	for _, tool := range []string{"mmdebstrap", "dpkg-query", "tar"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("%s is not installed", tool)
		}
	}
	dir := t.TempDir()
	archive := filepath.Join(dir, "root.tar")
	if out, err := exec.Command("mmdebstrap", "--variant=essential", suite, archive).CombinedOutput(); err != nil {
		t.Fatalf("mmdebstrap: %v\n%s", err, out)
	}
	root := filepath.Join(dir, "admin")
	if err := os.Mkdir(root, 0o755); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("tar", "-xf", archive, "-C", root, "./var/lib/dpkg").CombinedOutput(); err != nil {
		t.Fatalf("tar: %v\n%s", err, out)
	}
	out, err := exec.Command("dpkg-query", "--admindir="+filepath.Join(root, "var/lib/dpkg"), "-W",
		"-f", "${Package} ${Version} ${Architecture} ${source:Package} ${source:Version}\n").Output()
	if err != nil {
		t.Fatal(err)
	}
	layer, err := os.ReadFile(archive)
	if err != nil {
		t.Fatal(err)
	}
	layoutDir := filepath.Join(dir, "layout")
	if _, err := ocitest.Write(layoutDir, ocitest.Image{Layers: [][]byte{layer}, Compression: "gzip"}); err != nil {
		t.Fatal(err)
	}
	images, _, err := oci.Open(context.Background(), layoutDir)
	if err != nil {
		t.Fatal(err)
	}
	inv, err := (&image.Reader{}).Inventory(context.Background(), images[0])
	if err != nil {
		t.Fatal(err)
	}
	var got string
	for _, p := range inv.Packages {
		got += p.Name + " " + p.Version + " " + p.Arch + " " + p.Source + " " + p.SourceVersion + "\n"
	}
	t.Logf("%d packages of %s, incomplete %v", len(inv.Packages), inv.OS.Name, inv.Incomplete)
	if diff := cmp.Diff(string(out), got); diff != "" {
		t.Errorf("packages (-dpkg-query +inventory):\n%s", diff)
	}
}
