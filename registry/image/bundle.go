package image

import (
	"encoding/binary"
	"fmt"
)

// bundleMark stands in every host of a .NET program, behind eight bytes that
// say where the header of the program's bundle is: 0 where its files lie beside
// it. It is the SHA-256 of ".net core bundle" and a line feed.
var bundleMark = []byte("\x8b\x12\x02\xb9\x6a\x61\x20\x38\x72\x7b\x93\x02\x14\xd7\xa0\x32\x13\xf5\xb9\xe6\xef\xae\x33\x18\xee\x3b\x2d\xce\x24\xb3\x6a\xae")

// bundle reads the list of libraries of a .NET program that is one file (the
// host's bundle header: version, number of files, id, place of deps.json); nil
// for any other file. Headers before .NET 5 don't say where the list is.
func bundle(b *spooled) *found {
	at := b.index(bundleMark)
	if at < 8 {
		return nil
	}
	var place [8]byte
	if _, err := b.ReadAt(place[:], at-8); err != nil {
		return nil // b keeps it
	}
	header := binary.LittleEndian.Uint64(place[:])
	if header == 0 {
		return nil
	}
	list, why := bundleList(b, header)
	if why != "" {
		return &found{kind: foundUnread, notes: []note{{"", "a .NET program in one file: " + why}}}
	}
	if f := parseNuGet("", list); f != nil {
		return f
	}
	return &found{kind: foundUnread, notes: []note{{"", "a .NET program in one file: its deps.json lists nothing"}}}
}

// bundleList returns the bytes of deps.json, or why there are none.
func bundleList(b *spooled, header uint64) (list []byte, why string) {
	const fixed, located = 12, 16 // bytes of the header before the id and after it
	if header > uint64(b.size) || b.size-int64(header) < fixed+1 {
		return nil, "its header lies beyond its end"
	}
	rest := make([]byte, min(b.size-int64(header), fixed+binary.MaxVarintLen64+maxField+located))
	if _, err := b.ReadAt(rest, int64(header)); err != nil {
		return nil, err.Error()
	}
	if major := binary.LittleEndian.Uint32(rest); major < 2 {
		return nil, fmt.Sprintf("the list of its libraries isn't found in version %d of its header", major)
	}
	length, size := binary.Uvarint(rest[fixed:])
	rest = rest[fixed:]
	if size <= 0 || length > maxField || uint64(len(rest)) < uint64(size)+length+located {
		return nil, "its header is broken"
	}
	rest = rest[uint64(size)+length:]
	offset, count := binary.LittleEndian.Uint64(rest), binary.LittleEndian.Uint64(rest[8:])
	switch {
	case count == 0:
		return nil, "it holds no list of its libraries"
	case count > maxListing:
		return nil, fmt.Sprintf("a list of %d bytes; it is read up to %d", count, maxListing)
	case offset > uint64(b.size) || count > uint64(b.size)-offset:
		return nil, "the list of its libraries lies beyond its end"
	}
	list = make([]byte, count)
	if _, err := b.ReadAt(list, int64(offset)); err != nil {
		return nil, err.Error()
	}
	return list, ""
}
