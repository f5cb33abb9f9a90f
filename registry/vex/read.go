package vex

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/scantling/scantling/model"
)

// Bounds on what is read.
const (
	maxDocument = 64 << 20 // bytes of one document: the largest public ones have some 20 MiB
	// maxObjects and maxCommas bound what decoding takes in memory, about 500
	// MiB at worst. In JSON null stands for an object, too.
	maxObjects    = 1 << 20
	maxCommas     = 1 << 22
	maxStatements = 1 << 18 // of one document, and four times as many of all
	maxReferences = 1 << 22 // from the vulnerabilities of a CSAF document to products, groups written out
	maxFiles      = 1 << 18 // of one folder: Red Hat publishes some 60,000 documents
	maxText       = 4096    // bytes of one id, package URL or sentence that is kept
	maxSkipped    = 20      // parts of one document that are named one by one; the rest is counted
)

// errOther marks a document that is JSON and no VEX.
var errOther = errors.New("neither an OpenVEX nor a CSAF document")

// Read reads documents: files, and folders with all *.json below them that are
// VEX. Other JSON in a folder is passed over, links in it are not followed.
// What can't be read is incomplete, a path that is not there too, and the rest
// counts. The error is that of a context that ended.
func Read(ctx context.Context, paths ...string) (*Set, []model.Incomplete, error) {
	r := &reader{ctx: ctx, set: &Set{}}
	for _, path := range paths {
		info, err := os.Stat(path)
		switch {
		case err != nil:
			r.skip(path, "%v", plain(err))
		case info.IsDir():
			r.folder(path)
		case info.Mode().IsRegular():
			r.take(path, func() (fs.File, error) { return os.Open(path) }, true)
		default:
			r.skip(path, "no regular file")
		}
		if err := ctx.Err(); err != nil {
			return nil, nil, fmt.Errorf("reading VEX documents: %w", err)
		}
	}
	r.set.index()
	return r.set, r.incomplete, nil
}

type reader struct {
	ctx        context.Context
	set        *Set
	incomplete []model.Incomplete
}

func (r *reader) skip(name, format string, args ...any) {
	r.incomplete = append(r.incomplete, model.Incomplete{What: name, Why: fmt.Sprintf(format, args...)})
}

func (r *reader) folder(dir string) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		r.skip(dir, "%v", plain(err))
		return
	}
	defer root.Close()
	before, files := r.set.Documents+len(r.incomplete), 0
	_ = fs.WalkDir(root.FS(), ".", func(name string, e fs.DirEntry, err error) error { // the caller sees that the context ended
		switch {
		case r.ctx.Err() != nil:
			return fs.SkipAll
		case err != nil:
			r.skip(filepath.Join(dir, name), "%v", plain(err))
			return nil
		case !e.Type().IsRegular() || !strings.EqualFold(filepath.Ext(name), ".json"):
			return nil
		}
		if files++; files > maxFiles {
			r.skip(dir, "more than %d documents: the rest is not read", maxFiles)
			return fs.SkipAll
		}
		r.take(filepath.Join(dir, name), func() (fs.File, error) { return root.Open(name) }, false)
		return nil
	})
	if r.set.Documents+len(r.incomplete) == before {
		r.skip(dir, "no OpenVEX or CSAF document is in it")
	}
}

// take reads one document. Named tells whether the user named the file itself.
func (r *reader) take(name string, open func() (fs.File, error), named bool) {
	data, err := readAll(open)
	if err != nil {
		r.skip(name, "%v", plain(err))
		return
	}
	d, err := parse(name, data)
	switch {
	case errors.Is(err, errOther) && !named:
		return
	case err != nil:
		r.skip(place(name, data, err), "%v", wrongType(err))
		return
	}
	if len(r.set.statements)+len(d.said) > 4*maxStatements {
		r.skip(name, "more than %d statements in all documents: not read", 4*maxStatements)
		return
	}
	r.set.Documents++
	r.set.Unplaced += d.unplaced
	r.set.statements = append(r.set.statements, d.said...)
	r.incomplete = append(r.incomplete, d.problems()...)
}

