// Package e2e runs the built program on what other tools made.
package e2e

import (
	"archive/tar"
	"bufio"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// suite is the Debian release that is bootstrapped.
const suite = "bookworm"

// TestDebianImage bootstraps a Debian with packages of its last point release,
// makes an image of it and a second one with the security updates on top, and
// compares both with what dpkg says inside the root and with the flaws that
// the changelogs of the updates name.
func TestDebianImage(t *testing.T) {
	program := build(t)
	root := bootstrap(t)
	estate := t.TempDir()
	old, patched := filepath.Join(estate, "images", "old"), filepath.Join(t.TempDir(), "patched")
	layout(t, old, "registry.example/"+suite+":1", root.old)
	layout(t, patched, "registry.example/"+suite+":2", root.old, root.new)
	advisories := filepath.Join(t.TempDir(), "advisories")
	expected := writeAdvisories(t, advisories, root)

	t.Run("packages", func(t *testing.T) {
		for dir, want := range map[string][]string{old: root.before, patched: root.after} {
			doc := imageDocument{}
			run(t, program, &doc.document, &doc, "image", dir, "--format", "json")
			var got []string
			for _, p := range doc.Packages {
				if p.Ecosystem != "Debian:12" {
					t.Errorf("%s %s is of %q", p.Name, p.Version, p.Ecosystem)
				}
				got = append(got, p.Name+" "+p.Version)
			}
			slices.Sort(got)
			if !slices.Equal(got, want) {
				t.Errorf("%d packages, dpkg-query lists %d\ngot  %v\nwant %v", len(got), len(want), got, want)
			}
			t.Logf("%s: %d packages, as dpkg-query lists them; %d lines of what was not read", filepath.Base(dir), len(got), len(doc.Incomplete))
		}
	})
	t.Run("advisories", func(t *testing.T) {
		for dir, want := range map[string][]string{old: expected, patched: nil} {
			doc := imageDocument{}
			run(t, program, &doc.document, &doc, "image", dir, "--advisories", advisories, "--format", "json")
			var got []string
			for _, m := range doc.Matches {
				got = append(got, m.Advisory)
			}
			slices.Sort(got)
			if got = slices.Compact(got); !slices.Equal(got, want) {
				t.Errorf("%s: matches %v, want %v", filepath.Base(dir), got, want)
			}
			t.Logf("%s: %d advisories", filepath.Base(dir), len(got))
		}
	})
	t.Run("assess", func(t *testing.T) {
		var doc struct {
			document
			Stages []struct {
				Stage, State string
				Read         int
			}
		}
		run(t, program, &doc.document, &doc, "assess", estate, "--format", "json")
		for _, s := range doc.Stages {
			if read := s.State == "read" && s.Read == 1; read != (s.Stage == "registry") {
				t.Errorf("stage %s: %s, %d", s.Stage, s.State, s.Read)
			}
		}
	})
}

// imageDocument is what is looked at of `scantling image`.
type imageDocument struct {
	document
	Packages []struct{ Name, Version, Ecosystem string }
	Matches  []struct{ Advisory string }
}

// debian is a root before and after its security updates: its files as a tar,
// and sorted "name version" of what dpkg-query lists inside.
type debian struct {
	old, new      string
	before, after []string
}

// updated are the packages whose advisories are looked at.
var updated = []string{"openssl", "nginx"}

// bootstrap makes the root in one run of mmdebstrap: the packages of the point
// release, then those of the security archive over them.
func bootstrap(t *testing.T) debian {
	t.Helper()
	tool, err := exec.LookPath("mmdebstrap")
	if err != nil {
		t.Skip("mmdebstrap is not installed: make e2e installs it")
	}
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	const query = `chroot "$1" dpkg-query -W -f '${db:Status-Status} ${Package} ${Version}\n' > `
	hook := func(command string) string { return "--customize-hook=" + command }
	cmd := exec.CommandContext(t.Context(), tool, "--quiet", "--variant=minbase", "--include="+strings.Join(updated, ","),
		hook(query+at("before")),
		hook(`tar -C "$1" --one-file-system --exclude=./var/cache/apt --exclude=./var/lib/apt/lists -cf `+at("old.tar")+` .`),
		hook(`echo "deb http://deb.debian.org/debian-security `+suite+`-security main" > "$1"/etc/apt/sources.list.d/security.list`),
		hook(`chroot "$1" apt-get -qq update`),
		hook(`chroot "$1" env DEBIAN_FRONTEND=noninteractive apt-get -qq -y upgrade`),
		hook(query+at("after")),
		suite, at("new.tar"), "deb http://deb.debian.org/debian "+suite+" main")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("bootstrapping %s: %v\n%s", suite, err, out)
	}
	out := debian{old: at("old.tar"), new: at("new.tar"), before: queried(t, at("before")), after: queried(t, at("after"))}
	if len(out.before) < 50 {
		t.Fatalf("%d installed packages: no Debian has so few", len(out.before))
	}
	for _, name := range updated {
		if version(out.before, name) == version(out.after, name) {
			t.Skipf("the security archive has no newer %s than the point release today", name)
		}
	}
	return out
}

