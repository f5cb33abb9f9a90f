package kube

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// corpora returns a folder of the public test data, or skips.
func corpora(t *testing.T, below ...string) string {
	t.Helper()
	dir := os.Getenv("SCANTLING_CORPORA")
	if dir == "" {
		dir = filepath.Join("..", "..", "..", "shared", "corpora")
	}
	dir = filepath.Join(append([]string{dir}, below...)...)
	if _, err := os.Stat(dir); err != nil {
		t.Skipf("no public test data at %s: set SCANTLING_CORPORA", dir)
	}
	return dir
}

// TestReadsPublicManifests reads every folder of the public sets: nothing may
// be left out but kinds that have no type here and files that are no objects.
func TestReadsPublicManifests(t *testing.T) {
	netpol, err := filepath.Glob(filepath.Join(corpora(t, "netpol", "tests"), "*"))
	if err != nil || len(netpol) == 0 {
		t.Fatalf("no folders: %v", err)
	}
	folders := append(netpol,
		corpora(t, "kubehound", "test", "setup", "test-cluster"),
		corpora(t, "kubehound", "pkg", "collector", "testdata", "test-cluster"),
		corpora(t, "cnp-conformance"))
	start, objects, workloads, clean := time.Now(), 0, 0, 0
	for _, dir := range folders {
		s, err := Reader{}.Read(context.Background(), "", []string{dir})
		if err != nil {
			t.Errorf("%s: %v", dir, err)
			continue
		}
		if s.Read == 0 || len(s.Objects) == 0 {
			t.Errorf("%s: nothing was read", dir)
		}
		objects += s.Read
		workloads += len(s.Workloads)
		ok := true
		for _, i := range s.Incomplete {
			if !strings.Contains(i.Why, "not known") {
				ok = false
				t.Logf("%s: %s", i.What, i.Why)
			}
		}
		if ok {
			clean++
		}
	}
	t.Logf("%d folders, %d without a gap, %d objects, %d workloads, %v an object", len(folders), clean, objects, workloads, time.Since(start)/time.Duration(objects))
	if clean*100 < len(folders)*95 {
		t.Errorf("%d of %d folders have gaps", len(folders)-clean, len(folders))
	}
}
