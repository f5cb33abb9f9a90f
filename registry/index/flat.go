package index

import (
	"encoding/binary"
	"iter"
	"math/bits"
	"sort"
)

// The forms in which a segment keeps texts, lists of numbers and blobs. They
// are read where they lie. All numbers of fixed width are little-endian. The
// checksum of a segment is compared before it is read, so that readers trust
// what they find.

// blockSize is how many texts share one start of a table: a look-up reads
// through half a block on average.
const blockSize = 16

// table is a list of texts: uint32 count, uint32 length of the body, the
// uint32 place in the body of every 16th text, and the body: for each text
// how many bytes it shares with the one before, how many follow, and these.
type table struct {
	n      int
	starts []byte
	body   []byte
}

// tableWriter makes a table.
type tableWriter struct {
	n      int
	starts []byte
	body   []byte
	last   string
}

func (w *tableWriter) add(text string) {
	shared := 0
	if w.n%blockSize == 0 {
		w.starts = binary.LittleEndian.AppendUint32(w.starts, uint32(len(w.body)))
	} else {
		for shared < min(len(text), len(w.last)) && text[shared] == w.last[shared] {
			shared++
		}
	}
	w.body = binary.AppendUvarint(w.body, uint64(shared))
	w.body = appendText(w.body, text[shared:])
	w.last = text
	w.n++
}

func (w *tableWriter) appendTo(out []byte) []byte {
	out = binary.LittleEndian.AppendUint32(out, uint32(w.n))
	out = binary.LittleEndian.AppendUint32(out, uint32(len(w.body)))
	return append(append(out, w.starts...), w.body...)
}

// openTable reads a table and returns what follows it.
func openTable(data []byte) (t table, rest []byte) {
	t.n = int(binary.LittleEndian.Uint32(data))
	length := int(binary.LittleEndian.Uint32(data[4:]))
	starts := 4 * ((t.n + blockSize - 1) / blockSize)
	t.starts, data = data[8:8+starts], data[8+starts:]
	t.body = data[:length]
	return t, data[length:]
}

// all goes through the texts from one on, in order; a text is valid until the
// next.
func (t table) all(from int) iter.Seq2[int, []byte] {
	return func(yield func(int, []byte) bool) {
		if from >= t.n {
			return
		}
		body := t.body[binary.LittleEndian.Uint32(t.starts[from/blockSize*4:]):]
		text := make([]byte, 0, 128)
		for i := from / blockSize * blockSize; i < t.n; i++ {
			shared, w1 := binary.Uvarint(body)
			more, w2 := binary.Uvarint(body[w1:])
			body = body[w1+w2:]
			text = append(text[:shared], body[:more]...)
			body = body[more:]
			if i >= from && !yield(i, text) {
				return
			}
		}
	}
}

func (t table) at(i int) string {
	for _, text := range t.all(i) {
		return string(text)
	}
	return ""
}

// lower returns the first text of a sorted table that is not before key.
func (t table) lower(key string) int {
	blocks := (t.n + blockSize - 1) / blockSize
	block := sort.Search(blocks, func(b int) bool { return t.at(b*blockSize) > key })
	if block == 0 {
		return 0
	}
	for i, text := range t.all((block - 1) * blockSize) {
		if string(text) >= key {
			return i
		}
	}
	return t.n
}

// find looks a text up in a sorted table.
func (t table) find(key string) (int, bool) {
	i := t.lower(key)
	return i, i < t.n && t.at(i) == key
}

// blobs is a list of byte strings: n+1 places, uint64 each, and the body.
type blobs struct {
	places []byte
	body   []byte
}

// blobWriter makes blobs.
type blobWriter struct{ places, body []byte }

// end says that what was appended to body since the last call is one blob.
func (w *blobWriter) end() {
	if len(w.places) == 0 {
		w.places = make([]byte, 8)
	}
	w.places = binary.LittleEndian.AppendUint64(w.places, uint64(len(w.body)))
}

func (w *blobWriter) blob(i int) []byte { return blobs{w.places, w.body}.at(i) }

func (w *blobWriter) bytes() []byte { return append(w.places, w.body...) }

func openBlobs(data []byte, n int) blobs {
	if n == 0 {
		return blobs{}
	}
	return blobs{data[:8*(n+1)], data[8*(n+1):]}
}

func (b blobs) at(i int) []byte {
	from := binary.LittleEndian.Uint64(b.places[8*i:])
	to := binary.LittleEndian.Uint64(b.places[8*i+8:])
	return b.body[from:to]
}

// appendList writes rising numbers below a bound: their count, shifted left by
// one, and the gaps between them, as uvarints; or, with the lowest bit of the
// count set, a bitmap of 64-bit words where that is shorter.
func appendList(out []byte, list []uint32, bound int) []byte {
	start := len(out)
	out = binary.AppendUvarint(out, uint64(len(list))<<1)
	words := (bound + 63) / 64
	last := uint32(0)
	for i, n := range list {
		gap := n - last
		if i == 0 {
			gap = n
		}
		out = binary.AppendUvarint(out, uint64(gap))
		last = n
	}
	if len(out)-start <= 8*words {
		return out
	}
	out = binary.AppendUvarint(out[:start], uint64(len(list))<<1|1)
	set := newBits(bound)
	for _, n := range list {
		set.add(int(n))
	}
	for _, word := range set {
		out = binary.LittleEndian.AppendUint64(out, word)
	}
	return out
}

// numbers reads a list.
func numbers(data []byte) iter.Seq[uint32] {
	return func(yield func(uint32) bool) {
		head, width := binary.Uvarint(data)
		data = data[width:]
		if head&1 == 1 {
			for at := 0; len(data) >= 8; at, data = at+64, data[8:] {
				for word := binary.LittleEndian.Uint64(data); word != 0; word &= word - 1 {
					if !yield(uint32(at + bits.TrailingZeros64(word))) {
						return
					}
				}
			}
			return
		}
		n := uint32(0)
		for range head >> 1 {
			gap, width := binary.Uvarint(data)
			data = data[width:]
			if n += uint32(gap); !yield(n) {
				return
			}
		}
	}
}

// bitset is a set of small numbers.
type bitset []uint64

func newBits(bound int) bitset { return make(bitset, (bound+63)/64) }

func (b bitset) add(i int) { b[i/64] |= 1 << (i % 64) }

func (b bitset) has(i int) bool { return i/64 < len(b) && b[i/64]&(1<<(i%64)) != 0 }

// addList adds the numbers of a list.
func (b bitset) addList(data []byte) {
	head, width := binary.Uvarint(data)
	data = data[width:]
	if head&1 == 1 {
		for i := 0; len(data) >= 8; i, data = i+1, data[8:] {
			b[i] |= binary.LittleEndian.Uint64(data)
		}
		return
	}
	n := uint64(0)
	for range head >> 1 {
		// Most gaps take one byte, and this is the innermost loop.
		gap, width := uint64(data[0]), 1
		if gap >= 0x80 {
			gap, width = binary.Uvarint(data)
		}
		data = data[width:]
		n += gap
		b[n/64] |= 1 << (n % 64)
	}
}

func (b bitset) count() int {
	n := 0
	for _, word := range b {
		n += bits.OnesCount64(word)
	}
	return n
}

// all lists the numbers, rising.
func (b bitset) all() iter.Seq[int] {
	return func(yield func(int) bool) {
		for i, word := range b {
			for ; word != 0; word &= word - 1 {
				if !yield(i*64 + bits.TrailingZeros64(word)) {
					return
				}
			}
		}
	}
}
