package image

import (
	"bytes"
	"compress/zlib"
	"debug/elf"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/scantling/scantling/oci/ocitest"
)

// elfSpec is what an ELF file of a test says.
type elfSpec struct {
	narrow, big    bool
	kind           uint16
	soname, interp string
	needed         []string
	flags          uint64
	audit          []byte // of .dep-v0; nil none
	body           string // anywhere in it
}

// build writes the file: header, segments (load, dynamic, interpreter), then
// their content, then sections.
func (s elfSpec) build() string {
	var order binary.AppendByteOrder = binary.LittleEndian
	if s.big {
		order = binary.BigEndian
	}
	word, header, program := 8, 64, 56
	if s.narrow {
		word, header, program = 4, 52, 32
	}
	put := func(b []byte, v uint64) []byte {
		if s.narrow {
			return order.AppendUint32(b, uint32(v))
		}
		return order.AppendUint64(b, v)
	}
	const base = 0x10000
	names := []byte{0}
	text := func(name string) uint64 {
		at := len(names)
		names = append(append(names, name...), 0)
		return uint64(at)
	}
	var dynamic []byte
	add := func(tag, value uint64) { dynamic = put(put(dynamic, tag), value) }
	for _, n := range s.needed {
		add(dynamicNeeded, text(n))
	}
	if s.soname != "" {
		add(dynamicSoname, text(s.soname))
	}
	if s.flags != 0 {
		add(dynamicFlags1, s.flags)
	}
	start := header + 3*program
	size := len(dynamic) + 3*2*word
	table := start + size
	add(dynamicStrings, uint64(base+table))
	add(dynamicStringsSize, uint64(len(names)))
	add(dynamicEnd, 0)
	interpAt := table + len(names)
	content := append(append(append([]byte{}, dynamic...), names...), s.interp...)
	content = append(append(content, 0), s.body...)
	auditAt := start + len(content)
	content = append(content, s.audit...)
	namesAt := start + len(content)
	sectionNames := "\x00.shstrtab\x00.dep-v0\x00"
	content = append(content, sectionNames...)
	sectionsAt := start + len(content)

	out := []byte("\x7fELF\x02\x01\x01")
	if s.narrow {
		out[4] = 1
	}
	if s.big {
		out[5] = 2
	}
	out = append(out, make([]byte, 9)...)
	u16 := func(v int) { out = order.AppendUint16(out, uint16(v)) }
	u16(int(s.kind))
	u16(62)
	out = order.AppendUint32(out, 1)
	out = put(put(put(out, 0), uint64(header)), uint64(sectionsAt))
	out = order.AppendUint32(out, 0)
	sections := 2
	if s.audit != nil {
		sections = 3
	}
	section := 40 + 24*(word/8)
	for _, v := range []int{header, program, 3, section, sections, 1} {
		u16(v)
	}
	segment := func(kind uint32, offset, size int) {
		out = order.AppendUint32(out, kind)
		if !s.narrow {
			out = order.AppendUint32(out, 0)
		}
		out = put(put(put(put(put(out, uint64(offset)), uint64(base+offset)), 0), uint64(size)), uint64(size))
		out = append(out, make([]byte, 8)...) // flags and alignment of the narrow, alignment of the wide
	}
	segment(segmentLoad, 0, start+len(content))
	segment(segmentDynamic, start, len(dynamic))
	if s.interp != "" {
		segment(segmentInterp, interpAt, len(s.interp)+1)
	} else {
		segment(0, 0, 0)
	}
	out = append(out, content...)
	entry := func(name, kind uint32, offset, size int) {
		begin := len(out)
		out = order.AppendUint32(order.AppendUint32(out, name), kind)
		out = put(put(put(put(out, 0), 0), uint64(offset)), uint64(size))
		out = append(out, make([]byte, section-(len(out)-begin))...)
	}
	entry(0, 0, 0, 0)
	entry(1, 3, namesAt, len(sectionNames))
	if s.audit != nil {
		entry(11, 1, auditAt, len(s.audit))
	}
	return string(out)
}

func packed(text string) []byte {
	var buf bytes.Buffer
	w := zlib.NewWriter(&buf)
	if _, err := w.Write([]byte(text)); err != nil {
		panic(err)
	}
	if err := w.Close(); err != nil {
		panic(err)
	}
	return buf.Bytes()
}

