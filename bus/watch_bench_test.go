package bus_test

import (
	"bytes"
	"context"
	"errors"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/scantling/scantling/bus"
	"github.com/scantling/scantling/rule"
	"github.com/scantling/scantling/rules"
	"github.com/scantling/scantling/runtime/detect"
	"github.com/scantling/scantling/runtime/watch"
	"github.com/scantling/scantling/store"
)

// watched is what detect watch does with the same events on standard input:
// from their bytes until they are durable, and until they were judged by our
// rules and the alerts are recorded.
func watched(b *testing.B, all [][][]byte) (r result) {
	var text bytes.Buffer
	for _, pack := range all {
		text.Write(bytes.Join(pack, []byte("\n")))
		text.WriteByte('\n')
	}
	cat, _ := rule.Load(rules.FS, "rules") // rules that don't load are a matter of their tests
	prog, errs := detect.Compile(detect.FromCatalogue(cat))
	if err := errors.Join(errs...); err != nil {
		b.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	dir := b.TempDir()
	records, err := store.Open(ctx, filepath.Join(dir, "records.db"))
	if err != nil {
		b.Fatal(err)
	}
	defer records.Close()
	l, err := bus.Open(ctx, bus.Config{Dir: filepath.Join(dir, "log")})
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	w, err := watch.New(ctx, l, records, watch.Config{})
	if err != nil {
		b.Fatal(err)
	}
	start, used := time.Now(), processorTime(b)
	ended := make(chan error, 1)
	go func() { ended <- w.Run(ctx, prog, nil) }()
	if err := watch.Pipe(ctx, "stdin", &text, l, watch.TailConfig{}); err != nil {
		b.Fatal(err)
	}
	r.write = time.Since(start)
	for w.Counters().Records < packs*packed {
		time.Sleep(time.Millisecond)
	}
	stop()
	if err := <-ended; err != nil {
		b.Fatal(err)
	}
	r.judged, r.used = time.Since(start), processorTime(b)-used
	if r.alerts = w.Counters().Alerts; r.alerts == 0 || w.Counters().Dead > 0 {
		b.Fatalf("%+v", w.Counters())
	}
	return r
}

// processorTime is what the process has used so far.
func processorTime(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
