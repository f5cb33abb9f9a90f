package feed

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestSync follows one bucket through its changes, and counts what is asked.
func TestSync(t *testing.T) {
	b, m := newBucket(t), newMemory()
	b.fill("Go", 200)
	b.fill("Debian", 40)
	b.files["kev/known_exploited_vulnerabilities.json"] = "{}"
	b.files["epss/epss_scores-current.csv"] = "cve,epss"
	head := []string{"GET /ecosystems.txt 200", "GET /origin.json 404"}
	rest := []string{"GET /epss/epss_scores-current.csv 304", "GET /kev/known_exploited_vulnerabilities.json 304"}
	late := "2026-02-01T00:00:00Z"
	for _, step := range []struct {
		name   string
		change func()
		asked  []string
	}{
		{"first", func() {}, []string{
			"GET /Debian/all.zip 200", "GET /Debian/modified_id.csv 200", "GET /Go/all.zip 200", "GET /Go/modified_id.csv 200",
			"GET /ecosystems.txt 200", "GET /epss/epss_scores-current.csv 200", "GET /kev/known_exploited_vulnerabilities.json 200", "GET /origin.json 404",
		}},
		{"unchanged", func() {}, slices.Concat([]string{"GET /Debian/modified_id.csv 304", "GET /Go/modified_id.csv 304"}, head, rest)},
		{
			"one changed", func() { b.put("Go", "X-0007", late, "new") },
			slices.Concat([]string{"GET /Debian/modified_id.csv 304", "GET /Go/X-0007.json 200", "GET /Go/modified_id.csv 200"}, head, rest),
		},
		{
			"new at the time of the newest", func() { b.put("Go", "Y-1", late, "") },
			slices.Concat([]string{"GET /Debian/modified_id.csv 304", "GET /Go/Y-1.json 200", "GET /Go/modified_id.csv 200"}, head, rest),
		},
		{
			"dated back", func() { b.put("Go", "X-0007", "2025-01-01T00:00:00Z", "older") },
			slices.Concat([]string{"GET /Debian/modified_id.csv 304", "GET /Go/X-0007.json 200", "GET /Go/modified_id.csv 200"}, head, rest),
		},
		{
			"gone", func() { delete(b.records["Go"], "X-0009") },
			slices.Concat([]string{"GET /Debian/modified_id.csv 304", "GET /Go/modified_id.csv 200"}, head, rest),
		},
		{
			"odd names", func() { b.put("Go", "Z ü%2F?#:&", late, "") },
			slices.Concat([]string{"GET /Debian/modified_id.csv 304", "GET /Go/Z%20%C3%BC%252F%3F%23:&.json 200", "GET /Go/modified_id.csv 200"}, head, rest),
		},
		{"many changed, one without a time", func() {
			for i := range 40 {
				b.put("Go", fmt.Sprintf("X-%04d", 20+i), late, "again")
			}
			b.put("Go", "X-0100", time.Date(2026, 1, 1, 0, 100, 0, 0, time.UTC).Format(time.RFC3339), "same time")
		}, slices.Concat([]string{"GET /Debian/modified_id.csv 304", "GET /Go/all.zip 200", "GET /Go/modified_id.csv 200"}, head, rest)},
	} {
		step.change()
		_, incomplete := run(t, m, b.URL, Options{})
		if len(incomplete) > 0 {
			t.Errorf("%s: %v", step.name, incomplete)
		}
		slices.Sort(step.asked)
		if diff := cmp.Diff(step.asked, b.asked()); diff != "" {
			t.Errorf("%s: asked (-want +got):\n%s", step.name, diff)
		}
		b.equal(t, m)
	}
	if b.max > perHost {
		t.Errorf("%d requests at once", b.max)
	}
}

