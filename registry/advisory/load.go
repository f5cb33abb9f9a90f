package advisory

import (
	"archive/zip"
	"cmp"
	"context"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/scantling/scantling/model"
)

// Bounds on a feed.
const (
	maxRecord  = 16 << 20 // bytes of one record: the largest public ones have a few MiB
	maxRecords = 2 << 20  // records of one ecosystem: the largest public one has some 300,000
	maxArchive = 16 << 30 // uncompressed bytes of all.zip: the largest public one has some 10 GiB
	maxBroken  = 50       // broken records that are named one by one; the rest is counted
	maxFolder  = 1 << 20  // files of one ecosystem's folder
	workers    = 4        // records decoded at once
)

// All, given to Load, stands for every ecosystem that the folder has.
const All = "*"

// Load reads a folder that is laid out like the public OSV bucket:
// ECOSYSTEM/all.zip, ECOSYSTEM/ID.json or both, and beside them
// kev/known_exploited_vulnerabilities.json and epss/epss_scores-current.csv
// (or .csv.gz). Only the named ecosystems are read ("Debian:12" reads Debian),
// or all of them where All is named; see Ecosystems for what images need. An
// ecosystem that the folder lacks is no error here: matching reports it per
// image. A record, a
// row or a file that can't be read is incomplete, and the rest counts. The
// error is for a folder that can't be opened and a context that ended.
func Load(ctx context.Context, dir string, ecosystems ...string) (*DB, []model.Incomplete, error) {
	wanted := map[string]map[key]bool{}
	for _, name := range ecosystems {
		wanted[baseOf(name)] = nil
	}
	return loadPackages(ctx, dir, wanted)
}

// loadPackages reads the ecosystems of wanted: the records of its packages, or all of
// them where there is nil.
func loadPackages(ctx context.Context, dir string, wanted map[string]map[key]bool) (*DB, []model.Incomplete, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, nil, fmt.Errorf("opening advisories: %w", err)
	}
	defer root.Close()
	l := &loader{ctx: ctx, dir: dir, root: root}
	db := &DB{feeds: map[string]*feed{}}
	if db.known, err = l.ecosystems(); err != nil {
		return nil, nil, fmt.Errorf("listing advisories: %w", err)
	}
	_, every := wanted[All]
	for _, name := range db.known {
		packages, named := wanted[name]
		if !every && !named {
			continue
		}
		if f := l.feed(name, packages); f != nil {
			db.feeds[name] = f
		}
	}
	l.exploits(db)
	l.origins(db)
	if err := ctx.Err(); err != nil {
		return nil, nil, err
	}
	slices.SortFunc(l.incomplete, func(a, b model.Incomplete) int {
		return cmp.Or(cmp.Compare(a.What, b.What), cmp.Compare(a.Why, b.Why))
	})
	return db, l.incomplete, nil
}

type loader struct {
	ctx        context.Context
	dir        string
	root       *os.Root
	incomplete []model.Incomplete
}

func (l *loader) skip(name, format string, args ...any) {
	l.incomplete = append(l.incomplete, model.Incomplete{What: filepath.Join(l.dir, name), Why: fmt.Sprintf(format, args...)})
}

// ecosystems lists the folders of the feed but those of KEV, EPSS and
// enrichment.
func (l *loader) ecosystems() ([]string, error) {
	entries, err := fs.ReadDir(l.root.FS(), ".")
	if err != nil {
		return nil, err
	}
	var out []string
	for _, e := range entries {
		if e.IsDir() && e.Name() != "kev" && e.Name() != "epss" && e.Name() != EnrichmentFolder && !strings.HasPrefix(e.Name(), ".") {
			out = append(out, e.Name())
		}
	}
	return out, nil
}

// document is one record before it is decoded.
type document struct {
	name string
	open func() (io.ReadCloser, error)
}

// decoded is one record, whole or in brief, or why it isn't one.
type decoded struct {
	record *Record
	brief  *brief
	err    error
}

