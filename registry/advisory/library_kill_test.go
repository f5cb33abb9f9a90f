package advisory_test

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/scantling/scantling/model"
	"github.com/scantling/scantling/registry/advisory"
	"github.com/scantling/scantling/registry/feed"
	"github.com/scantling/scantling/store"
)

// moving is a bucket whose records change, served over http.
type moving struct {
	mu      sync.RWMutex
	records map[string]map[string]record // ecosystem, id
	effects map[string]int               // changes so far, by ecosystem and id
	clock   time.Time
}

type record struct {
	modified time.Time
	fixed    int
	name     string
}

func (r record) body(eco, id string) []byte {
	return []byte(fmt.Sprintf(`{"id":%q,"modified":%q,"details":%q,"affected":[{"package":{"ecosystem":%q,"name":%q},"ranges":[{"type":"SEMVER","events":[{"introduced":"0"},{"fixed":"1.0.%d"}]}]}]}`,
		id, r.modified.Format(time.RFC3339), strings.Repeat(id, 50), eco, r.name, r.fixed))
}

// mutate changes some records, adds some and removes some.
func (m *moving) mutate(rng *rand.Rand, n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.clock = m.clock.Add(time.Hour)
	touched := map[string]bool{}
	for range n {
		eco := []string{"Go", "npm"}[rng.IntN(2)]
		if m.records[eco] == nil {
			m.records[eco] = map[string]record{}
		}
		id := fmt.Sprintf("X-%d", rng.IntN(400))
		if touched[eco+id] {
			continue // once a round, so that each change is seen
		}
		touched[eco+id] = true
		old, ok := m.records[eco][id]
		switch {
		case ok && rng.IntN(10) == 0:
			delete(m.records[eco], id)
		case ok && rng.IntN(4) == 0: // text alone
			old.modified = m.clock
			m.records[eco][id] = old
			continue
		default:
			m.records[eco][id] = record{m.clock, old.fixed + 1, fmt.Sprintf("p%d", rng.IntN(50))}
		}
		m.effects[eco+"\x00"+id]++
	}
}

func (m *moving) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	eco, file, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	var out bytes.Buffer
	switch id := strings.TrimSuffix(file, ".json"); {
	case eco == "ecosystems.txt":
		out.WriteString("Go\nnpm\n")
	case file == "modified_id.csv":
		for _, id := range slices.Sorted(maps.Keys(m.records[eco])) {
			fmt.Fprintf(&out, "%s,%s\n", m.records[eco][id].modified.Format(time.RFC3339), id)
		}
	case file == "all.zip":
		z := zip.NewWriter(&out)
		for id, x := range m.records[eco] {
			f, _ := z.Create(id + ".json")
			f.Write(x.body(eco, id)) //nolint:errcheck // to memory
		}
		z.Close() //nolint:errcheck // to memory
	case m.records[eco][id].fixed > 0:
		out.Write(m.records[eco][id].body(eco, id))
	default:
		http.NotFound(w, r)
		return
	}
	w.Header().Set("ETag", fmt.Sprintf(`"%x"`, sha256.Sum256(out.Bytes())))
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(out.Bytes()))
}

// effects is a hook that counts in the store how often it was told of a
// record. The count has to be what it was, so that a lost or doubled one
// shows.
func effects(s *store.Store) advisory.Hook {
	return func(ctx context.Context, changes []advisory.Change) ([]model.Write, error) {
		var out []model.Write
		for _, c := range changes {
			w := model.Write{Record: model.Record{Kind: "effect", Key: c.Ecosystem + "\x00" + c.ID}, If: model.IfAbsent}
			was, ok, err := s.Get(ctx, w.Kind, w.Key)
			if err != nil {
				return nil, err
			}
			if ok {
				w.If, w.Was = model.IfVersion, was.Version
			}
			w.Version = was.Version + 1
			out = append(out, w)
		}
		return out, nil
	}
}

