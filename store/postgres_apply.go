//go:build !scanner

package store

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/scantling/scantling/model"
)

// Bounds of one statement: PostgreSQL's messages end at 1 GiB, and both sides
// hold one in memory.
const (
	chunkRows  = 5000
	chunkBytes = 8 << 20
)

// tries is how often a batch is started when PostgreSQL ends it because it
// waits in a circle with another.
const tries = 10

// An act is what one statement does with all its writes. Conditional ones
// return the rows whose condition held.
type act uint8

const (
	put act = iota
	putIfAbsent
	putIfVersion
	del
	delIfVersion
	delIfAbsent
	acts int = iota
)

var actTexts = [acts]string{
	put: `INSERT INTO records (kind, key, version, body)
		SELECT * FROM unnest($1::text[], $2::bytea[], $3::bigint[], $4::bytea[])
		ON CONFLICT (kind, key) DO UPDATE SET version = excluded.version, body = excluded.body`,
	putIfAbsent: `INSERT INTO records (kind, key, version, body)
		SELECT * FROM unnest($1::text[], $2::bytea[], $3::bigint[], $4::bytea[])
		ON CONFLICT DO NOTHING RETURNING kind, key`,
	putIfVersion: `UPDATE records r SET version = u.version, body = u.body
		FROM unnest($1::text[], $2::bytea[], $3::bigint[], $4::bytea[], $5::bigint[]) AS u (kind, key, version, body, was)
		WHERE r.kind = u.kind AND r.key = u.key AND r.version = u.was RETURNING r.kind, r.key`,
	del: `DELETE FROM records r USING unnest($1::text[], $2::bytea[]) AS u (kind, key)
		WHERE r.kind = u.kind AND r.key = u.key`,
	delIfVersion: `DELETE FROM records r USING unnest($1::text[], $2::bytea[], $3::bigint[]) AS u (kind, key, was)
		WHERE r.kind = u.kind AND r.key = u.key AND r.version = u.was RETURNING r.kind, r.key`,
	// The row keeps others from making one until the batch is through; del
	// takes it away again.
	delIfAbsent: `INSERT INTO records (kind, key, version, body)
		SELECT kind, key, 0, '' FROM unnest($1::text[], $2::bytea[]) AS u (kind, key)
		ON CONFLICT DO NOTHING RETURNING kind, key`,
}

func actOf(w model.Write) act {
	switch {
	case w.Delete && w.If == model.IfAbsent:
		return delIfAbsent
	case w.Delete && w.If == model.IfVersion:
		return delIfVersion
	case w.Delete:
		return del
	case w.If == model.IfAbsent:
		return putIfAbsent
	case w.If == model.IfVersion:
		return putIfVersion
	}
	return put
}

// A chunk is the writes of one statement.
type chunk struct {
	act    act
	writes []model.Write
}

// chunks splits a batch by act and size.
func chunks(writes []model.Write) []chunk {
	var byAct [acts][]model.Write
	for _, w := range writes {
		byAct[actOf(w)] = append(byAct[actOf(w)], w)
	}
	var out []chunk
	for a, all := range byAct {
		for start, i, size := 0, 0, 0; i < len(all); i++ {
			size += len(all[i].Body)
			if i+1 == len(all) || i+1-start == chunkRows || size+len(all[i+1].Body) > chunkBytes {
				out = append(out, chunk{act(a), all[start : i+1]})
				start, size = i+1, 0
			}
		}
	}
	return out
}

func (d *postgresDB) apply(ctx context.Context, writes []model.Write) error {
	todo := chunks(writes)
	for try := 1; ; try++ {
		err := d.transact(ctx, todo)
		if err == nil || try == tries || !again(err) {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(rand.N(time.Duration(try) * 10 * time.Millisecond)):
		}
	}
}

// again says whether the same batch may succeed on the next try: PostgreSQL
// found a deadlock, or an order that it can't serialise.
func again(err error) bool {
	var e *pgconn.PgError
	return errors.As(err, &e) && (e.Code == "40P01" || e.Code == "40001")
}

func (d *postgresDB) transact(ctx context.Context, todo []chunk) error {
	if len(todo) == 1 && (todo[0].act == put || todo[0].act == del) {
		return todo[0].run(ctx, d.pool) // one statement is a transaction
	}
	return pgx.BeginFunc(ctx, d.pool, func(tx pgx.Tx) error {
		for _, c := range todo {
			if err := c.run(ctx, tx); err != nil {
				return err
			}
			if c.act == delIfAbsent {
				if err := (chunk{del, c.writes}).run(ctx, tx); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

func (c chunk) run(ctx context.Context, db interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
},
) error {
	rows, err := db.Query(ctx, actTexts[c.act], c.args()...)
	if err != nil {
		return err
	}
	type id struct{ Kind, Key string }
	held := map[id]bool{}
	var kind string
	var key []byte
	_, err = pgx.ForEachRow(rows, []any{&kind, &key}, func() error {
		held[id{kind, string(key)}] = true
		return nil
	})
	if err != nil || c.act == put || c.act == del {
		return err
	}
	for _, w := range c.writes {
		if !held[id{w.Kind, w.Key}] {
			return conflict(w)
		}
	}
	return nil
}

// args are the columns of the writes, in the order of the statement.
func (c chunk) args() []any {
	n := len(c.writes)
	kinds, keys, bodies := make([]string, n), make([][]byte, n), make([][]byte, n)
	versions, was := make([]int64, n), make([]int64, n)
	for i, w := range c.writes {
		kinds[i], keys[i], bodies[i], versions[i], was[i] = w.Kind, []byte(w.Key), w.Body, w.Version, w.Was
		if w.Body == nil {
			bodies[i] = []byte{} // nil would be NULL
		}
	}
	switch c.act {
	case putIfVersion:
		return []any{kinds, keys, versions, bodies, was}
	case delIfVersion:
		return []any{kinds, keys, was}
	case del, delIfAbsent:
		return []any{kinds, keys}
	}
	return []any{kinds, keys, versions, bodies}
}
