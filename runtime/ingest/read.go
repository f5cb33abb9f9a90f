package ingest

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/scantling/scantling/model"
)

// Kind is the log kind of everything that this package reads: the Source of
// its events, and the key of the log's asset.
const Kind = "kubernetes-audit"

const (
	// MaxRecord is the longest record in bytes. The API server refuses request
	// bodies over 3 MiB; a longer record is a list response, whose loss is named.
	MaxRecord = 4 << 20
	// maxValues bounds the JSON values of one record: a parsed value takes
	// about a hundred bytes, so that 4 MiB of "[1,1,…" would otherwise need 200 MB.
	maxValues = 1 << 19
	// maxUnzipped bounds what one gzip stream may unfold to. It is far above
	// any day's audit log and stops a bomb after minutes.
	maxUnzipped = 64 << 30
	// maxIncomplete is how many damaged records of one stream are named one by
	// one; the others are counted in a last entry.
	maxIncomplete = 1000
	// peekSize is how much of a stream's start decides its shape.
	peekSize = 64 << 10
)

// Config adjusts Read. The zero value works.
type Config struct {
	Cluster string // name used in asset keys; "cluster" when empty
}

func (c Config) cluster() string {
	if c.Cluster == "" {
		return "cluster"
	}
	return c.Cluster
}

// Result says what one Read saw. Records = Events + Damaged.
type Result struct {
	Records    int // non-blank records, damaged ones too
	Events     int
	Damaged    int
	Incomplete []model.Incomplete // at most 1,001: see maxIncomplete
}

// Read calls yield for each audit event of r, in the order of the log. The
// event belongs to the callee. name is the stream's name: it stands in
// Event.Stream and before the line in Incomplete.What ("name:line").
//
// Event.Index counts records from 0, damaged ones too; the items of a list
// count one each. Event.Time is requestReceivedTimestamp, else stageTimestamp,
// else v1beta1's timestamp, else zero. Event.Actor is the user whose rights
// decided: the impersonated one where there is one.
//
// The error is ctx's or yield's. What can't be read is in Result.Incomplete.
func Read(ctx context.Context, name string, r io.Reader, cfg Config, yield func(model.Event) error) (Result, error) {
	s := &stream{name: name, cfg: cfg, yield: yield, unzipped: maxUnzipped}
	err := s.run(&contextReader{ctx: ctx, r: r})
	if ctx.Err() != nil {
		return s.result(), fmt.Errorf("reading audit log %s: %w", name, ctx.Err())
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
	name  string
	cfg   Config
	yield func(model.Event) error
	dec   decoder
	res   Result

	unzipped int64 // most bytes that gzip may unfold to
	giveUp   int   // damaged records after which to stop; 0: never
}

func (s *stream) run(r io.Reader) error {
	br := bufio.NewReaderSize(r, peekSize)
	if magic, _ := br.Peek(2); bytes.Equal(magic, []byte{0x1f, 0x8b}) {
		zr, err := gzip.NewReader(br)
		if err != nil {
			s.unreadable(1, "gzip header: "+err.Error())
			return errStop
		}
		br = bufio.NewReaderSize(&boundedReader{r: zr, left: s.unzipped}, peekSize)
	}
	if bom, _ := br.Peek(3); bytes.Equal(bom, []byte("\xef\xbb\xbf")) {
		_, _ = br.Discard(3)
	}
	head, _ := br.Peek(peekSize)
	if spreadOverLines(head) {
		return s.values(&splitter{r: br, line: 1})
	}
	return s.lines(br)
}

// boundedReader fails, instead of ending, when more than left bytes come.
type boundedReader struct {
	r    io.Reader
	left int64
}

func (b *boundedReader) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, errors.New("unpacks to more than is read of one log")
	}
	n, err := b.r.Read(p)
	b.left -= int64(n)
	return n, err
}

// lines reads one record a line.
func (s *stream) lines(br *bufio.Reader) error {
	var long []byte // holds a line that doesn't fit the reader's buffer
	for line := 1; ; line++ {
		text, tooLong, err := readLine(br, &long)
		if text = bytes.TrimSpace(text); len(text) > 0 || tooLong {
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

// line handles the text of one line: an event, or a list of them.
func (s *stream) line(line int, text []byte, tooLong bool) error {
	if tooLong {
		return s.damaged(line, fmt.Sprintf("record is longer than %d bytes", MaxRecord))
	}
	if !s.dec.isList(text) {
		return s.record(line, text)
	}
	err := s.values(&splitter{r: bufio.NewReader(bytes.NewReader(text)), line: line})
	if errors.Is(err, errStop) {
		return nil // only this line ends
	}
	return err
}

// readLine returns the next line without its end. The result is valid until
// the next call. tooLong means that the line was longer than MaxRecord and was
// skipped. A last line without an end comes with io.EOF.
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
	if tooLong {
		*long = nil
		return nil, true, err
	}
	return *long, false, err
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
			err = s.damaged(line, why)
		default:
			err = s.record(line, raw)
		}
		if err != nil {
			return err
		}
	}
}

// record decodes one record and hands it over.
func (s *stream) record(line int, raw []byte) error {
	ev, why := s.dec.event(raw, s.cfg.cluster())
	if why != "" {
		return s.damaged(line, why)
	}
	ev.Stream, ev.Index = s.name, s.res.Records
	s.res.Records++
	s.res.Events++
	return s.yield(ev)
}

// damaged counts one record that is no event.
func (s *stream) damaged(line int, why string) error {
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
			What: s.name, Why: fmt.Sprintf("%d more records are no audit events", more),
		})
	}
	return res
}
