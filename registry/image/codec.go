package image

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"strings"
	"sync"
	"unsafe"

	"github.com/klauspost/compress/zstd"

	"github.com/scantling/scantling/registry/secret"
)

// extractorVersion is part of the key of every record. Raise it with every
// change of what is extracted from a layer: layers are then read again as
// they are met, and the records of earlier versions go. TestExtractorVersion
// fails where that was forgotten.
const extractorVersion = 2

// codecVersion is the first byte of a record. One of another version is read
// as a damaged one is: not at all.
const codecVersion = 1

// Bounds on the record of one layer. A layer whose record would be over them
// isn't kept; that of a common base is some 100 KB.
const (
	maxRecord = 64 << 20  // bytes as stored
	maxBody   = 256 << 20 // bytes unpacked
	maxHeld   = 1 << 30   // bytes of memory that what is decoded may take beside them
	maxRatio  = 256       // how much smaller zstd may make a body: with more it is stored as it is, so that a short record never unpacks into a long one
)

// How a body is stored: the byte behind the version.
const (
	asItIs byte = iota
	byZstd
)

// recordHead is the length of what stands before the body: version, form,
// checksum.
const recordHead = 6

var (
	errRecord = errors.New("not a record of a layer's facts, or a damaged one")
	errTooBig = errors.New("the facts of the layer are larger than a record may be")
)

var castagnoli = sync.OnceValue(func() *crc32.Table { return crc32.MakeTable(crc32.Castagnoli) })

// packWindow is how far back a record is searched for what was said before, in
// bytes: the compressor keeps twice that, and layers are read with little
// memory.
const packWindow = 256 << 10

// packer and unpacker are safe for concurrent use in the way they are used.
// zstd at its fastest makes the records of a Debian image with Python and npm
// (49,000 entries, 1.1 MB) a fifth as long and takes a third of the time of
// decoding; better levels save 10 % of that more, front coding of paths 13 %.
var (
	packer = sync.OnceValue(func() *zstd.Encoder {
		w, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderCRC(false), zstd.WithSingleSegment(true),
			zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(packWindow), zstd.WithLowerEncoderMem(true))
		if err != nil {
			panic(err) // the options are constants
		}
		return w
	})
	unpacker = sync.OnceValue(func() *zstd.Decoder {
		r, err := zstd.NewReader(nil, zstd.WithDecoderMaxMemory(maxBody), zstd.WithDecoderConcurrency(0), zstd.WithDecoderLowmem(true))
		if err != nil {
			panic(err)
		}
		return r
	})
)

// encodeFacts writes the record of a layer. The checksum covers the key, so
// that a record under a wrong key is a damaged one.
func encodeFacts(key string, f *facts) ([]byte, error) {
	c := &coder{writes: true, index: map[string]int{}, seen: map[*found]int{}}
	c.facts(f)
	if len(c.out) > maxBody {
		return nil, errTooBig
	}
	form, body := byZstd, packer().EncodeAll(c.out, make([]byte, 0, len(c.out)/4))
	if len(c.out) > maxRatio*len(body) {
		form, body = asItIs, c.out
	}
	if recordHead+len(body) > maxRecord {
		return nil, errTooBig
	}
	record := append(make([]byte, 0, recordHead+len(body)), codecVersion, form)
	record = binary.LittleEndian.AppendUint32(record, checksum(key, form, body))
	return append(record, body...), nil
}

// decodeFacts reads a record. Its error means that there is none.
func decodeFacts(key string, record []byte) (*facts, error) {
	if len(record) < recordHead || len(record) > maxRecord || record[0] != codecVersion {
		return nil, errRecord
	}
	form, body := record[1], record[recordHead:]
	if binary.LittleEndian.Uint32(record[2:]) != checksum(key, form, body) {
		return nil, errRecord
	}
	text := ""
	if form == byZstd {
		var head zstd.Header
		if err := head.Decode(body); err != nil || !head.HasFCS || head.FrameContentSize > uint64(maxRatio*len(body)) {
			return nil, errRecord
		}
		plain, err := unpacker().DecodeAll(body, nil)
		if err != nil || len(plain) > maxRatio*len(body) {
			return nil, errRecord
		}
		text = unsafe.String(unsafe.SliceData(plain), len(plain)) // nobody else has it
	} else {
		text = string(body)
	}
	c := &coder{in: text, room: maxHeld}
	f := &facts{}
	c.facts(f)
	if c.err != nil || c.in != "" || f.cost < 0 || f.bytes < 0 {
		return nil, errRecord
	}
	return f, nil
}

func checksum(key string, form byte, body []byte) uint32 {
	sum := crc32.Update(0, castagnoli(), append([]byte(key), 0, form))
	return crc32.Update(sum, castagnoli(), body)
}

// coder writes a value or reads it: one method for each type names its fields
// once, in the order of the record, for both. A new field is a new line there
// (TestCodecCoversEveryField), and a new extractorVersion.
type coder struct {
	writes bool
	err    error // of reading

	out   []byte
	index map[string]int // texts written, from 1
	seen  map[*found]int // files written, from 1

	in    string // what is left to read; all texts are parts of it
	room  int    // bytes of memory that may still be taken
	texts []string
	files []*found
}

func (c *coder) facts(f *facts) {
	slice(c, &f.entries, c.entry)
	number(c, &f.cost)
	number(c, &f.bytes)
	slice(c, &f.notes, c.note)
	c.flag(&f.whole)
}

func (c *coder) entry(e *entry) {
	number(c, &e.kind)
	c.text(&e.path)
	c.text(&e.target)
	c.once(&e.names)
	c.file(&e.found)
	if len(e.path) > maxDeep && (len(e.path) > maxPath || strings.Count(e.path, "/") > maxDeep) {
		c.err = errRecord
	}
}

