package image

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/scantling/scantling/oci"
	"github.com/scantling/scantling/oci/ocitest"
)

const debian12 = "PRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\nID=debian\nVERSION_ID=\"12\"\n"

const dpkgTwo = `Package: libssl3
Status: install ok installed
Architecture: amd64
Source: openssl
Version: 3.0.11-1~deb12u1

Package: libc6
Status: install ok installed
Architecture: amd64
Source: glibc (2.36-9+deb12u3)
Version: 2.36-9+deb12u3+b1
Description: GNU C Library
 Package: not a field

Package: gone
Status: deinstall ok config-files
Architecture: amd64
Version: 1

`

func file(name, body string) ocitest.Entry { return ocitest.Entry{Name: name, Body: body} }

func read(t *testing.T, r *Reader, img ocitest.Image) *Inventory {
	t.Helper()
	dir := t.TempDir()
	if _, err := ocitest.Write(dir, img); err != nil {
		t.Fatal(err)
	}
	images, incomplete, err := oci.Open(context.Background(), dir)
	if err != nil || len(incomplete) > 0 {
		t.Fatalf("incomplete %v, error %v", incomplete, err)
	}
	inv, err := r.Inventory(context.Background(), images[0])
	if err != nil {
		t.Fatal(err)
	}
	return inv
}

func layers(list ...[]byte) ocitest.Image {
	return ocitest.Image{Layers: list, Compression: "gzip", Names: []string{"shop/web:1"}}
}

func summary(inv *Inventory) (out []string) {
	index := map[string]int{}
	for i, l := range inv.Layers {
		index[l.DiffID] = i
	}
	for _, p := range inv.Packages {
		out = append(out, fmt.Sprintf("%d %s %s %s", index[p.Layer], p.Name, p.Version, p.Path))
	}
	return out
}

func TestInventoryDebian(t *testing.T) {
	upgraded := strings.Replace(dpkgTwo, "3.0.11-1~deb12u1", "3.0.13-1~deb12u1", 1) + "Package: curl\nStatus: install ok installed\nArchitecture: amd64\nVersion: 7.88.1-10\n"
	inv := read(t, &Reader{}, layers(
		ocitest.Tar(file("usr/lib/os-release", debian12), ocitest.Entry{Name: "etc/os-release", Type: tar.TypeSymlink, Link: "../usr/lib/os-release"}, file("var/lib/dpkg/status", dpkgTwo)),
		ocitest.Tar(file("app/readme", "hi")),
		ocitest.Tar(file("var/lib/dpkg/status", upgraded)),
	))
	if len(inv.Incomplete) > 0 {
		t.Errorf("incomplete %v", inv.Incomplete)
	}
	want := []string{
		"2 curl 7.88.1-10 /var/lib/dpkg/status", "0 libc6 2.36-9+deb12u3+b1 /var/lib/dpkg/status", "2 libssl3 3.0.13-1~deb12u1 /var/lib/dpkg/status",
	}
	if diff := cmp.Diff(want, summary(inv)); diff != "" {
		t.Errorf("packages (-want +got):\n%s", diff)
	}
	libc := inv.Packages[1]
	if libc.Source != "glibc" || libc.SourceVersion != "2.36-9+deb12u3" || libc.Ecosystem != "Debian:12" ||
		libc.PURL != "pkg:deb/debian/libc6@2.36-9%2Bdeb12u3%2Bb1?arch=amd64&distro=debian-12" {
		t.Errorf("libc6 is %+v", libc)
	}
	if got := []int{inv.Layers[0].Visible, inv.Layers[1].Visible, inv.Layers[2].Visible}; !cmp.Equal(got, []int{2, 2, 3}) {
		t.Errorf("visible %v", got)
	}
}

