package store

import (
	"context"
	"database/sql"
	"fmt"
	"os"

	"github.com/scantling/scantling/model"
)

// statements are those that write. One that changes no row when it should
// have is a condition that didn't hold.
type statements struct {
	put, putIfAbsent, putIfVersion, del, delIfVersion, absent *sql.Stmt
}

func (s *statements) prepare(ctx context.Context, db *sql.DB) error {
	for _, p := range []struct {
		into **sql.Stmt
		text string
	}{
		{&s.put, "INSERT INTO records (kind, key, version, body) VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET version = excluded.version, body = excluded.body"},
		{&s.putIfAbsent, "INSERT INTO records (kind, key, version, body) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING"},
		{&s.putIfVersion, "UPDATE records SET version = ?, body = ? WHERE kind = ? AND key = ? AND version = ?"},
		{&s.del, "DELETE FROM records WHERE kind = ? AND key = ?"},
		{&s.delIfVersion, "DELETE FROM records WHERE kind = ? AND key = ? AND version = ?"},
		{&s.absent, "SELECT count(*) FROM records WHERE kind = ? AND key = ?"},
	} {
		var err error
		if *p.into, err = db.PrepareContext(ctx, p.text); err != nil {
			return err
		}
	}
	return nil
}

func (d *sqliteDB) apply(ctx context.Context, writes []model.Write) error {
	deepen(len(writes))
	err := d.transact(ctx, writes)
	if err != nil && ctx.Err() != nil {
		return ctx.Err() // which the errors of a transaction cut short don't say
	}
	return d.explain(err)
}

func (d *sqliteDB) transact(ctx context.Context, writes []model.Write) error {
	tx, err := d.write.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	for _, w := range writes {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := d.stmts.one(tx, w); err != nil {
			return err
		}
	}
	if err := tx.Commit(); err != nil {
		return err
	}
	d.checkpoint()
	return nil
}

// one makes one write. It runs without a context: watching one costs a
// goroutine per statement.
func (s *statements) one(tx *sql.Tx, w model.Write) error {
	body := w.Body
	if body == nil {
		body = []byte{} // nil would be NULL
	}
	key := []byte(w.Key)
	switch {
	case w.Delete && w.If == model.IfAbsent:
		var n int
		if err := tx.Stmt(s.absent).QueryRow(w.Kind, key).Scan(&n); err != nil {
			return err
		}
		if n > 0 {
			return conflict(w)
		}
		return nil
	case w.Delete && w.If == model.IfVersion:
		return changed(w)(tx.Stmt(s.delIfVersion).Exec(w.Kind, key, w.Was))
	case w.Delete:
		_, err := tx.Stmt(s.del).Exec(w.Kind, key)
		return err
	case w.If == model.IfAbsent:
		return changed(w)(tx.Stmt(s.putIfAbsent).Exec(w.Kind, key, w.Version, body))
	case w.If == model.IfVersion:
		return changed(w)(tx.Stmt(s.putIfVersion).Exec(w.Version, body, w.Kind, key, w.Was))
	}
	_, err := tx.Stmt(s.put).Exec(w.Kind, key, w.Version, body)
	return err
}

// changed turns a statement that changed no row into a conflict.
func changed(w model.Write) func(sql.Result, error) error {
	return func(res sql.Result, err error) error {
		if err != nil {
			return err
		}
		n, err := res.RowsAffected()
		if err == nil && n == 0 {
			return conflict(w)
		}
		return err
	}
}

// checkpoint empties the log when it has grown beyond its bound, which is when
// readers came one after another, or one stayed, and SQLite's own checkpoints
// couldn't start it over. It waits for them, but briefly: the next write tries
// again. What goes wrong here goes wrong again in that write, and is told there.
func (d *sqliteDB) checkpoint() {
	if info, err := os.Stat(d.path + "-wal"); err != nil || info.Size() <= walBytes {
		return
	}
	ctx := context.Background()
	c, err := d.write.Conn(ctx)
	if err != nil {
		return
	}
	defer c.Close()
	for _, text := range []string{
		fmt.Sprintf("PRAGMA busy_timeout = %d", checkpointWait.Milliseconds()),
		"PRAGMA wal_checkpoint(TRUNCATE)",
		fmt.Sprintf("PRAGMA busy_timeout = %d", busyWait.Milliseconds()),
	} {
		_, _ = c.ExecContext(ctx, text)
	}
}
