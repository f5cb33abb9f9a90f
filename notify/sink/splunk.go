package sink

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/scantling/scantling/notify/format"
)

// splunk sends to the HTTP Event Collector. Source: Splunk Enterprise 9.4,
// "Format events for HTTP Event Collector" and "About HTTP Event Collector
// Indexer Acknowledgment".
type splunk struct {
	client  *client
	base    string
	index   string
	host    string
	channel string // empty: acknowledgement isn't asked for
	format  string
	encode  format.Encoder
}

// Waiting for acknowledgement: an indexer that is idle answers within seconds.
const (
	ackEvery = 500 * time.Millisecond
	ackTime  = 30 * time.Second
)

func openSplunk(t target, c *client, cfg Config, encode format.Encoder, o format.Options) (Sink, error) {
	c.scheme = "Splunk"
	s := &splunk{client: c, base: strings.TrimSuffix(t.url.String(), "/"), index: cfg.Index, host: o.Host, format: t.format, encode: encode}
	if cfg.Ack {
		s.channel = channel()
	}
	return s, nil
}

// channel is a GUID of our own, version 4.
func channel() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails, since Go 1.24
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// hecEvent is the envelope. Fields are indexed: few, and short.
type hecEvent struct {
	Time       json.Number       `json:"time,omitempty"` // seconds since 1970
	Host       string            `json:"host,omitempty"`
	Source     string            `json:"source"`
	SourceType string            `json:"sourcetype"`
	Index      string            `json:"index,omitempty"`
	Event      json.RawMessage   `json:"event"`
	Fields     map[string]string `json:"fields"`
}

// hecAnswer is what the collector says. Invalid is the index of the first
// event that it can't read.
type hecAnswer struct {
	Text    string `json:"text"`
	Code    int    `json:"code"`
	Invalid *int   `json:"invalid-event-number"`
	AckID   *int64 `json:"ackId"`
}

func (s *splunk) Send(ctx context.Context, messages []format.Message) []error {
	bodies, errs := encoded(messages, s.encode)
	var text bytes.Buffer
	var sent []int
	enc := json.NewEncoder(&text)
	enc.SetEscapeHTML(false)
	for i, body := range bodies {
		if body == nil {
			continue
		}
		a := messages[i].Alert
		e := hecEvent{
			Host: s.host, Source: "scantling", SourceType: "scantling:" + s.format, Index: s.index, Event: body,
			Fields: map[string]string{"id": messages[i].ID, "rule": a.Rule, "level": a.Level.String()},
		}
		if _, when := messages[i].Span(); !when.IsZero() {
			e.Time = json.Number(fmt.Sprintf("%d.%06d", when.Unix(), when.Nanosecond()/1000))
		}
		if err := enc.Encode(e); err != nil {
			errs[i] = &Rejected{"it can't be written: " + err.Error()}
			continue
		}
		sent = append(sent, i)
	}
	if len(sent) == 0 {
		return errs
	}
	for n, err := range s.collect(ctx, text.Bytes(), len(sent)) {
		errs[sent[n]] = err
	}
	return errs
}

func (s *splunk) header() http.Header {
	h := http.Header{"Content-Type": {"application/json"}}
	if s.channel != "" {
		h["X-Splunk-Request-Channel"] = []string{s.channel}
	}
	return h
}

func (s *splunk) collect(ctx context.Context, body []byte, n int) []error {
	a, err := s.client.post(ctx, s.base+"/services/collector/event", s.header(), body)
	if err != nil {
		return all(n, err)
	}
	var got hecAnswer
	readable := json.Unmarshal(a.body, &got) == nil
	if err := a.err(); err != nil {
		errs := all(n, err)
		if readable && got.Invalid != nil && a.status == http.StatusBadRequest && n > 1 && *got.Invalid >= 0 && *got.Invalid < n {
			// Which of the others were taken it doesn't say: they are sent again.
			errs = all(n, errors.New("not taken: another event of the request was invalid"))
			errs[*got.Invalid] = err
		}
		return errs
	}
	if s.channel == "" {
		return all(n, nil)
	}
	if !readable || got.AckID == nil {
		return all(n, errors.New("the answer holds no ackId: is acknowledgement on for the token?"))
	}
	return all(n, s.indexed(ctx, *got.AckID))
}

// indexed waits until the events of a request are on disk at the indexer.
func (s *splunk) indexed(ctx context.Context, id int64) error {
	ctx, cancel := context.WithTimeout(ctx, ackTime)
	defer cancel()
	body := fmt.Appendf(nil, `{"acks":[%d]}`, id)
	for {
		a, err := s.client.post(ctx, s.base+"/services/collector/ack", s.header(), body)
		if err != nil {
			return err
		}
		if err := a.err(); err != nil {
			return &Busy{Why: "asking for acknowledgement: " + err.Error()} // the events aren't refused
		}
		var got struct {
			Acks map[string]bool `json:"acks"`
		}
		if err := json.Unmarshal(a.body, &got); err != nil {
			return errors.New("the answer about acknowledgements is none")
		}
		if got.Acks[fmt.Sprint(id)] {
			return nil
		}
		select {
		case <-ctx.Done():
			return errors.New("the indexer did not acknowledge in time")
		case <-time.After(ackEvery):
		}
	}
}

func (s *splunk) Close() error {
	s.client.close()
	return nil
}
