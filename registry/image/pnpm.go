package image

import (
	"bytes"
	"io"
	"path"
	"strings"
)

// isPnpmStore knows the files of pnpm's store, which go by their digest:
// store/v3/files/0f/1a2b…. Where store and packages are on one disk, the files
// of packages are hard links to them, and the store is no installation.
func isPnpmStore(dir, base string) bool {
	parent, fan := path.Split(dir)
	above := strings.TrimSuffix(parent, "/")
	return len(base) >= 62 && len(fan) == 2 && isHex(fan+base) &&
		path.Base(above) == "files" && strings.HasPrefix(path.Base(path.Dir(above)), "v")
}

func isHex(s string) bool { return strings.Trim(s, "0123456789abcdef") == "" }

// stored looks into a file of pnpm's store that is no larger than a
// package.json, and whose name doesn't say what it is. The error is that of
// content.
func (s *layerScan) stored(content io.Reader) (*found, error) {
	data, err := io.ReadAll(io.LimitReader(content, maxMetadata))
	switch {
	case err != nil:
		return nil, err
	case bytes.HasPrefix(data, elfMagic):
		return s.elf.look(bytes.NewReader(data), int64(len(data)), s.limits.binary)
	case !bytes.HasPrefix(trimBOM(data), []byte("{")):
		return nil, nil
	}
	f := &found{kind: foundStore}
	if f.packages, f.notes = parseNPM(data); len(f.packages) == 0 {
		return nil, nil
	}
	return f, nil
}

// linkedFromStore is what a file of pnpm's store says below the name of a
// package.
func linkedFromStore(f *found) *found {
	return &found{kind: foundNPM, packages: f.packages}
}
