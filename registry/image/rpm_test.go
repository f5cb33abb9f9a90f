package image

import (
	"archive/tar"
	"encoding/binary"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/scantling/scantling/oci/ocitest"
	"github.com/scantling/scantling/registry/image/rpmdb/rpmdbtest"
)

const (
	alma8  = "ID=\"almalinux\"\nVERSION_ID=\"8.10\"\nPRETTY_NAME=\"AlmaLinux 8.10 (Cerulean Leopard)\"\n"
	rocky9 = "ID=\"rocky\"\nVERSION_ID=\"9.2\"\nPRETTY_NAME=\"Rocky Linux 9.2 (Blue Onyx)\"\n"
)

var (
	rpmBash = rpmdbtest.Package{Name: "bash", Version: "4.4.20", Release: "5.el8", Arch: "x86_64", SourceRPM: "bash-4.4.20-5.el8.src.rpm"}
	rpmNode = rpmdbtest.Package{
		Name: "nodejs", Epoch: 1, Version: "18.16.1", Release: "1.module_el8.8.0+3600+aaaaaaaa", Arch: "x86_64",
		SourceRPM: "nodejs-18.16.1-1.module_el8.8.0+3600+aaaaaaaa.src.rpm", Module: "nodejs:18:8080020230926123456:63b34585",
	}
	// npm is of the source nodejs and has its own version.
	rpmNPM = rpmdbtest.Package{
		Name: "npm", Epoch: 1, Version: "9.5.1", Release: "1.18.16.1.1.module_el8.8.0+3600+aaaaaaaa", Arch: "x86_64",
		SourceRPM: "nodejs-18.16.1-1.module_el8.8.0+3600+aaaaaaaa.src.rpm", Module: "nodejs:18:8080020230926123456:63b34585",
		Files: []string{"/usr/lib/node_modules/npm/package.json", "/usr/lib/node_modules/npm/bin/npm"},
	}
	rpmKey = rpmdbtest.Package{Name: "gpg-pubkey", Version: "ced7258b", Release: "6525146f", Arch: "(none)"}
)

// ndb is a database of packages; the other forms are read by the same code
// from there on.
func ndb(list ...rpmdbtest.Package) string { return string(rpmdbtest.NDB(headers(list)...)) }

func headers(list []rpmdbtest.Package) (out [][]byte) {
	for _, p := range list {
		out = append(out, p.Header())
	}
	return out
}

