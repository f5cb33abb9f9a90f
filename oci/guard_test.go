package oci

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
)

// roundTrip is a transport of one function.
type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestPlainHTTP(t *testing.T) {
	for _, tc := range []struct {
		registry string
		insecure bool
		url      string
		passes   bool
	}{
		{"registry.example", false, "https://registry.example/v2/", true},
		{"registry.example", false, "http://registry.example/v2/", false},
		{"10.0.0.7:5000", false, "http://10.0.0.7:5000/v2/", false},
		{"box.local:5000", false, "http://box.local:5000/v2/", false},
		{"registry.example:5000", true, "http://registry.example:5000/v2/", true},
		{"registry.example:5000", true, "http://other.example:5000/token", false},
		{"registry.example:5000", true, "http://127.0.0.1:5000/token", false},
		{"localhost:5000", false, "http://localhost:5000/v2/", true},
		{"127.0.0.1:5000", false, "http://127.0.0.1:5001/token", true},
		{"[::1]:5000", false, "http://[::1]:5000/v2/", true},
		{"localhost:5000", false, "http://other.example/v2/", false},
		{"registry.example", false, "ftp://registry.example/v2/", false},
	} {
		g := newGuard(tc.registry, tc.insecure)
		asked := false
		g.inner = roundTrip(func(*http.Request) (*http.Response, error) {
			asked = true
			return &http.Response{Body: http.NoBody}, nil
		})
		req, err := http.NewRequest(http.MethodGet, tc.url, nil)
		if err != nil {
			t.Fatal(err)
		}
		_, err = g.RoundTrip(req)
		if asked != tc.passes || errors.As(err, new(*plainError)) == tc.passes {
			t.Errorf("%s of %s (insecure %v): sent %v, error %v", tc.url, tc.registry, tc.insecure, asked, err)
		}
	}
}

// TestStalled: an answer that stops coming ends, and one that keeps coming
// doesn't.
func TestStalled(t *testing.T) {
	hang := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, "first")
		w.(http.Flusher).Flush()
		<-hang
	}))
	defer server.Close()
	defer close(hang)
	g := newGuard(strings.TrimPrefix(server.URL, "http://"), false)
	resp, err := (&http.Client{Transport: g}).Get(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if _, err := io.ReadFull(resp.Body, make([]byte, 5)); err != nil {
		t.Fatal(err)
	}
	resp.Body.(*watched).cancel(errStalled) // what the timer does
	if _, err := resp.Body.Read(make([]byte, 5)); !errors.Is(err, errStalled) {
		t.Errorf("error %v", err)
	}
}

func TestExplain(t *testing.T) {
	r := &registry{ctx: t.Context(), keys: &keychain{}}
	var err error
	if r.ref, err = name.ParseReference("registry.example/app:1"); err != nil {
		t.Fatal(err)
	}
	signed := &url.Error{Op: "Get", URL: "https://blobs.example/x?X-Signature=s3cret", Err: io.ErrUnexpectedEOF}
	for _, tc := range []struct {
		err  error
		want string
	}{
		{&tls.CertificateVerificationError{Err: x509.UnknownAuthorityError{}}, "nobody known here vouches for the certificate of registry.example; SSL_CERT_FILE can name the authority"},
		{&tls.CertificateVerificationError{Err: x509.HostnameError{Certificate: &x509.Certificate{DNSNames: []string{"a.example"}}, Host: "b"}}, "the certificate of registry.example doesn't hold: x509: certificate is valid for a.example, not b"},
		{&plainError{"registry.example"}, "registry.example answers no https; --insecure allows plain http"},
		{&plainError{"other.example"}, "registry.example sends on to other.example by plain http, which is refused"},
		{errors.New("http: server gave HTTP response to HTTPS client"), "registry.example answers no https; --insecure allows plain http"},
		{signed, "asking registry.example: unexpected EOF"},
		{fmt.Errorf("x: %w", signed), "asking registry.example: unexpected EOF"},
	} {
		if got := r.explain(tc.err).Error(); got != tc.want {
			t.Errorf("%v: %q, want %q", tc.err, got, tc.want)
		}
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	r.ctx = ended
	if got := r.explain(fmt.Errorf("x: %w", context.Canceled)); !errors.Is(got, context.Canceled) {
		t.Errorf("error %v", got)
	}
}

// TestHubCredentials: Docker's own registry goes by other names in files.
func TestHubCredentials(t *testing.T) {
	for key, found := range map[string]bool{
		"https://index.docker.io/v1/": true, "docker.io": true, "docker.io/library": true, "docker.io/library/nginx": true,
		"docker.io/other": false, "registry.example": false,
	} {
		path := filepath.Join(t.TempDir(), "config.json")
		mustDo(t, os.WriteFile(path, []byte(`{"auths":{"`+key+`":{"auth":"dTpw"}}}`), 0o600))
		target, err := name.NewRepository("nginx")
		mustDo(t, err)
		have, err := lookUp(t.Context(), path, target)
		if err != nil || (have.Username == "u" && have.Password == "p") != found {
			t.Errorf("%s: user %q, error %v", key, have.Username, err)
		}
	}
}
