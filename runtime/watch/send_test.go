package watch_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/scantling/scantling/model"
	"github.com/scantling/scantling/runtime/watch"
)

// sulking is a log that is slow, and fails often after it has kept a part.
type sulking struct {
	appends int
	largest int // bytes of one append
	ids     map[string]bool
	kept    []string
}

func (m *sulking) Append(_ context.Context, batches []model.Batch) error {
	m.appends++
	size := 0
	for i, b := range batches {
		for _, r := range b.Records {
			size += len(r)
		}
		m.largest = max(m.largest, size)
		if m.appends%3 == 1 && i == len(batches)/2 {
			return errors.New("not now")
		}
		if b.ID == "" || m.ids[b.ID] {
			continue
		}
		m.ids[b.ID] = true
		if b.Index != len(m.kept) {
			return fmt.Errorf("batch of record %d after %d records", b.Index, len(m.kept))
		}
		for _, r := range b.Records {
			m.kept = append(m.kept, string(r))
		}
	}
	time.Sleep(20 * time.Millisecond)
	return nil
}

func (m *sulking) Partitions() int { return 1 }
func (m *sulking) Replay(context.Context, int, uint64, func(model.Batch) error) error {
	return nil
}
func (m *sulking) At(context.Context, int, time.Time) (uint64, error) { return 1, nil }

// TestPipeGathers: behind a slow log, what comes meanwhile goes together, each
// record once, in its order, and no more is read ahead than is promised.
func TestPipeGathers(t *testing.T) {
	var text bytes.Buffer
	var want []string
	for i := range 6000 {
		line := fmt.Sprintf(`{"auditID":"%d","pad":"%s"}`, i, strings.Repeat("x", i%4000))
		want = append(want, line)
		fmt.Fprintln(&text, line)
	}
	read := text.Len()
	m := &sulking{ids: map[string]bool{}}
	if err := watch.Pipe(t.Context(), "stdin", &text, m, watch.TailConfig{}); err != nil {
		t.Fatal(err)
	}
	if len(m.kept) != len(want) {
		t.Fatalf("%d records of %d", len(m.kept), len(want))
	}
	for i := range want {
		if m.kept[i] != want[i] {
			t.Fatalf("record %d is another", i)
		}
	}
	chunks := read / (512 << 10)
	if done := m.appends - (m.appends+2)/3; done >= chunks {
		t.Errorf("%d appends for %d chunks", done, chunks)
	}
	if m.largest > 5<<20 {
		t.Errorf("%d bytes in one append", m.largest)
	}
}

// TestPipeStops: a log that takes nothing holds back neither the end, nor more
// than is promised of what is read.
func TestPipeStops(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	endless := &counted{line: []byte(`{"auditID":"1","pad":"` + strings.Repeat("x", 1000) + `"}` + "\n")}
	ended := make(chan error, 1)
	go func() { ended <- watch.Pipe(ctx, "stdin", endless, never{&sulking{}}, watch.TailConfig{}) }()
	time.Sleep(300 * time.Millisecond)
	stop()
	select {
	case err := <-ended:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("it didn't end")
	}
	if n := endless.n.Load(); n > 10<<20 {
		t.Errorf("%d bytes were read ahead", n)
	}
}

// never is a log that takes nothing until its context ends.
type never struct{ *sulking }

func (never) Append(ctx context.Context, _ []model.Batch) error {
	<-ctx.Done()
	return ctx.Err()
}

// counted gives one line for ever.
type counted struct {
	line []byte
	n    atomic.Int64
}

func (c *counted) Read(p []byte) (int, error) {
	n := 0
	for n+len(c.line) <= len(p) {
		n += copy(p[n:], c.line)
	}
	c.n.Add(int64(n))
	return n, nil
}
