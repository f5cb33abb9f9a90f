package image

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"
	"sync"

	"github.com/scantling/scantling/oci"
)

// Bounds on one layer. What is over them is unknown, never clean.
const (
	// MaxLayer is in bytes after decompression: far above the layers of
	// common images, and read in well under a minute.
	MaxLayer = 4 << 30
	// MaxEntries bounds what is kept of one layer, in entries of ordinary
	// names; longer names, links and packages count for more (see cost). The
	// largest public images have a few hundred thousand files.
	MaxEntries = 1 << 21
	// MaxBinary is the size of the largest executable that is looked into.
	MaxBinary = 256 << 20
	// MaxDatabase is the size of the largest package database that is read:
	// ten times that of a system with every common package.
	MaxDatabase = 64 << 20
	// MaxRPM is the size of the largest rpm database that is read: those of
	// Berkeley DB hold the changelog of every package, and pages between them.
	MaxRPM = 256 << 20
	// MaxJar is the size of the largest archive of a language that is looked
	// into, with all that is nested in it.
	MaxJar     = 512 << 20
	maxRelease = 64 << 10 // bytes of os-release
	maxPath    = 4096     // bytes of a path: PATH_MAX of Linux
	maxDeep    = 256      // elements of a path
	maxNotes   = 50       // entries that are named one by one; the rest is counted
)

// entryKind says what an entry of a layer does to the tree.
type entryKind uint8

const (
	isFile   entryKind = iota // anything that isn't one of the others, device nodes included
	isDir                     // keeps what a directory below already holds
	isLink                    // symbolic link to entry.target
	isHard                    // hard link to entry.target
	isGone                    // whiteout of path
	isOpaque                  // whiteout of all that lower layers have below path
	isRun                     // files of the folder path that say nothing, one behind the other in the tar: entry.names
)

// entry is one record of a layer's tar. Path and hard-link targets are clean
// and relative to the root ("" is the root itself).
type entry struct {
	path   string
	target string
	names  string // of a run, in the order of the tar, with slashes between them
	kind   entryKind
	found  *found // what the file says; nil for a file that says nothing of interest
}

// facts is all that is kept of one layer. It is immutable and shared.
type facts struct {
	entries []entry
	cost    int   // of all entries together
	bytes   int64 // read of the uncompressed layer, and unpacked from its archives
	notes   []note
	whole   bool // read to its end, and the digest was right: true of the layer wherever it comes from
}

// cost weighs an entry by the memory that it takes, here and in the merge: one
// unit is about 150 bytes.
func (e entry) cost() int {
	units := 1 + (len(e.path)+len(e.target))/128
	if e.found != nil {
		units += len(e.found.secrets)
	}
	if e.kind == isLink || e.found != nil {
		units += strings.Count(e.path, "/")
	}
	if e.found != nil {
		units += len(e.found.packages) + len(e.found.owned) + len(e.found.strange)
		if o := e.found.object; o != nil {
			units += o.cost()
		}
	}
	return units
}

// note is something of a layer that could not be read.
type note struct{ where, why string }

// limits are the bounds as one value, so that tests need no huge layers.
type limits struct {
	layer, binary, database, rpm, jar, unpacked int64
	entries, memory                             int
}

func defaultLimits() limits {
	return limits{layer: MaxLayer, binary: MaxBinary, database: MaxDatabase, rpm: MaxRPM, jar: MaxJar, unpacked: MaxUnpacked, entries: MaxEntries, memory: maxInMemory}
}

// maxLight is the size of the largest executable that several layers are
// looked into for at the same time, in bytes.
const maxLight = 8 << 20

// layerScan reads one layer.
type layerScan struct {
	ctx     context.Context
	limits  limits
	secrets secretScan
	facts   *facts
	more    int // notes beyond maxNotes
	run     run
	elf     *elfReader
	archive *archive
	heavy   *sync.Mutex // held while a large file is looked into, so that layers that are read together hold one
}

func newLayerScan(ctx context.Context, lim limits, heavy *sync.Mutex) *layerScan {
	archive := newArchive(lim)
	return &layerScan{ctx: ctx, limits: lim, facts: &facts{}, elf: &elfReader{spool: spool{memory: lim.memory}, archive: archive}, archive: archive, heavy: heavy}
}

func (s *layerScan) note(where, format string, args ...any) {
	if len(s.facts.notes) >= maxNotes {
		s.more++
		return
	}
	s.facts.notes = append(s.facts.notes, note{where, fmt.Sprintf(format, args...)})
}