func (c *coder) found(f *found) {
	number(c, &f.kind)
	slice(c, &f.packages, c.pkg)
	c.release(&f.release)
	slice(c, &f.secrets, c.secret)
	c.text(&f.language)
	slice(c, &f.owned, c.owned)
	slice(c, &f.strange, c.text)
	c.object(&f.object)
	c.text(&f.sha256)
	slice(c, &f.notes, c.note)
}

func (c *coder) secret(h *secret.Hit) {
	c.text(&h.Kind)
	number(c, &h.Line)
	number(c, &h.Expires)
}

func (c *coder) object(o **object) {
	there := *o != nil
	c.flag(&there)
	if !there {
		return
	}
	if !c.writes {
		if !c.take(int(unsafe.Sizeof(object{}))) {
			return
		}
		*o = &object{}
	}
	c.text(&(*o).soname)
	c.text(&(*o).interp)
	slice(c, &(*o).needed, c.text)
	c.flag(&(*o).program)
	c.text(&(*o).unread)
}

func (c *coder) pkg(p *Package) {
	c.text(&p.PURL)
	c.text(&p.Name)
	c.text(&p.Version)
	c.text(&p.Arch)
	c.text(&p.Source)
	c.text(&p.SourceVersion)
	c.text(&p.Module)
	c.text(&p.Ecosystem)
	c.text(&p.Layer)
	c.text(&p.SHA256)
	c.text(&p.Path)
}

func (c *coder) release(o *OS) {
	c.text(&o.ID)
	c.text(&o.VersionID)
	c.text(&o.Name)
	c.text(&o.Ecosystem)
	c.text(&o.Path)
}

func (c *coder) owned(o *owned) {
	c.text(&o.path)
	c.text(&o.owner)
}

func (c *coder) note(n *note) {
	c.text(&n.where)
	c.text(&n.why)
}

// file writes a file that several entries share once: that it is one file is
// part of what is known.
func (c *coder) file(f **found) {
	if c.writes && *f == nil {
		c.length(0)
		return
	}
	if c.writes {
		known := c.seen[*f]
		if known != 0 {
			c.length(known)
			return
		}
		c.seen[*f] = len(c.seen) + 1
		c.length(len(c.seen))
		c.found(*f)
		return
	}
	switch n := c.length(0); {
	case n == 0:
	case n <= len(c.files):
		*f = c.files[n-1]
	case n == len(c.files)+1 && c.take(int(unsafe.Sizeof(found{}))):
		*f = &found{}
		c.files = append(c.files, *f)
		c.found(*f)
	default:
		c.err = errRecord
	}
}

// slice writes a slice with its length; an empty one is read as nil.
func slice[T any](c *coder, s *[]T, each func(*T)) {
	n := c.length(len(*s))
	if !c.writes && n > 0 {
		var one T
		if n > len(c.in) || !c.take(n*int(unsafe.Sizeof(one))) { // every element has a byte at the least
			c.err = errRecord
			return
		}
		*s = make([]T, n)
	}
	for i := 0; i < n && c.err == nil; i++ {
		each(&(*s)[i])
	}
}

// text writes a string that may occur again, the second time as a number.
func (c *coder) text(s *string) {
	if c.writes {
		known := c.index[*s]
		c.length(known)
		if known == 0 {
			c.index[*s] = len(c.index) + 1
			c.once(s)
		}
		return
	}
	switch n := c.length(0); {
	case n == 0:
		c.once(s)
		if c.take(int(unsafe.Sizeof(*s))) {
			c.texts = append(c.texts, *s)
		}
	case n <= len(c.texts):
		*s = c.texts[n-1]
	default:
		c.err = errRecord
	}
}

// once writes a string as it is.
func (c *coder) once(s *string) {
	n := c.length(len(*s))
	if c.writes {
		c.out = append(c.out, *s...)
		return
	}
	if n > len(c.in) {
		c.err = errRecord
		return
	}
	*s, c.in = c.in[:n], c.in[n:]
}

// number writes an integer of any sort.
func number[T ~int | ~int64 | ~uint8](c *coder, v *T) {
	if c.writes {
		c.out = binary.AppendVarint(c.out, int64(*v))
		return
	}
	x := int64(c.uvarint())
	x = int64(uint64(x)>>1) ^ -(x & 1)
	if *v = T(x); int64(*v) != x {
		c.err = errRecord
	}
}

func (c *coder) flag(v *bool) {
	n := 0
	if *v {
		n = 1
	}
	*v = c.length(n) != 0
}

// length writes a number that is never negative, and returns it or what was
// read.
func (c *coder) length(n int) int {
	if c.writes {
		c.out = binary.AppendUvarint(c.out, uint64(n))
		return n
	}
	x := c.uvarint()
	if x > maxBody {
		c.err = errRecord
		return 0
	}
	return int(x)
}

func (c *coder) uvarint() uint64 {
	if len(c.in) > 0 && c.in[0] < 0x80 { // most are short
		x := uint64(c.in[0])
		c.in = c.in[1:]
		return x
	}
	var x uint64
	for i := 0; i < len(c.in) && i < binary.MaxVarintLen64; i++ {
		b := c.in[i]
		x |= uint64(b&0x7f) << (7 * i)
		if b < 0x80 {
			c.in = c.in[i+1:]
			return x
		}
	}
	c.err = errRecord
	return 0
}

// take counts memory that is about to be used.
func (c *coder) take(n int) bool {
	if c.room -= n; c.room < 0 {
		c.err = fmt.Errorf("%w: it takes more than %d bytes of memory", errRecord, maxHeld)
	}
	return c.room >= 0
}
