package cli

import (
	"archive/tar"
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/scantling/scantling/internal/testkit"
	"github.com/scantling/scantling/model"
	"github.com/scantling/scantling/oci/ocitest"
)

// sound is a small estate of which all but what is known to be old is read.
func sound(t testing.TB) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "estate")
	if err := (testkit.Estate{Seed: 7, Workloads: 3}).Write(dir); err != nil {
		t.Fatal(err)
	}
	put(t, dir, "Dockerfile", "FROM debian:latest\nRUN apt-get update && apt-get install -y curl\n")
	return dir
}

// layout writes one image with a package database and the given layer on top.
func layout(t testing.TB, dir string, top []byte) {
	t.Helper()
	base := ocitest.Tar(
		ocitest.Entry{Name: "etc/os-release", Body: "ID=debian\nVERSION_ID=\"11\"\n"},
		ocitest.Entry{Name: "var/lib/dpkg/status", Body: "Package: base-files\nStatus: install ok installed\nArchitecture: amd64\nVersion: 11.1\n\n"},
	)
	img := ocitest.Image{Layers: [][]byte{base, top}, Names: []string{"registry.example/bad:1"}}
	if _, err := ocitest.Write(filepath.Join(dir, "bad-image"), img); err != nil {
		t.Fatal(err)
	}
}

// declares is a layer with one entry whose header states 10 GB and whose body
// is missing.
func declares(t testing.TB) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	if err := w.WriteHeader(&tar.Header{Name: "var/lib/dpkg/status", Typeflag: tar.TypeReg, Mode: 0o644, Size: 10 << 30}); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// badInputs are spoilt inputs beside sound ones. Each is one line that matches
// want, and the command of its stage says the same.
var badInputs = map[string]struct {
	spoil func(t testing.TB, dir string)
	want  string   // of the incomplete entry, "what: why"
	alone []string // the command of the stage; DIR stands for the estate
	code  int      // of that command
}{
	"truncated YAML": {
		spoil: func(t testing.TB, dir string) {
			put(t, dir, "k8s/broken.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: x\n  labels: {a: b, c\n")
		},
		want:  `^DIR/k8s/broken\.yaml:\d+: .`,
		alone: []string{"cluster", "check", "DIR/k8s"}, code: exitIncomplete,
	},
	"layer with a name that climbs out": {
		spoil: func(t testing.TB, dir string) {
			layout(t, dir, ocitest.Tar(ocitest.Entry{Name: "../../../../../../../tmp/scantling-escaped", Body: "x"}))
		},
		want:  `^registry\.example/bad:1 layer sha256:\S+ entry "(\.\./)+tmp/scantling-escaped": .*climbs`,
		alone: []string{"image", "DIR/bad-image"}, code: exitIncomplete,
	},
	"layer with an absolute name": {
		spoil: func(t testing.TB, dir string) {
			layout(t, dir, ocitest.Tar(ocitest.Entry{Name: "/tmp/scantling-escaped", Body: "x"}))
		},
		want:  `^registry\.example/bad:1 layer sha256:\S+ entry "/tmp/scantling-escaped": .*absolute`,
		alone: []string{"image", "DIR/bad-image"}, code: exitIncomplete,
	},
	"layer that declares 10 GB": {
		spoil: func(t testing.TB, dir string) { layout(t, dir, declares(t)) },
		want:  `^registry\.example/bad:1 layer sha256:\S+: .*"var/lib/dpkg/status".* 10737418240 bytes`,
		alone: []string{"image", "DIR/bad-image"}, code: exitIncomplete,
	},
	"layer of which the manifest declares 10 GB": {
		spoil: func(t testing.TB, dir string) {
			layout(t, dir, ocitest.Tar(ocitest.Entry{Name: "srv/app", Body: "x"}))
			manifest := rewrite(t, dir, "bad-image/index.json", regexp.MustCompile(`"digest":"sha256:([0-9a-f]+)","size":(\d+)`), "")
			rewrite(t, dir, "bad-image/blobs/sha256/"+manifest, regexp.MustCompile(`"size":(\d+)\}\]`), `"size":10737418240}]`)
			text, err := os.ReadFile(filepath.Join(dir, "bad-image/blobs/sha256", manifest))
			if err != nil {
				t.Fatal(err)
			}
			digest := strings.TrimPrefix(ocitest.Digest(text), "sha256:")
			put(t, dir, "bad-image/blobs/sha256/"+digest, string(text))
			rewrite(t, dir, "bad-image/index.json", regexp.MustCompile(`"digest":"sha256:([0-9a-f]+)","size":\d+`), fmt.Sprintf(`"digest":"sha256:%s","size":%d`, digest, len(text)))
		},
		want:  `^registry\.example/bad:1 layer sha256:\S+: .* 10737418240`,
		alone: []string{"image", "DIR/bad-image"}, code: exitIncomplete,
	},
	"link loop in the folder": {
		spoil: func(t testing.TB, dir string) {
			if err := os.Symlink("loop", filepath.Join(dir, "loop")); err != nil {
				t.Fatal(err)
			}
		},
		want:  `^DIR/loop: a link that can't be followed`,
		alone: []string{"detect", "run", "DIR"}, code: exitIncomplete,
	},
	"link loop in an image": {
		spoil: func(t testing.TB, dir string) {
			layout(t, dir, ocitest.Tar(
				ocitest.Entry{Name: "var/lib/dpkg/status", Type: tar.TypeSymlink, Link: "other"},
				ocitest.Entry{Name: "var/lib/dpkg/other", Type: tar.TypeSymlink, Link: "status"},
			))
		},
		want:  `^registry\.example/bad:1 /var/lib/dpkg/status: .*loop`,
		alone: []string{"image", "DIR/bad-image"}, code: exitIncomplete,
	},
	"Dockerfile of random bytes": {
		spoil: func(t testing.TB, dir string) {
			noise := make([]byte, 4096)
			for i, x := 0, uint32(1); i < len(noise); i++ {
				x = x*1664525 + 1013904223
				noise[i] = byte(x >> 24)
			}
			put(t, dir, "noise/Dockerfile", string(noise))
		},
		want:  `^DIR/noise/Dockerfile(:\d+)?: .`,
		alone: []string{"lint", "DIR"}, code: exitIncomplete,
	},
	"audit line cut in half": {
		spoil: func(t testing.TB, dir string) {
			path := filepath.Join(dir, "audit.jsonl")
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			lines := strings.SplitAfter(string(data), "\n")
			lines[4] = lines[4][:len(lines[4])/2] + "\n"
			put(t, dir, "audit.jsonl", strings.Join(lines, ""))
		},
		want:  `^DIR/audit\.jsonl:5: .`,
		alone: []string{"detect", "run", "DIR/audit.jsonl"}, code: exitIncomplete,
	},
}

