package secret

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// sources are this module's own files, as one text of some 30 MB: the kind of
// text that has the most words like "token" and "secret" in it.
func sources(tb testing.TB) []byte {
	tb.Helper()
	var all []byte
	err := filepath.WalkDir("../..", func(path string, d os.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() || filepath.Ext(path) != ".go" && filepath.Ext(path) != ".md" && filepath.Ext(path) != ".json" {
			return err
		}
		data, err := os.ReadFile(path)
		all = append(all, data...)
		return err
	})
	if err != nil || len(all) < 1<<20 {
		tb.Fatalf("%d bytes of sources: %v", len(all), err)
	}
	return bytes.Repeat(all, 1+(32<<20)/len(all))
}

// BenchmarkScan prints how long a scan takes for each second that gunzip and
// sha256 of the same bytes take, as a reader of layers does both. All of the
// bytes are text, which is the worst case.
func BenchmarkScan(b *testing.B) {
	text := sources(b)
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	_, _ = w.Write(text)
	w.Close()
	var unpack, sum time.Duration
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		if _, err := Scan("src/all.go", bytes.NewReader(text)); err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		start := time.Now()
		r, err := gzip.NewReader(bytes.NewReader(packed.Bytes()))
		if err != nil {
			b.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, r); err != nil {
			b.Fatal(err)
		}
		unpack += time.Since(start)
		start = time.Now()
		sha256.Sum256(text)
		sum += time.Since(start)
		b.StartTimer()
	}
	scan := b.Elapsed().Seconds()
	b.ReportMetric(scan/(unpack+sum).Seconds(), "of-gunzip+sha256")
	b.ReportMetric(float64(len(text))*float64(b.N)/sum.Seconds()/1e6, "sha256-MB/s")
}
