package feed

import (
	"archive/zip"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"math"
	"os"
	"path"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
)

// isMany reports whether all.zip is the shorter way to the records that are
// wanted. Measured with answers after 30 ms: a single record takes 6 ms, as
// eight are under way at once; the archive takes half a millisecond for each
// record in it, and its bytes. They meet at a twelfth of the list; a third of
// that is kinder to a public server than a request a record.
func isMany(want, listed int) bool { return want > 32 && want*32 > listed }

// fetch brings the wanted records: one by one or from all.zip, and by the
// other way what the first doesn't have. A server that has single records and
// lacks a few of them is not asked for the archive.
func (j *job) fetch(want listing) error {
	j.total = len(want)
	if len(want) == 0 {
		return nil
	}
	j.opt.Progress(j.feed, 0, j.total)
	var err error
	if isMany(len(want), len(j.list)) {
		err = j.inTurn(want, j.archive, j.singles)
	} else if err = j.singles(want); j.done == 0 && !j.result.Unchanged || !j.src.remote {
		err = firstOf(err, j.inTurn(want, j.archive))
	}
	if err != nil || j.failed != "" {
		return err
	}
	for id, at := range want {
		j.fault(id, at, cmp.Or(j.broken[id].Why, "it is listed and not there"))
	}
	return nil
}

// inTurn goes one way after the other for as long as something is wanted.
func (j *job) inTurn(want listing, ways ...func(listing) error) error {
	for _, way := range ways {
		if len(want) == 0 || j.failed != "" {
			return nil
		}
		if err := way(want); err != nil {
			return err
		}
	}
	return nil
}

func (j *job) fault(id string, at time.Time, why string) {
	j.broken[id] = Broken{ID: id, Modified: at, Why: why}
}

// giveUp ends the feed where the source itself fails, and what came is kept.
func (j *job) giveUp(name string, err error) error {
	if j.ctx.Err() != nil {
		return j.ctx.Err()
	}
	j.failed = path.Join(j.feed, name) + ": " + err.Error()
	j.miss(name, "%v", err)
	return nil
}

// fetched is one record as it came.
type fetched struct {
	id   string
	body []byte
	err  error
}

// singles fetches records one by one, some at once. What comes is taken out
// of want. A record that isn't there is left for the archive.
func (j *job) singles(want listing) error {
	ids := slices.Sorted(maps.Keys(want))
	for len(ids) > 0 {
		// A block at a time, so that no more than a batch is in memory.
		block := ids[:min(len(ids), 4*perHost)]
		ids = ids[len(block):]
		for _, f := range j.block(block) {
			switch {
			case f.err == nil:
				if err := j.add(Raw{f.id, want[f.id], f.body}); err != nil {
					return err
				}
				delete(want, f.id)
				j.came()
			case j.ctx.Err() != nil:
				return j.ctx.Err()
			case errors.Is(f.err, fs.ErrNotExist):
			case passing(f.err):
				return j.giveUp(f.id+".json", f.err)
			default:
				j.fault(f.id, want[f.id], f.err.Error())
			}
		}
	}
	return nil
}

// block fetches a few records at once, in the order of ids.
func (j *job) block(ids []string) []fetched {
	out := make([]fetched, len(ids))
	var g errgroup.Group
	g.SetLimit(perHost)
	for i, id := range ids {
		g.Go(func() error {
			body, err := j.single(j.ctx, id)
			out[i] = fetched{id, body, err}
			return nil
		})
	}
	_ = g.Wait() // errors are in out
	return out
}

// single fetches one record.
func (j *job) single(ctx context.Context, id string) (body []byte, err error) {
	err = j.read(func() (*content, error) {
		return j.src.place.open(ctx, path.Join(j.feed, id+".json"), Mark{})
	}, func(file *content) error {
		defer file.Close()
		body, err = readBounded(file, maxRecord)
		return err
	})
	return body, err
}

// read opens a content and uses it, both again where it breaks off. Who uses
// it closes it.
func (j *job) read(open func() (*content, error), use func(*content) error) error {
	err := j.src.web.again(j.ctx, func() error {
		file, err := open()
		if err != nil {
			return final{err} // it was asked for often enough
		}
		return use(file)
	})
	if f := (final{}); errors.As(err, &f) {
		return f.error
	}
	return err
}

// final is an error that is not worth another try.
type final struct{ error }

// header is the part of a record that is read here.
type header struct {
	Modified time.Time `json:"modified"`
}

// modifiedOf reads when a record says that it was modified; zero where it
// says nothing.
func modifiedOf(body []byte) (time.Time, error) {
	var h header
	err := json.Unmarshal(body, &h)
	if h.Modified.Year() <= 1 {
		h.Modified = time.Time{}
	}
	return h.Modified.UTC().Truncate(time.Microsecond), err
}

// archive takes the wanted records from all.zip, and then looks at the others
// that are listed: in this order, so that a sync that is killed again and
// again still gets on. A record that is older there than the list says is left
// in want.
func (j *job) archive(want listing) error {
	z, err := j.openArchive(Mark{})
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return j.giveUp("all.zip", err)
	}
	defer z.close()
	slices.SortStableFunc(z.entries, func(a, b archiveEntry) int { return rank(want, a) - rank(want, b) })
	for _, e := range z.entries {
		if err := j.ctx.Err(); err != nil {
			return err
		}
		at, listed := j.list[e.id]
		if again, wanted := want[e.id]; wanted {
			at, listed = again, true
		}
		if !listed {
			continue
		}
		if err := j.fromArchive(e, at, want); err != nil {
			return err
		}
	}
	return nil
}

