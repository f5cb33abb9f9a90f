package ingest

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/valyala/fastjson"

	"github.com/scantling/scantling/model"
)

// journaldFormat is the journal of systemd: `journalctl -o json` and
// `-o export`, which is brought to the form of the first. Docs:
// systemd.io/JOURNAL_EXPORT_FORMATS, systemd.journal-fields(7).
var journaldFormat = format{
	name: "journald",
	json: func(v *fastjson.Value) bool {
		return v.Exists("__REALTIME_TIMESTAMP") && (v.Exists("__CURSOR") || v.Exists("_BOOT_ID") || v.Exists("MESSAGE"))
	},
	text: func([]byte) bool { return false }, // entries of the export are no lines: see entries
	open: func() reader { return decode(journalRecord) },
}

func journalRecord(s *stream, r record) (model.Event, string) {
	if r.doc == nil {
		return exportedRecord(s, r)
	}
	if !r.doc.Exists("__REALTIME_TIMESTAMP") && !r.doc.Exists("MESSAGE") {
		return model.Event{}, "not an entry of a journal: no __REALTIME_TIMESTAMP and no MESSAGE"
	}
	return journalEvent(r.doc, s.cfg.cluster()), ""
}

func journalEvent(v *fastjson.Value, cluster string) model.Event {
	ev := model.Event{
		Source:    "journald",
		Time:      microseconds(str(v, "_SOURCE_REALTIME_TIMESTAMP")),
		Received:  microseconds(str(v, "__REALTIME_TIMESTAMP")),
		Actor:     cmp.Or(str(v, "SYSLOG_IDENTIFIER"), str(v, "_COMM")),
		Action:    str(v, "MESSAGE_ID"),
		Host:      str(v, "_HOSTNAME"),
		Container: str(v, "CONTAINER_ID_FULL"),
	}
	if ev.Time.IsZero() {
		ev.Time = ev.Received
	}
	ev.Assets = distinct(ofKind(cluster, "Pod", str(v, "IO_KUBERNETES_POD_NAMESPACE"), str(v, "IO_KUBERNETES_POD_NAME")))
	return ev
}

// microseconds reads a count of them since 1970; zero where it is none.
func microseconds(text string) time.Time {
	us, err := strconv.ParseInt(text, 10, 64)
	if err != nil || us <= 0 || us/1_000_000 >= maxSeconds {
		return time.Time{}
	}
	return time.UnixMicro(us).UTC()
}

func exportedRecord(s *stream, r record) (model.Event, string) {
	fields, why := exportFields(r.raw)
	if why != "" {
		return model.Event{}, why
	}
	raw := object(fields)
	v, why := new(decoder).parse(raw)
	if why != "" {
		return model.Event{}, why
	}
	ev := journalEvent(v, s.cfg.cluster())
	ev.Raw, ev.Original = raw, bytes.Clone(r.raw)
	return ev, ""
}

// exportFields reads the fields of one entry: NAME=VALUE lines, and for values
// of any bytes the name alone, eight bytes of length (little endian), the
// value and a line's end. As in JSON, a value that is no text is a list of its
// bytes, and a field with several values a list of them.
func exportFields(entry []byte) (map[string]any, string) {
	fields := map[string]any{}
	for len(entry) > 0 {
		line, rest, _ := bytes.Cut(entry, []byte("\n"))
		name, value, text := bytes.Cut(line, []byte("="))
		if !isFieldName(name) {
			return nil, "entry has a line that is no field"
		}
		if !text {
			size, ok := fieldSize(rest, len(rest)-8)
			if !ok {
				return nil, "entry has a field that is longer than it"
			}
			value, rest = rest[8:8+size], rest[8+size:]
			if rest = bytes.TrimPrefix(rest, []byte("\n")); len(value) > maxValues {
				return nil, "entry has a field that is too long"
			}
		}
		put(fields, string(name), journalValue(value))
		entry = rest
	}
	return fields, ""
}

func journalValue(value []byte) any {
	if utf8.Valid(value) {
		return string(value)
	}
	list := make([]int, len(value))
	for i, b := range value {
		list[i] = int(b)
	}
	return list
}

// fieldSize reads the length of a value from its first eight bytes.
func fieldSize(b []byte, most int) (int, bool) {
	if len(b) < 8 {
		return 0, false
	}
	size := binary.LittleEndian.Uint64(b)
	return int(min(size, MaxRecord)), size <= uint64(max(0, min(most, MaxRecord)))
}

