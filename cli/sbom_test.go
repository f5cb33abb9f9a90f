package cli

import (
	"archive/zip"
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/scantling/scantling/oci/ocitest"
)

// languageImage is an image of an application: packages of three languages,
// and one of Python that Debian brought.
func languageImage(t *testing.T) ocitest.Image {
	t.Helper()
	var jar bytes.Buffer
	w := zip.NewWriter(&jar)
	f, err := w.Create("META-INF/maven/org.apache.logging.log4j/log4j-core/pom.properties")
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprint(f, "groupId=org.apache.logging.log4j\nartifactId=log4j-core\nversion=2.14.1\n")
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return ocitest.Image{Names: []string{"registry.example/app:1"}, Layers: [][]byte{ocitest.Tar(
		ocitest.Entry{Name: "etc/os-release", Body: "ID=debian\nVERSION_ID=\"12\"\n"},
		ocitest.Entry{Name: "var/lib/dpkg/status", Body: "Package: python3-requests\nStatus: install ok installed\nSource: requests\nVersion: 2.20.0+dfsg-1\n\n"},
		ocitest.Entry{Name: "var/lib/dpkg/info/python3-requests.list", Body: "/usr/lib/python3/dist-packages/requests-2.20.0.egg-info\n"},
		ocitest.Entry{Name: "usr/lib/python3/dist-packages/requests-2.20.0.egg-info", Body: "Name: requests\nVersion: 2.20.0\n"},
	), ocitest.Tar(
		ocitest.Entry{Name: "app/node_modules/lodash/package.json", Body: `{"name": "lodash", "version": "4.17.20"}`},
		ocitest.Entry{Name: "app/venv/Flask_Cors-1.0.0.dist-info/METADATA", Body: "Name: Flask_Cors\nVersion: 1.0.0\n"},
		ocitest.Entry{Name: "app/app.jar", Body: jar.String()},
	)}}
}

// languageFeed has one advisory for each package, and one that would be wrong.
func languageFeed(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	put(t, dir, "ecosystems.txt", "Debian\nMaven\nnpm\nPyPI\n")
	put(t, dir, "kev/known_exploited_vulnerabilities.json", `{"vulnerabilities": [{"cveID": "CVE-1999-1"}]}`)
	for _, r := range []struct{ ecosystem, id, name, kind, fixed string }{
		{"npm", "GHSA-1", "lodash", "SEMVER", "4.17.21"},
		{"PyPI", "PYSEC-1", "flask-cors", "ECOSYSTEM", "1.0.1"},
		{"PyPI", "PYSEC-2", "requests", "ECOSYSTEM", "2.31.0"},
		{"Maven", "GHSA-2", "org.apache.logging.log4j:log4j-core", "ECOSYSTEM", "2.15.0"},
		{"Debian:12", "DSA-1", "other", "ECOSYSTEM", "1"},
	} {
		base, _, _ := strings.Cut(r.ecosystem, ":")
		put(t, dir, base+"/"+r.id+".json", fmt.Sprintf(`{"id": %q, "modified": "2999-01-01T00:00:00Z", "affected": [{"package": {"ecosystem": %q, "name": %q},
			"ranges": [{"type": %q, "events": [{"introduced": "0"}, {"fixed": %q}]}]}]}`, r.id, r.ecosystem, r.name, r.kind, r.fixed))
	}
	return dir
}

// TestLanguagesMatch: each package meets its advisory, and the file of the
// Debian package meets none.
func TestLanguagesMatch(t *testing.T) {
	layout := t.TempDir()
	if _, err := ocitest.Write(layout, languageImage(t)); err != nil {
		t.Fatal(err)
	}
	feed := languageFeed(t)
	want := []string{
		"pkg:maven/org.apache.logging.log4j/log4j-core@2.14.1 GHSA-2 2.15.0", "pkg:npm/lodash@4.17.20 GHSA-1 4.17.21", "pkg:pypi/flask-cors@1.0.0 PYSEC-1 1.0.1",
	}
	inputs := []string{layout}
	for _, format := range []string{"cyclonedx", "spdx"} {
		r := run(t, "", "image", layout, "--sbom", format)
		if r.code != exitClean || r.err != "" {
			t.Fatalf("--sbom %s: exit code %d, %s", format, r.code, r.err)
		}
		dir := t.TempDir()
		put(t, dir, format, r.out)
		inputs = append(inputs, filepath.Join(dir, format))
	}
	for _, input := range inputs {
		r := run(t, "", "image", input, "--advisories", feed, "--format", "json", "--fail-on", "medium")
		doc := decode[struct {
			judged
			Matches []struct{ Package, Advisory, Fixed string }
		}](t, r)
		var got []string
		for _, m := range doc.Matches {
			got = append(got, m.Package+" "+m.Advisory+" "+m.Fixed)
		}
		slices.Sort(got)
		if diff := cmp.Diff(want, got); diff != "" || len(doc.Incomplete) > 0 || r.code != exitFound {
			t.Errorf("%s: exit code %d, incomplete %v, matches (-want +got):\n%s", input, r.code, doc.Incomplete, diff)
		}
	}
}

func TestSBOMOfSeveralImages(t *testing.T) {
	layout := t.TempDir()
	other := languageImage(t)
	other.Layers = other.Layers[:1]
	if _, err := ocitest.Write(layout, languageImage(t), other); err != nil {
		t.Fatal(err)
	}
	r := run(t, "", "image", layout, "--sbom", "spdx")
	if r.code != exitFailed || r.out != "" || !strings.Contains(r.err, "describes one image, and here are 2") {
		t.Errorf("exit code %d, %q, %s", r.code, r.out, r.err)
	}
}

// TestSBOMOfAnImageAtHand: assess counts an image once whose bill lies beside
// it.
func TestSBOMOfAnImageAtHand(t *testing.T) {
	estate := t.TempDir()
	if _, err := ocitest.Write(filepath.Join(estate, "image"), languageImage(t)); err != nil {
		t.Fatal(err)
	}
	put(t, estate, "app.cdx.json", run(t, "", "image", filepath.Join(estate, "image"), "--sbom", "cyclonedx").out)
	doc := decode[struct {
		Stages []struct {
			Stage string
			Read  int
		}
	}](t, run(t, "", "assess", estate, "--format", "json"))
	for _, s := range doc.Stages {
		if s.Stage == "registry" && s.Read != 1 {
			t.Errorf("%d images", s.Read)
		}
	}
	put(t, estate, "broken.spdx.json", `{"spdxVersion": "SPDX-9"}`)
	r := run(t, "", "assess", estate, "--format", "json")
	if r.code != exitIncomplete || !strings.Contains(r.out, `\"SPDX-9\" is not read`) {
		t.Errorf("exit code %d, %.300s", r.code, r.out)
	}
}

// A file that is named as nothing else is has to be read as a bill of
// materials, so that a broken one is told.
func TestBrokenSBOMs(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{"a.cdx.json": `{"bomFormat"`, "b.spdx.json": "\xff\xfe{\x00", "c.cdx.xml": "<bom>", "d.spdx": "", "bom.json": "{}"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	f, err := discover(t.Context(), dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, missed := readSBOMs(f.sboms, nil); len(missed) != 4 {
		t.Errorf("incomplete %v, want four", missed)
	}
}
