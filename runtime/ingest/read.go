package ingest

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/valyala/fastjson"

	"github.com/scantling/scantling/model"
)

// Kind is the kind of Kubernetes audit logs: the Source of their events, and
// the key of the log's asset.
const Kind = "kubernetes-audit"

const (
	// MaxRecord is the longest record in bytes. The API server refuses request
	// bodies over 3 MiB; a longer record is a list response, whose loss is named.
	MaxRecord = 4 << 20
	// maxValues bounds the JSON values of one record: a parsed value takes
	// about a hundred bytes, so that 4 MiB of "[1,1,…" would otherwise need 200 MB.
	maxValues = 1 << 19
	// maxIncomplete is how many damaged records of one stream are named one by
	// one; the others are counted in a last entry.
	maxIncomplete = 1000
	// peekSize is how much of a stream's start decides its shape.
	peekSize = 64 << 10
	// defaultLate is how late an event may be before it is counted. A watch of
	// the API server is logged when it ends, five to ten minutes after it began.
	defaultLate = 10 * time.Minute
)

// Config adjusts Read. The zero value works.
type Config struct {
	Cluster string // name used in asset keys; "cluster" when empty. All clusters of one log are taken for it
	Source  string // one of Kinds; empty: told by the first record that any kind claims

	DeadLetter func(DeadLetter) // takes each damaged record, before the next is read; may be nil
	Received   func() time.Time // when a record without a time of receipt of its own came in; nil: unknown
	Late       time.Duration    // events later than this are counted; 0: ten minutes
}

func (c Config) cluster() string {
	if c.Cluster == "" {
		return "cluster"
	}
	return c.Cluster
}

// Result says what one Read saw. Records = Events + Damaged.
type Result struct {
	Kind       string // of the log; empty when no record told
	Records    int    // non-blank records, damaged ones too
	Events     int
	Derived    int // events read a second time from one record, as another kind
	Damaged    int
	Incomplete []model.Incomplete // at most 1,001: see maxIncomplete

	Timeless int           // events without a time that could be read
	Late     int           // events later than Config.Late
	MaxLate  time.Duration // the latest event's Event.Late
}

// Read calls yield for each event of r, in the order of the log. The event
// belongs to the callee. name is the stream's name: it stands in Event.Stream
// and before the line in Incomplete.What ("name:line").
//
// A stream is of one kind. That is Config.Source, or the kind of the first
// record that one claims; records before it and records of other kinds are
// damaged ones. See Kinds.
//
// Event.Index counts records from 0, damaged ones too; the items of a list
// count one each. An event that is derived from the one before it has its
// index. Of audit logs, Event.Time is requestReceivedTimestamp, else
// stageTimestamp, else v1beta1's timestamp, else zero, and Event.Actor is the
// user whose rights decided: the impersonated one where there is one.
//
// The error is ctx's or yield's, or says that Config.Source is no kind. What
// can't be read is in Result.Incomplete.
func Read(ctx context.Context, name string, r io.Reader, cfg Config, yield func(model.Event) error) (Result, error) {
	return newStream(name, cfg, yield).read(ctx, r)
}

func (s *stream) read(ctx context.Context, r io.Reader) (Result, error) {
	name := s.name
	if s.cfg.Source != "" && s.format == nil {
		return Result{}, fmt.Errorf("reading log %s: no kind of log is named %q", name, s.cfg.Source)
	}
	err := s.run(&contextReader{ctx: ctx, r: r})
	if ctx.Err() != nil {
		return s.result(), fmt.Errorf("reading log %s: %w", name, ctx.Err())
	}
	if err != nil && !errors.Is(err, errStop) {
		return s.result(), err
	}
	return s.result(), nil
}

// errStop ends reading when the rest of a stream can't be read: the reason is
// already recorded.
var errStop = errors.New("stream ends")

// contextReader fails once its context is done, so that an endless line stops too.
type contextReader struct {
	ctx context.Context
	r   io.Reader
}

func (c *contextReader) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.r.Read(p)
}

// stream is the state of one Read.
type stream struct {
	name   string
	cfg    Config
	take   func(*Record) error
	dec    decoder
	format *format // nil until a record tells
	reader reader
	at     record
	out    Record // what is handed over of it
	newest time.Time
	res    Result

	bound  limits // of what it unpacks to
	giveUp int    // damaged records after which to stop; 0: never
}

