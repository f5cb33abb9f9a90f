package image

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"fmt"
	"io"
	"slices"
)

// Bounds on what the loader is told by one ELF file. The largest public
// programs have some 40 segments, 60 sections and 300 libraries.
const (
	maxSegments = 1024
	maxSections = 4096
	maxDynamic  = 4096 // entries of the dynamic section
	maxNeeded   = 1024
)

// Library is a visible ELF file that can be started or loaded: what it is
// called by and what it needs decide whether the layers below it can be
// exchanged. A name is looked up in folders that the loader knows, which
// aren't followed here.
type Library struct {
	SONAME      string   // name by which others need it; "" for most programs
	Path        string   // in the image, with leading slash
	Layer       string   // DiffID of the layer that has the file
	Needed      []string // names of the libraries that it needs, in its order
	Interpreter string   // path of its loader; "" for libraries and static programs
	SHA256      string   // of the file, in hex; "" where it wasn't read whole
	Unread      string   // why a part of this isn't known; "" where all is
}

// object is what one ELF file tells the loader.
type object struct {
	soname  string
	interp  string
	needed  []string
	program bool   // it can be started: no mere library
	unread  string // see Library.Unread
}

// cost is the memory that it takes, in units of MaxEntries.
func (o *object) cost() int {
	bytes := len(o.soname) + len(o.interp)
	for _, name := range o.needed {
		bytes += 16 + len(name)
	}
	return 1 + bytes/128
}

// Constants of the System V ABI ("Object Files", "Program Loading and Dynamic
// Linking"), and of GNU for DT_FLAGS_1.
const (
	elfExec, elfShared = 2, 3

	segmentLoad, segmentDynamic, segmentInterp = 1, 2, 3

	sectionNoBits = 8

	dynamicEnd, dynamicNeeded, dynamicStrings, dynamicStringsSize = 0, 1, 5, 10
	dynamicSoname, dynamicFlags1                                  = 14, 0x6ffffffb

	flagPIE = 0x08000000
)

// elfFile reads the few tables of an ELF file that are of use here, each place
// checked against the file's length: debug/elf says of itself that it isn't
// made for hostile input.
type elfFile struct {
	body     *spooled
	page     [4096]byte // of the file, from pageAt on
	pageAt   uint64
	paged    uint64 // bytes of page
	order    binary.ByteOrder
	wide     bool // 64 bits
	kind     uint16
	segments []segment
	short    bool // something was read beyond the end
}

type segment struct {
	kind                  uint32
	offset, address, size uint64 // size in the file
}

// openELF reads the header and the segments. It returns nil for a file that is
// neither a program nor a library: object files, core dumps, separate files
// for debuggers, no ELF at all.
func openELF(b *spooled) *elfFile {
	f := &elfFile{body: b}
	head := f.bytes(place{0, 16})
	if b.size < 52 || !bytes.HasPrefix(head, elfMagic) {
		return nil
	}
	f.wide, f.short = head[4] == 2, false
	switch head[5] {
	case 1:
		f.order = binary.LittleEndian
	case 2:
		f.order = binary.BigEndian
	default:
		return nil
	}
	if f.kind = f.u16(16); f.kind != elfExec && f.kind != elfShared {
		return nil
	}
	at, size, count := uint64(f.u32(28)), f.u16(42), f.u16(44)
	if f.wide {
		at, size, count = f.u64(32), f.u16(54), f.u16(56)
	}
	for i := range uint64(min(count, maxSegments)) {
		f.segments = append(f.segments, f.segment(at+i*uint64(size)))
	}
	f.short = f.short || count > maxSegments
	short := f.short
	if f.isDebug() {
		return nil
	}
	f.short = short // sections are for linkers and debuggers
	return f
}

func (f *elfFile) segment(at uint64) segment {
	if f.wide {
		return segment{f.u32(at), f.u64(at + 8), f.u64(at + 16), f.u64(at + 32)}
	}
	return segment{f.u32(at), uint64(f.u32(at + 4)), uint64(f.u32(at + 8)), uint64(f.u32(at + 16))}
}

