package ingest

import (
	"slices"

	"github.com/valyala/fastjson"

	"github.com/scantling/scantling/model"
)

// format is how one kind of log is told apart and read.
type format struct {
	name string
	json func(*fastjson.Value) bool // is this JSON object surely a record of the kind? nil: none is
	text func([]byte) bool          // is this line of text? nil: none is
	open func() reader              // a reader for one stream
}

// reader turns the records of one stream into events, which it hands to the
// stream. It is used by one goroutine.
type reader interface {
	// read takes one record. why is set when it is damaged; the error is that
	// of the stream's taker.
	read(s *stream, r record) (why string, err error)
}

// ender is a reader that holds records back: end is called after the last one.
type ender interface {
	end(s *stream) error
}

// record is one record as the stream cut it out. It is valid during one read.
type record struct {
	line int
	raw  []byte
	doc  *fastjson.Value // nil where the record is no JSON object
}

// decode is a reader of records that are one event each.
type decode func(s *stream, r record) (model.Event, string)

func (d decode) read(s *stream, r record) (string, error) {
	ev, why := d(s, r)
	if why != "" {
		return why, nil
	}
	return "", s.emit(ev)
}

// formats lists what is read. Their order doesn't matter: no record is of two
// kinds, which a test holds them to.
var formats = []format{
	auditFormat, azureFormat, cloudtrailFormat, containerdFormat, criFormat, dockerEventFormat, dockerLogFormat,
	falcoFormat, gcpFormat, journaldFormat, kubeEventFormat, otlpFormat, syslogFormat, tetragonFormat, traceeFormat,
}

// Kinds lists the kinds of log that are read, sorted: the values of Config.Source.
func Kinds() []string {
	out := make([]string, len(formats))
	for i, f := range formats {
		out[i] = f.name
	}
	slices.Sort(out)
	return out
}

// formatOf finds a format by its name.
func formatOf(name string) *format {
	for i := range formats {
		if formats[i].name == name {
			return &formats[i]
		}
	}
	return nil
}

// recognise finds the format that claims a record.
func recognise(r record) *format {
	for i, f := range formats {
		if r.doc != nil && f.json != nil && f.json(r.doc) || r.doc == nil && f.text != nil && f.text(r.raw) {
			return &formats[i]
		}
	}
	return nil
}
