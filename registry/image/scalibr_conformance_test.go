package image

import (
	"archive/zip"
	"bytes"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// extractors finds the folder of the language extractors of osv-scalibr.
func extractors(t *testing.T) string {
	t.Helper()
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/google/osv-scalibr").Output()
	if err != nil {
		t.Skipf("the go command can't find the module with the test files: %v", err)
	}
	dir := filepath.Join(strings.TrimSpace(string(out)), "extractor/filesystem/language")
	if _, err := os.Stat(dir); err != nil {
		t.Skipf("no test files: %v", err)
	}
	return dir
}

func testdata(t *testing.T, path ...string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(path...))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func names(packages []Package) []string {
	var out []string
	for _, p := range packages {
		out = append(out, p.Name+" "+p.Version)
	}
	slices.Sort(out)
	return out
}

// TestScalibrPython compares with what the tests of wheelegg state.
func TestScalibrPython(t *testing.T) {
	dir := filepath.Join(extractors(t), "python/wheelegg/testdata")
	for name, want := range map[string]string{
		"distinfo_meta": "pip 22.2.2", "egginfo_pkginfo": "setuptools 57.4.0", "egginfo": "pycups 2.0.1", "pkginfo": "httplib2 0.20.4",
		"malformed_pkginfo": "passlib 1.7.4", "mixed_case": "httplib2 1.0", "special_chars": "backports.ssl_match_hostname 3.5.0.1",
		"pyopenssl-26.0.0.dist-info": "pyOpenSSL 26.0.0", "repeated_pkginfo": "root 1.0.0", "empty": "",
		"monotonic-1.6-py3.10.egg": "monotonic 1.6", "monotonic_no_pkginfo-1.6-py3.10.egg": "",
	} {
		t.Run(name, func(t *testing.T) {
			data := testdata(t, dir, name)
			var got []Package
			var notes []note
			if strings.HasSuffix(name, ".egg") {
				f := parseEgg(newArchive(defaultLimits()), inMemory(data))
				got, notes = f.packages, f.notes
			} else {
				got, notes = parsePython(data)
			}
			if strings.Join(names(got), ", ") != want || (want == "") != (len(notes) > 0) {
				t.Errorf("got %v, notes %v", names(got), notes)
			}
		})
	}
}

// TestScalibrNPM compares with what the tests of packagejson state. Those of
// files that aren't npm packages have no place here: the folder decides.
func TestScalibrNPM(t *testing.T) {
	dir := filepath.Join(extractors(t), "javascript/packagejson/testdata")
	for name, want := range map[string]string{
		"package.json": "testdata 10.46.8", "undici-package.json": "undici 5.28.3", "package-with-deps.json": "package-with-deps 1.2.3",
		"deps/accepts/package.json": "accepts 1.3.8", "deps/with/deps/acorn/package.json": "acorn 1.2.2", "invalid": "",
	} {
		t.Run(name, func(t *testing.T) {
			got, notes := parseNPM(testdata(t, dir, name))
			if strings.Join(names(got), ", ") != want || (want == "") != (len(notes) > 0) {
				t.Errorf("got %v, notes %v", names(got), notes)
			}
		})
	}
}

// TestScalibrJava compares with what the tests of java/archive state for what
// pom.properties tells. Guesses differ by design: a group isn't made of an
// artifact here, and a guess says that it is one.
func TestScalibrJava(t *testing.T) {
	dir := filepath.Join(extractors(t), "java/archive/testdata")
	simple := "com.some.package:package-name 1.2.3"
	for name, tc := range map[string]struct {
		want []string
		note string // a part of the first; "" none
	}{
		"empty.jar":                {nil, ""},
		"not_jar":                  {nil, "as a zip archive"},
		"invalid_jar.jar":          {nil, "as a zip archive"},
		"no_pom_properties.jar":    {nil, ""}, // it holds no class
		"pom_missing_group_id.jar": {nil, "no usable groupId"},
		"simple.jar":               {[]string{simple}, ""},
		"nested_at_10.jar":         {[]string{simple}, ""},
		"nested_at_100.jar":        {nil, "to a depth of 16"},
		"complex.jar":              {[]string{"com.some.anotherpackage:another-package-name 3.2.1", simple}, ""},
		"guava-31.1-jre.jar":       {[]string{"com.google.guava:guava 31.1-jre"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			f := parseJava(newArchive(defaultLimits()), name, inMemory(testdata(t, dir, name)), "")
			if diff := cmp.Diff(tc.want, names(f.packages)); diff != "" {
				t.Errorf("packages (-want +got):\n%s", diff)
			}
			if (tc.note == "") != (len(f.notes) == 0) || tc.note != "" && !strings.Contains(f.notes[0].why, tc.note) {
				t.Errorf("notes %v", f.notes)
			}
		})
	}
}

// TestScalibrGuesses takes guesses: those of manifests alone, put beside a
// class under a name that says nothing, and those of file names. Unlike there,
// Implementation-Vendor-Id goes before other names, because Maven writes the
// group into it.
func TestScalibrGuesses(t *testing.T) {
	dir := filepath.Join(extractors(t), "java/archive/testdata")
	for name, tc := range map[string]struct{ manifest, file, want string }{
		"symbolic name": {"manifest-symbolicname/MANIFEST.MF", "x.jar", "com.google.guava:failureaccess 1.0.1"},
		"group of the manifest, rest of the name": {"combine-manifest-filename/MANIFEST.MF", "no_pom_properties-2.4.0.jar", "org.apache:no_pom_properties 2.4.0"},
		"name with group":                         {"", "org.eclipse.sisu.inject-0.3.5.jar", "org.eclipse.sisu:org.eclipse.sisu.inject 0.3.5"},
		"no group":                                {"manifest-no-group-id/MANIFEST.MF", "no_pom_properties-2.4.0.jar", ""},
		"invalid":                                 {"invalid-ids/MANIFEST.MF", "x.jar", "test.group:x 1.2.3"},
	} {
		t.Run(name, func(t *testing.T) {
			members := []member{class}
			if tc.manifest != "" {
				members = append(members, member{"META-INF/MANIFEST.MF", string(testdata(t, dir, tc.manifest))})
			}
			f := parseJava(newArchive(defaultLimits()), tc.file, inMemory([]byte(jar(members...))), "")
			if got := strings.Join(names(f.packages), ", "); got != tc.want || len(f.notes) != 1 {
				t.Errorf("got %q, want %q, notes %v", got, tc.want, f.notes)
			}
		})
	}
}

// TestScalibrGuessOfGuava: without its pom.properties a real archive is still
// told by its manifest.
func TestScalibrGuessOfGuava(t *testing.T) {
	data := testdata(t, extractors(t), "java/archive/testdata/guava-31.1-jre.jar")
	r, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	members := []member{class}
	for _, f := range r.File {
		if f.Name == "META-INF/MANIFEST.MF" {
			body, err := f.Open()
			if err != nil {
				t.Fatal(err)
			}
			text, err := io.ReadAll(body)
			if err != nil {
				t.Fatal(err)
			}
			members = append(members, member{f.Name, string(text)})
		}
	}
	f := parseJava(newArchive(defaultLimits()), "guava-31.1-jre.jar", inMemory([]byte(jar(members...))), "")
	if got := strings.Join(names(f.packages), ", "); got != "com.google:guava 31.1-jre" && got != "com.google.guava:guava 31.1-jre" {
		t.Errorf("got %q, notes %v", got, f.notes)
	}
}