// rewrite replaces what matches in a file, unless by is empty, and returns the
// first group of the match.
func rewrite(t testing.TB, dir, name string, what *regexp.Regexp, by string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	found := what.FindSubmatch(text)
	if found == nil {
		t.Fatalf("%s has nothing that matches %s:\n%s", name, what, text)
	}
	if by != "" {
		put(t, dir, name, what.ReplaceAllString(string(text), by))
	}
	return string(found[1])
}

// line is an entry as it is printed.
func line(x model.Incomplete) string { return x.What + ": " + x.Why }

// without are the lines of list that are not in known.
func without(list, known []model.Incomplete) []string {
	var out []string
	for _, x := range list {
		if !slices.Contains(known, x) {
			out = append(out, line(x))
		}
	}
	return out
}

func TestBadInputIsOneLineAndTheRestIsJudged(t *testing.T) {
	for name, tc := range badInputs {
		t.Run(name, func(t *testing.T) {
			dir := sound(t)
			before := decode[judged](t, run(t, "", "assess", dir, "--as-of", "2026-08-26", "--format", "json"))
			if len(before.Findings) == 0 {
				t.Fatal("the sound estate has no finding: the test proves nothing")
			}
			tc.spoil(t, dir)
			want := regexp.MustCompile(strings.ReplaceAll(tc.want, "DIR", regexp.QuoteMeta(dir)))

			got := run(t, "", "assess", dir, "--as-of", "2026-08-26", "--format", "json")
			after := decode[judged](t, got)
			one(t, "assess", without(after.Incomplete, before.Incomplete), want)
			if got.code != exitIncomplete {
				t.Errorf("assess: exit code %d, want %d", got.code, exitIncomplete)
			}
			for _, f := range before.Findings {
				if !slices.Contains(after.Findings, f) {
					t.Errorf("assess: the bad input hides %s", f.Rule)
				}
			}
			text := run(t, "", "assess", dir, "--as-of", "2026-08-26")
			one(t, "assess as text", matching(text.out, want), want)

			alone := slices.Clone(tc.alone)
			for i := range alone {
				alone[i] = strings.ReplaceAll(alone[i], "DIR", dir)
			}
			own := run(t, "", alone...)
			if own.code != tc.code {
				t.Errorf("%s: exit code %d, want %d\n%s", tc.alone, own.code, tc.code, own.err)
			}
			one(t, strings.Join(tc.alone, " "), matching(own.out+own.err, want), want)
		})
	}
	if _, err := os.Lstat("/tmp/scantling-escaped"); err == nil {
		t.Error("a layer wrote outside of its root")
	}
}

// matching are the lines of a text that match, without indentation and the
// words that the talk puts before them.
func matching(text string, want *regexp.Regexp) []string {
	var out []string
	for l := range strings.Lines(text) {
		l = strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(l), "not read: "))
		if want.MatchString(l) {
			out = append(out, l)
		}
	}
	return out
}

func one(t testing.TB, who string, lines []string, want *regexp.Regexp) {
	t.Helper()
	if len(lines) != 1 || !want.MatchString(lines[0]) {
		t.Errorf("%s: want one line that matches %s, have %d:\n%s", who, want, len(lines), strings.Join(lines, "\n"))
	}
}

func TestUnknownKeyJudgesNothing(t *testing.T) {
	dir := sound(t)
	put(t, dir, "scantling.yaml", "estate: x\nbuild:\n  basImages: {allow: []}\n")
	for _, command := range [][]string{{"assess", dir}, {"plan", dir}, {"why", "1", dir}} {
		got := run(t, "", command...)
		want := result{exitUsage, "", "error: " + dir + "/scantling.yaml:3: unknown key \"basImages\": the nearest is \"baseImages\"\n"}
		if diff := cmp.Diff(want, got, cmp.AllowUnexported(result{})); diff != "" {
			t.Errorf("%s: (-want +got)\n%s", command[0], diff)
		}
	}
}
