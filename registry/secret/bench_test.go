//go:build unix

package secret

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"io"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// maxShare is what the search may take for each second of gunzip and sha256
// of the same bytes, as a reader of layers spends them.
const maxShare = 0.3

// sources are this module's own files as one text: in code the words that
// detectors look for are far more frequent than in most of an image.
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
	return all
}

// BenchmarkScan counts processor time, so that other programs on the machine
// don't matter, and takes the best of several rounds. All bytes are text, which
// is the worst case: of a root file system less than a third is.
func BenchmarkScan(b *testing.B) {
	text := sources(b)
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	_, _ = w.Write(text)
	w.Close()
	var scan, unpack, sum time.Duration
	for b.Loop() {
		scan = best(b, func() error {
			_, err := Scan("src/all.go", bytes.NewReader(text))
			return err
		})
		unpack = best(b, func() error {
			r, err := gzip.NewReader(bytes.NewReader(packed.Bytes()))
			if err == nil {
				_, err = io.Copy(io.Discard, r)
			}
			return err
		})
		sum = best(b, func() error {
			sha256.Sum256(text)
			return nil
		})
	}
	rate := func(d time.Duration) float64 { return float64(len(text)) / d.Seconds() / 1e6 }
	share := scan.Seconds() / (unpack + sum).Seconds()
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(rate(scan), "MB/s")
	b.ReportMetric(rate(sum), "sha256-MB/s")
	b.ReportMetric(rate(unpack), "gunzip-MB/s")
	b.ReportMetric(share, "scan/(gunzip+sha256)")
	if share > maxShare {
		b.Errorf("%.2f, more than %.2f", share, maxShare)
	}
}

// best is the least processor time of several rounds.
func best(b *testing.B, run func() error) time.Duration {
	b.Helper()
	least := time.Hour
	for range 5 {
		start := used(b)
		if err := run(); err != nil {
			b.Fatal(err)
		}
		least = min(least, used(b)-start)
	}
	return least
}

func used(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
