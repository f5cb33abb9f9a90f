package cli

import (
	"bytes"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// full is a disk without room.
type full struct{}

func (full) Write([]byte) (int, error) { return 0, errors.New("no space left on device") }

// TestChangesAreToldAgain: what could not be written out stays pending, and
// the next sync says so and tells it; after that it is told no more.
func TestChangesAreToldAgain(t *testing.T) {
	bucket := newMoving()
	bucket.move(rand.New(rand.NewPCG(3, 0)))
	server := httptest.NewServer(bucket)
	defer server.Close()
	dir := t.TempDir()
	data := filepath.Join(dir, "data")
	run := func(out interface{ Write([]byte) (int, error) }, args ...string) (code int, talk string) {
		var e bytes.Buffer
		code = Main(t.Context(), append(args, "--data", data), IO{Out: out, Err: &e, Env: os.Getenv, In: strings.NewReader("")})
		return code, e.String()
	}
	sync := []string{"advisories", "sync", "--from", server.URL, "--kev", "", "--epss", "", "--format", "json"}
	var scanned bytes.Buffer
	if code, talk := run(&scanned, append([]string{"registry", "scan"}, killImages(t, dir, 8)...)...); code != exitIncomplete {
		t.Fatalf("scan: %d %s", code, talk)
	}
	if code, talk := run(full{}, sync...); code != exitFailed || !strings.Contains(talk, "no space left") {
		t.Fatalf("%d %s", code, talk)
	}
	var out bytes.Buffer
	code, talk := run(&out, sync...)
	if code != exitFound && code != exitIncomplete || !strings.Contains(talk, "of an earlier run, which ended before it said so") {
		t.Fatalf("%d %s", code, talk)
	}
	if told := changesOf(t, out.Bytes()); len(told) == 0 {
		t.Fatalf("nothing was told: %s", out.Bytes())
	}
	out.Reset()
	if _, talk = run(&out, sync...); strings.Contains(talk, "earlier run") || len(changesOf(t, out.Bytes())) != 0 {
		t.Fatalf("told again: %s %s", talk, out.Bytes())
	}
	var doc struct{ Changes []any }
	if err := json.Unmarshal(out.Bytes(), &doc); err != nil || doc.Changes == nil {
		t.Errorf("no list of changes: %v %s", err, out.Bytes())
	}
}
