package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestAirGap carries advisories over a registry: exported as an artifact,
// pushed by skopeo to the registry that Debian has, and imported from there.
// What was imported speaks for an image as what was synced does.
func TestAirGap(t *testing.T) {
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
	dir := t.TempDir()
	shop := filepath.Join("..", "..", "examples", "shop")
	outside, inside, auth := filepath.Join(dir, "outside"), filepath.Join(dir, "inside"), filepath.Join(dir, "auth.json")
	layout := "oci:" + filepath.Join(dir, "layout")
	artifact := host + "/advisories:today"
	succeed(t, program, "advisories", "sync", "--from", filepath.Join(shop, "advisories"), "--data", outside)
	succeed(t, program, "advisories", "export", layout, "--data", outside)
	succeed(t, skopeo, "login", "--tls-verify=false", "--authfile", auth, "-u", user, "-p", password, host)
	succeed(t, skopeo, "--insecure-policy", "copy", "--quiet", "--dest-tls-verify=false", "--authfile", auth, layout, "docker://"+artifact)
	t.Setenv("REGISTRY_AUTH_FILE", auth)
	succeed(t, program, "advisories", "import", "oci://"+artifact, "--data", inside)

	image := filepath.Join(shop, "images", "storefront")
	want := matches(t, program, image, "--advisories", filepath.Join(shop, "advisories"))
	if len(want) == 0 {
		t.Fatal("the example's image has no match: this proves nothing")
	}
	for _, data := range []string{outside, inside} {
		if got := matches(t, program, image, "--data", data); strings.Join(got, "\n") != strings.Join(want, "\n") {
			t.Errorf("%s: matches\n%s\nwant\n%s", filepath.Base(data), strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	}
	t.Logf("%d matches by the folder, by what was synced, and by what came over the registry", len(want))
	if out, err := os.ReadDir(inside); err != nil || len(out) == 0 {
		t.Errorf("the data folder: %v, %v", out, err)
	}
}

// succeed runs a program that has to succeed.
func succeed(t *testing.T, program string, args ...string) {
	t.Helper()
	if out, err := exec.CommandContext(t.Context(), program, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s %s: %v\n%s", filepath.Base(program), strings.Join(args[:2], " "), err, out)
	}
}

// matches lists package and advisory of each match of an image.
func matches(t *testing.T, program, image string, flags ...string) (out []string) {
	t.Helper()
	var doc struct {
		document
		Matches []struct{ Package, Advisory string }
	}
	run(t, program, &doc.document, &doc, append([]string{"image", image, "--format", "json"}, flags...)...)
	for _, m := range doc.Matches {
		out = append(out, m.Package+" "+m.Advisory)
	}
	return out
}
