package bus_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/scantling/scantling/bus"
	"github.com/scantling/scantling/model"
)

// What one round of BenchmarkIngest writes: packs of events, from some sides
// at once.
const (
	packed   = 64 // events of a pack
	packs    = 2000
	sides    = 16
	rounds   = 3
	ratio    = 0.5 // of ours to the bare server's, at least
	auditLog = "../examples/shop/audit/audit.jsonl"
)

// packsOf makes packs of events of a real API server, 1.4 KB each. The log is
// short, so each copy of it gets audit ids and times of its own, that S2 doesn't
// find one in the other as a whole.
func packsOf(b *testing.B) [][][]byte {
	b.Helper()
	text, err := os.ReadFile(auditLog)
	if err != nil {
		b.Fatal(err)
	}
	lines := bytes.Split(bytes.TrimSpace(text), []byte("\n"))
	id, stamp := []byte(`"auditID":"`), []byte(`Timestamp":"2026`)
	all := make([][][]byte, packs)
	n := 0
	for i := range all {
		for range packed {
			line := bytes.Clone(lines[n%len(lines)])
			if at := bytes.Index(line, id); at >= 0 {
				copy(line[at+len(id):], fmt.Sprintf("%08x-%04x", uint32(n)*2654435761, uint16(n*40503)))
			}
			for rest := line; ; {
				at := bytes.Index(rest, stamp)
				if at < 0 {
					break
				}
				rest = rest[at+len(stamp):]
				if rest[len("-01-01T10:00:00")] == '.' { // else it has whole seconds
					copy(rest[len("-01-01T10:"):], fmt.Sprintf("%02d:%02d.%06d", n/60000%60, n/1000%60, n*7919%1000000))
				}
			}
			all[i] = append(all[i], line)
			n++
		}
	}
	return all
}

// BenchmarkIngest appends real audit events durably, in turns with the same
// server bare: packs of 64 in one message each, from as many sides, compressed
// by nobody, or by the server. It reads them back too. In the same turns detect
// watch takes them from standard input.
func BenchmarkIngest(b *testing.B) {
	all := packsOf(b)
	size := 0
	for _, pack := range all {
		for _, r := range pack {
			size += len(r)
		}
	}
	ways := []struct {
		name string
		run  func(*testing.B, [][][]byte) result
	}{
		{"bare", func(b *testing.B, all [][][]byte) result { return bare(b, all, jetstream.NoCompression) }},
		{"bare S2", func(b *testing.B, all [][][]byte) result { return bare(b, all, jetstream.S2Compression) }},
		{"ours, 1 partition", func(b *testing.B, all [][][]byte) result { return ours(b, all, 1) }},
		{"ours, 8 partitions", func(b *testing.B, all [][][]byte) result { return ours(b, all, 8) }},
	}
	for b.Loop() {
		sum, live := make([]result, len(ways)), result{}
		for range rounds {
			for i, w := range ways {
				r := w.run(b, all)
				sum[i].write += r.write
				sum[i].read += r.read
				sum[i].stored += r.stored
			}
			r := watched(b, all)
			live.write, live.judged, live.used, live.alerts = live.write+r.write, live.judged+r.judged, live.used+r.used, live.alerts+r.alerts
		}
		events := float64(rounds * packs * packed)
		fmt.Printf("%d events of %d bytes, %d a pack, %d rounds\n", packs*packed, size/packs/packed, packed, rounds)
		for i, w := range ways {
			fmt.Printf("%-20s %8.0f events/s durable, %5.2f of bare; %8.0f events/s read; %4d bytes stored an event\n", w.name,
				events/sum[i].write.Seconds(), sum[0].write.Seconds()/sum[i].write.Seconds(), events/sum[i].read.Seconds(), int(float64(sum[i].stored)/events))
		}
		fmt.Printf("%-20s %8.0f events/s durable, %5.2f of bare; %8.0f events/s judged and alerts recorded, %5.2f of bare; %.1f µs of processor an event, %.1f%% alerts\n",
			"detect watch -", events/live.write.Seconds(), sum[0].write.Seconds()/live.write.Seconds(), events/live.judged.Seconds(),
			sum[0].write.Seconds()/live.judged.Seconds(), float64(live.used.Microseconds())/events, 100*float64(live.alerts)/events)
		if got := sum[0].write.Seconds() / live.write.Seconds(); got < ratio {
			b.Errorf("detect watch: durable at %.2f of bare, at least %.2f is due", got, ratio)
		}
		for i := 2; i < len(ways); i++ {
			if got := sum[0].write.Seconds() / sum[i].write.Seconds(); got < ratio {
				b.Errorf("%s: %.2f of bare, at least %.2f is due", ways[i].name, got, ratio)
			}
		}
	}
}

