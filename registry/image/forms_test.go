package image_test

import (
	"archive/tar"
	"bytes"
	"io"
	"log"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/scantling/scantling/model"
	"github.com/scantling/scantling/oci"
	"github.com/scantling/scantling/oci/ocitest"
	"github.com/scantling/scantling/registry/image"
)

// inventory reads the only image of what was opened.
func inventory(t *testing.T, images []*oci.Image, incomplete []model.Incomplete, err error) *image.Inventory {
	t.Helper()
	if err != nil || len(incomplete) > 0 || len(images) != 1 {
		t.Fatalf("%d images, incomplete %v, error %v", len(images), incomplete, err)
	}
	inv, err := (&image.Reader{}).Inventory(t.Context(), images[0])
	if err != nil {
		t.Fatal(err)
	}
	return inv
}

// push serves the image of a layout from a registry.
func push(t *testing.T, dir string) string {
	t.Helper()
	t.Setenv("HOME", t.TempDir())
	server := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	t.Cleanup(server.Close)
	ref, err := name.ParseReference(strings.TrimPrefix(server.URL, "http://") + "/app:1")
	if err != nil {
		t.Fatal(err)
	}
	index, err := layout.ImageIndexFromPath(dir)
	if err != nil {
		t.Fatal(err)
	}
	list, err := index.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	img, err := index.Image(list.Manifests[0].Digest)
	if err != nil {
		t.Fatal(err)
	}
	if err := remote.Write(ref, img); err != nil {
		t.Fatal(err)
	}
	return ref.String()
}

// unpack applies the layers of an image to a folder.
func unpack(t *testing.T, img *oci.Image) string {
	t.Helper()
	var layers [][]byte
	for _, l := range img.Layers {
		stream, err := l.Open()
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(stream)
		if err != nil {
			t.Fatal(err)
		}
		layers = append(layers, data)
	}
	dir := t.TempDir()
	if err := ocitest.Unpack(dir, layers...); err != nil {
		t.Fatal(err)
	}
	return dir
}

// whereabouts takes away what depends on the form: the image's name, and where
// all is one layer also that.
func whereabouts(inv *image.Inventory, layers bool) ([]image.Package, []model.Incomplete) {
	packages := append([]image.Package{}, inv.Packages...)
	for i := range packages {
		if layers {
			packages[i].Layer = ""
		}
	}
	var incomplete []model.Incomplete
	for _, x := range inv.Incomplete {
		incomplete = append(incomplete, model.Incomplete{What: strings.TrimPrefix(x.What, inv.Name), Why: x.Why})
	}
	return packages, incomplete
}

// TestFormsAgree takes the inventory of real images in every form. All hold
// the same packages, brought by the same layers; a root folder has one layer,
// and its packages are those of the whole image.
func TestFormsAgree(t *testing.T) {
	for name, packages := range map[string]int{
		"alpine-with-packages.tar": 31, "delete-file.tar": 14,
		"basic.tar": 0, "symlink-attack.tar": 0, "symlink-cycle.tar": 0, "symlink-depth-exceeded.tar": 0,
	} {
		t.Run(name, func(t *testing.T) {
			archive := filepath.Join(archives(t), name)
			dir := t.TempDir()
			if err := ocitest.FromArchive(archive, dir, "example/real:1"); err != nil {
				t.Fatal(err)
			}
			images, incomplete, err := oci.Open(t.Context(), dir)
			want := inventory(t, images, incomplete, err)
			if len(want.Packages) != packages {
				t.Fatalf("the layout has %d packages, want %d", len(want.Packages), packages)
			}
			packed, err := ocitest.Pack(dir)
			if err != nil {
				t.Fatal(err)
			}
			how := ""
			if packages == 14 {
				how = "gzip" // of the smaller one, as packing takes a while
			}
			root := unpack(t, images[0])
			for form, open := range map[string]func() ([]*oci.Image, []model.Incomplete, error){
				"docker archive":    func() ([]*oci.Image, []model.Incomplete, error) { return oci.Open(t.Context(), archive) },
				"oci archive":       compressed(t, packed, how),
				"oci archive, zstd": compressed(t, packed, "zstd"),
				"registry": func() ([]*oci.Image, []model.Incomplete, error) {
					got, err := oci.Fetch(t.Context(), push(t, dir), oci.FetchOptions{})
					return got.Images, got.Incomplete, err
				},
			} {
				images, incomplete, err := open()
				got := inventory(t, images, incomplete, err)
				agree(t, form, want, got, false)
				for i, l := range got.Layers {
					if l.DiffID != want.Layers[i].DiffID || l.Visible != want.Layers[i].Visible {
						t.Errorf("%s: layer %d is %+v, want %+v", form, i, l, want.Layers[i])
					}
				}
			}
			if packages == 0 {
				if images, _, err := oci.Open(t.Context(), root); err == nil {
					t.Errorf("a folder that is no root makes %v", images)
				}
				return
			}
			images, incomplete, err = oci.Open(t.Context(), root)
			agree(t, "root", want, inventory(t, images, incomplete, err), true)
		})
	}
}

