package cli

import (
	"bytes"
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

	"github.com/scantling/scantling/oci/ocitest"
	"github.com/scantling/scantling/store"
)

// moving is a bucket with advisories of Debian and Go that change.
type moving struct {
	mu    sync.RWMutex
	fixed map[string]map[string]int // by ecosystem and id: the version that is fixed
	at    map[string]time.Time      // when an ecosystem changed last
	clock time.Time
}

func newMoving() *moving {
	return &moving{fixed: map[string]map[string]int{"Debian": {}, "Go": {}}, at: map[string]time.Time{}, clock: time.Now().UTC().Truncate(time.Second).Add(-24 * time.Hour)}
}

// move adds, changes and removes some records of each ecosystem.
func (m *moving) move(rng *rand.Rand) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.clock = m.clock.Add(time.Second)
	for _, ecosystem := range []string{"Debian", "Go"} {
		m.at[ecosystem] = m.clock
		for range 1 + rng.IntN(25) {
			id := fmt.Sprintf("%s-%d", strings.ToUpper(ecosystem), rng.IntN(60))
			if m.fixed[ecosystem][id] = rng.IntN(40); rng.IntN(8) == 0 {
				delete(m.fixed[ecosystem], id)
			}
		}
		m.fixed[ecosystem]["ALWAYS"] = 1 // no list is empty
	}
}

func (m *moving) body(ecosystem, id string) string {
	full := map[string]string{"Debian": "Debian:11", "Go": "Go"}[ecosystem]
	return fmt.Sprintf(`{"id":%q,"modified":%q,"affected":[{"package":{"ecosystem":%q,"name":"p%d"},"ranges":[{"type":%q,"events":[{"introduced":"0"},{"fixed":"1.%d.0"}]}]}]}`,
		id, m.at[ecosystem].Format(time.RFC3339), full, len(id)%3, map[string]string{"Debian": "ECOSYSTEM", "Go": "SEMVER"}[ecosystem], m.fixed[ecosystem][id])
}

func (m *moving) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	ecosystem, file, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	id := strings.TrimSuffix(file, ".json")
	_, ok := m.fixed[ecosystem][id]
	switch {
	case ecosystem == "ecosystems.txt":
		fmt.Fprint(w, "Debian\nGo\n")
	case file == "modified_id.csv":
		for _, id := range slices.Sorted(maps.Keys(m.fixed[ecosystem])) {
			fmt.Fprintf(w, "%s,%s\n", m.at[ecosystem].Format(time.RFC3339), id)
		}
	case ok:
		fmt.Fprint(w, m.body(ecosystem, id))
	default:
		http.NotFound(w, r)
	}
}

// killImages writes archives of images that share a layer.
func killImages(t *testing.T, dir string, n int) (files []string) {
	t.Helper()
	packages := func(from, to int) string {
		var out strings.Builder
		for i := from; i < to; i++ {
			fmt.Fprintf(&out, "Package: p%d\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1.%d.0\n\n", i%5, i)
		}
		return out.String()
	}
	base := ocitest.Tar(
		ocitest.Entry{Name: "etc/os-release", Body: "ID=debian\nVERSION_ID=\"11\"\n"},
		ocitest.Entry{Name: "var/lib/dpkg/status.d/base", Body: packages(0, 3)},
	)
	for i := range n {
		file := filepath.Join(dir, fmt.Sprintf("app%d.tar", i))
		text := ocitest.Saved(ocitest.Image{Names: []string{fmt.Sprintf("app%d:1", i)}, Layers: [][]byte{base, ocitest.Tar(
			ocitest.Entry{Name: "var/lib/dpkg/status.d/app", Body: packages(2*i, 2*i+4)},
		)}})
		if err := os.WriteFile(file, text, 0o644); err != nil {
			t.Fatal(err)
		}
		files = append(files, file)
	}
	return files
}

