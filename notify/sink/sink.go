package sink

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/scantling/scantling/notify/format"
)

// A Sink takes messages. It is used by one goroutine at a time.
type Sink interface {
	// Send hands messages over in their order and returns an error for each,
	// nil for one that was taken. An error that is *Rejected is final; with any
	// other the message may be sent again, and perhaps was taken.
	Send(ctx context.Context, messages []format.Message) []error
	Close() error
}

// Rejected says that the receiver will never take a message.
type Rejected struct {
	Why string
}

func (r *Rejected) Error() string { return r.Why }

// Busy says that the receiver takes nothing now.
type Busy struct {
	Why   string
	After time.Duration // how long it asks to be left alone; 0: it doesn't say
	Load  bool          // it has too much to do (429, 503): no message is to blame
}

func (b *Busy) Error() string { return b.Why }

// errNotTried is the error of messages behind one that failed.
var errNotTried = errors.New("not tried: one before it failed")

// Secret says where a secret is: in a variable of the environment or in a
// file, never here. The zero Secret is none.
type Secret struct {
	Env  string
	File string
}

// maxSecret bounds the file of a secret, in bytes.
const maxSecret = 64 << 10

func (s Secret) isZero() bool { return s == Secret{} }

func (s Secret) read() (string, error) {
	switch {
	case s.isZero():
		return "", nil
	case s.Env != "" && s.File != "":
		return "", errors.New("the secret is in the environment or in a file, not both")
	case s.Env != "":
		v := strings.TrimSpace(os.Getenv(s.Env))
		if v == "" {
			return "", fmt.Errorf("the variable %s, where the secret should be, is empty", s.Env)
		}
		return v, nil
	}
	info, err := os.Stat(s.File)
	if err != nil {
		return "", fmt.Errorf("reading the secret: %w", err)
	}
	if !info.Mode().IsRegular() || info.Size() > maxSecret {
		return "", fmt.Errorf("reading the secret: %s is no regular file of at most %d bytes", s.File, maxSecret)
	}
	text, err := os.ReadFile(s.File)
	if err != nil {
		return "", fmt.Errorf("reading the secret: %w", err)
	}
	if v := strings.TrimSpace(string(text)); v != "" {
		return v, nil
	}
	return "", fmt.Errorf("the file %s, where the secret should be, is empty", s.File)
}

// Config names a sink.
type Config struct {
	// To is a form of:
	//
	//	file:PATH                    a line a message
	//	https://HOST/PATH            a request a message
	//	elastic+https://HOST/INDEX   the bulk API of Elasticsearch or OpenSearch
	//	splunk+https://HOST          the HTTP Event Collector of Splunk
	//	loki+https://HOST            the push API of Loki
	//	syslog+tcp://HOST:PORT       or syslog+tls://
	//	kafka://HOST:PORT,…/TOPIC    or kafka+tls://
	//
	// The first two may begin with a format and a plus: ocsf+https://…,
	// ecs+file:…; http:// is for what needs no secret.
	To string

	Format string // one of format.Names; empty: what the form takes by default
	Secret Secret // token; for Kafka "user:password"
	CA     string // file of certificates of the authority to trust instead of the system's
	SASL   string // of Kafka: plain, scram-sha-256 or scram-sha-512
	Index  string // of Splunk
	Tenant string // of Loki
	Ack    bool   // Splunk: wait until the events are indexed
	Batch  bool   // https: one request for many messages
}

// target is a Config taken apart.
type target struct {
	kind   string // file, http, elastic, splunk, loki, syslog, kafka
	format string
	path   string   // of a file
	url    *url.URL // of all others, with the scheme of the connection
}

// forms are the first words of To, with what they take.
var forms = map[string]struct {
	schemes string
	format  string   // by default
	formats []string // that it takes; the first may also stand before it
}{
	"elastic": {"http https", "ecs", []string{"ecs"}},
	"splunk":  {"http https", "json", []string{"json", "ocsf", "ecs"}},
	"loki":    {"http https", "json", []string{"json", "ocsf", "ecs"}},
	"syslog":  {"tcp tls", "cef", []string{"cef"}},
	"kafka":   {"tls", "json", []string{"json", "ocsf", "ecs", "cloudevents"}},
}

