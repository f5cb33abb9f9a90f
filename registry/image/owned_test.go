package image

import (
	"path"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/scantling/scantling/oci/ocitest"
	"github.com/scantling/scantling/registry/image/rpmdb/rpmdbtest"
)

// ownedKinds are files of each kind that a package of the system may bring, and
// what they hold.
var ownedKinds = map[string][2]string{
	"usr/lib/node_modules/a/package.json":                {npm("a", "1"), "a 1"},
	"usr/lib/python3/dist-packages/a.dist-info/METADATA": {metadata("a", "1"), "a 1"},
	"usr/lib/python3/dist-packages/a-1.egg-info":         {metadata("a", "1"), "a 1"},
	"usr/lib/a-1.egg":                            {jar(member{"EGG-INFO/PKG-INFO", metadata("a", "1")}), "a 1"},
	"usr/share/java/a.jar":                       {jar(pom("g", "a", "1"), class), "g:a 1"},
	"usr/share/gems/specifications/a-1.gemspec":  {gem("a", "1", "ruby"), "a 1"},
	"usr/share/x/vendor/composer/installed.json": {`[{"name": "a/b", "version": "1"}]`, "a/b 1"},
	"usr/lib/dotnet/a.deps.json":                 {deps("x", "package A/1"), "A 1"},
	"usr/share/x/.yarn/cache/a.zip":              {jar(member{"node_modules/a/package.json", npm("a", "1")}), "a 1"},
	"usr/bin/a":                                  {single(6, deps("x", "package A/1")), "A 1"},
}

// TestOwnedKinds: in each form of the system's database, what its packages
// brought counts through them, and again where a layer above put another there.
func TestOwnedKinds(t *testing.T) {
	for place, is := range ownedKinds {
		for name, system := range map[string][]ocitest.Entry{
			"rpm":        {file("etc/os-release", alma8), file("var/lib/rpm/Packages.db", ndb(rpmdbtest.Package{Name: "sys", Version: "1", Release: "1", Files: []string{"/" + place}}))},
			"apk":        {file("lib/apk/db/installed", "P:sys\nV:1\nF:"+path.Dir(place)+"\nR:"+path.Base(place)+"\n\n")},
			"dpkg":       {file("var/lib/dpkg/status", "Package: sys\nVersion: 1\nMaintainer: Some <a@lists.debian.org>\n"), file("var/lib/dpkg/info/sys:amd64.list", "/.\n/"+place+"\n")},
			"distroless": {file("var/lib/dpkg/status.d/sys", "Package: sys\nVersion: 1\n"), file("var/lib/dpkg/status.d/sys.md5sums", "0123  "+place+"\n")},
		} {
			with := file(place, is[0])
			below := ocitest.Tar(append(system, with)...)
			if got := languagesOf(read(t, &Reader{}, layers(below))); len(got) > 0 {
				t.Errorf("%s %s: %v", name, place, got)
			}
			got := languagesOf(read(t, &Reader{}, layers(ocitest.Tar(system...), ocitest.Tar(with))))
			if diff := cmp.Diff([]string{is[1]}, got); diff != "" {
				t.Errorf("%s %s put over (-want +got):\n%s", name, place, diff)
			}
		}
	}
}

// TestStrangersOwnNothing: what a package brought that the distribution didn't
// build is in none of its advisories.
func TestStrangersOwnNothing(t *testing.T) {
	const place = "usr/lib/node_modules/npm/package.json"
	for maintainer, hidden := range map[string]bool{
		"Debian Javascript Maintainers <pkg-javascript-devel@lists.alioth.debian.org>": true,
		"Ubuntu Developers <ubuntu-devel-discuss@lists.ubuntu.com>":                    true,
		"Python Team <team+python@tracker.debian.org>":                                 true,
		"Somebody <somebody@nodesource.com>":                                           false,
		"Somebody <debian.org@example.com>":                                            false,
		"Somebody <a@notdebian.org>":                                                   false,
		"root":                                                                         false,
	} {
		inv := read(t, &Reader{}, layers(ocitest.Tar(
			file("var/lib/dpkg/status", "Package: nodejs\nmaintainer: "+maintainer+"\nVersion: 1\n\nPackage: other\nVersion: 1\n"),
			file("var/lib/dpkg/info/nodejs.list", "/"+place+"\n"), file(place, npm("npm", "9.0.0")),
		)))
		if got := languagesOf(inv); (len(got) == 0) != hidden {
			t.Errorf("%s: %v", maintainer, got)
		}
	}
}

// languagesOf lists the packages that are not the system's.
func languagesOf(inv *Inventory) (out []string) {
	for _, p := range inv.Packages {
		if p.Name != "sys" && p.Name != "nodejs" && p.Name != "other" {
			out = append(out, p.Name+" "+p.Version)
		}
	}
	return out
}