func compressed(t *testing.T, data []byte, how string) func() ([]*oci.Image, []model.Incomplete, error) {
	return func() ([]*oci.Image, []model.Incomplete, error) {
		path := filepath.Join(t.TempDir(), "image.tar")
		if err := os.WriteFile(path, ocitest.Compress(data, how), 0o644); err != nil {
			t.Fatal(err)
		}
		return oci.Open(t.Context(), path)
	}
}

// agree compares two inventories, where one of them has all in one layer
// without the layers.
func agree(t *testing.T, form string, want, got *image.Inventory, layers bool) {
	t.Helper()
	wantPackages, wantIncomplete := whereabouts(want, layers)
	gotPackages, gotIncomplete := whereabouts(got, layers)
	if diff := cmp.Diff(wantPackages, gotPackages); diff != "" {
		t.Errorf("%s: packages (-layout +%s):\n%s", form, form, diff)
	}
	if diff := cmp.Diff(wantIncomplete, gotIncomplete); diff != "" {
		t.Errorf("%s: incomplete (-layout +%s):\n%s", form, form, diff)
	}
	if want.OS != got.OS {
		t.Errorf("%s: %+v, want %+v", form, got.OS, want.OS)
	}
}

// TestUnread: what the stream of a root folder says it could not read leaves
// the inventory incomplete, and a database of that kind holds nothing.
func TestUnread(t *testing.T) {
	var layer bytes.Buffer
	w := tar.NewWriter(&layer)
	const why = "can't be read: permission denied"
	for _, h := range []tar.Header{
		{Name: "var/lib/dpkg/status", Typeflag: tar.TypeReg, PAXRecords: map[string]string{oci.Unread: why}},
		{Name: "srv/", Typeflag: tar.TypeDir, PAXRecords: map[string]string{oci.Unread: why}},
		{Name: "lib/apk/db/installed", Typeflag: tar.TypeReg},
	} {
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if _, err := ocitest.Write(dir, ocitest.Image{Layers: [][]byte{layer.Bytes()}, Names: []string{"a/b:1"}}); err != nil {
		t.Fatal(err)
	}
	images, incomplete, err := oci.Open(t.Context(), dir)
	inv := inventory(t, images, incomplete, err)
	var got []model.Incomplete
	for _, x := range inv.Incomplete {
		if x.Why == why {
			got = append(got, x)
		}
	}
	at := "a/b:1 layer " + inv.Layers[0].DiffID
	want := []model.Incomplete{{What: at + ` entry "srv/"`, Why: why}, {What: at + ` entry "var/lib/dpkg/status"`, Why: why}}
	if diff := cmp.Diff(want, got); diff != "" || len(inv.Packages) > 0 {
		t.Errorf("packages %v, incomplete (-want +got):\n%s", inv.Packages, diff)
	}
}
