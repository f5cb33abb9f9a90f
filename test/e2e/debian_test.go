// Package e2e runs the built program on what other tools made.
package e2e

import (
	"archive/tar"
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// suite is the Debian release that is bootstrapped.
const suite = "bookworm"

// TestDebianImage bootstraps a Debian, makes an image of it, and compares the
// inventory with a count of the package database that is made here.
func TestDebianImage(t *testing.T) {
	bootstrap, err := exec.LookPath("mmdebstrap")
	if err != nil {
		t.Skip("mmdebstrap is not installed: make e2e installs it")
	}
	program := build(t)
	dir := t.TempDir()
	layer := filepath.Join(dir, "root.tar")
	if out, err := exec.CommandContext(t.Context(), bootstrap, "--quiet", "--variant=minbase", suite, layer).CombinedOutput(); err != nil {
		t.Fatalf("bootstrapping %s: %v\n%s", suite, err, out)
	}
	estate := filepath.Join(dir, "estate")
	layout(t, filepath.Join(estate, "images", suite), layer, "registry.example/"+suite+":1")
	want := installed(t, layer)
	if len(want) < 50 {
		t.Fatalf("%d installed packages: no Debian has so few", len(want))
	}

	t.Run("image", func(t *testing.T) {
		var doc struct {
			document
			Packages []struct{ Name, Version, Ecosystem string }
		}
		run(t, program, &doc.document, &doc, "image", filepath.Join(estate, "images", suite), "--format", "json")
		var got []string
		for _, p := range doc.Packages {
			if p.Ecosystem != "Debian:12" {
				t.Errorf("%s %s is of %q", p.Name, p.Version, p.Ecosystem)
			}
			got = append(got, p.Name+" "+p.Version)
		}
		slices.Sort(got)
		if !slices.Equal(got, want) {
			t.Errorf("%d packages, the database has %d\ngot  %v\nwant %v", len(got), len(want), got, want)
		}
		t.Logf("%d packages, as in the database; %d lines of what was not read", len(got), len(doc.Incomplete))
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

// document is what every JSON object of the program carries.
type document struct {
	Schema     int
	Incomplete []struct{ What, Why string }
}

// run runs the program and decodes its output. Without advisories nothing can
// be said of the packages, so the run is incomplete and must say of what.
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
	if code := cmd.ProcessState.ExitCode(); code != 3 && code != 4 {
		t.Fatalf("%v: exit code %d, want 3 or 4\n%s", args, code, talk.String())
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

// installed reads the package database of a root file system by hand: sorted
// "name version" of the stanzas whose status ends in "installed".
func installed(t *testing.T, archive string) []string {
	t.Helper()
	file, err := os.Open(archive)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for r := tar.NewReader(file); ; {
		header, err := r.Next()
		if err != nil {
			t.Fatalf("looking for the package database in %s: %v", archive, err)
		}
		if strings.TrimPrefix(header.Name, "./") != "var/lib/dpkg/status" {
			continue
		}
		var out []string
		var name, version, status string
		lines := bufio.NewScanner(io.MultiReader(r, strings.NewReader("\n\n")))
		lines.Buffer(nil, 1<<20)
		for lines.Scan() {
			key, value, _ := strings.Cut(lines.Text(), ": ")
			switch key {
			case "Package":
				name = value
			case "Version":
				version = value
			case "Status":
				status = value
			case "":
				if strings.HasSuffix(status, " installed") {
					out = append(out, name+" "+version)
				}
				name, version, status = "", "", ""
			}
		}
		if err := lines.Err(); err != nil {
			t.Fatal(err)
		}
		slices.Sort(out)
		return out
	}
}

// layout writes an OCI image layout with one layer (image-spec 1.1,
// image-layout.md).
func layout(t *testing.T, dir, layer, name string) {
	t.Helper()
	blobs := filepath.Join(dir, "blobs", "sha256")
	if err := os.MkdirAll(blobs, 0o755); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(layer)
	if err != nil {
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
	top := put("application/vnd.oci.image.layer.v1.tar", data)
	config := put("application/vnd.oci.image.config.v1+json", encode(map[string]any{
		"architecture": "amd64", "os": "linux", "config": map[string]any{},
		"rootfs": map[string]any{"type": "layers", "diff_ids": []any{top["digest"]}},
	}))
	manifest := put("application/vnd.oci.image.manifest.v1+json", encode(map[string]any{
		"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json", "config": config, "layers": []any{top},
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
