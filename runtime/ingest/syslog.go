package ingest

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/scantling/scantling/model"
)

// syslogFormat is RFC 5424, one message a line or framed by a count of octets
// (RFC 6587, 3.4), also in turns. RFC 3164 is not read: it has neither a year
// nor a zone.
var syslogFormat = format{
	name: "syslog",
	text: func(line []byte) bool { _, why := syslogMessage(line); return why == "" },
	open: func() reader { return decode(syslogRecord) },
}

// syslogLine is the JSON form of a message. Names are those of RFC 5424; a
// parameter that is repeated has a list of values.
type syslogLine struct {
	Facility  int                       `json:"facility"`
	Severity  int                       `json:"severity"`
	Version   int                       `json:"version"`
	Timestamp string                    `json:"timestamp,omitempty"`
	Hostname  string                    `json:"hostname,omitempty"`
	AppName   string                    `json:"appname,omitempty"`
	ProcID    string                    `json:"procid,omitempty"`
	MsgID     string                    `json:"msgid,omitempty"`
	Data      map[string]map[string]any `json:"structured_data,omitempty"`
	Message   string                    `json:"message"`
}

func syslogRecord(_ *stream, r record) (model.Event, string) {
	if r.doc != nil {
		return model.Event{}, "not a message of RFC 5424: it does not begin with <priority>1"
	}
	m, why := syslogMessage(r.raw)
	if why != "" {
		return model.Event{}, why
	}
	return model.Event{
		Source:   "syslog",
		Time:     instant(m.Timestamp),
		Actor:    m.AppName,
		Action:   m.MsgID,
		Host:     m.Hostname,
		Raw:      object(m),
		Original: bytes.Clone(r.raw),
	}, ""
}

// syslogMessage reads one message. why is set when it is none.
func syslogMessage(text []byte) (m syslogLine, why string) {
	rest, ok := bytes.CutPrefix(text, []byte("<"))
	digits, rest, found := bytes.Cut(rest, []byte(">"))
	priority, err := strconv.Atoi(string(digits))
	if !ok || !found || err != nil || len(digits) > 3 || priority < 0 || priority > 191 {
		return m, "not a message of RFC 5424: it does not begin with <priority>1"
	}
	words := bytes.SplitN(rest, []byte(" "), 7)
	if string(words[0]) != "1" {
		return m, "not a message of RFC 5424: its version is not 1"
	}
	if len(words) < 7 {
		return m, "message is cut off in its header"
	}
	m = syslogLine{
		Facility: priority / 8, Severity: priority % 8, Version: 1,
		Timestamp: notNil(words[1]), Hostname: notNil(words[2]), AppName: notNil(words[3]), ProcID: notNil(words[4]), MsgID: notNil(words[5]),
	}
	if _, err := time.Parse(time.RFC3339Nano, m.Timestamp); m.Timestamp != "" && err != nil {
		return m, "not a message of RFC 5424: its time is none"
	}
	data, tail, why := structuredData(words[6])
	if why != "" {
		return m, why
	}
	m.Data = data
	if len(tail) > 0 && tail[0] != ' ' {
		return m, "not a message of RFC 5424: no blank before its text"
	}
	tail = bytes.TrimPrefix(bytes.TrimPrefix(tail, []byte(" ")), []byte("\xef\xbb\xbf"))
	m.Message = strings.ToValidUTF8(string(tail), "\uFFFD")
	return m, ""
}

// notNil is a header's word, empty for the nil value.
func notNil(word []byte) string {
	if string(word) == "-" {
		return ""
	}
	return strings.ToValidUTF8(clip(word), "\uFFFD")
}

// structuredData reads "-" or [ID NAME="VALUE" …]…, and returns what follows.
func structuredData(text []byte) (data map[string]map[string]any, rest []byte, why string) {
	if len(text) > 0 && text[0] == '-' {
		return nil, text[1:], ""
	}
	const broken = "structured data is malformed"
	if len(text) == 0 || text[0] != '[' {
		return nil, nil, broken
	}
	data = map[string]map[string]any{}
	for len(text) > 0 && text[0] == '[' {
		text = text[1:]
		end := bytes.IndexAny(text, " ]")
		if end <= 0 {
			return nil, nil, broken
		}
		id := notNil(text[:end])
		if data[id] == nil { // twice is an error of the sender, who loses nothing by it
			data[id] = map[string]any{}
		}
		element := data[id]
		text = text[end:]
		for len(text) > 0 && text[0] == ' ' {
			name, value, after, ok := parameter(text[1:])
			if !ok {
				return nil, nil, broken
			}
			put(element, name, value)
			text = after
		}
		if len(text) == 0 || text[0] != ']' {
			return nil, nil, broken
		}
		text = text[1:]
	}
	return data, text, ""
}

