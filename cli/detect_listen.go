//go:build !scanner

package cli

import (
	"bytes"
	"context"
	"net"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"

	"github.com/scantling/scantling/runtime/receive"
)

// tokenEnv is the variable with the token of the webhook.
const tokenEnv = "SCANTLING_WEBHOOK_TOKEN"

// listenFlags are the switches of the audit webhook.
type listenFlags struct {
	receive.Listen
	token     string // file
	apiServer string // file
}

func (l *listenFlags) add(cmd *cobra.Command) {
	cmd.Flags().StringVar(&l.Address, "listen", "", "address for the audit webhook of API servers, as :8443")
	cmd.Flags().StringVar(&l.Cert, "tls-cert", "", "certificate of --listen, a PEM file; without it, loopback only")
	cmd.Flags().StringVar(&l.Key, "tls-key", "", "key of --tls-cert")
	cmd.Flags().StringVar(&l.ClientCA, "tls-client-ca", "", "authority whose client certificates API servers must show, a PEM file")
	cmd.Flags().StringVar(&l.token, "token-file", "", "file with the token that API servers must send; or "+tokenEnv)
	cmd.Flags().StringVar(&l.apiServer, "apiserver", "", "manifest of the kube-apiserver's Pod: says what is wrong with how it audits")
}

// secret is the token, "" where there is none.
func (l *listenFlags) secret(env func(string) string) (string, error) {
	if l.token == "" {
		return env(tokenEnv), nil
	}
	text, err := readNamed("--token-file", l.token)
	if err != nil {
		return "", err
	}
	if text = bytes.TrimSpace(text); len(text) == 0 {
		return "", failed("--token-file: %s is empty", l.token)
	}
	return string(text), nil
}

// toldEvery is how often it is said that events are shed.
const toldEvery = 10 * time.Second

// receive puts what API servers post on the log.
func (w *watching) receive(ctx context.Context) error {
	var told atomic.Int64
	r := receive.New(receive.Config{
		Log: w.log, Token: w.token,
		OnShed: func(s receive.Shed) {
			if last := told.Load(); s.Time.Unix()-last >= int64(toldEvery/time.Second) && told.CompareAndSwap(last, s.Time.Unix()) {
				go w.app.say("webhook: a request was not kept (%d): %s; its events may be lost: the audit log file is the lossless way", s.Code, s.Why)
			}
		},
		OnBlocking: func() {
			go w.app.say("webhook: the API server seems to wait for each answer: set --audit-webhook-mode=batch")
		},
	})
	w.alarms.listens(r)
	w.alarms.begin(receive.DefaultName)
	return r.Serve(ctx, w.flags.listen.Listen, func(at net.Addr) { w.app.say("webhook: listening on %s", at) })
}