func TestInventoryRPM(t *testing.T) {
	list := []rpmdbtest.Package{rpmBash, rpmNode, rpmNPM, rpmKey}
	for place, data := range map[string][]byte{
		"var/lib/rpm/Packages":              rpmdbtest.Berkeley(binary.LittleEndian, headers(list)...),
		"usr/lib/sysimage/rpm/Packages.db":  rpmdbtest.NDB(headers(list)...),
		"usr/share/rpm/rpmdb.sqlite":        rpmdbtest.SQLite(headers(list)...),
		"usr/lib/sysimage/rpm/rpmdb.sqlite": rpmdbtest.SQLite(headers(list)...),
		"var/lib/rpm/Packages.db":           rpmdbtest.NDB(headers(list)...),
		"usr/lib/sysimage/rpm/Packages":     rpmdbtest.Berkeley(binary.BigEndian, headers(list)...),
		"var/lib/rpm/rpmdb.sqlite":          rpmdbtest.SQLite(headers(list)...),
		"usr/share/rpm/Packages":            rpmdbtest.Berkeley(binary.LittleEndian, headers(list)...),
	} {
		t.Run(place, func(t *testing.T) {
			inv := read(t, &Reader{}, layers(ocitest.Tar(file("etc/os-release", alma8), file(place, string(data)))))
			layer := inv.Layers[0].DiffID
			node := "18.16.1-1.module_el8.8.0%2B3600%2Baaaaaaaa"
			want := []Package{
				{
					PURL: "pkg:rpm/almalinux/bash@4.4.20-5.el8?arch=x86_64&distro=almalinux-8.10&upstream=bash-4.4.20-5.el8.src.rpm",
					Name: "bash", Version: "4.4.20-5.el8", Arch: "x86_64", Source: "bash", SourceVersion: "4.4.20-5.el8",
					Ecosystem: "AlmaLinux:8", Layer: layer, Path: "/" + place,
				},
				{
					PURL: "pkg:rpm/almalinux/nodejs@" + node + "?arch=x86_64&distro=almalinux-8.10&epoch=1&rpmmod=nodejs:18&upstream=nodejs-" + node + ".src.rpm",
					Name: "nodejs", Version: "1:18.16.1-1.module_el8.8.0+3600+aaaaaaaa", Arch: "x86_64",
					Source: "nodejs", SourceVersion: "1:18.16.1-1.module_el8.8.0+3600+aaaaaaaa", Module: "nodejs:18",
					Ecosystem: "AlmaLinux:8", Layer: layer, Path: "/" + place,
				},
				{
					PURL: "pkg:rpm/almalinux/npm@9.5.1-1.18.16.1.1.module_el8.8.0%2B3600%2Baaaaaaaa?arch=x86_64&distro=almalinux-8.10&epoch=1&rpmmod=nodejs:18&upstream=nodejs-" + node + ".src.rpm",
					Name: "npm", Version: "1:9.5.1-1.18.16.1.1.module_el8.8.0+3600+aaaaaaaa", Arch: "x86_64",
					Source: "npm", SourceVersion: "1:9.5.1-1.18.16.1.1.module_el8.8.0+3600+aaaaaaaa", Module: "nodejs:18",
					Ecosystem: "AlmaLinux:8", Layer: layer, Path: "/" + place,
				},
			}
			if diff := cmp.Diff(want, inv.Packages); diff != "" {
				t.Errorf("packages (-want +got):\n%s", diff)
			}
			if len(inv.Incomplete) > 0 {
				t.Errorf("incomplete %v", inv.Incomplete)
			}
		})
	}
}

// TestRPMSource: where advisories go by source packages, these have the epoch
// of the package that shares their version, whatever the others have.
func TestRPMSource(t *testing.T) {
	errno := rpmdbtest.Package{Name: "perl-Errno", Version: "1.30", Release: "480.el9", Arch: "x86_64", SourceRPM: "perl-5.32.1-480.el9.src.rpm"}
	libs := rpmdbtest.Package{Name: "perl-libs", Epoch: 4, Version: "5.32.1", Release: "480.el9", Arch: "x86_64", SourceRPM: "perl-5.32.1-480.el9.src.rpm"}
	inv := read(t, &Reader{}, layers(ocitest.Tar(file("etc/os-release", rocky9), file("var/lib/rpm/Packages.db", ndb(errno, libs)))))
	var got []string
	for _, p := range inv.Packages {
		got = append(got, p.Name+" "+p.Version+" of "+p.Source+" "+p.SourceVersion+" in "+p.Ecosystem)
	}
	want := []string{
		"perl-Errno 1.30-480.el9 of perl 4:5.32.1-480.el9 in Rocky Linux:9",
		"perl-libs 4:5.32.1-480.el9 of perl 4:5.32.1-480.el9 in Rocky Linux:9",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("packages (-want +got):\n%s", diff)
	}
}

// alma is a layer of AlmaLinux 8.
func alma(entries ...ocitest.Entry) []byte {
	return ocitest.Tar(append(entries, file("etc/os-release", alma8))...)
}

