package sbom

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/scantling/scantling/model"
	"github.com/scantling/scantling/registry/image"
)

func TestParsePURL(t *testing.T) {
	for text, want := range map[string]string{
		"pkg:npm/%40babel/core@7.0.0":                        "npm|@babel/core|7.0.0|",
		"pkg:npm/@babel/core@7.0.0":                          "npm|@babel/core|7.0.0|",
		"pkg:npm/@babel/core":                                "npm|@babel/core||",
		"pkg:maven/org.apache/commons@1.0?type=jar#x":        "maven|org.apache:commons|1.0|type=jar",
		"PKG:Deb/debian/libssl3@1:3.0%2Bx?distro=debian-12":  "deb|libssl3|1:3.0+x|distro=debian-12",
		"pkg:golang/github.com/BurntSushi/toml@v1.0.0#cmd":   "golang|github.com/BurntSushi/toml|v1.0.0|",
		"pkg://pypi/django@3":                                "pypi|django|3|",
		"pkg:apk/alpine/x@1?upstream=a%401&arch=x86_64":      "apk|x|1|upstream=a@1 arch=x86_64",
		"pkg:generic/openssl@1.1?download_url=https://a/b@c": "generic|openssl|1.1|download_url=https://a/b@c",
		"cpe:2.3:a":       "no package URL",
		"pkg:npm":         "no type or no name",
		"pkg:npm/":        "no type or no name",
		"pkg:npm/a%zz":    "invalid URL escape",
		"pkg:npm/a%0ab@1": "control characters",
		"pkg:npm/" + strings.Repeat("a", maxPURL): "bytes",
	} {
		p, err := parsePURL(text)
		got := fmt.Sprint(err)
		if err == nil {
			var q []string
			for _, key := range []string{"type", "distro", "upstream", "arch", "download_url"} {
				if v := p.qualifiers[key]; v != "" {
					q = append(q, key+"="+v)
				}
			}
			got = strings.Join([]string{p.kind, p.fullName(), p.version, strings.Join(q, " ")}, "|")
		}
		if got != want && (err == nil || !strings.Contains(got, want)) {
			t.Errorf("%s: %s, want %s", text, got, want)
		}
	}
}

func TestDistribution(t *testing.T) {
	for _, tc := range []struct{ namespace, qualifier, want string }{
		{"debian", "debian-12", "Debian:12"},
		{"debian", "debian-12.4", "Debian:12"},
		{"debian", "bookworm", "Debian:12"},
		{"debian", "debian-bookworm", "Debian:12"},
		{"debian", "12", "Debian:12"},
		{"", "ubuntu-22.04", "Ubuntu:22.04"},
		{"ubuntu", "jammy", "Ubuntu:22.04"},
		{"debian", "jammy", "none"},
		{"alpine", "alpine-3.19.1", "Alpine:v3.19"},
		{"alpine", "v3.19", "Alpine:v3.19"},
		{"almalinux", "almalinux-9.3", "AlmaLinux:9"},
		{"debian", "debian-sid", "none"},
		{"", "12", "none"},
		{"debian", "", "none"},
		{"fedora", "fedora-39", ""},
	} {
		os, ok := distribution(tc.namespace, tc.qualifier)
		got := os.Ecosystem
		if !ok {
			got = "none"
		}
		if got != tc.want {
			t.Errorf("%s %s: %q, want %q", tc.namespace, tc.qualifier, got, tc.want)
		}
	}
}

// cdx wraps components in a document.
func cdx(components string) string {
	return `{"bomFormat": "CycloneDX", "specVersion": "1.5", "version": 1, "components": [` + components + `]}`
}

func spdxDoc(packages string) string {
	return `{"spdxVersion": "SPDX-2.3", "SPDXID": "SPDXRef-DOCUMENT", "name": "x", "packages": [` + packages + `]}`
}

func ref(name, version, purl string) string {
	return fmt.Sprintf(`{"name": %q, "SPDXID": "SPDXRef-%s", "versionInfo": %q, "externalRefs": [{"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl", "referenceLocator": %q}]}`, name, name, version, purl)
}

