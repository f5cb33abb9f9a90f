package network

import "math/bits"

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
	b := make([]byte, 0, len(s)*8)
	for _, w := range s {
		b = append(b, byte(w), byte(w>>8), byte(w>>16), byte(w>>24), byte(w>>32), byte(w>>40), byte(w>>48), byte(w>>56))
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
