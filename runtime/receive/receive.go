package receive

import (
	"compress/gzip"
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/scantling/scantling/model"
)

// A Log keeps batches. Append returns nil when they are on disk.
type Log interface {
	Append(ctx context.Context, batches []model.Batch) error
}

// What Config has where it says nothing.
const (
	DefaultBody       = 32 << 20
	DefaultBytes      = 128 << 20
	DefaultRequests   = 64
	DefaultDeadline   = 5 * time.Second
	DefaultRetryAfter = 2 * time.Second
	DefaultName       = "audit-webhook"
)

// Kind is of the records, as model.Event.Source.
const Kind = "kubernetes-audit"

// Config says where events go and what may be in flight. Log is required; zero
// is the default of each bound.
type Config struct {
	Log        Log
	Name       string        // of the source: the key of its batches, the beginning of the stream's name
	Token      string        // that a request must bear; "": none, where client certificates are asked for
	Body       int64         // bytes of a body at most, decompressed
	Bytes      int64         // bytes of bodies in flight at most
	Requests   int           // in flight at most
	Deadline   time.Duration // of one append
	RetryAfter time.Duration // that a sender is told to wait; whole seconds, rounded up

	// OnShed is told of each request whose events were not kept and may be
	// lost; it has to return at once. It may be nil.
	OnShed func(Shed)
	// OnBlocking is told when requests begin to look as if the API server
	// waited for each. It may be nil.
	OnBlocking func()
}

// Shed is a request that was not kept.
type Shed struct {
	Time  time.Time
	Code  int    // of the answer: 413, 429 or 503
	Why   string // plain words
	Bytes int64  // of the body as announced; -1 unknown
}

// Stats counts since the start.
type Stats struct {
	Requests  uint64    // that were let in
	Kept      uint64    // requests answered with 200
	Events    uint64    // in these, malformed records included
	Bytes     uint64    // of bodies, decompressed
	Malformed uint64    // requests kept whose body was not all events
	Shed      uint64    // requests answered with 413, 429 or 503
	Refused   uint64    // requests answered with 400, 401 or 405
	InFlight  int       // requests now
	Last      time.Time // when the last one was kept
	Blocking  bool      // requests look as if the API server waited for each
}

// A Receiver is an http.Handler for all paths.
type Receiver struct {
	cfg    Config
	stream string
	now    func() time.Time

	mu     sync.Mutex
	stats  Stats
	flying int64 // bytes reserved
	next   int   // index of the next record
	pace   pace
}

// New makes a receiver, whose stream begins now.
func New(cfg Config) *Receiver {
	def := func(v *int64, d int64) {
		if *v <= 0 {
			*v = d
		}
	}
	def(&cfg.Body, DefaultBody)
	def(&cfg.Bytes, max(DefaultBytes, cfg.Body))
	def((*int64)(&cfg.Deadline), int64(DefaultDeadline))
	def((*int64)(&cfg.RetryAfter), int64(DefaultRetryAfter))
	if cfg.Requests <= 0 {
		cfg.Requests = DefaultRequests
	}
	if cfg.Name == "" {
		cfg.Name = DefaultName
	}
	r := &Receiver{cfg: cfg, now: time.Now}
	r.stream = cfg.Name + "@" + r.now().UTC().Format("20060102T150405.000000000Z")
	return r
}

// Stats is what was counted so far.
func (r *Receiver) Stats() Stats {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.stats
}

// ServeHTTP takes one request.
func (r *Receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	switch {
	case !r.allowed(req):
		r.refuse(w, http.StatusUnauthorized, "no valid token")
		return
	case req.Method != http.MethodPost:
		w.Header().Set("Allow", http.MethodPost)
		r.refuse(w, http.StatusMethodNotAllowed, "only POST is taken")
		return
	case req.ContentLength > r.cfg.Body:
		r.shed(w, req, http.StatusRequestEntityTooLarge, r.tooLarge())
		return
	}
	size := r.need(req)
	if why := r.enter(size); why != "" {
		r.shed(w, req, http.StatusTooManyRequests, why)
		return
	}
	defer r.leave(size)
	body, err := r.read(req)
	switch {
	case errors.Is(err, errTooLarge):
		r.shed(w, req, http.StatusRequestEntityTooLarge, r.tooLarge())
	case err != nil:
		r.refuse(w, http.StatusBadRequest, "the body can't be read")
	default:
		r.keep(w, req, body)
	}
}

func (r *Receiver) tooLarge() string {
	return fmt.Sprintf("the body is larger than %d bytes: let the API server truncate (--audit-webhook-truncate-enabled)", r.cfg.Body)
}

