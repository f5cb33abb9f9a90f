package image

import (
	"archive/tar"
	"bytes"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/scantling/scantling/oci"
	"github.com/scantling/scantling/oci/ocitest"
	"github.com/scantling/scantling/registry/image/rpmdb/rpmdbtest"
)

// samples are files of every kind, by their path: several contents of each.
func samples() map[string][]string {
	apk := func(names ...string) (out string) {
		for _, n := range names {
			out += "P:" + n + "\nV:1-r0\nA:x86_64\no:src-" + n + "\nF:app/node_modules/a\nR:package.json\n\n"
		}
		return out
	}
	program := func(version string) string {
		return goProgram("go1.22", "path\texample.com/app\nmod\texample.com/app\t"+version+"\t\ndep\texample.com/a\tv1.0.0\t\n")
	}
	rpmWith := func(version string) string {
		return ndb(rpmBash, rpmNode, rpmdbtest.Package{Name: "x", Version: version, Release: "1", Files: []string{"/app/vendor/composer/installed.json", "/opt/tool"}})
	}
	return map[string][]string{
		"etc/os-release":          {debian12, alma8, "ID=alpine\nVERSION_ID=3.19.1\n"},
		"var/lib/dpkg/status":     {dpkgTwo, strings.Replace(dpkgTwo, "3.0.11-1", "3.0.13-1", 1), dpkgTwo + "Package: odd one\nVersion: 1\n\n"},
		"var/lib/dpkg/status.d/a": {"Package: a\nVersion: 1\n", "Package: a\nVersion: 2\nSource: b (1)\n"},
		"var/lib/dpkg/info/a.list": {
			"/app/lib/python3/a-1.dist-info/METADATA\n", "/app/x.jar\n/usr/bin/tool\n",
		},
		"var/lib/dpkg/info/libc6:amd64.list":            {"/app/x.jar\n/gems/specifications/rack-1.gemspec\n", "/app/a.deps.json\n/usr/bin/tool\n"},
		"lib/apk/db/installed":                          {apk("busybox"), apk("busybox", "musl"), "P:a\n\n" + apk("musl")},
		"var/lib/rpm/Packages.db":                       {rpmWith("1"), rpmWith("2"), "RpmP"},
		"var/lib/rpm/rpmdb.sqlite-wal":                  {"", "x"},
		"app/node_modules/a/package.json":               {npm("a", "1.0.0"), npm("a", "1.0.1"), npm("b", "1.0.0"), "{"},
		"app/package-lock.json":                         {"{}"},
		"other/yarn.lock":                               {""},
		"app/.yarn/cache/ms-1.zip":                      {jar(member{"node_modules/ms/package.json", npm("ms", "1.0.0")}), "no zip"},
		"app/lib/python3/a-1.dist-info/METADATA":        {metadata("a", "1"), metadata("a", "2"), ""},
		"app/e-1.egg":                                   {jar(member{"EGG-INFO/PKG-INFO", metadata("e", "1")}), "x"},
		"app/x.jar":                                     {jar(pom("g", "a", "1"), class), jar(class), jar(member{"in.jar", jar(pom("g", "in", "2"), class)}), "no zip"},
		"gems/specifications/rack-1.gemspec":            {gem("rack", "1.0", "ruby"), gem("rack", "1.1", "java"), "x"},
		"app/vendor/composer/installed.json":            {`[{"name": "A/b", "version": "v1.0"}]`, `{"packages": [{"name": "a/b", "version": "1.1"}, {"name": "c"}]}`, "{}"},
		"app/a.deps.json":                               {deps("x", "package N/1.0"), deps("x", "package N/1.1", "package M/1.0"), "{}", "["},
		"store/v3/files/0f/" + strings.Repeat("0f", 31): {npm("ms", "2.0.0"), "text", "\xef\xbb\xbf"},
		"usr/bin/app":                                   {program("v1.0.0"), program("v1.0.1"), "#!/bin/sh\n"},
		"usr/bin/tool":                                  {elfSpec{kind: elfExec, body: rustPanic}.build(), elfSpec{kind: elfExec, audit: packed(audit)}.build(), elfSpec{kind: elfExec, audit: []byte("no zlib")}.build()},
		"usr/lib/libx.so":                               {elfSpec{kind: elfShared, soname: "libx.so.1", needed: []string{"libc.so.6", "libm.so.6"}}.build(), elfSpec{kind: elfShared, soname: "libx.so.2"}.build()},
		"opt/tool":                                      {single(6, deps("x", "package N/1.0")), elfSpec{kind: elfShared, interp: "/lib/ld.so", flags: flagPIE}.build()},
		"root/.env":                                     {"TOKEN=" + tokenOf(1) + "\n", "A=1\nTOKEN=" + tokenOf(2) + "\nOTHER=" + tokenOf(3) + "\n", "A=1\n"},
		"usr/bin/plain":                                 {"x", "y"},
		"usr/bin/plain2":                                {"x"},
		"app/plain":                                     {"x"},
	}
}

