package policytest

import (
	"context"
	"encoding/json"
	"math/rand/v2"
	"os"
	"strings"
	"testing"

	"github.com/scantling/scantling/infrastructure/kube"
)

// SampledOut leaves out most of the worlds that a test would draw, unless
// SCANTLING_WHOLE asks for all of them.
func SampledOut(rng *rand.Rand) bool { return os.Getenv("SCANTLING_WHOLE") == "" && rng.IntN(20) != 0 }

// Read makes a snapshot of objects, and returns their text for a report.
func Read(t *testing.T, objects []map[string]any) (*kube.Snapshot, string) {
	t.Helper()
	text, err := json.Marshal(map[string]any{"apiVersion": "v1", "kind": "List", "items": objects})
	if err != nil {
		t.Fatal(err)
	}
	s, err := kube.ReadFrom(context.Background(), "", "world.json", strings.NewReader(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	return s, string(text)
}
