package feed

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"cmp"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/scantling/scantling/oci"
)

// OriginFile says of a copy where each feed of it is from. It is ours: the
// public bucket has none.
const OriginFile = "origin.json"

// origin is where a copy has a feed from, when that was asked last, and what of
// it was not there when the copy was made.
type origin struct {
	Source  string    `json:"source"`
	Synced  time.Time `json:"synced"` // zero: never to its end
	Pending int       `json:"pending,omitempty"`
	Broken  []Broken  `json:"broken,omitempty"`
}

// Origins reads the OriginFile of a copy: of each feed the State in which the
// copy was made, with Source, Synced, Pending and Broken alone.
func Origins(r io.Reader) (map[string]State, error) {
	data, err := readBounded(r, maxCatalog)
	if err != nil {
		return nil, err
	}
	var doc struct {
		Feeds map[string]origin `json:"feeds"`
	}
	if err := json.Unmarshal(data, &doc); err != nil {
		return nil, err
	}
	out := map[string]State{}
	for name, o := range doc.Feeds {
		if o.Pending < 0 || len(o.Broken) > maxBroken {
			return nil, fmt.Errorf("%q counts what is missing wrong", clip(name))
		}
		for _, b := range o.Broken {
			if err := checkName(b.ID); err != nil {
				return nil, err
			}
		}
		out[name] = State{Source: o.Source, Synced: o.Synced, Pending: o.Pending, Broken: o.Broken}
	}
	return out, nil
}

// origins reads the file; a source that is no copy of ours has none.
func (s *Source) origins(ctx context.Context) (map[string]State, error) {
	file, err := s.place.open(ctx, OriginFile, Mark{})
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var out map[string]State
	if err == nil {
		defer file.Close()
		out, err = Origins(file)
	}
	if err != nil {
		return nil, fmt.Errorf("reading %s of %s: %w", OriginFile, s.name, err)
	}
	return out, nil
}

// Holder has what Write writes.
type Holder interface {
	// Feeds lists the feeds, in the order of their names.
	Feeds(ctx context.Context) ([]string, error)
	State(ctx context.Context, feed string) (State, error)
	// Raw lists the records of a feed, in the order of their ids.
	Raw(ctx context.Context, feed string) iter.Seq2[Raw, error]
}

// ArtifactType is the media type of advisories as an OCI artifact.
const ArtifactType = "application/vnd.scantling.advisories.v1"

// Write writes all that the holder has as a source: as a tar where the name
// ends with .tar, as an OCI image layout where it begins with oci:, and else
// as a folder. Nothing may be there. A tar is whole or not there; a folder or
// layout that is cut off has no ecosystems.txt or index.json. The same
// records give the same bytes.
func Write(ctx context.Context, to string, from Holder) error {
	out, err := newSink(to)
	if err != nil {
		return fmt.Errorf("writing %s: %w", to, err)
	}
	err = writeAll(ctx, out, from)
	if err = errors.Join(err, out.close(err == nil)); err != nil {
		return fmt.Errorf("writing %s: %w", to, err)
	}
	return nil
}

func writeAll(ctx context.Context, out sink, from Holder) error {
	feeds, err := from.Feeds(ctx)
	if err != nil {
		return err
	}
	if len(feeds) == 0 {
		return errors.New("there are no advisories: sync some first")
	}
	var names strings.Builder
	origins := map[string]origin{}
	for _, name := range feeds {
		s, err := from.State(ctx, name)
		if err != nil {
			return err
		}
		origins[name] = origin{s.Source, s.Synced, s.Pending, s.Broken}
		if name == KEV || name == EPSS {
			err = writeFile(ctx, out, name, from)
		} else {
			names.WriteString(name + "\n")
			err = writeFeed(ctx, out, name, from)
		}
		if err != nil {
			return err
		}
	}
	text, err := json.MarshalIndent(map[string]any{"schema": 1, "feeds": origins}, "", " ")
	if err != nil {
		return err
	}
	if err := out.add(OriginFile, verbatim(append(text, '\n'))); err != nil {
		return err
	}
	return out.add("ecosystems.txt", verbatim([]byte(names.String())))
}

func verbatim(data []byte) func(io.Writer) error {
	return func(w io.Writer) error {
		_, err := w.Write(data)
		return err
	}
}

