package bus

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math"
	"time"

	"github.com/klauspost/compress/s2"

	"github.com/scantling/scantling/model"
)

// magic begins every message; its last byte is the version of the form.
const magic = "SCL\x01"

// Bounds of a message.
const (
	maxBatches = 1 << batchBits // of a message
	maxPack    = 1 << 20        // bytes of a message of many records, uncompressed
	maxRecord  = 6 << 20        // one record by itself
	maxHead    = 32 << 10       // what is no record, where there is one part
	maxName    = 4 << 10        // each of ID, kind, stream and key
	maxCount   = 64 << 10       // records of a part: their lengths are in the head
	batchBits  = 12
)

// The ways in which records are stored.
const (
	plain = 0
	asS2  = 1
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// sequence is that of the nth batch of a message.
func sequence(message uint64, n int) uint64 { return (message-1)<<batchBits + uint64(n) + 1 }

// place of a sequence: the message, and the batch in it.
func split(seq uint64) (message uint64, n int) {
	return (seq-1)>>batchBits + 1, int((seq - 1) & (maxBatches - 1))
}

// part is a batch that fits into a message, or a piece of one that doesn't.
type part struct {
	model.Batch
	number int
}

// Bounds of what is no record: the length of one, and of a part the numbers and
// the lengths of its names.
const (
	lengthBytes = 4
	partBytes   = 64
)

// size is a bound of how many bytes a part takes, uncompressed.
func (p part) size() int {
	n := partBytes + len(p.ID) + len(p.Kind) + len(p.Stream) + len(p.Key)
	for _, r := range p.Records {
		n += len(r) + lengthBytes
	}
	return n
}

// room says what fits into a message.
type room struct {
	pack   int // bytes of many records
	record int // bytes of one
}

// roomOf divides the largest payload that a server takes.
func roomOf(payload int64) room {
	return room{pack: int(min(maxPack, payload/2)), record: int(min(maxRecord, payload-maxHead))}
}

// cut makes parts of a batch, always the same of the same batch: a part ends
// before the record that would make it larger than a message of many.
func cut(b model.Batch, to room) ([]part, error) {
	if max(len(b.ID), len(b.Kind), len(b.Stream), len(b.Key)) > maxName {
		return nil, fmt.Errorf("a name of the batch is longer than %d bytes: %w", maxName, ErrTooLarge)
	}
	var parts []part
	begin, size := 0, 0
	add := func(end int) {
		p := part{b, len(parts)}
		p.Records, p.Index = b.Records[begin:end], b.Index+begin
		parts = append(parts, p)
		begin, size = end, 0
	}
	for i, r := range b.Records {
		if len(r) > to.record {
			return nil, fmt.Errorf("record %d of %s has %d bytes, at most %d are possible: %w", b.Index+i, b.Stream, len(r), to.record, ErrTooLarge)
		}
		if i > begin && (size+len(r)+lengthBytes > to.pack || i-begin == maxCount) {
			add(i)
		}
		size += len(r) + lengthBytes
	}
	if len(b.Records) > 0 {
		add(len(b.Records))
	}
	return parts, nil
}

const noTime = math.MinInt64

// encode writes a message. Before is how many records the partition took until
// then.
func encode(before uint64, parts []part) []byte {
	size, count := 0, 0
	for _, p := range parts {
		size += p.size()
		count += len(p.Records)
	}
	out := make([]byte, len(magic)+4, 256+64*len(parts)+lengthBytes*count+s2.MaxEncodedLen(size))
	copy(out, magic)
	out = binary.AppendUvarint(out, before)
	out = binary.AppendUvarint(out, uint64(len(parts)))
	records := make([]byte, 0, size)
	for _, p := range parts {
		out = p.append(out)
		for _, r := range p.Records {
			records = append(records, r...)
		}
	}
	packed := s2.Encode(nil, records)
	kind, stored := byte(asS2), packed
	if len(packed) >= len(records) {
		kind, stored = plain, records
	}
	out = append(out, kind)
	sum := crc32.Update(crc32.Checksum(out[len(magic)+4:], castagnoli), castagnoli, records)
	binary.LittleEndian.PutUint32(out[len(magic):], sum)
	return append(out, stored...)
}

func (p part) append(out []byte) []byte {
	for _, s := range []string{p.ID, p.Kind, p.Stream, p.Key} {
		out = append(binary.AppendUvarint(out, uint64(len(s))), s...)
	}
	received := int64(noTime)
	if !p.Received.IsZero() {
		received = p.Received.UnixNano()
	}
	out = binary.AppendUvarint(out, uint64(p.number))
	out = binary.AppendUvarint(out, uint64(p.Index))
	out = binary.AppendVarint(out, received)
	out = binary.AppendUvarint(out, uint64(len(p.Records)))
	for _, r := range p.Records {
		out = binary.AppendUvarint(out, uint64(len(r)))
	}
	return out
}

// head is a message without its records: what can be had without
// decompressing it.
type head struct {
	before  uint64
	parts   []headPart
	sum     uint32 // of everything
	sumHead uint32 // of what was read so far
	packed  byte
	rest    []byte // the records as stored
}

type headPart struct {
	part
	lengths []int
}

// records is how many the message has.
func (h head) records() (n uint64) {
	for _, p := range h.parts {
		n += uint64(len(p.lengths))
	}
	return n
}

var errForm = errors.New("message is damaged")

// decodeHead reads all of a message but its records. Its sum is checked by
// decode alone.
func decodeHead(data []byte) (head, error) {
	if len(data) < len(magic)+4 || string(data[:3]) != magic[:3] {
		return head{}, errForm
	}
	if data[3] != magic[3] {
		return head{}, fmt.Errorf("message has version %d, this program knows %d", data[3], magic[3])
	}
	h := head{sum: binary.LittleEndian.Uint32(data[len(magic):])}
	data = data[len(magic)+4:]
	c := cursor{rest: data}
	h.before = c.number(math.MaxInt64)
	count := c.number(maxBatches)
	for range count {
		if c.bad {
			break
		}
		h.parts = append(h.parts, c.part())
	}
	h.packed = byte(c.number(asS2))
	if c.bad || count == 0 {
		return head{}, errForm
	}
	h.sumHead = crc32.Checksum(data[:len(data)-len(c.rest)], castagnoli)
	h.rest = c.rest
	return h, nil
}

// decode reads a whole message. Batches keep nothing of data.
func decode(data []byte) (head, error) {
	h, err := decodeHead(data)
	if err != nil {
		return head{}, err
	}
	total := 0
	for _, p := range h.parts {
		for _, n := range p.lengths {
			total += n
		}
	}
	if total > maxPack+maxRecord {
		return head{}, errForm
	}
	records := make([]byte, total)
	switch n, err := s2.DecodedLen(h.rest); {
	case h.packed == plain && len(h.rest) == total:
		copy(records, h.rest)
	case h.packed == plain, err != nil, n != total:
		return head{}, errForm
	default:
		if records, err = s2.Decode(records, h.rest); err != nil {
			return head{}, errForm
		}
	}
	if crc32.Update(h.sumHead, castagnoli, records) != h.sum {
		return head{}, errors.New("message is damaged: its sum is wrong")
	}
	h.rest = nil
	for i := range h.parts {
		p := &h.parts[i]
		p.Records = make([][]byte, len(p.lengths))
		for j, n := range p.lengths {
			p.Records[j], records = records[:n:n], records[n:]
		}
	}
	return h, nil
}

// cursor reads numbers and texts; bad is set when there were none.
type cursor struct {
	rest []byte
	bad  bool
}

func (c *cursor) number(most uint64) uint64 {
	v, n := binary.Uvarint(c.rest)
	if n <= 0 || v > most {
		c.bad = true
		return 0
	}
	c.rest = c.rest[n:]
	return v
}

func (c *cursor) text() string {
	n := c.number(maxName)
	if c.bad || n > uint64(len(c.rest)) {
		c.bad = true
		return ""
	}
	s := string(c.rest[:n])
	c.rest = c.rest[n:]
	return s
}

func (c *cursor) part() (p headPart) {
	p.ID, p.Kind, p.Stream, p.Key = c.text(), c.text(), c.text(), c.text()
	p.number = int(c.number(math.MaxInt32))
	p.Index = int(c.number(math.MaxInt64 - maxCount))
	received, n := binary.Varint(c.rest)
	if n <= 0 {
		c.bad = true
		return p
	}
	c.rest = c.rest[n:]
	if received != noTime {
		p.Received = time.Unix(0, received).UTC()
	}
	count := c.number(maxCount)
	if count > uint64(len(c.rest)) { // each length has a byte at least
		c.bad = true
		return p
	}
	p.lengths = make([]int, count)
	for i := range p.lengths {
		p.lengths[i] = int(c.number(maxRecord))
	}
	return p
}
