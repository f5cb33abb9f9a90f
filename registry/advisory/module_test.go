package advisory

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/scantling/scantling/model"
	"github.com/scantling/scantling/registry/image"
)

// alma is a package of AlmaLinux 8.
func alma(name, version, module string) image.Package {
	return image.Package{
		PURL: "pkg:rpm/almalinux/" + name + "@" + version, Name: name, Version: version, Source: name, SourceVersion: version,
		Ecosystem: "AlmaLinux:8", Module: module, Path: "/var/lib/rpm/rpmdb.sqlite",
	}
}

func almaRecord(id, summary, name, fixed string) string {
	return fmt.Sprintf(`{"id": %q, "modified": "2026-08-01T00:00:00Z", "summary": %q, "affected": [{"package": {"ecosystem": "AlmaLinux:8", "name": %q},
		"ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": %q}]}]}]}`, id, summary, name, fixed)
}

// TestModules: an advisory touches the stream that its title names, and no
// other; what can't be told is unknown.
func TestModules(t *testing.T) {
	db, _ := load(t, folder(t, map[string]string{"AlmaLinux/all.zip": zipped(
		"1.json", almaRecord("ALSA-1", "Important: nodejs:18 security update", "nodejs", "1:18.17.1-1.module_el8.8.0+3613+1ed8c91d"),
		"2.json", almaRecord("ALSA-2", "Moderate: varnish security update", "varnish", "6.0.13-1.module_el8.9.0+3786+e8a73bbf.alma.1"),
		"3.json", almaRecord("ALSA-3", "Moderate: perl security update", "perl", "4:5.26.3-423.el8_10"),
		"4.json", almaRecord("ALSA-4", "Moderate: virt:rhel and virt-devel:rhel security update", "qemu-img", "15:6.2.0-33.module_el8.8.0+3612+f18d2b89.alma.1"),
		"5.json", almaRecord("ALSA-5", "Low: httpd:2.4.37 security update", "httpd", "2.4.37-65.module_el8.10.0+3900+e872c1a1.2"),
	)}), All)
	for name, tc := range map[string]struct {
		pkg     image.Package
		found   string
		unknown string
	}{
		"older":                         {alma("nodejs", "1:18.16.1-1.module_el8.8.0+3600+aaaaaaaa", "nodejs:18"), "ALSA-1", ""},
		"fixed":                         {alma("nodejs", "1:18.17.1-1.module_el8.8.0+3613+1ed8c91d", "nodejs:18"), "", ""},
		"newer":                         {alma("nodejs", "1:18.20.4-1.module_el8.10.0+3880+1ed8c91d", "nodejs:18"), "", ""},
		"another stream that is older":  {alma("nodejs", "1:16.20.2-3.module_el8.8.0+3600+aaaaaaaa", "nodejs:16"), "", ""},
		"a stream that isn't told":      {alma("nodejs", "1:16.20.2-3.module_el8.8.0+3600+aaaaaaaa", ""), "", "which stream"},
		"the same that can't be hit":    {alma("nodejs", "1:20.20.2-3.module_el8.8.0+3600+aaaaaaaa", ""), "", ""},
		"of no module":                  {alma("nodejs", "1:16.20.2-3.el8", ""), "", ""},
		"a title without stream":        {alma("varnish", "6.0.8-3.module_el8.8.0+3665+0b8dabc5", "varnish:6"), "", "which stream"},
		"the same, mended":              {alma("varnish", "6.0.13-1.module_el8.9.0+3786+e8a73bbf.alma.1", "varnish:6"), "", ""},
		"one that isn't about a module": {alma("perl", "4:5.24.4-404.module_el8.6.0+2811+fe6c84b0", "perl:5.24"), "", ""},
		"the same of no module":         {alma("perl", "4:5.26.3-422.el8", ""), "ALSA-3", ""},
		"epoch left out":                {alma("perl", "5.26.3-422.el8", ""), "ALSA-3", ""},
		"epoch 0 counts as none":        {alma("perl", "0:5.30.0-1.el8", ""), "ALSA-3", ""},
		"the second of two streams":     {alma("qemu-img", "15:6.2.0-1.module_el8.8.0+1+aaaaaaaa", "virt-devel:rhel"), "ALSA-4", ""},
		"a version for a stream":        {alma("httpd", "2.4.37-60.module_el8.10.0+1+aaaaaaaa", "httpd:2.4"), "", "which stream"},
		"no release":                    {alma("perl", "5.26.3", ""), "", "can't be compared"},
	} {
		t.Run(name, func(t *testing.T) {
			found, unknown := db.Match(&image.Inventory{Name: "x", Packages: []image.Package{tc.pkg}})
			if got := namesOf(found); got != tc.found {
				t.Errorf("found %q, want %q", got, tc.found)
			}
			if (tc.unknown == "") != (len(unknown) == 0) || tc.unknown != "" && !strings.Contains(unknown[0].Why, tc.unknown) {
				t.Errorf("unknown %v, want %q", unknown, tc.unknown)
			}
		})
	}
}