const cdxXML = `<?xml version="1.0"?>
<bom xmlns="http://cyclonedx.org/schema/bom/1.4" version="1">
  <metadata><component type="container"><name>shop/web</name><version>2</version></component></metadata>
  <components>
    <component type="operating-system"><name>alpine</name><version>3.19.1</version></component>
    <component type="library"><name>busybox</name><version>1.36</version><purl>pkg:apk/alpine/busybox@1.36?upstream=busybox</purl></component>
  </components>
</bom>`

const tagValue = `SPDXVersion: SPDX-2.2
DataLicense: CC0-1.0
SPDXID: SPDXRef-DOCUMENT
DocumentName: shop
# comment
Relationship: SPDXRef-DOCUMENT DESCRIBES SPDXRef-root
PackageName: shop
SPDXID: SPDXRef-root
PackageName: lodash
SPDXID: SPDXRef-1
PackageVersion: 4.17.20
PackageComment: <text>two
PackageName: not-one
lines</text>
ExternalRef: PACKAGE-MANAGER purl pkg:npm/lodash@4.17.20
PackageChecksum: SHA256: 5a
FileName: ./x
SPDXID: SPDXRef-file
PackageName: bare
SPDXID: SPDXRef-2
`

func TestRead(t *testing.T) {
	deb := `{"type": "library", "name": "libssl3", "version": "3.0.11-1", "purl": "pkg:deb/debian/libssl3@3.0.11-1?arch=amd64&%sdistro=debian-12"}`
	for name, tc := range map[string]struct {
		text       string
		want       []string // name, version, source, version of it, ecosystem
		incomplete []string
	}{
		"languages": {
			cdx(`{"type": "library", "name": "core", "group": "@babel", "version": "7.0.0", "purl": "pkg:npm/%40babel/core@7.0.0"},
				{"type": "library", "name": "PyYAML", "version": "6.0", "purl": "pkg:pypi/pyyaml@6.0"},
				{"type": "library", "group": "org.apache.logging.log4j", "name": "log4j-core", "version": "2.14.1", "purl": "pkg:maven/org.apache.logging.log4j/log4j-core@2.14.1?type=jar"},
				{"type": "library", "name": "github.com/BurntSushi/toml", "version": "v1.0.0", "purl": "pkg:golang/github.com/burntsushi/toml@v1.0.0"},
				{"type": "application", "name": "stdlib", "version": "go1.22.1", "purl": "pkg:golang/stdlib@go1.22.1"},
				{"type": "library", "name": "x", "version": "9", "purl": "pkg:generic/x"}`),
			[]string{
				"github.com/BurntSushi/toml v1.0.0 github.com/BurntSushi/toml v1.0.0 Go", "stdlib 1.22.1 stdlib 1.22.1 Go",
				"org.apache.logging.log4j:log4j-core 2.14.1 org.apache.logging.log4j:log4j-core 2.14.1 Maven",
				"PyYAML 6.0 pyyaml 6.0 PyPI", "x 9 x 9 generic", "@babel/core 7.0.0 @babel/core 7.0.0 npm",
			},
			nil,
		},
		"more languages": {
			cdx(`{"type": "library", "name": "nokogiri", "version": "1.15.4-x86_64-linux", "purl": "pkg:gem/nokogiri@1.15.4-x86_64-linux"},
				{"type": "library", "group": "Symfony", "name": "http-kernel", "version": "v5.4.19", "purl": "pkg:composer/symfony/http-kernel@v5.4.19", "hashes": [{"alg": "SHA-256", "content": "` + strings.Repeat("5a", 32) + `"}]},
				{"type": "library", "name": "Newtonsoft.Json", "version": "12.0.3", "purl": "pkg:nuget/Newtonsoft.Json@12.0.3"},
				{"type": "library", "name": "serde_json", "version": "1.0.1", "purl": "pkg:cargo/serde_json@1.0.1"}`),
			[]string{
				"Newtonsoft.Json 12.0.3 Newtonsoft.Json 12.0.3 NuGet", "Symfony/http-kernel v5.4.19 symfony/http-kernel 5.4.19 Packagist",
				"nokogiri 1.15.4-x86_64-linux nokogiri 1.15.4 RubyGems", "serde_json 1.0.1 serde_json 1.0.1 crates.io",
			},
			nil,
		},
		"source packages": {
			cdx(fmt.Sprintf(deb, "upstream=openssl%403.0.11-1&") + `, {"type": "library", "name": "bash", "version": "5.2", "purl": "pkg:deb/debian/bash@5.2?distro=debian-12"},
				{"type": "library", "name": "libc6", "version": "2.36-9", "purl": "pkg:deb/debian/libc6@2.36-9?distro=debian-12&epoch=1", "properties": [{"name": "aquasecurity:trivy:SrcName", "value": "glibc"},
				{"name": "aquasecurity:trivy:SrcVersion", "value": "2.36"}, {"name": "aquasecurity:trivy:SrcRelease", "value": "9"}, {"name": "aquasecurity:trivy:SrcEpoch", "value": "1"}]}`),
			[]string{"bash 5.2 bash 5.2 Debian:12", "libc6 1:2.36-9 glibc 1:2.36-9 Debian:12", "libssl3 3.0.11-1 openssl 3.0.11-1 Debian:12"},
			nil,
		},
		"no source package": {
			cdx(fmt.Sprintf(deb, "")),
			[]string{"libssl3 3.0.11-1 libssl3 3.0.11-1 Debian:12"},
			[]string{"no package of the system names its source package (upstream=), by which advisories go: those that have another name are not matched (1 packages)"},
		},
		"system of the document": {
			cdx(`{"type": "operating-system", "name": "debian", "version": "12", "properties": [{"name": "x", "value": "y"}]},
				{"type": "library", "name": "a", "version": "1", "purl": "pkg:deb/debian/a@1?upstream=b"},
				{"type": "library", "name": "c", "version": "1", "purl": "pkg:deb/ubuntu/c@1?upstream=c"}`),
			[]string{"c 1 c 1 ", "a 1 b 1 Debian:12"},
			nil,
		},
		"what can't be used": {
			cdx(`{"type": "library", "name": "a", "version": "1"}, {"type": "library", "name": "b", "purl": "pkg:npm/b"},
				{"type": "library", "name": "c", "version": "1", "purl": "npm/c"}, {"type": "file", "name": "/etc/x"},
				{"type": "application", "name": "app/package-lock.json", "properties": [{"name": "aquasecurity:trivy:Class", "value": "lang-pkgs"}]},
				{"type": "library", "name": "d", "version": "1", "purl": "pkg:npm/d@1", "components": [{"type": "library", "name": "e", "version": "2", "purl": "pkg:npm/e@2"}]}`),
			[]string{"d 1 d 1 npm", "e 2 e 2 npm"},
			[]string{`component "a 1": it has no package URL`, `component "b": it has no version`, `component "c 1": "npm/c" is no package URL`},
		},
		"empty":           {cdx(""), nil, []string{"lists no packages"}},
		"said to lack":    {strings.Replace(cdx(`{"type": "library", "name": "d", "version": "1", "purl": "pkg:npm/d@1"}`), `"version": 1,`, `"version": 1, "compositions": [{"aggregate": "incomplete"}],`, 1), []string{"d 1 d 1 npm"}, []string{"says of itself"}},
		"XML":             {cdxXML, []string{"busybox 1.36 busybox 1.36 Alpine:v3.19"}, nil},
		"SPDX":            {spdxDoc(ref("a", "1", "pkg:npm/a@1") + "," + ref("b", "^1", "pkg:npm/b")), []string{"a 1 a 1 npm", "b ^1 b ^1 npm"}, nil},
		"SPDX of Trivy":   {spdxDoc(strings.Replace(ref("libssl3", "3", "pkg:deb/debian/libssl3@3?distro=debian-12"), `{`, `{"sourceInfo": "built package from: openssl 3.0-1", `, 1)), []string{"libssl3 3 openssl 3.0-1 Debian:12"}, nil},
		"SPDX system":     {spdxDoc(`{"name": "alpine", "SPDXID": "SPDXRef-os", "versionInfo": "3.19.1", "primaryPackagePurpose": "OPERATING-SYSTEM"},` + ref("a", "1", "pkg:apk/alpine/a@1?upstream=b")), []string{"a 1 b 1 Alpine:v3.19"}, nil},
		"SPDX no purl":    {spdxDoc(`{"name": "a", "SPDXID": "SPDXRef-a", "versionInfo": "1"}`), nil, []string{`component "a 1": it has no package URL`}},
		"tag-value":       {tagValue, []string{"lodash 4.17.20 lodash 4.17.20 npm"}, []string{`component "bare": it has no package URL`}},
		"export":          {`{"sbom": ` + spdxDoc(ref("a", "1", "pkg:npm/a@1")) + `}`, []string{"a 1 a 1 npm"}, nil},
		"statement":       {`{"_type": "https://in-toto.io/Statement/v0.1", "predicateType": "https://cyclonedx.org/bom", "predicate": ` + cdx(`{"type": "library", "name": "d", "version": "1", "purl": "pkg:npm/d@1"}`) + `}`, []string{"d 1 d 1 npm"}, nil},
		"byte order mark": {"\xef\xbb\xbf" + cdx(`{"type": "library", "name": "d", "version": "1", "purl": "pkg:npm/d@1"}`), []string{"d 1 d 1 npm"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			doc, err := parse([]byte(tc.text))
			if err != nil {
				t.Fatal(err)
			}
			inv := doc.inventory("f", "sha256:0")
			var got []string
			for _, p := range inv.Packages {
				got = append(got, strings.Join([]string{p.Name, p.Version, p.Source, p.SourceVersion, p.Ecosystem}, " "))
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("packages (-want +got):\n%s", diff)
			}
			if len(inv.Incomplete) != len(tc.incomplete) {
				t.Fatalf("incomplete %v, want %q", inv.Incomplete, tc.incomplete)
			}
			for i, want := range tc.incomplete {
				if got := inv.Incomplete[i].What + ": " + inv.Incomplete[i].Why; !strings.Contains(got, want) {
					t.Errorf("incomplete %q, want %q", got, want)
				}
			}
		})
	}
}