// isFieldName reports whether a name is one of a journal's field: upper case,
// digits and underscores, at most 64.
func isFieldName(name []byte) bool {
	return len(name) > 0 && len(name) <= 64 && len(bytes.Trim(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_")) == 0
}

// beginsExport reports whether a stream begins with an entry of the export.
func beginsExport(head []byte) bool {
	head = bytes.TrimLeft(head, "\n")
	return bytes.HasPrefix(head, []byte("__CURSOR=")) || bytes.HasPrefix(head, []byte("__REALTIME_TIMESTAMP="))
}

// entries reads entries of the export, which blank lines divide.
func (s *stream) entries(br *bufio.Reader) error {
	if s.format == nil {
		s.settle(&journaldFormat)
	}
	for line := 1; ; {
		e := entry{r: br, line: line}
		end := e.read()
		var err error
		switch at := line + e.blank; {
		case e.why != "":
			err = s.damaged(at, e.why, e.buf)
		case len(e.buf) > 0:
			err = s.record(at, e.buf)
		}
		line = e.line
		switch {
		case err != nil:
			return err
		case errors.Is(end, io.EOF):
			return nil
		case end != nil:
			s.unreadable(line, "reading: "+end.Error())
			return errStop
		}
	}
}

// entry is one entry of the export while it is read.
type entry struct {
	r     *bufio.Reader
	line  int // of the next byte
	blank int // lines before its first field
	buf   []byte
	why   string // what is wrong with it
}

// read reads up to the blank line after the entry. The error is the reader's.
func (e *entry) read() error {
	for {
		start := len(e.buf)
		err := e.text()
		switch {
		case err != nil:
			return e.ended(err)
		case e.why == "" && len(e.buf) == 1: // a blank line before it
			e.buf = e.buf[:0]
			e.blank++
			continue
		case e.why == "" && len(e.buf)-start == 1:
			e.buf = e.buf[:start]
			return nil
		case e.why != "": // go on at the next entry
			if head, _ := e.r.Peek(24); beginsExport(head) {
				return nil
			}
			continue
		}
		name := bytes.TrimSuffix(e.buf[start:], []byte("\n"))
		if bytes.IndexByte(name, '=') >= 0 {
			continue
		}
		if !isFieldName(name) {
			e.why = "entry has a line that is no field"
			continue
		}
		if err := e.value(); err != nil {
			return e.ended(err)
		}
	}
}

// ended says what the end of the stream means for the entry.
func (e *entry) ended(err error) error {
	if len(e.buf) > 0 && e.why == "" && e.buf[len(e.buf)-1] != '\n' {
		e.why = "record is cut off: the log ends inside it"
	}
	return err
}

// text reads the rest of a line.
func (e *entry) text() error {
	for {
		part, err := e.r.ReadSlice('\n')
		e.keep(part)
		if err == nil {
			e.line++
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return err
		}
	}
}

// keep adds bytes to the entry. Of one that is damaged, or is so now because
// it is too long, the beginning is kept.
func (e *entry) keep(part []byte) {
	if len(e.buf)+len(part) > MaxRecord {
		e.buf, e.why = e.buf[:min(len(e.buf), maxDead+1)], fmt.Sprintf("record is longer than %d bytes", MaxRecord)
	}
	if e.why == "" || len(e.buf) <= maxDead {
		e.buf = append(e.buf, part...)
	}
}

// value reads a value with its length before it, and the line's end after it.
func (e *entry) value() error {
	head, err := e.r.Peek(8)
	if err != nil {
		e.keep(head)
		_, _ = e.r.Discard(len(head))
		if len(e.buf) > 0 && errors.Is(err, io.EOF) {
			e.why = "record is cut off: the log ends inside it"
		}
		return err
	}
	size, ok := fieldSize(head, MaxRecord-len(e.buf)-9)
	if !ok {
		e.why = "entry has a field that is longer than an entry may be"
		return nil
	}
	from := len(e.buf)
	e.buf = append(e.buf, make([]byte, 8+size+1)...)
	n, err := io.ReadFull(e.r, e.buf[from:])
	e.buf = e.buf[:from+n]
	if errors.Is(err, io.ErrUnexpectedEOF) {
		e.why, err = "record is cut off: the log ends inside it", io.EOF
	}
	if err == nil && e.buf[len(e.buf)-1] != '\n' {
		e.why = "entry has a field without an end"
	}
	e.line += bytes.Count(e.buf[from:], []byte("\n"))
	return err
}
