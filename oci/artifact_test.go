package oci

import (
	"errors"
	"io"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-containerregistry/pkg/name"
	mock "github.com/google/go-containerregistry/pkg/registry"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

// writeLayout writes files as an artifact.
func writeLayout(t *testing.T, dir string, files map[string]string) string {
	t.Helper()
	l, err := NewLayout(dir, "application/vnd.example.v1", "latest")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{"a/b c.txt", "z"} {
		if err := l.Add(file, func(w io.Writer) error { _, err := io.WriteString(w, files[file]); return err }); err != nil {
			t.Fatal(err)
		}
	}
	digest, err := l.Close()
	if err != nil {
		t.Fatal(err)
	}
	return digest
}

// contents reads all files of an artifact.
func contents(t *testing.T, a *Artifact) map[string]string {
	t.Helper()
	out := map[string]string{}
	for _, f := range a.Files {
		r, err := a.Open(f)
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(r)
		if err := errors.Join(err, r.Close()); err != nil {
			t.Fatal(err)
		}
		out[f.Name] = string(data)
	}
	return out
}

// TestArtifact: what is written as a layout is read from it, and from a
// registry that go-containerregistry pushed it to.
func TestArtifact(t *testing.T) {
	dir := t.TempDir()
	files := map[string]string{"a/b c.txt": strings.Repeat("text ", 1000), "z": ""}
	digest := writeLayout(t, dir, files)
	a, err := OpenArtifact(dir)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(files, contents(t, a)); diff != "" || a.Digest != digest {
		t.Errorf("layout %s (-want +got):\n%s", a.Digest, diff)
	}
	server := httptest.NewServer(mock.New())
	defer server.Close()
	host := strings.TrimPrefix(server.URL, "http://")
	path, err := layout.FromPath(dir)
	if err != nil {
		t.Fatal(err)
	}
	index, err := path.ImageIndex()
	if err != nil {
		t.Fatal(err)
	}
	manifest, err := index.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	img, err := path.Image(manifest.Manifests[0].Digest)
	if err != nil {
		t.Fatal(err)
	}
	ref, err := name.ParseReference(host + "/x/y:1")
	if err != nil {
		t.Fatal(err)
	}
	if err := remote.Write(ref, img); err != nil {
		t.Fatal(err)
	}
	fetched, err := FetchArtifact(t.Context(), host+"/x/y:1", false)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(files, contents(t, fetched)); diff != "" || fetched.Digest != digest {
		t.Errorf("registry %s (-want +got):\n%s", fetched.Digest, diff)
	}
	if _, err := FetchArtifact(t.Context(), host+"/x/none:1", false); err == nil || !strings.Contains(err.Error(), "no repository") {
		t.Errorf("what is not there: %v", err)
	}
}

// TestArtifactRefuses: what is no artifact, or not the one that it says.
func TestArtifactRefuses(t *testing.T) {
	titled := func(title string) string {
		return `{"digest":"sha256:` + strings.Repeat("0", 64) + `","size":1,"annotations":{"org.opencontainers.image.title":"` + title + `"}}`
	}
	for what, tc := range map[string]struct{ manifest, want string }{
		"an image":       {`{"layers":[{"digest":"x"}]}`, "no artifact"},
		"one name twice": {`{"layers":[` + titled("a") + "," + titled("a") + `]}`, "two files"},
		"a long name":    {`{"layers":[` + titled(strings.Repeat("a", 600)) + `]}`, "512 bytes"},
		"no JSON":        {`{`, "manifest"},
	} {
		if _, err := newArtifact("x", "sha256:"+strings.Repeat("0", 64), []byte(tc.manifest), nil); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %v", what, err)
		}
	}
	dir := t.TempDir()
	writeLayout(t, dir, map[string]string{"a/b c.txt": "good", "z": "1"})
	a, err := OpenArtifact(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "blobs", "sha256", strings.TrimPrefix(a.Files[0].Digest, "sha256:")), []byte("evil"), 0o644); err != nil {
		t.Fatal(err)
	}
	r, err := a.Open(a.Files[0])
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if _, err := io.ReadAll(r); !errors.Is(err, ErrDigest) {
		t.Errorf("another content: %v", err)
	}
	l, err := NewLayout(t.TempDir(), "x", "latest")
	if err != nil {
		t.Fatal(err)
	}
	for _, bad := range []string{"", "/a", "../a", "a/../../b", "a//b"} {
		if err := l.Add(bad, func(io.Writer) error { return nil }); err == nil {
			t.Errorf("%q is a name", bad)
		}
	}
	if _, err := NewLayout(t.TempDir(), "x", "no tag"); err == nil {
		t.Error("a tag with a blank")
	}
}

// FuzzArtifact: the files of any manifest have names, each once.
func FuzzArtifact(f *testing.F) {
	f.Add([]byte(`{"layers":[{"digest":"sha256:0","size":1,"annotations":{"org.opencontainers.image.title":"a"}}]}`))
	f.Fuzz(func(t *testing.T, manifest []byte) {
		a, err := newArtifact("x", "sha256:"+strings.Repeat("0", 64), manifest, blobs{folder(t.TempDir())})
		if err != nil {
			return
		}
		seen := map[string]bool{}
		for _, file := range a.Files {
			if file.Name == "" || seen[file.Name] {
				t.Errorf("%q", file.Name)
			}
			seen[file.Name] = true
			if r, err := a.Open(file); err == nil {
				r.Close()
				t.Errorf("%s is there", file.Digest)
			}
		}
	})
}
