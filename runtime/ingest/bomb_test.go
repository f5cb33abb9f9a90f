package ingest

import (
	"bytes"
	"compress/gzip"
	"context"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"

	"github.com/scantling/scantling/model"
)

// TestBombs unpacks what is a thousandth of its contents, under bounds that
// are lower than those of Read.
func TestBombs(t *testing.T) {
	line := `{"rule":"r","priority":"Notice","time":"2026-03-01T10:00:00Z","output":"` + strings.Repeat("a", 4000) + "\"}\n"
	text := []byte(strings.Repeat(line, 5000)) // 20 MB
	var zipped bytes.Buffer
	zw := gzip.NewWriter(&zipped)
	if _, err := zw.Write(text); err != nil || zw.Close() != nil {
		t.Fatal(err)
	}
	enc, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		in    []byte
		bound limits
		why   string
	}{
		"gzip, ratio":     {zipped.Bytes(), limits{total: 1 << 40, free: 1 << 20}, "reading: unpacks to more than 200 times its size"},
		"zstd, ratio":     {enc.EncodeAll(text, nil), limits{total: 1 << 40, free: 1 << 20}, "reading: unpacks to more than 200 times its size"},
		"gzip, size":      {zipped.Bytes(), limits{total: 2 << 20, free: 1 << 40}, "reading: unpacks to more than is read of one log"},
		"small, any rate": {zipped.Bytes(), limits{total: 1 << 40, free: 1 << 30}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStream("log", Config{}, func(model.Event) error { return nil })
			s.bound = tc.bound
			_ = s.run(&contextReader{ctx: context.Background(), r: bytes.NewReader(tc.in)})
			res := s.result()
			why := ""
			if n := len(res.Incomplete); n > 0 {
				why = res.Incomplete[n-1].Why
			}
			if why != tc.why {
				t.Errorf("got %q, want %q", why, tc.why)
			}
			if tc.why == "" && res.Events != 5000 || tc.why != "" && (res.Events == 0 || res.Events > 1000) {
				t.Errorf("%d events", res.Events)
			}
		})
	}
}

// TestOneKind holds that no record is claimed by two formats, so that their
// order doesn't matter.
func TestOneKind(t *testing.T) {
	for _, text := range []string{
		`{"kind":"Event","apiVersion":"audit.k8s.io/v1","involvedObject":{},"eventTime":"x"}`,
		`{"kind":"Event","apiVersion":"v1","involvedObject":{},"eventTime":"x","eventName":"x"}`,
		`{"eventSource":"x","eventName":"x","eventTime":"x","eventVersion":"1"}`,
		`{"rule":"r","priority":"Notice","time":"2026-03-01T10:00:00Z","output":"x","output_fields":{}}`,
		`{"log":"x","stream":"stdout","time":"x"}`,
		`{"operationName":"x","category":"x","resourceId":"x","time":"x"}`,
		`{"process_exec":{},"time":"x"}`,
		`2026-03-01T10:00:00Z stdout F <13>1 - - - - - -`,
		`<13>1 - - - - - -`,
		`2026-03-01 11:00:00.5 +0100 CET k8s.io /tasks/start {}`,
	} {
		r := record{raw: []byte(text)}
		if text[0] == '{' {
			r.doc, _ = new(decoder).parse(r.raw)
		}
		var claims []string
		for _, f := range formats {
			if r.doc != nil && f.json != nil && f.json(r.doc) || r.doc == nil && f.text != nil && f.text(r.raw) {
				claims = append(claims, f.name)
			}
		}
		if len(claims) != 1 {
			t.Errorf("%s is claimed by %v", text, claims)
		}
	}
}
