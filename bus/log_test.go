package bus_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/scantling/scantling/bus"
	"github.com/scantling/scantling/model"
)

func open(t *testing.T, cfg bus.Config) *bus.Log {
	t.Helper()
	l, err := bus.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

func add(t *testing.T, l *bus.Log, batches ...model.Batch) {
	t.Helper()
	if err := l.Append(t.Context(), batches); err != nil {
		t.Fatal(err)
	}
}

// batch makes one of a stream whose records name it.
func batch(stream, id string, records ...string) model.Batch {
	b := model.Batch{ID: id, Kind: "kubernetes-audit", Stream: stream, Received: time.Unix(1772000000, 5).UTC()}
	for _, r := range records {
		b.Records = append(b.Records, []byte(r))
	}
	return b
}

// replay reads a whole partition.
func replay(t *testing.T, l *bus.Log, partition int, from uint64) (got []model.Batch) {
	t.Helper()
	if err := l.Replay(t.Context(), partition, from, func(b model.Batch) error {
		got = append(got, b)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return got
}

// texts are the records of all partitions, each with its stream.
func texts(t *testing.T, l *bus.Log) (got []string) {
	t.Helper()
	for p := range l.Partitions() {
		for _, b := range replay(t, l, p, 0) {
			for i, r := range b.Records {
				got = append(got, fmt.Sprintf("%s#%d %s", b.Stream, b.Index+i, r))
			}
		}
	}
	return got
}

var timeless = cmp.Comparer(func(a, b []byte) bool { return bytes.Equal(a, b) })

func TestRoundTrip(t *testing.T) {
	dir := t.TempDir()
	l := open(t, bus.Config{Dir: dir, Partitions: 1})
	first := model.Batch{
		ID: "a", Kind: "cloudtrail", Stream: "trail/1", Key: "k", Index: 7, Received: time.Unix(1772000000, 123456789).UTC(),
		Records: [][]byte{[]byte(`{"a":1}`), {}, bytes.Repeat([]byte("x"), 5000)},
	}
	second := model.Batch{Stream: "s", Records: [][]byte{{0, 1, 2, 255}}}
	add(t, l, first, second, batch("none", "x"))
	first.Sequence, second.Sequence = 1, 2
	want := []model.Batch{first, second}
	if diff := cmp.Diff(want, replay(t, l, 0, 0), timeless); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(want[1:], replay(t, l, 0, 2), timeless); diff != "" {
		t.Errorf("from 2: %s", diff)
	}
	if got := replay(t, l, 0, 3); len(got) > 0 {
		t.Errorf("from the end: %v", got)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	l = open(t, bus.Config{Dir: dir})
	if diff := cmp.Diff(want, replay(t, l, 0, 0), timeless); diff != "" {
		t.Errorf("opened again: %s", diff)
	}
}

// TestOnce appends again what is there already: alone, among others, from
// several sides at once, and after the log was opened anew.
func TestOnce(t *testing.T) {
	dir := t.TempDir()
	l := open(t, bus.Config{Dir: dir, Partitions: 2})
	add(t, l, batch("s", "1", "one"), batch("s", "1", "one"), batch("s", "2", "two"))
	add(t, l, batch("s", "2", "two"), batch("s", "3", "three"))
	var wait sync.WaitGroup
	for range 20 {
		wait.Go(func() {
			if err := l.Append(context.Background(), []model.Batch{batch("s", "4", "four"), batch("s", "1", "one")}); err != nil {
				t.Error(err)
			}
		})
	}
	wait.Wait()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	l = open(t, bus.Config{Dir: dir})
	add(t, l, batch("s", "4", "four"), batch("s", "1", "one"), batch("s", "", "nameless"), batch("s", "", "nameless"))
	want := []string{"s#0 one", "s#0 two", "s#0 three", "s#0 four", "s#0 nameless", "s#0 nameless"}
	if diff := cmp.Diff(want, texts(t, l)); diff != "" {
		t.Error(diff)
	}
}

func TestLargeBatchIsCut(t *testing.T) {
	dir := t.TempDir()
	l := open(t, bus.Config{Dir: dir, Partitions: 1})
	large := batch("s", "large")
	large.Index = 10
	noise := rand.NewChaCha8([32]byte{1})
	for range 5 {
		r := make([]byte, 700<<10)
		noise.Read(r)
		large.Records = append(large.Records, r)
	}
	huge := make([]byte, 6<<20) // the longest, and S2 can do nothing
	noise.Read(huge)
	large.Records = append(large.Records, huge, []byte("last"))
	add(t, l, large)
	add(t, l, large)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	l = open(t, bus.Config{Dir: dir})
	add(t, l, large)
	var records [][]byte
	for _, b := range replay(t, l, 0, 0) {
		if b.ID != "large" || b.Index != 10+len(records) {
			t.Errorf("part %q from %d after %d records", b.ID, b.Index, len(records))
		}
		records = append(records, b.Records...)
	}
	if diff := cmp.Diff(large.Records, records, cmp.Comparer(func(a, b []byte) bool { return bytes.Equal(a, b) })); diff != "" {
		t.Error("records differ")
	}
	for name, b := range map[string]model.Batch{
		"record": {Stream: "s", Records: [][]byte{append(huge, 0)}},
		"name":   {Stream: strings.Repeat("s", 5000), Records: [][]byte{{1}}},
	} {
		if err := l.Append(t.Context(), []model.Batch{b}); !errors.Is(err, bus.ErrTooLarge) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestPartitions(t *testing.T) {
	dir := t.TempDir()
	l := open(t, bus.Config{Dir: dir, Partitions: 5})
	var want []string
	for i := range 40 {
		for j := range 5 {
			b := batch(fmt.Sprintf("stream %d", i), "", fmt.Sprint(j))
			b.Index = j
			add(t, l, b)
		}
	}
	used := 0
	for p := range l.Partitions() {
		next := map[string]int{}
		got := replay(t, l, p, 0)
		for _, b := range got {
			if b.Partition != p || l.Partition(b) != p || b.Index != next[b.Stream] {
				t.Errorf("partition %d: %v, expected index %d", p, b, next[b.Stream])
			}
			next[b.Stream]++
		}
		if len(got) > 0 {
			used++
		}
		want = append(want, make([]string, len(got))...)
	}
	if used != 5 || len(want) != 200 {
		t.Errorf("%d partitions used, %d batches", used, len(want))
	}
	keyed := model.Batch{Stream: "a", Key: "stream 1"}
	if l.Partition(keyed) != l.Partition(model.Batch{Stream: "stream 1"}) {
		t.Error("the key doesn't decide")
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := bus.Open(t.Context(), bus.Config{Dir: dir, Partitions: 6}); !errors.Is(err, bus.ErrPartitions) || !strings.Contains(err.Error(), "it has 5, asked for are 6") {
		t.Errorf("another number: %v", err)
	}
	if l := open(t, bus.Config{Dir: dir}); l.Partitions() != 5 {
		t.Errorf("%d partitions", l.Partitions())
	}
}

// TestFollow reads while others append.
func TestFollow(t *testing.T) {
	l := open(t, bus.Config{Dir: t.TempDir(), Partitions: 1})
	const writers, each = 8, 50
	add(t, l, batch("before", "", "0"))
	ctx, cancel := context.WithCancel(t.Context())
	got := make(chan model.Batch, writers*each+1)
	ended := make(chan error)
	go func() { ended <- l.Read(ctx, 0, 0, func(b model.Batch) error { got <- b; return nil }) }()
	var wait sync.WaitGroup
	for w := range writers {
		wait.Go(func() {
			for i := range each {
				if err := l.Append(context.Background(), []model.Batch{batch(fmt.Sprint(w), "", fmt.Sprint(i))}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wait.Wait()
	next, last := map[string]int{}, uint64(0)
	for range writers*each + 1 {
		select {
		case b := <-got:
			if b.Sequence <= last || string(b.Records[0]) != fmt.Sprint(next[b.Stream]) {
				t.Fatalf("%s of %s at %d, expected %d after %d", b.Records[0], b.Stream, b.Sequence, next[b.Stream], last)
			}
			last = b.Sequence
			next[b.Stream]++
		case <-time.After(20 * time.Second):
			t.Fatal("nothing comes")
		}
	}
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("ended with %v", err)
	}
	stop := errors.New("enough")
	if err := l.Read(t.Context(), 0, last, func(model.Batch) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("yield's error became %v", err)
	}
	go func() { ended <- l.Read(t.Context(), 0, last+1, func(model.Batch) error { return nil }) }()
	time.Sleep(50 * time.Millisecond)
	l.Close()
	if err := <-ended; !errors.Is(err, bus.ErrClosed) {
		t.Errorf("closed: %v", err)
	}
	if err := l.Append(t.Context(), []model.Batch{batch("s", "", "x")}); !errors.Is(err, bus.ErrClosed) {
		t.Errorf("append to a closed log: %v", err)
	}
}

func TestAt(t *testing.T) {
	l := open(t, bus.Config{Dir: t.TempDir(), Partitions: 1})
	at := func(when time.Time) uint64 {
		seq, err := l.At(t.Context(), 0, when)
		if err != nil {
			t.Fatal(err)
		}
		return seq
	}
	begin := time.Now()
	if seq := at(begin); seq != 1 {
		t.Errorf("empty: %d", seq)
	}
	var times []time.Time
	for i := range 9 {
		times = append(times, time.Now())
		add(t, l, batch("s", "", fmt.Sprint(i)))
		time.Sleep(2 * time.Millisecond)
	}
	for i, when := range times {
		got := replay(t, l, 0, at(when))
		if len(got) != 9-i || string(got[0].Records[0]) != fmt.Sprint(i) {
			t.Errorf("time %d: %d batches from %v", i, len(got), got)
		}
	}
	if got := replay(t, l, 0, at(begin.Add(-time.Hour))); len(got) != 9 {
		t.Errorf("from an hour ago: %d", len(got))
	}
	end := at(time.Now().Add(time.Hour))
	if got := replay(t, l, 0, end); len(got) != 0 {
		t.Errorf("from the future: %v", got)
	}
	add(t, l, batch("s", "", "new"))
	if got := replay(t, l, 0, end); len(got) != 1 {
		t.Errorf("what came since: %v", got)
	}
}

// TestRetention fills a partition above its bytes: the oldest goes, is counted,
// and whoever reads from there is told.
func TestRetention(t *testing.T) {
	var lost []bus.Loss
	cfg := bus.Config{Dir: t.TempDir(), Partitions: 1, MaxBytes: 1 << 20, Lost: func(l bus.Loss) { lost = append(lost, l) }}
	l := open(t, cfg)
	noise := rand.NewChaCha8([32]byte{2})
	const all = 40
	for range all {
		r := make([]byte, 60<<10)
		noise.Read(r)
		add(t, l, model.Batch{Stream: "s", Records: [][]byte{r[:30<<10], r[30<<10:]}})
	}
	st, err := l.Stats(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	if st.Records != 2*all || st.Removed == 0 || st.Bytes > 1<<20 || st.Messages*2+st.Removed != 2*all || st.Oldest.IsZero() {
		t.Errorf("%+v", st)
	}
	if got := replay(t, l, 0, 1); uint64(len(got)) != st.Messages {
		t.Errorf("%d batches of %d", len(got), st.Messages)
	}
	if len(lost) != 1 || lost[0].From != 1 || lost[0].To >= st.Next || !strings.Contains(lost[0].Why, "retention") {
		t.Errorf("lost: %v", lost)
	}
	if got := replay(t, l, 0, 0); uint64(len(got)) != st.Messages || len(lost) != 1 {
		t.Errorf("from the oldest: %d batches, lost %v", len(got), lost)
	}
	l.Close()
	cfg.MaxBytes, cfg.Lost = 512<<10, nil
	l = open(t, cfg)
	if after, err := l.Stats(t.Context(), 0); err != nil || after.Bytes > 512<<10 || after.Removed <= st.Removed || after.Records != 2*all {
		t.Errorf("with half the room: %+v %v", after, err)
	}
	var loss *bus.Loss
	if err := l.Replay(t.Context(), 0, 1, func(model.Batch) error { return nil }); !errors.As(err, &loss) || loss.From != 1 {
		t.Errorf("without anybody to tell: %v", err)
	}
	l.Close()
	cfg.MaxAge = 100 * time.Millisecond
	l = open(t, cfg)
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		st, err := l.Stats(t.Context(), 0)
		if err != nil {
			t.Fatal(err)
		}
		if st.Messages == 0 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("nothing ages: %+v", st)
		}
	}
	add(t, l, batch("s", "", "young"))
}

// TestLostWhileReading reads on behind a reader that was slower than retention.
func TestLostWhileReading(t *testing.T) {
	var lost []bus.Loss
	l := open(t, bus.Config{Dir: t.TempDir(), Partitions: 1, MaxBytes: 64 << 20, Lost: func(l bus.Loss) { lost = append(lost, l) }})
	noise := rand.NewChaCha8([32]byte{3})
	fill := func(n int) {
		for range n {
			r := make([]byte, 4<<20)
			noise.Read(r)
			add(t, l, model.Batch{Stream: "s", Records: [][]byte{r}})
		}
	}
	fill(14)
	read := 0
	if err := l.Replay(t.Context(), 0, 0, func(b model.Batch) error {
		if read++; read == 1 {
			fill(20)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	missing := 0
	for _, loss := range lost {
		missing += int(loss.To-loss.From+1) / 4096 // as many as a message has
	}
	if missing == 0 || missing+read != 14 {
		t.Errorf("read %d, lost %v", read, lost)
	}
}

// TestAgedWhileReading replays what ages away behind the messages that were
// read ahead, with nothing after it.
func TestAgedWhileReading(t *testing.T) {
	t.Parallel()
	var lost []bus.Loss
	l := open(t, bus.Config{Dir: t.TempDir(), Partitions: 1, MaxAge: 3 * time.Second, Lost: func(l bus.Loss) { lost = append(lost, l) }})
	noise := rand.NewChaCha8([32]byte{5})
	const all = 14
	for range all {
		r := make([]byte, 4<<20)
		noise.Read(r)
		add(t, l, model.Batch{Stream: "s", Records: [][]byte{r}})
	}
	read := 0
	if err := l.Replay(t.Context(), 0, 0, func(model.Batch) error {
		for read++; read == 1; time.Sleep(20 * time.Millisecond) {
			if st, err := l.Stats(t.Context(), 0); err != nil || st.Messages == 0 {
				return err
			}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if read >= all || len(lost) != 1 || int(lost[0].To-lost[0].From+1)/4096 != all-read {
		t.Errorf("read %d, lost %v", read, lost)
	}
}

func TestLocked(t *testing.T) {
	dir := t.TempDir()
	open(t, bus.Config{Dir: dir})
	_, err := bus.Open(t.Context(), bus.Config{Dir: dir})
	if !errors.Is(err, bus.ErrLocked) || !strings.Contains(err.Error(), dir) {
		t.Errorf("opened twice: %v", err)
	}
}

func TestOwnerOnly(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new", "log")
	l := open(t, bus.Config{Dir: dir})
	add(t, l, batch("s", "", "x"))
	files := 0
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err == nil && info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s: %v", path, info.Mode())
		}
		files++
		return err
	})
	if err != nil || files < 20 {
		t.Error(files, err)
	}
}

// TestNoSocket looks for sockets of this process that listen.
func TestNoSocket(t *testing.T) {
	l := open(t, bus.Config{Dir: t.TempDir()})
	add(t, l, batch("s", "", "x"))
	own := ownSockets(t)
	for _, table := range []string{"/proc/self/net/tcp", "/proc/self/net/tcp6"} {
		text, err := os.ReadFile(table)
		if err != nil {
			t.Skip(err)
		}
		for line := range strings.Lines(string(text)) {
			f := strings.Fields(line)
			if len(f) > 9 && f[3] == "0A" && own["socket:["+f[9]+"]"] {
				t.Errorf("listens: %s", line)
			}
		}
	}
	if c, err := net.DialTimeout("tcp", "127.0.0.1:4222", time.Second); err == nil {
		c.Close()
		t.Log("some other program listens on NATS's port")
	}
}

func ownSockets(t *testing.T) map[string]bool {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Skip(err)
	}
	own := map[string]bool{}
	for _, e := range entries {
		if to, err := os.Readlink("/proc/self/fd/" + e.Name()); err == nil {
			own[to] = true
		}
	}
	return own
}

func TestConfig(t *testing.T) {
	for name, cfg := range map[string]bus.Config{
		"nowhere":           {},
		"both":              {Dir: "x", URL: "nats://localhost"},
		"too many":          {Dir: "x", Partitions: 5000},
		"negative":          {Dir: "x", MaxAge: -1},
		"nobody asked sync": {URL: "nats://127.0.0.1:1"},
		"no server":         {URL: "nats://127.0.0.1:1", Cluster: bus.Cluster{TrustSync: true}},
	} {
		if l, err := bus.Open(t.Context(), cfg); err == nil {
			l.Close()
			t.Errorf("%s: no error", name)
		}
	}
}

// TestAppendGivesUp ends the wait with its context, and the same again is kept
// once.
func TestAppendGivesUp(t *testing.T) {
	l := open(t, bus.Config{Dir: t.TempDir(), Partitions: 1})
	for i := range 200 {
		ctx, cancel := context.WithTimeout(t.Context(), time.Duration(rand.IntN(800))*time.Microsecond)
		b := batch("s", fmt.Sprint(i), fmt.Sprint(i))
		if err := l.Append(ctx, []model.Batch{b}); err != nil && !errors.Is(err, context.DeadlineExceeded) {
			t.Fatal(err)
		}
		cancel()
		add(t, l, b)
	}
	var want []string
	for i := range 200 {
		want = append(want, fmt.Sprintf("s#0 %d", i))
	}
	if diff := cmp.Diff(want, texts(t, l)); diff != "" {
		t.Error(diff)
	}
}
