package secret

import "encoding/binary"

const (
	gramBits = 14
	gramSize = 3  // bytes of a gram
	keyMax   = 32 // bytes of a keyword, at most
	foldCase = 0x20
)

// grams finds keywords in one pass over a text. Of each keyword three bytes
// are chosen that are rare in texts; a table of their hashes, without regard to
// case, tells for every position of the text whether a keyword may be there. Six
// positions are looked up from one load of eight bytes.
type grams struct {
	table   [1 << gramBits]uint8 // 1 + index in buckets; 0: no keyword
	buckets [][]keyword
}

// keyword is a literal that a detector wants to see. A folded one is in lower
// case and found in any case.
type keyword struct {
	text     string
	gram     int // where its gram begins
	fold     bool
	detector *detector
}

// hash of the lowest three bytes of x, which are folded already.
func hash(x uint32) uint32 { return (x << 8) * 0x9E3779B1 >> (32 - gramBits) }

const foldAll = 0x2020202020202020

// compile fills the table. gram names the three bytes of each keyword.
func compile(detectors []detector) *grams {
	g := &grams{}
	for i := range detectors {
		d := &detectors[i]
		for _, k := range d.keys {
			at := d.gramIn(k)
			x := uint32(k[at]|foldCase) | uint32(k[at+1]|foldCase)<<8 | uint32(k[at+2]|foldCase)<<16
			h := hash(x)
			if g.table[h] == 0 {
				g.buckets = append(g.buckets, nil)
				g.table[h] = uint8(len(g.buckets))
			}
			b := g.table[h] - 1
			g.buckets[b] = append(g.buckets[b], keyword{k, at, d.fold, d})
		}
	}
	return g
}

// next returns the first position from i on, and before end, where the hash of
// a gram stands, with its bucket; end where there is none.
func (g *grams) next(text []byte, i, end int) (int, []keyword) {
	t := &g.table
	for ; i < end && i+8 <= len(text); i += 6 {
		x := binary.LittleEndian.Uint64(text[i:]) | foldAll
		any := t[hash(uint32(x))] | t[hash(uint32(x>>8))] | t[hash(uint32(x>>16))] |
			t[hash(uint32(x>>24))] | t[hash(uint32(x>>32))] | t[hash(uint32(x>>40))]
		if any == 0 {
			continue
		}
		for j := i; j < i+6 && j < end; j++ {
			if b := t[hash(uint32(x))]; b != 0 {
				return j, g.buckets[b-1]
			}
			x >>= 8
		}
	}
	for ; i < end && i+gramSize <= len(text); i++ {
		x := uint32(text[i]|foldCase) | uint32(text[i+1]|foldCase)<<8 | uint32(text[i+2]|foldCase)<<16
		if b := t[hash(x)]; b != 0 {
			return i, g.buckets[b-1]
		}
	}
	return end, nil
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
