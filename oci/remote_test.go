package oci_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/scantling/scantling/oci"
	"github.com/scantling/scantling/oci/ocitest"
)

const (
	user   = "robot"
	secret = "s3cret-p4ssword"
	token  = "t0ken-of-the-registry"
)

// front stands before a registry and asks for credentials.
type front struct {
	inner http.Handler
	how   string // "", "basic" or "bearer"
	host  string
	spoil func(w http.ResponseWriter, r *http.Request) bool // answers itself
	asked atomic.Int64                                      // requests with a right credential
}

func (f *front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name, password, isBasic := r.BasicAuth()
	isUser := isBasic && name == user && password == secret
	switch {
	case f.spoil != nil && f.spoil(w, r):
		return
	case f.how == "basic" && !isUser:
		w.Header().Set("WWW-Authenticate", `Basic realm="test"`)
		w.WriteHeader(http.StatusUnauthorized)
		fmt.Fprintf(w, `{"errors":[{"code":"UNAUTHORIZED","message":"you sent %s"}]}`, r.Header.Get("Authorization"))
		return
	case f.how == "bearer" && r.URL.Path == "/token":
		if !isUser {
			w.WriteHeader(http.StatusUnauthorized)
			fmt.Fprintf(w, "you sent %s", r.Header.Get("Authorization"))
			return
		}
		json.NewEncoder(w).Encode(map[string]string{"token": token})
		return
	case f.how == "bearer" && r.Header.Get("Authorization") != "Bearer "+token:
		w.Header().Set("WWW-Authenticate", fmt.Sprintf(`Bearer realm="http://%s/token",service="test",scope="repository:app:pull"`, f.host))
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	f.asked.Add(1)
	f.inner.ServeHTTP(w, r)
}

// serve starts a registry that holds the images of a layout under app:1.
func serve(t testing.TB, how string, images ...ocitest.Image) *front {
	t.Helper()
	noCredentials(t)
	f := &front{inner: registry.New(registry.Logger(log.New(io.Discard, "", 0)))}
	server := httptest.NewServer(f)
	t.Cleanup(server.Close)
	f.host = strings.TrimPrefix(server.URL, "http://")
	dir := t.TempDir()
	if _, err := ocitest.Write(dir, images...); err != nil {
		t.Fatal(err)
	}
	index := must(layout.ImageIndexFromPath(dir))
	list := must(index.IndexManifest()).Manifests
	ref := must(name.ParseReference(f.host + "/app:1"))
	if len(list) == 1 && list[0].MediaType.IsIndex() {
		if err := remote.WriteIndex(ref, must(index.ImageIndex(list[0].Digest))); err != nil {
			t.Fatal(err)
		}
	} else if err := remote.Write(ref, must(index.Image(list[0].Digest))); err != nil {
		t.Fatal(err)
	}
	f.how = how
	return f
}

// noCredentials hides those of the machine.
func noCredentials(t testing.TB) {
	for _, v := range []string{"HOME", "DOCKER_CONFIG", "REGISTRY_AUTH_FILE", "XDG_RUNTIME_DIR", "XDG_CONFIG_HOME", "DOCKER_AUTH_CONFIG"} {
		t.(interface{ Setenv(string, string) }).Setenv(v, "")
	}
}

func fetch(t testing.TB, ref string) *oci.Image {
	t.Helper()
	got, err := oci.Fetch(t.Context(), ref, oci.FetchOptions{})
	if err != nil || len(got.Incomplete) > 0 || len(got.Images) != 1 {
		t.Fatalf("images %v, incomplete %v, error %v", got.Images, got.Incomplete, err)
	}
	return got.Images[0]
}

func TestFetch(t *testing.T) {
	packed := web
	packed.Compression = "gzip"
	dir, digests := write(t, packed)
	layout := open(t, dir)[0]
	f := serve(t, "", packed)
	for _, ref := range []string{f.host + "/app:1", f.host + "/app@" + digests[0], f.host + "/app:1@" + digests[0]} {
		img := fetch(t, ref)
		if img.Digest != digests[0] || img.Path != ref || img.Name() != ref || img.ConfigDigest != layout.ConfigDigest {
			t.Errorf("%s: read %+v", ref, img)
		}
		if diff := cmp.Diff(layout.Config, img.Config); diff != "" {
			t.Errorf("configuration (-layout +registry):\n%s", diff)
		}
		if diff := cmp.Diff(twoLayers, content(t, img)); diff != "" {
			t.Errorf("%s: layers differ", ref)
		}
	}
	want := []string{layout.ConfigDigest, f.host + "/app:1", f.host + "/app@" + digests[0]}
	if diff := cmp.Diff(sorted(want), fetch(t, f.host+"/app:1").Aliases()); diff != "" {
		t.Errorf("aliases (-want +got):\n%s", diff)
	}
}

func TestFetchPlatform(t *testing.T) {
	of := func(platforms ...string) *front {
		var images []ocitest.Image
		for _, p := range platforms {
			images = append(images, ocitest.Image{Layers: twoLayers, Platform: p, Index: "app:1"})
		}
		return serve(t, "", images...)
	}
	all, arms := of("linux/arm64", "linux/amd64", "linux/s390x"), of("linux/arm64", "linux/s390x")
	single := serve(t, "", ocitest.Image{Layers: twoLayers, Platform: "linux/arm64"})
	levels := of("linux/amd64/v3", "linux/amd64", "linux/arm64")
	for name, tc := range map[string]struct {
		from       *front
		want       oci.Platform
		have, left []string
		err        string
	}{
		"default":              {all, "", []string{"linux/amd64"}, []string{"linux/arm64", "linux/s390x"}, ""},
		"default, without":     {arms, "", []string{"linux/arm64"}, []string{"linux/s390x"}, ""},
		"one":                  {all, "linux/s390x", []string{"linux/s390x"}, []string{"linux/amd64", "linux/arm64"}, ""},
		"all":                  {all, "all", []string{"linux/amd64", "linux/arm64", "linux/s390x"}, nil, ""},
		"exact before variant": {levels, "", []string{"linux/amd64"}, []string{"linux/amd64/v3", "linux/arm64"}, ""},
		"none":                 {all, "linux/mips", nil, nil, "no such platform: linux/mips; there is linux/arm64, linux/amd64, linux/s390x"},
		"part of a name":       {all, "linux/arm", nil, nil, "no such platform"},
		"no index":             {single, "", []string{"linux/arm64"}, nil, ""},
		"no index, all":        {single, "all", []string{"linux/arm64"}, nil, ""},
		"no index, the same":   {single, "linux/arm64", []string{"linux/arm64"}, nil, ""},
		"no index, other":      {single, "linux/amd64", nil, nil, "no such platform: linux/amd64; there is linux/arm64"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := oci.Fetch(t.Context(), tc.from.host+"/app:1", oci.FetchOptions{Platform: tc.want})
			if tc.err != "" {
				if err == nil || !strings.Contains(err.Error(), tc.err) {
					t.Errorf("error %v, want %q", err, tc.err)
				}
				return
			}
			var have []string
			for _, i := range got.Images {
				have = append(have, i.Platform)
				if tc.from != single && len(i.Indexes) != 1 {
					t.Errorf("indexes %v", i.Indexes)
				}
			}
			if err != nil || !cmp.Equal(sorted(have), tc.have) && len(tc.have) > 0 || !cmp.Equal(sorted(got.LeftOut), append([]string{}, tc.left...)) {
				t.Errorf("have %v, left out %v, error %v", have, got.LeftOut, err)
			}
		})
	}
}

