package detect

import (
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
// matches.
func (r *Results) AddRecord(rec *ingest.Record) {
	var err error
	if r.hits, err = r.matcher.RecordHits(rec, r.hits[:0]); err != nil || len(r.hits) > 0 {
		r.take(rec.Event(), err)
	}
	r.tick(rec.Time())
}