// sampleLayers makes the layers of an image out of samples: files that come,
// change, go and come again, whole folders with them, some under other names.
func sampleLayers(rng *rand.Rand, files map[string][]string, links bool) (out [][]byte) {
	names := slices.Sorted(maps.Keys(files))
	pick := func() string { return names[rng.IntN(len(names))] }
	for range 1 + rng.IntN(5) {
		var layer []ocitest.Entry
		for range rng.IntN(14) {
			name := pick()
			switch n := rng.IntN(20); {
			case n < 12:
				body := files[name][rng.IntN(len(files[name]))]
				if rng.IntN(12) == 0 && strings.HasSuffix(name, ".json") {
					body += "\n\n// " + tokenOf(uint64(rng.IntN(50)))
				}
				layer = append(layer, file(name, body))
			case n < 15:
				layer = append(layer, file(path.Join(path.Dir(name), ".wh."+path.Base(name)), ""))
			case n == 15:
				dir := path.Dir(name)
				layer = append(layer, file(path.Join(path.Dir(dir), ".wh."+path.Base(dir)), ""))
			case n == 16:
				layer = append(layer, file(path.Join(path.Dir(name), ".wh..wh..opq"), ""))
			case n == 17 && links:
				layer = append(layer, ocitest.Entry{Name: "copy/" + path.Base(name), Type: tar.TypeLink, Link: name})
			case n == 18 && links:
				layer = append(layer, ocitest.Entry{Name: "moved", Type: tar.TypeSymlink, Link: path.Dir(name)}, file("moved/"+path.Base(pick()), "x"))
			case n == 19 && links:
				layer = append(layer, ocitest.Entry{Name: name, Type: tar.TypeLink, Link: pick()})
			}
		}
		out = append(out, ocitest.Tar(layer...))
	}
	if rng.IntN(4) == 0 {
		out = append(out, out[rng.IntN(len(out))])
	}
	return out
}

// TestKeptIsRead: what a keeper has of the layers of any image makes the same
// inventory as reading them, and so does what is in memory.
func TestKeptIsRead(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 8))
	files := samples()
	seen := map[string]int{}
	for world := range 150 {
		img, dir := openImage(t, ocitest.Image{Layers: sampleLayers(rng, files, true), Compression: []string{"gzip", "zstd"}[world%2]})
		want := inventory(t, &Reader{}, img)
		keeper := &shelf{}
		first := &Reader{Keeper: keeper}
		for _, with := range []string{"a keeper", "memory"} {
			if diff := cmp.Diff(want, inventory(t, first, img)); diff != "" {
				t.Fatalf("world %d (-fresh +with %s):\n%s", world, with, diff)
			}
		}
		dropBlobs(t, dir, img)
		if diff := cmp.Diff(want, inventory(t, &Reader{Keeper: keeper}, img)); diff != "" {
			t.Fatalf("world %d (-fresh +kept):\n%s", world, diff)
		}
		for _, p := range want.Packages {
			seen[p.Ecosystem[:strings.IndexByte(p.Ecosystem+":", ':')]]++
			if p.Module != "" {
				seen["module"]++
			}
			if p.SHA256 != "" {
				seen["sum"]++
			}
		}
		seen["secret"] += len(want.Secrets)
		seen["library"] += len(want.Libraries)
		seen["incomplete"] += len(want.Incomplete)
	}
	t.Log(seen)
	for _, kind := range []string{"Debian", "Alpine", "AlmaLinux", "npm", "PyPI", "Maven", "RubyGems", "Packagist", "NuGet", "Go", "crates.io", "module", "sum", "secret", "library", "incomplete"} {
		if seen[kind] < 5 {
			t.Errorf("%d times %s: the worlds are too tame", seen[kind], kind)
		}
	}
}