// feed reads one ecosystem; nil where its folder holds no advisories at all.
// Where packages are given, other records are read in brief.
func (l *loader) feed(name string, packages map[key]bool) *feed {
	entries, err := fs.ReadDir(l.root.FS(), name)
	if err != nil {
		l.skip(name, "%v", err)
		return nil
	}
	if len(entries) > maxFolder {
		l.skip(name, "%d files, read up to %d", len(entries), maxFolder)
		entries = entries[:maxFolder]
	}
	var documents []document
	for _, e := range entries {
		file := path.Join(name, e.Name())
		switch {
		case e.Name() == "all.zip":
			archive, inside, err := l.archive(file)
			if err != nil {
				l.skip(file, "%v", err)
				continue
			}
			defer archive.Close()
			documents = append(documents, inside...)
		case strings.HasSuffix(e.Name(), ".json"):
			documents = append(documents, document{file, func() (io.ReadCloser, error) { return l.open(file) }})
		}
	}
	if len(documents) == 0 {
		return nil
	}
	if len(documents) > maxRecords {
		l.skip(name, "%d records, read up to %d", len(documents), maxRecords)
		documents = documents[:maxRecords]
	}
	return l.collect(name, l.decode(documents, name, packages), documents)
}

// collect merges the decoded records in the order of their names, so that the
// outcome never depends on which was decoded first.
func (l *loader) collect(name string, all []decoded, documents []document) *feed {
	f, broken := newFeed(), 0
	l.others(f, name, all, documents)
	for i, d := range all {
		switch {
		case d.err != nil:
			if broken++; broken <= maxBroken {
				l.skip(documents[i].name, "%v", d.err)
			}
		case d.record != nil:
			f.add(d.record)
		}
	}
	if broken > maxBroken {
		l.skip(name, "%d more records could not be read", broken-maxBroken)
	}
	f.index()
	return f
}

// decode reads the documents with a few workers; the results keep their order.
func (l *loader) decode(documents []document, base string, packages map[key]bool) []decoded {
	out := make([]decoded, len(documents))
	var g errgroup.Group
	g.SetLimit(workers)
	const block = 64 // documents a task, so that tasks are few
	for start := 0; start < len(documents); start += block {
		g.Go(func() error {
			for i := start; i < min(start+block, len(documents)) && l.ctx.Err() == nil; i++ {
				out[i] = decodeOne(documents[i], base, packages)
			}
			return nil
		})
	}
	_ = g.Wait() // tasks keep their errors in out
	return out
}

// decodeOne reads a document, in brief where it names none of the packages.
func decodeOne(d document, base string, packages map[key]bool) (out decoded) {
	data, err := d.read()
	if err != nil {
		return decoded{err: err}
	}
	if packages != nil {
		if out.brief = parseBrief(data, base, packages); out.brief != nil {
			return out
		}
	}
	out.record, out.err = parseRecord(data, base)
	if out.err == nil && len(out.record.Affected) == 0 {
		out.err = fmt.Errorf("%s: it names no package of %s", out.record.ID, base)
	}
	return out
}

func (d document) read() ([]byte, error) {
	file, err := d.open()
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return readBounded(file, maxRecord)
}

// archive lists the records of a zip file. What its headers state is checked
// against the bounds before anything is unpacked, and readBounded holds each
// entry to them afterwards.
func (l *loader) archive(name string) (io.Closer, []document, error) {
	file, err := l.regular(name)
	if err != nil {
		return nil, nil, err
	}
	info, err := file.Stat()
	if err != nil {
		file.Close()
		return nil, nil, err
	}
	archive, err := zip.NewReader(file, info.Size())
	if err != nil {
		file.Close()
		return nil, nil, err
	}
	var documents []document
	var total uint64
	for _, f := range archive.File {
		if !strings.HasSuffix(f.Name, ".json") {
			continue
		}
		where := name + ":" + clip(f.Name)
		if f.UncompressedSize64 > maxRecord {
			l.skip(where, "%d bytes, a record is read up to %d", f.UncompressedSize64, maxRecord)
			continue
		}
		if total += f.UncompressedSize64; total > maxArchive {
			l.skip(name, "more than %d bytes uncompressed, the rest is not read", int64(maxArchive))
			break
		}
		documents = append(documents, document{where, f.Open})
	}
	slices.SortFunc(documents, func(a, b document) int { return cmp.Compare(a.name, b.name) })
	return file, documents, nil
}

// clip keeps foreign names to a length that a report can hold.
func clip(name string) string { return name[:min(len(name), 256)] }

func (l *loader) open(name string) (io.ReadCloser, error) { return l.regular(name) }

// regular opens a regular file below the root; opening anything else could
// wait for ever.
func (l *loader) regular(name string) (*os.File, error) {
	info, err := l.root.Stat(name)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("not a regular file")
	}
	return l.root.Open(name)
}

func readBounded(r io.Reader, limit int64) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err == nil && int64(len(data)) > limit {
		return nil, fmt.Errorf("more than %d bytes", limit)
	}
	return data, err
}
