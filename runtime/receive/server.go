package receive

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"time"
)

// Listen says where a server listens and how it knows its clients.
type Listen struct {
	Address  string // host:port
	Cert     string // path of a PEM file; read at each handshake, so it may be replaced
	Key      string // likewise
	ClientCA string // path of a PEM file: clients must show a certificate of one of these
}

// Bounds of a connection.
const (
	headerIn  = 5 * time.Second
	bodyIn    = 30 * time.Second
	idleFor   = 2 * time.Minute
	closeIn   = 10 * time.Second
	maxHeader = 16 << 10
)

// Serve takes requests until ctx is done, then waits for those in flight, for
// ten seconds at most. Without TLS it listens on loopback only; without a token
// and without client certificates it doesn't listen at all. Ready, if not nil,
// is told the address.
func (r *Receiver) Serve(ctx context.Context, on Listen, ready func(net.Addr)) error {
	conf, err := r.security(on)
	if err != nil {
		return fmt.Errorf("receiving audit events: %w", err)
	}
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", on.Address)
	if err != nil {
		return fmt.Errorf("receiving audit events: %w", err)
	}
	s := &http.Server{
		Handler: r, TLSConfig: conf, MaxHeaderBytes: maxHeader, ReadHeaderTimeout: headerIn,
		ErrorLog:    log.New(io.Discard, "", 0), // whoever fails a handshake could fill a log with it
		ReadTimeout: bodyIn, WriteTimeout: bodyIn + r.cfg.Deadline + headerIn, IdleTimeout: idleFor,
	}
	if ready != nil {
		ready(l.Addr())
	}
	ended := make(chan error, 1)
	go func() {
		if conf == nil {
			ended <- s.Serve(l)
		} else {
			ended <- s.ServeTLS(l, "", "")
		}
	}()
	select {
	case err := <-ended:
		return fmt.Errorf("receiving audit events: %w", err)
	case <-ctx.Done():
	}
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeIn)
	defer cancel()
	if err := s.Shutdown(last); err != nil {
		return errors.Join(fmt.Errorf("receiving audit events: %w", err), s.Close())
	}
	return nil
}

// security is the TLS that a server needs; nil: none, on loopback.
func (r *Receiver) security(on Listen) (*tls.Config, error) {
	if r.cfg.Token == "" && on.ClientCA == "" {
		return nil, errors.New("neither a token nor an authority for client certificates is given: anybody could write events")
	}
	if on.Cert == "" && on.Key == "" {
		if host, _, err := net.SplitHostPort(on.Address); err != nil || !net.ParseIP(host).IsLoopback() {
			return nil, fmt.Errorf("%s needs a certificate and its key: without TLS only loopback addresses are served", on.Address)
		}
		if on.ClientCA != "" {
			return nil, errors.New("client certificates need TLS: give a certificate and its key")
		}
		return nil, nil
	}
	load := func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
		cert, err := tls.LoadX509KeyPair(on.Cert, on.Key)
		return &cert, err
	}
	if _, err := load(nil); err != nil {
		return nil, err
	}
	conf := &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: load, NextProtos: []string{"h2", "http/1.1"}}
	if on.ClientCA != "" {
		text, err := os.ReadFile(on.ClientCA)
		if err != nil {
			return nil, err
		}
		conf.ClientCAs, conf.ClientAuth = x509.NewCertPool(), tls.RequireAndVerifyClientCert
		if !conf.ClientCAs.AppendCertsFromPEM(text) {
			return nil, fmt.Errorf("no certificate in %s", on.ClientCA)
		}
	}
	return conf, nil
}
