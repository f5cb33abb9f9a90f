package detect

import (
	"slices"

	"github.com/scantling/scantling/runtime/ingest"
)

// RecordHits is Hits of a record as ingest has parsed it, which asks nothing
// of the heap: no event is made of it.
func (m *Matcher) RecordHits(rec *ingest.Record, dst []Hit) ([]Hit, error) {
	if !m.begin(rec.Source()) {
		return dst, nil
	}
	if doc := rec.Document(); doc != nil {
		return m.match(doc, dst)
	}
	return m.parsed(rec.Raw(), dst)
}

// AddRecord is Add of the record's event, which is made only where a rule
// matches for sure.
func (r *Results) AddRecord(rec *ingest.Record) {
	var err error
	r.hits, err = r.matcher.RecordHits(rec, r.hits[:0])
	if hasUnknown(r.hits) {
		r.key = rec.AppendKey(r.key[:0])
		for _, h := range r.hits {
			if h.Unknown {
				r.blind[h.Rule].add(rec.Stream(), rec.Index(), r.key)
			}
		}
	}
	if err != nil || hasSure(r.hits) {
		r.take(rec.Event(), err)
	}
	r.tick(rec.Time())
}

func hasUnknown(hits []Hit) bool {
	return slices.ContainsFunc(hits, func(h Hit) bool { return h.Unknown })
}

func hasSure(hits []Hit) bool {
	return slices.ContainsFunc(hits, func(h Hit) bool { return !h.Unknown })
}

// AddRecord is Add of the record's event, which is made only where a rule
// matches for sure.
func (l *Lane) AddRecord(rec *ingest.Record) {
	var err error
	l.hits, err = l.matcher.RecordHits(rec, l.hits[:0])
	if hasUnknown(l.hits) {
		from := len(l.keys)
		l.keys = rec.AppendKey(l.keys)
		l.unsure(rec.Index(), from)
	}
	if err != nil || hasSure(l.hits) {
		l.take(rec.Event(), err)
	}
	l.at(rec.Time())
}