func TestRPMCases(t *testing.T) {
	npmJSON := file("usr/lib/node_modules/npm/package.json", npm("npm", "9.5.1"))
	upgraded := rpmBash
	upgraded.Release = "6.el8"
	broken := rpmBash.Header()
	binary.BigEndian.PutUint32(broken[4:], 1<<20)
	journal := "\xd9\xd5\x05\xf9\x20\xa1\x63\xd7" + strings.Repeat("\x00", 504)
	sqlite := string(rpmdbtest.SQLite(rpmBash.Header()))
	bash := "0 bash 4.4.20-5.el8 "
	for name, tc := range map[string]struct {
		layers     [][]byte
		want       []string
		incomplete []string
	}{
		"an upgrade in a layer above": {
			[][]byte{
				alma(file("var/lib/rpm/Packages.db", ndb(rpmBash, rpmNPM))),
				alma(file("var/lib/rpm/Packages.db", ndb(upgraded, rpmNPM, rpmNode))),
			},
			[]string{
				"1 bash 4.4.20-6.el8 /var/lib/rpm/Packages.db", "1 nodejs 1:18.16.1-1.module_el8.8.0+3600+aaaaaaaa /var/lib/rpm/Packages.db",
				"0 npm 1:9.5.1-1.18.16.1.1.module_el8.8.0+3600+aaaaaaaa /var/lib/rpm/Packages.db",
			},
			nil,
		},
		"what rpm brought counts once": {
			[][]byte{alma(file("var/lib/rpm/Packages.db", ndb(rpmNPM)), npmJSON)},
			[]string{"0 npm 1:9.5.1-1.18.16.1.1.module_el8.8.0+3600+aaaaaaaa /var/lib/rpm/Packages.db"},
			nil,
		},
		"and again where a layer above put another there": {
			[][]byte{
				alma(file("var/lib/rpm/Packages.db", ndb(rpmNPM)), npmJSON),
				alma(file("usr/lib/node_modules/npm/package.json", npm("npm", "10.0.0"))),
			},
			[]string{
				"0 npm 1:9.5.1-1.18.16.1.1.module_el8.8.0+3600+aaaaaaaa /var/lib/rpm/Packages.db",
				"1 npm 10.0.0 /usr/lib/node_modules/npm/package.json",
			},
			nil,
		},
		"and where another vendor's package brought it": {
			[][]byte{alma(file("var/lib/rpm/Packages.db", ndb(
				rpmdbtest.Package{Name: "a", Version: "1", Release: "1", Vendor: "AlmaLinux", Files: []string{"/app/vendor/composer/installed.json"}}, rpmdbtest.Package{Name: "b", Version: "1", Release: "1", Vendor: "AlmaLinux"},
				rpmdbtest.Package{Name: "own", Version: "1", Release: "1", Files: []string{"/opt/own/node_modules/ms/package.json"}},
			)), file("opt/own/node_modules/ms/package.json", npm("ms", "2.0.0")), file("app/vendor/composer/installed.json", `[{"name": "c/d", "version": "1"}]`))},
			[]string{"0 a 1-1 /var/lib/rpm/Packages.db", "0 b 1-1 /var/lib/rpm/Packages.db", "0 own 1-1 /var/lib/rpm/Packages.db", "0 ms 2.0.0 /opt/own/node_modules/ms/package.json"},
			nil,
		},
		"a folder that a link leads to": {
			[][]byte{alma(
				ocitest.Entry{Name: "var/lib/rpm", Type: tar.TypeSymlink, Link: "../../usr/lib/sysimage/rpm"},
				file("usr/lib/sysimage/rpm/rpmdb.sqlite", sqlite),
			)},
			[]string{bash + "/usr/lib/sysimage/rpm/rpmdb.sqlite"},
			nil,
		},
		"a link that leads to nothing": {
			[][]byte{alma(ocitest.Entry{Name: "var/lib/rpm", Type: tar.TypeSymlink, Link: "../../opt/rpm"}, file("opt/rpm/rpmdb", "x"))},
			nil,
			[]string{`/var/lib/rpm: it leads to "opt/rpm", where no database of rpm was read`},
		},
		"two databases": {
			[][]byte{alma(file("usr/lib/sysimage/rpm/rpmdb.sqlite", sqlite), file("var/lib/rpm/Packages.db", ndb(rpmBash)))},
			[]string{bash + "/usr/lib/sysimage/rpm/rpmdb.sqlite", bash + "/var/lib/rpm/Packages.db"},
			[]string{"which of them counts isn't known"},
		},
		"a broken header": {
			[][]byte{alma(file("var/lib/rpm/Packages.db", string(rpmdbtest.NDB(broken, rpmBash.Header()))))},
			[]string{bash + "/var/lib/rpm/Packages.db"},
			[]string{"/var/lib/rpm/Packages.db slot 0: its header is cut short"},
		},
		"a broken list of files": {
			[][]byte{alma(file("var/lib/rpm/Packages.db", ndb(rpmdbtest.Package{Name: "x", Version: "1", Release: "1", Files: []string{"/" + strings.Repeat("x", 5000)}})))},
			[]string{"0 x 1-1 /var/lib/rpm/Packages.db"},
			[]string{"/var/lib/rpm/Packages.db x: the list of its files"},
		},
		"packages of another vendor": {
			[][]byte{alma(file("var/lib/rpm/Packages.db", ndb(
				rpmdbtest.Package{Name: "a", Version: "1", Release: "1", Vendor: "AlmaLinux"}, rpmdbtest.Package{Name: "b", Version: "1", Release: "1", Vendor: "AlmaLinux"},
				rpmdbtest.Package{Name: "htop", Version: "1", Release: "1", Vendor: "Fedora Project"}, rpmdbtest.Package{Name: "own", Version: "1", Release: "1"},
			)))},
			[]string{"0 a 1-1 /var/lib/rpm/Packages.db", "0 b 1-1 /var/lib/rpm/Packages.db", "0 htop 1-1 /var/lib/rpm/Packages.db", "0 own 1-1 /var/lib/rpm/Packages.db"},
			[]string{`/var/lib/rpm/Packages.db: 1 package of "Fedora Project" beside those of "AlmaLinux", whose advisories don't know them: htop`},
		},
		"both vendors of openSUSE": {
			[][]byte{alma(file("var/lib/rpm/Packages.db", ndb(
				rpmdbtest.Package{Name: "a", Version: "1", Release: "1", Vendor: "openSUSE"}, rpmdbtest.Package{Name: "b", Version: "1", Release: "1", Vendor: "SUSE LLC <https://www.suse.com/>"},
			)))},
			[]string{"0 a 1-1 /var/lib/rpm/Packages.db", "0 b 1-1 /var/lib/rpm/Packages.db"},
			nil,
		},
		"no release": {
			[][]byte{alma(file("var/lib/rpm/Packages.db", ndb(rpmdbtest.Package{Name: "x", Version: "1"})))},
			nil,
			[]string{`without a usable name, version or release ("x")`},
		},
		"a journal beside it": {
			[][]byte{alma(file("var/lib/rpm/rpmdb.sqlite", sqlite), file("var/lib/rpm/rpmdb.sqlite-journal", journal), file("var/lib/rpm/rpmdb.sqlite-wal", ""))},
			[]string{bash + "/var/lib/rpm/rpmdb.sqlite"},
			[]string{"/var/lib/rpm/rpmdb.sqlite-journal: it may hold changes"},
		},
		"a journal that a layer above removed": {
			[][]byte{
				alma(file("var/lib/rpm/rpmdb.sqlite", sqlite), file("var/lib/rpm/rpmdb.sqlite-journal", journal)),
				alma(file("var/lib/rpm/.wh.rpmdb.sqlite-journal", "")),
			},
			[]string{bash + "/var/lib/rpm/rpmdb.sqlite"},
			nil,
		},
		"no database": {
			[][]byte{alma(file("var/lib/rpm/Packages", "text"))},
			nil,
			[]string{"/var/lib/rpm/Packages: not an rpm database of a known form"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			inv := read(t, &Reader{}, layers(tc.layers...))
			if diff := cmp.Diff(tc.want, summary(inv)); diff != "" {
				t.Errorf("packages (-want +got):\n%s", diff)
			}
			if len(inv.Incomplete) != len(tc.incomplete) {
				t.Errorf("incomplete %v", inv.Incomplete)
			}
			for i, want := range tc.incomplete {
				if i < len(inv.Incomplete) && !strings.Contains(inv.Incomplete[i].What+": "+inv.Incomplete[i].Why, want) {
					t.Errorf("incomplete %v, want %q", inv.Incomplete[i], want)
				}
			}
		})
	}
}

