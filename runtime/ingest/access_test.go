package ingest

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestAccessLine(t *testing.T) {
	for name, tc := range map[string]struct {
		line string
		want access
	}{
		"common": {
			`192.0.2.1 - - [10/Oct/2026:13:55:36 +0000] "GET /a?b=c&d HTTP/1.1" 200 2326`,
			access{Client: "192.0.2.1", Method: "GET", URI: "/a?b=c&d", Stem: "/a", Query: "b=c&d", Version: "HTTP/1.1", Status: "200"},
		},
		"combined, with a user": {
			`2001:db8::1 - alice [10/Oct/2026:13:55:36 +0000] "POST / HTTP/2.0" 401 0 "https://example.org/" "curl/8"`,
			access{
				Client: "2001:db8::1", User: "alice", Method: "POST", URI: "/", Stem: "/", Version: "HTTP/2.0", Status: "401",
				Referer: "https://example.org/", UserAgent: "curl/8",
			},
		},
		"ingress-nginx": {
			`192.0.2.1 - - [10/Oct/2026:13:55:36 +0000] "GET /x HTTP/1.1" 503 592 "-" "-" 80 0.001 [shop-web-80] [] 10.0.0.7:8080 0 0.001 503 0f1e`,
			access{Client: "192.0.2.1", Method: "GET", URI: "/x", Stem: "/x", Version: "HTTP/1.1", Status: "503"},
		},
		"a quote in the request": {
			`192.0.2.1 - - [10/Oct/2026:13:55:36 +0000] "GET /\" 200 1 \"\" HTTP/1.1" 404 1 "-" "a\"b"`,
			access{Client: "192.0.2.1", Method: "GET", URI: `/\" 200 1 \"\"`, Stem: `/\" 200 1 \"\"`, Version: "HTTP/1.1", Status: "404", UserAgent: `a\"b`},
		},
		"no request": {
			`192.0.2.1 - - [10/Oct/2026:13:55:36 +0000] "\x16\x03\x01" 400 150`,
			access{Client: "192.0.2.1", URI: `\x16\x03\x01`, Stem: `\x16\x03\x01`, Status: "400"},
		},
		"no address":          {`web-0 - - [10/Oct/2026:13:55:36 +0000] "GET / HTTP/1.1" 200 1`, access{}},
		"no status":           {`192.0.2.1 - - [10/Oct/2026:13:55:36 +0000] "GET / HTTP/1.1" - 1`, access{}},
		"an open quote":       {`192.0.2.1 - - [10/Oct/2026:13:55:36 +0000] "GET / HTTP/1.1`, access{}},
		"an address and text": {"192.0.2.1 connected", access{}},
		"nothing":             {"", access{}},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, accessLine(tc.line)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func FuzzAccessLine(f *testing.F) {
	f.Add(`192.0.2.1 - - [10/Oct/2026:13:55:36 +0000] "GET /\" HTTP/1.1" 200 2326 "-" "x"`)
	f.Fuzz(func(t *testing.T, line string) {
		a := accessLine(line)
		if a != (access{}) && (a.Client == "" || len(a.Status) != 3) {
			t.Errorf("%q gives %+v", line, a)
		}
	})
}
