package image

import (
	"archive/tar"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/scantling/scantling/oci/ocitest"
)

func gem(name, version, platform string) string {
	return "# -*- encoding: utf-8 -*-\n# stub: " + name + " " + version + " " + platform + " lib\n\nGem::Specification.new do |s|\n  s.name = \"other\".freeze\nend\n"
}

func TestGem(t *testing.T) {
	for name, tc := range map[string]struct{ text, want string }{
		"stub":                {gem("rack", "2.2.3", "ruby"), "rack 2.2.3 "},
		"platform":            {gem("nokogiri", "1.15.4", "x86_64-linux"), "nokogiri 1.15.4 x86_64-linux"},
		"stub without folder": {"# stub: a 1.0 ruby\n", "a 1.0 "},
		"assignments":         {"Gem::Specification.new do |s|\n  s.name = %q{rake}\n  s.version = \"0.8.7\"\n  s.platform = Gem::Platform::RUBY\nend\n", "rake 0.8.7 "},
		"version object":      {"Gem::Specification.new do |spec|\r\n  spec.name = 'a-b_c'\r\n  spec.version = Gem::Version.new('1.0.0.rc1')\r\n  spec.platform = 'java'.freeze\r\nend", "a-b_c 1.0.0.rc1 java"},
		"what Ruby would run": {"Gem::Specification.new do |s|\n  s.name = \"a\"\n  s.version = A::VERSION\nend\n", ""},
		"text that is run":    {"  s.name = \"a\"\n  s.version = \"1.#{x}\"\n", ""},
		"a wrong version":     {"# stub: a latest ruby lib\n", ""},
		"empty":               {"", ""},
	} {
		t.Run(name, func(t *testing.T) {
			packages, notes := parseGem([]byte(tc.text))
			got := ""
			for _, p := range packages {
				got += p.Name + " " + p.Version + " " + p.Arch
			}
			if got != tc.want || (tc.want == "") != (len(notes) == 1) {
				t.Errorf("got %q, want %q, notes %v", got, tc.want, notes)
			}
		})
	}
}

// TestScalibrGem compares with what the tests of gemspec state. Those whose
// version is computed are said to be unknown here. Two of its files are broken
// Ruby; what they say can be told all the same.
func TestScalibrGem(t *testing.T) {
	dir := filepath.Join(extractors(t), "ruby/gemspec/testdata")
	for name, want := range map[string]string{
		"rss-0.2.9.gemspec": "rss 0.2.9", "yaml-0.2.1.gemspec": "yaml 0.2.1", "empty.gemspec": "", "badspec.gemspec": "foo 1.2.3", "invalid.gemspec": "rss 0.2.9",
		"version_constant/version_constant.gemspec": "", "version_inline.gemspec": "",
	} {
		got, notes := parseGem(testdata(t, dir, name))
		if strings.Join(names(got), ", ") != want || (want == "") != (len(notes) > 0) {
			t.Errorf("%s: got %v, notes %v", name, names(got), notes)
		}
	}
}

// TestRealGems compares with what Ruby itself says of every gem that it knows
// on this machine, each read from the file that Ruby loaded.
func TestRealGems(t *testing.T) {
	out, err := exec.Command("ruby", "-e", `Gem::Specification.each { |s| puts [s.name, s.version, s.platform, s.loaded_from].join("\t") }`).Output()
	if err != nil {
		t.Skipf("no Ruby: %v", err)
	}
	read := 0
	for line := range strings.Lines(string(out)) {
		parts := strings.Split(strings.TrimSpace(line), "\t")
		if len(parts) != 4 || parts[3] == "" || kindOf(strings.TrimPrefix(parts[3], "/")) != foundGem {
			continue
		}
		platform := parts[2]
		if platform == rubyPlatform {
			platform = ""
		}
		got, notes := parseGem(testdata(t, parts[3]))
		want := []Package{{Name: parts[0], Version: parts[1], Arch: platform, Source: parts[0], SourceVersion: parts[1], Ecosystem: "RubyGems"}}
		if diff := cmp.Diff(want, got); diff != "" || len(notes) > 0 {
			t.Errorf("%s: notes %v (-Ruby +read):\n%s", parts[3], notes, diff)
		}
		read++
	}
	t.Logf("%d gems", read)
	if read == 0 {
		t.Skip("no gems")
	}
}

