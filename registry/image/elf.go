package image

import (
	"bytes"
	"debug/buildinfo"
	"debug/elf"
	"fmt"
	"io"
	"regexp"
	"runtime/debug"
	"strings"
)

var (
	elfMagic = []byte("\x7fELF")
	// goMagic precedes the build information of every Go executable
	// (debug/buildinfo).
	goMagic = []byte("\xff Go buildinf:")
)

// maxModules is the number of dependencies of one executable that are read;
// the largest public programs have about 1,000.
const maxModules = 8192

// elfReader looks into the ELF executables of one layer, one at a time.
type elfReader struct {
	spool   spool
	archive *archive // for what is packed in them
}

// look returns what an executable says: its packages of Go or Rust, and what
// it tells the loader; nil for any other file. An executable over the limit is
// searched for the marks of Go, Rust and .NET without being kept, and is unread
// where it has one. The error is that of content.
func (r *elfReader) look(content io.Reader, size, limit int64) (*found, error) {
	head := make([]byte, len(elfMagic))
	if _, err := io.ReadFull(content, head); err != nil {
		if err == io.EOF || (err == io.ErrUnexpectedEOF && size < int64(len(head))) {
			return nil, nil // shorter than the magic number
		}
		return nil, err
	}
	if !bytes.Equal(head, elfMagic) {
		return nil, nil
	}
	if size > limit {
		return tooLarge(content, size, limit)
	}
	whole, err := r.spool.fill(io.MultiReader(bytes.NewReader(head), content), size)
	if err != nil {
		return nil, err
	}
	return r.read(whole), nil
}

// tooLarge says what is unknown of an executable over the limit.
func tooLarge(content io.Reader, size, limit int64) (*found, error) {
	why := fmt.Sprintf("executable of %d bytes; they are read up to %d", size, limit)
	f := &found{kind: foundELF, object: &object{unread: "an " + why}}
	mark, err := contains(content, goMagic, rustMark, bundleMark)
	if err != nil {
		return nil, err
	}
	if mark >= 0 {
		f.kind = foundUnread
		f.notes = []note{{"", []string{"a Go ", "a Rust ", "a .NET "}[mark] + why}}
	}
	return f, nil
}

// read looks into a whole executable.
func (r *elfReader) read(b *spooled) *found {
	sum := b.digest()
	f := goExecutable(b, sum)
	if file := openELF(b); file != nil {
		o := file.object()
		if f == nil {
			f = r.rust(file, o, sum)
		}
		if f == nil && o.program {
			f = bundle(b)
		}
		if f == nil {
			f = &found{kind: foundELF}
		}
		f.object, f.sha256 = o, sum
	}
	if why := b.unread(); why != "" {
		return &found{kind: foundUnread, object: &object{unread: why}, notes: []note{{"", why}}}
	}
	return f
}

// goExecutable reads the build information of Go; nil where there is none.
func goExecutable(b *spooled, sum string) *found {
	if b.index(goMagic) < 0 {
		return nil
	}
	if manySections(b) {
		return &found{kind: foundUnread, notes: []note{{"", "an executable with Go's mark and more sections than one has: its Go build information is not read"}}}
	}
	info, err := buildinfo.Read(b)
	if err != nil {
		// The mark alone may be data of some other program; only a damaged
		// record is unknown.
		if strings.Contains(err.Error(), "not a Go executable") {
			return nil
		}
		return &found{kind: foundUnread, notes: []note{{"", fmt.Sprintf("its Go build information: %v", err)}}}
	}
	return goPackages(info, sum)
}

// manySections reports whether an ELF file counts its sections beside its
// header, as one does that has more than 65,279. The standard library would
// take 300 bytes for each, of which a file of 64 bytes a section has millions.
func manySections(file io.ReaderAt) bool {
	head := make([]byte, 64)
	if _, err := file.ReadAt(head, 0); err != nil {
		return false
	}
	if head[elf.EI_CLASS] == byte(elf.ELFCLASS64) {
		return head[60] == 0 && head[61] == 0 && !bytes.Equal(head[40:48], make([]byte, 8)) // e_shnum, e_shoff
	}
	return head[48] == 0 && head[49] == 0 && !bytes.Equal(head[32:36], make([]byte, 4))
}

// contains searches a stream for marks without keeping more than one block of
// it, and returns the first mark that is in the first block with any; else -1.
func contains(r io.Reader, marks ...[]byte) (int, error) {
	block := make([]byte, 1<<20)
	kept, longest := 0, 0
	for _, mark := range marks {
		longest = max(longest, len(mark))
	}
	for {
		n, err := r.Read(block[kept:])
		data := block[:kept+n]
		for i, mark := range marks {
			if bytes.Contains(data, mark) {
				return i, nil
			}
		}
		kept = min(longest-1, len(data))
		copy(block, data[len(data)-kept:])
		if err == io.EOF {
			return -1, nil
		}
		if err != nil {
			return -1, err
		}
	}
}

// goPackages lists the main module, its dependencies as replaced, and the
// standard library of the toolchain. sum is the executable's, which is that of
// its main module.
func goPackages(info *debug.BuildInfo, sum string) *found {
	f := &found{kind: foundGo}
	modules := []*debug.Module{{Path: "stdlib", Version: goVersion(info.GoVersion)}}
	if info.Main.Path != "" {
		modules = append(modules, &info.Main)
	}
	modules = append(modules, info.Deps...)
	if len(modules) > maxModules {
		f.notes = append(f.notes, note{"", fmt.Sprintf("%d modules, read up to %d", len(modules), maxModules)})
		modules = modules[:maxModules]
	}
	for _, m := range modules {
		// A replacement by a folder has no version: the code is a changed
		// copy of the module, so it keeps the module's name, without one.
		name, version := m.Path, m.Version
		if m.Replace != nil {
			version = m.Replace.Version
			if version != "" {
				name = m.Replace.Path
			}
		}
		if !plainField(name) || (version != "" && !plainField(version)) {
			f.notes = append(f.notes, note{"", "a module without a usable path"})
			continue
		}
		p := Package{Name: name, Version: version, Source: name, SourceVersion: version, Ecosystem: "Go"}
		if m == &info.Main {
			p.SHA256 = sum
		}
		f.packages = append(f.packages, p)
	}
	f.notes = boundNotes(f.notes)
	return f
}

var releaseOfGo = regexp.MustCompile(`^go(\d+)\.(\d+)(?:\.(\d+))?(?:(beta|rc)(\d+))?(?:b\d+)?(?:[-+ ].*)?$`)

// goVersion writes a toolchain version as the semantic version that the Go
// advisories use: go1.22 is 1.22.0, go1.22rc1 is 1.22.0-rc.1. A version that
// has no such form (a development build) is kept as it is, so that it is
// reported and never compared.
func goVersion(v string) string {
	m := releaseOfGo.FindStringSubmatch(v)
	if m == nil {
		return strings.Join(strings.Fields(v), "_")
	}
	out := m[1] + "." + m[2] + "."
	if m[3] == "" {
		out += "0"
	} else {
		out += m[3]
	}
	if m[4] != "" {
		out += "-" + m[4] + "." + m[5]
	}
	return out
}
