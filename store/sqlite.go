package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"modernc.org/sqlite" // also registers the driver
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/scantling/scantling/model"
)

const (
	// busyWait is how long a statement waits for the lock of another process.
	busyWait = 10 * time.Second
	// walPages is after how many pages of 4 KiB in the write-ahead log they
	// are copied into the database.
	walPages = 4000
	// walBytes is what the log may reach while readers keep it from starting
	// over; then the writer waits for them.
	walBytes = 64 << 20
	// checkpointWait is for how long at a time.
	checkpointWait = 100 * time.Millisecond
	// applicationID marks an SQLite file as ours: "scnt".
	applicationID = 0x73636e74
)

// readers is how many connections read at the same time. Each takes 300 KB.
var readers = min(4, max(2, runtime.GOMAXPROCS(0)))

// sqliteDB is one SQLite file. Writes go one after another over a connection
// of their own, because SQLite has one writer at a time anyway.
type sqliteDB struct {
	path   string
	write  *sql.DB
	read   *sql.DB
	stmts  statements
	getOne *sql.Stmt
}

// openSQLite opens or creates the file at path.
func openSQLite(ctx context.Context, path string) (_ *sqliteDB, err error) {
	deepen(len(path))
	path, err = filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	if err := create(path); err != nil {
		return nil, err
	}
	d := &sqliteDB{path: path}
	defer func() {
		if err != nil {
			err = errors.Join(d.explain(err), d.close())
		}
	}()
	if d.write, err = sql.Open("sqlite", dataSource(path, "_txlock=immediate")); err != nil {
		return nil, err
	}
	d.write.SetMaxOpenConns(1)
	if err := d.migrate(ctx); err != nil {
		return nil, err
	}
	if d.read, err = sql.Open("sqlite", dataSource(path, "_pragma=query_only(1)")); err != nil {
		return nil, err
	}
	d.read.SetMaxOpenConns(readers)
	d.read.SetMaxIdleConns(readers)
	if d.getOne, err = d.read.PrepareContext(ctx, "SELECT version, body FROM records WHERE kind = ? AND key = ?"); err != nil {
		return nil, err
	}
	return d, d.stmts.prepare(ctx, d.write)
}

// dataSource names a file and what holds for each of its connections.
func dataSource(path, more string) string {
	u := url.URL{Scheme: "file", Path: filepath.ToSlash(path)}
	return u.String() + "?_pragma=busy_timeout(" + fmt.Sprint(busyWait.Milliseconds()) + ")" +
		"&_pragma=synchronous(FULL)&_pragma=foreign_keys(1)&_pragma=cache_size(-16384)" +
		"&_pragma=wal_autocheckpoint(" + fmt.Sprint(walPages) + ")&_pragma=journal_size_limit(" + fmt.Sprint(walBytes) + ")" +
		"&_dqs=0&_error_rc=1&" + more
}

// create makes the file, readable by its owner alone, and the folders above
// it, and lets their names reach the disk. It never opens a file that is
// there: closing it again would drop the locks that this process has on it.
func create(path string) error {
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	return errors.Join(syncFolder(dir), syncFolder(filepath.Dir(dir)))
}

// migrate brings the schema up to date, and refuses files that aren't ours.
func (d *sqliteDB) migrate(ctx context.Context) error {
	todo, err := steps("sqlite")
	if err != nil {
		return err
	}
	version, err := identify(ctx, d.write)
	if err != nil {
		return err
	}
	if version > len(todo) {
		return newer(version, len(todo))
	}
	var mode string
	if err := d.write.QueryRowContext(ctx, "PRAGMA journal_mode = WAL").Scan(&mode); err != nil {
		return err
	}
	if mode != "wal" {
		return fmt.Errorf("its folder can't hold a write-ahead log: the journal stays in mode %q", mode)
	}
	if version == len(todo) {
		return nil
	}
	tx, err := d.write.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	if version, err = identify(ctx, tx); err != nil { // another process may have been faster
		return err
	}
	if version > len(todo) {
		return newer(version, len(todo))
	}
	for _, text := range todo[version:] {
		if _, err := tx.ExecContext(ctx, text); err != nil {
			return err
		}
	}
	mark := fmt.Sprintf("PRAGMA application_id = %d; PRAGMA user_version = %d", applicationID, len(todo))
	if _, err := tx.ExecContext(ctx, mark); err != nil {
		return err
	}
	return tx.Commit()
}