// TestSyncChild is the process that TestKill kills.
func TestSyncChild(t *testing.T) {
	file, url := os.Getenv("SCANTLING_KILL_STORE"), os.Getenv("SCANTLING_KILL_URL")
	if file == "" {
		t.Skip("a part of TestKill")
	}
	s, err := store.Open(t.Context(), file)
	if err != nil {
		t.Fatal(err)
	}
	src, err := feed.Open(t.Context(), url, feed.Access{})
	if err != nil {
		t.Fatal(err)
	}
	report, err := src.Sync(t.Context(), advisory.NewLibrary(s, effects(s)), feed.Options{Batch: 10})
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range report.Incomplete {
		if x.What != "kev" {
			t.Fatal(x)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestKill kills a sync with SIGKILL at random points, again and again while
// the source changes: afterwards the library has what the source has, and the
// hook's effect happened exactly once for each change. SCANTLING_KILLS sets
// how often.
func TestKill(t *testing.T) {
	kills := 10
	if n, err := strconv.Atoi(os.Getenv("SCANTLING_KILLS")); err == nil {
		kills = n
	}
	source := &moving{records: map[string]map[string]record{}, effects: map[string]int{}, clock: time.Now().Add(-1e4 * time.Hour).UTC().Truncate(time.Second)}
	server := httptest.NewServer(source)
	defer server.Close()
	file := filepath.Join(t.TempDir(), "scantling.db")
	rng := rand.New(rand.NewPCG(7, 11))
	source.mutate(rng, 300)
	took, killed, rounds, middle := 400*time.Millisecond, 0, 0, 0
	for killed < kills || rounds == 0 {
		cmd := exec.Command(os.Args[0], "-test.run=^TestSyncChild$")
		cmd.Env = append(os.Environ(), "SCANTLING_KILL_STORE="+file, "SCANTLING_KILL_URL="+server.URL)
		var out bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &out
		start := time.Now()
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		timer := time.AfterFunc(time.Duration(rng.Int64N(int64(took)*5/4)), func() { cmd.Process.Kill() }) //nolint:errcheck // it may have ended
		err := cmd.Wait()
		timer.Stop()
		switch {
		case err == nil:
			took = (took + time.Since(start)) / 2
			rounds++
			verify(t, file, source)
			source.mutate(rng, 30+rng.IntN(250))
		case cmd.ProcessState.ExitCode() == -1:
			killed++
			if underWay(t, file) {
				middle++
			}
		default:
			t.Fatalf("%v: %s", err, out.String())
		}
	}
	t.Logf("%d kills, %d of them with a part of a sync kept; %d whole syncs", killed, middle, rounds)
}

// underWay reports whether a sync was left in its middle.
func underWay(t *testing.T, file string) bool {
	s, err := store.Open(t.Context(), file)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for _, eco := range []string{"Go", "npm"} {
		state, err := advisory.NewLibrary(s, nil).State(t.Context(), eco)
		if err != nil {
			t.Fatal(err)
		}
		if !state.Begun.IsZero() {
			return true
		}
	}
	return false
}

// verify compares a library with its source: records, what they affect, the
// counts of the state, and the effects.
func verify(t *testing.T, file string, source *moving) {
	t.Helper()
	s, err := store.Open(t.Context(), file)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	want, got := map[string]string{}, map[string]string{}
	wantEffects, gotEffects := map[string]int{}, map[string]int{}
	maps.Copy(wantEffects, source.effects)
	l := advisory.NewLibrary(s, nil)
	for eco, all := range source.records {
		for id, r := range all {
			want[eco+" "+id] = string(r.body(eco, id))
			want["affects "+eco+"\x00"+r.name+"\x00"+id] = ""
		}
		want[eco] = strconv.Itoa(len(all))
		state, _, err := s.Get(t.Context(), "advisory-feed", eco)
		if err != nil {
			t.Fatal(err)
		}
		var counted struct{ Records int }
		if err := json.Unmarshal(state.Body, &counted); err != nil {
			t.Fatal(err)
		}
		got[eco] = strconv.Itoa(counted.Records)
		for raw, err := range l.Raw(t.Context(), eco) {
			if err != nil {
				t.Fatal(err)
			}
			if key := eco + " " + raw.ID; got[key] != "" {
				t.Errorf("%s twice", key)
			}
			got[eco+" "+raw.ID] = string(raw.Body)
		}
	}
	for r, err := range s.Scan(t.Context(), "advisory-affects", "", "") {
		if err != nil {
			t.Fatal(err)
		}
		got["affects "+r.Key] = ""
	}
	for r, err := range s.Scan(t.Context(), "effect", "", "") {
		if err != nil {
			t.Fatal(err)
		}
		gotEffects[r.Key] = int(r.Version)
	}
	if diff := cmp.Diff(want, got) + cmp.Diff(wantEffects, gotEffects); diff != "" {
		t.Fatalf("source (-) and library (+):\n%.3000s", diff)
	}
}