func readAll(open func() (fs.File, error)) ([]byte, error) {
	file, err := open()
	if err != nil {
		return nil, err
	}
	defer file.Close()
	data, err := io.ReadAll(io.LimitReader(file, maxDocument+1))
	if err == nil && len(data) > maxDocument {
		return nil, fmt.Errorf("more than %d bytes", maxDocument)
	}
	return data, err
}

// plain leaves out the path that the message already names.
func plain(err error) error {
	if p := (*fs.PathError)(nil); errors.As(err, &p) {
		return p.Err
	}
	return err
}

// place is FILE:LINE where the error has a place in the text.
func place(name string, data []byte, err error) string {
	at := int64(-1)
	if e := (*json.SyntaxError)(nil); errors.As(err, &e) {
		at = e.Offset
	}
	if e := (*json.UnmarshalTypeError)(nil); errors.As(err, &e) {
		at = e.Offset
	}
	if at < 0 || at > int64(len(data)) {
		return name
	}
	return fmt.Sprintf("%s:%d", name, 1+bytes.Count(data[:at], []byte("\n")))
}

// wrongType says in words of the document what the decoder says in those of
// Go.
func wrongType(err error) error {
	if e := (*json.UnmarshalTypeError)(nil); errors.As(err, &e) {
		return fmt.Errorf("%s is a %s, and can't be", e.Field, e.Value)
	}
	return err
}

// document is one document as it is read.
type document struct {
	name     string
	said     []Statement
	unplaced int // products
	skipped  []model.Incomplete
	more     int // skipped ones that are not named
}

func (d *document) skip(where, format string, args ...any) {
	if len(d.skipped) == maxSkipped {
		d.more++
		return
	}
	d.skipped = append(d.skipped, model.Incomplete{What: d.name + ": " + where, Why: fmt.Sprintf(format, args...)})
}

func (d *document) problems() []model.Incomplete {
	if d.more > 0 {
		return append(d.skipped, model.Incomplete{What: d.name, Why: fmt.Sprintf("%d more statements are not valid", d.more)})
	}
	return d.skipped
}

// add keeps a statement with those of its products that can be placed.
func (d *document) add(s Statement) {
	products, dropped := placeable(s.Products)
	d.unplaced += dropped
	s.Products = products
	if len(products) > 0 {
		d.said = append(d.said, s)
	}
}

// parse reads one document of either kind.
func parse(name string, data []byte) (*document, error) {
	d := &document{name: name}
	if bytes.Count(data, []byte("{"))+bytes.Count(data, []byte("null")) > maxObjects || bytes.Count(data, []byte(",")) > maxCommas {
		return nil, fmt.Errorf("more than %d objects or %d elements", maxObjects, maxCommas)
	}
	var head struct {
		Context  any             `json:"@context"`
		Type     string          `json:"predicateType"`
		Document json.RawMessage `json:"document"`
	}
	if err := json.Unmarshal(data, &head); err != nil {
		if e := (*json.SyntaxError)(nil); errors.As(err, &e) {
			return nil, err
		}
		return nil, errOther // a list, say
	}
	context, _ := head.Context.(string)
	switch {
	case strings.HasPrefix(context, openContext):
		var raw openDocument
		if err := json.Unmarshal(data, &raw); err != nil {
			return nil, err
		}
		d.open(raw)
	case strings.HasPrefix(head.Type, openContext):
		var raw struct {
			Predicate openDocument `json:"predicate"`
		}
		if err := json.Unmarshal(data, &raw); err != nil {
			return nil, err
		}
		d.open(raw.Predicate)
	case bytes.Contains(head.Document, []byte(`"csaf_version"`)):
		var raw csafDocument
		if err := json.Unmarshal(data, &raw); err != nil {
			return nil, err
		}
		return d, d.csaf(raw)
	default:
		return nil, errOther
	}
	return d, nil
}

// clip keeps foreign text to a length that a report can hold.
func clip(text string) string { return text[:min(len(text), maxText)] }