func TestPlatform(t *testing.T) {
	for s, ok := range map[string]bool{
		"": true, "all": true, "linux/amd64": true, "linux/arm/v7": true, "windows/amd64": true,
		"amd64": false, "linux/": false, "linux/arm/v7/x": false, "Linux/amd64": false, "linux/amd64 ": false,
	} {
		if _, err := oci.ParsePlatform(s); (err == nil) != ok {
			t.Errorf("%q: error %v", s, err)
		}
	}
	if got := oci.Few(strings.Split(strings.Repeat("a,", 24)+"a", ",")); got != strings.Repeat("a, ", 19)+"a and 5 more" {
		t.Errorf("few of 25: %s", got)
	}
	images := []*oci.Image{{Platform: "linux/arm/v6"}, {Platform: "linux/arm/v7"}, {Platform: "linux/arm64"}, {}}
	for want, n := range map[oci.Platform]int{"": 4, "all": 4, "linux/arm": 2, "linux/arm/v7": 1, "linux/arm64": 1, "linux/amd64": 0} {
		kept, _, err := oci.Only(images, want)
		if len(kept) != n || errors.Is(err, oci.ErrPlatform) != (n == 0) {
			t.Errorf("%s: %d images, error %v", want, len(kept), err)
		}
	}
}

// answer is a front's spoil for paths that end so.
func answer(end string, status int, body string) func(http.ResponseWriter, *http.Request) bool {
	return func(w http.ResponseWriter, r *http.Request) bool {
		if !strings.HasSuffix(r.URL.Path, end) {
			return false
		}
		w.WriteHeader(status)
		io.WriteString(w, body)
		return true
	}
}

