// Package rpmdbtest writes small databases of rpm for tests, in each of its
// forms. They hold no more than package rpmdb reads: rpm itself couldn't work
// with them. Databases that rpm wrote are read in the tests of rpmdb.
package rpmdbtest

import (
	"encoding/binary"
	"hash/adler32"
	"path"
	"slices"
)

// Package is what a header says. Empty fields are left out of it.
type Package struct {
	Name, Version, Release, Vendor, Arch, SourceRPM, Module string
	Epoch                                                   int
	Files                                                   []string
}

// Header writes the header of a package.
func (p Package) Header() []byte {
	var index, data []byte
	tags := uint32(0)
	add := func(tag, kind uint32, count int, value []byte) {
		if kind == 4 {
			data = append(data, make([]byte, (4-len(data)%4)%4)...)
		}
		for _, n := range []uint32{tag, kind, uint32(len(data)), uint32(count)} {
			index = binary.BigEndian.AppendUint32(index, n)
		}
		data = append(data, value...)
		tags++
	}
	text := func(tag uint32, value string) {
		if value != "" {
			add(tag, 6, 1, append([]byte(value), 0))
		}
	}
	text(1000, p.Name)
	text(1001, p.Version)
	text(1002, p.Release)
	if p.Epoch != 0 {
		add(1003, 4, 1, binary.BigEndian.AppendUint32(nil, uint32(p.Epoch)))
	}
	text(1011, p.Vendor)
	text(1022, p.Arch)
	text(1044, p.SourceRPM)
	if len(p.Files) > 0 {
		var folders []string
		var indexes, bases, dirs []byte
		for _, file := range p.Files {
			dir, base := path.Split(file)
			at := slices.Index(folders, dir)
			if at < 0 {
				at = len(folders)
				folders = append(folders, dir)
				dirs = append(append(dirs, dir...), 0)
			}
			indexes = binary.BigEndian.AppendUint32(indexes, uint32(at))
			bases = append(append(bases, base...), 0)
		}
		add(1116, 4, len(p.Files), indexes)
		add(1117, 8, len(p.Files), bases)
		add(1118, 8, len(folders), dirs)
	}
	text(5096, p.Module)
	head := binary.BigEndian.AppendUint32(nil, tags)
	head = binary.BigEndian.AppendUint32(head, uint32(len(data)))
	return slices.Concat(head, index, data)
}

// NDB writes headers in the form of ndb.
func NDB(headers ...[]byte) []byte {
	little := binary.LittleEndian.AppendUint32
	out := append(make([]byte, 0, 8192), "RpmP"...)
	for _, n := range []uint32{0, 1, 1, uint32(len(headers) + 1), 0, 0, 0} {
		out = little(out, n)
	}
	var blobs []byte
	for i, h := range headers {
		blob := append([]byte(nil), "BlbS"...)
		for _, n := range []int{i + 1, 1, len(h)} {
			blob = little(blob, uint32(n))
		}
		blob = append(blob, h...)
		blob = append(blob, make([]byte, (16-(len(blob)+12)%16)%16)...)
		blob = little(blob, adler32.Checksum(blob))
		blob = append(little(blob, uint32(len(h))), "BlbE"...)
		out = append(out, "Slot"...)
		for _, n := range []int{i + 1, (4096 + len(blobs)) / 16, len(blob) / 16} {
			out = little(out, uint32(n))
		}
		blobs = append(blobs, blob...)
	}
	for len(out) < 4096 {
		out = append(out, "Slot\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"...)
	}
	return append(out, blobs...)
}

// pageSize is that of the tables below.
const pageSize = 512

