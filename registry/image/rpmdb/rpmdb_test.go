package rpmdb_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/scantling/scantling/registry/image/rpmdb"
	"github.com/scantling/scantling/registry/image/rpmdb/rpmdbtest"
)

var (
	bash = rpmdbtest.Package{
		Name: "bash", Version: "5.1.8", Release: "6.el9", Arch: "x86_64", SourceRPM: "bash-5.1.8-6.el9.src.rpm",
		Files: []string{"/usr/bin/bash", "/usr/bin/sh", "/etc/skel/.bashrc"},
	}
	node = rpmdbtest.Package{
		Name: "nodejs", Epoch: 1, Version: "18.17.1", Release: "1.module_el8.8.0+3613+1ed8c91d", Arch: "x86_64",
		SourceRPM: "nodejs-18.17.1-1.module_el8.8.0+3613+1ed8c91d.src.rpm", Module: "nodejs:18:8080020230926123456:63b34585",
		Files: []string{"/usr/lib/node_modules/npm/package.json"},
	}
)

// forms writes the same headers in each form.
func forms(headers ...[]byte) map[string][]byte {
	return map[string][]byte{
		"ndb": rpmdbtest.NDB(headers...), "SQLite": rpmdbtest.SQLite(headers...),
		"Berkeley DB": rpmdbtest.Berkeley(binary.LittleEndian, headers...), "Berkeley DB, big-endian": rpmdbtest.Berkeley(binary.BigEndian, headers...),
	}
}

// describe puts all that was read of a package in one line.
func describe(p rpmdb.Package) string {
	var files []string
	if err := p.Files(func(path string) { files = append(files, path) }); err != nil {
		files = append(files, err.Error())
	}
	return line(p) + "|" + p.Module + "|" + strings.Join(files, " ")
}

func TestForms(t *testing.T) {
	want := []string{
		"bash||5.1.8|6.el9|x86_64|bash-5.1.8-6.el9.src.rpm||/usr/bin/bash /usr/bin/sh /etc/skel/.bashrc",
		"nodejs|1|18.17.1|1.module_el8.8.0+3613+1ed8c91d|x86_64|nodejs-18.17.1-1.module_el8.8.0+3613+1ed8c91d.src.rpm|" +
			"nodejs:18:8080020230926123456:63b34585|/usr/lib/node_modules/npm/package.json",
		"small||1|1||||",
	}
	for name, data := range forms(bash.Header(), node.Header(), rpmdbtest.Package{Name: "small", Version: "1", Release: "1"}.Header()) {
		t.Run(name, func(t *testing.T) {
			packages, problems, err := rpmdb.Read(data)
			if err != nil || len(problems) > 0 {
				t.Fatalf("problems %v, error %v", problems, err)
			}
			var got []string
			for _, p := range packages {
				got = append(got, describe(p))
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("packages (-want +got):\n%s", diff)
			}
		})
	}
}

// TestBrokenHeader: one that can't be read is a problem, and the others count.
func TestBrokenHeader(t *testing.T) {
	long := bytes.Clone(bash.Header())
	binary.BigEndian.PutUint32(long[4:], 1<<20)
	many := bytes.Clone(bash.Header())
	binary.BigEndian.PutUint32(many, 0xffffffff)
	outside := bytes.Clone(bash.Header())
	binary.BigEndian.PutUint32(outside[8+8:], 1<<30)
	number := bytes.Clone(bash.Header())
	binary.BigEndian.PutUint32(number[8+4:], 4)
	for name, header := range map[string][]byte{
		"no bytes": {}, "data longer than it is": long, "too many tags": many, "offset outside": outside, "name of another type": number,
		"cut short": bash.Header()[:40],
	} {
		for form, data := range forms(header, node.Header()) {
			t.Run(name+" in "+form, func(t *testing.T) {
				packages, problems, err := rpmdb.Read(data)
				if err != nil || len(problems) != 1 || len(packages) != 1 || packages[0].Name != "nodejs" {
					t.Errorf("packages %v, problems %v, error %v", packages, problems, err)
				}
			})
		}
	}
}

