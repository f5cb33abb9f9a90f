package store

import (
	"bytes"
	"context"
	"database/sql"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/scantling/scantling/model"
)

func openFile(t *testing.T, path string) *sqliteDB {
	t.Helper()
	d, err := openSQLite(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.close(); err != nil {
			t.Error(err)
		}
	})
	return d
}

// TestPragmas looks at every connection of both pools.
func TestPragmas(t *testing.T) {
	d := openFile(t, filepath.Join(t.TempDir(), "x.db"))
	for name, pool := range map[string]struct {
		db        *sql.DB
		most      int
		queryOnly string
	}{"writer": {d.write, 1, "0"}, "reader": {d.read, readers, "1"}} {
		if got := pool.db.Stats().MaxOpenConnections; got != pool.most {
			t.Errorf("%s: at most %d connections, want %d", name, got, pool.most)
		}
		for range pool.most { // held, so that each is another one
			c, err := pool.db.Conn(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			got := map[string]string{}
			want := map[string]string{
				"journal_mode": "wal", "synchronous": "2", "foreign_keys": "1", "busy_timeout": "10000",
				"wal_autocheckpoint": "4000", "journal_size_limit": "67108864", "query_only": pool.queryOnly,
			}
			for pragma := range want {
				var value string
				if err := c.QueryRowContext(t.Context(), "PRAGMA "+pragma).Scan(&value); err != nil {
					t.Fatal(err)
				}
				got[pragma] = value
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", name, diff)
			}
		}
	}
}

func TestFileModes(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "data", "deep")
	path := filepath.Join(folder, "x.db")
	d := openFile(t, path)
	if err := d.apply(t.Context(), []model.Write{{Record: model.Record{Kind: "k"}}}); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]os.FileMode{filepath.Dir(folder): 0o700, folder: 0o700, path: 0o600, path + "-wal": 0o600, path + "-shm": 0o600} {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if got := info.Mode().Perm(); got != want {
			t.Errorf("%s has mode %o, want %o", filepath.Base(path), got, want)
		}
	}
}

// TestRefused: files that aren't ours or can't be are left as they are.
func TestRefused(t *testing.T) {
	statement := func(text string) func(path string) error {
		return func(path string) error {
			db, err := sql.Open("sqlite", path)
			if err != nil {
				return err
			}
			defer db.Close()
			_, err = db.Exec(text)
			return err
		}
	}
	for name, c := range map[string]struct {
		make func(path string) error
		want string
	}{
		"newer":           {statement("PRAGMA application_id = 1935896180; PRAGMA user_version = 99; CREATE TABLE records (x)"), "version 99, and this release of scantling knows versions up to 1"},
		"another program": {statement("CREATE TABLE records (x)"), "SQLite database of another program"},
		"another's mark":  {statement("PRAGMA application_id = 7"), "SQLite database of another program"},
		"no database":     {func(path string) error { return os.WriteFile(path, []byte(strings.Repeat("text ", 1000)), 0o600) }, "is no SQLite database"},
		"a folder":        {func(path string) error { return os.Mkdir(path, 0o700) }, "unable to open database file"},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "x.db")
			if err := c.make(path); err != nil {
				t.Fatal(err)
			}
			before, _ := os.ReadFile(path)
			_, err := Open(t.Context(), path)
			if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), path) {
				t.Errorf("error %v, want %q and the path", err, c.want)
			}
			if after, _ := os.ReadFile(path); string(after) != string(before) {
				t.Error("the file has changed")
			}
		})
	}
}

func TestOpenErrors(t *testing.T) {
	for dsn, want := range map[string]string{
		"":                               "no path and no URL",
		"mysql://u:secret@host/x":        "mysql is no kind of database known here",
		"postgres://u:sec ret@h:port/%x": "percent-encoded",
		"postgres://u:secret@127.0.0.1:1/x?connect_timeout=2": "database \"x\" of PostgreSQL at 127.0.0.1:1",
	} {
		_, err := Open(t.Context(), dsn)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "secret") || strings.Contains(err.Error(), "sec ret") {
			t.Errorf("%q: error %v, want %q", dsn, err, want)
		}
	}
}

// TestLocked: who waits too long for another process learns what for.
func TestLocked(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.db")
	holder, d := openFile(t, path), openFile(t, path)
	tx, err := holder.write.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	batch := []model.Write{{Record: model.Record{Kind: "k"}}}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := d.apply(ctx, batch); err != context.DeadlineExceeded {
		t.Errorf("with a deadline: %v", err)
	}
	if _, err := d.write.Exec("PRAGMA busy_timeout = 50"); err != nil { // instead of 10 s
		t.Fatal(err)
	}
	if err := d.apply(t.Context(), batch); err == nil || !strings.Contains(err.Error(), "another process has held the lock") {
		t.Errorf("without: %v", err)
	}
	if _, _, err := d.get(t.Context(), "k", ""); err != nil { // readers never wait
		t.Error(err)
	}
	if err := tx.Rollback(); err != nil {
		t.Fatal(err)
	}
	if err := d.apply(t.Context(), batch); err != nil {
		t.Errorf("after the lock: %v", err)
	}
}

// TestLogBounded: a reader that stays lets the log grow, but neither stops the
// writer nor outlives its read there.
func TestLogBounded(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.db")
	d := openFile(t, path)
	round := byte(0)
	write := func() int64 {
		t.Helper()
		round++ // SQLite writes no page that stays the same
		var writes []model.Write
		for j := range 100 {
			writes = append(writes, model.Write{Record: model.Record{Kind: "k", Key: string([]byte{byte(j)}), Body: bytes.Repeat([]byte{round}, 100_000)}})
		}
		start := time.Now()
		if err := d.apply(t.Context(), writes); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(start); took > busyWait/2 {
			t.Errorf("a write took %v", took)
		}
		info, err := os.Stat(path + "-wal")
		if err != nil {
			t.Fatal(err)
		}
		return info.Size()
	}
	write()
	reader, err := d.read.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	var rows int
	if err := reader.QueryRow("SELECT count(*) FROM records").Scan(&rows); err != nil { // from here it sees one moment
		t.Fatal(err)
	}
	size := int64(0)
	for range 8 {
		size = write()
	}
	if size <= walBytes {
		t.Fatalf("the log has %d MiB: the reader doesn't hold it", size>>20)
	}
	if err := reader.Rollback(); err != nil {
		t.Fatal(err)
	}
	if size := write(); size > walBytes {
		t.Errorf("the log still has %d MiB", size>>20)
	}
	var wait string
	if err := d.write.QueryRow("PRAGMA busy_timeout").Scan(&wait); err != nil || wait != "10000" {
		t.Errorf("the writer waits %s ms from now on, %v", wait, err)
	}
}
