package rpmdb_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/scantling/scantling/registry/image/rpmdb"
)

// databases finds the folder of real databases that osv-scalibr tests with.
func databases(t testing.TB) string {
	t.Helper()
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/google/osv-scalibr").Output()
	if err != nil {
		t.Skipf("the go command can't find the module with the test files: %v", err)
	}
	dir := filepath.Join(strings.TrimSpace(string(out)), "extractor/filesystem/os/rpm/testdata")
	if _, err := os.Stat(dir); err != nil {
		t.Skipf("no test files: %v", err)
	}
	return dir
}

func testdata(t testing.TB, path ...string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(path...))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// line is a package in the form of the query "%{NAME} %{EPOCH} …" of rpm.
func line(p rpmdb.Package) string {
	return strings.Join([]string{p.Name, p.Epoch, p.Version, p.Release, p.Arch, p.SourceRPM}, "|")
}

// TestScalibrDatabases reads databases of real images, and compares their
// number of packages and the first by name with what rpm itself said of them,
// as the tests of osv-scalibr state it.
func TestScalibrDatabases(t *testing.T) {
	dir := databases(t)
	for name, tc := range map[string]struct {
		packages int
		first    []string
		files    int // of all packages, as "rpm -qal" of rpm 4.18 lists them; that of ndb is this reader's own count
	}{
		"Packages.db": {137, []string{
			"aaa_base||84.87+git20180409.04c9dae|150300.10.3.1|x86_64|aaa_base-84.87+git20180409.04c9dae-150300.10.3.1.src.rpm",
			"bash-sh||4.4|150400.25.22|x86_64|bash-4.4-150400.25.22.src.rpm",
			"bash||4.4|150400.25.22|x86_64|bash-4.4-150400.25.22.src.rpm",
		}, 4133},
		"Packages": {148, []string{
			"acl||2.2.51|15.el7|x86_64|acl-2.2.51-15.el7.src.rpm",
			"audit-libs||2.8.5|4.el7|x86_64|audit-2.8.5-4.el7.src.rpm",
			"basesystem||10.0|7.el7.centos|noarch|basesystem-10.0-7.el7.centos.src.rpm",
		}, 26042},
		"rpmdb.sqlite": {141, []string{
			"alternatives||1.20|2.el9|x86_64|chkconfig-1.20-2.el9.src.rpm",
			"audit-libs||3.0.7|103.el9|x86_64|audit-3.0.7-103.el9.src.rpm",
			"basesystem||11|13.el9|noarch|basesystem-11-13.el9.src.rpm",
		}, 28126},
		"Packages_epoch": {1, []string{"hello|1|0.0.1|rls|x86_64|hello-0.0.1-rls.src.rpm"}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			packages, problems, err := rpmdb.Read(testdata(t, dir, name))
			if err != nil || len(problems) > 0 {
				t.Fatalf("problems %v, error %v", problems, err)
			}
			var lines []string
			files := 0
			for _, p := range packages {
				lines = append(lines, line(p))
				if err := p.Files(func(string) { files++ }); err != nil {
					t.Errorf("%s: %v", p.Name, err)
				}
			}
			slices.Sort(lines)
			if diff := cmp.Diff(tc.first, lines[:len(tc.first)]); diff != "" {
				t.Errorf("packages (-want +got):\n%s", diff)
			}
			if len(lines) != tc.packages || files != tc.files {
				t.Errorf("%d packages with %d files, want %d with %d", len(lines), files, tc.packages, tc.files)
			}
		})
	}
}

// TestScalibrBroken: what is no database says so, and a corrupt one ends soon
// with problems.
func TestScalibrBroken(t *testing.T) {
	dir := databases(t)
	for _, name := range []string{"empty.sqlite", "invalid", "timeout/Packages"} {
		t.Run(name, func(t *testing.T) {
			packages, problems, err := rpmdb.Read(testdata(t, dir, name))
			if err == nil && len(problems) == 0 {
				t.Errorf("%d packages and no problem", len(packages))
			}
		})
	}
}