type result struct {
	write, read time.Duration
	stored      uint64

	judged, used time.Duration // until alerts were recorded; of processors
	alerts       uint64
}

// fromSides calls f with every number below packs.
func fromSides(f func(i int)) {
	var next atomic.Int64
	var wait sync.WaitGroup
	for range sides {
		wait.Go(func() {
			for i := next.Add(1) - 1; i < packs; i = next.Add(1) - 1 {
				f(int(i))
			}
		})
	}
	wait.Wait()
}

func ours(b *testing.B, all [][][]byte, partitions int) (r result) {
	ctx := context.Background()
	l, err := bus.Open(ctx, bus.Config{Dir: b.TempDir(), Partitions: partitions})
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	start := time.Now()
	fromSides(func(i int) {
		batch := model.Batch{ID: fmt.Sprint(i), Kind: "kubernetes-audit", Stream: fmt.Sprint(i % sides), Records: all[i], Received: start}
		if err := l.Append(ctx, []model.Batch{batch}); err != nil {
			b.Error(err)
		}
	})
	r.write = time.Since(start)
	start = time.Now()
	records := 0
	for p := range partitions {
		if err := l.Replay(ctx, p, 0, func(batch model.Batch) error { records += len(batch.Records); return nil }); err != nil {
			b.Fatal(err)
		}
		st, err := l.Stats(ctx, p)
		if err != nil {
			b.Fatal(err)
		}
		r.stored += st.Bytes
	}
	r.read = time.Since(start)
	if records != packs*packed {
		b.Fatalf("%d records of %d", records, packs*packed)
	}
	return r
}

func bare(b *testing.B, all [][][]byte, compression jetstream.StoreCompression) (r result) {
	ctx := context.Background()
	s, err := server.NewServer(&server.Options{DontListen: true, NoSigs: true, JetStream: true, StoreDir: b.TempDir(), SyncAlways: true})
	if err != nil {
		b.Fatal(err)
	}
	s.Start()
	defer func() { s.Shutdown(); s.WaitForShutdown() }()
	conn, err := nats.Connect("", nats.InProcessServer(s))
	if err != nil {
		b.Fatal(err)
	}
	defer conn.Close()
	js, err := jetstream.New(conn)
	if err != nil {
		b.Fatal(err)
	}
	stream, err := js.CreateStream(ctx, jetstream.StreamConfig{Name: "s", Subjects: []string{"s"}, MaxBytes: bus.DefaultBytes, Compression: compression})
	if err != nil {
		b.Fatal(err)
	}
	start := time.Now()
	fromSides(func(i int) {
		if _, err := js.Publish(ctx, "s", bytes.Join(all[i], []byte("\n"))); err != nil {
			b.Error(err)
		}
	})
	r.write = time.Since(start)
	start = time.Now()
	consumer, err := stream.OrderedConsumer(ctx, jetstream.OrderedConsumerConfig{})
	if err != nil {
		b.Fatal(err)
	}
	messages, err := consumer.Messages(jetstream.PullMaxMessagesWithBytesLimit(64, 16<<20))
	if err != nil {
		b.Fatal(err)
	}
	for range packs {
		m, err := messages.Next()
		if err != nil {
			b.Fatal(err)
		}
		bytes.Split(m.Data(), []byte("\n"))
	}
	messages.Stop()
	r.read = time.Since(start)
	info, err := stream.Info(ctx)
	if err != nil {
		b.Fatal(err)
	}
	r.stored = info.State.Bytes
	return r
}
