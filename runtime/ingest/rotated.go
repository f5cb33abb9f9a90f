package ingest

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// maxFirst is how much of a file's first line tells it from others, in bytes.
const maxFirst = 1024

// identity tells a file from others whatever its name is: the system's number
// for it, where it has one, and its first line, since numbers are given again.
func identity(file *os.File) (string, error) {
	info, err := file.Stat()
	if err != nil {
		return "", err
	}
	head := make([]byte, maxFirst)
	n, err := file.ReadAt(head, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return "", err
	}
	head, _, _ = bytes.Cut(head[:n], []byte("\n"))
	sum := sha256.Sum256(head)
	return fileNumber(info) + "-" + hex.EncodeToString(sum[:8]), nil
}

// older reads what was rotated since the place was left. Afterwards the file
// that bears the name comes next, at f.at.
func (f *following) older() error {
	if info, id := look(f.path); info != nil && id == f.at.File {
		if info.Size() < f.at.Offset {
			return f.truncated()
		}
		return nil
	}
	rotated := f.rotated()
	i := slices.IndexFunc(rotated, func(r sibling) bool { return r.id == f.at.File })
	if i < 0 {
		f.lose("the file that was read last is not there any more, or was truncated: what it had at its end is lost; have rotation keep the last file unpacked (delaycompress)")
		f.at = Place{Index: f.at.Index}
		return nil
	}
	return f.whole(rotated[i])
}

// between reads the files that came between the one that was read last and
// one that bears the name, or did so a moment ago.
func (f *following) between(name *os.File) error {
	now, err := name.Stat()
	if err != nil || f.read == nil {
		return err
	}
	defer func() { f.read = nil }()
	rotated := f.rotated()
	// The one that was read may be gone or packed by now: those behind it are newer.
	i := slices.IndexFunc(rotated, func(r sibling) bool { return os.SameFile(r.info, f.read) })
	if i < 0 {
		i = slices.IndexFunc(rotated, func(r sibling) bool { return r.info.ModTime().After(f.read.ModTime()) }) - 1
		if i < -1 {
			return nil
		}
	}
	for _, r := range rotated[i+1:] {
		if os.SameFile(r.info, now) {
			break // rotated meanwhile
		}
		if err := f.whole(r); err != nil {
			return err
		}
	}
	return nil
}

// sibling is another file of the same log.
type sibling struct {
	path string
	id   string
	info os.FileInfo
}

// rotated lists the files that the log was rotated to, the oldest first.
func (f *following) rotated() []sibling {
	dir, base := filepath.Split(f.path)
	ext := filepath.Ext(base)
	stem := regexp.QuoteMeta(strings.TrimSuffix(base, ext))
	ext = regexp.QuoteMeta(ext)
	named := regexp.MustCompile(`^` + stem + `(` + ext + `)?[-._][0-9][-0-9T:.Z]*(` + ext + `)?$`)
	entries, err := os.ReadDir(cmp.Or(dir, "."))
	if err != nil {
		f.lose("its folder can't be listed: what it was rotated to since the last look is lost")
	}
	var out []sibling
	for _, e := range entries {
		if e.Name() == base || !named.MatchString(e.Name()) {
			continue
		}
		if info, id := look(dir + e.Name()); info != nil {
			out = append(out, sibling{dir + e.Name(), id, info})
		}
	}
	slices.SortFunc(out, func(a, b sibling) int { return a.info.ModTime().Compare(b.info.ModTime()) })
	return out
}

// look is what a regular file is; nil where it can't be told.
func look(path string) (os.FileInfo, string) {
	info, err := os.Stat(path)
	if err != nil || !info.Mode().IsRegular() {
		return nil, ""
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, ""
	}
	defer file.Close()
	id, err := identity(file)
	if err != nil {
		return nil, ""
	}
	return info, id
}

// whole reads a file that doesn't grow any more.
func (f *following) whole(r sibling) error {
	file, err := os.Open(r.path)
	if err != nil {
		return err
	}
	defer file.Close()
	if _, err := file.Seek(f.at.Offset, io.SeekStart); err != nil {
		return err
	}
	buf := make([]byte, peekSize)
	for {
		if f.ctx.Err() != nil {
			return f.ctx.Err()
		}
		n, err := file.Read(buf)
		if e := f.take(file, buf[:n]); e != nil {
			return e
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
	}
	if f.size > 0 && f.at.File == "" {
		f.at.File = r.id
	}
	f.read = r.info
	return f.end()
}
