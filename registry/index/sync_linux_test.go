//go:build amd64

package index_test

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/scantling/scantling/store/storetest"
)

// tracedOperations are enough for several segments.
const tracedOperations = 60

// TestSync watches the system calls of a process that indexes: when an
// operation is over, every segment that it wrote is synced, and so are their
// names.
func TestSync(t *testing.T) {
	segments := func(name string) bool { return strings.Contains(name, "segment-") }
	acks := storetest.Trace(t, "traced indexer", segments)
	wrote := 0
	for i, a := range acks {
		if len(a.Unsynced) > 0 {
			t.Errorf("after operation %d, %v is not synced", i+1, a.Unsynced)
		}
		if a.Syncs >= 2 { // the file, and the folder
			wrote++
		} else if a.Syncs == 1 {
			t.Errorf("after operation %d, a file or its folder is synced without the other", i+1)
		}
	}
	t.Logf("%d operations, %d of them wrote a segment", len(acks), wrote)
	if len(acks) != tracedOperations || wrote < 2 {
		t.Errorf("want %d operations, and segments", tracedOperations)
	}
	// A file that is renamed and synced in no way is seen.
	acks = storetest.Trace(t, "careless renamer", segments)
	if len(acks) != 1 || len(acks[0].Unsynced) != 2 {
		t.Errorf("a careless rename is seen as %v", acks)
	}
}

// traced does some operations and no more.
func traced(ctx context.Context, folder string, ack func(line string)) error {
	o, err := open(ctx, folder)
	if err != nil {
		return err
	}
	s := newSource(killSeed)
	for i := range tracedOperations {
		if err := o.do(ctx, s.op()); err != nil {
			return err
		}
		ack(strconv.Itoa(i))
	}
	return nil
}

// careless leaves a file and its name to luck.
func careless(_ context.Context, folder string, ack func(line string)) error {
	part := filepath.Join(folder, "segment-1.part")
	if err := os.WriteFile(part, []byte("x"), 0o600); err != nil {
		return err
	}
	if err := os.Rename(part, filepath.Join(folder, "segment-1")); err != nil {
		return err
	}
	ack("done")
	return nil
}

func init() { children["traced indexer"], children["careless renamer"] = traced, careless }
