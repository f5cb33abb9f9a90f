package coverage

import (
	"cmp"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
)

// TestMatrixIsCovered compares the table with ATT&CK's Containers matrix.
func TestMatrixIsCovered(t *testing.T) {
	file := filepath.Join(cmp.Or(os.Getenv("SCANTLING_CORPORA"), "../../../shared/corpora"), "attack/containers.json")
	data, err := os.ReadFile(file)
	if err != nil {
		t.Skip("no public test data: set SCANTLING_CORPORA to the folder that holds attack")
	}
	var matrix struct{ Techniques []struct{ ID string } }
	if err := json.Unmarshal(data, &matrix); err != nil {
		t.Fatal(err)
	}
	shown := 0
	for _, x := range matrix.Techniques {
		if _, ok := signals[x.ID]; !ok {
			t.Errorf("%s is not in the table", x.ID)
		}
		if bestLog(x.ID, nil) != "" {
			shown++
		}
	}
	t.Logf("%d techniques in the matrix, %d in the table, %d show in the audit, application or runtime log", len(matrix.Techniques), len(signals), shown)
	if len(matrix.Techniques) != len(signals) {
		t.Errorf("%d techniques in the matrix, %d in the table", len(matrix.Techniques), len(signals))
	}
}
