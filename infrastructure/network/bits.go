package network

import (
	"encoding/binary"
	"math/bits"
)

// set is a set of small integers. Sets of one universe have one length.
type set []uint64

func newSet(n int) set { return make(set, (n+63)/64) }

func (s set) add(i int)      { s[i/64] |= 1 << (i % 64) }
func (s set) has(i int) bool { return s[i/64]&(1<<(i%64)) != 0 }

func (s set) or(o set) {
	for i, w := range o {
		s[i] |= w
	}
}

func (s set) and(o set) {
	for i, w := range o {
		s[i] &= w
	}
}

func (s set) andNot(o set) {
	for i, w := range o {
		s[i] &^= w
	}
}

func (s set) clone() set { return append(set(nil), s...) }

func (s set) empty() bool {
	for _, w := range s {
		if w != 0 {
			return false
		}
	}
	return true
}

func (s set) intersects(o set) bool {
	for i, w := range o {
		if s[i]&w != 0 {
			return true
		}
	}
	return false
}

func (s set) equal(o set) bool {
	for i, w := range o {
		if s[i] != w {
			return false
		}
	}
	return true
}

// each calls f with every member in rising order.
func (s set) each(f func(int)) {
	for i, w := range s {
		for ; w != 0; w &= w - 1 {
			f(i*64 + bits.TrailingZeros64(w))
		}
	}
}

// key makes a set usable as the key of a map.
func (s set) key() string {
	b := make([]byte, len(s)*8)
	for i, w := range s {
		binary.LittleEndian.PutUint64(b[i*8:], w)
	}
	return string(b)
}

// fill returns the set of all of 0 … n-1.
func fill(n int) set {
	s := newSet(n)
	for i := range n {
		s.add(i)
	}
	return s
}

// orAnd adds what two other sets have in common.
func (s set) orAnd(a, b set) {
	for i := range s {
		s[i] |= a[i] & b[i]
	}
}

// first returns the lowest member of a set that isn't empty.
func (s set) first() int {
	for i, w := range s {
		if w != 0 {
			return i*64 + bits.TrailingZeros64(w)
		}
	}
	return -1
}

func (s set) remove(i int) { s[i/64] &^= 1 << (i % 64) }

func (s set) count() int {
	n := 0
	for _, w := range s {
		n += bits.OnesCount64(w)
	}
	return n
}

func (s set) addAll(list []int) {
	for _, i := range list {
		s.add(i)
	}
}

// hashWith is a hash of the set with i in it.
func (s set) hashWith(i int) uint64 {
	hash := uint64(0)
	for k, w := range s {
		if k == i/64 {
			w |= 1 << (i % 64)
		}
		high, low := bits.Mul64(hash^w^0x9e3779b97f4a7c15, 0xd6e8feb86659fd93)
		hash = high ^ low + uint64(k)
	}
	return hash
}

// equalWith reports whether the set with i in it is the other one with j.
func (s set) equalWith(i int, other set, j int) bool {
	for k, w := range s {
		o := other[k]
		if k == i/64 {
			w |= 1 << (i % 64)
		}
		if k == j/64 {
			o |= 1 << (j % 64)
		}
		if w != o {
			return false
		}
	}
	return true
}

// membersWith lists the members and i, rising.
func (s set) membersWith(i int) []int {
	list := make([]int, 0, s.count()+1)
	for k, w := range s {
		if k == i/64 {
			w |= 1 << (i % 64)
		}
		for ; w != 0; w &= w - 1 {
			list = append(list, k*64+bits.TrailingZeros64(w))
		}
	}
	return list
}

// copyBits adds n members of another set, from its member from on, as those
// from at on.
func (s set) copyBits(at int, other set, from, n int) {
	for n > 0 {
		some := min(n, 64-at%64, 64-from%64)
		word := other[from/64] >> (from % 64)
		if some < 64 {
			word &= 1<<some - 1
		}
		s[at/64] |= word << (at % 64)
		at, from, n = at+some, from+some, n-some
	}
}

// transpose turns rows to columns: bit j of word i becomes bit i of word j.
func transpose(m *[64]uint64) {
	mask := uint64(0x00000000ffffffff)
	for j := 32; j > 0; j, mask = j/2, mask^(mask<<(j/2)) {
		for k := 0; k < 64; k = (k + j + 1) &^ j {
			t := (m[k]>>j ^ m[k+j]) & mask
			m[k+j] ^= t
			m[k] ^= t << j
		}
	}
}
