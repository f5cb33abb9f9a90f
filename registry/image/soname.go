package image

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"fmt"
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
	data     []byte
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
func openELF(data []byte) *elfFile {
	if len(data) < 52 || !bytes.HasPrefix(data, elfMagic) {
		return nil
	}
	f := &elfFile{data: data, wide: data[4] == 2}
	switch data[5] {
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

// bytes are those of the file from a place on; fewer than size where it ends.
func (f *elfFile) bytes(at, size uint64) []byte {
	length := uint64(len(f.data))
	if at > length || size > length-at {
		f.short = true
		at = min(at, length)
		size = length - at
	}
	return f.data[at : at+size]
}

func (f *elfFile) u16(at uint64) uint16 {
	if b := f.bytes(at, 2); len(b) == 2 {
		return f.order.Uint16(b)
	}
	return 0
}

func (f *elfFile) u32(at uint64) uint32 {
	if b := f.bytes(at, 4); len(b) == 4 {
		return f.order.Uint32(b)
	}
	return 0
}

func (f *elfFile) u64(at uint64) uint64 {
	if b := f.bytes(at, 8); len(b) == 8 {
		return f.order.Uint64(b)
	}
	return 0
}

// object reads the interpreter and the dynamic section.
func (f *elfFile) object() *object {
	out := &object{program: f.kind == elfExec}
	if s, ok := f.first(segmentInterp); ok {
		out.interp = f.name(out, f.bytes(s.offset, s.size))
		out.program = true
	}
	if s, ok := f.first(segmentDynamic); ok {
		f.dynamic(out, f.bytes(s.offset, s.size))
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
func (f *elfFile) dynamic(out *object, data []byte) {
	step := 8
	if f.wide {
		step = 16
	}
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
		if name := f.name(out, names[min(at, uint64(len(names))):]); name != "" {
			out.needed = append(out.needed, name)
		}
	}
	for _, at := range sonames {
		out.soname = f.name(out, names[min(at, uint64(len(names))):])
	}
}

// loaded are the bytes of the file that are loaded to an address.
func (f *elfFile) loaded(address, size uint64) []byte {
	for _, s := range f.segments {
		if s.kind == segmentLoad && address >= s.address && address-s.address < s.size {
			return f.bytes(s.offset+(address-s.address), min(size, s.size-(address-s.address)))
		}
	}
	return nil
}

// name is a text that ends with NUL; one that can't be a name is noted.
func (f *elfFile) name(out *object, data []byte) string {
	end := bytes.IndexByte(data[:min(len(data), maxField+1)], 0)
	if end < 0 || !plainField(string(data[:end])) {
		out.unread = "a name in it can't be read"
		return ""
	}
	return string(data[:end])
}

// section returns the bytes of the first section of that name; nil where there
// is none, or where the file leaves its content out.
func (f *elfFile) section(name string) []byte {
	if at, ok := f.entry(name); ok {
		return f.content(at)
	}
	return nil
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
		if offset := uint64(f.u32(entry)); offset < uint64(len(table)) && bytes.HasPrefix(table[offset:], want) {
			return entry, true
		}
	}
	return 0, false
}

// content are the bytes of the section of an entry.
func (f *elfFile) content(entry uint64) []byte {
	switch {
	case f.u32(entry+4) == sectionNoBits:
		return nil
	case f.wide:
		return f.bytes(f.u64(entry+24), f.u64(entry+32))
	}
	return f.bytes(uint64(f.u32(entry+16)), uint64(f.u32(entry+20)))
}

// libraries lists the visible ELF files, by path.
func (inv *Inventory) libraries(t *tree) {
	t.root.walk(func(v *vertex) {
		if o := v.found.object; o != nil {
			inv.Libraries = append(inv.Libraries, Library{
				SONAME: o.soname, Path: "/" + v.path(), Layer: inv.Layers[v.layer].DiffID,
				Needed: o.needed, Interpreter: o.interp, SHA256: v.found.sha256, Unread: o.unread,
			})
		}
	})
	slices.SortFunc(inv.Libraries, func(a, b Library) int { return cmp.Compare(a.Path, b.Path) })
}