// TestBrokenFiles: a list of files that states more than it holds ends with an
// error and no file that isn't there.
func TestBrokenFiles(t *testing.T) {
	for name, tc := range map[string]struct {
		tag, field uint32 // of which the value is changed: 4 type, 8 offset, 12 count
		value      uint32
	}{
		"more names than indexes":  {1117, 12, 1000},
		"indexes of another type":  {1116, 4, 6},
		"more folders than named":  {1118, 12, 1 << 31},
		"names of another type":    {1117, 4, 4},
		"names from the last byte": {1117, 8, 0xffff},
	} {
		t.Run(name, func(t *testing.T) {
			header := bash.Header()
			tags := binary.BigEndian.Uint32(header)
			for i := range tags {
				entry := header[8+16*i:]
				if binary.BigEndian.Uint32(entry) == tc.tag {
					if tc.value == 0xffff {
						tc.value = binary.BigEndian.Uint32(header[4:]) - 1
					}
					binary.BigEndian.PutUint32(entry[tc.field:], tc.value)
				}
			}
			packages, problems, err := rpmdb.Read(rpmdbtest.NDB(header))
			if err != nil || len(problems) > 0 || len(packages) != 1 {
				t.Fatalf("problems %v, error %v", problems, err)
			}
			if err := packages[0].Files(func(string) {}); err == nil {
				t.Error("no error")
			}
		})
	}
}

// TestLongFiles: a folder that is named by very many files is no way to let
// few bytes become many.
func TestLongFiles(t *testing.T) {
	p := rpmdbtest.Package{Name: "x", Version: "1", Release: "1"}
	for i := range 50000 {
		p.Files = append(p.Files, "/"+strings.Repeat("x", 4000)+"/"+fmt.Sprint(i%10))
	}
	packages, _, err := rpmdb.Read(rpmdbtest.NDB(p.Header()))
	if err != nil || len(packages) != 1 {
		t.Fatal(err)
	}
	total := 0
	err = packages[0].Files(func(path string) { total += len(path) })
	if err == nil || total > 32<<20 {
		t.Errorf("%d bytes of paths, error %v", total, err)
	}
}

// TestOverlap: entries that all point to the same bytes end the reading before
// they have become more than the file.
func TestOverlap(t *testing.T) {
	ndb := overlapping(rpmdbtest.NDB(bash.Header()))
	sqlite := rpmdbtest.SQLite(rpmdbtest.Package{Name: "x", Version: "1", Release: "1"}.Header())
	binary.BigEndian.PutUint16(sqlite[1024+3:], 100)
	for i := range 100 {
		copy(sqlite[1024+8+2*i:], sqlite[1024+8:1024+10])
	}
	for name, data := range map[string][]byte{"ndb": ndb, "SQLite": sqlite} {
		t.Run(name, func(t *testing.T) {
			packages, _, err := rpmdb.Read(data)
			if err == nil || len(packages) > 100 {
				t.Errorf("%d packages, error %v", len(packages), err)
			}
		})
	}
}

// TestLoops: pages that lead back to themselves are read once.
func TestLoops(t *testing.T) {
	berkeley := rpmdbtest.Berkeley(binary.LittleEndian, bash.Header())
	binary.LittleEndian.PutUint32(berkeley[2*512+16:], 2)
	chain := rpmdbtest.SQLite(bash.Header(), rpmdbtest.Package{Name: "x", Version: "1", Release: strings.Repeat("1", 2000)}.Header())
	binary.BigEndian.PutUint32(chain[len(chain)-2*512:], uint32(len(chain)/512-1))
	tree := rpmdbtest.SQLite(bash.Header())
	binary.BigEndian.PutUint32(tree[512+8:], 2)
	for name, data := range map[string][]byte{"Berkeley DB": berkeley, "overflow of SQLite": chain, "tree of SQLite": tree} {
		t.Run(name, func(t *testing.T) {
			_, problems, err := rpmdb.Read(data)
			if err != nil || len(problems) == 0 {
				t.Errorf("problems %v, error %v", problems, err)
			}
		})
	}
}