func rank(want listing, e archiveEntry) int {
	if _, wanted := want[e.id]; wanted {
		return 0
	}
	return 1
}

// fromArchive takes one record that is listed under the time at.
func (j *job) fromArchive(e archiveEntry, at time.Time, want listing) error {
	_, wanted := want[e.id]
	body, err := e.read()
	var own time.Time
	if err == nil {
		own, err = modifiedOf(body)
	}
	if err != nil {
		if wanted {
			j.fault(e.id, at, "in all.zip: "+err.Error())
		}
		return nil
	}
	isCopy := j.origin.Source != "" // its list and archive were written together
	if !own.IsZero() && own.Before(at.Truncate(time.Second)) && !isCopy {
		return nil
	}
	if err := j.add(Raw{e.id, at, body}); err != nil {
		return err
	}
	if wanted {
		delete(want, e.id)
		j.came()
	}
	return nil
}

// archiveFile is an open all.zip.
type archiveFile struct {
	entries []archiveEntry // sorted by id
	mark    Mark
	close   func()
}

type archiveEntry struct {
	id   string
	file *zip.File
}

func (e archiveEntry) read() ([]byte, error) {
	if e.file.UncompressedSize64 > maxRecord {
		return nil, fmt.Errorf("%d bytes, a record is read up to %d", e.file.UncompressedSize64, maxRecord)
	}
	r, err := e.file.Open()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return readBounded(r, maxRecord)
}

// openArchive opens all.zip where it lies, or from a temporary file without a
// name. What its headers state is checked before anything is unpacked.
func (j *job) openArchive(known Mark) (*archiveFile, error) {
	z := &archiveFile{}
	var at io.ReaderAt
	var size int64
	err := j.read(func() (*content, error) {
		return j.src.place.open(j.ctx, path.Join(j.feed, "all.zip"), known)
	}, func(file *content) (err error) {
		z.mark = file.mark
		at, size, z.close, err = readerAt(file)
		return err
	})
	if err != nil {
		return nil, err
	}
	if z.entries, err = listArchive(at, size); err != nil {
		z.close()
		return nil, err
	}
	return z, nil
}

func listArchive(at io.ReaderAt, size int64) ([]archiveEntry, error) {
	directory := &counted{at, maxDirectory}
	archive, err := zip.NewReader(directory, size)
	if err != nil {
		return nil, err
	}
	directory.left = math.MaxInt64
	var out []archiveEntry
	var total uint64
	seen := map[string]bool{}
	for _, f := range archive.File {
		id, ok := strings.CutSuffix(f.Name, ".json")
		if !ok || checkName(id) != nil || seen[id] {
			continue
		}
		if total += f.UncompressedSize64; total > maxArchive {
			return nil, fmt.Errorf("more than %d bytes uncompressed", int64(maxArchive))
		}
		seen[id] = true
		out = append(out, archiveEntry{id, f})
	}
	slices.SortFunc(out, func(a, b archiveEntry) int { return cmp.Compare(a.id, b.id) })
	return out, nil
}

// maxDirectory is how many bytes the list of an archive may have: a header and
// a name for each record. It is held in memory.
const maxDirectory = maxRecords * 128

// counted fails where more is read than may be.
type counted struct {
	io.ReaderAt
	left int64
}

func (c *counted) ReadAt(p []byte, offset int64) (int, error) {
	if c.left -= int64(len(p)); c.left < 0 {
		return 0, fmt.Errorf("its list has more than %d bytes", maxDirectory)
	}
	return c.ReaderAt.ReadAt(p, offset)
}

// readerAt gives a content that can be read anywhere.
func readerAt(c *content) (io.ReaderAt, int64, func(), error) {
	if c.size > maxZip {
		c.Close() //nolint:errcheck // the size is the error
		return nil, 0, nil, fmt.Errorf("%d bytes, an archive is read up to %d", c.size, int64(maxZip))
	}
	closing := sync.OnceFunc(func() { c.Close() }) //nolint:errcheck // it was only read
	if at, ok := c.ReadCloser.(io.ReaderAt); ok {
		return at, c.size, closing, nil
	}
	defer closing()
	spill, err := os.CreateTemp("", "scantling-*.zip")
	if err != nil {
		return nil, 0, nil, err
	}
	if err := os.Remove(spill.Name()); err != nil { // nothing stays behind, whatever ends the process
		return nil, 0, nil, errors.Join(err, spill.Close())
	}
	size, err := io.Copy(spill, &bounded{c, maxZip})
	if err != nil {
		return nil, 0, nil, errors.Join(err, spill.Close())
	}
	return spill, size, func() { spill.Close() }, nil //nolint:errcheck // temporary
}

// bounded is a reader that fails where more comes than it may pass on.
type bounded struct {
	r    io.Reader
	left int64
}

func (b *bounded) Read(p []byte) (int, error) {
	n, err := b.r.Read(p)
	if b.left -= int64(n); b.left < 0 {
		return 0, errors.New("more bytes than are read")
	}
	return n, err
}

func readBounded(r io.Reader, limit int64) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err == nil && int64(len(data)) > limit {
		return nil, fmt.Errorf("more than %d bytes", limit)
	}
	return data, err
}