// readLayer reduces a layer to its facts. Only a context that ended is an
// error; everything else that goes wrong becomes a note, and the entries read
// until then count. The exception is a layer whose digest is wrong: nothing
// of it is believed.
func readLayer(ctx context.Context, layer oci.Layer, lim limits, heavy *sync.Mutex) (*facts, error) {
	s := newLayerScan(ctx, lim, heavy)
	defer s.close()
	stream, err := layer.Open()
	if err != nil {
		s.note("", "%v", err)
		return s.facts, ctx.Err()
	}
	defer stream.Close()
	err = s.stream(stream)
	s.uncounted()
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case errors.Is(err, oci.ErrDigest):
		s.facts, s.more = &facts{}, 0
		s.note("", "%v", err)
	case err != nil:
		s.note("", "the rest of it is not read: %v", err)
	}
	if s.more > 0 {
		s.facts.notes = append(s.facts.notes, note{"", fmt.Sprintf("%d more entries could not be read", s.more)})
	}
	return s.facts, nil
}

// close ends the use of temporary files.
func (s *layerScan) close() {
	s.elf.spool.close()
	s.archive.close()
}

// stream reads the tar, and then all that follows, so that the digest of the
// layer is verified even where the tar is not read to its end.
func (s *layerScan) stream(r io.Reader) error {
	budget := &budget{ctx: s.ctx, r: r, left: s.limits.layer}
	err := s.entries(budget)
	_, end := io.Copy(io.Discard, budget)
	s.facts.whole = end == nil
	s.facts.entries = s.run.end(s.facts.entries)
	s.facts.bytes = s.limits.layer - budget.left + s.limits.unpacked - max(s.archive.left, 0)
	if err == nil || errors.Is(end, oci.ErrDigest) {
		return end
	}
	return err
}

// entries reads the tar to its end.
func (s *layerScan) entries(budget *budget) error {
	archive := tar.NewReader(budget)
	last := "" // name of the entry before
	for {
		header, err := archive.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			if last == "" {
				return fmt.Errorf("after its start: %w", err)
			}
			return fmt.Errorf("after entry %q: %w", last, err)
		}
		last = clip(header.Name)
		if header.Size > budget.left {
			return fmt.Errorf("entry %q: it states %d bytes, and a layer is read up to %d", last, header.Size, s.limits.layer)
		}
		if err := s.entry(header, archive); err != nil {
			return fmt.Errorf("entry %q: %w", last, err)
		}
	}
}

// entry files one header. Its error ends the layer.
func (s *layerScan) entry(header *tar.Header, content io.Reader) error {
	name, note := cleanPath(header.Name)
	if note != "" {
		s.note(clip(header.Name), "%s", note)
	}
	unread := header.PAXRecords[oci.Unread]
	if unread != "" {
		s.note(clip(header.Name), "%s", clip(unread))
	}
	if name == "" {
		return nil // the root itself, or nothing that can be placed
	}
	if e, ok := whiteout(name); ok {
		return s.keep(e)
	}
	e := entry{path: name}
	switch header.Typeflag {
	case tar.TypeDir:
		e.kind = isDir
	case tar.TypeSymlink:
		e.kind, e.target = isLink, clip(header.Linkname)
	case tar.TypeLink:
		target, note := cleanPath(strings.TrimLeft(header.Linkname, "/"))
		if note != "" {
			s.note(clip(header.Name), "its hard link: %s", note)
		}
		e.kind, e.target = isHard, target
	case tar.TypeReg:
		if unread != "" {
			break // a file of which nothing is known
		}
		f, err := s.search(name, header.Size, content)
		if err != nil {
			return err
		}
		e.found = f
	case tar.TypeChar, tar.TypeBlock, tar.TypeFifo, tar.TypeXGlobalHeader: // nothing to read
	default:
		s.note(clip(header.Name), "an entry of type %q, which is not read", header.Typeflag)
	}
	return s.keep(e)
}

// keep files an entry as long as the layer stays within its bound.
func (s *layerScan) keep(e entry) error {
	if s.facts.cost += e.cost(); s.facts.cost > s.limits.entries {
		return fmt.Errorf("a layer is read up to %d entries", s.limits.entries)
	}
	s.facts.entries = s.run.add(s.facts.entries, e)
	return nil
}