// parameter reads NAME="VALUE", in which \ stands before ", \ and ].
func parameter(text []byte) (name, value string, rest []byte, ok bool) {
	before, rest, found := bytes.Cut(text, []byte(`="`))
	if !found || len(before) == 0 || bytes.ContainsAny(before, " ]\"") {
		return "", "", nil, false
	}
	var out []byte
	for i := 0; i < len(rest); i++ {
		switch b := rest[i]; {
		case b == '"':
			return notNil(before), strings.ToValidUTF8(string(out), "\uFFFD"), rest[i+1:], true
		case b == '\\' && i+1 < len(rest) && bytes.IndexByte([]byte(`"\]`), rest[i+1]) >= 0:
			i++
			out = append(out, rest[i])
		default:
			out = append(out, b)
		}
	}
	return "", "", nil, false
}

// put adds a value under a name: the second makes a list of it.
func put(to map[string]any, name string, value any) {
	switch old := to[name].(type) {
	case nil:
		to[name] = value
	case []any:
		to[name] = append(old, value)
	default:
		to[name] = []any{old, value}
	}
}

// maxCount is how many digits a count of octets may have.
const maxCount = 9

// beginsFrame reports whether a message with a count of its octets begins.
func beginsFrame(head []byte) bool {
	digits, rest, ok := bytes.Cut(head[:min(len(head), maxCount+8)], []byte(" <"))
	if !ok || !areDigits(digits, maxCount) || digits[0] == '0' {
		return false
	}
	priority, rest, ok := bytes.Cut(rest, []byte(">"))
	return ok && areDigits(priority, 3) && bytes.HasPrefix(rest, []byte("1 "))
}

// areDigits reports whether b is one to most decimal digits.
func areDigits(b []byte, most int) bool {
	return len(b) > 0 && len(b) <= most && len(bytes.Trim(b, "0123456789")) == 0
}

// frames reads messages that are framed by counts or by lines. The line of a
// record is then its number from 1, since frames may have no lines.
func (s *stream) frames(br *bufio.Reader) error {
	var long []byte
	for n := 1; ; {
		head, err := br.Peek(1)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			s.unreadable(n, "reading: "+err.Error())
			return errStop
		}
		if isSpace(head[0]) || head[0] == 0 {
			_, _ = br.Discard(1)
			continue
		}
		switch {
		case isDigit(head[0]):
			err = s.counted(br, n)
		case head[0] == '<':
			err = s.uncounted(br, n, &long)
		default:
			err = s.skipFrame(br, n, "not a frame: neither a message nor a count of octets")
		}
		if err != nil {
			return err
		}
		n++
	}
}

// uncounted reads a message that ends with its line.
func (s *stream) uncounted(br *bufio.Reader, n int, long *[]byte) error {
	text, tooLong, err := readLine(br, long)
	switch text = bytes.TrimRight(text, "\r\n"); {
	case tooLong:
		return s.tooLong(n, text)
	case err != nil && !errors.Is(err, io.EOF):
		s.unreadable(n, "reading: "+err.Error())
		return errStop
	}
	return s.record(n, text)
}

// counted reads a message with a count before it. After a wrong count it goes
// on where the next frame seems to begin.
func (s *stream) counted(br *bufio.Reader, n int) error {
	head, _ := br.Peek(maxCount + 8)
	if !beginsFrame(head) {
		return s.skipFrame(br, n, "not a frame: no message after a count of octets")
	}
	digits, _, _ := bytes.Cut(head, []byte(" "))
	size, _ := strconv.Atoi(string(digits)) // nine digits at most
	if size > MaxRecord {
		return s.skipFrame(br, n, fmt.Sprintf("record is longer than %d bytes", MaxRecord))
	}
	_, _ = br.Discard(len(digits) + 1)
	text := make([]byte, size)
	got, err := io.ReadFull(br, text)
	switch {
	case errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF):
		return s.damaged(n, "record is cut off: the log ends inside it", text[:got])
	case err != nil:
		s.unreadable(n, "reading: "+err.Error())
		return errStop
	}
	if text = bytes.TrimRight(text, "\r\n"); len(text) == 0 {
		return s.damaged(n, "frame is empty", nil)
	}
	return s.record(n, text)
}

// skipFrame goes on to the next line, or to where a frame seems to begin before.
func (s *stream) skipFrame(br *bufio.Reader, n int, why string) error {
	var kept []byte
	last := byte('0') // a count begins after something else
	for last != '\n' {
		head, _ := br.Peek(maxCount + 8)
		if len(head) == 0 || !isDigit(last) && beginsFrame(head) {
			break
		}
		last = head[0]
		_, _ = br.Discard(1)
		if len(kept) <= maxDead {
			kept = append(kept, last)
		}
	}
	return s.damaged(n, why, kept)
}

func isDigit(b byte) bool { return b >= '0' && b <= '9' }
