package sink

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/google/go-cmp/cmp"

	"github.com/scantling/scantling/notify/format"
)

func TestFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "alerts.jsonl")
	s := open(t, Config{To: "file:" + path})
	wantVerdicts(t, s.Send(t.Context(), three()), "taken", "taken", "taken")
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	// A crash cut a line short; what comes after it is whole.
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprint(f, `{"sche`)
	f.Close()
	wantVerdicts(t, s.Send(t.Context(), three()[:1]), "taken")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(string(text), "\n")
	if len(lines) != 6 || lines[3] != `{"sche` || !strings.HasPrefix(lines[4], `{"schema":1,"id":"id-1"`) || lines[5] != "" {
		t.Errorf("lines %q", lines)
	}
	wantVerdicts(t, open(t, Config{To: "file:" + t.TempDir()}).Send(t.Context(), three()[:1]), "again")
}

// receiver reads counted messages until the sender ends, and says how it ended.
func receiver(t *testing.T, l net.Listener, got chan<- []string) {
	t.Helper()
	for {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		r := bufio.NewReader(conn)
		var list []string
		for {
			size, err := r.ReadString(' ')
			if err != nil {
				break
			}
			n, err := strconv.Atoi(strings.TrimSpace(size))
			if err != nil {
				t.Errorf("no length: %q", size)
				break
			}
			text := make([]byte, n)
			if _, err := io.ReadFull(r, text); err != nil {
				t.Error(err)
				break
			}
			list = append(list, string(text))
		}
		conn.Close()
		got <- list
	}
}

func TestSyslog(t *testing.T) {
	srv := httptest.NewTLSServer(nil) // for its certificate
	defer srv.Close()
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: srv.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, scheme := range []string{"tcp", "tls"} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		if scheme == "tls" {
			l = tls.NewListener(l, &tls.Config{Certificates: srv.TLS.Certificates})
		}
		got := make(chan []string, 10)
		go receiver(t, l, got)
		cfg := Config{To: "syslog+" + scheme + "://" + l.Addr().String()}
		if scheme == "tls" {
			cfg.CA = ca
		}
		messages := three()
		messages[1].Alert.Title = "two\nlines ü"
		start := time.Now()
		wantVerdicts(t, open(t, cfg).Send(t.Context(), messages), "taken", "taken", "taken")
		if time.Since(start) > closeTime {
			t.Errorf("%s: it waited for a receiver that had closed", scheme)
		}
		list := <-got
		if len(list) != 3 || !strings.HasPrefix(list[1], "<107>1 2026-08-25T13:00:02.000000Z node scantling - D101 [origin ") || !strings.Contains(list[1], "externalId=id-2 ") {
			t.Errorf("%s: %q", scheme, list)
		}
		l.Close()
		wantVerdicts(t, open(t, cfg).Send(t.Context(), three()[:1]), "again")
	}
}

// A receiver that breaks off hasn't read everything.
func TestSyslogBrokenOff(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		_, _ = io.ReadFull(conn, make([]byte, 10))
		_ = conn.(*net.TCPConn).SetLinger(0) // a reset, as when a process dies with bytes unread
		conn.Close()
	}()
	wantVerdicts(t, open(t, Config{To: "syslog+tcp://" + l.Addr().String()}).Send(t.Context(), three()), "again", "again", "again")
}

func TestKafka(t *testing.T) {
	c, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, "alerts"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	s := open(t, Config{To: "kafka://" + strings.Join(c.ListenAddrs(), ",") + "/alerts"})
	messages := three()
	messages[1].Alert.Title = strings.Repeat("x", 2<<20) // larger than a batch may be
	wantVerdicts(t, s.Send(t.Context(), messages), "taken", "rejected", "taken")
	reader, err := kgo.NewClient(kgo.SeedBrokers(c.ListenAddrs()...), kgo.ConsumeTopics("alerts"))
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	var got []string
	for len(got) < 2 && ctx.Err() == nil {
		reader.PollFetches(ctx).EachRecord(func(r *kgo.Record) {
			got = append(got, string(r.Key)+" "+r.Headers[0].Key+"="+string(r.Headers[0].Value))
		})
	}
	if diff := cmp.Diff([]string{"id-1 id=id-1", "id-3 id=id-3"}, got); diff != "" {
		t.Error(diff)
	}
	c.Close()
	late, stop := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer stop()
	wantVerdicts(t, s.Send(late, three()[:1]), "again")
}

