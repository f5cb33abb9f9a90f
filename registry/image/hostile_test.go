package image

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"encoding/binary"
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/scantling/scantling/oci/ocitest"
)

// allocated is how many bytes a function asks for in all.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// TestBrokenLinesAreCounted: what is wrong with millions of lines takes no
// memory for each.
func TestBrokenLinesAreCounted(t *testing.T) {
	data := bytes.Repeat([]byte("x\n"), 1<<20)
	for name, parse := range map[string]func([]byte) ([]Package, []note){"dpkg": parseDpkg, "apk": parseApk} {
		t.Run(name, func(t *testing.T) {
			var packages []Package
			var notes []note
			bytes := allocated(func() { packages, notes = parse(data) })
			if len(packages) > 0 || len(notes) != maxNotes+1 || notes[maxNotes].why != fmt.Sprintf("%d more lines could not be read", 1<<20-maxNotes) {
				t.Errorf("%d packages, notes %v", len(packages), notes)
			}
			if bytes > 1<<20 {
				t.Errorf("%d bytes of memory for %d of data", bytes, len(data))
			}
		})
	}
}

// TestManyPackages: a database has no more than all of a distribution.
func TestManyPackages(t *testing.T) {
	for name, tc := range map[string]struct {
		one   string
		parse func([]byte) ([]Package, []note)
	}{
		"dpkg": {"Package:a\nVersion:1\n\n", parseDpkg},
		"apk":  {"P:a\nV:1\n\n", parseApk},
	} {
		t.Run(name, func(t *testing.T) {
			packages, notes := tc.parse([]byte(strings.Repeat(tc.one, maxPackages+10)))
			if len(packages) != maxPackages || len(notes) != 1 || notes[0].why != tooManyPackages {
				t.Errorf("%d packages, notes %v", len(packages), notes)
			}
		})
	}
}

// TestOwnedByMany: neither the number of files nor their folder's name makes a
// list of files long.
func TestOwnedByMany(t *testing.T) {
	for name, tc := range map[string]struct {
		text  string
		files int
		note  bool
	}{
		"files":         {"P:a\nF:bin\n" + strings.Repeat("R:a\n", maxOwned+10), maxOwned, true},
		"long folder":   {"P:a\nF:bin/" + strings.Repeat("a", 1<<20) + "\n" + strings.Repeat("R:a\n", 1<<12), 0, false},
		"long together": {"P:a\nF:bin/" + strings.Repeat("a", 4000) + "\n" + strings.Repeat("R:a\n", 1<<16), pathsPerByte * (4011 + 4<<16) / 4005, true},
		"usual":         {"P:a\nF:bin\nR:sh\nR:ls\n", 2, false},
	} {
		t.Run(name, func(t *testing.T) {
			var files []owned
			var notes []note
			bytes := allocated(func() { files, notes = ownedByApk([]byte(tc.text)) })
			if len(files) != tc.files || (len(notes) > 0) != tc.note {
				t.Errorf("%d files, want %d; notes %v", len(files), tc.files, notes)
			}
			if bytes > 256<<20 {
				t.Errorf("%d bytes of memory for %d of data", bytes, len(tc.text))
			}
		})
	}
	if files := ownedByDpkg("info/a.list", []byte(strings.Repeat("/bin/a\n", maxOwned+10))); len(files) != maxOwned {
		t.Errorf("dpkg: %d files", len(files))
	}
}

// TestLinksAreBounded: no few entries make the merge slow or its tree large.
func TestLinksAreBounded(t *testing.T) {
	npm := &found{kind: foundNPM, packages: []Package{{Name: "a", Version: "1"}}}
	link := func(path, target string) entry { return entry{path: path, kind: isLink, target: target} }
	deep := strings.Repeat("d/", 200)
	var chain []entry
	for i := range maxLinks - 1 {
		chain = append(chain, link(fmt.Sprint("l", i), fmt.Sprintf("l%d/%s%s", i+1, deep, strings.Repeat("x/../", 600))))
	}
	for i := range 1000 {
		chain = append(chain, entry{path: fmt.Sprintf("l0/%d/node_modules/a/package.json", i), found: npm})
	}
	for name, tc := range map[string]struct {
		followed, made int
		entries        []entry
		want           error
	}{
		"long target":  {0, 0, []entry{link("l", strings.Repeat("d/", 2000)), {path: "l/node_modules/a/package.json", found: npm}}, errFar},
		"deep target":  {0, 0, []entry{link("l", deep), link(deep+"m", strings.Repeat("e/", 100)), {path: "l/m/package.json", found: npm}}, errFar},
		"many steps":   {0, 0, chain, errFar},
		"many in all":  {maxFollowed - 10, 0, []entry{link("l", "folder"), {path: "l/b", found: npm}, {path: "l/longer/name", found: npm}}, errFollowed},
		"hard links":   {0, maxMade - 20, []entry{{path: "a", found: npm}, {path: deep + "b", kind: isHard, target: "a"}, {path: "c", found: npm}}, errMade},
		"few of these": {0, 0, []entry{link("l", "folder"), {path: "l/b", found: npm}, {path: "c", kind: isHard, target: "l/b"}}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			tr := newTree()
			tr.followed, tr.made = tc.followed, tc.made
			tr.apply(0, &facts{entries: tc.entries})
			why := "<nil>"
			if len(tr.notes) > 0 {
				why = tr.notes[0].why
			}
			if why != fmt.Sprint(tc.want) {
				t.Errorf("want %v, got %q", tc.want, why)
			}
		})
	}
}

