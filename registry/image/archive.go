package image

import (
	"archive/zip"
	"compress/zlib"
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
	memory int      // of each spool
	spools []*spool // of the archive that is looked into, and of each that it is nested in
	limit  int64    // bytes of one file, with all that it is nested in
	left   int64
	dir    int64 // bytes of one directory
}

func newArchive(lim limits) *archive {
	return &archive{memory: lim.memory, limit: lim.jar, left: lim.unpacked, dir: maxDirectory}
}

// look takes in a file and hands it to the reader of its kind. The error is
// that of content.
func (a *archive) look(kind foundKind, name string, content io.Reader, size int64) (*found, error) {
	if size > a.limit {
		return &found{kind: kind, notes: []note{{"", fmt.Sprintf("an archive of %d bytes; they are read up to %d", size, a.limit)}}}, nil
	}
	whole, err := a.spool(0).fill(content, size)
	if err != nil {
		return nil, err
	}
	return a.parse(kind, name, whole), nil
}

// parse reads an archive of a kind, and knows it by its digest.
func (a *archive) parse(kind foundKind, name string, b *spooled) *found {
	var f *found
	sum := b.digest()
	switch kind {
	case foundEgg:
		f = parseEgg(a, b)
	case foundYarn:
		f = parseYarn(a, b)
	default:
		f = parseJava(a, name, b, sum)
	}
	if why := b.unread(); why != "" {
		return &found{kind: kind, notes: []note{{"", why}}}
	}
	if f.sha256 = sum; kind != foundJava && len(f.packages) == 1 {
		f.packages[0].SHA256 = sum
	}
	return f
}

// spool is the one of a depth.
func (a *archive) spool(depth int) *spool {
	for len(a.spools) <= depth {
		a.spools = append(a.spools, &spool{memory: a.memory})
	}
	return a.spools[depth]
}

// release gives back what large files took.
func (a *archive) release() {
	for _, s := range a.spools {
		s.release()
	}
}

func (a *archive) close() {
	for _, s := range a.spools {
		s.close()
	}
}

// open lists the files of an archive. What its end states of its directory is
// not believed: reading ends where the bound does.
func (a *archive) open(b *spooled) ([]*zip.File, error) {
	metered := &directory{body: b, left: a.dir}
	r, err := zip.NewReader(metered, b.size)
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
	var data []byte
	err := a.unpack(file, limit, func(r io.Reader) (err error) {
		data, err = io.ReadAll(r)
		return err
	})
	return data, err
}

// nested unpacks an archive within another, depth archives down.
func (a *archive) nested(file *zip.File, limit int64, depth int) (*spooled, error) {
	var whole *spooled
	err := a.unpack(file, limit, func(r io.Reader) (err error) {
		whole, err = a.spool(depth).fill(r, int64(file.UncompressedSize64))
		return err
	})
	return whole, err
}

// unpack opens one file of an archive for take.
func (a *archive) unpack(file *zip.File, limit int64, into func(io.Reader) error) error {
	if file.UncompressedSize64 > uint64(max(limit, 0)) {
		return fmt.Errorf("%d bytes; such a file is read up to %d", file.UncompressedSize64, max(limit, 0))
	}
	if a.left <= 0 {
		return errUnpacked
	}
	r, err := file.Open()
	if err != nil {
		return err
	}
	defer r.Close()
	return a.take(r, limit, into)
}

// inflate unpacks what zlib compressed, out of the same budget.
func (a *archive) inflate(packed io.Reader, limit int64) ([]byte, error) {
	if a.left <= 0 {
		return nil, errUnpacked
	}
	r, err := zlib.NewReader(packed)
	if err != nil {
		return nil, err
	}
	var data []byte
	err = a.take(r, limit, func(r io.Reader) (err error) {
		data, err = io.ReadAll(r)
		return err
	})
	return data, err
}

// take reads what is being unpacked, and counts it.
func (a *archive) take(r io.Reader, limit int64, into func(io.Reader) error) error {
	most := min(limit, a.left)
	counted := &io.LimitedReader{R: r, N: most + 1}
	err := into(counted)
	read := most + 1 - counted.N
	a.left -= read
	switch {
	case err != nil:
		return err
	case read > most && most < limit:
		return errUnpacked
	case read > most:
		return fmt.Errorf("more than the %d bytes that are read", limit)
	}
	return nil
}

// directory serves an archive's bytes, and no more than left of them until it
// is listed.
type directory struct {
	body   *spooled
	left   int64
	listed bool
}

func (d *directory) ReadAt(p []byte, at int64) (int, error) {
	if !d.listed {
		if d.left -= int64(len(p)); d.left < 0 {
			return 0, errDirectory
		}
	}
	return d.body.ReadAt(p, at)
}
