package oci

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/distribution/reference"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/scantling/scantling/model"
)

// Bounds on talking to a registry. A whole layer may take as long as it
// needs, as long as bytes keep coming.
const (
	dialTimeout  = 10 * time.Second
	stallTimeout = 60 * time.Second // without an answer, or without a byte of it
)

// FetchOptions say what to fetch and how. The zero value is what most want.
type FetchOptions struct {
	Platform Platform // of an index; by default linux/amd64, else the first
	Insecure bool     // allows plain http, which is otherwise for this machine alone
	Mirrors  []Mirror // asked before the registry itself, in their order
}

// Fetched is what a reference led to.
type Fetched struct {
	Images     []*Image           // sorted by digest
	LeftOut    []string           // platforms that are there and were not wanted, sorted
	Incomplete []model.Incomplete // what could not be read
	Passed     []string           // mirrors that could not serve it, each with its reason
}

// Fetch reads the image that a reference names from its registry or the first
// of its mirrors that has it, with the credentials of docker's and podman's
// files. Every digest is verified; only the manifest of a tag is what the
// registry, or the mirror, says it is. Layers are not read here: each is
// streamed from the same place when it is opened, for which ctx must not have
// ended. The error says what to do about it and never holds a credential.
func Fetch(ctx context.Context, ref string, opt FetchOptions) (Fetched, error) {
	named, err := parseReference(ref)
	if err != nil {
		return Fetched{}, err
	}
	var passed []string
	for _, m := range opt.Mirrors {
		at, ok := m.place(named)
		if !ok {
			continue
		}
		out, err := fetch(ctx, ref, at, opt)
		if err == nil || ctx.Err() != nil {
			out.Passed = passed
			return out, err
		}
		passed = append(passed, err.Error())
	}
	out, err := fetch(ctx, ref, named.String(), opt)
	out.Passed = passed
	return out, err
}

func parseReference(ref string) (reference.Named, error) {
	named, err := reference.ParseNormalizedNamed(ref)
	if err != nil {
		return nil, fmt.Errorf("%s is no image reference: %w", ref, err)
	}
	return reference.TagNameOnly(named), nil
}

// fetch reads the image ref from the place at.
func fetch(ctx context.Context, ref, at string, opt FetchOptions) (Fetched, error) {
	r, err := newRegistry(ctx, ref, at, opt.Insecure)
	if err != nil {
		return Fetched{}, err
	}
	where := ref
	if r.mirror {
		where = ref + " at " + at
	}
	top, err := r.puller.Get(ctx, r.ref)
	if err != nil {
		return Fetched{}, fmt.Errorf("%s: %w", where, r.explain(err))
	}
	if len(top.Manifest) > maxManifest {
		return Fetched{}, fmt.Errorf("%s: its manifest has more than %d bytes", where, maxManifest)
	}
	mediaType, _, _ := strings.Cut(string(top.MediaType), ";")
	in := &reader{
		ctx: ctx, path: ref, where: ref, images: map[string]*Image{},
		manifests: registryManifests{r}, blobs: registryBlobs{r},
	}
	chosen := &choice{want: opt.Platform}
	in.choose = chosen.pick
	e := entry{MediaType: mediaType, Digest: top.Digest.String()}
	if !sha256Digest.MatchString(e.Digest) {
		return Fetched{}, fmt.Errorf("%s: digest %q: only sha256 is read", where, e.Digest)
	}
	in.content(e, top.Manifest, inherited{names: []string{r.named}}, 0)
	if err := ctx.Err(); err != nil {
		return Fetched{}, err
	}
	if chosen.err != nil {
		return Fetched{}, fmt.Errorf("%s: %w", where, chosen.err)
	}
	slices.Sort(chosen.left)
	out := Fetched{LeftOut: slices.Compact(chosen.left)}
	out.Images, out.Incomplete = in.result()
	if len(out.Images)+len(out.Incomplete) == 0 {
		return Fetched{}, fmt.Errorf("%s is no image (%.100s)", where, mediaType)
	}
	if !chosen.made {
		if out.Images, _, err = Only(out.Images, opt.Platform); err != nil {
			return Fetched{}, fmt.Errorf("%s: %w", where, err)
		}
	}
	return out, nil
}

// registry is the connection to one repository.
type registry struct {
	ctx    context.Context
	named  string // the same with its tag, as people write it
	mirror bool   // ref is at a mirror
	ref    name.Reference
	puller *remote.Puller
	keys   *keychain
}

// newRegistry connects to the place at of what ref names; the place is the
// reference itself, in full, where no mirror is meant.
func newRegistry(ctx context.Context, ref, at string, insecure bool) (*registry, error) {
	named, err := parseReference(ref)
	if err != nil {
		return nil, err
	}
	options := []name.Option{name.WeakValidation}
	if insecure {
		options = append(options, name.Insecure)
	}
	mirror, said := at != named.String(), ref
	if mirror {
		said = at
	}
	parsed, err := name.ParseReference(at, options...)
	if err != nil {
		return nil, fmt.Errorf("%s is no image reference: %w", said, err)
	}
	r := &registry{ctx: ctx, named: reference.FamiliarString(named), mirror: mirror, ref: parsed, keys: &keychain{}}
	r.puller, err = remote.NewPuller(
		remote.WithContext(ctx), remote.WithUserAgent("scantling"), remote.WithAuthFromKeychain(r.keys),
		remote.WithTransport(newGuard(parsed.Context().RegistryStr(), insecure)),
	)
	return r, err
}

// registryManifests and registryBlobs open content by digest.
type (
	registryManifests struct{ of *registry }
	registryBlobs     struct{ of *registry }
)

