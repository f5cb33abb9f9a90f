//go:build amd64

package bus_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/scantling/scantling/bus"
	"github.com/scantling/scantling/model"
	"github.com/scantling/scantling/store/storetest"
)

// TestSync watches the system calls of a process that appends: when Append
// returns, the streams' files have been written to and synced, and not been
// written to since. Killing a process can't show that.
func TestSync(t *testing.T) {
	blocks := func(name string) bool { return strings.HasSuffix(name, ".blk") }
	storetest.Synced(t, "syncs", "careless", tracedBatches, blocks)
}

const tracedBatches = 20

func init() {
	children["syncs"], children["careless"] = syncs, careless
}

// syncs appends to three partitions, until their files are followed by others.
func syncs(ctx context.Context, folder string, ack func(string)) error {
	l, err := bus.Open(ctx, bus.Config{Dir: folder, Partitions: 3, MaxBytes: 24 << 20})
	if err != nil {
		return err
	}
	noise := rand.NewChaCha8([32]byte{4})
	for i := range tracedBatches {
		var batches []model.Batch
		for j := range i + 1 {
			r := make([]byte, i<<15+1)
			noise.Read(r)
			batches = append(batches, model.Batch{Stream: fmt.Sprint(j), Records: [][]byte{r}})
		}
		if err := l.Append(ctx, batches); err != nil {
			return err
		}
		ack(fmt.Sprint(i))
	}
	return nil // without Close, which would sync once more
}

// careless publishes to such a server with its default setting.
func careless(ctx context.Context, folder string, ack func(string)) error {
	s, err := server.NewServer(&server.Options{DontListen: true, NoSigs: true, JetStream: true, StoreDir: folder})
	if err != nil {
		return err
	}
	s.Start()
	conn, err := nats.Connect("", nats.InProcessServer(s))
	if err != nil {
		return err
	}
	js, err := jetstream.New(conn)
	if err != nil {
		return err
	}
	if _, err := js.CreateStream(ctx, jetstream.StreamConfig{Name: "s", Subjects: []string{"s"}}); err != nil {
		return err
	}
	for i := range tracedBatches {
		if _, err := js.Publish(ctx, "s", []byte("x")); err != nil {
			return err
		}
		ack(fmt.Sprint(i))
	}
	return nil
}