// TestFaults: what fails costs itself alone, is said, and is made good by the
// next sync.
func TestFaults(t *testing.T) {
	type fault = func(http.ResponseWriter, *http.Request) bool
	once := func(path string, f func(http.ResponseWriter, *http.Request)) fault {
		done := false
		var mu sync.Mutex
		return func(w http.ResponseWriter, r *http.Request) bool {
			mu.Lock()
			defer mu.Unlock()
			if done || r.URL.Path != path {
				return false
			}
			done = true
			f(w, r)
			return true
		}
	}
	always := func(path string, f func(http.ResponseWriter, *http.Request)) fault {
		return func(w http.ResponseWriter, r *http.Request) bool {
			if r.URL.Path == path {
				f(w, r)
			}
			return r.URL.Path == path
		}
	}
	code := func(n int, header ...string) func(http.ResponseWriter, *http.Request) {
		return func(w http.ResponseWriter, _ *http.Request) {
			for i := 0; i < len(header); i += 2 {
				w.Header().Set(header[i], header[i+1])
			}
			w.WriteHeader(n)
		}
	}
	big := func(b *bucket) { // more than fits in the buffers of a connection
		for i := range 300 {
			b.put("Go", fmt.Sprintf("X-%04d", i), "2026-01-01T00:00:00Z", fmt.Sprintf("%x", sha256.Sum256([]byte{byte(i), byte(i >> 8)}))+noise(i))
		}
	}
	for name, tc := range map[string]struct {
		fill  func(*bucket)
		fault func(*bucket) fault
		want  []string // of the first sync; none: it goes well
	}{
		"busy, then not":    {nil, func(*bucket) fault { return once("/Go/all.zip", code(429, "Retry-After", "1")) }, nil},
		"broken, then not":  {nil, func(*bucket) fault { return once("/Go/modified_id.csv", code(503)) }, nil},
		"busy for too long": {nil, func(*bucket) fault { return once("/Go/all.zip", code(429, "Retry-After", "3600")) }, []string{"Go/all.zip: the server answers 429 Too Many Requests"}},
		"broken for ever":   {nil, func(*bucket) fault { return always("/Go/modified_id.csv", code(500)) }, []string{"Go/modified_id.csv: the server answers 500 Internal Server Error"}},
		"refused":           {nil, func(*bucket) fault { return always("/Go/modified_id.csv", code(403)) }, []string{"Go/modified_id.csv: the server answers 403 Forbidden"}},
		"dropped mid-body":  {big, func(b *bucket) fault { return once("/Go/all.zip", b.cut(0.5)) }, nil},
		"dropped, no ETag":  {big, func(b *bucket) fault { return once("/Go/all.zip", b.cutBare) }, nil},
		"list dropped":      {big, func(b *bucket) fault { return once("/Go/modified_id.csv", b.cutBare) }, nil},
		"truncated archive": {nil, func(b *bucket) fault {
			return always("/Go/all.zip", func(w http.ResponseWriter, _ *http.Request) {
				text, _ := b.file("Go/all.zip")
				io.WriteString(w, text[:len(text)/2])
			})
		}, []string{"Go/all.zip: zip: not a valid zip file"}},
		"list cut at a row": {nil, func(b *bucket) fault {
			return always("/Go/modified_id.csv", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "2026-01-01T00:00:00Z,X-1\n2026-01-0") })
		}, []string{"Go/modified_id.csv: line 2 is no row of modified,ID"}},
		"list is a page": {nil, func(b *bucket) fault {
			return always("/Go/modified_id.csv", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "<html>, log in") })
		}, []string{`Go/modified_id.csv: line 1: "<html>" is no time`}},
		"list climbs": {nil, func(b *bucket) fault {
			return always("/Go/modified_id.csv", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "2026-01-01T00:00:00Z,../../secret") })
		}, []string{`Go/modified_id.csv: line 1: "../../secret" is no name of a file`}},
		"redirect": {nil, func(b *bucket) fault {
			return once("/Go/all.zip", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/Go/all.zip", http.StatusFound) })
		}, nil},
		"redirect to a file": {nil, func(b *bucket) fault {
			return always("/Go/all.zip", func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Location", "file:///etc/passwd")
				w.WriteHeader(302)
			})
		}, []string{"Go/all.zip: a redirect to file is refused"}},
		"redirect for ever": {nil, func(b *bucket) fault {
			return always("/Go/all.zip", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/Go/all.zip", http.StatusFound) })
		}, []string{"Go/all.zip: more than 10 redirects"}},
	} {
		t.Run(name, func(t *testing.T) {
			b, m := newBucket(t), newMemory()
			b.fill("Go", 100)
			b.fill("npm", 3)
			if tc.fill != nil {
				tc.fill(b)
			}
			b.fault = tc.fault(b)
			_, incomplete := run(t, m, b.URL, Options{})
			if diff := cmp.Diff(tc.want, incomplete); diff != "" {
				t.Errorf("incomplete (-want +got):\n%s", diff)
			}
			if len(m.records["npm"]) != 3 {
				t.Error("the other ecosystem was not synced")
			}
			if s := m.states["Go"]; tc.want != nil && (!s.Synced.IsZero() || s.Failed == "" || s.Mark != Mark{}) {
				t.Errorf("a sync that failed counts as one: %+v", s)
			}
			b.fault = nil
			if _, incomplete := run(t, m, b.URL, Options{}); len(incomplete) > 0 {
				t.Errorf("afterwards: %v", incomplete)
			}
			b.equal(t, m)
			if s := m.states["Go"]; s.Synced.IsZero() || s.Failed != "" || !s.Begun.IsZero() {
				t.Errorf("afterwards: %+v", s)
			}
		})
	}
}

