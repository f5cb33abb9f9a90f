package feed

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"iter"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// bucket serves ecosystems, records as they are given, with ETags and ranges.
type bucket struct {
	mu       sync.Mutex
	records  map[string]map[string]entry // ecosystem, id
	files    map[string]string           // verbatim, before all else; "-" is not found
	requests []string                    // METHOD PATH STATUS
	now, max int                         // requests under way
	fault    func(w http.ResponseWriter, r *http.Request) bool
	*httptest.Server
}

type entry struct {
	modified string
	body     string
}

func newBucket(t *testing.T) *bucket {
	b := &bucket{records: map[string]map[string]entry{}, files: map[string]string{}}
	b.Server = httptest.NewServer(b)
	t.Cleanup(b.Close)
	return b
}

// put adds a record; more goes into its text.
func (b *bucket) put(eco, id, modified, more string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.records[eco] == nil {
		b.records[eco] = map[string]entry{}
	}
	b.records[eco][id] = entry{modified, fmt.Sprintf(`{"id":%q,"modified":%q,"x":%q}`, id, modified, more)}
}

func (b *bucket) fill(eco string, n int) {
	for i := range n {
		b.put(eco, fmt.Sprintf("X-%04d", i), time.Date(2026, 1, 1, 0, i, 0, 0, time.UTC).Format(time.RFC3339), "")
	}
}

// file is one file of the layout.
func (b *bucket) file(name string) (string, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if text, ok := b.files[name]; ok {
		return text, text != "-"
	}
	if name == "ecosystems.txt" {
		return strings.Join(slices.Sorted(maps.Keys(b.records)), "\n") + "\n", true
	}
	eco, file, _ := strings.Cut(name, "/")
	all, ok := b.records[eco]
	if !ok {
		return "", false
	}
	switch id := strings.TrimSuffix(file, ".json"); {
	case file == "modified_id.csv":
		return b.list(all), true
	case file == "all.zip":
		return zipOf(all), true
	default:
		return all[id].body, all[id].body != ""
	}
}

func (b *bucket) list(all map[string]entry) string {
	ids := slices.SortedFunc(maps.Keys(all), func(x, y string) int {
		return strings.Compare(all[y].modified+y, all[x].modified+x)
	})
	out := ""
	for _, id := range ids {
		out += all[id].modified + "," + id + "\n"
	}
	return out
}

func zipOf(all map[string]entry) string {
	var buf bytes.Buffer
	z := zip.NewWriter(&buf)
	for _, id := range slices.Sorted(maps.Keys(all)) {
		w, err := z.Create(id + ".json")
		if err == nil {
			_, err = io.WriteString(w, all[id].body)
		}
		if err != nil {
			panic(err)
		}
	}
	if err := z.Close(); err != nil {
		panic(err)
	}
	return buf.String()
}

func (b *bucket) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	b.mu.Lock()
	b.now++
	b.max = max(b.max, b.now)
	fault := b.fault
	b.mu.Unlock()
	defer func() {
		b.mu.Lock()
		b.now--
		b.mu.Unlock()
	}()
	seen := &statusWriter{ResponseWriter: w}
	defer func() {
		b.mu.Lock()
		b.requests = append(b.requests, fmt.Sprintf("%s %s %d", r.Method, r.URL.EscapedPath(), seen.code))
		b.mu.Unlock()
	}()
	if fault != nil && fault(seen, r) {
		return
	}
	text, ok := b.file(strings.TrimPrefix(r.URL.Path, "/"))
	if !ok {
		http.NotFound(seen, r)
		return
	}
	seen.Header().Set("ETag", fmt.Sprintf(`"%x"`, sha256.Sum256([]byte(text))))
	http.ServeContent(seen, r, "", time.Time{}, strings.NewReader(text))
}

type statusWriter struct {
	http.ResponseWriter
	code int
}

func (s *statusWriter) WriteHeader(code int) {
	s.code = code
	s.ResponseWriter.WriteHeader(code)
}

// asked returns the requests since the last call, sorted.
func (b *bucket) asked() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	out := b.requests
	b.requests = nil
	slices.Sort(out)
	return out
}

// memory is a keeper. It refuses records whose text has "refuse".
type memory struct {
	states  map[string]State
	records map[string]map[string]Raw
	batches int
	stop    int // fails after this many batches; 0 never
}