func TestRefused(t *testing.T) {
	for text, want := range map[string]string{
		"":   ": neither CycloneDX nor SPDX",
		"{}": ": neither CycloneDX nor SPDX",
		`{"@context": "https://spdx.org/rdf/3.0.1/spdx-context.jsonld", "@graph": []}`:                      ": SPDX 3 is not read",
		`{"spdxVersion": "SPDX-2.1", "SPDXID": "x"}`:                                                        `: "SPDX-2.1" is not read`,
		"{\"spdxVersion\": \"SPDX-2.3\",\n\"packages\": [\n{\"name\": 1}]}":                                 ":3: json: cannot unmarshal number",
		"{\"bomFormat\": \"CycloneDX\",\n\"specVersion\": \"9.9\"}":                                         ": this version of CycloneDX is not known",
		"{\"bomFormat\": \"CycloneDX\",\n\"specVersion\": \"1.5\",\n,":                                      ":3: invalid character",
		`{"bomFormat": "Other", "specVersion": "1.5"}`:                                                      `: bomFormat "Other"`,
		"<bom xmlns=\"http://cyclonedx.org/schema/bom/1.4\">\n<a>\n</bom>":                                  ":3: element <a> closed by </bom>",
		`<bom xmlns="http://cyclonedx.org/schema/bom/9.9"></bom>`:                                           ": this version of CycloneDX is not known",
		"SPDXVersion: SPDX-2.3\nPackageComment: <text>x":                                                    ":2: <text> without </text>",
		"SPDXVersion: SPDX-2.3\nnonsense":                                                                   ":2: not a \"Tag: value\" line",
		"spdxVersion: SPDX-2.3\n":                                                                           "not as RDF or YAML",
		`<rdf:RDF xmlns:spdx="http://spdx.org/rdf/terms#">`:                                                 "not as RDF or YAML",
		cdx(strings.Repeat("null,", maxObjects) + "null"):                                                   "objects; a bill of materials is read up to",
		`{"bomFormat": "CycloneDX", "specVersion": "1.5", "x": [0` + strings.Repeat(",0", maxCommas) + "]}": "commas; a bill of materials is read up to",
		cdx(strings.Repeat("{},", maxObjects) + "{}"):                                                       "objects; a bill of materials is read up to",
		`{"predicate": {"predicate": {"bomFormat": "CycloneDX"}}}`:                                          ": neither",
	} {
		_, err := parse([]byte(text))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.80s: error %v, want %q", text, err, want)
		}
	}
}

