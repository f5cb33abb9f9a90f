package store_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/scantling/scantling/model"
	"github.com/scantling/scantling/store"
	"github.com/scantling/scantling/store/storetest"
)

// children run in processes of their own.
var children = map[string]storetest.Child{"writer": writeBatches}

func TestMain(m *testing.M) {
	os.Exit(storetest.Main(m, children))
}

// kept is how many batches stay: the one before them is deleted with the next.
const kept = 30

// batch makes the nth batch: one to seven records, of 0 bytes to 20 KiB.
func batch(n int64) []model.Record {
	var records []model.Record
	for i := range n%7 + 1 {
		body := make([]byte, n*i*131%(20<<10))
		for j := range body {
			body[j] = byte(n + i)
		}
		if len(body) == 0 {
			body = nil
		}
		records = append(records, model.Record{Kind: "batch", Key: fmt.Sprintf("%012d/%d", n, i), Version: n, Body: body})
	}
	return records
}

// writeBatches writes the batches that come after the last one it finds, and
// counts them in a record.
func writeBatches(ctx context.Context, folder string, ack func(string)) error {
	s, err := store.Open(ctx, filepath.Join(folder, "x.db"))
	if err != nil {
		return err
	}
	last, found, err := s.Get(ctx, "count", "")
	if err != nil {
		return err
	}
	for n := last.Version + 1; ; n++ {
		count := model.Write{Record: model.Record{Kind: "count", Version: n}, If: model.IfVersion, Was: n - 1}
		if !found {
			count.If, found = model.IfAbsent, true
		}
		writes := []model.Write{count}
		for _, r := range batch(n) {
			writes = append(writes, model.Write{Record: r, If: model.IfAbsent})
		}
		if n > kept {
			for _, r := range batch(n - kept) {
				writes = append(writes, model.Write{Record: r, Delete: true, If: model.IfVersion, Was: n - kept})
			}
		}
		if err := s.Apply(ctx, writes); err != nil {
			return err
		}
		ack(strconv.FormatInt(n, 10))
	}
}

// checkBatches wants exactly the newest batches, each as a whole, and none
// that was acknowledged missing. It returns how many there were; before is
// how many the last check saw.
func checkBatches(t *testing.T, folder string, acked []string, before int64) int64 {
	ctx := t.Context()
	s, err := store.Open(ctx, filepath.Join(folder, "x.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	count, _, err := s.Get(ctx, "count", "")
	if err != nil {
		t.Fatal(err)
	}
	last := int64(0)
	for _, line := range acked {
		n, err := strconv.ParseInt(line, 10, 64)
		if err != nil || n <= last {
			t.Fatalf("%q acknowledged after %d", line, last)
		}
		last = n
	}
	last = max(last, before)
	if count.Version != last && count.Version != last+1 { // one may be written and not yet told
		t.Errorf("%d batches, acknowledged or seen up to %d", count.Version, last)
	}
	var want, got []model.Record
	for n := max(1, count.Version-kept+1); n <= count.Version; n++ {
		want = append(want, batch(n)...)
	}
	for r, err := range s.Scan(ctx, "batch", "", "") {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, r)
	}
	if diff := cmp.Diff(want, got, cmp.Comparer(bytes.Equal)); diff != "" {
		t.Error(diff)
	}
	return count.Version
}

func TestKill(t *testing.T) {
	seen := int64(0)
	storetest.Kill(t, storetest.Killing{Child: "writer", Check: func(t *testing.T, folder string, acked []string) {
		seen = checkBatches(t, folder, acked, seen)
	}})
}
