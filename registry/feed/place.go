package feed

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/scantling/scantling/oci"
)

// errUnchanged is what opening a file ends with that still has its mark.
var errUnchanged = errors.New("unchanged")

// place opens the files of a source by their names in the layout.
type place interface {
	// open fails with fs.ErrNotExist for what is not there, and with
	// errUnchanged for what still has the mark known.
	open(ctx context.Context, name string, known Mark) (*content, error)
	// names lists the files of a folder of the layout, "" the folders of its
	// root; errors.ErrUnsupported where a place can't list.
	names(folder string) ([]string, error)
	close() error
}

// content is one open file.
type content struct {
	io.ReadCloser
	mark Mark
	size int64 // in bytes; negative where nobody says
}

// folderPlace is a folder. Every open goes through os.Root, so that no link in
// it leads out of it.
type folderPlace struct{ root *os.Root }

func (p folderPlace) open(_ context.Context, name string, known Mark) (*content, error) {
	info, err := p.root.Stat(name)
	if err != nil {
		return nil, plainError(err)
	}
	if !info.Mode().IsRegular() { // to open a pipe might never end
		return nil, errors.New("not a regular file")
	}
	mark := Mark{ETag: strconv.FormatInt(info.Size(), 10) + "-" + strconv.FormatInt(info.ModTime().UnixNano(), 10)}
	if mark == known {
		return nil, errUnchanged
	}
	file, err := p.root.Open(name)
	if err != nil {
		return nil, plainError(err)
	}
	return &content{file, mark, info.Size()}, nil
}

func (p folderPlace) names(folder string) ([]string, error) {
	entries, err := fs.ReadDir(p.root.FS(), path.Clean(folder))
	if err != nil {
		return nil, plainError(err)
	}
	var out []string
	for _, e := range entries {
		if e.IsDir() == (folder == "") {
			out = append(out, e.Name())
		}
	}
	return out, nil
}

func (p folderPlace) close() error { return p.root.Close() }

// plainError leaves out the path that messages name anyway.
func plainError(err error) error {
	if p := (*fs.PathError)(nil); errors.As(err, &p) {
		return p.Err
	}
	return err
}

// members are the files of a tar or of an artifact by their names.
type members map[string]bool

func (m members) names(folder string) ([]string, error) {
	var out []string
	seen := map[string]bool{}
	for name := range m {
		first, rest, below := strings.Cut(name, "/")
		switch {
		case folder == "" && below && !seen[first]:
			seen[first] = true
			out = append(out, first)
		case folder != "" && first == folder && below && !strings.Contains(rest, "/"):
			out = append(out, rest)
		}
	}
	return out, nil
}

// tarPlace is a tar of the layout, read where its members lie.
type tarPlace struct {
	members
	file *os.File
	at   map[string]span
	mark string // of the whole tar
}

type span struct{ offset, size int64 }

const maxMembers = 4 << 20 // files of a tar: a record each, and their lists

func openTar(name string) (*tarPlace, error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, plainError(err)
	}
	p := &tarPlace{members: members{}, file: file, at: map[string]span{}}
	info, err := file.Stat()
	if err == nil {
		p.mark = strconv.FormatInt(info.Size(), 10) + "-" + strconv.FormatInt(info.ModTime().UnixNano(), 10)
		err = p.list()
	}
	if err != nil {
		file.Close() //nolint:errcheck // the first error is told
		return nil, err
	}
	return p, nil
}

// list notes where each member lies. A tar that is cut off is refused as a
// whole: what is missing would pass for removed.
func (p *tarPlace) list() error {
	for headers, n := tar.NewReader(p.file), 0; ; n++ {
		header, err := headers.Next()
		switch {
		case err == io.EOF && n > 0:
			return nil
		case err != nil:
			return errors.New("neither a whole tar nor a folder of advisories")
		case n >= maxMembers:
			return fmt.Errorf("more than %d files", maxMembers)
		}
		offset, err := p.file.Seek(0, io.SeekCurrent)
		if err != nil {
			return plainError(err)
		}
		if name := path.Clean(header.Name); header.Typeflag == tar.TypeReg {
			p.members[name], p.at[name] = true, span{offset, header.Size}
		}
	}
}

func (p *tarPlace) open(_ context.Context, name string, known Mark) (*content, error) {
	at, ok := p.at[name]
	if !ok {
		return nil, fs.ErrNotExist
	}
	if mark := (Mark{ETag: p.mark}); mark != known {
		return &content{section{io.NewSectionReader(p.file, at.offset, at.size)}, mark, at.size}, nil
	}
	return nil, errUnchanged
}

func (p *tarPlace) close() error { return p.file.Close() }

// section is a part of an open file; closing it closes nothing.
type section struct{ *io.SectionReader }

func (section) Close() error { return nil }

// artifactPlace is an OCI artifact. Its digests are its marks.
type artifactPlace struct {
	members
	artifact *oci.Artifact
	files    map[string]oci.File
}