// identify returns the version of the schema, 0 of an empty file.
func identify(ctx context.Context, db interface {
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
},
) (int, error) {
	var app, version, tables int
	err := db.QueryRowContext(ctx, `SELECT (SELECT application_id FROM pragma_application_id),
		(SELECT user_version FROM pragma_user_version), (SELECT count(*) FROM sqlite_schema)`).Scan(&app, &version, &tables)
	if err != nil {
		return 0, err
	}
	if app != applicationID && (app != 0 || version != 0 || tables != 0) {
		return 0, errors.New("it is an SQLite database of another program")
	}
	return version, nil
}

func (d *sqliteDB) close() error {
	var errs []error
	for _, db := range []*sql.DB{d.read, d.write} { // the last to close empties the log
		if db != nil {
			errs = append(errs, db.Close())
		}
	}
	return errors.Join(errs...)
}

func (d *sqliteDB) get(ctx context.Context, kind, key string) (model.Record, bool, error) {
	deepen(len(kind))
	r := model.Record{Kind: kind, Key: key}
	err := d.getOne.QueryRowContext(ctx, kind, []byte(key)).Scan(&r.Version, &r.Body)
	if errors.Is(err, sql.ErrNoRows) {
		return model.Record{}, false, nil
	}
	return r, err == nil, d.explain(err)
}

func (d *sqliteDB) page(ctx context.Context, kind, from, to string) ([]model.Record, error) {
	deepen(len(kind))
	query, args := "SELECT key, version, body FROM records WHERE kind = ? AND key >= ?", []any{kind, []byte(from)}
	if to != "" {
		query, args = query+" AND key < ?", append(args, []byte(to))
	}
	rows, err := d.read.QueryContext(ctx, query+" ORDER BY key LIMIT ?", append(args, pageRows)...)
	if err != nil {
		return nil, d.explain(err)
	}
	defer rows.Close()
	var page []model.Record
	for size := 0; size < pageBytes && rows.Next(); {
		r := model.Record{Kind: kind}
		if err := rows.Scan(&r.Key, &r.Version, &r.Body); err != nil {
			return nil, d.explain(err)
		}
		page = append(page, r)
		size += len(r.Key) + len(r.Body)
	}
	return page, d.explain(rows.Err())
}

func (d *sqliteDB) stats(ctx context.Context) (Stats, error) {
	var st Stats
	err := d.read.QueryRowContext(ctx, `SELECT page_count * page_size, freelist_count * page_size
		FROM pragma_page_count, pragma_freelist_count, pragma_page_size`).Scan(&st.Size, &st.Free)
	if err != nil {
		return Stats{}, d.explain(err)
	}
	rows, err := d.read.QueryContext(ctx, "SELECT kind, count(*), sum(length(key) + length(body)) FROM records GROUP BY kind ORDER BY kind")
	if err != nil {
		return Stats{}, d.explain(err)
	}
	defer rows.Close()
	for rows.Next() {
		var k KindStats
		if err := rows.Scan(&k.Kind, &k.Rows, &k.Bytes); err != nil {
			return Stats{}, d.explain(err)
		}
		st.Kinds = append(st.Kinds, k)
	}
	return st, d.explain(rows.Err())
}

// explain says what a user can do about an error of SQLite.
func (d *sqliteDB) explain(err error) error {
	var e *sqlite.Error
	if !errors.As(err, &e) {
		return err
	}
	switch e.Code() & 0xff {
	case sqlite3.SQLITE_BUSY:
		return fmt.Errorf("another process has held the lock of %s for more than %v: %w", d.path, busyWait, err)
	case sqlite3.SQLITE_NOTADB:
		return fmt.Errorf("%s is no SQLite database: %w", d.path, err)
	}
	return err
}

// deepen makes the stack of a goroutine large enough for SQLite at once, where
// it is shallow. In the midst of SQLite's calls it would be copied three times,
// and each time the tables of all functions on it be read. What comes and goes
// keeps the compiler from leaving the room out.
//
//go:noinline
func deepen(n int) byte {
	var room [28 << 10]byte
	room[n&1023] = 1
	return room[n>>1&1023]
}