// TestBroughtByLayer holds the layer of each package against the images that
// end with each of its layers: it is the first from which on the package is
// there in all.
func TestBroughtByLayer(t *testing.T) {
	rng := rand.New(rand.NewPCG(9, 10))
	files := samples()
	maps.DeleteFunc(files, func(name string, _ []string) bool { return strings.HasSuffix(name, ".list") })
	for _, name := range []string{"lib/apk/db/installed", "var/lib/rpm/Packages.db"} {
		delete(files, name) // with lists of files: those hide packages
	}
	total, later := 0, 0
	for world := range 150 {
		img, _ := openImage(t, layers(sampleLayers(rng, files, false)...))
		reader := &Reader{}
		since := map[string]int{}
		var last *Inventory
		for n := range img.Layers {
			part := *img
			part.Layers = img.Layers[:n+1]
			last = inventory(t, reader, &part)
			now := map[string]int{}
			for _, p := range last.Packages {
				key := fmt.Sprint(p.Path, " ", p.Name, " ", p.Version, " ", p.Arch)
				now[key] = n
				if before, ok := since[key]; ok {
					now[key] = before
				}
			}
			since = now
		}
		for _, p := range last.Packages {
			n := since[fmt.Sprint(p.Path, " ", p.Name, " ", p.Version, " ", p.Arch)]
			if p.Layer != img.Layers[n].DiffID {
				t.Fatalf("world %d: %s %s of %s is said to be of %s, want layer %d of %v", world, p.Name, p.Version, p.Path, p.Layer, n, diffIDs(img))
			}
			total++
			if n > 0 {
				later++
			}
		}
	}
	if total < 500 || later < 300 {
		t.Errorf("%d packages, %d not of the lowest layer: the worlds are too tame", total, later)
	}
}

// TestNothingDisappears holds an image against the one layer that its layers
// leave when they are unpacked on top of each other, file by file.
func TestNothingDisappears(t *testing.T) {
	rng := rand.New(rand.NewPCG(11, 12))
	files := samples()
	maps.DeleteFunc(files, func(name string, _ []string) bool { return strings.HasSuffix(name, ".list") })
	for _, name := range []string{"lib/apk/db/installed", "var/lib/rpm/Packages.db"} {
		delete(files, name)
	}
	packages := 0
	for world := range 150 {
		list := sampleLayers(rng, files, false)
		img, _ := openImage(t, layers(list...))
		flat, _ := openImage(t, layers(unpacked(t, list)))
		got, want := inventory(t, &Reader{}, img), inventory(t, &Reader{}, flat)
		if diff := cmp.Diff(withoutLayers(want), withoutLayers(got)); diff != "" {
			t.Fatalf("world %d (-unpacked +merged):\n%s", world, diff)
		}
		packages += len(got.Packages)
	}
	if packages < 500 {
		t.Errorf("%d packages: the worlds are too tame", packages)
	}
}

// unpacked puts layers of plain files on top of each other.
func unpacked(t *testing.T, list [][]byte) []byte {
	there := map[string]string{}
	remove := func(root string) {
		maps.DeleteFunc(there, func(name, _ string) bool { return name == root || strings.HasPrefix(name, root+"/") })
	}
	for _, layer := range list {
		own := map[string]string{}
		for r := tar.NewReader(bytes.NewReader(layer)); ; {
			header, err := r.Next()
			if err == io.EOF {
				break
			}
			body, readErr := io.ReadAll(r)
			if err != nil || readErr != nil {
				t.Fatal(err, readErr)
			}
			dir, base := path.Split(header.Name)
			switch hidden, ok := strings.CutPrefix(base, ".wh."); {
			case !ok:
				own[header.Name] = string(body)
			case hidden == ".wh..opq":
				dir = strings.TrimSuffix(dir, "/")
				maps.DeleteFunc(there, func(name, _ string) bool { return strings.HasPrefix(name, dir+"/") })
			default:
				remove(dir + hidden)
			}
		}
		maps.Copy(there, own)
	}
	var entries []ocitest.Entry
	for _, name := range slices.Sorted(maps.Keys(there)) {
		entries = append(entries, file(name, there[name]))
	}
	return ocitest.Tar(entries...)
}

// withoutLayers is what an inventory says of the finished image.
func withoutLayers(inv *Inventory) Inventory {
	out := Inventory{OS: inv.OS}
	for _, p := range inv.Packages {
		p.Layer = ""
		out.Packages = append(out.Packages, p)
	}
	for _, l := range inv.Libraries {
		l.Layer = ""
		out.Libraries = append(out.Libraries, l)
	}
	for _, s := range inv.Secrets {
		s.Layer = ""
		if s.Visible && !slices.Contains(out.Secrets, s) {
			out.Secrets = append(out.Secrets, s)
		}
	}
	out.Incomplete = inv.Incomplete
	return out
}

func diffIDs(img *oci.Image) (out []string) {
	for _, l := range img.Layers {
		out = append(out, l.DiffID)
	}
	return out
}
