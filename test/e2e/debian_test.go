// Package e2e assesses real parts that the quick tests do without. It is a
// module of its own, so that what it needs stays out of the product.
package e2e

import (
	"archive/tar"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/scantling/scantling/oci/ocitest"
)

// result is the part of a report that the test looks at.
type result struct {
	Packages []struct {
		Name    string `json:"name"`
		Version string `json:"version"`
	} `json:"packages"`
	Stages []struct {
		Stage string `json:"stage"`
		State string `json:"state"`
		Read  int    `json:"read"`
	} `json:"stages"`
	Incomplete []struct {
		What string `json:"what"`
		Why  string `json:"why"`
	} `json:"incomplete"`
}

// TestDebianRoot assesses a Debian root file system as mmdebstrap makes it.
func TestDebianRoot(t *testing.T) {
	mmdebstrap, err := exec.LookPath("mmdebstrap")
	if err != nil {
		t.Skip("mmdebstrap is absent: make e2e installs it")
	}
	dir := t.TempDir()
	root := filepath.Join(dir, "root.tar")
	if out, err := exec.Command(mmdebstrap, "--variant=minbase", "bookworm", root).CombinedOutput(); err != nil {
		t.Fatalf("making a Debian root: %v\n%s", err, out)
	}
	layer, err := os.ReadFile(root)
	if err != nil {
		t.Fatal(err)
	}
	estate := filepath.Join(dir, "estate")
	image := ocitest.Image{Names: []string{"registry.example/debian:12"}, Layers: [][]byte{layer}, Compression: "gzip"}
	if _, err := ocitest.Write(filepath.Join(estate, "debian"), image); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(root); err != nil {
		t.Fatal(err)
	}

	got := scantling(t, 4, "image", filepath.Join(estate, "debian"))
	installed := stanzas(t, layer)
	if len(got.Packages) != len(installed) || len(installed) < 50 {
		t.Errorf("%d packages, the database has %d", len(got.Packages), len(installed))
	}
	for _, p := range got.Packages {
		if installed[p.Name] != p.Version {
			t.Errorf("%s %s, the database has %q", p.Name, p.Version, installed[p.Name])
		}
	}
	if len(got.Incomplete) == 0 {
		t.Error("without advisories nothing is said to be unknown")
	}

	whole := scantling(t, 4, "assess", estate)
	for _, s := range whole.Stages {
		if want := map[string]string{"registry": "read"}[s.Stage]; s.State != want && (want != "" || s.State != "unknown") {
			t.Errorf("stage %s is %s", s.Stage, s.State)
		}
	}
}

// scantling runs the program and wants an exit code.
func scantling(t *testing.T, code int, args ...string) result {
	t.Helper()
	binary := os.Getenv("SCANTLING")
	if binary == "" {
		t.Fatal("SCANTLING names no binary: run make e2e")
	}
	cmd := exec.Command(binary, append(args, "--format", "json")...)
	out, err := cmd.Output()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	if got := cmd.ProcessState.ExitCode(); got != code {
		t.Fatalf("scantling %s ended with %d, want %d", strings.Join(args, " "), got, code)
	}
	var r result
	if err := json.Unmarshal(out, &r); err != nil {
		t.Fatal(err)
	}
	return r
}

// stanzas reads the package database straight from the layer: name to version
// of what is installed.
func stanzas(t *testing.T, layer []byte) map[string]string {
	t.Helper()
	r := tar.NewReader(strings.NewReader(string(layer)))
	for {
		h, err := r.Next()
		if err != nil {
			t.Fatalf("no package database in the root: %v", err)
		}
		if filepath.Clean(h.Name) != "var/lib/dpkg/status" {
			continue
		}
		text, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		out := map[string]string{}
		for _, stanza := range strings.Split(string(text), "\n\n") {
			fields := map[string]string{}
			for _, line := range strings.Split(stanza, "\n") {
				if key, value, ok := strings.Cut(line, ": "); ok && !strings.HasPrefix(line, " ") {
					fields[key] = value
				}
			}
			if fields["Status"] == "install ok installed" {
				out[fields["Package"]] = fields["Version"]
			}
		}
		return out
	}
}
