package advisory

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/scantling/scantling/registry/image"
)

// TestLanguageOrders: the versions of one line are in their order, or one
// version where "=" stands between them.
func TestLanguageOrders(t *testing.T) {
	for ecosystem, lines := range map[string][]string{
		"RubyGems": {
			"1.0.a < 1.0.b1 < 1.0.b2 < 1.0.rc1 < 1.0 < 1.0.1.pre < 1.0.1 < 1.10", "1 = 1.0 = 1.0.0", "1.0-rc1 = 1.0.pre.rc1", "1.0-rc1 < 1.0",
			"2.0.9 < 2.0.9.1 < 2.1",
		},
		"NuGet":     {"1.0.0-alpha < 1.0.0-beta.2 < 1.0.0-beta.10 < 1.0.0 < 1.0.0.1 < 1.0.1", "1.0 = 1.0.0 = 1.0.0.0 = 1.0.0+commit", "1.0-RC1 = 1.0-rc1"},
		"crates.io": {"0.2.7 < 0.2.22 < 0.2.23-rc.1 < 0.2.23 < 1.0.0-alpha < 1.0.0", "1.0.0 = 1.0.0+build"},
		"Packagist": {
			"1.0-dev < 1.0-alpha1 < 1.0-b1 < 1.0-beta2 < 1.0-RC1 < 1.0 < 1.0-p1 < 1.0.1", "1 = 1.0 = v1.0.0 = V1.0.0.0 = 1.0-stable = 1.0+build",
			"1.0a = 1.0.0-alpha", "1.0-rc1 = 1.0.RC1", "1.0.0-beta1-dev < 1.0.0-beta1", "v5.4.9 < 5.4.19 < v5.4.20",
		},
	} {
		o, err := orderOf(ecosystem, "ECOSYSTEM")
		if err != nil {
			t.Fatal(err)
		}
		for _, line := range lines {
			words := strings.Fields(line)
			for i := 0; i+2 < len(words); i += 2 {
				a, err1 := o.parse(words[i])
				b, err2 := o.parse(words[i+2])
				if err1 != nil || err2 != nil || !a.exact || !b.exact {
					t.Errorf("%s: %q or %q isn't taken for a version: %v, %v", ecosystem, words[i], words[i+2], err1, err2)
					continue
				}
				want := map[string]int{"<": -1, "=": 0}[words[i+1]]
				c, err1 := a.compare(b)
				back, err2 := b.compare(a)
				if c != want || back != -want || err1 != nil || err2 != nil {
					t.Errorf("%s: %s and %s: %d, %d, want %s; %v, %v", ecosystem, words[i], words[i+2], c, back, words[i+1], err1, err2)
				}
			}
		}
	}
	for ecosystem, texts := range map[string][]string{
		"RubyGems": {"latest", "1..2", "v1.0", "1.0_1"}, "NuGet": {"v1.0", "1.0.0.0.0", "1.*", "[1.0,2.0)"},
		"Packagist": {"dev-main", "1.x-dev", "9999999-dev.1", "2.0.x", "1.0-foo", "1.2.3.4.5"}, "crates.io": {"1.2.3.4", "^1.0", "x"},
	} {
		for _, text := range texts {
			if v, err := (order{ecosystem}).parse(text); err == nil && v.exact {
				t.Errorf("%s: %q is taken for a version", ecosystem, text)
			}
		}
	}
}

// TestScalibrOrders runs the comparisons that the library's tests state, which
// are those of the package managers themselves: every line whose two versions
// have the form of their ecosystem has to agree, and the rate of those lines
// must not fall. Those of Packagist follow PHP, which Composer does only after
// it has filled up the numbers and written the words of stability alike: lines
// whose two sides have as many numbers and the usual words are taken. Of RPM
// few name a release, as packages and advisories do.
func TestScalibrOrders(t *testing.T) {
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/google/osv-scalibr").Output()
	if err != nil {
		t.Skipf("the go command can't find the module with the test files: %v", err)
	}
	for _, tt := range []struct {
		file, ecosystem string
		rate            float64 // of the lines, that are compared
	}{
		{"alpine-versions", "Alpine", 0.95},
		{"alpine-versions-generated", "Alpine", 1},
		{"cran-versions", "CRAN", 1},
		{"cran-versions-generated", "CRAN", 1},
		{"debian-versions", "Debian", 1},
		{"debian-versions-generated", "Debian", 1},
		{"hackage-versions", "Hackage", 1},
		{"maven-versions", "Maven", 1},
		{"maven-versions-generated", "Maven", 1},
		{"nuget-versions", "NuGet", 1},
		{"packagist-versions", "Packagist", 0.6},
		{"packagist-versions-generated", "Packagist", 0.85},
		{"pub-versions", "Pub", 1},
		{"pypi-versions", "PyPI", 1},
		{"pypi-versions-generated", "PyPI", 1},
		{"redhat-versions", "AlmaLinux", 0.11},
		{"rubygems-versions", "RubyGems", 0.92},
		{"rubygems-versions-generated", "RubyGems", 1},
		{"semver-versions", "crates.io", 0.98},
	} {
		t.Run(tt.file, func(t *testing.T) {
			f, err := os.Open(filepath.Join(strings.TrimSpace(string(out)), "semantic/testdata", tt.file+".txt"))
			if err != nil {
				t.Skipf("no test files: %v", err)
			}
			defer f.Close()
			compared, left := scalibrLines(t, f, tt.ecosystem)
			rate := float64(compared) / float64(compared+left)
			t.Logf("%d of %d compared (%.1f%%)", compared, compared+left, 100*rate)
			if rate < tt.rate {
				t.Errorf("%d of %d compared: less than %.0f%%", compared, compared+left, 100*tt.rate)
			}
		})
	}
}

