package image

import (
	"os"
	"testing"

	"github.com/scantling/scantling/oci"
)

// BenchmarkRecord decodes, encodes and merges the facts of the image of
// SCANTLING_IMAGE, an archive or a layout.
func BenchmarkRecord(b *testing.B) {
	path := os.Getenv("SCANTLING_IMAGE")
	if path == "" {
		b.Skip("SCANTLING_IMAGE is not set to an image")
	}
	images, _, err := oci.Open(b.Context(), path)
	if err != nil || len(images) != 1 {
		b.Fatalf("%d images, error %v", len(images), err)
	}
	var all []*facts
	var records [][]byte
	stored, plain, entries := 0, 0, 0
	for _, l := range images[0].Layers {
		f, err := (&Reader{}).layer(b.Context(), l)
		if err != nil {
			b.Fatal(err)
		}
		record, err := encodeFacts("", f)
		if err != nil {
			b.Fatal(err)
		}
		all, records = append(all, f), append(records, record)
		stored, plain, entries = stored+len(record), plain+len(body(f)), entries+len(f.entries)
		b.Logf("cost %d, %d entries, %d bytes, stored %d", f.cost, len(f.entries), len(body(f)), len(record))
	}
	b.Run("encode", func(b *testing.B) {
		for b.Loop() {
			for _, f := range all {
				if _, err := encodeFacts("", f); err != nil {
					b.Fatal(err)
				}
			}
		}
	})
	b.Run("decode", func(b *testing.B) {
		for b.Loop() {
			for _, record := range records {
				if _, err := decodeFacts("", record); err != nil {
					b.Fatal(err)
				}
			}
		}
		b.ReportMetric(float64(stored), "stored-bytes")
		b.ReportMetric(float64(plain), "plain-bytes")
	})
	b.Run("merge", func(b *testing.B) {
		for b.Loop() {
			t := newTree()
			for i, f := range all {
				t.apply(i, f)
			}
		}
		b.ReportMetric(float64(entries), "entries")
	})
}
