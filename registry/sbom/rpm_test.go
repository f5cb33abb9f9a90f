package sbom

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/scantling/scantling/registry/image"
)

// TestRPMRoundTrip: packages of rpm come back as they were, with epoch, source
// and module.
func TestRPMRoundTrip(t *testing.T) {
	const layer = "sha256:1111111111111111111111111111111111111111111111111111111111111111"
	for name, inv := range map[string]*image.Inventory{
		"by binary": {
			OS: image.OS{ID: "almalinux", VersionID: "8.10", Name: "AlmaLinux 8.10 (Cerulean Leopard)", Ecosystem: "AlmaLinux:8"},
			Packages: []image.Package{{
				PURL: "pkg:rpm/almalinux/npm@9.5.1-1.module_el8?arch=x86_64&distro=almalinux-8.10&epoch=1&rpmmod=nodejs:18&upstream=nodejs-18.16.1-1.module_el8.src.rpm",
				Name: "npm", Version: "1:9.5.1-1.module_el8", Arch: "x86_64", Source: "npm", SourceVersion: "1:9.5.1-1.module_el8",
				Module: "nodejs:18", Ecosystem: "AlmaLinux:8", Layer: layer, Path: "/var/lib/rpm/Packages",
			}},
		},
		"by source": {
			OS: image.OS{ID: "rocky", VersionID: "9.2", Ecosystem: "Rocky Linux:9"},
			Packages: []image.Package{{
				PURL: "pkg:rpm/rocky/perl-Errno@1.30-480.el9?arch=x86_64&distro=rocky-9.2&upstream=perl-5.32.1-480.el9.src.rpm",
				Name: "perl-Errno", Version: "1.30-480.el9", Arch: "x86_64", Source: "perl", SourceVersion: "4:5.32.1-480.el9",
				Ecosystem: "Rocky Linux:9", Layer: layer, Path: "/var/lib/rpm/rpmdb.sqlite",
			}},
		},
		"a release that only the name tells": {
			OS: image.OS{ID: "openeuler", VersionID: "24.03", Name: "openEuler 24.03 (LTS-SP1)", Ecosystem: "openEuler:24.03-LTS-SP1"},
			Packages: []image.Package{{
				PURL: "pkg:rpm/openeuler/bash@5.2.15-9.oe2403sp1?arch=aarch64&distro=openeuler-24.03&upstream=bash-5.2.15-9.oe2403sp1.src.rpm",
				Name: "bash", Version: "5.2.15-9.oe2403sp1", Arch: "aarch64", Source: "bash", SourceVersion: "5.2.15-9.oe2403sp1",
				Ecosystem: "openEuler:24.03-LTS-SP1", Layer: layer, Path: "/usr/lib/sysimage/rpm/rpmdb.sqlite",
			}},
		},
	} {
		for _, format := range Formats {
			t.Run(name+" "+format, func(t *testing.T) {
				var buf bytes.Buffer
				if err := Write(&buf, format, inv, "devel"); err != nil {
					t.Fatal(err)
				}
				doc, err := parse(buf.Bytes())
				if err != nil {
					t.Fatal(err)
				}
				got := doc.inventory("f", "sha256:0")
				if diff := cmp.Diff(inv.Packages, got.Packages); diff != "" {
					t.Errorf("packages (-want +got):\n%s", diff)
				}
				if got.OS != inv.OS || len(got.Incomplete) > 0 {
					t.Errorf("OS %+v, incomplete %v", got.OS, got.Incomplete)
				}
			})
		}
	}
}

// TestRPMOfOthers: the ways in which other tools write what package URLs lack.
func TestRPMOfOthers(t *testing.T) {
	for name, tc := range map[string]struct{ component, want, incomplete string }{
		"Syft": {
			`"name": "perl-libs", "version": "4:5.32.1-480.el9", "purl": "pkg:rpm/rocky/perl-libs@5.32.1-480.el9?arch=x86_64&distro=rocky-9.2&epoch=4&upstream=perl-5.32.1-480.el9.src.rpm"`,
			"perl-libs 4:5.32.1-480.el9 perl 4:5.32.1-480.el9  Rocky Linux:9", "",
		},
		"Syft, a module": {
			`"name": "nodejs", "version": "1:18.1-1.module_el8", "purl": "pkg:rpm/almalinux/nodejs@18.1-1.module_el8?distro=almalinux-8.10&epoch=1&rpmmod=nodejs:18:8080020230926:63b34585"`,
			"nodejs 1:18.1-1.module_el8 nodejs 1:18.1-1.module_el8 nodejs:18 AlmaLinux:8", "",
		},
		"Trivy": {
			`"name": "npm", "version": "1:9.5-1.module+el8", "purl": "pkg:rpm/rocky/npm@9.5-1.module%2Bel8?distro=rocky-8.10&epoch=1", "properties": [
				{"name": "aquasecurity:trivy:SrcName", "value": "nodejs"}, {"name": "aquasecurity:trivy:SrcVersion", "value": "18.1"}, {"name": "aquasecurity:trivy:SrcRelease", "value": "1.module+el8"},
				{"name": "aquasecurity:trivy:SrcEpoch", "value": "1"}, {"name": "aquasecurity:trivy:Modularitylabel", "value": "nodejs:18:8080020230926:63b34585"}]`,
			"npm 1:9.5-1.module+el8 nodejs 1:18.1-1.module+el8 nodejs:18 Rocky Linux:8", "",
		},
		"no source": {
			`"name": "bash", "version": "5-1", "purl": "pkg:rpm/opensuse/bash@5-1?distro=opensuse-leap-15.6"`,
			"bash 5-1 bash 5-1  openSUSE:Leap 15.6", "names its source package",
		},
	} {
		t.Run(name, func(t *testing.T) {
			doc, err := parse([]byte(cdx(`{"type": "library", ` + tc.component + `}`)))
			if err != nil {
				t.Fatal(err)
			}
			inv := doc.inventory("f", "sha256:0")
			if len(inv.Packages) != 1 {
				t.Fatalf("packages %v", inv.Packages)
			}
			p := inv.Packages[0]
			if got := strings.Join([]string{p.Name, p.Version, p.Source, p.SourceVersion, p.Module, p.Ecosystem}, " "); got != tc.want {
				t.Errorf("got %q, want %q", got, tc.want)
			}
			if (tc.incomplete == "") != (len(inv.Incomplete) == 0) || tc.incomplete != "" && !strings.Contains(inv.Incomplete[0].Why, tc.incomplete) {
				t.Errorf("incomplete %v", inv.Incomplete)
			}
		})
	}
}