func TestComposer(t *testing.T) {
	for name, tc := range map[string]struct {
		text, want string
		notes      []string
	}{
		"list":            {`[{"name": "Symfony/Http-Kernel", "version": "v5.4.19"}, {"name": "a/b", "version": "1.0"}]`, "Symfony/Http-Kernel 5.4.19, a/b 1.0", nil},
		"object":          {"\xef\xbb\xbf" + `{"packages": [{"name": "a/b", "version": "dev-main", "version_normalized": "dev-main"}], "dev": true, "dev-package-names": []}`, "a/b dev-main", nil},
		"nothing":         {`{"packages": [], "dev": false}`, "", nil},
		"broken package":  {`[{"name": "ab", "version": "1"}, {"name": "a/b"}, {"name": "a/b", "version": "v2"}]`, "a/b 2", []string{"without a usable", "without a usable"}},
		"no list":         {`{"package": []}`, "", []string{"no list of packages"}},
		"null":            {`null`, "", []string{"no list of packages"}},
		"no JSON":         {`{`, "", []string{"unexpected end of JSON"}},
		"something else":  {`[1]`, "", []string{"cannot unmarshal number"}},
		"more than bound": {"[" + strings.Repeat(`{"name": "a/b", "version": "1"},`, maxListed) + `{"name": "a/b", "version": "1"}]`, strings.TrimSuffix(strings.Repeat("a/b 1, ", maxListed), ", "), []string{"8193 packages, read up to 8192"}},
	} {
		t.Run(name, func(t *testing.T) {
			packages, notes := parseComposer([]byte(tc.text))
			matchNotes(t, notes, tc.notes)
			if got := strings.Join(names(packages), ", "); got != tc.want {
				t.Errorf("got %.200q, want %.200q", got, tc.want)
			}
			for _, p := range packages {
				if p.Source != strings.ToLower(p.Name) || p.Ecosystem != "Packagist" {
					t.Errorf("package %+v", p)
				}
			}
		})
	}
}

func matchNotes(t *testing.T, notes []note, want []string) {
	t.Helper()
	if len(notes) != len(want) {
		t.Errorf("notes %v, want %q", notes, want)
		return
	}
	for i, n := range notes {
		if !strings.Contains(n.why, want[i]) {
			t.Errorf("note %q, want %q", n.why, want[i])
		}
	}
}

// deps writes the list of libraries of a .NET program: KIND NAME/VERSION.
func deps(target string, libraries ...string) string {
	var list []string
	for _, l := range libraries {
		kind, key, _ := strings.Cut(l, " ")
		list = append(list, `"`+key+`": {"type": "`+kind+`", "serviceable": true, "sha512": ""}`)
	}
	return `{"runtimeTarget": {"name": "` + target + `"}, "targets": {}, "libraries": {` + strings.Join(list, ", ") + `}}`
}