// parse takes To apart. Its errors never show the text, which may hold a
// password.
func parse(cfg Config) (target, error) {
	head, rest, ok := strings.Cut(cfg.To, ":")
	if !ok || rest == "" {
		return target{}, errors.New("it has no form: use file:PATH, https://HOST/PATH, elastic+https://HOST/INDEX, splunk+https://HOST, loki+https://HOST, syslog+tls://HOST:PORT or kafka://HOST:PORT/TOPIC")
	}
	first, scheme, plus := strings.Cut(head, "+")
	if !plus {
		first, scheme = "", head
	}
	if scheme == "kafka" && first == "" {
		first, scheme = "kafka", "tcp"
	}
	t := target{kind: first, format: cfg.Format}
	form, known := forms[first]
	switch {
	case known && scheme != "tcp" && !slices.Contains(strings.Fields(form.schemes), scheme), known && scheme == "tcp" && first != "kafka" && first != "syslog":
		return target{}, fmt.Errorf("%s goes over %s, not over %q", first, form.schemes, scheme)
	case known:
		if t.format == "" {
			t.format = form.format
		}
		if !slices.Contains(form.formats, t.format) {
			return target{}, fmt.Errorf("%s takes the format %s", first, strings.Join(form.formats, ", "))
		}
	case first != "" && !slices.Contains(format.Names, first):
		return target{}, fmt.Errorf("%q is neither a form nor a format; formats are %s", first, strings.Join(format.Names, ", "))
	case first != "" && cfg.Format != "" && cfg.Format != first:
		return target{}, fmt.Errorf("it says format %s, and again %s", first, cfg.Format)
	default:
		if first != "" {
			t.format = first
		}
		switch scheme {
		case "file":
			t.kind = "file"
		case "http", "https":
			t.kind = "http"
		default:
			return target{}, fmt.Errorf("%q is no kind of sink", scheme)
		}
	}
	if t.kind == "file" {
		t.path = rest
		if t.format == "" {
			t.format = "json"
		}
		return t, nil
	}
	if t.kind == "http" && t.format == "" {
		t.format = "cloudevents"
	}
	return t, t.address(scheme+":"+rest, cfg)
}

func (t *target) address(text string, cfg Config) error {
	u, err := url.Parse(text)
	switch {
	case err != nil && t.kind != "kafka":
		return errors.New("its address is no URL")
	case err != nil: // a list of brokers is none
		hosts, topic, _ := strings.Cut(strings.TrimPrefix(text[strings.IndexByte(text, ':')+1:], "//"), "/")
		u = &url.URL{Scheme: text[:strings.IndexByte(text, ':')], Host: hosts, Path: "/" + topic}
	}
	switch {
	case u.User != nil || strings.Contains(u.Host, "@"):
		return errors.New("its address holds a user or a password: secrets come from the environment or a file")
	case u.Host == "":
		return errors.New("its address names no host")
	case !cfg.Secret.isZero() && (u.Scheme == "http" || u.Scheme == "tcp") && !isLoopback(u.Hostname()):
		return errors.New("a secret would go over a plain connection: use one with TLS")
	}
	t.url = u
	return nil
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// Name is a sink's address as it may be shown: of a webhook the path is left
// out, which often is what lets in.
func Name(to string) string {
	t, err := parse(Config{To: to})
	switch {
	case err != nil:
		return "?"
	case t.kind == "file":
		return "file:" + t.path
	case t.kind == "http" && strings.Trim(t.url.Path, "/") != "":
		return t.kind + " " + t.url.Scheme + "://" + t.url.Host + "/…"
	}
	return t.kind + " " + t.url.Scheme + "://" + t.url.Host + t.url.Path
}

// Check tells what is wrong with a configuration before anything is sent.
func Check(cfg Config) error {
	_, err := parse(cfg)
	return err
}

// Open prepares a sink. It connects to nothing yet, but reads the secret, so
// that one that is missing is told at once.
func Open(cfg Config, o format.Options) (Sink, error) {
	t, err := parse(cfg)
	if err != nil {
		return nil, err
	}
	if _, err := cfg.Secret.read(); err != nil {
		return nil, err
	}
	encode, err := format.EncoderOf(t.format, o)
	if err != nil {
		return nil, err
	}
	switch t.kind {
	case "file":
		return &file{path: t.path, encode: encode}, nil
	case "syslog":
		return openSyslog(t, cfg, o)
	case "kafka":
		return openKafka(t, cfg, encode)
	}
	c, err := newClient(cfg)
	if err != nil {
		return nil, err
	}
	switch t.kind {
	case "elastic":
		return openElastic(t, c, encode)
	case "splunk":
		return openSplunk(t, c, cfg, encode, o)
	case "loki":
		return openLoki(t, c, cfg, encode)
	default:
		return &post{client: c, url: t.url.String(), format: t.format, encode: encode, batch: cfg.Batch}, nil
	}
}

// all is the same error for every message.
func all(n int, err error) []error {
	out := make([]error, n)
	for i := range out {
		out[i] = err
	}
	return out
}

// encoded renders messages. One that can't be is rejected; the others go on.
func encoded(messages []format.Message, encode format.Encoder) (bodies [][]byte, errs []error) {
	bodies, errs = make([][]byte, len(messages)), make([]error, len(messages))
	for i, m := range messages {
		body, err := encode(m)
		if err != nil {
			errs[i] = &Rejected{"it can't be written: " + err.Error()}
			continue
		}
		bodies[i] = body
	}
	return bodies, errs
}
