package image

import (
	"bytes"
	"debug/buildinfo"
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

// elfReader looks into the ELF executables of one layer, one at a time, with
// one buffer that grows to the largest of them.
type elfReader struct{ buf bytes.Buffer }

// look returns what an executable says: its Go packages, or nil for a file
// that is no Go executable. An executable over the limit is searched for the
// mark of Go without being kept, and is unread where it has it. The error is
// that of content.
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
		isGo, err := contains(content, goMagic)
		if err != nil || !isGo {
			return nil, err
		}
		return &found{kind: foundUnread, notes: []note{{"", fmt.Sprintf("a Go executable of %d bytes; they are read up to %d", size, limit)}}}, nil
	}
	r.buf.Reset()
	r.buf.Grow(int(size) + bytes.MinRead) // at once: growing as it is read takes three times the memory
	r.buf.Write(head)
	if _, err := r.buf.ReadFrom(content); err != nil {
		return nil, err
	}
	if !bytes.Contains(r.buf.Bytes(), goMagic) {
		return nil, nil
	}
	info, err := buildinfo.Read(bytes.NewReader(r.buf.Bytes()))
	if err != nil {
		// The mark alone may be data of some other program; only a damaged
		// record is unknown.
		if strings.Contains(err.Error(), "not a Go executable") {
			return nil, nil
		}
		return &found{kind: foundUnread, notes: []note{{"", fmt.Sprintf("its Go build information: %v", err)}}}, nil
	}
	return goPackages(info), nil
}

// release lets go of a buffer that became large.
func (r *elfReader) release() {
	if r.buf.Cap() > maxLight {
		r.buf = bytes.Buffer{}
	}
}

// contains searches a stream without keeping more than one block of it.
func contains(r io.Reader, want []byte) (bool, error) {
	block := make([]byte, 1<<20)
	kept := 0
	for {
		n, err := r.Read(block[kept:])
		data := block[:kept+n]
		if bytes.Contains(data, want) {
			return true, nil
		}
		kept = min(len(want)-1, len(data))
		copy(block, data[len(data)-kept:])
		if err == io.EOF {
			return false, nil
		}
		if err != nil {
			return false, err
		}
	}
}

// goPackages lists the main module, its dependencies as replaced, and the
// standard library of the toolchain.
func goPackages(info *debug.BuildInfo) *found {
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
		f.packages = append(f.packages, Package{Name: name, Version: version, Source: name, SourceVersion: version, Ecosystem: "Go"})
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