func TestParse(t *testing.T) {
	secret := Secret{Env: "TOKEN"}
	for name, tc := range map[string]struct {
		cfg  Config
		want string // what the sink is called; or a part of the error
	}{
		"file":                 {Config{To: "file:a/b.jsonl"}, "file:a/b.jsonl"},
		"file of a format":     {Config{To: "ocsf+file:/x"}, "file:/x"},
		"webhook":              {Config{To: "https://h.example/x?token=1"}, "http https://h.example/…"},
		"format of a webhook":  {Config{To: "ocsf+https://h.example"}, "http https://h.example"},
		"elastic":              {Config{To: "elastic+https://h.example:9200/alerts"}, "elastic https://h.example:9200/alerts"},
		"kafka":                {Config{To: "kafka://a:9092,b:9092/alerts"}, "kafka tcp://a:9092,b:9092/alerts"},
		"kafka with TLS":       {Config{To: "kafka+tls://a:9093/alerts"}, "kafka tls://a:9093/alerts"},
		"syslog":               {Config{To: "syslog+tls://h.example:6514"}, "syslog tls://h.example:6514"},
		"a secret to loopback": {Config{To: "http://127.0.0.1:1/", Secret: secret}, "http http://127.0.0.1:1/"},

		"nothing":               {Config{}, "it has no form"},
		"a word":                {Config{To: "alerts"}, "it has no form"},
		"syslog over UDP":       {Config{To: "syslog+udp://h:514"}, "syslog goes over tcp tls"},
		"elastic over TCP":      {Config{To: "elastic+tcp://h:514"}, "elastic goes over http https"},
		"unknown kind":          {Config{To: "smtp://h"}, `"smtp" is no kind of sink`},
		"unknown format":        {Config{To: "leef+https://h"}, `"leef" is neither a form nor a format`},
		"two formats":           {Config{To: "ocsf+https://h", Format: "ecs"}, "it says format ocsf, and again ecs"},
		"format of elastic":     {Config{To: "elastic+https://h", Format: "cef"}, "elastic takes the format ecs"},
		"a password":            {Config{To: "https://u:hunter2@h.example"}, "its address holds a user or a password"},
		"a password of brokers": {Config{To: "kafka://u:hunter2@a:1,b:2/t"}, "its address holds a user or a password"},
		"no host":               {Config{To: "https:///x"}, "names no host"},
		"a secret in the clear": {Config{To: "splunk+http://h.example", Secret: secret}, "a secret would go over a plain connection"},
	} {
		err := Check(tc.cfg)
		got := Name(tc.cfg.To)
		if err != nil {
			got = err.Error()
		}
		if !strings.HasPrefix(got, tc.want) && !(err != nil && strings.Contains(got, tc.want)) {
			t.Errorf("%s: %q, want %q", name, got, tc.want)
		}
		if strings.Contains(got, "hunter2") || strings.Contains(got, "token") {
			t.Errorf("%s: a secret is shown: %s", name, got)
		}
	}
}

func TestSecrets(t *testing.T) {
	path := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(path, []byte("abc\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got, err := (Secret{File: path}).read(); got != "abc" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
	for name, s := range map[string]Secret{"unset": {Env: "NOTIFY_UNSET"}, "both": {Env: "A", File: path}, "no file": {File: path + "x"}, "a folder": {File: t.TempDir()}} {
		if _, err := Open(Config{To: "https://127.0.0.1:1", Secret: s}, format.Options{}); err == nil {
			t.Errorf("%s: a sink without its secret opens", name)
		}
	}
}

func FuzzCheck(f *testing.F) {
	for _, s := range []string{"file:x", "ocsf+https://h/x", "kafka://a,b/t", "syslog+tls://[::1]:1", "elastic+http://u:p@h"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, to string) {
		if Check(Config{To: to}) == nil && Name(to) == "?" {
			t.Errorf("%q is taken and has no name", to)
		}
	})
}