// queried reads the installed packages of a listing.
func queried(t *testing.T, file string) (out []string) {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(data)) {
		if name, ok := strings.CutPrefix(strings.TrimSpace(line), "installed "); ok {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return out
}

// version finds a package among "name version".
func version(list []string, name string) string {
	for _, entry := range list {
		if v, ok := strings.CutPrefix(entry, name+" "); ok {
			return v
		}
	}
	return ""
}

// writeAdvisories makes a record of each CVE that the changelogs of the updated
// packages name, fixed in the version of its entry, and returns the sorted ids
// of those above the installed versions: what must be found before the update.
func writeAdvisories(t *testing.T, dir string, root debian) (expected []string) {
	t.Helper()
	for _, sub := range []string{"Debian", "kev"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	write(t, filepath.Join(dir, "kev", "known_exploited_vulnerabilities.json"), map[string]any{"vulnerabilities": []any{}})
	now := time.Now().UTC().Format(time.RFC3339)
	total := 0
	for _, name := range updated {
		installed, newer, seen := version(root.before, name), true, map[string]bool{}
		for _, entry := range changelog(t, root.new, name) {
			newer = newer && entry.version != installed
			for _, cve := range entry.cves {
				id := "DEBIAN-" + cve + "-" + name
				if seen[id] {
					continue // a later entry, which stands above, returns to it
				}
				seen[id] = true
				total++
				if newer {
					expected = append(expected, id)
				}
				write(t, filepath.Join(dir, "Debian", id+".json"), map[string]any{
					"id": id, "modified": now, "upstream": []string{cve},
					"affected": []any{map[string]any{
						"package": map[string]string{"ecosystem": "Debian:12", "name": name},
						"ranges": []any{map[string]any{"type": "ECOSYSTEM", "events": []any{
							map[string]string{"introduced": "0"}, map[string]string{"fixed": entry.version},
						}}},
					}},
				})
			}
		}
	}
	slices.Sort(expected)
	if len(expected) == 0 || len(expected) == total {
		t.Fatalf("%d of %d flaws are mended by the updates", len(expected), total)
	}
	t.Logf("%d flaws in the changelogs, %d of them mended by the updates", total, len(expected))
	return expected
}

func write(t *testing.T, file string, doc any) {
	t.Helper()
	data, err := json.Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, data, 0o644); err != nil {
		t.Fatal(err)
	}
}

// change is one entry of a Debian changelog (deb-changelog(5)).
type change struct {
	version string
	cves    []string
}

var (
	changeHead = regexp.MustCompile(`^[a-z0-9.+-]+ \(([^)]+)\) `)
	cveID      = regexp.MustCompile(`CVE-\d{4}-\d{4,}`)
)

// changelog reads that of a package inside the tar of a root, newest first.
func changelog(t *testing.T, archive, name string) (out []change) {
	t.Helper()
	file, err := os.Open(archive)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for r := tar.NewReader(file); ; {
		header, err := r.Next()
		if err != nil {
			t.Fatalf("looking for the changelog of %s: %v", name, err)
		}
		if strings.TrimPrefix(header.Name, "./") != "usr/share/doc/"+name+"/changelog.Debian.gz" {
			continue
		}
		text, err := gzip.NewReader(r)
		if err != nil {
			t.Fatal(err)
		}
		for lines := bufio.NewScanner(text); lines.Scan(); {
			if m := changeHead.FindStringSubmatch(lines.Text()); m != nil {
				out = append(out, change{version: m[1]})
			} else if len(out) > 0 {
				last := &out[len(out)-1]
				last.cves = append(last.cves, cveID.FindAllString(lines.Text(), -1)...)
			}
		}
		return out
	}
}

// document is what every JSON object of the program carries.
type document struct {
	Schema     int
	Incomplete []struct{ What, Why string }
}

// run runs the program and decodes its output. A run that is incomplete must
// say of what.
func run(t *testing.T, program string, head *document, doc any, args ...string) {
	t.Helper()
	var out, talk bytes.Buffer
	cmd := exec.CommandContext(t.Context(), program, args...)
	cmd.Stdout, cmd.Stderr = &out, &talk
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	if code := cmd.ProcessState.ExitCode(); code != 0 && code != 3 && code != 4 {
		t.Fatalf("%v: exit code %d, want 0, 3 or 4\n%s", args, code, talk.String())
	}
	if err := json.Unmarshal(out.Bytes(), doc); err != nil {
		t.Fatalf("%v: %v\n%.300s\n%s", args, err, out.String(), talk.String())
	}
	if head.Schema != 1 {
		t.Errorf("%v: schema %d", args, head.Schema)
	}
	if (cmd.ProcessState.ExitCode() == 4) != (len(head.Incomplete) > 0) {
		t.Errorf("%v: exit code %d with %d incomplete entries", args, cmd.ProcessState.ExitCode(), len(head.Incomplete))
	}
	for _, x := range head.Incomplete {
		if x.What == "" || x.Why == "" {
			t.Errorf("%v: an entry without a name or a reason: %+v", args, x)
		}
	}
}

// build returns the program that SCANTLING names, or builds that of the main
// module.
func build(t *testing.T) string {
	t.Helper()
	if path := os.Getenv("SCANTLING"); path != "" {
		return path
	}
	path := filepath.Join(t.TempDir(), "scantling")
	cmd := exec.CommandContext(t.Context(), "go", "build", "-o", path, "./cmd/scantling")
	cmd.Dir = filepath.Join("..", "..")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOWORK=off")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("building: %v\n%s", err, out)
	}
	return path
}

