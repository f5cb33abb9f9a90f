package rpmdb

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
)

// The tags that are read (rpm's documentation, "RPM v4 header tags").
const (
	tagName        = 1000
	tagVersion     = 1001
	tagRelease     = 1002
	tagEpoch       = 1003
	tagVendor      = 1011
	tagArch        = 1022
	tagSourceRPM   = 1044
	tagDirIndexes  = 1116
	tagBaseNames   = 1117
	tagDirNames    = 1118
	tagModuleLabel = 5096
)

// The types of values.
const (
	typeInt32  = 4
	typeString = 6
	typeArray  = 8
	typeI18N   = 9
)

// Bounds of rpm itself (lib/header.c).
const (
	maxTags   = 0xffff
	maxHeader = 256 << 20
)

// header is a package header with its index taken apart: a count of entries
// and a length of data, both of 32 bits and big-endian as all numbers in it,
// then the entries of 16 bytes (tag, type, offset into the data, count), then
// the data.
type header struct {
	values map[uint32]value
	length int // of the whole header, in bytes
}

// value is where an entry's data begins, which reaches to the end of the
// header: only its reading shows where it ends.
type value struct {
	kind  uint32
	count uint32
	data  []byte
}

var errHeader = errors.New("its header is cut short or states more than it holds")

// wanted are the tags that are kept.
func wanted(tag uint32) bool {
	switch tag {
	case tagName, tagVersion, tagRelease, tagEpoch, tagVendor, tagArch, tagSourceRPM, tagDirIndexes, tagBaseNames, tagDirNames, tagModuleLabel:
		return true
	}
	return false
}

// parse reads a header.
func parse(blob []byte) (Package, error) {
	h, err := parseHeader(blob)
	if err != nil {
		return Package{}, err
	}
	p := Package{header: h}
	for _, text := range []struct {
		tag  uint32
		into *string
	}{
		{tagName, &p.Name},
		{tagVersion, &p.Version},
		{tagRelease, &p.Release},
		{tagVendor, &p.Vendor},
		{tagArch, &p.Arch},
		{tagSourceRPM, &p.SourceRPM},
		{tagModuleLabel, &p.Module},
	} {
		if *text.into, err = h.text(text.tag); err != nil {
			return Package{}, err
		}
	}
	if p.Epoch, err = h.number(tagEpoch); err != nil {
		return Package{}, err
	}
	return p, nil
}

func parseHeader(blob []byte) (header, error) {
	if len(blob) < 8 {
		return header{}, errHeader
	}
	tags, length := binary.BigEndian.Uint32(blob), binary.BigEndian.Uint32(blob[4:])
	if tags == 0 || tags > maxTags || length > maxHeader || uint64(len(blob)) < 8+16*uint64(tags)+uint64(length) {
		return header{}, errHeader
	}
	index := blob[8 : 8+16*tags]
	data := blob[8+16*tags:][:length]
	h := header{values: map[uint32]value{}, length: len(blob)}
	for ; len(index) > 0; index = index[16:] {
		tag, offset := binary.BigEndian.Uint32(index), binary.BigEndian.Uint32(index[8:])
		if !wanted(tag) {
			continue
		}
		if offset >= length {
			return header{}, fmt.Errorf("%w (tag %d)", errHeader, tag)
		}
		if _, twice := h.values[tag]; !twice {
			h.values[tag] = value{binary.BigEndian.Uint32(index[4:]), binary.BigEndian.Uint32(index[12:]), data[offset:]}
		}
	}
	return h, nil
}

// text is the string of a tag; "" where the header doesn't have it.
func (h header) text(tag uint32) (string, error) {
	v, ok := h.values[tag]
	if !ok {
		return "", nil
	}
	end := bytes.IndexByte(v.data[:min(len(v.data), maxText+1)], 0)
	if v.kind != typeString && v.kind != typeI18N && v.kind != typeArray || end < 0 {
		return "", fmt.Errorf("tag %d of its header is no string, or a very long one", tag)
	}
	return string(v.data[:end]), nil
}

// number is the number of a tag in digits; "" where the header doesn't have it.
func (h header) number(tag uint32) (string, error) {
	v, ok := h.values[tag]
	if !ok {
		return "", nil
	}
	if v.kind != typeInt32 || len(v.data) < 4 {
		return "", fmt.Errorf("tag %d of its header is no number", tag)
	}
	return strconv.FormatUint(uint64(binary.BigEndian.Uint32(v.data)), 10), nil
}

// Paths longer than maxPath, PATH_MAX of Linux, aren't those of files. All
// paths of a package together may be filesPerByte times as long as its header,
// which has a digest, owner, mode and times of each file beside its name:
// paths are shorter than that.
const (
	maxPath      = 4096
	filesPerByte = 16
)

// Files calls visit with the path of each file and folder that the package
// brought. It ends with an error where the list is broken or longer than a
// list of files can be.
func (p *Package) Files(visit func(path string)) error {
	names, folders, indexes := p.header.values[tagBaseNames], p.header.values[tagDirNames], p.header.values[tagDirIndexes]
	switch {
	case names.count == 0:
		return nil // without files
	case names.count > MaxFiles:
		return fmt.Errorf("%d files, and those of a package are read up to %d", names.count, MaxFiles)
	}
	if names.kind != typeArray || folders.kind != typeArray || indexes.kind != typeInt32 ||
		indexes.count != names.count || folders.count > names.count || uint64(len(indexes.data)) < 4*uint64(indexes.count) {
		return errors.New("the list of its files is broken")
	}
	list, err := folders.strings()
	if err != nil {
		return err
	}
	budget := filesPerByte * p.header.length
	rest := names.data
	for i := range int(names.count) {
		end := bytes.IndexByte(rest, 0)
		at := binary.BigEndian.Uint32(indexes.data[4*i:])
		if end < 0 || uint64(at) >= uint64(len(list)) {
			return errors.New("the list of its files is broken")
		}
		folder := list[at]
		length := len(folder) + end
		if budget -= length; length > maxPath || budget < 0 {
			return errors.New("the list of its files is longer than such a list can be")
		}
		visit(string(folder) + string(rest[:end]))
		rest = rest[end+1:]
	}
	return nil
}

// strings takes an array of strings apart.
func (v value) strings() ([][]byte, error) {
	var out [][]byte
	rest := v.data
	for range v.count {
		end := bytes.IndexByte(rest, 0)
		if end < 0 {
			return nil, errors.New("an array of its header has fewer strings than it states")
		}
		out = append(out, rest[:end])
		rest = rest[end+1:]
	}
	return out, nil
}
