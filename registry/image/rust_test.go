package image

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/scantling/scantling/oci/ocitest"
)

const audit = `{"packages": [
	{"name": "app", "version": "0.1.0", "source": "local", "dependencies": [1, 2], "root": true},
	{"name": "time", "version": "0.2.7", "source": "crates.io"},
	{"name": "cc", "version": "1.0.0", "source": "crates.io", "kind": "build"},
	{"name": "own", "version": "1.0.0", "source": "git", "kind": "runtime"}]}`

const rustPanic = "/rustc/90b35a6239c3d8bdabc530a6a0816f7ff89a0aaf/library/core/src/fmt/mod.rs"

func TestRust(t *testing.T) {
	apk := "P:tool\nV:1-r0\nA:x86_64\nF:usr/bin\nR:tool\n\n"
	for name, tc := range map[string]struct {
		entries    []ocitest.Entry
		want       []string
		incomplete []string
	}{
		"audit data": {
			[]ocitest.Entry{file("app", elfSpec{kind: elfShared, interp: "/lib/ld.so", audit: packed(audit), body: rustPanic}.build())},
			[]string{"0 app 0.1.0 /app", "0 own 1.0.0 /app", "0 time 0.2.7 /app"},
			nil,
		},
		"a library with audit data": {
			[]ocitest.Entry{file("a.so", elfSpec{kind: elfShared, audit: packed(audit), narrow: true, big: true}.build())},
			[]string{"0 app 0.1.0 /a.so", "0 own 1.0.0 /a.so", "0 time 0.2.7 /a.so"},
			nil,
		},
		"broken audit data": {
			[]ocitest.Entry{
				file("a", elfSpec{kind: elfExec, audit: []byte("no zlib")}.build()), file("b", elfSpec{kind: elfExec, audit: packed("{")}.build()),
				file("c", elfSpec{kind: elfExec, audit: packed("{}")}.build()), file("d", elfSpec{kind: elfExec, audit: packed(strings.Repeat(" ", maxAudit+1))}.build()),
				file("e", elfSpec{kind: elfExec, audit: packed(`{"packages": [{"name": "x y", "version": "1"}]}`)}.build()),
			},
			nil,
			[]string{
				"/a: its audit data of Rust: zlib", "/b: its audit data of Rust: unexpected end", "/c: its audit data of Rust names no crates",
				"/d: its audit data of Rust: more than the 2097152 bytes", "/e: a crate without a usable name",
			},
		},
		"without audit data": {
			[]ocitest.Entry{
				file("a", elfSpec{kind: elfShared, flags: flagPIE, body: rustPanic}.build()), file("b", elfSpec{kind: elfExec, body: "/usr/src/rustc-1.63.0/library/std/src/io"}.build()),
				file("lib.so", elfSpec{kind: elfShared, body: rustPanic}.build()), file("c", elfSpec{kind: elfExec, body: "/rustc/x/library/ /rustc"}.build()), file("text", rustPanic),
			},
			nil,
			[]string{"/a: packages of crates.io in programs without audit data are not read (2 files)"},
		},
		"of a package of the system": {
			[]ocitest.Entry{file("etc/os-release", "ID=alpine\nVERSION_ID=3.19.1\n"), file("lib/apk/db/installed", apk), file("usr/bin/tool", elfSpec{kind: elfExec, body: rustPanic}.build())},
			[]string{"0 tool 1-r0 /lib/apk/db/installed"},
			nil,
		},
	} {
		t.Run(name, func(t *testing.T) {
			inv := read(t, &Reader{}, layers(ocitest.Tar(tc.entries...)))
			if diff := cmp.Diff(tc.want, summary(inv)); diff != "" {
				t.Errorf("packages (-want +got):\n%s", diff)
			}
			if len(tc.want) == 0 || len(tc.incomplete) > 0 {
				matchIncomplete(t, inv, tc.incomplete)
			} else if len(inv.Incomplete) > 0 {
				t.Errorf("incomplete %v", inv.Incomplete)
			}
		})
	}
}

// TestRustPutOver: a program that a layer above put in the place of one of the
// system is its own again.
func TestRustPutOver(t *testing.T) {
	inv := read(t, &Reader{}, layers(
		ocitest.Tar(file("etc/os-release", "ID=alpine\nVERSION_ID=3.19.1\n"), file("lib/apk/db/installed", "P:tool\nV:1-r0\nA:x\nF:usr/bin\nR:tool\n\n"), file("usr/bin/tool", "#!/bin/sh\n")),
		ocitest.Tar(file("usr/bin/tool", elfSpec{kind: elfExec, body: rustPanic}.build())),
	))
	matchIncomplete(t, inv, []string{"/usr/bin/tool: packages of crates.io in programs without audit data are not read (1 file)"})
}

// TestRustSum: of the crates of a program, its own is the file.
func TestRustSum(t *testing.T) {
	program := elfSpec{kind: elfExec, audit: packed(audit)}.build()
	inv := read(t, &Reader{}, layers(ocitest.Tar(file("app", program))))
	var got []string
	for _, p := range inv.Packages {
		got = append(got, p.PURL+" "+p.SHA256)
	}
	want := []string{"pkg:cargo/app@0.1.0 " + inMemory([]byte(program)).digest(), "pkg:cargo/own@1.0.0 ", "pkg:cargo/time@0.2.7 "}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("packages (-want +got):\n%s", diff)
	}
}

// TestScalibrRust compares with what the tests of cargoauditable state for its
// programs.
func TestScalibrRust(t *testing.T) {
	dir := filepath.Join(extractors(t), "rust/cargoauditable/testdata")
	for name, want := range map[string]string{
		"no_deps/no_deps": "no_deps 0.1.0",
		"uses_serde_json/uses_serde_json": "itoa 1.0.14, memchr 2.7.4, proc-macro2 1.0.92, quote 1.0.38, ryu 1.0.18, serde 1.0.217, serde_derive 1.0.217, " +
			"serde_json 1.0.135, syn 2.0.95, unicode-ident 1.0.14, uses_json 0.1.0",
	} {
		data := testdata(t, dir, name)
		f := (&elfReader{archive: newArchive(defaultLimits())}).read(inMemory(data))
		if got := strings.Join(names(f.packages), ", "); got != want || f.kind != foundRust || len(f.notes) > 0 {
			t.Errorf("%s: got %q, want %q, notes %v", name, got, want, f.notes)
		}
		if !isRust(inMemory(data)) || f.object.interp == "" {
			t.Errorf("%s: not taken for a program of Rust, or one without an interpreter: %+v", name, f.object)
		}
	}
}

func FuzzAudit(f *testing.F) {
	f.Add([]byte(audit))
	f.Add([]byte(`{"packages": [{"name": "a", "version": "1", "kind": 1}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		found := parseAudit(data, "")
		for _, p := range found.packages {
			if !plainField(p.Name) || !plainField(p.Version) {
				t.Errorf("package %+v", p)
			}
		}
	})
}
