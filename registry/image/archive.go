package image

import (
	"archive/zip"
	"bytes"
	"compress/zlib"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
)

// Bounds on zip archives.
const (
	// MaxUnpacked is what is unpacked from all archives of one layer, in
	// bytes: far above what the largest application servers nest.
	MaxUnpacked  = 4 << 30
	maxDirectory = 32 << 20 // bytes of an archive's directory: the largest have some 100,000 files, of about 100 bytes each
	maxMetadata  = 1 << 20  // bytes of a file of metadata
)

var (
	errDirectory = errors.New("its directory has more bytes than are read")
	errUnpacked  = errors.New("the archives of a layer are unpacked up to a bound, which is reached")
)

// archive looks into the zip files of one layer. left is what may still be
// unpacked, in bytes.
type archive struct {
	buf   bytes.Buffer
	limit int64 // bytes of one file, with all that it is nested in
	left  int64
	dir   int64 // bytes of one directory
}

func newArchive(lim limits) *archive {
	return &archive{limit: lim.jar, left: lim.unpacked, dir: maxDirectory}
}

// look reads a file whole and hands it to the reader of its kind. The error is
// that of content.
func (a *archive) look(kind foundKind, name string, content io.Reader, size int64) (*found, error) {
	if size > a.limit {
		return &found{kind: kind, notes: []note{{"", fmt.Sprintf("an archive of %d bytes; they are read up to %d", size, a.limit)}}}, nil
	}
	a.buf.Reset()
	a.buf.Grow(int(size) + bytes.MinRead)
	if _, err := a.buf.ReadFrom(content); err != nil {
		return nil, err
	}
	return a.parse(kind, name, a.buf.Bytes()), nil
}

// parse reads an archive of a kind, and knows it by its digest.
func (a *archive) parse(kind foundKind, name string, data []byte) *found {
	var f *found
	sum := digest(data)
	switch kind {
	case foundEgg:
		f = parseEgg(a, data)
	case foundYarn:
		f = parseYarn(a, data)
	default:
		f = parseJava(a, name, data, sum)
	}
	if f.sha256 = sum; kind != foundJava && len(f.packages) == 1 {
		f.packages[0].SHA256 = sum
	}
	return f
}

// digest is the SHA-256 of a file, in hex.
func digest(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// release lets go of a buffer that became large.
func (a *archive) release() {
	if a.buf.Cap() > maxLight {
		a.buf = bytes.Buffer{}
	}
}

// open lists the files of an archive. What its end states of its directory is
// not believed: reading ends where the bound does.
func (a *archive) open(data []byte) ([]*zip.File, error) {
	metered := &directory{data: data, left: a.dir}
	r, err := zip.NewReader(metered, int64(len(data)))
	if metered.left < 0 {
		return nil, errDirectory
	}
	if err != nil {
		return nil, err
	}
	metered.listed = true
	return r.File, nil
}

// read unpacks one file of an archive.
func (a *archive) read(file *zip.File, limit int64) ([]byte, error) {
	if file.UncompressedSize64 > uint64(max(limit, 0)) {
		return nil, fmt.Errorf("%d bytes; such a file is read up to %d", file.UncompressedSize64, max(limit, 0))
	}
	if a.left <= 0 {
		return nil, errUnpacked
	}
	r, err := file.Open()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return a.take(r, limit)
}

// inflate unpacks what zlib compressed, out of the same budget.
func (a *archive) inflate(packed []byte, limit int64) ([]byte, error) {
	if a.left <= 0 {
		return nil, errUnpacked
	}
	r, err := zlib.NewReader(bytes.NewReader(packed))
	if err != nil {
		return nil, err
	}
	return a.take(r, limit)
}

// take reads what is being unpacked.
func (a *archive) take(r io.Reader, limit int64) ([]byte, error) {
	most := min(limit, a.left)
	data, err := io.ReadAll(io.LimitReader(r, most+1))
	a.left -= int64(len(data))
	switch {
	case err != nil:
		return nil, err
	case int64(len(data)) > most && most < limit:
		return nil, errUnpacked
	case int64(len(data)) > most:
		return nil, fmt.Errorf("more than the %d bytes that are read", limit)
	}
	return data, nil
}

// directory serves an archive's bytes, and no more than left of them until it
// is listed.
type directory struct {
	data   []byte
	left   int64
	listed bool
}

func (d *directory) ReadAt(p []byte, at int64) (int, error) {
	if !d.listed {
		if d.left -= int64(len(p)); d.left < 0 {
			return 0, errDirectory
		}
	}
	return bytes.NewReader(d.data).ReadAt(p, at)
}
