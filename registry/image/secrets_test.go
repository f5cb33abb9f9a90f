package image

import (
	"fmt"
	"hash/crc32"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/scantling/scantling/oci"
	"github.com/scantling/scantling/oci/ocitest"
)

// tokenOf makes a token of GitHub with its checksum, so that no source holds
// one.
func tokenOf(seed uint64) string {
	const chars = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	r := rand.New(rand.NewPCG(seed, 1))
	out := []byte("gh" + "p_")
	for range 30 {
		out = append(out, chars[r.IntN(len(chars))])
	}
	sum := crc32.ChecksumIEEE(out[4:])
	tail := make([]byte, 6)
	for i := 5; i >= 0; i-- {
		tail[i] = chars[sum%62]
		sum /= 62
	}
	return string(append(out, tail...))
}

// shows reports whether 8 bytes in a row of a value stand in a text.
func shows(text, value string) bool {
	for i := 0; i+8 <= len(value); i++ {
		if strings.Contains(text, value[i:i+8]) {
			return true
		}
	}
	return false
}

const filler = "all work and no play makes a dull text\n"

// TestSecretsOfLayers: a secret is listed with its layer, and as visible
// where its file is in the finished image.
func TestSecretsOfLayers(t *testing.T) {
	token := tokenOf(1)
	lower := ocitest.Tar(
		file("etc/os-release", debian12), file("var/lib/dpkg/status", dpkgTwo),
		file("stays", "\n\n"+token), file("removed", token), file("replaced", token), file("d/opaque", token), file("d2/gone/deep", token),
		file("became-folder", token), file("first", token),
		ocitest.Entry{Name: "second", Link: "first", Type: '1'},
		file("app/node_modules/a/package.json", `{"name": "a", "version": "1.0.0", "note": "`+token+`"}`),
		file("twice", token), file("twice", "nothing"),
		file("long", strings.Repeat(filler, 20000)+token),
		file("binary", "\x7fELF\x00"+token),
		file("usr/share/doc/a/example", token),
		ocitest.Entry{Name: "link", Link: "stays", Type: '2'},
	)
	upper := ocitest.Tar(
		file(".wh.removed", ""), file("replaced", "nothing"), file("d/.wh..wh..opq", ""), file("d2/.wh.gone", ""),
		ocitest.Entry{Name: "became-folder/"}, file(".wh.first", ""), file("new", token),
	)
	inv := read(t, &Reader{}, ocitest.Image{Layers: [][]byte{lower, upper}, Compression: "gzip"})
	type row struct {
		path    string
		line    int
		layer   int
		visible bool
	}
	var got []row
	for _, s := range inv.Secrets {
		if s.Kind != "github-token" || !s.Expires.IsZero() {
			t.Errorf("%+v", s)
		}
		layer := 0
		if s.Layer == inv.Layers[1].DiffID {
			layer = 1
		}
		got = append(got, row{s.Path, s.Line, layer, s.Visible})
	}
	want := []row{
		{"/app/node_modules/a/package.json", 1, 0, true},
		{"/became-folder", 1, 0, false},
		{"/d/opaque", 1, 0, false},
		{"/d2/gone/deep", 1, 0, false},
		{"/first", 1, 0, true}, // under its second name
		{"/long", 20001, 0, true},
		{"/new", 1, 1, true},
		{"/removed", 1, 0, false},
		{"/replaced", 1, 0, false},
		{"/stays", 3, 0, true},
		{"/twice", 1, 0, false},
	}
	if d := cmp.Diff(want, got, cmp.AllowUnexported(row{})); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
	if len(inv.Packages) != 3 || len(inv.Incomplete) > 0 {
		t.Errorf("packages %v, incomplete %v", inv.Packages, inv.Incomplete)
	}
	if shows(fmt.Sprintf("%+v", inv), token) {
		t.Error("the token shows")
	}
}

