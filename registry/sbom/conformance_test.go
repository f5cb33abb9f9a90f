package sbom

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	spdxjson "github.com/spdx/tools-golang/json"
	"github.com/spdx/tools-golang/spdx"
	"github.com/spdx/tools-golang/spdxlib"
	"github.com/spdx/tools-golang/tagvalue"

	"github.com/scantling/scantling/registry/image"
)

// purls of a document as SPDX's own library reads it, sorted.
func purls(doc *spdx.Document) []string {
	var out []string
	for _, p := range doc.Packages {
		for _, r := range p.PackageExternalReferences {
			if r.RefType == "purl" {
				out = append(out, p.PackageName+" "+r.Locator)
				break
			}
		}
	}
	slices.Sort(out)
	return out
}

// ours are the same as this package reads it, before anything is left out.
func ours(t *testing.T, data []byte) []string {
	t.Helper()
	doc, err := parse(data)
	if err != nil {
		t.Fatal(err)
	}
	all := slices.Clone(doc.components)
	if doc.subject != nil {
		all = append(all, *doc.subject)
	}
	var out []string
	for _, c := range all {
		if c.purl != "" {
			out = append(out, c.name+" "+c.purl)
		}
	}
	slices.Sort(out)
	return out
}

// TestWrittenSPDX: SPDX's own library reads what is written, finds it valid
// and sees the same packages.
func TestWrittenSPDX(t *testing.T) {
	var buf bytes.Buffer
	inv := sample()
	if err := Write(&buf, SPDX, inv, "devel"); err != nil {
		t.Fatal(err)
	}
	doc, err := spdxjson.Read(bytes.NewReader(buf.Bytes()))
	if err != nil {
		t.Fatal(err)
	}
	if err := spdxlib.ValidateDocument(doc); err != nil {
		t.Error(err)
	}
	var want []string
	for _, p := range inv.Packages {
		want = append(want, p.Name+" "+p.PURL)
	}
	slices.Sort(want)
	if diff := cmp.Diff(want, purls(doc)); diff != "" {
		t.Errorf("packages (-written +read by the library):\n%s", diff)
	}
	if diff := cmp.Diff(want, ours(t, buf.Bytes())); diff != "" {
		t.Errorf("packages (-written +read):\n%s", diff)
	}
	for _, p := range doc.Packages {
		if sums := p.PackageChecksums; (p.PackageName == "github.com/BurntSushi/toml") != (len(sums) == 1 && sums[0].Algorithm == "SHA256" && len(sums[0].Value) == 64) {
			t.Errorf("%s: checksums %v", p.PackageName, sums)
		}
	}
	if doc.CreationInfo.Created != "2026-08-01T11:00:00Z" || doc.DataLicense != "CC0-1.0" || doc.DocumentNamespace == "" {
		t.Errorf("document %+v", doc)
	}
	// The same as tag-value text.
	buf.Reset()
	if err := tagvalue.Write(doc, &buf); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, ours(t, buf.Bytes())); diff != "" {
		t.Errorf("packages of tag-value text (-written +read):\n%s", diff)
	}
}

// TestWrittenCycloneDX checks the fields that the 1.6 schema requires; that
// the library writes the others by the schema is its own test.
func TestWrittenCycloneDX(t *testing.T) {
	var buf bytes.Buffer
	if err := Write(&buf, CycloneDX, sample(), "devel"); err != nil {
		t.Fatal(err)
	}
	var doc struct {
		Format     string                              `json:"bomFormat"`
		Version    string                              `json:"specVersion"`
		Components []struct{ Type, Name, Purl string } `json:"components"`
	}
	if err := json.Unmarshal(buf.Bytes(), &doc); err != nil {
		t.Fatal(err)
	}
	if doc.Format != "CycloneDX" || doc.Version != "1.6" || len(doc.Components) != len(sample().Packages)+1 {
		t.Errorf("document %+v", doc)
	}
	for _, c := range doc.Components {
		if c.Type == "" || c.Name == "" || (c.Purl == "") != (c.Type == "operating-system") {
			t.Errorf("component %+v", c)
		}
	}
}

// scalibr finds the documents that osv-scalibr ships for its tests.
func scalibr(t *testing.T) string {
	t.Helper()
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/google/osv-scalibr").Output()
	if err != nil {
		t.Skipf("the go command can't find the module with the test files: %v", err)
	}
	dir := filepath.Join(strings.TrimSpace(string(out)), "extractor/filesystem/sbom")
	if _, err := os.Stat(dir); err != nil {
		t.Skipf("no test files: %v", err)
	}
	return dir
}

