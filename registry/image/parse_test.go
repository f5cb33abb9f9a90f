package image

import (
	"archive/tar"
	"bytes"
	"context"
	"fmt"
	"io"
	"path"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/scantling/scantling/oci/ocitest"
)

func TestEcosystem(t *testing.T) {
	for release, want := range map[string]string{
		debian12:                                   "Debian:12",
		"ID=debian\nVERSION_ID=\"6.0\"":            "Debian:6.0",
		"ID=debian\nPRETTY_NAME='Debian sid'":      "",
		"ID=ubuntu\nVERSION_ID=\"22.04\"":          "Ubuntu:22.04",
		"ID=alpine\nVERSION_ID=3.19.1":             "Alpine:v3.19",
		"ID=alpine\nVERSION_ID=3.21_alpha20240923": "",
		"ID=\"wolfi\"\nVERSION_ID=20230201":        "Wolfi",
		"ID=kali\nVERSION_ID=2024.1":               "",
		"# ID=debian\nnonsense":                    "",
		"ID=alp\\ine\nVERSION_ID=\"3.9.0\"":        "Alpine:v3.9",
		"":                                         "",
		alma8:                                      "AlmaLinux:8", rocky9: "Rocky Linux:9",
		"ID=rhel\nVERSION_ID=9.4\nPRETTY_NAME=\"Red Hat Enterprise Linux 9.4 (Plow)\"": "",
		"ID=fedora\nVERSION_ID=41":                            "",
		"ID=centos\nVERSION_ID=9":                             "",
		"ID=ol\nVERSION_ID=9.4":                               "",
		"ID=amzn\nVERSION_ID=2023":                            "",
		"ID=sles\nVERSION_ID=15.6":                            "",
		"ID=\"opensuse-leap\"\nVERSION_ID=\"15.6\"":           "openSUSE:Leap 15.6",
		"ID=\"opensuse-tumbleweed\"\nVERSION_ID=\"20260801\"": "openSUSE:Tumbleweed",
		"ID=mageia\nVERSION_ID=9":                             "Mageia:9",
		"ID=openEuler\nVERSION_ID=\"24.03\"\nPRETTY_NAME=\"openEuler 24.03 (LTS-SP1)\"": "openEuler:24.03-LTS-SP1",
		"ID=openEuler\nVERSION_ID=\"24.03\"\nPRETTY_NAME=\"openEuler 24.03 (LTS)\"":     "openEuler:24.03-LTS",
		"ID=openEuler\nVERSION_ID=\"23.09\"\nPRETTY_NAME=\"openEuler 23.09\"":           "openEuler:23.09",
		"ID=openEuler\nVERSION_ID=\"24.03\"":                                            "",
		"ID=photon\nVERSION_ID=5.0":                                                     "Photon OS:5.0",
		"ID=azurelinux\nVERSION_ID=3.0":                                                 "Azure Linux:3",
		"ID=almalinux\nVERSION_ID=\"9 beta\"":                                           "",
	} {
		if got := parseRelease([]byte(release)).Ecosystem; got != want {
			t.Errorf("%q: %q, want %q", release, got, want)
		}
	}
}

