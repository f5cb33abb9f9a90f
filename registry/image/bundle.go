package image

import (
	"bytes"
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
func bundle(data []byte) *found {
	at := bytes.Index(data, bundleMark)
	if at < 8 {
		return nil
	}
	header := binary.LittleEndian.Uint64(data[at-8:])
	if header == 0 {
		return nil
	}
	list, why := bundleList(data, header)
	if why != "" {
		return &found{kind: foundUnread, notes: []note{{"", "a .NET program in one file: " + why}}}
	}
	if f := parseNuGet("", list); f != nil {
		return f
	}
	return &found{kind: foundUnread, notes: []note{{"", "a .NET program in one file: its deps.json lists nothing"}}}
}

// bundleList returns the bytes of deps.json, or why there are none.
func bundleList(data []byte, header uint64) (list []byte, why string) {
	const fixed, located = 12, 16 // bytes of the header before the id and after it
	if header > uint64(len(data)) || len(data)-int(header) < fixed+1 {
		return nil, "its header lies beyond its end"
	}
	rest := data[header:]
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
	case offset > uint64(len(data)) || count > uint64(len(data))-offset:
		return nil, "the list of its libraries lies beyond its end"
	}
	return data[offset : offset+count], ""
}
