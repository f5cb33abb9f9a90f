package bus

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/scantling/scantling/model"
)

func lines(t *testing.T, l *Log) (got []string) {
	t.Helper()
	for p := range l.Partitions() {
		if err := l.Replay(t.Context(), p, 1, func(b model.Batch) error {
			for _, r := range b.Records {
				got = append(got, string(r[:10]))
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	return got
}

// TestForeignMessage finds messages in a stream that are none.
func TestForeignMessage(t *testing.T) {
	var lost []Loss
	l, err := Open(t.Context(), Config{Dir: t.TempDir(), Partitions: 1, Lost: func(l Loss) { lost = append(lost, l) }})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	put := func(i int) {
		t.Helper()
		b := model.Batch{ID: fmt.Sprint(i), Records: [][]byte{fmt.Appendf(nil, "record %03d", i)}}
		if err := l.Append(t.Context(), []model.Batch{b, b}); err != nil {
			t.Fatal(err)
		}
	}
	put(1)
	if _, err := l.js.Publish(t.Context(), subject(0), []byte("hello")); err != nil {
		t.Fatal(err)
	}
	put(2)
	if got := lines(t, l); len(got) != 2 || len(lost) != 1 || lost[0].From != sequence(2, 0) || lost[0].To != sequence(2, maxBatches-1) {
		t.Errorf("got %v, lost %v", got, lost)
	}
}

// TestDamage changes one byte of a log's file while nobody has it open: what
// can't be read is told, and nothing that is read is wrong.
func TestDamage(t *testing.T) {
	for at := 0; at < 10; at++ {
		dir := t.TempDir()
		var lost []Loss
		cfg := Config{Dir: dir, Partitions: 1, Lost: func(l Loss) { lost = append(lost, l) }}
		l, err := Open(t.Context(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		const all = 50
		for i := range all {
			r := append(fmt.Appendf(nil, "record %03d", i), make([]byte, 300)...)
			if err := l.Append(t.Context(), []model.Batch{{ID: fmt.Sprint(i), Records: [][]byte{r}}}); err != nil {
				t.Fatal(err)
			}
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		files, err := filepath.Glob(filepath.Join(dir, "jetstream", "$G", "streams", "*", "msgs", "*.blk"))
		if err != nil || len(files) != 1 {
			t.Fatal(files, err)
		}
		text, err := os.ReadFile(files[0])
		if err != nil {
			t.Fatal(err)
		}
		text[len(text)*(2*at+1)/20] ^= 0x40
		if err := os.WriteFile(files[0], text, 0o600); err != nil {
			t.Fatal(err)
		}
		if l, err = Open(t.Context(), cfg); err != nil {
			t.Fatal(err)
		}
		before := len(lines(t, l))
		t.Logf("at %d: %d records of %d, lost %v", at, before, all, lost)
		if before < all && len(lost) == 0 {
			t.Error("not told")
		}
		if err := l.Append(t.Context(), []model.Batch{{ID: "new", Records: [][]byte{[]byte("new record")}}}); err != nil {
			t.Error(err)
		}
		if got := lines(t, l); len(got) != before+1 {
			t.Errorf("%d records after one more", len(got))
		}
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	}
}