func TestGoVersion(t *testing.T) {
	for in, want := range map[string]string{
		"go1.22.1": "1.22.1", "go1.22": "1.22.0", "go1.21rc2": "1.21.0-rc.2", "go1.19beta1": "1.19.0-beta.1",
		"go1.22.5 X:boringcrypto": "1.22.5", "go1.20.12-fips": "1.20.12", "go1.18.5b7": "1.18.5",
		"devel go1.23-abc Mon": "devel_go1.23-abc_Mon",
	} {
		if got := goVersion(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

func TestPURL(t *testing.T) {
	debian, alpine := OS{ID: "debian", VersionID: "12"}, OS{ID: "alpine", VersionID: "3.19.1"}
	for want, tc := range map[string]struct {
		kind foundKind
		os   OS
		p    Package
	}{
		"pkg:deb/debian/attr@1:2.4.47-2%2Bb1?arch=amd64&distro=debian-12":       {foundDpkg, debian, Package{Name: "attr", Version: "1:2.4.47-2+b1", Arch: "amd64"}},
		"pkg:deb/debian/tar@1.34~rc1?distro=debian-12":                          {foundDpkg, debian, Package{Name: "tar", Version: "1.34~rc1"}},
		"pkg:deb/tar@1?arch=all":                                                {foundDpkg, OS{}, Package{Name: "tar", Version: "1", Arch: "all"}},
		"pkg:apk/alpine/libstdc%2B%2B@13.2-r0?arch=x86_64&distro=alpine-3.19.1": {foundApk, alpine, Package{Name: "libstdc++", Version: "13.2-r0", Arch: "x86_64"}},
		"pkg:golang/github.com/burntsushi/toml@v1.0.0%2Bincompatible":           {foundGo, debian, Package{Name: "github.com/BurntSushi/toml", Version: "v1.0.0+incompatible"}},
		"pkg:golang/example.com/x":                                              {foundGo, debian, Package{Name: "example.com/x"}},
		"pkg:golang/example.com/a%40b@%28devel%29":                              {foundGo, debian, Package{Name: "example.com/a@b", Version: "(devel)"}},
	} {
		if got := purl(tc.kind, tc.os, tc.p); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}

func TestWhiteout(t *testing.T) {
	for name, want := range map[string]string{
		"a/.wh.b": "a/b 4", "a/.wh..wh..opq": "a 5", ".wh..wh..opq": " 5", ".wh.x": "x 4",
		"a/.wh.": "a/.wh. 0", "a/.wh..": "a/.wh.. 0", "a/.wh...": "a/.wh... 0", "a/.wh..wh.plnk": "a/.wh..wh.plnk 0", "a/b": "no",
	} {
		got := "no"
		if e, ok := whiteout(name); ok {
			got = fmt.Sprintf("%s %d", e.path, e.kind)
		}
		if got != want {
			t.Errorf("%q: %q, want %q", name, got, want)
		}
	}
}

// formatDpkg and formatApk write packages in the form that the parsers read.
func formatDpkg(list []Package) string {
	var out strings.Builder
	for _, p := range list {
		fmt.Fprintf(&out, "Package: %s\nStatus: install ok installed\nArchitecture: %s\nSource: %s (%s)\nVersion: %s\n\n", p.Name, p.Arch, p.Source, p.SourceVersion, p.Version)
	}
	return out.String()
}

func formatApk(list []Package) string {
	var out strings.Builder
	for _, p := range list {
		fmt.Fprintf(&out, "P:%s\nV:%s\nA:%s\no:%s\n\n", p.Name, p.Version, p.Arch, p.Source)
	}
	return out.String()
}

// checkParser holds for every database: what is read is whole, and reading
// what is written from it gives the same.
func checkParser(t *testing.T, data []byte, parse func([]byte) ([]Package, []note), format func([]Package) string) {
	packages, notes := parse(data)
	if len(notes) > maxNotes+1 {
		t.Errorf("%d notes", len(notes))
	}
	for _, p := range packages {
		if !plainField(p.Name) || !plainField(p.Version) || !plainField(p.Source) || !plainField(p.SourceVersion) {
			t.Fatalf("package %+v", p)
		}
		if strings.ContainsAny(p.Source+p.SourceVersion, "()") {
			return // a form that Source itself can't carry
		}
	}
	again, notes := parse([]byte(format(packages)))
	if len(notes) > 0 || len(packages)+len(again) > 0 && !cmp.Equal(packages, again) {
		t.Errorf("notes %v: %s", notes, cmp.Diff(packages, again))
	}
}

func FuzzDpkg(f *testing.F) {
	f.Add([]byte(dpkgTwo))
	f.Add([]byte("Package: a\r\nVersion: 1\r\nsource: b ( 2 )\r\n\r\n:\n"))
	f.Fuzz(func(t *testing.T, data []byte) { checkParser(t, data, parseDpkg, formatDpkg) })
}

func FuzzApk(f *testing.F) {
	f.Add([]byte("P:busybox\nV:1.36.1-r5\nA:x86_64\no:busybox\nF:bin\nR:sh\n\nP:x\n\nQ\n"))
	f.Fuzz(func(t *testing.T, data []byte) { checkParser(t, data, parseApk, formatApk) })
}

func FuzzRelease(f *testing.F) {
	f.Add([]byte(debian12))
	f.Add([]byte("ID='a\\'b'\nVERSION_ID=\\"))
	f.Fuzz(func(t *testing.T, data []byte) {
		os := parseRelease(data)
		if os.ID != strings.ToLower(os.ID) || strings.ContainsAny(os.Name, "\n\x1b") || len(os.Name) > maxField {
			t.Errorf("%+v", os)
		}
		if os.Ecosystem != "" && os.ID == "" {
			t.Errorf("an ecosystem of no system: %+v", os)
		}
	})
}

// FuzzLayer: whatever the tar, reading ends, every path stays inside of the
// image and is clean, and what the merge counts is what it holds.
func FuzzLayer(f *testing.F) {
	f.Add(ocitest.Tar(file("etc/os-release", debian12), file("../x", "y"), file("a/.wh.b", ""), ocitest.Entry{Name: "l", Link: "/a", Type: tar.TypeSymlink}))
	f.Add(header("big", 10<<30))
	f.Add(ocitest.Tar(ocitest.Entry{Name: "h", Link: "../var/lib/dpkg/status", Type: tar.TypeLink}, file("var/lib/dpkg/status", dpkgTwo)))
	f.Fuzz(func(t *testing.T, data []byte) {
		s := newLayerScan(context.Background(), limits{layer: 1 << 20, binary: 1 << 16, database: 1 << 16, jar: 1 << 16, unpacked: 1 << 18, entries: 1000}, new(sync.Mutex))
		_ = s.stream(bytes.NewReader(data))
		if s.facts.bytes > 1<<20+1<<18+maxMetadata {
			t.Errorf("%d bytes read", s.facts.bytes)
		}
		for _, e := range s.facts.entries {
			if e.path != "" && path.Clean("/"+e.path) != "/"+e.path {
				t.Errorf("path %q", e.path)
			}
		}
		merged := newTree()
		merged.apply(0, s.facts)
		merged.apply(1, s.facts)
		files, programs := 0, 0
		merged.root.walk(func(v *vertex) {
			files++
			if _, ok := merged.carriers[v]; ok {
				programs++
			}
		})
		if files > 2*len(s.facts.entries) || programs != len(merged.carriers) || merged.links < 0 {
			t.Errorf("%d files, %d programs of %d, %d links, of %d entries", files, programs, len(merged.carriers), merged.links, len(s.facts.entries))
		}
	})
}

func TestContains(t *testing.T) {
	for _, tc := range []struct {
		size, at int
		want     bool
	}{{100, -1, false}, {100, 3, true}, {3 << 20, 1<<20 - 5, true}, {3 << 20, 2 << 20, true}, {1 << 20, 1<<20 - 14, true}} {
		data := make([]byte, tc.size)
		if tc.at >= 0 {
			copy(data[tc.at:], goMagic)
		}
		for name, r := range map[string]io.Reader{"whole": bytes.NewReader(data), "in pieces": iotestHalf{bytes.NewReader(data)}} {
			if got, err := contains(r, []byte("no such mark"), goMagic); err != nil || (got == 1) != tc.want {
				t.Errorf("%+v %s: %v, %v", tc, name, got, err)
			}
		}
	}
}

// iotestHalf returns half of what is asked.
type iotestHalf struct{ r io.Reader }

func (h iotestHalf) Read(p []byte) (int, error) { return h.r.Read(p[:(len(p)+1)/2]) }
