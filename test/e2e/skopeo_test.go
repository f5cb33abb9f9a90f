package e2e

import (
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestSkopeoArchives has skopeo, which shares no code with the program, write
// an image of the example in its forms of an archive. All of them hold the
// packages of the layout.
func TestSkopeoArchives(t *testing.T) {
	skopeo, err := exec.LookPath("skopeo")
	if err != nil {
		t.Skip("skopeo is not installed: make e2e installs it")
	}
	program := build(t)
	dir := t.TempDir()
	source := filepath.Join("..", "..", "examples", "shop", "images", "storefront")
	want := inventory(t, program, source)
	if len(want) < 50 {
		t.Fatalf("the example has %d packages: too few to prove anything", len(want))
	}
	for form, name := range map[string]string{"docker": "registry.example/shop/storefront:e2e", "oci": "e2e"} {
		t.Run(form, func(t *testing.T) {
			archive := filepath.Join(dir, form+".tar")
			target := form + "-archive:" + archive + ":" + name
			if out, err := exec.CommandContext(t.Context(), skopeo, "--insecure-policy", "copy", "--quiet", "oci:"+source, target).CombinedOutput(); err != nil {
				t.Fatalf("skopeo: %v\n%s", err, out)
			}
			if got := inventory(t, program, archive); !slices.Equal(got, want) {
				t.Errorf("%d packages, the layout has %d\ngot  %v\nwant %v", len(got), len(want), got, want)
			}
			if out, err := exec.CommandContext(t.Context(), "gzip", archive).CombinedOutput(); err != nil {
				t.Fatalf("gzip: %v\n%s", err, out)
			}
			if got := inventory(t, program, archive+".gz"); !slices.Equal(got, want) {
				t.Errorf("compressed: %d packages, the layout has %d", len(got), len(want))
			}
		})
	}
	if left, err := filepath.Glob(filepath.Join(os.TempDir(), "scantling-*.tar")); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// The credentials of the registry that TestSkopeoRegistry starts, and their
// line in its file of users (bcrypt).
const (
	user     = "robot"
	password = "e2e-password"
	users    = user + ":$2b$04$R3ZZgNDSendTKwDTmMEYu.cpElYE5hH5GE.QMRxqzIRdoWTivMWLC\n"
)

// TestSkopeoRegistry pushes an image of the example to the registry that
// Debian has, and reads it from there with the credentials that skopeo's login
// leaves.
func TestSkopeoRegistry(t *testing.T) {
	skopeo, err := exec.LookPath("skopeo")
	if err != nil {
		t.Skip("skopeo is not installed: make e2e installs it")
	}
	registry, err := exec.LookPath("docker-registry")
	if err != nil {
		t.Skip("docker-registry is not installed: make e2e installs it")
	}
	program := build(t)
	host := serve(t, registry)
	source := filepath.Join("..", "..", "examples", "shop", "images", "storefront")
	image := host + "/shop/storefront:e2e"
	auth := filepath.Join(t.TempDir(), "auth.json")
	for _, args := range [][]string{
		{"login", "--tls-verify=false", "--authfile", auth, "-u", user, "-p", password, host},
		{"--insecure-policy", "copy", "--quiet", "--dest-tls-verify=false", "--authfile", auth, "oci:" + source, "docker://" + image},
	} {
		if out, err := exec.CommandContext(t.Context(), skopeo, args...).CombinedOutput(); err != nil {
			t.Fatalf("skopeo %s: %v\n%s", args[0], err, out)
		}
	}
	t.Setenv("HOME", t.TempDir())
	out, err := exec.CommandContext(t.Context(), program, "image", image).CombinedOutput()
	if text := string(out); err == nil || !strings.Contains(text, "docker login "+host) {
		t.Errorf("without credentials: %v\n%s", err, out)
	}
	t.Setenv("REGISTRY_AUTH_FILE", auth)
	want := inventory(t, program, source)
	if got := inventory(t, program, image); !slices.Equal(got, want) {
		t.Errorf("%d packages, the layout has %d\ngot  %v\nwant %v", len(got), len(want), got, want)
	}
	out, err = exec.CommandContext(t.Context(), program, "image", host+"/shop/storefront:none").CombinedOutput()
	if text := string(out); err == nil || !strings.Contains(text, "has no such tag") || strings.Contains(text, password) {
		t.Errorf("a tag that isn't there: %v\n%s", err, out)
	}
}

// serve starts a registry that asks for a password, and waits until it does.
func serve(t *testing.T, registry string) (host string) {
	t.Helper()
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	host = free.Addr().String()
	free.Close()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"users": users,
		"config.yml": "version: 0.1\nlog: {level: error}\nstorage: {filesystem: {rootdirectory: " + dir + "/data}}\n" +
			"http: {addr: " + host + "}\nauth: {htpasswd: {realm: e2e, path: " + dir + "/users}}\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command(registry, "serve", filepath.Join(dir, "config.yml"))
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	for range 100 {
		if resp, err := http.Get("http://" + host + "/v2/"); err == nil {
			resp.Body.Close()
			if resp.StatusCode != http.StatusUnauthorized {
				t.Fatalf("the registry answers %s without credentials", resp.Status)
			}
			return host
		}
		time.Sleep(100 * time.Millisecond)
	}
	t.Fatal("the registry doesn't start")
	return ""
}

// inventory lists the packages of one image: purl, layer and path.
func inventory(t *testing.T, program, path string) []string {
	t.Helper()
	var doc struct {
		document
		Packages []struct{ PURL, Layer, Path string }
	}
	run(t, program, &doc.document, &doc, "image", path, "--format", "json")
	var out []string
	for _, p := range doc.Packages {
		out = append(out, p.PURL+" "+p.Layer+" "+p.Path)
	}
	return out
}