func TestNuGet(t *testing.T) {
	framework := "usr/share/dotnet/shared/Microsoft.NETCore.App/8.0.1/Microsoft.NETCore.App.deps.json"
	target := ".NETCoreApp,Version=v8.0/linux-musl-x64"
	for name, tc := range map[string]struct {
		path, text string
		want       []string
		notes      []string
	}{
		"program": {
			"app/a.deps.json", deps(target, "project a/1.0.0", "package Newtonsoft.Json/12.0.3", "runtimepack runtimepack.Microsoft.NETCore.App.Runtime.linux-x64/8.0.1", "reference x/1"),
			[]string{"Microsoft.NETCore.App.Runtime.linux-x64 8.0.1", "Newtonsoft.Json 12.0.3"},
			nil,
		},
		"framework":             {framework, deps(target, "package Microsoft.NETCore.App.Runtime.linux-musl-x64/8.0.1"), []string{"Microsoft.NETCore.App.Runtime.linux-musl-x64 8.0.1"}, nil},
		"framework by folder":   {framework, deps(target), []string{"Microsoft.NETCore.App.Runtime.linux-musl-x64 8.0.1"}, nil},
		"without platform":      {framework, deps(".NETCoreApp,Version=v2.1"), []string{"Microsoft.NETCore.App 8.0.1"}, nil},
		"with a wrong platform": {framework, deps("a/b/c"), nil, []string{"platform can't be told"}},
		"no version":            {"a.deps.json", deps(target, "package a", "package b/1", "package c/1/2"), []string{"b 1"}, []string{"without a usable", "without a usable"}},
		"no JSON":               {"a.deps.json", "{", nil, []string{"unexpected end"}},
		"wrong libraries":       {"a.deps.json", `{"libraries": 1}`, nil, []string{"cannot unmarshal number"}},
	} {
		t.Run(name, func(t *testing.T) {
			f := parseNuGet(tc.path, []byte(tc.text))
			if diff := cmp.Diff(tc.want, names(f.packages)); diff != "" {
				t.Errorf("packages (-want +got):\n%s", diff)
			}
			matchNotes(t, f.notes, tc.notes)
		})
	}
	for _, text := range []string{"[1, 2]", "{}", `"x"`, `null`} {
		if f := parseNuGet("a.deps.json", []byte(text)); f != nil {
			t.Errorf("%s says %+v", text, f)
		}
	}
}

