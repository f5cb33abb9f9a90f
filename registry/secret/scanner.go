package secret

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"slices"
)

// Bounds on one file.
const (
	// MaxFile is how many bytes of a text are searched: more than any source,
	// setting or dump that an image should hold.
	MaxFile = 256 << 20
	// MaxHits is how many hits of one file are listed; the rest is counted.
	MaxHits = 50

	sniffed  = 1 << 10  // bytes by which a text is told from the rest
	back     = 512      // bytes before a keyword that its detector sees
	ahead    = 8 << 10  // bytes from a keyword on that its detector sees
	window   = 96 << 10 // bytes in memory at a time, ahead and back included
	maxStore = 1 << 20  // bytes of a file that is read by its name
	maxFound = 4 * MaxHits
)

// Hit is one secret of a file.
type Hit struct {
	Kind    string // an ID of Kinds
	Line    int    // 1-based, where the value begins
	Expires int64  // of a token that says so, in Unix seconds; 0 it doesn't
}

// Result is what a file holds. The hits are in the order of the file.
type Result struct {
	Hits   []Hit
	More   int    // hits beyond MaxHits
	Unread string // why the file was not searched to its end; "" it was
}

// Scan searches one stream. The error is that of r.
func Scan(path string, r io.Reader) (Result, error) {
	var s Scanner
	if s.Begin(path) {
		if _, err := io.Copy(&s, r); err != nil {
			return s.End(), err
		}
	}
	return s.End(), nil
}

// Scanner searches one file after the other: Begin, the bytes by Write or
// ReadFrom in blocks of any size, End. The zero value works. It is used by one
// goroutine, and reuses its memory of about 100 KiB.
type Scanner struct {
	file   file
	buf    []byte
	base   int64 // offset of buf[0] in the file
	next   int   // first position of buf that was not searched
	line   int   // of buf[0]
	known  bool  // the first bytes were looked at
	off    bool  // nothing more is to be searched
	store  []byte
	found  []match
	more   int
	unread string
}

// match is a hit with the place of its value in the file: never its bytes.
type match struct {
	kind     string
	from, to int64
	line     int
	expires  int64
}

// Begin prepares for a file and reports whether any of it is wanted.
func (s *Scanner) Begin(path string) bool {
	if s.buf == nil {
		s.buf = make([]byte, 0, window)
	}
	*s = Scanner{file: fileOf(path), buf: s.buf[:0], store: s.store[:0], found: s.found[:0], line: 1}
	s.off = s.file.quiet
	return !s.off
}

// Wants reports whether more of the file is of interest.
func (s *Scanner) Wants() bool { return !s.off }

// Write takes the next bytes. It never fails.
func (s *Scanner) Write(p []byte) (int, error) {
	n := len(p)
	for len(p) > 0 && !s.off {
		free := s.buf[len(s.buf):cap(s.buf)]
		taken := copy(free, p)
		p = p[taken:]
		s.grow(taken)
	}
	return n, nil
}

// ReadFrom takes the bytes of r until its end, or until no more are wanted.
func (s *Scanner) ReadFrom(r io.Reader) (total int64, err error) {
	for !s.off {
		n, err := r.Read(s.buf[len(s.buf):cap(s.buf)])
		total += int64(n)
		s.grow(n)
		if err == io.EOF {
			return total, nil
		}
		if err != nil {
			return total, err
		}
	}
	return total, nil
}

// grow looks at n bytes that were added to the buffer, which has room again
// when it returns.
func (s *Scanner) grow(n int) {
	s.buf = s.buf[:len(s.buf)+n]
	if !s.known && len(s.buf) >= sniffed {
		s.sniff()
	}
	if s.file.store != nil && !s.off {
		s.keep(n)
	}
	if s.off || len(s.buf) < cap(s.buf) {
		return
	}
	s.search(len(s.buf) - ahead)
	if s.base+int64(s.next) >= MaxFile {
		s.off, s.unread = true, fmt.Sprintf("a text of more than %d bytes; it is searched for secrets up to there", int64(MaxFile))
		return
	}
	s.slide()
}

