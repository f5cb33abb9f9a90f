package sink

import (
	"context"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"

	"github.com/scantling/scantling/model"
	"github.com/scantling/scantling/notify/format"
)

// loki pushes to Loki 2.9 or later, whose entries may hold structured metadata.
// Labels are few, because each combination is a stream: five at most. Loki
// keeps one of two equal lines of the same time, so sending again is harmless.
type loki struct {
	client *client
	url    string
	header http.Header
	encode format.Encoder
}

func openLoki(t target, c *client, cfg Config, encode format.Encoder) (Sink, error) {
	header := http.Header{"Content-Type": {"application/json"}}
	if cfg.Tenant != "" {
		header["X-Scope-Orgid"] = []string{cfg.Tenant}
	}
	return &loki{client: c, url: strings.TrimSuffix(t.url.String(), "/") + "/loki/api/v1/push", header: header, encode: encode}, nil
}

type lokiPush struct {
	Streams []*lokiStream `json:"streams"`
}

type lokiStream struct {
	Labels map[string]string `json:"stream"`
	Values [][3]any          `json:"values"` // nanoseconds as text, line, structured metadata
}

func (l *loki) Send(ctx context.Context, messages []format.Message) []error {
	bodies, errs := encoded(messages, l.encode)
	var push lokiPush
	streams := map[model.Severity]*lokiStream{}
	for i, body := range bodies {
		if body == nil {
			continue
		}
		a := messages[i].Alert
		s := streams[a.Level]
		if s == nil {
			s = &lokiStream{Labels: map[string]string{"job": "scantling", "service_name": "scantling", "level": a.Level.String()}}
			streams[a.Level] = s
			push.Streams = append(push.Streams, s)
		}
		meta := map[string]string{"id": messages[i].ID, "rule": a.Rule}
		if len(a.Assets) > 0 {
			meta["asset"] = a.Assets[0].Key
		}
		_, last := messages[i].Span()
		s.Values = append(s.Values, [3]any{strconv.FormatInt(last.UnixNano(), 10), string(body), meta})
	}
	if len(push.Streams) == 0 {
		return errs
	}
	text, err := json.Marshal(push)
	if err == nil {
		var a answer
		if a, err = l.client.post(ctx, l.url, l.header, text); err == nil {
			err = a.err()
		}
	}
	for i := range errs {
		if bodies[i] != nil {
			errs[i] = err
		}
	}
	return errs
}

func (l *loki) Close() error {
	l.client.close()
	return nil
}
