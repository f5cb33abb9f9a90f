package image

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"sync"
)

// maxInMemory is the size of the largest file that is kept in memory while it
// is looked into, in bytes: larger ones go through a temporary file.
const maxInMemory = 256 << 10

// spooled is one file that is looked into: any place of it can be read.
type spooled struct {
	size int64
	data []byte      // all of it, where it is in memory
	from io.ReaderAt // where it isn't
	room []byte      // for parts of it
	err  error       // of reading from: what was found is then not to be believed
}

func inMemory(data []byte) *spooled { return &spooled{size: int64(len(data)), data: data} }

func (b *spooled) ReadAt(p []byte, at int64) (int, error) {
	if b.data != nil || b.from == nil {
		return bytes.NewReader(b.data).ReadAt(p, at)
	}
	n, err := b.from.ReadAt(p, at)
	if err != nil && err != io.EOF {
		b.err = err
	}
	return n, err
}

// windows are the parts of a file one after the other, each with the last
// overlap bytes of the one before, so that no text of that length is torn. A
// file in memory is one part. A part is overwritten by the next, and by those
// of another walk: there is one at a time.
func (b *spooled) windows(overlap int) iter.Seq2[int64, []byte] {
	return func(yield func(at int64, part []byte) bool) {
		if b.from == nil {
			yield(0, b.data)
			return
		}
		part := b.room[:min(b.size, int64(len(b.room)))]
		for at := int64(0); at < b.size && b.err == nil; at += int64(len(part) - overlap) {
			n, err := b.ReadAt(part, at)
			if !yield(at, part[:n]) || err != nil || n < len(part) || at+int64(n) >= b.size {
				return
			}
		}
	}
}

// index finds the first place of a mark; -1 where there is none.
func (b *spooled) index(mark []byte) int64 {
	for at, part := range b.windows(len(mark) - 1) {
		if i := bytes.Index(part, mark); i >= 0 {
			return at + int64(i)
		}
	}
	return -1
}

// digest is the SHA-256 of the file, in hex.
func (b *spooled) digest() string {
	sum := sha256.New()
	for _, part := range b.windows(0) {
		sum.Write(part)
	}
	return hex.EncodeToString(sum.Sum(nil))
}

// unread is what is said of a file whose temporary copy failed; "" where
// nothing did.
func (b *spooled) unread() string {
	if b.err == nil {
		return ""
	}
	return fmt.Sprintf("its temporary copy: %v", b.err)
}

// spoolRoom has the memory of spools whose layer was read.
var spoolRoom = sync.Pool{New: func() any { return new([maxInMemory]byte) }}

// spool takes in one file after the other. A large one is written to a
// temporary file that has no name and goes with the process; where no such
// file can be written, it is in memory. Who calls it bounds what is taken in.
type spool struct {
	memory int // size of the largest file that is kept in memory, in bytes: 512 at the least, maxInMemory at the most
	kept   *[maxInMemory]byte
	buf    []byte   // of kept
	file   *os.File // nil until it is needed
	lost   bool     // there can be no temporary file
}

// fill takes in a stream to its end, of about size bytes. What it returns is
// good until the next call. The error is that of the stream.
func (s *spool) fill(r io.Reader, size int64) (*spooled, error) {
	if s.buf == nil {
		s.kept = spoolRoom.Get().(*[maxInMemory]byte)
		s.buf = s.kept[:min(max(s.memory, 512), maxInMemory)]
	}
	n, err := readFull(r, s.buf)
	switch {
	case err == io.EOF:
		return inMemory(s.buf[:n]), nil
	case err != nil:
		return nil, err
	}
	return s.spill(r, size)
}

// spill takes in a stream that begins with all of buf.
func (s *spool) spill(r io.Reader, size int64) (*spooled, error) {
	written, n := int64(0), len(s.buf)
	if s.open() != nil {
		return s.gather(r, size, 0, n)
	}
	for end := false; ; {
		if _, err := s.file.WriteAt(s.buf[:n], written); err != nil {
			s.lost = true
			return s.gather(r, size, written, n)
		}
		if written += int64(n); end {
			return &spooled{size: written, from: io.NewSectionReader(s.file, 0, written), room: s.buf}, nil
		}
		var err error
		if n, err = readFull(r, s.buf); err == io.EOF {
			end = true
		} else if err != nil {
			return nil, err
		}
	}
}

// gather takes the stream into memory instead: what was written, the first n
// bytes of buf, and the rest.
func (s *spool) gather(r io.Reader, size, written int64, n int) (*spooled, error) {
	var all bytes.Buffer
	all.Grow(int(max(size, written+int64(n))) + bytes.MinRead) // at once: growing as it is read takes three times the memory
	failed := error(nil)
	if written > 0 {
		_, failed = io.Copy(&all, io.NewSectionReader(s.file, 0, written))
	}
	all.Write(s.buf[:n])
	if _, err := all.ReadFrom(r); err != nil {
		return nil, err
	}
	out := inMemory(all.Bytes())
	out.err = failed
	return out, nil
}

var errNoFile = errors.New("there is no temporary file")

// open makes the file where there is none yet.
func (s *spool) open() error {
	if s.file != nil && !s.lost {
		return nil
	}
	if s.lost {
		return errNoFile
	}
	s.lost = true
	file, err := os.CreateTemp("", "scantling-*")
	if err != nil {
		return err
	}
	if err := os.Remove(file.Name()); err != nil { // a system that keeps the name of an open file
		return errors.Join(err, file.Close(), os.Remove(file.Name()))
	}
	s.file, s.lost = file, false
	return nil
}

// release gives back what a large file took.
func (s *spool) release() {
	if s.file != nil {
		_ = s.file.Truncate(0) // what stays is overwritten by the next
	}
}

// close ends the use of the temporary file and of the memory: what fill has
// returned is no more good.
func (s *spool) close() {
	if s.kept != nil {
		spoolRoom.Put(s.kept)
		s.kept, s.buf = nil, nil
	}
	if s.file != nil {
		s.file.Close()
		s.file = nil
	}
}

// readFull reads until the buffer is full or the stream ends. Unlike that of
// io.ReadFull its io.EOF is the stream's own, so that a torn one is told apart.
func readFull(r io.Reader, p []byte) (n int, err error) {
	for n < len(p) && err == nil {
		var more int
		more, err = r.Read(p[n:])
		n += more
	}
	return n, err
}
