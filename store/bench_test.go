//go:build unix

package store_test

import (
	"crypto/sha256"
	"fmt"
	"testing"

	"github.com/scantling/scantling/model"
	"github.com/scantling/scantling/store"
	"github.com/scantling/scantling/store/storetest"
)

// benchRecord is a small record under a key like a digest: 32 bytes in no
// order, which is the hardest for a tree.
func benchRecord(i int) model.Record {
	key := sha256.Sum256(fmt.Append(nil, i))
	return model.Record{Kind: "component", Key: string(key[:]), Version: int64(i), Body: make([]byte, 100)}
}

func BenchmarkSQLite(b *testing.B)   { bench(b, sqliteFile) }
func BenchmarkPostgres(b *testing.B) { bench(b, storetest.Postgres(b).Database) }

// bench gives rows a second: of batches of three sizes, single gets, a scan.
func bench(b *testing.B, fresh func(testing.TB) string) {
	s, err := store.Open(b.Context(), fresh(b))
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	next := 0
	write := func(b *testing.B, size int) {
		writes := make([]model.Write, size)
		for i := range writes {
			writes[i] = model.Write{Record: benchRecord(next)}
			next++
		}
		if err := s.Apply(b.Context(), writes); err != nil {
			b.Fatal(err)
		}
	}
	for next < 200_000 { // so that all is measured over a table of some size
		write(b, 10_000)
	}
	rate := func(b *testing.B, each int) {
		b.ReportMetric(float64(each*b.N)/b.Elapsed().Seconds(), "rows/s")
	}
	for _, size := range []int{1, 100, 10_000} {
		b.Run(fmt.Sprint("apply/", size), func(b *testing.B) {
			for b.Loop() {
				write(b, size)
			}
			rate(b, size)
		})
	}
	b.Run("get", func(b *testing.B) {
		i := 0
		for b.Loop() {
			r := benchRecord(i * 7919 % next)
			if _, found, err := s.Get(b.Context(), r.Kind, r.Key); err != nil || !found {
				b.Fatal(found, err)
			}
			i++
		}
		rate(b, 1)
	})
	b.Run("scan", func(b *testing.B) {
		for b.Loop() {
			n := 0
			for _, err := range s.Scan(b.Context(), "component", "", "") {
				if err != nil {
					b.Fatal(err)
				}
				n++
			}
			if n != next {
				b.Fatal(n, next)
			}
		}
		rate(b, next)
	})
}