// scalibrLines compares the lines of one file and counts those of other forms.
func scalibrLines(t *testing.T, r io.Reader, ecosystem string) (compared, left int) {
	o := order{ecosystem}
	for lines := bufio.NewScanner(r); lines.Scan(); {
		words := strings.Fields(lines.Text())
		if len(words) != 3 || strings.HasPrefix(words[0], "#") || strings.HasPrefix(words[0], "//") {
			continue
		}
		a, err1 := o.parse(words[0])
		b, err2 := o.parse(words[2])
		if err1 != nil || err2 != nil || !a.exact || !b.exact || ecosystem == "Packagist" && (phpOnly(lines.Text()) || numbers(words[0]) != numbers(words[2])) {
			left++
			continue
		}
		c, err := a.compare(b)
		if want := map[string]int{"<": -1, "=": 0, ">": 1}[words[1]]; c != want || err != nil {
			t.Errorf("%s: %d, %v", lines.Text(), c, err)
		}
		compared++
	}
	return compared, left
}

// phpOnly reports whether a line has words that PHP and Composer take
// differently: in capitals, and "stable".
func phpOnly(line string) bool {
	rest := strings.ReplaceAll(line, "RC", "")
	return strings.ToLower(rest) != rest || strings.Contains(rest, "stable")
}

// numbers counts the leading numbers of a version of Composer.
func numbers(text string) (n int) {
	for _, part := range composerForm.FindStringSubmatch(text)[1:5] {
		if part != "" {
			n++
		}
	}
	return n
}

// ranged writes an OSV document whose ranges are "INTRODUCED FIXED".
func ranged(id, ecosystem, name, kind string, versions string, ranges ...string) string {
	var events []string
	for _, r := range ranges {
		from, to, _ := strings.Cut(r, " ")
		events = append(events, fmt.Sprintf(`{"type":%q,"events":[{"introduced":%q},{"fixed":%q}]}`, kind, from, to))
	}
	if versions == "" {
		versions = "[]"
	}
	return fmt.Sprintf(`{"id":%q,"modified":%q,"affected":[{"package":{"ecosystem":%q,"name":%q},"ranges":[%s],"versions":%s}]}`, id, day2, ecosystem, name, strings.Join(events, ","), versions)
}