func newArtifactPlace(a *oci.Artifact) *artifactPlace {
	p := &artifactPlace{members{}, a, map[string]oci.File{}}
	for _, f := range a.Files {
		p.members[f.Name], p.files[f.Name] = true, f
	}
	return p
}

func (p *artifactPlace) open(_ context.Context, name string, known Mark) (*content, error) {
	f, ok := p.files[name]
	mark := Mark{ETag: f.Digest}
	switch {
	case !ok:
		return nil, fs.ErrNotExist
	case mark == known:
		return nil, errUnchanged
	}
	stream, err := p.artifact.Open(f)
	if err != nil {
		return nil, err
	}
	return &content{stream, mark, f.Size}, nil
}

func (p *artifactPlace) close() error { return nil }

// Access says how a source is reached. The zero value is what most want.
type Access struct {
	Agent    string // User-Agent of requests; "" is "scantling"
	Insecure bool   // plain http to a registry other than this machine
	Retry    Retry
}

// Source is an open source of advisories.
type Source struct {
	name    string // as it was given, without credentials
	place   place
	remote  bool // http or https
	web     *client
	refused []string // names of ecosystems.txt that are none
}

// Open opens a source: an address that begins with http:// or https://, an
// OCI artifact (oci://HOST/REPOSITORY:TAG, or oci:FOLDER of a layout), a
// folder, which may be a layout too, or a tar of the layout.
func Open(ctx context.Context, from string, how Access) (*Source, error) {
	s := &Source{name: from, web: newClient(how)}
	err := s.open(ctx, from, how)
	if err != nil {
		return nil, fmt.Errorf("opening %s: %w", s.name, err)
	}
	return s, nil
}

func (s *Source) open(ctx context.Context, from string, how Access) (err error) {
	if strings.HasPrefix(from, "http://") || strings.HasPrefix(from, "https://") {
		base, err := parseAddress(from)
		if err != nil {
			s.name = "an address"
			return err
		}
		s.name, s.remote = base.Redacted(), true
		s.place = &webPlace{s.web, base}
		return nil
	}
	if ref, ok := strings.CutPrefix(from, "oci://"); ok {
		a, err := oci.FetchArtifact(ctx, ref, how.Insecure)
		if err != nil {
			return err
		}
		s.place = newArtifactPlace(a)
		return nil
	}
	from, isLayout := strings.CutPrefix(from, "oci:")
	if s.name, err = filepath.Abs(from); err != nil {
		return err
	}
	info, err := os.Stat(from)
	switch {
	case err != nil:
		return plainError(err)
	case isLayout || info.IsDir() && oci.IsLayout(from):
		a, err := oci.OpenArtifact(from)
		if err != nil {
			return err
		}
		s.place = newArtifactPlace(a)
	case info.IsDir():
		root, err := os.OpenRoot(from)
		if err != nil {
			return plainError(err)
		}
		s.place = folderPlace{root}
	case info.Mode().IsRegular():
		s.place, err = openTar(from)
		return err
	default:
		return errors.New("neither a folder nor a file")
	}
	return nil
}

// Name is the source as it was given, without credentials.
func (s *Source) Name() string { return s.name }

// Close lets go of the source.
func (s *Source) Close() error { return s.place.close() }

// Ecosystems lists those of the source, sorted: the names of ecosystems.txt,
// else its folders.
func (s *Source) Ecosystems(ctx context.Context) ([]string, error) {
	file, err := s.place.open(ctx, "ecosystems.txt", Mark{})
	if errors.Is(err, fs.ErrNotExist) {
		return s.folders(err)
	}
	if err != nil {
		return nil, fmt.Errorf("reading ecosystems.txt of %s: %w", s.name, err)
	}
	defer file.Close()
	names, refused, err := parseNames(&bounded{file, 1 << 20})
	if err != nil {
		return nil, fmt.Errorf("reading ecosystems.txt of %s: %w", s.name, err)
	}
	s.refused = refused
	return names, nil
}

func (s *Source) folders(missing error) ([]string, error) {
	all, err := s.place.names("")
	if err != nil {
		return nil, fmt.Errorf("%s has no ecosystems.txt: %w", s.name, missing)
	}
	names, refused, err := parseNames(strings.NewReader(strings.Join(all, "\n")))
	for _, name := range refused {
		if name != KEV && name != EPSS && !strings.HasPrefix(name, ".") {
			s.refused = append(s.refused, name)
		}
	}
	return names, err
}

// Size is the size in bytes of the archive of an ecosystem, negative where
// the source doesn't say.
func (s *Source) Size(ctx context.Context, ecosystem string) (int64, error) {
	if w, ok := s.place.(*webPlace); ok {
		return w.size(ctx, path.Join(ecosystem, "all.zip"))
	}
	file, err := s.place.open(ctx, path.Join(ecosystem, "all.zip"), Mark{})
	if err != nil {
		return 0, err
	}
	return file.size, file.Close()
}

// IsRemote reports whether the source is an http or https address.
func (s *Source) IsRemote() bool { return s.remote }