func (m registryManifests) open(digest string, size int64) (io.ReadCloser, error) {
	ref, err := m.of.digest(digest, size)
	if err != nil {
		return nil, err
	}
	got, err := m.of.puller.Get(m.of.ctx, ref)
	if err != nil {
		return nil, m.of.explain(err)
	}
	if have := int64(len(got.Manifest)); have != size {
		return nil, otherSize(digest, have, size)
	}
	return io.NopCloser(bytes.NewReader(got.Manifest)), nil
}

func (b registryBlobs) open(digest string, size int64) (io.ReadCloser, error) {
	ref, err := b.of.digest(digest, size)
	if err != nil {
		return nil, err
	}
	layer, err := b.of.puller.Layer(b.of.ctx, ref)
	if err != nil {
		return nil, b.of.explain(err)
	}
	stream, err := layer.Compressed()
	if err != nil {
		return nil, b.of.explain(err)
	}
	return &sized{ReadCloser: stream, of: b.of, digest: digest, want: size}, nil
}

func (r *registry) digest(digest string, size int64) (name.Digest, error) {
	if !sha256Digest.MatchString(digest) {
		return name.Digest{}, fmt.Errorf("digest %q: only sha256 is read", digest)
	}
	if size < 0 {
		return name.Digest{}, fmt.Errorf("%s: its descriptor states no size", digest)
	}
	return r.ref.Context().Digest(digest), nil
}

// sized ends a stream that isn't as long as its descriptor says. The library
// below verifies the digest too, by an error that has no name: where the size
// is right it is left to the verifier above, else it is known by its words.
type sized struct {
	io.ReadCloser
	of         *registry
	digest     string
	have, want int64
}

func (s *sized) Read(p []byte) (int, error) {
	n, err := s.ReadCloser.Read(p)
	s.have += int64(n)
	switch {
	case s.have > s.want || s.have < s.want && err != nil && (err == io.EOF || strings.Contains(err.Error(), "error verifying")):
		return n, fmt.Errorf("%w: %w", ErrDigest, otherSize(s.digest, s.have, s.want))
	case err != nil && s.have == s.want:
		return n, io.EOF
	case err != nil:
		return n, s.of.explain(err)
	}
	return n, nil
}

// choice picks platforms from indexes.
type choice struct {
	want Platform
	made bool // an index offered platforms
	left []string
	err  error
}

// pick leaves what states no platform (an index within the index), and takes
// what states that it has none for no image.
func (c *choice) pick(list []entry) []entry {
	var have []string
	var offered, out []entry
	for _, e := range list {
		switch {
		case e.Platform == nil || e.Platform.Architecture == "":
			out = append(out, e)
		case e.Platform.Architecture != "unknown":
			have, offered = append(have, platformName(e.Platform.OS, e.Platform.Architecture, e.Platform.Variant)), append(offered, e)
		}
	}
	picked, left, err := c.want.pick(have)
	if err != nil {
		c.err = err
		return nil
	}
	c.made = c.made || len(picked) > 0
	c.left = append(c.left, left...)
	for _, i := range picked {
		out = append(out, offered[i])
	}
	return out
}

// guard is under every request: it refuses plain http where that isn't
// allowed, redirects and token servers included, ends what stalls, and bounds
// the answers that the library reads as a whole.
type guard struct {
	inner http.RoundTripper
	plain string // host with which plain http is spoken; "" none
}

func newGuard(registry string, insecure bool) *guard {
	host := hostOf(registry)
	if !insecure && !isLoopback(host) {
		host = ""
	}
	return &guard{plain: host, inner: &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           (&net.Dialer{Timeout: dialTimeout}).DialContext,
		TLSHandshakeTimeout:   dialTimeout,
		ResponseHeaderTimeout: stallTimeout,
		IdleConnTimeout:       stallTimeout,
		ForceAttemptHTTP2:     true,
	}}
}

func hostOf(registry string) string {
	if host, _, err := net.SplitHostPort(registry); err == nil {
		return host
	}
	return strings.Trim(registry, "[]")
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

var errStalled = fmt.Errorf("no byte came for %s", stallTimeout)

// plainError is a request that was not sent, because it was plain http.
type plainError struct{ host string }

func (e *plainError) Error() string { return "plain http to " + e.host + " is refused" }

// RoundTrip sends one request.
func (g *guard) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.URL.Scheme != "https" && (g.plain == "" || req.URL.Hostname() != g.plain) {
		return nil, &plainError{req.URL.Hostname()}
	}
	ctx, cancel := context.WithCancelCause(req.Context())
	timer := time.AfterFunc(stallTimeout, func() { cancel(errStalled) })
	resp, err := g.inner.RoundTrip(req.WithContext(ctx))
	if err != nil {
		timer.Stop()
		if context.Cause(ctx) == errStalled {
			err = errStalled
		}
		cancel(nil)
		return nil, err
	}
	var content io.Reader = resp.Body
	if path := req.URL.Path; path == "/v2/" || strings.Contains(path, "/manifests/") {
		content = io.LimitReader(content, maxManifest+1)
	}
	resp.Body = &watched{Reader: content, body: resp.Body, ctx: ctx, cancel: cancel, timer: timer}
	return resp, nil
}

// watched gives a body time for as long as bytes come.
type watched struct {
	io.Reader
	body   io.Closer
	ctx    context.Context
	cancel context.CancelCauseFunc
	timer  *time.Timer
}

func (w *watched) Read(p []byte) (int, error) {
	w.timer.Reset(stallTimeout)
	n, err := w.Reader.Read(p)
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