func newStream(name string, cfg Config, yield func(model.Event) error) *stream {
	s := &stream{name: name, cfg: cfg, bound: limits{total: maxUnzipped, free: freeUnzipped}}
	s.take = func(r *Record) error { return yield(r.Event()) }
	if s.cfg.Late == 0 {
		s.cfg.Late = defaultLate
	}
	if f := formatOf(cfg.Source); f != nil {
		s.settle(f)
	}
	return s
}

// settle decides the kind of the stream.
func (s *stream) settle(f *format) {
	s.format, s.reader = f, f.open()
	s.res.Kind = f.name
}

func (s *stream) run(r io.Reader) error {
	br, done, err := unpack(bufio.NewReaderSize(r, peekSize), s.bound)
	defer done()
	if err != nil {
		s.unreadable(1, err.Error())
		return errStop
	}
	if bom, _ := br.Peek(3); bytes.Equal(bom, []byte("\xef\xbb\xbf")) {
		_, _ = br.Discard(3)
	}
	err = s.records(br)
	if e, ok := s.reader.(ender); ok && (err == nil || errors.Is(err, errStop)) {
		err = errors.Join(e.end(s), err)
	}
	return err
}

// records cuts the stream in the way that its beginning or its kind asks for.
func (s *stream) records(br *bufio.Reader) error {
	head, _ := br.Peek(peekSize)
	switch {
	case s.format != nil && s.format.name == journaldFormat.name && !opensJSON(head), s.format == nil && beginsExport(head):
		return s.entries(br)
	case s.format != nil && s.format.name == syslogFormat.name, s.format == nil && beginsFrame(head):
		return s.frames(br)
	case spreadOverLines(head):
		return s.values(&splitter{r: br, line: 1})
	}
	return s.lines(br)
}

// opensJSON reports whether a stream begins with an object or array.
func opensJSON(head []byte) bool {
	head = bytes.TrimLeft(head, " \t\r\n")
	return len(head) > 0 && (head[0] == '{' || head[0] == '[')
}

// lines reads one record a line.
func (s *stream) lines(br *bufio.Reader) error {
	var long []byte // holds a line that doesn't fit the reader's buffer
	for line := 1; ; line++ {
		text, tooLong, err := readLine(br, &long)
		if text = trimLine(text); len(text) > 0 || tooLong {
			if e := s.line(line, text, tooLong); e != nil {
				return e
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			s.unreadable(line, "reading: "+err.Error())
			return errStop
		}
	}
}

// trimLine takes the end of a line off, and the blanks around JSON. What is
// blank becomes empty. Blanks at the end of text belong to its message.
func trimLine(line []byte) []byte {
	trimmed := bytes.TrimSpace(line)
	if len(trimmed) == 0 || opensJSON(trimmed) {
		return trimmed
	}
	return bytes.TrimRight(line, "\r\n")
}

// line handles the text of one line: an event, or a list of them.
func (s *stream) line(line int, text []byte, tooLong bool) error {
	if tooLong {
		return s.tooLong(line, text)
	}
	doc, why := s.parse(text)
	if doc == nil || !s.dec.isList(doc) {
		return s.parsed(record{line: line, raw: text, doc: doc}, why)
	}
	err := s.values(&splitter{r: bufio.NewReader(bytes.NewReader(text)), line: line})
	if errors.Is(err, errStop) {
		return nil // only this line ends
	}
	return err
}

// readLine returns the next line without its end. The result is valid until
// the next call. tooLong means that the line was longer than MaxRecord, of
// which only the beginning is returned. A last line without an end comes with
// io.EOF.
func readLine(br *bufio.Reader, long *[]byte) (text []byte, tooLong bool, err error) {
	part, err := br.ReadSlice('\n')
	if !errors.Is(err, bufio.ErrBufferFull) {
		return part, false, err
	}
	*long = append((*long)[:0], part...)
	for errors.Is(err, bufio.ErrBufferFull) {
		part, err = br.ReadSlice('\n')
		if len(*long)+len(part) > MaxRecord {
			tooLong = true
			continue
		}
		*long = append(*long, part...)
	}
	text = *long
	if tooLong {
		text, *long = text[:maxDead], nil
	}
	return text, tooLong, err
}

// values reads records wherever they stand: arrays, lists, documents.
func (s *stream) values(sp *splitter) error {
	for {
		line, raw, why, err := sp.next()
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			s.unreadable(sp.line, "reading: "+err.Error())
			return errStop
		case why != "":
			err = s.damaged(line, why, raw)
		default:
			err = s.record(line, raw)
		}
		if err != nil {
			return err
		}
	}
}

