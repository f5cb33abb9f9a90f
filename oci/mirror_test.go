package oci_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/scantling/scantling/oci"
)

func TestParseMirror(t *testing.T) {
	for text, want := range map[string]oci.Mirror{
		"docker.io=mirror.example/hub":           {Of: "docker.io", At: "mirror.example/hub"},
		"registry.example/team/=127.0.0.1:5000/": {Of: "registry.example/team", At: "127.0.0.1:5000"},
		"docker.io":                              {},
		"=mirror.example":                        {},
		"docker.io=":                             {},
		"docker.io=https://mirror.example":       {},
		"docker.io=mirror.example/a@b":           {},
	} {
		got, err := oci.ParseMirror(text)
		if (err == nil) != (want != oci.Mirror{}) {
			t.Errorf("%s: error %v", text, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", text, diff)
		}
	}
}

// TestMirrors: the first mirror that has an image serves it, all of it, under
// its own name; what mirrors can't serve the registry does.
func TestMirrors(t *testing.T) {
	have := serve(t, "", web)
	empty := httptest.NewServer(http.NotFoundHandler())
	defer empty.Close()
	lacks := strings.TrimPrefix(empty.URL, "http://")
	for name, tc := range map[string]struct {
		ref     string
		mirrors []oci.Mirror
		passed  int
		fails   bool
	}{
		"a mirror of a host":               {"registry.example/app:1", []oci.Mirror{{Of: "registry.example", At: have.host}}, 0, false},
		"of a path, by digest":             {"registry.example/team/app:1", []oci.Mirror{{Of: "registry.example/team", At: have.host}}, 0, false},
		"of one repository":                {"registry.example/x:1", []oci.Mirror{{Of: "registry.example/x", At: have.host + "/app"}}, 0, false},
		"of docker's short names":          {"app:1", []oci.Mirror{{Of: "docker.io/library", At: have.host}}, 0, false},
		"the second one has it":            {"registry.example/app:1", []oci.Mirror{{Of: "registry.example", At: lacks}, {Of: "registry.example", At: have.host}}, 1, false},
		"none has it, the registry does":   {have.host + "/app:1", []oci.Mirror{{Of: have.host, At: lacks}}, 1, false},
		"mirrors of others aren't asked":   {have.host + "/app:1", []oci.Mirror{{Of: "registry.example", At: lacks}}, 0, false},
		"a name that only begins the same": {"registry.example/apple:1", []oci.Mirror{{Of: "registry.example/app", At: have.host + "/app"}}, 0, true},
	} {
		t.Run(name, func(t *testing.T) {
			if tc.fails {
				// Nothing is there, and the test must not wait for a network.
				t.Setenv("HTTPS_PROXY", empty.URL)
			}
			got, err := oci.Fetch(t.Context(), tc.ref, oci.FetchOptions{Mirrors: tc.mirrors})
			if tc.fails {
				if err == nil {
					t.Fatalf("images %v", got.Images)
				}
				return
			}
			if err != nil || len(got.Images) != 1 || len(got.Passed) != tc.passed {
				t.Fatalf("images %v, passed %q, error %v", got.Images, got.Passed, err)
			}
			img := got.Images[0]
			if img.Name() != tc.ref {
				t.Errorf("its name is %s", img.Name())
			}
			if diff := cmp.Diff(twoLayers, content(t, img)); diff != "" {
				t.Errorf("layers differ: %s", diff)
			}
		})
	}
}