// TestScalibrSPDX compares with SPDX's own library on those documents.
func TestScalibrSPDX(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(scalibr(t), "spdx/testdata/*.spdx*"))
	if err != nil {
		t.Fatal(err)
	}
	compared := 0
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var doc *spdx.Document
		switch sniff(data) {
		case shapeJSON:
			doc, err = spdxjson.Read(bytes.NewReader(data))
		case shapeTags:
			doc, err = tagvalue.Read(bytes.NewReader(data))
		default:
			continue
		}
		if err != nil {
			t.Logf("%s: not read by the library: %v", filepath.Base(file), err)
			continue
		}
		compared++
		if diff := cmp.Diff(purls(doc), ours(t, data)); diff != "" {
			t.Errorf("%s (-library +read):\n%s", filepath.Base(file), diff)
		}
	}
	t.Logf("%d documents", compared)
	if compared < 8 {
		t.Errorf("only %d documents", compared)
	}
}

// TestScalibrCycloneDX compares with what the tests of its extractor state.
// It takes components with a CPE alone; here they are incomplete.
func TestScalibrCycloneDX(t *testing.T) {
	dir := filepath.Join(scalibr(t), "cdx/testdata")
	for name, want := range map[string]struct {
		packages   []string
		incomplete int
	}{
		"sbom.cdx.json":                   {[]string{"openssl 1.1.1"}, 1},
		"sbom.bom.json":                   {[]string{"openssl 1.1.1"}, 1},
		"sbom.cdx.xml":                    {[]string{"openssl 1.1.1"}, 1},
		"sbom.bom.xml":                    {[]string{"openssl 1.1.1"}, 1},
		"sbom-with-nested-comps.cdx.json": {[]string{"rustls 0.23.13", "openssl 1.1.1"}, 1},
		"sbom-with-locations.cdx.json":    {[]string{"@gar/promisify 1.1.3"}, 0},
		"sbom-gem-platform.cdx.json":      {[]string{"nokogiri 1.19.3", "nokogiri 1.19.3", "nokogiri 1.19.3"}, 0},
	} {
		inv, err := Read(filepath.Join(dir, name))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		var got []string
		for _, p := range inv.Packages {
			got = append(got, p.Source+" "+p.SourceVersion)
		}
		if diff := cmp.Diff(want.packages, got); diff != "" || len(inv.Incomplete) != want.incomplete {
			t.Errorf("%s: incomplete %v, packages (-stated +read):\n%s", name, inv.Incomplete, diff)
		}
	}
}

// FuzzParse: whatever the document, reading ends; what is read is whole, and
// both formats carry it.
func FuzzParse(f *testing.F) {
	f.Add([]byte(cdx(`{"type": "library", "name": "PyYAML", "version": "6.0", "purl": "pkg:pypi/pyyaml@6.0", "components": [{"type": "file"}]}`)))
	f.Add([]byte(cdxXML))
	f.Add([]byte(tagValue))
	f.Add([]byte(spdxDoc(ref("a", "1", "pkg:deb/debian/a@1?distro=debian-12&upstream=b@2") + ", null")))
	f.Add([]byte(`{"sbom": ` + spdxDoc("") + `}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		doc, err := parse(data)
		if err != nil {
			if !strings.HasPrefix(err.Error(), ":") {
				t.Errorf("error %q names no place", err)
			}
			return
		}
		inv := doc.inventory("f", "sha256:0")
		if len(inv.Packages) == 0 && len(inv.Incomplete) == 0 {
			t.Error("nothing, and no reason")
		}
		for _, p := range inv.Packages {
			if p.PURL == "" || p.Name == "" || p.Version == "" || p.Source == "" || !printable(p.Name+p.Version+p.Source+p.SourceVersion) {
				t.Errorf("package %+v", p)
			}
		}
		for _, format := range Formats {
			var buf bytes.Buffer
			if err := Write(&buf, format, inv, "devel"); err != nil {
				t.Fatal(err)
			}
			again, err := parse(buf.Bytes())
			if err != nil {
				t.Fatalf("%s: %v\n%s", format, err, buf.Bytes())
			}
			if got, want := keys(again.inventory("f", "sha256:0")), keys(inv); !slices.Equal(got, want) {
				t.Errorf("%s: read back %q, want %q", format, got, want)
			}
		}
	})
}

func keys(inv *image.Inventory) []string {
	var out []string
	for _, p := range inv.Packages {
		out = append(out, strings.ToValidUTF8(p.PURL, "\ufffd"))
	}
	slices.Sort(out)
	return slices.Compact(out)
}