// writeFeed writes all.zip and modified_id.csv of an ecosystem.
func writeFeed(ctx context.Context, out sink, name string, from Holder) error {
	list := listing{}
	err := out.add(path.Join(name, "all.zip"), func(w io.Writer) error {
		z := zip.NewWriter(w)
		for raw, err := range from.Raw(ctx, name) {
			if err != nil {
				return err
			}
			list[raw.ID] = raw.Modified
			f, err := z.CreateHeader(&zip.FileHeader{Name: raw.ID + ".json", Method: zip.Deflate})
			if err != nil {
				return err
			}
			if _, err := f.Write(raw.Body); err != nil {
				return err
			}
		}
		return z.Close()
	})
	if err != nil {
		return err
	}
	ids := slices.SortedFunc(maps.Keys(list), func(a, b string) int {
		return cmp.Or(list[b].Compare(list[a]), cmp.Compare(a, b))
	})
	var text bytes.Buffer
	for _, id := range ids {
		fmt.Fprintf(&text, "%s,%s\n", list[id].Format(time.RFC3339Nano), id)
	}
	return out.add(path.Join(name, "modified_id.csv"), verbatim(text.Bytes()))
}

// writeFile writes the file of KEV or EPSS, the latter compressed.
func writeFile(ctx context.Context, out sink, name string, from Holder) error {
	for raw, err := range from.Raw(ctx, name) {
		if err == nil && name == KEV {
			err = out.add("kev/known_exploited_vulnerabilities.json", verbatim(raw.Body))
		} else if err == nil {
			err = out.add("epss/epss_scores-current.csv.gz", func(w io.Writer) error {
				z := gzip.NewWriter(w)
				if _, err := z.Write(raw.Body); err != nil {
					return err
				}
				return z.Close()
			})
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// sink takes files in, each as a whole.
type sink interface {
	add(name string, content func(io.Writer) error) error
	close(whole bool) error
}

func newSink(to string) (sink, error) {
	dir, isLayout := strings.CutPrefix(to, "oci:")
	if strings.HasPrefix(dir, "//") {
		return nil, errors.New("a registry is not written to: write oci:FOLDER, and push that")
	}
	if !isLayout && strings.HasSuffix(to, ".tar") {
		return newTarSink(to)
	}
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, plainError(err)
	}
	if len(entries) > 0 {
		return nil, errors.New("the folder is not empty")
	}
	if isLayout {
		layout, err := oci.NewLayout(dir, ArtifactType, "latest")
		return layoutSink{layout}, err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, plainError(err)
	}
	root, err := os.OpenRoot(dir)
	return folderSink{root}, err
}

type layoutSink struct{ layout *oci.Layout }

func (s layoutSink) add(name string, content func(io.Writer) error) error {
	return s.layout.Add(name, content)
}

func (s layoutSink) close(whole bool) error {
	if !whole {
		return nil
	}
	_, err := s.layout.Close()
	return err
}

type folderSink struct{ root *os.Root }

func (s folderSink) add(name string, content func(io.Writer) error) error {
	if dir := path.Dir(name); dir != "." {
		if err := s.root.MkdirAll(dir, 0o755); err != nil {
			return err
		}
	}
	file, err := s.root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	return errors.Join(content(file), file.Sync(), file.Close())
}

func (s folderSink) close(bool) error { return s.root.Close() }

// tarSink writes beside the file and moves the result over it. A member goes
// to a temporary file first, because its size stands before it.
type tarSink struct {
	name string
	file *os.File
	tar  *tar.Writer
}

func newTarSink(name string) (sink, error) {
	if _, err := os.Lstat(name); !errors.Is(err, fs.ErrNotExist) {
		return nil, firstOf(plainError(err), errors.New("it is there already"))
	}
	file, err := os.CreateTemp(filepath.Dir(name), ".scantling-*")
	if err != nil {
		return nil, plainError(err)
	}
	return &tarSink{name, file, tar.NewWriter(file)}, nil
}

func (s *tarSink) add(name string, content func(io.Writer) error) error {
	spill, err := os.CreateTemp("", "scantling-*")
	if err != nil {
		return err
	}
	defer spill.Close()
	if err := os.Remove(spill.Name()); err != nil {
		return err
	}
	if err := content(spill); err != nil {
		return err
	}
	size, err := spill.Seek(0, io.SeekEnd)
	if err != nil {
		return err
	}
	if err := s.tar.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: size, Format: tar.FormatPAX}); err != nil {
		return err
	}
	_, err = io.Copy(s.tar, io.NewSectionReader(spill, 0, size))
	return err
}

func (s *tarSink) close(whole bool) error {
	defer os.Remove(s.file.Name()) //nolint:errcheck // gone after the rename
	if !whole {
		return s.file.Close()
	}
	if err := errors.Join(s.tar.Close(), s.file.Chmod(0o644), s.file.Sync(), s.file.Close()); err != nil {
		return err
	}
	return os.Rename(s.file.Name(), s.name)
}
