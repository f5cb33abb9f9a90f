package record

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/scantling/scantling/test/e2e/plane"
)

var update = flag.Bool("update", false, "write the recording to the example")

// The recording is the same to the byte, whenever it is made.
func TestRecordingIsTheShippedLog(t *testing.T) {
	programs := plane.Programs(t)
	root := filepath.Join("..", "..", "..")
	shop := filepath.Join(root, "examples", "shop")
	rec, err := Record(t.Context(), programs, t.TempDir(), shop)
	if err != nil {
		t.Fatal(err)
	}
	for path, text := range map[string][]byte{
		filepath.Join(shop, "audit", "audit.jsonl"):                              rec.Log,
		filepath.Join(root, "internal", "gen", "shop", "testdata", "attack.txt"): rec.Attack,
	} {
		if *update {
			if err := os.WriteFile(path, text, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		shipped, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if line := differs(text, shipped); line > 0 {
			t.Errorf("%s differs from the recording at line %d: make record", path, line)
		}
	}
}

// differs is the first line, from 1, in which two texts differ; 0 for none.
func differs(a, b []byte) int {
	if bytes.Equal(a, b) {
		return 0
	}
	as, bs := bytes.Split(a, []byte("\n")), bytes.Split(b, []byte("\n"))
	for i := range min(len(as), len(bs)) {
		if !bytes.Equal(as[i], bs[i]) {
			return i + 1
		}
	}
	return min(len(as), len(bs)) + 1
}
