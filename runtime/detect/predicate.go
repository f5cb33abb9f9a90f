package detect

import (
	"bytes"
	"fmt"
	"math"
	"net/netip"
	"regexp"
	"strconv"
	"unsafe"
)

// predicate is one test of one field, shared by all rules that ask it.
type predicate struct {
	field int // index into program.fields
	body  int // rank of the level from which the field is in an audit record; -1: any
	op    predOp
	cased bool
	text  []byte // of opEqual: what the value must be, folded unless cased
	glob  *glob  // of opGlob
	re    *regexp.Regexp
	parts []string // of opRegex: texts of which each match holds one, folded; nil where there are none
	net   netip.Prefix
	cmp   compareOp
	num   float64
	part  timePart // of opCompare: what of a time is compared; 0: the value itself
	want  bool     // of opExists
	other int      // of opFieldref: the other field
	where refWhere // of opFieldref
}

type predOp uint8

const (
	opEqual predOp = iota
	opGlob
	opAnything // a pattern of stars only: any value but null, objects too
	opRegex
	opNet
	opCompare
	opNull
	opExists
	opFieldref
)

type compareOp uint8

const (
	equal compareOp = iota
	less
	lessEqual
	greater
	greaterEqual
	unequal // of correlations
)

// refWhere says where in the field's value the other field's value stands.
type refWhere uint8

const (
	refWhole refWhere = iota
	refContains
	refStarts
	refEnds
)

// key tells predicates apart.
func (p *predicate) key() string {
	tail := ""
	switch p.op {
	case opEqual:
		tail = string(p.text)
	case opGlob:
		tail = p.glob.key()
	case opRegex:
		tail = p.re.String()
	case opNet:
		tail = p.net.String()
	}
	return fmt.Sprintf("%d %d %t %d %g %d %t %d %d %s", p.field, p.op, p.cased, p.cmp, p.num, p.part, p.want, p.other, p.where, tail)
}

// absent is the predicate's answer for a field that isn't there.
func (p *predicate) absent() bool { return p.op == opNull || p.op == opExists && !p.want }

// matches tests one value. Predicates about the field as a whole (null,
// exists, fieldref) are answered by the matcher.
func (p *predicate) matches(v *value) bool {
	if p.op == opAnything {
		return true
	}
	if v.object {
		return false
	}
	switch p.op {
	case opEqual:
		return bytes.Equal(v.in(p.cased), p.text)
	case opGlob:
		return p.glob.match(v.in(p.cased))
	case opRegex:
		return p.re.Match(v.text)
	case opNet:
		return p.inNet(v.text)
	case opCompare:
		return p.compares(v.text)
	}
	return false
}

// longestAddress in text form, with a zone that no log has.
const longestAddress = 64

func (p *predicate) inNet(text []byte) bool {
	if len(text) > longestAddress {
		return false
	}
	if bytes.IndexByte(text, ':') < 0 {
		addr, ok := fourBytes(text)
		return ok && p.net.Contains(addr)
	}
	// The parser keeps no part of an address but its zone, of which it makes a
	// copy, and an error is dropped here: the text needs no copy first.
	addr, err := netip.ParseAddr(unsafe.String(unsafe.SliceData(text), len(text)))
	return err == nil && p.net.Contains(addr.WithZone("").Unmap())
}

// fourBytes reads an IPv4 address as netip.ParseAddr does. Clouds log names in
// place of addresses, and each would cost that an error.
func fourBytes(text []byte) (netip.Addr, bool) {
	var b [4]byte
	for i := range b {
		n, digits := 0, 0
		for ; digits < len(text) && '0' <= text[digits] && text[digits] <= '9' && n <= 255; digits++ {
			n = 10*n + int(text[digits]-'0')
		}
		if digits == 0 || n > 255 || digits > 1 && text[0] == '0' {
			return netip.Addr{}, false
		}
		b[i], text = byte(n), text[digits:]
		if i < 3 {
			if len(text) == 0 || text[0] != '.' {
				return netip.Addr{}, false
			}
			text = text[1:]
		}
	}
	return netip.AddrFrom4(b), len(text) == 0
}

// longestNumber that is compared; a longer text is no number.
const longestNumber = 64

func (p *predicate) compares(text []byte) bool {
	n, ok := p.part.of(text)
	if !ok {
		return false
	}
	return p.cmp.holds(n, p.num)
}

// number reads the text of a value.
func number(text []byte) (float64, bool) {
	if len(text) > longestNumber {
		return 0, false
	}
	n, err := strconv.ParseFloat(string(text), 64)
	return n, err == nil && !math.IsNaN(n) && !math.IsInf(n, 0)
}

// holds compares a number with a rule's.
func (c compareOp) holds(n, want float64) bool {
	switch c {
	case equal:
		return n == want
	case less:
		return n < want
	case lessEqual:
		return n <= want
	case greater:
		return n > want
	case unequal:
		return n != want
	default:
		return n >= want
	}
}

// refers tests a pair of values of opFieldref.
func (p *predicate) refers(v, other *value) bool {
	if v.object || other.object {
		return false
	}
	a, b := v.in(p.cased), other.in(p.cased)
	switch p.where {
	case refContains:
		return bytes.Contains(a, b)
	case refStarts:
		return bytes.HasPrefix(a, b)
	case refEnds:
		return bytes.HasSuffix(a, b)
	default:
		return bytes.Equal(a, b)
	}
}

// value is one scalar of an event, or an object, which has no text. Its room
// is reused from event to event.
type value struct {
	text   []byte
	object bool
	folded []byte // text itself, or in room
	isFold bool
	room   []byte // for folded
	own    []byte // room for texts that the parser doesn't hold
}

// in returns the text, folded unless cased.
func (v *value) in(cased bool) []byte {
	if cased {
		return v.text
	}
	if !v.isFold {
		v.folded, v.isFold = v.text, true
		if !isFolded(v.text) {
			v.room = fold(v.room[:0], v.text)
			v.folded = v.room
		}
	}
	return v.folded
}
