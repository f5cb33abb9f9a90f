package ingest_test

import (
	"context"
	"strings"
	"testing"

	"github.com/scantling/scantling/model"
	"github.com/scantling/scantling/runtime/ingest"
)

// BenchmarkRead reads lines of each kind: bytes and records a second.
func BenchmarkRead(b *testing.B) {
	for name, line := range map[string]string{
		"audit":      record("1", "Request", "system:serviceaccount:shop:web", "create", pods, `,"requestObject":{"a":"`+strings.Repeat("x", 1200)+`"}`+ok),
		"cloudtrail": packed(cloudtrail),
		"cri":        "2026-03-01T10:00:00.5Z stdout F " + strings.Repeat("x", 200),
		"syslog":     syslogLine,
		"falco":      packed(falco),
		"gke":        packed(gke),
	} {
		b.Run(name, func(b *testing.B) {
			log := strings.Repeat(line+"\n", 1000)
			b.SetBytes(int64(len(log)))
			n := 0
			for b.Loop() {
				if _, err := ingest.Read(context.Background(), "log", strings.NewReader(log), ingest.Config{}, func(model.Event) error {
					n++
					return nil
				}); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "events/s")
		})
	}
}
