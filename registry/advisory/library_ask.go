package advisory

import (
	"context"
	"fmt"
	"io"
	"slices"

	"github.com/scantling/scantling/model"
	feeds "github.com/scantling/scantling/registry/feed"
	"github.com/scantling/scantling/registry/image"
)

// Of lists the records that name a package in a release of an ecosystem, or in
// the ecosystem without one, each once, sorted by id; withdrawn ones too.
func (l *Library) Of(ctx context.Context, ecosystem, name string) ([]*Record, error) {
	ids := map[string]bool{}
	for _, k := range keysOf(ecosystem, name) {
		for r, err := range l.scan(ctx, kindAffects, k.ecosystem, k.name) {
			if err != nil {
				return nil, err
			}
			ids[lastPart(r.Key)] = true
		}
	}
	w := &batch{library: l, ctx: ctx, feed: baseOf(canonicalEcosystem(ecosystem))}
	var out []*Record
	for _, id := range sortedKeys(ids) {
		one, ok, err := w.stored(recordKey(w.feed, id))
		if err != nil {
			return nil, err
		}
		if ok {
			out = append(out, one.record)
		}
	}
	return out, nil
}

// About is what there is to say of an advisory besides versions.
type About struct {
	Aliases  []string       // as the record has them
	CVEs     []string       // sorted
	Severity model.Severity // as DB.Match counts it
	KEV      bool
	Known    bool // false: the record is gone, and the rest is empty
}

// Describe is a function that describes advisories by what is kept of them and
// of KEV now: of an ecosystem with or without its release, for a package.
func (l *Library) Describe(ctx context.Context) (func(ecosystem, name, id string) (About, error), error) {
	db := &DB{}
	r, ok, err := l.records.Get(ctx, kindExploits, feeds.KEV)
	if err != nil {
		return nil, err
	}
	if ok { // without one a sync says that it is unknown what is exploited
		_, err := unpacking(r.Body, func(text io.Reader) error { return (&loader{ctx: ctx}).exploitsFrom(db, feeds.KEV, text) })
		if err != nil {
			return nil, fmt.Errorf("reading the catalogue of exploited vulnerabilities that is kept: %w", err)
		}
	}
	return func(ecosystem, name, id string) (About, error) {
		w := &batch{library: l, ctx: ctx, feed: baseOf(canonicalEcosystem(ecosystem))}
		one, ok, err := w.stored(recordKey(w.feed, id))
		if err != nil || !ok {
			return About{}, err
		}
		return db.about(one.record, ecosystem, name), nil
	}, nil
}

// about describes a record by its first entry for a package.
func (db *DB) about(r *Record, ecosystem, name string) About {
	entry := &Affected{Ecosystem: canonicalEcosystem(ecosystem)}
	ecosystem, name = Canonical(ecosystem, name)
	for _, of := range []string{ecosystem, baseOf(ecosystem)} {
		if i := slices.IndexFunc(r.Affected, func(a Affected) bool { return a.Ecosystem == of && a.Name == name }); i >= 0 {
			entry = &r.Affected[i]
			break
		}
	}
	rated, _ := assess(r, entry)
	w := db.weakness(&image.Inventory{}, &image.Package{}, r, entry, rated)
	return About{Aliases: w.Aliases, CVEs: append([]string{}, w.CVEs...), Severity: w.Severity, KEV: w.KEV, Known: true}
}