// TestRPMTooLong: a database over the bound is named.
func TestRPMTooLong(t *testing.T) {
	lim := defaultLimits()
	lim.rpm = 1000
	inv := read(t, &Reader{limits: lim}, layers(ocitest.Tar(file("etc/os-release", alma8), file("var/lib/rpm/Packages.db", ndb(rpmBash)))))
	if len(inv.Packages) > 0 || len(inv.Incomplete) != 1 || !strings.Contains(inv.Incomplete[0].Why, "such a file is read up to 1000") {
		t.Errorf("packages %v, incomplete %v", inv.Packages, inv.Incomplete)
	}
}

// TestScalibrRPM reads the database of a real image of Rocky Linux as a layer.
func TestScalibrRPM(t *testing.T) {
	dir := filepath.Join(filepath.Dir(extractors(t)), "os/rpm/testdata")
	inv := read(t, &Reader{}, layers(ocitest.Tar(file("etc/os-release", rocky9), file("var/lib/rpm/rpmdb.sqlite", string(testdata(t, dir, "rpmdb.sqlite"))))))
	byName := map[string]Package{}
	for _, p := range inv.Packages {
		byName[p.Name] = p
	}
	if _, ok := byName["gpg-pubkey"]; ok || len(inv.Packages) < 139 || len(inv.Incomplete) > 0 {
		t.Errorf("%d packages, incomplete %v", len(inv.Packages), inv.Incomplete)
	}
	got := byName["openssl-libs"]
	got.Layer = ""
	want := Package{
		PURL: "pkg:rpm/rocky/openssl-libs@3.0.7-6.el9_2?arch=x86_64&distro=rocky-9.2&epoch=1&upstream=openssl-3.0.7-6.el9_2.src.rpm",
		Name: "openssl-libs", Version: "1:3.0.7-6.el9_2", Arch: "x86_64", Source: "openssl", SourceVersion: "1:3.0.7-6.el9_2",
		Ecosystem: "Rocky Linux:9", Path: "/var/lib/rpm/rpmdb.sqlite",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("openssl-libs (-want +got):\n%s", diff)
	}
}