// within cuts a place down to what the file has of it.
func (f *elfFile) within(p place) place {
	length := uint64(f.body.size)
	if p.at > length || p.size > length-p.at {
		f.short = true
		p.at = min(p.at, length)
		p.size = length - p.at
	}
	return p
}

// place is a part of a file.
type place struct{ at, size uint64 }

// first is the beginning of a place, of most bytes at the most.
func (p place) first(most uint64) place { return place{p.at, min(p.size, most)} }

// bytes are those of a place of the file; fewer where the file ends. The
// caller bounds the size.
func (f *elfFile) bytes(p place) []byte {
	p = f.within(p)
	out := make([]byte, p.size)
	n, _ := f.body.ReadAt(out, int64(p.at)) // body keeps the error
	return out[:n]
}

// field are the bytes of a number of up to eight bytes; nil beyond the end.
func (f *elfFile) field(at, size uint64) []byte {
	if p := f.within(place{at, size}); p.size < size {
		return nil
	}
	if at < f.pageAt || at+size > f.pageAt+f.paged {
		n, _ := f.body.ReadAt(f.page[:], int64(at)) // body keeps the error
		f.pageAt, f.paged = at, uint64(n)
		if f.paged < size {
			return nil
		}
	}
	return f.page[at-f.pageAt:][:size]
}

func (f *elfFile) u16(at uint64) uint16 {
	if b := f.field(at, 2); b != nil {
		return f.order.Uint16(b)
	}
	return 0
}

func (f *elfFile) u32(at uint64) uint32 {
	if b := f.field(at, 4); b != nil {
		return f.order.Uint32(b)
	}
	return 0
}

func (f *elfFile) u64(at uint64) uint64 {
	if b := f.field(at, 8); b != nil {
		return f.order.Uint64(b)
	}
	return 0
}

// object reads the interpreter and the dynamic section.
func (f *elfFile) object() *object {
	out := &object{program: f.kind == elfExec}
	if s, ok := f.first(segmentInterp); ok {
		out.interp = f.name(out, f.within(place{s.offset, s.size}))
		out.program = true
	}
	if s, ok := f.first(segmentDynamic); ok {
		f.dynamic(out, f.within(place{s.offset, s.size}))
	}
	if f.short && out.unread == "" {
		out.unread = "its tables lead beyond its end, or beyond what is read of them"
	}
	return out
}

// first finds the first segment of a kind.
func (f *elfFile) first(kind uint32) (segment, bool) {
	at := slices.IndexFunc(f.segments, func(s segment) bool { return s.kind == kind })
	if at < 0 {
		return segment{}, false
	}
	return f.segments[at], true
}

// dynamic reads the entries of the dynamic section, whose names lie in a table
// that one of them points to.
func (f *elfFile) dynamic(out *object, p place) {
	step := 8
	if f.wide {
		step = 16
	}
	data := f.bytes(p.first(uint64(step) * (maxDynamic + 1)))
	var needed, sonames []uint64
	var table, size uint64
	for i := 0; len(data) >= step; i++ {
		tag, value := uint64(f.order.Uint32(data)), uint64(f.order.Uint32(data[4:]))
		if f.wide {
			tag, value = f.order.Uint64(data), f.order.Uint64(data[8:])
		}
		if tag == dynamicEnd {
			break
		}
		if i == maxDynamic {
			out.unread = fmt.Sprintf("its dynamic section is read up to %d entries", maxDynamic)
			break
		}
		switch tag {
		case dynamicNeeded:
			if len(needed) == maxNeeded {
				out.unread = fmt.Sprintf("it needs more than %d libraries; the rest is not read", maxNeeded)
			} else {
				needed = append(needed, value)
			}
		case dynamicSoname:
			sonames = append(sonames, value)
		case dynamicStrings:
			table = value
		case dynamicStringsSize:
			size = value
		case dynamicFlags1:
			out.program = out.program || value&flagPIE != 0
		}
		data = data[step:]
	}
	names := f.loaded(table, size)
	for _, at := range needed {
		if name := f.name(out, names.from(at)); name != "" {
			out.needed = append(out.needed, name)
		}
	}
	for _, at := range sonames {
		out.soname = f.name(out, names.from(at))
	}
}