func TestInventoryCases(t *testing.T) {
	apk := "P:busybox\nV:1.36.1-r5\nA:x86_64\no:busybox\n\nP:ssl_client\nV:1.36.1-r5\nA:x86_64\no:busybox\n\n"
	alpine := file("etc/os-release", "ID=alpine\nVERSION_ID=3.19.1\n")
	link := func(name, target string) ocitest.Entry {
		return ocitest.Entry{Name: name, Link: target, Type: tar.TypeSymlink}
	}
	for name, tc := range map[string]struct {
		layers     [][]byte
		want       []string
		incomplete []string // a part of each, in order
	}{
		"distroless": {
			[][]byte{ocitest.Tar(file("etc/os-release", debian12), file("var/lib/dpkg/status.d/base", "Package: base-files\nVersion: 12.4\nArchitecture: amd64\n"), file("var/lib/dpkg/status.d/base.md5sums", "0 x"))},
			[]string{"0 base-files 12.4 /var/lib/dpkg/status.d/base"},
			nil,
		},
		"packages under another name": {
			[][]byte{
				ocitest.Tar(link("deps", "app/node_modules"), link("db", "var/lib/dpkg"), file("etc/os-release", debian12), file("app/node_modules/a/package.json", `{"name":"a","version":"1"}`)),
				ocitest.Tar(file("deps/a/plain", ""), file("deps/a/package.json", `{"name":"a","version":"2"}`), file("db/status", "ghp"), file("db/plain", "")),
			},
			nil,
			[]string{`entry "deps/a/package.json": a link leads it to "app/node_modules/a/package.json"`, `entry "db/status": a link leads it to "var/lib/dpkg/status"`},
		},
		"folder of distroless elsewhere": {
			[][]byte{ocitest.Tar(file("etc/os-release", debian12), link("var/lib/dpkg/status.d", "/opt/packages"), file("opt/packages/base", "Package: base-files\nVersion: 12.4\n"), file("node_modules/a/package.json", `{"name":"a","version":"1"}`))},
			[]string{"0 a 1 /node_modules/a/package.json"},
			[]string{`/var/lib/dpkg/status.d: it leads to "opt/packages", where no package database was read`},
		},
		"folder of distroless in a folder of that name": {
			[][]byte{ocitest.Tar(file("etc/os-release", debian12), link("var/lib/dpkg/status.d", "/opt/dpkg/status.d"), file("opt/dpkg/status.d/base", "Package: base-files\nVersion: 12.4\n"))},
			[]string{"0 base-files 12.4 /opt/dpkg/status.d/base"},
			nil,
		},
		"alpine with merged usr": {
			[][]byte{ocitest.Tar(link("lib", "usr/lib"), alpine), ocitest.Tar(file("lib/apk/db/installed", apk))},
			[]string{"1 busybox 1.36.1-r5 /usr/lib/apk/db/installed", "1 ssl_client 1.36.1-r5 /usr/lib/apk/db/installed"},
			nil,
		},
		"database removed by whiteout": {
			[][]byte{ocitest.Tar(alpine, file("lib/apk/db/installed", apk)), ocitest.Tar(file("lib/apk/db/.wh.installed", ""))},
			nil,
			[]string{"what it holds is unknown"},
		},
		"folder made opaque keeps its own layer": {
			[][]byte{ocitest.Tar(alpine, file("lib/apk/db/installed", apk)), ocitest.Tar(file("lib/apk/db/installed", "P:musl\nV:1\nA:x\n\n"), file("lib/.wh..wh..opq", ""))},
			[]string{"1 musl 1 /lib/apk/db/installed"},
			nil,
		},
		"folder replaced by a file": {
			[][]byte{ocitest.Tar(alpine, file("lib/apk/db/installed", apk)), ocitest.Tar(file("lib/apk", ""))},
			nil,
			[]string{"what it holds is unknown"},
		},
		"package removed and brought again": {
			[][]byte{
				ocitest.Tar(alpine, file("lib/apk/db/installed", apk)), ocitest.Tar(file("lib/apk/db/installed", "P:busybox\nV:1.36.1-r5\nA:x86_64\n\n")),
				ocitest.Tar(file("lib/apk/db/installed", apk)),
			},
			[]string{"0 busybox 1.36.1-r5 /lib/apk/db/installed", "2 ssl_client 1.36.1-r5 /lib/apk/db/installed"},
			nil,
		},
		"database is a link to a file elsewhere": {
			[][]byte{ocitest.Tar(alpine, link("lib/apk/db/installed", "/data/apk/db/installed"), file("data/apk/db/installed", apk))},
			[]string{"0 busybox 1.36.1-r5 /data/apk/db/installed", "0 ssl_client 1.36.1-r5 /data/apk/db/installed"},
			nil,
		},
		"database is a link to something unread": {
			[][]byte{ocitest.Tar(file("etc/os-release", debian12), link("var/lib/dpkg/status", "/data/db"), file("data/db", dpkgTwo))},
			nil,
			[]string{`leads to "data/db"`},
		},
		"database is a loop of links": {
			[][]byte{ocitest.Tar(file("etc/os-release", debian12), link("var/lib/dpkg/status", "status2"), link("var/lib/dpkg/status2", "status"))},
			nil,
			[]string{"form a loop"},
		},
		"entry below a loop of links": {
			[][]byte{ocitest.Tar(alpine, file("lib/apk/db/installed", "P:musl\nV:1\nA:x\n\n"), link("a", "b"), link("b", "a"), file("a/x", ""))},
			[]string{"0 musl 1 /lib/apk/db/installed"},
			[]string{"form a loop"},
		},
		"database is a hard link": {
			[][]byte{ocitest.Tar(alpine, file("lib/apk/db/installed", "P:musl\nV:1\nA:x\n\n")), ocitest.Tar(ocitest.Entry{Name: "usr/lib/apk/db/installed", Type: tar.TypeLink, Link: "lib/apk/db/installed"}, file("lib/apk/.wh.db", ""))},
			nil,
			[]string{"hard link"},
		},
		"climbing and absolute names": {
			[][]byte{ocitest.Tar(alpine, file("../../lib/apk/db/installed", "P:musl\nV:1\nA:x\n\n"), file("/abs/file", ""), file("a/../../../etc/passwd", ""))},
			[]string{"0 musl 1 /lib/apk/db/installed"},
			[]string{`climbs with ".."; it is taken as "lib/apk/db/installed"`, `absolute; it is taken as "abs/file"`, `climbs with ".."; it is taken as "etc/passwd"`},
		},
		"devices and pipes": {
			[][]byte{ocitest.Tar(alpine, file("lib/apk/db/installed", "P:musl\nV:1\nA:x\n\n"), ocitest.Entry{Name: "dev/sda", Type: tar.TypeBlock}, ocitest.Entry{Name: "pipe", Type: tar.TypeFifo})},
			[]string{"0 musl 1 /lib/apk/db/installed"},
			nil,
		},
		"a database that is a pipe": {
			[][]byte{ocitest.Tar(alpine, ocitest.Entry{Name: "lib/apk/db/installed", Type: tar.TypeFifo})},
			nil,
			[]string{"what it holds is unknown"},
		},
		"kinds of package that are not read": {
			[][]byte{ocitest.Tar(file("etc/os-release", debian12), file("var/lib/dpkg/status.d/a", "Package: a\nVersion: 1\n"), file("var/lib/rpm/Packages", ""))},
			[]string{"0 a 1 /var/lib/dpkg/status.d/a"},
			[]string{"not an rpm database of a known form: it is empty"},
		},
		"broken paragraphs": {
			[][]byte{ocitest.Tar(file("etc/os-release", debian12), file("var/lib/dpkg/status", "Package: a\nVersion: 1\nStatus: install ok installed\n\nPackage: b\nStatus: install ok installed\n\nnonsense\n"))},
			[]string{"0 a 1 /var/lib/dpkg/status"},
			[]string{"usable Package, Version", `not a "Field: value"`},
		},
		"unknown system": {
			[][]byte{ocitest.Tar(file("var/lib/dpkg/status", "Package: a\nVersion: 1\n"))},
			[]string{"0 a 1 /var/lib/dpkg/status"},
			nil,
		},
		"empty": {[][]byte{ocitest.Tar()}, nil, []string{"what it holds is unknown"}},
	} {
		t.Run(name, func(t *testing.T) {
			inv := read(t, &Reader{}, layers(tc.layers...))
			if diff := cmp.Diff(tc.want, summary(inv)); diff != "" {
				t.Errorf("packages (-want +got):\n%s", diff)
			}
			matchIncomplete(t, inv, tc.incomplete)
		})
	}
}

