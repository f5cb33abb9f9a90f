package bus_test

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/scantling/scantling/bus"
	"github.com/scantling/scantling/model"
	"github.com/scantling/scantling/store/storetest"
)

// children run in processes of their own.
var children = map[string]storetest.Child{"appender": appends}

func TestMain(m *testing.M) {
	os.Exit(storetest.Main(m, children))
}

// again is how many batches below the newest an appender tries again: more
// than can be under way at once.
const again = 40

// nth makes the nth batch: one to four records, of 0 bytes to 30 KiB, of one
// of seven streams.
func nth(n int) model.Batch {
	b := model.Batch{ID: strconv.Itoa(n), Stream: fmt.Sprint("s", n%7), Index: n}
	for i := range n%4 + 1 {
		r := fmt.Appendf(nil, "%d/%d ", n, i)
		b.Records = append(b.Records, append(r, make([]byte, n*i*97%(30<<10))...))
	}
	return b
}

// appends goes on behind the newest batch that it finds, and first tries again
// those before it, some of which may have been lost.
func appends(ctx context.Context, folder string, ack func(string)) error {
	l, err := bus.Open(ctx, bus.Config{Dir: folder, Partitions: 2})
	if err != nil {
		return err
	}
	newest := -1
	for p := range l.Partitions() {
		if err := l.Replay(ctx, p, 0, func(b model.Batch) error {
			newest = max(newest, b.Index)
			return nil
		}); err != nil {
			return err
		}
	}
	numbers := make(chan int)
	var wait sync.WaitGroup
	failed := make(chan error, 1)
	for range 6 {
		wait.Go(func() {
			for n := range numbers {
				if err := l.Append(ctx, []model.Batch{nth(n)}); err != nil {
					failed <- err
					return
				}
				ack(strconv.Itoa(n))
			}
		})
	}
	for n := max(0, newest-again); ; n++ {
		select {
		case numbers <- n:
		case err := <-failed:
			return err
		}
	}
}

// checkOnce wants every acknowledged batch exactly once and none twice, each
// as it was appended.
func checkOnce(t *testing.T, folder string, acked []string) {
	l, err := bus.Open(t.Context(), bus.Config{Dir: folder, Partitions: 2}) // the first kill may come before there is one
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	seen := map[int]int{}
	for p := range l.Partitions() {
		if err := l.Replay(t.Context(), p, 0, func(b model.Batch) error {
			want := nth(b.Index)
			if b.ID != want.ID || b.Stream != want.Stream || len(b.Records) != len(want.Records) {
				t.Errorf("batch %d is %s of %s, %d records", b.Index, b.ID, b.Stream, len(b.Records))
				return nil
			}
			for i := range want.Records {
				if string(b.Records[i]) != string(want.Records[i]) {
					t.Errorf("record %d of batch %d is another", i, b.Index)
				}
			}
			seen[b.Index]++
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	for n, times := range seen {
		if times != 1 {
			t.Errorf("batch %d is there %d times", n, times)
		}
	}
	for _, line := range acked {
		if n, err := strconv.Atoi(line); err != nil || seen[n] != 1 {
			t.Errorf("batch %q was acknowledged and is there %d times", line, seen[n])
		}
	}
}

// TestKill kills a process that appends. SCANTLING_KILLS says how often.
func TestKill(t *testing.T) {
	kills := 8
	if n, err := strconv.Atoi(os.Getenv("SCANTLING_KILLS")); err == nil {
		kills = n
	}
	storetest.Kill(t, storetest.Killing{Child: "appender", Kills: kills, Work: 400 * time.Millisecond, Check: checkOnce})
}
