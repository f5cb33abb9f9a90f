package image

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"debug/elf"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/scantling/scantling/model"
	"github.com/scantling/scantling/oci"
	"github.com/scantling/scantling/oci/ocitest"
)

// shelf is a keeper in memory that counts and can fail.
type shelf struct {
	mu      sync.Mutex
	records map[string]model.Record
	gets    int
	applies int
	getErr  error
	setErr  error
}

func (s *shelf) Get(_ context.Context, kind, key string) (model.Record, bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.gets++
	r, ok := s.records[kind+"\x00"+key]
	return r, ok, s.getErr
}

func (s *shelf) Apply(_ context.Context, writes []model.Write) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.applies++
	if s.setErr != nil {
		return s.setErr
	}
	if s.records == nil {
		s.records = map[string]model.Record{}
	}
	for _, w := range writes {
		if w.Delete {
			delete(s.records, w.Kind+"\x00"+w.Key)
			continue
		}
		s.records[w.Kind+"\x00"+w.Key] = w.Record
	}
	return nil
}

func (s *shelf) kinds() map[string]int {
	out := map[string]int{}
	for _, r := range s.records {
		out[r.Kind]++
	}
	return out
}

// openImage writes an image and opens it.
func openImage(t testing.TB, img ocitest.Image) (*oci.Image, string) {
	t.Helper()
	dir := t.TempDir()
	if _, err := ocitest.Write(dir, img); err != nil {
		t.Fatal(err)
	}
	images, incomplete, err := oci.Open(context.Background(), dir)
	if err != nil || len(incomplete) > 0 {
		t.Fatalf("incomplete %v, error %v", incomplete, err)
	}
	return images[0], dir
}

func inventory(t testing.TB, r *Reader, img *oci.Image) *Inventory {
	t.Helper()
	inv, err := r.Inventory(t.Context(), img)
	if err != nil {
		t.Fatal(err)
	}
	return inv
}

// shopLayers are layers in which much is replaced, removed and linked.
func shopLayers() [][]byte {
	return [][]byte{
		ocitest.Tar(
			ocitest.Entry{Name: "usr/lib/"}, file("usr/lib/os-release", debian12), ocitest.Entry{Name: "etc/os-release", Type: tar.TypeSymlink, Link: "../usr/lib/os-release"},
			file("var/lib/dpkg/status", dpkgTwo), file("usr/bin/a", "x"), file("usr/bin/b", "y"), file("app/node_modules/left-pad/package.json", `{"name":"left-pad","version":"1.3.0"}`),
			file("opt/bad.jar", "no zip"),
		),
		ocitest.Tar(file("app/.wh.node_modules", ""), file("app/yarn.lock", ""), ocitest.Entry{Name: "../climbs", Body: "x"}),
		ocitest.Tar(file("var/lib/dpkg/status", strings.Replace(dpkgTwo, "3.0.11-1~deb12u1", "3.0.13-1~deb12u1", 1)), file("usr/bin/a", "z")),
	}
}

