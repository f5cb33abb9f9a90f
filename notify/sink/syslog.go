package sink

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"time"

	"github.com/scantling/scantling/notify/format"
)

// syslog sends messages of RFC 5424 over TCP (RFC 6587) or TLS (RFC 5425), each
// with its length before it, a connection a batch. Ending our side of the
// connection makes the receiver close its own once it has read everything.
type syslog struct {
	address string
	tls     *tls.Config // nil: plain
	opts    format.Options
}

// closeTime is how long a receiver may take to close; some never do.
const closeTime = 5 * time.Second

func openSyslog(t target, cfg Config, o format.Options) (Sink, error) {
	s := &syslog{address: t.url.Host, opts: o}
	if t.url.Port() == "" {
		s.address = net.JoinHostPort(t.url.Hostname(), map[string]string{"tcp": "601", "tls": "6514"}[t.url.Scheme])
	}
	if !cfg.Secret.isZero() {
		return nil, errors.New("syslog takes no secret")
	}
	if t.url.Scheme == "tls" {
		conf, err := tlsConfig(cfg)
		if err != nil {
			return nil, err
		}
		conf.ServerName = t.url.Hostname()
		s.tls = conf
	}
	return s, nil
}

func (s *syslog) Send(ctx context.Context, messages []format.Message) []error {
	var text []byte
	for _, m := range messages {
		line := format.Syslog(m, s.opts)
		text = append(strconv.AppendInt(text, int64(len(line)), 10), ' ')
		text = append(text, line...)
	}
	return all(len(messages), s.write(ctx, text))
}

// halfCloser is what both kinds of connection have.
type halfCloser interface {
	net.Conn
	CloseWrite() error
}

func (s *syslog) write(ctx context.Context, text []byte) error {
	ctx, cancel := context.WithTimeout(ctx, requestTime)
	defer cancel()
	var dial interface {
		DialContext(context.Context, string, string) (net.Conn, error)
	} = &net.Dialer{}
	if s.tls != nil {
		dial = &tls.Dialer{Config: s.tls}
	}
	conn, err := dial.DialContext(ctx, "tcp", s.address)
	if err != nil {
		return fmt.Errorf("connecting to syslog: %w", err)
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	half, ok := conn.(halfCloser)
	if !ok {
		return fmt.Errorf("connecting to syslog: %T can't be ended on one side", conn)
	}
	if _, err := half.Write(text); err != nil {
		return fmt.Errorf("writing to syslog: %w", err)
	}
	if err := half.CloseWrite(); err != nil {
		return fmt.Errorf("writing to syslog: %w", err)
	}
	if err := half.SetReadDeadline(time.Now().Add(closeTime)); err != nil {
		return fmt.Errorf("waiting for syslog: %w", err)
	}
	if _, err := io.Copy(io.Discard, io.LimitReader(half, maxAnswer)); err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
		return fmt.Errorf("syslog broke the connection off: %w", err)
	}
	return nil
}

func (s *syslog) Close() error { return nil }
