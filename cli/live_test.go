package cli

import (
	"context"
	"net/http"
	"os"
	"slices"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/scantling/scantling/infrastructure/kube"
	"github.com/scantling/scantling/infrastructure/kube/kubetest"
)

// clusterOf serves manifests as a live cluster and writes its kubeconfig. The
// cluster forbids the resources that are named: cluster FILE DIR RESOURCE…
func clusterOf(t *testing.T) func(*testscript.TestScript, bool, []string) {
	return func(ts *testscript.TestScript, neg bool, args []string) {
		if neg || len(args) < 2 {
			ts.Fatalf("usage: cluster FILE DIR RESOURCE…")
		}
		s, err := kube.Reader{}.Read(context.Background(), "", []string{ts.MkAbs(args[1])})
		ts.Check(err)
		var objects []map[string]any
		for _, o := range s.Objects {
			if o.Kind != "ServiceMonitor" { // not a kind that is read
				objects = append(objects, o.Raw)
			}
		}
		server := kubetest.New(t, objects)
		server.Answer = func(w http.ResponseWriter, _ *http.Request, resource string) bool {
			forbidden := slices.Contains(args[2:], resource)
			if forbidden {
				kubetest.Status(w, http.StatusForbidden, "Forbidden", resource+" is forbidden")
			}
			return forbidden
		}
		ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(server.Kubeconfig()), 0o600))
	}
}