func namesOf(list []model.Weakness) string {
	var out []string
	for _, w := range list {
		out = append(out, w.Advisory)
	}
	return strings.Join(out, " ")
}

// TestSupport: the end of a release that isn't known is unknown, that of a
// rolling one is none.
func TestSupport(t *testing.T) {
	one := func(ecosystem string) string {
		return fmt.Sprintf(`{"id": "X-%s", "modified": "2026-08-01T00:00:00Z", "affected": [{"package": {"ecosystem": %q, "name": "a"},
			"ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "1-r1"}]}]}]}`, ecosystem, ecosystem)
	}
	files := map[string]string{}
	for _, ecosystem := range []string{"AlmaLinux:8", "AlmaLinux:11", "Rocky Linux:9", "openSUSE:Leap 15.5", "openSUSE:Tumbleweed", "Mageia:9", "Wolfi"} {
		files[baseOf(ecosystem)+"/"+strings.ReplaceAll(ecosystem, ":", "-")+".json"] = one(ecosystem)
	}
	db, _ := load(t, folder(t, files), All)
	for ecosystem, want := range map[string]string{
		"AlmaLinux:8": "", "AlmaLinux:11": "how long AlmaLinux:11 is supported isn't known", "Rocky Linux:9": "",
		"openSUSE:Leap 15.5": "out of support since 2024-12-31", "openSUSE:Tumbleweed": "", "Mageia:9": "isn't known", "Wolfi": "",
	} {
		t.Run(ecosystem, func(t *testing.T) {
			_, unknown := db.Match(&image.Inventory{Packages: []image.Package{{Name: "a", Source: "a", Version: "2-r1", SourceVersion: "2-r1", Ecosystem: ecosystem}}})
			if (want == "") != (len(unknown) == 0) || want != "" && !strings.Contains(unknown[0].Why, want) {
				t.Errorf("unknown %v, want %q", unknown, want)
			}
		})
	}
	why := db.missing(&image.Inventory{OS: image.OS{ID: "rhel", Name: "Red Hat Enterprise Linux 9.4 (Plow)"}}, "", db.feeds["Wolfi"].newest)
	if !strings.Contains(why, "Red Hat Enterprise Linux 9.4 (Plow): the advisories of Red Hat go by product") {
		t.Errorf("of RHEL: %s", why)
	}
}