// look decides by name and first bytes what a regular file has to say. Its
// error ends the layer; trouble with the file itself is kept in found.
func (s *layerScan) look(name string, size int64, content io.Reader) (*found, error) {
	switch kind := kindOf(name); {
	case kind == foundStore && size <= maxMetadata:
		return s.stored(content)
	case kind == foundNothing, kind == foundStore:
		if size > maxLight {
			s.heavy.Lock()
			defer s.heavy.Unlock()
			defer s.elf.spool.release()
		}
		return s.elf.look(content, size, s.limits.binary)
	case kind.isArchive():
		s.heavy.Lock()
		defer s.heavy.Unlock()
		defer s.archive.release()
		return s.archive.look(kind, name, content, size)
	case kind.hasContent():
		return s.text(kind, name, size, content)
	default:
		return &found{kind: kind}, nil
	}
}

// text reads a file as a whole, up to the bound of its kind. Of the
// metadata of Python the beginning is enough: a description follows.
func (s *layerScan) text(kind foundKind, name string, size int64, content io.Reader) (*found, error) {
	limit := s.limits.database
	switch kind {
	case foundRelease:
		limit = maxRelease
	case foundRPM, foundRPMLog:
		limit = s.limits.rpm
	case foundNPM, foundGem:
		limit = maxMetadata
	case foundComposer, foundNuGet:
		limit = maxListing
	case foundPython:
		limit, size = maxMetadata, 0
	}
	if size > limit {
		return &found{kind: kind, notes: []note{{"", fmt.Sprintf("%d bytes, and such a file is read up to %d", size, limit)}}}, nil
	}
	if size > maxLight {
		s.heavy.Lock()
		defer s.heavy.Unlock()
	}
	var data bytes.Buffer
	data.Grow(int(size) + bytes.MinRead)
	if _, err := data.ReadFrom(io.LimitReader(content, limit)); err != nil {
		return nil, err
	}
	return parseFound(kind, name, data.Bytes()), nil
}

// budget ends a stream after left bytes or with its context, whichever is
// first.
type budget struct {
	ctx  context.Context
	r    io.Reader
	left int64
}

var errBudget = errors.New("the layer is longer than is read")

func (b *budget) Read(p []byte) (int, error) {
	if err := b.ctx.Err(); err != nil {
		return 0, err
	}
	if b.left <= 0 {
		// One more byte tells a layer of exactly the limit from a longer one.
		var one [1]byte
		if n, err := b.r.Read(one[:]); n == 0 && err != nil {
			return 0, err
		}
		return 0, errBudget
	}
	if int64(len(p)) > b.left {
		p = p[:b.left]
	}
	n, err := b.r.Read(p)
	b.left -= int64(n)
	return n, err
}

// cleanPath makes a tar name relative to the image's root. A name that is
// absolute or climbs is kept where extraction below the root would put it, and
// the note says so. An empty result can't be placed.
func cleanPath(name string) (clean, note string) {
	switch {
	case len(name) > maxPath:
		return "", fmt.Sprintf("its name has more than %d bytes", maxPath)
	case strings.Count(name, "/") > maxDeep:
		return "", fmt.Sprintf("its name has more than %d elements", maxDeep)
	case strings.ContainsRune(name, 0):
		return "", "its name holds a NUL byte"
	}
	clean = strings.TrimPrefix(path.Clean("/"+name), "/")
	for part := range strings.SplitSeq(name, "/") {
		if part == ".." {
			return clean, fmt.Sprintf("its name climbs with \"..\"; it is taken as %q", clean)
		}
	}
	if strings.HasPrefix(name, "/") && clean != "" {
		return clean, fmt.Sprintf("its name is absolute; it is taken as %q", clean)
	}
	return clean, ""
}

// whiteout recognises the marker files of image-spec, layer.md.
func whiteout(name string) (entry, bool) {
	dir, base := path.Split(name)
	dir = strings.TrimSuffix(dir, "/")
	switch hidden, ok := strings.CutPrefix(base, ".wh."); {
	case !ok:
		return entry{}, false
	case hidden == ".wh..opq":
		return entry{path: dir, kind: isOpaque}, true
	case hidden == "" || hidden == "." || hidden == ".." || strings.HasPrefix(hidden, ".wh."):
		return entry{path: name}, true // reserved for the tools of aufs: hides nothing
	default:
		return entry{path: path.Join(dir, hidden), kind: isGone}, true
	}
}

// clip keeps foreign names to a length that a report can hold.
func clip(name string) string {
	if len(name) <= maxPath {
		return name
	}
	return name[:maxPath]
}
