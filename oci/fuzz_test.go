package oci_test

import (
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/scantling/scantling/oci"
	"github.com/scantling/scantling/oci/ocitest"
)

// FuzzArchive: whatever the bytes are, Open ends, and every layer of an image
// that it returns is whole or ends with an error.
func FuzzArchive(f *testing.F) {
	dir := f.TempDir()
	if _, err := ocitest.Write(dir, web); err != nil {
		f.Fatal(err)
	}
	packed, err := ocitest.Pack(dir)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(packed)
	f.Add(ocitest.Saved(web))
	f.Add(ocitest.Compress(ocitest.Saved(web), "gzip"))
	f.Add(ocitest.Compress(packed, "zstd"))
	for name, tc := range brokenArchives {
		if name != "bomb" && name != "too many members" && name != "huge manifest" { // too large to vary
			f.Add(tc.data())
		}
	}
	path := filepath.Join(dir, "fuzz.tar")
	f.Fuzz(func(t *testing.T, data []byte) {
		if err := os.WriteFile(path, data, 0o644); err != nil {
			t.Fatal(err)
		}
		oci.IsArchive(path)
		images, _, err := oci.Open(t.Context(), path)
		if err != nil && len(images) > 0 {
			t.Errorf("%d images beside the error %v", len(images), err)
		}
		for _, i := range images {
			for _, l := range i.Layers {
				stream, err := l.Open()
				if err != nil {
					continue
				}
				got, err := io.ReadAll(io.LimitReader(stream, 1<<20))
				stream.Close()
				if err == nil && len(got) < 1<<20 && ocitest.Digest(got) != l.DiffID {
					t.Errorf("a layer of %d bytes ends without an error, and is not %s", len(got), l.DiffID)
				}
			}
		}
	})
}
