package cli

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// bucketOf makes sources of advisories: bucket fresh DIR writes one with
// records of today, bucket serve VAR DIR serves a folder and puts its address
// into a variable.
func bucketOf(t *testing.T) func(*testscript.TestScript, bool, []string) {
	return func(ts *testscript.TestScript, neg bool, args []string) {
		switch {
		case !neg && len(args) == 2 && args[0] == "fresh":
			ts.Check(freshBucket(ts.MkAbs(args[1])))
		case !neg && len(args) == 3 && args[0] == "serve":
			server := httptest.NewServer(http.FileServer(http.Dir(ts.MkAbs(args[2]))))
			t.Cleanup(server.Close)
			ts.Setenv(args[1], server.URL)
		default:
			ts.Fatalf("usage: bucket fresh DIR | bucket serve VAR DIR")
		}
	}
}

// freshBucket writes two ecosystems of a record each, KEV and EPSS.
func freshBucket(dir string) error {
	now := time.Now().UTC().Format(time.RFC3339)
	record := `{"id":%q,"modified":%q,"affected":[{"package":{"ecosystem":%q,"name":"x"},"ranges":[{"type":"SEMVER","events":[{"introduced":"0"},{"fixed":"1.0.0"}]}]}]}`
	var all error
	for name, text := range map[string]string{
		"ecosystems.txt":                           "Go\nnpm\n",
		"Go/GO-1.json":                             fmt.Sprintf(record, "GO-1", now, "Go"),
		"Go/modified_id.csv":                       now + ",GO-1\n",
		"npm/NPM-1.json":                           fmt.Sprintf(record, "NPM-1", now, "npm"),
		"npm/modified_id.csv":                      now + ",NPM-1\n",
		"kev/known_exploited_vulnerabilities.json": fmt.Sprintf(`{"dateReleased":%q,"vulnerabilities":[{"cveID":"CVE-2026-1"}]}`, now),
		"epss/epss_scores-current.csv":             "#model_version:v1,score_date:" + now + "\ncve,epss,percentile\nCVE-2026-1,0.5,0.9\n",
	} {
		file := filepath.Join(dir, name)
		all = errors.Join(all, os.MkdirAll(filepath.Dir(file), 0o755), os.WriteFile(file, []byte(text), 0o644))
	}
	return all
}
