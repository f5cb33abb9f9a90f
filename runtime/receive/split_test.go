package receive

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestRecords(t *testing.T) {
	for name, tc := range map[string]struct {
		body  string
		want  []string
		whole bool
	}{
		"two":               {`{"kind":"EventList","apiVersion":"audit.k8s.io/v1","metadata":{},"items":[{"a":1},{"b":{"c":[2,{}]}}]}`, []string{`{"a":1}`, `{"b":{"c":[2,{}]}}`}, true},
		"none":              {`{"items":[]}`, nil, true},
		"empty body":        {"  \n", nil, true},
		"brackets in text":  {`{"items":[{"a":"}]\\\"{"},{"b":"\\"}]}`, []string{`{"a":"}]\\\"{"}`, `{"b":"\\"}`}, true},
		"items elsewhere":   {`{"metadata":{"items":[{"x":1}]},"x":"items","items":[{"a":1}]}`, []string{`{"a":1}`}, true},
		"items last or not": {`{"items":[{"a":1}],"kind":"EventList","n":-1.5e3,"t":true}`, []string{`{"a":1}`}, true},
		"pretty":            {"{\n \"items\": [\n  {\n   \"a\": 1\n  }\n ]\n}\n", []string{`{"a":1}`}, true},
		"one event":         {`{"kind":"Event","a":1}`, []string{`{"kind":"Event","a":1}`}, false},
		"null":              {`{"items":null}`, []string{`{"items":null}`}, false},
		"no JSON":           {`hello`, []string{`hello`}, false},
		"array":             {`[{"a":1}]`, []string{`[{"a":1}]`}, false},
		"a bracket":         {`{`, []string{`{`}, false},
		"broken off":        {`{"items":[{"a":1},{"b":"x`, []string{`{"a":1}`, `{"b":"x`}, false},
		"no object":         {`{"items":[{"a":1},7,{"b":1}]}`, []string{`{"a":1}`, `7,{"b":1}]}`}, false},
		"more behind":       {`{"items":[{"a":1}]} {"items":[{"b":1}]}`, []string{`{"a":1}`, `{"items":[{"b":1}]}`}, false},
	} {
		got, whole := records([]byte(tc.body))
		var texts []string
		for _, r := range got {
			texts = append(texts, string(r))
		}
		if diff := cmp.Diff(tc.want, texts); diff != "" || whole != tc.whole {
			t.Errorf("%s: whole %v\n%s", name, whole, diff)
		}
	}
	if got, _ := records([]byte(strings.Repeat("x", 5<<19))); len(got) != 3 || len(got[0])+len(got[1])+len(got[2]) != 5<<19 {
		t.Errorf("a long text became %d records", len(got))
	}
}

// TestManyItems has a list of more items than anybody sends: each would cost
// more memory than bytes.
func TestManyItems(t *testing.T) {
	body := []byte(`{"items":[` + strings.Repeat("{},", 5_000_000) + `{}]}`)
	all, whole := records(body)
	size := 0
	for _, r := range all {
		size += len(r)
	}
	if whole || len(all) > maxItems+20 || size < len(body)-len(`{"items":[`)-maxItems {
		t.Errorf("whole %v, %d records, %d bytes of %d", whole, len(all), size, len(body))
	}
}

// FuzzRecords holds the cutting of lists against encoding/json.
func FuzzRecords(f *testing.F) {
	f.Add([]byte(`{"kind":"EventList","items":[{"a":"\"}"},{"b":[{}]}],"x":1}`))
	f.Add([]byte(`{"items":[{"a":1},`))
	f.Fuzz(func(t *testing.T, body []byte) {
		all, whole := records(body)
		size := 0
		for _, r := range all {
			size += len(r)
		}
		if size > len(body) {
			t.Errorf("%d bytes of %d", size, len(body))
		}
		var top map[string]json.RawMessage
		if json.Unmarshal(body, &top) != nil {
			return
		}
		var want []json.RawMessage
		if json.Unmarshal(top["items"], &want) != nil || want == nil || strings.Count(string(body), "items") != 1 || bytes.ContainsRune(body, 0x5c) {
			return // no list, or what encoding/json reads differently: keys that come twice or are escaped
		}
		for _, w := range want {
			if bytes.TrimSpace(w)[0] != '{' {
				return
			}
		}
		if !whole || len(all) != len(want) {
			t.Fatalf("whole %v, %d records, expected %d", whole, len(all), len(want))
		}
		for i := range want {
			if string(oneLine(all[i])) != string(oneLine(want[i])) {
				t.Errorf("record %d: %s, expected %s", i, all[i], want[i])
			}
		}
	})
}

func BenchmarkRecords(b *testing.B) {
	event := `{"kind":"Event","level":"Request","user":{"username":"system:node"},"requestObject":{"a":"` + strings.Repeat(`x\"y `, 260) + `"}}`
	body := []byte(`{"kind":"EventList","items":[` + strings.Repeat(event+",", 399) + event + `]}`)
	b.SetBytes(int64(len(body)))
	for b.Loop() {
		if all, _ := records(body); len(all) != 400 {
			b.Fatal(len(all))
		}
	}
}
