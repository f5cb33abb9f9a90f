//go:build amd64

package store_test

import (
	"context"
	"database/sql"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/scantling/scantling/model"
	"github.com/scantling/scantling/store"
	"github.com/scantling/scantling/store/storetest"
)

// TestSync watches the system calls of a process that writes: when Apply
// returns, the log has been written to and synced, and not been written to
// since. Killing a process can't show that.
func TestSync(t *testing.T) {
	log := func(name string) bool { return strings.HasSuffix(name, "-wal") }
	storetest.Synced(t, "applies", "careless", tracedBatches, log)
}

const tracedBatches = 20

func init() {
	children["applies"], children["careless"] = applies, careless
}

// applies writes batches through the store.
func applies(ctx context.Context, folder string, ack func(string)) error {
	s, err := store.Open(ctx, filepath.Join(folder, "x.db"))
	if err != nil {
		return err
	}
	for i := range tracedBatches {
		var writes []model.Write
		for j := range i*i + 1 {
			writes = append(writes, model.Write{Record: model.Record{Kind: "k", Key: fmt.Sprint(i, j), Body: make([]byte, 1000)}})
		}
		if err := s.Apply(ctx, writes); err != nil {
			return err
		}
		ack(fmt.Sprint(i))
	}
	return nil // without Close, which would sync once more
}

// careless writes rows into such a file as SQLite lets others do it.
func careless(ctx context.Context, folder string, ack func(string)) error {
	path := filepath.Join(folder, "x.db")
	s, err := store.Open(ctx, path)
	if err != nil {
		return err
	}
	defer s.Close()
	db, err := sql.Open("sqlite", "file:"+path+"?_pragma=synchronous(NORMAL)")
	if err != nil {
		return err
	}
	for i := range tracedBatches {
		if _, err := db.ExecContext(ctx, "INSERT INTO records VALUES ('k', ?, 1, ?)", []byte{byte(i)}, []byte("x")); err != nil {
			return err
		}
		ack(fmt.Sprint(i))
	}
	return nil
}