// TestResume: the second request asks for the rest alone.
func TestResume(t *testing.T) {
	b, m := newBucket(t), newMemory()
	for i := range 300 {
		b.put("Go", fmt.Sprintf("X-%04d", i), "2026-01-01T00:00:00Z", noise(i))
	}
	cut, ranges := false, []string{}
	b.fault = func(w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path != "/Go/all.zip" {
			return false
		}
		ranges = append(ranges, r.Header.Get("Range"))
		if cut {
			return false
		}
		cut = true
		b.cut(0.5)(w, r)
		return true
	}
	if _, incomplete := run(t, m, b.URL, Options{}); len(incomplete) > 0 {
		t.Error(incomplete)
	}
	b.equal(t, m)
	if len(ranges) != 2 || !strings.HasPrefix(ranges[1], "bytes=") || ranges[1] == "bytes=0-" {
		t.Errorf("ranges %q", ranges)
	}
}

// TestBroken: a record that can't be read or understood is named, tried again
// by each sync, and takes nothing away that was kept.
func TestBroken(t *testing.T) {
	b, m := newBucket(t), newMemory()
	b.fill("Go", 100)
	b.records["Go"]["X-0001"] = entry{"2026-01-01T00:01:00Z", "{"}
	b.put("Go", "X-0002", "2026-01-01T00:02:00Z", "refuse")
	_, incomplete := run(t, m, b.URL, Options{})
	if len(incomplete) != 1 || !strings.Contains(incomplete[0], "X-0002: refused") {
		t.Errorf("incomplete %v", incomplete) // X-0001 as a file is for the keeper to judge
	}
	b.asked()
	run(t, m, b.URL, Options{})
	if asked := b.asked(); !slices.Contains(asked, "GET /Go/X-0002.json 200") || slices.Contains(asked, "GET /Go/all.zip 200") {
		t.Errorf("asked %v", asked)
	}
	b.put("Go", "X-0002", "2026-01-01T00:02:00Z", "good")
	if _, incomplete := run(t, m, b.URL, Options{}); len(incomplete) > 0 || len(m.states["Go"].Broken) > 0 {
		t.Errorf("incomplete %v", incomplete)
	}
	b.equal(t, m)
	b.put("Go", "X-0003", "2026-03-01T00:00:00Z", "new")
	b.put("Go", "X-0004", "2026-03-01T00:00:00Z", "new")
	b.files["Go/X-0003.json"] = "-"
	_, incomplete = run(t, m, b.URL, Options{})
	if len(incomplete) != 1 || !strings.Contains(incomplete[0], "X-0003: it is listed and not there") || len(m.records["Go"]["X-0003"].Body) == 0 {
		t.Errorf("incomplete %v", incomplete)
	}
}

// TestShrunk: a list that lost most of its records removes none.
func TestShrunk(t *testing.T) {
	b, m := newBucket(t), newMemory()
	b.fill("Go", 300)
	run(t, m, b.URL, Options{})
	b.files["Go/modified_id.csv"] = "2026-01-01T00:00:00Z,X-0000\n"
	_, incomplete := run(t, m, b.URL, Options{})
	if len(incomplete) != 1 || !strings.Contains(incomplete[0], "names 1 of 300") || len(m.records["Go"]) != 300 {
		t.Errorf("%v, %d records", incomplete, len(m.records["Go"]))
	}
	b.files["Go/modified_id.csv"] = ""
	if _, incomplete = run(t, m, b.URL, Options{}); len(incomplete) != 1 || len(m.records["Go"]) != 300 {
		t.Errorf("%v, %d records", incomplete, len(m.records["Go"]))
	}
}

