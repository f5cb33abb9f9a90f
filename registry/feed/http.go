package feed

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// Bounds on talking to a server.
const (
	dialTimeout  = 10 * time.Second
	stallTimeout = 60 * time.Second // without an answer, or without the next stallBytes of it
	stallBytes   = 1 << 10
	maxRedirects = 10
	perHost      = 8 // connections to one host: fetched at once
)

// Retry says how often and when a request is made again.
type Retry struct {
	Times int           // after the first; 0 is 5
	First time.Duration // before the first; doubled each time, at random up to a half less; 0 is half a second
	Most  time.Duration // a longer wait, also one that Retry-After asks for, ends the attempts; 0 is two minutes
}

func (r Retry) orDefault() Retry {
	if r.Times == 0 {
		r.Times = 5
	}
	if r.First == 0 {
		r.First = 500 * time.Millisecond
	}
	if r.Most == 0 {
		r.Most = 2 * time.Minute
	}
	return r
}

// client makes requests with patience. It is safe for concurrent use.
type client struct {
	http  *http.Client
	agent string
	retry Retry
}

func newClient(how Access) *client {
	agent := how.Agent
	if agent == "" {
		agent = "scantling"
	}
	return &client{agent: agent, retry: how.Retry.orDefault(), http: &http.Client{
		CheckRedirect: checkRedirect,
		Transport: &http.Transport{
			Proxy:                 http.ProxyFromEnvironment,
			DialContext:           (&net.Dialer{Timeout: dialTimeout}).DialContext,
			TLSHandshakeTimeout:   dialTimeout,
			ResponseHeaderTimeout: stallTimeout,
			IdleConnTimeout:       stallTimeout,
			MaxConnsPerHost:       perHost,
			MaxIdleConnsPerHost:   perHost,
			ForceAttemptHTTP2:     true,
		},
	}}
}

// checkRedirect follows to http and https alone, and never from https to http.
func checkRedirect(req *http.Request, via []*http.Request) error {
	if len(via) >= maxRedirects {
		return fmt.Errorf("more than %d redirects", maxRedirects)
	}
	if s := req.URL.Scheme; s != "https" && (s != "http" || via[len(via)-1].URL.Scheme == "https") {
		return fmt.Errorf("a redirect to %s is refused", s)
	}
	return nil
}

// parseAddress reads the address of a source.
func parseAddress(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	switch {
	case err != nil:
		return nil, errors.New("it is no address") // the parser would repeat a password
	case u.Host == "":
		return nil, errors.New("it names no host")
	case u.RawQuery != "" || u.Fragment != "":
		return nil, errors.New("an address with a query or a fragment has no files below it")
	}
	return u, nil
}

// status is an answer that is no success.
type status struct {
	code  int
	after time.Duration // Retry-After; negative where there is none
}

func (s *status) Error() string {
	return fmt.Sprintf("the server answers %d %s", s.code, http.StatusText(s.code))
}

func (s *status) Is(target error) bool {
	return target == fs.ErrNotExist && (s.code == http.StatusNotFound || s.code == http.StatusGone)
}

// passing reports whether the same request may succeed later.
func passing(err error) bool {
	var s *status
	if errors.As(err, &s) {
		switch s.code {
		case http.StatusTooManyRequests, http.StatusInternalServerError, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
			return true
		}
		return false
	}
	if lookup := (*net.DNSError)(nil); errors.As(err, &lookup) && lookup.IsNotFound {
		return false
	}
	var network *net.OpError
	var late net.Error // an error of the file system looks like one, but is never late
	return errors.As(err, &network) || errors.As(err, &late) && late.Timeout() || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) || errors.Is(err, errStalled)
}