// TestScalibrNuGet compares with what the tests of depsjson state.
func TestScalibrNuGet(t *testing.T) {
	dir := filepath.Join(extractors(t), "dotnet/depsjson/testdata")
	for name, want := range map[string]string{
		"valid": "AWSSDK.Core 3.7.10.6, Microsoft.Extensions.DependencyInjection 6.0.0", "nopackagename": "AWSSDK.Core 3.7.10.6",
	} {
		if got := strings.Join(names(parseNuGet("a.deps.json", testdata(t, dir, name)).packages), ", "); got != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
	for name, silent := range map[string]bool{"empty": true, "editor.deps.json": true, "invalid": false} {
		if f := parseNuGet("a.deps.json", testdata(t, dir, name)); (f == nil) != silent || f != nil && len(f.notes) != 1 {
			t.Errorf("%s says %+v", name, f)
		}
	}
}

func TestInstalled(t *testing.T) {
	digits := strings.Repeat("0f", 63)
	link := func(name, target string) ocitest.Entry {
		return ocitest.Entry{Name: name, Type: tar.TypeLink, Link: target}
	}
	for name, tc := range map[string]struct {
		layers     [][]byte
		want       []string
		incomplete []string
	}{
		"gems": {
			[][]byte{ocitest.Tar(
				file("etc/os-release", debian12), file("var/lib/dpkg/status.d/ruby-rack", "Package: ruby-rack\nVersion: 1\n"),
				file("var/lib/dpkg/status.d/ruby-rack.md5sums", "0123  usr/share/rubygems-integration/all/specifications/rack-2.2.3.gemspec\n"),
				file("usr/share/rubygems-integration/all/specifications/rack-2.2.3.gemspec", gem("rack", "2.2.3", "ruby")),
				file("usr/local/lib/ruby/gems/3.1.0/specifications/default/json-2.6.1.gemspec", gem("json", "2.6.1", "ruby")),
				file("usr/local/bundle/specifications/nokogiri-1.13.0-x86_64-linux.gemspec", gem("nokogiri", "1.13.0", "x86_64-linux")),
				file("usr/local/bundle/gems/nokogiri-1.13.0-x86_64-linux/nokogiri.gemspec", "not read"), file("x/specifications/broken.gemspec", "s.name = x"),
			)},
			[]string{
				"0 json 2.6.1 /usr/local/lib/ruby/gems/3.1.0/specifications/default/json-2.6.1.gemspec",
				"0 nokogiri 1.13.0 /usr/local/bundle/specifications/nokogiri-1.13.0-x86_64-linux.gemspec", "0 ruby-rack 1 /var/lib/dpkg/status.d/ruby-rack",
			},
			[]string{"/x/specifications/broken.gemspec: a gemspec whose name and version can't be told"},
		},
		"composer": {
			[][]byte{
				ocitest.Tar(file("app/vendor/composer/installed.json", `[{"name": "a/b", "version": "v1.0.0"}, {"name": "c/d", "version": "v1.0.0"}]`)),
				ocitest.Tar(file("app/vendor/composer/installed.json", `{"packages": [{"name": "a/b", "version": "v1.0.0"}, {"name": "c/d", "version": "v1.0.1"}]}`)),
			},
			[]string{"0 a/b 1.0.0 /app/vendor/composer/installed.json", "1 c/d 1.0.1 /app/vendor/composer/installed.json"},
			nil,
		},
		"nuget of a package of Alpine": {
			[][]byte{ocitest.Tar(
				file("etc/os-release", "ID=alpine\nVERSION_ID=3.19.1\n"),
				file("lib/apk/db/installed", "P:dotnet8-runtime\nV:8.0.1-r0\nA:x\nF:usr/lib/dotnet/shared/Microsoft.NETCore.App/8.0.1\nR:Microsoft.NETCore.App.deps.json\n\n"),
				file("usr/lib/dotnet/shared/Microsoft.NETCore.App/8.0.1/Microsoft.NETCore.App.deps.json", deps("x/linux-musl-x64")),
				file("app/a.deps.json", deps("x", "package Newtonsoft.Json/12.0.3")), file("app/empty.deps.json", "{}"),
			)},
			[]string{"0 Newtonsoft.Json 12.0.3 /app/a.deps.json", "0 dotnet8-runtime 8.0.1-r0 /lib/apk/db/installed"},
			nil,
		},
		"Plug'n'Play": {
			[][]byte{ocitest.Tar(
				file("app/yarn.lock", ""), file("app/.pnp.cjs", ""),
				file("app/.yarn/cache/ms-npm-2.0.0-9e1101a471-0e6a22b8b7.zip", jar(member{"node_modules/ms/package.json", npm("ms", "2.0.0")}, member{"node_modules/ms/node_modules/@a/b/package.json", npm("@a/b", "1.0.0")}, member{"node_modules/ms/x/package.json", "{"})),
				file("app/.yarn/cache/.gitignore", ""), file("app/.yarn/unplugged/x-npm-1/node_modules/x/package.json", npm("x", "1.0.0")),
			)},
			[]string{
				"0 @a/b 1.0.0 /app/.yarn/cache/ms-npm-2.0.0-9e1101a471-0e6a22b8b7.zip", "0 ms 2.0.0 /app/.yarn/cache/ms-npm-2.0.0-9e1101a471-0e6a22b8b7.zip",
				"0 x 1.0.0 /app/.yarn/unplugged/x-npm-1/node_modules/x/package.json",
			},
			nil,
		},
		"Plug'n'Play with a user's cache": {
			[][]byte{ocitest.Tar(file("app/yarn.lock", ""), file("app/.pnp.cjs", ""), file("other/yarn.lock", ""), file("root/.yarn/berry/cache/ms-npm-2.0.0-1.zip", jar(member{"node_modules/ms/package.json", npm("ms", "2.0.0")})))},
			[]string{"0 ms 2.0.0 /root/.yarn/berry/cache/ms-npm-2.0.0-1.zip"},
			[]string{"/other/yarn.lock: a lock file without"},
		},
		"Plug'n'Play without its cache": {
			[][]byte{ocitest.Tar(file("a/yarn.lock", ""), file("a/.pnp.cjs", ""), file("b/.pnp.js", ""), file("c/.pnp.cjs", ""), file("c/.yarn/cache/x.zip", "no zip"), file("c/.yarn/cache/y.zip", jar(member{"x", ""})))},
			nil,
			[]string{
				"/a/yarn.lock: a lock file without", "/b/.pnp.js: a lock file without", "/c/.pnp.cjs: a lock file without",
				"/c/.yarn/cache/x.zip: as a zip archive", "/c/.yarn/cache/y.zip: an archive of Yarn without a package",
			},
		},
		"pnpm": {
			[][]byte{ocitest.Tar(
				file("app/pnpm-lock.yaml", ""), file("app/node_modules/.pnpm/ms@2.0.0/node_modules/ms/package.json", npm("ms", "2.0.0")),
				ocitest.Entry{Name: "app/node_modules/ms", Link: ".pnpm/ms@2.0.0/node_modules/ms", Type: tar.TypeSymlink},
				file("app/node_modules/.pnpm/debug@2.6.9/node_modules/debug/package.json", npm("debug", "2.6.9")),
				ocitest.Entry{Name: "app/node_modules/.pnpm/debug@2.6.9/node_modules/ms", Link: "../../ms@2.0.0/node_modules/ms", Type: tar.TypeSymlink},
				ocitest.Entry{Name: "app/node_modules/.pnpm/node_modules/ms", Link: "../ms@2.0.0/node_modules/ms", Type: tar.TypeSymlink},
			)},
			[]string{"0 debug 2.6.9 /app/node_modules/.pnpm/debug@2.6.9/node_modules/debug/package.json", "0 ms 2.0.0 /app/node_modules/.pnpm/ms@2.0.0/node_modules/ms/package.json"},
			nil,
		},
		"pnpm with its store": {
			[][]byte{ocitest.Tar(
				file("root/.local/share/pnpm/store/v3/files/0f/"+digits, npm("ms", "2.0.0")), file("root/.local/share/pnpm/store/v3/files/0e/"+digits, npm("unused", "1.0.0")),
				file("root/.local/share/pnpm/store/v3/files/0d/"+digits, "code()"), file("root/.local/share/pnpm/store/v3/files/0c/"+digits, "{"),
				link("usr/src/node_modules/.pnpm/ms@2.0.0/node_modules/ms/package.json", "root/.local/share/pnpm/store/v3/files/0f/"+digits),
				link("usr/src/node_modules/.pnpm/bad@1/node_modules/bad/package.json", "root/.local/share/pnpm/store/v3/files/0c/"+digits),
				file("app/node_modules/.pnpm/a@1.0.0/node_modules/a/package.json", npm("a", "1.0.0")),
				link("app/store/v3/files/0b/"+digits, "app/node_modules/.pnpm/a@1.0.0/node_modules/a/package.json"),
			)},
			[]string{"0 a 1.0.0 /app/node_modules/.pnpm/a@1.0.0/node_modules/a/package.json", "0 ms 2.0.0 /usr/src/node_modules/.pnpm/ms@2.0.0/node_modules/ms/package.json"},
			[]string{"it is a hard link to"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			inv := read(t, &Reader{}, layers(tc.layers...))
			got, want := summary(inv), slices.Clone(tc.want)
			sortByName(got)
			sortByName(want)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("packages (-want +got):\n%s", diff)
			}
			matchIncomplete(t, inv, tc.incomplete)
		})
	}
}