func TestFetchErrors(t *testing.T) {
	f := serve(t, "", web)
	noPlain := "192.0.2.1:1" // TEST-NET-1: nobody is asked, because plain http is refused first
	closed := httptest.NewServer(nil)
	closed.Close()
	none := "sha256:" + strings.Repeat("0", 64)
	for name, tc := range map[string]struct {
		ref   string
		spoil func(http.ResponseWriter, *http.Request) bool
		want  string
	}{
		"no tag":         {f.host + "/app:2", nil, "app at " + f.host + " has no such tag"},
		"no digest":      {f.host + "/app@" + none, nil, "has no such digest"},
		"no repository":  {f.host + "/nobody/has:1", nil, "has no repository nobody/has"},
		"no registry":    {f.host + "/app:1", answer("/v2/", 404, "<html>"), f.host + " is no registry"},
		"out of order":   {f.host + "/app:1", answer("/v2/", 418, secret), f.host + " answers 418 I'm a teapot"},
		"too many":       {f.host + "/app:1", answer("/manifests/1", 403, "{}"), "refuses access without credentials"},
		"no such host":   {"registry.invalid/app:1", nil, "no such host: registry.invalid"},
		"nobody there":   {strings.TrimPrefix(closed.URL, "http://") + "/app:1", nil, "connection refused"},
		"bad reference":  {"UPPER/case:1", nil, "is no image reference"},
		"bad digest":     {f.host + "/app@sha256:12", nil, "is no image reference"},
		"other digest":   {f.host + "/app@sha512:" + strings.Repeat("0", 128), nil, "not found"},
		"huge manifest":  {f.host + "/app:1", answer("/manifests/1", 200, strings.Repeat(" ", 5<<20)), "more than 4194304 bytes"},
		"not a manifest": {f.host + "/app:1", answer("/manifests/1", 200, "<html>"), ""},
		"redirect to http": {f.host + "/app:1", func(w http.ResponseWriter, r *http.Request) bool {
			http.Redirect(w, r, "http://"+noPlain+"/x", http.StatusFound)
			return true
		}, "sends on to 192.0.2.1 by plain http, which is refused"},
		"token of another host": {f.host + "/app:1", func(w http.ResponseWriter, r *http.Request) bool {
			w.Header().Set("WWW-Authenticate", `Bearer realm="http://`+noPlain+`/token"`)
			w.WriteHeader(401)
			return true
		}, "sends on to 192.0.2.1 by plain http, which is refused"},
	} {
		t.Run(name, func(t *testing.T) {
			f.spoil = tc.spoil
			defer func() { f.spoil = nil }()
			got, err := oci.Fetch(t.Context(), tc.ref, oci.FetchOptions{})
			if tc.want == "" {
				if err != nil || len(got.Images) > 0 || len(got.Incomplete) != 1 {
					t.Errorf("images %v, incomplete %v, error %v", got.Images, got.Incomplete, err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Fatalf("images %v, incomplete %v, error %v, want %q", got.Images, got.Incomplete, err, tc.want)
			}
			tells(t, err)
		})
	}
}

// TestFetchVerifies: what a registry serves in place of what a digest names is
// not taken for it.
func TestFetchVerifies(t *testing.T) {
	dir, digests := write(t, web)
	layers := open(t, dir)[0].Layers
	replace := func(digest string, by func([]byte) []byte) func(http.ResponseWriter, *http.Request) bool {
		return func(w http.ResponseWriter, r *http.Request) bool {
			if !strings.HasSuffix(r.URL.Path, digest) {
				return false
			}
			data := by(must(os.ReadFile(filepath.Join(dir, "blobs/sha256", digest[7:]))))
			if f, ok := w.(http.Flusher); ok {
				f.Flush() // no length is stated
			}
			w.Write(data)
			return true
		}
	}
	turn := func(b []byte) []byte { b[len(b)/2] ^= 1; return b }
	config := open(t, dir)[0].ConfigDigest
	f := serve(t, "", web)
	f.spoil = replace(digests[0], turn)
	if _, err := oci.Fetch(t.Context(), f.host+"/app@"+digests[0], oci.FetchOptions{}); err == nil {
		t.Error("another manifest is taken for the one of the digest")
	}
	f.spoil = replace(config, turn)
	if got, err := oci.Fetch(t.Context(), f.host+"/app:1", oci.FetchOptions{}); err != nil || len(got.Images) > 0 || len(got.Incomplete) != 1 {
		t.Errorf("images %v, incomplete %v, error %v", got.Images, got.Incomplete, err)
	}
	for name, by := range map[string]func([]byte) []byte{
		"turned": turn,
		"longer": func(b []byte) []byte { return append(b, 0) },
		"short":  func(b []byte) []byte { return b[:len(b)-1] },
	} {
		f.spoil = nil
		layer := fetch(t, f.host+"/app:1").Layers[1]
		f.spoil = replace(layers[1].Digest, by)
		stream, err := layer.Open()
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if _, err := io.ReadAll(stream); !errors.Is(err, oci.ErrDigest) {
			t.Errorf("%s: error %v", name, err)
		}
		stream.Close()
	}
}

// TestFetchEnds: a cancelled context ends what waits for a registry.
func TestFetchEnds(t *testing.T) {
	f := serve(t, "", web)
	hang := make(chan struct{})
	defer close(hang)
	f.spoil = func(w http.ResponseWriter, r *http.Request) bool {
		if strings.Contains(r.URL.Path, "/manifests/") {
			<-hang
			return true
		}
		return false
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := oci.Fetch(ctx, f.host+"/app:1", oci.FetchOptions{}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error %v", err)
	}
}

// TestFetchEndless: answers without an end are cut off.
func TestFetchEndless(t *testing.T) {
	f := serve(t, "", web)
	endless := func(w http.ResponseWriter, r *http.Request) {
		for r.Context().Err() == nil {
			if _, err := w.Write(make([]byte, 64<<10)); err != nil {
				return
			}
		}
	}
	f.spoil = func(w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path == "/v2/" {
			endless(w, r)
			return true
		}
		return false
	}
	if len(content(t, fetch(t, f.host+"/app:1"))) != 2 {
		t.Error("layers are missing")
	}
	f.spoil = func(w http.ResponseWriter, r *http.Request) bool {
		if strings.Contains(r.URL.Path, "/manifests/") {
			endless(w, r)
			return true
		}
		return false
	}
	if _, err := oci.Fetch(t.Context(), f.host+"/app:1", oci.FetchOptions{}); err == nil || !strings.Contains(err.Error(), "more than 4194304 bytes") {
		t.Errorf("error %v", err)
	}
}

// TestFetchArtifact: a signature or a chart is no image.
func TestFetchArtifact(t *testing.T) {
	f := serve(t, "", web)
	chart := mutate.ConfigMediaType(mutate.MediaType(must(mutate.AppendLayers(emptyImage(t), static.NewLayer([]byte("x"), "application/x-chart"))), types.OCIManifestSchema1), "application/vnd.cncf.helm.config.v1+json")
	ref := must(name.ParseReference(f.host + "/chart:1"))
	if err := remote.Write(ref, chart); err != nil {
		t.Fatal(err)
	}
	if _, err := oci.Fetch(t.Context(), ref.String(), oci.FetchOptions{}); err == nil || !strings.Contains(err.Error(), "is no image") {
		t.Errorf("error %v", err)
	}
}

func emptyImage(t *testing.T) v1.Image {
	t.Helper()
	dir, digests := write(t, ocitest.Image{})
	return must(must(layout.ImageIndexFromPath(dir)).Image(must(v1.NewHash(digests[0]))))
}
