package sink

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strings"

	"github.com/scantling/scantling/notify/format"
)

// defaultIndex is a data stream that Elasticsearch's own template for logs
// (logs-*-*) already covers. OpenSearch has no such template: there it is an
// index by that name.
const defaultIndex = "logs-scantling.alert-default"

// elastic sends create operations to the bulk API of Elasticsearch 7 and 8 and
// of OpenSearch. A document that is already there was sent before.
type elastic struct {
	client *client
	url    string
	index  string
	encode format.Encoder
}

// indexName is what both take for a name: no upper case, no wildcard.
var indexName = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,254}$`)

func openElastic(t target, c *client, encode format.Encoder) (Sink, error) {
	base, index := "", strings.Trim(t.url.Path, "/")
	if i := strings.LastIndexByte(index, '/'); i >= 0 {
		base, index = "/"+index[:i], index[i+1:]
	}
	if index == "" {
		index = defaultIndex
	}
	if !indexName.MatchString(index) {
		return nil, fmt.Errorf("%q is no name of an index", index)
	}
	c.scheme, c.login = "ApiKey", true // OpenSearch knows no such keys
	u := *t.url
	u.Path = base + "/_bulk"
	return &elastic{client: c, url: u.String(), index: index, encode: encode}, nil
}

// bulkAnswer is the part of the answer that says what became of each item.
type bulkAnswer struct {
	Items []map[string]struct {
		Status int `json:"status"`
		Error  struct {
			Type   string `json:"type"`
			Reason string `json:"reason"`
		} `json:"error"`
	} `json:"items"`
}

func (e *elastic) Send(ctx context.Context, messages []format.Message) []error {
	bodies, errs := encoded(messages, e.encode)
	var text bytes.Buffer
	var sent []int
	for i, body := range bodies {
		if body == nil {
			continue
		}
		id, err := json.Marshal(messages[i].ID)
		if err != nil {
			errs[i] = &Rejected{"its id can't be written: " + err.Error()}
			continue
		}
		fmt.Fprintf(&text, `{"create":{"_index":"%s","_id":%s}}`+"\n%s\n", e.index, id, body)
		sent = append(sent, i)
	}
	if len(sent) == 0 {
		return errs
	}
	a, err := e.client.post(ctx, e.url, http.Header{"Content-Type": {"application/x-ndjson"}}, text.Bytes())
	if err == nil {
		err = a.err()
	}
	var got bulkAnswer
	if err == nil {
		if err = json.Unmarshal(a.body, &got); err != nil {
			err = errors.New("the answer is none of a bulk API")
		} else if len(got.Items) != len(sent) {
			err = fmt.Errorf("the answer has %d items, %d were sent", len(got.Items), len(sent))
		}
	}
	for n, i := range sent {
		if err != nil {
			errs[i] = err
			continue
		}
		item := got.Items[n]["create"]
		switch {
		case item.Status/100 == 2, item.Status == http.StatusConflict: // 409: it is there
		default:
			errs[i] = statusErr(item.Status, a.header, brief([]byte(item.Error.Type+": "+item.Error.Reason)))
		}
	}
	return errs
}

func (e *elastic) Close() error {
	e.client.close()
	return nil
}
