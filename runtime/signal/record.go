package signal

import (
	"time"

	"github.com/scantling/scantling/model"
	"github.com/scantling/scantling/runtime/ingest"
)

// ObserveRecord is Observe of a record of a stream, of which no event is made
// once the stream is known. The record is not kept.
func (a *Alarms) ObserveRecord(stream string, rec *ingest.Record, judged time.Time) {
	s := &a.state
	one := s.sources[sourceKey{rec.Source(), stream}]
	if one == nil || rec.Document() == nil {
		ev := rec.Event()
		ev.Stream = stream
		a.Observe(ev, judged)
		return
	}
	one.observe(model.Event{Time: rec.Time(), Received: rec.Received()}, judged, s.cfg)
	s.fields.AddRecord(rec)
	s.levels.addRecord(rec)
}

// addRecord is add of a record that is parsed.
func (l *levels) addRecord(rec *ingest.Record) {
	if rec.Source() != ingest.Kind {
		return
	}
	doc := rec.Document()
	var room [96]byte
	name := append(room[:0], doc.GetStringBytes("verb")...)
	if resource := doc.GetStringBytes("objectRef", "resource"); len(resource) > 0 {
		name = append(append(name, ' '), resource...)
		if sub := doc.GetStringBytes("objectRef", "subresource"); len(sub) > 0 {
			name = append(append(name, '/'), sub...)
		}
	}
	for i, b := range name { // the names of actions are plain
		if 'A' <= b && b <= 'Z' {
			name[i] = b + 'a' - 'A'
		}
	}
	if a := l.actions[string(name)]; a != nil && a.samples(len(rec.Raw())) {
		a.look(doc, rec.Time())
	}
}
