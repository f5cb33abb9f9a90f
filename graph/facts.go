package graph

import "cmp"

// subset says whether all of a is in b, both ascending.
func subset[T cmp.Ordered](a, b []T) bool {
	for _, f := range a {
		for len(b) > 0 && b[0] < f {
			b = b[1:]
		}
		if len(b) == 0 || b[0] != f {
			return false
		}
		b = b[1:]
	}
	return true
}

// mix is the finalizer of SplitMix64 (Steele, Lea and Flood, 2014).
func mix(x uint64) uint64 {
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

func hash(facts []Fact) uint64 {
	var h uint64
	for _, f := range facts {
		h += mix(uint64(f) + 0x9e3779b97f4a7c15)
	}
	return mix(h)
}

func signature(f Fact) uint64 {
	return 1 << (mix(uint64(f)+0x9e3779b97f4a7c15) >> 58)
}

func signatures(facts []Fact) uint64 {
	var s uint64
	for _, f := range facts {
		s |= signature(f)
	}
	return s
}

// minus appends to out what is in a and not in b, both ascending.
func minus(out, a, b []Fact) []Fact {
	for _, f := range a {
		for len(b) > 0 && b[0] < f {
			b = b[1:]
		}
		if len(b) == 0 || b[0] != f {
			out = append(out, f)
		}
	}
	return out
}
