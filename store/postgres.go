//go:build !scanner

package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/scantling/scantling/model"
)

const (
	// connectWait bounds how long a connection may take to come about.
	connectWait = 10 * time.Second
	// schemaLock is the advisory lock under which one process migrates.
	schemaLock = applicationID
)

// postgresDB is a database of a PostgreSQL server.
type postgresDB struct {
	pool *pgxpool.Pool
}

// openPostgres connects to the server that a URL names.
func openPostgres(ctx context.Context, url string) (*postgresDB, error) {
	cfg, err := pgxpool.ParseConfig(url)
	if err != nil { // its text may hold the password
		return nil, errors.New("opening the store: the URL of PostgreSQL can't be read: postgres://USER:PASSWORD@HOST:PORT/DATABASE?SETTING=VALUE, where special characters of USER and PASSWORD are percent-encoded")
	}
	c := cfg.ConnConfig
	place := fmt.Sprintf("opening the store, database %s of PostgreSQL at %s:%d", quote(c.Database), c.Host, c.Port)
	if c.ConnectTimeout == 0 {
		c.ConnectTimeout = connectWait
	}
	cfg.AfterConnect = makeDurable
	pool, err := pgxpool.NewWithConfig(ctx, cfg)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", place, err)
	}
	d := &postgresDB{pool}
	if err := d.migrate(ctx); err != nil {
		pool.Close()
		return nil, fmt.Errorf("%s: %w", place, err)
	}
	return d, nil
}

// makeDurable lets each commit of a connection wait for the disk, whatever the
// server, the role or the URL sets, and refuses a server that never waits.
func makeDurable(ctx context.Context, c *pgx.Conn) error {
	var commit, fsync string
	err := c.QueryRow(ctx, "SELECT set_config('synchronous_commit', 'on', false), current_setting('fsync')").Scan(&commit, &fsync)
	if err != nil {
		return err
	}
	if commit != "on" || fsync != "on" {
		return fmt.Errorf("the server runs with fsync=%s, synchronous_commit=%s, so that a crash would lose what it acknowledged: turn both on", fsync, commit)
	}
	return nil
}

// migrate brings the schema up to date.
func (d *postgresDB) migrate(ctx context.Context) error {
	todo, err := steps("postgres")
	if err != nil {
		return err
	}
	return pgx.BeginFunc(ctx, d.pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "SELECT pg_advisory_xact_lock($1)", int64(schemaLock)); err != nil {
			return err
		}
		var made bool
		if err := tx.QueryRow(ctx, "SELECT to_regclass('scantling_schema') IS NOT NULL").Scan(&made); err != nil {
			return err
		}
		version := 0
		if made {
			if err := tx.QueryRow(ctx, "SELECT max(version) FROM scantling_schema").Scan(&version); err != nil {
				return err
			}
		} else if _, err := tx.Exec(ctx, "CREATE TABLE scantling_schema (version int PRIMARY KEY)"); err != nil {
			return err
		}
		if version > len(todo) {
			return newer(version, len(todo))
		}
		for i, text := range todo[version:] {
			if _, err := tx.Exec(ctx, text); err != nil {
				return err
			}
			if _, err := tx.Exec(ctx, "INSERT INTO scantling_schema VALUES ($1)", version+i+1); err != nil {
				return err
			}
		}
		return nil
	})
}

func (d *postgresDB) close() error {
	d.pool.Close()
	return nil
}

func (d *postgresDB) get(ctx context.Context, kind, key string) (model.Record, bool, error) {
	r := model.Record{Kind: kind, Key: key}
	err := d.pool.QueryRow(ctx, "SELECT version, body FROM records WHERE kind = $1 AND key = $2", kind, []byte(key)).Scan(&r.Version, &r.Body)
	if errors.Is(err, pgx.ErrNoRows) {
		return model.Record{}, false, nil
	}
	if len(r.Body) == 0 {
		r.Body = nil
	}
	return r, err == nil, err
}

// The server cuts the page itself, or it would send bodies that nobody reads:
// before is how many bytes the rows above a row have.
const (
	pageOf = `SELECT key, version, body FROM (
		SELECT key, version, body, sum(octet_length(key) + octet_length(body)) OVER (ORDER BY key ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS before
		FROM (SELECT key, version, body FROM records WHERE kind = $1 AND key >= $2 ORDER BY key LIMIT $3) p) q
		WHERE before IS NULL OR before < $4 ORDER BY key`
	pageOfUpTo = `SELECT key, version, body FROM (
		SELECT key, version, body, sum(octet_length(key) + octet_length(body)) OVER (ORDER BY key ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS before
		FROM (SELECT key, version, body FROM records WHERE kind = $1 AND key >= $2 AND key < $5 ORDER BY key LIMIT $3) p) q
		WHERE before IS NULL OR before < $4 ORDER BY key`
)

func (d *postgresDB) page(ctx context.Context, kind, from, to string) ([]model.Record, error) {
	query, args := pageOf, []any{kind, []byte(from), pageRows, pageBytes}
	if to != "" {
		query, args = pageOfUpTo, append(args, []byte(to))
	}
	rows, err := d.pool.Query(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (model.Record, error) {
		r := model.Record{Kind: kind}
		var key []byte
		err := row.Scan(&key, &r.Version, &r.Body)
		r.Key = string(key)
		if len(r.Body) == 0 {
			r.Body = nil
		}
		return r, err
	})
}

func (d *postgresDB) stats(ctx context.Context) (Stats, error) {
	var st Stats
	if err := d.pool.QueryRow(ctx, "SELECT pg_total_relation_size('records')").Scan(&st.Size); err != nil {
		return Stats{}, err
	}
	rows, err := d.pool.Query(ctx, "SELECT kind, count(*), sum(octet_length(key) + octet_length(body))::bigint FROM records GROUP BY kind ORDER BY kind")
	if err != nil {
		return Stats{}, err
	}
	st.Kinds, err = pgx.CollectRows(rows, pgx.RowToStructByPos[KindStats])
	return st, err
}