func TestObject(t *testing.T) {
	for name, tc := range map[string]struct {
		spec elfSpec
		want object
	}{
		"library":        {elfSpec{kind: elfShared, soname: "libz.so.1", needed: []string{"libc.so.6", "libm.so.6"}}, object{soname: "libz.so.1", needed: []string{"libc.so.6", "libm.so.6"}}},
		"program":        {elfSpec{kind: elfShared, interp: "/lib/ld.so", needed: []string{"libc.so.6"}}, object{interp: "/lib/ld.so", needed: []string{"libc.so.6"}, program: true}},
		"static program": {elfSpec{kind: elfExec}, object{program: true}},
		"static PIE":     {elfSpec{kind: elfShared, flags: flagPIE}, object{program: true}},
		"plugin":         {elfSpec{kind: elfShared}, object{}},
		"bad name":       {elfSpec{kind: elfShared, soname: "lib z", needed: []string{"a"}}, object{needed: []string{"a"}, unread: "a name in it can't be read"}},
		"long name":      {elfSpec{kind: elfShared, soname: strings.Repeat("a", maxField+1)}, object{unread: "a name in it can't be read"}},
		"many":           {elfSpec{kind: elfShared, needed: slices.Repeat([]string{"a"}, maxNeeded+1)}, object{needed: slices.Repeat([]string{"a"}, maxNeeded), unread: "it needs more than 1024 libraries; the rest is not read"}},
	} {
		for _, form := range []string{"64 little", "64 big", "32 little", "32 big"} {
			t.Run(name+" "+form, func(t *testing.T) {
				spec := tc.spec
				spec.narrow, spec.big = strings.HasPrefix(form, "32"), strings.HasSuffix(form, "big")
				data := []byte(spec.build())
				got := openELF(inMemory(data)).object()
				if diff := cmp.Diff(tc.want, *got, cmp.AllowUnexported(object{})); diff != "" {
					t.Errorf("object (-want +got):\n%s", diff)
				}
			})
		}
	}
	for _, text := range []string{"", "\x7fELF", elfSpec{kind: 1}.build(), strings.Repeat("x", 100), "\x7fELF\x02\x07" + strings.Repeat("\x00", 100)} {
		if openELF(inMemory([]byte(text))) != nil {
			t.Errorf("%.10q is taken for a program or library", text)
		}
	}
	whole := elfSpec{kind: elfShared, soname: "a", needed: []string{"b"}}.build()
	if o := openELF(inMemory([]byte(whole[:240]))).object(); o.unread == "" {
		t.Errorf("nothing is said of a torn file: %+v", o)
	}
}

