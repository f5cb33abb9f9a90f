package plane

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
)

// Client sends requests with one credential. It is safe for concurrent use.
type Client struct {
	url, token string // token is empty where a certificate is shown, or nothing
	roots      *x509.CertPool
	http       *http.Client
	dialer     net.Dialer
}

// From lets later calls come from another address of this machine, which every
// one of 127.0.0.0/8 is.
func (c *Client) From(address string) {
	c.dialer.LocalAddr = &net.TCPAddr{IP: net.ParseIP(address)}
}

// Request is one call of the API. The zero Verb is GET.
type Request struct {
	Verb   string
	Path   string      // with its query
	Type   string      // of Body; by default JSON
	Body   any         // text and bytes go as they are, the rest as JSON
	Header http.Header // more headers
}

// Answer is what came back. Err is set where no answer came.
type Answer struct {
	Code int
	Body []byte
	Err  error
}

// OK is true for an answer that is no error.
func (a Answer) OK() bool { return a.Err == nil && a.Code >= 200 && a.Code < 300 }

// Decode reads the answer into v; what is no success is an error.
func (a Answer) Decode(v any) error {
	if err := a.Error(); err != nil {
		return err
	}
	return json.Unmarshal(a.Body, v)
}

// Error is nil for a success.
func (a Answer) Error() error {
	switch {
	case a.Err != nil:
		return a.Err
	case !a.OK():
		return fmt.Errorf("answer %d: %.500s", a.Code, a.Body)
	}
	return nil
}

// Do sends one request and reads the whole answer.
func (c *Client) Do(ctx context.Context, r Request) Answer {
	req, err := c.request(ctx, r)
	if err != nil {
		return Answer{Err: err}
	}
	res, err := c.http.Do(req)
	if err != nil {
		return Answer{Err: err}
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	return Answer{Code: res.StatusCode, Body: body, Err: err}
}

func (c *Client) request(ctx context.Context, r Request) (*http.Request, error) {
	var body io.Reader
	switch b := r.Body.(type) {
	case nil:
	case string:
		body = strings.NewReader(b)
	case []byte:
		body = bytes.NewReader(b)
	default:
		text, err := json.Marshal(b)
		if err != nil {
			return nil, err
		}
		body = bytes.NewReader(text)
	}
	req, err := http.NewRequestWithContext(ctx, r.Verb, c.url+r.Path, body)
	if err != nil {
		return nil, err
	}
	for key, values := range r.Header {
		req.Header[key] = values
	}
	if c.token != "" {
		req.Header.Set("Authorization", "Bearer "+c.token)
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if r.Type != "" {
		req.Header.Set("Content-Type", r.Type)
	}
	return req, nil
}

// Ready is true when the API server says so of itself and of all its parts.
func (c *Client) Ready(ctx context.Context) bool {
	return c.Do(ctx, Request{Path: "/readyz"}).OK()
}

// Open sends a request over a connection of its own, and closes it when the
// answer's code is there. It is for watches, and for requests that ask for
// another protocol, which nobody here speaks.
func (c *Client) Open(ctx context.Context, r Request) (int, error) {
	req, err := c.request(ctx, r)
	if err != nil {
		return 0, err
	}
	dialer := tls.Dialer{NetDialer: &c.dialer, Config: &tls.Config{RootCAs: c.roots, NextProtos: []string{"http/1.1"}}}
	transport := &http.Transport{DialTLSContext: dialer.DialContext}
	defer transport.CloseIdleConnections()
	res, err := (&http.Client{Transport: transport}).Do(req)
	if err != nil {
		return 0, err
	}
	return res.StatusCode, res.Body.Close()
}