// TestStopped: a keeper that ends anywhere leaves a state that goes on, and
// what was kept is not fetched again.
func TestStopped(t *testing.T) {
	b := newBucket(t)
	b.fill("Go", 2500)
	m := newMemory()
	for stop, last := 1, 0; ; stop++ {
		m.stop, m.batches = 1, 0
		src, err := Open(t.Context(), b.URL, quick)
		if err != nil {
			t.Fatal(err)
		}
		_, err = src.Sync(t.Context(), m, Options{})
		src.Close()
		if err == nil {
			break
		}
		if n := len(m.records["Go"]); !errors.Is(err, errStopped) || n < last || stop > 20 {
			t.Fatalf("%v; %d records, before %d", err, n, last)
		} else {
			last = n
		}
		if s := m.states["Go"]; !s.Begun.IsZero() && (!s.Synced.IsZero() || s.Mark != Mark{} || s.Pending == 0 && len(m.records["Go"]) < 2000) {
			t.Errorf("%+v", s)
		}
	}
	m.stop = 0
	run(t, m, b.URL, Options{})
	b.equal(t, m)
}

// TestSources: the same bucket as a folder, a tar, a layout and without its
// list is kept the same, and again nothing is new.
func TestSources(t *testing.T) {
	b, first := newBucket(t), newMemory()
	b.fill("Go", 50)
	b.fill("Rocky Linux", 5)
	b.files["kev/known_exploited_vulnerabilities.json"] = `{"vulnerabilities":[]}`
	b.files["epss/epss_scores-current.csv"] = "cve,epss,percentile\n"
	run(t, first, b.URL, Options{Now: func() time.Time { return time.Date(2026, 5, 1, 0, 0, 0, 0, time.UTC) }})
	dir := t.TempDir()
	plain := filepath.Join(dir, "plain")
	for eco, all := range b.records {
		if err := os.MkdirAll(filepath.Join(plain, eco), 0o755); err != nil {
			t.Fatal(err)
		}
		for id, e := range all {
			if err := os.WriteFile(filepath.Join(plain, eco, id+".json"), []byte(e.body), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	for name, to := range map[string]string{
		"folder": filepath.Join(dir, "folder"), "tar": filepath.Join(dir, "x.tar"), "layout": "oci:" + filepath.Join(dir, "layout"),
		"layout by its folder": filepath.Join(dir, "layout2"), "no list": plain,
	} {
		t.Run(name, func(t *testing.T) {
			switch name {
			case "no list":
			case "layout by its folder":
				if err := Write(t.Context(), "oci:"+to, first); err != nil {
					t.Fatal(err)
				}
			default:
				if err := Write(t.Context(), to, first); err != nil {
					t.Fatal(err)
				}
				if err := Write(t.Context(), to, first); err == nil {
					t.Error("what is there was written over")
				}
			}
			m := newMemory()
			if _, incomplete := run(t, m, to, Options{}); len(incomplete) > 0 {
				t.Error(incomplete)
			}
			b.equal(t, m)
			if s := m.states["Go"]; name != "no list" && !s.Synced.Equal(first.states["Go"].Synced) {
				t.Errorf("the copy claims to be of %v", s.Synced)
			}
			report, _ := run(t, m, to, Options{})
			for _, r := range report.Results {
				if r.New+r.Changed+r.Removed > 0 {
					t.Errorf("again: %+v", r)
				}
			}
			b.equal(t, m)
		})
	}
}

// TestOpen: what is no source is one error, which holds no password.
func TestOpen(t *testing.T) {
	dir := t.TempDir()
	text := filepath.Join(dir, "x.txt")
	if err := os.WriteFile(text, []byte("no tar"), 0o644); err != nil {
		t.Fatal(err)
	}
	for from, want := range map[string]string{
		filepath.Join(dir, "none"):     "no such file",
		text:                           "neither a whole tar",
		"https://":                     "names no host",
		"https://u:hush@h/?q=1":        "query",
		"https://u:hush@h:x/":          "no address",
		"oci:" + dir:                   "oci-layout",
		"oci://UPPER/x":                "no image reference",
		"oci://127.0.0.1:1/x/y:latest": "127.0.0.1:1",
	} {
		_, err := Open(t.Context(), from, quick)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "hush") {
			t.Errorf("%s: %v", from, err)
		}
	}
}

// TestRedirects: from https only https is followed, and nothing but the two.
func TestRedirects(t *testing.T) {
	for _, tc := range []struct {
		from, to string
		ok       bool
	}{
		{"http://a/", "http://b/", true},
		{"http://a/", "https://b/", true},
		{"https://a/", "https://b/", true},
		{"https://a/", "http://b/", false},
		{"https://a/", "ftp://b/", false},
		{"http://a/", "file:///etc/passwd", false},
	} {
		from, err := http.NewRequest(http.MethodGet, tc.from, nil)
		to, err2 := http.NewRequest(http.MethodGet, tc.to, nil)
		if err := errors.Join(err, err2); err != nil {
			t.Fatal(err)
		}
		if err := checkRedirect(to, []*http.Request{from}); (err == nil) != tc.ok {
			t.Errorf("%s to %s: %v", tc.from, tc.to, err)
		}
	}
}

// TestElsewhere: KEV and EPSS come from addresses of their own where the
// source has none.
func TestElsewhere(t *testing.T) {
	b, other, m := newBucket(t), newBucket(t), newMemory()
	b.fill("Go", 1)
	other.files["feeds/kev.json"], other.files["scores"] = "{}", "cve"
	opt := Options{KEV: other.URL + "/feeds/kev.json", EPSS: other.URL + "/scores"}
	run(t, m, b.URL, opt)
	run(t, m, b.URL, opt)
	want := []string{"GET /feeds/kev.json 200", "GET /feeds/kev.json 304", "GET /scores 200", "GET /scores 304"}
	if diff := cmp.Diff(want, other.asked()); diff != "" || string(m.records[KEV][KEV].Body) != "{}" {
		t.Errorf("asked (-want +got):\n%s", diff)
	}
}

// TestPendingStays: a sync that can't even read the list doesn't make what an
// earlier one left behind look fetched.
func TestPendingStays(t *testing.T) {
	b, m := newBucket(t), newMemory()
	b.fill("Go", 40)
	run(t, m, b.URL, Options{})
	for i := range 10 {
		b.put("Go", fmt.Sprintf("Y-%d", i), "2026-02-01T00:00:00Z", "")
	}
	busy := func(part string) {
		b.fault = func(w http.ResponseWriter, r *http.Request) bool {
			if !strings.Contains(r.URL.Path, part) {
				return false
			}
			w.WriteHeader(http.StatusServiceUnavailable)
			return true
		}
	}
	busy("Y-7")
	run(t, m, b.URL, Options{})
	left := m.states["Go"].Pending
	if left == 0 || m.states["Go"].Failed == "" {
		t.Fatalf("%+v", m.states["Go"])
	}
	busy("modified_id.csv")
	run(t, m, b.URL, Options{})
	if got := m.states["Go"].Pending; got != left {
		t.Errorf("%d pending, %d were", got, left)
	}
	b.fault = nil
	run(t, m, b.URL, Options{})
	if got := m.states["Go"]; got.Pending != 0 || got.Failed != "" {
		t.Errorf("%+v", got)
	}
	b.equal(t, m)
}

// TestCopyOfAPart: what was missing where a copy was made is missing where it
// is taken in, again and again, until the original is synced there.
func TestCopyOfAPart(t *testing.T) {
	for name, tc := range map[string]struct {
		part State
		want func(State) bool
		says string
	}{
		"never whole": {State{Source: "x"}, func(s State) bool { return s.Synced.IsZero() }, "had not come to its end"},
		"pending":     {State{Source: "x", Synced: time.Unix(1, 0), Pending: 3}, func(s State) bool { return s.Pending == 3 }, "3 records to go"},
		"broken": {
			State{Source: "x", Synced: time.Unix(1, 0), Broken: []Broken{{ID: "Z-1", Why: "not JSON"}}},
			func(s State) bool { return len(s.Broken) == 1 && s.Broken[0].ID == "Z-1" }, "Z-1: not JSON",
		},
	} {
		t.Run(name, func(t *testing.T) {
			b, from, to := newBucket(t), newMemory(), newMemory()
			b.fill("Go", 5)
			run(t, from, b.URL, Options{})
			tc.part.Newest, tc.part.Revision = from.states["Go"].Newest, from.states["Go"].Revision
			from.states["Go"] = tc.part
			dir := filepath.Join(t.TempDir(), "copy")
			if err := Write(t.Context(), dir, from); err != nil {
				t.Fatal(err)
			}
			for range 2 {
				_, missed := run(t, to, dir, Options{})
				if !tc.want(to.states["Go"]) || !strings.Contains(strings.Join(missed, "\n"), tc.says) {
					t.Errorf("%+v, says %q", to.states["Go"], missed)
				}
			}
			_, missed := run(t, to, b.URL, Options{})
			if s := to.states["Go"]; s.Pending > 0 || s.Synced.Before(time.Now().Add(-time.Hour)) || len(s.Broken) > 0 || len(missed) > 0 {
				t.Errorf("%+v, says %q", s, missed)
			}
		})
	}
}