func matchIncomplete(t *testing.T, inv *Inventory, want []string) {
	t.Helper()
	var got []string
	for _, i := range inv.Incomplete {
		got = append(got, i.What+": "+i.Why)
	}
	if len(got) != len(want) {
		t.Errorf("incomplete %q, want %q", got, want)
		return
	}
	for _, part := range want {
		if !strings.Contains(strings.Join(got, "\n"), part) {
			t.Errorf("incomplete %q, want %q", got, part)
		}
	}
}

// header writes one tar header with a size of its own.
func header(name string, size int64) []byte {
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	if err := w.WriteHeader(&tar.Header{Name: name, Size: size, Typeflag: tar.TypeReg, Mode: 0o644}); err != nil {
		panic(err)
	}
	return buf.Bytes()
}

func TestHostileLayers(t *testing.T) {
	good := ocitest.Tar(file("etc/os-release", debian12), file("var/lib/dpkg/status", "Package: a\nVersion: 1\n"))
	open := good[:len(good)-1024] // without the end of the archive
	for name, tc := range map[string]struct {
		layer []byte
		why   string
	}{
		"states 10 GB":            {append(bytes.Clone(open), header("big.bin", 10<<30)...), `entry "big.bin": it states 10737418240 bytes`},
		"states more than it has": {append(bytes.Clone(open), header("big.bin", 1<<20)...), `entry "big.bin": unexpected EOF`},
		"database too long":       {append(bytes.Clone(open), header("lib/apk/db/installed", 1<<20)...), `entry "lib/apk/db/installed": unexpected EOF`},
		"cut in a header":         {append(bytes.Clone(open), header("x", 0)[:100]...), "unexpected EOF"},
		"garbage":                 {append(bytes.Clone(open), bytes.Repeat([]byte("garbage!"), 64)...), "invalid tar header"},
	} {
		t.Run(name, func(t *testing.T) {
			inv := read(t, &Reader{}, layers(tc.layer, ocitest.Tar(file("var/lib/dpkg/status.d/b", "Package: b\nVersion: 2\n"))))
			if diff := cmp.Diff([]string{"0 a 1 /var/lib/dpkg/status", "1 b 2 /var/lib/dpkg/status.d/b"}, summary(inv)); diff != "" {
				t.Errorf("the rest (-want +got):\n%s", diff)
			}
			if len(inv.Incomplete) != 1 || !strings.Contains(inv.Incomplete[0].Why, tc.why) || !strings.Contains(inv.Incomplete[0].What, inv.Layers[0].DiffID) {
				t.Errorf("incomplete %v, want %q", inv.Incomplete, tc.why)
			}
		})
	}
}