// records is what a data folder holds, less what tells of times and of how it
// came there.
func records(t *testing.T, dir string) map[string]string {
	t.Helper()
	s, err := store.Open(t.Context(), filepath.Join(dir, database))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	out := map[string]string{}
	stats, err := s.Stats(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range stats.Kinds {
		if strings.HasPrefix(k.Kind, "index-") || k.Kind == "advisory-feed" {
			continue
		}
		for r, err := range s.Scan(t.Context(), k.Kind, "", "") {
			if err != nil {
				t.Fatal(err)
			}
			body := string(r.Body)
			if k.Kind == kindAsset {
				body, _, _ = strings.Cut(body, `"indexed"`)
			}
			out[k.Kind+" "+r.Key] = body
		}
	}
	return out
}

// changesOf takes the changes from an output, if it is whole: their ids by
// what they say.
func changesOf(t *testing.T, output []byte) map[string]string {
	t.Helper()
	var doc struct {
		Changes []map[string]any `json:"changes"`
	}
	out := map[string]string{}
	if json.Unmarshal(output, &doc) != nil {
		return out
	}
	for _, c := range doc.Changes {
		id := c["id"].(string)
		delete(c, "id")
		text, _ := json.Marshal(c)
		if out[string(text)] != "" {
			t.Errorf("told twice at once: %s", text)
		}
		out[string(text)] = id
	}
	return out
}

// program is the program under test: SCANTLING, or this test binary, which
// testscript put on the path under its name.
func program(args ...string) *exec.Cmd {
	name := os.Getenv("SCANTLING")
	if name == "" {
		name = "scantling"
	}
	return exec.Command(name, args...)
}

// TestKill kills scans and syncs with SIGKILL at random moments, and runs each
// again until it came to its end: then the data folder is that of a twin that
// nobody disturbed, and each change was told, with one id however often.
// SCANTLING_KILLS sets how often.
func TestKill(t *testing.T) {
	kills := 10
	if n, err := strconv.Atoi(os.Getenv("SCANTLING_KILLS")); err == nil {
		kills = n
	}
	seed := uint64(time.Now().UnixNano())
	rng := rand.New(rand.NewPCG(seed, 0))
	bucket := newMoving()
	bucket.move(rng)
	server := httptest.NewServer(bucket)
	defer server.Close()
	dir := t.TempDir()
	images := killImages(t, dir, 24)
	ours, twin := filepath.Join(dir, "ours"), filepath.Join(dir, "twin")
	took, killed, runs, told, again := 300*time.Millisecond, 0, 0, 0, 0
	for round := 0; killed < kills || round < 4; round++ {
		args := []string{"advisories", "sync", "--from", server.URL, "--kev", "", "--epss", "", "--format", "json", "-q", "--data"}
		if round%2 == 0 {
			rng.Shuffle(len(images), func(i, j int) { images[i], images[j] = images[j], images[i] })
			args = slices.Concat([]string{"registry", "scan"}, images[:4+rng.IntN(20)], []string{"--format", "json", "-q", "--data"})
		} else {
			bucket.move(rng)
		}
		want, err := program(append(args, twin)...).Output()
		if err != nil && !ended(err) {
			t.Fatalf("%v: %v", args, err)
		}
		ids := map[string]string{}
		for done := false; !done; runs++ {
			cmd := program(append(args, ours)...)
			var out, talk bytes.Buffer
			cmd.Stdout, cmd.Stderr = &out, &talk
			start := time.Now()
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			timer := time.AfterFunc(time.Duration(rng.Int64N(2*int64(took))), func() { _ = cmd.Process.Kill() })
			err := cmd.Wait()
			timer.Stop()
			switch {
			case err == nil || ended(err):
				done, took = true, (took+time.Since(start))/2
			case cmd.ProcessState.ExitCode() == -1:
				killed++
			default:
				t.Fatalf("seed %d: %v: %v: %s", seed, args, err, talk.Bytes())
			}
			for text, id := range changesOf(t, out.Bytes()) {
				if was := ids[text]; was != "" && was != id {
					t.Fatalf("seed %d: told as %s and as %s: %s", seed, was, id, text)
				} else if was != "" {
					again++
				}
				ids[text] = id
			}
		}
		if diff := cmp.Diff(slices.Sorted(maps.Keys(changesOf(t, want))), slices.Sorted(maps.Keys(ids))); diff != "" {
			t.Fatalf("seed %d, round %d: changes of the twin (-) and those that were told (+):\n%.3000s", seed, round, diff)
		}
		if diff := cmp.Diff(records(t, twin), records(t, ours)); diff != "" {
			t.Fatalf("seed %d, round %d: the twin (-) and what was killed (+):\n%.3000s", seed, round, diff)
		}
		told += len(ids)
	}
	t.Logf("%d kills in %d runs; %d changes told, %d of them again after a kill", killed, runs, told, again)
}

// ended reports whether a program came to its end and says so.
func ended(err error) bool {
	exit, ok := err.(*exec.ExitError)
	return ok && slices.Contains([]int{exitClean, exitFound, exitIncomplete}, exit.ExitCode())
}
