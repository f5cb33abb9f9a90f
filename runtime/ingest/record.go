package ingest

import (
	"bytes"
	"context"
	"io"
	"time"

	"github.com/valyala/fastjson"

	"github.com/scantling/scantling/model"
)

// Record is one event as it lies in its log, parsed once for all who look at
// it: what rules are asked of (decision 093). Most records match none, and who
// acted on what need then never be found out. It is valid until its taker
// returns, but for what Event returned.
type Record struct {
	ev      model.Event // complete unless fill is there
	raw     []byte      // of ev, where ev.Raw is nil
	doc     *fastjson.Value
	fill    func(*model.Event, *fastjson.Value, string)
	cluster string
}

// Source is the kind of the event, as in model.Event.
func (r *Record) Source() string { return r.ev.Source }

// Stream is the name of the log, as in model.Event.
func (r *Record) Stream() string { return r.ev.Stream }

// Index counts the records of the stream, as in model.Event.
func (r *Record) Index() int { return r.ev.Index }

// Time is when it happened, as in model.Event.
func (r *Record) Time() time.Time { return r.ev.Time }

// Received is when it came in, as in model.Event.
func (r *Record) Received() time.Time { return r.ev.Received }

// AppendKey appends what tells the request from others: EventKey of the event,
// which isn't made for it where the log is that of an API server.
func (r *Record) AppendKey(dst []byte) []byte {
	if r.fill == nil || r.ev.Source != Kind {
		return append(dst, EventKey(r.Event())...)
	}
	key := r.doc.GetStringBytes("auditID")
	if len(key) == 0 || len(key) > maxName {
		return append(dst, EventKey(r.Event())...)
	}
	return append(dst, key...)
}

// Raw is the record as one JSON object, as in model.Event.
func (r *Record) Raw() []byte {
	if r.ev.Raw != nil {
		return r.ev.Raw
	}
	return r.raw
}

// Document is Raw as it was parsed; nil where it wasn't, because its reader made
// it of a record of another form.
func (r *Record) Document() *fastjson.Value { return r.doc }

// Event returns the normalised event, which belongs to the caller.
func (r *Record) Event() model.Event {
	if r.fill != nil {
		r.fill(&r.ev, r.doc, r.cluster)
		r.fill = nil
	}
	if r.ev.Raw == nil {
		r.ev.Raw = bytes.Clone(r.raw)
	}
	return r.ev
}

// Scan is Read for those who look at records before they want an event.
func Scan(ctx context.Context, name string, r io.Reader, cfg Config, take func(*Record) error) (Result, error) {
	s := newStream(name, cfg, nil)
	s.take = take
	return s.read(ctx, r)
}

// lazy is a reader of records that are one event each, of which all but the
// time is found out when somebody asks.
type lazy struct {
	source string
	not    func(*fastjson.Value) string // why a document is none, "" when it is one
	time   func(*fastjson.Value) time.Time
	fill   func(ev *model.Event, doc *fastjson.Value, cluster string)
}

func (l *lazy) read(s *stream, r record) (string, error) {
	if why := l.not(r.doc); why != "" {
		return why, nil
	}
	return "", s.emitLazily(l.fill, model.Event{Source: l.source, Time: l.time(r.doc)})
}
