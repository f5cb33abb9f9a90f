package index

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/scantling/scantling/registry/advisory"
)

// segment is the immutable part of the index: one byte string that is read in
// place. It holds, after a head of a mark, the sequence number up to which it
// covers the images, and the lengths of its parts (uint64 each):
//
//	hashes   the sets, sorted by hash, 32 bytes each; a set is known by its place here
//	digests  table of the images, sorted; an image is known by its place here
//	names    table of the lines, sorted, as lineKey writes them
//	packages a blob for each of these: its versions, and of each the list of sets
//	images   a blob for each set: the list of images
//	sets     a blob for each image: the list of sets
//	orders   the name of the orders in which its versions are sorted (advisory.Orders)
type segment struct {
	data    []byte
	covers  int64
	hashes  []byte
	digests table
	names   table

	packages, images, sets blobs
}

const (
	segmentMark  = "scantlx1" // the last character is the format
	segmentParts = 7
	segmentHead  = len(segmentMark) + 8 + 8*segmentParts
)

// unbounded is the bound of lists that are never bitmaps.
const unbounded = math.MaxInt32

// openSegment takes a segment apart without reading its parts.
func openSegment(data []byte) (*segment, error) {
	if len(data) < segmentHead || string(data[:len(segmentMark)]) != segmentMark {
		return nil, errors.New("no segment of this format")
	}
	s := &segment{data: data, covers: int64(binary.LittleEndian.Uint64(data[len(segmentMark):]))}
	var parts [segmentParts][]byte
	rest := data[segmentHead:]
	for i := range parts {
		length := binary.LittleEndian.Uint64(data[len(segmentMark)+8+8*i:])
		if length > uint64(len(rest)) {
			return nil, errTruncated
		}
		parts[i], rest = rest[:length], rest[length:]
	}
	if string(parts[6]) != advisory.Orders {
		return nil, errors.New("its versions are sorted by another release of this program")
	}
	s.hashes = parts[0]
	s.digests, _ = openTable(parts[1])
	s.names, _ = openTable(parts[2])
	s.packages = openBlobs(parts[3], s.names.n)
	s.images = openBlobs(parts[4], s.setCount())
	s.sets = openBlobs(parts[5], s.digests.n)
	return s, nil
}

// joinSegment puts the parts of a segment together, the orders too.
func joinSegment(covers int64, parts [segmentParts][]byte) []byte {
	parts[6] = []byte(advisory.Orders)
	size := segmentHead
	for _, p := range parts {
		size += len(p)
	}
	out := make([]byte, 0, size)
	out = append(out, segmentMark...)
	out = binary.LittleEndian.AppendUint64(out, uint64(covers))
	for _, p := range parts {
		out = binary.LittleEndian.AppendUint64(out, uint64(len(p)))
	}
	for _, p := range parts {
		out = append(out, p...)
	}
	return out
}

// emptySegment is where an index begins.
func emptySegment() *segment {
	none := (&tableWriter{}).appendTo(nil)
	s, err := openSegment(joinSegment(0, [segmentParts][]byte{1: none, 2: none}))
	if err != nil {
		panic(fmt.Sprintf("empty segment: %v", err)) // it is made of constants
	}
	return s
}

func (s *segment) setCount() int { return len(s.hashes) / len(Hash{}) }

func (s *segment) hash(set int) Hash {
	return Hash(s.hashes[set*len(Hash{}):])
}

// findSet looks a set up by its hash.
func (s *segment) findSet(h Hash) (int, bool) {
	low, high := 0, s.setCount()
	for low < high {
		middle := (low + high) / 2
		if s.hash(middle).compare(h) < 0 {
			low = middle + 1
		} else {
			high = middle
		}
	}
	return low, low < s.setCount() && s.hash(low) == h
}

// lineKey orders lines so that the releases of one ecosystem stand together,
// and the modules of one release behind what is of none: the ecosystem without
// its release, the name, the release, and the module where there is one.
func lineKey(l line) string {
	base, release := cutRelease(l.ecosystem)
	key := base + "\x00" + l.name + "\x00" + release
	if l.module != "" {
		key += "\x00" + l.module
	}
	return key
}

func cutLineKey(key string) line {
	base, rest, _ := strings.Cut(key, "\x00")
	name, rest, _ := strings.Cut(rest, "\x00")
	release, module, _ := strings.Cut(rest, "\x00")
	return line{base + release, name, module}
}

// cutRelease parts "Debian:12" into "Debian" and ":12".
func cutRelease(ecosystem string) (base, release string) {
	if i := strings.IndexByte(ecosystem, ':'); i >= 0 {
		return ecosystem[:i], ecosystem[i:]
	}
	return ecosystem, ""
}

// find lists the places of the lines of one name in all releases of an
// ecosystem, or in the one that is given.
func (s *segment) find(ecosystem, name string) (places []int) {
	base, release := cutRelease(ecosystem)
	prefix := base + "\x00" + name + "\x00"
	for i, key := range s.names.all(s.names.lower(prefix + release)) {
		if !strings.HasPrefix(string(key), prefix) {
			break
		}
		if of, _, _ := strings.Cut(string(key[len(prefix):]), "\x00"); release != "" && of != release {
			break
		}
		places = append(places, i)
	}
	return places
}

// history is the versions of one line in a segment: uvarint number of those
// in order, their table, and then the place of the list of sets of each, uint32
// from the end of the places, and these lists. It implements advisory.Versions.
type history struct {
	ordered int
	texts   table
	lists   []byte
}

func (s *segment) history(place int) history {
	blob := s.packages.at(place)
	ordered, width := binary.Uvarint(blob)
	texts, lists := openTable(blob[width:])
	return history{int(ordered), texts, lists}
}

func (h history) Len() int { return h.texts.n }

func (h history) Ordered() int { return h.ordered }

func (h history) At(i int) string { return h.texts.at(i) }

// sets is the list of the sets that hold a version.
func (h history) sets(i int) []byte {
	place := binary.LittleEndian.Uint32(h.lists[4*i:])
	return h.lists[4*h.texts.n+int(place):]
}

// appendHistory writes a history; sets are those of each text, rising.
func appendHistory(out []byte, ordered int, texts []string, sets [][]uint32) []byte {
	out = binary.AppendUvarint(out, uint64(ordered))
	var names tableWriter
	var lists []byte
	places := make([]byte, 0, 4*len(texts))
	for i, text := range texts {
		names.add(text)
		places = binary.LittleEndian.AppendUint32(places, uint32(len(lists)))
		lists = appendList(lists, sets[i], unbounded)
	}
	out = names.appendTo(out)
	return append(append(out, places...), lists...)
}

// setsOf lists the sets of an image of the segment.
func (s *segment) setsOf(image int) []uint32 {
	return slices.Collect(numbers(s.sets.at(image)))
}
