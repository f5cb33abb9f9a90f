package sink

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/scantling/scantling/model"
	"github.com/scantling/scantling/notify/format"
)

// Bounds of requests.
const (
	requestTime = 30 * time.Second
	maxAnswer   = 8 << 20   // bytes of an answer that are read: a bulk answer has some hundred bytes an item
	maxAfter    = time.Hour // the longest that a receiver can ask us to wait
	maxCA       = 4 << 20   // bytes of a file of certificates
)

// client sends requests of one sink.
type client struct {
	http   *http.Client
	secret Secret
	scheme string // before the secret in the Authorization header
	login  bool   // a secret with a colon is a user and a password
}

func newClient(cfg Config) (*client, error) {
	conf, err := tlsConfig(cfg)
	if err != nil {
		return nil, err
	}
	return &client{secret: cfg.Secret, scheme: "Bearer", http: &http.Client{
		Timeout: requestTime,
		Transport: &http.Transport{
			Proxy: http.ProxyFromEnvironment, TLSClientConfig: conf, ForceAttemptHTTP2: true,
			MaxIdleConnsPerHost: 2, IdleConnTimeout: time.Minute, ResponseHeaderTimeout: requestTime,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

// tlsConfig verifies certificates, by the system's authorities or an own one.
func tlsConfig(cfg Config) (*tls.Config, error) {
	conf := &tls.Config{MinVersion: tls.VersionTLS12}
	if cfg.CA == "" {
		return conf, nil
	}
	info, err := os.Stat(cfg.CA)
	if err == nil && (!info.Mode().IsRegular() || info.Size() > maxCA) {
		err = fmt.Errorf("%s is no regular file of at most %d bytes", cfg.CA, maxCA)
	}
	if err != nil {
		return nil, fmt.Errorf("reading the certificates of the authority: %w", err)
	}
	text, err := os.ReadFile(cfg.CA)
	if err != nil {
		return nil, fmt.Errorf("reading the certificates of the authority: %w", err)
	}
	conf.RootCAs = x509.NewCertPool()
	if !conf.RootCAs.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("reading the certificates of the authority: %s holds none", cfg.CA)
	}
	return conf, nil
}

// An answer is what came back.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// post sends one request.
func (c *client) post(ctx context.Context, to string, header http.Header, body []byte) (answer, error) {
	secret, err := c.secret.read()
	if err != nil {
		return answer{}, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, to, bytes.NewReader(body))
	if err != nil {
		return answer{}, errors.New("its address makes no request")
	}
	for name, values := range header {
		req.Header[name] = values
	}
	req.Header.Set("User-Agent", "scantling")
	user, password, isLogin := strings.Cut(secret, ":")
	switch {
	case secret == "":
	case c.login && isLogin:
		req.SetBasicAuth(user, password)
	default:
		req.Header.Set("Authorization", c.scheme+" "+secret)
	}
	res, err := c.http.Do(req)
	if err != nil {
		var wrapped *url.Error // it shows the whole address
		if errors.As(err, &wrapped) {
			err = wrapped.Err
		}
		return answer{}, fmt.Errorf("sending to %s: %w", req.URL.Host, err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	if err != nil {
		return answer{}, fmt.Errorf("reading the answer of %s: %w", req.URL.Host, err)
	}
	if res.StatusCode/100 != 2 && secret != "" { // some repeat what they were sent, and errors show what they say
		_, sent, _ := strings.Cut(req.Header.Get("Authorization"), " ")
		text = []byte(strings.NewReplacer(sent, "(secret)", secret, "(secret)").Replace(string(text)))
	}
	return answer{res.StatusCode, res.Header, text}, nil
}

func (c *client) close() { c.http.CloseIdleConnections() }

// err is what a status means for what was sent. 401, 403, 404 and 407 are about
// the way to the receiver, not about a message, and are tried again; so are
// 408, 425, 429, redirects and the receiver's own failures.
func (a answer) err() error {
	if a.status/100 == 2 {
		return nil
	}
	return statusErr(a.status, a.header, brief(a.body))
}

func statusErr(status int, header http.Header, why string) error {
	text := fmt.Sprintf("%d %s", status, http.StatusText(status))
	if why != "" {
		text += ": " + why
	}
	switch status {
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound, http.StatusProxyAuthRequired,
		http.StatusRequestTimeout, http.StatusTooEarly, http.StatusTooManyRequests:
	default:
		if status/100 == 4 {
			return &Rejected{text}
		}
	}
	load := status == http.StatusTooManyRequests || status == http.StatusServiceUnavailable
	return &Busy{text, retryAfter(header, time.Now()), load}
}

// retryAfter reads the header of RFC 9110, 10.2.3: seconds or a date.
func retryAfter(header http.Header, now time.Time) time.Duration {
	text := header.Get("Retry-After")
	if text == "" {
		return 0
	}
	var wait time.Duration
	if n, err := strconv.ParseUint(text, 10, 31); err == nil {
		wait = time.Duration(n) * time.Second
	} else if t, err := http.ParseTime(text); err == nil {
		wait = t.Sub(now)
	}
	return min(max(wait, 0), maxAfter)
}

// brief is the beginning of an answer as one printable line.
func brief(body []byte) string {
	const most = 200
	text := strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(string(body[:min(len(body), most)]), "?"))
	return strings.Join(strings.Fields(text), " ")
}

// post sends messages one by one, or many in one request.
type post struct {
	client *client
	url    string
	format string
	encode format.Encoder
	batch  bool
}

// contentTypes are those of one message and of a list of them.
var contentTypes = map[string][2]string{
	"json": {"application/json", "application/json"}, "ocsf": {"application/json", "application/json"}, "ecs": {"application/json", "application/json"},
	"cloudevents": {"application/cloudevents+json; charset=utf-8", "application/cloudevents-batch+json; charset=utf-8"},
	"cef":         {"text/plain; charset=utf-8", "text/plain; charset=utf-8"},
}

func (p *post) Send(ctx context.Context, messages []format.Message) []error {
	bodies, errs := encoded(messages, p.encode)
	if p.batch {
		return p.together(ctx, messages, bodies, errs)
	}
	for i, body := range bodies {
		if body == nil {
			continue
		}
		header := http.Header{"Content-Type": {contentTypes[p.format][0]}, "Idempotency-Key": {messages[i].ID}}
		a, err := p.client.post(ctx, p.url, header, body)
		if err == nil {
			err = a.err()
		}
		errs[i] = err
		var final *Rejected
		if err != nil && !errors.As(err, &final) {
			for j := i + 1; j < len(errs); j++ {
				if bodies[j] != nil {
					errs[j] = errNotTried
				}
			}
			break
		}
	}
	return errs
}

// together is one request. Its key is made of those of its messages, because a
// request that is sent again may hold others.
func (p *post) together(ctx context.Context, messages []format.Message, bodies [][]byte, errs []error) []error {
	var list [][]byte
	var ids []string
	for i, body := range bodies {
		if body != nil {
			list, ids = append(list, body), append(ids, messages[i].ID)
		}
	}
	if len(list) == 0 {
		return errs
	}
	header := http.Header{"Content-Type": {contentTypes[p.format][1]}, "Idempotency-Key": {keyOf(ids)}}
	a, err := p.client.post(ctx, p.url, header, joined(list, p.format))
	if err == nil {
		err = a.err()
	}
	for i := range bodies {
		if bodies[i] != nil {
			errs[i] = err
		}
	}
	return errs
}

// keyOf is the key of a request with one message or several.
func keyOf(ids []string) string {
	if len(ids) == 1 {
		return ids[0]
	}
	return model.Fingerprint(append([]string{"request"}, ids...)...)
}

// joined is a list of messages in one body.
func joined(list [][]byte, form string) []byte {
	if form == "cef" {
		return append(bytes.Join(list, []byte("\n")), '\n')
	}
	return append(append([]byte("["), bytes.Join(list, []byte(","))...), ']')
}

func (p *post) Close() error {
	p.client.close()
	return nil
}