func (r *Receiver) allowed(req *http.Request) bool {
	if r.cfg.Token == "" {
		return true
	}
	token, ok := strings.CutPrefix(req.Header.Get("Authorization"), "Bearer ")
	got, want := sha256.Sum256([]byte(token)), sha256.Sum256([]byte(r.cfg.Token)) // of one length, whatever came
	return ok && subtle.ConstantTimeCompare(got[:], want[:]) == 1
}

// need is how many bytes a request may take.
func (r *Receiver) need(req *http.Request) int64 {
	if req.ContentLength >= 0 && req.Header.Get("Content-Encoding") == "" {
		return req.ContentLength
	}
	return r.cfg.Body
}

// enter lets a request in, or says why not.
func (r *Receiver) enter(size int64) (why string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.stats.InFlight >= r.cfg.Requests:
		return fmt.Sprintf("%d requests are in flight", r.stats.InFlight)
	case r.flying+size > r.cfg.Bytes:
		return fmt.Sprintf("%d bytes are in flight", r.flying)
	}
	r.stats.Requests++
	r.stats.InFlight++
	r.flying += size
	return ""
}

func (r *Receiver) leave(size int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.stats.InFlight--
	r.flying -= size
}

var errTooLarge = errors.New("body is too large")

// read gives the body, decompressed.
func (r *Receiver) read(req *http.Request) ([]byte, error) {
	from := io.LimitReader(req.Body, r.cfg.Body+1) // compressed too: it may decompress to nothing for ever
	switch encoding := req.Header.Get("Content-Encoding"); encoding {
	case "", "identity":
	case "gzip":
		z, err := gzip.NewReader(from)
		if err != nil {
			return nil, err
		}
		from = z
	default:
		return nil, fmt.Errorf("content encoding %q", encoding)
	}
	body, err := io.ReadAll(io.LimitReader(from, r.cfg.Body+1))
	if err == nil && int64(len(body)) > r.cfg.Body {
		err = errTooLarge
	}
	return body, err
}

// keep appends what a body holds and answers.
func (r *Receiver) keep(w http.ResponseWriter, req *http.Request, body []byte) {
	all, whole := records(body)
	if len(all) > 0 {
		ctx, cancel := context.WithTimeout(req.Context(), r.cfg.Deadline)
		defer cancel()
		sum := sha256.Sum256(body)
		batch := model.Batch{
			ID: hex.EncodeToString(sum[:]), Kind: Kind, Stream: r.stream, Key: r.cfg.Name,
			Index: r.number(len(all)), Received: r.now(), Records: all,
		}
		if err := r.cfg.Log.Append(ctx, []model.Batch{batch}); err != nil {
			why := "the log failed"
			if ctx.Err() != nil {
				why = fmt.Sprintf("the log took longer than %v", r.cfg.Deadline)
			}
			r.shed(w, req, http.StatusServiceUnavailable, why)
			return
		}
	}
	if r.count(len(all), len(body), whole) && r.cfg.OnBlocking != nil {
		r.cfg.OnBlocking()
	}
	w.WriteHeader(http.StatusOK)
}

// number takes n indices, and returns the first.
func (r *Receiver) number(n int) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.next += n
	return r.next - n
}

// count enters a request that was kept. Blocking is true when requests begin
// to look like that.
func (r *Receiver) count(events, size int, whole bool) (blocking bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := &r.stats
	s.Kept++
	s.Events += uint64(events)
	s.Bytes += uint64(size)
	if !whole {
		s.Malformed++
	}
	s.Last = r.now()
	was := s.Blocking
	s.Blocking = r.pace.blocking(s.Last, events, s.InFlight, was)
	return s.Blocking && !was
}

func (r *Receiver) refuse(w http.ResponseWriter, code int, why string) {
	r.mu.Lock()
	r.stats.Refused++
	r.mu.Unlock()
	http.Error(w, why, code)
}

// shed answers at once, and lets those know who raise alarms.
func (r *Receiver) shed(w http.ResponseWriter, req *http.Request, code int, why string) {
	r.mu.Lock()
	r.stats.Shed++
	r.mu.Unlock()
	if code != http.StatusRequestEntityTooLarge {
		seconds := (r.cfg.RetryAfter + time.Second - 1) / time.Second
		w.Header().Set("Retry-After", strconv.Itoa(int(seconds)))
	}
	http.Error(w, why, code)
	if r.cfg.OnShed != nil {
		r.cfg.OnShed(Shed{Time: r.now(), Code: code, Why: why, Bytes: req.ContentLength})
	}
}
