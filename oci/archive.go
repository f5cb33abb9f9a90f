package oci

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"sync/atomic"
)

// Bounds on an archive.
const (
	maxMembers = 1 << 16  // files of an archive; each layer of the older form has three
	maxHops    = 8        // links from one member to the next
	maxSpill   = 16 << 30 // bytes that all compressed archives of a process take when unpacked
	maxRatio   = 100      // between an archive unpacked and packed; images shrink to a third
	minSpill   = 64 << 20 // bytes that even a small archive may take
	maxSniff   = 1 << 20  // bytes that IsArchive looks at, after decompression
	maxPeek    = 8        // members that IsArchive looks at
)

// archiveMember matches how the members of image archives are called: the
// files of a layout, those of docker save, and those that are named by a
// digest.
var archiveMember = regexp.MustCompile(`^(blobs(/.*)?|oci-layout|index\.json|manifest\.json|repositories|(sha256:)?[0-9a-f]{64}([./].*)?)$`)

// IsArchive reports whether a file begins like an archive of images: a tar,
// also one compressed by gzip or zstd, with a name among its first members
// that such archives use. It looks at the beginning alone; Open tells what it
// really is. The error is that of a file that can't be read.
func IsArchive(name string) (bool, error) {
	file, err := os.Open(name)
	if err != nil {
		return false, err
	}
	defer file.Close()
	plain, err := decompress(io.LimitReader(file, maxSniff))
	if err != nil {
		return false, unreadable(err)
	}
	defer plain.Close()
	for members, i := tar.NewReader(io.LimitReader(plain, maxSniff)), 0; i < maxPeek; i++ {
		header, err := members.Next()
		if err != nil {
			return false, unreadable(err)
		}
		if archiveMember.MatchString(path.Clean(header.Name)) {
			return true, nil
		}
	}
	return false, nil
}

// unreadable keeps an error of the file, and drops that of what is in it.
func unreadable(err error) error {
	if in := new(fs.PathError); errors.As(err, &in) {
		return in
	}
	return nil
}

// archive opens the members of a tar where they lie. A compressed tar is
// unpacked as a whole into one temporary file, which has no name any more and
// goes with the last layer or the process.
type archive struct {
	name    string
	spill   *os.File // nil where the tar itself is read
	members map[string]member
	cut     error // what ended the list of members early
}

// member is a regular file by its place in the tar, or a link by its target.
type member struct {
	offset, size int64
	link         string // cleaned name of another member
}

// archive reads every image of an archive: those of the layout in it, and
// those of docker's manifest.json that the layout doesn't have.
func (r *reader) archive(name string) error {
	a, err := r.openArchive(name)
	if err != nil {
		return err
	}
	isLayout, isDocker := a.has("oci-layout") && a.has("index.json"), a.has("manifest.json")
	switch {
	case isLayout || isDocker:
		if a.cut != nil {
			r.miss(name, "the archive is cut off or broken: %v", a.cut)
		}
	case a.cut != nil:
		return a.cut
	case a.has("oci-layout"):
		return errors.New("an image layout that has no index.json")
	case a.has("repositories"):
		return errors.New("an archive as docker save wrote it before 1.10, without manifest.json: not read")
	default:
		return fmt.Errorf("%w; a tar of a root file system has to be unpacked first", ErrNotImage)
	}
	if isLayout {
		if err := r.layout(a); err != nil && !isDocker {
			return err
		} else if err != nil {
			r.skip("index.json", "%v", err)
		}
	}
	if isDocker {
		return r.docker(a)
	}
	return nil
}

// openArchive lists the members of a tar.
func (r *reader) openArchive(name string) (*archive, error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	head := make([]byte, 4)
	n, err := io.ReadFull(file, head)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) && err != io.EOF {
		return nil, err
	}
	a := &archive{name: name}
	from := file
	if head = head[:n]; isGzip(head) || isZstd(head) {
		if err := a.unpack(r.ctx, file); err != nil {
			return nil, err
		}
		from = a.spill
	}
	if _, err := from.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	return a, a.list(from)
}

// list notes where each member lies. tar.Reader seeks over their content, so
// that only headers are read. As when unpacking, the last of one name counts.
func (a *archive) list(from *os.File) error {
	a.members = map[string]member{}
	last := "its start"
	for headers, n := tar.NewReader(from), 0; ; n++ {
		header, err := headers.Next()
		switch {
		case err == io.EOF && n > 0:
			return nil
		case err == io.EOF || n == 0 && (errors.Is(err, tar.ErrHeader) || errors.Is(err, io.ErrUnexpectedEOF)):
			return ErrNotImage
		case err != nil:
			a.cut = fmt.Errorf("after %s: %w", last, err)
			return nil
		case n >= maxMembers:
			return fmt.Errorf("the archive has more than %d members", maxMembers)
		}
		last = fmt.Sprintf("member %q", clip(header.Name))
		offset, err := from.Seek(0, io.SeekCurrent)
		if err != nil {
			return err
		}
		a.add(header, offset)
	}
}