// layout writes an OCI image layout with the given layers, lowest first
// (image-spec 1.1, image-layout.md).
func layout(t *testing.T, dir, name string, files ...string) {
	t.Helper()
	blobs := filepath.Join(dir, "blobs", "sha256")
	if err := os.MkdirAll(blobs, 0o755); err != nil {
		t.Fatal(err)
	}
	put := func(mediaType string, data []byte) map[string]any {
		sum := sha256.Sum256(data)
		digest := hex.EncodeToString(sum[:])
		if err := os.WriteFile(filepath.Join(blobs, digest), data, 0o644); err != nil {
			t.Fatal(err)
		}
		return map[string]any{"mediaType": mediaType, "digest": "sha256:" + digest, "size": len(data)}
	}
	encode := func(v any) []byte {
		data, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	var layers, diffIDs []any
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		layer := put("application/vnd.oci.image.layer.v1.tar", data)
		layers, diffIDs = append(layers, layer), append(diffIDs, layer["digest"])
	}
	config := put("application/vnd.oci.image.config.v1+json", encode(map[string]any{
		"architecture": "amd64", "os": "linux", "config": map[string]any{},
		"rootfs": map[string]any{"type": "layers", "diff_ids": diffIDs},
	}))
	manifest := put("application/vnd.oci.image.manifest.v1+json", encode(map[string]any{
		"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json", "config": config, "layers": layers,
	}))
	manifest["annotations"] = map[string]string{"org.opencontainers.image.ref.name": name}
	for file, text := range map[string][]byte{
		"index.json": encode(map[string]any{"schemaVersion": 2, "manifests": []any{manifest}}),
		"oci-layout": []byte(`{"imageLayoutVersion":"1.0.0"}`),
	} {
		if err := os.WriteFile(filepath.Join(dir, file), text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}