func TestInstalledPURL(t *testing.T) {
	archive := jar(pom("g.h", "i", "3"), class, member{"lib/x.jar", jar(pom("j", "k", "1"), class)})
	egg := jar(member{"EGG-INFO/PKG-INFO", metadata("monotonic", "1.6")})
	inv := read(t, &Reader{}, layers(ocitest.Tar(
		file("specifications/nokogiri.gemspec", gem("nokogiri", "1.13.0", "x86_64-linux")), file("vendor/composer/installed.json", `[{"name": "Sym/Kernel", "version": "v5.4"}]`),
		file("a.deps.json", deps("x", "package Newtonsoft.Json/12.0.3")), file(".yarn/cache/ms.zip", jar(member{"node_modules/@v/ms/package.json", npm("@v/ms", "2.0.0")})),
		file("a.jar", archive), file("a.egg", egg), file("shaded.jar", jar(pom("a", "b", "1"), pom("c", "d", "1"))),
	)))
	var got []string
	for _, p := range inv.Packages {
		got = append(got, strings.TrimSpace(p.PURL+" "+p.Ecosystem+" "+p.Source+" "+p.SHA256))
	}
	want := []string{
		"pkg:maven/a/b@1 Maven a:b", "pkg:maven/c/d@1 Maven c:d", "pkg:maven/g.h/i@3 Maven g.h:i " + inMemory([]byte(archive)).digest(), "pkg:maven/j/k@1 Maven j:k",
		"pkg:nuget/Newtonsoft.Json@12.0.3 NuGet Newtonsoft.Json", "pkg:composer/sym/kernel@5.4 Packagist sym/kernel", "pkg:pypi/monotonic@1.6 PyPI monotonic " + inMemory([]byte(egg)).digest(),
		"pkg:gem/nokogiri@1.13.0?platform=x86_64-linux RubyGems nokogiri", "pkg:npm/%40v/ms@2.0.0 npm @v/ms " + inMemory([]byte(jar(member{"node_modules/@v/ms/package.json", npm("@v/ms", "2.0.0")}))).digest(),
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("package URLs (-want +got):\n%s", diff)
	}
}

