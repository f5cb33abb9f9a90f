package detect

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// part is one element of a pattern.
type part struct {
	kind partKind
	lit  []byte // of literal
}

type partKind uint8

const (
	literal partKind = iota
	star             // any bytes, none too
	any1             // exactly one character
	dash             // one of the characters that windash takes for each other
)

// dashes are the characters of the windash modifier.
var dashes = []string{"-", "/", "–", "—", "―"}

// pattern is a string value of a rule, wildcards told from plain text.
type pattern []part

// parsePattern reads the escapes of Sigma: a backslash makes *, ? and \ plain,
// and is plain itself before anything else.
func parsePattern(s string) pattern {
	var p pattern
	var lit []byte
	flush := func() {
		if len(lit) > 0 {
			p, lit = append(p, part{kind: literal, lit: lit}), nil
		}
	}
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '\\' && i+1 < len(s) && strings.IndexByte(`*?\`, s[i+1]) >= 0:
			i++
			lit = append(lit, s[i])
		case c == '*':
			flush()
			p = append(p, part{kind: star})
		case c == '?':
			flush()
			p = append(p, part{kind: any1})
		default:
			lit = append(lit, c)
		}
	}
	flush()
	return p
}

// plain returns the text of a pattern without wildcards.
func (p pattern) plain() ([]byte, bool) {
	var out []byte
	for _, x := range p {
		if x.kind != literal {
			return nil, false
		}
		out = append(out, x.lit...)
	}
	return out, true
}

// steps counts the characters that stand for one other each.
func (p pattern) steps() int {
	n := 0
	for _, x := range p {
		if x.kind == any1 || x.kind == dash {
			n++
		}
	}
	return n
}

// mapLiterals returns p with f applied to its plain text.
func (p pattern) mapLiterals(f func([]byte) []byte) pattern {
	out := make(pattern, len(p))
	for i, x := range p {
		if out[i] = x; x.kind == literal {
			out[i].lit = f(x.lit)
		}
	}
	return out
}

// around returns p between stars.
func (p pattern) around(before, after bool) pattern {
	var out pattern
	if before {
		out = append(out, part{kind: star})
	}
	out = append(out, p...)
	if after {
		out = append(out, part{kind: star})
	}
	return out
}

// withDashes replaces each dash or slash that begins a word by the class of
// them. Inside of a word they stay: windash is about options, not paths.
func (p pattern) withDashes() pattern {
	var out pattern
	inWord := false // whether what came before is a word character
	for _, x := range p {
		if x.kind != literal {
			out, inWord = append(out, x), false
			continue
		}
		lit := x.lit
		for i, from := 0, 0; i <= len(lit); {
			n := dashAt(lit[i:])
			switch {
			case i == len(lit):
				if i > from {
					out = append(out, part{kind: literal, lit: lit[from:]})
				}
				i++
			case n > 0 && !inWord && startsWord(lit[i+n:]):
				if i > from {
					out = append(out, part{kind: literal, lit: lit[from:i]})
				}
				out = append(out, part{kind: dash})
				i += n
				from = i
			default:
				r, size := utf8.DecodeRune(lit[i:])
				inWord = isWord(r)
				i += size
			}
		}
	}
	return out
}

func startsWord(b []byte) bool {
	r, _ := utf8.DecodeRune(b)
	return len(b) > 0 && isWord(r)
}

func isWord(r rune) bool { return r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r) }

// dashAt returns the length of the dash that b begins with, 0 when with none.
func dashAt(b []byte) int {
	for _, d := range dashes {
		if bytes.HasPrefix(b, []byte(d)) {
			return len(d)
		}
	}
	return 0
}

// glob is a compiled pattern: segments between stars. Matching takes time
// linear in the value for each segment without ?, so that no value can make
// it explode.
type glob struct {
	open, closed bool // whether the pattern's start and end are stars
	segments     []pattern
}

func newGlob(p pattern) *glob {
	g := &glob{}
	if len(p) == 0 {
		g.segments = []pattern{{}}
		return g
	}
	g.open, g.closed = p[0].kind == star, p[len(p)-1].kind == star
	var seg pattern
	for _, x := range p {
		if x.kind != star {
			seg = append(seg, x)
		} else if len(seg) > 0 {
			g.segments, seg = append(g.segments, seg), nil
		}
	}
	if len(seg) > 0 {
		g.segments = append(g.segments, seg)
	}
	return g
}

// key tells globs apart.
func (g *glob) key() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%t %t", g.open, g.closed)
	for _, seg := range g.segments {
		b.WriteByte('*')
		for _, x := range seg {
			fmt.Fprintf(&b, "%d%q", x.kind, x.lit)
		}
	}
	return b.String()
}

func (g *glob) match(s []byte) bool {
	segments := g.segments
	if len(segments) == 0 {
		return true // stars only
	}
	if !g.open && !g.closed && len(segments) == 1 {
		return segments[0].prefix(s) == len(s)
	}
	if !g.open {
		n := segments[0].prefix(s)
		if n < 0 {
			return false
		}
		s, segments = s[n:], segments[1:]
	}
	if !g.closed {
		at := segments[len(segments)-1].suffix(s)
		if at < 0 {
			return false
		}
		s, segments = s[:at], segments[:len(segments)-1]
	}
	for _, seg := range segments {
		end := seg.find(s)
		if end < 0 {
			return false
		}
		s = s[end:]
	}
	return true
}

// prefix returns how many bytes of s the segment takes at its start, -1 if it
// doesn't match there.
func (p pattern) prefix(s []byte) int {
	all := len(s)
	for _, x := range p {
		n := 0
		switch x.kind {
		case literal:
			if !bytes.HasPrefix(s, x.lit) {
				return -1
			}
			n = len(x.lit)
		case dash:
			n = dashAt(s)
		default:
			_, n = utf8.DecodeRune(s)
		}
		if n == 0 {
			return -1
		}
		s = s[n:]
	}
	return all - len(s)
}

// find returns where the first match of the segment in s ends, -1 without one.
func (p pattern) find(s []byte) int {
	if len(p) == 1 && p[0].kind == literal {
		i := bytes.Index(s, p[0].lit)
		if i < 0 {
			return -1
		}
		return i + len(p[0].lit)
	}
	for i := range s {
		if n := p.prefix(s[i:]); n >= 0 && utf8.RuneStart(s[i]) {
			return i + n
		}
	}
	return -1
}

// suffix returns where a match that reaches the end of s begins, -1 without one.
func (p pattern) suffix(s []byte) int {
	if len(p) == 1 && p[0].kind == literal {
		if !bytes.HasSuffix(s, p[0].lit) {
			return -1
		}
		return len(s) - len(p[0].lit)
	}
	for i := len(s) - 1; i >= 0; i-- {
		if p.prefix(s[i:]) == len(s)-i && utf8.RuneStart(s[i]) {
			return i
		}
	}
	return -1
}

// fold appends s with the case of letters removed: upper, then lower case, so
// that letters with several lower forms meet. Bytes that are no UTF-8 stay.
func fold(dst, s []byte) []byte {
	for i := 0; i < len(s); {
		if i+8 <= len(s) {
			if w := binary.LittleEndian.Uint64(s[i:]); w&highBits == 0 {
				dst = binary.LittleEndian.AppendUint64(dst, w|upperBits(w)>>2) // 'a' is 'A' and 0x20
				i += 8
				continue
			}
		}
		c := s[i]
		if c < utf8.RuneSelf {
			if 'A' <= c && c <= 'Z' {
				c += 'a' - 'A'
			}
			dst = append(dst, c)
			i++
			continue
		}
		r, size := utf8.DecodeRune(s[i:])
		if r == utf8.RuneError && size == 1 {
			dst = append(dst, c)
		} else {
			dst = utf8.AppendRune(dst, unicode.ToLower(unicode.ToUpper(r)))
		}
		i += size
	}
	return dst
}

// isFolded reports whether fold would change nothing, for ASCII alone.
func isFolded(s []byte) bool {
	for len(s) >= 8 {
		w := binary.LittleEndian.Uint64(s)
		if w&highBits != 0 || upperBits(w) != 0 {
			return false
		}
		s = s[8:]
	}
	for _, c := range s {
		if c >= utf8.RuneSelf || 'A' <= c && c <= 'Z' {
			return false
		}
	}
	return true
}

// highBits are the highest of each of eight bytes.
const highBits = 0x8080808080808080

// upperBits sets the highest bit of each of eight bytes that is an upper case
// letter. All are ASCII.
func upperBits(w uint64) uint64 {
	const from, after = highBits - 'A'*0x0101010101010101, highBits - ('Z'+1)*0x0101010101010101
	return (w + from) &^ (w + after) & highBits
}