// TestLanguageRecords matches what inventories say with records as their
// databases write them.
func TestLanguageRecords(t *testing.T) {
	dir := folder(t, map[string]string{
		kevFile:            kevJSON,
		"RubyGems/all.zip": zipped("GHSA-hxqx-xwvh-44m2.json", ranged("GHSA-hxqx-xwvh-44m2", "RubyGems", "rack", "ECOSYSTEM", "", "1.2 2.0.9.1", "2.1.0 2.1.4.1", "2.2.0 2.2.3.1")),
		"Packagist/all.zip": zipped("GHSA-h7vf-5wrv-9fhv.json", ranged("GHSA-h7vf-5wrv-9fhv", "Packagist", "symfony/http-kernel", "ECOSYSTEM",
			`["v5.4.18", "v5.4.19", "v6.0.0-BETA1"]`, "2.0.0 4.4.50", "5.0.0 5.4.20", "6.0.0 6.0.20")),
		"NuGet/all.zip": zipped("GHSA-5crp-9r3c-p9vr.json", ranged("GHSA-5crp-9r3c-p9vr", "NuGet", "Newtonsoft.Json", "ECOSYSTEM", "", "0 13.0.1"),
			"GHSA-x.json", ranged("GHSA-x", "NuGet", "Microsoft.NetCore.App.Runtime.linux-x64", "ECOSYSTEM", "", "8.0.0 8.0.4")),
		"crates.io/all.zip": zipped("RUSTSEC-2020-0071.json", ranged("RUSTSEC-2020-0071", "crates.io", "time", "SEMVER", "", "0.2.0-0 0.2.23"),
			"RUSTSEC-y.json", ranged("RUSTSEC-y", "crates.io", "serde_cbor", "SEMVER", "", "0.0.0-0 0.10.2")),
	})
	db, incomplete, err := Load(context.Background(), dir, All)
	if err != nil || len(incomplete) > 0 {
		t.Fatalf("incomplete %v, error %v", incomplete, err)
	}
	for _, tc := range []struct{ ecosystem, name, version, want string }{
		{"RubyGems", "rack", "2.2.3", "GHSA-hxqx-xwvh-44m2 2.2.3.1"},
		{"RubyGems", "rack", "2.2.3.1", ""},
		{"RubyGems", "rack", "2.2.0.rc1", ""},
		{"RubyGems", "rack", "1.1", ""},
		{"RubyGems", "Rack", "2.2.3", ""},
		{"Packagist", "symfony/http-kernel", "5.4.19", "GHSA-h7vf-5wrv-9fhv 5.4.20"},
		{"Packagist", "symfony/http-kernel", "5.0", "GHSA-h7vf-5wrv-9fhv 5.4.20"},
		{"Packagist", "symfony/http-kernel", "5.0.0-RC1", ""},
		{"Packagist", "symfony/http-kernel", "v6.0.0-beta1", "GHSA-h7vf-5wrv-9fhv 6.0.20"},
		{"Packagist", "symfony/http-kernel", "5.4.20", ""},
		{"Packagist", "symfony/http-kernel", "dev-main", "unknown"},
		{"Packagist", "symfony/http-kernel", "5.4.x-dev", "unknown"},
		{"NuGet", "newtonsoft.json", "12.0.3", "GHSA-5crp-9r3c-p9vr 13.0.1"},
		{"NuGet", "Newtonsoft.Json", "13.0.1", ""},
		{"NuGet", "Newtonsoft.Json", "13.0.1-beta1", "GHSA-5crp-9r3c-p9vr 13.0.1"},
		{"NuGet", "Microsoft.NETCore.App.Runtime.linux-x64", "8.0.1", "GHSA-x 8.0.4"},
		{"NuGet", "Microsoft.NETCore.App.Runtime.linux-musl-x64", "8.0.1", ""},
		{"crates.io", "time", "0.2.7", "RUSTSEC-2020-0071 0.2.23"},
		{"crates.io", "time", "0.2.23", ""},
		{"crates.io", "time", "0.1.45", ""},
		{"crates.io", "serde-cbor", "0.10.1", "RUSTSEC-y 0.10.2"},
	} {
		inv := &image.Inventory{Digest: "sha256:x", Name: "x", Packages: []image.Package{{
			PURL: "pkg:x", Name: tc.name, Version: tc.version, Source: tc.name, SourceVersion: tc.version, Ecosystem: tc.ecosystem, Path: "/p",
		}}}
		found, unknown := db.Match(inv)
		got := ""
		for _, w := range found {
			got += w.Advisory + " " + w.Fixed
		}
		if len(unknown) > 0 {
			got += "unknown"
		}
		if got != tc.want {
			t.Errorf("%s %s %s: %q, want %q; %v", tc.ecosystem, tc.name, tc.version, got, tc.want, unknown)
		}
	}
}

// TestMirrorCrates matches crates with the mirror's records.
func TestMirrorCrates(t *testing.T) {
	_, mirror := corpora(t)
	db := sharedDB(t, mirror)
	for _, tc := range []struct{ name, version, advisory string }{
		{"time", "0.2.7", "RUSTSEC-2020-0071"}, {"serde_yaml", "0.8.3", "RUSTSEC-2018-0005"}, {"openssl-src", "111.0.0", "RUSTSEC-2021-0055"},
	} {
		inv := &image.Inventory{Digest: "sha256:x", Name: "x", Packages: []image.Package{{
			PURL: "pkg:x", Name: tc.name, Version: tc.version, Source: tc.name, SourceVersion: tc.version, Ecosystem: "crates.io",
		}}}
		found, unknown := db.Match(inv)
		var ids []string
		for _, w := range found {
			ids = append(ids, w.Advisory)
		}
		if !strings.Contains(strings.Join(ids, " "), tc.advisory) || len(unknown) > 0 {
			t.Errorf("%s %s: %v, unknown %v", tc.name, tc.version, ids, unknown)
		}
	}
}
