package cli

import (
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	ocilayout "github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/scantling/scantling/oci/ocitest"
)

// imageCmds are the commands of scripts that make images.
var imageCmds = map[string]func(*testscript.TestScript, bool, []string){
	"pack": pack, "save": save, "cut": cut, "registry": serve, "leaky": leaky,
}

// pack makes a tar of a folder: pack DIR FILE [gzip|zstd]
func pack(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: pack DIR FILE [gzip|zstd]")
	}
	data, err := ocitest.Pack(ts.MkAbs(args[0]))
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), ocitest.Compress(data, strings.Join(args[2:], "")), 0o644))
}

// save makes an archive of small images as docker save does: save FILE NAME…
func save(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: save FILE NAME…")
	}
	var images []ocitest.Image
	for _, ref := range args[1:] {
		images = append(images, small(ref))
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), ocitest.Saved(images...), 0o644))
}

// small is an image with one package. Images of two names are two.
func small(ref string) ocitest.Image {
	return ocitest.Image{
		Names: []string{ref}, Labels: map[string]string{"name": ref},
		Layers: [][]byte{ocitest.Tar(
			ocitest.Entry{Name: "etc/os-release", Body: "ID=debian\nVERSION_ID=\"11\"\n"},
			ocitest.Entry{Name: "var/lib/dpkg/status", Body: "Package: base-files\nStatus: install ok installed\nArchitecture: amd64\nVersion: 11.1\n\n"},
		)},
	}
}

// cut leaves the first bytes of a file: cut FILE BYTES
func cut(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: cut FILE BYTES")
	}
	size, err := strconv.ParseInt(args[1], 10, 64)
	ts.Check(err)
	ts.Check(os.Truncate(ts.MkAbs(args[0]), size))
}

// serve starts a registry with the image app:1 for two platforms, which asks
// for the token that robot gets for its password. The variable and the files
// of the script get its address: registry VARIABLE FILE…
func serve(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 1 {
		ts.Fatalf("usage: registry VARIABLE FILE…")
	}
	inner := registry.New(registry.Logger(log.New(io.Discard, "", 0)))
	open := httptest.NewServer(inner)
	defer open.Close()
	dir := ts.MkAbs("registry")
	var images []ocitest.Image
	for _, platform := range []string{"linux/amd64", "linux/arm64"} {
		i := small("")
		i.Names, i.Platform, i.Index = nil, platform, "app:1"
		images = append(images, i)
	}
	_, err := ocitest.Write(dir, images...)
	ts.Check(err)
	ref, err := name.ParseReference(strings.TrimPrefix(open.URL, "http://") + "/app:1")
	ts.Check(err)
	top, err := ocilayout.ImageIndexFromPath(dir)
	ts.Check(err)
	list, err := top.IndexManifest()
	ts.Check(err)
	index, err := top.ImageIndex(list.Manifests[0].Digest)
	ts.Check(err)
	ts.Check(remote.WriteIndex(ref, index))

	guarded := httptest.NewServer(guarded(inner))
	ts.Defer(guarded.Close)
	host := strings.TrimPrefix(guarded.URL, "http://")
	ts.Setenv(args[0], host)
	for _, file := range args[1:] {
		text := strings.ReplaceAll(ts.ReadFile(file), "$"+args[0], host)
		ts.Check(os.WriteFile(ts.MkAbs(file), []byte(text), 0o600))
	}
}

// guarded lets through who has the token.
func guarded(inner http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, password, _ := r.BasicAuth()
		switch {
		case r.URL.Path == "/token" && user == "robot" && password == "not-to-be-told":
			fmt.Fprint(w, `{"token":"also-not-to-be-told"}`)
		case r.Header.Get("Authorization") == "Bearer also-not-to-be-told":
			inner.ServeHTTP(w, r)
		default:
			w.Header().Set("WWW-Authenticate", fmt.Sprintf(`Bearer realm="http://%s/token",service="test"`, r.Host))
			w.WriteHeader(http.StatusUnauthorized)
			fmt.Fprintf(w, "you sent %s", r.Header.Get("Authorization"))
		}
	})
}