// TestAlmaLinux takes packages out of real advisories: the version just below
// a fix is touched by the record, the highest fix of it isn't, and a package
// of another stream never is.
func TestAlmaLinux(t *testing.T) {
	_, mirror := corpora(t)
	db := sharedDB(t, mirror)
	f := db.feeds["AlmaLinux"]
	touches := func(p image.Package, id string) (bool, []model.Incomplete) {
		found, unknown := db.Match(&image.Inventory{Packages: []image.Package{p}})
		return slices.ContainsFunc(found, func(w model.Weakness) bool { return w.Advisory == id }), unknown
	}
	o := order{"AlmaLinux"}
	checked, modular, untold := 0, 0, 0
	for i, id := range sortedKeys(f.records) {
		r := f.records[id]
		if i%9 != 0 || len(r.Affected) == 0 {
			continue
		}
		a := &r.Affected[len(r.Affected)/2]
		p := alma(a.Name, highestFix(t, o, r, a), "")
		p.Ecosystem = a.Ecosystem
		if modularRelease.MatchString(p.Version) {
			streams := namedStream.FindAllString(r.Summary, -1)
			if len(streams) == 0 {
				untold++
				continue
			}
			modular++
			p.Module = streams[0]
		}
		checked++
		if hit, _ := touches(p, id); hit {
			t.Errorf("%s touches %s %s, which it names as fixed", id, p.Name, p.Version)
		}
		// A tilde sorts before the end of a release.
		p.SourceVersion += "~0"
		if hit, _ := touches(p, id); !hit {
			t.Errorf("%s doesn't touch %s %s", id, p.Name, p.SourceVersion)
		}
		if p.Module != "" {
			p.Module = "other:1"
			if hit, unknown := touches(p, id); hit || strings.Contains(fmt.Sprint(unknown), id) {
				t.Errorf("%s touches another stream of %s", id, p.Name)
			}
		}
	}
	t.Logf("%d records, %d of them of modules; %d more don't name a stream", checked, modular, untold)
	if checked < 600 || modular < 60 {
		t.Error("too few")
	}
}

// highestFix is the highest fixed version that a record has for a package.
func highestFix(t *testing.T, o order, r *Record, of *Affected) string {
	t.Helper()
	var list []version
	for _, a := range r.Affected {
		for _, one := range a.Ranges {
			for _, e := range one.Events {
				if a.Name == of.Name && a.Ecosystem == of.Ecosystem && e.Fixed != "" {
					v, err := o.parse(e.Fixed)
					if err != nil || !v.exact {
						t.Fatalf("%s: %q: %v", r.ID, e.Fixed, err)
					}
					list = append(list, v)
				}
			}
		}
	}
	sorted := sortVersions(list)
	return sorted[len(sorted)-1]
}

