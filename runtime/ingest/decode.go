package ingest

import (
	"cmp"
	"fmt"
	"time"

	"github.com/scantling/scantling/model"
)

// maxStreams bounds how many streams Decoders know at once. One that is
// forgotten has its kind told anew by its next record, and loses the parts of
// a message that wait.
const maxStreams = 1 << 14

// maxWait is how many batches of a stream a message may take. One whose end
// hasn't come by then holds back no position any more.
const maxWait = 1024

// Decoders make events of batches of records that were cut already, as a log
// gives them back. They know of each stream what Read knows while it reads:
// its kind, and parts of messages that go on. They are not safe for concurrent
// use.
//
// Event.Index is that of the record; of a message in parts, that of the last
// one. The items of a record that is a list are numbered on from it, so a
// sender that wants them told apart from later records cuts lists.
type Decoders struct {
	cfg      Config
	dec      decoder
	streams  map[streamKey]*decoded
	received time.Time
	take     func(*Record) error
}

type streamKey struct{ kind, name string }

// decoded is one stream.
type decoded struct {
	stream
	begins map[int]uint64 // sequences of the batches that may hold the beginning of a message, by their first index
}

// holder is a reader that puts messages together.
type holder interface{ waits() int }

// waits is the line of the earliest part that waits for others; 0: none.
func (j *joiner) waits() int {
	if j.stdout.line == 0 || j.stderr.line == 0 {
		return max(j.stdout.line, j.stderr.line)
	}
	return min(j.stdout.line, j.stderr.line)
}

// NewDecoders makes decoders. Of the configuration, Received isn't asked:
// batches say when they came in.
func NewDecoders(cfg Config) *Decoders {
	d := &Decoders{cfg: cfg, streams: map[streamKey]*decoded{}}
	d.cfg.Received = func() time.Time { return d.received }
	return d
}

// Decode calls take for each event of a batch, in order, as Scan does. A record
// that is no event is a dead letter. The error is take's.
func (d *Decoders) Decode(b model.Batch, take func(*Record) error) (Result, error) {
	s := d.of(b)
	s.dec, d.received, d.take = d.dec, b.Received, take
	s.res = Result{Kind: s.res.Kind}
	if b.Kind != "" && s.format == nil {
		s.cfg.Source = b.Kind
	}
	for i, raw := range b.Records {
		if err := s.decode(b, b.Index+i, raw); err != nil {
			return s.res, err
		}
	}
	d.dec = s.dec
	res := s.result()
	res.Records = res.Events + res.Damaged
	return res, nil
}

func (d *Decoders) of(b model.Batch) *decoded {
	key := streamKey{b.Kind, b.Stream}
	if s := d.streams[key]; s != nil {
		return s
	}
	if len(d.streams) >= maxStreams {
		for old := range d.streams {
			delete(d.streams, old)
			break
		}
	}
	cfg := d.cfg
	cfg.Source = cmp.Or(b.Kind, cfg.Source)
	s := &decoded{stream: *newStream(b.Stream, cfg, nil), begins: map[int]uint64{}}
	s.take = func(r *Record) error { return d.take(r) }
	d.streams[key] = s
	return s
}

// decode reads one record.
func (s *decoded) decode(b model.Batch, index int, raw []byte) error {
	s.res.Records = index
	text := trimLine(raw)
	if len(text) == 0 {
		return nil
	}
	if s.format == nil && s.cfg.Source != "" {
		return s.damaged(index+1, fmt.Sprintf("no kind of log is named %q", s.cfg.Source), text)
	}
	err := s.line(index+1, text, len(text) > MaxRecord)
	if h, ok := s.reader.(holder); ok {
		s.remember(h.waits(), index, b.Sequence)
	}
	return err
}

// remember keeps in which batches messages that wait begin.
func (s *decoded) remember(waits, index int, sequence uint64) {
	if waits == 0 {
		clear(s.begins)
		return
	}
	s.begins[index] = sequence
	for i := range s.begins {
		if i < waits-1 {
			delete(s.begins, i)
		}
	}
	if len(s.begins) > maxWait {
		clear(s.begins)
	}
}

// Oldest is the earliest sequence of a batch that has to be read again by
// decoders without memory, because it holds the beginning of a message whose
// end hasn't come; ok is whether there is one.
func (d *Decoders) Oldest() (sequence uint64, ok bool) {
	for _, s := range d.streams {
		for _, at := range s.begins {
			if !ok || at < sequence {
				sequence, ok = at, true
			}
		}
	}
	return sequence, ok
}