// loaded is the part of the file that is loaded to an address.
func (f *elfFile) loaded(address, size uint64) place {
	for _, s := range f.segments {
		if s.kind == segmentLoad && address >= s.address && address-s.address < s.size {
			return f.within(place{s.offset + (address - s.address), min(size, s.size-(address-s.address))})
		}
	}
	return place{}
}

// from is the rest of a place.
func (p place) from(offset uint64) place {
	offset = min(offset, p.size)
	return place{p.at + offset, p.size - offset}
}

// name is a text that ends with NUL; one that can't be a name is noted.
func (f *elfFile) name(out *object, p place) string {
	data := f.bytes(p.first(maxField + 1))
	end := bytes.IndexByte(data, 0)
	if end < 0 || !plainField(string(data[:end])) {
		out.unread = "a name in it can't be read"
		return ""
	}
	return string(data[:end])
}

// section is the content of the first section of that name; nil where there
// is none, or where the file leaves its content out.
func (f *elfFile) section(name string) io.Reader {
	entry, ok := f.entry(name)
	if !ok || f.u32(entry+4) == sectionNoBits {
		return nil
	}
	p := f.content(entry)
	return io.NewSectionReader(f.body, int64(p.at), int64(p.size))
}

// isDebug reports whether the file is no more than what was taken out of
// another for debuggers: its sections are listed, without their content.
func (f *elfFile) isDebug() bool {
	at, ok := f.entry(".text")
	return ok && f.u32(at+4) == sectionNoBits
}

// entry finds the first section of that name. Names are in the section that
// the header points to.
func (f *elfFile) entry(name string) (uint64, bool) {
	at, step, count, names := uint64(f.u32(32)), f.u16(46), f.u16(48), f.u16(50)
	if f.wide {
		at, step, count, names = f.u64(40), f.u16(58), f.u16(60), f.u16(62)
	}
	if names >= count || count > maxSections {
		return 0, false
	}
	table := f.content(at + uint64(names)*uint64(step))
	want := append([]byte(name), 0)
	for i := range uint64(count) {
		entry := at + i*uint64(step)
		if f.holds(table.from(uint64(f.u32(entry))), want) {
			return entry, true
		}
	}
	return 0, false
}

// holds reports whether a place begins with a text.
func (f *elfFile) holds(p place, text []byte) bool {
	return p.size >= uint64(len(text)) && bytes.Equal(f.bytes(p.first(uint64(len(text)))), text)
}

// content is the place of the section of an entry.
func (f *elfFile) content(entry uint64) place {
	switch {
	case f.u32(entry+4) == sectionNoBits:
		return place{}
	case f.wide:
		return f.within(place{f.u64(entry + 24), f.u64(entry + 32)})
	}
	return f.within(place{uint64(f.u32(entry + 16)), uint64(f.u32(entry + 20))})
}

// libraries lists the visible ELF files, by path.
func (inv *Inventory) libraries(visible []placed) {
	for _, file := range visible {
		if o := file.vertex.found.object; o != nil {
			inv.Libraries = append(inv.Libraries, Library{
				SONAME: o.soname, Path: "/" + file.path, Layer: inv.Layers[file.vertex.layer].DiffID,
				Needed: o.needed, Interpreter: o.interp, SHA256: file.vertex.found.sha256, Unread: o.unread,
			})
		}
	}
	slices.SortFunc(inv.Libraries, func(a, b Library) int { return cmp.Compare(a.Path, b.Path) })
}
