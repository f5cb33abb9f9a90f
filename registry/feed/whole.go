package feed

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"
	"time"
)

// whole syncs an ecosystem that has no modified_id.csv: every record of its
// folder and of its archive is looked at, unless the archive is all there is
// and has its mark still.
func (j *job) whole(known Mark) error {
	var err error
	if j.known, err = j.k.Known(j.ctx, j.feed); err != nil {
		return err
	}
	files, listErr := j.src.place.names(j.feed)
	if listErr == nil {
		known = Mark{} // files may have changed though the archive did not
	}
	var ids []string
	for _, name := range files {
		if id, ok := strings.CutSuffix(name, ".json"); ok && checkName(id) == nil {
			ids = append(ids, id)
		}
	}
	z, err := j.openArchive(known)
	switch {
	case errors.Is(err, errUnchanged):
		return j.unchanged()
	case errors.Is(err, fs.ErrNotExist) && len(ids) > 0:
		z = &archiveFile{close: func() {}}
	case errors.Is(err, fs.ErrNotExist):
		return j.fail("", errors.New("it has neither modified_id.csv nor all.zip"))
	case err != nil:
		return j.fail("all.zip", err)
	}
	defer z.close()
	if listErr != nil {
		j.mark = z.mark
	}
	if len(ids)+len(z.entries) > maxRecords {
		return j.fail("", fmt.Errorf("more than %d records", maxRecords))
	}
	return j.wholeOf(ids, z)
}

// wholeOf keeps the records of files and of an archive; a file goes before a
// record of the archive with its name.
func (j *job) wholeOf(ids []string, z *archiveFile) error {
	slices.Sort(ids)
	j.total = len(ids)
	for _, e := range z.entries {
		if _, isFile := slices.BinarySearch(ids, e.id); !isFile {
			j.total++
		}
	}
	j.broken = map[string]Broken{}
	j.list = listing{}
	for _, id := range ids {
		body, err := j.single(j.ctx, id)
		if err := j.take(id, body, err); err != nil {
			return err
		}
	}
	for _, e := range z.entries {
		if _, isFile := slices.BinarySearch(ids, e.id); isFile {
			continue
		}
		body, err := e.read()
		if err := j.take(e.id, body, err); err != nil {
			return err
		}
	}
	var gone []string
	for id := range j.known {
		if _, ok := j.list[id]; !ok {
			gone = append(gone, id)
		}
	}
	if err := j.remove(gone); err != nil {
		return err
	}
	return j.finish(j.list.newest(), len(j.list))
}

// take keeps one record under the time that it states itself.
func (j *job) take(id string, body []byte, err error) error {
	if ended := j.ctx.Err(); ended != nil {
		return ended
	}
	var at time.Time
	if err == nil {
		at, err = modifiedOf(body)
	}
	j.list[id] = at
	j.came()
	if err != nil {
		j.fault(id, at, err.Error())
		return nil
	}
	return j.add(Raw{id, at, body})
}

// file syncs KEV or EPSS, each one file.
func (j *job) file() error {
	names, elsewhere, limit := []string{"kev/known_exploited_vulnerabilities.json"}, j.opt.KEV, int64(maxCatalog)
	if j.feed == EPSS {
		names, elsewhere, limit = []string{"epss/epss_scores-current.csv", "epss/epss_scores-current.csv.gz"}, j.opt.EPSS, maxScores
	}
	source, open := j.src.name, func(name string, known Mark) (*content, error) { return j.src.place.open(j.ctx, name, known) }
	body, err := j.readFile(source, names, limit, open)
	if errors.Is(err, fs.ErrNotExist) && elsewhere != "" {
		at, parseErr := parseAddress(elsewhere)
		if parseErr != nil {
			return j.failFile(parseErr)
		}
		source = at.Redacted()
		body, err = j.readFile(source, []string{at.Path}, limit, func(_ string, known Mark) (*content, error) { return j.src.web.open(j.ctx, at, known) })
	}
	switch {
	case errors.Is(err, errUnchanged):
		j.result.Unchanged, j.mark = true, j.state.Mark
	case errors.Is(err, fs.ErrNotExist) && j.feed == EPSS:
		return nil // every weakness says itself that it has no prediction
	case errors.Is(err, fs.ErrNotExist):
		return j.failFile(fmt.Errorf("none is at %s: which vulnerabilities are exploited is unknown", source))
	case err != nil:
		return j.failFile(err)
	default:
		j.batch.Records = []Raw{{ID: j.feed, Body: body}}
		j.broken = map[string]Broken{}
	}
	s := j.state
	s.Source, s.Mark, s.Begun, s.Synced, s.Listed, s.Pending, s.Failed, s.Broken = source, j.mark, time.Time{}, j.asked(), 1, 0, "", j.origin.Broken
	if err := j.hand(s); err != nil {
		return err
	}
	for _, b := range j.state.Broken {
		j.miss("", "%s", b.Why)
	}
	return nil
}

// failFile leaves what was kept of the file before.
func (j *job) failFile(err error) error {
	if j.ctx.Err() != nil {
		return j.ctx.Err()
	}
	j.miss("", "%v", err)
	s := j.state
	s.Failed = err.Error()
	if s.Source == "" {
		s.Source = j.src.name
	}
	return j.hand(s)
}

// readFile reads the first of the named files that is there.
func (j *job) readFile(source string, names []string, limit int64, open func(string, Mark) (*content, error)) ([]byte, error) {
	known := j.state.Mark
	if j.state.Source != source || len(j.state.Broken) > 0 {
		known = Mark{}
	}
	err := fs.ErrNotExist
	for _, name := range names {
		var body []byte
		err = j.read(func() (*content, error) { return open(name, known) }, func(file *content) error {
			defer file.Close()
			j.mark = file.mark
			var err error
			body, err = readPlain(file, limit)
			return err
		})
		if !errors.Is(err, fs.ErrNotExist) {
			return body, err
		}
	}
	return nil, err
}

// readPlain reads a file to its end, decompressed if it is gzip.
func readPlain(r io.Reader, limit int64) ([]byte, error) {
	data, err := readBounded(r, limit)
	if err != nil || !bytes.HasPrefix(data, []byte{0x1f, 0x8b}) {
		return data, err
	}
	plain, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	return readBounded(plain, limit)
}
