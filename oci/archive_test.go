package oci_test

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/tarball"

	"github.com/scantling/scantling/model"
	"github.com/scantling/scantling/oci"
	"github.com/scantling/scantling/oci/ocitest"
)

// put writes one file into a folder of its own.
func put(t testing.TB, name string, data []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// open opens what must be whole.
func open(t testing.TB, path string) []*oci.Image {
	t.Helper()
	images, incomplete, err := oci.Open(t.Context(), path)
	if err != nil || len(incomplete) > 0 {
		t.Fatalf("incomplete %v, error %v", incomplete, err)
	}
	return images
}

// content reads all layers of an image.
func content(t testing.TB, i *oci.Image) [][]byte {
	t.Helper()
	var out [][]byte
	for _, l := range i.Layers {
		stream, err := l.Open()
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(stream)
		if err := errors.Join(err, stream.Close()); err != nil {
			t.Fatalf("layer %s: %v", l.DiffID, err)
		}
		out = append(out, data)
	}
	return out
}

var twoLayers = [][]byte{
	ocitest.Tar(ocitest.Entry{Name: "etc/motd", Body: "hello"}),
	ocitest.Tar(ocitest.Entry{Name: "etc/motd", Body: strings.Repeat("longer ", 80)}),
}

var web = ocitest.Image{
	Layers: twoLayers, Names: []string{"registry.example/shop/web:1.0"}, Labels: map[string]string{"owner": "web"}, User: "10001",
	History: []ocitest.History{{CreatedBy: "COPY . /"}, {CreatedBy: "COPY motd /etc"}},
}

// TestFormsAgree opens one image in every form on disk.
func TestFormsAgree(t *testing.T) {
	dir, digests := write(t, web)
	layout := open(t, dir)[0]
	packed, err := ocitest.Pack(dir)
	if err != nil {
		t.Fatal(err)
	}
	for form, data := range map[string][]byte{"oci": packed, "docker": ocitest.Saved(web)} {
		for _, how := range []string{"", "gzip", "zstd"} {
			t.Run(form+" "+how, func(t *testing.T) {
				path := put(t, "web.tar", ocitest.Compress(data, how))
				if is, err := oci.IsArchive(path); !is || err != nil {
					t.Errorf("is not taken for an archive: %v", err)
				}
				images := open(t, path)
				if len(images) != 1 {
					t.Fatalf("%d images", len(images))
				}
				got := images[0]
				want := map[string]string{"oci": digests[0], "docker": layout.ConfigDigest}[form]
				if got.Digest != want || got.ConfigDigest != layout.ConfigDigest || got.Path != path || got.Platform != "linux/amd64" {
					t.Errorf("read %+v, want digest %s", got, want)
				}
				if diff := cmp.Diff(layout.Config, got.Config); diff != "" {
					t.Errorf("configuration (-layout +archive):\n%s", diff)
				}
				if diff := cmp.Diff(layout.Names, got.Names); diff != "" {
					t.Errorf("names (-layout +archive):\n%s", diff)
				}
				if form == "docker" && cmp.Equal(got.Digest, layout.Digest) {
					t.Error("an archive without manifest has the digest of one")
				}
				if got.Layers[0].DiffID != layout.Layers[0].DiffID || got.Layers[1].Size != layout.Layers[1].Size {
					t.Errorf("layers %+v, want %+v", got.Layers, layout.Layers)
				}
				if diff := cmp.Diff(twoLayers, content(t, got)); diff != "" {
					t.Error("layers differ from the layout's")
				}
			})
		}
	}
}

func TestDockerAliases(t *testing.T) {
	img := open(t, put(t, "a.tar", ocitest.Saved(web)))[0]
	want := []string{"registry.example/shop/web:1.0", "registry.example/shop/web@" + img.ConfigDigest}
	if diff := cmp.Diff(want, img.Aliases()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestSavedImages: all images, layers that are links to an earlier image's,
// and compressed ones.
func TestSavedImages(t *testing.T) {
	api := web
	api.Names, api.User = []string{"shop/api:2", "shop/api:latest"}, "1"
	for _, how := range []string{"", "gzip", "zstd"} {
		web, api := web, api
		web.Compression, api.Compression = how, how
		images := open(t, put(t, "all.tar", ocitest.Saved(web, api)))
		if len(images) != 2 {
			t.Fatalf("%d images", len(images))
		}
		var names []string
		for _, i := range images {
			names = append(names, i.Names...)
			if diff := cmp.Diff(twoLayers, content(t, i)); diff != "" {
				t.Errorf("%s: layers differ", i.Name())
			}
		}
		if diff := cmp.Diff([]string{"registry.example/shop/web:1.0", "shop/api:2", "shop/api:latest"}, sorted(names)); diff != "" {
			t.Errorf("names (-want +got):\n%s", diff)
		}
	}
}

// TestOtherWriter reads what go-containerregistry's writer of archives makes:
// compressed layers, names by digest, several images.
func TestOtherWriter(t *testing.T) {
	one, two := must(random.Image(3000, 3)), must(random.Image(100, 1))
	path := filepath.Join(t.TempDir(), "x.tar")
	if err := tarball.MultiWriteToFile(path, map[name.Tag]v1.Image{
		must(name.NewTag("registry.example/one:1")): one, must(name.NewTag("registry.example/two:1")): two,
	}); err != nil {
		t.Fatal(err)
	}
	if is, err := oci.IsArchive(path); !is || err != nil {
		t.Errorf("is not taken for an archive: %v", err)
	}
	images := open(t, path)
	if len(images) != 2 {
		t.Fatalf("%d images", len(images))
	}
	for _, got := range images {
		want := one
		if got.Names[0] == "registry.example/two:1" {
			want = two
		}
		if digest := must(want.ConfigName()).String(); got.Digest != digest {
			t.Errorf("digest %s, want %s", got.Digest, digest)
		}
		for i, data := range content(t, got) {
			if plain := must(io.ReadAll(must(must(want.Layers())[i].Uncompressed()))); !bytes.Equal(plain, data) {
				t.Errorf("layer %d of %s differs", i, got.Name())
			}
		}
	}
}

// TestBothForms: an archive of docker save since it has layouts is both. Each
// image comes once, with the names of both.
func TestBothForms(t *testing.T) {
	dir, digests := write(t, ocitest.Image{Layers: twoLayers, User: "1"})
	layout := open(t, dir)[0]
	config := "blobs/sha256/" + strings.TrimPrefix(layout.ConfigDigest, "sha256:")
	list := fmt.Sprintf(`[{"Config":%q,"RepoTags":["shop/web:3"],"Layers":[]}]`, config)
	if err := os.WriteFile(filepath.Join(dir, "manifest.json"), []byte(list), 0o644); err != nil {
		t.Fatal(err)
	}
	packed, err := ocitest.Pack(dir)
	if err != nil {
		t.Fatal(err)
	}
	images := open(t, put(t, "x.tar", packed))
	if len(images) != 1 || images[0].Digest != digests[0] || !cmp.Equal(images[0].Names, []string{"shop/web:3"}) {
		t.Errorf("read %+v", images)
	}
}

// TestSavedPlatform: where one platform of an index was saved, the others are
// not missing. Where none was, all are.
func TestSavedPlatform(t *testing.T) {
	drop := func(n int) string {
		dir, digests := write(t,
			ocitest.Image{Layers: twoLayers, Platform: "linux/amd64", Index: "shop/web:2"},
			ocitest.Image{Layers: twoLayers, Platform: "linux/arm64", Index: "shop/web:2"},
		)
		for _, d := range digests[:n] {
			if err := os.Remove(filepath.Join(dir, "blobs/sha256", d[7:])); err != nil {
				t.Fatal(err)
			}
		}
		packed, err := ocitest.Pack(dir)
		if err != nil {
			t.Fatal(err)
		}
		return put(t, "x.tar", packed)
	}
	if images := open(t, drop(1)); len(images) != 1 || images[0].Platform != "linux/arm64" {
		t.Errorf("read %+v", images)
	}
	images, incomplete, err := oci.Open(t.Context(), drop(2))
	if err != nil || len(images) != 0 || len(incomplete) != 2 {
		t.Errorf("images %v, incomplete %v, error %v", images, incomplete, err)
	}
}

func TestUnite(t *testing.T) {
	dir, digests := write(t, ocitest.Image{Layers: twoLayers, User: "10001", Labels: web.Labels, History: web.History})
	layout, saved := open(t, dir), open(t, put(t, "web.tar", ocitest.Saved(web)))
	got := oci.Unite(append(append(saved, layout...), open(t, dir)...))
	if len(got) != 1 || got[0].Digest != digests[0] || !cmp.Equal(got[0].Names, web.Names) {
		t.Errorf("united to %d images: %+v", len(got), got[0])
	}
}

// brokenArchives are archives with one thing wrong.
var brokenArchives = map[string]struct {
	data   func() []byte
	images int
	why    string // of the one incomplete entry; "" where the error says it
	err    string
}{
	"no file of a tar":       {func() []byte { return []byte("Hello") }, 0, "", "no image"},
	"empty":                  {func() []byte { return nil }, 0, "", "no image"},
	"zeros":                  {func() []byte { return make([]byte, 10240) }, 0, "", "no image"},
	"tar of other files":     {func() []byte { return ocitest.Tar(ocitest.Entry{Name: "etc/motd", Body: "x"}) }, 0, "", "no image"},
	"manifest of others":     {func() []byte { return manifestJSON(`{"name":"extension"}`) }, 0, "", "none of docker's"},
	"manifest is a list":     {func() []byte { return manifestJSON(`[{"src":"a.png"}]`) }, 0, "", "none of docker's"},
	"manifest is no JSON":    {func() []byte { return manifestJSON(`[`) }, 0, "", "not readable as JSON"},
	"huge manifest":          {func() []byte { return manifestJSON(strings.Repeat(" ", 4<<20) + "[]") }, 0, "", "more than 4194304 bytes"},
	"wrong element":          {func() []byte { return manifestJSON(`[{"Config":7}]`) }, 0, "cannot unmarshal", ""},
	"no configuration":       {func() []byte { return manifestJSON(`[{"Config":"none.json"}]`) }, 0, "not in the archive", ""},
	"climbing configuration": {func() []byte { return manifestJSON(`[{"Config":"../../../etc/passwd"}]`) }, 0, "not in the archive", ""},
	"absolute configuration": {func() []byte { return manifestJSON(`[{"Config":"/etc/passwd"}]`) }, 0, "not in the archive", ""},
	"configuration links out": {func() []byte {
		return manifestJSON(`[{"Config":"c"}]`, ocitest.Entry{Name: "c", Type: tar.TypeSymlink, Link: "/etc/passwd"})
	}, 0, "not in the archive", ""},
	"configuration links to itself": {func() []byte {
		return manifestJSON(`[{"Config":"c"}]`, ocitest.Entry{Name: "c", Type: tar.TypeSymlink, Link: "d"}, ocitest.Entry{Name: "d", Type: tar.TypeLink, Link: "c"})
	}, 0, "links in a row", ""},
	"configuration is a pipe": {func() []byte {
		return manifestJSON(`[{"Config":"c"}]`, ocitest.Entry{Name: "c", Type: tar.TypeFifo})
	}, 0, "not in the archive", ""},
	"sparse configuration": {func() []byte {
		var b bytes.Buffer
		w := tar.NewWriter(&b)
		w.WriteHeader(&tar.Header{Name: "c", Typeflag: tar.TypeReg, Size: 4, PAXRecords: map[string]string{
			"GNU.sp-rse.map": "0,4", "GNU.sp-rse.numblocks": "1", "GNU.sp-rse.size": "8",
		}})
		io.WriteString(w, "null")
		w.Flush()
		b.Write(manifestJSON(`[{"Config":"c"}]`))
		return bytes.ReplaceAll(b.Bytes(), []byte("GNU.sp-rse"), []byte("GNU.sparse"))
	}, 0, "not in the archive", ""},
	"configuration of another digest": {func() []byte {
		return spoil(func(e *ocitest.Entry) {
			if strings.HasSuffix(e.Name, ".json") && len(e.Name) == 69 {
				e.Body += " "
			}
		})
	}, 0, "does not match its digest", ""},
	"too few layers": {func() []byte {
		return spoil(func(e *ocitest.Entry) {
			if e.Name == "manifest.json" {
				a, b := strings.Index(e.Body, `"Layers":[`), strings.Index(e.Body, `/layer.tar",`)
				e.Body = e.Body[:a+10] + e.Body[b+12:]
			}
		})
	}, 0, "manifest.json lists 1 layers and the configuration 2", ""},
	"too many layers": {func() []byte {
		return spoil(func(e *ocitest.Entry) {
			if e.Name == "manifest.json" {
				e.Body = strings.Replace(e.Body, `"Layers":[`, `"Layers":[`+strings.Repeat(`"x",`, 600), 1)
			}
		})
	}, 0, "602 layers, at most 512", ""},
	"too many images": {func() []byte {
		return manifestJSON(`[` + strings.Repeat(`{"Config":"c"},`, 5000) + `{"Config":"c"}]`)
	}, 0, "more than 4096 images", ""},
	"too many names": {func() []byte {
		return manifestJSON(`[{"Config":"c","RepoTags":["a:1"` + strings.Repeat(`,"a:1"`, 5000) + `]}]`)
	}, 0, "more than 4096 images and names", ""},
	"too many members": {func() []byte {
		var b bytes.Buffer
		w := tar.NewWriter(&b)
		for i := range 70000 {
			w.WriteHeader(&tar.Header{Name: fmt.Sprint(i), Typeflag: tar.TypeReg})
		}
		w.Close()
		return b.Bytes()
	}, 0, "", "more than 65536 members"},
	"cut off before its manifest": {func() []byte { return ocitest.Saved(web)[:5000] }, 0, "", "unexpected EOF"},
	"cut off after its manifest": {func() []byte {
		entries := ocitest.SavedEntries(web)
		data := ocitest.Tar(append(entries, ocitest.Entry{Name: "more", Body: strings.Repeat("x", 4000)})...)
		return data[:len(data)-3000]
	}, 1, "cut off", ""},
	"member of ten terabytes": {func() []byte {
		var b bytes.Buffer
		b.Write(ocitest.Saved(web))
		data := b.Bytes()[:b.Len()-1024] // without the end
		var h bytes.Buffer
		w := tar.NewWriter(&h)
		w.WriteHeader(&tar.Header{Name: "huge", Typeflag: tar.TypeReg, Size: 10 << 40})
		w.Flush()
		return append(data, h.Bytes()...)
	}, 1, "cut off", ""},
	"gzip cut off": {func() []byte {
		d := ocitest.Compress(ocitest.Saved(web), "gzip")
		return d[:len(d)-20]
	}, 0, "", "unexpected EOF"},
	"zstd of rubbish": {func() []byte { return []byte("\x28\xb5\x2f\xfd rubbish") }, 0, "", "unpacking"},
	"bomb": {func() []byte {
		return ocitest.Compress(append(ocitest.Saved(web), make([]byte, 128<<20)...), "gzip")
	}, 0, "", "more than the 67108864 bytes"},
	"broken layout beside docker's form": {func() []byte {
		return ocitest.Tar(append(ocitest.SavedEntries(web), ocitest.Entry{Name: "oci-layout", Body: "{"}, ocitest.Entry{Name: "index.json", Body: "{"})...)
	}, 1, "unexpected end of JSON", ""},
}

func manifestJSON(text string, more ...ocitest.Entry) []byte {
	return ocitest.Tar(append(more, ocitest.Entry{Name: "manifest.json", Body: text})...)
}

// spoil changes members of a sound archive.
func spoil(change func(*ocitest.Entry)) []byte {
	entries := ocitest.SavedEntries(web)
	for i := range entries {
		change(&entries[i])
	}
	return ocitest.Tar(entries...)
}

func TestBrokenArchives(t *testing.T) {
	for name, tc := range brokenArchives {
		t.Run(name, func(t *testing.T) {
			temp := t.TempDir()
			t.Setenv("TMPDIR", temp)
			images, incomplete, err := oci.Open(t.Context(), put(t, "x.tar", tc.data()))
			if tc.err != "" {
				if err == nil || !strings.Contains(err.Error(), tc.err) {
					t.Errorf("images %v, error %v, want %q", images, err, tc.err)
				}
			} else if err != nil || len(images) != tc.images {
				t.Errorf("%d images, want %d; error %v", len(images), tc.images, err)
			}
			if matching := withWhy(incomplete, tc.why); tc.err == "" && matching != 1 {
				t.Errorf("incomplete %v, want %q once", incomplete, tc.why)
			}
			if left := must(os.ReadDir(temp)); len(left) > 0 {
				t.Errorf("left behind: %v", left)
			}
		})
	}
}

func withWhy(list []model.Incomplete, why string) int {
	n := 0
	for _, x := range list {
		if strings.Contains(x.Why, why) {
			n++
		}
	}
	return n
}

// TestArchiveLayersAreVerified: what the configuration says of a layer is held
// against what is there, when it is read.
func TestArchiveLayersAreVerified(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(*ocitest.Entry)
		want   string
	}{
		"other content": {func(e *ocitest.Entry) {
			if strings.HasSuffix(e.Name, "layer.tar") {
				e.Body = strings.Replace(e.Body, "hello", "hullo", 1)
			}
		}, "does not match its digest"},
		"cut off": {func(e *ocitest.Entry) {
			if strings.HasSuffix(e.Name, "layer.tar") {
				e.Body = e.Body[:len(e.Body)/2]
			}
		}, "does not match its digest"},
		"missing": {func(e *ocitest.Entry) {
			if strings.HasSuffix(e.Name, "layer.tar") {
				e.Name += "x"
			}
		}, "not in the archive"},
		"a link out": {func(e *ocitest.Entry) {
			if strings.HasSuffix(e.Name, "layer.tar") {
				*e = ocitest.Entry{Name: e.Name, Type: tar.TypeSymlink, Link: "../../../../../../../etc/passwd"}
			}
		}, "not in the archive"},
	} {
		t.Run(name, func(t *testing.T) {
			images, incomplete, err := oci.Open(t.Context(), put(t, "x.tar", spoil(tc.change)))
			if err != nil || len(incomplete) > 0 || len(images) != 1 {
				t.Fatalf("%d images, incomplete %v, error %v", len(images), incomplete, err)
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

// TestSpillIsGone: a compressed archive leaves no file with a name, and its
// layers can be read all the same.
func TestSpillIsGone(t *testing.T) {
	temp := t.TempDir()
	t.Setenv("TMPDIR", temp)
	images := open(t, put(t, "web.tgz", ocitest.Compress(ocitest.Saved(web), "gzip")))
	if left := must(os.ReadDir(temp)); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	if diff := cmp.Diff(twoLayers, content(t, images[0])); diff != "" {
		t.Error("layers differ")
	}
}

func TestArchiveContext(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	for _, how := range []string{"", "gzip"} {
		if _, _, err := oci.Open(ctx, put(t, "x.tar", ocitest.Compress(ocitest.Saved(web), how))); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: error %v", how, err)
		}
	}
}

func TestIsArchive(t *testing.T) {
	folder := t.TempDir()
	for name, tc := range map[string]struct {
		data []byte
		want bool
	}{
		"source code": {ocitest.Tar(ocitest.Entry{Name: "app/"}, ocitest.Entry{Name: "app/go.mod", Body: "module x"}), false},
		"text":        {[]byte("hello"), false},
		"nothing":     {nil, false},
		"with a dot":  {ocitest.Tar(ocitest.Entry{Name: "./"}, ocitest.Entry{Name: "./oci-layout", Body: "{}"}), true},
	} {
		if got, err := oci.IsArchive(put(t, "x.tar", tc.data)); got != tc.want || err != nil {
			t.Errorf("%s: %v, error %v", name, got, err)
		}
	}
	for _, path := range []string{folder, filepath.Join(folder, "none")} {
		if is, err := oci.IsArchive(path); is || err == nil {
			t.Errorf("%s: %v, error %v", path, is, err)
		}
	}
}

// What begins as an archive of images and lacks what lists them is broken; it
// isn't passed over as a tar of something else.
func TestArchiveWithoutItsList(t *testing.T) {
	for name, tc := range map[string]struct {
		entry ocitest.Entry
		want  string
	}{
		"a layout":            {ocitest.Entry{Name: "oci-layout", Body: "{}"}, "no index.json"},
		"of an old docker":    {ocitest.Entry{Name: "repositories", Body: "{}"}, "before 1.10"},
		"a list that is torn": {ocitest.Entry{Name: "manifest.json", Body: `[{"Config":`}, "not readable as JSON"},
	} {
		t.Run(name, func(t *testing.T) {
			_, _, err := oci.Open(t.Context(), put(t, "x.tar", ocitest.Tar(tc.entry)))
			if err == nil || errors.Is(err, oci.ErrNotImage) || !strings.Contains(err.Error(), tc.want) {
				t.Error(err)
			}
		})
	}
}