// TestSecretsOfConfig: values of the environment, labels and history.
func TestSecretsOfConfig(t *testing.T) {
	env, label, arg, bare, named, alone, key := tokenOf(1), tokenOf(2), tokenOf(3), tokenOf(4), tokenOf(5), tokenOf(6), tokenOf(7)
	inv := read(t, &Reader{}, ocitest.Image{
		Layers: [][]byte{ocitest.Tar(file("etc/os-release", debian12), file("var/lib/dpkg/status", dpkgTwo))},
		Env:    []string{"PATH=/usr/bin", "GH_TOKEN=" + env, "GPG_KEY=A035C8C19219BA821ECEA86B64E628F8D684696D", named + "=" + named, "DB_PASSWORD=changeme", alone},
		Labels: map[string]string{"ci": "built with " + label, "version": "1", key: "x"},
		History: []ocitest.History{
			{CreatedBy: "/bin/sh -c #(nop) ADD file:aaa in /"},
			{CreatedBy: "RUN |1 TOKEN=" + arg + " /bin/sh -c git clone https://x:" + bare + "@github.com/a/b", Empty: true},
		},
	})
	var got []string
	for _, s := range inv.Secrets {
		got = append(got, fmt.Sprintf("%s %s %d %s %t", s.Kind, s.Path, s.Line, s.Layer, s.Visible))
	}
	want := []string{
		"github-token config env 4 0  true", // its name is one too
		"github-token config env 4 0  true",
		"github-token config env 6 0  true",
		"github-token config env GH_TOKEN 0  true",
		"github-token config history 2 0  true",
		"github-token config history 2 0  true",
		"github-token config label 2 0  true",
		"github-token config label ci 0  true",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
	if inv.Config.Labels["version"] != "1" {
		t.Errorf("labels %v", inv.Config.Labels)
	}
	if d := cmp.Diff([]string{notShown, notShown, "DB_PASSWORD", "GH_TOKEN", "GPG_KEY", "PATH"}, inv.Config.EnvNames); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
	text := fmt.Sprintf("%+v", inv)
	for _, v := range []string{env, label, arg, bare, named, alone, key} {
		if shows(text, v) {
			t.Errorf("a value shows")
		}
	}
}

// TestSecretsBound: a layer lists so many, and says how many more there are.
func TestSecretsBound(t *testing.T) {
	entries := []ocitest.Entry{file("etc/os-release", debian12), file("var/lib/dpkg/status", dpkgTwo)}
	for i := range maxSecrets + 3 {
		entries = append(entries, file(fmt.Sprintf("f%d", i), tokenOf(uint64(i))))
	}
	inv := read(t, &Reader{}, ocitest.Image{Layers: [][]byte{ocitest.Tar(entries...)}})
	if len(inv.Secrets) != maxSecrets {
		t.Errorf("%d listed", len(inv.Secrets))
	}
	if len(inv.Incomplete) != 1 || !strings.HasPrefix(inv.Incomplete[0].Why, "3 more secrets") {
		t.Errorf("incomplete %v", inv.Incomplete)
	}
}

// TestSecretInCutLayer: what was read until the layer breaks off counts.
func TestSecretInCutLayer(t *testing.T) {
	token := tokenOf(1)
	layer := ocitest.Tar(file("a", token), file("b", strings.Repeat(filler, 1000)+token))
	inv := read(t, &Reader{}, ocitest.Image{Layers: [][]byte{layer[:len(layer)-20000]}})
	if len(inv.Secrets) != 1 || inv.Secrets[0].Path != "/a" || len(inv.Incomplete) == 0 {
		t.Errorf("secrets %+v, incomplete %v", inv.Secrets, inv.Incomplete)
	}
}

// FuzzSecrets: whatever stands around a token in a file or in the
// configuration, no part of it shows.
func FuzzSecrets(f *testing.F) {
	f.Add("etc/app.json", `{"token": "`, `"}`)
	f.Add("root/.netrc", "machine a login b password ", "\n")
	f.Add("app/node_modules/a/package.json", `{"name":"a","version":"`, `"}`)
	f.Add("var/lib/dpkg/status", "Package: a\nVersion: ", "\n\n")
	f.Fuzz(func(t *testing.T, name, before, after string) {
		token := tokenOf(1)
		before, after = strings.ToValidUTF8(before, ""), strings.ToValidUTF8(after, "")
		if shows(name+before+after, token) {
			return
		}
		inv := &Inventory{Config: Config{Labels: map[string]string{"a": before + token + after}}}
		inv.configSecrets(oci.Config{
			Env: []string{"A=" + before + token + after, before + token + after}, Labels: inv.Config.Labels,
			History: []oci.History{{CreatedBy: before + token + after}},
		})
		if text := fmt.Sprintf("%+v %+v", inv.Secrets, inv.Incomplete); shows(text, token) {
			t.Fatal("a value shows")
		}
		if len(inv.Secrets) > 0 && inv.Config.Labels["a"] != "" && shows(inv.Config.Labels["a"], token) {
			for _, s := range inv.Secrets {
				if s.Path == "config label a" {
					t.Fatal("the label shows its value")
				}
			}
		}
		s := newLayerScan(t.Context(), defaultLimits(), &sync.Mutex{})
		found, err := s.search(name, int64(len(before+token+after)), strings.NewReader(before+token+after))
		if err != nil {
			t.Fatal(err)
		}
		if found != nil && kindOf(name) == foundNothing && shows(fmt.Sprintf("%+v %+v", found, s.facts.notes), token) {
			t.Fatal("a value shows")
		}
	})
}