// keep holds on to a file that is read by its name.
func (s *Scanner) keep(n int) {
	room := maxStore - len(s.store)
	s.store = append(s.store, s.buf[len(s.buf)-n:][:min(n, room)]...)
	if n > room {
		s.unread = fmt.Sprintf("a file of credentials of more than %d bytes; it is read up to there", maxStore)
	}
}

func (s *Scanner) sniff() {
	s.known = true
	if !isText(s.buf[:min(len(s.buf), sniffed)]) {
		s.off = true
	}
}

// search looks at the positions of the buffer up to end. Detectors see the
// same of a file however it was cut into blocks.
func (s *Scanner) search(end int) {
	for i := s.next; i < end; i++ {
		var keys []keyword
		if i, keys = keywords.next(s.buf, i, end); keys == nil {
			break
		}
		for k := range keys {
			from := keys[k].at(s.buf, i)
			if from < 0 || s.file.plain && keys[k].detector.generic {
				continue
			}
			lo := max(0, from-back)
			p := place{
				file: &s.file, text: s.buf[lo:min(len(s.buf), from+ahead-keyMax)],
				at: from - lo, end: from - lo + len(keys[k].text), key: keys[k].text,
			}
			if v, ok := keys[k].detector.find(p); ok {
				s.add(v, lo)
			}
		}
	}
	s.next = max(s.next, end)
}

// add files what a detector found; at is where its text begins in the buffer.
func (s *Scanner) add(v value, at int) {
	m := match{kind: v.kind, from: s.base + int64(at+v.from), to: s.base + int64(at+v.to), expires: v.expires}
	if len(s.found) >= maxFound {
		s.more++
		return
	}
	m.line = s.line + bytes.Count(s.buf[:at+v.from], newline)
	s.found = append(s.found, m)
}

var newline = []byte("\n")

// slide drops what no detector needs any more.
func (s *Scanner) slide() {
	drop := max(0, s.next-back-keyMax)
	s.line += bytes.Count(s.buf[:drop], newline)
	s.base += int64(drop)
	s.next -= drop
	s.buf = s.buf[:copy(s.buf, s.buf[drop:])]
}

// End searches the rest and returns what was found.
func (s *Scanner) End() Result {
	if !s.known && !s.off {
		s.sniff()
	}
	if !s.off {
		s.search(len(s.buf))
		if s.file.store != nil {
			s.byName()
		}
	}
	s.off = true
	s.settle()
	out := Result{Unread: s.unread, More: s.more}
	for _, m := range s.found {
		if len(out.Hits) == MaxHits {
			out.More++
			continue
		}
		out.Hits = append(out.Hits, Hit{m.kind, m.line, m.expires})
	}
	return out
}

// byName reads a file as what its name says it is.
func (s *Scanner) byName() {
	line, at := 1, 0
	for i, v := range s.file.store(s.store) {
		if i >= maxFound {
			s.more++
			continue
		}
		line += bytes.Count(s.store[at:v.from], newline)
		at = v.from
		s.found = append(s.found, match{v.kind, int64(v.from), int64(v.to), line, v.expires})
	}
}

// settle leaves one match for each value: that of the most telling kind.
func (s *Scanner) settle() {
	slices.SortFunc(s.found, func(a, b match) int {
		return cmp.Or(cmp.Compare(rank(b.kind), rank(a.kind)), cmp.Compare(a.from, b.from), cmp.Compare(a.kind, b.kind))
	})
	var kept []match
	for _, m := range s.found {
		if !slices.ContainsFunc(kept, func(k match) bool { return k.from < m.to && m.from < k.to }) {
			kept = append(kept, m)
		}
	}
	slices.SortFunc(kept, func(a, b match) int { return cmp.Compare(a.from, b.from) })
	s.found = kept
}

// rank orders kinds by how much they tell of a value.
func rank(kind string) int {
	switch {
	case kind == passwordAssignment:
		return 0
	case kind == urlPassword:
		return 1
	case kind == gcpAccount:
		return 4
	case kind == registryToken || KindOf(kind).Class == Store:
		return 2
	}
	return 3
}