// TestLayersAreKept: a second process with the same keeper reads no layer, and
// says the same.
func TestLayersAreKept(t *testing.T) {
	img, dir := openImage(t, layers(shopLayers()...))
	keeper := &shelf{}
	want := inventory(t, &Reader{Keeper: keeper}, img)
	if diff := cmp.Diff(map[string]int{kindFacts: 3, kindBlob: 3}, keeper.kinds()); diff != "" {
		t.Errorf("records (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(inventory(t, &Reader{}, img), want); diff != "" {
		t.Errorf("(-without a keeper +with one):\n%s", diff)
	}
	dropBlobs(t, dir, img)
	again := inventory(t, &Reader{Keeper: keeper}, img)
	if diff := cmp.Diff(want, again); diff != "" || len(want.Incomplete) == 0 {
		t.Errorf("(-read +known):\n%s", diff)
	}
	if keeper.applies != 3 {
		t.Errorf("%d batches written, want one for each layer", keeper.applies)
	}
	if inv := inventory(t, &Reader{}, img); len(inv.Packages) > 0 {
		t.Error("the layers are still there: the test tests nothing")
	}
}

// dropBlobs removes the layers of an image in a layout.
func dropBlobs(t *testing.T, dir string, img *oci.Image) {
	t.Helper()
	for _, l := range img.Layers {
		err := os.Remove(filepath.Join(dir, "blobs", strings.Replace(l.Digest, ":", "/", 1)))
		if err != nil && !errors.Is(err, os.ErrNotExist) { // a layer may come twice
			t.Fatal(err)
		}
	}
}

// TestKeptLayersNeedTheirBlob: an image that pairs another blob with a known
// DiffID doesn't get the facts of that, and one that packs the same layer
// otherwise is read once more and known then.
func TestKeptLayersNeedTheirBlob(t *testing.T) {
	keeper := &shelf{}
	one := ocitest.Tar(file("etc/os-release", debian12), file("var/lib/dpkg/status", dpkgTwo))
	img, _ := openImage(t, ocitest.Image{Layers: [][]byte{one}, Compression: "gzip"})
	inventory(t, &Reader{Keeper: keeper}, img)

	other, _ := openImage(t, ocitest.Image{Layers: [][]byte{ocitest.Tar(file("evil", ""))}, Compression: "gzip"})
	forged := *other
	forged.Layers = slices.Clone(other.Layers)
	forged.Layers[0].DiffID = img.Layers[0].DiffID
	for range 2 {
		inv := inventory(t, &Reader{Keeper: keeper}, &forged)
		if len(inv.Packages) > 0 || len(inv.Incomplete) != 1 || !strings.Contains(inv.Incomplete[0].Why, "does not match its digest") {
			t.Errorf("packages %v, incomplete %v", inv.Packages, inv.Incomplete)
		}
	}
	if diff := cmp.Diff(map[string]int{kindFacts: 1, kindBlob: 1}, keeper.kinds()); diff != "" {
		t.Errorf("records (-want +got):\n%s", diff)
	}

	zstd, dir := openImage(t, ocitest.Image{Layers: [][]byte{one}, Compression: "zstd"})
	inventory(t, &Reader{Keeper: keeper}, zstd)
	if diff := cmp.Diff(map[string]int{kindFacts: 1, kindBlob: 2}, keeper.kinds()); diff != "" {
		t.Errorf("records (-want +got):\n%s", diff)
	}
	dropBlobs(t, dir, zstd)
	if inv := inventory(t, &Reader{Keeper: keeper}, zstd); len(inv.Packages) != 2 {
		t.Errorf("packages %v", inv.Packages)
	}
}

// TestWhatIsNotKept: layers that could not be read to their end, and folders.
func TestWhatIsNotKept(t *testing.T) {
	good := ocitest.Tar(file("etc/os-release", debian12), file("var/lib/dpkg/status", dpkgTwo))
	none := map[string]int{}
	both := map[string]int{kindFacts: 1, kindBlob: 1}
	roomy := limits{layer: 1 << 20, binary: 1 << 20, database: 1 << 20, entries: 100}
	for name, tc := range map[string]struct {
		img    ocitest.Image
		limits limits
		want   map[string]int
	}{
		"good":            {layers(good), limits{}, both},
		"another content": {ocitest.Image{Layers: [][]byte{good}, Compression: "gzip", Spoil: func(b map[string][]byte, l []string) { b[l[0]] = ocitest.Compress(ocitest.Tar(), "gzip") }}, limits{}, none},
		"cut":             {ocitest.Image{Layers: [][]byte{good}, Compression: "gzip", Spoil: func(b map[string][]byte, l []string) { b[l[0]] = b[l[0]][:100] }}, limits{}, none},
		"no tar to its end, and the digest is right": {layers(append(bytes.Clone(good[:len(good)-1024]), bytes.Repeat([]byte("garbage!"), 64)...)), limits{}, both},
		"more entries than are read":                 {layers(ocitest.Tar(file("a", ""), file("b", ""), file("c", ""))), limits{layer: 1 << 20, binary: 1, database: 1, entries: 2}, both},
		"more bytes than are read":                   {layers(ocitest.Tar(file("a", strings.Repeat("x", 2<<20)))), roomy, none},
		"a database over its bound":                  {layers(good), limits{layer: 1 << 20, binary: 1, database: 10, entries: 100}, both},
	} {
		t.Run(name, func(t *testing.T) {
			img, _ := openImage(t, tc.img)
			keeper := &shelf{}
			want := inventory(t, &Reader{Keeper: keeper, limits: tc.limits}, img)
			if diff := cmp.Diff(tc.want, keeper.kinds()); diff != "" {
				t.Errorf("records (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(want, inventory(t, &Reader{Keeper: keeper, limits: tc.limits}, img)); diff != "" {
				t.Errorf("(-first +second):\n%s", diff)
			}
		})
	}
	t.Run("a root folder", func(t *testing.T) {
		dir := t.TempDir()
		if err := ocitest.Unpack(dir, good); err != nil {
			t.Fatal(err)
		}
		images, _, err := oci.Open(t.Context(), dir)
		if err != nil {
			t.Fatal(err)
		}
		keeper := &shelf{}
		r := &Reader{Keeper: keeper}
		inv := inventory(t, r, images[0])
		if len(inv.Packages) != 2 || keeper.gets+keeper.applies != 0 || len(r.cache.at) != 0 {
			t.Errorf("packages %v; %d gets, %d batches, %d in memory", inv.Packages, keeper.gets, keeper.applies, len(r.cache.at))
		}
	})
}

// TestKeeperFails: trouble with the keeper is told once, and costs nothing of
// the inventory.
func TestKeeperFails(t *testing.T) {
	img, _ := openImage(t, layers(shopLayers()...))
	want := inventory(t, &Reader{}, img)
	trouble := errors.New("the disk is full")
	for name, keeper := range map[string]*shelf{"reading": {getErr: trouble}, "writing": {setErr: trouble}, "both": {getErr: trouble, setErr: trouble}} {
		t.Run(name, func(t *testing.T) {
			var told []error
			r := &Reader{Keeper: keeper, Lost: func(err error) { told = append(told, err) }}
			for range 2 {
				if diff := cmp.Diff(want, inventory(t, r, img)); diff != "" {
					t.Errorf("(-without a keeper +with a broken one):\n%s", diff)
				}
			}
			if len(told) != 1 || !errors.Is(told[0], trouble) || len(keeper.records) > 0 {
				t.Errorf("told %v, %d records", told, len(keeper.records))
			}
		})
	}
}

// TestDamagedRecordIsReadAgain, and written anew.
func TestDamagedRecordIsReadAgain(t *testing.T) {
	img, _ := openImage(t, layers(shopLayers()...))
	keeper := &shelf{}
	want := inventory(t, &Reader{Keeper: keeper}, img)
	good := maps.Clone(keeper.records)
	for id, r := range keeper.records {
		if r.Kind == kindFacts {
			r.Body = bytes.Clone(r.Body)
			r.Body[len(r.Body)/2] ^= 1
			keeper.records[id] = r
		}
	}
	lost := func(err error) { t.Errorf("told: %v", err) }
	if diff := cmp.Diff(want, inventory(t, &Reader{Keeper: keeper, Lost: lost}, img)); diff != "" {
		t.Errorf("(-read +damaged):\n%s", diff)
	}
	if diff := cmp.Diff(good, keeper.records); diff != "" {
		t.Errorf("records (-before +after):\n%s", diff)
	}
}

// TestCacheLetsGo of what was not used for longest.
func TestCacheLetsGo(t *testing.T) {
	var c cache
	for i := range 5 {
		c.put(fmt.Sprint(i), &facts{cost: 9}, 40)
		c.get("0")
	}
	c.put("large", &facts{cost: 40}, 40)
	if got := slices.Sorted(maps.Keys(c.at)); !slices.Equal(got, []string{"0", "2", "3", "4"}) || c.cost != 40 || c.order.Len() != 4 {
		t.Errorf("kept %v at a cost of %d", got, c.cost)
	}
}

// TestLayersTogether: many readings at once, of images that share layers and
// name one twice, all say what one reading after the other says.
func TestLayersTogether(t *testing.T) {
	base := shopLayers()
	var images []*oci.Image
	var want []*Inventory
	for i := range 6 {
		img, _ := openImage(t, layers(append(slices.Clone(base), ocitest.Tar(file(fmt.Sprint("srv/", i), "")), base[1], base[0])...))
		images = append(images, img)
		want = append(want, inventory(t, &Reader{}, img))
	}
	keeper := &shelf{}
	r := &Reader{Keeper: keeper}
	var group sync.WaitGroup
	for range 4 {
		for i, img := range images {
			group.Go(func() {
				inv, err := r.Inventory(t.Context(), img)
				if diff := cmp.Diff(want[i], inv); diff != "" || err != nil {
					t.Errorf("image %d, error %v (-alone +together):\n%s", i, err, diff)
				}
			})
		}
	}
	group.Wait()
	if keeper.applies != 9 {
		t.Errorf("%d layers read, want 9", keeper.applies)
	}
}

// TestQueueStaysNear: layers far above one that is over the bound aren't read.
func TestQueueStaysNear(t *testing.T) {
	var list [][]byte
	for i := range 50 {
		list = append(list, ocitest.Tar(file(fmt.Sprint(i), "")))
	}
	img, _ := openImage(t, layers(list...))
	keeper := &shelf{}
	r := &Reader{Keeper: keeper}
	q := r.queue(t.Context(), img.Layers)
	for i := range 3 {
		if _, err := q.next(i); err != nil {
			t.Fatal(err)
		}
	}
	q.stop()
	if most := 2 + runtime.GOMAXPROCS(0); keeper.applies > most {
		t.Errorf("%d layers read, at most %d may be", keeper.applies, most)
	}
}

// TestExtractorVersion pins what is extracted from a fixture.
func TestExtractorVersion(t *testing.T) {
	const version, digest = 2, "64f868c5bfcfb9985caf9797dbe8ce971bb3b64627be31c0dda8630f3cf690ef"
	img, _ := openImage(t, layers(everyKind()))
	f, err := (&Reader{}).layer(t.Context(), img.Layers[0])
	if err != nil || !f.whole {
		t.Fatalf("facts %+v, error %v", f, err)
	}
	sum := sha256.Sum256(body(f))
	got := hex.EncodeToString(sum[:])
	switch {
	case got == digest && version == extractorVersion:
	case version == extractorVersion:
		t.Errorf("what is extracted from a layer changed: raise extractorVersion in codec.go to %d, then pin that and %s here", version+1, got)
	default:
		t.Errorf("pin extractorVersion %d and %s here", extractorVersion, got)
	}
}

// everyKind is a layer with a file of each kind that says something, and none
// of which the standard library words what is wrong with it.
func everyKind() []byte {
	return ocitest.Tar(
		file("lib/apk/db/installed", "P:busybox\nV:1.36.1-r5\nA:x86_64\no:busybox\nF:usr/lib/python3/x.dist-info\nR:METADATA\n\nP:broken\n\n"),
		file("var/lib/dpkg/status", dpkgTwo), file("var/lib/dpkg/status.d/base", "Package: base-files\nVersion: 12.4\nArchitecture: amd64\nSource: base (12.3)\n"),
		file("var/lib/dpkg/status.d/base.md5sums", "0  usr/share/java/a.jar\n"), file("var/lib/dpkg/info/npm:all.list", "/.\n/usr/share/nodejs/node_modules/npm/package.json\n"),
		file("etc/os-release", "ID=alpine\nVERSION_ID=3.19.1\nPRETTY_NAME='Alpine Linux v3.19'\n"),
		file("usr/bin/app", goProgram("go1.22rc1", "path\texample.com/app\nmod\texample.com/app\tv1.2.3\t\ndep\texample.com/a\tv1.0.0\t\ndep\texample.com/b\tv1.0.0\t\n=>\texample.com/fork\tv1.0.1\t\n")),
		file("usr/bin/sh", "#!"),
		file("app/node_modules/@s/p/package.json", `{"name":"@s/p","version":"v1.0.0"}`), file("app/node_modules/q/package.json", "{}"), file("app/package-lock.json", "{}"),
		file("usr/lib/python3/Foo_Bar-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: Foo_Bar\nVersion: 1.0\n\ntext"),
		file("usr/lib/python3/e-1.egg", jar(member{"EGG-INFO/PKG-INFO", "Metadata-Version: 1.0\nName: e\nVersion: 1\n"})),
		file("app/outer.war", jar(member{"WEB-INF/lib/in-2.0.jar", jar(member{"META-INF/maven/g/a/pom.properties", "groupId=g\nartifactId=a\nversion=2.0\n"}, member{"A.class", ""})}, member{"B.class", ""})),
		file("app/com.example.guess-3.1.jar", jar(member{"META-INF/MANIFEST.MF", "Implementation-Vendor-Id: com.example\n"}, member{"A.class", ""})),
		file("usr/lib/ruby/gems/3.0.0/specifications/rake-13.gemspec", ""), file("app/vendor/composer/installed.json", "{}"), file("app/a.deps.json", "{}"),
		file("var/lib/rpm/Packages", ""), ocitest.Entry{Name: "hard", Type: tar.TypeLink, Link: "/usr/bin/app"}, ocitest.Entry{Name: "soft", Type: tar.TypeSymlink, Link: "usr/bin"},
		file("x/.wh.y", ""), file("x/.wh..wh..opq", ""), file("x/.wh..wh.aufs", ""), ocitest.Entry{Name: "dev/null", Type: tar.TypeChar}, file("/absolute", ""), file("a/../b", ""),
	)
}

// goProgram is the least that debug/buildinfo takes for a Go executable: an
// ELF header, one segment that can be written, and in it the mark with two
// texts behind it.
func goProgram(version, modules string) string {
	const start = 128
	guard := strings.Repeat("-", 16)
	data := append([]byte(goMagic), 8, 2)
	data = append(data, make([]byte, 32-len(data))...)
	for _, text := range []string{version, guard + modules + guard} {
		data = append(binary.AppendUvarint(data, uint64(len(text))), text...)
	}
	var out bytes.Buffer
	head := elf.Header64{
		Ident: [elf.EI_NIDENT]byte{0x7f, 'E', 'L', 'F', byte(elf.ELFCLASS64), byte(elf.ELFDATA2LSB), byte(elf.EV_CURRENT)},
		Type:  uint16(elf.ET_EXEC), Machine: uint16(elf.EM_X86_64), Version: uint32(elf.EV_CURRENT), Phoff: 64, Ehsize: 64, Phentsize: 56, Phnum: 1,
	}
	segment := elf.Prog64{Type: uint32(elf.PT_LOAD), Flags: uint32(elf.PF_R | elf.PF_W), Off: start, Vaddr: 0x1000, Filesz: uint64(len(data)), Memsz: uint64(len(data)), Align: 16}
	for _, part := range []any{head, segment} {
		if err := binary.Write(&out, binary.LittleEndian, part); err != nil {
			panic(err)
		}
	}
	out.Write(make([]byte, start-out.Len()))
	out.Write(data)
	return out.String()
}
