package image_test

import (
	"compress/gzip"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/scantling/scantling/oci"
	"github.com/scantling/scantling/oci/ocitest"
	"github.com/scantling/scantling/registry/image"
	"github.com/scantling/scantling/store"
)

// benchImage is the image of SCANTLING_IMAGE (an archive or a layout), else
// one like a common one: a base of 150 packages and 9,000 entries, 1,000 of
// them links, and five layers above it with 11,000.
func benchImage(b *testing.B) *oci.Image {
	b.Helper()
	path := os.Getenv("SCANTLING_IMAGE")
	if path == "" {
		path = b.TempDir()
		if _, err := ocitest.Write(path, ocitest.Image{Layers: benchLayers(), Compression: "gzip"}); err != nil {
			b.Fatal(err)
		}
	}
	images, incomplete, err := oci.Open(b.Context(), path)
	if err != nil || len(incomplete) > 0 || len(images) != 1 {
		b.Fatalf("%d images, incomplete %v, error %v", len(images), incomplete, err)
	}
	return images[0]
}

func benchLayers() [][]byte {
	rng := rand.New(rand.NewPCG(7, 8))
	content := func() string { // as well compressible as common files are
		var out strings.Builder
		for range rng.IntN(400) {
			fmt.Fprintf(&out, "%x the quick brown fox %d\n", rng.Uint64(), rng.IntN(1000))
		}
		return out.String()
	}
	status := func(packages int, version string) string {
		var out strings.Builder
		for i := range packages {
			fmt.Fprintf(&out, "Package: lib%d\nStatus: install ok installed\nArchitecture: amd64\nSource: src%d\nVersion: %s.%d-1\nDescription: %s\n\n", i, i/2, version, i, strings.Repeat("words ", 40))
		}
		return out.String()
	}
	folder := func(at string, files, links int) (out []ocitest.Entry) {
		out = append(out, ocitest.Entry{Name: at + "/"})
		for i := range files {
			out = append(out, ocitest.Entry{Name: fmt.Sprintf("%s/file%d.dat", at, i), Body: content()})
		}
		for i := range links {
			out = append(out, ocitest.Entry{Name: fmt.Sprintf("%s/lib%d.so", at, i), Type: '2', Link: fmt.Sprintf("lib%d.so.1", i)})
		}
		return out
	}
	base := []ocitest.Entry{
		{Name: "bin", Type: '2', Link: "usr/bin"},
		{Name: "lib", Type: '2', Link: "usr/lib"},
		{Name: "etc/os-release", Body: "ID=debian\nVERSION_ID=\"12\"\n"},
		{Name: "var/lib/dpkg/status", Body: status(150, "1")},
	}
	for i := range 500 {
		base = append(base, folder(fmt.Sprintf("usr/share/doc/lib%d", i), 14, 2)...)
	}
	var python, node, site []ocitest.Entry
	for i := range 200 {
		python = append(python, folder(fmt.Sprintf("usr/lib/python3/pkg%d", i), 15, 0)...)
		python = append(python, ocitest.Entry{Name: fmt.Sprintf("lib/python3/pkg%d-1.0.dist-info/METADATA", i), Body: fmt.Sprintf("Name: pkg%d\nVersion: 1.0\n", i)})
	}
	for i := range 400 {
		node = append(node, folder(fmt.Sprintf("app/node_modules/p%d/lib", i), 10, 0)...)
		node = append(node, ocitest.Entry{Name: fmt.Sprintf("app/node_modules/p%d/package.json", i), Body: fmt.Sprintf(`{"name":"p%d","version":"1.2.%d"}`, i, i)})
	}
	for i := range 30 {
		site = append(site, folder(fmt.Sprintf("srv/www/%d", i), 100, 0)...)
	}
	return [][]byte{
		ocitest.Tar(base...), ocitest.Tar(append(python, ocitest.Entry{Name: "var/lib/dpkg/status", Body: status(180, "1")})...), ocitest.Tar(node...), ocitest.Tar(site...),
		ocitest.Tar(ocitest.Entry{Name: "usr/share/doc/.wh.lib7"}, ocitest.Entry{Name: "srv/www/7/.wh..wh..opq"}), ocitest.Tar(ocitest.Entry{Name: "app/main.js", Body: "x"}),
	}
}

// BenchmarkCold takes the inventory of an image that nothing is known of. The
// ratio is its time over that of decompressing and hashing the same layers one
// after the other with the standard library.
func BenchmarkCold(b *testing.B) {
	img := benchImage(b)
	start := time.Now()
	for _, l := range img.Layers {
		gunzip(b, img.Path, l)
	}
	limit := time.Since(start)
	for b.Loop() {
		take(b, &image.Reader{}, img)
	}
	b.ReportMetric(b.Elapsed().Seconds()/float64(b.N)/limit.Seconds(), "of-gunzip+sha256")
}

// gunzip decompresses a layer of a layout and hashes both of its forms; that
// of an archive is read as it is.
func gunzip(b *testing.B, dir string, layer oci.Layer) {
	b.Helper()
	file, err := os.Open(filepath.Join(dir, "blobs", strings.Replace(layer.Digest, ":", "/", 1)))
	if err != nil {
		b.Skipf("the limit is measured on layouts: %v", err)
	}
	defer file.Close()
	stored, plain := sha256.New(), sha256.New()
	r, err := gzip.NewReader(io.TeeReader(file, stored))
	if err != nil {
		b.Fatal(err)
	}
	if _, err := io.Copy(plain, r); err != nil {
		b.Fatal(err)
	}
}

func take(b *testing.B, r *image.Reader, img *oci.Image) *image.Inventory {
	b.Helper()
	inv, err := r.Inventory(context.Background(), img)
	if err != nil {
		b.Fatal(err)
	}
	return inv
}

// BenchmarkKnown takes the inventory of an image whose layers are known: from
// memory, and from a store in an SQLite file.
func BenchmarkKnown(b *testing.B) {
	img := benchImage(b)
	keeper, err := store.Open(b.Context(), filepath.Join(b.TempDir(), "store.db"))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { keeper.Close() })
	lost := func(err error) { b.Error(err) }
	warm := &image.Reader{Keeper: keeper, Lost: lost}
	b.Logf("%d packages", len(take(b, warm, img).Packages))
	b.Run("memory", func(b *testing.B) {
		for b.Loop() {
			take(b, warm, img)
		}
	})
	b.Run("SQLite", func(b *testing.B) {
		for b.Loop() {
			take(b, &image.Reader{Keeper: keeper, Lost: lost}, img)
		}
	})
}