func TestBounds(t *testing.T) {
	body := strings.Repeat("x", 5000)
	elf := "\x7fELF" + body + string(goMagic) + body
	for name, tc := range map[string]struct {
		limits limits
		layer  []byte
		why    string
	}{
		"bytes":    {limits{layer: 4096, binary: 1 << 20, database: 1 << 20, entries: 100}, ocitest.Tar(file("a", "x"), file("b", body)), `entry "b": it states 5000 bytes`},
		"padding":  {limits{layer: 4096, binary: 1 << 20, database: 1 << 20, entries: 100}, append(ocitest.Tar(file("a", "x")), make([]byte, 8192)...), "longer than is read"},
		"entries":  {limits{layer: 1 << 20, binary: 1 << 20, database: 1 << 20, entries: 2}, ocitest.Tar(file("a", ""), file("b", ""), file("c", "")), `entry "c": a layer is read up to 2 entries`},
		"names":    {limits{layer: 1 << 20, binary: 1 << 20, database: 1 << 20, entries: 20}, ocitest.Tar(file(strings.Repeat("n", 4000), "")), "a layer is read up to 20 entries"},
		"database": {limits{layer: 1 << 20, binary: 1 << 20, database: 100, entries: 100}, ocitest.Tar(file("lib/apk/db/installed", body)), "5000 bytes, and such a file is read up to 100"},
		"program":  {limits{layer: 1 << 20, binary: 100, database: 100, entries: 100}, ocitest.Tar(file("app", elf)), "a Go executable of"},
		"bundle":   {limits{layer: 1 << 20, binary: 100, database: 100, entries: 100}, ocitest.Tar(file("app", "\x7fELF"+body+string(bundleMark)+body)), "a .NET executable of"},
		"depth":    {defaultLimits(), ocitest.Tar(file(strings.Repeat("a/", 300)+"b", "")), "more than 256 elements"},
	} {
		t.Run(name, func(t *testing.T) {
			inv := read(t, &Reader{limits: tc.limits}, layers(tc.layer))
			if len(inv.Incomplete) != 1 || !strings.Contains(inv.Incomplete[0].Why, tc.why) {
				t.Errorf("incomplete %v, want %q", inv.Incomplete, tc.why)
			}
		})
	}
}

// TestWrongDigest: nothing of a layer that is not the stated one is believed.
func TestWrongDigest(t *testing.T) {
	real := ocitest.Tar(file("etc/os-release", debian12), file("var/lib/dpkg/status", "Package: a\nVersion: 1\n"))
	fake := bytes.Replace(real, []byte("Version: 1"), []byte("Version: 9"), 1)
	inv := read(t, &Reader{}, ocitest.Image{Layers: [][]byte{real}, Spoil: func(b map[string][]byte, l []string) { b[l[0]] = fake }})
	if len(inv.Packages) != 0 || len(inv.Incomplete) != 1 || !strings.Contains(inv.Incomplete[0].Why, "does not match its digest") {
		t.Errorf("packages %v, incomplete %v", inv.Packages, inv.Incomplete)
	}
}