// again runs f until it succeeds, fails for good, or was tried often enough.
func (c *client) again(ctx context.Context, f func() error) error {
	wait := c.retry.First
	for try := 0; ; try++ {
		err := f()
		if err == nil || !passing(err) || ctx.Err() != nil {
			return firstOf(ctx.Err(), err)
		}
		pause := wait/2 + rand.N(wait/2+1)
		if s := (*status)(nil); errors.As(err, &s) && s.after >= 0 {
			pause = s.after
		}
		if try == c.retry.Times || pause > c.retry.Most {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause):
		}
		wait = min(2*wait, c.retry.Most)
	}
}

func firstOf(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// do makes one request. The body of its answer ends when it stalls.
func (c *client) do(ctx context.Context, method string, u *url.URL, header http.Header) (*http.Response, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	timer := time.AfterFunc(stallTimeout, func() { cancel(errStalled) })
	req, err := http.NewRequestWithContext(ctx, method, u.String(), nil)
	if err != nil {
		timer.Stop()
		cancel(nil)
		return nil, err
	}
	req.Header = header
	req.Header.Set("User-Agent", c.agent)
	resp, err := c.http.Do(req)
	if err != nil {
		timer.Stop()
		if context.Cause(ctx) == errStalled {
			err = errStalled
		}
		cancel(nil)
		if request := (*url.Error)(nil); errors.As(err, &request) {
			err = request.Err // the address may hold a password
		}
		return nil, err
	}
	timer.Reset(stallTimeout)
	resp.Body = &watched{body: resp.Body, ctx: ctx, cancel: cancel, timer: timer}
	return resp, nil
}

var errStalled = fmt.Errorf("fewer than %d bytes came in %s", stallBytes, stallTimeout)

// watched gives a body time for as long as bytes come, and not one by one: a
// server that sends as few as it can would hold a sync for ever.
type watched struct {
	body   io.ReadCloser
	ctx    context.Context
	cancel context.CancelCauseFunc
	timer  *time.Timer
	came   int // bytes since the timer was set
}

func (w *watched) Read(p []byte) (int, error) {
	n, err := w.body.Read(p)
	if w.came += n; w.came >= stallBytes {
		w.came = 0
		w.timer.Reset(stallTimeout)
	}
	if err != nil && context.Cause(w.ctx) == errStalled {
		err = errStalled
	}
	return n, err
}

func (w *watched) Close() error {
	w.timer.Stop()
	w.cancel(nil)
	return w.body.Close()
}

// get opens what lies at an address; header holds what the request says
// besides.
func (c *client) get(ctx context.Context, u *url.URL, header http.Header) (*http.Response, error) {
	resp, err := c.do(ctx, http.MethodGet, u, header)
	if err != nil {
		return nil, err
	}
	switch resp.StatusCode {
	case http.StatusOK, http.StatusPartialContent:
		return resp, nil
	case http.StatusNotModified:
		err = errUnchanged
		if header.Get("If-None-Match")+header.Get("If-Modified-Since") == "" {
			err = &status{resp.StatusCode, -1} // nobody asked that
		}
	default:
		err = &status{resp.StatusCode, retryAfter(resp.Header.Get("Retry-After"), time.Now())}
	}
	resp.Body.Close() //nolint:errcheck // nothing of it is wanted
	return nil, err
}

// retryAfter reads the header: seconds or a date (RFC 9110, 10.2.3). Negative
// where it says neither.
func retryAfter(text string, now time.Time) time.Duration {
	if n, err := strconv.ParseUint(text, 10, 31); err == nil {
		return time.Duration(n) * time.Second
	}
	if t, err := http.ParseTime(text); err == nil {
		return max(0, t.Sub(now))
	}
	return -1
}

// webPlace is a bucket behind http.
type webPlace struct {
	web  *client
	base *url.URL
}

// address is that of a file. Each part of its name is escaped, so that none
// is a query, a fragment or a way up.
func (p *webPlace) address(name string) *url.URL {
	parts := strings.Split(name, "/")
	for i, part := range parts {
		parts[i] = url.PathEscape(part)
	}
	out := *p.base
	raw := strings.TrimSuffix(p.base.EscapedPath(), "/") + "/" + strings.Join(parts, "/")
	out.Path = strings.TrimSuffix(p.base.Path, "/") + "/" + name
	out.RawPath = raw
	return &out
}

func (p *webPlace) open(ctx context.Context, name string, known Mark) (*content, error) {
	return p.web.open(ctx, p.address(name), known)
}

// open asks for what lies at an address unless it still has its mark.
func (c *client) open(ctx context.Context, at *url.URL, known Mark) (*content, error) {
	var resp *http.Response
	err := c.again(ctx, func() (err error) {
		header := http.Header{}
		if known.ETag != "" {
			header.Set("If-None-Match", known.ETag)
		} else if known.Modified != "" {
			header.Set("If-Modified-Since", known.Modified)
		}
		resp, err = c.get(ctx, at, header)
		return err
	})
	if err != nil {
		return nil, err
	}
	mark := Mark{ETag: resp.Header.Get("ETag")}
	if mark.ETag == "" {
		mark.Modified = resp.Header.Get("Last-Modified")
	}
	if mark == known && mark != (Mark{}) {
		resp.Body.Close() //nolint:errcheck // a server that doesn't know conditions
		return nil, errUnchanged
	}
	body := &resumed{c: c, ctx: ctx, at: at, body: resp.Body, size: resp.ContentLength}
	if !resp.Uncompressed && resp.ContentLength > 0 && strings.HasPrefix(mark.ETag, `"`) {
		body.etag = mark.ETag
	}
	return &content{body, mark, resp.ContentLength}, nil
}

// resumed is a body that goes on where the connection broke, as long as the
// server has the same content still (RFC 9110, 13.1.5 and 14).
type resumed struct {
	c          *client
	ctx        context.Context
	at         *url.URL
	body       io.ReadCloser
	etag       string // strong; "" where nothing can be resumed
	have, size int64
	tries      int
}

func (r *resumed) Read(p []byte) (int, error) {
	n, err := r.body.Read(p)
	r.have += int64(n)
	if n > 0 {
		r.tries = 0
	}
	if err == io.EOF && r.size >= 0 && r.have < r.size {
		err = io.ErrUnexpectedEOF
	}
	if err == nil || err == io.EOF || r.etag == "" || r.ctx.Err() != nil {
		return n, err
	}
	if r.tries++; r.tries > r.c.retry.Times {
		return n, err
	}
	if r.resume() != nil {
		return n, err // that of the first body says more
	}
	return n, nil
}

func (r *resumed) resume() error {
	return r.c.again(r.ctx, func() error {
		header := http.Header{"Range": {fmt.Sprintf("bytes=%d-", r.have)}, "If-Range": {r.etag}}
		resp, err := r.c.get(r.ctx, r.at, header)
		if err != nil {
			return err
		}
		if resp.StatusCode != http.StatusPartialContent || !strings.HasPrefix(resp.Header.Get("Content-Range"), fmt.Sprintf("bytes %d-", r.have)) {
			resp.Body.Close() //nolint:errcheck // of no use
			return errors.New("the server does not resume")
		}
		r.body.Close() //nolint:errcheck // it is broken
		r.body = resp.Body
		return nil
	})
}

func (r *resumed) Close() error { return r.body.Close() }

func (p *webPlace) size(ctx context.Context, name string) (int64, error) {
	size := int64(-1)
	err := p.web.again(ctx, func() error {
		resp, err := p.web.do(ctx, http.MethodHead, p.address(name), http.Header{})
		if err != nil {
			return err
		}
		resp.Body.Close() //nolint:errcheck // it is empty
		if resp.StatusCode != http.StatusOK {
			return &status{resp.StatusCode, retryAfter(resp.Header.Get("Retry-After"), time.Now())}
		}
		size = resp.ContentLength
		return nil
	})
	return size, err
}

func (p *webPlace) names(string) ([]string, error) { return nil, errors.ErrUnsupported }

func (p *webPlace) close() error {
	p.web.http.CloseIdleConnections()
	return nil
}