func TestDetect(t *testing.T) {
	dir := t.TempDir()
	for name, tc := range map[string]struct {
		text string
		want bool
	}{
		"a.cdx.json": {cdx(""), true}, "b.json": {spdxDoc(""), true}, "c.spdx": {tagValue, true}, "d.xml": {cdxXML, true},
		"package.json": {`{"name": "x", "version": "1"}`, false}, "empty": {"", false}, "pod.yaml": {"apiVersion: v1\nkind: Pod\n", false},
	} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(tc.text), 0o600); err != nil {
			t.Fatal(err)
		}
		if got, err := Detect(path); err != nil || got != tc.want {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
	if got, err := Detect(dir); err != nil || got {
		t.Errorf("a folder: %v, %v", got, err)
	}
	if _, err := Detect(filepath.Join(dir, "none")); !os.IsNotExist(err) {
		t.Errorf("no file: %v", err)
	}
	for name, want := range map[string]bool{"a.cdx.json": true, "bom.json": true, "BOM.xml": true, "x.spdx": true, "abom.json": false, "spdx.json": false} {
		if is, _ := IsName(name); is != want {
			t.Errorf("%s: %v", name, !want)
		}
	}
}

// TestSubject: digest, names and layers come from what the document is about.
func TestSubject(t *testing.T) {
	digest := "sha256:" + strings.Repeat("ab", 32)
	for name, tc := range map[string]struct{ text, name, digest, aliases string }{
		"Syft": {
			strings.Replace(cdx(""), `"version": 1,`, `"version": 1, "metadata": {"component": {"type": "container", "name": "shop/web:1", "version": "`+digest+`"}},`, 1),
			"shop/web:1", digest, "shop/web:1",
		},
		"Trivy": {
			strings.Replace(cdx(""), `"version": 1,`, `"version": 1, "metadata": {"component": {"type": "container", "name": "shop/web:1", "purl": "pkg:oci/web@`+strings.Replace(digest, ":", "%3A", 1)+`", "properties": [{"name": "aquasecurity:trivy:RepoTag", "value": "shop/web:1"}, {"name": "aquasecurity:trivy:RepoTag", "value": "shop/web:one"}]}},`, 1),
			"shop/web:1", digest, "shop/web:1 shop/web:one",
		},
		"tag as version": {cdxXML, "shop/web", "sha256:0", "shop/web shop/web:2"},
		"none":           {cdx(""), "f", "sha256:0", ""},
	} {
		t.Run(name, func(t *testing.T) {
			doc, err := parse([]byte(tc.text))
			if err != nil {
				t.Fatal(err)
			}
			inv := doc.inventory("f", "sha256:0")
			if inv.Name != tc.name || inv.Digest != tc.digest || strings.Join(inv.Aliases, " ") != tc.aliases {
				t.Errorf("%s %s %v", inv.Name, inv.Digest, inv.Aliases)
			}
		})
	}
}

