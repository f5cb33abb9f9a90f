package oci_test

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/random"

	"github.com/scantling/scantling/oci"
	"github.com/scantling/scantling/oci/ocitest"
)

func write(t *testing.T, images ...ocitest.Image) (string, []string) {
	t.Helper()
	dir := t.TempDir()
	digests, err := ocitest.Write(dir, images...)
	if err != nil {
		t.Fatal(err)
	}
	return dir, digests
}

var oneLayer = [][]byte{ocitest.Tar(ocitest.Entry{Name: "etc/", Type: 0}, ocitest.Entry{Name: "etc/motd", Body: "hello"})}

func TestOpen(t *testing.T) {
	dir, digests := write(t, ocitest.Image{
		Layers: oneLayer, Compression: "gzip", Names: []string{"registry.example/shop/web:1.0", "1.0"},
		Labels: map[string]string{"owner": "web"}, Env: []string{"TOKEN=x"}, User: "10001",
		History: []ocitest.History{{CreatedBy: "COPY . /"}, {CreatedBy: "USER 10001", Empty: true}},
	})
	images, incomplete, err := oci.Open(context.Background(), dir)
	if err != nil || len(incomplete) > 0 || len(images) != 1 {
		t.Fatalf("got %d images, incomplete %v, error %v", len(images), incomplete, err)
	}
	img := images[0]
	if img.Digest != digests[0] || img.Platform != "linux/amd64" || img.Config.User != "10001" || img.Config.Labels["owner"] != "web" {
		t.Errorf("read %+v", img)
	}
	want := []string{
		img.ConfigDigest, "registry.example/shop/web:1.0", "registry.example/shop/web@" + img.Digest,
	}
	if diff := cmp.Diff(sorted(want), img.Aliases()); diff != "" {
		t.Errorf("aliases (-want +got):\n%s", diff)
	}
	if img.Name() != "registry.example/shop/web:1.0" || img.Tags[0] != "1.0" {
		t.Errorf("name %q, tags %v", img.Name(), img.Tags)
	}
	if len(img.Layers) != 1 || img.Layers[0].DiffID != ocitest.Digest(oneLayer[0]) {
		t.Errorf("layers %+v", img.Layers)
	}
	if got := img.Config.History; len(got) != 2 || got[1].CreatedBy != "USER 10001" || !got[1].Empty {
		t.Errorf("history %+v", got)
	}
}

func sorted(list []string) []string {
	out := append([]string{}, list...)
	for i := range out {
		for j := i; j > 0 && out[j] < out[j-1]; j-- {
			out[j], out[j-1] = out[j-1], out[j]
		}
	}
	return out
}