func TestYarnBound(t *testing.T) {
	members := slices.Repeat([]member{{"node_modules/a/package.json", npm("a", "1.0.0")}}, maxListed+5)
	f := parseYarn(newArchive(defaultLimits()), inMemory([]byte(jar(members...))))
	if len(f.packages) != maxListed || len(f.notes) != 1 || !strings.Contains(f.notes[0].why, "more than 8192") {
		t.Errorf("%d packages, notes %v", len(f.packages), f.notes)
	}
}

func FuzzGem(f *testing.F) {
	f.Add([]byte(gem("nokogiri", "1.13.0", "x86_64-linux")))
	f.Add([]byte("  s.name = %q{rake}\n  s.version = Gem::Version.new(\"0.8.7\".freeze)\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		packages, notes := parseGem(data)
		checkPackages(t, packages, notes)
		for _, p := range packages {
			platform := p.Arch
			if platform == "" {
				platform = rubyPlatform
			}
			if again, _ := parseGem([]byte(gem(p.Name, p.Version, platform))); !cmp.Equal(packages, again) {
				t.Errorf("again: %s", cmp.Diff(packages, again))
			}
		}
	})
}

func FuzzComposer(f *testing.F) {
	f.Add([]byte(`{"packages": [{"name": "a/b", "version": "v1.0"}]}`))
	f.Add([]byte(`[{"name": "a/b", "version": "dev-main"}, null]`))
	f.Fuzz(func(t *testing.T, data []byte) {
		packages, notes := parseComposer(data)
		for _, p := range packages {
			if !composerName.MatchString(p.Name) || !plainField(p.Version) {
				t.Errorf("package %+v", p)
			}
		}
		if len(packages) > maxListed || len(notes) > maxNotes+1 {
			t.Errorf("%d packages, %d notes", len(packages), len(notes))
		}
	})
}

func FuzzNuGet(f *testing.F) {
	f.Add([]byte(deps("x/linux-x64", "package a/1", "runtimepack runtimepack.b/2")), "usr/shared/A/1/A.deps.json")
	f.Fuzz(func(t *testing.T, data []byte, name string) {
		found := parseNuGet(name, data)
		if found == nil {
			return
		}
		for _, p := range found.packages {
			if !plainField(p.Name) || !plainField(p.Version) || p.Ecosystem != "NuGet" {
				t.Errorf("package %+v", p)
			}
		}
		if len(found.packages) > maxListed+1 || len(found.notes) > maxNotes+1 {
			t.Errorf("%d packages, %d notes", len(found.packages), len(found.notes))
		}
	})
}

func FuzzYarn(f *testing.F) {
	f.Add([]byte(jar(member{"node_modules/@v/ms/package.json", npm("@v/ms", "2.0.0")})))
	f.Fuzz(func(t *testing.T, data []byte) {
		found := parseYarn(newArchive(limits{jar: 1 << 20, unpacked: 1 << 20}), inMemory(data))
		checkPackages(t, found.packages, found.notes)
		if len(found.notes) > maxNotes+1 {
			t.Errorf("%d notes", len(found.notes))
		}
	})
}
