package plane

import (
	"os"
	"testing"
)

// Programs is the folder that CONTROLPLANE names, where make put the programs.
// Without it, a test that needs them is skipped.
func Programs(t testing.TB) string {
	t.Helper()
	dir := os.Getenv("CONTROLPLANE")
	if dir == "" {
		t.Skip("CONTROLPLANE is not set: make e2e builds the programs of a control plane and sets it")
	}
	return dir
}
