package store

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/scantling/scantling/model"
)

// Bounds of a record; model.Record states them. A body of 512 MiB is what both
// databases take: SQLite's rows end at 10^9 bytes, PostgreSQL's messages at 2^30.
const (
	maxKind = 64
	maxKey  = 1024
	maxBody = 512 << 20
)

// checkName refuses kinds and keys outside the bounds of model.Record.
func checkName(kind, key string) error {
	if kind == "" || len(kind) > maxKind || strings.ContainsFunc(kind, notOfKind) {
		return fmt.Errorf("%s is no kind of record: 1 to %d printable characters of ASCII, none of them upper case", quote(kind), maxKind)
	}
	if len(key) > maxKey {
		return fmt.Errorf("%s: the key has %d bytes, at most %d fit", name(kind, key), len(key), maxKey)
	}
	return nil
}

func notOfKind(r rune) bool { return r <= ' ' || r > '~' || 'A' <= r && r <= 'Z' }

// check refuses writes that no database could make.
func check(w model.Write) error {
	if err := checkName(w.Kind, w.Key); err != nil {
		return err
	}
	if len(w.Body) > maxBody && !w.Delete {
		return fmt.Errorf("%s: the body has %d bytes, at most %d fit", name(w.Kind, w.Key), len(w.Body), maxBody)
	}
	if w.If > model.IfVersion {
		return fmt.Errorf("%s: condition %d is none", name(w.Kind, w.Key), w.If)
	}
	return nil
}

// fold checks a batch and brings it into the order of kinds and keys, where
// all writes to a key are one: the condition of the first, the effect of the
// last. The conditions of the others are decided here, because what they will
// find is known.
func fold(writes []model.Write) ([]model.Write, error) {
	for _, w := range writes {
		if err := check(w); err != nil {
			return nil, err
		}
	}
	sorted := slices.Clone(writes)
	slices.SortStableFunc(sorted, func(a, b model.Write) int {
		return cmp.Or(strings.Compare(a.Kind, b.Kind), strings.Compare(a.Key, b.Key))
	})
	out := sorted[:0]
	for _, w := range sorted {
		last := len(out) - 1
		if last < 0 || out[last].Kind != w.Kind || out[last].Key != w.Key {
			out = append(out, w)
			continue
		}
		before := out[last]
		if w.If == model.IfAbsent && !before.Delete || w.If == model.IfVersion && (before.Delete || before.Version != w.Was) {
			return nil, conflict(w)
		}
		w.If, w.Was = before.If, before.Was
		out[last] = w
	}
	return out, nil
}

// conflict is the error of a write whose condition didn't hold.
func conflict(w model.Write) error {
	return fmt.Errorf("%s: %w", name(w.Kind, w.Key), model.ErrConflict)
}

// name prints which record is meant.
func name(kind, key string) string { return kind + " " + quote(key) }

// quote prints a foreign text so that it stays one short line of ASCII.
func quote(s string) string {
	const most = 80
	if len(s) > most {
		return strconv.QuoteToASCII(s[:most]) + "..."
	}
	return strconv.QuoteToASCII(s)
}