func TestSourceRPM(t *testing.T) {
	for file, want := range map[string]string{
		"bash-5.1.8-6.el9.src.rpm": "bash 5.1.8-6.el9", "python3.9-3.9.16-1.el9.src.rpm": "python3.9 3.9.16-1.el9", "a-b-1-2.nosrc.rpm": "a-b 1-2",
		"": " ", "(none)": " ", "a-1.src.rpm": " ", "-1-2.src.rpm": " ", "a--2.src.rpm": " ", "a-1-.src.rpm": " ", "a-1-2.rpm": " ",
	} {
		if name, version := SourceRPM(file); name+" "+version != want {
			t.Errorf("%q is %q %q, want %q", file, name, version, want)
		}
	}
}

func TestModuleStream(t *testing.T) {
	for label, want := range map[string]string{
		"nodejs:18:8080020230926123456:63b34585": "nodejs:18", "virt:rhel": "virt:rhel", "": "", "nodejs": "", ":18": "", "nodejs:": "", "a b:1": "",
	} {
		if got := ModuleStream(label); got != want {
			t.Errorf("%q is %q, want %q", label, got, want)
		}
	}
}

// FuzzRPM: whatever a header holds, its package is one that can be written,
// and its files stay inside of the image.
func FuzzRPM(f *testing.F) {
	for _, h := range headers([]rpmdbtest.Package{rpmBash, rpmNode, rpmNPM, rpmKey}) {
		f.Add(h)
	}
	f.Fuzz(func(t *testing.T, header []byte) {
		packages, files, notes := parseRPM(rpmdbtest.NDB(header))
		for _, p := range packages {
			if !plainField(p.Name) || !plainField(p.Version) || !plainField(p.Source) || !plainField(p.SourceVersion) {
				t.Errorf("package %+v", p)
			}
		}
		if len(packages) > 1 || len(notes) > 2 {
			t.Errorf("%d packages, notes %v", len(packages), notes)
		}
		for _, o := range files {
			if name, note := cleanPath(o.path); name != o.path || note != "" || o.owner == "" {
				t.Errorf("%+v", o)
			}
		}
	})
}
