package image

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"

	"github.com/scantling/scantling/oci/ocitest"
)

// TestSpooledFacts reads the same layers with as much in memory as ever is, in
// a temporary file, and where no such file can be made, which is all in memory:
// they say the same, and no file is left behind.
func TestSpooledFacts(t *testing.T) {
	own, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		own = []byte(goProgram("go1.22", "path\tx\n"))
	}
	rust := elfSpec{kind: elfExec, interp: "/lib/ld.so", needed: []string{"libc.so.6"}, audit: packed(`{"packages":[{"name":"a","version":"1.0.0","root":true}]}`)}.build()
	padded := func(text string) string {
		return text + strings.Repeat("x", 64<<10) + "/rustc/" + strings.Repeat("a", 40) + "/library/"
	}
	layer := ocitest.Tar(
		file("bin/own", string(own)), file("bin/rust", rust+strings.Repeat("x", 4096)), file("bin/bare", padded(elfSpec{kind: elfExec, interp: "/lib/ld.so"}.build())),
		file("a.jar", jar(member{"META-INF/maven/g/a/pom.properties", "groupId=g\nartifactId=a\nversion=2.0\n"}, member{"A.class", strings.Repeat("noise", 4096)},
			member{"in.jar", jar(member{"META-INF/maven/g/b/pom.properties", "groupId=g\nartifactId=b\nversion=2.0\n"}, member{"deep.jar", jar(member{"C.class", strings.Repeat("text", 4096)})})}, member{"B.class", ""})),
	)
	for name, data := range map[string][]byte{"large files": layer, "every kind": everyKind()} {
		t.Run(name, func(t *testing.T) {
			take := func(memory int) *facts {
				lim := defaultLimits()
				lim.memory = memory
				img, _ := openImage(t, layers(data))
				f, err := (&Reader{limits: lim}).layer(t.Context(), img.Layers[0])
				if err != nil || !f.whole {
					t.Fatalf("facts %+v, error %v", f, err)
				}
				return f
			}
			want := body(take(maxInMemory))
			folder := t.TempDir()
			t.Setenv("TMPDIR", folder)
			if !bytes.Equal(want, body(take(512))) {
				t.Error("by way of a temporary file a layer says something else")
			}
			if left, err := os.ReadDir(folder); err != nil || len(left) > 0 {
				t.Errorf("left behind: %v, error %v", left, err)
			}
			t.Setenv("TMPDIR", filepath.Join(folder, "none"))
			if !bytes.Equal(want, body(take(512))) {
				t.Error("without a temporary file a layer says something else")
			}
		})
	}
}

// TestSpool takes in streams of every sort of length, torn ones too, with a
// temporary file that fails after some of them.
func TestSpool(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	torn := errors.New("torn")
	for _, size := range []int{0, 1, 511, 512, 513, 1023, 1024, 1025, 5000, 64 << 10, 3<<16 + 7} {
		data := make([]byte, size)
		for i := range data {
			data[i] = byte(rng.Uint32())
		}
		for _, said := range []int64{0, 1, int64(size), int64(size) * 2} {
			s := &spool{memory: 512}
			for round := range 3 {
				got, err := s.fill(iotest.HalfReader(bytes.NewReader(data)), said)
				if err != nil {
					t.Fatal(err)
				}
				text, err := io.ReadAll(io.NewSectionReader(got, 0, got.size))
				if err != nil || !bytes.Equal(text, data) || got.digest() != inMemory(data).digest() || got.unread() != "" {
					t.Errorf("size %d, said %d, round %d: %d bytes, error %v, %s", size, said, round, len(text), err, got.unread())
				}
				for range 5 {
					at := rng.IntN(size + 1)
					mark := data[at:min(size, at+20)]
					if len(mark) > 3 && got.index(mark) != inMemory(data).index(mark) {
						t.Errorf("size %d: mark at %d found at %d", size, at, got.index(mark))
					}
				}
				s.release()
				if _, err := s.fill(io.MultiReader(bytes.NewReader(data), iotest.ErrReader(torn)), said); !errors.Is(err, torn) {
					t.Errorf("a torn stream of %d bytes: error %v", size, err)
				}
				if _, err := s.fill(io.MultiReader(bytes.NewReader(data), iotest.ErrReader(io.ErrUnexpectedEOF)), said); !errors.Is(err, io.ErrUnexpectedEOF) {
					t.Errorf("a stream that ends early after %d bytes: error %v", size, err)
				}
			}
			s.close()
		}
	}
}

// TestSpoolFull: a disk that is full doesn't lose what was read until then.
func TestSpoolFull(t *testing.T) {
	data := bytes.Repeat([]byte("0123456789"), 1000)
	if runtime.GOOS != "linux" {
		t.Skip("a file that is always full is one of Linux")
	}
	full, err := os.OpenFile("/dev/full", os.O_RDWR, 0)
	if err != nil {
		t.Skip(err)
	}
	s := &spool{memory: 512, file: full}
	defer s.close()
	for range 2 {
		got, err := s.fill(bytes.NewReader(data), 10)
		if err != nil || got.from != nil || cmp.Diff(data, got.data) != "" {
			t.Errorf("in a file: %v, %d bytes, error %v", got.from != nil, len(got.data), err)
		}
	}
}

// TestSpoolLost: a temporary file that can't be read any more leaves a file
// that is unknown.
func TestSpoolLost(t *testing.T) {
	r := &elfReader{spool: spool{memory: 512}, archive: newArchive(defaultLimits())}
	program := goProgram("go1.22", "path\tx\n") + strings.Repeat("x", 4096)
	whole, err := r.spool.fill(strings.NewReader(program), int64(len(program)))
	if err != nil {
		t.Fatal(err)
	}
	if f := r.read(whole); f.kind != foundGo {
		t.Errorf("found %+v", f)
	}
	r.spool.close()
	if f := r.read(whole); f.kind != foundUnread || len(f.notes) != 1 || len(f.packages) > 0 {
		t.Errorf("found %+v", f)
	}
	if f := r.archive.parse(foundJava, "a.jar", whole); len(f.notes) != 1 || !strings.Contains(f.notes[0].why, "temporary copy") {
		t.Errorf("found %+v", f)
	}
}
