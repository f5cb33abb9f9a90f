package rpmdb_test

import (
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/scantling/scantling/registry/image/rpmdb"
	"github.com/scantling/scantling/registry/image/rpmdb/rpmdbtest"
)

// The tests of this file let the programs that own the formats write
// databases, where these are installed.

func tool(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Skipf("%s is not installed", name)
	}
	return path
}

func run(t *testing.T, input, name string, args ...string) string {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Stdin = strings.NewReader(input)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", name, err, out)
	}
	return string(out)
}

// sizes are headers from far below a page to several, with what is read of
// each.
func sizes() (headers [][]byte, want []string) {
	for i := range 100 {
		p := rpmdbtest.Package{Name: fmt.Sprintf("p%03d", i), Version: "1", Release: "1"}
		for n := range i * i {
			p.Files = append(p.Files, fmt.Sprintf("/usr/share/p/%d", n))
		}
		headers = append(headers, p.Header())
		want = append(want, fmt.Sprintf("p%03d %d", i, i*i))
	}
	return headers, want
}

func check(t *testing.T, file string, want []string) {
	t.Helper()
	packages, problems, err := rpmdb.Read(testdata(t, file))
	if err != nil || len(problems) > 0 {
		t.Fatalf("problems %v, error %v", problems, err)
	}
	var got []string
	for _, p := range packages {
		files := 0
		if err := p.Files(func(string) { files++ }); err != nil {
			t.Errorf("%s: %v", p.Name, err)
		}
		got = append(got, fmt.Sprintf("%s %d", p.Name, files))
	}
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("packages (-want +got):\n%s", diff)
	}
}

func TestBerkeleyDB(t *testing.T) {
	load := tool(t, "db5.3_load")
	headers, want := sizes()
	for _, size := range []int{512, 4096, 65536} {
		for lorder, order := range map[int]binary.AppendByteOrder{1234: binary.LittleEndian, 4321: binary.BigEndian} {
			t.Run(fmt.Sprintf("pages of %d, order %d", size, lorder), func(t *testing.T) {
				var text strings.Builder
				fmt.Fprintf(&text, "VERSION=3\nformat=bytevalue\ntype=hash\ndb_pagesize=%d\ndb_lorder=%d\nHEADER=END\n", size, lorder)
				pair := func(key uint32, value []byte) {
					fmt.Fprintf(&text, " %x\n %x\n", order.AppendUint32(nil, key), value)
				}
				pair(0, order.AppendUint32(nil, uint32(len(headers))))
				for i, h := range headers {
					pair(uint32(i+1), h)
				}
				text.WriteString("DATA=END\n")
				file := filepath.Join(t.TempDir(), "Packages")
				run(t, text.String(), load, file)
				check(t, file, want)
			})
		}
	}
}

func TestSQLite(t *testing.T) {
	sqlite := tool(t, "sqlite3")
	headers, want := sizes()
	for _, size := range []int{512, 4096, 65536} {
		t.Run(fmt.Sprintf("pages of %d", size), func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "rpmdb.sqlite")
			var text strings.Builder
			fmt.Fprintf(&text, "PRAGMA page_size=%d;\nCREATE TABLE IF NOT EXISTS 'Name' (key TEXT NOT NULL);\n", size)
			text.WriteString("CREATE TABLE IF NOT EXISTS 'Packages' (hnum INTEGER PRIMARY KEY AUTOINCREMENT, blob BLOB NOT NULL);\nBEGIN;\n")
			for i, h := range headers {
				// One more before each is taken out again, so that pages are
				// given up and used anew.
				fmt.Fprintf(&text, "INSERT INTO Packages VALUES(%d, x'%x');\nINSERT INTO Packages VALUES(%d, x'%x');\nINSERT INTO Name VALUES('n%d');\n", 1000+i, headers[i/2], i+1, h, i)
			}
			text.WriteString("COMMIT;\nDELETE FROM Packages WHERE hnum >= 1000;\n")
			run(t, text.String(), sqlite, file)
			check(t, file, want)
		})
	}
}

// TestSQLiteLog: a log with a commit is pending, and none that was written
// back.
func TestSQLiteLog(t *testing.T) {
	sqlite := tool(t, "sqlite3")
	dir := t.TempDir()
	file := filepath.Join(dir, "rpmdb.sqlite")
	run(t, strings.Join([]string{
		"PRAGMA journal_mode=wal;", "PRAGMA wal_autocheckpoint=0;", "CREATE TABLE Packages(hnum INTEGER PRIMARY KEY, blob BLOB);",
		".shell cp " + file + "-wal " + dir + "/pending", "PRAGMA wal_checkpoint(TRUNCATE);", ".shell cp " + file + "-wal " + dir + "/done", "",
	}, "\n"), sqlite, file)
	for name, want := range map[string]bool{"pending": true, "done": false} {
		if got := rpmdb.Pending(testdata(t, dir, name)); got != want {
			t.Errorf("%s: %t", name, got)
		}
	}
}

// TestRPM lets rpm build and install packages, of which one is of a module,
// and compares with what its own query says.
func TestRPM(t *testing.T) {
	build, rpm := tool(t, "rpmbuild"), tool(t, "rpm")
	dir := t.TempDir()
	for name, spec := range map[string]string{
		"nodejs": "Epoch: 1\nVersion: 18.16.1\nRelease: 1.module_el8.8.0+3600+aaaaaaaa\nModularityLabel: nodejs:18:8080020230926123456:63b34585\n",
		"bash":   "Version: 5.1.8\nRelease: 6.el9\n",
	} {
		spec = "Name: " + name + "\nSummary: x\nLicense: MIT\nBuildArch: noarch\n" + spec +
			"%description\nx\n%install\nmkdir -p %{buildroot}/usr/share/" + name + "\ntouch %{buildroot}/usr/share/" + name + "/a\n%files\n/usr/share/" + name + "\n"
		file := filepath.Join(dir, name+".spec")
		if err := os.WriteFile(file, []byte(spec), 0o600); err != nil {
			t.Fatal(err)
		}
		run(t, "", build, "-bb", "--define", "_topdir "+dir, file)
	}
	files, err := filepath.Glob(filepath.Join(dir, "RPMS/noarch/*.rpm"))
	if err != nil || len(files) != 2 {
		t.Fatalf("%v, %v", files, err)
	}
	db := []string{"--dbpath", filepath.Join(dir, "db"), "--define", "_db_backend sqlite"}
	run(t, "", rpm, slices.Concat(db, []string{"-i", "--justdb", "--nodeps", "--ignorearch"}, files)...)
	query := run(t, "", rpm, slices.Concat(db, []string{"-qa", "--qf", `%{NAME}|%|EPOCH?{%{EPOCH}}||%{VERSION}|%{RELEASE}|%{ARCH}|%{SOURCERPM}|%|MODULARITYLABEL?{%{MODULARITYLABEL}}||[%{FILENAMES} ]\n`})...)
	want := strings.Split(strings.TrimSuffix(query, "\n"), "\n")
	slices.Sort(want)
	packages, problems, err := rpmdb.Read(testdata(t, dir, "db/rpmdb.sqlite"))
	if err != nil || len(problems) > 0 {
		t.Fatalf("problems %v, error %v", problems, err)
	}
	var got []string
	for _, p := range packages {
		got = append(got, describe(p)+" ")
	}
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" || len(want) != 2 {
		t.Errorf("packages (-want +got):\n%s", diff)
	}
}