// TestGoExecutable reads this test's own program.
func TestGoExecutable(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("the test program is no ELF file here")
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	program, err := os.ReadFile(self)
	if err != nil {
		t.Fatal(err)
	}
	inv := read(t, &Reader{}, layers(ocitest.Tar(
		file("usr/bin/app", string(program)), ocitest.Entry{Name: "usr/bin/zapp", Type: tar.TypeLink, Link: "usr/bin/app"}, file("lib/libc.so", "\x7fELF not really"),
	), ocitest.Tar(file("usr/bin/.wh.app", ""))))
	want := []string{
		"0 github.com/scantling/scantling (devel) /usr/bin/zapp", "0 stdlib " + goVersion(runtime.Version()) + " /usr/bin/zapp",
	}
	if diff := cmp.Diff(want, summary(inv)); diff != "" || len(inv.Incomplete) > 0 {
		t.Errorf("incomplete %v, packages (-want +got):\n%s", inv.Incomplete, diff)
	}
}

func TestGoPackages(t *testing.T) {
	got := goPackages(&debug.BuildInfo{
		GoVersion: "go1.22.1", Main: debug.Module{Path: "example.com/app", Version: "v0.3.0+dirty"},
		Deps: []*debug.Module{
			{Path: "example.com/a", Version: "v1.0.0"},
			{Path: "example.com/b", Version: "v1.0.0", Replace: &debug.Module{Path: "example.com/fork", Version: "v1.0.1"}},
			{Path: "example.com/c", Version: "v1.0.0", Replace: &debug.Module{Path: "../c"}},
			{Path: "bad path", Version: "v1"},
		},
	}, "5a")
	var list []string
	for _, p := range got.packages {
		list = append(list, strings.TrimSpace(p.Name+" "+p.SourceVersion+" "+p.Ecosystem+" "+p.SHA256))
	}
	want := []string{"stdlib 1.22.1 Go", "example.com/app v0.3.0+dirty Go 5a", "example.com/a v1.0.0 Go", "example.com/fork v1.0.1 Go", "example.com/c  Go"}
	if diff := cmp.Diff(want, list); diff != "" || len(got.notes) != 1 {
		t.Errorf("notes %v, packages (-want +got):\n%s", got.notes, diff)
	}
}

func TestSharedLayersAreReadOnce(t *testing.T) {
	base := ocitest.Tar(file("etc/os-release", debian12), file("var/lib/dpkg/status", dpkgTwo))
	r := &Reader{}
	for i := range 3 {
		read(t, r, layers(base, ocitest.Tar(file(fmt.Sprint("app", i), ""))))
	}
	if len(r.cache.at) != 4 {
		t.Errorf("%d layers kept, want the base and three others", len(r.cache.at))
	}
}

func TestContextEnds(t *testing.T) {
	dir := t.TempDir()
	if _, err := ocitest.Write(dir, layers(ocitest.Tar(file("a", "b")))); err != nil {
		t.Fatal(err)
	}
	images, _, err := oci.Open(context.Background(), dir)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := (&Reader{}).Inventory(ctx, images[0]); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}

func TestBaseLayers(t *testing.T) {
	step := func(by string, empty bool) ocitest.History { return ocitest.History{CreatedBy: by, Empty: empty} }
	one := ocitest.Tar(file("a", ""))
	for name, tc := range map[string]struct {
		layers  int
		history []ocitest.History
		want    int
	}{
		"base with a command": {2, []ocitest.History{step("ADD rootfs", false), step(`CMD ["bash"]`, true), step("COPY . /app", false), step(`CMD ["/app"]`, true)}, 1},
		"classic builder":     {2, []ocitest.History{step("ADD", false), step(`/bin/sh -c #(nop)  CMD ["bash"]`, true), step("COPY", false)}, 1},
		"own command only":    {2, []ocitest.History{step("ADD", false), step("COPY", false), step("CMD [x]", true)}, 0},
		"no history":          {2, nil, 0},
		"history of others":   {2, []ocitest.History{step("ADD", false), step("CMD [x]", true)}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			img := ocitest.Image{History: tc.history}
			for range tc.layers {
				img.Layers = append(img.Layers, one)
			}
			if got := read(t, &Reader{}, img).BaseLayers; got != tc.want {
				t.Errorf("%d layers, want %d", got, tc.want)
			}
		})
	}
}
