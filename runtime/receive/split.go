package receive

import (
	"bytes"
	"encoding/json"
)

// maxRecord is the longest record made of what is no event.
const maxRecord = 1 << 20

// maxItems is how many events a body may have: an API server sends 400 at once
// unless told otherwise. The rest of a longer list is kept as what is no event,
// since each item costs memory however short it is.
const maxItems = 100_000

// cut finds the items of a list without decoding them: slices of body. Rest is
// what could not be cut, from the first damaged byte on; where the body has no
// items, the whole of it.
func cut(body []byte) (items [][]byte, rest []byte) {
	s := scanner{body, 0}
	found := false
	for open := s.take('{'); open && !s.take('}'); s.take(',') {
		key := s.text()
		if key == nil || !s.take(':') {
			break
		}
		if string(key) != `"items"` || !s.take('[') {
			if s.value() == nil {
				break
			}
			continue
		}
		found = true
		if items, open = s.list(items); !open {
			break
		}
	}
	if !found {
		return nil, bytes.TrimSpace(body)
	}
	return items, bytes.TrimSpace(s.body[s.at:])
}

// scanner walks over JSON and checks no more of it than where values end.
type scanner struct {
	body []byte
	at   int
}

func (s *scanner) space() {
	for s.at < len(s.body) && (s.body[s.at] == ' ' || s.body[s.at] == '\n' || s.body[s.at] == '\r' || s.body[s.at] == '\t') {
		s.at++
	}
}

// take goes past a byte, if it is the next.
func (s *scanner) take(b byte) bool {
	if s.space(); s.at < len(s.body) && s.body[s.at] == b {
		s.at++
		return true
	}
	return false
}

// list reads the objects of an array up to its end.
func (s *scanner) list(items [][]byte) (_ [][]byte, ok bool) {
	for !s.take(']') {
		s.space()
		if s.at == len(s.body) || s.body[s.at] != '{' || len(items) == maxItems {
			return items, false
		}
		item := s.value()
		if item == nil {
			return items, false
		}
		items = append(items, item)
		s.take(',')
	}
	return items, true
}

// value is the next value, or nil where it doesn't end; then nothing is read.
func (s *scanner) value() []byte {
	s.space()
	begin := s.at
	for depth := 0; s.at < len(s.body); {
		switch b := s.body[s.at]; b {
		case '"':
			if s.text() == nil {
				s.at = begin
				return nil
			}
			if depth == 0 {
				return s.body[begin:s.at]
			}
			continue
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth < 0 { // of what is around the value
				return s.scalar(begin)
			}
			if depth == 0 {
				s.at++
				return s.body[begin:s.at]
			}
		case ',':
			if depth == 0 {
				return s.scalar(begin)
			}
		}
		s.at++
	}
	s.at = begin
	return nil
}

// scalar is a number or word that ends here, or nil where there is none.
func (s *scanner) scalar(begin int) []byte {
	if s.at == begin {
		return nil
	}
	return s.body[begin:s.at]
}

// text is the next string with its quotes, or nil where none is; then nothing
// is read.
func (s *scanner) text() []byte {
	s.space()
	if s.at == len(s.body) || s.body[s.at] != '"' {
		return nil
	}
	for end := s.at + 1; ; end++ {
		n := bytes.IndexByte(s.body[end:], '"')
		if n < 0 {
			return nil
		}
		end += n
		slashes := 0
		for s.body[end-1-slashes] == '\\' {
			slashes++
		}
		if slashes%2 == 0 {
			text := s.body[s.at : end+1]
			s.at = end + 1
			return text
		}
	}
}

// records makes records of a body, and says whether all of it are events.
func records(body []byte) (all [][]byte, whole bool) {
	all, rest := cut(body)
	for i, r := range all {
		if bytes.IndexByte(r, '\n') >= 0 { // it was printed for people: a record is a line
			all[i] = oneLine(r)
		}
	}
	whole = len(rest) == 0
	for ; len(rest) > maxRecord; rest = rest[maxRecord:] {
		all = append(all, rest[:maxRecord])
	}
	if len(rest) > 0 {
		all = append(all, rest)
	}
	return all, whole
}

func oneLine(r []byte) []byte {
	var b bytes.Buffer
	if json.Compact(&b, r) != nil { // malformed: its reader will say so
		return r
	}
	return b.Bytes()
}