// SQLite writes headers in the form of SQLite: the schema, a page that leads
// to the leaves, and for each header a leaf with its overflow pages. Up to 70
// can be written, and at least one.
func SQLite(headers ...[]byte) []byte {
	const most, least = pageSize - 35, (pageSize-12)*32/255 - 23
	first := leaf(100, []byte("\x06\x17\x1d\x1d\x01\x19tablePackagesPackages\x02CREATE"))
	copy(first, "SQLite format 3\x00")
	binary.BigEndian.PutUint16(first[16:], pageSize)
	first[18], first[19] = 1, 1
	first[59] = 1
	root := make([]byte, pageSize)
	root[0] = 5
	binary.BigEndian.PutUint16(root[3:], uint16(len(headers)-1))
	var more []byte
	next := func() uint32 { return uint32(3 + len(more)/pageSize) }
	for i, h := range headers {
		row := append([]byte{0, 0}, sqliteNumber(uint64(12+2*len(h)))...)
		row[0] = byte(len(row))
		row = append(row, h...)
		local := len(row)
		if local > most {
			if local = least + (len(row)-least)%(pageSize-4); local > most {
				local = least
			}
		}
		if i == len(headers)-1 {
			binary.BigEndian.PutUint32(root[8:], next())
		} else {
			at := pageSize - 5*(i+1)
			binary.BigEndian.PutUint32(root[at:], next())
			root[at+4] = byte(i + 1)
			binary.BigEndian.PutUint16(root[12+2*i:], uint16(at))
		}
		cell := append(sqliteNumber(uint64(len(row))), byte(i+1))
		cell = append(cell, row[:local]...)
		if local < len(row) {
			cell = binary.BigEndian.AppendUint32(cell, next()+1)
		}
		more = append(more, leaf(0, cell)...)
		for rest := row[local:]; len(rest) > 0; {
			part := rest[:min(len(rest), pageSize-4)]
			rest = rest[len(part):]
			follows := uint32(0)
			if len(rest) > 0 {
				follows = next() + 1
			}
			page := append(binary.BigEndian.AppendUint32(nil, follows), part...)
			more = append(more, append(page, make([]byte, pageSize-len(page))...)...)
		}
	}
	return slices.Concat(first, root, more)
}

// leaf writes a leaf page with its head at an offset. Cells that are no whole
// ones, as the row of the schema, get their length and number.
func leaf(head int, cells ...[]byte) []byte {
	page := make([]byte, pageSize)
	page[head] = 13
	binary.BigEndian.PutUint16(page[head+3:], uint16(len(cells)))
	end := pageSize
	for i, cell := range cells {
		if head > 0 {
			cell = append([]byte{byte(len(cell)), 1}, cell...)
		}
		end -= len(cell)
		copy(page[end:], cell)
		binary.BigEndian.PutUint16(page[head+8+2*i:], uint16(end))
	}
	return page
}

// sqliteNumber writes SQLite's number of several bytes.
func sqliteNumber(n uint64) []byte {
	out := []byte{byte(n & 0x7f)}
	for n >>= 7; n > 0; n >>= 7 {
		out = append([]byte{byte(n&0x7f) | 0x80}, out...)
	}
	return out
}

// Berkeley writes headers as a hash table of Berkeley DB: one page of pairs
// beside that of the counter, and overflow pages for all headers. As many as
// fit in the page can be written: about twenty.
func Berkeley(order binary.ByteOrder, headers ...[]byte) []byte {
	meta := make([]byte, pageSize)
	order.PutUint32(meta[12:], 0x061561)
	order.PutUint32(meta[20:], pageSize)
	meta[25] = 8
	counter := make([]byte, 4)
	items := [][]byte{append([]byte{1}, counter...), append([]byte{1}, counter...)}
	var more []byte
	for i, h := range headers {
		key, value := make([]byte, 5), make([]byte, 12)
		key[0], value[0] = 1, 3
		order.PutUint32(key[1:], uint32(i+1))
		if len(h) > 0 {
			order.PutUint32(value[4:], uint32(2+len(more)/pageSize))
		}
		order.PutUint32(value[8:], uint32(len(h)))
		items = append(items, key, value)
		for len(h) > 0 {
			page := make([]byte, pageSize)
			n := copy(page[26:], h)
			h = h[n:]
			if len(h) > 0 {
				order.PutUint32(page[16:], uint32(3+len(more)/pageSize))
			}
			order.PutUint16(page[22:], uint16(n))
			page[25] = 7
			more = append(more, page...)
		}
	}
	page := make([]byte, pageSize)
	order.PutUint16(page[20:], uint16(len(items)))
	page[25] = 13
	end := pageSize
	for i, item := range items {
		end -= len(item)
		copy(page[end:], item)
		order.PutUint16(page[26+2*i:], uint16(end))
	}
	out := slices.Concat(meta, page, more)
	order.PutUint32(out[32:], uint32(len(out)/pageSize-1))
	return out
}