// TestOrderAgainstRPM lets rpm itself compare the versions that AlmaLinux
// names for one package, each with the next.
func TestOrderAgainstRPM(t *testing.T) {
	_, mirror := corpora(t)
	rpm, err := exec.LookPath("rpm")
	if err != nil {
		t.Skip("rpm is not installed")
	}
	fixes := map[string][]string{}
	for _, r := range sharedDB(t, mirror).feeds["AlmaLinux"].records {
		for _, a := range r.Affected {
			for _, one := range a.Ranges {
				for _, e := range one.Events {
					if e.Fixed != "" {
						fixes[a.Name] = append(fixes[a.Name], e.Fixed)
					}
				}
			}
		}
	}
	o := order{"AlmaLinux"}
	var script strings.Builder
	script.WriteString("local out = {}\nlocal function c(a, b) out[#out+1] = rpm.ver(a) < rpm.ver(b) and '<' or rpm.ver(a) == rpm.ver(b) and '=' or '>' end\n")
	var ours strings.Builder
	pairs := 0
	for _, name := range sortedKeys(fixes) {
		list := fixes[name]
		slices.Sort(list)
		list = slices.Compact(list)
		for i := 1; i < len(list); i++ {
			v, err := o.parse(list[i-1])
			if err != nil {
				t.Fatal(err)
			}
			w, err := o.parse(list[i])
			if err != nil {
				t.Fatal(err)
			}
			c, err := v.compare(w)
			if err != nil {
				t.Fatal(err)
			}
			ours.WriteByte("<=>"[max(-1, min(1, c))+1])
			fmt.Fprintf(&script, "c('%s', '%s')\n", list[i-1], list[i])
			pairs++
		}
	}
	script.WriteString("print(table.concat(out))\n")
	file := filepath.Join(t.TempDir(), "pairs.lua")
	if err := os.WriteFile(file, []byte(script.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(context.Background(), rpm, "--eval", "%{lua: dofile('"+file+"')}").CombinedOutput()
	theirs := strings.TrimSpace(string(out))
	if err != nil || len(theirs) != pairs {
		t.Fatalf("rpm: %v, %d bytes for %d pairs: %.300s", err, len(theirs), pairs, theirs)
	}
	for i := range pairs {
		if ours.String()[i] != theirs[i] {
			t.Errorf("pair %d: %c, rpm says %c", i, ours.String()[i], theirs[i])
		}
	}
	t.Logf("%d pairs", pairs)
}

// TestFixPlanOfStreams: the fix of one stream is none of another, also where
// two images have both.
func TestFixPlanOfStreams(t *testing.T) {
	record := func(id, stream, fixed string) string {
		return fmt.Sprintf(`{"id":%q,"modified":%q,"summary":"Important: nodejs:%s security update","affected":[{"package":{"ecosystem":"AlmaLinux:8","name":"nodejs"},"ranges":[{"type":"ECOSYSTEM","events":[{"introduced":"0"},{"fixed":%q}]}]}]}`, id, day2, stream, fixed)
	}
	db, _ := load(t, folder(t, map[string]string{
		kevFile:                 kevJSON,
		"AlmaLinux/ALSA-1.json": record("ALSA-1", "16", "1:16.20.2-2.module_el8.8.0+3613+1ed8c91d"),
		"AlmaLinux/ALSA-2.json": record("ALSA-2", "18", "1:18.20.0-1.module_el8.9.0+3700+aaaaaaaa"),
	}), All)
	inv := func(stream, version string) *image.Inventory {
		return &image.Inventory{Digest: "sha256:" + stream, Name: stream, Packages: []image.Package{alma("nodejs", version, "nodejs:"+stream)}}
	}
	invs := []*image.Inventory{inv("16", "1:16.1.0-1.module_el8.8.0+1+1"), inv("18", "1:18.1.0-1.module_el8.9.0+1+1")}
	want := []string{
		"1 upgrade nodejs 1:16.1.0-1.module_el8.8.0+1+1 → 1:16.20.2-2.module_el8.8.0+3613+1ed8c91d | unknown | sha256:16 | 1 matches 0 kev 0 critical 0 high | ALSA-1",
		"2 upgrade nodejs 1:18.1.0-1.module_el8.9.0+1+1 → 1:18.20.0-1.module_el8.9.0+3700+aaaaaaaa | unknown | sha256:18 | 1 matches 0 kev 0 critical 0 high | ALSA-2",
	}
	if diff := cmp.Diff(want, outline(judge(t).Judge(invs, db, Config{}).FixPlan(never, day))); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestPatchIsNoProgram: what an advisory or an image calls a version or a
// package never becomes a second command.
func TestPatchIsNoProgram(t *testing.T) {
	for _, tc := range [][3]string{
		{"PyPI", "a", "1.0';curl${IFS}x|sh;'"},
		{"npm", "a;reboot", "1.0.0"},
		{"npm", "a", "1.0.0$(reboot)"},
		{"Go", "example.com/a`reboot`", "1.0.0"},
		{"RubyGems", "a&&b", "1"},
		{"NuGet", "a|b", "1"},
		{"crates.io", "-p", "1.0.0"},
	} {
		if got := upgradePatch(tc[0], tc[1], tc[2], []string{tc[1]}); got != "" {
			t.Errorf("%q", got)
		}
	}
	for _, name := range []string{"lib;x", "a b", "$(x)", "--allow-downgrades"} {
		if got := upgradePatch("Debian:12", "lib", "1.0-1", []string{"libok", name}); got != "" {
			t.Errorf("%q", got)
		}
	}
	for _, tc := range [][3]string{{"npm", "@angular/core", "1.0.0-rc.1+build"}, {"Go", "github.com/Masterminds/semver/v3", "3.1.0"}, {"Packagist", "symfony/http-kernel", "5.4.20"}} {
		if upgradePatch(tc[0], tc[1], tc[2], nil) == "" {
			t.Errorf("none for %v", tc)
		}
	}
	if upgradePatch("Debian:12", "g++-12", "1:12.2.0-14+deb12u1~x", []string{"libstdc++6"}) == "" {
		t.Error("none for the names of Debian")
	}
}
