package oci

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
)

// explain says what an error of the network or of a registry means, and what
// to do about it. Of an answer it repeats only the status: the text is the
// registry's, which has seen the credentials; of a failed request it leaves
// out the address, which may be a signed one.
func (r *registry) explain(err error) error {
	host := r.ref.Context().RegistryStr()
	var answer *transport.Error
	var lookup *net.DNSError
	var certificate *tls.CertificateVerificationError
	var plain *plainError
	var request *url.Error
	switch {
	case r.ctx.Err() != nil:
		return r.ctx.Err()
	case errors.As(err, &answer):
		return r.answered(host, answer)
	case errors.As(err, &lookup) && lookup.IsNotFound:
		return fmt.Errorf("no such host: %s; check the name of the registry", lookup.Name)
	case errors.As(err, &certificate) && errors.As(certificate.Err, new(x509.UnknownAuthorityError)):
		return fmt.Errorf("nobody known here vouches for the certificate of %s; SSL_CERT_FILE can name the authority", host)
	case errors.As(err, &certificate):
		return fmt.Errorf("the certificate of %s doesn't hold: %w", host, certificate.Err)
	case errors.As(err, &plain) && plain.host != hostOf(host):
		return fmt.Errorf("%s sends on to %s by plain http, which is refused", host, plain.host)
	case plain != nil || strings.Contains(err.Error(), "server gave HTTP response to HTTPS client"):
		return fmt.Errorf("%s answers no https; --insecure allows plain http", host)
	case errors.As(err, &request):
		err = request.Err
	}
	return fmt.Errorf("asking %s: %w", host, err)
}

// answered explains an answer that is no success.
func (r *registry) answered(host string, answer *transport.Error) error {
	repository := r.ref.Context().RepositoryStr()
	isPing := answer.Request != nil && answer.Request.URL.Path == "/v2/"
	switch code := answer.StatusCode; {
	case code == http.StatusUnauthorized || code == http.StatusForbidden:
		return fmt.Errorf("%s refuses access%s: %s", host, r.keys.tried(), login(host))
	case code == http.StatusNotFound && isPing:
		return fmt.Errorf("%s is no registry", host)
	case code == http.StatusNotFound && hasCode(answer, transport.NameUnknownErrorCode):
		return fmt.Errorf("%s has no repository %s", host, repository)
	case code == http.StatusNotFound:
		kind := "tag"
		if _, ok := r.ref.(name.Digest); ok {
			kind = "digest"
		}
		return fmt.Errorf("not found: %s at %s has no such %s, or lacks a part of it", repository, host, kind)
	case code == http.StatusTooManyRequests:
		return fmt.Errorf("%s has had too many requests: wait, or %s", host, login(host))
	default:
		return fmt.Errorf("%s answers %d %s", host, code, http.StatusText(code))
	}
}

func hasCode(answer *transport.Error, code transport.ErrorCode) bool {
	for _, d := range answer.Errors {
		if d.Code == code {
			return true
		}
	}
	return false
}

// login says how to get credentials. Registries don't tell a repository that
// is not there from one that is hidden.
func login(host string) string {
	if host == dockerHub {
		return "log in with `docker login`; if you are, there may be no such repository"
	}
	return "log in with `docker login " + host + "`; if you are, there may be no such repository"
}

// tried says which credentials were used, by their place.
func (k *keychain) tried() string {
	k.mu.Lock()
	defer k.mu.Unlock()
	out := " without credentials"
	if k.used != "" {
		out = " with the credentials of " + k.used
	}
	if len(k.trouble) > 0 {
		out += " (" + strings.Join(k.trouble, "; ") + ")"
	}
	return out
}