// TestObjectAgainstDebugELF compares with debug/elf on its own test files, and
// on the libraries and programs of this machine.
func TestObjectAgainstDebugELF(t *testing.T) {
	root, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		t.Skipf("the go command can't say where its files are: %v", err)
	}
	paths, err := filepath.Glob(filepath.Join(strings.TrimSpace(string(root)), "src/debug/elf/testdata/*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, pattern := range []string{"/usr/lib/*-linux-gnu*/*.so*", "/usr/bin/*"} {
		more, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		paths = append(paths, more[:min(len(more), 150)]...)
	}
	compared, needed := 0, 0
	for _, p := range paths {
		if info, err := os.Stat(p); err != nil || !info.Mode().IsRegular() || info.Size() > 8<<20 {
			continue
		}
		data, err := os.ReadFile(p)
		if err != nil {
			continue
		}
		ours := openELF(inMemory(data))
		theirs, err := elf.NewFile(bytes.NewReader(data))
		if err != nil || theirs.Type != elf.ET_EXEC && theirs.Type != elf.ET_DYN || theirs.Section(".text") != nil && theirs.Section(".text").Type == elf.SHT_NOBITS {
			if ours != nil && err == nil {
				t.Errorf("%s: taken for a program or library", p)
			}
			continue
		}
		want := object{}
		if want.needed, err = theirs.DynString(elf.DT_NEEDED); err != nil {
			t.Fatalf("%s: %v", p, err)
		}
		if names, err := theirs.DynString(elf.DT_SONAME); err == nil && len(names) > 0 {
			want.soname = names[0]
		}
		if s := theirs.Section(".interp"); s != nil {
			text, err := s.Data()
			if err != nil {
				t.Fatal(err)
			}
			want.interp = strings.TrimRight(string(text), "\x00")
		}
		got := ours.object()
		got.program = false
		if fmt.Sprint(*got) != fmt.Sprint(want) {
			t.Errorf("%s: got %+v, want %+v", p, *got, want)
		}
		compared++
		needed += len(want.needed)
	}
	t.Logf("%d files, %d needed libraries", compared, needed)
	if compared < 3 {
		t.Skip("no ELF files to compare with")
	}
}

func TestLibraries(t *testing.T) {
	one := elfSpec{kind: elfShared, soname: "libz.so.1", needed: []string{"libc.so.6"}}.build()
	two := elfSpec{kind: elfShared, soname: "libz.so.2"}.build()
	app := elfSpec{kind: elfShared, interp: "/lib/ld.so", needed: []string{"libz.so.1"}}.build()
	inv := read(t, &Reader{}, layers(
		ocitest.Tar(file("usr/lib/libz.so.1.0", one), file("usr/lib/libgone.so", one), file("usr/lib-b/x.so", one), file("etc/x", "text")),
		ocitest.Tar(file("usr/lib/libz.so.1.0", two), file("usr/lib/.wh.libgone.so", ""), file("app", app), file("usr/lib/torn.so", one[:200])),
	))
	index := map[string]int{}
	for i, l := range inv.Layers {
		index[l.DiffID] = i
	}
	var got []string
	for _, l := range inv.Libraries {
		got = append(got, fmt.Sprintf("%d %s %s %v %s %v", index[l.Layer], l.Path, l.SONAME, l.Needed, l.Interpreter, l.Unread != ""))
		if len(l.SHA256) != 64 {
			t.Errorf("%s: SHA-256 %q", l.Path, l.SHA256)
		}
	}
	want := []string{
		"1 /app  [libz.so.1] /lib/ld.so false",
		"0 /usr/lib-b/x.so libz.so.1 [libc.so.6]  false",
		"1 /usr/lib/libz.so.1.0 libz.so.2 []  false",
		"1 /usr/lib/torn.so  []  true",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("libraries (-want +got):\n%s", diff)
	}
	large := read(t, &Reader{limits: limits{layer: 1 << 20, binary: 100, database: 100, entries: 100}}, layers(ocitest.Tar(file("a.so", one))))
	if len(large.Libraries) != 1 || !strings.Contains(large.Libraries[0].Unread, "read up to 100") {
		t.Errorf("libraries %+v", large.Libraries)
	}
}

// TestObjectCost: names that a small file repeats are paid for.
func TestObjectCost(t *testing.T) {
	name := strings.Repeat("a", maxField)
	few := entry{path: "a", found: &found{kind: foundELF, object: &object{needed: []string{"libc.so.6"}}}}
	many := entry{path: "a", found: &found{kind: foundELF, object: &object{needed: slices.Repeat([]string{name}, maxNeeded)}}}
	if few.cost() > 3 || many.cost() < maxNeeded*maxField/150 {
		t.Errorf("costs %d and %d", few.cost(), many.cost())
	}
}

func FuzzObject(f *testing.F) {
	f.Add([]byte(elfSpec{kind: elfShared, soname: "libz.so.1", needed: []string{"libc.so.6"}, audit: packed("{}")}.build()))
	f.Add([]byte(elfSpec{kind: elfExec, narrow: true, big: true, interp: "/lib/ld.so", needed: []string{"a", "b"}}.build()))
	f.Fuzz(func(t *testing.T, data []byte) {
		file := openELF(inMemory(data))
		if file == nil {
			return
		}
		o := file.object()
		if len(o.needed) > maxNeeded {
			t.Errorf("%d libraries", len(o.needed))
		}
		for _, name := range append([]string{o.soname, o.interp}, o.needed...) {
			if name != "" && !plainField(name) {
				t.Errorf("name %q", name)
			}
		}
		if s := file.section(auditSection); s != nil {
			if n, err := io.Copy(io.Discard, s); n > int64(len(data)) || err != nil {
				t.Errorf("a section of %d bytes, error %v", n, err)
			}
		}
	})
}