// TestNestedDirectories: the lists of archives in each other are together as
// long as one may be.
func TestNestedDirectories(t *testing.T) {
	inner := ""
	for range 5 {
		members := []member{{"n.jar", inner}}
		for range 100 {
			members = append(members, member{"file", ""})
		}
		inner = jar(members...)
	}
	for dir, want := range map[int64]string{maxDirectory: "", 15_000: "n.jar/n.jar as a zip"} {
		a := newArchive(defaultLimits())
		a.dir = dir
		f := a.parse(foundJava, "a.jar", inMemory([]byte(inner)))
		got := ""
		for _, n := range f.notes {
			if n.why != "as a zip archive: "+zip.ErrFormat.Error() { // of the empty innermost
				got = n.where + " " + n.why
			}
		}
		if !strings.HasPrefix(strings.TrimSuffix(got, ": "+errDirectory.Error()), want) || (got == "") != (want == "") || a.dir != dir {
			t.Errorf("bound %d: %q, want %q; %d are left", dir, got, want, a.dir)
		}
	}
}

// TestELFOfManySections: the standard library's reader of Go's build
// information takes memory for each.
func TestELFOfManySections(t *testing.T) {
	const sections = 1 << 16
	data := make([]byte, 64+64*sections+64)
	copy(data, "\x7fELF\x02\x01\x01")
	little := binary.LittleEndian
	for at, value := range map[int]uint16{16: 2, 18: 62, 20: 1, 40: 64, 52: 64, 58: 64, 62: 1} {
		little.PutUint16(data[at:], value)
	}
	little.PutUint64(data[64+32:], sections)
	little.PutUint32(data[128+4:], 3) // a table of names
	little.PutUint64(data[128+24:], 8)
	little.PutUint64(data[128+32:], 8)
	copy(data[len(data)-32:], goMagic)
	inv := read(t, &Reader{}, layers(ocitest.Tar(file("bin/a", string(data)))))
	matchIncomplete(t, inv, []string{"/bin/a: an executable with Go's mark and more sections"})
	if len(inv.Libraries) != 1 {
		t.Errorf("libraries %v", inv.Libraries)
	}
}

// TestStoreOfPnpm: what a file of the store is shows in its bytes.
func TestStoreOfPnpm(t *testing.T) {
	name := "store/v3/files/0f/" + strings.Repeat("a1", 31)
	img := func(body string) ocitest.Image {
		return layers(ocitest.Tar(file(name, body), ocitest.Entry{Name: "app/node_modules/a/a.node", Type: tar.TypeLink, Link: name}))
	}
	for text, body := range map[string]string{"a mark alone": "\xef\xbb\xbf", "nothing": "", "a mark and an object": "\xef\xbb\xbf{}"} {
		if inv := read(t, &Reader{}, img(body)); len(inv.Packages) > 0 || len(inv.Incomplete) != 1 {
			t.Errorf("%s: packages %v, incomplete %v", text, inv.Packages, inv.Incomplete)
		}
	}
	program := goProgram("go1.22", "path\texample.com/app\nmod\texample.com/app\tv1.2.3\t\n")
	for text, body := range map[string]string{"small": program, "large": program + strings.Repeat("\x00", maxMetadata)} {
		inv := read(t, &Reader{}, img(body))
		if len(inv.Packages) != 2 || inv.Packages[0].Path != "/app/node_modules/a/a.node" || len(inv.Libraries) != 2 {
			t.Errorf("%s: packages %v, libraries %v, incomplete %v", text, inv.Packages, inv.Libraries, inv.Incomplete)
		}
	}
}

// TestUnknownEntries: an entry of a type that runtimes refuse is no plain file
// that says nothing.
func TestUnknownEntries(t *testing.T) {
	const name = "node_modules/a/package.json"
	inv := read(t, &Reader{}, layers(ocitest.Tar(
		file("etc/os-release", debian12), file("var/lib/dpkg/status", dpkgTwo),
		ocitest.Entry{Name: name, Type: tar.TypeCont}, ocitest.Entry{Name: "dev/null", Type: tar.TypeChar}, ocitest.Entry{Name: "dev/log", Type: tar.TypeFifo},
	)))
	matchIncomplete(t, inv, []string{`entry "node_modules/a/package.json": an entry of type '7', which is not read`})
}
