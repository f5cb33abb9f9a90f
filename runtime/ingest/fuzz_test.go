package ingest_test

import (
	"bytes"
	"context"
	"encoding/json"
	"strings"
	"testing"

	"github.com/scantling/scantling/model"
	"github.com/scantling/scantling/runtime/ingest"
)

// FuzzRead holds that every record is an event or a named incomplete, that
// indexes count up, that an event's bytes are a JSON object of the log, and
// that in a log of lines each line that isn't blank is at least one record.
func FuzzRead(f *testing.F) {
	f.Add([]byte(ev("a") + "\n" + ev("b")[:50] + "\n\n" + ev("c")))
	f.Add([]byte("[" + ev("a") + ",\n" + item("b") + "]"))
	f.Add([]byte(`{"kind":"EventList","items":[` + item("a") + "," + item("b") + `],"x":{"y":1}}`))
	f.Add([]byte("{\n \"kind\": \"Event\",\n \"apiVersion\": \"audit.k8s.io/v1\"\n}\n{\n"))
	f.Add([]byte(zipped(f, ev("a")+"\n")))
	f.Fuzz(func(t *testing.T, log []byte) {
		last, events := -1, 0
		res, err := ingest.Read(context.Background(), "log", bytes.NewReader(log), ingest.Config{}, func(e model.Event) error {
			if e.Index <= last {
				t.Errorf("index %d after %d", e.Index, last)
			}
			last = e.Index
			events++
			if len(e.Raw) == 0 || e.Raw[0] != '{' || e.Raw[len(e.Raw)-1] != '}' {
				t.Errorf("event of %q", e.Raw)
			}
			if !bytes.HasPrefix(log, []byte{0x1f, 0x8b}) && !bytes.Contains(log, e.Raw) {
				t.Errorf("%q is not in the log", e.Raw)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if res.Records != res.Events+res.Damaged || res.Events != events || last >= res.Records {
			t.Errorf("%d events, last index %d: %+v", events, last, res)
		}
		if len(res.Incomplete) < min(res.Damaged, 1000) {
			t.Errorf("%d damaged, %d named", res.Damaged, len(res.Incomplete))
		}
		for _, i := range res.Incomplete {
			if !strings.HasPrefix(i.What, "log") || i.Why == "" {
				t.Errorf("nameless: %+v", i)
			}
		}
		checkValid(t, log, res)
	})
}

// checkValid compares with encoding/json where the log is one valid document:
// it then has as many records as objects.
func checkValid(t *testing.T, log []byte, res ingest.Result) {
	t.Helper()
	var list []map[string]any
	if json.Unmarshal(log, &list) == nil && len(list) > 0 {
		n := 0
		for _, x := range list {
			if items, ok := x["items"].([]any); ok {
				n += len(items)
			} else if x != nil {
				n++
			}
		}
		if strings.Count(string(log), "items") == 0 && !bytes.Contains(log, []byte("null")) && res.Records != n {
			t.Errorf("%d records in an array of %d objects: %s", res.Records, n, log)
		}
	}
}
