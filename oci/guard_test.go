package oci

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
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
		if asked != tc.passes || errors.Is(err, errPlain) == tc.passes {
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
	r := &registry{ctx: t.Context(), given: "app:1", keys: &keychain{}}
	var err error
	if r.ref, err = name.ParseReference("registry.example/app:1"); err != nil {
		t.Fatal(err)
	}
	signed := &url.Error{Op: "Get", URL: "https://blobs.example/x?X-Signature=s3cret", Err: io.ErrUnexpectedEOF}
	for _, tc := range []struct {
		err  error
		want string
	}{
		{fmt.Errorf("x: %w", x509.UnknownAuthorityError{}), "app:1: nobody known here vouches for the certificate of registry.example; SSL_CERT_FILE can name the authority"},
		{errors.New("http: server gave HTTP response to HTTPS client"), "app:1: registry.example answers no https; --insecure allows plain http"},
		{signed, "app:1: asking registry.example: unexpected EOF"},
		{fmt.Errorf("x: %w", signed), "app:1: asking registry.example: unexpected EOF"},
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