// TestBounds: what a database states costs no more than what it is.
func TestBounds(t *testing.T) {
	slots := make([]byte, 32<<20)
	copy(slots, rpmdbtest.NDB())
	binary.LittleEndian.PutUint32(slots[12:], 8192)
	long := rpmdbtest.Package{Name: strings.Repeat("x", 5000), Version: "1", Release: "1"}
	claims := rpmdbtest.Berkeley(binary.LittleEndian, bash.Header())
	binary.LittleEndian.PutUint32(claims[2*512-5-5-5-12+8:], 1<<31)
	for name, tc := range map[string]struct {
		data []byte
		want string
	}{
		"slots that are none":       {slots, "too much of it is broken"},
		"a long name":               {rpmdbtest.NDB(long.Header()), "very long"},
		"a value as long as memory": {claims, "some overlap"},
		"more entries than bytes":   {overlapping(rpmdbtest.NDB(bash.Header())), "some overlap"},
	} {
		t.Run(name, func(t *testing.T) {
			began := time.Now()
			_, problems, err := rpmdb.Read(tc.data)
			if !strings.Contains(fmt.Sprint(problems, err), tc.want) || time.Since(began) > time.Second {
				t.Errorf("after %v: %d problems, error %v", time.Since(began), len(problems), err)
			}
		})
	}
	files := rpmdbtest.Package{Name: "x", Version: "1", Release: "1", Files: make([]string, rpmdb.MaxFiles+1)}
	packages, _, err := rpmdb.Read(rpmdbtest.NDB(files.Header()))
	if err != nil || len(packages) != 1 || packages[0].Files(func(string) {}) == nil {
		t.Errorf("more files than are read: %d packages, error %v", len(packages), err)
	}
}

// overlapping lets all slots of a database lead to its first package.
func overlapping(ndb []byte) []byte {
	for at := 48; at < 4096; at += 16 {
		copy(ndb[at:], ndb[32:48])
	}
	return ndb
}

func TestPending(t *testing.T) {
	log := make([]byte, 32+24+512)
	binary.BigEndian.PutUint32(log, 0x377f0683)
	binary.BigEndian.PutUint32(log[8:], 512)
	copy(log[16:], "saltsalt")
	copy(log[32+8:], "saltsalt")
	open := bytes.Clone(log)
	binary.BigEndian.PutUint32(log[32+4:], 2)
	stale := bytes.Clone(log)
	copy(stale[32+8:], "otherone")
	for name, tc := range map[string]struct {
		data []byte
		want bool
	}{
		"nothing": {nil, false}, "a commit": {log, true}, "no commit": {open, false}, "frames of an earlier log": {stale, false},
		"cut short": {log[:100], false}, "no log": {bytes.Repeat([]byte("x"), 1000), false},
		"a journal": {append([]byte("\xd9\xd5\x05\xf9\x20\xa1\x63\xd7"), make([]byte, 600)...), true}, "a journal that was done": {make([]byte, 600), false},
	} {
		t.Run(name, func(t *testing.T) {
			if got := rpmdb.Pending(tc.data); got != tc.want {
				t.Errorf("got %t", got)
			}
		})
	}
}

// FuzzRead: whatever a database holds, reading it ends soon, and what is read
// isn't more than it can hold.
func FuzzRead(f *testing.F) {
	for _, data := range forms(bash.Header(), node.Header()) {
		f.Add(data)
	}
	f.Add(node.Header())
	f.Fuzz(func(t *testing.T, data []byte) {
		began := time.Now()
		packages, problems, _ := rpmdb.Read(data)
		if len(packages)+len(problems) > len(data)/16+4 {
			t.Errorf("%d packages and %d problems of %d bytes", len(packages), len(problems), len(data))
		}
		total := 0
		for _, p := range packages {
			_ = p.Files(func(path string) { total += len(path) })
		}
		if total > 16*len(data) {
			t.Errorf("%d bytes of paths in %d bytes", total, len(data))
		}
		if took := time.Since(began); took > 2*time.Second {
			t.Errorf("it took %v", took)
		}
		rpmdb.Pending(data)
	})
}

// FuzzHeader gives ndb, whose checksums hide headers from a fuzzer, one that
// fits.
func FuzzHeader(f *testing.F) {
	f.Add(bash.Header())
	f.Add(node.Header())
	f.Fuzz(func(t *testing.T, header []byte) {
		packages, problems, err := rpmdb.Read(rpmdbtest.NDB(header))
		if err != nil || len(packages)+len(problems) != 1 {
			t.Fatalf("%d packages, problems %v, error %v", len(packages), problems, err)
		}
		for _, p := range packages {
			_ = p.Files(func(string) {})
		}
	})
}

// TestOneReason: of several things that are wrong with a header the same is
// said each time.
func TestOneReason(t *testing.T) {
	long := strings.Repeat("x", 5000)
	data := rpmdbtest.NDB(rpmdbtest.Package{Name: long, Version: long, Release: long, Vendor: long, Arch: long}.Header())
	for range 50 {
		_, problems, err := rpmdb.Read(data)
		if err != nil || len(problems) != 1 || !strings.Contains(problems[0].Why, "tag 1000 ") {
			t.Fatalf("problems %v, error %v", problems, err)
		}
	}
}