// add keeps a member that can be opened. Names are only looked up here and
// never lead to the file system; one that climbs is found by nothing.
func (a *archive) add(header *tar.Header, offset int64) {
	name := path.Clean(header.Name)
	if len(name) > maxName || len(header.Linkname) > maxName {
		return
	}
	switch header.Typeflag {
	case tar.TypeReg:
		if !isSparse(header) {
			a.members[name] = member{offset: offset, size: header.Size}
		}
	case tar.TypeSymlink:
		a.members[name] = member{link: path.Join(path.Dir(name), header.Linkname)}
	case tar.TypeLink:
		a.members[name] = member{link: path.Clean(header.Linkname)}
	}
}

// isSparse knows files of which the tar holds only parts.
func isSparse(header *tar.Header) bool {
	for key := range header.PAXRecords {
		if strings.HasPrefix(key, "GNU.sparse.") {
			return true
		}
	}
	return false
}

// has reports whether there is a member of this name.
func (a *archive) has(name string) bool {
	_, ok := a.members[name]
	return ok
}

// find follows links from member to member.
func (a *archive) find(name string) (member, error) {
	m, ok := a.members[path.Clean(name)]
	for hop := 0; ok && m.link != ""; hop++ {
		if hop == maxHops {
			return member{}, fmt.Errorf("%s: more than %d links in a row", clip(name), maxHops)
		}
		m, ok = a.members[m.link]
	}
	if !ok {
		return member{}, &fs.PathError{Op: "open", Path: clip(name), Err: errNotStored}
	}
	return m, nil
}

func (a *archive) open(name string, size int64) (io.ReadCloser, error) {
	m, err := a.find(name)
	if err != nil {
		return nil, err
	}
	if size >= 0 && m.size != size {
		return nil, otherSize(name, m.size, size)
	}
	if a.spill != nil {
		return io.NopCloser(io.NewSectionReader(a.spill, m.offset, m.size)), nil
	}
	file, err := os.Open(a.name)
	if err != nil {
		return nil, err
	}
	return section{io.NewSectionReader(file, m.offset, m.size), file}, nil
}

// section is a part of a file that was opened for it.
type section struct {
	io.Reader
	io.Closer
}

// errNotStored is fs.ErrNotExist in the words of an archive.
var errNotStored = notStored{}

type notStored struct{}

func (notStored) Error() string        { return "not in the archive" }
func (notStored) Is(target error) bool { return target == fs.ErrNotExist }

// spilled counts the bytes of all temporary files.
var spilled atomic.Int64

// unpack decompresses a whole archive into a temporary file and removes its
// name at once, so that nothing stays behind whatever ends the process.
func (a *archive) unpack(ctx context.Context, file *os.File) error {
	info, err := file.Stat()
	if err != nil {
		return err
	}
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return err
	}
	plain, err := decompress(untilDone{ctx, file})
	if err != nil {
		return err
	}
	defer plain.Close()
	spill, err := os.CreateTemp("", "scantling-*.tar")
	if err != nil {
		return err
	}
	if err := os.Remove(spill.Name()); err != nil {
		return errors.Join(err, spill.Close())
	}
	limit := max(min(max(info.Size()*maxRatio, minSpill), maxSpill-spilled.Load()), 0)
	size, err := io.Copy(spill, io.LimitReader(plain, limit+1))
	if err == nil && size > limit {
		err = fmt.Errorf("it takes more than the %d bytes that it may: unpack it yourself if that is meant", limit)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("unpacking: %w", err), spill.Close())
	}
	a.spill = spill
	spilled.Add(size)
	runtime.AddCleanup(a, func(size int64) { spilled.Add(-size) }, size)
	return nil
}

// untilDone ends a stream with its context.
type untilDone struct {
	ctx context.Context
	r   io.Reader
}

func (u untilDone) Read(p []byte) (int, error) {
	if err := u.ctx.Err(); err != nil {
		return 0, err
	}
	return u.r.Read(p)
}

func isGzip(head []byte) bool { return bytes.HasPrefix(head, []byte{0x1f, 0x8b}) }
func isZstd(head []byte) bool { return bytes.HasPrefix(head, []byte{0x28, 0xb5, 0x2f, 0xfd}) }

// clip keeps foreign names to a length that a report can hold.
func clip(name string) string { return name[:min(len(name), maxName)] }

// archiveEnds are the ends of names that archives go by.
var archiveEnds = []string{".tar", ".tar.gz", ".tgz", ".tar.zst"}

// IsArchiveName reports whether a file is called as archives are.
func IsArchiveName(name string) bool {
	name = strings.ToLower(filepath.Base(name))
	for _, end := range archiveEnds {
		if strings.HasSuffix(name, end) {
			return true
		}
	}
	return false
}