// parse returns the DOM of a record, nil for one of text, or why there is none.
func (s *stream) parse(raw []byte) (*fastjson.Value, string) {
	if raw[0] != '{' && (s.format == nil || s.format.text != nil) {
		return nil, ""
	}
	return s.dec.parse(raw)
}

// record reads one record.
func (s *stream) record(line int, raw []byte) error {
	doc, why := s.parse(raw)
	return s.parsed(record{line: line, raw: raw, doc: doc}, why)
}

// parsed reads a record after the attempt to parse it.
func (s *stream) parsed(r record, why string) error {
	if why != "" {
		return s.damaged(r.line, why, r.raw)
	}
	s.at = r
	if s.format == nil {
		f := recognise(r)
		if f == nil {
			return s.damaged(r.line, "not a record of a kind of log that is known", r.raw)
		}
		s.settle(f)
	}
	why, err := s.reader.read(s, r)
	if err == nil && why != "" {
		return s.damaged(r.line, why, r.raw)
	}
	return err
}

// emit hands over the event of the record at hand, or one of its events. Raw
// is that of the record where the reader has set none.
func (s *stream) emit(ev model.Event) error { return s.emitLazily(nil, ev) }

// emitLazily hands over an event that fill completes when somebody asks for it.
func (s *stream) emitLazily(fill func(*model.Event, *fastjson.Value, string), ev model.Event) error {
	ev.Index = s.res.Records
	s.res.Records++
	s.res.Events++
	return s.hand(ev, fill)
}

// derive hands over the event that was emitted last in the form of another kind.
func (s *stream) derive(ev model.Event) error {
	ev.Index = s.res.Records - 1
	s.res.Derived++
	return s.hand(ev, nil)
}

// hand gives an event to its taker. A time of which RFC 3339 knows no year is
// none: it could be written nowhere.
func (s *stream) hand(ev model.Event, fill func(*model.Event, *fastjson.Value, string)) error {
	ev.Stream = s.name
	if year := ev.Time.Year(); year < 1 || year > 9999 {
		ev.Time = time.Time{}
	}
	if ev.Received.IsZero() && s.cfg.Received != nil {
		ev.Received = s.cfg.Received().UTC()
	}
	ev.Late = s.lateness(ev.Time, ev.Received)
	s.out = Record{ev: ev, fill: fill, cluster: s.cfg.cluster()}
	if ev.Raw == nil {
		s.out.raw, s.out.doc = s.at.raw, s.at.doc
	}
	return s.take(&s.out)
}

// lateness says how late an event is, and counts. See model.Event.Late.
func (s *stream) lateness(at, received time.Time) time.Duration {
	if at.IsZero() {
		s.res.Timeless++
		return 0
	}
	late := max(0, received.Sub(at))
	if received.IsZero() {
		late = max(0, s.newest.Sub(at))
	}
	if at.After(s.newest) {
		s.newest = at
	}
	if late > s.cfg.Late {
		s.res.Late++
	}
	s.res.MaxLate = max(s.res.MaxLate, late)
	return late
}

// damaged counts one record that is no event.
func (s *stream) damaged(line int, why string, raw []byte) error {
	return s.lost(line, why, raw, false)
}

// tooLong counts a record of which only the beginning is at hand.
func (s *stream) tooLong(line int, head []byte) error {
	return s.lost(line, fmt.Sprintf("record is longer than %d bytes", MaxRecord), head, true)
}

func (s *stream) lost(line int, why string, raw []byte, cut bool) error {
	s.bury(line, why, raw, cut)
	s.res.Records++
	s.res.Damaged++
	if s.res.Damaged <= maxIncomplete {
		s.unreadable(line, why)
	}
	if s.giveUp > 0 && s.res.Damaged >= s.giveUp {
		return errStop
	}
	return nil
}

// unreadable names a place without counting a record.
func (s *stream) unreadable(line int, why string) {
	s.res.Incomplete = append(s.res.Incomplete, model.Incomplete{
		What: fmt.Sprintf("%s:%d", s.name, line), Why: why,
	})
}

func (s *stream) result() Result {
	res := s.res
	if more := res.Damaged - maxIncomplete; more > 0 {
		res.Incomplete = append(res.Incomplete, model.Incomplete{
			What: s.name, Why: fmt.Sprintf("%d more records are damaged", more),
		})
	}
	return res
}
