package ingest

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
)

// spreadOverLines reports whether a stream that begins with head must be split
// by its brackets: an array, a list of items, or a pretty-printed document.
// Everything else is one record a line, which survives cut records best.
func spreadOverLines(head []byte) bool {
	head = bytes.TrimLeft(head, " \t\r\n")
	if len(head) == 0 || head[0] != '{' {
		return len(head) > 0 && head[0] == '['
	}
	var s shape
	for i, b := range head {
		if b == '\n' && !s.inString {
			return continues(head[:i], head[i:])
		}
		if b == '\n' {
			return false
		}
		s.step(b)
		if s.list {
			return true
		}
		if s.depth == 0 {
			return false
		}
	}
	return false
}

// continues tells a document spread over lines from a record cut in half: the
// first breaks its lines after an opening or a comma, and the next line does
// not open a record.
func continues(before, after []byte) bool {
	before, after = bytes.TrimSpace(before), bytes.TrimSpace(after)
	if len(before) == 0 || len(after) == 0 {
		return false
	}
	last := before[len(before)-1]
	return last == '[' || (last == '{' || last == ',') && after[0] != '{'
}

// shape follows the brackets and strings of one JSON value, byte by byte. It
// checks no grammar: a value that it accepts is parsed afterwards.
type shape struct {
	depth    int
	inString bool
	escaped  bool
	key      []byte // the last string of depth 1, as far as it may be one of listKeys
	colon    bool   // a colon of depth 1 followed that string
	list     bool   // "items": [ or the like was seen at depth 1
}

// listKeys name the arrays at the top of a document whose items are records:
// lists of Kubernetes, CloudTrail's files, Azure's, and exports of OTLP.
var listKeys = []string{"items", "Records", "records", "resourceLogs"}

// maxKey is the length of the longest of them.
const maxKey = len("resourceLogs")

func (s *shape) step(b byte) {
	if s.inString {
		s.stepString(b)
		return
	}
	switch b {
	case '"':
		s.inString, s.key, s.colon = true, s.key[:0], false
	case ':':
		s.colon = s.depth == 1
	case '{', '[':
		s.list = s.depth == 1 && b == '[' && s.colon && slices.Contains(listKeys, string(s.key))
		s.colon = false
		s.depth++
	case '}', ']':
		s.depth--
		s.colon = false
	case ',':
		s.colon = false
	}
}

func (s *shape) stepString(b byte) {
	switch {
	case s.escaped:
		s.escaped = false
	case b == '\\':
		s.escaped = true
	case b == '"':
		s.inString = false
		return
	}
	if s.depth == 1 && len(s.key) <= maxKey {
		s.key = append(s.key, b)
	}
}

// splitter cuts a byte stream into top-level JSON objects and the items of
// lists. Between records it tolerates what stands around them in an array or
// list; anything else is a damaged record, after which it goes on at the next
// line that begins with a bracket.
type splitter struct {
	r      *bufio.Reader
	line   int // of the next byte, from 1
	buf    []byte
	member bool // a colon was read between records: what follows is no record
}

// next returns the next record, valid until the next call, with the line of
// its first byte. why is set for a damaged one, of which raw is the beginning.
// The error is io.EOF at the end.
func (s *splitter) next() (line int, raw []byte, why string, err error) {
	for {
		b, err := s.read()
		if err != nil {
			return s.line, nil, "", err
		}
		line = s.line
		switch {
		case b == '{' || b == '[' && s.member:
			raw, list, why, err := s.object(b)
			switch {
			case err != nil:
				return line, nil, "", err
			case why != "":
				s.member = false
				return line, raw, why, nil
			case list:
				s.member = false
			case s.member:
				s.member = false
			default:
				return line, raw, "", nil
			}
		case b == '"':
			s.buf = append(s.buf[:0], b)
			why, err := s.skipString()
			if err != nil || why != "" {
				return line, s.buf, why, err
			}
			s.member = false
		case b == ':':
			s.member = true
		case b == ',', b == '[', b == ']', b == '}':
			s.member = false
		case isSpace(b), s.member && isScalar(b):
		default:
			s.buf = append(s.buf[:0], b)
			why, err := s.resync("not JSON", false)
			return line, s.buf, why, err
		}
	}
}

func isSpace(b byte) bool { return b == ' ' || b == '\t' || b == '\r' || b == '\n' }

// isScalar reports whether b may stand in a JSON number, true, false or null.
func isScalar(b byte) bool {
	return b >= '0' && b <= '9' || b >= 'a' && b <= 'z' || b == '-' || b == '+' || b == '.' || b == 'E'
}

// read returns the next byte and counts lines.
func (s *splitter) read() (byte, error) {
	b, err := s.r.ReadByte()
	if b == '\n' && err == nil {
		s.line++
	}
	return b, err
}

// object reads the value that opened with b. list means that it turned out to
// be a list: its first item comes next.
func (s *splitter) object(b byte) (raw []byte, list bool, why string, err error) {
	s.buf = append(s.buf[:0], b)
	var sh shape
	sh.step(b)
	tooLong := false
	for sh.depth > 0 {
		b, err := s.read()
		if errors.Is(err, io.EOF) {
			return s.buf, false, "record is cut off: the log ends inside it", nil
		}
		if err != nil {
			return nil, false, "", err
		}
		if b == '\n' && sh.inString {
			why, err := s.resync("record is cut off inside a string", true)
			return s.buf, false, why, err
		}
		sh.step(b)
		if sh.list {
			return nil, true, "", nil
		}
		if tooLong = tooLong || len(s.buf) >= MaxRecord; !tooLong {
			s.buf = append(s.buf, b)
		}
	}
	if tooLong {
		raw, s.buf = s.buf[:maxDead+1], nil
		return raw, false, fmt.Sprintf("record is longer than %d bytes", MaxRecord), nil
	}
	return s.buf, false, "", nil
}

// skipString reads the rest of a string that stands between records.
func (s *splitter) skipString() (why string, err error) {
	for escaped := false; ; {
		b, err := s.read()
		s.keep(b, err)
		switch {
		case errors.Is(err, io.EOF):
			return "text between records is cut off", nil
		case err != nil:
			return "", err
		case b == '\n':
			return s.resync("text between records is cut off", true)
		case escaped:
			escaped = false
		case b == '\\':
			escaped = true
		case b == '"':
			return "", nil
		}
	}
}

// keep adds a skipped byte to what is kept of a damaged record.
func (s *splitter) keep(b byte, err error) {
	if err == nil && len(s.buf) <= maxDead {
		s.buf = append(s.buf, b)
	}
}

// resync skips to the next line that begins with a bracket. atStart says that
// the line's end has been read already.
func (s *splitter) resync(why string, atStart bool) (string, error) {
	s.member = false
	for {
		if atStart {
			next, err := s.r.Peek(1)
			if err == nil && (next[0] == '{' || next[0] == '[') {
				return fmt.Sprintf("%s; read on from line %d", why, s.line), nil
			}
		}
		b, err := s.read()
		s.keep(b, err)
		if errors.Is(err, io.EOF) {
			return why + "; nothing after it could be read", nil
		}
		if err != nil {
			return "", err
		}
		atStart = b == '\n'
	}
}
