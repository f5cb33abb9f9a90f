package receive_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/scantling/scantling/runtime/receive"
)

// certificate writes a self-signed one for 127.0.0.1 and its key, which is its
// own authority.
func certificate(t *testing.T, name string) (cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	cert, key = filepath.Join(t.TempDir(), name+".crt"), filepath.Join(t.TempDir(), name+".key")
	for path, block := range map[string]*pem.Block{cert: {Type: "CERTIFICATE", Bytes: der}, key: {Type: "PRIVATE KEY", Bytes: secret}} {
		if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return cert, key
}

func TestServe(t *testing.T) {
	cert, key := certificate(t, "server")
	mine, mineKey := certificate(t, "client")
	other, otherKey := certificate(t, "other")
	for name, tc := range map[string]struct {
		on        receive.Listen
		client    [2]string // certificate and key
		token     string
		code      int // 0: no answer
		wantProto string
	}{
		"TLS and token":      {on: receive.Listen{Cert: cert, Key: key}, token: "secret", code: 200, wantProto: "HTTP/2.0"},
		"TLS, wrong token":   {on: receive.Listen{Cert: cert, Key: key}, token: "x", code: 401, wantProto: "HTTP/2.0"},
		"client certificate": {on: receive.Listen{Cert: cert, Key: key, ClientCA: mine}, client: [2]string{mine, mineKey}, token: "secret", code: 200, wantProto: "HTTP/2.0"},
		"another's":          {on: receive.Listen{Cert: cert, Key: key, ClientCA: mine}, client: [2]string{other, otherKey}, token: "secret"},
		"no certificate":     {on: receive.Listen{Cert: cert, Key: key, ClientCA: mine}, token: "secret"},
		"loopback, plain":    {on: receive.Listen{}, token: "secret", code: 200, wantProto: "HTTP/1.1"},
		"loopback, no token": {on: receive.Listen{}, code: 401, wantProto: "HTTP/1.1"},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, stop := context.WithCancel(t.Context())
			addr, ended := make(chan net.Addr, 1), make(chan error, 1)
			tc.on.Address = "127.0.0.1:0"
			r := receive.New(receive.Config{Log: &slow{}, Token: "secret"})
			go func() { ended <- r.Serve(ctx, tc.on, func(a net.Addr) { addr <- a }) }()
			roots := x509.NewCertPool()
			text, _ := os.ReadFile(cert)
			roots.AppendCertsFromPEM(text)
			conf := &tls.Config{RootCAs: roots}
			if tc.client[0] != "" {
				pair, err := tls.LoadX509KeyPair(tc.client[0], tc.client[1])
				if err != nil {
					t.Fatal(err)
				}
				conf.Certificates = []tls.Certificate{pair}
			}
			transport := &http.Transport{TLSClientConfig: conf, ForceAttemptHTTP2: true}
			defer transport.CloseIdleConnections()
			scheme := "https"
			if tc.on.Cert == "" {
				scheme = "http"
			}
			req, err := http.NewRequest(http.MethodPost, scheme+"://"+(<-addr).String(), strings.NewReader(list(`{"a":1}`)))
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Authorization", "Bearer "+tc.token)
			res, err := (&http.Client{Transport: transport}).Do(req)
			code, proto := 0, ""
			if err == nil {
				code, proto = res.StatusCode, res.Proto
				res.Body.Close()
			}
			if code != tc.code || proto != tc.wantProto {
				t.Errorf("code %d by %q, %v", code, proto, err)
			}
			transport.CloseIdleConnections()
			stop()
			if err := <-ended; err != nil {
				t.Error(err)
			}
		})
	}
}

func TestServeRefuses(t *testing.T) {
	cert, key := certificate(t, "server")
	for name, tc := range map[string]struct {
		token string
		on    receive.Listen
		want  string
	}{
		"nobody known":         {"", receive.Listen{Address: "127.0.0.1:0", Cert: cert, Key: key}, "anybody could write events"},
		"open to all, no TLS":  {"t", receive.Listen{Address: ":0"}, "needs a certificate"},
		"a name, no TLS":       {"t", receive.Listen{Address: "localhost:0"}, "needs a certificate"},
		"clients without TLS":  {"", receive.Listen{Address: "127.0.0.1:0", ClientCA: cert}, "client certificates need TLS"},
		"missing key":          {"t", receive.Listen{Address: "127.0.0.1:0", Cert: cert, Key: "nowhere"}, "nowhere"},
		"authority is no cert": {"t", receive.Listen{Address: "127.0.0.1:0", Cert: cert, Key: key, ClientCA: key}, "no certificate in"},
	} {
		err := receive.New(receive.Config{Log: &slow{}, Token: tc.token}).Serve(t.Context(), tc.on, nil)
		if err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