func TestAliasesOfShortName(t *testing.T) {
	img := &oci.Image{Digest: "sha256:a", ConfigDigest: "sha256:c", Names: []string{"nginx:1.27"}, Indexes: []string{"sha256:i"}}
	want := sorted([]string{
		"docker.io/library/nginx:1.27", "docker.io/library/nginx@sha256:a", "docker.io/library/nginx@sha256:i", "nginx:1.27", "sha256:c", "sha256:i",
	})
	if diff := cmp.Diff(want, img.Aliases()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestOpenNestedIndex(t *testing.T) {
	dir, digests := write(t,
		ocitest.Image{Layers: oneLayer, Platform: "linux/amd64", Index: "shop/web:2"},
		ocitest.Image{Layers: oneLayer, Platform: "linux/arm64", Index: "shop/web:2"},
		ocitest.Image{Layers: oneLayer, Names: []string{"shop/api:2"}, User: "1"},
	)
	images, incomplete, err := oci.Open(context.Background(), dir)
	if err != nil || len(incomplete) > 0 || len(images) != 3 {
		t.Fatalf("got %d images, incomplete %v, error %v", len(images), incomplete, err)
	}
	for _, img := range images {
		switch img.Digest {
		case digests[0], digests[1]:
			if len(img.Indexes) != 1 || img.Name() != "shop/web:2" {
				t.Errorf("%s: indexes %v, name %s", img.Digest, img.Indexes, img.Name())
			}
		case digests[2]:
			if len(img.Indexes) != 0 || img.Name() != "shop/api:2" {
				t.Errorf("%s: indexes %v, name %s", img.Digest, img.Indexes, img.Name())
			}
		default:
			t.Errorf("unexpected image %s", img.Digest)
		}
	}
}

// TestOpenLibraryLayout reads what another writer wrote.
func TestOpenLibraryLayout(t *testing.T) {
	dir := t.TempDir()
	img, err := random.Image(2048, 3)
	if err != nil {
		t.Fatal(err)
	}
	config, err := img.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	config.Architecture, config.OS, config.Variant = "arm", "linux", "v7"
	if img, err = mutate.ConfigFile(img, config); err != nil {
		t.Fatal(err)
	}
	index := mutate.AppendManifests(mutate.IndexMediaType(must(random.Index(64, 1, 0)), "application/vnd.oci.image.index.v1+json"),
		mutate.IndexAddendum{Add: img, Descriptor: v1.Descriptor{Annotations: map[string]string{"org.opencontainers.image.ref.name": "x/y:z"}}})
	if _, err := layout.Write(dir, index); err != nil {
		t.Fatal(err)
	}
	images, incomplete, err := oci.Open(context.Background(), dir)
	if err != nil || len(incomplete) > 0 || len(images) != 1 {
		t.Fatalf("got %d images, incomplete %v, error %v", len(images), incomplete, err)
	}
	digest := must(img.Digest()).String()
	if images[0].Digest != digest || images[0].Platform != "linux/arm/v7" || len(images[0].Layers) != 3 {
		t.Errorf("read %+v", images[0])
	}
	for i, l := range must(img.Layers()) {
		want := must(io.ReadAll(must(l.Uncompressed())))
		got := must(io.ReadAll(must(images[0].Layers[i].Open())))
		if !cmp.Equal(want, got) {
			t.Errorf("layer %d differs", i)
		}
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func TestLayerStream(t *testing.T) {
	for _, compression := range []string{"", "gzip", "zstd"} {
		t.Run(compression, func(t *testing.T) {
			dir, _ := write(t, ocitest.Image{Layers: oneLayer, Compression: compression})
			images, _, err := oci.Open(context.Background(), dir)
			if err != nil {
				t.Fatal(err)
			}
			r, err := images[0].Layers[0].Open()
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			got, err := io.ReadAll(r)
			if err != nil || !cmp.Equal(got, oneLayer[0]) {
				t.Errorf("read %d bytes, error %v", len(got), err)
			}
		})
	}
}

func TestLayerIsVerified(t *testing.T) {
	other := ocitest.Tar(ocitest.Entry{Name: "etc/motd", Body: "hullo"})
	for name, tc := range map[string]struct {
		compression string
		spoil       func(map[string][]byte, []string)
		want        string
	}{
		"other content": {"", func(b map[string][]byte, l []string) {
			b[l[0]] = append(other, make([]byte, len(b[l[0]])-len(other))...)
		}, "does not match its digest"},
		"longer":  {"gzip", func(b map[string][]byte, l []string) { b[l[0]] = append(b[l[0]], 0) }, "bytes where its descriptor says"},
		"cut off": {"gzip", func(b map[string][]byte, l []string) { b[l[0]] = b[l[0]][:20] }, "bytes where its descriptor says"},
		"missing": {"", func(b map[string][]byte, l []string) { delete(b, l[0]) }, "no such file"},
	} {
		t.Run(name, func(t *testing.T) {
			dir, _ := write(t, ocitest.Image{Layers: oneLayer, Compression: tc.compression, Spoil: tc.spoil})
			images, _, err := oci.Open(context.Background(), dir)
			if err != nil {
				t.Fatal(err)
			}
			r, err := images[0].Layers[0].Open()
			if err == nil {
				defer r.Close()
				_, err = io.ReadAll(r)
			}
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("error %v, want %q", err, tc.want)
			}
		})
	}
}

func TestOpenBroken(t *testing.T) {
	good := `{"imageLayoutVersion":"1.0.0"}`
	for name, tc := range map[string]struct {
		layout, index string
		incomplete    string // "" means that Open fails
		wantErr       string
	}{
		"no json":           {good, "{", "", "index.json"},
		"other version":     {`{"imageLayoutVersion":"2.0.0"}`, `{"manifests":[]}`, "", "version"},
		"missing blob":      {good, `{"manifests":[{"digest":"sha256:` + strings.Repeat("0", 64) + `","size":3}]}`, "no such file", ""},
		"climbing digest":   {good, `{"manifests":[{"digest":"sha256:../../../../etc/passwd","size":3}]}`, "only sha256", ""},
		"other digest":      {good, `{"manifests":[{"digest":"sha512:00","size":3}]}`, "only sha256", ""},
		"wrong descriptor":  {good, `{"manifests":[{"digest":7}]}`, "cannot unmarshal", ""},
		"size over bound":   {good, `{"manifests":[{"digest":"` + ocitest.Digest([]byte("x")) + `","size":99999999999}]}`, "no such file", ""},
		"too many":          {good, `{"manifests":[` + strings.Repeat(`{"annotations":{"vnd.docker.reference.type":"x"}},`, 5000) + `{}]}`, "descriptors", ""},
		"two of one digest": {good, `{"manifests":[{"digest":"x"},{"digest":"x"}]}`, "only sha256", ""},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			os.WriteFile(filepath.Join(dir, "oci-layout"), []byte(tc.layout), 0o644)
			os.WriteFile(filepath.Join(dir, "index.json"), []byte(tc.index), 0o644)
			images, incomplete, err := oci.Open(context.Background(), dir)
			if tc.wantErr != "" {
				if err == nil || !strings.Contains(err.Error(), tc.wantErr) {
					t.Errorf("error %v, want %q", err, tc.wantErr)
				}
				return
			}
			if err != nil || len(images) != 0 || len(incomplete) != 1 || !strings.Contains(incomplete[0].Why, tc.incomplete) {
				t.Errorf("images %v, incomplete %v, error %v", images, incomplete, err)
			}
		})
	}
}

func TestOpenKeepsTheRest(t *testing.T) {
	dir, digests := write(t,
		ocitest.Image{Layers: oneLayer, Names: []string{"a/a:1"}},
		ocitest.Image{Layers: oneLayer, Names: []string{"b/b:1"}, User: "1"},
	)
	if err := os.Truncate(filepath.Join(dir, "blobs/sha256", digests[0][7:]), 5); err != nil {
		t.Fatal(err)
	}
	images, incomplete, err := oci.Open(context.Background(), dir)
	if err != nil || len(images) != 1 || images[0].Digest != digests[1] {
		t.Fatalf("images %v, error %v", images, err)
	}
	if len(incomplete) != 1 || !strings.Contains(incomplete[0].What, digests[0]) {
		t.Errorf("incomplete %v", incomplete)
	}
}

func TestNoLinkLeadsOut(t *testing.T) {
	dir, digests := write(t, ocitest.Image{Layers: oneLayer})
	blob := filepath.Join(dir, "blobs/sha256", digests[0][7:])
	outside := filepath.Join(t.TempDir(), "manifest")
	if err := errors.Join(os.Rename(blob, outside), os.Symlink(outside, blob)); err != nil {
		t.Fatal(err)
	}
	images, incomplete, err := oci.Open(context.Background(), dir)
	if err != nil || len(images) != 0 || len(incomplete) != 1 {
		t.Errorf("images %v, incomplete %v, error %v", images, incomplete, err)
	}
}

func TestNotALayout(t *testing.T) {
	dir := t.TempDir()
	if _, _, err := oci.Open(context.Background(), dir); !errors.Is(err, oci.ErrNotImage) {
		t.Errorf("error %v", err)
	}
	if oci.IsLayout(dir) {
		t.Error("an empty folder is taken for a layout")
	}
}

// FuzzIndex: whatever index.json holds, Open ends, and every image that it
// returns has the digest of a file that is there.
func FuzzIndex(f *testing.F) {
	dir, digests := f.TempDir(), []string(nil)
	var err error
	if digests, err = ocitest.Write(dir, ocitest.Image{Layers: oneLayer, Names: []string{"a:1"}}); err != nil {
		f.Fatal(err)
	}
	index, err := os.ReadFile(filepath.Join(dir, "index.json"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(index)
	f.Add([]byte(`{"manifests":[{"digest":"` + digests[0] + `","size":-1,"platform":{}}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		if err := os.WriteFile(filepath.Join(dir, "index.json"), data, 0o644); err != nil {
			t.Fatal(err)
		}
		images, _, err := oci.Open(context.Background(), dir)
		if err != nil {
			return
		}
		for _, img := range images {
			if _, err := os.Stat(filepath.Join(dir, "blobs/sha256", strings.TrimPrefix(img.Digest, "sha256:"))); err != nil {
				t.Errorf("image %s: %v", img.Digest, err)
			}
		}
	})
}