func newMemory() *memory {
	return &memory{states: map[string]State{}, records: map[string]map[string]Raw{}}
}

func (m *memory) State(_ context.Context, feed string) (State, error) { return m.states[feed], nil }

func (m *memory) Known(_ context.Context, feed string) (map[string]time.Time, error) {
	out := map[string]time.Time{}
	for id, r := range m.records[feed] {
		out[id] = r.Modified
	}
	return out, nil
}

var errStopped = errors.New("killed")

func (m *memory) Keep(_ context.Context, b Batch) (Kept, error) {
	if len(b.Records) > 0 {
		m.batches++
	}
	if m.stop > 0 && m.batches > m.stop {
		return Kept{}, errStopped
	}
	if b.State.Revision != m.states[b.Feed].Revision {
		return Kept{}, errors.New("two writers")
	}
	if m.records[b.Feed] == nil {
		m.records[b.Feed] = map[string]Raw{}
	}
	out := Kept{State: b.State}
	for _, r := range b.Records {
		if bytes.Contains(r.Body, []byte("refuse")) {
			out.State.Broken = append(out.State.Broken, Broken{r.ID, r.Modified, "refused"})
			continue
		}
		if old, ok := m.records[b.Feed][r.ID]; !ok {
			out.New++
		} else if !bytes.Equal(old.Body, r.Body) {
			out.Changed++
		}
		m.records[b.Feed][r.ID] = r
	}
	for _, id := range b.Gone {
		delete(m.records[b.Feed], id)
		out.Removed++
	}
	out.State.Revision++
	m.states[b.Feed] = out.State
	return out, nil
}

func (m *memory) Feeds(context.Context) ([]string, error) {
	return slices.Sorted(maps.Keys(m.records)), nil
}

func (m *memory) Raw(_ context.Context, feed string) iter.Seq2[Raw, error] {
	return func(yield func(Raw, error) bool) {
		for _, id := range slices.Sorted(maps.Keys(m.records[feed])) {
			if !yield(m.records[feed][id], nil) {
				return
			}
		}
	}
}

// quick retries at once.
var quick = Access{Retry: Retry{Times: 3, First: time.Millisecond, Most: 3 * time.Second}}

// run syncs and returns what was incomplete, as lines.
func run(t *testing.T, m *memory, from string, opt Options) (Report, []string) {
	t.Helper()
	src, err := Open(t.Context(), from, quick)
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	report, err := src.Sync(t.Context(), m, opt)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, i := range report.Incomplete {
		if i.What != KEV { // most buckets of these tests have none
			out = append(out, i.What+": "+i.Why)
		}
	}
	return report, out
}

// equal wants the keeper to have exactly what the bucket has.
func (b *bucket) equal(t *testing.T, m *memory) {
	t.Helper()
	want, got := map[string]string{}, map[string]string{}
	for eco, all := range b.records {
		for id, e := range all {
			want[eco+"/"+id] = e.body
		}
	}
	for eco, all := range m.records {
		for id, r := range all {
			if eco != KEV && eco != EPSS {
				got[eco+"/"+id] = string(r.Body)
			}
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("bucket (-) and keeper (+):\n%.3000s", diff)
	}
}

// noise doesn't compress.
func noise(i int) string {
	out := ""
	for n := range 60 {
		out += fmt.Sprintf("%x", sha256.Sum256([]byte{byte(i), byte(i >> 8), byte(n)}))
	}
	return out
}

// cut sends a part of the archive with its whole length, then hangs up.
func (b *bucket) cut(part float64) func(http.ResponseWriter, *http.Request) {
	return func(w http.ResponseWriter, _ *http.Request) {
		text, _ := b.file("Go/all.zip")
		w.Header().Set("ETag", fmt.Sprintf(`"%x"`, sha256.Sum256([]byte(text))))
		w.Header().Set("Content-Length", fmt.Sprint(len(text)))
		io.WriteString(w, text[:int(float64(len(text))*part)]) //nolint:errcheck // cut off anyway
		panic(http.ErrAbortHandler)
	}
}

func (b *bucket) cutBare(w http.ResponseWriter, r *http.Request) {
	text, _ := b.file(strings.TrimPrefix(r.URL.Path, "/"))
	w.Header().Set("Content-Length", fmt.Sprint(len(text)))
	io.WriteString(w, text[:len(text)/2]) //nolint:errcheck // cut off anyway
	panic(http.ErrAbortHandler)
}
