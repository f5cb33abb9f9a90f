package store

import (
	"context"
	"fmt"
	"iter"
	"strings"

	"github.com/scantling/scantling/model"
)

// A Store keeps records in one database. It is safe for concurrent use.
type Store struct {
	db engine
}

// An engine is one kind of database. What it is handed has been checked, and
// a batch names no key twice.
type engine interface {
	get(ctx context.Context, kind, key string) (model.Record, bool, error)
	// page lists records in the order of their keys, at least one where there
	// is one, at most about pageRows and pageBytes.
	page(ctx context.Context, kind, from, to string) ([]model.Record, error)
	apply(ctx context.Context, writes []model.Write) error
	stats(ctx context.Context) (Stats, error)
	close() error
}

// Bounds of what a page of Scan holds in memory: it ends with the record that
// passes pageBytes.
const (
	pageRows  = 1000
	pageBytes = 4 << 20
)

// Open opens the database that dsn names, and creates or migrates its tables
// where that is needed: a URL that begins with postgres:// or postgresql:// is
// a PostgreSQL server, anything else the path of an SQLite file.
func Open(ctx context.Context, dsn string) (*Store, error) {
	scheme, _, isURL := strings.Cut(dsn, "://")
	switch {
	case scheme == "postgres" && isURL, scheme == "postgresql" && isURL:
		db, err := openPostgres(ctx, dsn)
		if err != nil {
			return nil, err
		}
		return &Store{db}, nil
	case dsn == "":
		return nil, fmt.Errorf("opening the store: no path and no URL")
	case !isURL:
		db, err := openSQLite(ctx, dsn)
		if err != nil {
			return nil, fmt.Errorf("opening the store %s: %w", dsn, err)
		}
		return &Store{db}, nil
	default:
		return nil, fmt.Errorf("opening the store: %s is no kind of database known here: give a path, or a URL that begins with postgres://", scheme)
	}
}

// Close waits for what is under way and closes the database.
func (s *Store) Close() error { return s.db.close() }

// Get returns the record with a key, and whether there is one. An empty body
// is nil.
func (s *Store) Get(ctx context.Context, kind, key string) (model.Record, bool, error) {
	if err := checkName(kind, key); err != nil {
		return model.Record{}, false, err
	}
	r, found, err := s.db.get(ctx, kind, key)
	if err != nil {
		return model.Record{}, false, fmt.Errorf("reading %s: %w", name(kind, key), err)
	}
	return r, found, nil
}

// Scan lists the records of a kind in the byte order of their keys, from
// inclusive, to exclusive, "" as to: to the end. An error is the last thing
// that it yields.
//
// It reads a page at a time and holds no lock and no connection while the
// caller looks at a record, so the caller may write, and may stop early. A page
// is one moment of the database, the whole scan isn't: each key comes at most
// once, a record that nobody touches comes exactly once, and of what is written
// meanwhile the part ahead of the scan may be seen.
func (s *Store) Scan(ctx context.Context, kind, from, to string) iter.Seq2[model.Record, error] {
	return func(yield func(model.Record, error) bool) {
		if err := checkName(kind, ""); err != nil {
			yield(model.Record{}, err)
			return
		}
		for next := from; ; {
			page, err := s.db.page(ctx, kind, next, to)
			if err != nil {
				yield(model.Record{}, fmt.Errorf("listing %s: %w", kind, err))
				return
			}
			for _, r := range page {
				if !yield(r, nil) {
					return
				}
			}
			if len(page) == 0 {
				return
			}
			next = page[len(page)-1].Key + "\x00" // the smallest key above it
		}
	}
}

// Apply makes all writes of a batch or none of them. When it returns nil they
// are on disk. Writes happen in their order: each condition sees what the
// writes before it in the batch did. An error that is model.ErrConflict means
// that a condition didn't hold; after any other error too nothing of the batch
// happened, unless the error is of the database's connection: then it may
// have, and a condition tells on the next try.
func (s *Store) Apply(ctx context.Context, writes []model.Write) error {
	folded, err := fold(writes)
	if err != nil || len(folded) == 0 {
		return err
	}
	if err := s.db.apply(ctx, folded); err != nil {
		return fmt.Errorf("writing a batch of %d: %w", len(writes), err)
	}
	return nil
}

// Stats says how much the store holds.
type Stats struct {
	Kinds []KindStats // in the order of their names
	Size  int64       // of the database, in bytes, with its free space
	Free  int64       // bytes in it that the next records will take; 0 where the database doesn't tell
}

// KindStats says how much one kind holds.
type KindStats struct {
	Kind  string
	Rows  int64
	Bytes int64 // of keys and bodies
}

// Stats counts what is there. It reads every key, about a second for a million.
func (s *Store) Stats(ctx context.Context) (Stats, error) {
	st, err := s.db.stats(ctx)
	if err != nil {
		return Stats{}, fmt.Errorf("measuring the store: %w", err)
	}
	return st, nil
}
