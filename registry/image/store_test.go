package image_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/scantling/scantling/oci"
	"github.com/scantling/scantling/oci/ocitest"
	"github.com/scantling/scantling/registry/image"
	"github.com/scantling/scantling/store"
)

// TestLayersInAStore: what one process kept in an SQLite file, the next one
// finds there, and needs no layer.
func TestLayersInAStore(t *testing.T) {
	dir, file := t.TempDir(), filepath.Join(t.TempDir(), "store.db")
	layer := ocitest.Tar(
		ocitest.Entry{Name: "etc/os-release", Body: "ID=debian\nVERSION_ID=\"12\"\n"},
		ocitest.Entry{Name: "var/lib/dpkg/status.d/a", Body: "Package: a\nVersion: 1\n"},
	)
	over := ocitest.Tar(ocitest.Entry{Name: "var/lib/dpkg/status.d/b", Body: "Package: b\nVersion: 2\n"}, ocitest.Entry{Name: "etc/motd"})
	if _, err := ocitest.Write(dir, ocitest.Image{Layers: [][]byte{layer, over}, Compression: "zstd"}); err != nil {
		t.Fatal(err)
	}
	images, _, err := oci.Open(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	take := func() *image.Inventory {
		keeper, err := store.Open(t.Context(), file)
		if err != nil {
			t.Fatal(err)
		}
		defer keeper.Close()
		inv, err := (&image.Reader{Keeper: keeper, Lost: func(err error) { t.Error(err) }}).Inventory(t.Context(), images[0])
		if err != nil {
			t.Fatal(err)
		}
		return inv
	}
	want := take()
	for _, l := range images[0].Layers {
		if err := os.Remove(filepath.Join(dir, "blobs", strings.Replace(l.Digest, ":", "/", 1))); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(want, take()); diff != "" || len(want.Packages) != 2 || len(want.Incomplete) > 0 {
		t.Errorf("packages %v, incomplete %v (-read +known):\n%s", want.Packages, want.Incomplete, diff)
	}
}
