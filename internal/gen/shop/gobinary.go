package main

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strings"
)

// The frame that the Go linker puts round a program's module list.
const (
	modStart = "\x30\x77\xaf\x0c\x92\x74\x08\x02\x41\xe1\xc1\x07\xe6\xd6\x18\xe6"
	modEnd   = "\xf9\x32\x43\x31\x86\x18\x20\x72\x00\x82\x42\x10\x41\x16\xd8\xf2"
)

// goBinary returns a static Linux program for amd64 that exits at once and
// carries the build information of a facts file: a few hundred bytes that
// debug/buildinfo reads like any Go program.
func goBinary(factsFile string) ([]byte, error) {
	version, modules, err := buildInfo(factsFile)
	if err != nil {
		return nil, err
	}
	// The inlined format: 14 bytes of magic, pointer size (unused), flags
	// with bit 1 set, padding to 32, then two strings with varint lengths.
	info := append([]byte("\xff Go buildinf:\x08\x02"), make([]byte, 16)...)
	for _, s := range []string{version, modStart + modules + modEnd} {
		info = binary.AppendUvarint(info, uint64(len(s)))
		info = append(info, s...)
	}
	return elfFile(info), nil
}

// buildInfo returns the Go version and the module list in the linker's text
// form.
func buildInfo(factsFile string) (version, modules string, err error) {
	rows, err := readFacts(factsFile, 2)
	if err != nil {
		return "", "", err
	}
	var b strings.Builder
	for _, row := range rows {
		switch row[0] {
		case "go":
			version = row[1]
		case "main":
			if len(row) < 3 {
				return "", "", fmt.Errorf("facts/%s: main needs a path and a version", factsFile)
			}
			fmt.Fprintf(&b, "path\t%s\nmod\t%s\t%s\t\n", row[1], row[1], row[2])
		default:
			fmt.Fprintf(&b, "dep\t%s\t%s\t\n", row[0], row[1])
		}
	}
	b.WriteString("build\t-compiler=gc\nbuild\t-trimpath=true\nbuild\tCGO_ENABLED=0\nbuild\tGOARCH=amd64\nbuild\tGOOS=linux\n")
	return version, b.String(), nil
}

// Layout of the program: header, one program header, code, data, names of
// sections, section headers.
const (
	elfBase    = 0x400000
	elfHeader  = 64
	elfProg    = 56
	elfSection = 64
	elfCode    = elfHeader + elfProg
	elfData    = elfCode + 8 // 128: buildinfo is searched at multiples of 16
)

// elfFile wraps data as the section .go.buildinfo of a program that calls
// exit(0).
func elfFile(data []byte) []byte {
	code := []byte{0x31, 0xff, 0xb0, 0x3c, 0x0f, 0x05, 0, 0} // xor edi,edi; mov al,60; syscall
	names := "\x00.go.buildinfo\x00.shstrtab\x00"
	namesAt := elfData + len(data)
	sectionsAt := (namesAt + len(names) + 7) &^ 7

	var b bytes.Buffer
	le := func(values ...any) {
		for _, v := range values {
			// Writing fixed-size values to a buffer cannot fail.
			_ = binary.Write(&b, binary.LittleEndian, v)
		}
	}
	b.WriteString("\x7fELF\x02\x01\x01")
	b.Write(make([]byte, 9))
	le(uint16(2), uint16(62), uint32(1), uint64(elfBase+elfCode), uint64(elfHeader), uint64(sectionsAt), uint32(0),
		uint16(elfHeader), uint16(elfProg), uint16(1), uint16(elfSection), uint16(3), uint16(2))
	le(uint32(1), uint32(7), uint64(0), uint64(elfBase), uint64(elfBase), uint64(namesAt), uint64(namesAt), uint64(0x1000))
	b.Write(code)
	b.Write(data)
	b.WriteString(names)
	b.Write(make([]byte, sectionsAt-b.Len()))
	b.Write(make([]byte, elfSection))
	le(uint32(1), uint32(1), uint64(3), uint64(elfBase+elfData), uint64(elfData), uint64(len(data)), uint32(0), uint32(0), uint64(16), uint64(0))
	le(uint32(15), uint32(3), uint64(0), uint64(0), uint64(namesAt), uint64(len(names)), uint32(0), uint32(0), uint64(1), uint64(0))
	return b.Bytes()
}