// sample has packages of every kind that images are read for.
func sample() *image.Inventory {
	layer := func(c string) string { return "sha256:" + strings.Repeat(c, 64) }
	inv := &image.Inventory{
		Digest: layer("0"), Name: "shop/web:1", Aliases: []string{"shop/web:1", "shop/web@" + layer("0")},
		Config: image.Config{Created: time.Date(2026, 8, 1, 12, 0, 0, 0, time.FixedZone("", 3600))},
		OS:     image.OS{ID: "debian", VersionID: "12", Name: "Debian GNU/Linux 12 (bookworm)", Ecosystem: "Debian:12"},
		Layers: []image.Layer{{DiffID: layer("1")}, {DiffID: layer("2")}},
		Packages: []image.Package{
			{PURL: "pkg:deb/debian/libssl3@3.0.11-1~deb12u1%2Bb1?arch=amd64&distro=debian-12", Name: "libssl3", Version: "3.0.11-1~deb12u1+b1", Arch: "amd64", Source: "openssl", SourceVersion: "3.0.11-1~deb12u1", Ecosystem: "Debian:12", Layer: layer("1"), Path: "/var/lib/dpkg/status"},
			{PURL: "pkg:golang/github.com/burntsushi/toml@v1.0.0", Name: "github.com/BurntSushi/toml", Version: "v1.0.0", Source: "github.com/BurntSushi/toml", SourceVersion: "v1.0.0", Ecosystem: "Go", Layer: layer("2"), Path: "/bin/app <x&y>", SHA256: strings.Repeat("5a", 32)},
			{PURL: "pkg:golang/stdlib@1.22.1", Name: "stdlib", Version: "1.22.1", Source: "stdlib", SourceVersion: "1.22.1", Ecosystem: "Go", Layer: layer("2"), Path: "/bin/app <x&y>"},
			{PURL: "pkg:maven/org.x/Y@1", Name: "org.x:Y", Version: "1", Source: "org.x:Y", SourceVersion: "1", Ecosystem: "Maven", Layer: layer("2"), Path: "/a.jar"},
			{PURL: "pkg:nuget/Newtonsoft.Json@12.0.3", Name: "Newtonsoft.Json", Version: "12.0.3", Source: "Newtonsoft.Json", SourceVersion: "12.0.3", Ecosystem: "NuGet", Layer: layer("2"), Path: "/a.deps.json"},
			{PURL: "pkg:composer/sym/kernel@5.4", Name: "Sym/Kernel", Version: "5.4", Source: "sym/kernel", SourceVersion: "5.4", Ecosystem: "Packagist", Layer: layer("2"), Path: "/vendor/composer/installed.json"},
			{PURL: "pkg:pypi/zope-interface@5.4", Name: "Zope.Interface", Version: "5.4", Source: "zope-interface", SourceVersion: "5.4", Ecosystem: "PyPI", Layer: layer("2"), Path: "/x.dist-info/METADATA"},
			{PURL: "pkg:gem/nokogiri@1.13.0?platform=x86_64-linux", Name: "nokogiri", Version: "1.13.0", Arch: "x86_64-linux", Source: "nokogiri", SourceVersion: "1.13.0", Ecosystem: "RubyGems", Layer: layer("2"), Path: "/specifications/nokogiri.gemspec"},
			{PURL: "pkg:cargo/serde_json@1.0.1", Name: "serde_json", Version: "1.0.1", Source: "serde_json", SourceVersion: "1.0.1", Ecosystem: "crates.io", Layer: layer("2"), Path: "/bin/rust"},
			{PURL: "pkg:npm/%40Types/node@1.0.0", Name: "@Types/node", Version: "1.0.0", Source: "@Types/node", SourceVersion: "1.0.0", Ecosystem: "npm", Layer: layer("2"), Path: "/node_modules/@Types/node/package.json"},
			{PURL: "pkg:npm/JSONStream@1.3.5", Name: "JSONStream", Version: "1.3.5", Source: "JSONStream", SourceVersion: "1.3.5", Ecosystem: "npm", Layer: layer("2"), Path: "/node_modules/JSONStream/package.json"},
		},
		Incomplete: []model.Incomplete{{What: "shop/web:1 /lib.jar", Why: "a Java archive that doesn't say what it is"}},
	}
	return inv
}

// TestRoundTrip: what is written is read back as the same packages, and twice
// gives the same bytes.
func TestRoundTrip(t *testing.T) {
	for _, format := range Formats {
		t.Run(format, func(t *testing.T) {
			want := sample()
			var first, second bytes.Buffer
			for _, w := range []*bytes.Buffer{&first, &second} {
				if err := Write(w, format, want, "devel"); err != nil {
					t.Fatal(err)
				}
			}
			if first.String() != second.String() {
				t.Error("two documents of one inventory differ")
			}
			doc, err := parse(first.Bytes())
			if err != nil {
				t.Fatal(err)
			}
			got := doc.inventory("f", "sha256:0")
			want.Incomplete = []model.Incomplete{{What: "shop/web:1", Why: "/lib.jar: a Java archive that doesn't say what it is"}}
			want.Config, want.File, want.Bill = image.Config{}, "f", true
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("read back (-written +read):\n%s", diff)
			}
		})
	}
}
