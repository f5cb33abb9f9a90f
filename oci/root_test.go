package oci

import (
	"archive/tar"
	"errors"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestRootOrder: what says most comes first, and under its own name alone.
func TestRootOrder(t *testing.T) {
	dir := rootFolder(t)
	at := func(name string) string { return filepath.Join(dir, name) }
	mustDo(t,
		os.MkdirAll(at("usr/lib/apk/db"), 0o755), os.WriteFile(at("usr/lib/apk/db/installed"), nil, 0o644),
		os.WriteFile(at("usr/lib/os-release"), nil, 0o644), os.Symlink("usr/lib", at("lib")), os.MkdirAll(at("var/lib/dpkg"), 0o755),
	)
	r := stream(os.DirFS(dir))
	var got []string
	for a := tar.NewReader(r); ; {
		header, err := a.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, header.Name)
	}
	want := []string{
		"etc/", "etc/os-release", "usr/lib/os-release", "var/lib/dpkg/", "usr/lib/apk/", "usr/lib/apk/db/", "usr/lib/apk/db/installed",
		"lib", "srv/", "srv/Tanúsítvány", "srv/large", "srv/proc/", "srv/proc/exe", "usr/", "usr/lib/", "var/", "var/lib/",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// entries reads a tar: name, then what the entry is, then its content, the
// target of a link, or why it could not be read.
func entries(t *testing.T, r io.Reader) map[string]string {
	t.Helper()
	out := map[string]string{}
	for a := tar.NewReader(r); ; {
		header, err := a.Next()
		if err == io.EOF {
			return out
		}
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(a)
		if err != nil {
			t.Fatal(err)
		}
		if _, twice := out[header.Name]; twice && header.Typeflag != tar.TypeDir {
			t.Errorf("%s comes twice", header.Name)
		}
		out[header.Name] = string(header.Typeflag) + " " + string(body) + header.Linkname + header.PAXRecords[Unread]
	}
}

// stream is the tar of a file system.
func stream(from fs.FS) io.Reader {
	r, w := io.Pipe()
	go func() { w.CloseWithError(writeTar(w, from)) }()
	return r
}

func mustDo(t testing.TB, errs ...error) {
	t.Helper()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

func rootFolder(t testing.TB) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "root")
	at := func(name string) string { return filepath.Join(dir, name) }
	mustDo(t,
		os.MkdirAll(at("etc"), 0o755), os.MkdirAll(at("proc/1"), 0o755), os.MkdirAll(at("srv/proc"), 0o755),
		os.WriteFile(at("etc/os-release"), []byte("ID=debian\n"), 0o644),
		os.WriteFile(at("proc/1/exe"), []byte("no"), 0o644),
		os.WriteFile(at("srv/proc/exe"), []byte("yes"), 0o644),
		os.WriteFile(at("srv/Tanúsítvány"), nil, 0o644),
		os.WriteFile(at("srv/large"), []byte(strings.Repeat("0123456789abcdef", 1<<17)), 0o644),
	)
	return dir
}

func TestRootTar(t *testing.T) {
	dir := rootFolder(t)
	outside := filepath.Join(filepath.Dir(dir), "outside")
	at := func(name string) string { return filepath.Join(dir, name) }
	long := "srv/" + strings.Repeat("n", 200)
	mustDo(t,
		os.Mkdir(outside, 0o755), os.WriteFile(filepath.Join(outside, "secret"), []byte("secret"), 0o644),
		os.Symlink(outside, at("out")), os.Symlink("../../../outside", at("srv/up")), os.Symlink("loop", at("loop")),
		os.Link(at("srv/proc/exe"), at("srv/hard")), syscall.Mkfifo(at("srv/pipe"), 0o644),
		os.WriteFile(at(long), []byte("x"), 0o600),
	)
	if socket, err := net.Listen("unix", at("srv/s")); err == nil {
		defer socket.Close()
	}
	images, incomplete, err := Open(t.Context(), dir)
	if err != nil || len(incomplete) > 0 || len(images) != 1 || len(images[0].Layers) != 1 {
		t.Fatalf("images %v, incomplete %v, error %v", images, incomplete, err)
	}
	img := images[0]
	if key := "root:" + filepath.ToSlash(dir); img.Digest != key || img.Layers[0].DiffID != key || img.Name() != dir || len(img.Aliases()) > 0 {
		t.Errorf("read %+v, aliases %v", img, img.Aliases())
	}
	stream, err := img.Layers[0].Open()
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Close()
	got := entries(t, stream)
	want := map[string]string{
		"etc/": "5 ", "etc/os-release": "0 ID=debian\n", "srv/": "5 ", "srv/proc/": "5 ", "srv/proc/exe": "0 yes", "srv/hard": "0 yes",
		"srv/Tanúsítvány": "0 ", "srv/large": "0 " + strings.Repeat("0123456789abcdef", 1<<17), long: "0 x",
		"out": "2 " + outside, "srv/up": "2 ../../../outside", "loop": "2 loop", "srv/pipe": "6 ",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// locked is a file system of which some names can't be opened.
type locked struct {
	fs.FS
	names map[string]bool
}

func (l locked) Open(name string) (fs.File, error) {
	if l.names[name] {
		return nil, &fs.PathError{Op: "open", Path: name, Err: syscall.EACCES}
	}
	return l.FS.Open(name)
}

func (l locked) ReadDir(name string) ([]fs.DirEntry, error) {
	if l.names[name] {
		return nil, &fs.PathError{Op: "open", Path: name, Err: syscall.EACCES}
	}
	return fs.ReadDir(l.FS, name)
}

func (l locked) Lstat(name string) (fs.FileInfo, error) { return fs.Lstat(l.FS, name) }
func (l locked) ReadLink(name string) (string, error)   { return fs.ReadLink(l.FS, name) }

// TestRootUnread: what can't be read is named in the stream, and the rest
// comes all the same.
func TestRootUnread(t *testing.T) {
	from := locked{os.DirFS(rootFolder(t)), map[string]bool{"etc/os-release": true, "srv/proc": true}}
	r := stream(from)
	got := entries(t, r)
	want := map[string]string{
		"etc/": "5 ", "etc/os-release": "0 can't be read: permission denied",
		"srv/": "5 ", "srv/proc/": "5 can't be read: permission denied",
		"srv/Tanúsítvány": "0 ", "srv/large": got["srv/large"],
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	r = stream(locked{from.FS, map[string]bool{".": true}})
	if diff := cmp.Diff(map[string]string{".": "0 can't be read: permission denied", "etc/": "5 ", "etc/os-release": "0 ID=debian\n"}, entries(t, r)); diff != "" {
		t.Errorf("root (-want +got):\n%s", diff)
	}
}

// TestRootPermissions is the same with the system's own refusal.
func TestRootPermissions(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Skip("root may read everything: TestRootUnread stands for it")
	}
	dir := rootFolder(t)
	mustDo(t, os.Chmod(filepath.Join(dir, "etc/os-release"), 0))
	stream, err := rootTar(dir).open("", -1)
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Close()
	if got := entries(t, stream)["etc/os-release"]; got != "0 can't be read: permission denied" {
		t.Errorf("got %q", got)
	}
}

// shrinking is a file that has fewer bytes than it says.
type shrinking struct{ fs.FS }

func (s shrinking) Open(name string) (fs.File, error) {
	f, err := s.FS.Open(name)
	if name == "srv/large" {
		return cutFile{f}, err
	}
	return f, err
}

type cutFile struct{ fs.File }

func (cutFile) Read([]byte) (int, error) { return 0, io.EOF }

func TestRootFileShrinks(t *testing.T) {
	err := writeTar(io.Discard, shrinking{os.DirFS(rootFolder(t))})
	if err == nil || !strings.Contains(err.Error(), "large, which may have changed") {
		t.Errorf("error %v", err)
	}
}

// TestRootIsClosed: a stream that is left early leaves nothing running.
func TestRootIsClosed(t *testing.T) {
	stream, err := rootTar(rootFolder(t)).open("", -1)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := stream.Read(make([]byte, 10)); err != nil {
		t.Fatal(err)
	}
	mustDo(t, stream.Close())
	if _, err := stream.Read(make([]byte, 10)); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("error %v", err)
	}
}

func TestIsRoot(t *testing.T) {
	dir := t.TempDir()
	if IsRoot(dir) || IsRoot(filepath.Join(dir, "none")) {
		t.Error("an empty folder is taken for a root")
	}
	if _, _, err := Open(t.Context(), dir); !errors.Is(err, ErrNotImage) {
		t.Errorf("error %v", err)
	}
	mustDo(t, os.MkdirAll(filepath.Join(dir, "usr/lib/apk/db"), 0o755))
	if !IsRoot(dir) {
		t.Error("a folder with apk's database is not taken for a root")
	}
}
