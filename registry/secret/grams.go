package secret

import "encoding/binary"

const (
	gramSize = 3  // bytes of a gram
	keyMax   = 32 // bytes of a keyword, at most
	foldCase = 0x20
	foldAll  = 0x2020202020202020
	lowFive  = 0x1f1f1f1f1f1f1f1f
	gramMask = 1<<(5*gramSize) - 1
)

// grams finds keywords in one pass over a text. Of each keyword three bytes
// are chosen that are rare in texts. The low five bits of three bytes are an
// index to a table that tells for every position of the text whether a keyword
// may be there: without regard to case, and twelve positions at a time.
type grams struct {
	table   [gramMask + 1]uint8 // 1 + index in buckets; 0: no keyword
	exact   [256]uint32         // the gram of a bucket, folded; 0 where several share it
	buckets [][]keyword
}

// indices gives the index of the gram that begins at byte j of x at bit 8*j.
// Bits of neighbours meet there, but none is lost: each gram of fifteen bits
// has its own index.
func indices(x uint64) uint64 {
	x &= lowFive
	return x ^ x>>3 ^ x>>6
}

// folded is the gram in the three lowest bytes of x, in lower case.
func folded(x uint64) uint32 { return uint32(x|foldAll) & 0xffffff }

// keyword is a literal that a detector wants to see. A folded one is in lower
// case and found in any case.
type keyword struct {
	text     string
	gram     int // where its gram begins
	fold     bool
	detector *detector
}

// compile fills the table.
func compile(detectors []detector) *grams {
	g := &grams{}
	for i := range detectors {
		d := &detectors[i]
		for _, k := range d.keys {
			at := d.gramIn(k)
			x := gram(k[at], k[at+1], k[at+2])
			h := indices(x) & gramMask
			if g.table[h] == 0 {
				g.buckets = append(g.buckets, nil)
				g.table[h] = uint8(len(g.buckets))
				g.exact[g.table[h]] = folded(x)
			}
			b := g.table[h] - 1
			if g.exact[b+1] != folded(x) {
				g.exact[b+1] = 0
			}
			g.buckets[b] = append(g.buckets[b], keyword{k, at, d.fold, d})
		}
	}
	return g
}

// next returns the first position from i on, and before end, where a gram
// stands, with its bucket; end where there is none.
func (g *grams) next(text []byte, i, end int) (int, []keyword) {
	t := &g.table
	for ; i < end && i+14 <= len(text); i += 12 {
		block := (*[14]byte)(text[i:])
		x, y := binary.LittleEndian.Uint64(block[:]), binary.LittleEndian.Uint64(block[6:])
		p, q := indices(x), indices(y)
		some := t[p&gramMask] | t[p>>8&gramMask] | t[p>>16&gramMask] | t[p>>24&gramMask] | t[p>>32&gramMask] | t[p>>40&gramMask] |
			t[q&gramMask] | t[q>>8&gramMask] | t[q>>16&gramMask] | t[q>>24&gramMask] | t[q>>32&gramMask] | t[q>>40&gramMask]
		if some == 0 {
			continue
		}
		if at, b := g.first(x, y, min(12, end-i)); b != nil {
			return i + at, b
		}
	}
	for ; i < end && i+gramSize <= len(text); i++ {
		if b := g.bucket(gram(text[i], text[i+1], text[i+2])); b != nil {
			return i, b
		}
	}
	return end, nil
}

// gram puts three bytes where indices and folded take them from.
func gram(a, b, c byte) uint64 { return uint64(a) | uint64(b)<<8 | uint64(c)<<16 }

// bucket holds the keywords of the gram in the lowest bytes of x.
func (g *grams) bucket(x uint64) []keyword {
	b := g.table[indices(x&0xffffff)&gramMask]
	if b == 0 || g.exact[b] != 0 && g.exact[b] != folded(x) {
		return nil
	}
	return g.buckets[b-1]
}

// first looks up the first n of twelve positions one by one: six of x, six of y.
func (g *grams) first(x, y uint64, n int) (int, []keyword) {
	for j := range n {
		if b := g.bucket(x); b != nil {
			return j, b
		}
		if x >>= 8; j == 5 {
			x = y
		}
	}
	return 0, nil
}

// at returns where the keyword begins if its gram stands at i, else -1.
func (k *keyword) at(text []byte, i int) int {
	from := i - k.gram
	if from < 0 || from+len(k.text) > len(text) {
		return -1
	}
	for j := range len(k.text) {
		c := text[from+j]
		if k.fold && 'A' <= c && c <= 'Z' {
			c |= foldCase
		}
		if c != k.text[j] {
			return -1
		}
	}
	return from
}
